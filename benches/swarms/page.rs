//! The page of a system: a column for each swarm, a row for each thing that can happen.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::absent::Absent;
use crate::grouped::grouped;
use crate::kept::{Counts, Kept};
use crate::measure::{DRAWN, EVALUATED, EVENTS, GAUGE, POINT, Piece, SAID, Swarm, WORLD, WRONG};

/// The least that each invariant has to be evaluated in 1,000 seeds.
const EVALUATIONS_MIN: u64 = 100;

/// What is asked of the swarms of one system.
pub(crate) struct Page {
    pub(crate) title: &'static str,
    pub(crate) system: &'static str,
    pub(crate) seeds: u64,
    /// Swarms that have fewer: their names, and how many at most.
    pub(crate) at_most: Vec<(String, u64)>,
    pub(crate) swarms: Vec<Swarm>,
    pub(crate) absent: &'static [Absent],
    /// Whether each gauge has to come. Those of some systems count what should not be.
    pub(crate) asks_for_gauges: bool,
    /// What stands before the swarms.
    pub(crate) before: String,
}

impl Page {
    /// Everything that has to be measured.
    pub(crate) fn jobs(&self) -> Vec<Piece<'_>> {
        self.swarms.iter().flat_map(|swarm| swarm.pieces(self.seeds_of(swarm))).collect()
    }

    /// How many seeds a swarm has.
    fn seeds_of(&self, swarm: &Swarm) -> u64 {
        let at_most = self.at_most.iter().find(|(name, _)| *name == swarm.name);
        at_most.map_or(self.seeds, |(_, most)| self.seeds.min(*most))
    }

    /// The page, and what is wrong with what it shows.
    pub(crate) fn text(&self, kept: &Kept) -> (String, Vec<String>) {
        let counts: Vec<Counts> = self.swarms.iter().map(|swarm| self.counts(swarm, kept)).collect();
        let mut wrong: Vec<String> = Vec::new();
        let mut text = self.head(&counts);
        for (heading, start) in [
            ("Invariants, evaluated with their premise true", EVALUATED),
            ("What was drawn", DRAWN),
            ("What nodes said", SAID),
            ("Points in the code", POINT),
            ("Gauges", GAUGE),
            ("Faults, and what happened to the world", WORLD),
        ] {
            let names: BTreeSet<&str> =
                counts.iter().flat_map(Counts::keys).filter_map(|n| n.strip_prefix(start)).collect();
            if names.is_empty() {
                continue;
            }
            let _ = write!(text, "\n## {heading}\n\n{}", self.columns());
            for name in names {
                let _ = write!(text, "| {name} |");
                for (swarm, counts) in self.swarms.iter().zip(&counts) {
                    let count = counts.get(&format!("{start}{name}")).copied();
                    let _ = write!(text, " {} |", self.shown(swarm, count));
                    wrong.extend(self.wrong_with(swarm, start, name, count));
                }
                text += "\n";
            }
        }
        if !self.absent.is_empty() {
            text += "\n## What cannot come, and why\n\n";
        }
        for Absent { swarms, what, why } in self.absent {
            let of: Vec<String> = swarms.iter().map(|swarm| format!("`{swarm}`")).collect();
            let of = if of.is_empty() { String::new() } else { format!(" (in {})", of.join(", ")) };
            let _ = writeln!(text, "- {}{of}: {why}.", what.join(", "));
        }
        wrong.extend(
            counts.iter().flat_map(Counts::keys).filter_map(|name| name.strip_prefix(WRONG)).map(str::to_owned),
        );
        (text, wrong)
    }

    fn counts(&self, swarm: &Swarm, kept: &Kept) -> Counts {
        let mut all = swarm.names();
        for (name, count) in swarm.pieces(self.seeds_of(swarm)).flat_map(|piece| kept.of(&piece)) {
            *all.entry(name).or_default() += count;
        }
        all
    }

    fn head(&self, counts: &[Counts]) -> String {
        let Self { title, system, seeds, .. } = self;
        let events: u64 = counts.iter().filter_map(|counts| counts.get(EVENTS)).sum();
        let mut text = format!("# {title}\n\n");
        if !self.before.is_empty() {
            let _ = writeln!(text, "{}", self.before);
        }
        let few = match self.at_most.is_empty() {
            true => String::new(),
            false => format!(" --at-most {}", self.at_most_text()),
        };
        let _ = writeln!(
            text,
            "The clean swarms of `scenarios/{system}`, `swarm*.toml`, by `just swarm-table {system} {seeds}{few}`: {} \
             events, each run as its file expects.\n\
             The figures are per 1,000 seeds.\n\
             A count of zero would be a failure, and fewer than {EVALUATIONS_MIN} evaluations of an invariant with its \
             premise true, but for what is listed at the end; a dash stands for an invariant that is off.\n\
             [{system}-bugs.md]({system}-bugs.md) has the known bugs.\n",
            grouped(events),
        );
        text += "| swarm | seeds |\n| --- | --: |\n";
        for swarm in &self.swarms {
            let _ = writeln!(text, "| {} | {} |", swarm.name, grouped(self.seeds_of(swarm)));
        }
        text
    }

    fn at_most_text(&self) -> String {
        let all: Vec<String> = self.at_most.iter().map(|(name, most)| format!("{name}={most}")).collect();
        all.join(",")
    }

    fn columns(&self) -> String {
        let names: String = self.swarms.iter().map(|swarm| format!(" {} |", swarm.name)).collect();
        format!("| in 1,000 seeds |{names}\n| --- |{}\n", " --: |".repeat(self.swarms.len()))
    }

    /// What came more seldom than once in 1,000 seeds is shown as such, and is no zero.
    fn shown(&self, swarm: &Swarm, count: Option<u64>) -> String {
        let Some(count) = count else { return "–".to_owned() };
        match count * 1_000 / self.seeds_of(swarm) {
            0 if count > 0 => format!("< 1 ({count} in all)"),
            rate => grouped(rate),
        }
    }

    fn wrong_with(&self, swarm: &Swarm, start: &str, name: &str, count: Option<u64>) -> Option<String> {
        // What the world came to is told and not asked for: a nemesis that never acts is told by the run itself.
        let is_asked = start != WORLD && (start != GAUGE || self.asks_for_gauges);
        let count = count.filter(|_| is_asked)?;
        let (count, least) =
            if start == EVALUATED { (count * 1_000 / self.seeds_of(swarm), EVALUATIONS_MIN) } else { (count, 1) };
        match self.absent.iter().find(|one| one.is_about(&swarm.name, name)) {
            Some(_) if count == 0 => None,
            Some(absent) => Some(format!("{}, {name}: came {count} times, but: {}", swarm.name, absent.why)),
            None => (count < least).then(|| format!("{}, {name}: came {count} times, not {least}", swarm.name)),
        }
    }
}

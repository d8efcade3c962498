//! The page of a system: seeds to find, and the matrix of bugs and invariants.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use splitbrain_kernel::system::System;
use splitbrain_kernel::time::Duration;

use crate::kept::{Counts, Kept};
use crate::measure::{Arm, BLACK_BOX, BY, Cell, FIRED, FIRST, General, HITS, MATRIX_SEEDS, TWINS_BROKEN, invariants};
use crate::share::cell;

/// The row of the clean system.
const CLEAN: &str = "none";

/// A bug, or the clean system.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) own: Option<Arm>,
}

/// What is asked of the bugs of one system.
pub(crate) struct Table<S> {
    pub(crate) title: &'static str,
    pub(crate) seeds: u64,
    /// By how much the runs of the matrix and of the twins are longer than the scenarios say.
    pub(crate) settle: Duration,
    pub(crate) general: Option<General<S>>,
    pub(crate) rows: Vec<Row>,
}

impl<S: System> Table<S> {
    /// Everything that has to be measured.
    pub(crate) fn jobs(&self) -> Vec<Cell<'_, S>> {
        let cells = self.rows.iter().flat_map(|row| [self.in_general(row), self.in_own(row)]);
        cells.flatten().flat_map(Cell::pieces).collect()
    }

    fn in_general<'a>(&'a self, row: &'a Row) -> Option<Cell<'a, S>> {
        let General { arm, with_bug } = self.general.as_ref()?;
        Some(Cell { with_bug: Some(*with_bug), ..self.cell(row, arm, row.own.is_none()) })
    }

    fn in_own<'a>(&'a self, row: &'a Row) -> Option<Cell<'a, S>> {
        Some(self.cell(row, row.own.as_ref()?, true))
    }

    fn cell<'a>(&'a self, row: &'a Row, arm: &'a Arm, has_matrix: bool) -> Cell<'a, S> {
        Cell { bug: &row.name, arm, with_bug: None, seeds: 0..self.seeds, has_matrix, settle: self.settle }
    }

    /// The page, and what is wrong with what it shows: a bug that its own scenario does not find, a twin that breaks
    /// something, an alarm of the clean system.
    pub(crate) fn page(&self, kept: &Kept) -> (String, Vec<String>) {
        let mut wrong = Vec::new();
        let mut text = self.head();
        let mut fired_rows = String::new();
        let mut never: BTreeSet<String> =
            invariants::<S>().into_iter().map(|invariant| invariant.name.into_owned()).collect();
        for row in &self.rows {
            let general = self.in_general(row).map(|cell| sum(cell, kept));
            let own = self.in_own(row).map(|cell| sum(cell, kept));
            wrong.extend(self.wrong_with(row, general.as_ref(), own.as_ref()));
            text += &self.row(row, general.as_ref(), own.as_ref());
            let fired = counted(own.as_ref().or(general.as_ref()), FIRED);
            never.retain(|name| fired.iter().all(|(fired, _)| fired != name));
            let cells: Vec<String> = fired.iter().map(|(name, count)| format!("`{name}` {count}")).collect();
            let cells = if cells.is_empty() { "–".to_owned() } else { cells.join(", ") };
            let _ = writeln!(fired_rows, "| `{}` | {cells} |", row.name);
        }
        let never: Vec<String> = never.iter().map(|name| format!("`{name}`")).collect();
        let never = if never.is_empty() { "none".to_owned() } else { never.join(", ") };
        let _ = write!(text, "\n{}{fired_rows}\nFired for no known bug: {never}.\n", self.matrix_head());
        (text, wrong)
    }

    fn head(&self) -> String {
        let Self { title, seeds, .. } = self;
        let mut text = format!(
            "# Known bugs of {title}\n\n\
             How likely one run finds a known bug: hits in the first {seeds} seeds of each cell, with the share and \
             its 95 % interval (Wilson).\n\
             Made by `just bugs-table {} {seeds}`, which goes on where it was interrupted.\n\n",
            S::NAME,
        );
        if let Some(general) = &self.general {
            let _ = writeln!(
                text,
                "The general swarm is the {} shipped swarms in turn, so most of its runs cannot show a bug of one \
                 preset or feature.\n\
                 The row `{CLEAN}` is the clean system: a hit would be a false alarm.",
                general.arm.len()
            );
        }
        let _ = write!(
            text,
            "Own scenario: the file of the row's name in `scenarios/{}/bugs`, or else in the folder above it.\n\
             Black box: with those of its invariants alone that look at nothing but what nodes say.\n\
             First: the first seed that found it, counted from 0, and by which invariants runs ended.\n\
             Twins: the runs of the first {} seeds without the bug that broke something. A row without a twin shows \
             what a configuration does without any slip, and no option mends.\n\n",
            S::NAME,
            self.matrix_seeds(),
        );
        let (general, line) = match &self.general {
            Some(_) => (" general swarm | black box |", " --- | --- |"),
            None => ("", ""),
        };
        let _ = write!(
            text,
            "| bug |{general} own scenario | black box | first | first, black box | by | twins broken |\n\
             | --- |{line} --- | --- | --: | --: | --- | --: |\n"
        );
        text
    }

    fn matrix_head(&self) -> String {
        let of = if self.general.is_some() { " (without one: of the general swarm)" } else { "" };
        let longer = match self.settle {
            Duration::ZERO => String::new(),
            settle => format!("The runs are {settle} longer than the scenario says: a settle phase for liveness.\n"),
        };
        format!(
            "## Which invariants fire\n\n\
             Over the first {} seeds of a bug's own scenario{of}, each invariant that fires, with the number of \
             seeds.\n\
             A run that broke one is run again without it, until nothing breaks.\n{longer}\n\
             | bug | invariants |\n| --- | --- |\n",
            self.matrix_seeds(),
        )
    }

    fn matrix_seeds(&self) -> u64 {
        self.seeds.min(MATRIX_SEEDS)
    }

    fn row(&self, row: &Row, general: Option<&Counts>, own: Option<&Counts>) -> String {
        let both = |counts: &Counts| [HITS, BLACK_BOX].map(|name| cell(of(counts, name), self.seeds)).join(" | ");
        let mut text = format!("| `{}` |", row.name);
        if let Some(general) = general {
            let _ = write!(text, " {} |", both(general));
        }
        match own {
            None => text += " – | – | – | – | – | – |",
            Some(own) => {
                let first = |name: &str| own.get(&format!("{FIRST}{name}")).map_or("–".to_owned(), u64::to_string);
                let by: Vec<String> = counted(Some(own), BY).into_iter().map(|(name, _)| format!("`{name}`")).collect();
                let (hit, seen) = (first(HITS), first(BLACK_BOX));
                let has_twin = row.own.as_ref().is_some_and(Arm::has_twin);
                let twins = if has_twin { of(own, TWINS_BROKEN).to_string() } else { "no twin".to_owned() };
                let _ = write!(text, " {} | {hit} | {seen} | {} | {twins} |", both(own), by.join(", "));
            }
        }
        text + "\n"
    }

    fn wrong_with(&self, row: &Row, general: Option<&Counts>, own: Option<&Counts>) -> Vec<String> {
        let name = &row.name;
        if name == CLEAN {
            let alarms = general.map_or(0, |counts| of(counts, HITS));
            return (alarms > 0).then(|| format!("{}: {alarms} false alarms", S::NAME)).into_iter().collect();
        }
        let Some(own) = own else { return Vec::new() };
        let mut wrong = Vec::new();
        if of(own, HITS) == 0 {
            wrong.push(format!("{} {name}: not found in {} seeds", S::NAME, self.seeds));
        }
        if of(own, TWINS_BROKEN) > 0 {
            wrong.push(format!("{} {name}: {} twins broken", S::NAME, of(own, TWINS_BROKEN)));
        }
        wrong
    }
}

/// The counts of all pieces of a cell. Of first seeds the least counts.
fn sum<S: System>(cell: Cell<'_, S>, kept: &Kept) -> Counts {
    let mut all = Counts::new();
    for (name, count) in cell.pieces().flat_map(|piece| kept.of(&piece)) {
        let is_first = name.starts_with(FIRST);
        all.entry(name).and_modify(|all| *all = if is_first { count.min(*all) } else { *all + count }).or_insert(count);
    }
    all
}

fn of(counts: &Counts, name: &str) -> u64 {
    counts.get(name).copied().unwrap_or(0)
}

/// What is counted under names with this start, the most frequent first.
fn counted(counts: Option<&Counts>, start: &str) -> Vec<(String, u64)> {
    let all = counts.into_iter().flatten();
    let mut some: Vec<_> = all.filter_map(|(name, n)| Some((name.strip_prefix(start)?.to_owned(), *n))).collect();
    some.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), name.clone()));
    some
}

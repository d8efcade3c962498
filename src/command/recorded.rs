//! What a replay is compared with: the run that was recorded, and the plan that is followed.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use splitbrain_kernel::plan::{Moment, Plan, Site, Timing};
use splitbrain_kernel::rng::Seed;

use crate::build;
use crate::command::note;
use crate::engine::{PlanText, Run};
use crate::exit_code::ExitCode;
use crate::report::artifact::Kept;
use crate::scenario::plan_lines;
use crate::wording::grouped;

/// Entries of a plan that are told of, before the rest is counted.
const TOLD_MAX: usize = 10;

/// See the module.
pub(super) struct Recorded {
    /// The recording, where the replay is of its seed.
    pub(super) kept: Option<Kept>,
    /// The recording is of this other seed.
    pub(super) other_seed: Option<Seed>,
    /// The plan.
    pub(super) plan: Option<PlanText>,
    /// Whether it has to be the same run: scenario, plan and timing are those of the recording.
    pub(super) is_exact: bool,
}

/// What came of the comparison.
pub(super) struct Replayed<'a> {
    kept: Option<&'a Kept>,
    run: &'a Run,
    never_due: Vec<NeverDue>,
    pub(super) code: ExitCode,
}

/// An entry of the plan that the run never came to.
struct NeverDue {
    line: u32,
    message: String,
}

impl Recorded {
    /// Compares a run with what was recorded.
    pub(super) fn compare<'a>(&'a self, run: &'a Run) -> Replayed<'a> {
        let kept = self.kept.as_ref();
        let differs = kept.is_some_and(|kept| kept.digest != run.digest.to_string() && kept.build == build::ID);
        let code = if differs && self.is_exact { ExitCode::Diverged } else { ExitCode::AsExpected };
        let never_due = self.plan.as_ref().map_or_else(Vec::new, |plan| never_due(plan, run));
        Replayed { kept, run, never_due, code }
    }

    /// Says on stderr what came of it.
    pub(super) fn tell(&self, replayed: &Replayed<'_>) {
        if let Some(seed) = self.other_seed {
            note(&format!("replayed: not compared, as the recording is of seed {seed}"));
        }
        replayed.tell(self.plan.as_ref().map_or("", |plan| &plan.path));
    }
}

impl Replayed<'_> {
    fn is_same(&self) -> Option<bool> {
        self.kept.map(|kept| kept.digest == self.run.digest.to_string())
    }

    /// How the recorded run ended, where this one ended otherwise.
    pub(super) fn other_outcome(&self) -> Option<&str> {
        self.kept.map(|kept| kept.outcome.as_str()).filter(|outcome| *outcome != self.run.outcome.name())
    }

    /// Whether the recorded run was not as expected.
    pub(super) fn failed_before(&self) -> bool {
        self.kept.is_some_and(|kept| kept.as_expected == Some(false))
    }

    /// For programs.
    pub(super) fn fields(&self) -> Value {
        let recorded = self.kept.map(|kept| {
            json!({
                "build": kept.build, "digest": kept.digest, "outcome": kept.outcome, "events": kept.events,
                "as_expected": kept.as_expected,
            })
        });
        let never_due = self.never_due.iter().map(|one| json!({ "line": one.line, "message": one.message }));
        json!({ "same": self.is_same(), "recorded": recorded, "never_due": never_due.collect::<Vec<_>>() })
    }

    fn tell(&self, plan: &str) {
        for one in self.never_due.iter().take(TOLD_MAX) {
            note(&format!("warning: {plan}:{}: {}", one.line, one.message));
        }
        let more = self.never_due.len().saturating_sub(TOLD_MAX);
        if more > 0 {
            note(&format!("warning: {plan}: and {} that the run never came to", entries(more)));
        }
        match (self.kept, self.is_same()) {
            (Some(_), Some(true)) => note("replayed: the same run, digest for digest"),
            (Some(kept), _) => {
                note(&format!("replayed: another run: digest {}, recorded {}", self.run.digest, kept.digest));
                note(&format!("  outcome {}, recorded {}", self.run.outcome.name(), kept.outcome));
                note(&format!("  events {}, recorded {}", self.run.events, kept.events));
            }
            (None, _) => {}
        }
    }
}

fn entries(count: usize) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{} entries", grouped(count as u64)) }
}

/// The entries of a plan that are not among what was done, each with its line.
fn never_due(plan: &PlanText, run: &Run) -> Vec<NeverDue> {
    // Operations are as the system has them: here they are only compared.
    let read = |text: &str| toml::from_str::<Plan<toml::Value>>(text).ok();
    let (Some(given), Some(done)) = (read(&plan.text), run.plan.as_deref().and_then(read)) else {
        return Vec::new();
    };
    let timing = plan.timing.unwrap_or(given.timing);
    let mut never = faults(plan, timing, &given, &done);
    never.extend(operations(plan, timing, &given, &done));
    let lines = plan_lines(&plan.text, "override");
    for (entry, line) in given.overrides.iter().zip(lines) {
        if !done.overrides.contains(entry) {
            let message = format!("the decision on {} #{} never came", site(entry.site), entry.ordinal);
            never.push(NeverDue { line, message });
        }
    }
    never.sort_by_key(|one| one.line);
    never
}

fn faults(plan: &PlanText, timing: Timing, given: &Plan<toml::Value>, done: &Plan<toml::Value>) -> Vec<NeverDue> {
    let mut applied: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for fault in done.faults.iter().rev() {
        applied.entry(&fault.id).or_default().push(fault.stop.is_some());
    }
    let mut never = Vec::new();
    for (fault, line) in given.faults.iter().zip(plan_lines(&plan.text, "fault")) {
        let id = &fault.id;
        let message = match (applied.get_mut(id.as_str()).and_then(Vec::pop), fault.stop) {
            (None, _) => format!("fault {id} never started, {}", due(timing, fault.start)),
            (Some(false), Some(stop)) => format!("fault {id} was never lifted, {}", due(timing, stop)),
            (Some(_), _) => continue,
        };
        never.push(NeverDue { line, message });
    }
    never
}

fn operations(plan: &PlanText, timing: Timing, given: &Plan<toml::Value>, done: &Plan<toml::Value>) -> Vec<NeverDue> {
    let mut handed: BTreeMap<(String, String), u64> = BTreeMap::new();
    let key = |node: &splitbrain_kernel::id::NodeId, what: &toml::Value| (node.to_string(), what.to_string());
    for one in &done.operations {
        *handed.entry(key(&one.node, &one.operation)).or_default() += 1;
    }
    let mut never = Vec::new();
    for (one, line) in given.operations.iter().zip(plan_lines(&plan.text, "operation")) {
        match handed.get_mut(&key(&one.node, &one.operation)) {
            Some(left) if *left > 0 => *left -= 1,
            _ => {
                let message = format!("the operation of {} never came, {}", one.node, due(timing, one.start));
                never.push(NeverDue { line, message });
            }
        }
    }
    never
}

fn due(timing: Timing, moment: Moment) -> String {
    match timing {
        Timing::Exact => format!("due at {} after event {}", moment.at, moment.after_events),
        Timing::Time => format!("due at {}", moment.at),
    }
}

fn site(site: Site) -> String {
    match site {
        Site::Packet(link) => format!("packet {link}"),
        Site::Disk(node) => format!("the disk of {node}"),
        Site::Crash(node) => format!("a crash of {node}"),
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::run::{Digest128, Outcome};

    use super::*;

    const GIVEN: &str = r#"format = 1

[[fault]]
id = "early"
start = { at = "1ms", after_events = 1 }
stop = { at = "9ms", after_events = 9 }
fault = { pause = { nodes = ["s1"] } }

[[fault]]
id = "late"
start = { at = "2s", after_events = 20 }
fault = { pause = { nodes = ["s1"] } }

[[operation]]
start = { at = "1ms", after_events = 1 }
node = "c1"
operation = { read = 1 }

[[operation]]
start = { at = "3s", after_events = 30 }
node = "c1"
operation = { read = 1 }

[[override]]
site = { packet = "s1 -> s2" }
ordinal = 3
decision = "drop"
"#;

    fn never(given: &str, done: &str, timing: Option<Timing>) -> Vec<(u32, String)> {
        let plan = PlanText { path: "plan.toml".to_owned(), text: given.to_owned(), timing, force: false };
        let run = Run::without_counts(Seed(1), Outcome::Passed, Digest128(0));
        let run = Run { plan: Some(done.to_owned()), ..run };
        never_due(&plan, &run).into_iter().map(|one| (one.line, one.message)).collect()
    }

    #[test]
    fn a_plan_that_was_done_to_its_end_leaves_nothing_to_tell() {
        assert_eq!(never(GIVEN, GIVEN, None), []);
        assert_eq!(never("format = 1", GIVEN, None), [], "what was done beside it is no entry of it");
    }

    #[test]
    fn every_entry_that_the_run_did_not_come_to_is_told_with_its_line() {
        let told = |never: Vec<(u32, String)>| -> Vec<String> {
            never.into_iter().map(|(line, message)| format!("{line}: {message}")).collect()
        };
        assert_eq!(
            told(never(GIVEN, "format = 1", None)),
            [
                "3: fault early never started, due at 0.001000s after event 1",
                "9: fault late never started, due at 2.000000s after event 20",
                "14: the operation of c1 never came, due at 0.001000s after event 1",
                "19: the operation of c1 never came, due at 3.000000s after event 30",
                "24: the decision on packet s1 -> s2 #3 never came",
            ]
        );
        let (begun, _) = GIVEN.split_once("[[fault]]\nid = \"late\"").expect("it is there");
        let begun = begun.replace("stop = { at = \"9ms\", after_events = 9 }\n", "");
        let one =
            "[[operation]]\nstart = { at = \"1ms\", after_events = 1 }\nnode = \"c1\"\noperation = { read = 1 }\n";
        let told = told(never(GIVEN, &format!("{begun}{one}"), Some(Timing::Time)));
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(told[0], "3: fault early was never lifted, due at 0.009000s");
        assert_eq!(told[2], "19: the operation of c1 never came, due at 3.000000s");
    }
}

//! Recorders that want a part of a recording get that part as it is in the whole.

use std::sync::Arc;

use splitbrain_kernel::rng::Seed;
use splitbrain_systems::raft::Raft;

use super::*;
use crate::engine::{AnySystem as _, Simulated};
use crate::scenario::{SystemDescription, load};

/// Keeps the lines of the sorts that it wants, and counts what it does not want.
struct Picky {
    wanted: fn(EntryKind) -> bool,
    lines: Vec<String>,
    skipped: usize,
}

impl Picky {
    const fn of(wanted: fn(EntryKind) -> bool) -> Self {
        Self { wanted, lines: Vec::new(), skipped: 0 }
    }
}

impl Recorder for Picky {
    fn record(&mut self, entry: Entry) {
        if !self.wants(entry.kind) {
            return self.skip(entry.kind);
        }
        self.lines.push(entry.line(&Names::default()));
    }

    fn wants(&self, kind: EntryKind) -> bool {
        (self.wanted)(kind)
    }

    fn wants_data(&self) -> bool {
        false
    }

    fn skip(&mut self, _: EntryKind) {
        self.skipped += 1;
    }
}

/// One run of servers that crash and of clients that write.
fn recorded(recorder: &mut dyn Recorder) {
    let text = "format = 1\nsystem = \"raft\"\ncluster = { servers = 3, clients = 1 }\n\
                workload = { kind = \"propose\", rate = \"20/s\" }\nrun = { duration = \"3s\" }\n\
                [[fault]]\nat = \"1s\"\ncrash = \"leader\"\nfor = \"500ms\"\n";
    let scenario = load("a.toml", text.as_bytes(), &[SystemDescription::of::<Raft>()]);
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    let engine = Simulated::<Raft>::new().open(Arc::new(scenario)).expect("the kernel runs every scenario");
    engine.worker().run(Seed(1).into(), Some(recorder));
}

#[test]
fn a_part_of_a_recording_is_as_in_the_whole() {
    let mut whole: Vec<Entry> = Vec::new();
    recorded(&mut whole);
    assert!(whole.iter().any(|entry| !entry.data.is_null()), "a whole recording is for programs too");
    for wanted in [EntryKind::is_notable, EntryKind::is_input, |kind| kind == EntryKind::Sent, |_| false] {
        let mut picky = Picky::of(wanted);
        recorded(&mut picky);
        let lines: Vec<String> =
            whole.iter().filter(|entry| wanted(entry.kind)).map(|entry| entry.line(&Names::default())).collect();
        assert_eq!(picky.lines, lines);
        assert_eq!(picky.skipped, whole.len() - lines.len());
    }
}

#[test]
fn of_two_recorders_each_gets_what_it_wants() {
    let (mut whole, mut alone) = (Vec::new(), Picky::of(EntryKind::is_notable));
    recorded(&mut whole);
    recorded(&mut alone);
    let mut first = (Vec::new(), Picky::of(EntryKind::is_notable));
    recorded(&mut first);
    assert!(first.0 == whole, "the data of one is not lost to the other");
    assert_eq!((&first.1.lines, first.1.skipped), (&alone.lines, alone.skipped));
    let mut second = (Picky::of(EntryKind::is_notable), (None::<Vec<Entry>>, Picky::of(EntryKind::is_input)));
    recorded(&mut second);
    assert_eq!((second.0.lines, second.0.skipped), (alone.lines, alone.skipped));
    let mut inputs = Picky::of(EntryKind::is_input);
    recorded(&mut inputs);
    assert_eq!((second.1.1.lines, second.1.1.skipped), (inputs.lines, inputs.skipped));
}

#[test]
fn every_sort_of_entry_has_its_name_in_recordings() {
    for kind in EntryKind::ALL {
        assert_eq!(serde_json::to_value(kind).expect("plain data"), kind.name());
    }
}

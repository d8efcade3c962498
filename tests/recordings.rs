//! Goal: a recording is data. What a run left behind is read, written again as the same bytes, and shown without
//! running anything.
//!
//! Method: real recordings of the shipped program, which together hold every kind of entry but deferred work and
//! orders: Raft defers none, no scenario of these gives an order, and the entries of
//! `src/engine/recording` are tested by themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use splitbrain::engine::{
    AnySystem as _, EntryKind, PlanText, RecordingKind, RecordingReader, RecordingWriter, Simulated,
};
use splitbrain::history::HistoryFile;
use splitbrain::scenario::load_file;
use splitbrain_kernel::node::Node;
use splitbrain_kernel::system::System;
use splitbrain_systems::lock::Lock;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::raft::message::{Operation, Response};
use splitbrain_systems::reactor::Reactor;
use splitbrain_systems::session::Sessions;

const KINDS: [EntryKind; 18] = [
    EntryKind::Start,
    EntryKind::Message,
    EntryKind::Connection,
    EntryKind::Timer,
    EntryKind::Durable,
    EntryKind::Operation,
    EntryKind::Sent,
    EntryKind::Lost,
    EntryKind::Held,
    EntryKind::Wrote,
    EntryKind::Invoked,
    EntryKind::Completed,
    EntryKind::Observed,
    EntryKind::Exited,
    EntryKind::Fault,
    EntryKind::Lifted,
    EntryKind::Settled,
    EntryKind::Violated,
];

fn splitbrain(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_splitbrain")).args(arguments).output().expect("the program starts")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("the program prints text")
}

/// The folder of one run, and everything that was printed of it.
fn recorded(test: &str, scenario: &str, seed: u64) -> (PathBuf, String) {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recordings").join(test);
    let seed = seed.to_string();
    let (name, variant) = scenario.split_once('#').unwrap_or((scenario, ""));
    let mark = if variant.is_empty() { "" } else { "#" };
    let path = format!("scenarios/{name}.toml{mark}{variant}");
    let folder = out.join(scenario).join(&seed);
    let out = out.to_str().expect("a path of text");
    let printed = splitbrain(&["run", &path, "--seed", &seed, "--timeline", "all", "--out", out]);
    (folder, stdout(&printed).to_owned())
}

/// The bytes of a recording, read and written again, and the kinds of its entries.
fn again(path: &Path, kind: RecordingKind) -> (Vec<u8>, BTreeSet<EntryKind>) {
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = RecordingReader::new(path.display().to_string(), std::io::BufReader::new(file));
    let reader = reader.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(reader.header().kind, kind);
    let mut writer = RecordingWriter::new(Vec::new(), reader.header()).expect("memory takes it");
    let mut kinds = BTreeSet::new();
    for entry in reader {
        let entry = entry.unwrap_or_else(|error| panic!("{error}"));
        kinds.insert(entry.kind);
        writer.write(&entry).expect("memory takes it");
    }
    (writer.finish().expect("memory takes it"), kinds)
}

#[test]
fn every_kind_of_entry_is_read_and_written_again_as_the_same_bytes() {
    let (mut seen, mut operations) = (BTreeSet::new(), 0);
    let violated = (0..50).map(|seed| ("raft/bugs/vote_not_persisted#every_invariant", seed));
    let swarm = (0..4).map(|seed| ("raft/swarm_nuraft", seed));
    let exits = (0..4).map(|seed| ("raft/nuraft_starved_server_exits", seed));
    for (scenario, seed) in swarm.chain(exits).chain(violated) {
        if KINDS.iter().all(|kind| seen.contains(kind)) {
            break;
        }
        let (folder, _) = recorded("bytes", scenario, seed);
        let path = folder.join("trace.jsonl");
        let (bytes, kinds) = again(&path, RecordingKind::Trace);
        assert!(bytes == fs::read(&path).expect("it was just read"), "{} changes", path.display());
        seen.extend(kinds);
        let path = folder.join("history.jsonl");
        // A cluster without clients leaves none.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let history = HistoryFile::<Operation, Response>::read(&text).unwrap_or_else(|error| panic!("{error}"));
        assert!(history.write() == text, "{} changes", path.display());
        operations += history.history.entries().len();
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), KINDS, "every kind was there to be tested");
    assert!(operations > 100, "clients asked for something: {operations}");
}

/// A history file, read and written again.
fn history_again<O, R>(text: &str) -> (String, usize)
where
    O: Serialize + DeserializeOwned + Clone,
    R: Serialize + DeserializeOwned + Clone,
{
    let history = HistoryFile::<O, R>::read(text).unwrap_or_else(|error| panic!("{error}"));
    (history.write(), history.history.entries().len())
}

/// A plan file, read and written again.
fn plan_again<S: System>(scenario: &str, text: &str) -> (String, usize) {
    let path = format!("scenarios/{scenario}.toml");
    let system = Simulated::<S>::new();
    let scenario = load_file(Path::new(&path), &[system.description()]).unwrap_or_else(|error| panic!("{error}"));
    let engine = system.open(Arc::new(scenario)).expect("the kernel runs every scenario");
    let file = PlanText { path, text: text.to_owned(), timing: None, workload: None, force: false };
    let plan = engine.read_plan(&file).unwrap_or_else(|error| panic!("{error}"));
    (plan.to_toml(), plan.operations().len() + plan.faults().len())
}

#[track_caller]
fn check_again<S: System>(scenario: &str, seed: u64) {
    let (folder, printed) = recorded("all", scenario, seed);
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (trace, kinds) = again(&folder.join("trace.jsonl"), RecordingKind::Trace);
    assert!(trace == text("trace.jsonl").into_bytes(), "{scenario}: the trace changes");
    assert!(kinds.len() > 8, "{scenario}: {kinds:?}");
    let (history, entries) =
        history_again::<<S::Node as Node>::Operation, <S::Node as Node>::Response>(&text("history.jsonl"));
    assert!(history == text("history.jsonl"), "{scenario}: the history changes");
    assert!(entries > 20, "{scenario}: {entries} entries");
    let (plan, done) = plan_again::<S>(scenario, &text("plan.toml"));
    assert!(plan == text("plan.toml"), "{scenario}: the plan changes");
    assert!(done > 20, "{scenario}: {done} entries of a plan");
    check_shown(&folder, &printed);
}

#[test]
fn what_is_left_of_a_run_is_read_and_written_again_in_every_system() {
    check_again::<Raft>("raft/swarm_kv_snapshots", 1);
    check_again::<Raft>("raft/swarm_membership", 1);
    check_again::<Reactor>("reactor/swarm", 1);
    check_again::<Lock>("lock/swarm_failover", 1);
    check_again::<Sessions>("session/swarm_single_etcd", 1);
    check_again::<Sessions>("session/swarm_replicated_zbs", 1);
}

/// The stored recording shows the timeline that was printed of the run, without the scenario and without running it.
#[track_caller]
fn check_shown(folder: &Path, printed: &str) {
    let scenario = folder.join("scenario.toml");
    fs::remove_file(&scenario).unwrap_or_else(|error| panic!("{}: {error}", scenario.display()));
    let shown = splitbrain(&["show", folder.to_str().expect("a path of text"), "--timeline", "all"]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert!(
        timeline(printed) == timeline(stdout(&shown)),
        "the stored timeline of {} is another one",
        folder.display()
    );
    assert!(timeline(printed).lines().count() > 100, "it is a whole run");
}

fn timeline(text: &str) -> String {
    let (_, rest) = text.split_once("\ntimeline\n").expect("there is a timeline");
    rest.split_once("\n\n").map_or(rest, |(lines, _)| lines).to_owned()
}

#[test]
fn a_stored_recording_is_shown_as_the_run_was() {
    let (folder, printed) = recorded("shown", "raft/swarm_nuraft", 0);
    let folder = folder.to_str().expect("a path of text");
    let shown = splitbrain(&["show", folder, "--timeline", "all"]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    assert!(timeline(&printed) == timeline(stdout(&shown)), "the stored timeline is another one");
    assert!(timeline(&printed).lines().count() > 10_000, "it is a whole run");
    for line in ["seed: 0\n", "system: raft\n", "outcome: passed\n"] {
        assert!(stdout(&shown).contains(line), "{line}");
    }
}

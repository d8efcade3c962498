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

use splitbrain::engine::{EntryKind, RecordingKind, RecordingReader, RecordingWriter};
use splitbrain::history::HistoryFile;
use splitbrain_systems::raft::message::{Operation, Response};

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
    let path = format!("scenarios/raft/{scenario}.toml");
    let folder = out.join("raft").join(scenario).join(&seed);
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
    let violated = (0..50).map(|seed| ("bugs/vote_not_persisted", seed));
    let swarm = (0..4).map(|seed| ("swarm_nuraft", seed));
    let exits = (0..4).map(|seed| ("nuraft_starved_server_exits", seed));
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

#[test]
fn a_stored_recording_is_shown_as_the_run_was() {
    let (folder, printed) = recorded("shown", "swarm_nuraft", 0);
    let folder = folder.to_str().expect("a path of text");
    let shown = splitbrain(&["show", folder, "--timeline", "all"]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let timeline = |text: &str| {
        let (_, rest) = text.split_once("\ntimeline\n").expect("there is a timeline");
        rest.split_once("\n\n").map_or(rest, |(lines, _)| lines).to_owned()
    };
    assert!(timeline(&printed) == timeline(stdout(&shown)), "the stored timeline is another one");
    assert!(timeline(&printed).lines().count() > 10_000, "it is a whole run");
    for line in ["seed: 0\n", "system: raft\n", "outcome: passed\n"] {
        assert!(stdout(&shown).contains(line), "{line}");
    }
}

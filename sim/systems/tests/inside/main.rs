//! Goal: the raft system lives inside another node, and all that belongs to it works there: its sixteen invariants, its
//! options and presets, its roles. Method: the shell beside this file.

mod shell;

use std::collections::BTreeMap;

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::fault::Refuse;
use splitbrain_kernel::plan::{Moment, Plan, PlannedFault, PlannedOperation, Timing};
use splitbrain_kernel::prelude::*;
use splitbrain_kernel::run::{Outcome, RunOptions, RunReport};
use splitbrain_kernel::vocabulary::Vocabulary;
use splitbrain_kernel::world::World;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::raft::ids::{Index, Position, Term};
use splitbrain_systems::raft::message::{Operation, RaftMessage, VoteRequest};
use splitbrain_systems::raft::node::RaftTimer;
use splitbrain_systems::raft::options::RaftOptions;

use shell::{Alarm, Asked, Ordered, Said, Shell, ShellOptions, Shells};

const CLUSTER: Cluster = Cluster::plain(5, 0);

/// Half a minute, with options set by path on top of the plain ones.
fn run(settings: &[(&str, Value)], seed: u64) -> RunReport<Asked, Ordered> {
    run_with(RunOptions::ordinary(CLUSTER, Duration::from_secs(30)), settings, seed)
}

fn run_with(options: RunOptions<Asked, Ordered>, settings: &[(&str, Value)], seed: u64) -> RunReport<Asked, Ordered> {
    let mut shell = ShellOptions::preset("plain").expect("it is listed");
    for (path, value) in settings {
        assert!(shell.set(path, value), "{path} is an option");
    }
    shell.validate_all(options.cluster).expect("options that stand together");
    let setup = Setup::new(options.cluster, PerServer::same(shell), options.bounds);
    let system = Shells::new(setup).expect("options that stand together");
    World::new(&system, &options, Seed(seed)).run()
}

fn name(text: &str) -> Value {
    Value::Name(text.to_owned())
}

/// How often each invariant was evaluated, by the name that people see.
fn evaluated(report: &RunReport<Asked, Ordered>) -> BTreeMap<String, u64> {
    let named = <Shells as System>::Invariants::GROUPS.named(Shells::NAME);
    named.into_iter().map(|invariant| invariant.name.into_owned()).zip(report.evaluated.iter().copied()).collect()
}

#[test]
fn both_sets_are_listed_with_their_groups() {
    let named = <Shells as System>::Invariants::GROUPS.named(Shells::NAME);
    let names: Vec<&str> = named.iter().map(|invariant| invariant.name.as_ref()).collect();
    assert_eq!(names.len(), 2 + <Raft as System>::Invariants::LIST.len());
    assert_eq!(names[..3], ["shell.greetings_grow", "shell.greetings_are_kept", "raft.election_safety"]);
}

#[test]
fn roles_of_raft_are_known_by_its_group() {
    let words = Vocabulary::of::<Shells>();
    assert_eq!(words.find_role("raft.leader"), words.find_role("leader"));
    assert!(words.find_role("raft.leader").is_ok_and(|leader| words.role(leader).is_ranked));
}

#[test]
fn people_read_the_values_of_the_inner_node_in_its_own_words() {
    let term = Term(3);
    let vote = Said::Raft(RaftMessage::Vote(VoteRequest { term, last: Position { term: Term(2), index: Index(7) } }));
    assert_eq!(Datum::<Shell>::Message(&vote).to_string(), "last 7@2");
    assert_eq!(Datum::<Shell>::Timer(Alarm::Greet).to_string(), "greet", "the outer node's own");
    assert_eq!(Datum::<Shell>::Timer(Alarm::Raft(RaftTimer::Election)).to_string(), "election");
    assert_eq!(Datum::<Shell>::File(FileId(2)).to_string(), "log");
    assert_eq!(Datum::<Shell>::File(FileId(0)).to_string(), "file 0", "before the files of the inner node");
}

#[test]
fn every_preset_passes_inside_under_the_invariants_of_raft_by_itself() {
    for preset in RaftOptions::presets() {
        let report = run(&[("raft.preset", name(preset.name))], 1);
        assert_eq!(report.outcome, Outcome::Passed, "{}", preset.name);
        assert!(report.counts["leader elected"] > 0, "{}", preset.name);
        let evaluated = evaluated(&report);
        for invariant in [
            "shell.greetings_grow",
            "shell.greetings_are_kept",
            "raft.election_safety",
            "raft.term_monotone",
            "raft.one_vote_per_term",
            "raft.persist_before_reply",
            "raft.elected_by_quorum",
            "raft.vote_soundness",
        ] {
            assert!(evaluated[invariant] > 0, "{invariant} is never evaluated inside, with {}", preset.name);
        }
    }
}

#[test]
fn quorums_that_do_not_meet_break_election_safety_inside() {
    let settings = [("raft.preset", name("paper")), ("raft.quorum.election", Value::Integer(1))];
    let broken = (0..200).find_map(|seed| match run(&settings, seed).outcome {
        Outcome::Violated(violation) => Some(violation),
        _ => None,
    });
    assert_eq!(broken.expect("two lead in one term").invariant, "raft.election_safety");
}

#[test]
fn a_reply_before_its_vote_is_durable_is_seen_through_the_outer_disk() {
    let settings = [("raft.preset", name("paper")), ("raft.bug", name("reply_before_vote_durable"))];
    let broken = (0..50).find_map(|seed| run(&settings, seed).outcome.violation().cloned());
    assert_eq!(broken.expect("a reply leaves before its vote is durable").invariant, "raft.persist_before_reply");
}

/// Goal: what the inner system declares as refusable is refused inside the outer one. Method: one client of raft inside
/// a shell proposes before, while and after its proposals are refused.
#[test]
fn a_request_of_the_inner_system_is_refused_inside() {
    let at = |seconds| Instant::ZERO.saturating_add(Duration::from_secs(seconds));
    let moment = |seconds| Moment { at: at(seconds), after_events: 0, order: 0 };
    let propose = |seconds| PlannedOperation {
        start: moment(seconds),
        node: NodeId::client(1),
        operation: Asked::Raft(Operation::Propose { value: seconds }),
        after_completion: false,
    };
    let links = CLUSTER.servers().map(|server| Link::new(NodeId::client(1), server)).collect();
    let refuse = PlannedFault {
        id: "refuse".to_owned(),
        start: moment(15),
        stop: Some(moment(25)),
        selector: String::new(),
        line: 0,
        fault: Refuse { links, kinds: vec!["propose".to_owned()] }.into(),
    };
    let plan = Plan {
        timing: Timing::Time,
        faults: vec![refuse],
        operations: [10, 20, 28].map(propose).into(),
        ..Plan::empty()
    };
    let options =
        RunOptions { replay: Some(plan), ..RunOptions::ordinary(Cluster::plain(5, 1), Duration::from_secs(30)) };
    let report = run_with(options, &[("raft.preset", name("paper"))], 1);
    assert_eq!(report.outcome, Outcome::Passed);
    assert_eq!((report.counts["request refused"], report.counts["operation failed"]), (1, 1));
}

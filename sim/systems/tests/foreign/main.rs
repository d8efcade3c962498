//! Goal: the invariants of Raft watch an implementation that shares nothing with the one of this repository.
//!
//! Method: a small Raft of bytes and numbers runs under every one of the sixteen. Right, it breaks none, and each is
//! evaluated. With a slip in one place it is caught by the invariant whose matter that is, alone. And where it hides
//! its state, what cannot be known is counted as not evaluated, and the rest still bites.

mod facts;
mod node;

use splitbrain_kernel::director::spec::{MessageSpec, NemesisKind, NemesisSpec};
use splitbrain_kernel::id::{Cluster, KindId, NodeId, Side};
use splitbrain_kernel::invariant::{InvariantInfo, InvariantSet, Invariants};
use splitbrain_kernel::node::{Never, Recovered};
use splitbrain_kernel::options::{OptionFields, Options, OptionsError, PerServer, Preset};
use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::run::{Outcome, RunOptions, RunReport};
use splitbrain_kernel::selector::{Among, Selector, Span};
use splitbrain_kernel::serde::Serialize;
use splitbrain_kernel::system::{Bounds, Setup, System};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;
use splitbrain_kernel::workload::Idle;
use splitbrain_kernel::world::World;
use splitbrain_systems::raft::invariants::{Frame, Membership, RaftInvariants, Replication, Rules};

use node::{BEAT, Foreign, PATIENCE, Pair, Slip};

const CLUSTER: Cluster = Cluster::plain(5, 0);

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
struct Setting {
    slip: Slip,
    /// The servers above this number do not vote.
    voters: u16,
    changing: bool,
}

impl OptionFields for Setting {}

impl Options for Setting {
    fn presets() -> &'static [Preset<Self>] {
        &[]
    }
}

const RIGHT: Setting = Setting { slip: Slip::None, voters: 5, changing: false };

const fn with(slip: Slip) -> Setting {
    Setting { slip, ..RIGHT }
}

#[derive(Clone, Debug)]
struct Foreigners<const OPEN: bool>(Setup<Setting>);

impl<const OPEN: bool> System for Foreigners<OPEN> {
    const NAME: &'static str = "foreigners";
    const DOC: &'static str = "Another Raft.";
    type Options = Setting;
    type Node = Foreign<OPEN>;
    type Invariants = RaftInvariants<Foreign<OPEN>>;
    type Workload = Idle;

    fn new(setup: Setup<Setting>) -> Result<Self, OptionsError> {
        Ok(Self(setup))
    }
    fn node(&self, id: NodeId, recovered: Recovered<Pair>) -> Foreign<OPEN> {
        let Setting { slip, voters, .. } = self.0.options.base;
        Foreign::new(id, self.0.cluster.count(KindId::SERVER), voters, slip, &recovered)
    }
    fn invariants(&self) -> Self::Invariants {
        let Setting { voters, changing, .. } = self.0.options.base;
        let rules = Rules {
            later_term_restarts_timer: false,
            contact_bound: Some(Duration::from_millis(700)),
            checked: true,
            guarded: true,
            heartbeat: BEAT,
            timeout_min: PATIENCE.0,
            timeout_max: PATIENCE.1,
            leader_within: Some(Duration::from_secs(5)),
            replication: Some(Replication { patience: Duration::from_secs(5), entries: 1, items: 1 }),
            ..Rules::SAFETY
        };
        let frame = Frame::of_majorities(&self.0);
        RaftInvariants::new(Frame {
            voters: (1..=voters).map(NodeId::server).collect(),
            membership: if changing { Membership::Changing } else { Membership::Fixed },
            rules: vec![rules; frame.server_count],
            ..frame
        })
    }
    fn core(&self, _: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.iter().copied().take(3).collect()
    }
}

const ALL: InvariantSet = InvariantSet::All;

fn only(name: &str) -> InvariantSet {
    InvariantSet::Only([place(name)].into())
}

fn place(name: &str) -> usize {
    let list = RaftInvariants::<Foreign<true>>::LIST;
    list.iter().position(|info| info.name == name).expect("there is such an invariant")
}

fn run<const OPEN: bool>(setting: &Setting, invariants: InvariantSet, seed: u64) -> RunReport<Never, Never> {
    let mut options = RunOptions { invariants, ..RunOptions::ordinary(CLUSTER, Duration::from_secs(30)) };
    options.network.loss = Ppm::new(5_000);
    let setup = Setup::new(CLUSTER, PerServer::same(setting.clone()), options.bounds);
    let system = Foreigners::<OPEN>::new(setup).expect("everything goes");
    World::new(&system, &options, Seed(seed)).run()
}

/// The facts of the first run that this invariant, alone, finds broken.
fn caught<const OPEN: bool>(setting: &Setting, invariant: &str) -> String {
    let broken = (0..20).find_map(|seed| match run::<OPEN>(setting, only(invariant), seed).outcome {
        Outcome::Violated(violation) | Outcome::Stalled(violation) => Some(violation),
        Outcome::Passed => None,
        other => panic!("{other:?}"),
    });
    let violation = broken.unwrap_or_else(|| panic!("{invariant} does not see {:?}", setting.slip));
    assert_eq!(violation.invariant, invariant);
    violation.message
}

/// It has no clients, changes no members, takes no snapshots, hands no leadership over, and does not say that a round
/// of pre-votes is won: what is about that is idle. What it hides is not evaluated, and counted as such.
#[test]
#[expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a golden is found by the place of its test; nothing of that comes into a run"
)]
fn a_right_implementation_breaks_nothing_and_what_it_says_is_evaluated() {
    let fives = [1, 2].map(|seed| (RIGHT, seed));
    let fewer = [(4, 3), (3, 4)].map(|(voters, seed)| (Setting { voters, ..RIGHT }, seed));
    let open = judged::<true>(&[&fives[..], &fewer[..]].concat());
    let hidden = judged::<false>(&[(RIGHT, 1)]);
    let list = RaftInvariants::<Foreign<true>>::LIST.iter().zip(open.iter().zip(&hidden));
    let row =
        |(info, (open, hidden)): (&InvariantInfo, (&&str, &&str))| format!("{:<26} {open:<10} {hidden}\n", info.name);
    let rows: String = list.map(row).collect();
    insta::assert_snapshot!("what_is_evaluated", format!("{:<26} {:<10} hidden\n{rows}", "", "open"));
}

/// What became of each invariant in these runs, of which each passes.
fn judged<const OPEN: bool>(runs: &[(Setting, u64)]) -> Vec<&'static str> {
    let mut counts = vec![(0, 0); RaftInvariants::<Foreign<OPEN>>::LIST.len()];
    for (setting, seed) in runs {
        let report = run::<OPEN>(setting, ALL, *seed);
        assert_eq!(report.outcome, Outcome::Passed, "{setting:?} {seed}");
        for (count, of_run) in counts.iter_mut().zip(report.evaluated.iter().zip(&report.lacking)) {
            *count = (count.0 + of_run.0, count.1 + of_run.1);
        }
    }
    let word = |(evaluated, lacking)| match (evaluated > 0, lacking > 0) {
        (true, false) => "evaluated",
        (true, true) => "in part",
        (false, true) => "lacking",
        (false, false) => "idle",
    };
    counts.into_iter().map(word).collect()
}

#[test]
fn a_right_implementation_survives_crashes_and_cuts() {
    let kinds = [NemesisKind::Crash, NemesisKind::MachineCrash, NemesisKind::Isolate, NemesisKind::OneWay];
    let span = |low, high| Span { low: Duration::from_millis(low), high: Duration::from_millis(high) };
    let nemesis = NemesisSpec {
        id: "everything".to_owned(),
        line: 1,
        kinds: kinds.to_vec(),
        on: vec![Selector::Any(Among::Side(Side::Server))],
        every: span(100, 2_000),
        duration: span(10, 1_500),
        swarm: true,
        from: Instant::ZERO,
        until: None,
        messages: MessageSpec::default(),
        orders: Vec::new(),
    };
    let mut restarted = 0;
    for seed in 0..10 {
        let mut options = RunOptions::ordinary(CLUSTER, Duration::from_secs(60));
        options.nemeses = vec![nemesis.clone()];
        let bounds = Bounds { ..options.bounds };
        // Without a promise of contact and liveness: this implementation checks no quorum.
        let promised = ["quorum_contact", "leader_within_bound", "leader_stability"].map(place);
        let count = RaftInvariants::<Foreign<true>>::LIST.len();
        options.invariants = ALL.filter(count, |index| !promised.contains(&index));
        let setup = Setup::new(CLUSTER, PerServer::same(RIGHT), bounds);
        let system = Foreigners::<true>::new(setup).expect("everything goes");
        let report = World::new(&system, &options, Seed(seed)).run();
        assert_eq!(report.outcome, Outcome::Passed, "{seed}");
        restarted += report.counts.get("node restarted").copied().unwrap_or(0);
    }
    assert!(restarted > 50, "{restarted}");
}

#[test]
fn each_slip_is_caught_by_the_invariant_that_it_concerns() {
    for (slip, invariant) in [
        (Slip::NeedsNoVotes, "election_safety"),
        (Slip::VotesTwice, "one_vote_per_term"),
        (Slip::TermFalls, "term_monotone"),
        (Slip::NeedsNoVotes, "elected_by_quorum"),
        (Slip::AppliesOther, "state_machine_safety"),
        (Slip::EmptyHanded, "leader_completeness"),
        (Slip::CommitsOldTerms, "commit_in_term"),
        (Slip::Mute, "quorum_contact"),
        (Slip::SpeaksAtOnce, "persist_before_reply"),
        (Slip::EmptyHanded, "vote_soundness"),
        (Slip::BoastsOfItsLog, "vote_soundness"),
        (Slip::VotesUnasked, "vote_soundness"),
        (Slip::PreVoteMoves, "pre_vote_purity"),
        (Slip::NeverStands, "leader_within_bound"),
        (Slip::Restless, "leader_stability"),
        (Slip::RefusalRestarts, "denied_vote_keeps_timer"),
        (Slip::KeepsLeader, "candidates_know_no_leader"),
    ] {
        caught::<true>(&with(slip), invariant);
    }
    let learners = Setting { voters: 2, ..with(Slip::LearnerStands) };
    caught::<true>(&learners, "learners_never_lead");
}

#[test]
fn a_message_that_outruns_its_disk_is_named() {
    let facts = caught::<true>(&with(Slip::SpeaksAtOnce), "persist_before_reply");
    assert!(facts.contains("its disk holds term"), "{facts}");
}

#[test]
fn a_quorum_that_is_none_is_counted_by_the_invariant_itself() {
    let facts = caught::<true>(&with(Slip::NeedsNoVotes), "elected_by_quorum");
    assert!(facts.contains("which takes 3 votes; only {s"), "{facts}");
}

#[test]
fn what_is_hidden_is_no_pass_for_what_is_said() {
    for (slip, invariant) in [
        (Slip::NeedsNoVotes, "election_safety"),
        (Slip::VotesTwice, "one_vote_per_term"),
        (Slip::TermFalls, "term_monotone"),
        (Slip::NeedsNoVotes, "elected_by_quorum"),
        (Slip::AppliesOther, "state_machine_safety"),
        (Slip::CommitsOldTerms, "commit_in_term"),
        (Slip::Mute, "quorum_contact"),
        (Slip::VotesUnasked, "vote_soundness"),
    ] {
        caught::<false>(&with(slip), invariant);
    }
    // Nobody can see that these are slips: they are not evaluated, and so not passed.
    for (slip, invariant) in [
        (Slip::SpeaksAtOnce, "persist_before_reply"),
        (Slip::EmptyHanded, "leader_completeness"),
        (Slip::NeverStands, "leader_within_bound"),
        (Slip::KeepsLeader, "candidates_know_no_leader"),
    ] {
        let report = run::<false>(&with(slip), only(invariant), 1);
        let place = place(invariant);
        assert_eq!((report.outcome, report.evaluated[place]), (Outcome::Passed, 0), "{invariant}");
        assert!(report.lacking[place] > 0, "{invariant}");
    }
}

#[test]
fn where_members_change_the_voters_are_those_that_a_server_names() {
    let changing = Setting { changing: true, ..RIGHT };
    let report = run::<true>(&changing, ALL, 1);
    assert_eq!(report.outcome, Outcome::Passed);
    let elected = place("elected_by_quorum");
    assert!(report.evaluated[elected] > 0 && report.lacking[elected] == 0);
    for liveness in ["quorum_contact", "leader_within_bound", "leader_stability"] {
        assert_eq!(report.evaluated[place(liveness)], 0, "{liveness} is not promised");
    }
    caught::<true>(&Setting { changing: true, ..with(Slip::NeedsNoVotes) }, "elected_by_quorum");
    // A server that cannot name them is not judged by a set that may be out of date.
    let hidden = run::<false>(&changing, ALL, 1);
    assert_eq!(hidden.evaluated[elected], 0);
    assert!(hidden.lacking[elected] > 0 && hidden.lacking[place("learners_never_lead")] > 0);
}

//! A seed finds, a plan keeps: the plan of a run that a known bug broke, followed after an edit, breaks the same way.
//!
//! A server that is no member, a client, or what a nemesis does beside the others moves no draw of anyone else: the
//! very same violation comes, by the same node, at the same time. Duplication hands more to the nodes, which then do
//! other things at other times: there the same node breaks the same invariant, for bugs that hang on no close race.

mod swarm;

use splitbrain_kernel::director::spec::{MessageSpec, NemesisKind, NemesisSpec};
use splitbrain_kernel::fault::{Fault, Start};
use splitbrain_kernel::id::{KindId, NodeId};
use splitbrain_kernel::invariant::Violation;
use splitbrain_kernel::plan::{Moment, Plan, PlannedFault, Timing};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::run::Outcome;
use splitbrain_kernel::selector::{Selector, Span};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_systems::raft::bug::Bug;
use splitbrain_systems::raft::message::{Operation, Order};
use splitbrain_systems::raft::options::RaftOptions;
use splitbrain_systems::raft::presets;

use swarm::{CLUSTER, Swarm, UNRULY};

const S5: NodeId = NodeId::server(5);
const S6: NodeId = NodeId::server(6);

/// A run that is broken, and its plan, to be followed by time.
struct Broken {
    swarm: Swarm,
    seed: u64,
    violation: Violation,
    plan: Plan<Operation, Order>,
}

/// The first seed that breaks this swarm with this bug; nothing arrives twice.
fn find(mut swarm: Swarm, bug: Bug) -> Broken {
    swarm.options.base.bug = bug;
    swarm.options.of.values_mut().for_each(|options| options.bug = bug);
    swarm.duplication = Ppm::NEVER;
    let broken = (0..200).find_map(|seed| {
        let report = swarm.run(seed);
        let violation = violation(&report.outcome)?;
        Some(Broken { swarm: swarm.clone(), seed, violation, plan: Plan { timing: Timing::Time, ..report.plan } })
    });
    broken.unwrap_or_else(|| panic!("{} was not found", bug.name()))
}

fn violation(outcome: &Outcome) -> Option<Violation> {
    outcome.violation().cloned()
}

impl Broken {
    /// What the plan breaks when it is followed in this swarm, or what its own plan does.
    fn replayed(&self, mut swarm: Swarm) -> Option<Violation> {
        swarm.replay.get_or_insert_with(|| self.plan.clone());
        violation(&swarm.run(self.seed).outcome)
    }

    /// The very same: what was broken, by whom, when, and in which words.
    fn assert_same(&self, edit: &str, swarm: Swarm) {
        let face = |violation: Option<Violation>| {
            violation.map(|violation| (violation.invariant, violation.node, violation.at, violation.message))
        };
        assert_eq!(face(self.replayed(swarm)), face(Some(self.violation.clone())), "{edit}, seed {}", self.seed);
    }

    /// One that runs and is no member.
    fn with_a_server(&self) -> Swarm {
        let mut plan = self.plan.clone();
        let start = Moment { at: Instant::ZERO + Duration::from_millis(1), after_events: 0, order: 0 };
        let fault = Fault::Start(Start { nodes: vec![S6], free_only: false });
        let entry = PlannedFault { id: "more".to_owned(), start, stop: None, selector: String::new(), line: 0, fault };
        plan.faults.insert(0, entry);
        Swarm { cluster: CLUSTER.with_spare(KindId::SERVER, 1), replay: Some(plan), ..self.swarm.clone() }
    }

    fn with_a_client(&self) -> Swarm {
        Swarm { cluster: CLUSTER.with(KindId::CLIENT, 3), ..self.swarm.clone() }
    }

    /// The plan, and what one nemesis more would have done: it pauses the client that is new.
    fn with_a_nemesis(&self) -> Swarm {
        let nemesis = NemesisSpec {
            id: "more".to_owned(),
            line: 1,
            kinds: vec![NemesisKind::Pause],
            on: vec![Selector::Node(NodeId::client(3).into())],
            every: Span { low: Duration::from_millis(10), high: Duration::from_secs(1) },
            duration: Span { low: Duration::from_millis(10), high: Duration::from_secs(1) },
            swarm: false,
            from: Instant::ZERO,
            until: None,
            messages: MessageSpec::default(),
            orders: Vec::new(),
        };
        let more = Swarm { more: vec![nemesis], ..self.with_a_client() };
        let added = more.run(self.seed).plan.faults.into_iter().filter(|fault| fault.id.starts_with("more."));
        let mut plan = self.plan.clone();
        plan.faults.extend(added);
        plan.faults.sort_by_key(|fault| fault.start.at);
        assert!(plan.faults.len() > self.plan.faults.len(), "the nemesis does something");
        Swarm { replay: Some(plan), ..self.with_a_client() }
    }

    fn with_duplication(&self) -> Swarm {
        Swarm { duplication: UNRULY, ..self.swarm.clone() }
    }
}

/// A preset under the swarm, with votes counted by their givers.
fn clean(preset: RaftOptions) -> Swarm {
    Swarm::new(preset, 40, 60)
}

/// The plan as it is, and after each edit that hands nothing more to the nodes there were.
fn still_breaks(swarm: Swarm, bug: Bug, invariant: &str) {
    let broken = find(swarm, bug);
    assert_eq!(broken.violation.invariant, invariant);
    broken.assert_same("as it is", broken.swarm.clone());
    broken.assert_same("a server more", broken.with_a_server());
    broken.assert_same("a client more", broken.with_a_client());
    broken.assert_same("a nemesis more", broken.with_a_nemesis());
}

/// The same node breaks the same invariant once packets arrive twice.
fn still_breaks_doubled(swarm: Swarm, bug: Bug) {
    let broken = find(swarm, bug);
    let face = |violation: Violation| (violation.invariant, violation.node);
    let doubled = broken.replayed(broken.with_duplication());
    assert_eq!(doubled.map(face), Some(face(broken.violation.clone())), "seed {}", broken.seed);
}

#[test]
fn a_vote_counted_from_an_older_term_breaks_an_edited_plan() {
    still_breaks(clean(presets::paper()).black_box(), Bug::VoteCountedFromOlderTerm, "elected_by_quorum");
}

#[test]
fn a_vote_that_is_not_persisted_breaks_an_edited_plan() {
    still_breaks(clean(presets::paper()).black_box(), Bug::VoteNotPersisted, "one_vote_per_term");
}

#[test]
fn a_missing_up_to_date_check_breaks_an_edited_plan() {
    still_breaks(clean(presets::paper()).black_box(), Bug::NoUpToDateCheck, "leader_completeness");
}

#[test]
fn a_timer_reset_by_a_denied_vote_breaks_an_edited_plan() {
    still_breaks(clean(presets::paper()).hasty(S5).black_box(), Bug::TimerResetByDeniedVote, "leader_within_bound");
}

#[test]
fn a_vote_cleared_on_step_down_breaks_an_edited_plan() {
    still_breaks(clean(presets::paper()).black_box(), Bug::VoteClearedOnStepDown, "one_vote_per_term");
}

#[test]
fn plans_break_the_same_way_when_packets_arrive_twice() {
    still_breaks_doubled(clean(presets::paper()).black_box(), Bug::NoUpToDateCheck);
    still_breaks_doubled(clean(presets::paper()).learner(S5).black_box(), Bug::LearnerCampaigns);
    still_breaks_doubled(clean(presets::paper()), Bug::VoteNotPersisted);
    still_breaks_doubled(clean(presets::paper()).hasty(S5), Bug::TimerResetByDeniedVote);
}

/// What is compared can differ: without the bug the plan breaks nothing.
#[test]
fn without_the_bug_the_plan_breaks_nothing() {
    let mut broken = find(clean(presets::paper()).black_box(), Bug::NoUpToDateCheck);
    broken.swarm.options.base.bug = Bug::None;
    assert_eq!(broken.replayed(broken.swarm.clone()), None);
}

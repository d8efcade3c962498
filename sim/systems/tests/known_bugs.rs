//! Each known bug of Raft is found by its invariant, with white-box invariants and without, and its fixed twin is
//! silent
//! on the same seeds. The short form: the campaign that counts seeds-to-find is a shipped scenario.

mod swarm;

use splitbrain_kernel::director::spec::{FaultSpec, What};
use splitbrain_kernel::fault::{Cut, Fault, InFlight};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::InvariantSet;
use splitbrain_kernel::run::Outcome;
use splitbrain_kernel::selector::{LinkForm, Selector, Span, Trigger};
use splitbrain_kernel::time::Instant;
use splitbrain_systems::raft::bug::Bug;
use splitbrain_systems::raft::options::{CommitCounts, MatchedAtElection, RaftOptions, VoteCounting};
use splitbrain_systems::raft::presets;

use swarm::Swarm;

const S5: NodeId = NodeId::server(5);

/// With faults, then without, in greatest timeouts. The settle phase is longer than the bound on a leader.
const SPANS: (u64, u64) = (40, 60);

/// A preset under the swarm, which duplicates datagrams: votes are counted by their givers. Without the two rules of
/// NuRaft that lose what is committed.
fn clean(preset: RaftOptions) -> Swarm {
    let safe = RaftOptions {
        vote_counting: VoteCounting::Set,
        commit_counts: CommitCounts::OwnTerm,
        matched_at_election: MatchedAtElection::Reset,
        ..preset
    };
    Swarm::new(safe, SPANS.0, SPANS.1)
}

fn with_bug(mut swarm: Swarm, bug: Bug) -> Swarm {
    swarm.options.base.bug = bug;
    swarm.options.of.values_mut().for_each(|options| options.bug = bug);
    swarm
}

/// The bug is found by `invariant` within so many seeds, and the twin without it is silent on them.
fn finds(twin: &Swarm, bug: Bug, invariant: &str, seeds: u64) {
    let swarm = with_bug(twin.clone(), bug);
    let found = (0..seeds).find(|seed| broken(&swarm, *seed).is_some_and(|name| name == invariant));
    let found = found.unwrap_or_else(|| panic!("{invariant} did not find {} in {seeds} seeds", bug.name()));
    for seed in 0..=found {
        assert_eq!(broken(twin, seed), None, "seed {seed} without {}", bug.name());
    }
}

/// The invariant that a run breaks.
fn broken(swarm: &Swarm, seed: u64) -> Option<String> {
    match swarm.run(seed).outcome {
        Outcome::Passed => None,
        Outcome::Violated(violation) | Outcome::Stalled(violation) => Some(violation.invariant),
        other => panic!("seed {seed}: {other:?}"),
    }
}

/// A white-box invariant sees the slip itself, in the first runs.
fn sees(twin: &Swarm, bug: Bug, invariant: &str) {
    finds(twin, bug, invariant, 5);
}

#[test]
fn a_vote_counted_from_an_older_term_is_found() {
    finds(&clean(presets::paper()).black_box(), Bug::VoteCountedFromOlderTerm, "elected_by_quorum", 60);
}

#[test]
fn a_vote_that_is_not_persisted_is_found() {
    sees(&clean(presets::paper()), Bug::VoteNotPersisted, "persist_before_reply");
    finds(&clean(presets::paper()).black_box(), Bug::VoteNotPersisted, "one_vote_per_term", 60);
}

#[test]
fn a_reply_before_the_vote_is_durable_is_found() {
    sees(&clean(presets::paper()), Bug::ReplyBeforeVoteDurable, "persist_before_reply");
    finds(&clean(presets::paper()).black_box(), Bug::ReplyBeforeVoteDurable, "term_monotone", 60);
}

#[test]
fn votes_counted_by_a_counter_are_found() {
    finds(&clean(presets::paper()).black_box(), Bug::VotesCountedByCounter, "elected_by_quorum", 20);
}

#[test]
fn a_missing_up_to_date_check_is_found() {
    sees(&clean(presets::paper()), Bug::NoUpToDateCheck, "vote_soundness");
    finds(&clean(presets::paper()).black_box(), Bug::NoUpToDateCheck, "leader_completeness", 10);
}

#[test]
fn a_vote_cleared_on_step_down_is_found() {
    finds(&clean(presets::paper()).black_box(), Bug::VoteClearedOnStepDown, "one_vote_per_term", 80);
}

#[test]
fn a_timer_reset_by_a_denied_vote_is_found() {
    let twin = clean(presets::paper()).hasty(S5);
    sees(&twin, Bug::TimerResetByDeniedVote, "denied_vote_keeps_timer");
    finds(&twin.black_box(), Bug::TimerResetByDeniedVote, "leader_within_bound", 80);
}

#[test]
fn a_pre_candidate_that_keeps_its_leader_is_found() {
    sees(&clean(presets::etcd()), Bug::PreCandidateKeepsLeader, "candidates_know_no_leader");
    let twin = clean(presets::hashicorp()).black_box();
    finds(&twin, Bug::PreCandidateKeepsLeader, "leader_within_bound", 80);
}

#[test]
fn a_granted_pre_vote_that_refreshes_contact_is_found() {
    let twin = clean(presets::etcd()).hasty(S5);
    sees(&twin, Bug::GrantedPreVoteRefreshesContact, "pre_vote_purity");
    finds(&twin.black_box(), Bug::GrantedPreVoteRefreshesContact, "leader_within_bound", 80);
}

#[test]
fn a_learner_that_campaigns_is_found() {
    finds(&clean(presets::paper()).learner(S5).black_box(), Bug::LearnerCampaigns, "learners_never_lead", 5);
}

/// The seed's five servers: three overlapping groups keep four of them with the leader, and one without.
fn overlapping_groups(pre_vote: bool) -> Swarm {
    let mut swarm = clean(RaftOptions { pre_vote, starved_exit: 0, ..presets::nuraft() });
    swarm.nemeses = false;
    let group = |servers: &[u16]| servers.iter().map(|server| Selector::Node(NodeId::server(*server).into())).collect();
    let groups = [&[1, 2, 3][..], &[2, 3, 5], &[4, 5], &[1, 4]].map(group).to_vec();
    swarm.faults = vec![FaultSpec {
        id: "overlapping groups".to_owned(),
        line: 1,
        selector: "the seed".to_owned(),
        trigger: Trigger::At(Span::constant(Instant::ZERO.saturating_add(swarm.timeout().saturating_mul(6)))),
        names: Vec::new(),
        what: What::Fault(Fault::Cut(Cut {
            links: LinkForm::Partition(groups),
            in_flight: InFlight::Drop,
            kinds: Vec::new(),
        })),
        duration: None,
        until: None,
        waits_until: None,
    }];
    swarm
}

#[test]
fn pre_vote_switched_off_in_overlapping_groups_is_found() {
    for seed in 0..10 {
        assert_eq!(broken(&overlapping_groups(true), seed), None, "seed {seed} with pre-vote");
    }
    let unstable = |seed: &u64| broken(&overlapping_groups(false), *seed).as_deref() == Some("leader_stability");
    let found = (0..10).filter(unstable).count();
    assert!(found >= 5, "leadership kept changing in {found} of 10 runs");
}

#[test]
fn the_clean_presets_raise_no_alarm() {
    for preset in presets::PRESETS {
        for seed in 100..120 {
            assert_eq!(broken(&clean((preset.make)()), seed), None, "{}, seed {seed}", preset.name);
        }
    }
}

#[test]
fn invariants_leave_no_trace_in_a_run() {
    for preset in presets::PRESETS {
        let on = clean((preset.make)());
        let off = Swarm { invariants: InvariantSet::NONE, ..on.clone() };
        assert_eq!(on.run(7).digest, off.run(7).digest, "{}", preset.name);
    }
}

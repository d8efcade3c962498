//! Each known bug: with it the effect is there, without it the effect is absent.

use splitbrain_kernel::options::PerServer;

use super::super::bug::Bug;
use super::super::ids::{Index, Term};
use super::super::message::{AppendResult, Order, RaftMessage, Verdict};
use super::super::node::RaftTimer;
use super::super::options::RaftOptions;
use super::super::presets::{etcd, hashicorp, paper};
use super::host::{Host, accepted, append, at, heartbeat, millis, pre_vote, pre_vote_reply, s, vote, vote_reply};

/// The effect with the bug, and without.
fn both(bug: Bug, base: RaftOptions, effect: impl Fn(Host) -> bool) -> (bool, bool) {
    let run = |bug| effect(Host::new(RaftOptions { bug, ..base.clone() }));
    (run(bug), run(Bug::None))
}

const ONLY_WITH_THE_BUG: (bool, bool) = (true, false);

#[test]
fn vote_counted_from_older_term() {
    let shown = both(Bug::VoteCountedFromOlderTerm, paper(), |mut host| {
        host.make_candidate();
        host.fire(RaftTimer::Election);
        host.sync();
        host.hear(s(2), vote_reply(1, true));
        host.hear(s(3), vote_reply(1, true));
        host.role() == "leader"
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn vote_not_persisted() {
    let shown = both(Bug::VoteNotPersisted, paper(), |mut host| {
        host.hear(s(2), vote(1, at(0, 0)));
        host.sync();
        host.restart();
        host.take_sent();
        host.hear(s(3), vote(1, at(0, 0)));
        host.sync();
        host.only_sent() == vote_reply(1, true)
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn reply_before_vote_durable() {
    let shown = both(Bug::ReplyBeforeVoteDurable, paper(), |mut host| {
        host.hear(s(2), vote(1, at(0, 0)));
        !host.sent.is_empty()
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

/// The process crashes with a vote in the page cache, and is asked for it again just after its start.
#[test]
fn recovered_not_synced() {
    let shown = both(Bug::RecoveredNotSynced, paper(), |mut host| {
        host.hear(s(2), vote(1, at(0, 0)));
        host.restart_process();
        host.hear(s(2), vote(1, at(0, 0)));
        let is_sent = !host.take_sent().is_empty();
        host.restart();
        is_sent && host.server().voted_for().is_none()
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn votes_counted_by_counter() {
    let shown = both(Bug::VotesCountedByCounter, paper(), |mut host| {
        host.make_candidate();
        host.hear(s(2), vote_reply(1, true));
        host.hear(s(2), vote_reply(1, true));
        host.role() == "leader"
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn no_up_to_date_check() {
    let shown = both(Bug::NoUpToDateCheck, paper(), |mut host| {
        host.hear(s(2), append(1, at(0, 0), &[1, 1], 0));
        host.sync();
        host.take_sent();
        host.hear(s(3), vote(2, at(0, 0)));
        host.sync();
        host.only_sent() == vote_reply(2, true)
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn vote_cleared_on_step_down() {
    let shown = both(Bug::VoteClearedOnStepDown, paper(), |mut host| {
        host.make_candidate();
        host.hear(s(2), heartbeat(1));
        host.sync();
        host.take_sent();
        host.hear(s(3), vote(1, at(0, 0)));
        host.sync();
        host.only_sent() == vote_reply(1, true)
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn timer_reset_by_denied_vote() {
    let shown = both(Bug::TimerResetByDeniedVote, paper(), |mut host| {
        host.hear(s(2), append(1, at(0, 0), &[1], 0));
        let due = host.timers[&RaftTimer::Election];
        host.wait(millis(149));
        host.hear(s(3), vote(2, at(0, 0)));
        host.timers[&RaftTimer::Election] != due
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn pre_candidate_keeps_leader() {
    let shown = both(Bug::PreCandidateKeepsLeader, etcd(), |mut host| {
        host.hear(s(2), heartbeat(1));
        host.sync();
        host.fire(RaftTimer::Election);
        host.take_sent();
        host.hear(s(3), pre_vote(2, at(0, 0)));
        host.take_sent().is_empty()
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
    let known = hashicorp().with(|o| o.transport.kind = super::super::options::TransportKind::Datagram);
    let shown = both(Bug::PreCandidateKeepsLeader, known, |mut host| {
        host.hear(s(2), heartbeat(1));
        host.sync();
        while host.role() == "follower" {
            host.fire(RaftTimer::Election);
        }
        host.take_sent();
        host.hear(s(3), pre_vote(2, at(0, 0)));
        host.only_sent() == pre_vote_reply(1, Verdict::Denied)
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn granted_pre_vote_refreshes_contact() {
    let shown = both(Bug::GrantedPreVoteRefreshesContact, etcd(), |mut host| {
        host.wait(millis(500));
        let due = host.timers[&RaftTimer::Election];
        host.hear(s(2), pre_vote(1, at(0, 0)));
        host.timers[&RaftTimer::Election] != due && host.server().contact_at().is_some()
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn votes_despite_leader() {
    for preset in [etcd(), hashicorp()] {
        let shown = both(Bug::VotesDespiteLeader, preset, |mut host| {
            host.hear(s(2), heartbeat(1));
            host.sync();
            host.take_sent();
            host.hear(s(3), pre_vote(2, at(0, 0)));
            host.take_sent().iter().any(|(_, reply)| *reply == pre_vote_reply(2, Verdict::Granted))
        });
        assert_eq!(shown, ONLY_WITH_THE_BUG);
    }
}

#[test]
fn older_term_committed() {
    let base = paper().with(|o| o.log.noop = false);
    let shown = both(Bug::OlderTermCommitted, base, |mut host| {
        host.hear(s(2), append(1, at(0, 0), &[1], 0));
        host.sync();
        host.make_leader();
        for follower in [2, 3] {
            host.hear(s(follower), accepted(2, 1));
        }
        host.saw("committed")
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn own_copy_counted_before_durable() {
    let shown = both(Bug::OwnCopyCountedBeforeDurable, paper(), |mut host| {
        host.make_leader();
        host.order(Order::Append(1));
        for follower in [2, 3] {
            host.hear(s(follower), accepted(1, 2));
        }
        host.saw("committed") && host.server().commit().0 == 2 && host.server().log().durable().0 == 1
    });
    assert_eq!(shown, (true, false), "two other copies of five are no quorum without its own");
}

#[test]
fn learners_counted() {
    let run = |bug| {
        let mut options = PerServer::same(RaftOptions { bug, ..paper() });
        for learner in [4, 5] {
            options.of.insert(s(learner), options.base.clone().with(|o| o.membership.learner = true));
        }
        let mut host = Host::of(5, options);
        host.make_leader();
        host.hear(s(4), accepted(1, 1));
        host.saw("committed")
    };
    assert_eq!((run(Bug::LearnersCounted), run(Bug::None)), ONLY_WITH_THE_BUG);
}

/// A leader of three voters hears of its two learners alone.
#[test]
fn learners_are_contact() {
    let run = |bug| {
        let mut options = PerServer::same(RaftOptions { bug, ..etcd() });
        for learner in [4, 5] {
            options.of.insert(s(learner), options.base.clone().with(|o| o.membership.learner = true));
        }
        let mut host = Host::of(5, options);
        host.make_leader();
        [4, 5].iter().for_each(|learner| host.hear(s(*learner), accepted(1, 1)));
        host.fire(RaftTimer::CheckQuorum);
        host.role() == "leader"
    };
    assert_eq!((run(Bug::LearnersAreContact), run(Bug::None)), ONLY_WITH_THE_BUG);
}

#[test]
fn quorum_of_half() {
    let run = |bug| {
        let mut host = Host::of(4, PerServer::same(RaftOptions { bug, ..paper() }));
        host.make_candidate();
        host.hear(s(2), vote_reply(1, true));
        host.role() == "leader"
    };
    assert_eq!((run(Bug::QuorumOfHalf), run(Bug::None)), ONLY_WITH_THE_BUG);
}

#[test]
fn matched_falls() {
    let shown = both(Bug::MatchedFalls, paper(), |mut host| {
        host.make_leader();
        host.order(Order::Append(4));
        host.hear(s(2), accepted(1, 5));
        host.hear(s(2), accepted(1, 2));
        let leader = host.server().as_leader().expect("it leads");
        leader.progress(s(2)).expect("s2 is a member").matched.0 == 2
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn truncated_without_conflict() {
    let shown = both(Bug::TruncatedWithoutConflict, paper(), |mut host| {
        host.hear(s(2), append(1, at(0, 0), &[1, 1, 1], 0));
        host.hear(s(2), append(1, at(0, 0), &[1, 1], 0));
        host.server().log().last() == at(1, 2)
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn commit_taken_back() {
    let shown = both(Bug::CommitTakenBack, paper(), |mut host| {
        host.hear(s(2), append(1, at(0, 0), &[1, 1, 1], 3));
        host.hear(s(2), append(1, at(0, 0), &[1, 1], 1));
        host.server().commit().0 == 1
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

/// Two appends are lost, which is as many as may be in flight; the heartbeat behind them is refused.
#[test]
fn in_flight_leaks() {
    let shown = both(Bug::InFlightLeaks, paper().with(|o| o.log.appends_in_flight = 2), |mut host| {
        host.make_leader();
        host.hear(s(2), accepted(1, 1));
        host.order(Order::Append(1));
        host.order(Order::Append(1));
        let result = AppendResult::Rejected { previous: Index(3), hint: at(1, 1) };
        host.hear(s(2), RaftMessage::AppendReply { term: Term(1), result });
        host.take_sent();
        host.hear(s(2), accepted(1, 1));
        host.take_sent().is_empty()
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

#[test]
fn learner_campaigns() {
    let run = |bug| {
        let mut options = PerServer::same(RaftOptions { bug, ..paper() });
        options.of.insert(s(1), options.base.clone().with(|o| o.membership.learner = true));
        let mut host = Host::of(5, options);
        host.fire(RaftTimer::Election);
        host.sync();
        for voter in [2, 3, 4] {
            host.hear(s(voter), vote_reply(host.term(), true));
        }
        host.role() == "leader"
    };
    assert_eq!((run(Bug::LearnerCampaigns), run(Bug::None)), ONLY_WITH_THE_BUG);
}

/// A grant of the round in term 0 comes in the round of term 2.
#[test]
fn pre_vote_counted_from_older_term() {
    let shown = both(Bug::PreVoteCountedFromOlderTerm, etcd(), |mut host| {
        host.fire(RaftTimer::Election);
        host.hear(s(4), vote(2, at(0, 0)));
        host.fire(RaftTimer::Election);
        host.hear(s(2), pre_vote_reply(1, Verdict::Granted));
        host.hear(s(3), pre_vote_reply(1, Verdict::Granted));
        host.saw("pre-vote won")
    });
    assert_eq!(shown, ONLY_WITH_THE_BUG);
}

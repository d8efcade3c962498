//! Changes of the membership: when a leader makes one, from when on a server goes by it, and what a leader does that is
//! no voter any more.

use std::sync::Arc;

use splitbrain_kernel::node::Observation;
use splitbrain_kernel::options::PerServer;

use super::super::bug::Bug;
use super::super::configuration::Members;
use super::super::ids::{Index, ServerSet, Term};
use super::super::membership::{Change, Parts};
use super::super::message::{Append, Command, Entry, Order, RaftMessage, Verdict};
use super::super::node::RaftTimer;
use super::super::observation::{ChangeRefusal, RaftObservation};
use super::super::options::{Candidates, ConfigurationAt, JointLeave, RaftOptions};
use super::super::presets::{etcd, paper};
use super::host::{Host, accepted, append, at, heartbeat, millis, pre_vote, pre_vote_reply, s, vote, vote_reply};

fn set(servers: &[u16]) -> ServerSet {
    servers.iter().map(|server| s(*server)).collect()
}

fn voters(servers: &[u16]) -> Members {
    Members::of_voters(set(servers))
}

/// `s1` of three voters, with `s4` and `s5` as spare servers, at commit or at append.
fn three(options: RaftOptions) -> Host {
    Host::node(s(1), super::host::system_with_spares(3, 2, PerServer::same(options)))
}

/// It leads term 1, and its first entry is committed.
fn leader(options: RaftOptions) -> Host {
    let mut host = three(options);
    host.make_leader();
    host.hear(s(2), accepted(1, 1));
    assert_eq!(host.server().commit(), Index(1));
    host.take_sent();
    host.take_observed();
    host
}

fn change(host: &mut Host, change: Change) {
    host.order(Order::Change(change));
    host.sync();
}

/// The parts of the configuration that the host goes by.
fn goes_by(host: &Host) -> Members {
    *host.server().configuration().parts()
}

fn refusal(host: &Host) -> Option<ChangeRefusal> {
    host.observed.iter().find_map(|told| match told {
        RaftObservation::ChangeRefused { reason } => Some(*reason),
        _ => None,
    })
}

/// An append of this configuration behind `previous`, in this term.
fn bring(term: u64, previous: super::super::ids::Position, members: Members, commit: u64) -> RaftMessage {
    let entry = Entry { term: Term(term), command: Command::Members(Arc::new(members)) };
    RaftMessage::Append(Append { term: Term(term), previous, commit: Index(commit), entries: [entry].into() })
}

fn at_commit() -> RaftOptions {
    paper().with(|o| o.membership.configuration_at = ConfigurationAt::Commit)
}

// ---- One server at a time ----

#[test]
fn a_change_is_an_entry_that_takes_effect_when_it_is_appended() {
    let mut host = leader(paper());
    change(&mut host, Change::AddVoter(s(4)));
    assert_eq!(goes_by(&host), voters(&[1, 2, 3, 4]));
    assert!(host.sent.iter().any(|(to, _)| *to == s(4)), "the new server is sent an append at once");
    host.hear(s(2), accepted(1, 2));
    assert_eq!(host.server().commit(), Index(1), "two of four are no quorum");
    host.hear(s(4), accepted(1, 2));
    assert_eq!(host.server().commit(), Index(2));
    assert!(host.saw("configuration committed"));
}

#[test]
fn or_when_it_is_committed() {
    let mut host = leader(at_commit());
    change(&mut host, Change::AddVoter(s(4)));
    assert_eq!(goes_by(&host), voters(&[1, 2, 3]));
    host.hear(s(2), accepted(1, 2));
    assert_eq!((host.server().commit(), goes_by(&host)), (Index(2), voters(&[1, 2, 3, 4])));
    assert!(host.sent.iter().any(|(to, _)| *to == s(4)), "the new server is sent an append then");
}

#[test]
fn one_change_at_a_time_and_none_before_an_entry_of_the_own_term_is_committed() {
    let mut host = three(paper());
    host.make_leader();
    change(&mut host, Change::AddVoter(s(4)));
    assert_eq!(refusal(&host), Some(ChangeRefusal::NothingCommitted));
    host.hear(s(2), accepted(1, 1));
    change(&mut host, Change::AddVoter(s(4)));
    host.take_observed();
    change(&mut host, Change::AddLearner(s(5)));
    assert_eq!(refusal(&host), Some(ChangeRefusal::Pending));
    host.hear(s(2), accepted(1, 2));
    host.hear(s(3), accepted(1, 2));
    host.take_observed();
    change(&mut host, Change::AddLearner(s(5)));
    assert_eq!((refusal(&host), goes_by(&host).learners), (None, set(&[5])));
}

#[test]
fn only_a_leader_that_keeps_its_leadership_changes_anything() {
    let mut follower = three(paper());
    change(&mut follower, Change::AddVoter(s(4)));
    assert_eq!(refusal(&follower), Some(ChangeRefusal::NotLeader));
    let mut host = leader(paper());
    host.order(Order::Transfer(Some(s(3))));
    change(&mut host, Change::AddVoter(s(4)));
    assert_eq!(refusal(&host), Some(ChangeRefusal::Transferring));
}

#[test]
fn a_learner_is_promoted_once_it_has_caught_up() {
    let mut host = leader(paper().with(|o| o.membership.promotion_gap = 1));
    change(&mut host, Change::AddLearner(s(4)));
    host.hear(s(2), accepted(1, 2));
    host.take_observed();
    change(&mut host, Change::Promote(s(4)));
    assert_eq!(refusal(&host), Some(ChangeRefusal::Behind), "it has answered nothing yet");
    host.hear(s(4), accepted(1, 1));
    host.take_observed();
    host.wait(millis(301));
    change(&mut host, Change::Promote(s(4)));
    assert_eq!(refusal(&host), Some(ChangeRefusal::Behind), "it has not answered of late");
    host.hear(s(4), accepted(1, 1));
    change(&mut host, Change::Promote(s(4)));
    assert_eq!(goes_by(&host), voters(&[1, 2, 3, 4]));
}

#[test]
fn a_smaller_quorum_may_have_an_entry_already() {
    let mut host = leader(paper());
    host.hear(s(2), accepted(1, 1));
    host.order(Order::Append(1));
    host.sync();
    change(&mut host, Change::Remove(s(3)));
    host.hear(s(2), accepted(1, 3));
    assert_eq!(host.server().commit(), Index(3), "both of two have it");
    change(&mut host, Change::Remove(s(2)));
    assert_eq!((host.server().commit(), goes_by(&host)), (Index(4), voters(&[1])), "it is alone");
}

// ---- Followers ----

#[test]
fn a_truncated_configuration_is_taken_back() {
    let shown = |bug| {
        let mut host = three(RaftOptions { bug, ..paper() });
        host.hear(s(2), append(1, at(0, 0), &[1], 1));
        host.hear(s(2), bring(1, at(1, 1), voters(&[1, 2, 3, 4]), 1));
        assert_eq!(goes_by(&host), voters(&[1, 2, 3, 4]));
        host.hear(s(3), append(2, at(1, 1), &[2], 1));
        goes_by(&host)
    };
    assert_eq!(shown(Bug::None), voters(&[1, 2, 3]));
    assert_eq!(shown(Bug::TruncatedConfigurationKept), voters(&[1, 2, 3, 4]));
}

#[test]
fn a_restart_finds_the_configuration_in_the_log() {
    let shown = |bug| {
        let mut host = three(RaftOptions { bug, ..paper() });
        host.hear(s(2), append(1, at(0, 0), &[1], 1));
        host.hear(s(2), bring(1, at(1, 1), voters(&[1, 2]), 1));
        host.sync();
        host.restart();
        goes_by(&host)
    };
    assert_eq!(shown(Bug::None), voters(&[1, 2]));
    assert_eq!(shown(Bug::ConfigurationLostOnRestart), voters(&[1, 2, 3]));
}

#[test]
fn at_commit_a_restart_goes_by_the_last_that_is_committed_for_certain() {
    let mut host = three(at_commit());
    host.hear(s(2), append(1, at(0, 0), &[1], 1));
    host.hear(s(2), bring(1, at(1, 1), voters(&[1, 2, 3, 4]), 2));
    assert_eq!(goes_by(&host), voters(&[1, 2, 3, 4]));
    host.hear(s(2), bring(1, at(1, 2), voters(&[1, 2, 3, 4, 5]), 2));
    host.sync();
    host.restart();
    assert_eq!(host.server().commit(), Index(0));
    assert_eq!(goes_by(&host), voters(&[1, 2, 3, 4]), "another one follows it, so it is committed");
}

#[test]
fn a_snapshot_carries_the_configuration() {
    let shown = |bug| {
        let options = paper().with(|o| {
            o.snapshot.distance = 2;
            o.bug = bug;
        });
        let mut host = three(options);
        host.hear(s(2), append(1, at(0, 0), &[1], 1));
        host.hear(s(2), bring(1, at(1, 1), voters(&[1, 2]), 2));
        host.sync();
        assert_eq!(host.server().log().base(), at(1, 2), "the entry is gone from the log");
        // The next entry takes the end of the old log to the disk with it.
        host.hear(s(2), append(1, at(1, 2), &[1], 2));
        host.sync();
        host.restart();
        goes_by(&host)
    };
    assert_eq!(shown(Bug::None), voters(&[1, 2]));
    assert_eq!(shown(Bug::SnapshotWithoutConfiguration), voters(&[1, 2, 3]));
}

#[test]
fn a_server_that_is_promoted_or_removed_hears_of_it() {
    let mut host = Host::node(s(4), super::host::system_with_spares(3, 2, PerServer::same(paper())));
    host.hear(s(2), append(1, at(0, 0), &[1], 1));
    host.hear(s(2), bring(1, at(1, 1), Members { learners: set(&[4]), ..voters(&[1, 2, 3]) }, 1));
    host.hear(s(2), bring(1, at(1, 2), voters(&[1, 2, 3, 4]), 2));
    assert!(host.saw("promoted") && !host.saw("removed"));
    host.hear(s(2), bring(1, at(1, 3), voters(&[1, 2, 3]), 3));
    assert!(!host.saw("removed"), "that is not committed");
    host.hear(s(2), append(1, at(1, 4), &[], 4));
    assert!(host.saw("removed"));
}

// ---- Who may campaign, and who is answered ----

/// A follower that knows of its own removal, and with `commit` whether that is committed.
fn removed(bug: Bug, commit: u64) -> Host {
    let mut host = three(RaftOptions { bug, ..paper() });
    host.hear(s(2), append(1, at(0, 0), &[1], 1));
    host.hear(s(2), bring(1, at(1, 1), voters(&[2, 3]), commit));
    host.sync();
    host.fire(RaftTimer::Election);
    host.sync();
    host
}

#[test]
fn a_server_campaigns_until_its_removal_is_committed_and_does_not_count_itself() {
    let mut host = removed(Bug::None, 1);
    assert_eq!(host.role(), "candidate");
    host.hear(s(2), vote_reply(2, true));
    assert_eq!(host.role(), "candidate", "one of two is no quorum");
    host.hear(s(3), vote_reply(2, true));
    assert_eq!(host.role(), "leader");
    assert_eq!(removed(Bug::None, 2).role(), "follower");
    assert_eq!(removed(Bug::RemovedCampaigns, 2).role(), "candidate");
}

#[test]
fn a_candidate_that_the_voter_does_not_know_is_answered_unless_the_options_say_otherwise() {
    let pre_voted = |votes_for| {
        let mut host = three(etcd().with(|o| o.votes.candidates = votes_for));
        host.hear(s(4), pre_vote(1, at(0, 0)));
        host.only_sent()
    };
    assert_eq!(pre_voted(Candidates::Anyone), pre_vote_reply(1, Verdict::Granted));
    assert_eq!(pre_voted(Candidates::MembersInPreVotes), pre_vote_reply(0, Verdict::Abandoned));
    let voted = |votes_for| {
        let mut host = three(paper().with(|o| o.votes.candidates = votes_for));
        host.hear(s(4), vote(1, at(0, 0)));
        host.sync();
        host.only_sent()
    };
    assert_eq!(voted(Candidates::MembersInPreVotes), vote_reply(1, true));
    assert_eq!(voted(Candidates::Members), vote_reply(1, false));
}

// ---- A leader that is no voter ----

#[test]
fn a_leader_that_is_removed_leads_until_that_is_committed_and_does_not_count_itself() {
    let mut host = leader(paper());
    change(&mut host, Change::Remove(s(1)));
    assert_eq!((host.role(), goes_by(&host)), ("leader", voters(&[2, 3])));
    host.hear(s(2), accepted(1, 2));
    assert_eq!((host.role(), host.server().commit()), ("leader", Index(1)));
    host.take_sent();
    host.hear(s(3), accepted(1, 2));
    assert_eq!((host.role(), host.server().commit()), ("follower", Index(2)));
    let tells = |(_, message): &(_, RaftMessage)| matches!(message, RaftMessage::Append(it) if it.commit == Index(2));
    assert!(host.sent.iter().any(tells), "the others hear of the commit first");
    host.fire(RaftTimer::Election);
    assert_eq!(host.role(), "follower");
}

#[test]
fn each_bug_of_a_removed_leader_shows() {
    let removed = |bug, answers: &[u16]| {
        let mut host = leader(RaftOptions { bug, ..paper() });
        change(&mut host, Change::Remove(s(1)));
        answers.iter().for_each(|follower| host.hear(s(*follower), accepted(1, 2)));
        (host.role(), host.server().commit().0)
    };
    assert_eq!(removed(Bug::RemovedLeaderStays, &[2, 3]), ("leader", 2));
    assert_eq!(removed(Bug::RemovedLeaderLeavesEarly, &[]), ("follower", 1));
    assert_eq!(removed(Bug::RemovedLeaderCountsItself, &[2]), ("follower", 2));
    assert_eq!(removed(Bug::None, &[2]), ("leader", 1));
}

// ---- Joint configurations ----

/// The change from 1 2 3 to 1 4 5.
fn joint(options: RaftOptions) -> Host {
    let mut host = leader(options);
    let parts = Parts { voters: set(&[4, 5]), removed: set(&[2, 3]), ..Parts::default() };
    change(&mut host, Change::Joint(parts));
    assert_eq!(host.server().memberships().last().1, Members { outgoing: set(&[1, 2, 3]), ..voters(&[1, 4, 5]) });
    host
}

fn commit_after(mut host: Host, answers: &[u16]) -> u64 {
    answers.iter().for_each(|follower| host.hear(s(*follower), accepted(1, 2)));
    host.server().commit().0
}

#[test]
fn a_joint_configuration_takes_a_quorum_of_both() {
    assert_eq!(commit_after(joint(paper()), &[4, 5]), 1);
    assert_eq!(commit_after(joint(paper()), &[2, 3]), 1);
    assert_eq!(commit_after(joint(paper()), &[2, 4]), 2);
    let with = |bug| joint(RaftOptions { bug, ..paper() });
    assert_eq!(commit_after(with(Bug::JointByNewMajority), &[4, 5]), 2);
    assert_eq!(commit_after(with(Bug::JointByOldMajority), &[2, 3]), 2);
}

#[test]
fn it_is_left_once_it_is_committed_and_the_leader_goes_on_in_the_new_one() {
    let mut host = joint(paper());
    host.hear(s(2), accepted(1, 2));
    assert_eq!(goes_by(&host).outgoing, set(&[1, 2, 3]));
    host.hear(s(4), accepted(1, 2));
    assert_eq!(goes_by(&host), voters(&[1, 4, 5]));
    host.sync();
    host.hear(s(4), accepted(1, 3));
    assert_eq!((host.role(), host.server().commit()), ("leader", Index(3)));
}

#[test]
fn at_commit_it_is_entered_and_left_when_the_entries_are_committed() {
    let mut host = joint(at_commit());
    assert_eq!(goes_by(&host), voters(&[1, 2, 3]));
    host.hear(s(2), accepted(1, 2));
    assert_eq!(goes_by(&host), Members { outgoing: set(&[1, 2, 3]), ..voters(&[1, 4, 5]) });
    host.sync();
    host.hear(s(2), accepted(1, 3));
    assert_eq!(host.server().commit(), Index(2), "the end of it takes a quorum of both");
    host.hear(s(4), accepted(1, 3));
    assert_eq!((host.server().commit(), goes_by(&host)), (Index(3), voters(&[1, 4, 5])));
}

#[test]
fn by_order_it_is_left_when_that_is_asked_for() {
    let mut host = joint(paper().with(|o| o.membership.joint_leave = JointLeave::Ordered));
    change(&mut host, Change::LeaveJoint);
    assert_eq!(refusal(&host), Some(ChangeRefusal::Pending), "it is not committed");
    host.hear(s(2), accepted(1, 2));
    host.hear(s(4), accepted(1, 2));
    assert_eq!(host.server().memberships().last_index(), Index(2));
    change(&mut host, Change::LeaveJoint);
    assert_eq!(goes_by(&host), voters(&[1, 4, 5]));
}

#[test]
fn a_new_leader_leaves_it_before_it_is_committed() {
    let left = |bug| {
        let mut host = three(RaftOptions { bug, ..paper() });
        host.hear(s(2), append(1, at(0, 0), &[1], 1));
        host.hear(s(2), bring(1, at(1, 1), Members { outgoing: set(&[1, 2, 3]), ..voters(&[1, 4, 5]) }, 1));
        host.sync();
        host.fire(RaftTimer::Election);
        host.sync();
        [3, 4].iter().for_each(|voter| host.hear(s(*voter), vote_reply(2, true)));
        assert_eq!((host.role(), host.server().commit()), ("leader", Index(1)));
        goes_by(&host) == voters(&[1, 4, 5])
    };
    assert!(left(Bug::JointLeftBeforeCommit) && !left(Bug::None));
}

#[test]
fn one_that_is_committed_during_a_transfer_is_left_when_that_is_aborted() {
    let mut host = joint(paper());
    host.order(Order::Transfer(Some(s(4))));
    host.hear(s(2), accepted(1, 2));
    host.hear(s(5), accepted(1, 2));
    assert_eq!(host.server().commit(), Index(2));
    assert_eq!(goes_by(&host).outgoing, set(&[1, 2, 3]), "nothing is appended meanwhile");
    host.fire(RaftTimer::Transfer);
    assert!(host.saw("transfer aborted"));
    assert_eq!(goes_by(&host), voters(&[1, 4, 5]));
}

#[test]
fn one_that_is_not_committed_stays_when_a_transfer_is_aborted() {
    let mut host = joint(paper());
    host.order(Order::Transfer(Some(s(4))));
    host.fire(RaftTimer::Transfer);
    assert!(host.saw("transfer aborted"));
    assert_eq!(goes_by(&host).outgoing, set(&[1, 2, 3]));
}

#[test]
fn learners_vote_by_way_of_it_once_they_have_caught_up() {
    let promote = Parts { voters: set(&[4]), removed: set(&[3]), ..Parts::default() };
    for by in [Change::Joint(promote), Change::AddVoter(s(4))] {
        let mut host = leader(paper().with(|o| o.membership.promotion_gap = 0));
        change(&mut host, Change::AddLearner(s(4)));
        host.hear(s(2), accepted(1, 2));
        host.take_observed();
        change(&mut host, by);
        assert_eq!(refusal(&host), Some(ChangeRefusal::Behind), "{by:?}");
        host.hear(s(4), accepted(1, 2));
        change(&mut host, by);
        assert!(goes_by(&host).voters.contains(s(4)), "{by:?}");
    }
}

#[test]
fn left_twice() {
    let ends = |bug| {
        let mut host = joint(RaftOptions { bug, ..at_commit() });
        host.order(Order::Append(1));
        host.sync();
        host.take_observed();
        host.hear(s(2), accepted(1, 2));
        host.sync();
        for follower in [2, 4] {
            host.hear(s(follower), accepted(1, 3));
        }
        host.observed.iter().filter(|told| told.face().name == "configuration appended").count()
    };
    assert_eq!((ends(Bug::JointLeftTwice), ends(Bug::None)), (2, 1));
}

#[test]
fn an_election_in_a_joint_configuration_takes_a_quorum_of_both() {
    let elected = |votes: &[u16], bug| {
        let mut host = three(RaftOptions { bug, ..paper() });
        host.hear(s(2), append(1, at(0, 0), &[1], 1));
        host.hear(s(2), bring(1, at(1, 1), Members { outgoing: set(&[1, 2, 3]), ..voters(&[1, 4, 5]) }, 1));
        host.sync();
        host.fire(RaftTimer::Election);
        host.sync();
        votes.iter().for_each(|voter| host.hear(s(*voter), vote_reply(2, true)));
        host.role()
    };
    assert_eq!(elected(&[4, 5], Bug::None), "candidate");
    assert_eq!(elected(&[2, 3], Bug::None), "candidate");
    assert_eq!(elected(&[3, 4], Bug::None), "leader");
    assert_eq!(elected(&[4], Bug::JointByNewMajority), "leader");
    assert_eq!(elected(&[3], Bug::JointByOldMajority), "leader");
}

// ---- Bugs of the leader ----

#[test]
fn the_bugs_of_when_a_leader_may_change_show() {
    let before_own_commit = |bug| {
        let mut host = three(RaftOptions { bug, ..paper() });
        host.make_leader();
        change(&mut host, Change::AddVoter(s(4)));
        goes_by(&host) == voters(&[1, 2, 3, 4])
    };
    assert!(before_own_commit(Bug::ChangeBeforeOwnCommit) && !before_own_commit(Bug::None));
    let second = |bug| {
        let mut host = leader(RaftOptions { bug, ..paper() });
        change(&mut host, Change::AddVoter(s(4)));
        change(&mut host, Change::AddVoter(s(5)));
        goes_by(&host) == voters(&[1, 2, 3, 4, 5])
    };
    assert!(second(Bug::SecondChangeWhilePending) && !second(Bug::None));
    let promoted = |bug| {
        let mut host = leader(paper().with(|o| {
            o.membership.promotion_gap = 0;
            o.bug = bug;
        }));
        change(&mut host, Change::AddLearner(s(4)));
        host.hear(s(2), accepted(1, 2));
        change(&mut host, Change::Promote(s(4)));
        goes_by(&host) == voters(&[1, 2, 3, 4])
    };
    assert!(promoted(Bug::PromotedBeforeCaughtUp) && !promoted(Bug::None));
    let waits = |bug| {
        let mut host = leader(RaftOptions { bug, ..paper() });
        change(&mut host, Change::AddVoter(s(4)));
        goes_by(&host) == voters(&[1, 2, 3])
    };
    assert!(waits(Bug::LeaderConfiguresAtCommit) && !waits(Bug::None));
}

#[test]
fn of_a_server_that_rejoins_a_leader_knows_nothing() {
    let matched = |bug| {
        let mut host = leader(RaftOptions { bug, ..paper() });
        host.hear(s(3), accepted(1, 1));
        change(&mut host, Change::Remove(s(3)));
        host.hear(s(2), accepted(1, 2));
        change(&mut host, Change::AddLearner(s(3)));
        host.server().as_leader().and_then(|leader| leader.progress(s(3))).map(|progress| progress.matched.0)
    };
    assert_eq!(matched(Bug::None), Some(0));
    assert_eq!(matched(Bug::RejoinedKeepsMatch), Some(1));
}

#[test]
fn orders_of_changes_are_read_and_what_is_wrong_is_told() {
    use splitbrain_kernel::system::System;
    let system = super::host::system_with_spares(3, 2, PerServer::same(paper()));
    let order = |name, argument| system.order(name, argument);
    assert_eq!(order("add_voter", "s4"), Ok(Order::Change(Change::AddVoter(s(4)))));
    assert_eq!(order("remove", "s9"), Err("remove takes a server such as s3, not \"s9\"".to_owned()));
    let parts = Parts { voters: set(&[4]), learners: set(&[5]), removed: set(&[1]) };
    assert_eq!(order("change_members", "+s4 -s1 ~s5"), Ok(Order::Change(Change::Joint(parts))));
    for wrong in ["", "s4", "+s4 -s4", "+s9", "+"] {
        assert!(order("change_members", wrong).is_err(), "{wrong}");
    }
    assert_eq!(order("any_change", ""), Ok(Order::AnyChange));
}

#[test]
fn a_heartbeat_of_a_leader_that_is_no_member_is_followed() {
    // It may have been removed by an entry that this server has, and lead until that is committed.
    let mut host = three(paper());
    host.hear(s(2), append(1, at(0, 0), &[1], 1));
    host.hear(s(2), bring(1, at(1, 1), voters(&[1, 3]), 1));
    host.hear(s(2), heartbeat(1));
    assert_eq!(host.server().leader(), Some(s(2)));
}

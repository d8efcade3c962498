//! Elections as in the paper: terms, votes, and what must be durable before it is said.

use super::super::message::RaftMessage;
use super::super::node::RaftTimer;
use super::super::presets::paper;
use super::host::{Host, append, at, heartbeat, millis, s, vote, vote_reply};

#[test]
fn follower_times_out_and_campaigns_in_the_next_term() {
    let mut host = Host::new(paper());
    let due = host.timers[&RaftTimer::Election].as_nanos() / 1_000_000;
    assert!((150..=300).contains(&due), "drawn from its range: {due} ms");
    host.fire(RaftTimer::Election);
    assert_eq!((host.term(), host.role()), (1, "candidate"));
    assert!(host.sent.is_empty(), "nobody is asked before the own vote is durable");
    host.sync();
    let asked: Vec<_> = host.sent.iter().map(|(target, _)| *target).collect();
    assert_eq!(asked, [2, 3, 4, 5].map(s));
    assert_eq!(host.sent[0].1, vote(1, at(0, 0)));
}

#[test]
fn candidate_leads_with_a_majority() {
    let mut host = Host::new(paper());
    host.make_candidate();
    host.hear(s(4), vote_reply(1, true));
    assert_eq!(host.role(), "candidate", "two of five are no majority");
    host.hear(s(5), vote_reply(1, true));
    assert_eq!(host.role(), "leader");
    assert!(!host.timers.contains_key(&RaftTimer::Election));
    let leader = host.server().as_leader().expect("it leads");
    assert_eq!(leader.elected_by().iter().collect::<Vec<_>>(), [1, 4, 5].map(s));
}

#[test]
fn repeated_votes_count_once() {
    let mut host = Host::new(paper());
    host.make_candidate();
    for _ in 0..3 {
        host.hear(s(2), vote_reply(1, true));
    }
    assert_eq!(host.role(), "candidate");
}

#[test]
fn a_vote_of_an_older_term_does_not_count() {
    let mut host = Host::new(paper());
    host.make_candidate();
    host.fire(RaftTimer::Election);
    host.sync();
    assert_eq!(host.term(), 2);
    host.hear(s(2), vote_reply(1, true));
    host.hear(s(3), vote_reply(1, true));
    assert_eq!(host.role(), "candidate");
}

#[test]
fn single_server_leads_once_its_vote_is_durable() {
    let mut host = Host::of(1, splitbrain_kernel::options::PerServer::same(paper()));
    host.fire(RaftTimer::Election);
    assert_eq!(host.role(), "candidate");
    host.sync();
    assert_eq!(host.role(), "leader");
    assert_eq!(host.server().commit().0, 1, "its first entry is committed once it is durable");
}

#[test]
fn a_server_votes_once_a_term() {
    let mut host = Host::new(paper());
    host.hear(s(2), vote(1, at(0, 0)));
    host.sync();
    assert_eq!(host.only_sent(), vote_reply(1, true));
    host.hear(s(3), vote(1, at(0, 0)));
    assert_eq!(host.only_sent(), vote_reply(1, false));
    host.hear(s(2), vote(1, at(0, 0)));
    assert_eq!(host.only_sent(), vote_reply(1, true), "a repeated request is answered the same");
}

#[test]
fn a_vote_reply_waits_for_the_disk() {
    let mut host = Host::new(paper());
    host.hear(s(2), vote(1, at(0, 0)));
    assert!(host.sent.is_empty());
    host.hear(s(3), vote(1, at(0, 0)));
    assert!(host.sent.is_empty(), "a refusal speaks of the new term too");
    host.sync();
    assert_eq!(host.take_sent().len(), 2);
}

#[test]
fn a_vote_survives_a_crash() {
    let mut host = Host::new(paper());
    host.hear(s(2), vote(1, at(0, 0)));
    host.sync();
    host.take_sent();
    host.restart();
    host.sync();
    host.hear(s(3), vote(1, at(0, 0)));
    assert_eq!(host.only_sent(), vote_reply(1, false));
}

#[test]
fn what_a_crash_left_is_durable_before_anything_is_said() {
    let mut host = Host::new(paper());
    host.hear(s(2), vote(1, at(0, 0)));
    host.sync();
    host.take_sent();
    host.restart();
    host.hear(s(3), vote(1, at(0, 0)));
    assert!(host.sent.is_empty(), "a crash of the process keeps what was never synced");
    host.sync();
    assert_eq!(host.only_sent(), vote_reply(1, false));
}

#[test]
fn a_vote_that_was_not_durable_was_never_given() {
    let mut host = Host::new(paper());
    host.hear(s(2), vote(1, at(0, 0)));
    host.restart();
    host.sync();
    assert!(host.take_sent().is_empty(), "the crash dropped the reply with the write");
    host.hear(s(3), vote(1, at(0, 0)));
    host.sync();
    assert_eq!(host.only_sent(), vote_reply(1, true));
}

#[test]
fn voter_refuses_a_log_that_is_behind() {
    let mut host = Host::new(paper());
    host.hear(s(2), append(1, at(0, 0), &[1, 1], 0));
    host.sync();
    host.take_sent();
    for (last, granted) in [(at(1, 1), false), (at(0, 9), false), (at(1, 2), true)] {
        host.hear(s(3), vote(2, last));
        host.sync();
        assert_eq!(host.only_sent(), vote_reply(2, granted), "last entry {last}");
    }
}

#[test]
fn follower_rejects_stale_term() {
    let mut host = Host::new(paper());
    host.hear(s(2), heartbeat(3));
    host.sync();
    host.take_sent();
    let due = host.timers[&RaftTimer::Election];
    host.wait(millis(10));
    host.hear(s(3), heartbeat(2));
    let reply = host.only_sent();
    assert!(matches!(reply, RaftMessage::AppendReply { term, .. } if term.0 == 3), "{reply:?}");
    host.hear(s(3), vote(2, at(9, 9)));
    assert_eq!(host.only_sent(), vote_reply(3, false));
    assert_eq!(host.timers[&RaftTimer::Election], due, "nothing of an earlier term restarts the timer");
    assert_eq!(host.server().leader(), Some(s(2)));
}

#[test]
fn a_denied_vote_leaves_the_timer() {
    let mut host = Host::new(paper());
    host.hear(s(2), append(1, at(0, 0), &[1], 0));
    let due = host.timers[&RaftTimer::Election];
    host.wait(millis(10));
    host.hear(s(3), vote(2, at(0, 0)));
    assert_eq!(host.term(), 2, "the later term is adopted");
    assert_eq!(host.timers[&RaftTimer::Election], due);
}

#[test]
fn a_granted_vote_restarts_the_timer() {
    let mut host = Host::new(paper());
    host.wait(millis(100));
    host.hear(s(2), vote(1, at(0, 0)));
    assert!(host.timers[&RaftTimer::Election] >= host.now() + millis(150));
}

#[test]
fn heartbeats_keep_a_follower_quiet() {
    let mut host = Host::new(paper());
    host.hear(s(2), heartbeat(1));
    host.sync();
    host.take_sent();
    host.take_observed();
    host.wait(millis(50));
    host.hear(s(2), heartbeat(1));
    assert!(host.timers[&RaftTimer::Election] >= host.now() + millis(150));
    assert_eq!(host.take_observed(), [""; 0], "in steady state nothing is told");
    assert_eq!(host.take_sent().len(), 1, "and the answer needs no disk");
}

#[test]
fn leader_steps_down_on_a_later_term() {
    let mut host = Host::new(paper());
    host.make_leader();
    host.hear(s(2), vote_reply(5, false));
    assert_eq!((host.term(), host.role()), (5, "follower"));
    assert!(host.saw("stepped down"));
    assert!(!host.timers.contains_key(&RaftTimer::Heartbeat));
    assert!(host.timers.contains_key(&RaftTimer::Election));
}

#[test]
fn candidate_yields_to_the_leader_of_its_term() {
    let mut host = Host::new(paper());
    host.make_candidate();
    host.hear(s(3), heartbeat(1));
    assert_eq!(host.role(), "follower");
    assert_eq!(host.server().leader(), Some(s(3)));
    assert_eq!(host.server().voted_for(), Some(s(1)), "its vote of this term stays its own");
}

#[test]
fn candidate_starts_a_further_term_when_nobody_wins() {
    let mut host = Host::new(paper());
    host.make_candidate();
    host.hear(s(2), vote_reply(1, false));
    host.fire(RaftTimer::Election);
    assert_eq!((host.term(), host.role()), (2, "candidate"));
}

#[test]
fn the_term_step_is_an_option() {
    let mut host = Host::new(paper().with(|o| o.votes.term_step = 10));
    host.fire(RaftTimer::Election);
    assert_eq!(host.term(), 10);
}

#[test]
fn learner_neither_campaigns_nor_counts() {
    let mut options = splitbrain_kernel::options::PerServer::same(paper());
    options.of.insert(s(1), paper().with(|o| o.membership.learner = true));
    let mut learner = Host::of(3, options.clone());
    learner.fire(RaftTimer::Election);
    assert_eq!((learner.term(), learner.role()), (0, "follower"));
    let mut voter = Host::node(s(2), super::host::system(3, options));
    voter.make_candidate();
    voter.hear(s(1), vote_reply(1, true));
    assert_eq!(voter.role(), "candidate", "two voters: both are needed, and s1 is none");
    voter.hear(s(3), vote_reply(1, true));
    assert_eq!(voter.role(), "leader");
}

#[test]
fn a_failed_disk_ends_the_process() {
    use splitbrain_kernel::node::{Completion, DiskError, WriteId};
    let mut host = Host::new(paper());
    host.durable(Completion::Failed(WriteId(0), DiskError::Io));
    assert!(host.exited.is_some());
}

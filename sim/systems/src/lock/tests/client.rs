//! A client: rounds, validity, extension and release, with the test as every server.

use splitbrain_kernel::rng::Ppm;

use super::*;
use crate::lock::bug::Bug;
use crate::lock::message::{Operation, Outcome};
use crate::lock::options::{FenceSource, OwnerCheck, Topology, Validity};
use crate::lock::presets;

const FIVE: [NodeId; 5] = [R1, R2, R3, NodeId::new(REDIS, 4), NodeId::new(REDIS, 5)];

/// A client of five servers, without gaps between its steps.
fn redlock(bug: Bug) -> Stand {
    let gap_max = Duration::ZERO;
    Stand::new(C1, (5, 0), LockOptions { gap_max, bug, ..presets::node_redlock() })
}

/// It asks for the lock; the requests by server.
fn begin(client: &mut Stand) -> Vec<(NodeId, u64, Command)> {
    client.host.operation(Operation::Acquire { lock: LOCK });
    client.note();
    client.take_asked()
}

fn answer(client: &mut Stand, (server, request, _): (NodeId, u64, Command), answer: Answer) {
    client.hear(server, Wire::Answer { request, answer });
}

/// The process of the server that each request is for.
fn processes(client: &mut Stand) -> Vec<u32> {
    client.take_sent().into_iter().filter_map(|(_, wire)| Some(wire.asked()?.1)).collect()
}

#[test]
fn a_request_that_is_reset_has_failed_and_the_next_ones_are_for_the_process_that_runs() {
    let gap_max = Duration::ZERO;
    let mut client = Stand::new(C1, (1, 0), LockOptions { gap_max, ..presets::distlock() });
    let (server, request, first) = begin(&mut client)[0];
    client.hear(server, Wire::Reset { request, process: 2 });
    client.hear(server, Wire::Answer { request, answer: Answer::Ok });
    assert_eq!(gained(&client), None, "the connection of that answer has ended");
    client.wait(presets::distlock().retry_max);
    let sent = client.sent.clone();
    assert_eq!(processes(&mut client), [2, 2]);
    let release = Command::Release { lock: LOCK, token: token_of(first) };
    assert!(matches!(&sent[0].1, Wire::Ask { command, .. } if *command == release), "the old process may have granted");
    assert!(matches!(&sent[1].1, Wire::Ask { command, .. } if token_of(*command) != token_of(first)));
}

fn gained(client: &Stand) -> Option<Option<Duration>> {
    client.observed.iter().find_map(|one| match one {
        LockObservation::Gained { validity, .. } => Some(*validity),
        _ => None,
    })
}

/// A client that has the lock on all servers, after this time.
fn holder(bug: Bug, after: Duration) -> Stand {
    let mut client = redlock(bug);
    let asked = begin(&mut client);
    client.host.pass(after);
    asked.into_iter().for_each(|one| answer(&mut client, one, Answer::Ok));
    client
}

#[test]
fn a_majority_is_enough_and_the_validity_counts_from_before_the_question() {
    let mut client = redlock(Bug::None);
    let asked = begin(&mut client);
    assert_eq!(asked.iter().map(|(server, ..)| *server).collect::<Vec<_>>(), FIVE);
    client.host.pass(millis(100));
    answer(&mut client, asked[0], Answer::Ok);
    answer(&mut client, asked[3], Answer::Ok);
    assert_eq!(gained(&client), None);
    answer(&mut client, asked[4], Answer::Ok);
    // 10 s less 1 %, 2 ms, and 100 ms that have passed.
    assert_eq!(gained(&client), Some(Some(millis(10_000 - 100 - 2 - 100))));
    assert_eq!(client.answered, [OperationResult::Ok(Response::Acquired { fence: None })]);
}

#[test]
fn a_majority_that_comes_too_late_is_given_back() {
    let mut client = holder(Bug::None, Duration::from_secs(10));
    assert_eq!(gained(&client), None);
    assert!(client.observed.iter().any(|one| matches!(one, LockObservation::TooLate(_))));
    let released = client.take_asked();
    assert!(released.iter().all(|(.., command)| matches!(command, Command::Release { .. })));
    assert_eq!(released.len(), 5);
}

#[test]
fn each_bug_of_the_validity_makes_it_longer() {
    let right = gained(&holder(Bug::None, millis(50))).flatten().expect("it has the lock");
    for bug in [Bug::DriftAdded, Bug::ValidityFromAnswer] {
        let validity = gained(&holder(bug, millis(50))).flatten().expect("it has the lock");
        assert!(validity > right, "{}", bug.name());
    }
    assert_eq!(gained(&holder(Bug::NoValidityCheck, Duration::from_secs(10))), Some(Some(Duration::ZERO)));
}

#[test]
fn a_failed_attempt_is_given_back_also_where_nothing_was_heard() {
    for (bug, expected) in [(Bug::None, vec![R1, R2, R3]), (Bug::ReleaseAcknowledgedOnly, vec![R1, R2])] {
        let mut client = redlock(bug);
        let asked = begin(&mut client);
        answer(&mut client, asked[0], Answer::Ok);
        answer(&mut client, asked[1], Answer::Ok);
        answer(&mut client, asked[3], Answer::Nil);
        answer(&mut client, asked[4], Answer::Nil);
        client.wait(millis(200));
        let released = client.take_asked().into_iter();
        let released: Vec<NodeId> = released
            .filter(|(.., command)| matches!(command, Command::Release { .. }))
            .map(|(server, ..)| server)
            .collect();
        assert_eq!(released, expected, "{}", bug.name());
    }
}

#[test]
fn what_a_failed_attempt_left_is_given_back_once_more() {
    for (bug, gives_back) in [(Bug::None, true), (Bug::OwnTokenIsForeign, false)] {
        let gap_max = Duration::ZERO;
        let mut client = Stand::new(C1, (1, 0), LockOptions { gap_max, bug, ..presets::distlock() });
        let first = token_of(begin(&mut client)[0].2);
        client.wait(millis(1_001));
        let asked = client.take_asked();
        let released = Command::Release { lock: LOCK, token: first };
        assert_eq!(asked.iter().any(|(.., command)| *command == released), gives_back, "{}", bug.name());
        let again = asked.into_iter().find(|(.., command)| matches!(command, Command::Acquire { .. }));
        let again = again.expect("it asks again");
        assert_eq!(token_of(again.2) != first, gives_back, "under a token of its own");
        answer(&mut client, again, Answer::Nil);
        let owner = client.take_asked().into_iter().find(|(.., command)| matches!(command, Command::Owner { .. }));
        assert_eq!(owner.is_some(), gives_back);
        if let Some(owner) = owner {
            answer(&mut client, owner, Answer::Bulk(first.text()));
            assert!(client.take_asked().iter().any(|(.., command)| *command == released));
        }
    }
}

fn token_of(command: Command) -> Token {
    let Command::Acquire { token, .. } = command else { panic!("it asks for the lock") };
    token
}

#[test]
fn it_is_busy_when_its_time_is_over() {
    let mut client = Stand::new(C1, (1, 0), presets::redis_py());
    client.host.operation(Operation::Acquire { lock: LOCK });
    for _ in 0..200 {
        client.note();
        client.take_asked().into_iter().for_each(|one| {
            if matches!(one.2, Command::Acquire { .. }) {
                answer(&mut client, one, Answer::Nil);
            }
        });
        client.wait(millis(100));
    }
    assert_eq!(client.answered, [OperationResult::Ok(Response::Busy)]);
}

#[test]
fn a_write_after_the_validity_is_not_sent_and_one_before_may_be_late() {
    let mut client = holder(Bug::None, Duration::ZERO);
    client.take_sent();
    client.host.operation(Operation::Write { lock: LOCK, value: 5 });
    // The look at the clock is behind it: it sends whatever the time is now.
    client.host.pass(Duration::from_secs(20));
    client.wait(Duration::ZERO);
    let put = client.take_sent().into_iter().find(|(to, _)| *to == E1).expect("it writes");
    let Wire::Put { request, .. } = put.1 else { panic!("it writes to the resource") };
    client.hear(E1, Wire::Done { request, outcome: Outcome::Written });
    client.host.operation(Operation::Write { lock: LOCK, value: 6 });
    client.note();
    assert!(client.take_sent().is_empty());
    assert_eq!(client.answered.last(), Some(&OperationResult::Ok(Response::Lost)));
}

fn watched_options(bug: Bug) -> LockOptions {
    LockOptions { gap_max: Duration::ZERO, bug, fence: FenceSource::None, ..presets::careful() }
}

fn watched(bug: Bug) -> Stand {
    watched_by(watched_options(bug))
}

/// A client with these options that has the lock.
fn watched_by(options: LockOptions) -> Stand {
    let mut client = Stand::new(C1, (1, 0), options);
    let asked = begin(&mut client)[0];
    answer(&mut client, asked, Answer::Ok);
    client
}

/// The next extension that it asks for within this many seconds.
fn extension(client: &mut Stand, seconds: u64) -> Option<(NodeId, u64, Command)> {
    client.take_sent();
    client.wait(Duration::from_secs(seconds));
    let is_extension = |command: &Command| {
        matches!(command, Command::Extend { .. } | Command::Overwrite { .. } | Command::Expire { .. })
    };
    client.take_asked().into_iter().find(|(.., command)| is_extension(command))
}

#[test]
fn a_holder_extends_every_three_seconds_and_tries_again_after_an_error() {
    let mut client = watched(Bug::None);
    let first = extension(&mut client, 3).expect("it extends");
    answer(&mut client, first, Answer::Error("LOADING".to_owned()));
    assert!(extension(&mut client, 1).is_some(), "soon after");
    let mut client = watched(Bug::WatchdogStopsAfterError);
    let first = extension(&mut client, 3).expect("it extends");
    answer(&mut client, first, Answer::Error("LOADING".to_owned()));
    assert!(extension(&mut client, 5).is_none());
}

#[test]
fn a_holder_that_hears_of_its_loss_writes_no_more() {
    for (bug, knows) in [(Bug::None, true), (Bug::LossNotTold, false)] {
        let mut client = watched(bug);
        let asked = extension(&mut client, 3).expect("it extends");
        answer(&mut client, asked, Answer::Integer(0));
        let noticed = client.observed.iter().any(|one| matches!(one, LockObservation::LossNoticed(_)));
        assert_eq!(noticed, knows, "{}", bug.name());
    }
}

#[test]
fn an_extension_that_comes_after_the_end_revives_nothing() {
    let mut client = watched(Bug::None);
    let asked = extension(&mut client, 3).expect("it extends");
    client.host.pass(Duration::from_secs(10));
    answer(&mut client, asked, Answer::Integer(1));
    assert!(client.observed.iter().any(|one| matches!(one, LockObservation::Lapsed(_))));
    assert!(!client.observed.iter().any(|one| matches!(one, LockObservation::Extended { .. })));
}

#[test]
fn after_a_release_nothing_is_extended() {
    for (bug, goes_on) in [(Bug::None, false), (Bug::WatchdogOutlivesUser, true)] {
        let mut client = watched(bug);
        client.host.operation(Operation::Release { lock: LOCK });
        client.note();
        let released = client.take_asked()[0];
        answer(&mut client, released, Answer::Integer(1));
        assert_eq!(client.answered.last(), Some(&OperationResult::Ok(Response::Released)));
        assert_eq!(extension(&mut client, 8).is_some(), goes_on, "{}", bug.name());
    }
}

#[test]
fn a_lock_whose_user_has_gone_is_neither_given_back_nor_extended() {
    for (bug, goes_on) in [(Bug::None, false), (Bug::WatchdogOutlivesUser, true)] {
        let mut client = watched_by(LockOptions { abandon: Ppm::ALWAYS, ..watched_options(bug) });
        client.host.operation(Operation::Release { lock: LOCK });
        client.note();
        assert!(client.take_asked().is_empty(), "it is not given back");
        assert!(client.observed.iter().any(|one| matches!(one, LockObservation::Abandoned(_))));
        assert_eq!(client.answered.last(), Some(&OperationResult::Unknown));
        assert_eq!(extension(&mut client, 8).is_some(), goes_on, "{}", bug.name());
    }
}

#[test]
fn a_client_that_was_not_answered_does_not_know_of_another_holder() {
    for (answers, said) in [(Some(Answer::Nil), Response::Busy), (None, Response::Unavailable)] {
        let options = LockOptions { acquire_timeout: millis(1_500), gap_max: Duration::ZERO, ..presets::redis_py() };
        let mut client = Stand::new(C1, (1, 0), options);
        let mut asked = begin(&mut client);
        for _ in 0..30 {
            let acquires = asked.into_iter().filter(|(.., command)| matches!(command, Command::Acquire { .. }));
            for (one, said) in acquires.zip(answers.clone()) {
                answer(&mut client, one, said);
            }
            client.wait(millis(100));
            asked = client.take_asked();
        }
        assert_eq!(client.answered, [OperationResult::Ok(said)]);
    }
}

#[test]
fn a_ticket_proves_nothing_after_the_validity() {
    let gap_max = Duration::ZERO;
    let options = LockOptions { gap_max, fence: FenceSource::Ticket, ..presets::node_redlock() };
    for (passed, has_it) in [(0, true), (11, false)] {
        let mut client = Stand::new(C1, (5, 0), options.clone());
        let asked = begin(&mut client);
        asked.into_iter().take(3).for_each(|one| answer(&mut client, one, Answer::Ok));
        let claim = client.take_sent().into_iter().find(|(to, _)| *to == E1).expect("it asks for a ticket");
        let Wire::Claim { request, .. } = claim.1 else { panic!("it claims") };
        client.host.pass(Duration::from_secs(passed));
        client.hear(E1, Wire::Done { request, outcome: Outcome::Ticket(7) });
        assert_eq!(gained(&client).is_some(), has_it, "after {passed} s");
    }
}

#[test]
fn replicas_that_have_the_lock_prove_nothing_after_the_validity() {
    let gap_max = Duration::ZERO;
    let topology = Topology::Replicated;
    let validity = Validity::Computed;
    let options =
        LockOptions { gap_max, topology, validity, wait_replicas: 1, fence: FenceSource::None, ..presets::careful() };
    for (passed, has_it) in [(0, true), (11, false)] {
        let mut client = Stand::new(C1, (2, 0), options.clone());
        let asked = begin(&mut client)[0];
        answer(&mut client, asked, Answer::Ok);
        let wait = client.take_asked()[0];
        assert!(matches!(wait.2, Command::Wait { .. }));
        client.host.pass(Duration::from_secs(passed));
        answer(&mut client, wait, Answer::Integer(1));
        assert_eq!(gained(&client).is_some(), has_it, "after {passed} s");
        let too_late = client.observed.iter().any(|one| matches!(one, LockObservation::TooLate(_)));
        assert_eq!(too_late, !has_it, "after {passed} s");
    }
}

#[test]
fn a_refused_client_asks_a_sentinel_who_is_the_master() {
    let options = LockOptions { topology: crate::lock::options::Topology::Replicated, ..presets::redis_py() };
    let mut client = Stand::new(C1, (2, 3), options);
    assert_eq!(
        client.host.node().and_then(LockNode::user).map(|user| user.client().options.validity),
        Some(Validity::UntilRelease)
    );
    let asked = begin(&mut client)[0];
    assert_eq!(asked.0, R1);
    answer(&mut client, asked, Answer::Error("READONLY You can't write against a read only replica.".to_owned()));
    let sentinel = client.take_sent().into_iter().find(|(_, wire)| *wire == Wire::Find).expect("it asks").0;
    client.hear(sentinel, Wire::Found { master: R2, epoch: 1 });
    client.wait(millis(100));
    assert_eq!(client.take_asked().first().map(|(server, ..)| *server), Some(R2));
}

/// How a client fares that was refused for 11 s and then gets the lock from all.
fn served_after_a_wait(bug: Bug) -> (bool, bool) {
    let gap_max = Duration::ZERO;
    let acquire_timeout = Duration::from_secs(60);
    let mut client = Stand::new(C1, (5, 0), LockOptions { gap_max, acquire_timeout, bug, ..presets::node_redlock() });
    let asked = begin(&mut client);
    client.host.pass(Duration::from_secs(11));
    asked.into_iter().for_each(|one| answer(&mut client, one, Answer::Nil));
    client.wait(millis(300));
    client.take_asked().into_iter().for_each(|one| {
        if matches!(one.2, Command::Acquire { .. }) {
            answer(&mut client, one, Answer::Ok);
        }
    });
    let too_late = client.observed.iter().any(|one| matches!(one, LockObservation::TooLate(_)));
    (gained(&client).is_some(), too_late)
}

#[test]
fn the_validity_counts_from_the_attempt_that_succeeds() {
    assert_eq!(served_after_a_wait(Bug::None), (true, false));
    assert_eq!(served_after_a_wait(Bug::ValidityFromFirstAttempt), (false, true));
}

/// A client of a master and a replica whose first answer was lost is refused, and is shown its first token. Returns
/// which redis it asked for the owner, and whether it goes on as the holder of it.
fn shown_its_own(bug: Bug) -> (NodeId, bool) {
    let topology = Topology::Replicated;
    let mut client = Stand::new(C1, (2, 0), LockOptions { topology, bug, ..presets::redis_py() });
    let first = token_of(begin(&mut client)[0].2);
    client.wait(Duration::from_secs(2));
    let again = client.take_asked().into_iter().rfind(|(.., command)| matches!(command, Command::Acquire { .. }));
    answer(&mut client, again.expect("it asks again"), Answer::Nil);
    let owner = client.take_asked().into_iter().find(|(.., command)| matches!(command, Command::Owner { .. }));
    let owner = owner.expect("it asks who the owner is");
    answer(&mut client, owner, Answer::Bulk(first.text()));
    let is_held = |one: &LockObservation| matches!(one, LockObservation::Gained { hold, .. } if hold.token == first);
    (owner.0, client.observed.iter().any(is_held))
}

#[test]
fn the_owner_is_asked_for_at_the_master_and_does_not_make_a_holder() {
    let (right, wrong) = (shown_its_own(Bug::None), shown_its_own(Bug::OwnerReadAtReplica));
    assert_ne!(right.0, wrong.0, "the one is the master, the other its replica");
    assert_eq!((right.1, wrong.1), (false, true));
}

/// What a holder does about a write if its replica answers so; `None` if it does not answer in time. Returns whether it
/// writes, and how the write ended so far.
fn write_after(shown: Option<Answer>) -> (bool, Vec<OperationResult<Response>>) {
    let (topology, owner_check, gap_max) = (Topology::Replicated, OwnerCheck::Replica, Duration::ZERO);
    let mut client = Stand::new(C1, (3, 0), LockOptions { topology, owner_check, gap_max, ..presets::distlock() });
    let asked = begin(&mut client)[0];
    let own = token_of(asked.2);
    answer(&mut client, asked, Answer::Ok);
    client.answered.clear();
    client.host.operation(Operation::Write { lock: LOCK, value: 7 });
    client.note();
    let check = client.take_asked()[0];
    assert_eq!((check.0, check.2), (R2, Command::Owner { lock: LOCK }), "redis1 is the master");
    match shown {
        Some(Answer::Bulk(text)) if text.is_empty() => answer(&mut client, check, Answer::Bulk(own.text())),
        Some(shown) => answer(&mut client, check, shown),
        None => client.wait(presets::distlock().request_timeout),
    }
    client.wait(Duration::ZERO);
    let is_sent = client.take_sent().iter().any(|(_, wire)| matches!(wire, Wire::Put { .. }));
    (is_sent, std::mem::take(&mut client.answered))
}

#[test]
fn a_holder_that_asks_a_replica_writes_only_if_that_shows_its_own_token() {
    // An empty text stands for the token of the holder.
    assert_eq!(write_after(Some(Answer::Bulk(Vec::new()))), (true, Vec::new()));
    let refused = vec![OperationResult::Ok(Response::Refused)];
    assert_eq!(write_after(Some(Answer::Nil)), (false, refused.clone()));
    assert_eq!(write_after(Some(Answer::Bulk(Token(1).text()))), (false, refused));
    assert_eq!(write_after(None), (false, vec![OperationResult::Unknown]));
}

/// A client whose lock is a moment, refused for one that ends so many seconds from now. Returns what it does next.
fn refused_for_a_moment(ends_in: i64) -> Option<Command> {
    let gap_max = Duration::ZERO;
    let bug = Bug::LockIsTimestamp;
    let mut client = Stand::new(C1, (1, 0), LockOptions { gap_max, bug, ..presets::redis_py() });
    // So that a moment may be past.
    client.host.pass(Duration::from_secs(20));
    let asked = begin(&mut client)[0];
    assert!(matches!(asked.2, Command::Acquire { time_to_live: None, .. }));
    // Its own moment is 11 s from now.
    let moment = token_of(asked.2).0.checked_add_signed((ends_in - 11) * 1_000_000_000).expect("it is after 1970");
    answer(&mut client, asked, Answer::Nil);
    let owner = client.take_asked()[0];
    answer(&mut client, owner, Answer::Bulk(Token(moment).text()));
    let taken = client.take_asked().first().copied();
    if let Some(taken) = taken {
        answer(&mut client, taken, Answer::Bulk(Token(moment).text()));
        assert!(gained(&client).is_some());
    }
    taken.map(|(.., command)| command)
}

#[test]
fn a_lock_that_is_a_moment_is_taken_over_once_that_is_past() {
    assert_eq!(refused_for_a_moment(1), None);
    assert!(matches!(refused_for_a_moment(-1), Some(Command::Takeover { .. })));
}

#[test]
fn a_release_by_comparison_deletes_the_lock_of_the_next_holder() {
    for (bug, deletes) in [(Bug::ReleaseReadsThenDeletes, false), (Bug::ReleaseIfNotOlder, true)] {
        let gap_max = Duration::ZERO;
        let mut client = Stand::new(C1, (1, 0), LockOptions { gap_max, bug, ..presets::redis_py() });
        let asked = begin(&mut client)[0];
        let own = token_of(asked.2);
        answer(&mut client, asked, Answer::Ok);
        client.host.operation(Operation::Release { lock: LOCK });
        client.note();
        let owner = client.take_asked()[0];
        answer(&mut client, owner, Answer::Bulk(Token(own.0 + 1).text()));
        client.wait(Duration::ZERO);
        let is_delete = |(.., command): &(NodeId, u64, Command)| matches!(command, Command::Delete { .. });
        assert_eq!(client.take_asked().iter().any(is_delete), deletes, "{}", bug.name());
    }
}

//! A redis: when its answers leave, what a restart finds, and how it replicates.

use splitbrain_kernel::fault::Offset;
use splitbrain_kernel::node::{DiskError, FileId};

use super::*;
use crate::lock::bug::Bug;
use crate::lock::message::Order;
use crate::lock::options::{AppendFsync, StreamDeadlines, Topology};
use crate::lock::presets;
use crate::lock::redis::Effect as Change;

fn with_fsync(append_fsync: AppendFsync) -> LockOptions {
    LockOptions { append_fsync, ..presets::distlock() }
}

fn alone(options: LockOptions) -> Stand {
    Stand::new(R1, (1, 0), options)
}

fn acquire(token: u64) -> Command {
    let time_to_live = Some(Duration::from_secs(10));
    Command::Acquire { lock: LOCK, token: Token(token), time_to_live, fenced: false, returning: false }
}

fn ask(stand: &mut Stand, request: u64, command: Command) {
    let process = stand.process();
    stand.hear(C1, Wire::Ask { process, request, command });
}

fn has_granted(observed: &[LockObservation], token: u64) -> bool {
    observed.iter().any(|one| matches!(one, LockObservation::Granted { hold: of, .. } if *of == hold(token)))
}

#[test]
fn with_always_an_answer_leaves_when_it_is_durable() {
    let mut redis = alone(with_fsync(AppendFsync::Always));
    ask(&mut redis, 1, acquire(1));
    assert!(redis.take_answers().is_empty());
    redis.sync();
    assert_eq!(redis.take_answers(), [Answer::Ok]);
}

#[test]
fn with_everysec_an_answer_leaves_when_it_is_written_and_a_second_later_it_is_synced() {
    let mut redis = alone(with_fsync(AppendFsync::EverySecond));
    ask(&mut redis, 1, acquire(1));
    redis.host.complete_writes();
    redis.note();
    assert_eq!(redis.take_answers(), [Answer::Ok]);
    assert_eq!(redis.host.files().get(FileId(0)).len(), 0);
    redis.wait(Duration::from_secs(1));
    redis.sync();
    assert_eq!(redis.host.files().get(FileId(0)).len(), 1);
}

#[test]
fn a_request_that_comes_twice_is_carried_out_once() {
    let mut redis = alone(with_fsync(AppendFsync::Off));
    ask(&mut redis, 1, acquire(1));
    ask(&mut redis, 2, Command::Release { lock: LOCK, token: Token(1) });
    ask(&mut redis, 1, acquire(1));
    assert_eq!(redis.take_answers(), [Answer::Ok, Answer::Integer(1)]);
    ask(&mut redis, 3, acquire(2));
    assert_eq!(redis.take_answers(), [Answer::Ok]);
}

#[test]
fn a_request_that_comes_again_after_a_restart_is_not_carried_out_again() {
    let write = |value| Command::Write { lock: LOCK, token: Token(1), value, guarded: true };
    for append_fsync in [AppendFsync::Off, AppendFsync::Always, AppendFsync::EverySecond] {
        let mut redis = alone(with_fsync(append_fsync));
        for (request, command) in [(1, acquire(1)), (2, write(1)), (3, write(2))] {
            ask(&mut redis, request, command);
            redis.host.complete_writes();
            redis.sync();
        }
        redis.restart(Host::crash_process);
        redis.take_sent();
        redis.hear(C1, Wire::Ask { process: 0, request: 2, command: write(1) });
        redis.sync();
        let reset = Wire::Reset { request: 2, process: 1 };
        assert_eq!(redis.take_sent(), [(C1, reset)], "{}", append_fsync.name());
    }
}

/// Goal: what was refused is not granted to a late copy of the request. Method: the lock is over at the restart.
#[test]
fn a_request_that_was_refused_is_not_carried_out_after_a_restart() {
    for append_fsync in [AppendFsync::Off, AppendFsync::EverySecond, AppendFsync::Always] {
        let mut redis = alone(with_fsync(append_fsync));
        ask(&mut redis, 1, acquire(1));
        ask(&mut redis, 2, acquire(2));
        redis.sync();
        redis.host.pass(Duration::from_secs(11));
        redis.restart(Host::crash_process);
        redis.take_observed();
        redis.hear(C1, Wire::Ask { process: 0, request: 2, command: acquire(2) });
        let words = vec![b"SET".to_vec(), LOCK.key(), Token(3).text()];
        redis.hear(C1, Wire::Call { process: 0, request: 3, words });
        assert!(!redis.observed.iter().any(|one| matches!(one, LockObservation::Granted { .. })));
        ask(&mut redis, 2, acquire(2));
        assert!(has_granted(&redis.observed, 2), "it is for this process: {}", append_fsync.name());
    }
}

#[test]
fn a_lock_ends_by_the_wall_clock() {
    let mut redis = alone(with_fsync(AppendFsync::Off));
    ask(&mut redis, 1, acquire(1));
    redis.host.step_wall(Offset(11_000_000_000));
    ask(&mut redis, 2, acquire(2));
    assert_eq!(redis.take_answers(), [Answer::Ok, Answer::Ok]);
    assert!(redis.observed.contains(&LockObservation::Expired(hold(1))) && has_granted(&redis.observed, 2));
}

#[test]
fn active_expiry_needs_nobody_who_asks() {
    let mut redis = alone(with_fsync(AppendFsync::Off));
    ask(&mut redis, 1, acquire(1));
    redis.wait(millis(10_200));
    assert!(redis.observed.contains(&LockObservation::Expired(hold(1))));
    assert!(redis.host.node().and_then(LockNode::redis).expect("it runs").keyspace().is_empty());
}

/// Goal: by a known bug a deadline is a whole second. Method: a lock of ten seconds half a second into one.
#[test]
fn a_lock_ends_in_the_second_before_if_deadlines_are_whole_seconds() {
    for (bug, is_early) in [(Bug::None, false), (Bug::ExpiryInSeconds, true)] {
        let mut redis = alone(LockOptions { bug, ..with_fsync(AppendFsync::Off) });
        redis.wait(millis(500));
        ask(&mut redis, 1, acquire(1));
        redis.wait(millis(9_800));
        let has_expired = redis.observed.contains(&LockObservation::Expired(hold(1)));
        assert_eq!(has_expired, is_early, "{}", bug.name());
    }
}

/// What a redis has after a crash that keeps so much.
fn kept_after(options: LockOptions, crash: impl FnOnce(&mut Host<LockNode>)) -> bool {
    let mut redis = alone(options);
    ask(&mut redis, 1, acquire(1));
    redis.host.complete_writes();
    redis.note();
    redis.take_observed();
    redis.restart(crash);
    redis.observed.contains(&LockObservation::Kept(hold(1)))
}

#[test]
fn a_crash_of_the_process_keeps_what_was_written_and_one_of_the_machine_what_was_synced() {
    assert!(kept_after(with_fsync(AppendFsync::EverySecond), Host::crash_process));
    assert!(!kept_after(with_fsync(AppendFsync::EverySecond), |host| host.crash_machine(0)));
    assert!(!kept_after(with_fsync(AppendFsync::Off), Host::crash_process));
    let always = with_fsync(AppendFsync::Always);
    let synced = |host: &mut Host<LockNode>| {
        host.sync();
        host.crash_machine(0);
    };
    assert!(kept_after(always, synced));
}

#[test]
fn a_lock_that_is_over_is_not_there_after_a_restart_unless_its_time_begins_anew() {
    let after_six_and_six_seconds = |bug| {
        let mut redis = alone(LockOptions { bug, ..with_fsync(AppendFsync::Always) });
        ask(&mut redis, 1, acquire(1));
        redis.sync();
        redis.wait(Duration::from_secs(6));
        redis.restart(Host::crash_process);
        redis.host.pass(Duration::from_secs(6));
        redis.take_answers();
        ask(&mut redis, 2, acquire(2));
        redis.sync();
        redis.take_answers()
    };
    assert_eq!(after_six_and_six_seconds(Bug::None), [Answer::Ok]);
    assert_eq!(after_six_and_six_seconds(Bug::RelativeExpiryInFile), [Answer::Nil]);
}

#[test]
fn a_restart_with_a_delay_answers_nothing_for_a_while() {
    let delayed_restart = Duration::from_secs(12);
    let mut redis = alone(LockOptions { delayed_restart, ..with_fsync(AppendFsync::Off) });
    redis.restart(Host::crash_process);
    ask(&mut redis, 1, acquire(1));
    assert!(redis.take_answers().is_empty());
    redis.wait(delayed_restart);
    ask(&mut redis, 2, acquire(1));
    assert_eq!(redis.take_answers(), [Answer::Ok]);
}

#[test]
fn a_disk_that_refuses_stops_writes_until_it_takes_them_again() {
    let mut redis = alone(with_fsync(AppendFsync::EverySecond));
    ask(&mut redis, 1, acquire(1));
    redis.host.fail_write(DiskError::Full);
    redis.note();
    assert_eq!(redis.take_answers(), [Answer::Ok], "what was carried out is answered");
    ask(&mut redis, 2, Command::Release { lock: LOCK, token: Token(1) });
    assert!(redis.take_answers()[0].is_error("MISCONF"));
    redis.wait(millis(100));
    ask(&mut redis, 4, Command::Release { lock: LOCK, token: Token(1) });
    assert!(redis.take_answers()[0].is_error("MISCONF"), "it tries again, and does not know yet");
    redis.host.fail_write(DiskError::Full);
    redis.note();
    redis.wait(millis(100));
    redis.sync();
    ask(&mut redis, 3, Command::Release { lock: LOCK, token: Token(1) });
    redis.sync();
    assert_eq!(redis.take_answers(), [Answer::Integer(1)]);
}

#[test]
fn what_a_disk_has_refused_is_written_in_its_order() {
    let mut redis = alone(with_fsync(AppendFsync::EverySecond));
    ask(&mut redis, 1, acquire(1));
    ask(&mut redis, 2, Command::Release { lock: LOCK, token: Token(1) });
    redis.host.fail_write(DiskError::Full);
    redis.wait(millis(100));
    // The retry of the first is refused after the second.
    redis.host.fail_write(DiskError::Full);
    redis.host.fail_write(DiskError::Full);
    redis.wait(millis(100));
    redis.sync();
    redis.restart(Host::crash_process);
    redis.take_observed();
    redis.note();
    assert!(!redis.observed.contains(&LockObservation::Kept(hold(1))), "it was released");
}

#[test]
fn a_write_that_looks_at_no_lock_is_told_as_such() {
    for (guarded, is_made) in [(false, true), (true, false)] {
        let mut redis = alone(with_fsync(AppendFsync::Off));
        ask(&mut redis, 1, Command::Write { lock: LOCK, token: Token(1), value: 5, guarded });
        let plain = LockObservation::PlainWrite { hold: hold(1), value: 5 };
        assert_eq!(redis.observed.contains(&plain), is_made);
        assert_eq!(redis.observed.contains(&LockObservation::GuardedRefusal(hold(1))), guarded);
    }
}

#[test]
fn a_write_of_what_is_there_already_is_told_as_a_write() {
    for guarded in [false, true] {
        let mut redis = alone(with_fsync(AppendFsync::Off));
        ask(&mut redis, 1, acquire(1));
        for request in [2, 3] {
            ask(&mut redis, request, Command::Write { lock: LOCK, token: Token(1), value: 5, guarded });
        }
        let told = match guarded {
            true => LockObservation::GuardedWrite { hold: hold(1), value: 5 },
            false => LockObservation::PlainWrite { hold: hold(1), value: 5 },
        };
        assert_eq!(redis.observed.iter().filter(|one| **one == told).count(), 2);
    }
}

/// A master with a replica that follows its stream.
fn pair() -> (Stand, Stand) {
    pair_with(Bug::None)
}

fn pair_with(bug: Bug) -> (Stand, Stand) {
    let options = LockOptions { topology: Topology::Replicated, bug, ..with_fsync(AppendFsync::Off) };
    let (mut master, mut replica) = (Stand::new(R1, (2, 0), options.clone()), Stand::new(R2, (2, 0), options));
    replica.wait(Duration::from_secs(1));
    exchange(&mut master, &mut replica);
    (master, replica)
}

/// What both have sent to one another arrives, until nothing more is sent.
fn exchange(master: &mut Stand, replica: &mut Stand) {
    for _ in 0..10 {
        replica.take_sent().into_iter().filter(|(to, _)| *to == R1).for_each(|(_, wire)| master.hear(R2, wire));
        let (to_replica, rest) = master.take_sent().into_iter().partition(|(to, _)| *to == R2);
        let to_replica: Vec<(NodeId, Wire)> = to_replica;
        master.sent = rest;
        to_replica.into_iter().for_each(|(_, wire)| replica.hear(R1, wire));
    }
}

fn keys(stand: &Stand) -> usize {
    stand.host.node().and_then(LockNode::redis).expect("it runs").keyspace().len()
}

#[test]
fn a_replica_follows_and_refuses_writes() {
    let (mut master, mut replica) = pair();
    ask(&mut master, 1, acquire(1));
    exchange(&mut master, &mut replica);
    assert_eq!(keys(&replica), 1);
    ask(&mut replica, 1, acquire(2));
    assert!(replica.take_answers()[0].is_error("READONLY"));
    master.wait(Duration::from_secs(11));
    assert_eq!(keys(&replica), 1, "a replica deletes nothing by itself");
    exchange(&mut master, &mut replica);
    assert_eq!(keys(&replica), 0);
}

/// Goal: a replica hides a lock whose time is over. Method: the deletion of the master has not come.
#[test]
fn a_replica_hides_what_is_expired_and_by_a_known_bug_shows_it() {
    for (bug, shown) in [(Bug::None, Answer::Nil), (Bug::ReplicaShowsExpired, Answer::Bulk(Token(1).text()))] {
        let (mut master, mut replica) = pair_with(bug);
        ask(&mut master, 1, acquire(1));
        exchange(&mut master, &mut replica);
        ask(&mut replica, 1, Command::Owner { lock: LOCK });
        assert_eq!(replica.take_answers(), [Answer::Bulk(Token(1).text())], "{}", bug.name());
        [&mut master, &mut replica].into_iter().for_each(|redis| redis.host.pass(Duration::from_secs(11)));
        ask(&mut replica, 2, Command::Owner { lock: LOCK });
        assert_eq!(replica.take_answers(), [shown], "{}", bug.name());
        ask(&mut master, 2, Command::Owner { lock: LOCK });
        assert!(master.take_answers().contains(&Answer::Nil), "a master deletes it: {}", bug.name());
    }
}

#[test]
fn what_a_replica_has_missed_comes_with_its_next_acknowledgement() {
    let (mut master, mut replica) = pair();
    ask(&mut master, 1, acquire(1));
    master.take_sent();
    replica.wait(Duration::from_secs(1));
    exchange(&mut master, &mut replica);
    assert_eq!(keys(&replica), 1);
}

#[test]
fn a_promoted_replica_tells_what_it_has_and_the_old_master_drops_the_rest() {
    let (mut master, mut replica) = pair();
    ask(&mut master, 1, acquire(1));
    master.take_sent();
    replica.take_observed();
    replica.host.order(Order::ReplicaOf(None));
    replica.note();
    assert_eq!(replica.take_observed(), [LockObservation::Promoted { epoch: 1 }], "it never got the lock");
    master.host.order(Order::ReplicaOf(Some(R2)));
    master.note();
    let acknowledged = master.take_sent();
    acknowledged.into_iter().filter(|(to, _)| *to == R2).for_each(|(_, wire)| replica.hear(R1, wire));
    replica.take_sent().into_iter().for_each(|(_, wire)| master.hear(R2, wire));
    assert!(master.observed.contains(&LockObservation::Resynchronised));
    assert_eq!(keys(&master), 0);
}

/// Goal: what a replica stores beyond its time stands in nobody's way once the replica is the master (measured on Redis
/// 7.0). Method: the deletion of the old master has not come.
#[test]
fn a_promoted_replica_grants_a_lock_whose_time_is_over_although_it_is_still_stored() {
    let (mut master, mut replica) = pair();
    ask(&mut master, 1, acquire(1));
    exchange(&mut master, &mut replica);
    replica.host.pass(Duration::from_secs(11));
    assert_eq!(keys(&replica), 1, "a replica deletes nothing by itself");
    replica.host.order(Order::ReplicaOf(None));
    replica.note();
    ask(&mut replica, 1, acquire(2));
    replica.sync();
    assert_eq!(replica.take_answers(), [Answer::Ok]);
    assert!(has_granted(&replica.take_observed(), 2));
}

#[test]
fn wait_counts_the_replicas_that_have_the_write() {
    let (mut master, mut replica) = pair();
    ask(&mut master, 1, acquire(1));
    master.take_sent();
    ask(&mut master, 2, Command::Wait { replicas: 1, timeout: millis(500) });
    assert!(!master.sent.iter().any(|(to, _)| *to == C1));
    exchange(&mut master, &mut replica);
    assert_eq!(master.take_answers(), [Answer::Integer(1)]);
    ask(&mut master, 3, Command::Release { lock: LOCK, token: Token(1) });
    master.take_sent();
    ask(&mut master, 4, Command::Wait { replicas: 1, timeout: millis(500) });
    master.take_sent();
    master.wait(millis(500));
    assert_eq!(master.take_answers(), [Answer::Integer(0)]);
}

#[test]
fn a_master_with_too_few_replicas_refuses_writes() {
    let options = LockOptions {
        topology: Topology::Replicated,
        min_replicas: 1,
        max_lag: Duration::from_secs(10),
        ..with_fsync(AppendFsync::Off)
    };
    let mut master = Stand::new(R1, (2, 0), options);
    ask(&mut master, 1, acquire(1));
    assert!(master.take_answers()[0].is_error("NOREPLICAS"));
    master.hear(R2, Wire::Acknowledge { stream: 0, offset: 0 });
    master.take_sent();
    ask(&mut master, 2, acquire(1));
    assert_eq!(master.take_answers(), [Answer::Ok]);
    master.wait(Duration::from_secs(11));
    ask(&mut master, 3, acquire(2));
    assert!(master.take_answers()[0].is_error("NOREPLICAS"));
}

#[test]
fn with_always_replicas_hear_of_a_change_when_it_is_durable() {
    for (append_fsync, waits) in [(AppendFsync::Always, true), (AppendFsync::Off, false)] {
        let options = LockOptions { topology: Topology::Replicated, ..with_fsync(append_fsync) };
        let mut master = Stand::new(R1, (2, 0), options);
        master.hear(R2, Wire::Acknowledge { stream: 0, offset: 0 });
        master.take_sent();
        let hears = |master: &mut Stand| {
            master.take_sent().iter().any(|(to, wire)| *to == R2 && matches!(wire, Wire::Effects { .. }))
        };
        ask(&mut master, 1, acquire(1));
        assert_eq!(hears(&mut master), !waits, "{}", append_fsync.name());
        master.sync();
        assert_eq!(hears(&mut master), waits, "{}", append_fsync.name());
    }
}

#[test]
fn effects_of_another_stream_are_not_taken() {
    let (_, mut replica) = pair();
    let foreign = Change { database: 0, arguments: vec![b"SET".to_vec(), b"x".to_vec(), b"1".to_vec()] };
    replica.hear(R1, Wire::Effects { stream: 12_344, offset: 0, effects: vec![foreign.clone()] });
    replica.hear(R3, Wire::Effects { stream: 12_344, offset: 0, effects: vec![foreign] });
    assert_eq!(keys(&replica), 0);
}

#[test]
fn deadlines_travel_as_moments_or_as_the_time_that_is_left() {
    for (stream_deadlines, word) in [(StreamDeadlines::Absolute, "PXAT"), (StreamDeadlines::Relative, "PX")] {
        let options = LockOptions { topology: Topology::Replicated, stream_deadlines, ..with_fsync(AppendFsync::Off) };
        let mut master = Stand::new(R1, (2, 0), options);
        master.hear(R2, Wire::Acknowledge { stream: 0, offset: 0 });
        master.take_sent();
        ask(&mut master, 1, acquire(1));
        let sent = master.take_sent().into_iter().find(|(to, _)| *to == R2).expect("the replica hears of it");
        let Wire::Effects { effects, .. } = sent.1 else { panic!("it is in the stream") };
        assert!(effects[0].arguments.contains(&word.as_bytes().to_vec()), "{effects:?}");
    }
}

//! Snapshots: when they are taken, what goes of the log, how a follower is brought one, and what a crash leaves.

use splitbrain_kernel::options::PerServer;

use super::super::bug::Bug;
use super::super::ids::{Index, Position, Term};
use super::super::message::{AppendResult, Order, RaftMessage};
use super::super::node::RaftTimer;
use super::super::options::RaftOptions;
use super::super::presets::paper;
use super::super::snapshot::{Item, PartResult, Snapshot, SnapshotPart};
use super::host::{Host, accepted, append, at, s, vote};

fn options() -> RaftOptions {
    paper().with(|o| {
        o.snapshot.distance = 4;
        o.snapshot.trailing = 1;
        o.snapshot.part_bytes = 1;
    })
}

/// A follower with five committed entries of term 1.
fn follower() -> Host {
    let mut host = Host::new(options());
    host.hear(s(2), append(1, at(0, 0), &[1, 1, 1, 1, 1], 5));
    host
}

/// A snapshot up to this entry, with this many items.
fn snapshot(last: Position, items: u64) -> Snapshot {
    Snapshot { last, items: (0..items).map(Item::Chain).collect() }
}

fn part(term: u64, snapshot: &Snapshot, offset: u64) -> RaftMessage {
    let items = snapshot.items[offset as usize..].iter().take(1).cloned().collect();
    let (last, total) = (snapshot.last, snapshot.items.len() as u64);
    RaftMessage::SnapshotPart(Box::new(SnapshotPart { term: Term(term), last, offset, total, items }))
}

fn reply(term: u64, last: u64, result: PartResult) -> RaftMessage {
    RaftMessage::PartReply { term: Term(term), last: Index(last), result }
}

fn received(term: u64, last: u64, at: u64, next: u64) -> RaftMessage {
    reply(term, last, PartResult::Received { at, next })
}

#[test]
fn a_snapshot_is_taken_after_its_distance_and_the_log_is_cut_once_it_is_durable() {
    let mut host = follower();
    assert!(host.saw("snapshot taken") && !host.saw("log compacted"), "the snapshot is not durable yet");
    assert_eq!(host.server().log().base(), Position::ZERO);
    host.sync();
    assert_eq!(host.server().log().base(), at(1, 4), "one entry stays behind");
    assert_eq!(host.server().snapshot().map(|snapshot| snapshot.last), Some(at(1, 5)));
    assert_eq!(host.server().log().last(), at(1, 5));
}

#[test]
fn a_restart_goes_on_from_the_snapshot() {
    let mut host = follower();
    host.sync();
    host.hear(s(2), append(1, at(1, 5), &[1, 1], 6));
    host.sync();
    host.restart();
    assert!(host.saw("snapshot restored"));
    let server = host.server();
    assert_eq!((server.applied(), server.commit()), (Index(5), Index(5)));
    assert_eq!((server.log().base(), server.log().last()), (at(1, 4), at(1, 7)));
    host.sync();
    host.hear(s(2), append(1, at(1, 7), &[], 7));
    assert_eq!(host.server().applied(), Index(7));
}

#[test]
fn a_crash_before_the_snapshot_is_durable_leaves_the_whole_log() {
    let mut host = Host::new(options());
    host.hear(s(2), append(1, at(0, 0), &[1, 1, 1, 1, 1], 3));
    host.sync();
    host.hear(s(2), append(1, at(1, 5), &[], 5));
    assert!(host.saw("snapshot taken"));
    host.restart();
    assert!(!host.saw("snapshot restored"));
    assert_eq!((host.server().applied(), host.server().log().last()), (Index(0), at(1, 5)));
}

#[test]
fn without_a_distance_no_order_takes_a_snapshot() {
    let mut host = Host::new(paper());
    host.hear(s(2), append(1, at(0, 0), &[1, 1], 2));
    host.order(Order::Snapshot);
    assert!(!host.saw("snapshot taken"));
    let mut host = Host::new(paper().with(|o| o.snapshot.distance = 100));
    host.hear(s(2), append(1, at(0, 0), &[1, 1], 2));
    host.order(Order::Snapshot);
    assert!(host.saw("snapshot taken"));
}

#[test]
fn appends_from_before_the_base_are_acknowledged_and_change_nothing() {
    let mut host = follower();
    host.sync();
    host.take_sent();
    host.hear(s(2), append(1, at(1, 1), &[1, 1], 5));
    assert_eq!(host.only_sent(), accepted(1, 3));
    host.hear(s(2), append(1, at(1, 2), &[1, 1, 1, 1], 5));
    host.sync();
    assert_eq!(host.only_sent(), accepted(1, 6));
    assert!(!host.saw("log truncated"));
    assert_eq!(host.server().log().last(), at(1, 6));
}

#[test]
fn a_truncation_behind_a_compacted_log_takes_the_right_records() {
    let mut host = follower();
    host.hear(s(2), append(1, at(1, 5), &[1, 1], 5));
    host.sync();
    host.hear(s(3), append(2, at(1, 6), &[2], 5));
    host.sync();
    host.restart();
    assert_eq!((host.server().log().base(), host.server().log().last()), (at(1, 4), at(2, 7)));
    assert_eq!(host.server().log().term_at(Index(6)), Some(Term(1)));
}

/// `s1` leads with a log that begins behind place 4.
fn leader() -> Host {
    let mut host = follower();
    host.sync();
    host.make_leader();
    host
}

#[test]
fn a_follower_that_lacks_what_is_gone_is_sent_a_snapshot_part_by_part() {
    let mut host = leader();
    let term = host.term();
    let result = AppendResult::Rejected { previous: Index(5), hint: at(0, 0) };
    host.hear(s(4), RaftMessage::AppendReply { term: Term(term), result });
    host.take_sent();
    let result = AppendResult::Rejected { previous: Index(4), hint: at(0, 0) };
    host.hear(s(4), RaftMessage::AppendReply { term: Term(term), result });
    let taken = host.server().snapshot().expect("it has one").clone();
    assert_eq!(host.only_sent(), part(term, &taken, 0));
    host.fire(RaftTimer::Heartbeat);
    let again = host.take_sent().into_iter().find(|(target, _)| *target == s(4)).expect("it is asked again");
    assert_eq!(again.1, part(term, &taken, 0), "a part that is not answered is sent again");
    // This snapshot has one item: after it nothing is missing.
    host.hear(s(4), reply(term, 5, PartResult::Installed));
    match host.only_sent() {
        RaftMessage::Append(append) => assert_eq!((append.previous, append.entries.len()), (at(1, 5), 1)),
        other => panic!("an append, not {other:?}"),
    }
}

#[test]
fn the_leader_goes_on_where_the_follower_is() {
    let mut host = Host::new(options());
    for value in 0..20 {
        let previous = if value == 0 { at(0, 0) } else { at(1, value) };
        let entry = super::super::message::Entry { term: Term(1), command: super::super::message::Command::Set(value) };
        host.hear(
            s(2),
            RaftMessage::Append(super::super::message::Append {
                term: Term(1),
                previous,
                commit: Index(value + 1),
                entries: [entry].into(),
            }),
        );
        host.sync();
    }
    host.make_leader();
    let term = host.term();
    let rejected = |previous| {
        let result = AppendResult::Rejected { previous: Index(previous), hint: at(0, 0) };
        RaftMessage::AppendReply { term: Term(term), result }
    };
    let base = host.server().log().base().index.0;
    host.hear(s(4), rejected(20));
    host.hear(s(4), rejected(base));
    host.take_sent();
    let taken = host.server().snapshot().expect("it has one").clone();
    let last = taken.last.index.0;
    host.hear(s(4), received(term, last, 0, 5));
    assert_eq!(host.only_sent(), part(term, &taken, 5), "it has the first five from an earlier leader");
    host.hear(s(4), received(term, last, 0, 5));
    assert!(host.take_sent().is_empty(), "a copy of the answer starts no second stream");
    host.hear(s(4), received(term, last, 5, 2));
    assert_eq!(host.only_sent(), part(term, &taken, 2), "it lost some in a crash");
}

#[test]
fn a_part_is_acknowledged_once_it_is_durable() {
    let (mut host, sent) = (Host::new(options()), snapshot(at(2, 9), 3));
    host.hear(s(2), part(3, &sent, 0));
    assert!(host.take_sent().is_empty());
    host.sync();
    assert_eq!(host.only_sent(), received(3, 9, 0, 1));
    host.hear(s(2), part(3, &sent, 2));
    assert_eq!(host.only_sent(), received(3, 9, 2, 1), "there is a hole before it");
}

#[test]
fn a_whole_snapshot_takes_the_place_of_the_log() {
    let (mut host, sent) = (Host::new(options()), snapshot(at(2, 9), 2));
    host.hear(s(2), append(1, at(0, 0), &[1, 1], 1));
    host.hear(s(2), part(3, &sent, 0));
    host.hear(s(2), part(3, &sent, 1));
    assert!(!host.saw("snapshot installed"), "it is not durable yet");
    assert_eq!(host.server().log().last(), at(1, 2), "and nothing of the log goes before");
    host.sync();
    assert!(host.saw("snapshot installed"));
    assert_eq!(host.take_sent().pop().map(|(_, reply)| reply), Some(reply(3, 9, PartResult::Installed)));
    let server = host.server();
    assert_eq!((server.commit(), server.applied(), server.log().last()), (Index(9), Index(9), at(2, 9)));
    host.hear(s(2), append(3, at(2, 9), &[3], 10));
    host.sync();
    host.restart();
    let server = host.server();
    assert_eq!((server.applied(), server.log().last(), server.term()), (Index(9), at(3, 10), Term(3)));
}

#[test]
fn a_crash_at_each_step_of_an_installation_leaves_what_was_acknowledged() {
    let sent = snapshot(at(2, 9), 3);
    let begun = || {
        let mut host = Host::new(options());
        host.hear(s(2), append(1, at(0, 0), &[1, 1], 1));
        host.hear(s(2), part(3, &sent, 0));
        host.sync();
        host
    };
    // After a part.
    let mut host = begun();
    host.restart();
    host.sync();
    host.take_sent();
    host.hear(s(2), part(3, &sent, 0));
    assert!(host.saw("snapshot resumed") || host.only_sent() == received(3, 9, 0, 1));
    assert_eq!(host.server().log().last(), at(1, 2));
    // Before the snapshot is durable: the parts are still there, but for the last.
    let mut host = begun();
    host.hear(s(2), part(3, &sent, 1));
    host.sync();
    host.hear(s(2), part(3, &sent, 2));
    host.restart();
    host.sync();
    host.take_sent();
    assert_eq!(host.server().log().last(), at(1, 2));
    host.hear(s(2), part(3, &sent, 0));
    assert!(host.saw("snapshot resumed"));
    assert_eq!(host.only_sent(), received(3, 9, 0, 2));
    // After the snapshot is durable, before the log is cut.
    let mut host = begun();
    host.hear(s(2), part(3, &sent, 1));
    host.hear(s(2), part(3, &sent, 2));
    host.sync();
    host.restart();
    assert_eq!((host.server().applied(), host.server().log().last()), (Index(9), at(2, 9)));
    assert!(host.server().log().entries().is_empty());
}

#[test]
fn a_snapshot_that_covers_no_more_than_what_is_committed_changes_nothing() {
    let mut host = Host::new(options().with(|o| o.snapshot.distance = 100));
    host.hear(s(2), append(3, at(0, 0), &[1, 1, 3], 3));
    host.sync();
    host.take_sent();
    host.hear(s(2), part(3, &snapshot(at(1, 2), 3), 0));
    assert_eq!(host.only_sent(), reply(3, 2, PartResult::Installed));
    assert_eq!((host.server().commit(), host.server().log().last()), (Index(3), at(3, 3)));
}

#[test]
fn a_late_part_of_an_older_snapshot_takes_nothing_back() {
    let mut host = Host::new(options());
    let (older, newer) = (snapshot(at(2, 9), 1), snapshot(at(2, 12), 1));
    host.hear(s(2), part(3, &newer, 0));
    host.hear(s(2), part(3, &older, 0));
    host.sync();
    let answers: Vec<_> = host.take_sent().into_iter().map(|(_, reply)| reply).collect();
    assert_eq!(answers, [reply(3, 12, PartResult::Installed), reply(3, 9, PartResult::Installed)]);
    host.restart();
    assert_eq!(host.server().applied(), Index(12), "the newer one is on the disk");
    // Also while some of the newer one is missing.
    let mut host = Host::new(options());
    let newer = snapshot(at(2, 12), 3);
    host.hear(s(2), part(3, &newer, 0));
    host.hear(s(2), part(3, &older, 0));
    host.hear(s(2), part(3, &newer, 1));
    host.sync();
    let last = host.take_sent().pop().map(|(_, reply)| reply);
    assert_eq!(last, Some(received(3, 12, 1, 2)));
}

#[test]
fn a_log_that_has_the_last_entry_keeps_its_suffix() {
    let mut host = Host::new(options().with(|o| o.snapshot.distance = 100));
    host.hear(s(2), append(3, at(0, 0), &[1, 1, 3], 0));
    host.sync();
    host.take_sent();
    host.hear(s(2), part(3, &snapshot(at(1, 2), 3), 0));
    assert_eq!(host.only_sent(), reply(3, 2, PartResult::Installed));
    assert_eq!((host.server().commit(), host.server().log().last()), (Index(2), at(3, 3)));
}

#[test]
fn a_part_of_an_earlier_term_is_refused_and_one_of_another_snapshot_begins_anew() {
    let mut host = Host::new(options());
    let (first, second) = (snapshot(at(2, 9), 3), snapshot(at(2, 12), 4));
    host.hear(s(2), part(3, &first, 0));
    host.sync();
    host.take_sent();
    host.hear(s(5), part(2, &second, 0));
    assert_eq!(host.only_sent(), reply(3, 12, PartResult::Stale));
    host.hear(s(3), part(4, &second, 1));
    host.sync();
    assert_eq!(host.only_sent(), received(4, 12, 1, 0));
    host.hear(s(3), part(4, &second, 0));
    host.sync();
    assert_eq!(host.only_sent(), received(4, 12, 0, 1));
}

#[test]
fn a_part_is_a_sign_of_life_of_the_leader() {
    let mut host = Host::new(options());
    let due = host.timers[&RaftTimer::Election];
    host.wait(super::host::millis(100));
    host.hear(s(2), part(3, &snapshot(at(2, 9), 3), 0));
    assert!(host.timers[&RaftTimer::Election] > due);
    assert_eq!((host.term(), host.server().leader()), (3, Some(s(2))));
}

#[test]
fn a_voter_with_a_snapshot_alone_compares_by_its_last_entry() {
    let mut host = Host::new(options());
    let sent = snapshot(at(2, 9), 1);
    host.hear(s(2), part(3, &sent, 0));
    host.sync();
    host.take_sent();
    host.hear(s(3), vote(4, at(2, 8)));
    host.sync();
    assert_eq!(host.only_sent(), super::host::vote_reply(4, false));
    host.hear(s(3), vote(4, at(2, 9)));
    host.sync();
    assert_eq!(host.only_sent(), super::host::vote_reply(4, true));
}

#[test]
fn the_known_bugs_of_installation_show_only_with_them() {
    let installed = |bug| {
        let mut host = Host::of(5, PerServer::same(RaftOptions { bug, ..options() }));
        let sent = Snapshot { last: at(2, 9), items: vec![Item::Chain(7)] };
        host.hear(s(2), part(3, &sent, 0));
        host.sync();
        host
    };
    assert_eq!(installed(Bug::TermFromSnapshot).term(), 2);
    assert_eq!(installed(Bug::None).term(), 3);
    let chain = |bug| {
        let mut host = installed(bug);
        host.hear(s(2), append(3, at(2, 9), &[3, 3, 3, 3], 13));
        host.sync();
        host.server().snapshot().expect("it took one of its own").items.clone()
    };
    assert_ne!(chain(Bug::InstalledWithoutState), chain(Bug::None));
}

#[test]
fn a_part_whose_answer_is_lost_is_sent_again_but_for_a_known_bug() {
    let repeats = |bug| {
        let mut host = Host::new(RaftOptions { bug, ..options() });
        host.hear(s(2), append(1, at(0, 0), &[1, 1, 1, 1, 1], 5));
        host.sync();
        host.make_leader();
        let term = Term(host.term());
        for previous in [5, 4] {
            let result = AppendResult::Rejected { previous: Index(previous), hint: at(0, 0) };
            host.hear(s(4), RaftMessage::AppendReply { term, result });
        }
        let parts = |host: &mut Host| {
            let sent = host.take_sent();
            sent.iter().filter(|(_, message)| matches!(message, RaftMessage::SnapshotPart(_))).count()
        };
        assert_eq!(parts(&mut host), 1);
        host.fire(RaftTimer::Heartbeat);
        parts(&mut host)
    };
    assert_eq!((repeats(Bug::PartNotRepeated), repeats(Bug::None)), (0, 1));
}

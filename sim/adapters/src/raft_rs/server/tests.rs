//! One server on a host: what it promises waits for the disk, before and after a restart.

use raft::eraftpb::Entry;
use splitbrain::kernel::host::Host;

use super::super::RaftRs;
use super::*;
use crate::testing::{host, preset};

const S1: NodeId = NodeId::server(1);
const S2: NodeId = NodeId::server(2);

fn server(options: RaftRsOptions) -> Host<Process> {
    let mut host = host::<RaftRs>(S1, options);
    host.start();
    host.take();
    host
}

/// `s2` leads in term 1 and appends behind this place, of the same term.
fn append(host: &mut Host<Process>, behind: u64, entries: &[u64]) {
    let entries = entries.iter().map(|index| Entry { term: 1, index: *index, ..Entry::default() }).collect();
    let log_term = u64::from(behind > 0);
    let mut message = Message { from: 2, to: 1, term: 1, index: behind, log_term, entries, ..Message::default() };
    message.set_msg_type(MessageType::MsgAppend);
    host.message(S2, Wire::Raft(Box::new(Pb(message))));
}

/// The places that it has acknowledged since the last look.
fn acknowledged(host: &mut Host<Process>) -> Vec<u64> {
    let of = |(_, message)| match message {
        Wire::Raft(message) if message.0.get_msg_type() == MessageType::MsgAppendResponse => Some(message.0.index),
        _ => None,
    };
    host.take_sent().into_iter().filter_map(of).collect()
}

#[test]
fn an_answer_waits_for_its_write() {
    let mut host = server(preset());
    append(&mut host, 0, &[1, 2]);
    host.complete_writes();
    assert!(acknowledged(&mut host).is_empty(), "what it has is in the page cache alone");
    host.sync();
    assert_eq!(acknowledged(&mut host), [2]);

    let mut host = server(RaftRsOptions { bug: Bug::EarlyMessages, ..preset() });
    append(&mut host, 0, &[1, 2]);
    assert_eq!(acknowledged(&mut host), [2], "the mistake is one");
}

/// It has two entries in the page cache, and its process starts again.
fn restarted(options: RaftRsOptions) -> Host<Process> {
    let mut host = server(options);
    append(&mut host, 0, &[1, 2]);
    host.complete_writes();
    host.crash_process();
    host.take();
    host.start();
    host
}

#[test]
fn a_restart_reads_what_was_kept_and_promises_nothing_before_its_first_write_is_durable() {
    let mut host = restarted(preset());
    let Some(Process::Server(server)) = host.node() else { panic!("it runs") };
    assert_eq!((server.raw.raft.term, server.raw.raft.raft_log.last_index()), (1, 2));
    append(&mut host, 2, &[]);
    host.complete_writes();
    assert!(acknowledged(&mut host).is_empty(), "a crash of the machine could take the two entries");
    host.sync();
    assert_eq!(acknowledged(&mut host), [2]);

    let mut host = restarted(RaftRsOptions { bug: Bug::UnsyncedRestart, ..preset() });
    append(&mut host, 2, &[]);
    assert_eq!(acknowledged(&mut host), [2], "the mistake is one");
}

#[test]
fn what_was_not_synced_is_gone_with_the_machine() {
    let mut host = restarted(preset());
    host.crash_machine(0);
    host.start();
    let Some(Process::Server(server)) = host.node() else { panic!("it runs") };
    assert_eq!((server.raw.raft.term, server.raw.raft.raft_log.last_index()), (0, 0));
}

/// The timeout that a server has after each of these calls of its library.
#[test]
fn a_pre_candidate_keeps_its_timeout() {
    let mut host = server(preset());
    let mut seen = Vec::new();
    for _ in 0..20 {
        let Some(Process::Server(server)) = host.node() else { panic!("it runs") };
        let raft = &server.raw.raft;
        seen.push((raft.state, raft.randomized_election_timeout()));
        host.fire(Timer::Tick);
    }
    assert_eq!(seen[0].0, StateRole::Follower);
    let pre_candidate = seen.iter().find(|(role, _)| *role == StateRole::PreCandidate);
    assert_eq!(pre_candidate.map(|(_, timeout)| *timeout), Some(seen[0].1));
}

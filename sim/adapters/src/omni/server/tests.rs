//! One server on a host: what it promises waits for the disk, before and after a restart.

use omnipaxos::ballot_leader_election::Ballot;
use omnipaxos::messages::sequence_paxos::{PaxosMessage as LogMessage, PaxosMsg, Prepare};
use splitbrain::kernel::host::Host;

use super::super::Omni;
use super::*;
use crate::testing::{host, preset};

const S1: NodeId = NodeId::server(1);
const S2: NodeId = NodeId::server(2);

/// One that speaks by datagrams.
fn server(bug: Bug) -> Host<Process> {
    let mut host = host::<Omni>(S1, OmniOptions { datagrams: true, bug, ..preset() });
    host.start();
    host.take();
    host
}

/// `s2` asks for a promise of its round 3.
fn prepare(host: &mut Host<Process>) {
    let n = Ballot { n: 3, pid: 2, ..Ballot::default() };
    let prepare = Prepare { n, decided_idx: 0, n_accepted: Ballot::default(), accepted_idx: 0 };
    let message = LogMessage { from: 2, to: 1, msg: PaxosMsg::Prepare(prepare) };
    host.message(S2, Wire::Paxos(Box::new(PaxosMessage::SequencePaxos(message))));
}

/// The kinds of the messages of the log since the last look: heartbeats are none.
fn sent(host: &mut Host<Process>) -> Vec<&'static str> {
    let kind = |(_, message): (NodeId, Wire)| <Wire as Message>::KINDS[message.kind()];
    host.take_sent().into_iter().map(kind).filter(|kind| !kind.starts_with("heartbeat")).collect()
}

#[test]
fn a_promise_waits_for_its_write() {
    let mut host = server(Bug::None);
    prepare(&mut host);
    host.complete_writes();
    assert!(sent(&mut host).is_empty(), "what it promises is in the page cache alone");
    host.sync();
    assert_eq!(sent(&mut host), ["promise"]);

    let mut host = server(Bug::EarlyMessages);
    prepare(&mut host);
    assert_eq!(sent(&mut host), ["promise"], "the mistake is one");
}

#[test]
fn a_restart_reads_what_was_kept_and_says_nothing_before_its_first_write_is_durable() {
    let mut host = server(Bug::None);
    prepare(&mut host);
    host.complete_writes();
    host.crash_process();
    host.take();
    host.start();
    let Some(Process::Server(server)) = host.node() else { panic!("it runs") };
    assert_eq!(server.seen.round, Round { n: 3, server: 2 });
    host.complete_writes();
    assert!(sent(&mut host).is_empty(), "a crash of the machine could take the promise");
    host.sync();
    assert_eq!(sent(&mut host), ["prepare_request", "prepare_request"], "it asks both others for a leader");
}

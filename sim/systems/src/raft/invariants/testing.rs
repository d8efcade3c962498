//! What the tests of the invariants share.

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::invariant::Findings;
use splitbrain_kernel::options::PerServer;
use splitbrain_kernel::system::{Bounds, Setup};
use splitbrain_kernel::time::{Duration, Instant};

use crate::raft::ids::Term;
use crate::raft::message::{Command, Entry, RaftMessage};
use crate::raft::options::RaftOptions;

use super::frame::Frame;

/// Findings with every invariant on.
pub(super) fn all_on() -> Findings {
    Findings::new(u64::MAX)
}

/// The invariant that is broken, and the facts.
pub(super) fn broken(findings: &Findings) -> (usize, &str) {
    let (index, _, facts) = findings.first().expect("something is broken");
    (index, facts)
}

/// So many milliseconds after the start.
pub(super) fn millis(millis: u64) -> Instant {
    Instant::ZERO.saturating_add(Duration::from_millis(millis))
}

/// So many servers with these options.
pub(super) fn frame(servers: u16, options: RaftOptions) -> Frame {
    frame_of(servers, &PerServer::same(options))
}

/// So many servers with options of their own.
pub(super) fn frame_of(servers: u16, options: &PerServer<RaftOptions>) -> Frame {
    let cluster = Cluster::plain(servers, 0);
    let bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(10) };
    Frame::new(&Setup::new(cluster, options.clone(), bounds))
}

/// A client by its number.
pub(super) const fn c(number: u16) -> NodeId {
    NodeId::client(number)
}

/// An entry that sets this value.
pub(super) const fn entry(value: u64) -> Entry {
    Entry { term: Term(1), command: Command::Set(value) }
}

/// A client's request for that.
pub(super) const fn request(value: u64) -> RaftMessage {
    RaftMessage::Propose { operation: OperationId(0), value }
}

/// A server by its number.
pub(super) const fn s(number: u16) -> NodeId {
    NodeId::server(number)
}

//! The kernel's host with the words of Raft: what was sent, observed and completed lies apart. Writes stay under way
//! until [`Host::sync`].

use std::collections::BTreeMap;

use splitbrain_kernel::context::{Effect, OperationResult};
use splitbrain_kernel::host;
use splitbrain_kernel::id::{Cluster, KindId, NodeId};
use splitbrain_kernel::node::{Completion, ConnectionChange, ConnectionId, Observation, Source};
use splitbrain_kernel::options::PerServer;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::{Bounds, Setup, System};
use splitbrain_kernel::time::{Duration, Instant};

use super::super::ids::{Index, Position, Term};
use super::super::message::{
    Append, AppendResult, Command, Entry, Operation, Order, RaftMessage, Response, Verdict, VoteRequest,
};
use super::super::node::{RaftNode, RaftTimer};
use super::super::observation::RaftObservation;
use super::super::options::RaftOptions;
use super::super::state::Server;
use super::super::system::Raft;

pub(super) struct Host {
    host: host::Host<RaftNode>,
    pub(super) timers: BTreeMap<RaftTimer, Instant>,
    pub(super) sent: Vec<(NodeId, RaftMessage)>,
    pub(super) observed: Vec<RaftObservation>,
    pub(super) connected: Vec<ConnectionId>,
    pub(super) completed: Vec<Option<Response>>,
    /// The same, with how it ended.
    pub(super) ended: Vec<OperationResult<Response>>,
    pub(super) exited: Option<std::borrow::Cow<'static, str>>,
}

pub(super) const fn s(number: u16) -> NodeId {
    NodeId::server(number)
}

pub(super) const fn at(term: u64, index: u64) -> Position {
    Position { term: Term(term), index: Index(index) }
}

pub(super) const fn vote(term: u64, last: Position) -> RaftMessage {
    RaftMessage::Vote(VoteRequest { term: Term(term), last })
}

pub(super) const fn pre_vote(term: u64, last: Position) -> RaftMessage {
    RaftMessage::PreVote(VoteRequest { term: Term(term), last })
}

pub(super) const fn vote_reply(term: u64, granted: bool) -> RaftMessage {
    RaftMessage::VoteReply { term: Term(term), granted }
}

pub(super) const fn pre_vote_reply(term: u64, verdict: Verdict) -> RaftMessage {
    RaftMessage::PreVoteReply { term: Term(term), verdict }
}

pub(super) fn heartbeat(term: u64) -> RaftMessage {
    append(term, Position::ZERO, &[], 0)
}

/// An append whose entries have these terms.
pub(super) fn append(term: u64, previous: Position, terms: &[u64], commit: u64) -> RaftMessage {
    let entry = |term: &u64| Entry { term: Term(*term), command: Command::Noop };
    RaftMessage::Append(Append {
        term: Term(term),
        previous,
        commit: Index(commit),
        entries: terms.iter().map(entry).collect(),
    })
}

pub(super) const fn accepted(term: u64, matched: u64) -> RaftMessage {
    let result = AppendResult::Accepted { matched: Index(matched) };
    RaftMessage::AppendReply { term: Term(term), result }
}

pub(super) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn system(servers: u16, options: PerServer<RaftOptions>) -> Raft {
    let cluster = Cluster::plain(servers, 1);
    let bounds = Bounds { skew: None, drift_ppm: Some(10_000), latency: millis(10) };
    Raft::new(Setup::new(cluster, options, bounds)).expect("the options stand together")
}

/// So many servers, and spare ones beside them.
pub(super) fn system_with_spares(servers: u16, spare: u16, options: PerServer<RaftOptions>) -> Raft {
    let cluster = Cluster::plain(servers, 1).with_spare(KindId::SERVER, spare);
    let bounds = Bounds { skew: None, drift_ppm: Some(10_000), latency: millis(10) };
    Raft::new(Setup::new(cluster, options, bounds)).expect("the options stand together")
}

impl Host {
    /// `s1` of five, all with these options, started on an empty disk.
    pub(super) fn new(options: RaftOptions) -> Self {
        Self::of(5, PerServer::same(options))
    }

    /// `s1` of so many.
    pub(super) fn of(servers: u16, options: PerServer<RaftOptions>) -> Self {
        Self::node(s(1), system(servers, options))
    }

    /// This node of that system.
    pub(super) fn node(id: NodeId, system: Raft) -> Self {
        let mut host = Self {
            host: host::Host::of(&system, id, Seed(1)),
            timers: BTreeMap::new(),
            sent: Vec::new(),
            observed: Vec::new(),
            connected: Vec::new(),
            completed: Vec::new(),
            ended: Vec::new(),
            exited: None,
        };
        host.call(host::Host::start);
        host
    }

    pub(super) fn server(&self) -> &Server {
        self.host.node().and_then(RaftNode::server).expect("the host runs a server")
    }

    pub(super) fn term(&self) -> u64 {
        self.server().term().0
    }

    pub(super) fn role(&self) -> &'static str {
        self.server().role().name()
    }

    pub(super) const fn now(&self) -> Instant {
        self.host.now()
    }

    fn call(&mut self, call: impl FnOnce(&mut host::Host<RaftNode>)) {
        call(&mut self.host);
        for effect in self.host.take() {
            self.note(effect);
        }
        self.timers.clone_from(self.host.timers());
    }

    fn note(&mut self, effect: Effect<RaftNode>) {
        match effect {
            Effect::Send { target, message, .. } => self.sent.push((target, message)),
            Effect::Connect { connection, .. } => self.connected.push(connection),
            Effect::Observe(observation) => self.observed.push(observation),
            Effect::Exit(reason) => self.exited = Some(reason),
            Effect::Complete { result, .. } => {
                self.ended.push(result.clone());
                self.completed.push(match result {
                    OperationResult::Ok(response) => Some(response),
                    _ => None,
                });
            }
            _ => {}
        }
    }

    /// A message arrives by datagram, at this same instant.
    pub(super) fn hear(&mut self, from: NodeId, message: RaftMessage) {
        self.hear_over(from, None, message);
    }

    pub(super) fn hear_over(&mut self, node: NodeId, connection: Option<ConnectionId>, message: RaftMessage) {
        self.call(|host| host.message_from(Source { node, connection }, message));
    }

    /// Time goes on without an event.
    pub(super) fn wait(&mut self, span: Duration) {
        self.host.pass(span);
    }

    /// Time goes on until this timer fires.
    pub(super) fn fire(&mut self, timer: RaftTimer) {
        self.call(|host| host.fire(timer));
    }

    pub(super) fn durable(&mut self, completion: Completion) {
        self.call(|host| host.completion(completion));
    }

    pub(super) fn order(&mut self, order: Order) {
        self.call(|host| host.order(order));
    }

    pub(super) fn ask(&mut self, operation: Operation) {
        self.call(|host| host.operation(operation));
    }

    pub(super) fn connection(&mut self, connection: ConnectionId, peer: NodeId, change: ConnectionChange) {
        self.call(|host| host.connection(connection, peer, change));
    }

    /// Every write so far is durable: what was tied to it leaves, and the node hears of it.
    pub(super) fn sync(&mut self) {
        self.call(host::Host::sync);
    }

    /// The machine crashes and starts again: what was not synced is lost.
    pub(super) fn restart(&mut self) {
        self.call(|host| {
            host.crash_machine(0);
            host.start();
        });
    }

    /// The process crashes and starts again: what it wrote is there, and not durable unless it was synced.
    pub(super) fn restart_process(&mut self) {
        self.call(|host| {
            host.complete_writes();
            host.crash_process();
            host.start();
        });
    }

    /// What was sent since the last look.
    pub(super) fn take_sent(&mut self) -> Vec<(NodeId, RaftMessage)> {
        std::mem::take(&mut self.sent)
    }

    /// The only message sent since the last look.
    pub(super) fn only_sent(&mut self) -> RaftMessage {
        let sent = self.take_sent();
        assert_eq!(sent.len(), 1, "one message: {sent:?}");
        sent.into_iter().next().expect("it was just counted").1
    }

    /// Names of what was observed since the last look.
    pub(super) fn take_observed(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.observed).iter().map(|told| told.face().name).collect()
    }

    pub(super) fn saw(&self, name: &str) -> bool {
        self.observed.iter().any(|told| told.face().name == name)
    }

    /// Times out and becomes a candidate, with pre-votes from `s2` and `s3` where they are asked for; its own vote is
    /// durable.
    pub(super) fn make_candidate(&mut self) {
        self.fire(RaftTimer::Election);
        if let Some((_, RaftMessage::PreVote(request))) = self.sent.last().cloned() {
            self.hear(s(2), pre_vote_reply(request.term.0, Verdict::Granted));
            self.hear(s(3), pre_vote_reply(request.term.0, Verdict::Granted));
        }
        assert_eq!(self.role(), "candidate");
        self.sync();
    }

    /// Wins the next election with the votes of `s2` and `s3`; its first entry is durable.
    pub(super) fn make_leader(&mut self) {
        self.make_candidate();
        let term = self.term();
        self.hear(s(2), vote_reply(term, true));
        self.hear(s(3), vote_reply(term, true));
        assert_eq!(self.role(), "leader");
        self.sync();
        self.take_sent();
        self.take_observed();
    }
}

//! The node: what comes in is handed to the library, and then what it has changed and wants to say is carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, OmniPaxosConfig, ServerConfig};
use serde::Serialize;
use splitbrain::kernel::prelude::*;

use super::options::{Bug, OmniOptions};
use super::storage::{Command, LOG, Record, Shared, Store};
use super::wire::{self, Observed, PaxosMessage, Round, Wire};
use crate::proposals::{Answer, Client, Placed, Propose, Proposes};
use crate::servers::{id_of, node_of};

/// How long a leader waits before it appends an entry of its own.
const BEAT: Duration = Duration::from_secs(1);
/// How long a server waits before it opens a broken connection again.
const RECONNECT: Duration = Duration::from_millis(100);

/// A process of the system.
#[derive(Debug)]
pub enum Process {
    /// A server.
    Server(Box<Server>),
    /// A server that cannot use what its disk gave back; it exits as soon as it may.
    Damaged(&'static str),
    /// A client.
    Client(Client),
}

/// The timers of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// A server calls the library's `tick`.
    Tick,
    /// A leader appends an entry of its own.
    Beat,
    /// A server opens its connection to this one again.
    Connect(NodeId),
    /// A client's next attempt.
    Retry,
    /// A client gives up.
    Patience,
}

/// A server.
pub struct Server {
    id: NodeId,
    options: OmniOptions,
    servers: u16,
    paxos: OmniPaxos<Command, Shared>,
    storage: Shared,
    /// How many records to keep at the start; `None` if the disk was empty.
    kept: Option<u64>,
    /// The last write, until it is durable: what leaves waits for it.
    gate: Option<WriteId>,
    /// The connection to each peer, and whether it is open.
    links: BTreeMap<NodeId, (ConnectionId, bool)>,
    /// What clients wait for.
    proposals: BTreeSet<Command>,
    /// How much of what is decided was observed.
    decided: u64,
    /// What was observed last.
    seen: Seen,
}

/// The parts of the library's state whose changes are observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// The round that was promised.
    round: Round,
    /// Whether this server leads.
    leads: bool,
}

impl Node for Process {
    type Message = Wire;
    type Timer = Timer;
    type Record = Record;
    type Observation = Observed;
    type Operation = Propose;
    type Response = Placed;
    type Order = Never;
    type Step = ();

    const OPERATIONS: &'static [&'static str] = &["propose"];

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        match self {
            Self::Server(server) => server.on_start(ctx),
            Self::Damaged(what) => ctx.exit(*what),
            Self::Client(_) => {}
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Wire) {
        match (self, message) {
            (Self::Server(server), Wire::Paxos(message)) => {
                server.paxos.handle_incoming(*message);
                server.drive(ctx);
            }
            (Self::Server(server), Wire::Propose { operation, value }) => {
                server.on_proposal(ctx, Command { by: source.node, operation, value });
            }
            (Self::Client(client), Wire::Answer { operation, answer }) => {
                client.on_answer(ctx, source.node, operation, answer);
            }
            _ => {}
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: Timer) {
        match (self, timer) {
            (Self::Server(server), timer) => server.on_timer(ctx, timer),
            (Self::Client(client), Timer::Retry) => client.on_retry(ctx),
            (Self::Client(client), Timer::Patience) => client.on_patience(ctx),
            _ => {}
        }
    }

    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        if let Self::Server(server) = self {
            server.on_connection(ctx, event);
        }
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        match (self, completion) {
            (Self::Server(server), Completion::Durable(write)) => {
                server.gate.take_if(|gate| *gate <= write);
            }
            (_, Completion::Failed(_, error)) => ctx.exit(format!("the disk failed: {error}")),
            _ => {}
        }
    }

    fn on_operation(&mut self, ctx: &mut Context<Self>, operation: Propose) {
        if let Self::Client(client) = self {
            client.on_operation(ctx, operation);
        }
    }

    fn brief(datum: Datum<'_, Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        wire::brief(datum, f)
    }
}

impl Proposes for Process {
    const RETRY: Timer = Timer::Retry;
    const PATIENCE: Timer = Timer::Patience;

    fn request(operation: OperationId, value: u64) -> Wire {
        Wire::Propose { operation, value }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("id", &self.id).field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Server {
    /// A server of a cluster of this many, with what its disk kept.
    ///
    /// # Errors
    /// What on the disk is damaged.
    pub(super) fn new(
        id: NodeId,
        options: OmniOptions,
        servers: u16,
        recovered: &Recovered<Record>,
    ) -> Result<Self, &'static str> {
        let (store, kept) = Store::recover(recovered)?;
        let config = OmniPaxosConfig {
            cluster_config: ClusterConfig {
                configuration_id: 1,
                nodes: (1..=servers).map(u64::from).collect(),
                flexible_quorum: None,
            },
            server_config: ServerConfig {
                pid: id_of(id),
                election_tick_timeout: options.election_ticks,
                resend_message_tick_timeout: options.resend_ticks,
                ..ServerConfig::default()
            },
        };
        let storage = Shared::new(store);
        let paxos = config.build(storage.clone()).expect("a cluster of several servers, this one among them");
        Ok(Self {
            id,
            options,
            servers,
            seen: Seen { round: Round::from(paxos.get_promise()), leads: false },
            paxos,
            storage,
            kept: (!recovered.files.is_empty()).then_some(kept),
            gate: None,
            links: BTreeMap::new(),
            proposals: BTreeSet::new(),
            decided: 0,
        })
    }

    fn on_start(&mut self, ctx: &mut Context<Process>) {
        if let Some(kept) = self.kept {
            // A torn end must go, and what was read may be in the page cache alone: everything waits for this write. If
            // there is nothing to cut, it cuts nothing, whatever a crash takes of the writes before it: the file only
            // ever lost records at its end.
            self.gate = Some(ctx.persist(Write::Truncate(LOG, kept)));
        }
        let phase = ctx.rng().duration(Duration::from_nanos(1), self.options.tick);
        if ctx.incarnation() == 0 || self.options.bug != Bug::NoTickAfterRestart {
            ctx.set_timer(Timer::Tick, phase);
        }
        ctx.set_timer(Timer::Beat, BEAT);
        if !self.options.datagrams {
            self.peers().for_each(|peer| self.connect(ctx, peer));
        }
        self.drive(ctx);
    }

    fn peers(&self) -> impl Iterator<Item = NodeId> + use<> {
        let own = self.id;
        (1..=self.servers).map(NodeId::server).filter(move |peer| *peer != own)
    }

    fn connect(&mut self, ctx: &mut Context<Process>, peer: NodeId) {
        self.links.insert(peer, (ctx.connect(peer), false));
    }

    fn on_proposal(&mut self, ctx: &mut Context<Process>, command: Command) {
        let leader = self.paxos.get_current_leader();
        if leader != Some((id_of(self.id), true)) {
            let leader = leader.map(|(server, _)| node_of(server));
            let answer = Answer::NotLeader { leader };
            return ctx.send(command.by, Wire::Answer { operation: command.operation, answer });
        }
        if self.proposals.insert(command) {
            // It refuses only what comes during a reconfiguration.
            let appended = self.paxos.append(command);
            assert!(appended.is_ok(), "nothing is reconfigured");
            if self.options.bug == Bug::EarlyAnswers {
                let answer = Answer::Placed(Placed { index: self.paxos.get_accepted_idx() as u64 });
                ctx.send(command.by, Wire::Answer { operation: command.operation, answer });
            }
            self.drive(ctx);
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Process>, timer: Timer) {
        match timer {
            Timer::Tick => {
                self.paxos.tick();
                ctx.set_timer(Timer::Tick, self.options.tick);
                self.drive(ctx);
            }
            Timer::Beat => {
                ctx.set_timer(Timer::Beat, BEAT);
                if self.seen.leads {
                    let beat = Command { by: self.id, operation: OperationId(0), value: ctx.now().as_nanos() };
                    let appended = self.paxos.append(beat);
                    assert!(appended.is_ok(), "nothing is reconfigured");
                    self.drive(ctx);
                }
            }
            Timer::Connect(peer) => self.connect(ctx, peer),
            Timer::Retry | Timer::Patience => {}
        }
    }

    fn on_connection(&mut self, ctx: &mut Context<Process>, event: ConnectionEvent) {
        let ConnectionEvent { connection, peer, change } = event;
        let is_own = self.links.get(&peer).is_some_and(|(own, _)| *own == connection);
        match change {
            ConnectionChange::Opened if is_own => {
                self.links.insert(peer, (connection, true));
                ctx.observe(Observed::Reconnected { peer });
                self.reconnected(ctx, peer);
            }
            ConnectionChange::Accepted => self.reconnected(ctx, peer),
            _ if is_own => {
                self.links.remove(&peer);
                ctx.set_timer(Timer::Connect(peer), RECONNECT);
            }
            _ => {}
        }
    }

    /// Messages may be lost: the library asks for them again.
    fn reconnected(&mut self, ctx: &mut Context<Process>, peer: NodeId) {
        self.paxos.reconnected(id_of(peer));
        self.drive(ctx);
    }

    /// Writes what the library has changed, sends what it has to say, and tells what is new.
    fn drive(&mut self, ctx: &mut Context<Process>) {
        if let Some(record) = self.storage.take() {
            self.gate = Some(ctx.persist(Write::Append(LOG, record)));
        }
        let mut messages = Vec::new();
        self.paxos.take_outgoing_messages(&mut messages);
        for message in messages {
            self.send(ctx, message);
        }
        self.observe_changes(ctx);
        self.observe_decided(ctx);
    }

    fn send(&self, ctx: &mut Context<Process>, message: PaxosMessage) {
        let target = node_of(message.get_receiver());
        // Heartbeats promise nothing.
        let is_promise = matches!(message, PaxosMessage::SequencePaxos(_));
        let gate = self.gate.filter(|_| is_promise && self.options.bug != Bug::EarlyMessages);
        let message = Wire::Paxos(Box::new(message));
        let link = self.links.get(&target);
        match (self.options.datagrams, gate, link) {
            (true, None, _) => ctx.send(target, message),
            (true, Some(write), _) => ctx.send_after(write, target, message),
            (false, None, Some((connection, true))) => ctx.send_on(*connection, target, message),
            (false, Some(write), Some((connection, true))) => ctx.send_on_after(write, *connection, target, message),
            // Without a connection it is lost, and the library hears of it once there is one again.
            (false, _, _) => {}
        }
    }

    fn observe(&self, ctx: &mut Context<Process>, observation: Observed) {
        match self.gate {
            Some(write) => ctx.observe_after(write, observation),
            None => ctx.observe(observation),
        }
    }

    fn observe_changes(&mut self, ctx: &mut Context<Process>) {
        let round = Round::from(self.paxos.get_promise());
        let leads = self.paxos.get_current_leader() == Some((id_of(self.id), true));
        let before = std::mem::replace(&mut self.seen, Seen { round, leads });
        if before == self.seen {
            return;
        }
        if before.leads {
            self.proposals.clear();
            self.observe(ctx, Observed::SteppedDown { round });
        }
        if leads {
            self.observe(ctx, Observed::Elected { round });
        } else if round.server != 0 {
            self.observe(ctx, Observed::Promised { round });
        }
    }

    fn observe_decided(&mut self, ctx: &mut Context<Process>) {
        let from = usize::try_from(self.decided).expect("a log fits into memory");
        for entry in self.paxos.read_decided_suffix(from).unwrap_or_default() {
            let LogEntry::Decided(command) = entry else { unreachable!("no snapshots and no stop signs: {entry:?}") };
            self.decided += 1;
            let index = self.decided;
            self.observe(ctx, Observed::Decided { index, command });
            if self.proposals.remove(&command) {
                let answer = Answer::Placed(Placed { index });
                let answer = Wire::Answer { operation: command.operation, answer };
                match self.gate {
                    Some(write) => ctx.send_after(write, command.by, answer),
                    None => ctx.send(command.by, answer),
                }
            }
        }
    }

    /// What it believes, for a report.
    pub(super) fn state(&self) -> String {
        let (promised, decided) = (Round::from(self.paxos.get_promise()), self.paxos.get_decided_idx());
        let leader =
            self.paxos.get_current_leader().map_or_else(|| "none".to_owned(), |(server, _)| format!("s{server}"));
        format!("{} promised {promised}, decided {decided}, leader {leader}", self.id)
    }
}

#[cfg(test)]
mod tests;

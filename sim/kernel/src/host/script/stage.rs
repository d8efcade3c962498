//! The nodes of a script, and what a command does to them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::brief::{Datum, Written, message_name};
use crate::context::{Effect, OperationResult};
use crate::host::Host;
use crate::id::{Cluster, Link, NodeId};
use crate::node::{ConnectionChange, ConnectionId, Message, Node, Observation, Source};
use crate::rng::Seed;
use crate::system::System;
use crate::time::{Duration, Instant};

use super::Words;
use super::command::{Command, Extent, Packets, Then};
use super::connection::{Body, Part, State};
use super::flight::{Content, Flight, Packet};
use super::settings::{self, Disk};

/// Rounds of deliveries, timers of one `advance` and pieces of deferred work: what goes on beyond has no end.
const TURNS_MAX: u32 = 1_000;

type Done = Result<(), String>;
type Output = Vec<String>;
type MessageOf<S> = <<S as System>::Node as Node>::Message;

/// A cluster in the middle of a script.
pub(super) struct Stage<S: System> {
    system: S,
    cluster: Cluster,
    disk: Disk,
    words: Words<S>,
    /// By dense index.
    members: Vec<Member<S::Node>>,
    flight: Flight<MessageOf<S>>,
}

struct Member<N: Node> {
    host: Host<N>,
    /// The term or epoch that the node last said it is in.
    epoch: Option<u64>,
}

impl<S: System> Stage<S> {
    /// A cluster whose nodes have started.
    pub(super) fn new(keys: &[(&str, &str)], words: Words<S>) -> Result<Self, String> {
        let settings = settings::read::<S>(keys)?;
        let (cluster, disk) = (settings.setup.cluster, settings.disk);
        let system = S::new(settings.setup).map_err(|error| error.to_string())?;
        let member = |id| Member { host: Host::of(&system, id, Seed(1)), epoch: None };
        let members = cluster.nodes().map(member).collect();
        let off: BTreeSet<NodeId> = cluster.nodes().filter(|node| !cluster.starts(*node)).collect();
        let mut stage = Self { system, cluster, disk, words, members, flight: Flight::new(off) };
        for node in cluster.nodes().filter(|node| cluster.starts(*node)) {
            // What all nodes do at a start says nothing about the script.
            stage.input(node, Host::start, &mut Output::new())?;
        }
        Ok(stage)
    }

    pub(super) fn perform(&mut self, command: Command<'_>, output: &mut Output) -> Done {
        match command {
            Command::Cluster(_) => unreachable!("the cluster is there before the stage"),
            Command::Deliver(packets, then) => self.deliver(packets, then, output),
            Command::Drop(packets) => self.drop_packets(packets, output),
            Command::Stabilize => self.stabilize(output),
            Command::Fire(node, timer) => self.fire(node, timer, output),
            Command::Advance(span, nodes) => self.advance(span, &nodes, output),
            Command::Pass(span, nodes) => {
                for node in self.nodes(&nodes)? {
                    self.member(node).host.pass(span);
                }
                Ok(())
            }
            Command::Cut(links) => {
                for ends in links {
                    self.links(ends)?.into_iter().for_each(|link| self.flight.cut(link));
                }
                Ok(())
            }
            Command::Partition(groups) => self.partition(&groups),
            Command::Heal => {
                self.flight.heal();
                Ok(())
            }
            Command::Crash(node, extent) => self.crash(node, extent, output),
            Command::Start(node) => self.start(node, output),
            Command::Sync(node) => {
                let node = self.live(node)?;
                output.push(format!("{} disk: durable", self.named(node)));
                self.input(node, Host::sync, output)
            }
            Command::Ask(node, words) => {
                let (node, operation) = (self.live(node)?, (self.words.operation)(words)?);
                output.push(format!("{} is asked for {}", self.named(node), Datum::<S::Node>::Operation(&operation)));
                self.input(node, |host| host.operation(operation), output)
            }
            Command::Order(node, name, argument) => {
                let (node, order) = (self.live(node)?, self.system.order(name, argument)?);
                output.push(format!("{} is ordered: {}", self.named(node), Datum::<S::Node>::Order(&order)));
                self.input(node, |host| host.order(order), output)
            }
            Command::Status(nodes) => self.status(&nodes, output),
            Command::Flight => {
                output.extend(self.flight.packets().iter().map(|packet| self.sent(packet)));
                Ok(())
            }
        }
    }

    // Packets.

    /// The packets that are meant, by number, without those that wait for a cut link.
    fn chosen(&self, packets: Packets<'_>) -> Result<Vec<u64>, String> {
        let links = packets.ends.map(|ends| self.links(ends)).transpose()?;
        let kinds = MessageOf::<S>::KINDS;
        if let Some(kind) = packets.kind.filter(|kind| !kinds.contains(kind)) {
            return Err(format!("{} has no message {kind:?} (known: {})", S::NAME, kinds.join(", ")));
        }
        let is_meant = |packet: &&Packet<MessageOf<S>>| {
            links.as_ref().is_none_or(|links| links.contains(&packet.link))
                && packets.kind.is_none_or(|kind| packet.content.message().is_some_and(|it| message_name(it) == kind))
                && !self.flight.waits(packet)
        };
        let chosen: Vec<u64> = self.flight.packets().iter().filter(is_meant).map(|packet| packet.number).collect();
        if chosen.is_empty() {
            let flight: Vec<String> = self.flight.packets().iter().map(|packet| self.sent(packet)).collect();
            let flight = if flight.is_empty() { "nothing is".to_owned() } else { flight.join("; ") };
            return Err(format!("no such packet is in flight ({flight})"));
        }
        Ok(chosen)
    }

    fn deliver(&mut self, packets: Packets<'_>, then: Then, output: &mut Output) -> Done {
        for number in self.chosen(packets)? {
            let packet = self.flight.take(number);
            let Some(packet) = packet else { continue };
            if then == Then::Again && packet.content.is_datagram() {
                let copy = packet.clone();
                self.flight.send(copy.link, copy.epoch, copy.content);
            }
            self.arrive(packet, output)?;
        }
        Ok(())
    }

    fn drop_packets(&mut self, packets: Packets<'_>, output: &mut Output) -> Done {
        for number in self.chosen(packets)? {
            let packet = self.flight.take(number).expect("a packet was chosen among those in flight");
            if !packet.content.is_datagram() {
                return Err(format!("a connection loses nothing: cut the link ({})", self.sent(&packet)));
            }
            output.push(self.lost(&packet, ""));
        }
        Ok(())
    }

    fn stabilize(&mut self, output: &mut Output) -> Done {
        for _ in 0..TURNS_MAX {
            if self.flight.packets().iter().all(|packet| self.flight.waits(packet)) {
                return Ok(());
            }
            self.deliver(Packets::default(), Then::Gone, output)?;
        }
        Err(format!("packets are still in flight after {TURNS_MAX} rounds"))
    }

    fn arrive(&mut self, packet: Packet<MessageOf<S>>, output: &mut Output) -> Done {
        let Link { source, target } = packet.link;
        let reason = match &packet.content {
            _ if packet.is_lost => Some("cut"),
            Content::Datagram(_) if self.member(target).host.node().is_none() => Some("down"),
            Content::Part(_) if self.flight.is_off(target) => Some("down"),
            Content::Datagram(_) | Content::Part(_) => None,
        };
        if let Some(reason) = reason {
            output.push(self.lost(&packet, &format!(" ({reason})")));
            return Ok(());
        }
        match packet.content {
            Content::Datagram(message) => self.hear((source, packet.epoch), target, None, message, output),
            Content::Part(_) => self.arrive_in_turn(packet, output),
        }
    }

    /// A part of a connection arrives: it is taken in, and what came before its turn and waited for it.
    fn arrive_in_turn(&mut self, packet: Packet<MessageOf<S>>, output: &mut Output) -> Done {
        let Content::Part(part) = &packet.content else { unreachable!("a datagram belongs to no connection") };
        let (id, to, number) = (part.connection, 1 - part.from, part.number);
        if part.body.is_loose() {
            return self.take_in(packet, output);
        }
        let mut next = match self.flight.connections.end_mut(id, to).map(|end| end.in_turn(number, packet.clone())) {
            None => Some(packet),
            Some(Ok(packet)) => Some(packet),
            Some(Err(packet)) => {
                output.push(format!("{} (waits for what was sent before it)", self.sent(&packet)));
                None
            }
        };
        while let Some(packet) = next {
            let following = self.flight.connections.end_mut(id, to).and_then(|end| end.next_in_turn());
            self.take_in(packet, output)?;
            next = following;
        }
        Ok(())
    }

    /// A part of a connection comes in, in its turn.
    fn take_in(&mut self, packet: Packet<MessageOf<S>>, output: &mut Output) -> Done {
        let Link { source, target } = packet.link;
        let Content::Part(part) = &packet.content else { unreachable!("a datagram belongs to no connection") };
        let (id, to) = (part.connection, 1 - part.from);
        let is_up = self.member(target).host.node().is_some();
        let Some(end) = self.flight.connections.end_mut(id, to) else {
            if part.body.is_data() {
                output.push(self.lost(&packet, " (closed)"));
            }
            return Ok(());
        };
        match (&part.body, end.state) {
            (Body::Open, _) if is_up => {
                end.state = State::Open;
                self.flight.transmit(id, to, None, Body::Answer);
                self.tell(target, id, source, ConnectionChange::Accepted, output)
            }
            (Body::Open, _) => {
                output.push(format!("{} refuses a connection from {}", self.named(target), self.cluster.name(source)));
                self.flight.transmit(id, to, None, Body::Refuse);
                Ok(())
            }
            (Body::Answer, State::Opening) => {
                end.state = State::Open;
                self.tell(target, id, source, ConnectionChange::Opened, output)
            }
            (Body::Refuse, State::Opening) => self.end(&packet, ConnectionChange::Refused, output),
            (Body::Reset, State::Opening | State::Open) => self.end(&packet, ConnectionChange::Reset, output),
            (Body::Close, State::Open) => self.end(&packet, ConnectionChange::Closed, output),
            (Body::Data(message), State::Open) => {
                self.hear((source, packet.epoch), target, Some(id), message.clone(), output)
            }
            (Body::Data(_), _) => {
                output.push(self.lost(&packet, " (closed)"));
                self.flight.transmit(id, to, None, Body::Reset);
                Ok(())
            }
            (Body::Answer, _) => {
                self.flight.transmit(id, to, None, Body::Reset);
                Ok(())
            }
            (Body::Refuse | Body::Reset | Body::Close, _) => Ok(()),
        }
    }

    /// A part of a connection ends it for the node that it comes to.
    fn end(&mut self, packet: &Packet<MessageOf<S>>, change: ConnectionChange, output: &mut Output) -> Done {
        let Content::Part(part) = &packet.content else { unreachable!("a datagram belongs to no connection") };
        self.flight.close_end(part.connection, 1 - part.from);
        self.tell(packet.link.target, part.connection, packet.link.source, change, output)
    }

    fn hear(
        &mut self,
        (source, epoch): (NodeId, Option<u64>),
        target: NodeId,
        connection: Option<ConnectionId>,
        message: MessageOf<S>,
        output: &mut Output,
    ) -> Done {
        let sender = self.with_epoch(source, epoch);
        output.push(format!("{} ← {sender} {}", self.named(target), spelt::<S::Node>(&message)));
        self.input(target, |host| host.message_from(Source { node: source, connection }, message), output)
    }

    fn tell(
        &mut self,
        node: NodeId,
        id: ConnectionId,
        peer: NodeId,
        change: ConnectionChange,
        output: &mut Output,
    ) -> Done {
        output.push(format!("{} connection with {} {change}", self.named(node), self.cluster.name(peer)));
        self.input(node, |host| host.connection(id, peer, change), output)
    }

    // Links.

    /// The links with these ends, `*` being every node.
    fn links(&self, (source, target): (&str, &str)) -> Result<Vec<Link>, String> {
        let ends = |name: &str| match name {
            "*" => Ok(self.cluster.nodes().collect()),
            name => self.node(name).map(|node| vec![node]),
        };
        let (sources, targets): (Vec<NodeId>, Vec<NodeId>) = (ends(source)?, ends(target)?);
        Ok(sources.iter().flat_map(|source| targets.iter().map(|target| Link::new(*source, *target))).collect())
    }

    /// Cuts the links between nodes of different groups. A node of none is connected with all.
    fn partition(&mut self, groups: &[Vec<&str>]) -> Done {
        let groups: Vec<Vec<NodeId>> =
            groups.iter().map(|group| group.iter().map(|name| self.node(name)).collect()).collect::<Result<_, _>>()?;
        for (place, group) in groups.iter().enumerate() {
            for other in groups.iter().enumerate().filter(|(other, _)| *other != place).flat_map(|(_, group)| group) {
                group.iter().for_each(|node| self.flight.cut(Link::new(*node, *other)));
            }
        }
        Ok(())
    }

    // Time.

    fn fire(&mut self, node: &str, words: &str, output: &mut Output) -> Done {
        let node = self.live(node)?;
        let timers = self.member(node).host.timers();
        let Some(timer) = timers.keys().copied().find(|timer| shown::<S::Node>(*timer) == words) else {
            let set: Vec<String> = timers.keys().map(|timer| shown::<S::Node>(*timer)).collect();
            let set = if set.is_empty() { "none".to_owned() } else { set.join(", ") };
            return Err(format!("{} has no timer {words:?} (set: {set})", self.cluster.name(node)));
        };
        self.fire_timer(node, timer, output)
    }

    fn fire_timer(&mut self, node: NodeId, timer: <S::Node as Node>::Timer, output: &mut Output) -> Done {
        output.push(format!("{} timer {}", self.named(node), shown::<S::Node>(timer)));
        self.input(node, |host| host.fire(timer), output)
    }

    /// Each node's clock goes on by the span. Timers fire in the order in which they come due, on whichever node.
    fn advance(&mut self, span: Duration, names: &[&str], output: &mut Output) -> Done {
        let nodes = self.nodes(names)?;
        let ends: Vec<(NodeId, Instant)> =
            nodes.into_iter().map(|node| (node, self.member(node).host.now().saturating_add(span))).collect();
        for _ in 0..TURNS_MAX {
            let due = |(node, end): &(NodeId, Instant)| {
                let (at, timer) = self.member_ref(*node).host.next_timer().filter(|(at, _)| at <= end)?;
                Some((std::cmp::Reverse(end.since(at)), *node, timer))
            };
            let Some((_, node, timer)) = ends.iter().filter_map(due).min() else {
                ends.iter().for_each(|(node, end)| self.member(*node).host.advance_to(*end));
                return Ok(());
            };
            self.fire_timer(node, timer, output)?;
        }
        Err(format!("timers still come due after {TURNS_MAX} of them"))
    }

    // Processes.

    fn crash(&mut self, node: &str, extent: Extent, output: &mut Output) -> Done {
        let node = self.live(node)?;
        output.push(format!("{} crashes", self.named(node)));
        let member = self.member(node);
        member.epoch = None;
        match extent {
            Extent::Process => {
                member.host.crash_process();
                self.flight.hang_up(node);
            }
            Extent::Machine => {
                member.host.crash_machine(0);
                self.flight.turn_off(node);
            }
        }
        Ok(())
    }

    fn start(&mut self, node: &str, output: &mut Output) -> Done {
        let node = self.node(node)?;
        if self.member(node).host.node().is_some() {
            return Err(format!("{} runs already: crash it first", self.cluster.name(node)));
        }
        output.push(format!("{} starts", self.named(node)));
        self.flight.turn_on(node);
        self.input(node, Host::start, output)
    }

    fn status(&self, names: &[&str], output: &mut Output) -> Done {
        let nodes = if names.is_empty() { self.cluster.all_servers().collect() } else { self.nodes(names)? };
        for node in nodes {
            let status = self.member_ref(node).host.node().map_or_else(|| "down".to_owned(), self.words.status);
            output.push(format!("{} {status}", self.named(node)));
        }
        Ok(())
    }

    // One input and what comes of it.

    fn input(&mut self, node: NodeId, input: impl FnOnce(&mut Host<S::Node>), output: &mut Output) -> Done {
        let disk = self.disk;
        let host = &mut self.member(node).host;
        input(host);
        let mut turns = 0;
        loop {
            if disk == Disk::AtOnce {
                host.sync();
            }
            if !host.step() {
                break;
            }
            turns += 1;
            if turns > TURNS_MAX {
                return Err(format!("{node} defers work without end"));
            }
        }
        let effects = host.take();
        let mut exit = None;
        for effect in effects {
            match effect {
                Effect::Exit(reason) => drop(exit.get_or_insert(reason)),
                other => self.follow(node, other, output),
            }
        }
        // The process ends after all that it did.
        if let Some(reason) = exit {
            output.push(format!("  {} exits: {reason}", self.named(node)));
            self.member(node).epoch = None;
            self.flight.hang_up(node);
        }
        Ok(())
    }

    /// Shows an effect, and does what it asks of the other nodes.
    fn follow(&mut self, node: NodeId, effect: Effect<S::Node>, output: &mut Output) {
        let name = self.named(node);
        match effect {
            Effect::Send { target, connection, message } => self.send(node, target, connection, message, output),
            Effect::Write { write, .. } => output.push(format!("  {name} writes: {}", Written::<S::Node>(&write))),
            Effect::Connect { connection, target } => {
                output.push(format!("  {name} connects to {}", self.cluster.name(target)));
                self.flight.dial(connection, Link::new(node, target));
            }
            Effect::Close(connection) => {
                output.push(format!("  {name} closes a connection"));
                self.flight.close(connection, node);
            }
            Effect::Invoke { id, operation } => {
                output.push(format!("  {name} begins #{} {}", id.0, Datum::<S::Node>::Operation(&operation)));
            }
            Effect::Complete { id, result } => {
                let result = match &result {
                    OperationResult::Ok(response) => Datum::<S::Node>::Response(response).to_string(),
                    OperationResult::Failed => "failed".to_owned(),
                    OperationResult::Unknown => "unknown".to_owned(),
                };
                output.push(format!("  {name} ends #{}: {result}", id.0));
            }
            Effect::Observe(observation) => {
                let words = Datum::<S::Node>::Observation(&observation).to_string();
                output.push(joined(&format!("  {name} {}", observation.face().name), &words));
                let member = self.member(node);
                member.epoch = observation.epoch().or(member.epoch);
            }
            Effect::SetTimer { .. } | Effect::CancelTimer(_) | Effect::Sync | Effect::Defer(_) | Effect::Exit(_) => {}
        }
    }

    fn send(
        &mut self,
        node: NodeId,
        target: NodeId,
        connection: Option<ConnectionId>,
        message: MessageOf<S>,
        output: &mut Output,
    ) {
        let epoch = message.epoch().or(self.member(node).epoch);
        let link = Link::new(node, target);
        let end = connection.map(|id| (id, self.flight.connections.end_of(id, node)));
        let line = |arrow, reason| {
            let name = self.with_epoch(node, epoch);
            format!("  {name} {arrow} {} {}{reason}", self.cluster.name(target), spelt::<S::Node>(&message))
        };
        match end {
            None => {
                output.push(line("→", ""));
                self.flight.send(link, epoch, Content::Datagram(message));
            }
            Some((id, Some((end, State::Open)))) => {
                output.push(line("→", ""));
                self.flight.transmit(id, end, epoch, Body::Data(message));
            }
            Some(_) => output.push(line("↛", " (not connected)")),
        }
    }

    // Names.

    fn node(&self, name: &str) -> Result<NodeId, String> {
        let node = self.cluster.read(name).filter(|node| self.cluster.contains(*node));
        node.ok_or_else(|| {
            let known: Vec<String> = self.cluster.nodes().map(|node| self.cluster.name(node).to_string()).collect();
            format!("unknown node {name:?} (known: {})", known.join(", "))
        })
    }

    /// All nodes if none is named.
    fn nodes(&self, names: &[&str]) -> Result<Vec<NodeId>, String> {
        if names.is_empty() {
            return Ok(self.cluster.nodes().collect());
        }
        names.iter().map(|name| self.node(name)).collect()
    }

    /// A node whose process runs.
    fn live(&self, name: &str) -> Result<NodeId, String> {
        let node = self.node(name)?;
        let is_up = self.member_ref(node).host.node().is_some();
        is_up.then_some(node).ok_or_else(|| format!("{name} is down: start {name}"))
    }

    fn member_ref(&self, node: NodeId) -> &Member<S::Node> {
        &self.members[self.cluster.index(node)]
    }

    fn member(&mut self, node: NodeId) -> &mut Member<S::Node> {
        &mut self.members[self.cluster.index(node)]
    }

    /// A node with the epoch that it is in: `s2@3`.
    fn named(&self, node: NodeId) -> String {
        self.with_epoch(node, self.member_ref(node).epoch)
    }

    fn with_epoch(&self, node: NodeId, epoch: Option<u64>) -> String {
        let mut name = self.cluster.name(node).to_string();
        if let Some(epoch) = epoch {
            write!(name, "@{epoch}").expect("a string takes what is written");
        }
        name
    }

    fn sent(&self, packet: &Packet<MessageOf<S>>) -> String {
        self.crossing(packet, "→")
    }

    fn lost(&self, packet: &Packet<MessageOf<S>>, reason: &str) -> String {
        format!("{}{reason}", self.crossing(packet, "↛"))
    }

    fn crossing(&self, packet: &Packet<MessageOf<S>>, arrow: &str) -> String {
        let (source, target) = (packet.link.source, packet.link.target);
        let content = match &packet.content {
            Content::Datagram(message) => spelt::<S::Node>(message),
            Content::Part(Part { body, .. }) => match body {
                Body::Data(message) => spelt::<S::Node>(message),
                Body::Open => "a connection".to_owned(),
                Body::Answer => format!("connection {}", ConnectionChange::Opened),
                Body::Refuse => format!("connection {}", ConnectionChange::Refused),
                Body::Reset => format!("connection {}", ConnectionChange::Reset),
                Body::Close => format!("connection {}", ConnectionChange::Closed),
            },
        };
        format!("{} {arrow} {} {content}", self.with_epoch(source, packet.epoch), self.cluster.name(target))
    }
}

fn spelt<N: Node>(message: &N::Message) -> String {
    joined(message_name(message), &Datum::<N>::Message(message).to_string())
}

fn shown<N: Node>(timer: N::Timer) -> String {
    Datum::<N>::Timer(timer).to_string()
}

/// Both texts with a space between, unless the second is empty.
fn joined(first: &str, second: &str) -> String {
    if second.is_empty() { first.to_owned() } else { format!("{first} {second}") }
}

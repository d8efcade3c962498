//! The network as a plain value: a matrix of directed links, each with its conditions, its faults and its stream.
//!
//! It decides the fate of each packet when it is sent, and once more when it arrives, so that a cut also stops what is
//! under way. It holds no packet itself: a host does, and comes back with it. Every engine can use it.
//!
//! One word is drawn for each packet, whether it is cut or not and whatever is enabled; what a packet needs beyond that
//! (a second delay) is mixed from the same word. So no fault, and no condition, moves any draw of another packet.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::id::{Cluster, Link};
use crate::rng::{Ppm, Rng, Seed, mix, scale};
use crate::run::NetworkOptions;
use crate::time::{Duration, Instant};

/// What happens to packets that are under way when a link is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InFlight {
    /// They are lost too.
    #[default]
    Drop,
    /// They arrive.
    Keep,
}

/// What changes on a link. Nothing means: as before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct LinkConditions {
    /// Chance that a packet is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Ppm>,
    /// Chance that a packet arrives twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplication: Option<Ppm>,
    /// Chance that a packet takes an extra delay and so is overtaken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reordering: Option<Ppm>,
    /// How long a packet takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Bytes a second; packets queue behind one another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<u64>,
    /// Datagrams that the link holds at a time, those that wait for bandwidth included; one more is lost (tail drop).
    /// No limit if zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
}

/// How long a packet takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Latency {
    /// Evenly between two bounds, both included.
    Uniform {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
    /// At least `min`, and beyond that exponentially with this mean.
    Exponential {
        /// The least.
        min: Duration,
        /// The mean of what comes on top.
        mean: Duration,
    },
}

/// All links of a cluster.
#[derive(Clone, Debug)]
pub struct Network {
    cluster: Cluster,
    /// How many nodes there are.
    node_count: usize,
    /// In order of sources, of one source in order of targets.
    links: Vec<LinkState>,
    /// The links that the options set apart, in their order.
    set_apart: Vec<Link>,
    reordering_delay: Duration,
}

/// One directed link.
#[derive(Clone, Debug)]
struct LinkState {
    rng: Rng,
    /// Packets sent so far: the ordinal of the next one.
    sent: u64,
    /// Those of them that belong to connections. The hot path sends datagrams alone, and so counts nothing more.
    segments: u64,
    /// Packets with a lower ordinal that are still under way were lost at a cut.
    lost_before: u64,
    /// Packets from this ordinal on arrive, for all that this link knows: the hot path looks at this alone.
    safe_from: u64,
    /// Whether a fault is on this link.
    disturbed: bool,
    /// Whether it is undisturbed and a datagram can only be lost or arrive once.
    plain: bool,
    base: Conditions,
    busy_until: Instant,
    cuts: Vec<Scoped<()>>,
    clogs: Vec<Scoped<()>>,
    /// Each with the ordinal of the first packet that is sent while it is in force.
    refusals: Vec<Scoped<u64>>,
    weather: Vec<Scoped<Changed>>,
    /// When each of the datagrams arrives that the link holds, while it has a capacity.
    holds: Vec<Instant>,
    /// Packets of some kinds with a lower ordinal were lost at a narrow cut.
    lost_kinds: Vec<(u64, u64)>,
    /// Packets of some kinds with ordinals in a range were sent while a refusal that is lifted now was in force. In the
    /// order in which the refusals were lifted, so the ends never fall.
    refused: Vec<(u64, Range<u64>)>,
}

/// The state of a fault on a link, narrowed to the kinds of message in `mask`.
#[derive(Clone, Debug)]
struct Scoped<T> {
    key: u32,
    mask: u64,
    what: T,
}

/// Conditions that a fault changes, and whether a packet met them.
#[derive(Clone, Copy, Debug)]
struct Changed {
    conditions: LinkConditions,
    /// Whether they also act on what goes over a connection.
    acts_on_segments: bool,
    /// Whether they have acted, or could have, on a packet.
    is_met: bool,
}

/// What went over a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Whether anything did.
    pub packets: bool,
    /// Whether a datagram did.
    pub datagrams: bool,
}

/// The mask of a fault that is not narrowed.
pub const ALL_KINDS: u64 = u64::MAX;

/// Whether a fault on the kinds in `mask` is one on a packet of this kind. What belongs to the transport itself, which
/// is of all kinds, is hit only by a fault on everything.
#[inline]
const fn matches_kind(mask: u64, kind: u64) -> bool {
    if kind == ALL_KINDS { mask == ALL_KINDS } else { mask & kind != 0 }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Conditions {
    latency: Latency,
    loss: Ppm,
    duplication: Ppm,
    reordering: Ppm,
    bandwidth: u64,
    capacity: u64,
}

/// What becomes of a packet that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendVerdict {
    /// Its ordinal on the link.
    pub ordinal: u64,
    /// When it arrives.
    pub first: Result<Instant, DropReason>,
    /// When its second copy arrives, where there is one.
    pub second: Option<Instant>,
    /// Its priority among events at that instant.
    pub priority: u8,
}

/// What becomes of a datagram on a link with which nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastVerdict {
    /// It arrives then; its ordinal.
    Arrives(Instant, u64),
    /// It is lost by chance; its ordinal.
    Lost(u64),
    /// Something is wrong with the link, or may be.
    Undecided,
}

/// Why a packet does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum DropReason {
    /// By chance.
    Loss,
    /// The link is cut, or was cut while it was under way.
    Cut,
    /// The link holds as many as it can.
    Full,
    /// A request was refused: an error is answered in place of the target.
    Refused,
    /// The plan says so.
    Override,
    /// Nobody runs at the target.
    Down,
    /// It went over a connection that is not open.
    NoConnection,
}

impl std::fmt::Display for DropReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Loss => "by chance",
            Self::Full => "no room on the link",
            Self::Refused => "refused",
            Self::Cut => "at a cut",
            Self::Override => "by the plan",
            Self::Down => "target is down",
            Self::NoConnection => "no connection",
        })
    }
}

/// What becomes of a packet that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrivalVerdict {
    /// It is delivered.
    Deliver,
    /// It was lost at a cut.
    Lost,
    /// It waits for the clog to be lifted.
    Hold,
    /// If it is a request, an error is answered in place of the target. If it is not, it is delivered.
    Refuse,
}

/// How a packet travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// May be lost and doubled.
    Datagram,
    /// Neither lost nor doubled inside a connection.
    Connection,
}

const SECOND_COPY: u64 = 0x9e37_79b9_7f4a_7c15;
const REORDERING: u64 = 0xd1b5_4a32_d192_ed03;
const DUPLICATION: u64 = 0x8cb9_2ba7_2f3d_8dd7;

impl Conditions {
    const fn of(options: &NetworkOptions) -> Self {
        Self {
            latency: options.latency,
            loss: options.loss,
            duplication: options.duplication,
            reordering: options.reordering,
            bandwidth: options.bandwidth,
            capacity: 0,
        }
    }

    fn with(self, weather: &LinkConditions) -> Self {
        Self {
            latency: weather.latency.unwrap_or(self.latency),
            loss: weather.loss.unwrap_or(self.loss),
            duplication: weather.duplication.unwrap_or(self.duplication),
            reordering: weather.reordering.unwrap_or(self.reordering),
            bandwidth: weather.bandwidth.unwrap_or(self.bandwidth),
            capacity: weather.capacity.unwrap_or(self.capacity),
        }
    }
}

/// The latency that a word comes to. The lower half of the word decides an even distribution.
#[inline]
fn latency(latency: Latency, word: u64) -> Duration {
    match latency {
        Latency::Uniform { min, max } => {
            let span = max.as_nanos().saturating_sub(min.as_nanos()).saturating_add(1);
            let ahead = if span >> 32 == 0 { (span * u64::from(word as u32)) >> 32 } else { scale(mix(word), span) };
            Duration::from_nanos(min.as_nanos() + ahead)
        }
        Latency::Exponential { min, mean } => min.saturating_add(crate::rng::exponential(mix(word), mean)),
    }
}

impl Network {
    /// A network without faults.
    pub fn new(seed: Seed, cluster: Cluster, options: &NetworkOptions) -> Self {
        let mut links = Vec::with_capacity(cluster.node_count().pow(2));
        for source in cluster.nodes() {
            for target in cluster.nodes() {
                let rng = seed.stream("link", source.key() << 16 | target.key());
                links.push(LinkState::new(rng, Conditions::of(options)));
            }
        }
        let mut network = Self {
            cluster,
            node_count: cluster.node_count(),
            links,
            set_apart: options.links.iter().map(|(link, _)| *link).collect(),
            reordering_delay: options.reordering_delay,
        };
        for (link, weather) in options.links.iter().filter(|(link, _)| cluster.has_link(*link)) {
            let state = network.link_mut(*link);
            state.base = state.base.with(weather);
            state.refresh();
        }
        network
    }

    #[inline]
    fn index(&self, source: usize, target: usize) -> usize {
        source * self.node_count + target
    }

    fn link(&self, link: Link) -> &LinkState {
        &self.links[self.index(self.cluster.index(link.source), self.cluster.index(link.target))]
    }

    fn link_mut(&mut self, link: Link) -> &mut LinkState {
        let index = self.index(self.cluster.index(link.source), self.cluster.index(link.target));
        &mut self.links[index]
    }

    /// Sends a datagram over a link with which nothing is wrong and on which it can only be lost or arrive once: the
    /// hot path. Where the link is another, nothing is drawn, and [`Network::send`] is to be called.
    #[inline(always)]
    pub fn send_plain(&mut self, now: Instant, (source, target): (usize, usize)) -> FastVerdict {
        let index = self.index(source, target);
        let link = &mut self.links[index];
        if !link.plain {
            return FastVerdict::Undecided;
        }
        let word = link.rng.word();
        let ordinal = link.sent;
        link.sent += 1;
        if link.base.loss.hits_half((word >> 32) as u32) {
            return FastVerdict::Lost(ordinal);
        }
        FastVerdict::Arrives(now.saturating_add(latency(link.base.latency, word)), ordinal)
    }

    /// Sends a packet from one node to another, both by dense index.
    pub fn send(
        &mut self,
        now: Instant,
        (source, target): (usize, usize),
        packet: Packet,
        forced: Option<Decision>,
    ) -> SendVerdict {
        let reordering_delay = self.reordering_delay;
        let index = self.index(source, target);
        let link = &mut self.links[index];
        let word = link.rng.word();
        link.sent += 1;
        link.segments += u64::from(packet.transport == Transport::Connection);
        link.fate(now, packet, word, forced, reordering_delay)
    }

    /// The ordinal of the next packet on a link, for an override.
    pub fn next_ordinal(&self, source: usize, target: usize) -> u64 {
        self.links[self.index(source, target)].sent
    }

    /// A packet arrives: whether it may be delivered.
    #[inline]
    pub fn arrive(&self, (source, target): (usize, usize), ordinal: u64, kind: u64) -> ArrivalVerdict {
        let link = &self.links[self.index(source, target)];
        if ordinal >= link.safe_from { ArrivalVerdict::Deliver } else { link.arrive_disturbed(ordinal, kind) }
    }

    /// Cuts a link for the kinds in `mask`.
    pub fn cut(&mut self, key: u32, link: Link, mask: u64, in_flight: InFlight) {
        let link = self.link_mut(link);
        link.cuts.push(Scoped { key, mask, what: () });
        match in_flight {
            InFlight::Keep => {}
            InFlight::Drop if mask == ALL_KINDS => link.lost_before = link.sent,
            InFlight::Drop => {
                // A later cut of the same kinds says all that an earlier one did.
                link.lost_kinds.retain(|(earlier, _)| *earlier != mask);
                link.lost_kinds.push((mask, link.sent));
            }
        }
        link.refresh();
    }

    /// Clogs a link for the kinds in `mask`.
    pub fn clog(&mut self, key: u32, link: Link, mask: u64) {
        let link = self.link_mut(link);
        link.clogs.push(Scoped { key, mask, what: () });
        link.refresh();
    }

    /// Refuses the requests of the kinds in `mask` that are sent over a link from now on.
    pub fn refuse(&mut self, key: u32, link: Link, mask: u64) {
        let link = self.link_mut(link);
        link.refusals.push(Scoped { key, mask, what: link.sent });
        link.refresh();
    }

    /// Changes the conditions of a link for the kinds in `mask`.
    pub fn set_weather(&mut self, key: u32, link: Link, mask: u64, weather: LinkConditions) {
        let link = self.link_mut(link);
        let acts_on_segments = weather.latency.is_some() || weather.bandwidth.is_some();
        let what = Changed { conditions: weather, acts_on_segments, is_met: false };
        link.weather.push(Scoped { key, mask, what });
        link.refresh();
    }

    /// Whether a packet has met the conditions that a fault changes on a link: one on which they act.
    pub fn has_met_weather(&self, key: u32, link: Link) -> bool {
        self.link(link).weather.iter().any(|weather| weather.key == key && weather.what.is_met)
    }

    /// Lifts a fault from a link.
    pub fn lift(&mut self, key: u32, link: Link) {
        let link = self.link_mut(link);
        link.cuts.retain(|fault| fault.key != key);
        link.clogs.retain(|fault| fault.key != key);
        link.stop_refusing(|fault| fault == key);
        link.weather.retain(|fault| fault.key != key);
        link.refresh();
    }

    /// Lifts every fault from a link.
    pub fn heal(&mut self, link: Link) {
        let link = self.link_mut(link);
        link.cuts.clear();
        link.clogs.clear();
        link.stop_refusing(|_| true);
        link.weather.clear();
        link.refresh();
    }

    /// Whether a link is cut for this kind of message.
    pub fn is_cut(&self, link: Link, kind: u64) -> bool {
        self.link(link).is_cut(kind)
    }

    /// Whether the link from one dense index to another is cut for this kind of message.
    pub fn is_cut_at(&self, (source, target): (usize, usize), kind: u64) -> bool {
        self.links[self.index(source, target)].is_cut(kind)
    }

    /// Whether a link is clogged for this kind of message.
    pub fn is_clogged(&self, link: Link, kind: u64) -> bool {
        self.link(link).clogs.iter().any(|clog| matches_kind(clog.mask, kind))
    }

    /// Whether requests of this kind that are sent now from one dense index to another are refused.
    pub fn refuses(&self, (source, target): (usize, usize), kind: u64) -> bool {
        self.links[self.index(source, target)].refusals.iter().any(|refusal| matches_kind(refusal.mask, kind))
    }

    /// The chance of loss on a link, without any fault.
    pub fn ordinary_loss(&self, link: Link) -> Ppm {
        self.link(link).base.loss
    }

    /// Whether nothing is wrong with a link.
    pub fn is_clear(&self, link: Link) -> bool {
        !self.link(link).disturbed
    }

    /// Whether a datagram was sent on any link.
    pub fn has_carried_datagrams(&self) -> bool {
        self.links.iter().any(|link| link.carried().datagrams)
    }

    /// What went over each link that the options set apart, in their order.
    pub fn carried_apart(&self) -> impl Iterator<Item = Carried> {
        self.set_apart.iter().map(move |link| match self.cluster.has_link(*link) {
            true => self.link(*link).carried(),
            false => Carried::default(),
        })
    }

    /// The words drawn on each link, in order of nodes, for the digest.
    pub fn drawn(&self) -> impl Iterator<Item = u64> {
        self.links.iter().map(|link| link.rng.drawn())
    }
}

/// What the network needs to know of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// How it travels.
    pub transport: Transport,
    /// The bit of its kind; all bits for what belongs to the transport itself.
    pub kind: u64,
    /// Its size in bytes.
    pub size: u32,
}

impl LinkState {
    fn new(rng: Rng, base: Conditions) -> Self {
        let mut link = Self {
            rng,
            sent: 0,
            segments: 0,
            lost_before: 0,
            safe_from: 0,
            disturbed: false,
            plain: false,
            base,
            busy_until: Instant::ZERO,
            cuts: Vec::new(),
            clogs: Vec::new(),
            refusals: Vec::new(),
            weather: Vec::new(),
            holds: Vec::new(),
            lost_kinds: Vec::new(),
            refused: Vec::new(),
        };
        link.refresh();
        link
    }

    fn is_cut(&self, kind: u64) -> bool {
        self.cuts.iter().any(|cut| matches_kind(cut.mask, kind))
    }

    fn refresh(&mut self) {
        self.disturbed =
            !(self.cuts.is_empty() && self.clogs.is_empty() && self.refusals.is_empty() && self.weather.is_empty());
        let extras = self.base.duplication != Ppm::NEVER || self.base.reordering != Ppm::NEVER;
        self.plain = !self.disturbed && !extras && self.base.bandwidth == 0 && self.base.capacity == 0;
        let lost = self.lost_kinds.iter().map(|(_, before)| *before);
        let refused = self.refused.last().map(|(_, sent)| sent.end);
        let marked_before = lost.chain(refused).fold(self.lost_before, u64::max);
        self.safe_from = if self.disturbed { u64::MAX } else { marked_before };
    }

    /// Lifts refusals. What was sent meanwhile is refused when it arrives.
    fn stop_refusing(&mut self, is_lifted: impl Fn(u32) -> bool) {
        let sent = self.sent;
        let lifted = self.refusals.extract_if(.., |refusal| is_lifted(refusal.key));
        self.refused
            .extend(lifted.map(|refusal| (refusal.mask, refusal.what..sent)).filter(|(_, sent)| !sent.is_empty()));
    }

    const fn carried(&self) -> Carried {
        Carried { packets: self.sent > 0, datagrams: self.sent > self.segments }
    }

    fn conditions_for(&mut self, packet: Packet) -> Conditions {
        let mut conditions = self.base;
        for Scoped { what, .. } in self.weather.iter_mut().filter(|weather| matches_kind(weather.mask, packet.kind)) {
            conditions = conditions.with(&what.conditions);
            what.is_met |= what.acts_on_segments || packet.transport == Transport::Datagram;
        }
        conditions
    }

    fn fate(
        &mut self,
        now: Instant,
        packet: Packet,
        word: u64,
        forced: Option<Decision>,
        reordering_delay: Duration,
    ) -> SendVerdict {
        let ordinal = self.sent - 1;
        let conditions = self.conditions_for(packet);
        let lossy = packet.transport == Transport::Datagram;
        let departs = self.depart(now, packet.size, conditions.bandwidth);
        let after = |delay| departs.saturating_add(delay);
        let drawn = after(latency(conditions.latency, word));
        let extra = Duration::from_nanos(scale(mix(word ^ REORDERING), reordering_delay.as_nanos().saturating_add(1)));
        let mut fate = SendVerdict { ordinal, first: Ok(drawn), second: None, priority: 0 };
        match forced {
            // Loss never acts inside a connection.
            Some(Decision::Drop) if lossy => fate.first = Err(DropReason::Override),
            Some(Decision::Delay(delay)) => fate.first = Ok(now.saturating_add(delay)),
            Some(Decision::Duplicate(first, second)) => {
                fate.first = Ok(now.saturating_add(first));
                fate.second = Some(now.saturating_add(second));
            }
            Some(Decision::Order(priority)) => fate.priority = priority,
            Some(Decision::Keep(_) | Decision::Drop) | None => {}
        }
        if matches!(forced, None | Some(Decision::Order(_))) && lossy {
            if conditions.loss.hits_half((word >> 32) as u32) {
                fate.first = Err(DropReason::Loss);
            } else if conditions.reordering.hits(mix(word ^ REORDERING.rotate_left(32))) {
                fate.first = Ok(drawn.saturating_add(extra));
            }
            if fate.first.is_ok() && conditions.duplication.hits(mix(word ^ DUPLICATION)) {
                fate.second = Some(after(latency(conditions.latency, mix(word ^ SECOND_COPY))));
            }
        }
        if lossy && conditions.capacity > 0 {
            self.hold(now, conditions.capacity, &mut fate);
        }
        // A cut wins over everything but an explicit delay or double: those say that the packet arrives.
        if self.is_cut(packet.kind) && !matches!(forced, Some(Decision::Delay(_) | Decision::Duplicate(..))) {
            (fate.first, fate.second) = (Err(DropReason::Cut), None);
        }
        fate
    }

    /// Tail drop: a datagram that the link has no room for is lost, its second copy with it.
    fn hold(&mut self, now: Instant, capacity: u64, fate: &mut SendVerdict) {
        self.holds.retain(|arrives| *arrives > now);
        let Ok(arrives) = fate.first else { return };
        if self.holds.len() as u64 >= capacity {
            (fate.first, fate.second) = (Err(DropReason::Full), None);
        } else {
            self.holds.push(arrives);
        }
    }

    /// When a packet has left the sender: behind those before it, where the link has a bandwidth.
    fn depart(&mut self, now: Instant, size: u32, bandwidth: u64) -> Instant {
        if bandwidth == 0 {
            return now;
        }
        let nanos = u128::from(size) * 1_000_000_000 / u128::from(bandwidth);
        let transmission = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.busy_until = self.busy_until.max(now).saturating_add(transmission);
        self.busy_until
    }

    #[cold]
    fn arrive_disturbed(&self, ordinal: u64, kind: u64) -> ArrivalVerdict {
        let narrow = |(mask, before): &(u64, u64)| matches_kind(*mask, kind) && ordinal < *before;
        if ordinal < self.lost_before || self.lost_kinds.iter().any(narrow) {
            ArrivalVerdict::Lost
        } else if self.clogs.iter().any(|clog| matches_kind(clog.mask, kind)) {
            ArrivalVerdict::Hold
        } else if self.is_refused(ordinal, kind) {
            ArrivalVerdict::Refuse
        } else {
            ArrivalVerdict::Deliver
        }
    }

    /// Whether a packet was sent while a refusal was in force. Both copies of a packet are refused, or neither is: so
    /// the sender of a refused request knows that it never came to the target.
    fn is_refused(&self, ordinal: u64, kind: u64) -> bool {
        self.refusals.iter().any(|refusal| matches_kind(refusal.mask, kind) && ordinal >= refusal.what)
            || self.refused_since(ordinal).any(|(mask, sent)| matches_kind(*mask, kind) && sent.contains(&ordinal))
    }

    /// The refusals that were lifted after a packet was sent.
    fn refused_since(&self, ordinal: u64) -> impl Iterator<Item = &(u64, Range<u64>)> {
        self.refused.iter().rev().take_while(move |(_, sent)| sent.end > ordinal)
    }
}

//! What each kind of nemesis does to which node: from an occasion to a concrete fault, with the numbers.
//!
//! A nemesis hits only who is there: links of nodes that are not absent, processes that run.

use crate::director::census::Census;
use crate::director::forms::{cut_all, halves};
use crate::director::resolve::Resolver;
use crate::director::spec::{NemesisKind, NemesisSpec, OrderChoice, OrderKey};
use crate::director::{draw, topology};
use crate::fault::{
    ClockDrift, ClockFreeze, ClockStep, Clog, Crash, CrashScope, Disk, DiskFault, Fault, Keep, Latency, LinkConditions,
    Offset, Pause, Slow, Weather,
};
use crate::id::{Cluster, Link, NodeId};
use crate::rng::{Ppm, Rng, fnv1a};
use crate::selector::Span;
use crate::system::Bounds;
use crate::time::Duration;

/// Of packets on a lossy link.
const LOSS: Ppm = Ppm::new(200_000);
/// Of packets on a link that duplicates.
const DUPLICATION: Ppm = Ppm::new(200_000);
/// Of packets on a link that reorders.
const REORDERING: Ppm = Ppm::new(200_000);
/// The least that a packet takes on a slow link.
const DELAY_MIN: Duration = Duration::from_millis(1);
/// The most that a packet takes on a slow link.
const DELAY_MAX: Duration = Duration::from_millis(500);
/// What a slow node takes for each input.
const SERVICE_TIME: Duration = Duration::from_millis(1);
/// What a slow disk takes more for each write and each sync.
const DISK_SLOW_BY: Duration = Duration::from_millis(20);
/// How much of a kind of message is lost: one of these, drawn.
const MESSAGE_LOSS: [Ppm; 3] = [Ppm::new(200_000), Ppm::new(500_000), Ppm::ALWAYS];
/// How much of a kind of message arrives twice.
const MESSAGE_DUPLICATION: Ppm = Ppm::new(500_000);
/// How soon one crash of a node follows another at least.
const SUCCESSION_MIN: Duration = Duration::from_micros(100);
/// How soon at most.
const SUCCESSION_MAX: Duration = Duration::from_millis(5);
/// How far a wall clock is led either way, where no bound on skew is declared.
const STEP_MAX: Duration = Duration::from_millis(250);
/// The part of a declared bound on skew that a wall clock is led either way. Two clocks led apart use up half of the
/// bound, one led and one left alone three quarters; the rest is left to their own drifts.
const STEP_SHARE: u64 = 4;
/// How much a clock runs fast or slow, where no bound on drift is declared.
const DRIFT_PPM_MAX: i32 = 500;

/// Where each node's clocks are, as far as they went by themselves at the start and nemeses led them: so that one fault
/// after the other, and one beside the other, stays within the declared bounds.
///
/// Faults that a scenario states are not counted: they say themselves how far they go.
#[derive(Clone, Debug)]
pub(crate) struct ClockAccount {
    cluster: Cluster,
    bounds: Bounds,
    clocks: Vec<Account>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// Nanoseconds that the wall clock is ahead.
    offset: i64,
    /// Parts per million that the clocks run fast by themselves.
    ppm: i64,
    /// The sum of the drifts that last and make them faster.
    faster: i64,
    /// The sum of those that make them slower, below zero.
    slower: i64,
}

impl Account {
    fn drift_sum(&mut self, ppm: i64) -> &mut i64 {
        if ppm > 0 { &mut self.faster } else { &mut self.slower }
    }
}

impl ClockAccount {
    /// Perfect clocks.
    pub(crate) fn new(cluster: Cluster, bounds: Bounds) -> Self {
        Self { cluster, bounds, clocks: vec![Account::default(); cluster.node_count()] }
    }

    /// A node's clocks are like this by themselves.
    pub(crate) fn set(&mut self, node: NodeId, offset: Offset, drift_ppm: i32) {
        *self.of(node) = Account { offset: offset.0, ppm: i64::from(drift_ppm), ..Account::default() };
    }

    /// A drift that [`ClockAccount::drift`] gave is over.
    pub(crate) fn end_drift(&mut self, node: NodeId, ppm: i32) {
        *self.of(node).drift_sum(i64::from(ppm)) -= i64::from(ppm);
    }

    fn of(&mut self, node: NodeId) -> &mut Account {
        &mut self.clocks[self.cluster.index(node)]
    }

    /// The most that a wall clock may be led either way.
    fn limit(&self) -> i64 {
        let limit = self.bounds.skew.map_or(STEP_MAX, |skew| skew.div(STEP_SHARE));
        i64::try_from(limit.as_nanos()).unwrap_or(i64::MAX)
    }

    /// A step to a place within the limit, drawn; `None` if it would be no step.
    fn step(&mut self, node: NodeId, rng: &mut Rng) -> Option<Offset> {
        let limit = self.limit();
        let place = Span { low: -limit, high: limit }.draw(rng);
        let account = self.of(node);
        let by = place.saturating_sub(account.offset);
        account.offset = place;
        (by != 0).then_some(Offset(by))
    }

    /// A drift within the declared bounds for this long, drawn; `None` if it would be zero.
    fn drift(&mut self, node: NodeId, duration: Duration, rng: &mut Rng) -> Option<i32> {
        let room = self.room_to_drift(node);
        let way = self.room_to_go(node, duration);
        let account = self.of(node);
        let ppm = i64::from(room.draw(rng)).clamp(way.low, way.high);
        *account.drift_sum(ppm) += ppm;
        let way = i128::from(ppm) * i128::from(duration.as_nanos()) / 1_000_000;
        account.offset = account.offset.saturating_add(i64::try_from(way).unwrap_or(i64::MAX));
        (ppm != 0).then(|| i32::try_from(ppm).expect("it was drawn as one, and clamped towards zero"))
    }

    /// The drifts that a clock may get beside those that it has, whichever of them end first.
    fn room_to_drift(&mut self, node: NodeId) -> Span<i32> {
        let Some(bound) = self.bounds.drift_ppm else {
            return Span { low: -DRIFT_PPM_MAX, high: DRIFT_PPM_MAX };
        };
        let (bound, account) = (i64::from(bound), *self.of(node));
        let fit = |ppm: i64| i32::try_from(ppm).unwrap_or(if ppm < 0 { i32::MIN } else { i32::MAX });
        Span {
            low: fit((-bound - account.ppm - account.slower).min(0)),
            high: fit((bound - account.ppm - account.faster).max(0)),
        }
    }

    /// The drifts by which the wall clock stays within the limit meanwhile; all where no bound on skew is declared.
    fn room_to_go(&mut self, node: NodeId, duration: Duration) -> Span<i64> {
        let (limit, nanos) = (i128::from(self.limit()), i128::from(duration.as_nanos()));
        if self.bounds.skew.is_none() || nanos == 0 {
            return Span { low: i64::MIN, high: i64::MAX };
        }
        let now = i128::from(self.of(node).offset);
        let ppm =
            |way: i128| i64::try_from(way * 1_000_000 / nanos).unwrap_or(if way < 0 { i64::MIN } else { i64::MAX });
        Span { low: ppm((-limit - now).min(0)), high: ppm((limit - now).max(0)) }
    }
}

/// What an occasion comes to.
pub(crate) enum Strike {
    /// Something is done to the world.
    Fault {
        /// What is done first.
        fault: Fault,
        /// How long that lasts.
        duration: Duration,
        /// What comes next.
        follow: Option<Box<Follow>>,
    },
    /// A node is given an order.
    Order(NodeId, OrderKey),
}

/// A fault that follows another in quick succession.
#[derive(Clone, Debug)]
pub(crate) struct Follow {
    /// How long after the end of the other.
    pub(crate) after: Duration,
    /// What is done.
    pub(crate) fault: Fault,
    /// How long it lasts.
    pub(crate) duration: Duration,
}

/// What faults that hit one kind of message draw from.
#[derive(Clone, Copy)]
pub(crate) struct Messages<'a> {
    /// The kinds of message.
    pub(crate) kinds: &'a [String],
    /// The most that a late packet takes.
    pub(crate) late: Span<Duration>,
}

/// A moment at which a nemesis strikes.
pub(crate) struct Occasion<'a> {
    census: &'a Census,
    rng: &'a Rng,
    /// The nodes that the nemesis may choose, the first choice first.
    pool: Vec<NodeId>,
    duration: Duration,
    messages: Messages<'a>,
    orders: &'a [OrderChoice<OrderKey>],
}

impl<'a> Occasion<'a> {
    /// An occasion for a fault of this duration, with the stream of its occurrence.
    pub(crate) fn new(
        census: &'a Census,
        rng: &'a Rng,
        spec: &'a NemesisSpec<OrderKey>,
        duration: Duration,
        messages: Messages<'a>,
    ) -> Self {
        let pool = Resolver::new(census, rng).pool(&spec.on);
        Self { census, rng, pool: draw::shuffled(rng, pool), duration, messages, orders: &spec.orders }
    }

    /// What the kind comes to; `None` if it would hit no node.
    pub(crate) fn strike(&mut self, kind: NemesisKind, clocks: &mut ClockAccount) -> Option<Strike> {
        match kind {
            NemesisKind::CrashTwice => return self.crash_twice(),
            NemesisKind::Order => return self.order(),
            _ => {}
        }
        let fault = self.fault(kind, clocks)?;
        Some(Strike::Fault { fault, duration: self.duration, follow: None })
    }

    /// One of the orders, by a word keyed by its place in the list, to the chosen node. The node that an order is about
    /// is drawn as a target is, and is another than the one that gets the order.
    fn order(&self) -> Option<Strike> {
        let live = self.live()?;
        let rng = self.rng.fork("order", 0);
        let mut order: Vec<usize> = (0..self.orders.len()).collect();
        order.sort_by_key(|place| (rng.fork("which", *place as u64).word(), *place));
        let find = |place: usize| match &self.orders[place] {
            OrderChoice::One(order) => Some(*order),
            OrderChoice::About { node, orders } => {
                let about = rng.fork("about", place as u64);
                orders.get(&Resolver::new(self.census, &about).other(node, &live)?).copied()
            }
        };
        Some(Strike::Order(live[0], order.into_iter().find_map(find)?))
    }

    /// The process first, for a few milliseconds, and a few milliseconds after its start the machine.
    fn crash_twice(&self) -> Option<Strike> {
        let nodes = self.live()?;
        let fault = Crash { nodes: nodes.clone(), scope: CrashScope::Process, keep: Keep::Prefix }.into();
        let mut rng = self.rng.fork("succession", 0);
        let (down, up) = (rng.duration(SUCCESSION_MIN, SUCCESSION_MAX), rng.duration(SUCCESSION_MIN, SUCCESSION_MAX));
        let machine = Crash { nodes, scope: CrashScope::Machine, keep: self.keep() }.into();
        Some(Strike::Fault {
            fault,
            duration: down,
            follow: Some(Box::new(Follow { after: up, fault: machine, duration: self.duration })),
        })
    }

    /// What a crash of the machine leaves, each with the same odds.
    fn keep(&self) -> Keep {
        match self.rng.fork("keep", 0).word() >> 62 {
            0 => Keep::Prefix,
            1 => Keep::Subset,
            2 => Keep::Nothing,
            _ => Keep::Torn,
        }
    }

    /// Two machines, and each of the others with even odds, by a word keyed by the node.
    fn power_loss(&self) -> Option<Fault> {
        let live: Vec<NodeId> = self.pool.iter().copied().filter(|node| self.census.is_up(*node)).collect();
        let (first, others) = live.split_at_checked(2)?;
        let hit = |node: &NodeId| self.rng.fork("power", node.key()).word() >> 63 == 0;
        let mut nodes: Vec<NodeId> = first.iter().chain(others.iter().filter(|node| hit(node))).copied().collect();
        nodes.sort_unstable();
        Some(Crash { nodes, scope: CrashScope::Machine, keep: self.keep() }.into())
    }

    /// What the kind comes to; `None` if it would hit no node.
    fn fault(&mut self, kind: NemesisKind, clocks: &mut ClockAccount) -> Option<Fault> {
        match kind {
            NemesisKind::OneWay => self.one_way(),
            NemesisKind::PairCut => self.pair().and_then(|link| cut_all(vec![link, link.reverse()])),
            NemesisKind::Isolate => cut_all(self.links()?),
            NemesisKind::Deaf => cut_all(topology::between(&self.all(), &self.one()?)),
            NemesisKind::Mute => cut_all(topology::between(&self.one()?, &self.all())),
            NemesisKind::Bridge => self.bridge(),
            NemesisKind::Halves => self.split(&[]),
            NemesisKind::Ring => cut_all(topology::ring(&self.shuffled_servers())),
            NemesisKind::Partial => cut_all(self.random_graph()),
            NemesisKind::Clog => Some(Fault::Clog(Clog { links: self.links()?, kinds: Vec::new() })),
            NemesisKind::Loss | NemesisKind::Delay | NemesisKind::Duplicate | NemesisKind::Reorder => {
                self.weather(kind)
            }
            NemesisKind::Crash => self.crash(CrashScope::Process, Keep::Prefix),
            NemesisKind::MachineCrash => self.crash(CrashScope::Machine, Keep::Prefix),
            NemesisKind::HarshCrash => self.crash(CrashScope::Machine, self.keep()),
            NemesisKind::PowerLoss => self.power_loss(),
            NemesisKind::CrashTwice | NemesisKind::Order => unreachable!("it is more than one fault, or none"),
            NemesisKind::Pause => Some(Fault::Pause(Pause { nodes: self.live()? })),
            NemesisKind::Slow => Some(Fault::Slow(Slow { nodes: self.live()?, service_time: SERVICE_TIME })),
            NemesisKind::ClockStep => {
                let nodes = self.live()?;
                let by = clocks.step(nodes[0], &mut self.parameter())?;
                Some(Fault::ClockStep(ClockStep { nodes, by }))
            }
            NemesisKind::ClockDrift => {
                let nodes = self.live()?;
                let ppm = clocks.drift(nodes[0], self.duration, &mut self.parameter())?;
                Some(Fault::ClockDrift(ClockDrift { nodes, ppm }))
            }
            NemesisKind::ClockFreeze => Some(Fault::ClockFreeze(ClockFreeze { nodes: self.live()? })),
            NemesisKind::DiskSlow => self.disk(DiskFault::Slow { by: DISK_SLOW_BY }),
            NemesisKind::DiskFull => self.disk(DiskFault::Full),
            NemesisKind::DiskLies => self.disk(DiskFault::LyingSync),
            NemesisKind::Late | NemesisKind::LoseMessages | NemesisKind::RepeatMessages => self.of_messages(kind),
        }
    }

    /// One kind of message fares worse than the others.
    fn of_messages(&self, kind: NemesisKind) -> Option<Fault> {
        let word = |name: &&String| self.rng.fork("message", fnv1a(name)).word();
        let message = self.messages.kinds.iter().min_by_key(word)?;
        let everywhere = self.rng.fork("everywhere", 0).word() >> 63 == 0;
        let links = if everywhere { topology::between(&self.all(), &self.all()) } else { self.links()? };
        let mut conditions = LinkConditions::default();
        match kind {
            NemesisKind::LoseMessages => {
                conditions.loss = Some(MESSAGE_LOSS[self.parameter().below(MESSAGE_LOSS.len() as u64) as usize]);
            }
            NemesisKind::RepeatMessages => conditions.duplication = Some(MESSAGE_DUPLICATION),
            NemesisKind::Late => {
                let max = self.messages.late.draw(&mut self.parameter()).max(DELAY_MIN);
                conditions.latency = Some(Latency::Uniform { min: DELAY_MIN, max });
            }
            other => unreachable!("{other:?} is not about one kind of message"),
        }
        Some(Fault::Weather(Weather { links, conditions, kinds: vec![message.clone()] }))
    }

    /// The chosen node, whether it runs or not: its links are there.
    fn one(&self) -> Option<[NodeId; 1]> {
        self.pool.first().map(|node| [*node])
    }

    /// The chosen one of those whose processes run.
    fn live(&self) -> Option<Vec<NodeId>> {
        let live = self.pool.iter().find(|node| self.census.is_up(**node))?;
        Some(vec![*live])
    }

    /// All nodes: absent ones too, should they join meanwhile.
    fn all(&self) -> Vec<NodeId> {
        self.census.cluster().nodes().collect()
    }

    /// All links to and from the chosen node.
    fn links(&self) -> Option<Vec<Link>> {
        Some(topology::apart(&self.one()?, &self.all()))
    }

    /// One direction between the chosen node and another, drawn.
    fn one_way(&self) -> Option<Fault> {
        let link = self.pair()?;
        let there = self.rng.fork("direction", 0).word() >> 63 == 0;
        cut_all(vec![if there { link } else { link.reverse() }])
    }

    /// The link from the chosen node to another: a server, or one that the nemesis may choose. Clients do not talk to
    /// one another.
    fn pair(&self) -> Option<Link> {
        let [node] = self.one()?;
        let cluster = self.census.cluster();
        let fits = |other: &NodeId| {
            let chosen = || cluster.is_server(node) && self.pool.contains(other);
            *other != node && (cluster.is_server(*other) || chosen())
        };
        let others = self.census.present().filter(fits);
        let target = *draw::shuffled(&self.rng.fork("other", 0), others).first()?;
        Some(Link::new(node, target))
    }

    fn bridge(&self) -> Option<Fault> {
        let middle = self.pool.iter().find(|node| self.census.cluster().is_server(**node))?;
        self.split(&[*middle])
    }

    /// Two halves of all but `middle`.
    fn split(&self, middle: &[NodeId]) -> Option<Fault> {
        let (left, right) = halves(self.rng, self.census, middle);
        cut_all(topology::apart(&left, &right))
    }

    fn shuffled_servers(&self) -> Vec<NodeId> {
        draw::shuffled(&self.rng.fork("ring", 0), self.census.servers())
    }

    /// Each pair of servers with even odds, by a word keyed by the pair.
    fn random_graph(&self) -> Vec<Link> {
        let rng = self.rng.fork("pair", 0);
        let is_cut = |link: &Link| {
            let (low, high) = (link.source.min(link.target), link.source.max(link.target));
            rng.fork("cut", low.key() << 16 | high.key()).word() >> 63 == 0
        };
        let servers: Vec<NodeId> = self.census.servers().collect();
        let links = topology::between(&servers, &servers).into_iter();
        links.filter(is_cut).collect()
    }

    fn weather(&self, kind: NemesisKind) -> Option<Fault> {
        let mut conditions = LinkConditions::default();
        match kind {
            NemesisKind::Loss => conditions.loss = Some(LOSS),
            NemesisKind::Duplicate => conditions.duplication = Some(DUPLICATION),
            NemesisKind::Reorder => conditions.reordering = Some(REORDERING),
            NemesisKind::Delay => conditions.latency = Some(Latency::Uniform { min: DELAY_MIN, max: DELAY_MAX }),
            other => unreachable!("{other:?} is not about the conditions of links"),
        }
        Some(Fault::Weather(Weather { links: self.links()?, conditions, kinds: Vec::new() }))
    }

    fn crash(&self, scope: CrashScope, keep: Keep) -> Option<Fault> {
        Some(Fault::Crash(Crash { nodes: self.live()?, scope, keep }))
    }

    fn disk(&self, fault: DiskFault) -> Option<Fault> {
        Some(Fault::Disk(Disk { nodes: self.live()?, fault }))
    }

    fn parameter(&self) -> Rng {
        self.rng.fork("parameter", 0)
    }
}

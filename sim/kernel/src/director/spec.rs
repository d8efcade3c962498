//! Faults and nemeses as a scenario states them, before anyone is chosen.

use std::collections::BTreeMap;

use crate::fault::{Fault, Selectors};
use crate::id::NodeId;
use crate::selector::{Condition, Selector, Span, Trigger};
use crate::time::{Duration, Instant};

/// A fault of a scenario: when, to which nodes, what, for how long. `O` is the type of its order, where it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSpec<O> {
    /// Keys the fault's stream; by default its kind and its ordinal among equals.
    pub id: String,
    /// The line of the scenario that states it.
    pub line: u32,
    /// The text of its selectors, for plan and report.
    pub selector: String,
    /// When it starts.
    pub trigger: Trigger,
    /// Roles bound to names, in order; each gets a node that none before it has.
    pub names: Vec<(String, Selector)>,
    /// What is done.
    pub what: What<O>,
    /// How long it lasts; to the end of the run where there is none. Of no meaning for what happens once.
    pub duration: Option<Span<Duration>>,
    /// Lifts it when this comes after its start, if it still lasts; one that still waits for a node gives up.
    pub until: Option<Condition>,
    /// A selector that matches nothing waits until then; the settle phase where there is none.
    pub waits_until: Option<Instant>,
}

impl<O> FaultSpec<O> {
    /// The same with its orders, where it gives some, as another type.
    ///
    /// # Errors
    /// Those of `order`.
    pub fn try_map_order<P, E>(
        self,
        mut order: impl FnMut(OrderChoice<O>) -> Result<OrderChoice<P>, E>,
    ) -> Result<FaultSpec<P>, E> {
        let what = match self.what {
            What::Fault(fault) => What::Fault(fault),
            What::Order(OrderSpec { nodes, order: first, end }) => {
                What::Order(OrderSpec { nodes, order: order(first)?, end: end.map(order).transpose()? })
            }
        };
        let Self { id, line, selector, trigger, names, duration, until, waits_until, .. } = self;
        Ok(FaultSpec { id, line, selector, trigger, names, what, duration, until, waits_until })
    }
}

/// What comes when the trigger of a [`FaultSpec`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What<O> {
    /// Something is done to the world.
    Fault(Fault<Selectors>),
    /// Servers are given an order.
    Order(OrderSpec<O>),
}

/// An order of a scenario to servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderSpec<O> {
    /// To which nodes.
    pub nodes: Vec<Selector>,
    /// Which.
    pub order: OrderChoice<O>,
    /// What the same nodes are ordered when its time is over. Without it the order happens once.
    pub end: Option<OrderChoice<O>>,
}

/// An order, or one for each node that its argument may be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderChoice<O> {
    /// This one.
    One(O),
    /// The one about the node that a selector stands for.
    About {
        /// Which node. If it has no order, the selector matches nothing.
        node: Selector,
        /// By the node.
        orders: BTreeMap<NodeId, O>,
    },
}

impl<O> OrderChoice<O> {
    /// The same with each order as another type.
    ///
    /// # Errors
    /// Those of `order`.
    pub fn try_map<P, E>(self, mut order: impl FnMut(O) -> Result<P, E>) -> Result<OrderChoice<P>, E> {
        Ok(match self {
            Self::One(one) => OrderChoice::One(order(one)?),
            Self::About { node, orders } => {
                let orders = orders.into_iter().map(|(about, one)| Ok((about, order(one)?)));
                OrderChoice::About { node, orders: orders.collect::<Result<_, E>>()? }
            }
        })
    }
}

/// The place of an order in the table of a run: the director passes it on without knowing what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderKey(pub usize);

crate::names! {
    /// A kind of random fault.
    pub enum NemesisKind {
        /// One directed link between a chosen node and another is cut, either way with even odds. The other is a
        /// server, or one that may be chosen too.
        OneWay = "one_way",
        /// Both directions between a chosen node and another are cut. The other is a server, or one that may be
        /// chosen too.
        PairCut = "pair_cut",
        /// A chosen node is cut off from all others.
        Isolate = "isolate",
        /// A chosen node hears nobody, but is heard.
        Deaf = "deaf",
        /// A chosen node is heard by nobody, but hears.
        Mute = "mute",
        /// Two halves that see each other only through a chosen server; each client goes with one of them.
        Bridge = "bridge",
        /// The servers fall into two halves; each client goes with one of them.
        Halves = "halves",
        /// Each server sees only its two neighbours in a random ring; clients keep their links.
        Ring = "ring",
        /// Each pair of servers is cut, both ways, with even odds: a random graph. Clients keep their links.
        Partial = "partial",
        /// Packets to and from a chosen node are held and then released.
        Clog = "clog",
        /// Links to and from a chosen node lose 20 % of their packets.
        Loss = "loss",
        /// Packets to and from a chosen node take from 1 ms to 500 ms.
        Delay = "delay",
        /// Links to and from a chosen node deliver 20 % of their packets twice.
        Duplicate = "duplicate",
        /// Links to and from a chosen node hold up 20 % of their packets, so that others overtake them.
        Reorder = "reorder",
        /// A chosen node's process crashes, and restarts at the end.
        Crash = "crash",
        /// A chosen node's machine crashes, keeps a prefix of what was not synced, and restarts at the end.
        MachineCrash = "machine_crash",
        /// A chosen node is paused.
        Pause = "pause",
        /// A chosen node takes 1 ms for each input.
        Slow = "slow",
        /// A chosen node's wall clock jumps to a place at most 250 ms from where it would be; where a bound on skew is
        /// declared, at most a quarter of it, so that two clocks use up half of the bound.
        ClockStep = "clock_step",
        /// A chosen node's clocks run fast or slow by at most 500 ppm; where a bound on drift is declared, so much that
        /// they stay within it together with what they drift already. Where a bound on skew is declared, the way that
        /// the wall clock goes meanwhile counts as a jump.
        ClockDrift = "clock_drift",
        /// A chosen node's clocks stand still. This leaves every declared bound.
        ClockFreeze = "clock_freeze",
        /// A chosen node's disk takes 20 ms more for each write and each sync.
        DiskSlow = "disk_slow",
        /// A chosen node's disk is full: every write fails.
        DiskFull = "disk_full",
        /// A chosen node's disk reports syncs as done and syncs nothing.
        DiskLies = "disk_lies",
        /// A chosen node's machine crashes and keeps a prefix, a subset, nothing, or a prefix and a torn record of what
        /// was not synced, drawn; it restarts at the end.
        HarshCrash = "harsh_crash",
        /// Several machines crash at once: two of those that may be chosen, and of the others each with even odds. What
        /// they keep of what was not synced is drawn as for harsh_crash; they restart at the end.
        PowerLoss = "power_loss",
        /// A chosen node's process crashes, restarts within 5 ms, and within 5 ms of that its machine crashes, with
        /// what it keeps drawn as for harsh_crash; it restarts at the end.
        CrashTwice = "crash_twice",
        /// Packets of one kind of message, drawn, are late while all others are on time: they take from 1 ms to a time
        /// that is drawn too. On all links, or on those to and from a chosen node, with even odds.
        Late = "late",
        /// Of one kind of message, drawn, 20 %, 50 % or all packets are lost, on links as for late.
        LoseMessages = "lose_messages",
        /// Of one kind of message, drawn, half of the packets arrive twice, on links as for late.
        RepeatMessages = "repeat_messages",
        /// A chosen node is given one of the orders that the nemesis lists, drawn. It happens once, and the next fault
        /// comes after the pause alone. "all" does not mean this kind: it is named.
        Order = "order",
    }
}

/// Random faults of a scenario, one at a time. Each one that comes to be is a concrete fault in the plan, or an order.
/// `O` is the type of its orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NemesisSpec<O> {
    /// Keys the nemesis's stream.
    pub id: String,
    /// The line of the scenario that states it.
    pub line: u32,
    /// What it may do: each with the same odds. One that would hit no node gives way to the next.
    pub kinds: Vec<NemesisKind>,
    /// What it may choose: one of all the nodes that these may stand for. Links of a node that is present can be hit,
    /// and processes that run.
    pub on: Vec<Selector>,
    /// From the end of one fault, at first from [`NemesisSpec::from`], to the start of the next. At least 1 µs.
    pub every: Span<Duration>,
    /// How long a fault lasts.
    pub duration: Span<Duration>,
    /// Whether each run switches off each kind with even odds. One is always left.
    pub swarm: bool,
    /// When it begins.
    pub from: Instant,
    /// When it ends; the settle phase where there is none. Faults that last are lifted by their own duration.
    pub until: Option<Instant>,
    /// What faults that hit one kind of message draw from.
    pub messages: MessageSpec,
    /// The orders that [`NemesisKind::Order`] draws from. One that is about a node which its selector does not find now
    /// gives way to the next.
    pub orders: Vec<OrderChoice<O>>,
}

impl<O> NemesisSpec<O> {
    /// The same with its orders as another type.
    ///
    /// # Errors
    /// Those of `order`.
    pub fn try_map_order<P, E>(
        self,
        order: impl FnMut(OrderChoice<O>) -> Result<OrderChoice<P>, E>,
    ) -> Result<NemesisSpec<P>, E> {
        let Self { id, line, kinds, on, every, duration, swarm, from, until, messages, orders } = self;
        let orders = orders.into_iter().map(order).collect::<Result<_, E>>()?;
        Ok(NemesisSpec { id, line, kinds, on, every, duration, swarm, from, until, messages, orders })
    }
}

/// What random faults that hit one kind of message draw from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageSpec {
    /// Which kinds of message; all of the system if there are none. With swarm each run switches off each with even
    /// odds. One is always left.
    pub kinds: Vec<String>,
    /// The most that a late packet takes, drawn for each fault; by default from the range of
    /// [`NemesisSpec::duration`].
    pub late: Option<Span<Duration>>,
}

impl NemesisKind {
    /// Those that every system has: all but orders, which are the system's own.
    pub fn common() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| *kind != Self::Order)
    }

    /// Whether it hits one kind of message.
    pub const fn is_of_messages(self) -> bool {
        matches!(self, Self::Late | Self::LoseMessages | Self::RepeatMessages)
    }
}

impl<O> What<O> {
    /// Whether it lasts until it is lifted. Some faults happen once, and so do orders without an end.
    pub fn lasts(&self) -> bool {
        match self {
            Self::Fault(fault) => fault.lasts(),
            Self::Order(order) => order.end.is_some(),
        }
    }
}

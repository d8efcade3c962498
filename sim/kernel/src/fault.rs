//! What can be done to the world: faults, one file for each kind.
//!
//! A fault is stated over selectors, `Fault<Selectors>`, and done to nodes and links, `Fault<Nodes>`. It is one type
//! with two kinds of [`Leaf`]; the [director](crate::director) leads from one to the other when a fault starts.
//!
//! ```text
//!   scenario ─▶ Fault<Selectors> ─choose─▶ Fault<Nodes> ─start─▶ nodes, links ─stop─▶ as before
//!                                              └─▶ plan, digest, report            └─ or healed by the settle phase
//! ```
//!
//! A kind says everything of itself in its file: its data, whether it lasts, how it starts, stops and is healed, its
//! words. The list of the kinds is at the end of this file; code that needs to know something of a fault asks it.
//!
//! ```
//! use splitbrain_kernel::fault::{Cut, Fault, Lasting};
//! use splitbrain_kernel::id::{Link, NodeId};
//!
//! let fault: Fault = Fault::Cut(Cut::of(vec![Link::new(NodeId::server(1), NodeId::server(2))]));
//! assert_eq!(fault.lasting(), Lasting::Lifted);
//! ```

mod clock_drift;
mod clock_freeze;
mod clock_slew;
mod clock_step;
mod clog;
mod crash;
mod cut;
mod disk;
mod pause;
mod refuse;
mod replay;
mod slow;
mod start;
mod suspend;
mod weather;
mod words;

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::id::{Link, NodeId};
use crate::network::Network;
use crate::node::Node;
use crate::rng::Rng;
use crate::selector::{Drawn, LinkForm, Selector, Span};
use crate::time::{Duration, Instant};
use crate::vocabulary::Incident;
use crate::world_state::NodeState;

pub use crate::disk::{DiskFault, Keep};
pub use crate::network::{InFlight, Latency, LinkConditions};
pub use crate::time::Offset;
pub use clock_drift::ClockDrift;
pub use clock_freeze::ClockFreeze;
pub use clock_slew::ClockSlew;
pub use clock_step::ClockStep;
pub use clog::Clog;
pub use crash::{Crash, CrashScope};
pub use cut::Cut;
pub use disk::Disk;
pub use pause::Pause;
pub use refuse::Refuse;
pub use replay::Replay;
pub use slow::Slow;
pub use start::Start;
pub use suspend::Suspend;
pub use weather::Weather;

/// How a fault names what it hits, and what stands in it for a value that may be drawn.
pub trait Leaf: Clone + Debug + PartialEq + Eq {
    /// Nodes.
    type Nodes: Clone + Debug + PartialEq + Eq;
    /// Directed links.
    type Links: Clone + Debug + PartialEq + Eq;
    /// A span of time.
    type Duration: Clone + Debug + PartialEq + Eq;
    /// A signed span of time.
    type Offset: Clone + Debug + PartialEq + Eq;
    /// Signed parts per million.
    type Ppm: Clone + Debug + PartialEq + Eq;
}

/// The leaves of a fault that a scenario states: selectors, and ranges that values are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selectors {}

impl Leaf for Selectors {
    type Nodes = Vec<Selector>;
    type Links = LinkForm;
    type Duration = Span<Duration>;
    type Offset = Span<Offset>;
    type Ppm = Span<i32>;
}

/// The leaves of a fault that is done, as plans hold it: nodes, links and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {}

impl Leaf for Nodes {
    type Nodes = Vec<NodeId>;
    type Links = Vec<Link>;
    type Duration = Duration;
    type Offset = Offset;
    type Ppm = i32;
}

/// Leaves that a file can hold: those of [`Nodes`].
pub trait Concrete:
    Leaf<Nodes = Vec<NodeId>, Links = Vec<Link>, Duration = Duration, Offset = Offset, Ppm = i32>
{
}

impl Concrete for Nodes {}

/// How long a fault is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// Until it is lifted.
    Lifted,
    /// It happens once and is over at once. Lifting it undoes nothing.
    Once,
    /// It happens once, and is over by itself after this time. Lifting it undoes nothing.
    For(Duration),
}

/// What a fault hits.
#[derive(Debug)]
pub enum Target<'a, L: Leaf> {
    /// These nodes.
    Nodes(&'a L::Nodes),
    /// These links.
    Links(&'a L::Links),
}

/// The same, to be changed.
#[derive(Debug)]
pub enum TargetMut<'a, L: Leaf> {
    /// These nodes.
    Nodes(&'a mut L::Nodes),
    /// These links.
    Links(&'a mut L::Links),
}

/// A part of the world that an engine must simulate itself for a fault to have a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// Kinds of message.
    Kinds,
    /// Conditions of single links.
    Conditions,
    /// When a node takes its next input.
    Scheduling,
    /// Clocks of each node.
    Clocks,
    /// Disks.
    Disks,
    /// Packets that were sent before.
    Packets,
}

/// How far a fault leads clocks at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The wall clock, by this span of time either way.
    Wall(Duration),
    /// The rate of both clocks, by these parts per million either way.
    Rate(u64),
}

/// A span of time in a fault, for the readers that hold files to limits: where it stands below the fault, its least
/// and its most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The keys that lead to it in a plan.
    pub path: &'static [&'static str],
    /// The least.
    pub low: Duration,
    /// The most.
    pub high: Duration,
}

impl Range {
    /// One span, not a range.
    const fn one(path: &'static [&'static str], span: Duration) -> Self {
        Self { path, low: Duration::ZERO, high: span }
    }
}

/// What a kind of fault says of itself, stated or done.
pub trait Kind<L: Leaf> {
    /// What plans, counts and reports call it.
    const NAME: &'static str;

    /// What it hits.
    fn target(&self) -> Target<'_, L>;

    /// The same, to be changed.
    fn target_mut(&mut self) -> TargetMut<'_, L>;

    /// The kinds of message that it is narrowed to; all if there are none.
    fn kinds(&self) -> &[String] {
        &[]
    }

    /// How long it is in force.
    fn lasting(&self) -> Lasting {
        Lasting::Lifted
    }

    /// What an error calls it: its name, and where it has several forms, which.
    fn title(&self) -> String {
        Self::NAME.to_owned()
    }

    /// Whether an old packet of each of its links arrives again, and how long ago it was sent at least.
    fn replays(&self) -> Option<Duration> {
        None
    }

    /// Whether it answers requests in place of their targets: then its kinds are those that the system declares as
    /// [`Message::REFUSABLE`](crate::node::Message::REFUSABLE).
    fn refuses(&self) -> bool {
        false
    }

    /// What an engine must simulate itself for it.
    fn needs(&self) -> Option<Ability> {
        (!self.kinds().is_empty()).then_some(Ability::Kinds)
    }
}

/// The targets of a kind with nodes.
macro_rules! on_nodes {
    () => {
        fn target(&self) -> $crate::fault::Target<'_, L> {
            $crate::fault::Target::Nodes(&self.nodes)
        }

        fn target_mut(&mut self) -> $crate::fault::TargetMut<'_, L> {
            $crate::fault::TargetMut::Nodes(&mut self.nodes)
        }
    };
}

/// The targets of a kind with links that may be narrowed to kinds of message.
macro_rules! on_links {
    () => {
        fn target(&self) -> $crate::fault::Target<'_, L> {
            $crate::fault::Target::Links(&self.links)
        }

        fn target_mut(&mut self) -> $crate::fault::TargetMut<'_, L> {
            $crate::fault::TargetMut::Links(&mut self.links)
        }

        fn kinds(&self) -> &[String] {
            &self.kinds
        }
    };
}

use {on_links, on_nodes};

/// A kind of fault as a scenario states it.
pub(crate) trait Stated: Kind<Selectors> {
    /// What it comes to now: `None` if a selector matches nothing.
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>>;

    /// How far it leads clocks at most, as far as it says so itself.
    fn reach(&self) -> Option<Reach> {
        None
    }
}

/// A kind of fault as it is done. What hits nodes has `*_node`, what hits links `*_link`; a link is lifted as a whole.
pub(crate) trait Done: Kind<Nodes> {
    /// What is done, in one line.
    fn words(&self) -> String;

    /// The spans of time that it names.
    fn ranges(&self) -> Vec<Range> {
        Vec::new()
    }

    /// What it may do to the node that counts in a ranked role, for the counts of a run.
    fn incident(&self) -> Option<Incident> {
        None
    }

    /// Whether it changes something at a node as the node is now, before it starts there. If a node has no process,
    /// most faults change nothing.
    fn changes_node<N: Node>(&self, node: &NodeState<N>, now: Instant) -> bool {
        let _ = now;
        node.process.is_some()
    }

    /// Whether it changes something at a process that starts while it is in force.
    fn waits_for_process(&self) -> bool {
        self.lasting() == Lasting::Lifted
    }

    /// Whether it changes something on every link between nodes that are there. Otherwise the world finds out by what
    /// happens.
    fn changes_links(&self) -> bool {
        true
    }

    /// Whether it leads wall clocks, and so changes something only if they are read afterwards.
    fn leads_wall_clocks(&self) -> bool {
        false
    }

    /// It starts on a node.
    fn start_node<N: Node>(&self, key: u32, node: &mut NodeState<N>, now: Instant) -> After {
        let _ = (key, node, now);
        After::Nothing
    }

    /// It is lifted from a node.
    fn stop_node<N: Node>(&self, key: u32, node: &mut NodeState<N>, now: Instant) -> After {
        let _ = (key, node, now);
        After::Nothing
    }

    /// It starts on a link, for the kinds of message in the mask.
    fn start_link(&self, key: u32, network: &mut Network, link: Link, mask: u64) {
        let _ = (key, network, link, mask);
    }

    /// Every fault of this kind that lasts is lifted from a node: the settle phase heals it.
    fn heal<N: Node>(node: &mut NodeState<N>, now: Instant) {
        let _ = (node, now);
    }

    /// Whether a fault of this kind keeps the node's process from running as ever, so that no promise is made for it.
    fn hampers<N: Node>(node: &NodeState<N>) -> bool {
        let _ = node;
        false
    }
}

/// What follows from a change of a node, for the world to see to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing.
    Nothing,
    /// Its clocks run at another rate, it may take its next input again, or its disk goes on.
    Changed,
    /// The same, and its machine is suspended no longer: it answers again.
    Resumes,
    /// Its process starts.
    Starts,
    /// Its process or machine ends.
    Crashes(CrashScope, Keep),
}

/// Who chooses nodes and links, when a fault starts.
pub(crate) trait Choice {
    /// The nodes of these selectors, in order; `None` if one of them matches nothing.
    fn nodes(&mut self, selectors: &[Selector]) -> Option<Vec<NodeId>>;

    /// The links of this form, in order; `None` if there is none, or a selector matches nothing.
    fn links(&mut self, form: &LinkForm) -> Option<Vec<Link>>;

    /// The stream of the occurrence.
    fn rng(&self) -> &Rng;
}

/// One fault on the nodes that are chosen.
fn on_chosen<F: Into<Fault>>(
    choice: &mut impl Choice,
    nodes: &[Selector],
    fault: impl FnOnce(Vec<NodeId>) -> F,
) -> Option<Vec<Fault>> {
    Some(vec![fault(choice.nodes(nodes)?).into()])
}

/// One fault on the links that are chosen.
fn on_chosen_links<F: Into<Fault>>(
    choice: &mut impl Choice,
    links: &LinkForm,
    fault: impl FnOnce(Vec<Link>) -> F,
) -> Option<Vec<Fault>> {
    Some(vec![fault(choice.links(links)?).into()])
}

/// One fault for all nodes if the value is a constant; one for each node, with its own draw, if it is a range.
fn on_each<F: Into<Fault>, T: Drawn>(
    choice: &mut impl Choice,
    nodes: &[Selector],
    span: Span<T>,
    fault: impl Fn(Vec<NodeId>, T) -> F,
) -> Option<Vec<Fault>> {
    let nodes = choice.nodes(nodes)?;
    let rng = choice.rng();
    if span.low == span.high {
        return Some(vec![fault(nodes, span.draw(&mut rng.fork("parameter", 0))).into()]);
    }
    let each = |node: NodeId| fault(vec![node], span.draw(&mut rng.fork("parameter", node.key()))).into();
    Some(nodes.into_iter().map(each).collect())
}

/// Everything that is asked of a fault, passed on to its kind.
macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        /// One thing done to the world.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case", bound = "L: Concrete")]
        pub enum Fault<L: Leaf = Nodes> {
            $(#[doc = concat!("See [`struct@", stringify!($kind), "`].")] $kind($kind<L>)),+
        }

        $(impl<L: Leaf> From<$kind<L>> for Fault<L> {
            fn from(fault: $kind<L>) -> Self {
                Self::$kind(fault)
            }
        })+

        impl Fault {
            /// The names of all kinds, in the order of the list.
            pub const KINDS: &'static [&'static str] = &[$(<$kind as Kind<Nodes>>::NAME),+];
        }

        impl<L: Leaf> Fault<L> {
            /// The name of the kind, as plans, counts and reports say it.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$kind(_) => <$kind<L> as Kind<L>>::NAME),+ }
            }

            /// What it hits.
            pub fn target(&self) -> Target<'_, L> {
                match self { $(Self::$kind(fault) => fault.target()),+ }
            }

            fn target_mut(&mut self) -> TargetMut<'_, L> {
                match self { $(Self::$kind(fault) => fault.target_mut()),+ }
            }

            /// The kinds of message that it is narrowed to; all if there are none.
            pub fn kinds(&self) -> &[String] {
                match self { $(Self::$kind(fault) => fault.kinds()),+ }
            }

            /// How long it is in force.
            pub fn lasting(&self) -> Lasting {
                match self { $(Self::$kind(fault) => fault.lasting()),+ }
            }

            /// What an error calls it: its kind, and for some what exactly.
            pub fn title(&self) -> String {
                match self { $(Self::$kind(fault) => fault.title()),+ }
            }

            /// Whether an old packet of each of its links arrives again, and how long ago it was sent at least.
            pub fn replays(&self) -> Option<Duration> {
                match self { $(Self::$kind(fault) => fault.replays()),+ }
            }

            /// Whether it answers requests in place of their targets.
            pub fn refuses(&self) -> bool {
                match self { $(Self::$kind(fault) => fault.refuses()),+ }
            }

            /// What an engine must simulate itself for it.
            pub fn needs(&self) -> Option<Ability> {
                match self { $(Self::$kind(fault) => fault.needs()),+ }
            }
        }

        impl Fault<Selectors> {
            /// What it comes to now: `None` if a selector matches nothing.
            pub(crate) fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
                match self { $(Self::$kind(fault) => fault.choose(choice)),+ }
            }

            /// How far it leads clocks at most; `None` if it leaves them alone, or says nothing of how far.
            pub fn reach(&self) -> Option<Reach> {
                match self { $(Self::$kind(fault) => fault.reach()),+ }
            }
        }

        impl Fault {
            /// What is done, in one line.
            pub fn words(&self) -> String {
                match self { $(Self::$kind(fault) => fault.words()),+ }
            }

            /// The spans of time that it names.
            pub fn ranges(&self) -> Vec<Range> {
                match self { $(Self::$kind(fault) => fault.ranges()),+ }
            }

            /// What it may do to the node that counts in a ranked role.
            pub(crate) fn incident(&self) -> Option<Incident> {
                match self { $(Self::$kind(fault) => fault.incident()),+ }
            }

            /// Whether it changes something at a node as the node is now, before it starts there.
            pub(crate) fn changes_node<N: Node>(&self, node: &NodeState<N>, now: Instant) -> bool {
                match self { $(Self::$kind(fault) => fault.changes_node(node, now)),+ }
            }

            /// Whether it changes something at a process that starts while it is in force.
            pub(crate) fn waits_for_process(&self) -> bool {
                match self { $(Self::$kind(fault) => fault.waits_for_process()),+ }
            }

            /// Whether it changes something on every link between nodes that are there.
            pub(crate) fn changes_links(&self) -> bool {
                match self { $(Self::$kind(fault) => fault.changes_links()),+ }
            }

            /// Whether it leads wall clocks, and so changes something only if they are read afterwards.
            pub(crate) fn leads_wall_clocks(&self) -> bool {
                match self { $(Self::$kind(fault) => fault.leads_wall_clocks()),+ }
            }

            /// It starts on a node.
            pub(crate) fn start_node<N: Node>(&self, key: u32, node: &mut NodeState<N>, now: Instant) -> After {
                match self { $(Self::$kind(fault) => fault.start_node(key, node, now)),+ }
            }

            /// It is lifted from a node.
            pub(crate) fn stop_node<N: Node>(&self, key: u32, node: &mut NodeState<N>, now: Instant) -> After {
                match self { $(Self::$kind(fault) => fault.stop_node(key, node, now)),+ }
            }

            /// It starts on a link, for the kinds of message in the mask.
            pub(crate) fn start_link(&self, key: u32, network: &mut Network, link: Link, mask: u64) {
                match self { $(Self::$kind(fault) => fault.start_link(key, network, link, mask)),+ }
            }
        }

        /// Every fault that lasts is lifted from a node.
        pub(crate) fn heal<N: Node>(node: &mut NodeState<N>, now: Instant) {
            $(<$kind as Done>::heal(node, now);)+
        }

        /// Whether a fault keeps the node's process from running as ever.
        #[inline]
        pub(crate) fn hampers<N: Node>(node: &NodeState<N>) -> bool {
            $(<$kind as Done>::hampers(node))||+
        }
    };
}

impl<L: Leaf> Fault<L> {
    /// Whether it has a state that lasts until it is lifted. The others happen once.
    pub fn lasts(&self) -> bool {
        self.lasting() == Lasting::Lifted
    }
}

impl Fault {
    /// Whether it is in force at this time, if it started then and was lifted at `stop`.
    pub fn is_in_force(&self, now: Instant, start: Instant, stop: Option<Instant>) -> bool {
        let end = match self.lasting() {
            Lasting::Lifted => stop.unwrap_or(Instant::MAX),
            Lasting::Once => start,
            Lasting::For(span) => start.saturating_add(span),
        };
        start <= now && now < end
    }

    /// Takes nodes or links out of it.
    pub(crate) fn retain(&mut self, node: impl Fn(NodeId) -> bool, link: impl Fn(Link) -> bool) {
        match self.target_mut() {
            TargetMut::Nodes(nodes) => nodes.retain(|it| node(*it)),
            TargetMut::Links(links) => links.retain(|it| link(*it)),
        }
    }

    /// The nodes that it hits by themselves; none if it hits links.
    pub fn nodes(&self) -> &[NodeId] {
        match self.target() {
            Target::Nodes(nodes) => nodes,
            Target::Links(_) => &[],
        }
    }
}

impl Fault<Selectors> {
    /// Its selectors, as the scenario wrote them.
    pub fn selector(&self) -> String {
        match self.target() {
            Target::Nodes(nodes) => words::selectors(nodes),
            Target::Links(form) => form.to_string(),
        }
    }
}

// Every kind. Its place is part of the format of digests: a new one comes last.
kinds! {
    Cut,
    Clog,
    Weather,
    Crash,
    Start,
    Pause,
    Slow,
    ClockStep,
    ClockDrift,
    ClockSlew,
    ClockFreeze,
    Disk,
    Suspend,
    Replay,
    Refuse,
}

#[cfg(test)]
mod tests;

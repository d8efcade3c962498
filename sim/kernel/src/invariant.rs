//! What must hold after every step, how it is counted, and how its breaking is reported.
//!
//! The invariants of a system are one struct. The world calls it at each thing that happens, and the struct says with
//! [`Findings::check`] whether a property holds:
//!
//! ```text
//!   a process starts   on_start ─▶ one input of a node   on_input ─▶ the handler ─▶ each effect on_effect ─▶ on_step
//!   a process ends     on_down      a fault starts or ends   on_fault      an entry of the history   on_history
//!   a time has come    on_deadline (asked for by deadline)   the settle phase   on_settle    the end   on_end
//! ```
//!
//! ```
//! use splitbrain_kernel::invariant::{Findings, Groups, InvariantInfo, InvariantKind, InvariantSet, Sight};
//!
//! const LIST: &[InvariantInfo] = &[InvariantInfo {
//!     name: "one_leader",
//!     doc: "At most one server leads.",
//!     source: "Raft §5.2",
//!     kind: InvariantKind::Safety,
//!     sight: Sight::BlackBox,
//! }];
//!
//! let mut findings = Findings::over(&Groups::Own(LIST), &InvariantSet::All);
//! findings.check(0, None, true, || unreachable!("the facts are made only if it is broken"));
//! assert!(!findings.is_broken());
//! findings.check(0, None, false, || "s1 and s2 lead".to_owned());
//! assert_eq!(findings.first(), Some((0, None, "s1 and s2 lead")));
//! assert_eq!(findings.evaluated_in(&Groups::Own(LIST)), [2]);
//! ```

mod group;

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::context::EffectRef;
use crate::fault::Fault;
use crate::history::HistoryEntryRef;
use crate::id::NodeId;
use crate::node::Node;
use crate::time::Instant;
use crate::view::View;

pub use group::{Groups, InvariantSet, NamedInvariant};

/// The invariants of a system: one concrete, cloneable struct, so that nothing is dispatched dynamically.
///
/// They read; they never draw random numbers and never change the world. Whether they run or not, the digest is the
/// same.
pub trait Invariants<N: Node>: Clone + Debug + Send + 'static {
    /// The invariants that these check themselves, by index. At most [`Findings::COUNT_MAX`]; more are split in two by
    /// [`Both`](crate::embedding::Both).
    const LIST: &'static [InvariantInfo];
    /// These by group: one group, unless inner systems are watched too.
    const GROUPS: Groups = Groups::Own(Self::LIST);

    /// A node starts, for the first time or again; before its `on_start`.
    fn on_start(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        let _ = (view, node, findings);
    }

    /// An effect leaves a node: at once, or once the write that it was tied to is durable. Before it is carried out.
    fn on_effect(&mut self, view: impl View<N>, node: NodeId, effect: EffectRef<'_, N>, findings: &mut Findings) {
        let _ = (view, node, effect, findings);
    }

    /// A node is about to handle an input: the view still shows its state before.
    fn on_input(&mut self, view: impl View<N>, node: NodeId, input: Input<'_, N>, findings: &mut Findings) {
        let _ = (view, node, input, findings);
    }

    /// A node has handled an input, and its effects have left.
    fn on_step(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        let _ = (view, node, findings);
    }

    /// A node's process has ended: crashed or exited.
    fn on_down(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        let _ = (view, node, findings);
    }

    /// A fault starts or is lifted; the world is already changed.
    fn on_fault(&mut self, view: impl View<N>, fault: &Fault, change: FaultChange, findings: &mut Findings) {
        let _ = (view, fault, change, findings);
    }

    /// The settle phase begins: a core of the servers is healed, all else stays as it is.
    fn on_settle(&mut self, view: impl View<N>, findings: &mut Findings) {
        let _ = (view, findings);
    }

    /// The next moment at which [`Invariants::on_deadline`] wants to be called; [`Instant::MAX`] for never.
    fn deadline(&self) -> Instant {
        Instant::MAX
    }

    /// The deadline has come, before any event at that instant. The next one must be later.
    fn on_deadline(&mut self, view: impl View<N>, findings: &mut Findings) {
        let _ = (view, findings);
    }

    /// The history of clients has grown by this entry, which is the last that the view shows. The completion of an
    /// operation comes right after [`Invariants::on_effect`] for it; those that are unknown because their process has
    /// ended come before [`Invariants::on_down`].
    fn on_history(&mut self, view: impl View<N>, entry: HistoryEntryRef<'_, N>, findings: &mut Findings) {
        let _ = (view, entry, findings);
    }

    /// The run has ended without a violation. The whole history is in the view.
    fn on_end(&mut self, view: impl View<N>, findings: &mut Findings) {
        let _ = (view, findings);
    }
}

/// An input of a node, by reference.
#[derive(Debug)]
pub enum Input<'a, N: Node> {
    /// Its process starts.
    Start,
    /// A message: who sent it, and over which connection.
    Message(crate::node::Source, &'a N::Message),
    /// A connection changed.
    Connection(&'a crate::node::ConnectionEvent),
    /// A timer fired.
    Timer(N::Timer),
    /// A write or sync ended.
    Durable(crate::node::Completion),
    /// Deferred work.
    Step(&'a N::Step),
    /// An operation.
    Operation(&'a N::Operation),
    /// An order.
    Order(&'a N::Order),
}

impl<N: Node> Clone for Input<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N: Node> Copy for Input<'_, N> {}

/// Whether a fault begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FaultChange {
    /// It begins.
    Start,
    /// It is lifted.
    Stop,
}

/// One invariant of a system, for `list`, for reports, and to switch it on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvariantInfo {
    /// Its name, which is its file's: `election_safety`.
    pub name: &'static str,
    /// The property, in one sentence.
    pub doc: &'static str,
    /// Where it is stated: a section of a paper, an issue.
    pub source: &'static str,
    /// What a breach is.
    pub kind: InvariantKind,
    /// What it looks at.
    pub sight: Sight,
}

/// What the breach of an invariant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum InvariantKind {
    /// Something that must never happen did: outcome `violated`.
    Safety,
    /// Something that must happen within a bound did not: outcome `stalled`.
    Liveness,
}

/// What an invariant looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Sight {
    /// Only what nodes say: messages, observations, histories.
    BlackBox,
    /// The state of nodes and disks too.
    WhiteBox,
}

impl Sight {
    /// Both.
    pub const ALL: [Self; 2] = [Self::BlackBox, Self::WhiteBox];

    /// Its name in scenario files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlackBox => "black_box",
            Self::WhiteBox => "white_box",
        }
    }
}

/// A broken invariant, typed, so that two failures can be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which invariant.
    pub invariant: String,
    /// The contradicting facts, in one or two sentences.
    pub message: String,
    /// The node that broke it, where there is one.
    pub node: Option<NodeId>,
    /// True time.
    pub at: Instant,
    /// Events handled so far, the one that broke it included.
    pub events: u64,
}

/// Counts evaluations and keeps the first violation: of one group of invariants, and of the groups after it.
#[derive(Clone, Debug)]
pub struct Findings {
    enabled: u64,
    evaluated: [u64; Self::COUNT_MAX],
    lacking: [u64; Self::COUNT_MAX],
    first: Option<Box<Finding>>,
    next: Option<Box<Self>>,
}

/// What was found.
#[derive(Clone, Debug)]
struct Finding {
    index: usize,
    node: Option<NodeId>,
    facts: String,
    story: Vec<String>,
}

impl Findings {
    /// The most invariants that one group may have.
    pub const COUNT_MAX: usize = 64;

    /// Findings over the invariants whose bit is set.
    pub const fn new(enabled: u64) -> Self {
        Self { enabled, evaluated: [0; Self::COUNT_MAX], lacking: [0; Self::COUNT_MAX], first: None, next: None }
    }

    /// Findings over the invariants of these groups that are in the set.
    ///
    /// # Panics
    /// Where a group has more than [`Findings::COUNT_MAX`] invariants.
    pub fn over(groups: &Groups, set: &InvariantSet) -> Self {
        assert!(groups.largest() <= Self::COUNT_MAX, "a group has at most {} invariants", Self::COUNT_MAX);
        let mut at = 0;
        let mut made: Vec<Self> = Vec::new();
        for (_, list) in groups.iter("") {
            let on = (0..list.len()).filter(|index| set.contains(at + index));
            made.push(Self::new(on.fold(0, |bits, index| bits | 1 << index)));
            at += list.len();
        }
        let chain = made.into_iter().rev().fold(None, |next, group| Some(Box::new(Self { next, ..group })));
        chain.map_or(Self::new(0), |first| *first)
    }

    /// Whether the invariant with this index is on. One that is off may skip its work, but must draw nothing either
    /// way.
    #[inline]
    pub const fn is_on(&self, index: usize) -> bool {
        self.enabled >> index & 1 == 1
    }

    /// Records one evaluation of an invariant; where it does not hold, `facts` says what contradicts it.
    #[inline(always)]
    pub fn check(&mut self, index: usize, node: Option<NodeId>, holds: bool, facts: impl FnOnce() -> String) {
        if !self.is_on(index) {
            return;
        }
        self.evaluated[index] += 1;
        if !holds {
            self.find(index, node, facts);
        }
    }

    /// Keeps the first violation. Apart, so that what is written about it weighs on no check that holds.
    #[cold]
    #[inline(never)]
    fn find(&mut self, index: usize, node: Option<NodeId>, facts: impl FnOnce() -> String) {
        if self.first.is_none() {
            self.first = Some(Box::new(Finding { index, node, facts: facts(), story: Vec::new() }));
        }
    }

    /// Adds lines for people to the first violation, if this invariant found it: what does not fit into a sentence,
    /// such as what each node was doing. Tabs separate the columns of a table. `story` is called at most once for a
    /// violation that gets lines.
    #[inline]
    pub fn explain(&mut self, index: usize, story: impl FnOnce() -> Vec<String>) {
        if let Some(found) = self.first.as_mut().filter(|found| found.index == index && found.story.is_empty()) {
            found.story = story();
        }
    }

    /// The lines that were added to the first violation.
    pub fn story(&self) -> &[String] {
        self.first.as_ref().map_or(&[], |found| &found.story)
    }

    /// Records that an invariant could not be evaluated, or only in part, because the node cannot say something that it
    /// asks for. It is no pass.
    #[cold]
    pub const fn lacks(&mut self, index: usize) {
        if self.is_on(index) {
            self.lacking[index] += 1;
        }
    }

    /// Calls with the findings of the groups after the first `groups`, which have `invariants` in all.
    #[inline]
    pub fn after(&mut self, groups: usize, invariants: usize, call: impl FnOnce(&mut Self)) {
        let mut part = &mut *self;
        for _ in 0..groups {
            part = part.next.as_mut().expect("each group has its findings");
        }
        call(part);
        if let Some(found) = part.first.take() {
            let index = found.index + invariants;
            self.first.get_or_insert(Box::new(Finding { index, ..*found }));
        }
    }

    /// Whether something is broken.
    #[inline]
    pub const fn is_broken(&self) -> bool {
        self.first.is_some()
    }

    /// How often each invariant was evaluated, by index over all of these groups.
    pub fn evaluated_in(&self, groups: &Groups) -> Vec<u64> {
        self.in_groups(groups, |part| &part.evaluated)
    }

    /// How often each invariant could not be evaluated for want of facts, by index over all of these groups.
    pub fn lacking_in(&self, groups: &Groups) -> Vec<u64> {
        self.in_groups(groups, |part| &part.lacking)
    }

    fn in_groups(&self, groups: &Groups, counts: impl Fn(&Self) -> &[u64; Self::COUNT_MAX]) -> Vec<u64> {
        let mut all = Vec::new();
        let mut part = Some(self);
        for (_, list) in groups.iter("") {
            let findings = part.expect("each group has its findings");
            all.extend_from_slice(&counts(findings)[..list.len()]);
            part = findings.next.as_deref();
        }
        all
    }

    /// How often each invariant of the first group was evaluated, by index.
    pub const fn evaluated(&self) -> &[u64; Self::COUNT_MAX] {
        &self.evaluated
    }

    /// How often each invariant could not be evaluated for want of facts, by index.
    pub const fn lacking(&self) -> &[u64; Self::COUNT_MAX] {
        &self.lacking
    }

    /// The first violation: index, node and facts.
    pub fn first(&self) -> Option<(usize, Option<NodeId>, &str)> {
        self.first.as_ref().map(|found| (found.index, found.node, found.facts.as_str()))
    }
}

/// The place of an invariant in a list, by its name in capitals. In a `const`, a name that is not there does not
/// compile.
#[doc(hidden)]
pub const fn place(list: &[InvariantInfo], name: &str) -> usize {
    let mut at = 0;
    while at < list.len() {
        if list[at].name.eq_ignore_ascii_case(name) {
            return at;
        }
        at += 1;
    }
    panic!("no invariant of the list has this name")
}

/// The invariants of a system: one line for each. On its left stands the constant that findings take, which is the name
/// of the invariant in capitals; a constant that is the name of none does not compile.
///
/// Makes `index` with these constants, and `LIST` for [`Invariants::LIST`].
///
/// ```
/// mod never_negative {
///     use splitbrain_kernel::invariant::{InvariantInfo, InvariantKind, Sight};
///
///     pub(super) const INFO: InvariantInfo = InvariantInfo {
///         name: "never_negative",
///         doc: "No balance is negative.",
///         source: "the bank",
///         kind: InvariantKind::Safety,
///         sight: Sight::BlackBox,
///     };
/// }
///
/// splitbrain_kernel::invariant_list! {
///     NEVER_NEGATIVE = never_negative::INFO,
/// }
/// # fn main() {
/// assert_eq!(LIST[index::NEVER_NEGATIVE].name, "never_negative");
/// # }
/// ```
///
/// ```compile_fail
/// # use splitbrain_kernel::invariant::{InvariantInfo, InvariantKind, Sight};
/// # const INFO: InvariantInfo = InvariantInfo {
/// #     name: "never_negative",
/// #     doc: "",
/// #     source: "",
/// #     kind: InvariantKind::Safety,
/// #     sight: Sight::BlackBox,
/// # };
/// splitbrain_kernel::invariant_list! {
///     NEVER_POSITIVE = INFO,
/// }
/// # fn main() {
/// assert_eq!(index::NEVER_POSITIVE, 0);
/// # }
/// ```
#[macro_export]
macro_rules! invariant_list {
    ($($place:ident = $info:expr),+ $(,)?) => {
        /// The place of each invariant in the list.
        mod index {
            $(pub(super) const $place: usize = $crate::invariant::place(super::LIST, stringify!($place));)+
        }

        const LIST: &[$crate::invariant::InvariantInfo] = &[$($info),+];
    };
}

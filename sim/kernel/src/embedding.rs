//! A node inside a node, both ways: outwards for what it does, inwards for those who watch it.

use std::fmt::Debug;

use crate::context::{EffectRef, OperationResult};
use crate::fault::Fault;
use crate::id::{Cluster, NodeId};
use crate::invariant::{FaultChange, Findings, Input, InvariantInfo, Invariants};
use crate::node::{FileId, Node, Write};
use crate::time::Instant;
use crate::view::{Projected, View};

/// The messages of a node type.
pub type MessageOf<N> = <N as Node>::Message;
/// Its timers.
pub type TimerOf<N> = <N as Node>::Timer;
/// Its records.
pub type RecordOf<N> = <N as Node>::Record;
/// Its observations.
pub type ObservationOf<N> = <N as Node>::Observation;
/// Its operations.
pub type OperationOf<N> = <N as Node>::Operation;
/// Its deferred work.
pub type StepOf<N> = <N as Node>::Step;

/// Part of a greater whole: the data of an inner node in the data of the outer one.
pub trait Part<W>: Sized {
    /// Out.
    fn wrap(self) -> W;
    /// In.
    fn peek(whole: &W) -> Option<&Self>;
}

/// Both ways for one variant: `part!(Tell => Said, Said::Inner)`.
#[macro_export]
macro_rules! part {
    ($inner:ty => $outer:ty, $($variant:ident)::+) => {
        impl $crate::embedding::Part<$outer> for $inner {
            fn wrap(self) -> $outer {
                $($variant)::+(self)
            }
            fn peek(whole: &$outer) -> Option<&Self> {
                if let $($variant)::+(inner) = whole { Some(inner) } else { None }
            }
        }
    };
}

/// A unit struct that says how one node lies in another, where each of its data is a variant of the outer one's.
#[macro_export]
macro_rules! embed {
    ($(#[$meta:meta])* $vis:vis struct $name:ident: $inner:ty, in $outer:ty, as $group:literal {
        files: $files:expr,
        hosts: $hosts:expr,
        node: $node:expr $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        $vis struct $name;

        impl $crate::embedding::Embedding for $name {
            type Outer = $outer;
            type Inner = $inner;
            const GROUP: &'static str = $group;
            #[inline]
            fn node<'a>(&self, outer: &'a $outer) -> Option<&'a $inner> {
                let node: fn(&$outer) -> Option<&$inner> = $node;
                node(outer)
            }
            #[inline]
            fn hosts(&self, node: $crate::id::NodeId) -> bool {
                let hosts: fn($crate::id::NodeId) -> bool = $hosts;
                hosts(node)
            }
            #[inline]
            fn file(&self, inner: $crate::node::FileId) -> $crate::node::FileId {
                $crate::node::FileId(inner.0 + $files)
            }
            #[inline]
            fn inner_file(&self, outer: $crate::node::FileId) -> Option<$crate::node::FileId> {
                outer.0.checked_sub($files).map($crate::node::FileId)
            }
            #[inline]
            fn message<'a>(
                &self,
                outer: &'a $crate::embedding::MessageOf<$outer>,
            ) -> Option<&'a $crate::embedding::MessageOf<$inner>> {
                $crate::embedding::Part::peek(outer)
            }
            #[inline]
            fn timer(&self, outer: $crate::embedding::TimerOf<$outer>) -> Option<$crate::embedding::TimerOf<$inner>> {
                $crate::embedding::Part::peek(&outer).copied()
            }
            #[inline]
            fn record<'a>(
                &self,
                outer: &'a $crate::embedding::RecordOf<$outer>,
            ) -> Option<&'a $crate::embedding::RecordOf<$inner>> {
                $crate::embedding::Part::peek(outer)
            }
            #[inline]
            fn observation<'a>(
                &self,
                outer: &'a $crate::embedding::ObservationOf<$outer>,
            ) -> Option<&'a $crate::embedding::ObservationOf<$inner>> {
                $crate::embedding::Part::peek(outer)
            }
            #[inline]
            fn operation<'a>(
                &self,
                outer: &'a $crate::embedding::OperationOf<$outer>,
            ) -> Option<&'a $crate::embedding::OperationOf<$inner>> {
                $crate::embedding::Part::peek(outer)
            }
            #[inline]
            fn step<'a>(
                &self,
                outer: &'a $crate::embedding::StepOf<$outer>,
            ) -> Option<&'a $crate::embedding::StepOf<$inner>> {
                $crate::embedding::Part::peek(outer)
            }
        }

        impl $crate::context::Lift<$inner> for $outer {
            fn message(inner: $crate::embedding::MessageOf<$inner>) -> Self::Message {
                $crate::embedding::Part::wrap(inner)
            }
            fn timer(inner: $crate::embedding::TimerOf<$inner>) -> Self::Timer {
                $crate::embedding::Part::wrap(inner)
            }
            fn write(
                write: $crate::node::Write<$crate::embedding::RecordOf<$inner>>,
            ) -> $crate::node::Write<Self::Record> {
                let file = |file: $crate::node::FileId| Some($crate::node::FileId(file.0 + $files));
                write.filter_map(file, |record| Some($crate::embedding::Part::wrap(record)))
                    .expect("all of it is lifted")
            }
            fn observation(inner: $crate::embedding::ObservationOf<$inner>) -> Option<Self::Observation> {
                Some($crate::embedding::Part::wrap(inner))
            }
            fn operation(inner: $crate::embedding::OperationOf<$inner>) -> Self::Operation {
                $crate::embedding::Part::wrap(inner)
            }
            fn step(inner: $crate::embedding::StepOf<$inner>) -> Self::Step {
                $crate::embedding::Part::wrap(inner)
            }
        }
    };
}

/// How a node lies inside another.
pub trait Embedding: Copy + Debug + Send + 'static {
    /// The node around it.
    type Outer: Node;
    /// The node inside.
    type Inner: Node;
    /// The prefix of its invariants, roles and resources: `raft`.
    const GROUP: &'static str;

    /// The inner node, where this process has one and it runs.
    fn node<'a>(&self, outer: &'a Self::Outer) -> Option<&'a Self::Inner>;
    /// Whether this node of the cluster has an inner node when it runs.
    fn hosts(&self, node: NodeId) -> bool;
    /// The cluster as the inner system sees it.
    fn cluster(&self, outer: Cluster) -> Cluster {
        outer
    }
    /// The number of the inner node's file on the outer one's disk.
    fn file(&self, inner: FileId) -> FileId;
    /// The inner node's number of a file, where it is its own.
    fn inner_file(&self, outer: FileId) -> Option<FileId>;

    /// Looks into a message.
    fn message<'a>(&self, outer: &'a MessageOf<Self::Outer>) -> Option<&'a MessageOf<Self::Inner>>;
    /// Looks into a timer.
    fn timer(&self, outer: TimerOf<Self::Outer>) -> Option<TimerOf<Self::Inner>>;
    /// Looks into a record.
    fn record<'a>(&self, outer: &'a RecordOf<Self::Outer>) -> Option<&'a RecordOf<Self::Inner>>;
    /// Looks into an observation.
    fn observation<'a>(&self, outer: &'a ObservationOf<Self::Outer>) -> Option<&'a ObservationOf<Self::Inner>>;
    /// Looks into an operation.
    fn operation<'a>(&self, outer: &'a OperationOf<Self::Outer>) -> Option<&'a OperationOf<Self::Inner>>;
    /// Looks into deferred work.
    fn step<'a>(&self, outer: &'a StepOf<Self::Outer>) -> Option<&'a StepOf<Self::Inner>>;

    /// Looks into an input.
    #[inline]
    fn input<'a>(&self, input: Input<'a, Self::Outer>) -> Option<Input<'a, Self::Inner>> {
        Some(match input {
            Input::Start => Input::Start,
            Input::Message(source, message) => Input::Message(source, self.message(message)?),
            Input::Connection(event) => Input::Connection(event),
            Input::Timer(timer) => Input::Timer(self.timer(timer)?),
            Input::Durable(completion) => Input::Durable(completion),
            Input::Step(step) => Input::Step(self.step(step)?),
            Input::Operation(operation) => Input::Operation(self.operation(operation)?),
        })
    }

    /// Looks into an effect.
    #[inline]
    fn effect<'a>(&self, effect: EffectRef<'a, Self::Outer>) -> Option<EffectRef<'a, Self::Inner>> {
        Some(match effect {
            EffectRef::Send { target, connection, message } => {
                EffectRef::Send { target, connection, message: self.message(message)? }
            }
            EffectRef::SetTimer { timer, at } => EffectRef::SetTimer { timer: self.timer(timer)?, at },
            EffectRef::CancelTimer(timer) => EffectRef::CancelTimer(self.timer(timer)?),
            EffectRef::Write { id, write, notice } => {
                let write = write.filter_map(|file| self.inner_file(file), |record| self.record(record))?;
                EffectRef::Write { id, write, notice }
            }
            EffectRef::Sync => EffectRef::Sync,
            EffectRef::Defer(step) => EffectRef::Defer(self.step(step)?),
            EffectRef::Connect { connection, target } => EffectRef::Connect { connection, target },
            EffectRef::Close(connection) => EffectRef::Close(connection),
            EffectRef::Invoke { id, operation } => EffectRef::Invoke { id, operation: self.operation(operation)? },
            EffectRef::Complete { id, result } => {
                let result = match result {
                    OperationResult::Ok(operation) => OperationResult::Ok(self.operation(operation)?),
                    OperationResult::Failed => OperationResult::Failed,
                    OperationResult::Unknown => OperationResult::Unknown,
                };
                EffectRef::Complete { id, result }
            }
            EffectRef::Observe(observation) => EffectRef::Observe(self.observation(observation)?),
            EffectRef::Exit(reason) => EffectRef::Exit(reason),
        })
    }
}

impl<R> Write<R> {
    /// The same write by reference.
    #[inline]
    pub const fn as_ref(&self) -> Write<&R> {
        match self {
            Self::Append(file, record) => Write::Append(*file, record),
            Self::Replace(file, record) => Write::Replace(*file, record),
            Self::Truncate(file, count) => Write::Truncate(*file, *count),
            Self::Discard(file, count) => Write::Discard(*file, *count),
        }
    }

    /// The same write of another file's record, where it has one.
    #[inline]
    pub fn filter_map<S>(
        self,
        file_of: impl Fn(FileId) -> Option<FileId>,
        record_of: impl Fn(R) -> Option<S>,
    ) -> Option<Write<S>> {
        Some(match self {
            Self::Append(file, record) => Write::Append(file_of(file)?, record_of(record)?),
            Self::Replace(file, record) => Write::Replace(file_of(file)?, record_of(record)?),
            Self::Truncate(file, count) => Write::Truncate(file_of(file)?, count),
            Self::Discard(file, count) => Write::Discard(file_of(file)?, count),
        })
    }
}

/// The most invariants of one system, over all of its groups.
pub const LISTED_MAX: usize = 256;

/// The invariants of an inner node, unchanged, over the node around it.
#[derive(Clone, Debug)]
pub struct Inside<E, I> {
    embedding: E,
    inner: I,
}

impl<E: Embedding, I: Invariants<E::Inner>> Inside<E, I> {
    /// These invariants over the inner node.
    pub const fn new(embedding: E, inner: I) -> Self {
        Self { embedding, inner }
    }

    /// The invariants, with all that they have seen.
    pub const fn inner(&self) -> &I {
        &self.inner
    }

    const BUFFER: [InvariantInfo; LISTED_MAX] = {
        let mut all = [InvariantInfo::NONE; LISTED_MAX];
        let mut at = 0;
        while at < I::LIST.len() {
            all[at] = InvariantInfo { group: E::GROUP, ..I::LIST[at] };
            at += 1;
        }
        all
    };
}

impl<E: Embedding, I: Invariants<E::Inner>> Invariants<E::Outer> for Inside<E, I> {
    const LIST: &'static [InvariantInfo] = Self::BUFFER.split_at(I::LIST.len()).0;
    const GROUPS: &'static [usize] = I::GROUPS;

    fn on_start(&mut self, outer: impl View<E::Outer>, node: NodeId, findings: &mut Findings) {
        if self.embedding.hosts(node) {
            let stage = Projected { outer, embedding: self.embedding };
            self.inner.on_start(stage, node, findings);
        }
    }

    #[inline]
    fn on_effect(
        &mut self,
        outer: impl View<E::Outer>,
        node: NodeId,
        effect: EffectRef<'_, E::Outer>,
        findings: &mut Findings,
    ) {
        if self.embedding.hosts(node)
            && let Some(effect) = self.embedding.effect(effect)
        {
            let stage = Projected { outer, embedding: self.embedding };
            self.inner.on_effect(stage, node, effect, findings);
        }
    }

    #[inline]
    fn on_input(
        &mut self,
        outer: impl View<E::Outer>,
        node: NodeId,
        input: Input<'_, E::Outer>,
        findings: &mut Findings,
    ) {
        if self.embedding.hosts(node)
            && let Some(input) = self.embedding.input(input)
        {
            let stage = Projected { outer, embedding: self.embedding };
            self.inner.on_input(stage, node, input, findings);
        }
    }

    #[inline]
    fn on_step(&mut self, outer: impl View<E::Outer>, node: NodeId, findings: &mut Findings) {
        if self.embedding.hosts(node) {
            let stage = Projected { outer, embedding: self.embedding };
            self.inner.on_step(stage, node, findings);
        }
    }

    fn on_down(&mut self, outer: impl View<E::Outer>, node: NodeId, findings: &mut Findings) {
        if self.embedding.hosts(node) {
            let stage = Projected { outer, embedding: self.embedding };
            self.inner.on_down(stage, node, findings);
        }
    }

    fn on_fault(&mut self, outer: impl View<E::Outer>, fault: &Fault, change: FaultChange, findings: &mut Findings) {
        let stage = Projected { outer, embedding: self.embedding };
        self.inner.on_fault(stage, fault, change, findings);
    }

    fn on_settle(&mut self, outer: impl View<E::Outer>, findings: &mut Findings) {
        let stage = Projected { outer, embedding: self.embedding };
        self.inner.on_settle(stage, findings);
    }

    #[inline]
    fn deadline(&self) -> Instant {
        self.inner.deadline()
    }

    fn on_deadline(&mut self, outer: impl View<E::Outer>, findings: &mut Findings) {
        let stage = Projected { outer, embedding: self.embedding };
        self.inner.on_deadline(stage, findings);
    }

    fn on_end(&mut self, outer: impl View<E::Outer>, findings: &mut Findings) {
        let stage = Projected { outer, embedding: self.embedding };
        self.inner.on_end(stage, findings);
    }
}

/// Two sets of invariants over one node.
#[derive(Clone, Debug)]
pub struct Both<A, B>(pub A, pub B);

/// Calls both, each with its own range of indexes.
macro_rules! both {
    ($self:ident, $findings:ident, $call:ident($($argument:expr),*)) => {{
        $self.0.$call($($argument,)* $findings);
        $findings.after(A::GROUPS.len(), A::LIST.len(), |findings| $self.1.$call($($argument,)* findings));
    }};
}

impl<N: Node, A: Invariants<N>, B: Invariants<N>> Invariants<N> for Both<A, B> {
    const LIST: &'static [InvariantInfo] = Joined::<N, A, B>::BUFFER.split_at(A::LIST.len() + B::LIST.len()).0;
    const GROUPS: &'static [usize] = Joined::<N, A, B>::GROUPS.split_at(A::GROUPS.len() + B::GROUPS.len()).0;

    fn on_start(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        both!(self, findings, on_start(view, node));
    }
    #[inline]
    fn on_effect(&mut self, view: impl View<N>, node: NodeId, effect: EffectRef<'_, N>, findings: &mut Findings) {
        both!(self, findings, on_effect(view, node, effect));
    }
    #[inline]
    fn on_input(&mut self, view: impl View<N>, node: NodeId, input: Input<'_, N>, findings: &mut Findings) {
        both!(self, findings, on_input(view, node, input));
    }
    #[inline]
    fn on_step(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        both!(self, findings, on_step(view, node));
    }
    fn on_down(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        both!(self, findings, on_down(view, node));
    }
    fn on_fault(&mut self, view: impl View<N>, fault: &Fault, change: FaultChange, findings: &mut Findings) {
        both!(self, findings, on_fault(view, fault, change));
    }
    fn on_settle(&mut self, view: impl View<N>, findings: &mut Findings) {
        both!(self, findings, on_settle(view));
    }
    #[inline]
    fn deadline(&self) -> Instant {
        self.0.deadline().min(self.1.deadline())
    }
    fn on_deadline(&mut self, view: impl View<N>, findings: &mut Findings) {
        let now = view.now();
        if self.0.deadline() <= now {
            self.0.on_deadline(view, findings);
        }
        if self.1.deadline() <= now {
            findings.after(A::GROUPS.len(), A::LIST.len(), |findings| self.1.on_deadline(view, findings));
        }
    }
    fn on_end(&mut self, view: impl View<N>, findings: &mut Findings) {
        both!(self, findings, on_end(view));
    }
}

struct Joined<N, A, B>(std::marker::PhantomData<(N, A, B)>);

impl<N: Node, A: Invariants<N>, B: Invariants<N>> Joined<N, A, B> {
    const GROUPS: [usize; 16] = {
        let mut all = [0; 16];
        let mut at = 0;
        while at < A::GROUPS.len() + B::GROUPS.len() {
            all[at] = if at < A::GROUPS.len() { A::GROUPS[at] } else { B::GROUPS[at - A::GROUPS.len()] };
            at += 1;
        }
        all
    };
    const BUFFER: [InvariantInfo; LISTED_MAX] = {
        let mut all = [InvariantInfo::NONE; LISTED_MAX];
        let mut at = 0;
        while at < A::LIST.len() {
            all[at] = A::LIST[at];
            at += 1;
        }
        while at < A::LIST.len() + B::LIST.len() {
            all[at] = B::LIST[at - A::LIST.len()];
            at += 1;
        }
        all
    };
}

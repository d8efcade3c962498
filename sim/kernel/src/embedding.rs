//! A node inside a node, both ways: outwards for what it does, inwards for those who watch it.
//!
//! ```text
//!                 Scope: effects, wrapped            world        Inside: node, disk, inputs and
//!    inner node ─────────────────────▶ outer node ─────────▶ ... ─────────────▶ invariants of the inner system
//! ```
//!
//! An [`Embedding`] says how one lies in the other. [`embed!`](crate::embed!) makes one.

mod both;
mod inside;
mod scope;

use std::fmt::Debug;

use crate::brief::Datum;
use crate::context::{Effect, EffectRef};
use crate::id::{Cluster, NodeId};
use crate::invariant::Input;
use crate::node::{FileId, Node, Recovered, Write};

pub use both::Both;
pub use inside::Inside;
pub use scope::Scope;

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
/// Its responses.
pub type ResponseOf<N> = <N as Node>::Response;
/// Its orders.
pub type OrderOf<N> = <N as Node>::Order;
/// Its deferred work.
pub type StepOf<N> = <N as Node>::Step;

/// How a node lies inside another: where the inner node is, and how its data becomes that of the outer node and back.
///
/// It is a value, and may carry data: a node that contains several inner nodes of one type has an embedding for each,
/// or one type of embedding that carries the number of the inner node.
///
/// - `inner_x(wrap_x(data))` is `data`, for each kind of data.
/// - `inner_file(wrap_file(file))` is `file`, and no two embeddings in one node share a file.
pub trait Embedding: Copy + Debug + Send + 'static {
    /// The node around it.
    type Outer: Node;
    /// The node inside.
    type Inner: Node;
    /// The group of the inner system: the prefix of its invariants (`raft.election_safety`) and, with
    /// [`Embedding::index`], the key of the random stream of the inner node.
    const GROUP: &'static str;

    /// Which of several inner nodes of one group this is. By default 0.
    fn index(&self) -> u32 {
        0
    }

    /// The inner node, if this process has one.
    fn node<'a>(&self, outer: &'a Self::Outer) -> Option<&'a Self::Inner>;
    /// Whether this node of the cluster has an inner node while it runs. Asked also while it is down.
    fn hosts(&self, node: NodeId) -> bool;
    /// The cluster as the inner system sees it. By default the same.
    fn cluster(&self, outer: Cluster) -> Cluster {
        outer
    }

    /// The outer node's number of a file of the inner node.
    fn wrap_file(&self, inner: FileId) -> FileId;
    /// The inner node's number of a file of the outer node; `None` if the file is not the inner node's.
    fn inner_file(&self, outer: FileId) -> Option<FileId>;

    /// Wraps a message.
    fn wrap_message(&self, inner: MessageOf<Self::Inner>) -> MessageOf<Self::Outer>;
    /// The inner node's message in a message; `None` if it is not the inner node's. The other functions that look
    /// inwards do the same for other data.
    fn inner_message<'a>(&self, outer: &'a MessageOf<Self::Outer>) -> Option<&'a MessageOf<Self::Inner>>;
    /// Wraps a timer.
    fn wrap_timer(&self, inner: TimerOf<Self::Inner>) -> TimerOf<Self::Outer>;
    /// Looks into a timer.
    fn inner_timer(&self, outer: TimerOf<Self::Outer>) -> Option<TimerOf<Self::Inner>>;
    /// Wraps a record.
    fn wrap_record(&self, inner: RecordOf<Self::Inner>) -> RecordOf<Self::Outer>;
    /// Looks into a record.
    fn inner_record<'a>(&self, outer: &'a RecordOf<Self::Outer>) -> Option<&'a RecordOf<Self::Inner>>;
    /// Wraps an observation; `None` keeps it inside.
    fn wrap_observation(&self, inner: ObservationOf<Self::Inner>) -> Option<ObservationOf<Self::Outer>>;
    /// Looks into an observation.
    fn inner_observation<'a>(&self, outer: &'a ObservationOf<Self::Outer>) -> Option<&'a ObservationOf<Self::Inner>>;
    /// Wraps an operation.
    fn wrap_operation(&self, inner: OperationOf<Self::Inner>) -> OperationOf<Self::Outer>;
    /// Looks into an operation.
    fn inner_operation<'a>(&self, outer: &'a OperationOf<Self::Outer>) -> Option<&'a OperationOf<Self::Inner>>;
    /// Wraps a response.
    fn wrap_response(&self, inner: ResponseOf<Self::Inner>) -> ResponseOf<Self::Outer>;
    /// Looks into a response.
    fn inner_response<'a>(&self, outer: &'a ResponseOf<Self::Outer>) -> Option<&'a ResponseOf<Self::Inner>>;
    /// Looks into an order. Orders go inwards alone.
    fn inner_order<'a>(&self, outer: &'a OrderOf<Self::Outer>) -> Option<&'a OrderOf<Self::Inner>>;
    /// Wraps deferred work.
    fn wrap_step(&self, inner: StepOf<Self::Inner>) -> StepOf<Self::Outer>;
    /// Looks into deferred work.
    fn inner_step<'a>(&self, outer: &'a StepOf<Self::Outer>) -> Option<&'a StepOf<Self::Inner>>;

    /// What the disk kept of the inner node.
    fn recovered(&self, outer: &Recovered<RecordOf<Self::Outer>>) -> Recovered<RecordOf<Self::Inner>> {
        let mut inner = Recovered::empty();
        for (file, records) in &outer.files {
            if let Some(file) = self.inner_file(*file) {
                let records =
                    records.iter().map(|record| record.as_ref().filter_map(|it| self.inner_record(it).cloned()));
                inner.files.push((file, records.collect::<Option<_>>().expect("a file has records of one node")));
            }
        }
        inner.files.sort_unstable_by_key(|(file, _)| *file);
        inner
    }

    /// Wraps an effect; `None` for an observation that is kept inside.
    #[inline]
    fn wrap_effect(&self, effect: Effect<Self::Inner>) -> Option<Effect<Self::Outer>> {
        Some(match effect {
            Effect::Send { target, connection, message } => {
                Effect::Send { target, connection, message: self.wrap_message(message) }
            }
            Effect::SetTimer { timer, at } => Effect::SetTimer { timer: self.wrap_timer(timer), at },
            Effect::CancelTimer(timer) => Effect::CancelTimer(self.wrap_timer(timer)),
            Effect::Write { id, write, notice } => Effect::Write { id, write: self.wrap_write(write), notice },
            Effect::Sync => Effect::Sync,
            Effect::Defer(step) => Effect::Defer(self.wrap_step(step)),
            Effect::Connect { connection, target } => Effect::Connect { connection, target },
            Effect::Close(connection) => Effect::Close(connection),
            Effect::Invoke { id, operation } => Effect::Invoke { id, operation: self.wrap_operation(operation) },
            Effect::Complete { id, result } => {
                Effect::Complete { id, result: result.filter_map(|response| Some(self.wrap_response(response)))? }
            }
            Effect::Observe(observation) => Effect::Observe(self.wrap_observation(observation)?),
            Effect::Exit(reason) => Effect::Exit(reason),
        })
    }

    /// Wraps a change to a file.
    #[inline]
    fn wrap_write(&self, write: Write<RecordOf<Self::Inner>>) -> Write<RecordOf<Self::Outer>> {
        match write {
            Write::Append(file, record) => Write::Append(self.wrap_file(file), self.wrap_record(record)),
            Write::Replace(file, record) => Write::Replace(self.wrap_file(file), self.wrap_record(record)),
            Write::Truncate(file, count) => Write::Truncate(self.wrap_file(file), count),
            Write::Discard(file, count) => Write::Discard(self.wrap_file(file), count),
        }
    }

    /// Looks into a value that is about to be shown to people, so that the inner node shows it:
    ///
    /// ```rust,ignore
    /// fn brief(datum: Datum<'_, Self>, f: &mut Formatter<'_>) -> fmt::Result {
    ///     match EchoInOuter.inner_datum(datum) {
    ///         Some(inner) => Echo::brief(inner, f),
    ///         None => datum.derived(f),
    ///     }
    /// }
    /// ```
    fn inner_datum<'a>(&self, datum: Datum<'a, Self::Outer>) -> Option<Datum<'a, Self::Inner>> {
        Some(match datum {
            Datum::Message(message) => Datum::Message(self.inner_message(message)?),
            Datum::Observation(observation) => Datum::Observation(self.inner_observation(observation)?),
            Datum::Timer(timer) => Datum::Timer(self.inner_timer(timer)?),
            Datum::Record(record) => Datum::Record(self.inner_record(record)?),
            Datum::Operation(operation) => Datum::Operation(self.inner_operation(operation)?),
            Datum::Response(response) => Datum::Response(self.inner_response(response)?),
            Datum::Order(order) => Datum::Order(self.inner_order(order)?),
            Datum::Step(step) => Datum::Step(self.inner_step(step)?),
            Datum::File(file) => Datum::File(self.inner_file(file)?),
        })
    }

    /// The input of the inner node in an input of the outer one.
    ///
    /// Starts, ends of writes and events of connections are shared: the inner node is shown all of them.
    #[inline]
    fn inner_input<'a>(&self, input: Input<'a, Self::Outer>) -> Option<Input<'a, Self::Inner>> {
        Some(match input {
            Input::Start => Input::Start,
            Input::Message(source, message) => Input::Message(source, self.inner_message(message)?),
            Input::Connection(event) => Input::Connection(event),
            Input::Timer(timer) => Input::Timer(self.inner_timer(timer)?),
            Input::Durable(completion) => Input::Durable(completion),
            Input::Step(step) => Input::Step(self.inner_step(step)?),
            Input::Operation(operation) => Input::Operation(self.inner_operation(operation)?),
            Input::Order(order) => Input::Order(self.inner_order(order)?),
        })
    }

    /// The effect of the inner node in an effect of the outer one.
    ///
    /// What carries no data of the node (a sync, a connection, an exit, an operation that ends without a response) is
    /// shown to it whichever of the two did it.
    #[inline]
    fn inner_effect<'a>(&self, effect: EffectRef<'a, Self::Outer>) -> Option<EffectRef<'a, Self::Inner>> {
        Some(match effect {
            EffectRef::Send { target, connection, message } => {
                EffectRef::Send { target, connection, message: self.inner_message(message)? }
            }
            EffectRef::SetTimer { timer, at } => EffectRef::SetTimer { timer: self.inner_timer(timer)?, at },
            EffectRef::CancelTimer(timer) => EffectRef::CancelTimer(self.inner_timer(timer)?),
            EffectRef::Write { id, write, notice } => {
                let write = write.filter_map(|file| self.inner_file(file), |record| self.inner_record(record))?;
                EffectRef::Write { id, write, notice }
            }
            EffectRef::Sync => EffectRef::Sync,
            EffectRef::Defer(step) => EffectRef::Defer(self.inner_step(step)?),
            EffectRef::Connect { connection, target } => EffectRef::Connect { connection, target },
            EffectRef::Close(connection) => EffectRef::Close(connection),
            EffectRef::Invoke { id, operation } => {
                EffectRef::Invoke { id, operation: self.inner_operation(operation)? }
            }
            EffectRef::Complete { id, result } => {
                EffectRef::Complete { id, result: result.filter_map(|response| self.inner_response(response))? }
            }
            EffectRef::Observe(observation) => EffectRef::Observe(self.inner_observation(observation)?),
            EffectRef::Exit(reason) => EffectRef::Exit(reason),
        })
    }
}

/// An [`Embedding`] without data: a unit struct. Each kind of data of the inner node is a variant of the outer node's.
///
/// In place of a variant stands `same` where both nodes have the same type, and `none` for what the inner node does not
/// use: a message, timer, record, operation, response or step that it does use all the same is a panic, an observation
/// is kept
/// inside. The inner node's files follow after `files` of the outer node's own.
///
/// ```
/// # use splitbrain_kernel::prelude::*;
/// # use splitbrain_kernel::serde::{Deserialize, Serialize};
/// # #[derive(Clone, Debug, Serialize, Deserialize)] #[serde(crate = "splitbrain_kernel::serde")] pub struct Ping;
/// # impl Message for Ping { const KINDS: &'static [&'static str] = &["ping"]; fn kind(&self) -> usize { 0 } }
/// # #[derive(Clone, Debug, Serialize)] #[serde(crate = "splitbrain_kernel::serde")] pub struct Said;
/// # impl Observation for Said {
/// #     const NAMES: &'static [&'static str] = &[];
/// #     fn face(&self) -> Face { Face::new("", Change::None) }
/// # }
/// # #[derive(Debug)] pub struct Echo;
/// # impl Node for Echo {
/// #     type Message = Ping; type Timer = (); type Record = u64; type Observation = Said;
/// #     type Operation = (); type Response = (); type Order = (); type Step = ();
/// #     fn on_start(&mut self, _: &mut Context<Self>) {}
/// #     fn on_message(&mut self, ctx: &mut Context<Self>, from: Source, _: Ping) { ctx.send(from.node, Ping); }
/// #     fn on_timer(&mut self, _: &mut Context<Self>, (): ()) {}
/// # }
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// # #[serde(crate = "splitbrain_kernel::serde")]
/// pub enum Letter {
///     Echo(Ping),
///     Own(String),
/// }
/// # impl Message for Letter {
/// #     const KINDS: &'static [&'static str] = &["ping", "own"];
/// #     fn kind(&self) -> usize { usize::from(matches!(self, Self::Own(_))) }
/// # }
///
/// #[derive(Debug)]
/// pub struct Outer {
///     echo: Echo,
///     scope: Scope<EchoInOuter>,
/// }
///
/// splitbrain_kernel::embed! {
///     /// The echo of an outer node.
///     pub struct EchoInOuter: Echo, in Outer, as "echo" {
///         files: 1,
///         hosts: |node| node.is_server(),
///         node: |outer| Some(&outer.echo),
///         message: Letter::Echo,
///         timer: none,
///         record: same,
///         observation: none,
///         operation: none,
///         response: none,
///         order: none,
///         step: none,
///     }
/// }
///
/// impl Node for Outer {
/// #   type Timer = &'static str; type Record = u64; type Observation = Said; type Operation = ();
/// #   type Response = (); type Order = (); type Step = ();
///     type Message = Letter;
///     // The other types, and:
///     fn on_start(&mut self, ctx: &mut Context<Self>) {
///         self.scope.enter(ctx, |ctx| self.echo.on_start(ctx));
///     }
///     fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Letter) {
///         match message {
///             Letter::Echo(ping) => self.scope.enter(ctx, |ctx| self.echo.on_message(ctx, source, ping)),
///             Letter::Own(_) => {}
///         }
///     }
/// #   fn on_timer(&mut self, _: &mut Context<Self>, _: &'static str) {}
/// }
/// # assert!(matches!(EchoInOuter.wrap_message(Ping), Letter::Echo(Ping)));
/// ```
#[macro_export]
macro_rules! embed {
    ($(#[$meta:meta])* $vis:vis struct $name:ident: $inner:ty, in $outer:ty, as $group:literal {
        files: $files:expr,
        hosts: $hosts:expr,
        node: $node:expr,
        message: $($message:ident)::+,
        timer: $($timer:ident)::+,
        record: $($record:ident)::+,
        observation: $($observation:ident)::+,
        operation: $($operation:ident)::+,
        response: $($response:ident)::+,
        order: $($order:ident)::+,
        step: $($step:ident)::+ $(,)?
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
            fn wrap_file(&self, inner: $crate::node::FileId) -> $crate::node::FileId {
                $crate::node::FileId(inner.0 + $files)
            }
            #[inline]
            fn inner_file(&self, outer: $crate::node::FileId) -> Option<$crate::node::FileId> {
                outer.0.checked_sub($files).map($crate::node::FileId)
            }
            $crate::embed_part!(wrap_message, inner_message, MessageOf, $inner, $outer, $($message)::+);
            $crate::embed_part!(wrap_record, inner_record, RecordOf, $inner, $outer, $($record)::+);
            $crate::embed_part!(wrap_operation, inner_operation, OperationOf, $inner, $outer, $($operation)::+);
            $crate::embed_part!(wrap_response, inner_response, ResponseOf, $inner, $outer, $($response)::+);
            #[inline]
            fn inner_order<'a>(
                &self,
                outer: &'a $crate::embedding::OrderOf<$outer>,
            ) -> Option<&'a $crate::embedding::OrderOf<$inner>> {
                $crate::embed_look!(outer, $($order)::+)
            }
            $crate::embed_part!(wrap_step, inner_step, StepOf, $inner, $outer, $($step)::+);
            #[inline]
            fn wrap_timer(&self, inner: $crate::embedding::TimerOf<$inner>) -> $crate::embedding::TimerOf<$outer> {
                $crate::embed_wrap!(inner, "timer", $($timer)::+)
            }
            #[inline]
            fn inner_timer(
                &self,
                outer: $crate::embedding::TimerOf<$outer>,
            ) -> Option<$crate::embedding::TimerOf<$inner>> {
                $crate::embed_look!(outer, $($timer)::+)
            }
            #[inline]
            fn wrap_observation(
                &self,
                inner: $crate::embedding::ObservationOf<$inner>,
            ) -> Option<$crate::embedding::ObservationOf<$outer>> {
                $crate::embed_keep!(inner, $($observation)::+)
            }
            #[inline]
            fn inner_observation<'a>(
                &self,
                outer: &'a $crate::embedding::ObservationOf<$outer>,
            ) -> Option<&'a $crate::embedding::ObservationOf<$inner>> {
                $crate::embed_look!(outer, $($observation)::+)
            }
        }
    };
}

/// The names of the kinds of an inner node's messages, or of its observations, and then those of the outer node's own.
///
/// ```
/// const KINDS: &[&str] = splitbrain_kernel::joined!(&["vote", "append"], &["hello"]);
/// assert_eq!(KINDS, ["vote", "append", "hello"]);
/// ```
#[macro_export]
macro_rules! joined {
    ($inner:expr, $own:expr) => {{
        const INNER: &[&str] = $inner;
        const OWN: &[&str] = $own;
        const ALL: [&str; INNER.len() + OWN.len()] = {
            let mut all = [""; INNER.len() + OWN.len()];
            let mut at = 0;
            while at < all.len() {
                all[at] = if at < INNER.len() { INNER[at] } else { OWN[at - INNER.len()] };
                at += 1;
            }
            all
        };
        &ALL
    }};
}

/// Both directions of one kind of data, for [`embed!`](crate::embed!).
#[doc(hidden)]
#[macro_export]
macro_rules! embed_part {
    ($wrap:ident, $look:ident, $of:ident, $inner:ty, $outer:ty, $($variant:ident)::+) => {
        #[inline]
        fn $wrap(&self, inner: $crate::embedding::$of<$inner>) -> $crate::embedding::$of<$outer> {
            $crate::embed_wrap!(inner, stringify!($of), $($variant)::+)
        }
        #[inline]
        fn $look<'a>(
            &self,
            outer: &'a $crate::embedding::$of<$outer>,
        ) -> Option<&'a $crate::embedding::$of<$inner>> {
            $crate::embed_look!(outer, $($variant)::+)
        }
    };
}

/// Outwards, for [`embed!`](crate::embed!).
#[doc(hidden)]
#[macro_export]
macro_rules! embed_wrap {
    ($inner:ident, $what:expr, same) => { $inner };
    ($inner:ident, $what:expr, none) => { $crate::embedding::not_embedded($what, &$inner) };
    ($inner:ident, $what:expr, $($variant:ident)::+) => { $($variant)::+($inner) };
}

/// Outwards for an observation, for [`embed!`](crate::embed!).
#[doc(hidden)]
#[macro_export]
macro_rules! embed_keep {
    ($inner:ident, same) => { Some($inner) };
    ($inner:ident, none) => {{
        let _ = $inner;
        None
    }};
    ($inner:ident, $($variant:ident)::+) => { Some($($variant)::+($inner)) };
}

/// Inwards, for [`embed!`](crate::embed!).
#[doc(hidden)]
#[macro_export]
macro_rules! embed_look {
    ($outer:ident, same) => { Some($outer) };
    ($outer:ident, none) => {{
        let _ = $outer;
        None
    }};
    ($outer:ident, $($variant:ident)::+) => {
        if let $($variant)::+(inner) = $outer { Some(inner) } else { None }
    };
}

/// An inner node used what its embedding says that it does not use.
#[doc(hidden)]
#[cold]
pub fn not_embedded(what: &str, data: &impl Debug) -> ! {
    panic!("the embedding of the inner node says `none` for {what}, and it used {data:?}")
}

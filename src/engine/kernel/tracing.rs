//! What the kernel traces, as entries of a recording.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use splitbrain_kernel::fault::Fault;
use splitbrain_kernel::id::{Link, NodeId};
use splitbrain_kernel::invariant::{FaultChange, Input};
use splitbrain_kernel::node::{Change, Completion, Message, Node, Observation};
use splitbrain_kernel::plan::Moment;
use splitbrain_kernel::trace::{TraceItem, Tracer};

use crate::engine::{Entry, EntryKind, Recorder};
use crate::wording;

/// Turns items into entries, and keeps the roles that nodes report.
#[derive(Debug)]
pub struct Tracing<R> {
    recorder: R,
    roles: BTreeMap<NodeId, &'static str>,
}

impl<R: Recorder> Tracing<R> {
    /// Tells this recorder.
    pub const fn new(recorder: R) -> Self {
        Self { recorder, roles: BTreeMap::new() }
    }
}

impl<N: Node, R: Recorder> Tracer<N> for Tracing<R> {
    const ON: bool = true;

    fn record(&mut self, moment: Moment, item: TraceItem<'_, N>) {
        let role = match &item {
            TraceItem::Observed { observation, .. } => role(*observation),
            _ => None,
        };
        let mut entry = describe(item);
        entry.at = moment.at;
        entry.event = moment.after_events;
        self.follow_role(&mut entry, role);
        self.recorder.record(entry);
    }
}

impl<R> Tracing<R> {
    /// An entry shows the role that the node had before.
    fn follow_role(&mut self, entry: &mut Entry, new: Option<&'static str>) {
        let Some(node) = entry.node else { return };
        if matches!(entry.kind, EntryKind::Start | EntryKind::Exited) {
            self.roles.remove(&node);
        }
        entry.role = self.roles.get(&node).copied();
        if let Some(role) = new {
            self.roles.insert(node, role);
        }
    }
}

/// The role that an observation reports.
fn role<O: Observation>(observation: &O) -> Option<&'static str> {
    match observation.face().change {
        Change::Role { role, .. } => Some(role),
        Change::None | Change::Gained { .. } | Change::Lost { .. } => None,
    }
}

fn describe<N: Node>(item: TraceItem<'_, N>) -> Entry {
    match item {
        TraceItem::Input { node, input } => describe_input(node, input),
        TraceItem::Sent { link, connection, message, ordinal, arrives, again } => {
            let entry = on_link(EntryKind::Sent, link, message_name(message), message);
            let over = connection.map(|connection| data(&connection));
            let more = json!({
                "message": entry.data, "connection": over, "ordinal": ordinal,
                "arrives_ns": arrives.map(|at| at.as_nanos()), "again_ns": again.map(|at| at.as_nanos()),
            });
            Entry { data: more, ..entry }
        }
        TraceItem::Lost { link, ordinal, why } => {
            let text = format!("#{ordinal} {}", wording::words(&format!("{why:?}")));
            plain(EntryKind::Lost, Some(link.source), Some(link.target), "lost", text, json!({ "ordinal": ordinal }))
        }
        TraceItem::Held { link, ordinal } => {
            let text = format!("#{ordinal}");
            plain(EntryKind::Held, Some(link.source), Some(link.target), "held", text, json!({ "ordinal": ordinal }))
        }
        TraceItem::Wrote { node, id, write } => debugged(EntryKind::Wrote, node, &format!("write {}", id.0), write),
        TraceItem::Observed { node, observation } => {
            let name = observation.face().name;
            let text = wording::fields(&format!("{observation:?}")).to_owned();
            plain(EntryKind::Observed, Some(node), None, name, text, data(observation))
        }
        TraceItem::Invoked { node, id, operation } => {
            let text = format!("#{} {operation:?}", id.0);
            plain(EntryKind::Invoked, Some(node), None, "invoke", text, json!({ "id": id, "operation": operation }))
        }
        TraceItem::Completed { node, id, result } => {
            let text = format!("#{} {result:?}", id.0);
            plain(EntryKind::Completed, Some(node), None, "complete", text, json!({ "id": id, "result": result }))
        }
        TraceItem::Exited { node, reason } => {
            plain(EntryKind::Exited, Some(node), None, "exit", reason.to_owned(), Value::Null)
        }
        TraceItem::Fault { id, change, fault } => describe_fault(id, change, fault),
        TraceItem::Settled { core } => {
            let names: Vec<String> = core.iter().map(NodeId::to_string).collect();
            plain(
                EntryKind::Settled,
                None,
                None,
                "settle",
                format!("core {}", names.join(" ")),
                json!({ "core": core }),
            )
        }
        TraceItem::Violated(violation) => {
            let (name, text) = (&violation.invariant, violation.message.clone());
            plain(EntryKind::Violated, violation.node, None, name, text, data(violation))
        }
    }
}

fn describe_input<N: Node>(node: NodeId, input: Input<'_, N>) -> Entry {
    match input {
        Input::Start => plain(EntryKind::Start, Some(node), None, "start", String::new(), Value::Null),
        Input::Message(source, message) => {
            let link = Link::new(node, source);
            on_link(EntryKind::Message, link, message_name(message), message)
        }
        Input::Connection(event) => {
            let name = wording::words(&format!("{:?}", event.change));
            let text = format!("{}#{}", event.connection.opener, event.connection.number);
            plain(EntryKind::Connection, Some(node), Some(event.peer), &name, text, data(event))
        }
        Input::Timer(timer) => debugged(EntryKind::Timer, node, "timer", &timer),
        Input::Durable(completion) => {
            let (name, text) = match completion {
                Completion::Written(id) => ("written", format!("write {}", id.0)),
                Completion::Durable(id) => ("durable", format!("up to write {}", id.0)),
                Completion::Failed(id, error) => ("failed", format!("write {}: {error:?}", id.0)),
            };
            plain(EntryKind::Durable, Some(node), None, name, text, data(&completion))
        }
        Input::Step(step) => debugged(EntryKind::Step, node, "step", step),
        Input::Operation(operation) => debugged(EntryKind::Operation, node, "operation", operation),
    }
}

fn describe_fault(id: &str, change: FaultChange, fault: &Fault) -> Entry {
    let kind = match change {
        FaultChange::Start => EntryKind::Fault,
        FaultChange::Stop => EntryKind::Lifted,
    };
    let text = wording::fault(fault);
    plain(kind, None, None, id, text, data(fault))
}

fn message_name<M: Message>(message: &M) -> &'static str {
    M::KINDS.get(message.kind()).copied().unwrap_or("message")
}

fn on_link<T: std::fmt::Debug + Serialize>(kind: EntryKind, link: Link, name: &str, value: &T) -> Entry {
    let text = wording::fields(&format!("{value:?}")).to_owned();
    plain(kind, Some(link.source), Some(link.target), name, text, data(value))
}

/// An entry whose name comes first and whose text is the value as Rust prints it.
fn debugged<T: std::fmt::Debug + Serialize>(kind: EntryKind, node: NodeId, name: &str, value: &T) -> Entry {
    plain(kind, Some(node), None, name, format!("{value:?}"), data(value))
}

fn plain(kind: EntryKind, node: Option<NodeId>, peer: Option<NodeId>, name: &str, text: String, data: Value) -> Entry {
    let at = splitbrain_kernel::time::Instant::ZERO;
    Entry { at, event: 0, kind, node, peer, role: None, name: name.to_owned(), text, data }
}

/// What JSON cannot hold (a map whose keys are no text) is kept as null: the text has it all the same.
fn data<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

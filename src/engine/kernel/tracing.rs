//! What the kernel traces, as entries of a recording.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use splitbrain_kernel::brief::{Datum, Written, message_name};
use splitbrain_kernel::context::OperationResult;
use splitbrain_kernel::fault::Fault;
use splitbrain_kernel::id::{Link, NodeId};
use splitbrain_kernel::invariant::{FaultChange, Input};
use splitbrain_kernel::node::{Change, Completion, ConnectionId, Message, Node, Observation};
use splitbrain_kernel::plan::Moment;
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::trace::{TraceItem, Tracer};

use crate::engine::{Entry, EntryKind, LogLine, Recorder, Stamp, log};

/// Turns items into entries, and keeps the role and the epoch that nodes report.
#[derive(Debug)]
pub struct Tracing<R: Recorder> {
    recorder: R,
    nodes: BTreeMap<NodeId, Known>,
    /// The node that handled the last input or was made after it, and when: the author of log lines without a stamp.
    last: Option<(NodeId, Moment)>,
    /// Whether the run has ended at a violation: the code under test may go on for a while, and tells nothing more.
    is_over: bool,
}

/// What a node last said of itself.
#[derive(Clone, Debug, Default)]
struct Known {
    /// By group, in the order in which the groups were first heard of.
    roles: Vec<(&'static str, &'static str)>,
    epoch: Option<u64>,
}

impl<R: Recorder> Tracing<R> {
    /// Tells this recorder.
    pub const fn new(recorder: R) -> Self {
        Self { recorder, nodes: BTreeMap::new(), last: None, is_over: false }
    }

    /// Records what the code on this thread has logged since the last item.
    fn record_log(&mut self) {
        for (stamp, line) in log::take() {
            if !self.is_over {
                self.record_line(stamp, &line);
            }
        }
    }

    fn record_line(&mut self, stamp: Option<Stamp>, line: &LogLine) {
        let Stamp { at, node } = stamp.unwrap_or_else(|| {
            let at = self.last.map_or(Instant::ZERO, |(_, moment)| moment.at);
            Stamp { at, node: self.last.map(|(node, _)| node) }
        });
        let event = self.last.map_or(0, |(_, moment)| moment.after_events);
        let mut entry = Entry { at, event, node, ..line.entry(self.recorder.wants_data()) };
        self.follow(&mut entry, Known::default());
        self.recorder.record(entry);
    }
}

/// What was logged after the last item.
impl<R: Recorder> Drop for Tracing<R> {
    fn drop(&mut self) {
        self.record_log();
    }
}

impl<N: Node, R: Recorder> Tracer<N> for Tracing<R> {
    fn is_on(&self) -> bool {
        true
    }

    fn record(&mut self, moment: Moment, item: TraceItem<'_, N>) {
        self.record_log();
        if let TraceItem::Input { node, .. } = &item {
            self.last = Some((*node, moment));
        }
        let kind = kind_of(&item);
        self.is_over |= kind == EntryKind::Violated;
        // What a node says of itself is followed whether anyone wants to read it or not.
        let is_followed = matches!(kind, EntryKind::Start | EntryKind::Observed | EntryKind::Exited);
        if !is_followed && (self.recorder.after() > 0 || !self.recorder.wants(kind)) {
            return self.recorder.skip(kind);
        }
        let news = match &item {
            TraceItem::Observed { observation, .. } => known(*observation),
            _ => Known::default(),
        };
        let mut entry = describe(item, Keep(self.recorder.wants_data()));
        assert_eq!(entry.kind, kind, "an entry is of the sort that was asked about");
        entry.at = moment.at;
        entry.event = moment.after_events;
        self.follow(&mut entry, news);
        self.recorder.record(entry);
    }

    /// What the constructor of a node logs belongs to the new process, which has no role yet.
    fn before_node(&mut self, moment: Moment, node: NodeId) {
        self.record_log();
        self.nodes.remove(&node);
        self.last = Some((node, moment));
    }
}

impl<R: Recorder> Tracing<R> {
    /// An entry shows what the node was before.
    fn follow(&mut self, entry: &mut Entry, news: Known) {
        let Some(node) = entry.node else { return };
        if entry.kind == EntryKind::Start {
            self.nodes.remove(&node);
        }
        let known = self.nodes.entry(node).or_default();
        let roles: Vec<&str> = known.roles.iter().map(|(_, role)| *role).collect();
        entry.role = (!roles.is_empty()).then(|| roles.join(" "));
        entry.epoch = entry.epoch.or(known.epoch);
        known.epoch = news.epoch.or(known.epoch);
        for (group, role) in news.roles {
            match known.roles.iter_mut().find(|(of, _)| *of == group) {
                Some((_, known)) => *known = role,
                None => known.roles.push((group, role)),
            }
        }
        if entry.kind == EntryKind::Exited {
            self.nodes.remove(&node);
        }
    }
}

/// The sort of the entry that an item becomes.
const fn kind_of<N: Node>(item: &TraceItem<'_, N>) -> EntryKind {
    match item {
        TraceItem::Input { input, .. } => match input {
            Input::Start => EntryKind::Start,
            Input::Message(..) => EntryKind::Message,
            Input::Connection(_) => EntryKind::Connection,
            Input::Timer(_) => EntryKind::Timer,
            Input::Durable(_) => EntryKind::Durable,
            Input::Step(_) => EntryKind::Step,
            Input::Operation(_) => EntryKind::Operation,
            Input::Order(_) => EntryKind::Order,
        },
        TraceItem::Sent { .. } => EntryKind::Sent,
        TraceItem::Lost { .. } => EntryKind::Lost,
        TraceItem::Held { .. } => EntryKind::Held,
        TraceItem::Wrote { .. } => EntryKind::Wrote,
        TraceItem::Observed { .. } => EntryKind::Observed,
        TraceItem::Invoked { .. } => EntryKind::Invoked,
        TraceItem::Completed { .. } => EntryKind::Completed,
        TraceItem::Exited { .. } => EntryKind::Exited,
        TraceItem::Fault { change: FaultChange::Start, .. } => EntryKind::Fault,
        TraceItem::Fault { change: FaultChange::Stop, .. } => EntryKind::Lifted,
        TraceItem::Settled { .. } => EntryKind::Settled,
        TraceItem::Violated(_) => EntryKind::Violated,
    }
}

/// What an observation says of its node.
fn known<O: Observation>(observation: &O) -> Known {
    let face = observation.face();
    let roles = match face.change {
        Change::Role { role, .. } => vec![(face.group, role)],
        Change::None | Change::Gained { .. } | Change::Lost { .. } => Vec::new(),
    };
    Known { roles, epoch: observation.epoch() }
}

fn describe<N: Node>(item: TraceItem<'_, N>, keep: Keep) -> Entry {
    match item {
        TraceItem::Input { node, input } => Entry { node: Some(node), ..describe_input(input, keep) },
        TraceItem::Sent { link, connection, message, ordinal, arrives, again } => {
            let more = keep.json(|| {
                json!({
                    "message": data(message), "connection": connection.map(|one| data(&one)), "ordinal": ordinal,
                    "arrives_ns": arrives.map(|at| at.as_nanos()), "again_ns": again.map(|at| at.as_nanos()),
                })
            });
            let entry = Entry::new(EntryKind::Sent, message_name(message), Datum::<N>::Message(message).to_string());
            on_link(link, Entry { epoch: message.epoch(), data: more, ..entry })
        }
        TraceItem::Lost { link, ordinal, why } => {
            let entry = Entry::new(EntryKind::Lost, "lost", format!("#{ordinal} {why}"));
            on_link(link, Entry { data: keep.json(|| json!({ "ordinal": ordinal, "why": why })), ..entry })
        }
        TraceItem::Held { link, ordinal } => {
            let entry = Entry::new(EntryKind::Held, "held", format!("#{ordinal}"));
            on_link(link, Entry { data: keep.json(|| json!({ "ordinal": ordinal })), ..entry })
        }
        TraceItem::Wrote { node, id, write } => {
            let entry = Entry::new(EntryKind::Wrote, format!("write {}:", id.0), Written::<N>(write).to_string());
            Entry { node: Some(node), data: keep.json(|| json!({ "id": id, "write": data(write) })), ..entry }
        }
        TraceItem::Observed { node, observation } => {
            let text = Datum::<N>::Observation(observation).to_string();
            let entry = Entry::new(EntryKind::Observed, observation.face().name, text);
            Entry { node: Some(node), data: keep.data(observation), ..entry }
        }
        TraceItem::Invoked { node, id, operation } => {
            let text = format!("#{} {}", id.0, Datum::<N>::Operation(operation));
            let entry = Entry::new(EntryKind::Invoked, "invoke", text);
            Entry { node: Some(node), data: keep.json(|| json!({ "id": id, "operation": data(operation) })), ..entry }
        }
        TraceItem::Completed { node, id, result } => {
            let text = format!("#{} {}", id.0, ended::<N>(result));
            let entry = Entry::new(EntryKind::Completed, "complete", text);
            Entry { node: Some(node), data: keep.json(|| json!({ "id": id, "result": data(&result) })), ..entry }
        }
        TraceItem::Exited { node, reason } => {
            Entry { node: Some(node), ..Entry::new(EntryKind::Exited, "exit", reason) }
        }
        TraceItem::Fault { id, change, fault } => describe_fault(id, change, fault, keep),
        TraceItem::Settled { core } => {
            let names: Vec<String> = core.iter().map(NodeId::to_string).collect();
            let entry = Entry::new(EntryKind::Settled, "settle", format!("core {}", names.join(" ")));
            Entry { data: keep.json(|| json!({ "core": core })), ..entry }
        }
        TraceItem::Violated(violation) => {
            let entry = Entry::new(EntryKind::Violated, violation.invariant.clone(), violation.message.clone());
            Entry { node: violation.node, data: keep.data(violation), ..entry }
        }
    }
}

fn describe_input<N: Node>(input: Input<'_, N>, keep: Keep) -> Entry {
    match input {
        Input::Start => Entry::new(EntryKind::Start, "start", ""),
        Input::Message(source, message) => {
            let text = Datum::<N>::Message(message).to_string();
            let entry = Entry::new(EntryKind::Message, message_name(message), text);
            Entry { peer: Some(source.node), peer_epoch: message.epoch(), data: keep.data(message), ..entry }
        }
        Input::Connection(event) => {
            let entry = Entry::new(EntryKind::Connection, event.change.to_string(), connection(event.connection));
            Entry { peer: Some(event.peer), data: keep.data(event), ..entry }
        }
        Input::Timer(timer) => {
            let entry = Entry::new(EntryKind::Timer, "timer", Datum::<N>::Timer(timer).to_string());
            Entry { data: keep.data(&timer), ..entry }
        }
        Input::Durable(completion) => {
            let (name, text) = match completion {
                Completion::Written(id) => ("written", format!("write {}", id.0)),
                Completion::Durable(id) => ("durable", format!("up to write {}", id.0)),
                Completion::Failed(id, error) => ("failed", format!("write {}: {error}", id.0)),
            };
            Entry { data: keep.data(&completion), ..Entry::new(EntryKind::Durable, name, text) }
        }
        Input::Step(step) => {
            let entry = Entry::new(EntryKind::Step, "step", Datum::<N>::Step(step).to_string());
            Entry { data: keep.data(step), ..entry }
        }
        Input::Operation(operation) => {
            let text = Datum::<N>::Operation(operation).to_string();
            Entry { data: keep.data(operation), ..Entry::new(EntryKind::Operation, "asked for", text) }
        }
        Input::Order(order) => {
            let text = Datum::<N>::Order(order).to_string();
            Entry { data: keep.data(order), ..Entry::new(EntryKind::Order, "order", text) }
        }
    }
}

fn ended<N: Node>(result: OperationResult<&N::Response>) -> String {
    match result {
        OperationResult::Ok(response) => format!("ok: {}", Datum::<N>::Response(response)),
        OperationResult::Failed => "failed".to_owned(),
        OperationResult::Unknown => "unknown".to_owned(),
    }
}

fn describe_fault(id: &str, change: FaultChange, fault: &Fault, keep: Keep) -> Entry {
    let kind = match change {
        FaultChange::Start => EntryKind::Fault,
        FaultChange::Stop => EntryKind::Lifted,
    };
    Entry { data: keep.data(fault), ..Entry::new(kind, id, fault.words()) }
}

fn connection(id: ConnectionId) -> String {
    format!("{}#{}", id.opener, id.number)
}

fn on_link(link: Link, entry: Entry) -> Entry {
    Entry { node: Some(link.source), peer: Some(link.target), ..entry }
}

/// Whether entries hold what is for programs beside their line.
#[derive(Clone, Copy)]
struct Keep(bool);

impl Keep {
    fn data<T: Serialize>(self, value: &T) -> Value {
        if self.0 { data(value) } else { Value::Null }
    }

    fn json(self, make: impl FnOnce() -> Value) -> Value {
        if self.0 { make() } else { Value::Null }
    }
}

/// What JSON cannot hold (a map whose keys are no text) is kept as null: the text has it all the same.
fn data<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use splitbrain_systems::raft::RaftNode;
    use splitbrain_systems::raft::ids::Term;
    use splitbrain_systems::raft::observation::RaftObservation;

    use super::*;
    use crate::engine::Capture;

    type AnyNode = RaftNode;

    fn moment(at: u64) -> Moment {
        Moment { at: Instant::from_nanos(at), after_events: at, order: 0 }
    }

    fn record(tracing: &mut Tracing<&mut Vec<Entry>>, at: u64, item: TraceItem<'_, AnyNode>) {
        tracing.record(moment(at), item);
    }

    /// What a handler logs belongs to its node, at the time of its input, and comes before what follows.
    #[test]
    fn log_lines_are_entries_of_the_node_that_handles_an_input() {
        let mut entries = Vec::new();
        let _capture = Capture::begin(|| None);
        let mut tracing = Tracing::new(&mut entries);
        let (one, two) = (NodeId::server(1), NodeId::server(2));
        tracing::info!("before the first input");
        record(&mut tracing, 5, TraceItem::Input { node: one, input: Input::Start });
        tracing::warn!("of the first");
        record(&mut tracing, 5, TraceItem::Exited { node: one, reason: "done" });
        record(&mut tracing, 7, TraceItem::Input { node: two, input: Input::Start });
        tracing::debug!("of the second");
        drop(tracing);
        let told: Vec<_> = entries.iter().map(|it| (it.at.as_nanos(), it.node, &*it.name)).collect();
        let expected = [
            (0, None, "info"),
            (5, Some(one), "start"),
            (5, Some(one), "warn"),
            (5, Some(one), "exit"),
            (7, Some(two), "start"),
            (7, Some(two), "debug"),
        ];
        assert_eq!(told, expected);
    }
    /// The constructor of a node runs before its start is recorded, and after another node's input.
    #[test]
    fn log_lines_of_a_constructor_are_of_the_node_that_is_made() {
        let mut entries = Vec::new();
        let _capture = Capture::begin(|| None);
        let mut tracing = Tracing::new(&mut entries);
        let (one, two) = (NodeId::server(1), NodeId::server(2));
        record(&mut tracing, 5, TraceItem::Input { node: one, input: Input::Start });
        let role = RaftObservation::BecameFollower { term: Term(3) };
        record(&mut tracing, 5, TraceItem::Observed { node: two, observation: &role });
        tracing::info!("of the first");
        Tracer::<AnyNode>::before_node(&mut tracing, moment(9), two);
        tracing::info!("made");
        record(&mut tracing, 9, TraceItem::Input { node: two, input: Input::Start });
        drop(tracing);
        let told: Vec<_> = entries.iter().map(|it| (it.at.as_nanos(), it.node, &*it.name, it.role.is_some())).collect();
        let expected = [
            (5, Some(one), "start", false),
            (5, Some(two), "became follower", false),
            (5, Some(one), "info", false),
            (9, Some(two), "info", false),
            (9, Some(two), "start", false),
        ];
        assert_eq!(told, expected);
    }
}

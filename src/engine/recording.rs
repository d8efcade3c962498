//! A recording: every event of a run in order, as plain data that people and programs read.

use serde::Serialize;
use serde_json::Value;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;

/// The version of the recorded form: the header line of a trace file names it.
pub const FORMAT: u32 = splitbrain_kernel::trace::FORMAT;

/// Is told everything that happens in a run, in order.
pub trait Recorder {
    /// The next thing that happened.
    fn record(&mut self, entry: Entry);
}

/// Records nothing.
#[derive(Clone, Copy, Debug)]
pub struct Ignore;

impl Recorder for Ignore {
    fn record(&mut self, entry: Entry) {
        let _ = entry;
    }
}

impl Recorder for Vec<Entry> {
    fn record(&mut self, entry: Entry) {
        self.push(entry);
    }
}

impl<R: Recorder + ?Sized> Recorder for &mut R {
    fn record(&mut self, entry: Entry) {
        (**self).record(entry);
    }
}

/// Records where there is someone to tell.
impl<R: Recorder> Recorder for Option<R> {
    fn record(&mut self, entry: Entry) {
        if let Some(recorder) = self {
            recorder.record(entry);
        }
    }
}

/// Tells two recorders.
impl<A: Recorder, B: Recorder> Recorder for (A, B) {
    fn record(&mut self, entry: Entry) {
        self.0.record(entry.clone());
        self.1.record(entry);
    }
}

/// One thing that happened in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// True time.
    #[serde(rename = "at_ns", serialize_with = "nanos")]
    pub at: Instant,
    /// Inputs delivered so far, this one included.
    pub event: u64,
    /// What sort of thing it is.
    pub kind: EntryKind,
    /// The node that it happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// The node at the other end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<NodeId>,
    /// The role that the node last reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// Its name: of the kind of message, of the observation, of the fault.
    pub name: String,
    /// The rest, for people, in one line.
    pub text: String,
    /// The rest, for programs.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// The sort of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// `node` starts.
    Start,
    /// A message arrives at `node` from `peer`.
    Message,
    /// A connection of `node` to `peer` changes.
    Connection,
    /// A timer of `node` fires.
    Timer,
    /// A write or sync of `node` ends.
    Durable,
    /// Work that `node` deferred comes back.
    Step,
    /// `node` is asked for an operation.
    Operation,
    /// `node` sends to `peer`.
    Sent,
    /// What `node` sent to `peer` is lost.
    Lost,
    /// What `node` sent to `peer` is held at a clogged link.
    Held,
    /// `node` writes to its disk.
    Wrote,
    /// `node` begins an operation: a line of the history.
    Invoked,
    /// `node` ends an operation: a line of the history.
    Completed,
    /// `node` tells those who watch.
    Observed,
    /// The process of `node` ends by itself.
    Exited,
    /// A fault begins.
    Fault,
    /// A fault is lifted.
    Lifted,
    /// The settle phase begins.
    Settled,
    /// An invariant is broken.
    Violated,
}

impl EntryKind {
    /// Whether the node handles an input here: what counts as an event.
    pub const fn is_input(self) -> bool {
        matches!(
            self,
            Self::Start | Self::Message | Self::Connection | Self::Timer | Self::Durable | Self::Step | Self::Operation
        )
    }

    /// Whether a story of the run needs it. The others are how the story came about.
    pub const fn is_notable(self) -> bool {
        matches!(
            self,
            Self::Start
                | Self::Observed
                | Self::Invoked
                | Self::Completed
                | Self::Exited
                | Self::Fault
                | Self::Lifted
                | Self::Settled
                | Self::Violated
        )
    }

    /// Whether it belongs to the history of clients.
    pub const fn is_history(self) -> bool {
        matches!(self, Self::Invoked | Self::Completed)
    }
}

impl Entry {
    /// The entry for people, in fixed columns: `   1.204500s  s2 leader    → s4 AppendEntries { … }`.
    pub fn line(&self) -> String {
        let node = self.node.map_or_else(String::new, |node| node.to_string());
        let arrow = match (self.kind, self.peer) {
            (EntryKind::Message, Some(peer)) => format!("← {peer} "),
            (EntryKind::Sent, Some(peer)) => format!("→ {peer} "),
            (EntryKind::Lost | EntryKind::Held, Some(peer)) => format!("⇸ {peer} "),
            (EntryKind::Connection, Some(peer)) => format!("↔ {peer} "),
            (EntryKind::Fault, _) => "▼ ".to_owned(),
            (EntryKind::Lifted, _) => "▲ ".to_owned(),
            (EntryKind::Violated, _) => "✗ ".to_owned(),
            _ => String::new(),
        };
        let role = self.role.unwrap_or_default();
        let line = format!("{:>14}  {node:<3} {role:<13} {arrow}{} {}", self.at, self.name, self.text);
        line.trim_end().to_owned()
    }
}

fn nanos<S: serde::Serializer>(at: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(at.as_nanos())
}

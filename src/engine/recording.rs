//! A recording: every event of a run in order, as plain data that people and programs read.

mod after;
mod file;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;

use crate::engine::Names;
use crate::text::printable;

pub(crate) use after::After;
pub use file::{Header, LINE_BYTES_MAX, RecordingError, RecordingKind, RecordingReader, RecordingWriter};

/// The version of the recorded form: the header line of a trace file names it.
pub const FORMAT: u32 = splitbrain_kernel::trace::FORMAT;

/// Hears of everything that happens in a run, in order.
pub trait Recorder {
    /// The next thing that happened.
    fn record(&mut self, entry: Entry);

    /// How many inputs are still to pass before it makes use of anything. What comes before may be left out.
    fn after(&self) -> u64 {
        0
    }

    /// Whether it makes use of entries of this sort, once [`Self::after`] is 0. Those that it does not want cost less,
    /// and may be left out.
    fn wants(&self, kind: EntryKind) -> bool {
        let _ = kind;
        true
    }

    /// Whether it makes use of what entries hold for programs. Otherwise they may come without it.
    fn wants_data(&self) -> bool {
        true
    }

    /// Something of a sort that it does not want happened, and was left out.
    fn skip(&mut self, kind: EntryKind) {
        let _ = kind;
    }
}

/// Records nothing.
#[derive(Clone, Copy, Debug)]
pub struct Ignore;

impl Recorder for Ignore {
    fn record(&mut self, entry: Entry) {
        let _ = entry;
    }

    fn wants(&self, _: EntryKind) -> bool {
        false
    }

    fn wants_data(&self) -> bool {
        false
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

    fn after(&self) -> u64 {
        (**self).after()
    }

    fn wants(&self, kind: EntryKind) -> bool {
        (**self).wants(kind)
    }

    fn wants_data(&self) -> bool {
        (**self).wants_data()
    }

    fn skip(&mut self, kind: EntryKind) {
        (**self).skip(kind);
    }
}

/// Records where there is someone to tell.
impl<R: Recorder> Recorder for Option<R> {
    fn record(&mut self, entry: Entry) {
        if let Some(recorder) = self {
            recorder.record(entry);
        }
    }

    fn after(&self) -> u64 {
        self.as_ref().map_or(0, Recorder::after)
    }

    fn wants(&self, kind: EntryKind) -> bool {
        self.as_ref().is_some_and(|recorder| recorder.wants(kind))
    }

    fn wants_data(&self) -> bool {
        self.as_ref().is_some_and(Recorder::wants_data)
    }

    fn skip(&mut self, kind: EntryKind) {
        if let Some(recorder) = self {
            recorder.skip(kind);
        }
    }
}

/// Tells two recorders.
impl<A: Recorder, B: Recorder> Recorder for (A, B) {
    fn record(&mut self, entry: Entry) {
        match (self.0.wants(entry.kind), self.1.wants(entry.kind)) {
            (true, true) => {
                let second = if self.1.wants_data() { entry.clone() } else { entry.without_data() };
                self.0.record(entry);
                self.1.record(second);
            }
            (true, false) => {
                self.1.skip(entry.kind);
                self.0.record(entry);
            }
            (false, true) => {
                self.0.skip(entry.kind);
                self.1.record(entry);
            }
            (false, false) => self.skip(entry.kind),
        }
    }

    fn after(&self) -> u64 {
        self.0.after().min(self.1.after())
    }

    fn wants(&self, kind: EntryKind) -> bool {
        self.0.wants(kind) || self.1.wants(kind)
    }

    fn wants_data(&self) -> bool {
        self.0.wants_data() || self.1.wants_data()
    }

    fn skip(&mut self, kind: EntryKind) {
        self.0.skip(kind);
        self.1.skip(kind);
    }
}

/// One thing that happened in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// True time.
    #[serde(rename = "at_ns", with = "nanos")]
    pub at: Instant,
    /// Inputs delivered so far, this one included.
    pub event: u64,
    /// What sort of thing it is.
    pub kind: EntryKind,
    /// The node that it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// The term, epoch or ballot of the node: that of the message where it sends one, else the last that it reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The role that the node last reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The node at the other end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<NodeId>,
    /// The term, epoch or ballot of the node at the other end, as the message that arrives says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_epoch: Option<u64>,
    /// Its name: of the kind of message, of the observation, of the fault.
    pub name: String,
    /// The rest, for people, in a few words on one line.
    pub text: String,
    /// The rest, for programs.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// The sort of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// `node` is asked for an operation, which may wait until it is [`EntryKind::Invoked`].
    Operation,
    /// `node` is given an order.
    Order,
    /// `node` sends to `peer`.
    Sent,
    /// What `node` sent to `peer` is lost.
    Lost,
    /// What `node` sent to `peer` is held at a clogged link.
    Held,
    /// `node` writes to its disk.
    Wrote,
    /// `node` begins an operation.
    Invoked,
    /// `node` ends an operation, or its process ends before.
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
    /// The code of `node` writes a log line: its level is the name.
    Logged,
}

impl EntryKind {
    /// Every sort, in order.
    pub const ALL: [Self; 21] = [
        Self::Start,
        Self::Message,
        Self::Connection,
        Self::Timer,
        Self::Durable,
        Self::Step,
        Self::Operation,
        Self::Order,
        Self::Sent,
        Self::Lost,
        Self::Held,
        Self::Wrote,
        Self::Invoked,
        Self::Completed,
        Self::Observed,
        Self::Exited,
        Self::Fault,
        Self::Lifted,
        Self::Settled,
        Self::Violated,
        Self::Logged,
    ];

    /// Its name, in recordings and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Message => "message",
            Self::Connection => "connection",
            Self::Timer => "timer",
            Self::Durable => "durable",
            Self::Step => "step",
            Self::Operation => "operation",
            Self::Order => "order",
            Self::Sent => "sent",
            Self::Lost => "lost",
            Self::Held => "held",
            Self::Wrote => "wrote",
            Self::Invoked => "invoked",
            Self::Completed => "completed",
            Self::Observed => "observed",
            Self::Exited => "exited",
            Self::Fault => "fault",
            Self::Lifted => "lifted",
            Self::Settled => "settled",
            Self::Violated => "violated",
            Self::Logged => "logged",
        }
    }

    /// Whether the node handles an input here: what counts as an event.
    pub const fn is_input(self) -> bool {
        matches!(
            self,
            Self::Start
                | Self::Message
                | Self::Connection
                | Self::Timer
                | Self::Durable
                | Self::Step
                | Self::Operation
                | Self::Order
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
                | Self::Logged
        )
    }
}

impl Entry {
    /// An entry with a name and a text, at no time and of no node yet.
    pub fn new(kind: EntryKind, name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            at: Instant::ZERO,
            event: 0,
            kind,
            node: None,
            epoch: None,
            role: None,
            peer: None,
            peer_epoch: None,
            name: name.into(),
            text: text.into(),
            data: Value::Null,
        }
    }

    /// The same entry without what it holds for programs.
    fn without_data(&self) -> Self {
        Self { role: self.role.clone(), name: self.name.clone(), text: self.text.clone(), data: Value::Null, ..*self }
    }

    /// The entry for people, in fixed columns: `   1.204500s  s2@3   leader        → s4 append 7@2 +1 commit 6`.
    /// Nodes have the names that people use. Nothing in it moves the cursor of a terminal or ends the line.
    pub fn line(&self, names: &Names) -> String {
        let node = with_epoch(names, self.node, self.epoch);
        let peer = with_epoch(names, self.peer, self.peer_epoch);
        let arrow = match self.kind {
            EntryKind::Message => format!("← {peer} "),
            EntryKind::Sent => format!("→ {peer} "),
            EntryKind::Lost | EntryKind::Held => format!("⇸ {peer} "),
            EntryKind::Connection => format!("↔ {peer} "),
            EntryKind::Fault => "▼ ".to_owned(),
            EntryKind::Lifted => "▲ ".to_owned(),
            EntryKind::Violated => "✗ ".to_owned(),
            _ => String::new(),
        };
        let role = self.role.as_deref().unwrap_or_default();
        let (width, text) = (names.width(), names.spell(&self.text));
        let line = format!("{:>14}  {node:<width$} {role:<13} {arrow}{} {text}", self.at, self.name);
        printable(line.trim_end())
    }
}

/// `s2@3`: the node, and the term that it is in.
fn with_epoch(names: &Names, node: Option<NodeId>, epoch: Option<u64>) -> String {
    match (node, epoch) {
        (None, _) => String::new(),
        (Some(node), None) => names.name(node),
        (Some(node), Some(epoch)) => format!("{}@{epoch}", names.name(node)),
    }
}

/// Instants as nanoseconds, whole numbers in every reader of JSON that has 64 bits.
mod nanos {
    use serde::{Deserialize, Deserializer, Serializer};
    use splitbrain_kernel::time::Instant;

    pub(super) fn serialize<S: Serializer>(at: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(at.as_nanos())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Instant, D::Error> {
        u64::deserialize(deserializer).map(Instant::from_nanos)
    }
}

#[cfg(test)]
mod tests;

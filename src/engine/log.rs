//! Log lines of the code under test: what it says through `tracing` or `log` becomes entries of the recording.
//!
//! ```text
//!   tracing::info!(…) ─▶ Listener, on this thread ─▶ kept with its stamp ─▶ Tracing records it before its next item
//! ```
//!
//! - Lines are captured only while a run is recorded, and on its thread alone: otherwise no subscriber is there.
//! - A line changes nothing about a run: it is no event, and no part of the digest.
//! - The program keeps what it has set up. Its subscriber gets every line that it would get without a capture. Its
//!   logger and its level of `log` stay; a logger of its own gets the lines of `log` alone, and they are not captured.
//!
//! Spans are not recorded: neither their names nor their fields.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use serde::Serialize;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;
use tracing_core::dispatcher::{self, DefaultGuard};
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Current, Id, Record};
use tracing_core::subscriber::{Interest, NoSubscriber};
use tracing_core::{Dispatch, Event, Level, LevelFilter, Metadata, Subscriber, callsite};
use tracing_log::{LogTracer, NormalizeEvent as _};

use crate::engine::{Entry, EntryKind};

/// How grave a log line is, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is wrong.
    Warn,
    /// Something happened.
    Info,
    /// How it happened. What `tracing` calls trace is not recorded.
    Debug,
}

impl LogLevel {
    /// All of them, the gravest first.
    pub const ALL: [Self; 4] = [Self::Error, Self::Warn, Self::Info, Self::Debug];

    /// The name of entries of this level.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The level of an entry; `None` if it is no log line.
    pub fn of(entry: &Entry) -> Option<Self> {
        let mut levels = Self::ALL.into_iter().filter(|_| entry.kind == EntryKind::Logged);
        levels.find(|level| level.name() == entry.name)
    }

    /// `None` for a level that is not recorded.
    fn of_tracing(level: &Level) -> Option<Self> {
        match *level {
            Level::ERROR => Some(Self::Error),
            Level::WARN => Some(Self::Warn),
            Level::INFO => Some(Self::Info),
            Level::DEBUG => Some(Self::Debug),
            _ => None,
        }
    }
}

/// A log line, before it is known whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How grave it is.
    pub level: LogLevel,
    /// Where it comes from, usually the path of a module.
    pub target: String,
    /// What it says.
    pub message: String,
    /// Its fields beside the message, in order.
    pub fields: Vec<(String, String)>,
}

impl LogLine {
    /// The line as an entry of a recording, at no time and of no node yet.
    pub(super) fn entry(&self, with_data: bool) -> Entry {
        let mut text = format!("{}: {}", self.target, self.message).trim_end().to_owned();
        for (name, value) in &self.fields {
            text += &format!(" {name}={value}");
        }
        let mut entry = Entry::new(EntryKind::Logged, self.level.name(), text);
        if with_data {
            let fields: serde_json::Map<_, _> =
                self.fields.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
            entry.data = serde_json::json!({ "target": self.target, "message": self.message, "fields": fields });
        }
        entry
    }
}

/// When a line is written, and by which node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stamp {
    /// True time.
    pub at: Instant,
    /// The node; `None` if no node is known.
    pub node: Option<NodeId>,
}

/// Captures what the code on this thread logs, for as long as it lives.
///
/// It belongs to one run: what an earlier run left behind is forgotten.
pub struct Capture {
    /// `None` only while it is dropped.
    guard: Option<DefaultGuard>,
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").finish_non_exhaustive()
    }
}

impl Capture {
    /// Begins. `stamp` says when and by which node a line is written; if it says nothing, the line belongs to the node
    /// that handles an input, at the time of the input.
    pub fn begin(stamp: impl Fn() -> Option<Stamp> + 'static) -> Self {
        STAMPING.with(|stamping| *stamping.borrow_mut() = Some(Rc::new(stamp)));
        drop(take());
        open_log();
        SECOND.get_or_init(|| Dispatch::new(Deaf));
        let listener = Listener { program: dispatcher::get_default(Dispatch::clone) };
        Self { guard: Some(dispatcher::set_default(&Dispatch::new(listener))) }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        drop(self.guard.take());
        // Otherwise every later log statement of the process asks for a listener that is gone.
        callsite::rebuild_interest_cache();
        close_log();
        STAMPING.with(|stamping| *stamping.borrow_mut() = None);
        drop(take());
    }
}

/// What was captured on this thread and not taken yet, in order.
pub(super) fn take() -> Vec<(Option<Stamp>, LogLine)> {
    PENDING.with(|pending| pending.try_borrow_mut().map(|mut all| std::mem::take(&mut *all)).unwrap_or_default())
}

/// Says when and by which node a line is written.
type Stamping = Rc<dyn Fn() -> Option<Stamp>>;

thread_local! {
    static PENDING: RefCell<Vec<(Option<Stamp>, LogLine)>> = const { RefCell::new(Vec::new()) };
    static STAMPING: RefCell<Option<Stamping>> = const { RefCell::new(None) };
}

/// What captures do to the level of `log`, which is one for the whole process.
struct LogBridge {
    /// How many captures there are.
    captures: u32,
    /// Whether the logger of the process is the bridge. If the program has set one first, its level is left alone too.
    is_installed: bool,
    /// The level before the first capture, which comes back after the last one.
    before: log::LevelFilter,
}

static BRIDGE: Mutex<LogBridge> =
    Mutex::new(LogBridge { captures: 0, is_installed: false, before: log::LevelFilter::Off });

/// Lets what is said through `log` come to `tracing`. A program that has a logger of its own keeps it.
fn open_log() {
    static ONCE: Once = Once::new();
    let mut bridge = BRIDGE.lock().unwrap_or_else(PoisonError::into_inner);
    ONCE.call_once(|| bridge.is_installed = log::set_boxed_logger(Box::new(LogTracer::new())).is_ok());
    if bridge.is_installed && bridge.captures == 0 {
        bridge.before = log::max_level();
        log::set_max_level(bridge.before.max(CAPTURED_LOG));
    }
    bridge.captures += 1;
}

fn close_log() {
    let mut bridge = BRIDGE.lock().unwrap_or_else(PoisonError::into_inner);
    bridge.captures -= 1;
    // A level that the program has set in the meantime stays.
    if bridge.is_installed && bridge.captures == 0 && log::max_level() == bridge.before.max(CAPTURED_LOG) {
        log::set_max_level(bridge.before);
    }
}

/// The least grave level of `log` that is captured.
const CAPTURED_LOG: log::LevelFilter = log::LevelFilter::Debug;

/// Captures the log lines of one thread, and hands everything on to the subscriber of the program.
struct Listener {
    /// What the thread would ask without a capture; it may be none.
    program: Dispatch,
}

impl Listener {
    fn has_program(&self) -> bool {
        !self.program.is::<NoSubscriber>()
    }
}

fn is_captured(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && LogLevel::of_tracing(metadata.level()).is_some() && !is_of_engine(metadata.target())
}

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let program = self.program.register_callsite(metadata);
        // What the program asks for sometimes is asked again by `enabled`, and so is what it never asks for.
        if is_captured(metadata) { Interest::always() } else { program }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        is_captured(metadata) || self.program.enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        (!self.has_program()).then_some(LevelFilter::DEBUG)
    }

    fn event(&self, event: &Event<'_>) {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        if self.program.enabled(metadata) {
            self.program.event(event);
        }
        let Some(level) = LogLevel::of_tracing(metadata.level()).filter(|_| is_captured(metadata)) else { return };
        let mut said = Said::default();
        event.record(&mut said);
        let line = LogLine { level, target: metadata.target().to_owned(), message: said.message, fields: said.fields };
        let stamping = STAMPING.with(|stamping| stamping.borrow().clone());
        let stamp = stamping.and_then(|stamping| stamping());
        PENDING.with(|pending| pending.borrow_mut().push((stamp, line)));
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        // Without a subscriber of the program no span is enabled; what asks all the same gets an id without a meaning.
        if self.has_program() { self.program.new_span(span) } else { Id::from_u64(1) }
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.program.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.program.record_follows_from(span, follows);
    }

    fn enter(&self, span: &Id) {
        self.program.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.program.exit(span);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.program.clone_span(id)
    }

    fn try_close(&self, id: Id) -> bool {
        self.program.try_close(id)
    }

    fn current_span(&self) -> Current {
        self.program.current_span()
    }
}

/// A second listener, beside those of captures. If there is only one, `tracing` asks the listener of whichever thread
/// comes to a log statement first, and keeps the answer for all: a thread that records nothing would silence the
/// others.
static SECOND: OnceLock<Dispatch> = OnceLock::new();

/// Hears nothing.
struct Deaf;

impl Subscriber for Deaf {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }

    fn event(&self, _: &Event<'_>) {}

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Whether a line comes from the simulator rather than from the code under test.
fn is_of_engine(target: &str) -> bool {
    const OWN: [&str; 3] = ["madsim", "splitbrain::campaign", "splitbrain::engine::apart"];
    OWN.iter().any(|own| target.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(String, String)>,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            // What the bridge from `log` adds is in the metadata already.
            name if name.starts_with("log.") => {}
            name => self.fields.push((name.to_owned(), format!("{value:?}"))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.record_debug(field, &value);
        }
    }
}

#[cfg(test)]
mod tests;

//! Runs in other processes: one that dies, or never ends, takes no other run with it.
//!
//! ```text
//!   this process                              a child: the same program
//!   Request { scenario, seed, plan } ───────▶ reads it and carries it out
//!                                    ◀─────── Answer::Entry, one for each entry, where the run is recorded
//!                                    ◀─────── Answer::Run, or Answer::Panicked
//! ```
//!
//! They talk over a socket that is the child's stdin, so whatever the code under test prints goes where it always goes.
//! The child is of this process: it ends at once when the other end of the socket is gone.
//!
//! [`ProcessPerRun`] has a child for each run: what a run leaves behind in its process, no other run finds there.
//! [`Supervised`] has a child for each thread of the campaign, which carries out one run after another and is replaced
//! when it dies.

mod parent;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Outcome, Panic};

use crate::engine::{
    After, AnySystem, Engine, Entry, EntryKind, Isolation, Job, OpenError, PlanText, Recorder, first_difference,
    panic_hook,
};
use crate::scenario::{self, Diagnostics, Note, Scenario, SystemDescription};
use parent::{ApartEngine, Lifetime};
use wire::{Answer, Asked, Recorded, Request, WireRun, Written};

pub(crate) use parent::Idle;

/// The only argument of a child.
pub(crate) const ARGUMENT: &str = "run-apart";

/// What the plan of a request is called. It comes from here, so only the errors of plans that cannot be handed over
/// name it.
const PLAN: &str = "plan.toml";

/// Makes the command that starts a child.
pub(crate) type Starter = fn() -> io::Result<Command>;

/// This program as a child, also if its file has been replaced since it started.
pub(crate) fn this_program() -> io::Result<Command> {
    let program = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
    let mut command = Command::new(program);
    command.arg(ARGUMENT);
    Ok(command)
}

/// A system each run of which has a process of its own.
pub(crate) struct ProcessPerRun {
    pub(crate) system: Box<dyn AnySystem>,
    pub(crate) starter: Starter,
}

impl AnySystem for ProcessPerRun {
    fn description(&self) -> SystemDescription {
        self.system.description()
    }

    fn verify(&self, scenario: &Scenario) -> Result<(), Diagnostics> {
        self.system.verify(scenario)
    }

    fn notes(&self, scenario: &Scenario) -> Vec<Note> {
        self.system.notes(scenario)
    }

    /// # Panics
    /// For a scenario that was made by hand: it has no text that says it.
    fn open(&self, scenario: Arc<Scenario>) -> Result<Arc<dyn Engine>, OpenError> {
        let (engine, description) = (self.system.open(scenario.clone())?, self.system.description());
        let written = written(&scenario, &description);
        let path = &scenario.source.path;
        let written = written.unwrap_or_else(|| panic!("{path} is not what its text says: no process can be told it"));
        let (lifetime, at_once) = (Lifetime::Run, false);
        let (starter, gauges, lost) = (self.starter, description.gauges, Mutex::default());
        Ok(Arc::new(ApartEngine { engine, scenario, written, gauges, starter, lifetime, at_once, lost }))
    }

    fn isolation(&self) -> Isolation {
        Isolation::Process
    }
}

/// A system whose runs are carried out by processes, one for each thread that asks for runs.
pub(crate) struct Supervised<'a> {
    pub(crate) system: &'a dyn AnySystem,
    pub(crate) starter: Starter,
    pub(crate) idle: Arc<Idle>,
    /// Entries of a recorded run come at once, as the run may be lost at the next.
    pub(crate) at_once: bool,
}

impl AnySystem for Supervised<'_> {
    fn description(&self) -> SystemDescription {
        self.system.description()
    }

    fn verify(&self, scenario: &Scenario) -> Result<(), Diagnostics> {
        self.system.verify(scenario)
    }

    fn notes(&self, scenario: &Scenario) -> Vec<Note> {
        self.system.notes(scenario)
    }

    fn open(&self, scenario: Arc<Scenario>) -> Result<Arc<dyn Engine>, OpenError> {
        let (engine, description) = (self.system.open(scenario.clone())?, self.system.description());
        // A system that has a process for each run needs no more. A scenario that was made by hand has no text.
        let written = written(&scenario, &description).filter(|_| self.system.isolation() == Isolation::Nothing);
        let Some(written) = written else { return Ok(engine) };
        let (lifetime, at_once) = (Lifetime::Worker(Arc::clone(&self.idle)), self.at_once);
        let (starter, gauges, lost) = (self.starter, description.gauges, Mutex::default());
        Ok(Arc::new(ApartEngine { engine, scenario, written, gauges, starter, lifetime, at_once, lost }))
    }
}

/// How a child comes from the text of a scenario to the scenario; `None` if it cannot, for one that was made by hand.
fn written(scenario: &Scenario, description: &SystemDescription) -> Option<Written> {
    let source = &scenario.source;
    let read = scenario::load(&source.path, source.text.as_bytes(), std::slice::from_ref(description)).ok()?;
    if alike(&read, scenario) {
        return Some(Written::AsRead);
    }
    read.twin().is_some_and(|twin| alike(&twin, scenario)).then_some(Written::Twin)
}

/// Whether they come to the same runs. The source is left out: its hash is of the bytes of the file, which may begin
/// with a mark. So is how many seeds a campaign runs, of which a twin gets as many as its scenario took.
fn alike(read: &Scenario, scenario: &Scenario) -> bool {
    let mut other = Scenario { source: read.source.clone(), ..scenario.clone() };
    other.run.seeds = read.run.seeds;
    *read == other
}

/// Takes a line, and whether it should go at once.
pub(crate) type Send<'a> = &'a mut dyn FnMut(&str, bool);

/// The side of a child: it carries out what a parent asks for, and keeps the scenario between requests.
pub(crate) struct Responder<'a> {
    systems: &'a [Box<dyn AnySystem>],
    opened: Option<Opened>,
}

/// The scenario of the last request.
struct Opened {
    path: String,
    text: String,
    written: Written,
    engine: Arc<dyn Engine>,
}

impl<'a> Responder<'a> {
    pub(crate) const fn new(systems: &'a [Box<dyn AnySystem>]) -> Self {
        Self { systems, opened: None }
    }

    /// Carries out the request of a parent, and hands its answers, one a line, to `send`, with whether the parent
    /// should have it at once.
    ///
    /// # Errors
    /// A line that is no request.
    pub(crate) fn answer(&mut self, line: &str, send: Send<'_>) -> Result<(), String> {
        let request: Request = serde_json::from_str(line).map_err(|error| format!("no request: {error}"))?;
        let result = catch_unwind(AssertUnwindSafe(|| self.carry_out(&request, &mut *send)));
        // A thread that has panicked knows where; its parent does not.
        let at = |message: String| {
            panic_hook::take_place().map_or_else(|| message.clone(), |at| format!("{message} (at {at})"))
        };
        let answer = match result {
            Ok(Answer::Run(mut run)) => {
                if let Outcome::Panicked(panic) = &mut run.outcome {
                    panic.message = at(std::mem::take(&mut panic.message));
                }
                Answer::Run(run)
            }
            Ok(answer) => answer,
            Err(payload) => Answer::Panicked(at(Panic::said(&*payload))),
        };
        send(&answer.line(), true);
        Ok(())
    }

    fn carry_out(&mut self, request: &Request, send: Send<'_>) -> Answer {
        let engine = self.engine(request);
        let seed = Seed(request.seed);
        let (plan, recorded) = match &request.asked {
            Asked::Run { plan, recorded } => (plan.as_ref(), *recorded),
            Asked::Difference { names, events } => {
                return Answer::Difference(first_difference(&*engine, seed, names, *events));
            }
        };
        let plan = plan.map(|text| {
            let (path, text) = (PLAN.to_owned(), text.clone());
            let text = PlanText { path, text, timing: None, workload: None, force: true };
            engine.read_plan(&text).unwrap_or_else(|error| panic!("the plan cannot be read again: {error}"))
        });
        let job = Job { seed, plan: plan.as_ref() };
        let mut sender = recorded.map(|wanted| EntrySender::after_inputs(wanted, send));
        let recorder = sender.as_mut().map(|sender| sender as &mut dyn Recorder);
        let run = WireRun::of(engine.worker().run(job, recorder), recorded.is_some());
        if let Some(sender) = sender {
            sender.recorder.finish();
        }
        Answer::Run(Box::new(run))
    }

    fn engine(&mut self, request: &Request) -> Arc<dyn Engine> {
        let is_of = |opened: &&Opened| {
            opened.text == request.text && opened.path == request.path && opened.written == request.written
        };
        if let Some(opened) = self.opened.as_ref().filter(is_of) {
            return Arc::clone(&opened.engine);
        }
        let descriptions: Vec<SystemDescription> = self.systems.iter().map(|system| system.description()).collect();
        let read = scenario::load(&request.path, request.text.as_bytes(), &descriptions);
        let read = read.unwrap_or_else(|error| panic!("the scenario cannot be read again: {error}"));
        let scenario = match request.written {
            Written::AsRead => read,
            Written::Twin => read.twin().expect("the parent has found a twin in this text"),
        };
        let index = descriptions.iter().position(|one| one.name == scenario.system);
        let system = &self.systems[index.expect("a scenario that was read names a system that is known")];
        let engine = system.open(Arc::new(scenario)).unwrap_or_else(|error| panic!("{error}"));
        let (path, text) = (request.path.clone(), request.text.clone());
        self.opened = Some(Opened { path, text, written: request.written, engine: Arc::clone(&engine) });
        engine
    }
}

/// Sends the entries of a run that are asked for.
struct EntrySender<'a> {
    wanted: Recorded,
    /// How many of each sort were left out, since the parent last heard of it.
    skipped: BTreeMap<EntryKind, u64>,
    /// Whether an entry was sent.
    has_sent: bool,
    send: Send<'a>,
}

impl<'a> EntrySender<'a> {
    /// One that leaves out what comes before so many inputs as the parent says.
    fn after_inputs(wanted: Recorded, send: Send<'a>) -> After<Self> {
        After::new(wanted.after, Self { wanted, skipped: BTreeMap::new(), has_sent: false, send })
    }

    fn send_skipped(&mut self) {
        if !self.skipped.is_empty() {
            (self.send)(&Answer::Skipped(std::mem::take(&mut self.skipped)).line(), false);
        }
    }

    fn finish(mut self) {
        self.send_skipped();
    }
}

impl Recorder for EntrySender<'_> {
    fn record(&mut self, mut entry: Entry) {
        if !self.wants(entry.kind) {
            return self.skip(entry.kind);
        }
        if !self.has_sent {
            // The parent counts inputs too: it takes no entry before it has heard of those that were left out.
            self.has_sent = true;
            self.send_skipped();
        }
        if !self.wanted.data {
            entry.data = Value::Null;
        }
        (self.send)(&Answer::Entry(entry).line(), self.wanted.at_once);
    }

    fn wants(&self, kind: EntryKind) -> bool {
        self.wanted.kinds.has(kind)
    }

    fn wants_data(&self) -> bool {
        self.wanted.data
    }

    fn skip(&mut self, kind: EntryKind) {
        *self.skipped.entry(kind).or_default() += 1;
    }
}

#[cfg(test)]
mod tests;

//! Runs in processes of their own: what a run leaves behind in its process, no other run finds there.
//!
//! ```text
//!   this process                              a child: the same program, for one run
//!   Request { scenario, seed, plan } ───────▶ reads it and carries it out
//!                                    ◀─────── Answer::Entry, one for each entry, where the run is recorded
//!                                    ◀─────── Answer::Run, or Answer::Panicked
//! ```
//!
//! They talk over a socket that is the child's stdin, so whatever the code under test prints goes where it always goes.
//! The child is of this process: it ends at once when the other end of the socket is gone.

mod parent;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::Value;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Panic;

use crate::engine::{AnySystem, Engine, Entry, EntryKind, Job, OpenError, PlanText, Recorder};
use crate::scenario::{self, Diagnostics, Scenario, SystemDescription};
use parent::ApartEngine;
use wire::{Answer, Recorded, Request, WireRun, Written};

/// The only argument of a child.
pub(crate) const ARGUMENT: &str = "run-apart";

/// What the plan of a request is called. It comes from here, so only the errors of plans that cannot be handed over
/// name it.
const PLAN: &str = "plan.toml";

/// A system each run of which has a process of its own.
pub(crate) struct Apart(pub(crate) Box<dyn AnySystem>);

impl AnySystem for Apart {
    fn description(&self) -> SystemDescription {
        self.0.description()
    }

    fn verify(&self, scenario: &Scenario) -> Result<(), Diagnostics> {
        self.0.verify(scenario)
    }

    fn open(&self, scenario: Arc<Scenario>) -> Result<Arc<dyn Engine>, OpenError> {
        let (engine, description) = (self.0.open(scenario.clone())?, self.0.description());
        let written = written(&scenario, &description);
        Ok(Arc::new(ApartEngine::new(engine, scenario, written, description.gauges)))
    }
}

/// How a child comes from the text of a scenario to the scenario.
///
/// # Panics
/// If it cannot: a scenario that was made by hand has no text that says it.
fn written(scenario: &Scenario, description: &SystemDescription) -> Written {
    let source = &scenario.source;
    let read = scenario::load(&source.path, source.text.as_bytes(), std::slice::from_ref(description));
    match read {
        Ok(read) if alike(&read, scenario) => Written::AsRead,
        Ok(read) if read.twin().is_some_and(|twin| alike(&twin, scenario)) => Written::Twin,
        _ => panic!("{} is not what its text says: it cannot be handed to another process", source.path),
    }
}

/// Whether they come to the same runs. The source is left out: its hash is of the bytes of the file, which may begin
/// with a mark. So is how many seeds a campaign runs, of which a twin gets as many as its scenario took.
fn alike(read: &Scenario, scenario: &Scenario) -> bool {
    let mut other = Scenario { source: read.source.clone(), ..scenario.clone() };
    other.run.seeds = read.run.seeds;
    *read == other
}

/// Carries out the request of a parent, and hands its answers, one a line, to `send`.
///
/// # Errors
/// A line that is no request.
pub(crate) fn answer(systems: &[Box<dyn AnySystem>], line: &str, send: &mut dyn FnMut(&str)) -> Result<(), String> {
    let request: Request = serde_json::from_str(line).map_err(|error| format!("no request: {error}"))?;
    let result = catch_unwind(AssertUnwindSafe(|| carry_out(systems, &request, send)));
    let answer = match result {
        Ok(run) => Answer::Run(Box::new(run)),
        Err(payload) => Answer::Panicked(Panic::said(&*payload)),
    };
    send(&answer.line());
    Ok(())
}

fn carry_out(systems: &[Box<dyn AnySystem>], request: &Request, send: &mut dyn FnMut(&str)) -> WireRun {
    let descriptions: Vec<SystemDescription> = systems.iter().map(|system| system.description()).collect();
    let read = scenario::load(&request.path, request.text.as_bytes(), &descriptions);
    let read = read.unwrap_or_else(|error| panic!("the scenario cannot be read again: {error}"));
    let scenario = match request.written {
        Written::AsRead => read,
        Written::Twin => read.twin().expect("the parent has found a twin in this text"),
    };
    let index = descriptions.iter().position(|one| one.name == scenario.system);
    let system = &systems[index.expect("a scenario that was read names a system that is known")];
    let engine = system.open(Arc::new(scenario)).unwrap_or_else(|error| panic!("{error}"));
    let plan = request.plan.as_ref().map(|text| {
        let text = PlanText { path: PLAN.to_owned(), text: text.clone(), timing: None, workload: None, force: true };
        engine.read_plan(&text).unwrap_or_else(|error| panic!("the plan cannot be read again: {error}"))
    });
    let job = Job { seed: Seed(request.seed), plan: plan.as_ref() };
    let mut sender = request.recorded.map(|wanted| EntrySender { wanted, send });
    let recorder = sender.as_mut().map(|sender| sender as &mut dyn Recorder);
    WireRun::of(engine.worker().run(job, recorder), request.recorded.is_some())
}

/// Sends every entry of a run.
struct EntrySender<'a> {
    wanted: Recorded,
    send: &'a mut dyn FnMut(&str),
}

impl Recorder for EntrySender<'_> {
    fn record(&mut self, mut entry: Entry) {
        if !self.wanted.data {
            entry.data = Value::Null;
        }
        (self.send)(&Answer::Entry(entry).line());
    }

    fn wants(&self, kind: EntryKind) -> bool {
        kind != EntryKind::Logged || self.wanted.log
    }

    fn wants_data(&self) -> bool {
        self.wanted.data
    }
}

#[cfg(test)]
mod tests;

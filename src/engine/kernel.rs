//! The kernel as an engine: resolves a scenario for a seed and runs it in a world.

mod memory;
mod moments;
mod settings;
mod tracing;

pub use tracing::Tracing;

use moments::Moments;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use splitbrain_kernel::embedding::{OperationOf, OrderOf};
use splitbrain_kernel::history::HistoryOf;
use splitbrain_kernel::invariant::Invariants as _;
use splitbrain_kernel::measure;
use splitbrain_kernel::plan::PlanOf;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::ReportOf;
use splitbrain_kernel::system::System;
use splitbrain_kernel::trace::Tracer;
use splitbrain_kernel::world::World;

use crate::engine::{
    AnyPlan, Capture, Engine, EntryKind, Job, Measure, Names, OpenError, PlanText, Recorder, Run, Settings, Worker,
    noticed,
};
use crate::scenario::{
    Diagnostics, PlanCheck, ReadPlan, Resolved, Scenario, SystemDescription, is_restart, read_plan, resolve,
};

/// A scenario of `S`, read and ready to be resolved for any job. What every engine begins with and ends with.
#[derive(Debug)]
pub struct Opened<S: System> {
    scenario: Arc<Scenario>,
    system: PhantomData<fn() -> S>,
}

impl<S: System> Opened<S> {
    /// A scenario that was read for this system.
    pub const fn new(scenario: Arc<Scenario>) -> Self {
        Self { scenario, system: PhantomData }
    }

    /// The scenario as it was read.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// See [`Engine::read_plan`].
    ///
    /// # Errors
    /// A text that is no plan of this scenario.
    pub fn read_plan(&self, text: &PlanText) -> Result<AnyPlan, OpenError> {
        let system = SystemDescription::of::<S>();
        let check = PlanCheck { system: &system, cluster: self.scenario.widest_cluster(), force: text.force };
        let read: ReadPlan<OperationOf<S::Node>, OrderOf<S::Node>> = read_plan(&text.path, &text.text, check)?;
        let timing = text.timing.unwrap_or(read.plan.timing);
        let workload = text.workload.unwrap_or(read.plan.workload);
        let read = ReadPlan { plan: PlanOf::<S::Node> { timing, workload, ..read.plan }, ..read };
        Ok(AnyPlan::of_file(read).named(Names::of(&self.scenario.widest_cluster())))
    }

    /// What a job is carried out with.
    ///
    /// # Errors
    /// Options that cannot stand together once they are drawn for this seed.
    ///
    /// # Panics
    /// If the plan is one of another system.
    pub fn resolve(&self, job: Job<'_>) -> Result<Resolved<S>, Diagnostics> {
        let mut resolved = resolve::<S>(&self.scenario, job.seed)?;
        let typed = |plan: &AnyPlan| {
            let plan = plan.get::<OperationOf<S::Node>, OrderOf<S::Node>>();
            plan.unwrap_or_else(|| panic!("the plan is not one of the system {}", S::NAME)).clone()
        };
        resolved.options.replay = job.plan.map(typed);
        Ok(resolved)
    }

    /// The same for a job that is about to run.
    ///
    /// # Panics
    /// If options cannot stand together for this seed. `verify` has tried what a choice can come to, up to its
    /// bound: what is beyond that is reported as a panic.
    pub fn resolve_to_run(&self, job: Job<'_>) -> Resolved<S> {
        let resolved = self.resolve(job);
        resolved.unwrap_or_else(|error| panic!("the options of seed {} cannot stand together: {error}", job.seed))
    }

    /// See [`Engine::settings`].
    ///
    /// # Errors
    /// Options that cannot stand together once they are drawn for this seed.
    pub fn settings(&self, seed: Seed) -> Result<Settings, Diagnostics> {
        Ok(settings::of(&self.scenario.pinned(seed)?, &self.resolve(seed.into())?, seed))
    }
}

/// A scenario of `S`, to be run in a world.
pub(crate) struct KernelEngine<S: System>(Opened<S>);

impl<S: System> KernelEngine<S> {
    /// See [`crate::engine::AnySystem::open`].
    pub(crate) const fn open(scenario: Arc<Scenario>) -> Self {
        Self(Opened::new(scenario))
    }
}

impl<S: System> Engine for KernelEngine<S> {
    fn worker(&self) -> Box<dyn Worker + '_> {
        memory::keep();
        Box::new(KernelWorker { opened: &self.0 })
    }

    fn settings(&self, seed: Seed) -> Result<Settings, Diagnostics> {
        self.0.settings(seed)
    }

    fn read_plan(&self, text: &PlanText) -> Result<AnyPlan, OpenError> {
        self.0.read_plan(text)
    }
}

struct KernelWorker<'a, S: System> {
    opened: &'a Opened<S>,
}

impl<S: System> Worker for KernelWorker<'_, S> {
    fn run(&mut self, job: Job<'_>, recorder: Option<&mut dyn Recorder>) -> Run {
        let resolved = self.opened.resolve_to_run(job);
        let Resolved { system, options, .. } = &resolved;
        let Some(recorder) = recorder else {
            let report = World::new(system, options, job.seed).run();
            let noticed = noticed::of(&self.opened.scenario, options, &report.uses);
            return Run { noticed, ..run_of(resolved, report, None) };
        };
        let _capture = recorder.wants(EntryKind::Logged).then(|| Capture::begin(|| None));
        let mut tracing = Tracing::new(recorder);
        // Lent as `dyn`: the system's own crate has compiled this world (`splitbrain_systems::compiled`).
        let tracer: &mut dyn Tracer<S::Node> = &mut tracing;
        let mut world = World::traced(system, options, job.seed, tracer);
        let mut moments = Moments::of(&self.opened.scenario.expect, &resolved.facts);
        let report = if moments.is_empty() {
            world.run()
        } else {
            // One input after another, as the moment is asked for at which a figure leaves its bound.
            let mut events = 0;
            loop {
                events += 1;
                let report = world.run_until(events);
                moments.update(&world);
                if let Some(report) = report {
                    break report;
                }
            }
        };
        let noticed = noticed::of(&self.opened.scenario, options, &report.uses);
        let run = run_of(resolved, report, Some(world.history()));
        Run { moments: moments.found, noticed, ..run }
    }
}

/// What a run came to, without its system; with the history of its clients if it was recorded.
pub fn run_of<S: System>(
    resolved: Resolved<S>,
    report: ReportOf<S::Node>,
    history: Option<&HistoryOf<S::Node>>,
) -> Run {
    let named = |counts: Vec<u64>| {
        let named = S::Invariants::GROUPS.named(S::NAME).into_iter().zip(counts).enumerate();
        let on = named.filter(|(index, _)| resolved.options.invariants.contains(*index));
        on.map(|(_, (invariant, count))| (invariant.name, count)).collect::<Vec<_>>()
    };
    let names = Names::of(&resolved.options.cluster);
    let measures = measure::list::<S>().into_iter().zip(report.measures);
    let measures =
        measures.map(|(info, measured)| Measure { name: info.name, value: measured.value, span: measured.span });
    let mut lacking = named(report.lacking);
    lacking.retain(|(_, count)| *count > 0);
    Run {
        seed: report.seed,
        outcome: report.outcome,
        digest: report.digest,
        events: report.events,
        end: report.end,
        counts: report.counts,
        gauges: S::GAUGES.iter().map(|gauge| gauge.name).zip(report.gauges).collect(),
        measures: measures.collect(),
        evaluated: named(report.evaluated),
        lacking,
        noticed: Vec::new(),
        in_vain: report.in_vain,
        never_applied: report.never_applied.into_iter().filter(|id| !is_restart(id)).collect(),
        facts: resolved.facts,
        chosen: resolved.chosen,
        operations: report.plan.operations.len() as u64,
        plan: Some(AnyPlan::of(report.plan).named(names.clone())),
        lost: None,
        names,
        history: history.map(crate::history::lines),
        surroundings: Vec::new(),
        story: report.story,
        moments: BTreeMap::new(),
    }
}

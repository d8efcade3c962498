//! The kernel as an engine: resolves a scenario for a seed and runs it in a world.

mod settings;
mod tracing;

pub use tracing::Tracing;

use std::sync::Arc;

use splitbrain_kernel::invariant::Invariants as _;
use splitbrain_kernel::node::Node;
use splitbrain_kernel::plan::Plan;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::RunReport;
use splitbrain_kernel::system::System;
use splitbrain_kernel::trace::NoTrace;
use splitbrain_kernel::world::World;

use crate::engine::any_system::{OpenError, PlanText};
use crate::engine::{Engine, Recorder, Run, Settings, Worker};
use crate::scenario::{Diagnostics, PlanCheck, Resolved, Scenario, SystemDescription, read_plan, resolve};

type Operation<S> = <<S as System>::Node as Node>::Operation;

/// A scenario of `S`, read and ready to be resolved for any seed; with the plan that its runs follow, where there is
/// one. What every engine begins with and ends with.
#[derive(Debug)]
pub struct Opened<S: System> {
    scenario: Arc<Scenario>,
    plan: Option<Plan<Operation<S>>>,
}

impl<S: System> Opened<S> {
    /// See [`crate::engine::AnySystem::open`].
    ///
    /// # Errors
    /// A plan that cannot be followed.
    pub fn open(scenario: Arc<Scenario>, plan: Option<&PlanText>) -> Result<Self, OpenError> {
        let plan = plan.map(|plan| read::<S>(&scenario, plan)).transpose()?;
        Ok(Self { scenario, plan })
    }

    /// The scenario as it was read.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The plan that its runs follow.
    pub const fn plan(&self) -> Option<&Plan<Operation<S>>> {
        self.plan.as_ref()
    }

    /// What the run with this seed is made from.
    ///
    /// # Errors
    /// Options that cannot stand together once they are drawn for this seed.
    pub fn resolve(&self, seed: Seed) -> Result<Resolved<S>, Diagnostics> {
        let mut resolved = resolve::<S>(&self.scenario, seed)?;
        resolved.options.replay = self.plan.clone();
        Ok(resolved)
    }

    /// The same, where there is a run to be made from it.
    ///
    /// # Panics
    /// Where options cannot stand together for this seed. `verify` has tried what a choice can come to, up to its
    /// bound: what is beyond that is told as a panic.
    pub fn resolve_to_run(&self, seed: Seed) -> Resolved<S> {
        self.resolve(seed).unwrap_or_else(|error| panic!("the options of seed {seed} cannot stand together: {error}"))
    }

    /// See [`Engine::settings`].
    ///
    /// # Errors
    /// Options that cannot stand together once they are drawn for this seed.
    pub fn settings(&self, seed: Seed) -> Result<Settings, Diagnostics> {
        Ok(settings::of(&self.scenario, &self.resolve(seed)?, seed))
    }
}

/// What a run came to, without its system; with the plan as text where it was recorded.
pub fn told<S: System>(resolved: Resolved<S>, report: RunReport<Operation<S>>, is_recorded: bool) -> Run {
    let plan = is_recorded.then(|| write_plan(&report));
    erase(resolved, report, plan)
}

/// A scenario of `S`, to be run in a world.
pub(crate) struct KernelEngine<S: System>(Opened<S>);

impl<S: System> KernelEngine<S> {
    /// See [`crate::engine::AnySystem::open`].
    pub(crate) fn open(scenario: Arc<Scenario>, plan: Option<&PlanText>) -> Result<Self, OpenError> {
        Opened::open(scenario, plan).map(Self)
    }
}

impl<S: System> Engine for KernelEngine<S> {
    fn worker(&self) -> Box<dyn Worker + '_> {
        Box::new(KernelWorker { opened: &self.0 })
    }

    fn settings(&self, seed: Seed) -> Result<Settings, Diagnostics> {
        self.0.settings(seed)
    }
}

struct KernelWorker<'a, S: System> {
    opened: &'a Opened<S>,
}

impl<S: System> Worker for KernelWorker<'_, S> {
    fn run(&mut self, seed: Seed, recorder: Option<&mut dyn Recorder>) -> Run {
        let resolved = self.opened.resolve_to_run(seed);
        let mut world = World::new(&resolved.system, &resolved.options, seed);
        let is_recorded = recorder.is_some();
        let report = match recorder {
            None => world.run(&mut NoTrace),
            Some(recorder) => world.run(&mut Tracing::new(recorder)),
        };
        told(resolved, report, is_recorded)
    }
}

fn erase<S: System>(resolved: Resolved<S>, report: RunReport<Operation<S>>, plan: Option<String>) -> Run {
    let is_on = |index: usize| resolved.options.invariants >> index & 1 == 1;
    let evaluated = S::Invariants::LIST.iter().zip(report.evaluated).enumerate();
    Run {
        seed: report.seed,
        outcome: report.outcome,
        digest: report.digest,
        events: report.events,
        end: report.end,
        counts: report.counts,
        gauges: S::GAUGES.iter().map(|gauge| gauge.name).zip(report.gauges).collect(),
        evaluated: evaluated.filter(|(index, _)| is_on(*index)).map(|(_, (info, count))| (info.name, count)).collect(),
        never_applied: report.never_applied,
        faults: report.plan.faults,
        facts: resolved.facts,
        chosen: resolved.chosen,
        plan,
    }
}

fn write_plan<O: serde::Serialize>(report: &RunReport<O>) -> String {
    // A plan that TOML cannot hold is told inside the file: the run itself is not the worse for it.
    toml::to_string(&report.plan).unwrap_or_else(|error| format!("# this plan cannot be written: {error}\n"))
}

fn read<S: System>(scenario: &Scenario, plan: &PlanText) -> Result<Plan<Operation<S>>, OpenError> {
    let system = SystemDescription::of::<S>();
    let check = PlanCheck { system: &system, cluster: scenario.cluster, force: plan.force };
    let read: Plan<Operation<S>> = read_plan(&plan.path, &plan.text, check)?;
    Ok(Plan { timing: plan.timing.unwrap_or(read.timing), ..read })
}

//! madsim as an engine: the same scenarios, resolved as for the kernel, each run on a thread of its own.

use std::borrow::Cow;
use std::ffi::OsString;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use splitbrain::Cli;
use splitbrain::campaign::{RUN_STACK_SIZE, RUN_THREAD, take_panic_place};
use splitbrain::engine::{
    AnyPlan, AnySystem, Capture, Engine, Entry, EntryKind, Isolation, Job, OpenError, Opened, PlanText, Recorder, Run,
    Settings, Stamp, Tracing, Unsupported, Worker, run_of,
};
use splitbrain::scenario::{self, Diagnostics, Scenario, SystemDescription};
use splitbrain_kernel::invariant::{Invariants as _, NamedInvariant, Sight};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{OptionsOf, Outcome, ReportOf};
use splitbrain_kernel::system::System;
use splitbrain_kernel::trace::{NoTrace, Tracer};

use crate::host::Ended;
use crate::service::{Instance, Service, ServiceSystem};
use crate::tokio_seed::TokioSeeding;
use crate::{entropy, limits, node_host, service_host, settings};

/// The name of this engine in what it leaves behind.
const NAME: &str = "madsim";

/// A system whose kernel nodes run on madsim.
///
/// ```no_run
/// use splitbrain::Cli;
/// use splitbrain_madsim::OnMadsim;
/// use splitbrain_systems::raft::Raft;
///
/// fn main() -> std::process::ExitCode {
///     Cli::new().engine(OnMadsim::<Raft>::new()).main()
/// }
/// ```
#[derive(Debug)]
pub struct OnMadsim<S>(PhantomData<fn() -> S>);

impl<S> OnMadsim<S> {
    /// Nothing has to be set.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S> Default for OnMadsim<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: System> AnySystem for OnMadsim<S> {
    fn description(&self) -> SystemDescription {
        SystemDescription::of::<S>()
    }

    fn verify(&self, scenario: &Scenario) -> Result<(), Diagnostics> {
        scenario::verify::<S>(scenario)
    }

    fn open(&self, scenario: Arc<Scenario>) -> Result<Arc<dyn Engine>, OpenError> {
        Ok(MadsimEngine::<S, KernelNodes>::shared(scenario, TokioSeeding::OfRun))
    }
}

/// An async service whose instances run on madsim.
///
/// ```no_run
/// # use splitbrain_madsim::{ServiceOnMadsim, Service};
/// # fn with<Store: Service>() -> std::process::ExitCode {
/// splitbrain::Cli::new().engine(ServiceOnMadsim::<Store>::new()).main()
/// # }
/// ```
#[derive(Debug)]
pub struct ServiceOnMadsim<V> {
    seeding: TokioSeeding,
    service: PhantomData<fn() -> V>,
}

impl<V> ServiceOnMadsim<V> {
    /// Nothing has to be set.
    pub const fn new() -> Self {
        Self { seeding: TokioSeeding::OfRun, service: PhantomData }
    }

    /// With tokio's generator of random numbers as tokio seeds it, by a count of the process. Runs in one process then
    /// depend on one another; it shows what seeding it for each run costs.
    #[must_use]
    pub const fn with_unseeded_tokio(self) -> Self {
        Self { seeding: TokioSeeding::OfProcess, ..self }
    }
}

/// The program of an example, as `Cli::main` is, with two words before its arguments for `just async-table`, which
/// measures what a process for each run and a seed for tokio cost: `in-one-process`, and `in-one-process-unseeded`.
#[doc(hidden)]
pub fn measured<V: Service>(name: &str) -> ExitCode {
    let cli = |service| Cli::new().name(name).engine(service);
    let service = ServiceOnMadsim::<V>::new();
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let service = match arguments.get(1).and_then(|first| first.to_str()) {
        Some("in-one-process") => service,
        Some("in-one-process-unseeded") => service.with_unseeded_tokio(),
        _ => return cli(service).main(),
    };
    arguments.remove(1);
    cli(service).run(arguments).into()
}

impl<V> Default for ServiceOnMadsim<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Service> AnySystem for ServiceOnMadsim<V> {
    fn description(&self) -> SystemDescription {
        SystemDescription::of::<ServiceSystem<V>>()
    }

    fn verify(&self, scenario: &Scenario) -> Result<(), Diagnostics> {
        scenario::verify::<ServiceSystem<V>>(scenario)
    }

    fn open(&self, scenario: Arc<Scenario>) -> Result<Arc<dyn Engine>, OpenError> {
        let mut unsupported = limits::of_services(&scenario);
        unsupported.extend(entropy::unseeded());
        if !unsupported.is_empty() {
            return Err(OpenError::Unsupported(unsupported));
        }
        Ok(MadsimEngine::<ServiceSystem<V>, Services>::shared(scenario, self.seeding))
    }

    fn isolation(&self) -> Isolation {
        // Its code, and that of every crate below it, may keep anything in statics.
        Isolation::Process
    }
}

/// What the processes of a system are on madsim: kernel nodes, or instances of a service.
trait ProcessKind<S: System>: 'static {
    /// Whether there is node state to look at.
    const SHOWS_STATE: bool;

    /// What of a plan cannot be done here.
    fn unable(plan: &AnyPlan) -> Vec<Unsupported>;

    /// When and by which node a log line is written; `None` where the world knows it.
    fn stamp() -> Option<Stamp>;

    /// The options that have an effect on such a system.
    fn supported(settings: Settings) -> Settings;

    /// One run. To be called once a thread.
    fn run<T>(system: &S, options: &OptionsOf<S>, seed: (Seed, TokioSeeding), tracer: T) -> Ended<S>
    where
        T: Tracer<S::Node> + Send + 'static;
}

/// Nodes of the kernel, whose handlers run in tasks of madsim.
struct KernelNodes;

impl<S: System> ProcessKind<S> for KernelNodes {
    const SHOWS_STATE: bool = true;

    fn unable(_: &AnyPlan) -> Vec<Unsupported> {
        Vec::new()
    }

    fn stamp() -> Option<Stamp> {
        None
    }

    fn supported(settings: Settings) -> Settings {
        settings
    }

    fn run<T>(system: &S, options: &OptionsOf<S>, (seed, _): (Seed, TokioSeeding), tracer: T) -> Ended<S>
    where
        T: Tracer<S::Node> + Send + 'static,
    {
        node_host::run(system, options, seed, tracer)
    }
}

/// Instances of an async service.
struct Services;

impl<V: Service> ProcessKind<ServiceSystem<V>> for Services {
    const SHOWS_STATE: bool = false;

    fn unable(plan: &AnyPlan) -> Vec<Unsupported> {
        limits::of_plans(plan)
    }

    fn stamp() -> Option<Stamp> {
        service_host::stamp()
    }

    fn supported(settings: Settings) -> Settings {
        settings::of_service(settings)
    }

    fn run<T>(
        system: &ServiceSystem<V>,
        options: &OptionsOf<ServiceSystem<V>>,
        seed: (Seed, TokioSeeding),
        tracer: T,
    ) -> Ended<ServiceSystem<V>>
    where
        T: Tracer<Instance<V>> + Send + 'static,
    {
        service_host::run(system, options, seed, tracer)
    }
}

struct MadsimEngine<S: System, H> {
    opened: Opened<S>,
    seeding: TokioSeeding,
    kind: PhantomData<fn() -> H>,
}

impl<S: System, H: ProcessKind<S>> MadsimEngine<S, H> {
    fn shared(scenario: Arc<Scenario>, seeding: TokioSeeding) -> Arc<dyn Engine> {
        Arc::new(Self { opened: Opened::new(scenario), seeding, kind: PhantomData })
    }

    /// The invariants that look at node state, if such processes show none.
    fn hidden() -> impl Iterator<Item = (usize, NamedInvariant)> {
        let list = S::Invariants::GROUPS.named(S::NAME).into_iter().enumerate();
        list.filter(|(_, it)| !H::SHOWS_STATE && it.info.sight == Sight::WhiteBox)
    }
}

impl<S: System, H: ProcessKind<S>> Engine for MadsimEngine<S, H> {
    fn worker(&self) -> Box<dyn Worker + '_> {
        Box::new(MadsimWorker(self))
    }

    fn settings(&self, seed: Seed) -> Result<Settings, Diagnostics> {
        self.opened.settings(seed).map(H::supported)
    }

    fn read_plan(&self, text: &PlanText) -> Result<AnyPlan, OpenError> {
        let plan = self.opened.read_plan(text)?;
        let unsupported = H::unable(&plan);
        if unsupported.is_empty() { Ok(plan) } else { Err(OpenError::Unsupported(unsupported)) }
    }

    fn name(&self) -> &'static str {
        NAME
    }

    fn skipped(&self) -> Vec<Cow<'static, str>> {
        let wanted = &self.opened.scenario().invariants;
        Self::hidden().map(|(_, it)| it.name).filter(|name| wanted.iter().any(|one| one == name)).collect()
    }
}

struct MadsimWorker<'a, S: System, H>(&'a MadsimEngine<S, H>);

impl<S: System, H: ProcessKind<S>> Worker for MadsimWorker<'_, S, H> {
    fn run(&mut self, job: Job<'_>, recorder: Option<&mut dyn Recorder>) -> Run {
        let (seed, mut resolved) = ((job.seed, self.0.seeding), self.0.opened.resolve_to_run(job));
        // What looks at node state where there is none would see nothing and call it well.
        let hidden: Vec<usize> = MadsimEngine::<S, H>::hidden().map(|(index, _)| index).collect();
        let invariants = &mut resolved.options.invariants;
        *invariants = invariants.filter(S::Invariants::GROUPS.invariant_count(), |index| !hidden.contains(&index));
        let is_recorded = recorder.is_some();
        let (report, history) = match recorder {
            None => on_fresh_thread(|| with_place::<S>(H::run(&resolved.system, &resolved.options, seed, NoTrace))),
            Some(recorder) => recorded(recorder, H::stamp, |entries| {
                with_place::<S>(H::run(&resolved.system, &resolved.options, seed, Tracing::new(entries)))
            }),
        };
        run_of(resolved, report, is_recorded.then_some(&history))
    }
}

/// One run of kernel nodes on madsim, on a thread of its own, without a scenario: what `World::run` is for the kernel.
pub fn run<S: System>(system: &S, options: &OptionsOf<S>, seed: Seed) -> ReportOf<S::Node> {
    on_fresh_thread(|| node_host::run(system, options, seed, NoTrace)).0
}

/// A panic of this thread that ended a run says where it came from.
fn with_place<S: System>((mut report, history): Ended<S>) -> Ended<S> {
    if let (Outcome::Panicked(panic), Some(place)) = (&mut report.outcome, take_panic_place()) {
        panic.message = format!("{} (at {place})", panic.message);
    }
    (report, history)
}

/// Runs this on a thread that has run nothing before: std keeps the keys of its hash maps by thread, and hands them on.
pub(crate) fn on_fresh_thread<R: Send>(run: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(RUN_THREAD.to_owned()).stack_size(RUN_STACK_SIZE);
        let handle = thread.spawn_scoped(scope, run).expect("the system has room for a thread");
        handle.join().unwrap_or_else(|payload| resume_unwind(payload))
    })
}

/// The same, with every entry handed to the recorder on this thread, as it comes.
fn recorded<R: Send>(
    recorder: &mut dyn Recorder,
    stamp: fn() -> Option<Stamp>,
    run: impl FnOnce(Entries) -> R + Send,
) -> R {
    let (sender, receiver) = channel();
    let (has_log, has_data) = (recorder.wants(EntryKind::Logged), recorder.wants_data());
    let last = sender.clone();
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(RUN_THREAD.to_owned()).stack_size(RUN_STACK_SIZE);
        let run = move || {
            let _capture = has_log.then(|| Capture::begin(stamp));
            let ran = catch_unwind(AssertUnwindSafe(|| run(Entries { sender, has_data })));
            // Said, and not left to the end of the last sender: a service may keep one in a static.
            let _ = last.send(None);
            ran
        };
        let handle = thread.spawn_scoped(scope, run).expect("the system has room for a thread");
        receiver.iter().map_while(|entry| entry).for_each(|entry| recorder.record(entry));
        handle.join().unwrap_or_else(Err).unwrap_or_else(|payload| resume_unwind(payload))
    })
}

/// Sends what is recorded to another thread. It never blocks and never draws: a run is the same with and without it.
struct Entries {
    sender: Sender<Option<Entry>>,
    /// Whether the recorder makes use of what entries hold for programs.
    has_data: bool,
}

impl Recorder for Entries {
    fn record(&mut self, entry: Entry) {
        // It fails only if the other thread is gone, and then the entry is of no use.
        let _ = self.sender.send(Some(entry));
    }

    fn wants_data(&self) -> bool {
        self.has_data
    }
}

//! The instances of an async service on madsim: each is a madsim node with an address, and what the director does to
//! the kernel's world is done to madsim's.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future as _, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use madsim::Config;
use madsim::net::NetSim;
use madsim::runtime::{Handle, NodeHandle};
use splitbrain::engine::Stamp;
use splitbrain_kernel::fault::Latency;
use splitbrain_kernel::id::{Link, NodeId};
use splitbrain_kernel::node::Observation;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{NetworkOptions, OptionsOf, Panic};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::trace::Tracer;
use splitbrain_kernel::view::View;
use splitbrain_kernel::world::Hosted;

use crate::clock::TrueTime;
use crate::host::{self, Ended, Host, Processes};
use crate::service::{Access, Instance, NodeCall, Process, Service, ServiceSystem, address};
use crate::tokio_seed::TokioSeeding;

/// One run. To be called once a thread.
pub(crate) fn run<V, T>(
    system: &ServiceSystem<V>,
    options: &OptionsOf<ServiceSystem<V>>,
    seed: (Seed, TokioSeeding),
    tracer: T,
) -> Ended<ServiceSystem<V>>
where
    V: Service,
    T: Tracer<Instance<V>> + Send + 'static,
{
    let config = Config { net: network_config(&options.network), ..Config::default() };
    host::run(seed, config, || {
        let system = system.renewed();
        let world = Hosted::traced(&system, options, seed.0, tracer);
        let assemble = move |world: &Hosted<ServiceSystem<V>, T>, madsim: &Handle| {
            let build = |id: NodeId| {
                let handle = madsim.create_node().name(id.to_string()).ip(address(id)).build();
                ServiceProcess { id, handle, incarnation: world.incarnation(id), is_up: false, is_paused: false }
            };
            let processes = world.view().cluster().nodes().map(build).collect();
            ServiceProcesses { system, processes, cut: Vec::new(), looked_at: None, names: Names::default() }
        };
        (world, assemble)
    })
}

/// madsim has one latency and one loss for all links.
#[expect(clippy::float_arithmetic, reason = "madsim takes a chance as a float")]
fn network_config(options: &NetworkOptions) -> madsim::net::Config {
    let (min, max) = match options.latency {
        Latency::Uniform { min, max } => (min, max),
        Latency::Exponential { min, mean } => (min, min.saturating_add(mean)),
    };
    let least = |duration: Duration| std::time::Duration::from_nanos(duration.as_nanos());
    let after = |duration: Duration| least(duration) + std::time::Duration::from_nanos(1);
    madsim::net::Config {
        packet_loss_rate: f64::from(options.loss.parts()) / 1e6,
        send_latency: least(min)..after(max),
    }
}

/// The instances of a service.
struct ServiceProcesses<V: Service> {
    system: ServiceSystem<V>,
    processes: Vec<ServiceProcess>,
    /// The links that are cut or clogged now.
    cut: Vec<Link>,
    /// What was done to the world when links were last looked at.
    looked_at: Option<(u64, Instant)>,
    names: Names,
}

/// Whose tasks madsim's nodes run now. A task that is dropped after its process has ended speaks for nobody.
type Names = Arc<Mutex<BTreeMap<madsim::task::NodeId, NodeId>>>;

fn lock(names: &Names) -> MutexGuard<'_, BTreeMap<madsim::task::NodeId, NodeId>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An instance as madsim has it.
struct ServiceProcess {
    id: NodeId,
    handle: NodeHandle,
    incarnation: u32,
    is_up: bool,
    is_paused: bool,
}

impl<V: Service> Processes<ServiceSystem<V>> for ServiceProcesses<V> {
    fn follow<T: Tracer<Instance<V>> + Send + 'static>(
        &mut self,
        world: &Hosted<ServiceSystem<V>, T>,
        host: &Host<ServiceSystem<V>, T, Self>,
    ) {
        let view = world.view();
        // Both: the settle phase heals links and is no act; two acts may share an instant.
        let looked_at = Some((world.acts(), view.disturbed_at()));
        if std::mem::replace(&mut self.looked_at, looked_at) != looked_at {
            self.follow_links(view);
        }
        if !has_current_run() {
            self.install(host);
        }
        for process in &mut self.processes {
            process.follow_process(world, &self.system, &self.names, host);
            process.follow_pause(view);
        }
    }

    fn node_of(&self, _: NodeId) -> Option<&NodeHandle> {
        // What the world waits for goes on while an instance is paused or down.
        None
    }

    fn shut_down(self) -> Vec<NodeHandle> {
        CURRENT_RUN.with(|current| current.borrow_mut().take());
        self.processes.into_iter().map(|process| process.handle).collect()
    }
}

impl<V: Service> ServiceProcesses<V> {
    fn follow_links(&mut self, view: impl View<Instance<V>>) {
        let network = NetSim::current();
        let at =
            |node: NodeId| self.processes.iter().find(|it| it.id == node).expect("a node of the cluster").handle.id();
        let ids = self.processes.iter().map(|process| process.id);
        let links = ids.clone().flat_map(|source| ids.clone().map(move |target| Link::new(source, target)));
        let cut: Vec<Link> = links.filter(|link| link.source != link.target && view.is_blocked(*link)).collect();
        for link in self.cut.iter().filter(|link| !cut.contains(link)) {
            network.unclog_link(at(link.source), at(link.target));
        }
        for link in cut.iter().filter(|link| !self.cut.contains(link)) {
            network.clog_link(at(link.source), at(link.target));
        }
        self.cut = cut;
    }

    /// From now on [`observe`] on this thread observes in the name of the process that calls it.
    fn install<T: Tracer<Instance<V>> + Send + 'static>(&self, host: &Host<ServiceSystem<V>, T, Self>) {
        let names = Arc::clone(&self.names);
        let host = host.clone();
        let observe = move |observation: &mut dyn Any| {
            let observation = observation.downcast_mut::<Option<V::Observation>>().unwrap_or_else(|| {
                panic!("the observations of {} are of the type {}", V::NAME, std::any::type_name::<V::Observation>());
            });
            let observation = observation.take().expect("it is handed over once");
            if let Some(node) = current_process(&names) {
                host.call(node, Box::new(|ctx| ctx.observe(observation)));
            }
        };
        let run = CurrentRun { observe: Rc::new(observe), names: Arc::clone(&self.names) };
        CURRENT_RUN.with(|current| *current.borrow_mut() = Some(run));
    }
}

impl ServiceProcess {
    /// A process that has ended is killed, one that has started is spawned.
    fn follow_process<V: Service, T: Tracer<Instance<V>> + Send + 'static>(
        &mut self,
        world: &Hosted<ServiceSystem<V>, T>,
        system: &ServiceSystem<V>,
        names: &Names,
        host: &Host<ServiceSystem<V>, T, ServiceProcesses<V>>,
    ) {
        let (incarnation, is_up) = (world.incarnation(self.id), world.view().is_up(self.id));
        if (self.incarnation, self.is_up) == (incarnation, is_up) {
            return;
        }
        let madsim = Handle::current();
        let id = self.handle.id();
        if self.is_up {
            // Its sockets are closed, and its tasks dropped at their next turn. What has ended cannot be paused.
            lock(names).remove(&id);
            host::kill(&madsim, id);
            madsim.restart(id);
            self.handle = madsim.get_node(id).expect("a restart keeps the node");
            self.is_paused = false;
        }
        if is_up {
            let access = ProcessAccess { host: host.clone(), incarnation };
            let process = Process::new(self.id, system.cluster(), system.mailbox(self.id), Arc::new(access));
            self.handle.spawn(run_process(system.service.clone(), process, Arc::clone(names), host.clone()));
        }
        (self.incarnation, self.is_up) = (incarnation, is_up);
    }

    fn follow_pause<V: Service>(&mut self, view: impl View<Instance<V>>) {
        let is_paused = self.is_up && view.is_paused(self.id);
        if std::mem::replace(&mut self.is_paused, is_paused) == is_paused {
            return;
        }
        if is_paused {
            Handle::current().pause(self.handle.id());
        } else {
            Handle::current().resume(self.handle.id());
        }
    }
}

/// The life of one process: it ends when it is killed, when it returns, or when it panics.
async fn run_process<V: Service, T: Tracer<Instance<V>> + Send + 'static>(
    service: V,
    process: Process<V>,
    names: Names,
    host: Host<ServiceSystem<V>, T, ServiceProcesses<V>>,
) {
    // The tasks of the process before are dropped by then.
    madsim::time::sleep(std::time::Duration::from_millis(1)).await;
    let id = process.id();
    lock(&names).insert(madsim::plugin::node(), id);
    let mut future = Box::pin(service.run(process));
    let ended = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(payload) => Poll::Ready(Err(payload)),
    });
    match ended.await {
        Ok(()) => host.call(id, Box::new(|ctx| ctx.exit("its service returned"))),
        Err(payload) => {
            let (now, message) = (TrueTime::current().now(), Panic::said(&*payload));
            host.change(|world| world.fail(now, Some(id), message));
        }
    }
}

impl<V: Service, T: Tracer<Instance<V>> + Send + 'static> Host<ServiceSystem<V>, T, ServiceProcesses<V>> {
    fn call(&self, node: NodeId, call: NodeCall<V>) {
        let now = TrueTime::current().now();
        self.change(|world| world.speak(now, node, call));
    }
}

/// The access of one process, which ends with the process.
struct ProcessAccess<V: Service, T> {
    host: Host<ServiceSystem<V>, T, ServiceProcesses<V>>,
    incarnation: u32,
}

impl<V: Service, T: Tracer<Instance<V>> + Send + 'static> Access<V> for ProcessAccess<V, T> {
    fn call(&self, node: NodeId, call: NodeCall<V>) {
        let now = TrueTime::current().now();
        self.host.change(|world| {
            if world.incarnation(node) == self.incarnation {
                world.speak(now, node, call);
            }
        });
    }
}

/// Takes the observation out of an `Option`.
type Observe = dyn Fn(&mut dyn Any);

/// The run on a thread, as the code of its processes finds it.
#[derive(Clone)]
struct CurrentRun {
    observe: Rc<Observe>,
    names: Names,
}

thread_local! {
    /// The one run on this thread, for the observations of its processes.
    static CURRENT_RUN: RefCell<Option<CurrentRun>> = const { RefCell::new(None) };
}

/// The process whose task runs now; `None` if it has ended.
fn current_process(names: &Names) -> Option<NodeId> {
    lock(names).get(&madsim::plugin::node()).copied()
}

/// When and by which process a log line is written; `None` outside of a run.
pub(crate) fn stamp() -> Option<Stamp> {
    let current = CURRENT_RUN.with(|current| current.borrow().clone())?;
    Some(Stamp { at: TrueTime::try_current()?.now(), node: current_process(&current.names) })
}

fn has_current_run() -> bool {
    CURRENT_RUN.with(|current| current.borrow().is_some())
}

pub(crate) fn observe<O: Observation>(observation: O) {
    let current = CURRENT_RUN.with(|current| current.borrow().clone());
    if let Some(current) = current {
        (current.observe)(&mut Some(observation));
    }
}

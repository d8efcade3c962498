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
use crate::host::{self, Ended, Host, Troupe};
use crate::service::{Instance, Process, Saying, Service, Staged, Voice, address};

/// One run. To be called once a thread.
pub(crate) fn run<V, T>(staged: &Staged<V>, options: &OptionsOf<Staged<V>>, seed: Seed, tracer: T) -> Ended<Staged<V>>
where
    V: Service,
    T: Tracer<Instance<V>> + Send + 'static,
{
    let world = Hosted::traced(staged, options, seed, tracer);
    let config = Config { net: network_config(&options.network), ..Config::default() };
    host::run(world, seed, config, |world, madsim| {
        let build = |id: NodeId| {
            let handle = madsim.create_node().name(id.to_string()).ip(address(id)).build();
            Member { id, handle, incarnation: world.incarnation(id), is_up: false, is_paused: false }
        };
        let members: Vec<Member> = world.view().cluster().nodes().map(build).collect();
        Cast { staged: staged.clone(), members, cut: Vec::new(), looked_at: None, names: Names::default() }
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
struct Cast<V: Service> {
    staged: Staged<V>,
    members: Vec<Member>,
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
struct Member {
    id: NodeId,
    handle: NodeHandle,
    incarnation: u32,
    is_up: bool,
    is_paused: bool,
}

impl<V: Service> Troupe<Staged<V>> for Cast<V> {
    fn follow<T: Tracer<Instance<V>> + Send + 'static>(
        &mut self,
        world: &Hosted<Staged<V>, T>,
        host: &Host<Staged<V>, T, Self>,
    ) {
        let view = world.view();
        // Both: the settle phase heals links and is no act; two acts may share an instant.
        let looked_at = Some((world.acts(), view.disturbed_at()));
        if std::mem::replace(&mut self.looked_at, looked_at) != looked_at {
            self.follow_links(view);
        }
        if !is_listening() {
            self.listen(host);
        }
        for member in &mut self.members {
            member.follow_process(world, &self.staged, &self.names, host);
            member.follow_pause(view);
        }
    }

    fn home(&self, _: NodeId) -> Option<&NodeHandle> {
        // What the world waits for goes on while an instance is paused or down.
        None
    }

    fn leave(self) -> Vec<NodeHandle> {
        LISTENER.with(|listener| listener.borrow_mut().take());
        self.members.into_iter().map(|member| member.handle).collect()
    }
}

impl<V: Service> Cast<V> {
    fn follow_links(&mut self, view: impl View<Instance<V>>) {
        let network = NetSim::current();
        let at =
            |node: NodeId| self.members.iter().find(|it| it.id == node).expect("a node of the cluster").handle.id();
        let ids = self.members.iter().map(|member| member.id);
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

    /// From now on [`observe`] on this thread speaks for the process that calls it.
    fn listen<T: Tracer<Instance<V>> + Send + 'static>(&self, host: &Host<Staged<V>, T, Self>) {
        let names = Arc::clone(&self.names);
        let host = host.clone();
        let hear = move |observation: &mut dyn Any| {
            let told = observation.downcast_mut::<Option<V::Observation>>().unwrap_or_else(|| {
                panic!("{} tells {}", V::NAME, std::any::type_name::<V::Observation>());
            });
            let observation = told.take().expect("it is told once");
            if let Some(node) = speaker(&names) {
                host.speak(node, Box::new(|ctx| ctx.observe(observation)));
            }
        };
        let listener = Listener { hear: Rc::new(hear), names: Arc::clone(&self.names) };
        LISTENER.with(|current| *current.borrow_mut() = Some(listener));
    }
}

impl Member {
    /// A process that has ended is killed, one that has started is spawned.
    fn follow_process<V: Service, T: Tracer<Instance<V>> + Send + 'static>(
        &mut self,
        world: &Hosted<Staged<V>, T>,
        staged: &Staged<V>,
        names: &Names,
        host: &Host<Staged<V>, T, Cast<V>>,
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
            let voice = Voiced { host: host.clone(), incarnation };
            let process = Process::new(self.id, staged.cluster, staged.mailbox(self.id), Arc::new(voice));
            self.handle.spawn(live(staged.service.clone(), process, Arc::clone(names), host.clone()));
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
async fn live<V: Service, T: Tracer<Instance<V>> + Send + 'static>(
    service: V,
    process: Process<V>,
    names: Names,
    host: Host<Staged<V>, T, Cast<V>>,
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
        Ok(()) => host.speak(id, Box::new(|ctx| ctx.exit("its service returned"))),
        Err(payload) => {
            let (now, message) = (TrueTime::current().now(), Panic::said(&*payload));
            host.change(|world| world.fail(now, Some(id), message));
        }
    }
}

impl<V: Service, T: Tracer<Instance<V>> + Send + 'static> Host<Staged<V>, T, Cast<V>> {
    fn speak(&self, node: NodeId, say: Saying<V>) {
        let now = TrueTime::current().now();
        self.change(|world| world.speak(now, node, say));
    }
}

/// The voice of one process: it falls silent with it.
struct Voiced<V: Service, T> {
    host: Host<Staged<V>, T, Cast<V>>,
    incarnation: u32,
}

impl<V: Service, T: Tracer<Instance<V>> + Send + 'static> Voice<V> for Voiced<V, T> {
    fn speak(&self, node: NodeId, say: Saying<V>) {
        let now = TrueTime::current().now();
        self.host.change(|world| {
            if world.incarnation(node) == self.incarnation {
                world.speak(now, node, say);
            }
        });
    }
}

/// Hears an `Option` of an observation, and takes it.
type Hear = dyn Fn(&mut dyn Any);

/// The run on a thread, as the code of its processes finds it.
#[derive(Clone)]
struct Listener {
    hear: Rc<Hear>,
    names: Names,
}

thread_local! {
    /// Who hears what a process tells: that of the one run on this thread.
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// The process whose task runs now; `None` if it has ended.
fn speaker(names: &Names) -> Option<NodeId> {
    lock(names).get(&madsim::plugin::node()).copied()
}

/// When and by which process a log line is written; `None` outside of a run.
pub(crate) fn stamp() -> Option<Stamp> {
    let listener = LISTENER.with(|listener| listener.borrow().clone())?;
    Some(Stamp { at: TrueTime::try_current()?.now(), node: speaker(&listener.names) })
}

fn is_listening() -> bool {
    LISTENER.with(|listener| listener.borrow().is_some())
}

pub(crate) fn observe<O: Observation>(observation: O) {
    let listener = LISTENER.with(|listener| listener.borrow().clone());
    if let Some(listener) = listener {
        (listener.hear)(&mut Some(observation));
    }
}

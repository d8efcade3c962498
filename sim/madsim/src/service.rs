//! Async services under splitbrain: code written against tokio, several instances of it and its clients, under the same
//! scenario files, faults, invariants and outcomes as kernel nodes.
//!
//! To the kernel's world each instance is a node without a state of its own: it starts, ends, pauses, is given
//! operations, and makes observations. Its tasks, sockets and sleeps are madsim's.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use splitbrain_kernel::context::{Context, OperationId, OperationResult};
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::invariant::Invariants;
use splitbrain_kernel::node::{Data, Message, Never, Node, Observation, Recovered, Source};
use splitbrain_kernel::options::{Options, OptionsError, Preset, ValueKind};
use splitbrain_kernel::rng::{Ppm, Rng};
use splitbrain_kernel::system::{Gauge, Setup, System, WorkloadInfo};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;
use splitbrain_kernel::vocabulary::Role;
use splitbrain_kernel::workload::{Loop, Next, Pace, PaceOptions, Workload, WorkloadCall};

/// An async service to be tested: what [`System`] is for kernel nodes.
pub trait Service: Clone + Debug + Send + Sync + Sized + 'static {
    /// The name in scenario files.
    const NAME: &'static str;
    /// One sentence for `list`.
    const DOC: &'static str;
    /// The roles that instances report, for selectors. `leader`, where there is one, is the one that rank decides.
    const ROLES: &'static [Role] = &[];
    /// The kinds of resource that instances report, for `holder(…)`.
    const RESOURCES: &'static [&'static str] = &[];
    /// The workloads that clients can be given.
    const WORKLOADS: &'static [WorkloadInfo] = &[];
    /// The gauges that [`Service::gauges`] fills in, for `[expect]`.
    const GAUGES: &'static [Gauge] = &[];

    /// What a scenario can set.
    type Options: Options;
    /// What instances observe: what invariants look at, and what scenarios expect and count.
    type Observation: Observation;
    /// What clients are asked to do.
    type Operation: Data + DeserializeOwned;
    /// What clients are answered.
    type Response: Data + DeserializeOwned;
    /// What must hold.
    ///
    /// - There is no node state to look at: an invariant that wants some is skipped.
    /// - An answer that is under way when its server dies still arrives, after
    ///   [`on_down`](splitbrain_kernel::invariant::Invariants::on_down) of the server. An invariant that forgets there
    ///   what the server owed has to know in which life of the server a question was asked, or it takes the late answer
    ///   for one of the next life and reports a violation that is none.
    type Invariants: Invariants<Instance<Self>>;

    /// A cluster with these options.
    ///
    /// # Errors
    /// Options that cannot stand together.
    fn new(setup: Setup<Self::Options>) -> Result<Self, OptionsError>;

    /// One process, server or client, from its start until it is killed. Where it returns, the process exits; where it
    /// panics, the run ends.
    fn run(self, process: Process<Self>) -> impl Future<Output = ()> + Send + 'static;

    /// Fresh invariants.
    fn invariants(&self) -> Self::Invariants;

    /// How many servers the core of the settle phase has: enough to make progress by themselves.
    fn core_size(&self) -> usize;

    /// The next operation of a client, for the workload with this name.
    fn operation(&self, workload: &str, reads: bool, rng: &mut Rng) -> Self::Operation {
        let _ = (reads, rng);
        unreachable!("{} offers no workload {workload}", Self::NAME)
    }

    /// Figures of a run beside the counts of its observations, in the order of [`Service::GAUGES`].
    fn gauges(invariants: &Self::Invariants) -> Vec<u64> {
        let _ = invariants;
        Vec::new()
    }
}

/// The address of a node: `10.0.0.3` is s3, `10.128.0.2` is c2, and other kinds have `10.1.0.0` to `10.26.0.0` by their
/// letters.
pub fn address(node: NodeId) -> IpAddr {
    let word = u16::try_from(node.key()).expect("the key of a node has 16 bits");
    let [space, number] = word.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, space, 0, number))
}

/// A process of a service, for its own code: which node it is, what it is asked to do, and how it reports what it does.
pub struct Process<V: Service> {
    id: NodeId,
    cluster: Cluster,
    mailbox: Mailbox<V::Operation>,
    access: Arc<dyn Access<V>>,
}

impl<V: Service> Clone for Process<V> {
    fn clone(&self) -> Self {
        let Self { id, cluster, mailbox, access } = self;
        Self { id: *id, cluster: *cluster, mailbox: mailbox.clone(), access: Arc::clone(access) }
    }
}

impl<V: Service> Debug for Process<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<V: Service> Process<V> {
    pub(crate) fn new(
        id: NodeId,
        cluster: Cluster,
        mailbox: Mailbox<V::Operation>,
        access: Arc<dyn Access<V>>,
    ) -> Self {
        Self { id, cluster, mailbox, access }
    }

    /// Its name.
    pub const fn id(&self) -> NodeId {
        self.id
    }

    /// How many there are.
    pub const fn cluster(&self) -> Cluster {
        self.cluster
    }

    /// Makes an observation.
    pub fn observe(&self, observation: V::Observation) {
        self.access.call(self.id, Box::new(|ctx| ctx.observe(observation)));
    }

    /// The next operation that the workload asks for; waits until there is one.
    pub async fn operation(&self) -> V::Operation {
        self.mailbox.take().await
    }

    /// A client begins an operation: a line of the history. It ends once, by [`Process::complete`]; what is open when
    /// the process ends is completed as unknown.
    pub fn invoke(&self, operation: V::Operation) -> OperationId {
        let id = Arc::new(Mutex::new(OperationId(0)));
        let given = Arc::clone(&id);
        self.access.call(self.id, Box::new(move |ctx| *lock(&given) = ctx.invoke(operation)));
        *lock(&id)
    }

    /// A client's operation ends: a line of the history.
    pub fn complete(&self, id: OperationId, result: OperationResult<V::Response>) {
        self.access.call(self.id, Box::new(move |ctx| ctx.complete(id, result)));
    }
}

/// Makes an observation in the name of the process that calls it: one line in code that knows nothing else of
/// splitbrain, behind `#[cfg(madsim)]` where the code is built for production too. Outside of a run it does nothing.
///
/// # Panics
/// If the observations of the service that runs are of another type.
pub fn observe<O: Observation>(observation: O) {
    crate::service_host::observe(observation);
}

/// What is done through a node's context.
pub(crate) type NodeCall<V> = Box<dyn FnOnce(&mut Context<Instance<V>>) + Send>;

/// Access to the nodes of the kernel's world.
pub(crate) trait Access<V: Service>: Send + Sync {
    /// Does this in the name of the node.
    fn call(&self, node: NodeId, call: NodeCall<V>);
}

/// A service as the kernel's world sees it: nodes without a state.
#[derive(Clone, Debug)]
pub struct ServiceSystem<V: Service> {
    pub(crate) service: V,
    setup: Setup<V::Options>,
    mailboxes: Mailboxes<V::Operation>,
}

/// Those of the processes that run now.
type Mailboxes<O> = Arc<Mutex<Vec<(NodeId, Mailbox<O>)>>>;

impl<V: Service> ServiceSystem<V> {
    /// The same system with a service that is made anew, here: what `Service::new` takes from the place where it is
    /// called, such as the keys of a hash map, is then that of this run.
    ///
    /// # Panics
    /// If `Service::new` takes other options on another day.
    pub(crate) fn renewed(&self) -> Self {
        Self::new(self.setup.clone()).unwrap_or_else(|error| panic!("the options stood together before: {error}"))
    }

    pub(crate) const fn cluster(&self) -> Cluster {
        self.setup.cluster
    }

    /// Where the process of this node that runs now finds what it is asked to do.
    pub(crate) fn mailbox(&self, node: NodeId) -> Mailbox<V::Operation> {
        let mailboxes = lock(&self.mailboxes);
        let found = mailboxes.iter().find(|(id, _)| *id == node);
        found.map(|(_, mailbox)| mailbox.clone()).unwrap_or_default()
    }
}

impl<V: Service> System for ServiceSystem<V> {
    const NAME: &'static str = V::NAME;
    const DOC: &'static str = V::DOC;
    const ROLES: &'static [Role] = V::ROLES;
    const RESOURCES: &'static [&'static str] = V::RESOURCES;
    const WORKLOADS: &'static [WorkloadInfo] = V::WORKLOADS;
    const GAUGES: &'static [Gauge] = V::GAUGES;
    type Options = V::Options;
    type Node = Instance<V>;
    type Invariants = V::Invariants;
    type Workload = ServiceLoad<V>;

    fn new(setup: Setup<V::Options>) -> Result<Self, OptionsError> {
        Ok(Self { service: V::new(setup.clone())?, setup, mailboxes: Arc::default() })
    }

    fn node(&self, id: NodeId, _: Recovered<()>) -> Instance<V> {
        // A process that starts anew has not been asked for anything yet.
        let mailbox = Mailbox::default();
        let mut mailboxes = lock(&self.mailboxes);
        mailboxes.retain(|(known, _)| *known != id);
        mailboxes.push((id, mailbox.clone()));
        Instance { mailbox }
    }

    fn invariants(&self) -> V::Invariants {
        self.service.invariants()
    }

    fn core(&self, _: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.iter().copied().take(self.service.core_size()).collect()
    }

    fn workload(&self, call: &WorkloadCall<'_>) -> Result<ServiceLoad<V>, OptionsError> {
        let ServiceLoadOptions { reads } = call.options();
        let unused = Duration::from_millis(1);
        let pace = PaceOptions { pacing: Loop::Open, think: unused, burst_every: Duration::ZERO, burst_length: unused };
        Ok(ServiceLoad {
            service: self.service.clone(),
            name: call.name.to_owned(),
            reads,
            pace: Pace::of(call, pace, call.stream.clone())?,
            contents: call.stream.fork("operation", 0),
        })
    }

    fn gauges(invariants: &V::Invariants) -> Vec<u64> {
        V::gauges(invariants)
    }
}

splitbrain_kernel::options! {
    /// Options of a workload of a service that reads and writes: `options_of::<ServiceLoadOptions>` in its
    /// [`WorkloadInfo`]. A workload without them states none.
    pub struct ServiceLoadOptions {
        /// The share of reads; drawn for each operation.
        pub reads: Ppm => ValueKind::Probability,
    }
}

impl Options for ServiceLoadOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset { name: "even", doc: "As many reads as writes.", make: || Self { reads: Ppm::new(500_000) } }]
    }
}

/// What one client of a service is asked for: an open loop over [`Service::operation`].
#[derive(Clone, Debug)]
pub struct ServiceLoad<V> {
    service: V,
    name: String,
    reads: Ppm,
    pace: Pace,
    contents: Rng,
}

impl<V: Service> Workload<V::Operation, V::Response> for ServiceLoad<V> {
    fn next(&mut self, now: Instant) -> Next<V::Operation> {
        let Self { service, name, reads, pace, contents } = self;
        pace.next(now, || {
            let reads = contents.chance(*reads);
            service.operation(name, reads, contents)
        })
    }
}

/// A process of a service, as the kernel's world sees it.
#[derive(Clone, Debug)]
pub struct Instance<V: Service> {
    mailbox: Mailbox<V::Operation>,
}

impl<V: Service> Node for Instance<V> {
    type Message = Nothing;
    type Timer = ();
    type Record = ();
    type Observation = V::Observation;
    type Operation = V::Operation;
    type Response = V::Response;
    type Order = Never;
    type Step = ();

    fn on_start(&mut self, _: &mut Context<Self>) {}

    fn on_message(&mut self, _: &mut Context<Self>, _: Source, message: Nothing) {
        match message {}
    }

    fn on_timer(&mut self, _: &mut Context<Self>, (): ()) {}

    fn on_operation(&mut self, _: &mut Context<Self>, operation: V::Operation) {
        self.mailbox.put(operation);
    }
}

/// What instances say to one another in the kernel's network: their words go over madsim's.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Nothing {}

impl Message for Nothing {
    const KINDS: &'static [&'static str] = &[];

    fn kind(&self) -> usize {
        match *self {}
    }
}

/// Operations that wait for a process to take them.
#[derive(Debug)]
pub(crate) struct Mailbox<O>(Arc<Mutex<Slots<O>>>);

#[derive(Debug)]
struct Slots<O> {
    waiting: VecDeque<O>,
    takers: Vec<Waker>,
}

impl<O> Clone for Mailbox<O> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<O> Default for Mailbox<O> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Slots { waiting: VecDeque::new(), takers: Vec::new() })))
    }
}

impl<O> Mailbox<O> {
    fn put(&self, operation: O) {
        let mut slots = lock(&self.0);
        slots.waiting.push_back(operation);
        slots.takers.drain(..).for_each(Waker::wake);
    }

    async fn take(&self) -> O {
        poll_fn(|cx| {
            let mut slots = lock(&self.0);
            slots.waiting.pop_front().map_or_else(
                || {
                    // A task that looks again, as a branch of `select!` does, waits once.
                    if !slots.takers.iter().any(|taker| taker.will_wake(cx.waker())) {
                        slots.takers.push(cx.waker().clone());
                    }
                    Poll::Pending
                },
                Poll::Ready,
            )
        })
        .await
    }
}

/// There is one thread, so a lock is never waited for; a panic while it is held ends the run.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

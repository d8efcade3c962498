//! The kernel's world under madsim: tasks, wakes and time are madsim's, what happens to a packet, a write and a clock
//! is the kernel's.
//!
//! ```text
//!   kernel's world ──wakes──▶ a task each, asleep until it is due
//!        ▲                                       │
//!        └────────── one input, late by some ────┘   madsim picks at random among all that are due
//! ```
//!
//! What the director, a plan or a deadline wants is looked for before every wake and at every tick, so a fault begins
//! at its exact time, and in a replay nothing of it moves another task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use madsim::Config;
use madsim::runtime::{Handle, NodeHandle, Runtime};
use splitbrain_kernel::history::HistoryOf;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Outcome, Panic, ReportOf};
use splitbrain_kernel::system::System;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::trace::Tracer;
use splitbrain_kernel::world::{Hosted, Wake};

use crate::clock::TrueTime;
use crate::tokio_seed::{TokioSeed, TokioSeeding};

/// How often the host checks for what the director wants where nothing else comes up. What it starts, other than a
/// fault, begins so much later at most.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// madsim keeps an entry for every task that ever was, until it is asked how many there are.
const SWEEP_PERIOD: u64 = 1_000;

/// Said where a crate spawns on the real tokio, in whose context a run is for the sake of its generator.
const STRAY: &str = "a task was spawned on the real tokio, where nothing runs it: some crate names tokio itself and \
    not madsim-tokio (docs/madsim.md, Foreign crates)";

/// What a run came to, and the history of its clients.
pub(crate) type Ended<S> = (ReportOf<<S as System>::Node>, HistoryOf<<S as System>::Node>);

/// The processes of a run, as madsim has them.
pub(crate) trait Processes<S: System>: Send + Sized + 'static {
    /// Brings madsim's nodes to where the world is now.
    fn follow<T: Tracer<S::Node> + Send + 'static>(&mut self, world: &Hosted<S, T>, host: &Host<S, T, Self>);

    /// Where the process of this node waits; `None` where it waits with the network.
    fn node_of(&self, node: NodeId) -> Option<&NodeHandle>;

    /// The run is over: the nodes to be killed.
    fn shut_down(self) -> Vec<NodeHandle>;
}

/// What every task of a run shares. There is one thread: the lock is never waited for.
pub(crate) struct Host<S: System, T, P>(Arc<Mutex<State<S, T, P>>>);

impl<S: System, T, P> Clone for Host<S, T, P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct State<S: System, T, P> {
    world: Hosted<S, T>,
    /// `None` before the run starts.
    time: Option<TrueTime>,
    /// `None` while it follows the world.
    processes: Option<P>,
    /// Where what is under way in the network waits; `None` once the run is over.
    network: Option<NodeHandle>,
}

/// One run, to its end. To be called once a thread: a second runtime on one thread sees other hash orders for the same
/// seed.
///
/// `begin` makes the world and says how its processes are assembled. Both happen inside the runtime: a hash map of
/// the code under test that is made before it has its keys from the machine, and so have all later ones.
pub(crate) fn run<S, T, P, A>(
    (seed, seeding): (Seed, TokioSeeding),
    config: Config,
    begin: impl FnOnce() -> (Hosted<S, T>, A),
) -> Ended<S>
where
    S: System,
    T: Tracer<S::Node> + Send + 'static,
    P: Processes<S>,
    A: FnOnce(&Hosted<S, T>, &Handle) -> P,
{
    let runtime = Runtime::with_seed_and_config(seed.0, config);
    let tokio = TokioSeed::new(seed, seeding);
    let (world, assemble) = tokio.within(|| runtime.block_on(async { begin() }));
    let state = State { world, time: None, processes: None, network: None };
    let host = Host(Arc::new(Mutex::new(state)));
    let ended = catch_unwind(AssertUnwindSafe(|| {
        tokio.within(|| runtime.block_on(host.carry_out(&tokio, assemble)));
    }));
    if let Err(payload) = ended {
        // A node's panic is caught in the world. Here it is a task that the service has spawned.
        let message = Panic::said(&*payload);
        let mut state = host.lock();
        let now = state.time.as_ref().map_or(Instant::ZERO, TrueTime::now);
        // Where the run was over by then, it ended as it had ended.
        state.world.fail(now, None, message);
    }
    tokio.within(|| host.kill_all(&runtime));
    let mut state = host.lock();
    let mut report = state.world.report().expect("the run has ended");
    if tokio.strays() > 0 && report.outcome == Outcome::Passed {
        // Spawned since the last look, or by what is dropped at the end.
        let (at, events) = (report.end, report.events);
        report.outcome = Outcome::Panicked(Panic { node: None, message: STRAY.to_owned(), at, events });
    }
    (report, state.world.take_history())
}

impl<S, T, P> Host<S, T, P>
where
    S: System,
    T: Tracer<S::Node> + Send + 'static,
    P: Processes<S>,
{
    /// A panic while it is held is caught where it ends the run, so a poisoned lock says nothing.
    fn lock(&self) -> MutexGuard<'_, State<S, T, P>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry_out(&self, tokio: &TokioSeed, assemble: impl FnOnce(&Hosted<S, T>, &Handle) -> P) {
        let (madsim, time) = (Handle::current(), TrueTime::current());
        {
            let mut state = self.lock();
            state.time = Some(time.clone());
            state.network = Some(madsim.create_node().name("network").build());
            state.processes = Some(assemble(&state.world, &madsim));
        }
        self.change(|_| {});
        for tick in 1.. {
            time.sleep_until(Instant::ZERO.saturating_add(TICK.saturating_mul(tick))).await;
            let now = time.now();
            // Before the look that may end the run.
            if tokio.strays() > 0 {
                self.change(|world| world.fail(now, None, STRAY.to_owned()));
            }
            self.change(|world| world.catch_up(now));
            if self.lock().world.is_over() {
                return;
            }
            if tick % SWEEP_PERIOD == 0 {
                madsim.metrics().num_tasks();
            }
        }
    }

    /// Every task is dropped. One that sleeps holds madsim's time, which holds it: a run would leave them all behind.
    fn kill_all(&self, runtime: &Runtime) {
        let nodes = {
            let mut state = self.lock();
            let processes = state.processes.take().map_or_else(Vec::new, P::shut_down);
            processes.into_iter().chain(state.network.take()).collect::<Vec<_>>()
        };
        for node in nodes {
            kill(runtime.handle(), node.id());
        }
        // What is killed is dropped at its next turn. A panic on the way says nothing of a run that is over.
        let turn = async { madsim::time::sleep(std::time::Duration::from_millis(1)).await };
        let _ = catch_unwind(AssertUnwindSafe(|| runtime.block_on(turn)));
    }

    /// Does something to the world, and sees to what comes of it. Nothing happens once the run is over.
    pub(crate) fn change(&self, act: impl FnOnce(&mut Hosted<S, T>)) {
        let mut state = self.lock();
        if state.world.is_over() {
            return;
        }
        act(&mut state.world);
        if state.world.is_over() || state.network.is_none() {
            return;
        }
        if let Some(mut processes) = state.processes.take() {
            processes.follow(&state.world, self);
            state.processes = Some(processes);
        }
        for wake in state.world.wakes() {
            let node = wake.node.and_then(|node| state.processes.as_ref()?.node_of(node));
            let handle = node.or(state.network.as_ref()).expect("the run is on");
            handle.spawn(Pending { host: self.clone(), wake: Some(wake) }.come_up());
        }
    }
}

/// Kills the tasks of a node. Those of a paused one are resumed first: else madsim drops them here and now, and what a
/// service does when it is dropped would find the state locked.
pub(crate) fn kill(madsim: &Handle, node: madsim::task::NodeId) {
    madsim.resume(node);
    madsim.kill(node);
}

/// A wake that sleeps. Where its task is killed, the world forgets it.
struct Pending<S, T, P>
where
    S: System,
    T: Tracer<S::Node> + Send + 'static,
    P: Processes<S>,
{
    host: Host<S, T, P>,
    wake: Option<Wake>,
}

impl<S, T, P> Pending<S, T, P>
where
    S: System,
    T: Tracer<S::Node> + Send + 'static,
    P: Processes<S>,
{
    async fn come_up(mut self) {
        let time = TrueTime::current();
        let at = self.wake.as_ref().expect("it has not come up yet").at;
        time.sleep_until(at).await;
        let wake = self.wake.take().expect("it comes up once");
        let now = time.now();
        self.host.change(|world| world.wake(now, wake));
    }
}

impl<S, T, P> Drop for Pending<S, T, P>
where
    S: System,
    T: Tracer<S::Node> + Send + 'static,
    P: Processes<S>,
{
    fn drop(&mut self) {
        if let Some(wake) = self.wake.take() {
            self.host.lock().world.forget(wake);
        }
    }
}

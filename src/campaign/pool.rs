//! Runs over threads, their results in the order of the seeds.
//!
//! How many threads there are and which of them is faster changes nothing that the caller sees, except through the
//! watchdog, which is never part of a result.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Digest128, Outcome, Panic};

use crate::campaign::seeds::Seeds;
use crate::engine::{
    Diverging, Engine, Job, Lost, ProcessLost, Recorder, Run, Stopper, Worker, alike, first_difference, panic_hook,
};

/// How often the caller's thread looks at the clock, at the interrupt, and tells of its progress.
const LOOK: Duration = Duration::from_millis(100);

/// Room for the deepest recursion that a node may get into; the main thread's is as large.
pub const STACK_SIZE: usize = 8 << 20;

/// Set once, when the user asks to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks to stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether someone asked to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Results that a thread may be ahead of the one who takes them in.
const AHEAD_MAX: usize = 64;

/// The most threads that a campaign uses.
const JOBS_MAX: usize = 1024;

/// Threads for runs.
#[derive(Clone, Debug)]
pub struct Pool {
    /// How many threads; at least one is started.
    pub jobs: usize,
    /// How long one run may take on the real clock; for ever where there is none.
    pub timeout: Option<Duration>,
    /// Ends the work early.
    pub interrupt: Interrupt,
    /// No run starts after this; those that have started end.
    pub until: Option<Instant>,
}

/// How the work of a pool ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolEnd {
    /// Every seed was run, or every one that started in its time.
    Complete,
    /// The caller had enough.
    Stopped,
    /// The user asked to stop.
    Interrupted,
    /// The run with this seed did not end in time, and cannot be ended. Its thread goes on until the process ends.
    Stuck(Seed),
    /// Every thread is gone, and results are missing: a fault of splitbrain, or of the machine.
    Lost,
}

/// What a worker thread does with a seed.
pub(crate) type Task<T> = dyn Fn(&mut GuardedWorker<'_>, Seed) -> T + Send + Sync;

impl Pool {
    /// Does `task` for every seed and hands the results to `fold`, in the order of the seeds, until it breaks.
    /// `tick` hears now and then how many are done.
    pub(crate) fn each<T: Send + 'static>(
        &self,
        engine: &Arc<dyn Engine>,
        seeds: &Seeds,
        task: &Arc<Task<T>>,
        fold: impl FnMut(T) -> ControlFlow<()>,
        tick: impl FnMut(u64),
    ) -> PoolEnd {
        self.each_within(Duration::ZERO, engine, (seeds, task), fold, tick)
    }

    /// The same, for work that goes on for a while after the user asked to stop.
    fn each_within<T: Send + 'static>(
        &self,
        grace: Duration,
        engine: &Arc<dyn Engine>,
        (seeds, task): (&Seeds, &Arc<Task<T>>),
        mut fold: impl FnMut(T) -> ControlFlow<()>,
        mut tick: impl FnMut(u64),
    ) -> PoolEnd {
        let mut asked = None;
        // More threads than runs, or than any machine has cores, would only cost memory.
        let useful = usize::try_from(seeds.len()).unwrap_or(JOBS_MAX).clamp(1, JOBS_MAX);
        let shared = Arc::new(Shared::new(self.jobs.clamp(1, useful), seeds.clone()));
        let results = start(&shared, engine, task);
        let mut order = InOrder { waiting: BTreeMap::new(), folded: 0, done: 0 };
        let mut is_closed = false;
        let end = loop {
            if order.folded == seeds.len() {
                break PoolEnd::Complete;
            }
            let has_enough = match results.recv_timeout(LOOK) {
                Ok(result) => order.take(result, &mut fold).is_break(),
                Err(RecvTimeoutError::Timeout) => false,
                // Every run that had started has ended.
                Err(RecvTimeoutError::Disconnected) if is_closed => break PoolEnd::Complete,
                Err(RecvTimeoutError::Disconnected) => break PoolEnd::Lost,
            };
            if has_enough {
                break PoolEnd::Stopped;
            }
            tick(order.done);
            if self.until.is_some_and(|until| Instant::now() >= until) {
                shared.stop.store(true, Ordering::SeqCst);
                is_closed = true;
            }
            let is_over = self.interrupt.is_set() && asked.get_or_insert_with(Instant::now).elapsed() >= grace;
            if let Some(end) = self.early_end(is_over, &shared) {
                // What was finished before is kept. The threads hear of it first, or there would be ever more.
                shared.stop.store(true, Ordering::SeqCst);
                let stopped = results.try_iter().any(|result| order.take(result, &mut fold).is_break());
                break if stopped { PoolEnd::Stopped } else { end };
            }
        };
        shared.stop.store(true, Ordering::SeqCst);
        end
    }

    fn early_end(&self, is_interrupted: bool, shared: &Shared) -> Option<PoolEnd> {
        if is_interrupted {
            return Some(PoolEnd::Interrupted);
        }
        self.timeout.and_then(|timeout| shared.end_overdue(timeout)).map(PoolEnd::Stuck)
    }

    /// One run on a thread of its own, with everything that happens handed to `recorder`, which comes back with it.
    ///
    /// # Errors
    /// How it ended otherwise: interrupted or stuck.
    pub fn record<R: Recorder + Send + 'static>(
        &self,
        engine: &Arc<dyn Engine>,
        job: Job<'_>,
        recorder: R,
    ) -> Result<(Run, R), PoolEnd> {
        self.record_within(Duration::ZERO, engine, job, recorder)
    }

    /// The same, but an interrupt ends it only after `grace`: for what failed before the interrupt.
    ///
    /// # Errors
    /// How it ended otherwise: interrupted or stuck.
    pub fn record_within<R: Recorder + Send + 'static>(
        &self,
        grace: Duration,
        engine: &Arc<dyn Engine>,
        job: Job<'_>,
        recorder: R,
    ) -> Result<(Run, R), PoolEnd> {
        let slot = Mutex::new(Some(recorder));
        // The thread may outlive this call, so it has the plan for itself.
        let plan = job.plan.cloned();
        let task: Arc<Task<Option<(Run, R)>>> = Arc::new(move |worker, seed| {
            let mut recorder = slot.lock().unwrap_or_else(PoisonError::into_inner).take()?;
            let run = worker.run(Job { seed, plan: plan.as_ref() }, Some(&mut recorder));
            Some((run, recorder))
        });
        let alone = Self { jobs: 1, until: None, ..self.clone() };
        let mut result = None;
        let keep = |finished| {
            result = finished;
            ControlFlow::Continue(())
        };
        let seeds = Seeds::List(vec![job.seed.0]);
        let end = alone.each_within(grace, engine, (&seeds, &task), keep, |_| {});
        result.ok_or(end)
    }
}

/// Results that came out of order, until those before them are there.
struct InOrder<T> {
    waiting: BTreeMap<u64, T>,
    folded: u64,
    done: u64,
}

impl<T> InOrder<T> {
    fn take(&mut self, (index, result): (u64, T), fold: &mut impl FnMut(T) -> ControlFlow<()>) -> ControlFlow<()> {
        self.waiting.insert(index, result);
        self.done += 1;
        while let Some(result) = self.waiting.remove(&self.folded) {
            self.folded += 1;
            fold(result)?;
        }
        ControlFlow::Continue(())
    }
}

/// What the threads of one campaign share.
struct Shared {
    seeds: Seeds,
    next: AtomicU64,
    stop: AtomicBool,
    /// What each thread is at.
    at: Vec<Slot>,
}

/// A run that is under way.
struct UnderWay {
    seed: Seed,
    since: Instant,
    /// What ends it, if anything can.
    stopper: Option<Stopper>,
    /// How long it was allowed to take, once the watchdog has ended it.
    ended_after: Option<Duration>,
}

type Slot = Mutex<Option<UnderWay>>;

impl Shared {
    fn new(jobs: usize, seeds: Seeds) -> Self {
        let at = (0..jobs).map(|_| Mutex::new(None)).collect();
        Self { seeds, next: AtomicU64::new(0), stop: AtomicBool::new(false), at }
    }

    fn claim(&self) -> Option<(u64, Seed)> {
        if self.stop.load(Ordering::SeqCst) {
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::SeqCst);
        self.seeds.get(index).map(|seed| (index, seed))
    }

    /// Ends the runs that take longer than they may. The lowest seed of those that cannot be ended.
    fn end_overdue(&self, timeout: Duration) -> Option<Seed> {
        let mut stuck: Option<Seed> = None;
        for slot in &self.at {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            let overdue = slot.as_mut().filter(|run| run.since.elapsed() > timeout && run.ended_after.is_none());
            let Some(run) = overdue else { continue };
            match &run.stopper {
                Some(stop) => {
                    run.ended_after = Some(timeout);
                    stop();
                }
                None => stuck = Some(stuck.map_or(run.seed, |seed| Seed(seed.0.min(run.seed.0)))),
            }
        }
        stuck
    }
}

fn start<T: Send + 'static>(
    shared: &Arc<Shared>,
    engine: &Arc<dyn Engine>,
    task: &Arc<Task<T>>,
) -> mpsc::Receiver<(u64, T)> {
    // Bounded: where results are taken in more slowly than they come, the threads wait rather than fill the memory.
    let (sender, results) = mpsc::sync_channel(shared.at.len() * AHEAD_MAX);
    for number in 0..shared.at.len() {
        let (shared, engine, task, sender) = (shared.clone(), engine.clone(), task.clone(), sender.clone());
        let work = move || work(number, &shared, &*engine, &*task, &sender);
        // Detached: a thread with a run that never ends cannot be joined.
        let thread = thread::Builder::new().name(panic_hook::THREAD.to_owned()).stack_size(STACK_SIZE);
        if thread.spawn(work).is_err() {
            // The threads that could be started do the work; with none, the channel closes and nothing has run.
            break;
        }
    }
    results
}

fn work<T>(number: usize, shared: &Shared, engine: &dyn Engine, task: &Task<T>, sender: &SyncSender<(u64, T)>) {
    let mut worker = GuardedWorker { engine, worker: engine.worker(), at: &shared.at[number] };
    while let Some((index, seed)) = shared.claim() {
        if sender.send((index, task(&mut worker, seed))).is_err() {
            return;
        }
    }
}

/// A worker with the watchdog's eye on it, and a net under it.
pub(crate) struct GuardedWorker<'a> {
    engine: &'a dyn Engine,
    worker: Box<dyn Worker + 'a>,
    at: &'a Slot,
}

impl GuardedWorker<'_> {
    /// See [`Worker::run`]; a panic that leaves it becomes an outcome, and so does the end by the watchdog.
    pub(crate) fn run(&mut self, job: Job<'_>, recorder: Option<&mut dyn Recorder>) -> Run {
        let (result, ended_after) = self.watched(job.seed, |_, worker| worker.run(job, recorder));
        let place = panic_hook::take_place();
        match result {
            Ok(mut run) => {
                if let (Outcome::Panicked(panic), Some(place)) = (&mut run.outcome, place) {
                    panic.message = format!("{} (at {place})", panic.message);
                }
                run
            }
            Err(payload) => match (payload.downcast::<ProcessLost>(), ended_after) {
                (Ok(_), Some(limit)) => lost(job.seed, format!("watchdog: {}", overdue(limit)), Lost::Overdue),
                (Ok(died), None) => lost(job.seed, died.0, Lost::Died),
                (Err(payload), _) => panicked(job.seed, &Panic::said(&*payload), place),
            },
        }
    }

    /// Where two executions of one run differ, which takes about as long as a run.
    pub(super) fn first_difference(&mut self, run: &Run, again: &Run) -> Diverging {
        let (result, _) = self.watched(run.seed, |engine, worker| {
            let elsewhere = worker.first_difference(run, again);
            elsewhere.or_else(|| first_difference(engine, run.seed, &run.names, run.events))
        });
        result.ok().flatten().unwrap_or_else(|| alike(run, again))
    }

    /// Does something that the watchdog may end. A worker that panicked or was ended is replaced.
    fn watched<T>(&mut self, seed: Seed, work: impl FnOnce(&dyn Engine, &mut dyn Worker) -> T) -> Watched<T> {
        let run = UnderWay { seed, since: Instant::now(), stopper: self.worker.stopper(), ended_after: None };
        self.note(Some(run));
        let result = catch_unwind(AssertUnwindSafe(|| work(self.engine, &mut *self.worker)));
        let ended_after = self.note(None).and_then(|run| run.ended_after);
        if result.is_err() || ended_after.is_some() {
            // What the worker holds may be half-changed: the next run gets a new one.
            self.worker = self.engine.worker();
        }
        (result, ended_after)
    }

    fn note(&self, at: Option<UnderWay>) -> Option<UnderWay> {
        std::mem::replace(&mut *self.at.lock().unwrap_or_else(PoisonError::into_inner), at)
    }
}

/// What came of the work, and after how long the watchdog ended it, if it did.
type Watched<T> = (thread::Result<T>, Option<Duration>);

/// What is said of a run that takes longer than it may.
pub(crate) fn overdue(limit: Duration) -> String {
    // As it was typed: in the words of the scenarios.
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    let limit = splitbrain_kernel::time::Duration::from_nanos(nanos);
    format!("the run takes longer than {limit} on the real clock")
}

fn lost(seed: Seed, message: String, lost: Lost) -> Run {
    let panic = Panic { node: None, message, at: splitbrain_kernel::time::Instant::ZERO, events: 0 };
    Run { lost: Some(lost), ..Run::without_counts(seed, Outcome::Panicked(panic), Digest128(0)) }
}

fn panicked(seed: Seed, message: &str, place: Option<String>) -> Run {
    let place = place.map_or_else(String::new, |place| format!(" (at {place})"));
    let at = splitbrain_kernel::time::Instant::ZERO;
    let panic = Panic { node: None, message: format!("in splitbrain: {message}{place}"), at, events: 0 };
    Run::without_counts(seed, Outcome::Panicked(panic), Digest128(0))
}

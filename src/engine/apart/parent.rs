//! The side of the socket that asks.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::panic::resume_unwind;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::Gauge;

use super::Starter;
use super::wire::{Answer, Asked, Recorded, Request, Written};
use crate::engine::{
    AnyPlan, Diverging, Engine, Job, OpenError, PlanText, ProcessLost, Recorder, Run, Settings, Stopper, Worker, alike,
};
use crate::scenario::{Diagnostics, Scenario};
use crate::text::printable;

/// An engine whose runs are carried out by other processes. What is not a run is done here.
pub(super) struct ApartEngine {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) scenario: Arc<Scenario>,
    pub(super) written: Written,
    pub(super) gauges: &'static [Gauge],
    pub(super) starter: Starter,
    pub(super) lifetime: Lifetime,
    /// Whether each entry of a recorded run is sent at once.
    pub(super) at_once: bool,
    /// Seeds whose run was lost: when one is recorded, each entry is sent at once.
    pub(super) lost: Mutex<BTreeSet<u64>>,
}

/// How long a process goes on.
pub(super) enum Lifetime {
    /// For one run.
    Run,
    /// As long as it answers. Between two workers it waits among these.
    Worker(Arc<Idle>),
}

/// Processes that wait for the next request, of whatever scenario.
#[derive(Default)]
pub(crate) struct Idle(Mutex<Vec<Process>>);

impl Idle {
    fn take(&self) -> Option<Process> {
        held(&self.0).pop()
    }

    /// Ends those that wait.
    pub(crate) fn end_all(&self) {
        // Killed and waited for where they are dropped.
        held(&self.0).clear();
    }

    fn keep(&self, process: Process) {
        held(&self.0).push(process);
    }
}

impl ApartEngine {
    fn request(&self, seed: Seed, asked: Asked) -> Request {
        let source = &self.scenario.source;
        let (path, text) = (source.path.to_string(), source.text.to_string());
        Request { path, text, written: self.written, seed: seed.0, asked }
    }

    fn start(&self) -> io::Result<Process> {
        start_patiently(|| (self.starter)().and_then(|mut command| Process::start(&mut command)))
    }

    fn idle(&self) -> Option<Process> {
        match &self.lifetime {
            Lifetime::Run => None,
            Lifetime::Worker(idle) => idle.take(),
        }
    }
}

impl Engine for ApartEngine {
    fn worker(&self) -> Box<dyn Worker + '_> {
        Box::new(ApartWorker { engine: self, process: None, under_way: Arc::default(), has_recorded: false })
    }

    fn settings(&self, seed: Seed) -> Result<Settings, Diagnostics> {
        self.engine.settings(seed)
    }

    fn read_plan(&self, text: &PlanText) -> Result<AnyPlan, OpenError> {
        self.engine.read_plan(text)
    }

    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn skipped(&self) -> Vec<Cow<'static, str>> {
        self.engine.skipped()
    }
}

struct ApartWorker<'a> {
    engine: &'a ApartEngine,
    /// The process of the last run, if it goes on.
    process: Option<Process>,
    under_way: Arc<UnderWay>,
    /// Whether it has recorded a run, for which it has got a process of its own: there would be ever more of them.
    has_recorded: bool,
}

/// What another thread can end.
#[derive(Default)]
struct UnderWay {
    /// The socket of the process that carries out a run now. Who closes it ends the process.
    socket: Mutex<Option<UnixStream>>,
    /// Whether it was closed; perhaps just after the answer had come.
    is_ended: AtomicBool,
}

impl UnderWay {
    /// From now on this socket is the one to close: at once, if the run was ended while its process was started.
    fn note(&self, socket: Option<UnixStream>) {
        let mut noted = held(&self.socket);
        *noted = socket;
        if let Some(socket) = noted.as_ref().filter(|_| self.is_ended()) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::SeqCst)
    }

    fn end(&self) {
        self.is_ended.store(true, Ordering::SeqCst);
        if let Some(socket) = &*held(&self.socket) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// What a mutex guards; no thread leaves it half-changed.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why there is no run.
enum NoRun {
    /// As if it had happened here.
    Panicked(String),
    /// With its process.
    Lost(String),
}

impl ApartWorker<'_> {
    fn carry_out(&mut self, job: Job<'_>, recorder: Option<&mut dyn Recorder>) -> Result<Run, NoRun> {
        let plan = job.plan.map(AnyPlan::try_to_toml).transpose();
        let unwritable =
            |error| NoRun::Panicked(format!("the plan cannot be handed to the process of the run: {error}"));
        let was_lost = held(&self.engine.lost).contains(&job.seed.0);
        if was_lost {
            // It dies in the process that it began in, or not at all.
            self.process = None;
        }
        let at_once = self.engine.at_once || was_lost;
        let recorded = recorder.as_deref().map(|recorder| Recorded { at_once, ..Recorded::by(recorder) });
        let asked = Asked::Run { plan: plan.map_err(unwritable)?, recorded };
        match self.ask_twice(&self.engine.request(job.seed, asked), recorder)? {
            Answer::Run(run) => run.into_run(&*self.engine.engine, self.engine.gauges).map_err(NoRun::Panicked),
            _ => Err(NoRun::Lost("the process of the run answered another question".to_owned())),
        }
    }

    /// The last answer. A run that is lost in a process that has carried out others is carried out once more in one of
    /// its own: what others have left there is not its fault.
    fn ask_twice(&mut self, request: &Request, recorder: Option<&mut dyn Recorder>) -> Result<Answer, NoRun> {
        let is_recorded = recorder.is_some();
        self.has_recorded |= is_recorded;
        if self.process.is_none() && !is_recorded {
            self.process = self.engine.idle();
        }
        let had_others = self.process.is_some();
        match self.ask(request, recorder) {
            Err(NoRun::Lost(_)) if had_others && !is_recorded && !self.under_way.is_ended() => self.ask(request, None),
            answer => answer,
        }
    }

    /// The last answer of a process: of the one at hand, or else of a new one.
    fn ask(&mut self, request: &Request, recorder: Option<&mut dyn Recorder>) -> Result<Answer, NoRun> {
        let process = self.process.take().map_or_else(|| self.engine.start(), Ok);
        let started = process.and_then(|process| {
            let socket = start_patiently(|| process.socket.get_ref().try_clone())?;
            Ok((process, socket))
        });
        let (mut process, socket) = started.map_err(|error| {
            NoRun::Panicked(format!("a process for the run cannot start: {error}; the seed has no part in it"))
        })?;
        self.under_way.note(Some(socket));
        let answer = process.carry_out(request, recorder);
        self.under_way.note(None);
        match answer {
            Ok(answer) => {
                match self.engine.lifetime {
                    Lifetime::Run => process.end(),
                    Lifetime::Worker(_) => self.process = Some(process),
                }
                match answer {
                    Answer::Panicked(message) => Err(NoRun::Panicked(message)),
                    answer => Ok(answer),
                }
            }
            Err(message) => {
                held(&self.engine.lost).insert(request.seed);
                Err(NoRun::Lost(message))
            }
        }
    }
}

impl Worker for ApartWorker<'_> {
    fn run(&mut self, job: Job<'_>, recorder: Option<&mut dyn Recorder>) -> Run {
        // Without another word on stderr.
        self.carry_out(job, recorder).unwrap_or_else(|why| match why {
            NoRun::Panicked(message) => resume_unwind(Box::new(message)),
            NoRun::Lost(message) => resume_unwind(Box::new(ProcessLost(message))),
        })
    }

    fn stopper(&self) -> Option<Stopper> {
        let under_way = Arc::clone(&self.under_way);
        Some(Arc::new(move || under_way.end()))
    }

    /// Asked of the process that carried both out: what makes them differ may be kept there.
    fn first_difference(&mut self, run: &Run, again: &Run) -> Option<Diverging> {
        self.process.as_ref()?;
        let asked = Asked::Difference { names: run.names.clone(), events: run.events };
        let answer = self.ask(&self.engine.request(run.seed, asked), None);
        let found = answer.ok().and_then(|answer| match answer {
            Answer::Difference(found) => found,
            _ => None,
        });
        Some(found.unwrap_or_else(|| alike(run, again)))
    }
}

impl Drop for ApartWorker<'_> {
    fn drop(&mut self) {
        let process = self.process.take().filter(|_| !self.has_recorded && !self.under_way.is_ended());
        if let (Some(process), Lifetime::Worker(idle)) = (process, &self.engine.lifetime) {
            idle.keep(process);
        }
    }
}

/// How many times a start is tried when the machine is short of resources, and the pause between two tries.
const START_TRIES: u32 = 50;
const START_PAUSE: Duration = Duration::from_millis(100);

/// Starts a process. What the machine is short of (open files, processes, memory) comes back when another run ends: it
/// is waited for, since the seed that asks for it has no part in the shortage.
pub(super) fn start_patiently<T>(mut start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..START_TRIES {
        match start() {
            Err(error) if is_shortage(&error) => thread::sleep(START_PAUSE),
            done => return done,
        }
    }
    start()
}

fn is_shortage(error: &io::Error) -> bool {
    /// "Too many open files", in the whole system and in this process: these have no `ErrorKind`.
    const NO_FILES: [i32; 2] = [23, 24];
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory)
        || error.raw_os_error().is_some_and(|code| NO_FILES.contains(&code))
}

/// How long a child may take to end once it has nothing more to say.
const END_MAX: Duration = Duration::from_secs(5);

/// The most bytes that an answer has: the history of a recorded run may have hundreds of millions.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// How much of a malformed answer is shown, in characters.
const SHOWN_MAX: usize = 80;

/// A child, which ends with this value.
pub(crate) struct Process {
    child: Child,
    socket: BufReader<UnixStream>,
    pub(super) answer_bytes_max: u64,
}

/// Why a child has not answered.
enum Failure {
    /// It has closed its end of the socket; perhaps in the middle of an answer.
    Closed { is_within_answer: bool },
    /// It has said something else than an answer.
    Malformed(String),
}

impl Process {
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        // In a group of its own, so that Ctrl-C comes to this process alone, which then decides.
        command.stdin(Stdio::from(OwnedFd::from(theirs))).process_group(0);
        // What the code under test prints is no line of this program's output, which others read.
        command.stdout(io::stderr());
        let child = command.spawn()?;
        tracing::debug!(process = child.id(), "a process for a run");
        // The command holds their end of the socket: without this the child could not close it.
        command.stdin(Stdio::null());
        Ok(Self { child, socket: BufReader::new(ours), answer_bytes_max: ANSWER_BYTES_MAX })
    }

    /// The last answer to a request.
    ///
    /// # Errors
    /// Why there is none: the child has died, or said something else than an answer.
    pub(super) fn carry_out(
        &mut self,
        request: &Request,
        recorder: Option<&mut dyn Recorder>,
    ) -> Result<Answer, String> {
        // A child that has ended takes nothing more; what it ended with says why.
        let _ = self.ask(request);
        self.receive(recorder).map_err(|failure| match failure {
            Failure::Closed { is_within_answer } => self.closed(is_within_answer),
            Failure::Malformed(what) => format!("the process of the run said something else: {what}"),
        })
    }

    fn ask(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.socket.get_mut().write_all(&line)
    }

    /// The last answer. A child that never answers is waited for: the watchdog of the pool bounds every run.
    fn receive(&mut self, mut recorder: Option<&mut dyn Recorder>) -> Result<Answer, Failure> {
        let mut line = Vec::new();
        loop {
            self.read_line(&mut line)?;
            match (serde_json::from_slice(&line), &mut recorder) {
                (Ok(Answer::Entry(entry)), Some(recorder)) => recorder.record(entry),
                (Ok(Answer::Skipped(all)), Some(recorder)) => {
                    all.into_iter().for_each(|(kind, count)| (0..count).for_each(|_| recorder.skip(kind)));
                }
                (Ok(Answer::Entry(_) | Answer::Skipped(_)), None) => {}
                (Ok(answer), _) => return Ok(answer),
                (Err(error), _) => {
                    let shown: String = String::from_utf8_lossy(&line).trim_end().chars().take(SHOWN_MAX).collect();
                    return Err(Failure::Malformed(format!("{}: {error}", printable(&shown))));
                }
            }
        }
    }

    /// The next line, whole.
    fn read_line(&mut self, line: &mut Vec<u8>) -> Result<(), Failure> {
        line.clear();
        let bytes_max = self.answer_bytes_max;
        // A socket that the other end has reset has no more to read than one that it has closed.
        let _ = (&mut self.socket).take(bytes_max).read_until(b'\n', line);
        if line.ends_with(b"\n") {
            return Ok(());
        }
        if line.len() as u64 == bytes_max {
            return Err(Failure::Malformed(format!("a line of more than {bytes_max} bytes")));
        }
        Err(Failure::Closed { is_within_answer: !line.is_empty() })
    }

    /// Lets a child that has answered come to its end: what the code under test has printed is still in its buffer.
    fn end(mut self) {
        let _ = self.socket.get_ref().shutdown(Shutdown::Both);
        let _ = self.wait();
    }

    /// What became of a child that says nothing more.
    fn closed(&mut self, is_within_answer: bool) -> String {
        let when = if is_within_answer { "in the middle of an answer" } else { "before it answered" };
        match self.wait() {
            // Whether it left a core is the machine's affair.
            Ok(Some(status)) => {
                let status = status.to_string().replace(" (core dumped)", "");
                format!("the process of the run ended {when}: {status}")
            }
            Ok(None) => format!("the process of the run closed its stdin {when}, lived on, and was killed"),
            Err(error) => format!("the process of the run is lost: {error}"),
        }
    }

    /// How the child has ended; `None` if it has not ended within [`END_MAX`].
    fn wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let start = Instant::now();
        // A child that has answered ends within a millisecond.
        let mut pause = Duration::from_micros(100);
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || start.elapsed() >= END_MAX {
                return Ok(status);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and is waited for all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

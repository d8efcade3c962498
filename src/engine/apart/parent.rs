//! The side of the socket that asks.

use std::borrow::Cow;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::panic::resume_unwind;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::Gauge;

use super::ARGUMENT;
use super::wire::{Answer, Recorded, Request, WireRun, Written};
use crate::engine::{AnyPlan, Engine, EntryKind, Job, OpenError, PlanText, Recorder, Run, Settings, Worker};
use crate::scenario::{Diagnostics, Scenario};
use crate::wording::printable;

/// An engine each run of which has a process of its own. What is not a run is done here.
pub(super) struct ApartEngine {
    engine: Arc<dyn Engine>,
    scenario: Arc<Scenario>,
    written: Written,
    gauges: &'static [Gauge],
}

impl ApartEngine {
    pub(super) const fn new(
        engine: Arc<dyn Engine>,
        scenario: Arc<Scenario>,
        written: Written,
        gauges: &'static [Gauge],
    ) -> Self {
        Self { engine, scenario, written, gauges }
    }

    /// # Errors
    /// A plan that TOML cannot hold.
    fn request(&self, job: Job<'_>, recorder: Option<&dyn Recorder>) -> Result<Request, String> {
        let source = &self.scenario.source;
        let wanted =
            |recorder: &dyn Recorder| Recorded { log: recorder.wants(EntryKind::Logged), data: recorder.wants_data() };
        let plan = job.plan.map(AnyPlan::try_to_toml).transpose();
        Ok(Request {
            path: source.path.to_string(),
            text: source.text.to_string(),
            written: self.written,
            seed: job.seed.0,
            plan: plan.map_err(|error| format!("the plan cannot be handed to the process of the run: {error}"))?,
            recorded: recorder.map(wanted),
        })
    }

    fn carry_out(&self, job: Job<'_>, recorder: Option<&mut dyn Recorder>) -> Result<Run, String> {
        let request = self.request(job, recorder.as_deref())?;
        let child = program().and_then(|program| Process::start(Command::new(program).arg(ARGUMENT)));
        let process = child.map_err(|error| format!("a process for the run cannot start: {error}"))?;
        process.carry_out(&request, recorder)?.into_run(&*self.engine, self.gauges)
    }
}

impl Engine for ApartEngine {
    fn worker(&self) -> Box<dyn Worker + '_> {
        Box::new(ApartWorker(self))
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

struct ApartWorker<'a>(&'a ApartEngine);

impl Worker for ApartWorker<'_> {
    fn run(&mut self, job: Job<'_>, recorder: Option<&mut dyn Recorder>) -> Run {
        // As if it had happened here: without another word on stderr.
        self.0.carry_out(job, recorder).unwrap_or_else(|message| resume_unwind(Box::new(message)))
    }
}

/// How long a child may take to end once it has nothing more to say.
const END_MAX: Duration = Duration::from_secs(5);

/// The most bytes that an answer has: the history of a recorded run may have hundreds of millions.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// How much of a malformed answer is shown, in characters.
const SHOWN_MAX: usize = 80;

/// A child, which ends with this value.
pub(super) struct Process {
    child: Child,
    socket: BufReader<UnixStream>,
    pub(super) answer_bytes_max: u64,
}

/// Why a child has come to no run.
enum Failure {
    /// A panic that no run has as its outcome. It is an answer: the child ends by itself.
    Panicked(String),
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
        let child = command.spawn()?;
        tracing::debug!(process = child.id(), "a process for a run");
        // The command holds their end of the socket: without this the child could not close it.
        command.stdin(Stdio::null());
        Ok(Self { child, socket: BufReader::new(ours), answer_bytes_max: ANSWER_BYTES_MAX })
    }

    /// # Errors
    /// Why there is no run: the child has panicked, died, or said something else than an answer.
    pub(super) fn carry_out(
        mut self,
        request: &Request,
        recorder: Option<&mut dyn Recorder>,
    ) -> Result<WireRun, String> {
        // A child that has ended takes nothing more; what it ended with says why.
        let _ = self.ask(request);
        match self.receive(recorder) {
            Ok(run) => {
                self.end();
                Ok(run)
            }
            Err(Failure::Panicked(message)) => {
                self.end();
                Err(message)
            }
            Err(Failure::Closed { is_within_answer }) => Err(self.closed(is_within_answer)),
            Err(Failure::Malformed(what)) => Err(format!("the process of the run said something else: {what}")),
        }
    }

    fn ask(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.socket.get_mut().write_all(&line)
    }

    /// What the run came to. A child that never answers is waited for: the watchdog of the pool bounds every run.
    fn receive(&mut self, mut recorder: Option<&mut dyn Recorder>) -> Result<WireRun, Failure> {
        let mut line = Vec::new();
        loop {
            self.read_line(&mut line)?;
            match serde_json::from_slice(&line) {
                Ok(Answer::Entry(entry)) => {
                    if let Some(recorder) = &mut recorder {
                        recorder.record(entry);
                    }
                }
                Ok(Answer::Run(run)) => return Ok(*run),
                Ok(Answer::Panicked(message)) => return Err(Failure::Panicked(message)),
                Err(error) => {
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
    fn end(&mut self) {
        let _ = self.socket.get_ref().shutdown(Shutdown::Both);
        let _ = self.wait();
    }

    /// What became of a child that says nothing more.
    fn closed(&mut self, is_within_answer: bool) -> String {
        let when = if is_within_answer { "in the middle of an answer" } else { "before the run" };
        match self.wait() {
            Ok(Some(status)) => format!("the process of the run ended {when}: {status}"),
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

/// This program, also if its file has been replaced since it started.
fn program() -> io::Result<std::path::PathBuf> {
    if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() }
}

//! The side of the socket that asks.

use std::borrow::Cow;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::panic::resume_unwind;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::Gauge;

use super::ARGUMENT;
use super::wire::{Answer, Recorded, Request, WireRun, Written};
use crate::engine::{AnyPlan, Engine, EntryKind, Job, OpenError, PlanText, Recorder, Run, Settings, Worker};
use crate::scenario::{Diagnostics, Scenario};

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

    fn request(&self, job: Job<'_>, recorder: Option<&dyn Recorder>) -> Request {
        let source = &self.scenario.source;
        let wishes =
            |recorder: &dyn Recorder| Recorded { log: recorder.wants(EntryKind::Logged), data: recorder.wants_data() };
        Request {
            path: source.path.to_string(),
            text: source.text.to_string(),
            written: self.written,
            seed: job.seed.0,
            plan: job.plan.map(AnyPlan::to_toml),
            recorded: recorder.map(wishes),
        }
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
        let request = self.0.request(job, recorder.as_deref());
        match carried_out(&request, recorder) {
            Ok(run) => run.into_run(&*self.0.engine, self.0.gauges),
            // As if it had happened here: without another word on stderr.
            Err(message) => resume_unwind(Box::new(message)),
        }
    }
}

fn carried_out(request: &Request, recorder: Option<&mut dyn Recorder>) -> Result<WireRun, String> {
    let mut process = Process::start().map_err(|error| format!("a process for the run cannot start: {error}"))?;
    // A child that has ended takes nothing more; what it ended with says why.
    let _ = process.ask(request);
    let Some(answer) = process.hear(recorder) else { return Err(process.ended()) };
    process.end();
    answer
}

/// A child, which ends with this value.
struct Process {
    child: Child,
    socket: BufReader<UnixStream>,
}

impl Process {
    fn start() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(program()?);
        // In a group of its own, so that Ctrl-C comes to this process alone, which then decides.
        command.arg(ARGUMENT).stdin(Stdio::from(OwnedFd::from(theirs))).process_group(0);
        Ok(Self { child: command.spawn()?, socket: BufReader::new(ours) })
    }

    fn ask(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.socket.get_mut().write_all(&line)
    }

    /// What the run came to, or what a panic said; `None` if the child ended without either.
    fn hear(&mut self, mut recorder: Option<&mut dyn Recorder>) -> Option<Result<WireRun, String>> {
        let mut line = String::new();
        loop {
            line.clear();
            if !self.socket.read_line(&mut line).is_ok_and(|read| read > 0) {
                return None;
            }
            match serde_json::from_str(&line).ok()? {
                Answer::Entry(entry) => {
                    if let Some(recorder) = &mut recorder {
                        recorder.record(entry);
                    }
                }
                Answer::Run(run) => return Some(Ok(*run)),
                Answer::Panicked(message) => return Some(Err(message)),
            }
        }
    }

    /// Lets a child that has answered come to its end: what the code under test has printed is still in its buffer.
    fn end(&mut self) {
        let _ = self.socket.get_ref().shutdown(Shutdown::Both);
        let _ = self.child.wait();
    }

    fn ended(&mut self) -> String {
        match self.child.wait() {
            Ok(status) => format!("the process of the run ended before the run: {status}"),
            Err(error) => format!("the process of the run is lost: {error}"),
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

//! What clients are asked for: sections under a lock.
//!
//! ```text
//!   acquire ─▶ write … write ─▶ release ─▶ a pause ─▶ acquire …
//! ```
//!
//! A section is left early as soon as an operation in it does not succeed: the lock is given back, and nothing more is
//! written. One whose acquire is refused is none.

use splitbrain_kernel::context::OperationResult;
use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::options::{Options, OptionsError, Preset, ValueKind};
use splitbrain_kernel::rng::Rng;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::workload::{Keys, Next, Skew, Workload, WorkloadCall};

use super::ids::LockId;
use super::message::{Operation, Response};

const SPAN: ValueKind = ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(3600) };

splitbrain_kernel::options! {
    /// The options of the workload `sections`.
    pub struct SectionOptions {
        /// How many locks there are.
        pub locks: u64 => ValueKind::Integer { min: 1, max: 1_000 },
        /// How the locks are chosen.
        pub skew: Skew => ValueKind::Name(Skew::NAMES),
        /// The most writes in a section; how many is drawn, from 0.
        pub writes_max: u64 => ValueKind::Integer { min: 0, max: 1_000 },
        /// The mean time from one operation of a section to the next; exponential.
        pub work: Duration => SPAN,
        /// The mean time from the end of a section to the next one; exponential.
        pub think: Duration => SPAN,
    }
}

impl Options for SectionOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset {
            name: "sections",
            doc: "One lock, up to 4 writes with 200 ms between them, a second between sections.",
            make: || Self {
                locks: 1,
                skew: Skew::Uniform,
                writes_max: 4,
                work: Duration::from_millis(200),
                think: Duration::from_secs(1),
            },
        }]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        Ok(())
    }
}

/// One client's sections.
#[derive(Clone, Debug)]
pub struct Sections {
    options: SectionOptions,
    keys: Keys,
    gaps: Rng,
    contents: Rng,
    place: Place,
    /// It was handed an operation that has not ended.
    is_out: bool,
}

/// Where in a section a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    /// It has the lock, and writes this many times more.
    Inside {
        lock: LockId,
        writes: u64,
    },
}

impl Sections {
    /// The sections that a scenario asks for.
    ///
    /// # Errors
    /// A rate: a closed loop goes by `think`. A skew over one lock.
    pub fn of(call: &WorkloadCall<'_>) -> Result<Self, OptionsError> {
        if call.rate.is_some() {
            return Err(OptionsError::new("rate", "has no effect: sections follow one another, see \"think\""));
        }
        let options: SectionOptions = call.options();
        if call.sets("skew") && options.locks == 1 {
            return Err(OptionsError::new("skew", "has an effect only with more than one lock"));
        }
        let keys = Keys::new(options.locks, options.skew);
        let (gaps, contents) = (call.stream.fork("gaps", 0), call.stream.fork("operation", 0));
        Ok(Self { options, keys, gaps, contents, place: Place::Outside, is_out: false })
    }

    fn operation(&mut self) -> Operation {
        match self.place {
            Place::Outside => Operation::Acquire { lock: LockId(self.keys.pick(&mut self.contents)) },
            Place::Inside { lock, writes: 0 } => Operation::Release { lock },
            Place::Inside { lock, .. } => Operation::Write { lock, value: self.contents.word() >> 32 },
        }
    }

    fn after(&mut self, operation: Operation, result: OperationResult<&Response>) -> Place {
        let is_written = matches!(result, OperationResult::Ok(Response::Written));
        match (operation, self.place) {
            (Operation::Acquire { lock }, _) if matches!(result, OperationResult::Ok(Response::Acquired { .. })) => {
                Place::Inside { lock, writes: self.contents.between(0, self.options.writes_max) }
            }
            (Operation::Write { lock, .. }, Place::Inside { writes, .. }) => {
                Place::Inside { lock, writes: if is_written { writes.saturating_sub(1) } else { 0 } }
            }
            _ => Place::Outside,
        }
    }
}

impl Workload<Operation, Response> for Sections {
    fn next(&mut self, now: Instant) -> Next<Operation> {
        if std::mem::replace(&mut self.is_out, true) {
            return Next::AfterCompletion;
        }
        let mean = if self.place == Place::Outside { self.options.think } else { self.options.work };
        let at = now.saturating_add(self.gaps.exponential(mean));
        Next::At(at, self.operation())
    }

    fn on_completed(&mut self, _: Instant, operation: &Operation, result: OperationResult<&Response>) {
        self.is_out = false;
        self.place = self.after(*operation, result);
    }
}

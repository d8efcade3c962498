//! What the clients are asked for: writes and reads of targets, and requests about session items.

use splitbrain_kernel::options::{Options, OptionsError, Preset, ValueKind};
use splitbrain_kernel::rng::Rng;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::workload::{Loop, Mix, Next, Pace, PaceOptions, Workload, WorkloadCall};

use super::ids::{ItemKey, Resource};
use super::message::{Operation, Response};

const WEIGHT: ValueKind = ValueKind::Integer { min: 0, max: 1_000_000 };

splitbrain_kernel::options! {
    /// The options of the workload `io`.
    pub struct IoOptions {
        /// How often a target is written, beside the other weights.
        pub writes: u64 => WEIGHT,
        /// How often a target is read.
        pub reads: u64 => WEIGHT,
        /// How often an item is set.
        pub sets: u64 => WEIGHT,
        /// How often an item is removed.
        pub removes: u64 => WEIGHT,
        /// How often items are listed.
        pub lists: u64 => WEIGHT,
        /// Whether a client waits for the end of an operation before the next.
        pub pacing: Loop => ValueKind::Name(Loop::NAMES),
        /// Closed loop: the mean time from the end of an operation to the next one; exponential.
        pub think: Duration => ValueKind::Duration { min: Duration::from_micros(1), max: Duration::from_secs(3600) },
        /// From the beginning of one burst to that of the next; 0s is an even flow.
        pub burst_every: Duration => ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(3600) },
        /// How long a burst lasts. Between bursts no operation begins.
        pub burst_length: Duration => ValueKind::Duration {
            min: Duration::from_micros(1),
            max: Duration::from_secs(3600)
        },
    }
}

impl Options for IoOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset {
            name: "io",
            doc: "Mostly writes, an open loop in an even flow.",
            make: || Self {
                writes: 60,
                reads: 15,
                sets: 10,
                removes: 5,
                lists: 10,
                pacing: Loop::Open,
                think: Duration::from_millis(100),
                burst_every: Duration::ZERO,
                burst_length: Duration::from_millis(100),
            },
        }]
    }
}

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Write,
    Read,
    Set,
    Remove,
    List,
}

/// One client's operations.
#[derive(Clone, Debug)]
pub struct Requests {
    pace: Pace,
    sorts: Mix<Sort>,
    contents: Rng,
    resources: u64,
}

impl Requests {
    /// The operations that a scenario asks for, on this many targets.
    ///
    /// # Errors
    /// Settings that have no effect, or contradict one another.
    pub fn of(call: &WorkloadCall<'_>, resources: u64) -> Result<Self, OptionsError> {
        let options: IoOptions = call.options();
        let IoOptions { writes, reads, sets, removes, lists, pacing, think, burst_every, burst_length } = options;
        let sorts = Mix::of(&[
            ("writes", writes, Sort::Write),
            ("reads", reads, Sort::Read),
            ("sets", sets, Sort::Set),
            ("removes", removes, Sort::Remove),
            ("lists", lists, Sort::List),
        ])?;
        let pace = PaceOptions { pacing, think, burst_every, burst_length };
        let contents = call.stream.fork("operation", 0);
        Ok(Self { pace: Pace::of(call, pace, call.stream.clone())?, sorts, contents, resources })
    }
}

impl Workload<Operation, Response> for Requests {
    fn next(&mut self, now: Instant) -> Next<Operation> {
        let (sorts, contents, resources) = (&self.sorts, &mut self.contents, self.resources);
        self.pace.next(now, || {
            let sort = sorts.pick(contents);
            // Each operation takes three words, whatever it is.
            let resource = Resource(u16::try_from(contents.between(1, resources)).expect("there are few targets"));
            // Below 2^53, so that every reader of TOML and JSON gets the same number.
            let value = contents.below(1 << 53);
            let key = if value % 2 == 0 { ItemKey::NfsAccessPoint } else { ItemKey::DataIp };
            match sort {
                Sort::Write => Operation::Write { resource, value },
                Sort::Read => Operation::Read { resource },
                Sort::Set => Operation::SetItem { key, value },
                Sort::Remove => Operation::RemoveItem { key },
                Sort::List => Operation::ListItems,
            }
        })
    }
}

//! What the clients of Raft are asked for: proposals, at the pace that the scenario states.

use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::options::{Options, OptionsError, Preset, ValueKind};
use splitbrain_kernel::rng::Rng;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::workload::{Loop, Next, Pace, PaceOptions, Workload, WorkloadCall};

use super::message::{Operation, Payload, Response};

splitbrain_kernel::options! {
    /// The options of the workload `propose`.
    pub struct ProposeOptions {
        /// Whether a client waits for the end of a proposal before the next.
        pub pacing: Loop => ValueKind::Name(Loop::NAMES),
        /// Closed loop: the mean time from the end of a proposal to the next one; exponential.
        pub think: Duration => ValueKind::Duration { min: Duration::from_micros(1), max: Duration::from_secs(3600) },
        /// From the beginning of one burst to that of the next; 0s is an even flow.
        pub burst_every: Duration => ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(3600) },
        /// How long a burst lasts. Between bursts no proposal begins.
        pub burst_length: Duration => ValueKind::Duration {
            min: Duration::from_micros(1),
            max: Duration::from_secs(3600)
        },
    }
}

impl Options for ProposeOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset {
            name: "propose",
            doc: "An open loop in an even flow.",
            make: || Self {
                pacing: Loop::Open,
                think: Duration::from_millis(100),
                burst_every: Duration::ZERO,
                burst_length: Duration::from_millis(100),
            },
        }]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        Ok(())
    }
}

/// One client's proposals.
#[derive(Clone, Debug)]
pub struct Proposals {
    pace: Pace,
    contents: Rng,
}

impl Proposals {
    /// The proposals that a scenario asks for.
    ///
    /// # Errors
    /// Settings that have no effect, or contradict one another.
    pub fn of(call: &WorkloadCall<'_>) -> Result<Self, OptionsError> {
        let ProposeOptions { pacing, think, burst_every, burst_length } = call.options();
        let options = PaceOptions { pacing, think, burst_every, burst_length };
        let contents = call.stream.fork("operation", 0);
        Ok(Self { pace: Pace::of(call, options, call.stream.clone())?, contents })
    }
}

impl<C: Payload + From<u64>> Workload<Operation<C>, Response> for Proposals {
    fn next(&mut self, now: Instant) -> Next<Operation<C>> {
        let contents = &mut self.contents;
        self.pace.next(now, || {
            // Each operation takes two words: one for its sort, of which there is one here, and one for its content.
            contents.word();
            // Below 2^53, so that every reader of TOML and JSON gets the same number.
            Operation::Propose { value: C::from(contents.below(1 << 53)) }
        })
    }
}

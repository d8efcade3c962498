//! What the clients of Raft are asked for: proposals or operations of the key-value store, at the pace that the
//! scenario states.

use splitbrain_kernel::context::OperationResult;
use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::options::{Options, OptionsError, Preset, ValueKind};
use splitbrain_kernel::rng::Rng;
use splitbrain_kernel::system::WorkloadInfo;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::workload::{Loop, Next, Pace, PaceOptions, Workload, WorkloadCall, options_of};

use super::kv::{KvOptions, KvWorkload};
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

/// What one client is asked for.
#[derive(Clone, Debug)]
pub enum RaftWorkload {
    /// Proposals.
    Propose(Proposals),
    /// Operations of the key-value store.
    Kv(KvWorkload),
}

impl RaftWorkload {
    /// The workloads that there are.
    pub const ALL: &'static [WorkloadInfo] = &[
        WorkloadInfo {
            name: "propose",
            doc: "Each client proposes one random value after another, to the server that it believes to lead.",
            options: options_of::<ProposeOptions>,
        },
        WorkloadInfo {
            name: "kv",
            doc: "Each client reads and writes keys of a replicated store, exactly once, with retries and redirects.",
            options: options_of::<KvOptions>,
        },
    ];

    /// The workload that a scenario asks for.
    ///
    /// # Errors
    /// Settings that have no effect, or contradict one another.
    pub fn of(call: &WorkloadCall<'_>) -> Result<Self, OptionsError> {
        match call.name {
            "propose" => Proposals::of(call).map(Self::Propose),
            "kv" => KvWorkload::of(call).map(Self::Kv),
            other => Err(OptionsError::new("kind", format!("raft offers no workload {other}"))),
        }
    }
}

impl<C: Payload + From<u64>> Workload<Operation<C>, Response> for RaftWorkload {
    fn next(&mut self, now: Instant) -> Next<Operation<C>> {
        match self {
            Self::Propose(proposals) => proposals.next(now),
            Self::Kv(workload) => workload.next(now),
        }
    }

    fn on_completed(&mut self, _: Instant, operation: &Operation<C>, result: OperationResult<&Response>) {
        if let (Self::Kv(workload), Operation::Kv(operation)) = (self, operation) {
            workload.on_completed(operation, result);
        }
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

impl Proposals {
    fn next<C: From<u64>>(&mut self, now: Instant) -> Next<Operation<C>> {
        let contents = &mut self.contents;
        self.pace.next(now, || {
            // Each operation takes two words: one for its sort, of which there is one here, and one for its content.
            contents.word();
            // Below 2^53, so that every reader of TOML and JSON gets the same number.
            Operation::Propose { value: C::from(contents.below(1 << 53)) }
        })
    }
}

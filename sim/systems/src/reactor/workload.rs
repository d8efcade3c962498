//! What the clients are asked for: GET and POST of various sizes, at the pace that the scenario states.

use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::options::{Options, OptionsError, Preset, ValueKind};
use splitbrain_kernel::rng::{Ppm, Rng};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::workload::{Loop, Next, Pace, PaceOptions, Workload, WorkloadCall};

use super::message::{Answer, Request};

splitbrain_kernel::options! {
    /// The options of the workload `requests`.
    pub struct RequestOptions {
        /// The chance that a request is a POST.
        pub posts: Ppm => ValueKind::Probability,
        /// The least size of a body, in bytes.
        pub size_min: u64 => ValueKind::Integer { min: 0, max: 100_000 },
        /// The greatest.
        pub size_max: u64 => ValueKind::Integer { min: 0, max: 100_000 },
        /// Whether a client waits for the end of a request before the next.
        pub pacing: Loop => ValueKind::Name(Loop::NAMES),
        /// Closed loop: the mean time from the end of a request to the next one; exponential.
        pub think: Duration => ValueKind::Duration { min: Duration::from_micros(1), max: Duration::from_secs(3600) },
        /// From the beginning of one burst to that of the next; 0s is an even flow.
        pub burst_every: Duration => ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(3600) },
        /// How long a burst lasts. Between bursts no request begins.
        pub burst_length: Duration => ValueKind::Duration {
            min: Duration::from_micros(1),
            max: Duration::from_secs(3600)
        },
    }
}

impl Options for RequestOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset {
            name: "requests",
            doc: "Half of them POST, bodies of up to 1,000 bytes, an open loop in an even flow.",
            make: || Self {
                posts: Ppm::new(500_000),
                size_min: 0,
                size_max: 1_000,
                pacing: Loop::Open,
                think: Duration::from_millis(1),
                burst_every: Duration::ZERO,
                burst_length: Duration::from_millis(100),
            },
        }]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        if self.size_max < self.size_min {
            let message = format!("{} is less than size_min, {}", self.size_max, self.size_min);
            return Err(OptionsError::new("size_max", message));
        }
        Ok(())
    }
}

/// One client's requests.
#[derive(Clone, Debug)]
pub struct Requests {
    pace: Pace,
    contents: Rng,
    options: RequestOptions,
}

impl Requests {
    /// The requests that a scenario asks for.
    ///
    /// # Errors
    /// Settings that have no effect, or contradict one another.
    pub fn of(call: &WorkloadCall<'_>) -> Result<Self, OptionsError> {
        let options: RequestOptions = call.options();
        options.validate(Cluster::plain(1, call.client_count))?;
        let RequestOptions { pacing, think, burst_every, burst_length, .. } = options;
        let pace = PaceOptions { pacing, think, burst_every, burst_length };
        let contents = call.stream.fork("operation", 0);
        Ok(Self { pace: Pace::of(call, pace, call.stream.clone())?, contents, options })
    }
}

impl Workload<Request, Answer> for Requests {
    fn next(&mut self, now: Instant) -> Next<Request> {
        let (contents, options) = (&mut self.contents, &self.options);
        self.pace.next(now, || {
            let is_post = contents.chance(options.posts);
            let size = u32::try_from(contents.between(options.size_min, options.size_max)).expect("it is bounded");
            if is_post { Request::Post { size } } else { Request::Get { size } }
        })
    }
}

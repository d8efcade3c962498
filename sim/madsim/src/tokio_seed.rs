//! tokio's own generator of random numbers: `tokio::select!` asks it for the first branch, and `tokio::sync::watch`
//! for the list in which a task waits.
//!
//! tokio seeds it for each thread by a count of the process, so a run would depend on how many came before it. Inside
//! of a tokio runtime it is seeded by the runtime, and the runtime by the code that builds it, if tokio is built with
//! `--cfg tokio_unstable`. Without the flag this file does nothing, and only a process for each run helps.

use splitbrain_kernel::rng::Seed;

/// Where the generator of a run gets its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokioSeeding {
    /// From the seed of the run.
    OfRun,
    /// From tokio itself, by its count of the process: for measurements.
    OfProcess,
}

/// The generator of one run.
pub(crate) struct TokioSeed {
    /// `None` if tokio seeds it.
    #[cfg(tokio_unstable)]
    runtime: Option<real_tokio::runtime::Runtime>,
}

impl TokioSeed {
    /// That of the run with this seed.
    #[cfg(tokio_unstable)]
    pub(crate) fn new(seed: Seed, seeding: TokioSeeding) -> Self {
        if seeding == TokioSeeding::OfProcess {
            return Self { runtime: None };
        }
        let seed = real_tokio::runtime::RngSeed::from_bytes(&seed.0.to_le_bytes());
        let runtime = real_tokio::runtime::Builder::new_current_thread().rng_seed(seed).build();
        Self { runtime: Some(runtime.expect("a runtime without drivers asks the system for nothing")) }
    }

    /// That of the run with this seed.
    #[cfg(not(tokio_unstable))]
    pub(crate) const fn new(_: Seed, _: TokioSeeding) -> Self {
        Self {}
    }

    /// Does something that asks this generator.
    #[cfg(tokio_unstable)]
    pub(crate) fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        let Some(runtime) = &self.runtime else { return work() };
        // All that happens is one turn to tokio, whose budget for a turn would run out. By the handle: the runtime
        // itself would put off what `yield_now` wakes until its next turn, which never comes.
        runtime.handle().block_on(real_tokio::task::unconstrained(async { work() }))
    }

    /// Does something that asks this generator.
    #[cfg(not(tokio_unstable))]
    pub(crate) fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        work()
    }

    /// How many tasks the code under test has spawned on the real tokio. No one runs them.
    pub(crate) fn strays(&self) -> usize {
        #[cfg(tokio_unstable)]
        return self.runtime.as_ref().map_or(0, |runtime| runtime.metrics().num_alive_tasks());
        #[cfg(not(tokio_unstable))]
        0
    }
}

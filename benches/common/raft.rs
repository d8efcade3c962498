//! The raft runs of `benches/raft_election.toml`, `raft_clients.toml`, `raft_kv.toml` and `raft_nested.toml`, through
//! the engine that every command uses: five servers, random faults, every invariant on.

use std::sync::Arc;

use splitbrain::campaign;
use splitbrain::engine::{AnySystem as _, Engine, Run, Simulated, Worker};
use splitbrain::scenario::{self, Scenario};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::System;
use splitbrain_systems::raft::Raft;

use crate::shell::Shells;

/// A scenario, ready to run.
pub(crate) struct RaftRuns {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) engine: Arc<dyn Engine>,
}

impl RaftRuns {
    /// Servers alone.
    pub(crate) fn election() -> Self {
        Self::load::<Raft>("benches/raft_election.toml", include_bytes!("../raft_election.toml"))
    }

    /// With clients that propose values.
    pub(crate) fn clients() -> Self {
        Self::load::<Raft>("benches/raft_clients.toml", include_bytes!("../raft_clients.toml"))
    }

    /// With clients of the key-value store.
    pub(crate) fn kv() -> Self {
        Self::load::<Raft>("benches/raft_kv.toml", include_bytes!("../raft_kv.toml"))
    }

    /// The election inside another node, which does nothing beside.
    pub(crate) fn nested() -> Self {
        Self::load::<Shells>("benches/raft_nested.toml", include_bytes!("../raft_nested.toml"))
    }

    fn load<S: System>(path: &str, bytes: &[u8]) -> Self {
        let system = Simulated::<S>::new();
        let scenario = Arc::new(scenario::load(path, bytes, &[system.description()]).expect("a valid scenario"));
        let engine = system.open(scenario.clone()).expect("no plan to follow");
        Self { scenario, engine }
    }

    /// One run, resolved and carried out.
    pub(crate) fn one(&self, worker: &mut dyn Worker, seed: u64) -> Run {
        let run = worker.run(Seed(seed).into(), None);
        let reasons = campaign::reasons(&self.scenario.expect, &run);
        assert!(reasons.is_empty(), "the clean system breaks nothing: {reasons:?}");
        run
    }
}

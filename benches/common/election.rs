//! The raft election run of `benches/raft_election.toml`: five servers, random faults, every invariant on.

use splitbrain::scenario::{self, Resolved, Scenario, SystemDescription};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Outcome, ReportOf};
use splitbrain_kernel::world::World;
use splitbrain_systems::raft::{Raft, RaftNode};

/// The scenario, read once.
pub(crate) struct Election {
    scenario: Scenario,
}

impl Election {
    /// Reads the scenario.
    pub(crate) fn load() -> Self {
        let bytes = include_bytes!("../raft_election.toml");
        let systems = [SystemDescription::of::<Raft>()];
        let scenario = scenario::load("benches/raft_election.toml", bytes, &systems).expect("a valid scenario");
        Self { scenario }
    }

    /// One run, resolved and carried out.
    pub(crate) fn run(&self, seed: Seed) -> ReportOf<RaftNode> {
        let resolved = self.resolve(seed);
        let report = World::new(&resolved.system, &resolved.options, seed).run();
        assert_eq!(report.outcome, Outcome::Passed, "the clean system breaks nothing");
        report
    }

    /// What the run with this seed is made from.
    pub(crate) fn resolve(&self, seed: Seed) -> Resolved<Raft> {
        scenario::resolve::<Raft>(&self.scenario, seed).expect("options that stand together")
    }
}

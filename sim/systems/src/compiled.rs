//! The worlds of the shipped systems, compiled here for all who run them.
//!
//! A crate that runs a world would compile it for itself, as every generic type. In development builds (opt-level 1 and
//! below) the compiler takes what a crate below has compiled already, so one copy here saves one in the library, in its
//! unit tests and in each integration test: a minute of CPU. Builds with more optimisation never share, and leave this
//! module out.

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{OptionsOf, ReportOf};
use splitbrain_kernel::trace::Tracer;
use splitbrain_kernel::world::World;

use crate::raft::{Raft, RaftNode};

/// A sweep of Raft.
pub fn raft(system: &Raft, options: &OptionsOf<Raft>, seed: Seed) -> ReportOf<RaftNode> {
    World::new(system, options, seed).run()
}

/// A recorded run of Raft.
pub fn traced_raft(
    system: &Raft,
    options: &OptionsOf<Raft>,
    seed: Seed,
    tracer: &mut dyn Tracer<RaftNode>,
) -> ReportOf<RaftNode> {
    World::traced(system, options, seed, tracer).run()
}

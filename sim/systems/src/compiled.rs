//! The worlds of the shipped systems, compiled here for all who run them.
//!
//! A crate that runs a world would compile it for itself, as every generic type. In development builds (opt-level 1 and
//! below) the compiler takes what a crate below has compiled already, so one copy here saves one in the library, in its
//! unit tests and in each integration test: a minute of CPU for Raft. Builds with more optimisation never share, and
//! leave this module out.

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{OptionsOf, ReportOf};
use splitbrain_kernel::system::System;
use splitbrain_kernel::trace::Tracer;
use splitbrain_kernel::world::World;

use crate::chat::Chat;
use crate::lock::Lock;
use crate::raft::Raft;
use crate::reactor::system::Reactor;
use crate::session::system::Sessions;

macro_rules! compiled {
    ($($module:ident, $system:ty;)+) => {$(
        #[doc = concat!("The worlds of `", stringify!($system), "`.")]
        pub mod $module {
            use super::*;

            /// A sweep.
            pub fn run(system: &$system, options: &OptionsOf<$system>, seed: Seed) -> ReportOf<Node> {
                World::new(system, options, seed).run()
            }

            /// A recorded run.
            pub fn run_traced(
                system: &$system,
                options: &OptionsOf<$system>,
                seed: Seed,
                tracer: &mut dyn Tracer<Node>,
            ) -> ReportOf<Node> {
                World::traced(system, options, seed, tracer).run()
            }

            type Node = <$system as System>::Node;
        }
    )+};
}

compiled! {
    raft, Raft;
    reactor, Reactor;
    lock, Lock;
    chat, Chat;
    session, Sessions;
}

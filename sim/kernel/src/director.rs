//! The one who acts: folds observations into a census and turns triggers and selectors into concrete faults.
//!
//! The director is a plain value. Every engine feeds it what nodes say and when processes start and end, asks
//! [`Director::due`] for the next time at which it wants to act, and carries out what [`Director::poll`] hands it. It
//! never sees the world.

pub mod census;
pub mod spec;

use std::fmt::Debug;

use crate::fault::Fault;
use crate::id::{Cluster, NodeId};
use crate::node::Face;
use crate::rng::Seed;
use crate::system::Bounds;
use crate::time::Instant;

pub use census::Census;
use spec::{FaultSpec, NemesisSpec};

/// What a director is made from.
#[derive(Clone, Debug)]
pub struct DirectorSetup<O> {
    /// Which run.
    pub seed: Seed,
    /// How many nodes.
    pub cluster: Cluster,
    /// Faults, as stated.
    pub faults: Vec<FaultSpec<O>>,
    /// Nemeses, as stated.
    pub nemeses: Vec<NemesisSpec>,
    /// How far a random clock fault may go.
    pub bounds: Bounds,
    /// When the settle phase begins; [`Instant::MAX`] for never. Waiting selectors wait until then.
    pub settle_at: Instant,
}

/// Names a concrete fault from its start to its stop. Counted over a run, in the order of the starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FaultKey(pub u32);

/// What the engine is to do, in the order in which it is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act<O> {
    /// Start a fault. One stated fault may start several, each with a key of its own.
    Start {
        /// What [`Act::Stop`] will name.
        key: FaultKey,
        /// The id of the fault or nemesis, with an ordinal where it may come again: `overlap`, `weather.3`.
        id: String,
        /// The selector as the scenario wrote it.
        selector: String,
        /// The line of the scenario.
        line: u32,
        /// What is done.
        fault: Fault,
    },
    /// Lift a fault.
    Stop {
        /// Which.
        key: FaultKey,
    },
    /// Hand an order to a node.
    Operate {
        /// The id of the fault.
        id: String,
        /// The line of the scenario.
        line: u32,
        /// To whom.
        node: NodeId,
        /// Which.
        operation: O,
    },
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Director<O> {
    setup: DirectorSetup<O>,
    census: Census,
    due: Instant,
}

impl<O: Clone + Debug> Director<O> {
    /// A director at the start of a run. Nobody is up until the engine says so.
    pub fn new(setup: DirectorSetup<O>) -> Self {
        let census = Census::new(setup.cluster);
        Self {
            setup,
            census,
            due: Instant::MAX,
        }
    }

    /// The next true time at which [`Director::poll`] has something to do; [`Instant::MAX`] for never.
    #[inline]
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// A node said something.
    pub fn on_face(&mut self, now: Instant, node: NodeId, face: Face) {
        let _ = (now, node, face);
    }

    /// A process started.
    pub fn on_up(&mut self, now: Instant, node: NodeId) {
        let _ = now;
        self.census.set_up(node, true);
    }

    /// A process ended: it crashed or exited.
    pub fn on_down(&mut self, now: Instant, node: NodeId) {
        let _ = now;
        self.census.set_up(node, false);
    }

    /// Everything due at or before `now`, appended in a fixed order.
    pub fn poll(&mut self, now: Instant, acts: &mut Vec<Act<O>>) {
        let _ = (now, acts);
    }

    /// The settle phase: no fault starts from now on, and those that last freeze as they are.
    pub fn settle(&mut self, now: Instant) {
        let _ = now;
        self.due = Instant::MAX;
    }

    /// The ids of stated faults that never started, in order of id.
    pub fn never_applied(&self) -> Vec<String> {
        self.setup
            .faults
            .iter()
            .map(|fault| fault.id.clone())
            .collect()
    }

    /// What the director knows of the cluster.
    pub const fn census(&self) -> &Census {
        &self.census
    }
}

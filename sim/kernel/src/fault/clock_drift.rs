//! `clock_drift`: clocks run fast or slow.

use serde::{Deserialize, Serialize};

use super::{
    Ability, After, Choice, Concrete, Done, Fault, Kind, Leaf, Nodes, Reach, Selectors, Stated, on_each, words,
};
use crate::node::Node;
use crate::time::Instant;
use crate::world_state::NodeState;

/// Both clocks run fast or slow by this much, in parts per million, until lifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct ClockDrift<L: Leaf = Nodes> {
    /// Which nodes.
    pub nodes: L::Nodes,
    /// Parts per million; 50,000 is 5 % fast.
    pub ppm: L::Ppm,
}

impl<L: Leaf> Kind<L> for ClockDrift<L> {
    const NAME: &'static str = "clock_drift";
    super::on_nodes!();

    fn needs(&self) -> Option<Ability> {
        Some(Ability::Clocks)
    }
}

impl Stated for ClockDrift<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        on_each(choice, &self.nodes, self.ppm, |nodes, ppm| ClockDrift { nodes, ppm })
    }

    fn reach(&self) -> Option<Reach> {
        let farthest = self.ppm.low.unsigned_abs().max(self.ppm.high.unsigned_abs());
        Some(Reach::Rate(u64::from(farthest)))
    }
}

impl Done for ClockDrift {
    fn words(&self) -> String {
        format!("clock drift {} by {}ppm", words::nodes(&self.nodes), self.ppm)
    }

    fn start_node<N: Node>(&self, _: u32, node: &mut NodeState<N>, now: Instant) -> After {
        node.clock.add_drift(now, self.ppm);
        After::Changed
    }

    fn stop_node<N: Node>(&self, _: u32, node: &mut NodeState<N>, now: Instant) -> After {
        node.clock.remove_drift(now, self.ppm);
        After::Changed
    }

    fn heal<N: Node>(node: &mut NodeState<N>, now: Instant) {
        node.clock.set_drift(now, node.own_drift_ppm);
    }
}

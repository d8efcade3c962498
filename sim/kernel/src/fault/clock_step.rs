//! `clock_step`: wall clocks jump.

use serde::{Deserialize, Serialize};

use super::{
    Ability, After, Choice, Concrete, Done, Fault, Kind, Lasting, Leaf, Nodes, Offset, Range, Reach, Selectors, Stated,
    on_each, words,
};
use crate::node::Node;
use crate::time::Instant;
use crate::world_state::NodeState;

/// The wall clock jumps. The monotonic clock does not. Happens once; lifting it does not undo it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct ClockStep<L: Leaf = Nodes> {
    /// Which nodes.
    pub nodes: L::Nodes,
    /// Nanoseconds, forwards or backwards.
    pub by: L::Offset,
}

impl<L: Leaf> Kind<L> for ClockStep<L> {
    const NAME: &'static str = "clock_step";
    super::on_nodes!();

    fn lasting(&self) -> Lasting {
        Lasting::Once
    }

    fn needs(&self) -> Option<Ability> {
        Some(Ability::Clocks)
    }
}

impl Stated for ClockStep<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        on_each(choice, &self.nodes, self.by, |nodes, by| ClockStep { nodes, by })
    }

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Wall(Offset::farthest(self.by.low, self.by.high)))
    }
}

impl Done for ClockStep {
    fn words(&self) -> String {
        format!("clock step {} by {}", words::nodes(&self.nodes), self.by)
    }

    fn ranges(&self) -> Vec<Range> {
        vec![Range::one(&["by"], self.by.size())]
    }

    fn changes_node<N: Node>(&self, _: &NodeState<N>, _: Instant) -> bool {
        false
    }

    /// The clock stays where it was led, and the world sees to who reads it.
    fn waits_for_process(&self) -> bool {
        false
    }

    fn leads_wall_clocks(&self) -> bool {
        true
    }

    fn start_node<N: Node>(&self, _: u32, node: &mut NodeState<N>, _: Instant) -> After {
        node.clock.step(self.by);
        After::Nothing
    }
}

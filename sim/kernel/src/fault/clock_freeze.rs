//! `clock_freeze`: clocks stand still.

use serde::{Deserialize, Serialize};

use super::{Ability, After, Choice, Concrete, Done, Fault, Kind, Leaf, Nodes, Selectors, Stated, on_chosen, words};
use crate::node::Node;
use crate::time::Instant;
use crate::world_state::NodeState;

/// Both clocks stand still while the process runs; no timer fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct ClockFreeze<L: Leaf = Nodes> {
    /// Which nodes.
    pub nodes: L::Nodes,
}

impl<L: Leaf> Kind<L> for ClockFreeze<L> {
    const NAME: &'static str = "clock_freeze";
    super::on_nodes!();

    fn needs(&self) -> Option<Ability> {
        Some(Ability::Clocks)
    }
}

impl Stated for ClockFreeze<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        on_chosen(choice, &self.nodes, |nodes| ClockFreeze { nodes })
    }
}

impl Done for ClockFreeze {
    fn words(&self) -> String {
        format!("clock freeze {}", words::nodes(&self.nodes))
    }

    fn start_node<N: Node>(&self, _: u32, node: &mut NodeState<N>, now: Instant) -> After {
        node.clock.freeze(now);
        After::Changed
    }

    fn stop_node<N: Node>(&self, _: u32, node: &mut NodeState<N>, now: Instant) -> After {
        node.clock.thaw(now);
        After::Changed
    }

    fn heal<N: Node>(node: &mut NodeState<N>, now: Instant) {
        node.clock.thaw_all(now);
    }

    fn hampers<N: Node>(node: &NodeState<N>) -> bool {
        node.clock.is_frozen()
    }
}

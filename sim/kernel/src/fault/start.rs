//! `start`: nodes start.

use serde::{Deserialize, Serialize};

use super::{After, Choice, Concrete, Done, Fault, Kind, Lasting, Leaf, Nodes, Selectors, Stated, on_chosen, words};
use crate::node::Node;
use crate::time::Instant;
use crate::world_state::NodeState;

/// A crashed, exited or absent node starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct Start<L: Leaf = Nodes> {
    /// Which nodes.
    pub nodes: L::Nodes,
    /// Whether a node that a crash holds down stays down, as it does for a supervisor of its process.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub free_only: bool,
}

impl<L: Leaf> Kind<L> for Start<L> {
    const NAME: &'static str = "start";
    super::on_nodes!();

    fn lasting(&self) -> Lasting {
        Lasting::Once
    }
}

impl Stated for Start<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        let free_only = self.free_only;
        on_chosen(choice, &self.nodes, |nodes| Start { nodes, free_only })
    }
}

impl Done for Start {
    fn words(&self) -> String {
        let again = if self.free_only { "re" } else { "" };
        format!("{again}start {}", words::nodes(&self.nodes))
    }

    fn changes_node<N: Node>(&self, node: &NodeState<N>, _: Instant) -> bool {
        node.process.is_none() && (!self.free_only || node.crashed_by.is_empty())
    }

    /// Ends every crash that holds the node down; with `free_only`, a node that a crash holds down stays down.
    fn start_node<N: Node>(&self, _: u32, node: &mut NodeState<N>, _: Instant) -> After {
        if self.free_only && !node.crashed_by.is_empty() {
            return After::Nothing;
        }
        node.is_present = true;
        node.crashed_by.clear();
        After::Starts
    }
}

//! `pause`: processes are not scheduled.

use serde::{Deserialize, Serialize};

use super::{After, Choice, Concrete, Done, Fault, Kind, Leaf, Nodes, Selectors, Stated, on_chosen, words};
use crate::node::Node;
use crate::time::Instant;
use crate::vocabulary::Incident;
use crate::world_state::NodeState;

/// The process stops being scheduled while its clocks go on; inputs queue and arrive in order at resume,
/// and a process that was to start meanwhile starts then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct Pause<L: Leaf = Nodes> {
    /// Which nodes.
    pub nodes: L::Nodes,
}

impl<L: Leaf> Kind<L> for Pause<L> {
    const NAME: &'static str = "pause";
    super::on_nodes!();
}

impl Stated for Pause<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        on_chosen(choice, &self.nodes, |nodes| Pause { nodes })
    }
}

impl Done for Pause {
    fn words(&self) -> String {
        format!("pause {}", words::nodes(&self.nodes))
    }

    fn incident(&self) -> Option<Incident> {
        Some(Incident::Paused)
    }

    fn start_node<N: Node>(&self, _: u32, node: &mut NodeState<N>, _: Instant) -> After {
        node.pauses += 1;
        node.update_queueing();
        After::Nothing
    }

    fn stop_node<N: Node>(&self, _: u32, node: &mut NodeState<N>, _: Instant) -> After {
        node.pauses = node.pauses.saturating_sub(1);
        node.update_queueing();
        After::Changed
    }

    fn heal<N: Node>(node: &mut NodeState<N>, _: Instant) {
        node.pauses = 0;
        node.update_queueing();
    }

    fn hampers<N: Node>(node: &NodeState<N>) -> bool {
        node.pauses > 0
    }
}

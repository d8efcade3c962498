//! `slow`: each input takes a while to serve.

use serde::{Deserialize, Serialize};

use super::{
    Ability, After, Choice, Concrete, Done, Fault, Kind, Leaf, Nodes, Range, Selectors, Stated, on_each, words,
};
use crate::node::Node;
use crate::time::Instant;
use crate::world_state::NodeState;

/// Each input takes this long to serve; further inputs queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct Slow<L: Leaf = Nodes> {
    /// Which nodes.
    pub nodes: L::Nodes,
    /// Service time of one input.
    pub service_time: L::Duration,
}

impl<L: Leaf> Kind<L> for Slow<L> {
    const NAME: &'static str = "slow";
    super::on_nodes!();

    fn needs(&self) -> Option<Ability> {
        Some(Ability::Scheduling)
    }
}

impl Stated for Slow<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        on_each(choice, &self.nodes, self.service_time, |nodes, service_time| Slow { nodes, service_time })
    }
}

impl Done for Slow {
    fn words(&self) -> String {
        format!("slow {}: {} an input", words::nodes(&self.nodes), self.service_time)
    }

    fn ranges(&self) -> Vec<Range> {
        vec![Range::one(&["service_time"], self.service_time)]
    }

    fn start_node<N: Node>(&self, key: u32, node: &mut NodeState<N>, _: Instant) -> After {
        node.slow.push((key, self.service_time));
        node.update_queueing();
        After::Nothing
    }

    fn stop_node<N: Node>(&self, key: u32, node: &mut NodeState<N>, now: Instant) -> After {
        node.slow.retain(|(slow, _)| *slow != key);
        node.free_when_fast(now);
        node.update_queueing();
        After::Changed
    }

    fn heal<N: Node>(node: &mut NodeState<N>, now: Instant) {
        node.slow.clear();
        node.free_when_fast(now);
        node.update_queueing();
    }

    fn hampers<N: Node>(node: &NodeState<N>) -> bool {
        !node.slow.is_empty()
    }
}

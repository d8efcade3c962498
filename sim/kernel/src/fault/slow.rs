//! `slow`: each input takes a while to serve.

use serde::{Deserialize, Serialize};

use super::{
    Ability, After, Choice, Concrete, Done, Fault, Kind, Leaf, Nodes, Range, Selectors, Stated, on_each, words,
};
use crate::node::Node;
use crate::time::Instant;
use crate::world_state::Slot;

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

    fn start_node<N: Node>(&self, key: u32, slot: &mut Slot<N>, _: Instant) -> After {
        slot.slow.push((key, self.service_time));
        slot.regate();
        After::Nothing
    }

    fn stop_node<N: Node>(&self, key: u32, slot: &mut Slot<N>, now: Instant) -> After {
        slot.slow.retain(|(slow, _)| *slow != key);
        slot.free_when_fast(now);
        slot.regate();
        After::Changed
    }

    fn heal<N: Node>(slot: &mut Slot<N>, now: Instant) {
        slot.slow.clear();
        slot.free_when_fast(now);
        slot.regate();
    }

    fn hampers<N: Node>(slot: &Slot<N>) -> bool {
        !slot.slow.is_empty()
    }
}

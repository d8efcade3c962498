//! `pause`: processes are not scheduled.

use serde::{Deserialize, Serialize};

use super::{After, Choice, Concrete, Done, Fault, Kind, Leaf, Nodes, Selectors, Stated, on_chosen, words};
use crate::node::Node;
use crate::time::Instant;
use crate::vocabulary::Incident;
use crate::world_state::Slot;

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

    fn start_node<N: Node>(&self, _: u32, slot: &mut Slot<N>, _: Instant) -> After {
        slot.pauses += 1;
        slot.regate();
        After::Nothing
    }

    fn stop_node<N: Node>(&self, _: u32, slot: &mut Slot<N>, _: Instant) -> After {
        slot.pauses = slot.pauses.saturating_sub(1);
        slot.regate();
        After::Changed
    }

    fn heal<N: Node>(slot: &mut Slot<N>, _: Instant) {
        slot.pauses = 0;
        slot.regate();
    }

    fn hampers<N: Node>(slot: &Slot<N>) -> bool {
        slot.pauses > 0
    }
}

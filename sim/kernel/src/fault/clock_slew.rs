//! `clock_slew`: wall clocks are led to a new offset.

use serde::{Deserialize, Serialize};

use super::{
    Ability, After, Choice, Concrete, Done, Fault, Kind, Lasting, Leaf, Nodes, Offset, Range, Reach, Selectors, Stated,
    on_each, words,
};
use crate::node::Node;
use crate::time::{Duration, Instant};
use crate::world_state::NodeState;

/// The wall clock is led to a new offset over a time, as NTP slews. Lifting it does not undo it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct ClockSlew<L: Leaf = Nodes> {
    /// Which nodes.
    pub nodes: L::Nodes,
    /// How far in all.
    pub by: L::Offset,
    /// How long it takes.
    pub over: Duration,
}

impl<L: Leaf> Kind<L> for ClockSlew<L> {
    const NAME: &'static str = "clock_slew";
    super::on_nodes!();

    fn lasting(&self) -> Lasting {
        Lasting::For(self.over)
    }

    fn needs(&self) -> Option<Ability> {
        Some(Ability::Clocks)
    }
}

impl Stated for ClockSlew<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        on_each(choice, &self.nodes, self.by, |nodes, by| ClockSlew { nodes, by, over: self.over })
    }

    fn reach(&self) -> Option<Reach> {
        Some(Reach::Wall(Offset::farthest(self.by.low, self.by.high)))
    }
}

impl Done for ClockSlew {
    fn words(&self) -> String {
        format!("clock slew {} by {} over {}", words::nodes(&self.nodes), self.by, self.over)
    }

    fn ranges(&self) -> Vec<Range> {
        vec![Range::one(&["by"], self.by.size()), Range::one(&["over"], self.over)]
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

    fn start_node<N: Node>(&self, _: u32, node: &mut NodeState<N>, now: Instant) -> After {
        node.clock.slew(now, self.by, self.over);
        After::Nothing
    }
}

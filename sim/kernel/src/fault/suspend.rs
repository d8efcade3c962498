//! `suspend`: virtual machines are suspended.

use serde::{Deserialize, Serialize};

use super::{Ability, After, Choice, Concrete, Done, Fault, Kind, Leaf, Nodes, Selectors, Stated, on_chosen, words};
use crate::node::Node;
use crate::time::Instant;
use crate::world_state::NodeState;

/// The virtual machine is suspended: its process is not scheduled and its monotonic clock stands still, so that on
/// resume no timer is overdue and no time seems to have passed. Its wall clock is right on resume. Datagrams and other
/// inputs queue and arrive in order at resume, as after a pause; a process that was to start meanwhile starts then, and
/// the disk goes on. Over connections it acknowledges nothing: what is opened to it, or sent to it over an open one,
/// times out at the other end, or arrives at resume if that is earlier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct Suspend<L: Leaf = Nodes> {
    /// Which nodes.
    pub nodes: L::Nodes,
}

impl<L: Leaf> Kind<L> for Suspend<L> {
    const NAME: &'static str = "suspend";
    super::on_nodes!();

    fn needs(&self) -> Option<Ability> {
        Some(Ability::Clocks)
    }
}

impl Stated for Suspend<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        on_chosen(choice, &self.nodes, |nodes| Suspend { nodes })
    }
}

impl Done for Suspend {
    fn words(&self) -> String {
        format!("suspend {}", words::nodes(&self.nodes))
    }

    fn start_node<N: Node>(&self, _: u32, node: &mut NodeState<N>, now: Instant) -> After {
        node.clock.suspend(now);
        node.pauses += 1;
        node.update_queueing();
        After::Changed
    }

    fn stop_node<N: Node>(&self, _: u32, node: &mut NodeState<N>, now: Instant) -> After {
        let was_suspended = node.clock.is_suspended();
        node.clock.resume(now);
        node.pauses = node.pauses.saturating_sub(1);
        node.update_queueing();
        if was_suspended && !node.clock.is_suspended() { After::Resumes } else { After::Changed }
    }

    /// The healing of pauses lets the process run.
    fn heal<N: Node>(node: &mut NodeState<N>, now: Instant) {
        node.clock.resume_all(now);
    }

    fn hampers<N: Node>(node: &NodeState<N>) -> bool {
        node.clock.is_suspended()
    }
}

//! `crash`: processes or machines end.

use serde::{Deserialize, Serialize};

use super::{
    Ability, After, Choice, Concrete, Done, Fault, Keep, Kind, Leaf, Nodes, Selectors, Stated, on_chosen, words,
};
use crate::node::Node;
use crate::time::Instant;
use crate::vocabulary::Incident;
use crate::world_state::{Machine, NodeState};

/// What ends in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrashScope {
    /// The process: all that it wrote is kept; peers see their connections reset.
    Process,
    /// The machine: what was synced is kept, and a part of the rest; peers hear nothing.
    Machine,
}

/// The process ends: the node's value is lost, timers and deferred work with it. Lifting it restarts the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct Crash<L: Leaf = Nodes> {
    /// Which nodes.
    pub nodes: L::Nodes,
    /// Process or machine.
    pub scope: CrashScope,
    /// What a crash of the machine leaves of the writes that were not synced.
    #[serde(default)]
    pub keep: Keep,
}

impl<L: Leaf> Kind<L> for Crash<L> {
    const NAME: &'static str = "crash";
    super::on_nodes!();

    fn title(&self) -> String {
        let machine = self.scope == CrashScope::Machine;
        if machine { "machine_crash" } else { "crash" }.to_owned()
    }

    fn needs(&self) -> Option<Ability> {
        (self.scope == CrashScope::Machine).then_some(Ability::Disks)
    }
}

impl Stated for Crash<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        let Self { scope, keep, .. } = *self;
        on_chosen(choice, &self.nodes, |nodes| Crash { nodes, scope, keep })
    }
}

impl Done for Crash {
    fn words(&self) -> String {
        let whole = if self.scope == CrashScope::Machine { "machine " } else { "" };
        format!("{whole}crash {}", words::nodes(&self.nodes))
    }

    fn incident(&self) -> Option<Incident> {
        Some(Incident::Crashed)
    }

    /// A machine whose process is down may still be on.
    fn changes_node<N: Node>(&self, node: &NodeState<N>, _: Instant) -> bool {
        node.process.is_some() || (self.scope == CrashScope::Machine && node.machine == Machine::Up)
    }

    /// The world sees to it: it changes something if it keeps a process from starting.
    fn waits_for_process(&self) -> bool {
        false
    }

    fn start_node<N: Node>(&self, key: u32, node: &mut NodeState<N>, _: Instant) -> After {
        node.crashed_by.push(key);
        After::Crashes(self.scope, self.keep)
    }

    /// The node starts, unless another crash still holds it. A spare server stays absent.
    fn stop_node<N: Node>(&self, key: u32, node: &mut NodeState<N>, _: Instant) -> After {
        let held = node.crashed_by.contains(&key);
        node.crashed_by.retain(|crash| *crash != key);
        let starts = held && node.is_present && node.process.is_none() && node.crashed_by.is_empty();
        if starts { After::Starts } else { After::Nothing }
    }

    fn heal<N: Node>(node: &mut NodeState<N>, _: Instant) {
        node.crashed_by.clear();
    }
}

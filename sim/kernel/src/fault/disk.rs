//! `disk`: disks misbehave, until lifted or once.

use serde::{Deserialize, Serialize};

use super::{
    Ability, After, Choice, Concrete, DiskFault, Done, Fault, Kind, Lasting, Leaf, Nodes, Range, Selectors, Stated,
    on_chosen, words,
};
use crate::node::{FileId, Node};
use crate::time::Instant;
use crate::world_state::NodeState;

/// The disk misbehaves: until lifted, or once, to a record that is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct Disk<L: Leaf = Nodes> {
    /// Which nodes.
    pub nodes: L::Nodes,
    /// How.
    pub fault: DiskFault,
}

impl<L: Leaf> Kind<L> for Disk<L> {
    const NAME: &'static str = "disk";
    super::on_nodes!();

    fn lasting(&self) -> Lasting {
        match self.fault {
            DiskFault::Lose { .. } | DiskFault::Corrupt { .. } | DiskFault::Unreadable { .. } | DiskFault::Wipe => {
                Lasting::Once
            }
            DiskFault::Slow { .. } | DiskFault::Full | DiskFault::Io | DiskFault::LyingSync | DiskFault::Hang => {
                Lasting::Lifted
            }
        }
    }

    fn title(&self) -> String {
        format!("disk fault {}", self.fault.name())
    }

    fn needs(&self) -> Option<Ability> {
        Some(Ability::Disks)
    }
}

impl Stated for Disk<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        on_chosen(choice, &self.nodes, |nodes| Disk { nodes, fault: self.fault })
    }
}

impl Done for Disk {
    fn words(&self) -> String {
        let what = match self.fault {
            DiskFault::Slow { by } => format!("slower by {by}"),
            DiskFault::Full => "full".to_owned(),
            DiskFault::Io => "input/output errors".to_owned(),
            DiskFault::LyingSync => "syncs lie".to_owned(),
            DiskFault::Hang => "hangs".to_owned(),
            DiskFault::Wipe => "wiped".to_owned(),
            DiskFault::Lose { file, from_end } => format!("{} lost", record(file, from_end)),
            DiskFault::Corrupt { file, from_end } => format!("{} corrupt", record(file, from_end)),
            DiskFault::Unreadable { file, from_end } => format!("{} unreadable", record(file, from_end)),
        };
        format!("disk of {}: {what}", words::nodes(&self.nodes))
    }

    fn ranges(&self) -> Vec<Range> {
        match self.fault {
            DiskFault::Slow { by } => vec![Range::one(&["fault", "slow", "by"], by)],
            _ => Vec::new(),
        }
    }

    /// What is done to records needs some, and no process.
    fn changes_node<N: Node>(&self, node: &NodeState<N>, now: Instant) -> bool {
        match self.fault {
            DiskFault::Wipe => !node.disk.is_empty(now),
            DiskFault::Lose { file, from_end }
            | DiskFault::Corrupt { file, from_end }
            | DiskFault::Unreadable { file, from_end } => node.disk.has_record(file, from_end),
            DiskFault::Slow { .. } | DiskFault::Full | DiskFault::Io | DiskFault::LyingSync | DiskFault::Hang => {
                node.process.is_some()
            }
        }
    }

    fn start_node<N: Node>(&self, key: u32, node: &mut NodeState<N>, now: Instant) -> After {
        node.disk.start_fault(key, self.fault, now);
        After::Nothing
    }

    fn stop_node<N: Node>(&self, key: u32, node: &mut NodeState<N>, _: Instant) -> After {
        node.disk.stop_fault(key);
        After::Changed
    }

    fn heal<N: Node>(node: &mut NodeState<N>, _: Instant) {
        node.disk.heal();
    }
}

fn record(file: FileId, from_end: u64) -> String {
    match from_end {
        0 => format!("last record of file {}", file.0),
        before => format!("record of file {}, {before} before the last,", file.0),
    }
}

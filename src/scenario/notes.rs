//! What is right in a scenario and may still not be what was meant.

use std::collections::BTreeSet;

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::Fault;
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::selector::{LinkForm, Selector};

use super::{Names, Scenario};

/// A remark, and the line that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The line of the file.
    pub line: u32,
    /// What may not be meant.
    pub message: String,
}

impl Scenario {
    /// What may not be meant, in the order of the file.
    pub fn notes(&self) -> Vec<Note> {
        let names = Names::of(&self.cluster);
        let note = |(line, groups): (u32, &[Vec<Selector>])| {
            let outside = outside(&self.cluster, groups)?;
            let outside: Vec<String> = outside.into_iter().map(|node| names.name(node)).collect();
            let message = match outside.as_slice() {
                [] => return None,
                [one] => format!("partition: {one} is in no side, so it keeps all its links and joins the sides"),
                some => {
                    let who = some.join(", ");
                    format!("partition: {who} are in no side, so they keep all their links and join the sides")
                }
            };
            Some(Note { line, message })
        };
        let partitions = self.faults.iter().filter_map(|fault| match &fault.what {
            What::Fault(Fault::Cut(cut)) => match &cut.links {
                LinkForm::Partition(groups) => Some((fault.line, groups.as_slice())),
                _ => None,
            },
            _ => None,
        });
        partitions.filter_map(note).collect()
    }
}

/// The servers that are in no side; nothing if that depends on the run.
fn outside(cluster: &Cluster, groups: &[Vec<Selector>]) -> Option<Vec<NodeId>> {
    let mut inside = BTreeSet::new();
    for selector in groups.iter().flatten() {
        match selector {
            Selector::Node(node) => _ = inside.insert(node.id()),
            Selector::Every(among) => inside.extend(cluster.nodes().filter(|node| among.has(cluster, *node))),
            _ => return None,
        }
    }
    Some(cluster.servers().filter(|node| !inside.contains(node)).collect())
}

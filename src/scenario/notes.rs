//! What is right in a scenario and may still not be what was meant.

use std::collections::BTreeSet;

use splitbrain_kernel::director::spec::{FaultSpec, NemesisKind, What};
use splitbrain_kernel::fault::{Fault, LinkConditions, Target};
use splitbrain_kernel::id::{Cluster, NodeId, Side};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::selector::{LinkForm, LinkSelector, Selector, Share};

use super::section::network::chance_max;
use super::shape::who::kinds_of;
use super::{Diagnostics, Names, OrderCall, Scenario};

/// A remark, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The line of the file.
    pub line: u32,
    /// What stands there: `raft.reads.lease`, `fault[2]`.
    pub path: String,
    /// What may not be meant.
    pub message: String,
    /// Whether what stands there has no effect in any run of the scenario, whatever happens in it.
    pub is_idle: bool,
}

/// Refuses what has no effect in any of the variants of one file in which it stands, given each with its notes.
///
/// # Errors
/// Everything of this kind, each with its reason.
pub fn refuse_idle(all: &[(&Scenario, Vec<Note>)]) -> Result<(), Diagnostics> {
    let acts_in = |note: &Note, (scenario, notes): &(&Scenario, Vec<Note>)| {
        !notes.contains(note) && scenario.source.line_of(&note.path) == Some(note.line)
    };
    let refused = |note: &&Note| note.is_idle && !all.iter().any(|one| acts_in(note, one));
    let of_one = |(scenario, notes): &(&Scenario, Vec<Note>)| {
        let each = notes.iter().filter(refused).map(|note| {
            // The path stands before the message already.
            let message = note.message.strip_prefix(&note.path).map_or(&*note.message, str::trim_start);
            Diagnostics::one(&scenario.source, scenario.source.text_of_line(note.line), &note.path, message)
        });
        each.reduce(Diagnostics::and)
    };
    let found: Vec<Diagnostics> = all.iter().filter_map(of_one).collect();
    if found.is_empty() { Ok(()) } else { Err(Diagnostics::of_variants(found, all.len())) }
}

impl Scenario {
    /// What may not be meant, as far as the file alone tells, in the order of the file.
    pub fn notes(&self) -> Vec<Note> {
        let faults = self.faults.iter().enumerate();
        let mut notes: Vec<Note> = faults.flat_map(|(index, fault)| self.notes_of(index, fault)).collect();
        notes.extend(self.note_of_reordering());
        notes.sort_by_key(|note| note.line);
        notes
    }

    fn notes_of(&self, index: usize, fault: &FaultSpec<OrderCall>) -> Option<Note> {
        let What::Fault(what) = &fault.what else { return None };
        let Target::Links(links) = what.target() else { return None };
        let message = match links {
            LinkForm::Partition(groups) => self.partitioned(groups)?,
            LinkForm::Between(links) => self.between_clients(&fault.id, links)?,
            _ => return None,
        };
        // Servers in no side and links between clients may be meant, if hardly the latter.
        Some(Note { line: fault.line, path: format!("fault[{index}]"), message, is_idle: false })
    }

    /// A partition that leaves servers with all their links.
    fn partitioned(&self, groups: &[Vec<Selector>]) -> Option<String> {
        let cluster = self.widest_cluster();
        let who = match outside(&cluster, groups)? {
            Outside::Nodes(nodes) => {
                let names = Names::of(&cluster);
                nodes.into_iter().map(|node| names.name(node)).collect::<Vec<_>>().join(", ")
            }
            Outside::AtLeast(count) => format!("at least {count} of {} servers", cluster.servers().count()),
        };
        let is_one = !who.contains([',', ' ']) || who.starts_with("at least 1 ");
        let (is, keeps) = if is_one { ("is", "it keeps all its links and joins") } else { ("are", KEEP) };
        Some(format!("partition: {who} {is} in no side, so {keeps} the sides"))
    }

    /// Links between clients alone.
    fn between_clients(&self, id: &str, links: &[LinkSelector]) -> Option<String> {
        let kinds = self.cluster.kinds();
        let is_client = |selector: &Selector| {
            let of = kinds_of(kinds, std::slice::from_ref(selector)).filter(|of| !of.is_empty());
            of.is_some_and(|of| kinds.iter().all(|kind| kind.side == Side::Client || !of.contains(&kind.id)))
        };
        let of_clients = links.iter().all(|link| is_client(&link.source) && is_client(&link.target));
        let texts: Vec<String> = links.iter().map(ToString::to_string).collect();
        let message = || format!("{id} may have no effect: clients talk to servers, and {} ", texts.join(", "));
        of_clients.then(|| message() + "are links between clients alone")
    }

    /// A delay that no packet gets.
    fn note_of_reordering(&self) -> Option<Note> {
        let path = "network.reordering_delay";
        let line = self.source.line_of(path)?;
        let chances = [&self.network.reordering, &self.network.duplication];
        let some = |chance: Option<Ppm>| chance.is_some_and(|chance| chance.parts() > 0);
        let of_links = |link: &LinkConditions| some(link.reordering) || some(link.duplication);
        let stated = self.faults.iter().any(|fault| match &fault.what {
            What::Fault(Fault::Weather(weather)) => of_links(&weather.conditions),
            _ => false,
        });
        let drawn = |kind: &NemesisKind| {
            matches!(kind, NemesisKind::Reorder | NemesisKind::Duplicate | NemesisKind::RepeatMessages)
        };
        let has_effect = chances.into_iter().any(|chance| some(Some(chance_max(chance))))
            || self.network.links.iter().any(|(_, link)| of_links(link))
            || stated
            || self.nemeses.iter().any(|nemesis| nemesis.kinds.iter().any(drawn))
            // What is drawn outside of the options is not known here.
            || self.drawn_keys().any(|key| key.starts_with("network.link") || key.starts_with("nemesis."));
        let message = format!("{path} has no effect: no datagram is reordered or comes twice");
        (!has_effect).then(|| Note { line, path: path.to_owned(), message, is_idle: true })
    }
}

const KEEP: &str = "they keep all their links and join";

/// Servers that are in no side.
enum Outside {
    Nodes(Vec<NodeId>),
    /// So many; which ones depends on the run.
    AtLeast(usize),
}

/// The servers that are in no side; `None` if there are none, or if that depends on the run.
fn outside(cluster: &Cluster, groups: &[Vec<Selector>]) -> Option<Outside> {
    let count = cluster.servers().count();
    let (mut inside, mut bound, mut drawn) = (BTreeSet::new(), BTreeSet::new(), 0);
    for selector in groups.iter().flatten() {
        match selector {
            Selector::Node(node) => _ = inside.insert(node.id()),
            Selector::Every(among) => inside.extend(cluster.nodes().filter(|node| among.has(cluster, *node))),
            // One node at the most, here and below.
            Selector::Named(name) => _ = bound.insert(name),
            Selector::Role(_) | Selector::Any(_) | Selector::Holder { .. } => drawn += 1,
            Selector::Share { share: Share::Majority, .. } => drawn += count / 2 + 1,
            Selector::Share { share: Share::Minority, .. } => drawn += count.saturating_sub(1) / 2,
            Selector::EveryRole(_) | Selector::Not(_) => return None,
        }
    }
    let left: Vec<NodeId> = cluster.servers().filter(|node| !inside.contains(node)).collect();
    let drawn = drawn + bound.len();
    match (left.len().saturating_sub(drawn), drawn) {
        (0, _) => None,
        (_, 0) => Some(Outside::Nodes(left)),
        (least, _) => Some(Outside::AtLeast(least)),
    }
}

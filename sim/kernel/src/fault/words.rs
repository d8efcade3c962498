//! Nodes, links and selectors in few words, for the lines of faults.

use std::collections::BTreeSet;

use crate::id::{Link, NodeId};
use crate::selector::Selector;

/// How many links or nodes are named before the rest is counted.
const NAMED_MAX: usize = 8;

/// ` for ping, pong`; empty if a fault is not narrowed.
pub(super) fn only(kinds: &[String]) -> String {
    if kinds.is_empty() { String::new() } else { format!(" for {}", kinds.join(", ")) }
}

/// `s1 s2`.
pub(super) fn nodes(nodes: &[NodeId]) -> String {
    named(nodes.iter().map(NodeId::to_string).collect(), " ")
}

/// `s1 -> s2, s1 <-> s3`: both directions of a pair are named once.
pub(super) fn links(links: &[Link]) -> String {
    let all: BTreeSet<Link> = links.iter().copied().collect();
    let mut texts = Vec::new();
    for link in &all {
        let both = all.contains(&link.reverse());
        if both && link.target < link.source {
            continue;
        }
        texts.push(format!("{} {} {}", link.source, if both { "<->" } else { "->" }, link.target));
    }
    named(texts, ", ")
}

/// `leader, any follower`.
pub(super) fn selectors(selectors: &[Selector]) -> String {
    selectors.iter().map(Selector::to_string).collect::<Vec<_>>().join(", ")
}

fn named(texts: Vec<String>, between: &str) -> String {
    let more = texts.len().saturating_sub(NAMED_MAX);
    let shown = texts.get(..NAMED_MAX).unwrap_or(&texts).join(between);
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

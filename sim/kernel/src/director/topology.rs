//! Shapes of broken networks as sets of directed links. Pure: who the nodes are was chosen before.
//!
//! Each function gives the links that are cut, in order and each once. No link leads from a node to itself.

use std::collections::BTreeSet;

use crate::id::{Link, NodeId};

/// From each source to each target.
pub(crate) fn between(sources: &[NodeId], targets: &[NodeId]) -> Vec<Link> {
    ordered(pairs(sources, targets))
}

/// Between each of these and each of those, both ways.
pub(crate) fn apart(these: &[NodeId], those: &[NodeId]) -> Vec<Link> {
    ordered(pairs(these, those).chain(pairs(those, these)))
}

/// Of the nodes named here, those that share no group: every ordered pair. A node that no group names keeps all links.
pub(crate) fn partition(groups: &[Vec<NodeId>]) -> Vec<Link> {
    let named: Vec<NodeId> = groups.iter().flatten().copied().collect();
    let share = |link: &Link| groups.iter().any(|group| group.contains(&link.source) && group.contains(&link.target));
    ordered(pairs(&named, &named).filter(|link| !share(link)))
}

/// Each sees only the next one and the one before, in the order given; the last and the first are neighbours.
pub(crate) fn ring(order: &[NodeId]) -> Vec<Link> {
    let neighbours: Vec<Vec<NodeId>> =
        (0..order.len()).map(|at| vec![order[at], order[(at + 1) % order.len()]]).collect();
    partition(&neighbours)
}

fn pairs<'a>(sources: &'a [NodeId], targets: &'a [NodeId]) -> impl Iterator<Item = Link> + 'a {
    sources.iter().flat_map(move |source| {
        targets.iter().filter(move |target| *target != source).map(move |target| Link::new(*source, *target))
    })
}

fn ordered(links: impl Iterator<Item = Link>) -> Vec<Link> {
    links.collect::<BTreeSet<Link>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn nodes(text: &str) -> Vec<NodeId> {
        text.split_whitespace().map(|word| word.parse().expect("a node")).collect()
    }

    /// `1>2 2>1`: links among servers.
    fn text(links: &[Link]) -> String {
        let words: Vec<String> =
            links.iter().map(|link| format!("{}>{}", link.source, link.target).replace('s', "")).collect();
        words.join(" ")
    }

    #[test]
    fn between_is_one_way_and_apart_is_both() {
        let (a, b) = (nodes("s1 s2"), nodes("s2 s3 c1"));
        assert_eq!(text(&between(&a, &b)), "1>2 1>3 1>c1 2>3 2>c1");
        assert_eq!(text(&apart(&a, &b)), "1>2 1>3 1>c1 2>1 2>3 2>c1 3>1 3>2 c1>1 c1>2");
    }

    #[test]
    fn a_partition_cuts_who_shares_no_group() {
        let halves = partition(&[nodes("s1 s2"), nodes("s3 s4 s5")]);
        assert_eq!(text(&halves), "1>3 1>4 1>5 2>3 2>4 2>5 3>1 3>2 4>1 4>2 5>1 5>2");
    }

    #[test]
    fn the_overlapping_groups_of_the_tour() {
        // x is s5: x hears a and b and c; d hears a, b and c.
        let groups = ["s5 s1 s2", "s1 s2 s4", "s3 s4", "s5 s3"].map(nodes);
        assert_eq!(text(&partition(&groups)), "1>3 2>3 3>1 3>2 4>5 5>4");
    }

    #[test]
    fn who_is_in_no_group_keeps_all_links() {
        assert_eq!(text(&partition(&[nodes("s1"), nodes("s2")])), "1>2 2>1");
        assert_eq!(text(&partition(&[nodes("s1 s2 s3")])), "");
        assert_eq!(text(&partition(&[])), "");
    }

    #[test]
    fn a_ring_of_five_leaves_two_neighbours_each() {
        assert_eq!(text(&ring(&nodes("s1 s2 s3 s4 s5"))), "1>3 1>4 2>4 2>5 3>1 3>5 4>1 4>2 5>2 5>3");
        assert_eq!(text(&ring(&nodes("s1 s3 s5 s2 s4"))), "1>2 1>5 2>1 2>3 3>2 3>4 4>3 4>5 5>1 5>4");
    }

    #[test]
    fn a_ring_of_three_or_fewer_cuts_nothing() {
        for few in ["", "s1", "s1 s2", "s1 s2 s3"] {
            assert_eq!(ring(&nodes(few)), []);
        }
    }

    proptest! {
        #[test]
        fn a_partition_is_symmetric_and_never_within_a_group(groups in vec(vec(1u16..6, 0..4), 0..5)) {
            let groups: Vec<Vec<NodeId>> = groups
                .into_iter()
                .map(|group| group.into_iter().map(NodeId::server).collect())
                .collect();
            let cut = partition(&groups);
            for link in &cut {
                prop_assert!(link.source != link.target);
                prop_assert!(cut.contains(&link.reverse()));
                prop_assert!(!groups.iter().any(|group| group.contains(&link.source) && group.contains(&link.target)));
            }
        }
    }
}

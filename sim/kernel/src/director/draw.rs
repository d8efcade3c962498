//! Choosing among nodes so that a node more rarely changes the choice.

use crate::id::NodeId;
use crate::rng::Rng;

/// The nodes in an order that is drawn: each has a word of its own, keyed by its name, and the smallest comes first.
///
/// So a server that is added takes its place among the others and moves none of them: the first of the old ones stays
/// the first unless the new one comes before it. An index into a list would give another node almost every time.
pub(crate) fn shuffled(rng: &Rng, nodes: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
    let mut keyed: Vec<(u64, NodeId)> =
        nodes.into_iter().map(|node| (rng.fork("choice", node.key()).word(), node)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, node)| node).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::Seed;

    proptest! {
        #[test]
        fn a_node_more_leaves_the_order_of_the_others(seed: u64, count in 1u16..10) {
            let rng = Seed(seed).stream("test", 0);
            let few = shuffled(&rng, (1..=count).map(NodeId::server));
            let mut more = shuffled(&rng, (1..=count + 1).map(NodeId::server));
            more.retain(|node| *node != NodeId::server(count + 1));
            prop_assert_eq!(few, more);
        }
    }

    #[test]
    fn every_node_comes_first_at_times() {
        let mut first = [0; 5];
        for seed in 0..500 {
            let order = shuffled(&Seed(seed).stream("test", 0), (1..=5).map(NodeId::server));
            first[usize::from(order[0].number()) - 1] += 1;
        }
        assert!(first.iter().all(|count| (60..140).contains(count)), "{first:?}");
    }
}

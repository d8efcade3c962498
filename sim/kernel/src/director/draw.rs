//! Drawing from ranges, and choosing among nodes so that a node more rarely changes the choice.

use crate::fault::Offset;
use crate::id::NodeId;
use crate::rng::Rng;
use crate::selector::Span;
use crate::time::{Duration, Instant};

/// A span of time from the range. One word.
pub(crate) fn duration(rng: &mut Rng, span: Span<Duration>) -> Duration {
    rng.duration(span.low, span.high)
}

/// A point of time from the range. One word.
pub(crate) fn instant(rng: &mut Rng, span: Span<Instant>) -> Instant {
    Instant::from_nanos(rng.between(span.low.as_nanos(), span.high.as_nanos()))
}

/// An offset from the range. One word.
pub(crate) fn offset(rng: &mut Rng, span: Span<Offset>) -> Offset {
    Offset(signed(rng, span.low.0, span.high.0))
}

/// Parts per million from the range. One word.
pub(crate) fn ppm(rng: &mut Rng, span: Span<i32>) -> i32 {
    let drawn = signed(rng, i64::from(span.low), i64::from(span.high));
    i32::try_from(drawn).expect("it lies between two of them")
}

/// A whole number from `low` to `high`, both included. One word.
pub(crate) fn signed(rng: &mut Rng, low: i64, high: i64) -> i64 {
    assert!(low <= high, "a range starts at its lower end");
    // In two's complement the width always fits an unsigned word, and adding it back wraps to the right number.
    low.wrapping_add(rng.between(0, high.wrapping_sub(low) as u64) as i64)
}

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
        fn a_signed_number_is_within_its_range(seed: u64, a: i64, b: i64) {
            let (low, high) = (a.min(b), a.max(b));
            let drawn = signed(&mut Seed(seed).stream("test", 0), low, high);
            prop_assert!(low <= drawn && drawn <= high);
        }

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

//! Each connection that is taken out of the pool is given back once, or closed and replaced, and a broken one is used
//! no more.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::brief::Derived;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::observation::ChatObservation;

use super::index::POOL_CONSERVED;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "pool_conserved",
    doc: "A connection of the pool is used by one thread at a time, given back once, never as null, and not used again \
          after it broke.",
    source: "QT chat project, day 20, 3.4: the connection to the redis is null",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The pool of each chat server.
#[derive(Clone, Debug, Default)]
pub(super) struct Pools {
    of: BTreeMap<NodeId, Pool>,
}

#[derive(Clone, Debug, Default)]
struct Pool {
    free: BTreeSet<u64>,
    taken: BTreeSet<u64>,
    broken: BTreeSet<u64>,
}

impl Pools {
    pub(super) fn on_down(&mut self, server: NodeId) {
        self.of.remove(&server);
    }

    /// A chat server says something.
    pub(super) fn on_observed(&mut self, node: NodeId, observation: &ChatObservation, findings: &mut Findings) {
        let pool = self.of.entry(node).or_default();
        let (holds, what) = match *observation {
            ChatObservation::PoolOpened(connection) => (pool.free.insert(connection), "puts in twice"),
            ChatObservation::PoolTaken(connection) => {
                let is_free = pool.free.remove(&connection) && pool.taken.insert(connection);
                (is_free && !pool.broken.contains(&connection), "takes what is broken or not there:")
            }
            ChatObservation::PoolBroken(connection) => {
                pool.broken.insert(connection);
                return;
            }
            ChatObservation::PoolClosed(connection) => (pool.taken.remove(&connection), "closes what it has not:"),
            ChatObservation::PoolReturned(Some(connection)) => {
                (pool.taken.remove(&connection) && pool.free.insert(connection), "gives back what it has not:")
            }
            ChatObservation::PoolReturned(None) => (false, "gives back null:"),
            _ => return,
        };
        findings.check(POOL_CONSERVED, Some(node), holds, || format!("{node} {what} {}", Derived(observation)));
    }
}

#[cfg(test)]
mod tests {
    use ChatObservation::{PoolBroken, PoolClosed, PoolOpened, PoolReturned, PoolTaken};

    use super::super::testing::{H1, all_on, broken};
    use super::*;

    fn judged(said: &[ChatObservation]) -> Option<usize> {
        let (mut pools, mut findings) = (Pools::default(), all_on());
        said.iter().for_each(|said| pools.on_observed(H1, said, &mut findings));
        broken(&findings)
    }

    #[test]
    fn a_connection_goes_out_and_comes_back() {
        assert_eq!(judged(&[PoolOpened(1), PoolTaken(1), PoolReturned(Some(1)), PoolTaken(1)]), None);
        assert_eq!(judged(&[PoolOpened(1), PoolTaken(1), PoolBroken(1), PoolClosed(1), PoolOpened(2)]), None);
    }

    #[test]
    fn null_twice_and_broken_are_found() {
        let wrong: [&[ChatObservation]; 4] = [
            &[PoolOpened(1), PoolTaken(1), PoolReturned(None)],
            &[PoolOpened(1), PoolTaken(1), PoolReturned(Some(1)), PoolReturned(Some(1))],
            &[PoolOpened(1), PoolTaken(1), PoolTaken(1)],
            &[PoolOpened(1), PoolTaken(1), PoolBroken(1), PoolReturned(Some(1)), PoolTaken(1)],
        ];
        assert!(wrong.iter().all(|said| judged(said) == Some(POOL_CONSERVED)));
    }
}

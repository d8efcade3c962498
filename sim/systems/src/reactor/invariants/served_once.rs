//! No request is served twice: a server that parsed some bytes of a stream a second time, or gave them to two threads,
//! would do what it was asked for twice (RFC 9110 §9.2.2: not every method may be repeated). Each request has a number
//! of its own, and no client sends one again.

use std::collections::BTreeSet;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::observation::ReactorObservation;

use super::index::SERVED_ONCE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "served_once",
    doc: "No request is served twice.",
    source: "RFC 9110 §9.2.2",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// The requests that were served.
#[derive(Clone, Debug, Default)]
pub(super) struct AllServed(BTreeSet<u64>);

impl AllServed {
    /// A server observes something.
    pub(super) fn on_observation(&mut self, node: NodeId, observation: &ReactorObservation, findings: &mut Findings) {
        if let ReactorObservation::Served { id } = *observation {
            let is_new = self.0.insert(id);
            findings.check(SERVED_ONCE, Some(node), is_new, || format!("{node} serves request {id} twice"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{S1, all_on, broken};
    use super::*;

    #[test]
    fn a_request_that_is_served_a_second_time_is_found() {
        for (ids, expected) in [([1, 2], None), ([1, 1], Some(SERVED_ONCE))] {
            let (mut served, mut findings) = (AllServed::default(), all_on());
            ids.iter().for_each(|id| served.on_observation(S1, &ReactorObservation::Served { id: *id }, &mut findings));
            assert_eq!((broken(&findings), findings.evaluated()[SERVED_ONCE]), (expected, 2));
        }
    }
}

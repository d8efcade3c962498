//! Each request is answered at most once, and answers come in the order of the requests (RFC 9112 §9.3.2: a server that
//! answers pipelined requests must send the answers in the order of the requests).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::node::ConnectionId;

use crate::reactor::observation::ReactorObservation;

use super::index::ANSWERED_IN_ORDER;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "answered_in_order",
    doc: "Over a connection each answer is whole and is that of the oldest request without one; no request is served \
          twice.",
    source: "RFC 9112 §9.3.2; writev(2)",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// What clients have sent and have no answer to.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversations {
    open: BTreeMap<ConnectionId, VecDeque<u64>>,
    served: BTreeSet<u64>,
}

impl Conversations {
    /// A server or a client observes something.
    pub(super) fn on_observation(&mut self, node: NodeId, observation: &ReactorObservation, findings: &mut Findings) {
        match *observation {
            ReactorObservation::Sent { connection, id } => self.open.entry(connection).or_default().push_back(id),
            ReactorObservation::Over { connection } => drop(self.open.remove(&connection)),
            ReactorObservation::Answered { connection, id } => {
                let expected = self.open.get_mut(&connection).and_then(VecDeque::pop_front);
                findings.check(ANSWERED_IN_ORDER, Some(node), expected == Some(id), || match expected {
                    Some(expected) => format!("{node} is answered request {id}, and has sent {expected} before"),
                    None => format!("{node} is answered request {id}, and waits for no answer"),
                });
            }
            ReactorObservation::Malformed { connection } => {
                let expected = self.open.get(&connection).and_then(VecDeque::front).copied();
                findings.check(ANSWERED_IN_ORDER, Some(node), false, || match expected {
                    Some(id) => format!("what {node} receives in place of the answer to request {id} is no answer"),
                    None => format!("what {node} receives is no answer, and it waits for none"),
                });
            }
            ReactorObservation::Served { id } => {
                let is_new = self.served.insert(id);
                findings.check(ANSWERED_IN_ORDER, Some(node), is_new, || format!("{node} serves request {id} twice"));
            }
            _ => {}
        }
    }

    /// A process has ended: its connections have no owner.
    pub(super) fn on_down(&mut self, node: NodeId) {
        self.open.retain(|connection, _| connection.opener != node);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{S1, all_on, broken};
    use super::*;

    const C1: NodeId = NodeId::client(1);
    const CONNECTION: ConnectionId = ConnectionId { opener: C1, number: 0 };

    fn sent(id: u64) -> (NodeId, ReactorObservation) {
        (C1, ReactorObservation::Sent { connection: CONNECTION, id })
    }

    fn answered(id: u64) -> (NodeId, ReactorObservation) {
        (C1, ReactorObservation::Answered { connection: CONNECTION, id })
    }

    fn judged(observed: &[(NodeId, ReactorObservation)]) -> Option<usize> {
        let (mut conversations, mut findings) = (Conversations::default(), all_on());
        observed.iter().for_each(|(node, it)| conversations.on_observation(*node, it, &mut findings));
        broken(&findings)
    }

    #[test]
    fn answers_in_order_and_answers_that_never_come_are_right() {
        assert_eq!(judged(&[sent(1), sent(2), answered(1), sent(3), answered(2)]), None);
        let over = (C1, ReactorObservation::Over { connection: CONNECTION });
        assert_eq!(judged(&[sent(1), over, sent(2), answered(2)]), None);
    }

    #[test]
    fn an_answer_out_of_order_or_twice_or_to_nothing_is_found() {
        for observed in [&[sent(1), sent(2), answered(2)][..], &[sent(1), answered(1), answered(1)], &[answered(1)]] {
            assert_eq!(judged(observed), Some(ANSWERED_IN_ORDER), "{observed:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_answer_and_a_request_served_twice_are_found() {
        let malformed = (C1, ReactorObservation::Malformed { connection: CONNECTION });
        assert_eq!(judged(&[sent(1), malformed]), Some(ANSWERED_IN_ORDER));
        let served = (S1, ReactorObservation::Served { id: 1 });
        assert_eq!(judged(&[served.clone(), served.clone()]), Some(ANSWERED_IN_ORDER));
        assert_eq!(judged(&[served, (S1, ReactorObservation::Served { id: 2 })]), None);
    }
}

//! Each request is answered at most once, with what was asked for, and answers come in the order of the requests (RFC
//! 9112 §9.3.2: a server that answers pipelined requests must send the answers in the order of the requests). All of it
//! is what clients send and receive.

use std::collections::{BTreeMap, VecDeque};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::node::ConnectionId;

use crate::reactor::observation::ReactorObservation;

use super::index::ANSWERED_IN_ORDER;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "answered_in_order",
    doc: "Over a connection each answer is whole, is that of the oldest request without one, and has as many bytes \
          as were asked for.",
    source: "RFC 9112 §9.3.2; writev(2)",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// What clients have sent and have no answer to: numbers of requests, with the sizes of the answers that are due.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversations {
    open: BTreeMap<ConnectionId, VecDeque<(u64, u32)>>,
}

impl Conversations {
    /// A client observes something.
    pub(super) fn on_observation(&mut self, node: NodeId, observation: &ReactorObservation, findings: &mut Findings) {
        match *observation {
            ReactorObservation::Sent { connection, id, request } => {
                self.open.entry(connection).or_default().push_back((id, request.answer_size()));
            }
            ReactorObservation::Over { connection } => drop(self.open.remove(&connection)),
            ReactorObservation::Answered { connection, id, size } => {
                let expected = self.open.get_mut(&connection).and_then(VecDeque::pop_front);
                findings.check(ANSWERED_IN_ORDER, Some(node), expected == Some((id, size)), || match expected {
                    Some((expected, due)) if expected == id => {
                        format!("{node} is answered request {id} by {size} bytes, and has asked for {due}")
                    }
                    Some((expected, _)) => format!("{node} is answered request {id}, and has sent {expected} before"),
                    None => format!("{node} is answered request {id}, and waits for no answer"),
                });
            }
            ReactorObservation::Malformed { connection } => {
                let expected = self.open.get(&connection).and_then(VecDeque::front).copied();
                findings.check(ANSWERED_IN_ORDER, Some(node), false, || match expected {
                    Some((id, _)) => {
                        format!("what {node} receives in place of the answer to request {id} is no answer")
                    }
                    None => format!("what {node} receives is no answer, and it waits for none"),
                });
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
    use super::super::testing::{all_on, broken};
    use super::*;
    use crate::reactor::message::Request;

    const C1: NodeId = NodeId::client(1);
    const CONNECTION: ConnectionId = ConnectionId { opener: C1, number: 0 };

    fn sent(id: u64) -> ReactorObservation {
        ReactorObservation::Sent { connection: CONNECTION, id, request: Request::Get { size: 100 } }
    }

    fn answered(id: u64) -> ReactorObservation {
        ReactorObservation::Answered { connection: CONNECTION, id, size: 100 }
    }

    fn judged(observed: &[ReactorObservation]) -> Option<usize> {
        let (mut conversations, mut findings) = (Conversations::default(), all_on());
        observed.iter().for_each(|it| conversations.on_observation(C1, it, &mut findings));
        broken(&findings)
    }

    #[test]
    fn answers_in_order_and_answers_that_never_come_are_right() {
        assert_eq!(judged(&[sent(1), sent(2), answered(1), sent(3), answered(2)]), None);
        let over = ReactorObservation::Over { connection: CONNECTION };
        assert_eq!(judged(&[sent(1), over, sent(2), answered(2)]), None);
        let post = ReactorObservation::Sent { connection: CONNECTION, id: 1, request: Request::Post { size: 100 } };
        assert_eq!(judged(&[post, ReactorObservation::Answered { connection: CONNECTION, id: 1, size: 0 }]), None);
    }

    #[test]
    fn an_answer_out_of_order_or_twice_or_to_nothing_is_found() {
        for observed in [&[sent(1), sent(2), answered(2)][..], &[sent(1), answered(1), answered(1)], &[answered(1)]] {
            assert_eq!(judged(observed), Some(ANSWERED_IN_ORDER), "{observed:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_answer_and_an_answer_of_another_size_are_found() {
        let malformed = ReactorObservation::Malformed { connection: CONNECTION };
        assert_eq!(judged(&[sent(1), malformed]), Some(ANSWERED_IN_ORDER));
        for size in [0, 99, 101] {
            let short = ReactorObservation::Answered { connection: CONNECTION, id: 1, size };
            assert_eq!(judged(&[sent(1), short]), Some(ANSWERED_IN_ORDER), "{size}");
        }
    }
}

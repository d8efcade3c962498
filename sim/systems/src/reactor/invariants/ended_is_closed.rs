//! What has ended is closed (close(2); RFC 9293 §3.3.2, CLOSE-WAIT: the machine waits for its own program to close):
//! once a program has read the end of a connection and has sent every answer over it, nothing will come and nothing is
//! to be done. A server that keeps such connections runs out of descriptors.
//!
//! That the program has read the end is what the kernel says, that every answer was sent what left the machine. It is
//! judged when a thread leaves the connection, as no event will come for it.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::linux::descriptor::DescriptionId;
use crate::reactor::server::Server;

use super::closed_after_answers::{Exchanges, Served};
use super::facts;
use super::index::ENDED_IS_CLOSED;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "ended_is_closed",
    doc: "A thread that leaves a connection whose end was read, with every request over it answered, has closed it.",
    source: "close(2); RFC 9293 §3.3.2, CLOSE-WAIT",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A thread has made a call for this connection, or has left it without one.
pub(super) fn after_step(
    node: NodeId,
    server: &Server,
    exchanges: &Exchanges,
    (item, served): (DescriptionId, Served),
    findings: &mut Findings,
) {
    if !exchanges.is_answered(served.connection) {
        return;
    }
    let is_open = server.linux().stream(item).is_some();
    let is_due = match is_open {
        true => server.linux().has_given_end(item) && server.connection_of(item).is_some(),
        false => served.has_ended,
    };
    let mut in_hand = (0..server.workers().len() as u16).flat_map(|thread| facts::in_hand(server, thread));
    if is_due && in_hand.all(|other| other != item) {
        judge(node, served, is_open, findings);
    }
}

fn judge(node: NodeId, served: Served, is_open: bool, findings: &mut Findings) {
    findings.check(ENDED_IS_CLOSED, Some(node), !is_open, || {
        let (client, number) = (served.connection.opener, served.connection.number);
        format!("{node} leaves connection {number} of {client} open, which has ended and has all its answers")
    });
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::node::ConnectionId;

    use super::super::testing::{S1, all_on, broken};
    use super::*;
    use crate::reactor::bug::Bug;
    use crate::reactor::message::{Request, Wire};
    use crate::reactor::observation::ReactorObservation;
    use crate::reactor::options::ReactorOptions;
    use crate::reactor::presets;
    use crate::reactor::protocol;
    use crate::reactor::tests::Machine;

    const GET: Request = Request::Get { size: 100 };
    const CONNECTION: ConnectionId = ConnectionId { opener: NodeId::client(1), number: 0 };

    /// A request, and then the end of its client; the only thread runs until it sleeps or something is broken. Returns
    /// what is broken, and how often it was judged.
    fn judged(options: ReactorOptions) -> (Option<usize>, u64) {
        let mut machine = Machine::new(options);
        let (mut exchanges, mut findings) = (Exchanges::default(), all_on());
        machine.connect(0);
        machine.run();
        exchanges.on_observation(&ReactorObservation::Sent { connection: CONNECTION, id: 1, request: GET });
        machine.receive(0, Wire::Data { bytes: protocol::request(1, GET), is_urgent: false });
        machine.receive(0, Wire::Fin);
        // A descriptor that was forgotten is reported again and again under level triggering.
        while let Some(timer) = machine.next().filter(|_| broken(&findings).is_none()) {
            let item = facts::handled(machine.server(), 0);
            let served = item.and_then(|item| Some((item, Served::of(machine.server(), item)?)));
            machine.fire(timer);
            exchanges.on_sent(CONNECTION, &machine.answered(0));
            served.into_iter().for_each(|it| after_step(S1, machine.server(), &exchanges, it, &mut findings));
        }
        (broken(&findings), findings.evaluated()[ENDED_IS_CLOSED])
    }

    #[test]
    fn a_connection_that_has_ended_and_stays_open_is_found_whatever_becomes_of_its_place_in_the_table() {
        for preset in [presets::one_loop(), presets::one_loop_edge()] {
            assert_eq!(judged(preset.clone()), (None, 1));
            for bug in [Bug::EndedKeptOpen, Bug::EndedNotClosed] {
                assert_eq!(judged(ReactorOptions { bug, ..preset.clone() }), (Some(ENDED_IS_CLOSED), 1), "{bug:?}");
            }
        }
    }

    #[test]
    fn a_connection_with_an_answer_that_waits_for_room_may_stay_open() {
        let options = ReactorOptions { socket_buffer: 50, ..presets::one_loop() };
        assert_eq!(judged(options), (None, 0));
    }
}

//! A connection is closed after its answers (RFC 9112 §9.6: a server that closes a connection closes it when the final
//! response was sent). A client that shuts its sending side, which is `EPOLLRDHUP` at the server, still reads.
//!
//! Which requests there are is taken from the clients, which answers were sent from the bytes that leave the machine,
//! and whether a client has ended from the kernel's socket. A connection that its client has reset is not judged, and
//! neither is one that is closed for the sake of a new one, since no thread has that one in hand.

use std::collections::{BTreeMap, VecDeque};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::node::ConnectionId;

use crate::reactor::linux::descriptor::DescriptionId;
use crate::reactor::linux::events::Events;
use crate::reactor::observation::ReactorObservation;
use crate::reactor::protocol::{self, Parsed};
use crate::reactor::server::Server;

use super::index::CLOSED_AFTER_ANSWERS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "closed_after_answers",
    doc: "A thread closes a connection that its client has not reset only if the client has shut its sending \
          side, and every request over it is answered.",
    source: "RFC 9112 §9.6; epoll_ctl(2), EPOLLRDHUP",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A request without an answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    id: u64,
    /// Bytes of the body of its answer.
    size: u32,
    /// Where its last byte is in the stream from the client.
    end: u64,
}

/// What was asked over a connection, and what was sent in return.
#[derive(Clone, Debug, Default)]
struct Exchange {
    /// In the order in which they were sent.
    unanswered: VecDeque<Asked>,
    /// The length of all requests.
    length: u64,
    /// The bytes from the server that are no whole answer yet.
    stream: Vec<u8>,
}

/// Every connection of a client that lives.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchanges(BTreeMap<ConnectionId, Exchange>);

impl Exchanges {
    /// A client observes something.
    pub(super) fn on_observation(&mut self, observation: &ReactorObservation) {
        match *observation {
            ReactorObservation::Sent { connection, id, request } => {
                let exchange = self.0.entry(connection).or_default();
                exchange.length += protocol::request(id, request).len() as u64;
                exchange.unanswered.push_back(Asked { id, size: request.answer_size(), end: exchange.length });
            }
            ReactorObservation::Over { connection } => drop(self.0.remove(&connection)),
            _ => {}
        }
    }

    /// A server's machine sends bytes of a stream.
    pub(super) fn on_sent(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let Some(exchange) = self.0.get_mut(&connection) else { return };
        exchange.stream.extend_from_slice(bytes);
        while let Parsed::Whole(answer, length) = protocol::parse_answer(&exchange.stream) {
            exchange.stream.drain(..length);
            exchange.unanswered.retain(|asked| (asked.id, asked.size) != answer);
        }
    }

    /// Whether the server still has to send some of an answer: to a request that it has read to its end, as it has read
    /// this many bytes of the stream.
    pub(super) fn owes(&self, connection: ConnectionId, read_count: u64) -> bool {
        let first = self.0.get(&connection).and_then(|exchange| exchange.unanswered.front());
        first.is_some_and(|asked| asked.end <= read_count)
    }

    /// Whether its client still waits for something over this connection or may do so, and has every answer so far.
    pub(super) fn is_answered(&self, connection: ConnectionId) -> bool {
        self.0.get(&connection).is_some_and(|exchange| exchange.unanswered.is_empty())
    }

    /// A process has ended: nothing can be answered to it.
    pub(super) fn on_down(&mut self, node: NodeId) {
        self.0.retain(|connection, _| connection.opener != node);
    }

    /// A thread has made a call for this connection. If that has closed it, it is judged.
    pub(super) fn after_call(&self, node: NodeId, server: &Server, served: Served, findings: &mut Findings) {
        if !server.has(served.connection) {
            let unanswered = self.0.get(&served.connection).and_then(|exchange| exchange.unanswered.front());
            judge(node, served, unanswered.map(|asked| asked.id), findings);
        }
    }
}

/// A connection that a thread is about to make a call for, and that its client has not reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) connection: ConnectionId,
    /// The client has shut its sending side.
    pub(super) has_ended: bool,
}

impl Served {
    /// The connection behind a description, if it is open and was not reset. A thread may still have an event in hand
    /// of one that is closed.
    pub(super) fn of(server: &Server, item: DescriptionId) -> Option<Self> {
        server.linux().stream(item)?;
        let connection = server.connection_of(item)?;
        let ready = server.linux().readiness(item);
        (!ready.has(Events::HUP)).then(|| Self { connection, has_ended: ready.has(Events::RDHUP) })
    }
}

fn judge(node: NodeId, served: Served, unanswered: Option<u64>, findings: &mut Findings) {
    let Served { connection, has_ended } = served;
    let holds = has_ended && unanswered.is_none();
    findings.check(CLOSED_AFTER_ANSWERS, Some(node), holds, || {
        let (client, number) = (connection.opener, connection.number);
        match unanswered {
            Some(id) => {
                format!("{node} closes connection {number} of {client}, which waits for the answer to request {id}")
            }
            None => format!("{node} closes connection {number} of {client}, which may send more requests"),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::facts::handled;
    use super::super::testing::{S1, all_on, broken};
    use super::*;
    use crate::reactor::bug::Bug;
    use crate::reactor::message::{Request, Wire};
    use crate::reactor::options::ReactorOptions;
    use crate::reactor::presets;
    use crate::reactor::tests::Machine;

    const C1: NodeId = NodeId::client(1);
    const CONNECTION: ConnectionId = ConnectionId { opener: C1, number: 0 };
    const GET: Request = Request::Get { size: 4 };

    const fn sent(id: u64) -> ReactorObservation {
        ReactorObservation::Sent { connection: CONNECTION, id, request: GET }
    }

    fn judged(exchanges: &Exchanges, has_ended: bool) -> Option<usize> {
        let machine = Machine::new(presets::one_loop());
        let mut findings = all_on();
        exchanges.after_call(S1, machine.server(), Served { connection: CONNECTION, has_ended }, &mut findings);
        assert_eq!(findings.evaluated()[CLOSED_AFTER_ANSWERS], 1);
        broken(&findings)
    }

    /// Two requests, and the first so many bytes of their answers.
    fn answered(bytes: usize) -> Exchanges {
        let mut exchanges = Exchanges::default();
        [sent(1), sent(2)].iter().for_each(|observation| exchanges.on_observation(observation));
        let answers = [1, 2].map(|id| protocol::answer(id, GET).concat()).concat();
        // In pieces, as segments have them.
        answers[..bytes.min(answers.len())].chunks(3).for_each(|piece| exchanges.on_sent(CONNECTION, piece));
        exchanges
    }

    #[test]
    fn a_connection_may_be_closed_when_its_client_has_ended_and_has_its_answers() {
        assert_eq!(judged(&answered(usize::MAX), true), None);
        assert_eq!(judged(&Exchanges::default(), true), None, "nothing was asked");
        let mut over = answered(5);
        over.on_observation(&ReactorObservation::Over { connection: CONNECTION });
        assert_eq!(judged(&over, true), None, "the client has given it up");
        let mut down = answered(5);
        down.on_down(C1);
        assert_eq!(judged(&down, true), None);
    }

    #[test]
    fn a_connection_that_is_closed_before_its_last_answer_or_its_end_is_found() {
        let whole = [1, 2].map(|id| protocol::answer(id, GET).concat().len()).iter().sum::<usize>();
        for bytes in [0, 5, whole - 1] {
            assert_eq!(judged(&answered(bytes), true), Some(CLOSED_AFTER_ANSWERS), "{bytes} bytes");
        }
        assert_eq!(judged(&answered(whole), false), Some(CLOSED_AFTER_ANSWERS), "it may send more");
    }

    #[test]
    fn an_answer_is_owed_from_the_last_byte_of_its_request_to_its_own() {
        let length = |id| protocol::request(id, GET).len() as u64;
        let nothing = answered(0);
        assert!(!nothing.owes(CONNECTION, length(1) - 1) && nothing.owes(CONNECTION, length(1)));
        let one = answered(protocol::answer(1, GET).concat().len());
        let second = length(1) + length(2);
        assert!(!one.owes(CONNECTION, second - 1) && one.owes(CONNECTION, second));
        let all = answered(usize::MAX);
        assert!(!all.owes(CONNECTION, second) && all.is_answered(CONNECTION) && !one.is_answered(CONNECTION));
        assert!(!Exchanges::default().is_answered(CONNECTION), "its client does not live");
    }

    #[test]
    fn an_answer_of_another_size_is_none() {
        let mut exchanges = Exchanges::default();
        exchanges.on_observation(&sent(1));
        exchanges.on_sent(CONNECTION, &protocol::answer(1, Request::Get { size: 0 }).concat());
        assert!(!exchanges.is_answered(CONNECTION));
    }

    /// A request, and then this; the only thread runs until it sleeps. Returns what is broken and how often it was
    /// judged.
    fn closed(options: ReactorOptions, last: Wire) -> (Option<usize>, u64) {
        let mut machine = Machine::new(options);
        let (mut exchanges, mut findings) = (Exchanges::default(), all_on());
        machine.connect(0);
        machine.run();
        exchanges.on_observation(&sent(1));
        machine.receive(0, Wire::Data { bytes: protocol::request(1, GET), is_urgent: false });
        machine.receive(0, last);
        while let Some(timer) = machine.next() {
            let item = handled(machine.server(), 0);
            let served = item.and_then(|item| Served::of(machine.server(), item));
            machine.fire(timer);
            exchanges.on_sent(CONNECTION, &machine.answered(0));
            served.into_iter().for_each(|it| exchanges.after_call(S1, machine.server(), it, &mut findings));
        }
        assert!(machine.server().connections().is_empty(), "it was closed");
        (broken(&findings), findings.evaluated()[CLOSED_AFTER_ANSWERS])
    }

    #[test]
    fn a_server_that_answers_before_it_closes_is_right_and_a_reset_is_not_judged() {
        for options in [presets::one_loop(), presets::one_loop_edge()] {
            assert_eq!(closed(options.clone(), Wire::Fin), (None, 1));
            assert_eq!(closed(options, Wire::Reset), (None, 0));
        }
    }

    /// The listening socket and a connection that was reset are ready at once; the new connection takes the place of
    /// the other one, whose event is still in hand.
    #[test]
    fn an_event_of_a_connection_that_was_evicted_is_not_judged() {
        let mut machine = Machine::new(ReactorOptions { connections_max: 1, ..presets::one_loop() });
        machine.connect(0);
        machine.run();
        machine.connect(1);
        machine.receive(0, Wire::Reset);
        let (exchanges, mut findings) = (Exchanges::default(), all_on());
        while let Some(timer) = machine.next() {
            let item = handled(machine.server(), 0);
            let served = item.and_then(|item| Served::of(machine.server(), item));
            machine.fire(timer);
            served.into_iter().for_each(|it| exchanges.after_call(S1, machine.server(), it, &mut findings));
        }
        assert_eq!((machine.server().counters().evicted, machine.server().counters().stale_events), (1, 1));
        assert_eq!((broken(&findings), findings.evaluated()[CLOSED_AFTER_ANSWERS]), (None, 0));
    }

    #[test]
    fn a_server_that_takes_a_half_close_for_a_close_is_found() {
        for options in [presets::one_loop(), presets::one_loop_edge()] {
            let options = ReactorOptions { bug: Bug::RdhupIsClose, ..options };
            assert_eq!(closed(options, Wire::Fin), (Some(CLOSED_AFTER_ANSWERS), 1));
        }
    }
}

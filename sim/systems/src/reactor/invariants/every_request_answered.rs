//! Every request that can be answered is answered: in the settle phase no connection comes to rest with a request that
//! has no answer, while both of its ends are there.
//!
//! How long a request takes depends on how slow its client is, so the bound is on rest and not on the whole: as long as
//! bytes move over the connection, something is done about the request. What is under way when the phase begins has to
//! arrive within the bound too: a scenario whose faults delay packets for longer must switch this invariant off.
//!
//! What is counted is each request whose answer was due: one that the settle phase finds without an answer, or that is
//! sent in it, and that is answered then, or whose connection rests for too long. A request whose connection ends first
//! is not counted.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::node::ConnectionId;
use splitbrain_kernel::time::{Duration, Instant};

use crate::reactor::observation::ReactorObservation;
use crate::reactor::options::ReactorOptions;

use super::index::EVERY_REQUEST_ANSWERED;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "every_request_answered",
    doc: "In the settle phase no connection with both ends there rests for longer than its bound before each request \
          over it is answered.",
    source: "RFC 9110 §3.4: a server responds to a request by one or more response messages",
    kind: InvariantKind::Liveness,
    sight: Sight::WhiteBox,
};

/// The least bound: for scheduling at both ends, whatever the options.
const REST_MIN: Duration = Duration::from_millis(50);
/// How many delays of threads a connection may wait for before it has its turn.
const DELAYS: u64 = 200;

/// How long a connection may rest: its client pauses between two pieces or two reads, packets need their
/// time, and the threads of the server serve others first.
pub(super) fn bound(options: &ReactorOptions, latency: Duration) -> Duration {
    let call = options.call_max + options.stall_max;
    let transport = latency.saturating_mul(4);
    REST_MIN + options.piece_gap + options.read_gap + transport + call.saturating_mul(DELAYS)
}

/// A connection with requests that have no answer.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// How many.
    count: u64,
    /// When something was last sent over it, by either end.
    moved_at: Instant,
}

/// What waits for answers, and when it is looked at.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    open: BTreeMap<ConnectionId, Open>,
    bound: Duration,
    /// The end of the time in which something has to move; the greatest instant until the settle phase begins.
    look_at: Instant,
}

impl Waiting {
    pub(super) const fn new(bound: Duration) -> Self {
        Self { open: BTreeMap::new(), bound, look_at: Instant::MAX }
    }

    /// A client observes something.
    pub(super) fn on_observation(
        &mut self,
        node: NodeId,
        observation: &ReactorObservation,
        now: Instant,
        findings: &mut Findings,
    ) {
        match *observation {
            ReactorObservation::Sent { connection, .. } => {
                let open = self.open.entry(connection).or_insert(Open { count: 0, moved_at: now });
                *open = Open { count: open.count + 1, moved_at: now };
            }
            ReactorObservation::Answered { connection, .. } => {
                let Some(open) = self.open.get_mut(&connection) else { return };
                // Before the settle phase no answer is due: a fault may keep any of them back.
                if self.look_at != Instant::MAX {
                    findings.check(EVERY_REQUEST_ANSWERED, Some(node), true, String::new);
                }
                *open = Open { count: open.count.saturating_sub(1), moved_at: now };
                if open.count == 0 {
                    self.open.remove(&connection);
                }
            }
            ReactorObservation::Over { connection } => drop(self.open.remove(&connection)),
            _ => {}
        }
    }

    /// Something is sent over a connection.
    pub(super) fn on_sent(&mut self, connection: ConnectionId, now: Instant) {
        if let Some(open) = self.open.get_mut(&connection) {
            open.moved_at = now;
        }
    }

    /// A process has ended: what it had asked for cannot be answered to it.
    pub(super) fn on_down(&mut self, node: NodeId) {
        self.open.retain(|connection, _| connection.opener != node);
    }

    /// Faults are over.
    pub(super) fn on_settle(&mut self, now: Instant) {
        self.open.values_mut().for_each(|open| open.moved_at = open.moved_at.max(now));
        self.look_at = now.saturating_add(self.bound);
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.look_at
    }

    /// Judges connections that rest. `is_there` says whether the server's machine has a connection.
    pub(super) fn on_deadline(
        &mut self,
        now: Instant,
        is_there: impl Fn(ConnectionId) -> bool,
        findings: &mut Findings,
    ) {
        if now < self.look_at {
            return;
        }
        let bound = self.bound;
        let rests = |open: &Open| open.moved_at.saturating_add(bound) <= now;
        let resting = self.open.iter().filter(|(connection, open)| rests(open) && is_there(**connection));
        for (connection, Open { count, .. }) in resting {
            findings.check(EVERY_REQUEST_ANSWERED, None, false, || {
                format!(
                    "{} waits for {count} answers over its connection {}, and nothing has moved there for {bound}",
                    connection.opener, connection.number
                )
            });
        }
        self.look_at = now.saturating_add(bound);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken};
    use super::*;
    use crate::reactor::message::Request;

    const C1: NodeId = NodeId::client(1);
    const CONNECTION: ConnectionId = ConnectionId { opener: C1, number: 0 };
    const BOUND: Duration = Duration::from_millis(10);
    const SENT: ReactorObservation =
        ReactorObservation::Sent { connection: CONNECTION, id: 1, request: Request::Post { size: 1 } };
    const ANSWERED: ReactorObservation = ReactorObservation::Answered { connection: CONNECTION, id: 1, size: 0 };
    const OVER: ReactorObservation = ReactorObservation::Over { connection: CONNECTION };

    const fn at(milliseconds: u64) -> Instant {
        Instant::ZERO.saturating_add(Duration::from_millis(milliseconds))
    }

    /// Two requests at 1 ms, what is observed at 2 ms, the settle phase from 3 ms on, and the judgement at 13 ms.
    fn judged(observed: &[ReactorObservation], moved: Option<u64>, is_there: bool) -> Option<usize> {
        let (mut waiting, mut findings) = (Waiting::new(BOUND), all_on());
        for observation in [SENT, SENT] {
            waiting.on_observation(C1, &observation, at(1), &mut findings);
        }
        observed.iter().for_each(|observation| waiting.on_observation(C1, observation, at(2), &mut findings));
        assert_eq!(waiting.deadline(), Instant::MAX, "faults may keep answers back");
        waiting.on_settle(at(3));
        moved.into_iter().for_each(|moved| waiting.on_sent(CONNECTION, at(moved)));
        assert_eq!(waiting.deadline(), at(13));
        waiting.on_deadline(at(13), |_| is_there, &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_connection_that_rests_with_a_request_is_found() {
        assert_eq!(judged(&[], None, true), Some(EVERY_REQUEST_ANSWERED));
        assert_eq!(judged(&[ANSWERED], None, true), Some(EVERY_REQUEST_ANSWERED), "one of two");
    }

    #[test]
    fn what_is_answered_or_over_or_moves_or_has_no_server_is_right() {
        assert_eq!(judged(&[ANSWERED, ANSWERED], None, true), None);
        assert_eq!(judged(&[OVER], None, true), None);
        assert_eq!(judged(&[], Some(4), true), None);
        assert_eq!(judged(&[], None, false), None);
    }

    #[test]
    fn an_answer_is_counted_in_the_settle_phase_and_for_a_connection_that_is_not_over() {
        let (mut waiting, mut findings) = (Waiting::new(BOUND), all_on());
        let counts = |findings: &Findings| findings.evaluated()[EVERY_REQUEST_ANSWERED];
        for observation in [SENT, SENT, SENT, ANSWERED] {
            waiting.on_observation(C1, &observation, at(1), &mut findings);
        }
        assert_eq!(counts(&findings), 0, "a fault might have kept it back");
        waiting.on_settle(at(3));
        assert_eq!(counts(&findings), 0);
        waiting.on_observation(C1, &ANSWERED, at(4), &mut findings);
        assert_eq!(counts(&findings), 1);
        waiting.on_deadline(at(13), |_| true, &mut findings);
        assert_eq!(counts(&findings), 1, "it has not rested for long enough");
        waiting.on_observation(C1, &OVER, at(14), &mut findings);
        waiting.on_observation(C1, &ANSWERED, at(15), &mut findings);
        waiting.on_deadline(at(23), |_| true, &mut findings);
        assert_eq!((counts(&findings), broken(&findings)), (1, None));
        waiting.on_observation(C1, &SENT, at(24), &mut findings);
        waiting.on_deadline(at(50), |_| true, &mut findings);
        assert_eq!((counts(&findings), broken(&findings)), (2, Some(EVERY_REQUEST_ANSWERED)));
    }

    #[test]
    fn what_moved_once_and_rests_then_is_found_by_the_next_look() {
        let (mut waiting, mut findings) = (Waiting::new(BOUND), all_on());
        waiting.on_observation(C1, &SENT, at(1), &mut findings);
        waiting.on_settle(at(3));
        waiting.on_sent(CONNECTION, at(5));
        waiting.on_deadline(at(13), |_| true, &mut findings);
        assert_eq!((broken(&findings), waiting.deadline()), (None, at(23)));
        waiting.on_deadline(at(23), |_| true, &mut findings);
        assert_eq!(broken(&findings), Some(EVERY_REQUEST_ANSWERED));
    }

    #[test]
    fn a_client_that_is_gone_waits_for_nothing() {
        let (mut waiting, mut findings) = (Waiting::new(BOUND), all_on());
        waiting.on_observation(C1, &SENT, at(1), &mut findings);
        waiting.on_down(C1);
        waiting.on_settle(at(3));
        waiting.on_deadline(at(13), |_| true, &mut findings);
        assert_eq!(broken(&findings), None);
    }
}

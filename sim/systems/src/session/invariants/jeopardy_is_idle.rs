//! Jeopardy discipline: a chunk sends nothing to a volume while its lease is over.
//!
//! The lease is worked out here once more, from the requests that the chunk sent and the answers that it got, on its
//! own clock. What the chunk thinks of it is not asked.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::session::ids::SessionId;
use crate::session::message::{CreateResult, KeepAliveResult, SessionMessage};

use super::index::JEOPARDY_IS_IDLE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "jeopardy_is_idle",
    doc: "A chunk touches a target only within the lease that follows from its requests and their answers.",
    source: "Burrows, The Chubby lock service (OSDI 2006), section 2.8",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// What a chunk has sent to a master, and the lease that follows.
#[derive(Clone, Debug, Default)]
struct Exchange {
    creates: BTreeMap<u64, Instant>,
    rounds: BTreeMap<u64, Instant>,
    /// When the lease of each session is over. A follower may have been given several, and uses one of them.
    leases: BTreeMap<SessionId, Instant>,
}

/// Requests of which an answer may still come.
const OPEN_MAX: usize = 64;

/// The leases of all chunks.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases {
    /// By chunk and number of the master.
    exchanges: BTreeMap<(NodeId, u16), Exchange>,
}

impl Leases {
    /// A chunk sends something, at this time of its clock.
    pub(super) fn on_send(
        &mut self,
        chunk: NodeId,
        target: NodeId,
        message: &SessionMessage,
        now: Instant,
        findings: &mut Findings,
    ) {
        match message {
            SessionMessage::Create(create) => {
                let creates = &mut self.exchanges.entry((chunk, target.number())).or_default().creates;
                creates.insert(create.request, now);
                forget_oldest(creates);
            }
            SessionMessage::KeepAlive(sent) => {
                let rounds = &mut self.exchanges.entry((chunk, target.number())).or_default().rounds;
                rounds.insert(sent.round, now);
                forget_oldest(rounds);
            }
            SessionMessage::Apply { session, .. } => self.judge(chunk, *session, now, findings),
            _ => {}
        }
    }

    fn judge(&self, chunk: NodeId, session: SessionId, now: Instant, findings: &mut Findings) {
        let exchange = self.exchanges.get(&(chunk, session.master));
        let until = exchange.and_then(|exchange| exchange.leases.get(&session)).copied();
        findings.check(JEOPARDY_IS_IDLE, Some(chunk), until.is_some_and(|until| now < until), || {
            let number = chunk.number();
            match until {
                Some(until) => {
                    format!("chunk{number} acts under {session} at {now} of its clock; its lease was over at {until}")
                }
                None => format!("chunk{number} acts under {session}, which no master has given it"),
            }
        });
    }

    /// A chunk hears something from a master. `lease` is the follower's, `drift` the declared bound.
    pub(super) fn on_heard(
        &mut self,
        chunk: NodeId,
        source: NodeId,
        message: &SessionMessage,
        (lease, drift): (Duration, Option<u32>),
    ) {
        let Some(exchange) = self.exchanges.get_mut(&(chunk, source.number())) else { return };
        match message {
            SessionMessage::CreateReply { request, result: CreateResult::Created(granted) } => {
                if let Some(sent) = exchange.creates.get(request) {
                    exchange.extend(granted.session, sent.saturating_add(lease));
                }
            }
            SessionMessage::KeepAliveReply { session, round, result: KeepAliveResult::Extended { held, .. } } => {
                if let Some(sent) = exchange.rounds.get(round) {
                    let until = sent.saturating_add(counted_at_least(*held, drift)).saturating_add(lease);
                    exchange.extend(*session, until);
                }
            }
            _ => {}
        }
    }

    /// A process has ended, and with it all that it counted on.
    pub(super) fn on_down(&mut self, chunk: NodeId) {
        self.exchanges.retain(|(of, _), _| *of != chunk);
    }
}

/// The least that a chunk's clock counts while its master's counts `held`. With rates within `1 ± d` the true
/// time is at least `held / (1 + d)`, and the chunk counts at least `1 - d` of that.
fn counted_at_least(held: Duration, drift_ppm: Option<u32>) -> Duration {
    let (million, drift) = (1_000_000, u128::from(drift_ppm.unwrap_or(0)));
    let nanos = u128::from(held.as_nanos()) * (million - drift) / (million + drift);
    Duration::from_nanos(u64::try_from(nanos).expect("it is no longer than it was held"))
}

impl Exchange {
    /// A lease begins or goes on; the longest counts.
    fn extend(&mut self, session: SessionId, until: Instant) {
        let lease = self.leases.entry(session).or_insert(until);
        *lease = (*lease).max(until);
        forget_oldest(&mut self.leases);
    }
}

fn forget_oldest<K: Ord>(sent: &mut BTreeMap<K, Instant>) {
    if sent.len() > OPEN_MAX {
        sent.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{K1, M1, ONE, all_on, broken};
    use super::*;
    use crate::session::ids::{Epoch, Instance, Resource, Token};
    use crate::session::message::{Granted, Io, KeepAlive, Report};

    const LEASE: Duration = Duration::from_secs(5);

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    fn apply() -> SessionMessage {
        SessionMessage::Apply { request: 1, resource: Resource(1), session: ONE, token: Token(1), io: Io::Read }
    }

    fn keep_alive(round: u64) -> SessionMessage {
        let report = Report { start: 0, count: 1 };
        let wall = Instant::ZERO;
        SessionMessage::KeepAlive(KeepAlive {
            session: ONE,
            instance: Instance::of(1, 1),
            round,
            version: 1,
            report,
            wall,
        })
    }

    fn extended(round: u64) -> SessionMessage {
        let result = KeepAliveResult::Extended { held: Duration::ZERO, version: 1 };
        SessionMessage::KeepAliveReply { session: ONE, round, result }
    }

    /// A session since second 0, with a round that was sent at second 3 and answered.
    fn leases(findings: &mut Findings) -> Leases {
        let mut leases = Leases::default();
        leases.exchanges.entry((K1, 1)).or_default().creates.insert(7, at(0));
        let granted = Granted { session: ONE, epoch: Epoch(1), version: 1, is_reused: false };
        let created = SessionMessage::CreateReply { request: 7, result: CreateResult::Created(granted) };
        leases.on_heard(K1, M1, &created, (LEASE, None));
        leases.on_send(K1, M1, &keep_alive(1), at(3), findings);
        leases.on_heard(K1, M1, &extended(1), (LEASE, None));
        leases
    }

    #[test]
    fn who_acts_within_its_lease_is_right() {
        let mut findings = all_on();
        let mut leases = leases(&mut findings);
        leases.on_send(K1, M1, &apply(), at(7), &mut findings);
        assert_eq!((broken(&findings), findings.evaluated()[JEOPARDY_IS_IDLE]), (None, 1));
    }

    #[test]
    fn who_acts_after_its_lease_is_found() {
        let mut findings = all_on();
        leases(&mut findings).on_send(K1, M1, &apply(), at(8), &mut findings);
        assert_eq!(broken(&findings), Some(JEOPARDY_IS_IDLE));
    }

    #[test]
    fn a_second_copy_of_an_answer_extends_nothing() {
        let mut findings = all_on();
        let mut leases = leases(&mut findings);
        leases.on_heard(K1, M1, &extended(1), (LEASE, None));
        leases.on_send(K1, M1, &apply(), at(9), &mut findings);
        assert_eq!(broken(&findings), Some(JEOPARDY_IS_IDLE));
    }

    #[test]
    fn a_process_that_has_ended_counts_on_nothing() {
        let mut findings = all_on();
        let mut leases = leases(&mut findings);
        leases.on_down(K1);
        leases.on_send(K1, M1, &apply(), at(4), &mut findings);
        assert_eq!(broken(&findings), Some(JEOPARDY_IS_IDLE));
    }
}

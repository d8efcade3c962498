//! Jeopardy discipline: a chunk sends nothing to a volume while its lease is over, and serves no target any more when
//! it ends, though nobody asks for anything and no event tells of it.
//!
//! The lease is worked out here once more, from the requests that the chunk sent and the answers that it got, on its
//! own clock. What the chunk thinks of it is not asked.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;

use crate::session::ids::SessionId;
use crate::session::message::{CreateResult, KeepAliveResult, SessionMessage};
use crate::session::node::SessionNode;

use super::index::JEOPARDY_IS_IDLE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "jeopardy_is_idle",
    doc: "A chunk touches and serves a target only within the lease that follows from its requests and their answers.",
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

/// How long after the end of a lease its chunk must have ceased to serve: its timer comes at the same instant.
const MARGIN: Duration = Duration::from_millis(1);

/// How long after a fault began or ended nobody is judged by what it has not done yet.
const CALM: Duration = Duration::from_secs(1);

/// The leases of all chunks.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases {
    /// By chunk and number of the master.
    exchanges: BTreeMap<(NodeId, u16), Exchange>,
    /// When to look next, in true time, whether a lease is over.
    looks: BTreeMap<(NodeId, SessionId), Instant>,
    /// The first of these, or a moment before it.
    next: Instant,
}

/// What the world knows of a chunk when its lease may be over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// What the chunk's monotonic clock shows.
    pub(super) clock: Instant,
    /// Whether it can act, and no fault began or ended a short while ago.
    pub(super) is_calm: bool,
}

impl Now {
    /// Of a chunk in this world.
    pub(super) fn of(view: &impl View<SessionNode>, chunk: NodeId) -> Self {
        let is_calm = view.is_lively(chunk) && CALM < view.now().since(view.disturbed_at());
        Self { clock: view.monotonic(chunk), is_calm }
    }
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

    /// A chunk hears something from a master. `lease` is the follower's, `drift` the declared bound; it is `at` in true
    /// time, and `clock` on the chunk's monotonic clock.
    pub(super) fn on_heard(
        &mut self,
        chunk: NodeId,
        source: NodeId,
        message: &SessionMessage,
        (lease, drift): (Duration, Option<u32>),
        (at, clock): (Instant, Instant),
    ) {
        let Some(exchange) = self.exchanges.get_mut(&(chunk, source.number())) else { return };
        let begun = match message {
            SessionMessage::CreateReply { request, result: CreateResult::Created(granted) } => {
                exchange.creates.get(request).map(|sent| (granted.session, *sent))
            }
            SessionMessage::KeepAliveReply { session, round, result: KeepAliveResult::Extended { held, .. } } => {
                let sent = exchange.rounds.get(round);
                sent.map(|sent| (*session, sent.saturating_add(counted_at_least(*held, drift))))
            }
            _ => None,
        };
        if let Some((session, from)) = begun {
            exchange.extend(session, from.saturating_add(lease));
            let until = exchange.leases[&session];
            let look = at.saturating_add(until.since(clock)).saturating_add(MARGIN);
            self.next = if self.looks.is_empty() { look } else { self.next.min(look) };
            self.looks.entry((chunk, session)).or_insert(look);
        }
    }

    /// When [`Leases::on_time`] is to be called next.
    pub(super) fn deadline(&self) -> Instant {
        if self.looks.is_empty() { Instant::MAX } else { self.next }
    }

    /// It is time to look whose leases are over. `now` tells of a chunk, `serves` whether it serves a target under a
    /// session.
    pub(super) fn on_time(
        &mut self,
        at: Instant,
        now: impl Fn(NodeId) -> Now,
        serves: impl Fn(NodeId, SessionId) -> bool,
        findings: &mut Findings,
    ) {
        let due: Vec<(NodeId, SessionId)> =
            self.looks.iter().filter(|(_, look)| **look <= at).map(|(of, _)| *of).collect();
        for (chunk, session) in due {
            let lease = self.exchanges.get(&(chunk, session.master)).and_then(|exchange| exchange.leases.get(&session));
            // One that has ended, or whose process has, is looked at no more.
            let again = lease.and_then(|until| {
                let now = now(chunk);
                let left = until.saturating_add(MARGIN).since(now.clock);
                if !left.is_zero() {
                    // It was extended, or the clock runs slow. One that stands still is looked at now and then.
                    return Some(left.max(MARGIN));
                }
                if !now.is_calm {
                    return Some(CALM);
                }
                findings.check(JEOPARDY_IS_IDLE, Some(chunk), !serves(chunk, session), || {
                    let number = chunk.number();
                    format!("chunk{number} serves under {session}, though its lease was over at {until} of its clock")
                });
                None
            });
            match again {
                Some(span) => _ = self.looks.insert((chunk, session), at.saturating_add(span)),
                None => _ = self.looks.remove(&(chunk, session)),
            }
        }
        self.next = self.looks.values().copied().min().unwrap_or(Instant::MAX);
    }

    /// A process has ended, and with it all that it counted on.
    pub(super) fn on_down(&mut self, chunk: NodeId) {
        self.exchanges.retain(|(of, _), _| *of != chunk);
        self.looks.retain(|(of, _), _| *of != chunk);
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
        leases.on_heard(K1, M1, &created, (LEASE, None), (at(0), at(0)));
        leases.on_send(K1, M1, &keep_alive(1), at(3), findings);
        leases.on_heard(K1, M1, &extended(1), (LEASE, None), (at(3), at(3)));
        leases
    }

    /// What is found of a chunk that serves, or does not, when each deadline comes up to 20 s.
    fn found(serves: bool, now: fn(Instant) -> Now) -> (Option<usize>, u64) {
        let mut findings = all_on();
        let mut leases = leases(&mut findings);
        for _ in 0..100 {
            let deadline = leases.deadline();
            if at(20) < deadline {
                break;
            }
            leases.on_time(
                deadline,
                |_| now(deadline),
                |chunk, session| (chunk, session) == (K1, ONE) && serves,
                &mut findings,
            );
            assert!(deadline < leases.deadline());
        }
        (broken(&findings), findings.evaluated()[JEOPARDY_IS_IDLE])
    }

    #[test]
    fn who_serves_when_its_lease_ends_is_found_though_nothing_happens() {
        let right = |clock| Now { clock, is_calm: true };
        assert_eq!(found(true, right), (Some(JEOPARDY_IS_IDLE), 1));
        assert_eq!(found(false, right), (None, 1));
    }

    #[test]
    fn who_cannot_act_or_whose_clock_is_not_there_yet_is_not_judged() {
        assert_eq!(found(true, |clock| Now { clock, is_calm: false }), (None, 0));
        assert_eq!(found(true, |_| Now { clock: at(4), is_calm: true }), (None, 0), "its clock stands still");
        let slow = |now: Instant| Now { clock: at(1) + now.since(at(1)).div(2), is_calm: true };
        assert_eq!(found(true, slow), (Some(JEOPARDY_IS_IDLE), 1), "at 16 s");
    }

    #[test]
    fn a_process_that_has_ended_serves_nothing() {
        let mut findings = all_on();
        let mut leases = leases(&mut findings);
        leases.on_down(K1);
        assert_eq!(leases.deadline(), Instant::MAX);
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
        leases.on_heard(K1, M1, &extended(1), (LEASE, None), (at(8), at(8)));
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

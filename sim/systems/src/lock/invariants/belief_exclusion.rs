//! One client at a time takes itself for the holder of a lock. A belief lasts until the validity that the client has
//! computed is over on its own clock, or until it gives the lock back (Burrows, "The Chubby lock service", §2.4;
//! Kleppmann, "How to do distributed locking").
//!
//! A client that does not look at a clock believes until its release: a pause that is longer than the time to live
//! breaks this, as it must. Whether harm comes of it is for `effect_exclusion` to say.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::lock::ids::LockId;
use crate::lock::observation::Hold;

use super::index::BELIEF_EXCLUSION;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "belief_exclusion",
    doc: "One client at a time takes itself for the holder of a lock.",
    source: "Burrows, The Chubby lock service, §2.4; Kleppmann, How to do distributed locking",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// What clients believe.
#[derive(Clone, Debug, Default)]
pub(super) struct Beliefs {
    of: BTreeMap<LockId, Vec<Belief>>,
    overlaps: u64,
}

#[derive(Clone, Copy, Debug)]
struct Belief {
    client: NodeId,
    hold: Hold,
    since: Instant,
    /// On the client's monotonic clock, whatever its speed becomes; [`Instant::MAX`] until its release.
    until: Instant,
}

/// What the monotonic clock of a client shows.
pub(super) trait Clocks {
    /// The same, at this moment.
    fn local(&self, client: NodeId) -> Instant;
}

impl<F: Fn(NodeId) -> Instant> Clocks for F {
    fn local(&self, client: NodeId) -> Instant {
        self(client)
    }
}

impl Belief {
    fn is_over(&self, clocks: &impl Clocks) -> bool {
        self.until <= clocks.local(self.client)
    }
}

impl Beliefs {
    /// A client takes itself for the holder.
    pub(super) fn begin(
        &mut self,
        (now, clocks): (Instant, &impl Clocks),
        client: NodeId,
        hold: Hold,
        validity: Option<Duration>,
        findings: &mut Findings,
    ) {
        self.check(clocks, client, hold, findings);
        let until = end_of(clocks, client, validity);
        self.of.entry(hold.lock).or_default().push(Belief { client, hold, since: now, until });
    }

    /// It goes on to do so.
    pub(super) fn extend(
        &mut self,
        clocks: &impl Clocks,
        client: NodeId,
        hold: Hold,
        validity: Option<Duration>,
        findings: &mut Findings,
    ) {
        self.check(clocks, client, hold, findings);
        let until = end_of(clocks, client, validity);
        let all = self.of.entry(hold.lock).or_default();
        if let Some(belief) = all.iter_mut().find(|belief| belief.hold == hold && belief.client == client) {
            belief.until = until;
        }
    }

    fn check(&mut self, clocks: &impl Clocks, client: NodeId, hold: Hold, findings: &mut Findings) {
        let all = self.of.entry(hold.lock).or_default();
        all.retain(|belief| !belief.is_over(clocks) || belief.hold == hold);
        let other = all.iter().find(|belief| belief.hold != hold).copied();
        self.overlaps += u64::from(other.is_some());
        findings.check(BELIEF_EXCLUSION, Some(client), other.is_none(), || {
            let other = other.expect("there is another");
            let until = match other.until {
                Instant::MAX => "it gives it back".to_owned(),
                until => format!("its clock shows {until}"),
            };
            format!(
                "{client} takes itself for the holder of {}, and so does {} since {}, until {until}",
                hold.lock, other.client, other.since
            )
        });
    }

    /// A client no longer takes itself for the holder.
    pub(super) fn end(&mut self, client: NodeId, hold: Hold) {
        let all = self.of.entry(hold.lock).or_default();
        all.retain(|belief| belief.client != client || belief.hold != hold);
    }

    /// A client's process has ended, and with it what it believed. Returns the locks that it held.
    pub(super) fn on_down(&mut self, client: NodeId) -> Vec<LockId> {
        let mut held = Vec::new();
        for (lock, all) in &mut self.of {
            let before = all.len();
            all.retain(|belief| belief.client != client);
            held.extend((all.len() < before).then_some(*lock));
        }
        held
    }

    /// Whether a client takes itself for the holder.
    pub(super) fn has_holder(&self, clocks: &impl Clocks, lock: LockId) -> bool {
        self.of.get(&lock).is_some_and(|all| all.iter().any(|belief| !belief.is_over(clocks)))
    }

    /// How often two did.
    pub(super) const fn overlaps(&self) -> u64 {
        self.overlaps
    }
}

/// When a validity that is computed now is over, on the client's clock; without one it lasts until the release.
fn end_of(clocks: &impl Clocks, client: NodeId, validity: Option<Duration>) -> Instant {
    validity.map_or(Instant::MAX, |validity| clocks.local(client).saturating_add(validity))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{C1, C2, all_on, broken, hold, seconds};
    use super::*;

    const fn validity(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    /// Clocks that show true time.
    fn right(now: u64) -> impl Clocks {
        move |_| seconds(now)
    }

    fn begins(beliefs: &mut Beliefs, now: u64, (client, token): (NodeId, u64), for_: u64, findings: &mut Findings) {
        beliefs.begin((seconds(now), &right(now)), client, hold(token), validity(for_), findings);
    }

    #[test]
    fn a_belief_ends_with_its_validity_or_its_release_or_its_process() {
        let end: [&dyn Fn(&mut Beliefs); 3] =
            [&|_| (), &|beliefs| beliefs.end(C1, hold(1)), &|beliefs| drop(beliefs.on_down(C1))];
        for (number, end) in end.into_iter().enumerate() {
            let (mut beliefs, mut findings) = (Beliefs::default(), all_on());
            let lasts = if number == 0 { validity(5) } else { None };
            beliefs.begin((seconds(0), &right(0)), C1, hold(1), lasts, &mut findings);
            end(&mut beliefs);
            begins(&mut beliefs, 5, (C2, 2), 4, &mut findings);
            assert_eq!(broken(&findings), None, "{number}");
            assert_eq!(beliefs.overlaps(), 0);
        }
    }

    #[test]
    fn two_believers_at_one_time_are_found() {
        let (mut beliefs, mut findings) = (Beliefs::default(), all_on());
        begins(&mut beliefs, 0, (C1, 1), 5, &mut findings);
        begins(&mut beliefs, 4, (C2, 2), 5, &mut findings);
        assert_eq!(broken(&findings), Some(BELIEF_EXCLUSION));
        assert_eq!(beliefs.overlaps(), 1);
    }

    #[test]
    fn an_extension_past_the_next_holder_is_found() {
        let (mut beliefs, mut findings) = (Beliefs::default(), all_on());
        begins(&mut beliefs, 0, (C1, 1), 5, &mut findings);
        beliefs.extend(&right(4), C1, hold(1), validity(5), &mut findings);
        assert_eq!(broken(&findings), None);
        begins(&mut beliefs, 8, (C2, 2), 4, &mut findings);
        assert_eq!(broken(&findings), Some(BELIEF_EXCLUSION));
    }

    /// `c1` believes for five seconds of its clock, which then goes at another speed: it shows this when `c2` begins.
    fn judged_when_its_clock_shows(shown: u64) -> Option<usize> {
        let (mut beliefs, mut findings) = (Beliefs::default(), all_on());
        begins(&mut beliefs, 0, (C1, 1), 5, &mut findings);
        let clocks = |client| if client == C1 { seconds(shown) } else { seconds(6) };
        beliefs.begin((seconds(6), &clocks), C2, hold(2), validity(4), &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_belief_lasts_as_long_as_the_clock_of_its_client_says() {
        assert_eq!(judged_when_its_clock_shows(6), None);
        assert_eq!(judged_when_its_clock_shows(4), Some(BELIEF_EXCLUSION), "it has slowed down");
        let (mut beliefs, mut findings) = (Beliefs::default(), all_on());
        begins(&mut beliefs, 0, (C1, 1), 5, &mut findings);
        assert!(beliefs.has_holder(&|_| seconds(4), hold(1).lock));
        assert!(!beliefs.has_holder(&|_| seconds(5), hold(1).lock));
    }
}

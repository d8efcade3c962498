//! One client at a time takes itself for the holder of a lock. A belief lasts until the validity that the client has
//! computed is over on its own clock, or until it gives the lock back (Burrows, "The Chubby lock service", §2.4;
//! Kleppmann, "How to do distributed locking").
//!
//! A client that does not look at a clock believes until its release: a pause that is longer than the time to live
//! breaks this, as it must. Whether harm comes of it is for `effect_exclusion` to say.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

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
    /// In true time.
    until: Instant,
}

impl Beliefs {
    /// A client takes itself for the holder.
    pub(super) fn begin(&mut self, now: Instant, client: NodeId, hold: Hold, until: Instant, findings: &mut Findings) {
        self.check(now, client, hold, findings);
        self.of.entry(hold.lock).or_default().push(Belief { client, hold, since: now, until });
    }

    /// It goes on to do so.
    pub(super) fn extend(&mut self, now: Instant, client: NodeId, hold: Hold, until: Instant, findings: &mut Findings) {
        self.check(now, client, hold, findings);
        let all = self.of.entry(hold.lock).or_default();
        if let Some(belief) = all.iter_mut().find(|belief| belief.hold == hold && belief.client == client) {
            belief.until = until;
        }
    }

    fn check(&mut self, now: Instant, client: NodeId, hold: Hold, findings: &mut Findings) {
        let all = self.of.entry(hold.lock).or_default();
        all.retain(|belief| belief.until > now || belief.hold == hold);
        let other = all.iter().find(|belief| belief.hold != hold).copied();
        self.overlaps += u64::from(other.is_some());
        findings.check(BELIEF_EXCLUSION, Some(client), other.is_none(), || {
            let other = other.expect("there is another");
            let until = match other.until {
                Instant::MAX => "it gives it back".to_owned(),
                until => until.to_string(),
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
    pub(super) fn has_holder(&self, now: Instant, lock: LockId) -> bool {
        self.of.get(&lock).is_some_and(|all| all.iter().any(|belief| belief.until > now))
    }

    /// How often two did.
    pub(super) const fn overlaps(&self) -> u64 {
        self.overlaps
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{C1, C2, all_on, broken, hold, seconds};
    use super::*;

    #[test]
    fn a_belief_ends_with_its_validity_or_its_release_or_its_process() {
        let end: [&dyn Fn(&mut Beliefs); 3] =
            [&|_| (), &|beliefs| beliefs.end(C1, hold(1)), &|beliefs| drop(beliefs.on_down(C1))];
        for (number, end) in end.into_iter().enumerate() {
            let (mut beliefs, mut findings) = (Beliefs::default(), all_on());
            let until = if number == 0 { seconds(5) } else { Instant::MAX };
            beliefs.begin(seconds(0), C1, hold(1), until, &mut findings);
            end(&mut beliefs);
            beliefs.begin(seconds(5), C2, hold(2), seconds(9), &mut findings);
            assert_eq!(broken(&findings), None, "{number}");
            assert_eq!(beliefs.overlaps(), 0);
        }
    }

    #[test]
    fn two_believers_at_one_time_are_found() {
        let (mut beliefs, mut findings) = (Beliefs::default(), all_on());
        beliefs.begin(seconds(0), C1, hold(1), seconds(5), &mut findings);
        beliefs.begin(seconds(4), C2, hold(2), seconds(9), &mut findings);
        assert_eq!(broken(&findings), Some(BELIEF_EXCLUSION));
        assert_eq!(beliefs.overlaps(), 1);
    }

    #[test]
    fn an_extension_past_the_next_holder_is_found() {
        let (mut beliefs, mut findings) = (Beliefs::default(), all_on());
        beliefs.begin(seconds(0), C1, hold(1), seconds(5), &mut findings);
        beliefs.extend(seconds(4), C1, hold(1), seconds(9), &mut findings);
        assert_eq!(broken(&findings), None);
        beliefs.begin(seconds(8), C2, hold(2), seconds(12), &mut findings);
        assert_eq!(broken(&findings), Some(BELIEF_EXCLUSION));
    }
}

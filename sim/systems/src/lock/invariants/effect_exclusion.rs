//! No effect of a holder comes after an effect of a later holder (Kleppmann, "How to do distributed locking": the write
//! of a client that was paused overwrites that of the one that got the lock meanwhile).
//!
//! Holders are in the order in which a majority of the servers granted to them. With tickets, they are in the order in
//! which their claims reached the resource, whatever the resource makes of that; a claim that it has not answered when
//! its process ends is as if it had never come. An effect of a client that was never granted the lock has no place in
//! that order, and neither has one without a claim where holders need tickets.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::lock::ids::{LockId, Token};
use crate::lock::observation::Hold;

use super::index::EFFECT_EXCLUSION;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "effect_exclusion",
    doc: "No effect of a holder of a lock comes after an effect of a later holder, or without a grant.",
    source: "Kleppmann, How to do distributed locking",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// What decides which of two holders is the later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HolderOrder {
    /// The order in which a majority of the servers granted to them.
    Grants,
    /// The order in which their claims of a ticket reached the resource.
    Claims,
}

/// The order of holders, and the last effects.
#[derive(Clone, Debug)]
pub(super) struct Effects {
    order: HolderOrder,
    granted: BTreeSet<Token>,
    places: BTreeMap<Token, u64>,
    /// The claims that a resource has not answered.
    open: BTreeMap<Token, NodeId>,
    next: u64,
    last: BTreeMap<(NodeId, LockId), Last>,
    overlaps: u64,
}

/// The effect of the latest holder so far.
#[derive(Clone, Copy, Debug)]
struct Last {
    token: Token,
    place: u64,
    at: Instant,
}

impl Effects {
    /// Nothing has happened yet.
    pub(super) fn new(order: HolderOrder) -> Self {
        let (granted, places, open, last) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { order, granted, places, open, next: 0, last, overlaps: 0 }
    }

    /// A majority of the servers has granted the lock.
    pub(super) fn on_granted(&mut self, hold: Hold) {
        self.granted.insert(hold.token);
        if self.order == HolderOrder::Grants {
            self.next += 1;
            self.places.insert(hold.token, self.next);
        }
    }

    /// A claim has reached a resource. A second copy of it changes nothing.
    pub(super) fn on_claimed(&mut self, resource: NodeId, hold: Hold) {
        if self.order == HolderOrder::Claims && !self.places.contains_key(&hold.token) {
            self.next += 1;
            self.places.insert(hold.token, self.next);
            self.open.insert(hold.token, resource);
        }
    }

    /// The resource answers a claim: it has given a ticket.
    pub(super) fn on_ticket(&mut self, hold: Hold) {
        self.open.remove(&hold.token);
    }

    /// A process has ended: a resource has forgotten the claims that it has not answered.
    pub(super) fn on_down(&mut self, node: NodeId) {
        for (token, _) in self.open.extract_if(.., |_, resource| *resource == node) {
            self.places.remove(&token);
        }
    }

    fn place(&self, hold: Hold) -> Option<u64> {
        self.places.get(&hold.token).copied().filter(|_| self.granted.contains(&hold.token))
    }

    /// A write takes effect at a resource.
    pub(super) fn on_applied(&mut self, now: Instant, resource: NodeId, hold: Hold, findings: &mut Findings) {
        let place = self.place(hold);
        let last = self.last.get(&(resource, hold.lock)).copied();
        let is_in_order = place.is_some_and(|place| last.is_none_or(|last| last.place <= place));
        self.overlaps += u64::from(!is_in_order);
        findings.check(EFFECT_EXCLUSION, Some(resource), is_in_order, || match (place, last) {
            (Some(_), Some(last)) => format!(
                "{resource} takes a write of {} under {}, after one of the later holder {} at {}",
                hold.token, hold.lock, last.token, last.at
            ),
            _ => format!("{resource} takes a write of {}, which was never granted {}", hold.token, hold.lock),
        });
        if let Some(place) = place.filter(|place| last.is_none_or(|last| last.place <= *place)) {
            self.last.insert((resource, hold.lock), Last { token: hold.token, place, at: now });
        }
    }

    /// How many effects were out of order.
    pub(super) const fn overlaps(&self) -> u64 {
        self.overlaps
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{E1, E2, all_on, broken, hold, seconds};
    use super::*;

    fn judged(applied: &[(NodeId, u64)]) -> Option<usize> {
        let (mut effects, mut findings) = (Effects::new(HolderOrder::Grants), all_on());
        effects.on_granted(hold(7));
        effects.on_granted(hold(3));
        for (resource, token) in applied {
            effects.on_applied(seconds(1), *resource, hold(*token), &mut findings);
        }
        broken(&findings)
    }

    #[test]
    fn effects_in_the_order_of_their_holders_are_right() {
        assert_eq!(judged(&[(E1, 7), (E1, 7), (E1, 3), (E1, 3)]), None);
        assert_eq!(judged(&[(E1, 3), (E2, 7)]), None, "two resources have nothing to do with one another");
    }

    #[test]
    fn the_write_of_a_former_holder_is_found() {
        assert_eq!(judged(&[(E1, 7), (E1, 3), (E1, 7)]), Some(EFFECT_EXCLUSION));
        assert_eq!(judged(&[(E1, 3), (E1, 7)]), Some(EFFECT_EXCLUSION));
    }

    /// Holders 7 and 3 were granted in this order, and their claims came in that of `claims`.
    fn judged_by_claims(claims: &[u64], applied: &[u64]) -> Option<usize> {
        let (mut effects, mut findings) = (Effects::new(HolderOrder::Claims), all_on());
        [7, 3].into_iter().for_each(|token| effects.on_granted(hold(token)));
        claims.iter().for_each(|token| effects.on_claimed(E1, hold(*token)));
        applied.iter().for_each(|token| effects.on_applied(seconds(1), E1, hold(*token), &mut findings));
        broken(&findings)
    }

    #[test]
    fn with_tickets_the_order_is_that_of_the_claims() {
        assert_eq!(judged_by_claims(&[3, 7], &[3, 7, 7]), None);
        assert_eq!(judged_by_claims(&[3, 7, 3], &[3, 7]), None, "a second copy of a claim");
        assert_eq!(judged_by_claims(&[3, 7], &[7, 3]), Some(EFFECT_EXCLUSION));
        assert_eq!(judged_by_claims(&[3], &[7]), Some(EFFECT_EXCLUSION), "no claim");
        assert_eq!(judged_by_claims(&[5], &[5]), Some(EFFECT_EXCLUSION), "no grant");
    }

    #[test]
    fn a_claim_that_was_not_answered_goes_with_the_resource() {
        let judged = |is_answered: bool| {
            let (mut effects, mut findings) = (Effects::new(HolderOrder::Claims), all_on());
            [7, 3].into_iter().for_each(|token| effects.on_granted(hold(token)));
            effects.on_claimed(E1, hold(7));
            if is_answered {
                effects.on_ticket(hold(7));
            }
            effects.on_down(E1);
            [3, 7].into_iter().for_each(|token| effects.on_claimed(E1, hold(token)));
            [3, 7].into_iter().for_each(|token| effects.on_applied(seconds(1), E1, hold(token), &mut findings));
            broken(&findings)
        };
        assert_eq!((judged(false), judged(true)), (None, Some(EFFECT_EXCLUSION)));
    }

    #[test]
    fn the_write_of_one_who_never_had_the_lock_is_found() {
        assert_eq!(judged(&[(E1, 5)]), Some(EFFECT_EXCLUSION));
    }
}

//! Nothing extends a lock after its user has given it back, or has gone without giving it back (etcd #17470: the
//! keep-alive outlives its user).
//!
//! An extension of any such lock is a violation. That the invariant held is counted for a lock with a
//! watchdog once two of its intervals have passed while its client was up: by then an extension would have been sent. A
//! pause of the client only delays that.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::lock::message::{Command, Wire};
use crate::lock::observation::Hold;

use super::index::NO_EXTENSION_AFTER_RELEASE;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_extension_after_release",
    doc: "A client that has given a lock back, or whose user has gone, does not extend it any more.",
    source: "etcd #17470",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The locks that were given back.
#[derive(Clone, Debug, Default)]
pub(super) struct Released {
    holds: BTreeSet<Hold>,
    /// When each could have been extended once more.
    due: BTreeMap<(Instant, Hold), NodeId>,
}

impl Released {
    /// A client gives a lock back.
    pub(super) fn on_given_back(&mut self, now: Instant, client: NodeId, hold: Hold, terms: &Terms) {
        self.holds.insert(hold);
        if let Some(interval) = terms.extends_every(client) {
            self.due.insert((now.saturating_add(interval.saturating_mul(2)), hold), client);
        }
    }

    /// When the next lock has been left alone for long enough.
    pub(super) fn deadline(&self) -> Instant {
        self.due.first_key_value().map_or(Instant::MAX, |((at, _), _)| *at)
    }

    /// These locks were left alone.
    pub(super) fn on_deadline(&mut self, now: Instant, findings: &mut Findings) {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            findings.check(NO_EXTENSION_AFTER_RELEASE, Some(entry.remove()), true, String::new);
        }
    }

    /// A client's process has ended, and its watchdogs with it.
    pub(super) fn on_down(&mut self, client: NodeId) {
        self.due.retain(|_, of| *of != client);
    }

    /// A client sends something.
    pub(super) fn on_sent(&mut self, client: NodeId, message: &Wire, findings: &mut Findings) {
        let Wire::Ask { command, .. } = message else { return };
        let (Command::Extend { lock, token, .. } | Command::Overwrite { lock, token, .. }) = *command else { return };
        if self.holds.contains(&Hold { lock, token }) {
            findings.check(NO_EXTENSION_AFTER_RELEASE, Some(client), false, || {
                format!("{client} extends {lock} of {token}, and has given it back")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::time::Duration;

    use super::super::testing::{C1, all_on, broken, hold, independent, seconds, watched};
    use super::*;

    fn judged(released: u64, extended: u64) -> Option<usize> {
        let (mut all, mut findings) = (Released::default(), all_on());
        all.on_given_back(seconds(0), C1, hold(released), &independent(1));
        let Hold { lock, token } = hold(extended);
        let command = Command::Extend { lock, token, time_to_live: Duration::from_secs(1), rejoin: false };
        all.on_sent(C1, &Wire::Ask { process: 0, request: 1, command }, &mut findings);
        broken(&findings)
    }

    /// How often it counts until a moment after a release, with a watchdog of 3 s or without.
    fn counted(terms: &Terms, ends: bool, until: u64) -> u64 {
        let (mut all, mut findings) = (Released::default(), all_on());
        all.on_given_back(seconds(1), C1, hold(1), terms);
        if ends {
            all.on_down(C1);
        }
        all.on_deadline(seconds(until), &mut findings);
        findings.evaluated()[NO_EXTENSION_AFTER_RELEASE]
    }

    #[test]
    fn a_release_counts_once_its_watchdog_would_have_come_again() {
        let (with, without) = (watched(Duration::from_secs(3)), independent(1));
        assert_eq!((counted(&with, false, 6), counted(&with, false, 7)), (0, 1));
        assert_eq!((counted(&with, true, 7), counted(&without, false, 7)), (0, 0));
    }

    #[test]
    fn a_lock_in_use_is_extended_and_one_that_was_given_back_is_not() {
        assert_eq!(judged(1, 2), None);
        assert_eq!(judged(1, 1), Some(NO_EXTENSION_AFTER_RELEASE));
    }
}

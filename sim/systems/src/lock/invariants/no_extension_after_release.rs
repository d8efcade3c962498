//! Nothing extends a lock after its user has given it back (etcd #17470: the keep-alive outlives its user).

use std::collections::BTreeSet;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::lock::message::{Command, Wire};
use crate::lock::observation::Hold;

use super::index::NO_EXTENSION_AFTER_RELEASE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_extension_after_release",
    doc: "A client that has given a lock back does not extend it any more.",
    source: "etcd #17470",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The locks that were given back.
#[derive(Clone, Debug, Default)]
pub(super) struct Released {
    holds: BTreeSet<Hold>,
}

impl Released {
    /// A client gives a lock back.
    pub(super) fn on_given_back(&mut self, hold: Hold) {
        self.holds.insert(hold);
    }

    /// A client sends something.
    pub(super) fn on_sent(&mut self, client: NodeId, message: &Wire, findings: &mut Findings) {
        let Wire::Ask { command, .. } = message else { return };
        let (Command::Extend { lock, token, .. } | Command::Overwrite { lock, token, .. }) = *command else { return };
        let is_released = self.holds.contains(&Hold { lock, token });
        findings.check(NO_EXTENSION_AFTER_RELEASE, Some(client), !is_released, || {
            format!("{client} extends {lock} of {token}, and has given it back")
        });
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::time::Duration;

    use super::super::testing::{C1, all_on, broken, hold};
    use super::*;

    fn judged(released: u64, extended: u64) -> Option<usize> {
        let (mut all, mut findings) = (Released::default(), all_on());
        all.on_given_back(hold(released));
        let Hold { lock, token } = hold(extended);
        let command = Command::Extend { lock, token, time_to_live: Duration::from_secs(1), rejoin: false };
        all.on_sent(C1, &Wire::Ask { request: 1, command }, &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_lock_in_use_is_extended_and_one_that_was_given_back_is_not() {
        assert_eq!(judged(1, 2), None);
        assert_eq!(judged(1, 1), Some(NO_EXTENSION_AFTER_RELEASE));
    }
}

//! A lock is asked for in the name of a user, so that users hold up no others.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::Uid;
use crate::lock::ids::LockId;

use super::index::LOCKS_OF_USERS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "locks_of_users",
    doc: "Every lock that is asked for is that of a user: sessions that never logged in share none.",
    source: "QT chat project, day 20, 2.2: the user of a session is 0 before its login",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A lock is asked for.
pub(super) fn on_wanted(node: NodeId, lock: LockId, findings: &mut Findings) {
    findings
        .check(LOCKS_OF_USERS, Some(node), lock != Uid::NONE.lock(), || format!("{node} asks for the lock of no user"));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, U1, all_on, broken};
    use super::*;

    #[test]
    fn the_lock_of_no_user_is_found() {
        let mut findings = all_on();
        on_wanted(H1, U1.lock(), &mut findings);
        assert_eq!(broken(&findings), None);
        on_wanted(H1, Uid::NONE.lock(), &mut findings);
        assert_eq!(broken(&findings), Some(LOCKS_OF_USERS));
    }
}

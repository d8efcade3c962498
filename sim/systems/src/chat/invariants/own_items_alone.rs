//! A client shows what is the user's who is logged in, and nothing of the one before.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::{Item, Uid};

use super::index::OWN_ITEMS_ALONE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "own_items_alone",
    doc: "A client shows the lists of the user who is logged in, each item once, and nothing of another user.",
    source: "QT chat project, day 20, 4.4, where the next user sees the chats of the one before",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A client shows its lists.
pub(super) fn on_shown(client: NodeId, uid: Uid, items: &[Item], findings: &mut Findings) {
    let is_own = items.iter().all(|item| item.owner() == uid);
    let mut once = items.to_vec();
    once.sort_unstable();
    once.dedup();
    findings.check(OWN_ITEMS_ALONE, Some(client), is_own && once.len() == items.len(), || {
        let others: Vec<String> = items.iter().map(|item| item.owner().to_string()).collect();
        format!("{client} shows lists as {uid}: items of {}", others.join(", "))
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{C1, U1, U2, all_on, broken};
    use super::*;

    #[test]
    fn items_of_another_user_and_items_shown_twice_are_found() {
        let shown = |items: &[Item]| {
            let mut findings = all_on();
            on_shown(C1, U1, items, &mut findings);
            broken(&findings)
        };
        assert_eq!(shown(&Item::all_of(U1)), None);
        assert_eq!(shown(&[Item::all_of(U2), Item::all_of(U1)].concat()), Some(OWN_ITEMS_ALONE));
        assert_eq!(shown(&[Item::all_of(U1), Item::all_of(U1)].concat()), Some(OWN_ITEMS_ALONE));
    }
}

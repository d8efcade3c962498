//! The two keys of a presence are there together or not at all, and belong together.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::Uid;
use crate::chat::observation::Presence;

use super::index::PRESENCE_PAIRS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "presence_pairs",
    doc: "The redis has the server and the session of a user, or neither, and the session is one of the server.",
    source: "QT chat project, day 20, 3.2: what a login writes",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A command has changed the presence of a user.
pub(super) fn on_stored(by: NodeId, uid: Uid, after: Presence, findings: &mut Findings) {
    let holds = after.server == after.session.map(|session| session.server());
    findings.check(PRESENCE_PAIRS, Some(by), holds, || {
        let server = after.server.map_or_else(|| "no server".to_owned(), |server| format!("chat{}", server.number()));
        let session = after.session.map_or_else(|| "no session".to_owned(), |session| session.to_string());
        format!("after a command of {by} the redis has {server} and {session} of {uid}")
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, H2, U1, all_on, broken, s1};
    use super::*;

    #[test]
    fn both_or_neither() {
        let judge = |server, session| {
            let mut findings = all_on();
            on_stored(H1, U1, Presence { server, session }, &mut findings);
            broken(&findings)
        };
        assert_eq!((judge(Some(H1), Some(s1(1))), judge(None, None)), (None, None));
        assert_eq!(judge(Some(H1), None), Some(PRESENCE_PAIRS));
        assert_eq!(judge(None, Some(s1(1))), Some(PRESENCE_PAIRS));
        assert_eq!(judge(Some(H2), Some(s1(1))), Some(PRESENCE_PAIRS));
    }
}

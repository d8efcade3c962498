//! The presence of a session that is over is gone within its time to live.

use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::{SessionId, Uid};
use crate::chat::observation::Presence;

use super::index::NOTHING_IMMORTAL;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "nothing_immortal",
    doc: "Once a session is over and the world was left alone for twice its time to live, its presence is gone, even \
          if its server is.",
    source: "etcd #17470, for sessions whose owner is gone",
    kind: InvariantKind::Liveness,
    sight: Sight::WhiteBox,
};

/// A session has been over for long enough, and the redis has this of its user.
pub(super) fn judge(uid: Uid, session: SessionId, stored: Presence, findings: &mut Findings) {
    findings.check(NOTHING_IMMORTAL, Some(session.server()), stored.session != Some(session), || {
        format!("the presence of {uid} is still that of {session}, which has been over for long")
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, U1, all_on, broken, s1, s2};
    use super::*;

    #[test]
    fn what_is_left_of_a_session_is_found_and_what_is_anothers_is_not() {
        let judged = |session: Option<SessionId>| {
            let mut findings = all_on();
            judge(U1, s1(1), Presence { server: session.map(|_| H1), session }, &mut findings);
            broken(&findings)
        };
        assert_eq!(judged(Some(s1(1))), Some(NOTHING_IMMORTAL));
        assert_eq!((judged(None), judged(Some(s2(1)))), (None, None));
    }
}

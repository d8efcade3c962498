//! At rest the redis has the presence of a user if and only if the user is served, and it is that of the session.

use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::{SessionId, Uid};
use crate::chat::observation::Presence;

use super::index::PRESENCE_AT_REST;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "presence_at_rest",
    doc: "Once faults are over and a user is left alone, the redis has the presence of the user's one session, or none \
          if there is none.",
    source: "QT chat project, day 20, 3.2 and 2.2: what a login writes and a user who goes removes",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A user is at rest, with this in the redis and these sessions.
pub(super) fn judge(uid: Uid, stored: Presence, live: &[SessionId], findings: &mut Findings) {
    let expected = match live {
        [] => Some(Presence::default()),
        [session] => Some(Presence { server: Some(session.server()), session: Some(*session) }),
        _ => None,
    };
    findings.check(PRESENCE_AT_REST, None, expected == Some(stored), || {
        let live: Vec<String> = live.iter().map(ToString::to_string).collect();
        let stored = stored.session.map_or_else(|| "no session".to_owned(), |session| session.to_string());
        format!("{uid} is at rest with [{}], and the redis has {stored}", live.join(", "))
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, U1, all_on, broken, s1, s2};
    use super::*;

    fn judged(stored: Presence, live: &[SessionId]) -> Option<usize> {
        let mut findings = all_on();
        judge(U1, stored, live, &mut findings);
        broken(&findings)
    }

    #[test]
    fn what_the_redis_has_is_what_there_is() {
        let stored = Presence { server: Some(H1), session: Some(s1(1)) };
        assert_eq!((judged(stored, &[s1(1)]), judged(Presence::default(), &[])), (None, None));
        for (stored, live) in [
            (stored, vec![]),
            (Presence::default(), vec![s1(1)]),
            (stored, vec![s2(1)]),
            (stored, vec![s1(1), s2(1)]),
            (Presence { server: Some(H1), session: None }, vec![]),
        ] {
            assert_eq!(judged(stored, &live), Some(PRESENCE_AT_REST), "{stored:?} {live:?}");
        }
    }
}

//! A thread that begins with a login is done with it within the time that its waits may take.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::Instant;

use crate::chat::ids::SessionId;

use super::index::LOGIN_ENDS;
use super::rest::Rest;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "login_ends",
    doc: "A thread is done with a login within the sum of its deadlines, in a world that was left alone as long.",
    source: "gRPC, \"Deadlines\": without one a call waits for ever",
    kind: InvariantKind::Liveness,
    sight: Sight::BlackBox,
};

/// The logins that threads are at.
#[derive(Clone, Debug)]
pub(super) struct Logins {
    open: Rest<SessionId>,
}

impl Logins {
    pub(super) const fn new(open: Rest<SessionId>) -> Self {
        Self { open }
    }

    pub(super) fn on_begun(&mut self, now: Instant, session: SessionId) {
        self.open.stir(now, session);
    }

    pub(super) fn on_over(&mut self, session: SessionId, findings: &mut Findings) {
        if self.open.forget(session) {
            findings.check(LOGIN_ENDS, Some(session.server()), true, String::new);
        }
    }

    pub(super) fn on_down(&mut self, server: NodeId) {
        self.open.retain(|session| session.server() != server);
    }

    pub(super) fn deadline(&self) -> Instant {
        self.open.deadline()
    }

    pub(super) fn on_deadline(&mut self, now: Instant, disturbed: Instant, findings: &mut Findings) {
        for session in self.open.take(now, disturbed) {
            findings.check(LOGIN_ENDS, Some(session.server()), false, || {
                format!("a thread of {} has been at the login of {session} for longer than it may", session.server())
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::time::Duration;

    use super::super::testing::{H1, all_on, broken, s1, seconds};
    use super::*;

    #[test]
    fn a_login_that_does_not_end_is_found_and_one_that_ends_is_not() {
        let judged = |end: &dyn Fn(&mut Logins, &mut Findings)| {
            let mut findings = all_on();
            let mut logins = Logins::new(Rest::new(Duration::from_secs(10)));
            logins.on_begun(seconds(1), s1(1));
            end(&mut logins, &mut findings);
            logins.on_deadline(seconds(11), seconds(1), &mut findings);
            (broken(&findings), findings.evaluated()[LOGIN_ENDS])
        };
        assert_eq!(judged(&|_, _| {}), (Some(LOGIN_ENDS), 1));
        assert_eq!(judged(&|logins, findings| logins.on_over(s1(1), findings)), (None, 1));
        assert_eq!(judged(&|logins, _| logins.on_down(H1)), (None, 0));
    }
}

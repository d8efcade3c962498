//! No event for a number that was reused (epoll(7), questions 6 and 9): a number that is closed and given out again is
//! another connection, and an event that a thread has in hand is of the old one.
//!
//! Whose the event is, is what the kernel knows (its open file description), whatever the program gave as data.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::linux::descriptor::{DescriptionId, Fd};
use crate::reactor::server::Server;
use crate::reactor::worker::Work;

use super::index::NO_STALE_EVENT;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_stale_event",
    doc: "A thread acts on an event only for the connection that it is of, not for another with the same number.",
    source: "epoll(7), questions and answers; gramine #340",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A thread is at work on a connection, after a call.
pub(super) fn at_work(node: NodeId, server: &Server, work: &Work, findings: &mut Findings) {
    judge(node, work.token.fd, work.item, server.linux().description(work.token.fd).ok(), findings);
}

fn judge(node: NodeId, fd: Fd, event_of: DescriptionId, stands_for: Option<DescriptionId>, findings: &mut Findings) {
    let holds = stands_for == Some(event_of);
    findings.check(NO_STALE_EVENT, Some(node), holds, || match stands_for {
        Some(_) => {
            format!("{node} acts on an event of the old descriptor {fd}; the number is another connection's now")
        }
        None => format!("{node} acts on an event of descriptor {fd}, which is closed"),
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{S1, all_on, broken};
    use super::*;

    fn judged(stands_for: Option<u32>) -> Option<usize> {
        let mut findings = all_on();
        judge(S1, Fd(7), DescriptionId(3), stands_for.map(DescriptionId), &mut findings);
        assert_eq!(findings.evaluated()[NO_STALE_EVENT], 1);
        broken(&findings)
    }

    #[test]
    fn an_event_of_the_open_connection_is_right() {
        assert_eq!(judged(Some(3)), None);
    }

    #[test]
    fn an_event_of_a_closed_or_reused_number_is_found() {
        assert_eq!([judged(Some(4)), judged(None)], [Some(NO_STALE_EVENT); 2]);
    }
}

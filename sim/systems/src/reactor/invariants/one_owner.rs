//! One owner under one-shot (epoll_ctl(2), EPOLLONESHOT): between the event and the next `EPOLL_CTL_MOD` a connection
//! belongs to the thread that got the event.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::linux::descriptor::DescriptionId;
use crate::reactor::server::Server;
use crate::reactor::worker::Work;

use super::index::ONE_OWNER;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "one_owner",
    doc: "Under one-shot at most one thread is at work on a connection.",
    source: "epoll_ctl(2), EPOLLONESHOT",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A thread is at work on a connection, after a call.
pub(super) fn at_work(node: NodeId, server: &Server, thread: u16, work: &Work, findings: &mut Findings) {
    let at_work = server.workers().iter().map(|worker| worker.at.work().map(|work| work.item));
    judge(node, thread, work, at_work, findings);
}

/// `at_work` has what each thread is at work on, by thread.
fn judge(
    node: NodeId,
    thread: u16,
    work: &Work,
    at_work: impl Iterator<Item = Option<DescriptionId>>,
    findings: &mut Findings,
) {
    let mut others = at_work.enumerate().filter(|(other, _)| *other != usize::from(thread));
    let other = others.find(|(_, item)| *item == Some(work.item)).map(|(other, _)| other);
    findings.check(ONE_OWNER, Some(node), other.is_none(), || {
        let other = other.expect("another thread was found");
        format!("threads {thread} and {other} of {node} are at work on descriptor {} at a time", work.token.fd)
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{S1, all_on, broken};
    use super::*;
    use crate::reactor::linux::descriptor::Fd;
    use crate::reactor::linux::events::Events;
    use crate::reactor::worker::Token;

    fn judged(items: [Option<u32>; 3]) -> Option<usize> {
        let work = Work {
            token: Token { fd: Fd(7), generation: 1 },
            fired: Events::IN,
            item: DescriptionId(9),
            calls: 0,
            has_request: false,
            is_unfinished: false,
        };
        let mut findings = all_on();
        judge(S1, 0, &work, items.into_iter().map(|item| item.map(DescriptionId)), &mut findings);
        assert_eq!(findings.evaluated()[ONE_OWNER], 1);
        broken(&findings)
    }

    #[test]
    fn threads_may_be_at_work_on_different_connections() {
        assert_eq!(judged([Some(9), Some(8), None]), None);
    }

    #[test]
    fn two_threads_on_one_connection_are_found() {
        assert_eq!(judged([Some(9), None, Some(9)]), Some(ONE_OWNER));
    }
}

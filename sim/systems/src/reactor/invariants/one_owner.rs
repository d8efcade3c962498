//! One owner under one-shot (epoll_ctl(2), EPOLLONESHOT): between the event and the next `EPOLL_CTL_MOD` a descriptor
//! belongs to the thread whose wait returned the event, whether that thread has begun with it or not.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::linux::descriptor::DescriptionId;
use crate::reactor::server::Server;

use super::facts;
use super::index::ONE_OWNER;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "one_owner",
    doc: "Under one-shot at most one thread has a descriptor in hand: an event of it, or work on it.",
    source: "epoll_ctl(2), EPOLLONESHOT",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A thread has made a call.
pub(super) fn after_call(node: NodeId, server: &Server, thread: u16, findings: &mut Findings) {
    let mut own = facts::in_hand(server, thread).peekable();
    if own.peek().is_none() {
        return;
    }
    let others = (0..server.workers().len() as u16).filter(|other| *other != thread);
    let others: Vec<(u16, DescriptionId)> =
        others.flat_map(|other| facts::in_hand(server, other).map(move |item| (other, item))).collect();
    if others.is_empty() {
        return;
    }
    judge(node, thread, own, &others, findings);
}

/// `own` is what a thread has in hand, `others` what each other thread has.
fn judge(
    node: NodeId,
    thread: u16,
    mut own: impl Iterator<Item = DescriptionId>,
    others: &[(u16, DescriptionId)],
    findings: &mut Findings,
) {
    let shared = own.find_map(|item| others.iter().find(|(_, other)| *other == item).map(|(other, _)| *other));
    findings.check(ONE_OWNER, Some(node), shared.is_none(), || {
        let other = shared.expect("another thread was found");
        format!("threads {thread} and {other} of {node} have one descriptor in hand at a time")
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{S1, all_on, broken};
    use super::*;
    use crate::reactor::bug::Bug;
    use crate::reactor::message::{Request, Wire};
    use crate::reactor::node::ReactorTimer;
    use crate::reactor::options::ReactorOptions;
    use crate::reactor::presets;
    use crate::reactor::protocol;
    use crate::reactor::tests::Machine;
    use crate::reactor::worker::At;

    fn judged(own: &[u32], others: &[(u16, u32)]) -> Option<usize> {
        let others: Vec<(u16, DescriptionId)> = others.iter().map(|(it, item)| (*it, DescriptionId(*item))).collect();
        let mut findings = all_on();
        judge(S1, 0, own.iter().copied().map(DescriptionId), &others, &mut findings);
        assert_eq!(findings.evaluated()[ONE_OWNER], 1);
        broken(&findings)
    }

    #[test]
    fn threads_may_have_different_descriptors_in_hand() {
        assert_eq!(judged(&[9, 7], &[(1, 8), (2, 6)]), None);
    }

    #[test]
    fn two_threads_with_one_descriptor_are_found() {
        assert_eq!(judged(&[9], &[(1, 8), (2, 9)]), Some(ONE_OWNER));
        assert_eq!(judged(&[7, 9], &[(1, 9)]), Some(ONE_OWNER), "the second event in hand");
    }

    /// A request comes; one thread gets the event and makes this many calls; a piece comes; another thread waits.
    fn second_event(bug: Bug, calls: usize) -> Machine {
        let mut machine = Machine::new(ReactorOptions { bug, ..presets::shared() });
        machine.connect(0);
        machine.run();
        let request = protocol::request(1, Request::Post { size: 100 });
        machine.receive(0, Wire::Data { bytes: request[..20].to_vec(), is_urgent: false });
        let Some(ReactorTimer::Run(first)) = machine.next() else { panic!("a thread wakes") };
        (0..calls).for_each(|_| machine.fire(ReactorTimer::Run(first)));
        machine.receive(0, Wire::Data { bytes: request[20..].to_vec(), is_urgent: false });
        let is_other = |timer: &ReactorTimer| *timer != ReactorTimer::Run(first);
        if let Some(other) = machine.runnable().into_iter().find(is_other) {
            machine.fire(other);
        }
        machine
    }

    fn broken_at(machine: &Machine) -> Option<usize> {
        let mut findings = all_on();
        (0..4).for_each(|thread| after_call(S1, machine.server(), thread, &mut findings));
        broken(&findings)
    }

    #[test]
    fn a_thread_that_alone_has_something_is_not_judged() {
        let mut findings = all_on();
        let machine = second_event(Bug::None, 1);
        (0..4).for_each(|thread| after_call(S1, machine.server(), thread, &mut findings));
        assert_eq!(findings.evaluated()[ONE_OWNER], 0, "the event of the second piece is not for another thread");
    }

    #[test]
    fn an_event_that_is_in_hand_and_not_begun_is_owned_as_well() {
        // After its wait the first thread has the event, and after one call more it is at work.
        for calls in [1, 2] {
            assert_eq!(broken_at(&second_event(Bug::None, calls)), None);
        }
        let machine = second_event(Bug::RearmBeforeRead, 2);
        let begun = machine.server().workers().iter().filter(|worker| worker.at.work().is_some()).count();
        assert_eq!(begun, 1, "the second thread has the event and has not begun");
        assert!(machine.server().workers().iter().any(|worker| worker.at == At::Next && !worker.batch.is_empty()));
        assert_eq!(broken_at(&machine), Some(ONE_OWNER));
    }
}

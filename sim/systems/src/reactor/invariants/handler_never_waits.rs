//! A signal handler waits for nothing (signal-safety(7)): locks are not among what a handler may use, since the thread
//! that it interrupted may hold them.
//!
//! Whether it waits is read from the lock and the threads as they are after the signal, not from what the handler says.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::server::Server;
use crate::reactor::worker::{Lock, Worker};

use super::index::HANDLER_NEVER_WAITS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "handler_never_waits",
    doc: "No thread is in a signal handler and in the queue of the lock of the connection table.",
    source: "signal-safety(7)",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A signal has arrived that is delivered to a handler.
pub(super) fn after_signal(node: NodeId, server: &Server, findings: &mut Findings) {
    judge(node, server.workers(), server.lock(), findings);
}

fn judge(node: NodeId, workers: &[Worker], lock: &Lock, findings: &mut Findings) {
    let is_in_handler = |thread: &u16| workers[usize::from(*thread)].is_in_handler;
    let waits = lock.waiting().iter().copied().find(is_in_handler);
    findings.check(HANDLER_NEVER_WAITS, Some(node), waits.is_none(), || {
        let thread = waits.expect("a handler that waits was found");
        match lock.holder() {
            Some(holder) if holder == thread => format!(
                "the signal handler in thread {thread} of {node} waits for a lock that this thread holds: for ever"
            ),
            Some(holder) => {
                format!("the signal handler in thread {thread} of {node} waits for a lock that thread {holder} holds")
            }
            None => format!("the signal handler in thread {thread} of {node} waits for a lock that is free"),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{S1, all_on, broken};
    use super::*;
    use crate::reactor::bug::Bug;
    use crate::reactor::linux::descriptor::Fd;
    use crate::reactor::message::Order;
    use crate::reactor::options::ReactorOptions;
    use crate::reactor::presets;
    use crate::reactor::tests::Machine;
    use crate::reactor::worker::At;

    fn judged(in_handler: &[u16], takes: &[u16]) -> Option<usize> {
        let mut workers = vec![Worker::new(Fd(3)); 3];
        in_handler.iter().for_each(|thread| workers[usize::from(*thread)].is_in_handler = true);
        let mut lock = Lock::default();
        for thread in takes {
            lock.take(*thread);
        }
        let mut findings = all_on();
        judge(S1, &workers, &lock, &mut findings);
        assert_eq!(findings.evaluated()[HANDLER_NEVER_WAITS], 1);
        broken(&findings)
    }

    #[test]
    fn threads_may_wait_for_a_lock_and_a_handler_may_run_beside_it() {
        assert_eq!(judged(&[], &[0, 1, 2]), None);
        assert_eq!(judged(&[2], &[0, 1]), None);
        assert_eq!(judged(&[0], &[0, 1]), None, "the thread holds it, and the handler does not want it");
    }

    #[test]
    fn a_handler_that_waits_for_another_thread_or_for_its_own_is_found() {
        assert_eq!(judged(&[1], &[0, 1]), Some(HANDLER_NEVER_WAITS));
        assert_eq!(judged(&[0], &[0, 0]), Some(HANDLER_NEVER_WAITS));
    }

    /// A signal comes while the only thread holds the lock, between `accept` and `epoll_ctl`.
    #[test]
    fn a_handler_that_takes_the_lock_of_its_thread_stops_it_for_ever() {
        for (bug, expected) in [(Bug::None, None), (Bug::HandlerTakesLock, Some(HANDLER_NEVER_WAITS))] {
            let mut machine = Machine::new(ReactorOptions { bug, ..presets::one_loop() });
            machine.connect(0);
            while !matches!(machine.server().workers()[0].at, At::Register(..)) {
                let timer = machine.next().expect("the thread accepts");
                machine.fire(timer);
            }
            machine.order(Order::Signal);
            let mut findings = all_on();
            after_signal(S1, machine.server(), &mut findings);
            assert_eq!(broken(&findings), expected, "{bug:?}");
            machine.run();
            assert_eq!(machine.server().connections().len(), usize::from(bug == Bug::None));
        }
    }
}

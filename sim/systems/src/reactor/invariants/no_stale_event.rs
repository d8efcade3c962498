//! No event for a number that was reused (epoll(7), "Will closing a file descriptor cause it to be removed from all
//! epoll interest lists?" and "If using an event cache"): a number that is closed and given out again is another
//! connection, and an event that a thread has in hand is of the old one.
//!
//! What is counted is each event that a thread takes up when its number is closed or stands for something else. Whose
//! the event is, is what the kernel knows (its open file description), whatever the program gave as data.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::linux::descriptor::{DescriptionId, Fd};
use crate::reactor::server::Server;
use crate::reactor::worker::{At, Target, Task};

use super::index::NO_STALE_EVENT;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_stale_event",
    doc: "A thread acts on an event only for the connection that it is of, not for another with the same number.",
    source: "epoll(7), \"If using an event cache\"; gramine #340",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// The event that a thread is about to take up, if its number does not stand any more for what the event is of.
pub(super) fn stale(server: &Server, thread: u16) -> Option<Task> {
    let worker = &server.workers()[usize::from(thread)];
    let task = worker.batch.front().filter(|_| worker.at == At::Next)?;
    let Target::Connection(token) = task.target else { return None };
    (server.linux().description(token.fd) != Ok(task.item)).then_some(*task)
}

/// A thread has gone on; it was about to take up this event, which is stale, or none such.
pub(super) fn after_step(node: NodeId, server: &Server, thread: u16, stale: Option<Task>, findings: &mut Findings) {
    let worker = &server.workers()[usize::from(thread)];
    let stands_for = |fd| server.linux().description(fd).ok();
    match worker.at.work().filter(|work| stands_for(work.token.fd) != Some(work.item)) {
        Some(work) => judge(node, work.token.fd, work.item, stands_for(work.token.fd), findings),
        // If another thread has the lock, the event is still to be taken up.
        None if stale.is_some() && stale.as_ref() != worker.batch.front() => {
            findings.check(NO_STALE_EVENT, Some(node), true, String::new);
        }
        None => {}
    }
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
    use crate::reactor::bug::Bug;
    use crate::reactor::message::Wire;
    use crate::reactor::options::ReactorOptions;
    use crate::reactor::presets;
    use crate::reactor::tests::Machine;

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

    /// A connection has an event, and two more are accepted before it is taken up: the first of them evicts it, and the
    /// second gets its number. Then this thread goes on until it sleeps.
    fn reused(bug: Bug) -> (Option<usize>, u64) {
        let options = ReactorOptions { connections_max: 1, bug, ..presets::one_loop_edge() };
        let mut machine = Machine::new(options);
        machine.connect(0);
        machine.run();
        (1..3).for_each(|number| machine.connect(number));
        machine.receive(0, Wire::Data { bytes: vec![b'G'], is_urgent: false });
        let mut findings = all_on();
        while let Some(timer) = machine.next() {
            let stale = stale(machine.server(), 0);
            machine.fire(timer);
            after_step(S1, machine.server(), 0, stale, &mut findings);
        }
        (broken(&findings), findings.evaluated()[NO_STALE_EVENT])
    }

    #[test]
    fn an_event_whose_number_was_given_out_again_is_counted_when_it_is_dropped_and_found_when_it_is_used() {
        assert_eq!(reused(Bug::None), (None, 1));
        assert_eq!(reused(Bug::StaleEventUsed).0, Some(NO_STALE_EVENT));
    }
}

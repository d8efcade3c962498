//! Drained under edge triggering (epoll(7): "Do I need to continuously read/write a file descriptor until EAGAIN when
//! using the EPOLLET flag?"): when a thread leaves a descriptor, its last read or accept there left nothing, or came to
//! the end, unless the ready list has the descriptor again or the thread has put the rest off. What came after that
//! last call is for the kernel to report: `no_lost_wakeup` watches it.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::linux::descriptor::{DescriptionId, Fd};
use crate::reactor::linux::events::Events;
use crate::reactor::server::Server;
use crate::reactor::worker::{At, Target};

use super::closed_after_answers::Exchanges;
use super::facts::{self, Facts};
use super::index::DRAINED_UNDER_EDGE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "drained_under_edge",
    doc: "Under edge triggering a thread leaves a descriptor only when nothing is left to read or accept, or the rest \
          is put off, or the descriptor is in the ready list again.",
    source: "epoll(7), questions and answers; mio #45",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A thread has left what it was at work on.
pub(super) fn on_return(
    node: NodeId,
    server: &Server,
    exchanges: &Exchanges,
    (thread, before): (u16, At),
    findings: &mut Findings,
) {
    if let Some((fd, id)) = left(server, before) {
        let ready = facts::ready(server, exchanges, fd, id);
        judge(node, thread, facts::of(server, (fd, id), ready), server.linux().is_drained(id), findings);
    }
}

/// What the thread was at work on, if that is open and can be read or accepted from.
fn left(server: &Server, before: At) -> Option<(Fd, DescriptionId)> {
    match before {
        At::Accept(_) | At::Evict(..) | At::Register(..) | At::Rearm(Target::Listener) => {
            Some((server.listener(), server.linux().description(server.listener()).ok()?))
        }
        _ => {
            let work = before.work()?;
            server.linux().stream(work.item).map(|_| (work.token.fd, work.item))
        }
    }
}

fn judge(node: NodeId, thread: u16, facts: Facts, is_drained: bool, findings: &mut Findings) {
    let has_something = facts.ready.has(Events::IN | Events::PRI);
    let holds = !has_something || is_drained || facts.is_queued || facts.is_in_hand;
    findings.check(DRAINED_UNDER_EDGE, Some(node), holds, || {
        format!("thread {thread} of {node} has left descriptor {} with something to read, under EPOLLET", facts.fd)
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{S1, all_on, broken};
    use super::*;

    use crate::reactor::bug::Bug;
    use crate::reactor::message::{Request, Wire};
    use crate::reactor::options::ReactorOptions;
    use crate::reactor::presets;
    use crate::reactor::protocol;
    use crate::reactor::tests::Machine;

    const LEFT: Facts = Facts {
        fd: Fd(7),
        ready: Events::IN,
        is_queued: false,
        is_in_hand: false,
        all_sleep_where_queued: false,
        all_sleep: false,
    };

    #[test]
    fn what_is_drained_put_off_or_queued_again_may_be_left() {
        for facts in [
            Facts { ready: Events::OUT, ..LEFT },
            Facts { is_queued: true, ..LEFT },
            Facts { is_in_hand: true, ..LEFT },
        ] {
            let mut findings = all_on();
            judge(S1, 0, facts, false, &mut findings);
            assert_eq!((broken(&findings), findings.evaluated()[DRAINED_UNDER_EDGE]), (None, 1), "{facts:?}");
        }
    }

    #[test]
    fn what_is_left_with_data_is_found() {
        let mut findings = all_on();
        judge(S1, 0, LEFT, true, &mut findings);
        assert_eq!(broken(&findings), None, "it came after the last read");
        judge(S1, 0, LEFT, false, &mut findings);
        assert_eq!(broken(&findings), Some(DRAINED_UNDER_EDGE));
    }

    #[test]
    fn urgent_data_that_is_left_is_found() {
        let mut findings = all_on();
        judge(S1, 0, Facts { ready: Events::PRI, ..LEFT }, false, &mut findings);
        assert_eq!(broken(&findings), Some(DRAINED_UNDER_EDGE));
    }

    /// Watches each call of the only thread, while a request comes that takes several reads.
    #[test]
    fn a_thread_that_returns_is_judged_by_what_it_leaves() {
        for (bug, expected) in [(Bug::None, None), (Bug::NoDrainUnderEdge, Some(DRAINED_UNDER_EDGE))] {
            let mut machine = Machine::new(ReactorOptions { bug, read_size: 8, ..presets::one_loop_edge() });
            machine.connect(0);
            machine.run();
            let bytes = protocol::request(1, Request::Post { size: 30 });
            machine.receive(0, Wire::Data { bytes, is_urgent: false });
            let mut findings = all_on();
            while let Some(timer) = machine.next() {
                let before = machine.server().workers()[0].at;
                machine.fire(timer);
                if machine.server().workers()[0].at == At::Next && before != At::Next {
                    on_return(S1, machine.server(), &Exchanges::default(), (0, before), &mut findings);
                }
            }
            assert_eq!(broken(&findings), expected, "{bug:?}");
            assert!(findings.evaluated()[DRAINED_UNDER_EDGE] > 0);
        }
    }

    #[test]
    fn a_return_from_nothing_is_not_judged() {
        let machine = Machine::new(presets::one_loop_edge());
        let mut findings = all_on();
        on_return(S1, machine.server(), &Exchanges::default(), (0, At::ReadSignals), &mut findings);
        assert_eq!(findings.evaluated()[DRAINED_UNDER_EDGE], 0);
    }

    /// The kernel that finds edges by comparing two waits misses what comes after the last read. The thread has drained
    /// the descriptor, and is not to blame.
    #[test]
    fn what_the_kernel_does_not_report_after_the_last_read_is_not_the_threads() {
        let bug = Bug::EdgeSampledInWait;
        let mut machine = Machine::new(ReactorOptions { bug, ..presets::one_loop_edge() });
        machine.connect(0);
        machine.run();
        machine.receive(0, Wire::Data { bytes: b"G".to_vec(), is_urgent: false });
        let mut findings = all_on();
        while let Some(timer) = machine.next() {
            let before = machine.server().workers()[0].at;
            machine.fire(timer);
            let at = machine.server().workers()[0].at;
            if matches!((before, at), (At::Read(_), At::Write(_))) {
                machine.receive(0, Wire::Data { bytes: b"E".to_vec(), is_urgent: false });
            }
            if at == At::Next && before != At::Next {
                on_return(S1, machine.server(), &Exchanges::default(), (0, before), &mut findings);
            }
        }
        let ready = facts::all_ready(machine.server(), &Exchanges::default()).count();
        assert_eq!((ready, broken(&findings)), (1, None), "the second byte is there, and no event");
    }
}

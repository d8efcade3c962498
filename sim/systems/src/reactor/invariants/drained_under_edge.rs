//! Drained under edge triggering (epoll(7): "Do I need to continuously read/write a file descriptor until EAGAIN when
//! using the EPOLLET flag?"): when a thread leaves a descriptor, nothing is left to read or accept, unless the ready
//! list has it again or the thread has put the rest off.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::linux::descriptor::Fd;
use crate::reactor::linux::events::Events;
use crate::reactor::server::Server;
use crate::reactor::worker::{At, Target};

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
pub(super) fn on_return(node: NodeId, server: &Server, thread: u16, before: At, findings: &mut Findings) {
    let (target, fd) = match before {
        At::Accept(_) | At::Evict(..) | At::Register(..) | At::Rearm(Target::Listener) => {
            (Target::Listener, server.listener())
        }
        _ => match before.work() {
            Some(work) => (Target::Connection(work.token), work.token.fd),
            None => return,
        },
    };
    let is_known = |fd: Fd| fd == server.listener() || server.connections().contains_key(&fd);
    if let Some(facts) = facts::of(server, target, fd).filter(|_| is_known(fd)) {
        judge(node, thread, facts, findings);
    }
}

fn judge(node: NodeId, thread: u16, facts: Facts, findings: &mut Findings) {
    let holds = !facts.ready.has(Events::IN | Events::PRI) || facts.is_queued || facts.is_in_hand;
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

    const LEFT: Facts =
        Facts { fd: Fd(7), ready: Events::IN, is_queued: false, is_in_hand: false, is_slept_on: false, sleeps: false };

    #[test]
    fn what_is_drained_put_off_or_queued_again_may_be_left() {
        for facts in [
            Facts { ready: Events::OUT, ..LEFT },
            Facts { is_queued: true, ..LEFT },
            Facts { is_in_hand: true, ..LEFT },
        ] {
            let mut findings = all_on();
            judge(S1, 0, facts, &mut findings);
            assert_eq!((broken(&findings), findings.evaluated()[DRAINED_UNDER_EDGE]), (None, 1), "{facts:?}");
        }
    }

    #[test]
    fn what_is_left_with_data_is_found() {
        let mut findings = all_on();
        judge(S1, 0, LEFT, &mut findings);
        assert_eq!(broken(&findings), Some(DRAINED_UNDER_EDGE));
    }

    #[test]
    fn urgent_data_that_is_left_is_found() {
        let mut findings = all_on();
        judge(S1, 0, Facts { ready: Events::PRI, ..LEFT }, &mut findings);
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
                    on_return(S1, machine.server(), 0, before, &mut findings);
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
        on_return(S1, machine.server(), 0, At::ReadSignals, &mut findings);
        assert_eq!(findings.evaluated()[DRAINED_UNDER_EDGE], 0);
    }
}

//! No lost wake-up: what is ready, and what the program has to react to, is in a ready list or in the hand of a thread
//! (epoll(7): level-triggered events are reported for as long as they are so; edge-triggered ones once, and then it is
//! the program's to go on).
//!
//! It is judged after each wait of the instance: from then on nothing but a new change would bring the event.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::linux::descriptor::Fd;
use crate::reactor::server::Server;
use crate::reactor::worker::Target;

use super::facts::{self, Facts};
use super::index::NO_LOST_WAKEUP;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_lost_wakeup",
    doc: "A descriptor that is ready for what the program has to do with it is in the hand of a thread, or it \
          is in a ready list and every instance that lists it has a thread awake.",
    source: "epoll(7); mio #45, kaappi #1481, ponyc #1564, tgoskits #1034",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A thread has waited on this instance: each descriptor that belongs to it is judged.
pub(super) fn after_wait(node: NodeId, server: &Server, epoll: Fd, findings: &mut Findings) {
    for (target, facts) in facts::all(server) {
        let belongs = match target {
            Target::Connection(token) => server.connections()[&token.fd].home == epoll,
            _ => true,
        };
        if belongs {
            judge(node, facts, findings);
        }
    }
}

fn judge(node: NodeId, facts: Facts, findings: &mut Findings) {
    if facts.ready.is_empty() {
        return;
    }
    let holds = facts.is_in_hand || (facts.is_queued && !facts.is_slept_on);
    findings.check(NO_LOST_WAKEUP, Some(node), holds, || {
        let Facts { fd, ready, is_queued, .. } = facts;
        match is_queued {
            true => format!(
                "descriptor {fd} of {node} is ready for {ready}, and every thread of an instance that lists it sleeps"
            ),
            false => format!(
                "descriptor {fd} of {node} is ready for {ready}; no ready list has it and no thread is at work on it"
            ),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{S1, all_on, broken};
    use super::*;
    use crate::reactor::linux::events::Events;

    const LOST: Facts = Facts { fd: Fd(7), ready: Events::IN, is_queued: false, is_in_hand: false, is_slept_on: false };

    #[test]
    fn what_is_queued_or_in_hand_or_not_ready_is_not_lost() {
        for facts in [
            Facts { is_queued: true, ..LOST },
            Facts { is_in_hand: true, ..LOST },
            Facts { ready: Events::NONE, ..LOST },
            Facts { is_queued: true, is_slept_on: true, is_in_hand: true, ..LOST },
        ] {
            let mut findings = all_on();
            judge(S1, facts, &mut findings);
            assert_eq!(broken(&findings), None, "{facts:?}");
            assert_eq!(findings.evaluated()[NO_LOST_WAKEUP], u64::from(!facts.ready.is_empty()));
        }
    }

    #[test]
    fn what_nobody_will_report_is_lost() {
        for facts in [LOST, Facts { is_queued: true, is_slept_on: true, ..LOST }] {
            let mut findings = all_on();
            judge(S1, facts, &mut findings);
            assert_eq!(broken(&findings), Some(NO_LOST_WAKEUP), "{facts:?}");
        }
    }
}

//! A signal handler waits for nothing (signal-safety(7)): locks are not among what a handler may use, since the thread
//! that it interrupted may hold them.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::observation::ReactorObservation;

use super::index::HANDLER_NEVER_WAITS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "handler_never_waits",
    doc: "A signal handler does not wait for a lock.",
    source: "signal-safety(7)",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A handler runs, or has to wait.
pub(super) fn on_signal(node: NodeId, observation: &ReactorObservation, findings: &mut Findings) {
    let waits = match observation {
        ReactorObservation::HandlerWaits { thread, holder } => Some((thread.0, holder.0)),
        _ => None,
    };
    findings.check(HANDLER_NEVER_WAITS, Some(node), waits.is_none(), || match waits {
        Some((thread, holder)) if thread == holder => {
            format!("the signal handler in thread {thread} of {node} waits for a lock that this thread holds: for ever")
        }
        Some((thread, holder)) => {
            format!("the signal handler in thread {thread} of {node} waits for a lock that thread {holder} holds")
        }
        None => unreachable!("it waits"),
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{S1, all_on, broken};
    use super::*;
    use crate::reactor::linux::thread::Thread;

    #[test]
    fn a_handler_that_goes_through_is_right_and_one_that_waits_is_found() {
        let mut findings = all_on();
        let thread = Thread(2);
        on_signal(S1, &ReactorObservation::SignalDelivered { thread }, &mut findings);
        assert_eq!((broken(&findings), findings.evaluated()[HANDLER_NEVER_WAITS]), (None, 1));
        on_signal(S1, &ReactorObservation::HandlerWaits { thread, holder: thread }, &mut findings);
        assert_eq!(broken(&findings), Some(HANDLER_NEVER_WAITS));
    }
}

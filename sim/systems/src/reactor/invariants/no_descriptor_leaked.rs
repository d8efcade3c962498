//! No descriptor is forgotten (close(2)): each open number is the program's own, a connection of its table, or in the
//! hand of the thread that registers it; and each connection of the table is open.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::linux::descriptor::Fd;
use crate::reactor::server::Server;

use super::index::NO_DESCRIPTOR_LEAKED;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_descriptor_leaked",
    doc: "Each open descriptor is known to the program, and each connection that it knows is open.",
    source: "close(2)",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A thread has made a call.
pub(super) fn after_call(node: NodeId, server: &Server, findings: &mut Findings) {
    let open = || server.linux().table().iter().map(|(fd, _)| fd);
    if server.connections().is_empty() && open().all(|fd| server.is_own(fd)) {
        return;
    }
    let in_registration = |fd| server.workers().iter().any(|it| it.at.accepted() == Some(fd));
    let is_known = |fd| server.connections().contains_key(&fd) || server.is_own(fd) || in_registration(fd);
    let leaked = open().find(|fd| !is_known(*fd));
    let mut connections = server.connections().keys().copied();
    let gone = connections.find(|fd| server.linux().description(*fd).is_err());
    judge(node, leaked, gone, findings);
}

fn judge(node: NodeId, leaked: Option<Fd>, gone: Option<Fd>, findings: &mut Findings) {
    findings.check(NO_DESCRIPTOR_LEAKED, Some(node), leaked.is_none() && gone.is_none(), || match (leaked, gone) {
        (Some(fd), _) => format!("descriptor {fd} of {node} is open, and the program knows nothing of it"),
        (None, Some(fd)) => format!("{node} takes descriptor {fd} for a connection, and it is closed"),
        (None, None) => unreachable!("one of them was found"),
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

    fn judged(leaked: Option<Fd>, gone: Option<Fd>) -> Option<usize> {
        let mut findings = all_on();
        judge(S1, leaked, gone, &mut findings);
        assert_eq!(findings.evaluated()[NO_DESCRIPTOR_LEAKED], 1);
        broken(&findings)
    }

    #[test]
    fn a_table_that_agrees_with_the_kernel_is_right() {
        assert_eq!(judged(None, None), None);
    }

    #[test]
    fn a_forgotten_descriptor_and_a_closed_connection_are_found() {
        assert_eq!(judged(Some(Fd(9)), None), Some(NO_DESCRIPTOR_LEAKED));
        assert_eq!(judged(None, Some(Fd(9))), Some(NO_DESCRIPTOR_LEAKED));
    }

    #[test]
    fn a_server_that_forgets_its_only_connection_is_found() {
        for (bug, expected) in [(Bug::None, None), (Bug::EndedNotClosed, Some(NO_DESCRIPTOR_LEAKED))] {
            let mut machine = Machine::new(ReactorOptions { bug, ..presets::one_loop_edge() });
            machine.connect(0);
            machine.run();
            machine.receive(0, Wire::Fin);
            machine.run();
            assert!(machine.server().connections().is_empty());
            let mut findings = all_on();
            after_call(S1, machine.server(), &mut findings);
            assert_eq!(broken(&findings), expected, "{bug:?}");
        }
    }
}

//! Which requests of each client were carried out: each is carried out once, in whatever order they come, and by a
//! redis only if it is for the process that runs.
//!
//! Clients ask over pools of connections: requests of one client may overtake one another, and none comes twice. A
//! connection ends with the process at either end.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;

use super::client::Ctx;
use super::message::{ProcessNumber, RequestId, Wire};

/// Requests that are remembered for each client. Older ones are refused.
const SIZE: usize = 256;

/// The requests that were carried out.
#[derive(Clone, Debug, Default)]
pub(super) struct Windows {
    of: BTreeMap<NodeId, BTreeSet<RequestId>>,
}

impl Windows {
    /// Whether a request is for this process and comes for the first time. One for an earlier process is answered as a
    /// connection to it would be: it is reset.
    pub(super) fn admit(&mut self, ctx: &mut Ctx<'_>, client: NodeId, asked: (RequestId, ProcessNumber)) -> bool {
        let (request, process) = asked;
        if process != ctx.incarnation() {
            ctx.send(client, Wire::Reset { request, process: ctx.incarnation() });
            return false;
        }
        self.is_new(client, request)
    }

    /// Whether a request comes for the first time; from now on it does not.
    pub(super) fn is_new(&mut self, client: NodeId, request: RequestId) -> bool {
        let seen = self.of.entry(client).or_default();
        let is_old = seen.len() >= SIZE && seen.first().is_some_and(|first| request < *first);
        let is_new = !is_old && seen.insert(request);
        if seen.len() > SIZE {
            seen.pop_first();
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const C1: NodeId = NodeId::client(1);

    #[test]
    fn a_request_is_new_once_in_any_order() {
        let mut windows = Windows::default();
        assert!(windows.is_new(C1, 2) && windows.is_new(C1, 1));
        assert!(!windows.is_new(C1, 2) && !windows.is_new(C1, 1));
        assert!(windows.is_new(NodeId::client(2), 2), "another client's");
    }

    #[test]
    fn what_is_older_than_all_that_is_remembered_is_refused() {
        let mut windows = Windows::default();
        (10..10 + SIZE as u64 + 1).for_each(|request| assert!(windows.is_new(C1, request)));
        assert!(!windows.is_new(C1, 10) && !windows.is_new(C1, 5));
    }
}

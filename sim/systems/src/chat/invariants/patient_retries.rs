//! Who waits for a lock does not ask for it all the time.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::lock::ids::Token;
use crate::lock::message::{Command, Wire};

use super::index::PATIENT_RETRIES;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "patient_retries",
    doc: "From one request for a lock under a token to the next one lie at least 5 ms.",
    source: "redis-doc, Distributed Locks with Redis, \"Retry on failure\"",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

const GAP_MIN: Duration = Duration::from_millis(5);

/// When each lock was last asked for under each token.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    last: BTreeMap<Token, Instant>,
}

impl Asked {
    /// A node sends something to the redis.
    pub(super) fn on_sent(&mut self, now: Instant, node: NodeId, wire: &Wire, findings: &mut Findings) {
        let Wire::Ask { command: Command::Acquire { lock, token, .. }, .. } = wire else { return };
        let Some(last) = self.last.insert(*token, now) else { return };
        findings.check(PATIENT_RETRIES, Some(node), now.since(last) >= GAP_MIN, || {
            format!("{node} asks for {lock} again after {}", now.since(last))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, U1, all_on, broken, millis};
    use super::*;

    #[test]
    fn a_spin_is_found() {
        let ask = |token| {
            let (lock, time_to_live, token) = (U1.lock(), None, Token(token));
            let command = Command::Acquire { lock, token, time_to_live, fenced: false, returning: false };
            Wire::Ask { process: 0, request: 1, command }
        };
        let (mut asked, mut findings) = (Asked::default(), all_on());
        asked.on_sent(millis(0), H1, &ask(1), &mut findings);
        asked.on_sent(millis(1), H1, &ask(2), &mut findings);
        asked.on_sent(millis(5), H1, &ask(1), &mut findings);
        assert_eq!((broken(&findings), findings.evaluated()[PATIENT_RETRIES]), (None, 1));
        asked.on_sent(millis(6), H1, &ask(1), &mut findings);
        assert_eq!(broken(&findings), Some(PATIENT_RETRIES));
    }
}

//! Each grant has a greater fencing token than every grant before, also after a failover or a restart (Kleppmann, "How
//! to do distributed locking": "a number that increases every time a client acquires the lock").

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::lock::ids::{LockId, Token};
use crate::lock::observation::Hold;
use crate::lock::system::RESOURCE;

use super::index::TOKENS_RISE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "tokens_rise",
    doc: "Each fencing token that is handed out is greater than every one before, also after a failover or a restart.",
    source: "Kleppmann, How to do distributed locking",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The last token that was handed out, for each lock: by the lock servers together, and by each resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    last: BTreeMap<(Option<NodeId>, LockId), (u64, Token)>,
}

impl Tokens {
    /// An answer with a fencing token leaves.
    pub(super) fn on_given(&mut self, by: NodeId, hold: Hold, fence: u64, findings: &mut Findings) {
        let giver = by.is(RESOURCE).then_some(by);
        let last = self.last.get(&(giver, hold.lock)).copied();
        findings.check(TOKENS_RISE, Some(by), last.is_none_or(|(last, _)| last < fence), || {
            let (last, owner) = last.expect("there was one before");
            format!("{by} gives token {fence} for {} to {}, after token {last} to {owner}", hold.lock, hold.token)
        });
        self.last.insert((giver, hold.lock), (fence, hold.token));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{E1, R1, R2, all_on, broken, hold};
    use super::*;

    fn judged(given: &[(NodeId, u64)]) -> Option<usize> {
        let (mut tokens, mut findings) = (Tokens::default(), all_on());
        given.iter().zip(1..).for_each(|((by, fence), of)| tokens.on_given(*by, hold(of), *fence, &mut findings));
        broken(&findings)
    }

    #[test]
    fn tokens_that_rise_are_right_and_a_resource_counts_by_itself() {
        assert_eq!(judged(&[(R1, 1), (R1, 2), (E1, 1), (R2, 5)]), None);
    }

    #[test]
    fn a_token_that_was_given_before_is_found() {
        assert_eq!(judged(&[(R1, 2), (R2, 2)]), Some(TOKENS_RISE));
        assert_eq!(judged(&[(E1, 2), (E1, 1)]), Some(TOKENS_RISE));
    }
}

//! One owner: a target is touched under one grant after the other, each by one process.
//!
//! It judges effects, not beliefs: that two chunks believe to serve a target is counted elsewhere, and is no violation.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::session::ids::{Resource, SessionId, Token};

use super::index::ONE_OWNER;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "one_owner",
    doc: "Nothing is done to a target under a grant after something was done under a later one, and each grant is \
          used by one process.",
    source: "Burrows, The Chubby lock service (OSDI 2006), section 2.4",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The effects so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners {
    newest: BTreeMap<Resource, (Token, u16)>,
    /// Which chunk used a grant first. Tokens of one target are given by one master.
    users: BTreeMap<(Resource, Token), u16>,
}

impl Owners {
    /// Something was done to a target.
    pub(super) fn on_effect(
        &mut self,
        volume: NodeId,
        resource: Resource,
        (session, token): (SessionId, Token),
        chunk: u16,
        findings: &mut Findings,
    ) {
        let (newest, by) = self.newest.get(&resource).copied().unwrap_or((token, chunk));
        findings.check(ONE_OWNER, Some(volume), newest <= token, || {
            format!(
                "target {resource}: chunk{chunk} acts under {session} and token {token}, after chunk{by} acted under \
                 token {newest}"
            )
        });
        let user = *self.users.entry((resource, token)).or_insert(chunk);
        findings.check(ONE_OWNER, Some(volume), user == chunk, || {
            format!("target {resource}: chunk{user} and chunk{chunk} both act under token {token} of {session}")
        });
        if newest <= token {
            self.newest.insert(resource, (token, chunk));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{M1, ONE, TWO, all_on, broken};
    use super::*;

    fn judge(effects: &[(u64, SessionId, u16)]) -> Option<usize> {
        let (mut owners, mut findings) = (Owners::default(), all_on());
        for (token, session, chunk) in effects {
            owners.on_effect(M1, Resource(1), (*session, Token(*token)), *chunk, &mut findings);
        }
        assert_eq!(findings.evaluated()[ONE_OWNER], 2 * effects.len() as u64);
        broken(&findings)
    }

    #[test]
    fn one_owner_after_the_other_is_right() {
        assert_eq!(judge(&[(1, ONE, 1), (1, ONE, 1), (2, TWO, 2), (2, TWO, 2), (5, ONE, 1)]), None);
    }

    #[test]
    fn an_effect_of_the_one_that_was_replaced_is_found() {
        assert_eq!(judge(&[(1, ONE, 1), (2, TWO, 2), (1, ONE, 1)]), Some(ONE_OWNER));
    }

    #[test]
    fn two_processes_under_one_grant_are_found() {
        assert_eq!(judge(&[(1, ONE, 1), (1, ONE, 2)]), Some(ONE_OWNER));
    }
}

//! At rest the count of a chat server is the number of users that it serves. It is never negative.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use super::index::COUNT_AT_REST;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "count_at_rest",
    doc: "Once faults are over and a chat server is left alone, its count in the redis is the number of users that it \
          serves; no count is ever negative.",
    source: "QT chat project, day 20, 3.2: what a login writes",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// A count is stored. One that is not negative says nothing before the server is at rest.
pub(super) fn on_stored(server: NodeId, count: i64, findings: &mut Findings) {
    if count < 0 {
        findings.check(COUNT_AT_REST, Some(server), false, || format!("the count of {server} is {count}"));
    }
}

/// A chat server is at rest with so many users, and the redis has this.
pub(super) fn judge(server: NodeId, stored: Option<i64>, live: usize, findings: &mut Findings) {
    let holds = i64::try_from(live) == Ok(stored.unwrap_or(0));
    findings.check(COUNT_AT_REST, Some(server), holds, || {
        format!("{server} is at rest with {live} users, and its count is {}", stored.unwrap_or(0))
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, all_on, broken};
    use super::*;

    #[test]
    fn a_count_that_is_off_or_negative_is_found() {
        let judged = |stored, live| {
            let mut findings = all_on();
            judge(H1, stored, live, &mut findings);
            broken(&findings)
        };
        assert_eq!((judged(Some(2), 2), judged(None, 0)), (None, None));
        assert_eq!((judged(Some(3), 2), judged(None, 1)), (Some(COUNT_AT_REST), Some(COUNT_AT_REST)));
        let mut findings = all_on();
        on_stored(H1, 0, &mut findings);
        assert_eq!(broken(&findings), None);
        on_stored(H1, -1, &mut findings);
        assert_eq!(broken(&findings), Some(COUNT_AT_REST));
    }
}

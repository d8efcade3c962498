//! What is committed is durable on a quorum at that moment (etcdraft `CommittedIsDurableInv`, `QuorumLogInv`; Raft
//! §5.3, §5.4.2).
//!
//! Asked when a server says that it takes an entry for committed, of the disks themselves: a leader says so when it
//! counts, and its own configuration decides. A crash of every machine at that instant would leave the
//! entry with a quorum of the voters. So a leader that counts a copy which is not there, or no longer there, is found
//! at the commit, before the entry is lost. A server whose disk lied or lost records counts as one that has it: what it
//! acknowledged was true once.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::{ConfigurationFacts, Fact, Held};
use crate::raft::ids::{Index, Position, ServerSet};

use super::index::COMMITTED_IS_DURABLE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "committed_is_durable",
    doc: "What a server takes for committed is on the disks of a quorum at that moment.",
    source: "Raft §5.4.2; etcdraft CommittedIsDurableInv",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// The last place that was found on a quorum: what is committed again before it needs no second look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proven(Index);

impl Proven {
    /// A server commits up to here. `quorum` is its commit quorum of this many voters, `held` what a disk has there;
    /// it is `None` for a server that is not to blame for its disk.
    pub(super) fn commit(
        &mut self,
        server: NodeId,
        position: Position,
        configuration: Fact<ConfigurationFacts>,
        quorum: impl Fn(usize) -> usize,
        held: impl Fn(NodeId) -> Option<Fact<Held>>,
        findings: &mut Findings,
    ) {
        if position.index <= self.0 {
            return;
        }
        let Some(configuration) = configuration else { return findings.lacks(COMMITTED_IS_DURABLE) };
        let mut holders = ServerSet::EMPTY;
        for voter in configuration.voters.iter().chain(configuration.outgoing.iter()) {
            match held(voter) {
                None => holders.insert(voter),
                Some(None) => return findings.lacks(COMMITTED_IS_DURABLE),
                Some(Some(held)) if held.has(position.term) => holders.insert(voter),
                Some(Some(_)) => {}
            }
        }
        let lacking = [configuration.voters, configuration.outgoing]
            .into_iter()
            .find(|voters| !voters.is_empty() && holders.intersection(*voters).len() < quorum(voters.len()));
        findings.check(COMMITTED_IS_DURABLE, Some(server), lacking.is_none(), || {
            let voters = lacking.unwrap_or_default();
            let (needed, holders) = (quorum(voters.len()), holders.intersection(voters));
            format!("{server} commits {position}, which takes {needed} disks; only those of {holders:?} have it")
        });
        self.0 = position.index;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, s};
    use super::*;
    use crate::raft::ids::Term;

    const AT: Position = Position { term: Term(2), index: Index(5) };

    fn set(servers: &[u16]) -> ServerSet {
        servers.iter().map(|server| s(*server)).collect()
    }

    fn five() -> ConfigurationFacts {
        ConfigurationFacts { voters: set(&[1, 2, 3, 4, 5]), ..ConfigurationFacts::default() }
    }

    fn commit(configuration: ConfigurationFacts, disk: impl Fn(u16) -> Option<Fact<Held>>) -> Findings {
        let (mut proven, mut findings) = (Proven::default(), all_on());
        let majority = |voters| voters / 2 + 1;
        proven.commit(s(1), AT, Some(configuration), majority, |voter| disk(voter.number()), &mut findings);
        findings
    }

    fn entry(term: u64) -> Option<Fact<Held>> {
        Some(Some(Held::Entry(Term(term))))
    }

    const NOTHING: Option<Fact<Held>> = Some(Some(Held::Nothing));

    #[test]
    fn a_quorum_of_disks_is_enough() {
        let findings = commit(five(), |server| if server <= 3 { entry(2) } else { NOTHING });
        assert!(!findings.is_broken());
        assert_eq!(findings.evaluated()[COMMITTED_IS_DURABLE], 1);
    }

    #[test]
    fn fewer_disks_are_found_and_another_entry_there_does_not_count() {
        let findings = commit(five(), |server| match server {
            1 | 4 => entry(2),
            2 => entry(3),
            _ => NOTHING,
        });
        let facts = "s1 commits 5@2, which takes 3 disks; only those of {s1, s4} have it";
        assert_eq!(broken(&findings), (COMMITTED_IS_DURABLE, facts));
    }

    #[test]
    fn a_snapshot_that_covers_the_place_counts() {
        let snapshot = Some(Some(Held::Snapshot));
        let findings = commit(five(), |server| if server <= 2 { snapshot } else { entry(2) });
        assert!(!findings.is_broken());
    }

    #[test]
    fn a_disk_that_broke_its_promise_counts_as_one_that_has_it() {
        let findings = commit(five(), |server| match server {
            1 | 2 => entry(2),
            3 => None,
            _ => NOTHING,
        });
        assert!(!findings.is_broken());
    }

    #[test]
    fn in_a_joint_change_both_configurations_need_a_quorum() {
        let joint =
            ConfigurationFacts { voters: set(&[1, 4, 5]), outgoing: set(&[1, 2, 3]), learners: ServerSet::EMPTY };
        assert!(commit(joint, |server| if [1, 4, 5].contains(&server) { entry(2) } else { NOTHING }).is_broken());
        assert!(!commit(joint, |server| if [1, 4, 2].contains(&server) { entry(2) } else { NOTHING }).is_broken());
    }

    #[test]
    fn what_was_found_on_a_quorum_is_not_looked_up_again() {
        let (mut proven, mut findings) = (Proven(Index(5)), all_on());
        proven.commit(s(2), AT, Some(five()), |_| 3, |_| NOTHING, &mut findings);
        assert_eq!((findings.is_broken(), findings.evaluated()[COMMITTED_IS_DURABLE]), (false, 0));
    }

    #[test]
    fn a_disk_that_cannot_be_read_is_not_judged() {
        let findings = commit(five(), |_| Some(None));
        assert!(!findings.is_broken());
        assert_eq!(findings.lacking()[COMMITTED_IS_DURABLE], 1);
    }
}

//! Learners never lead (NuRaft learners, hashicorp #483): who does not vote neither campaigns nor leads.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::raft::facts::{ConfigurationFacts, Fact};
use crate::raft::ids::Term;

use super::index::LEARNERS_NEVER_LEAD;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "learners_never_lead",
    doc: "A learner, or a server that is no member, neither asks for pre-votes or votes nor leads.",
    source: "Raft thesis §4.2.1; hashicorp/raft #483",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A server becomes a candidate of some kind, or a leader.
pub(super) fn on_candidacy(
    configuration: Fact<ConfigurationFacts>,
    server: NodeId,
    role: &str,
    term: Term,
    findings: &mut Findings,
) {
    let Some(ConfigurationFacts { voters, outgoing, .. }) = configuration else {
        return findings.lacks(LEARNERS_NEVER_LEAD);
    };
    let votes = voters.contains(server) || outgoing.contains(server);
    findings.check(LEARNERS_NEVER_LEAD, Some(server), votes, || {
        format!("{server} became {role} in term {term}; the voters are {voters:?}")
    });
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::options::PerServer;

    use super::super::frame::{Frame, Membership};
    use super::super::testing::{all_on, broken, frame_of, s};
    use super::*;
    use crate::raft::facts::{RoleKind, ServerFacts};
    use crate::raft::presets;

    #[test]
    fn a_voter_may_stand_and_a_learner_may_not() {
        let mut options = PerServer::same(presets::etcd());
        options.of.insert(s(3), presets::etcd().with(|o| o.membership.learner = true));
        let (frame, mut findings) = (frame_of(3, &options), all_on());
        on_candidacy(frame.configuration_at(None), s(1), "leader", Term(2), &mut findings);
        assert!(!findings.is_broken());
        on_candidacy(frame.configuration_at(None), s(3), "pre-candidate", Term(2), &mut findings);
        let facts = "s3 became pre-candidate in term 2; the voters are {s1, s2}";
        assert_eq!(broken(&findings), (LEARNERS_NEVER_LEAD, facts));
    }

    #[test]
    fn a_server_that_has_not_joined_may_not_stand() {
        let mut findings = all_on();
        let frame = frame_of(3, &PerServer::same(presets::paper()));
        on_candidacy(frame.configuration_at(None), s(4), "candidate", Term(1), &mut findings);
        assert!(findings.is_broken());
    }

    #[test]
    fn where_members_change_each_server_goes_by_its_own_configuration() {
        let frame = Frame { membership: Membership::Changing, ..frame_of(3, &PerServer::same(presets::etcd())) };
        let set = |servers: &[u16]| servers.iter().map(|server| s(*server)).collect();
        let configuration =
            ConfigurationFacts { voters: set(&[2, 3]), outgoing: set(&[1, 2]), ..ConfigurationFacts::default() };
        let facts = ServerFacts { configuration: Some(configuration), ..ServerFacts::new(RoleKind::Leader, Term(1)) };
        let mut findings = all_on();
        on_candidacy(frame.configuration_at(Some(facts)), s(1), "leader", Term(1), &mut findings);
        on_candidacy(frame.configuration_at(None), s(4), "leader", Term(1), &mut findings);
        assert!(!findings.is_broken());
        assert_eq!((findings.evaluated()[LEARNERS_NEVER_LEAD], findings.lacking()[LEARNERS_NEVER_LEAD]), (1, 1));
        on_candidacy(frame.configuration_at(Some(facts)), s(4), "leader", Term(1), &mut findings);
        assert!(findings.is_broken());
    }
}

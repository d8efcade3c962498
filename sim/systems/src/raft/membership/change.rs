//! What may become of a configuration: one server more or less (thesis §4.1), or any other one by way of a joint
//! configuration (§6). Pure functions over [`Members`].
//!
//! ```text
//!   voters 1 2 3 ── add 4 as a learner ──▶ voters 1 2 3, learners 4 ── promote 4 ──▶ voters 1 2 3 4
//!
//!   voters 1 2 3 ── change +4 -1 ──▶ voters 2 3 4, outgoing 1 2 3 ── leave ──▶ voters 2 3 4
//! ```

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::serde::{Deserialize, Serialize};

use crate::raft::configuration::Members;
use crate::raft::ids::{self, ServerSet};
use crate::raft::observation::ChangeRefusal;

/// A change that a leader is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde", rename_all = "snake_case")]
pub enum Change {
    /// A server votes from now on, whether its log is there or not; a learner only if it has caught up.
    AddVoter(NodeId),
    /// A server is sent the log.
    AddLearner(NodeId),
    /// A learner that has caught up votes from now on.
    Promote(NodeId),
    /// A server is no member any more.
    Remove(NodeId),
    /// Several of these at once, by way of a joint configuration.
    Joint(Parts),
    /// A joint configuration that is committed is left.
    LeaveJoint,
}

/// What a joint change makes of servers. Those that it does not name stay what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Parts {
    /// They vote. Learners among them have caught up.
    #[serde(with = "ids::listed")]
    pub voters: ServerSet,
    /// They are learners.
    #[serde(with = "ids::listed")]
    pub learners: ServerSet,
    /// They are no members.
    #[serde(with = "ids::listed")]
    pub removed: ServerSet,
}

impl Change {
    /// The configuration that this makes of another.
    ///
    /// # Errors
    /// If it cannot be made, or would change nothing.
    pub(in crate::raft) fn of(self, members: Members) -> Result<Members, ChangeRefusal> {
        if self == Self::LeaveJoint {
            return left(members);
        }
        if members.is_joint() {
            return Err(ChangeRefusal::Pending);
        }
        let changed = match self {
            Self::AddVoter(server) => Members {
                voters: members.voters.union(single(server)),
                learners: members.learners.without(server),
                ..members
            },
            Self::AddLearner(server) if !members.voters.contains(server) => {
                Members { learners: members.learners.union(single(server)), ..members }
            }
            Self::Promote(server) if members.learners.contains(server) => Members {
                voters: members.voters.union(single(server)),
                learners: members.learners.without(server),
                ..members
            },
            Self::AddLearner(_) | Self::Promote(_) | Self::LeaveJoint => members,
            Self::Remove(server) => Members {
                voters: members.voters.without(server),
                learners: members.learners.without(server),
                ..members
            },
            Self::Joint(parts) => entered(members, parts),
        };
        if changed == members {
            Err(ChangeRefusal::ChangesNothing)
        } else if changed.voters.is_empty() {
            Err(ChangeRefusal::NoVoters)
        } else {
            Ok(changed)
        }
    }
}

fn single(server: NodeId) -> ServerSet {
    std::iter::once(server).collect()
}

/// The joint configuration on the way to this one; the same members if that would change nothing.
fn entered(members: Members, parts: Parts) -> Members {
    let voters = members.voters.union(parts.voters).minus(parts.learners).minus(parts.removed);
    let wanted = members.learners.union(parts.learners).minus(parts.removed).minus(voters);
    if voters == members.voters {
        // Learners alone need no joint configuration.
        return Members { learners: wanted, ..members };
    }
    let outgoing = members.voters;
    Members { voters, learners: wanted.minus(outgoing), outgoing, learners_next: wanted.intersection(outgoing) }
}

fn left(members: Members) -> Result<Members, ChangeRefusal> {
    if !members.is_joint() {
        return Err(ChangeRefusal::ChangesNothing);
    }
    let learners = members.learners.union(members.learners_next);
    Ok(Members { learners, ..Members::of_voters(members.voters) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn s(number: u16) -> NodeId {
        NodeId::server(number)
    }

    fn set(servers: &[u16]) -> ServerSet {
        servers.iter().map(|server| s(*server)).collect()
    }

    fn members(voters: &[u16], learners: &[u16]) -> Members {
        Members { learners: set(learners), ..Members::of_voters(set(voters)) }
    }

    fn parts(voters: &[u16], learners: &[u16], removed: &[u16]) -> Change {
        Change::Joint(Parts { voters: set(voters), learners: set(learners), removed: set(removed) })
    }

    #[test]
    fn single_changes_move_one_server() {
        let three = members(&[1, 2, 3], &[5]);
        assert_eq!(Change::AddVoter(s(4)).of(three), Ok(members(&[1, 2, 3, 4], &[5])));
        assert_eq!(Change::AddLearner(s(4)).of(three), Ok(members(&[1, 2, 3], &[4, 5])));
        assert_eq!(Change::Promote(s(5)).of(three), Ok(members(&[1, 2, 3, 5], &[])));
        assert_eq!(Change::Remove(s(1)).of(three), Ok(members(&[2, 3], &[5])));
        assert_eq!(Change::Remove(s(5)).of(three), Ok(members(&[1, 2, 3], &[])));
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let three = members(&[1, 2, 3], &[5]);
        let nothing = Err(ChangeRefusal::ChangesNothing);
        for change in [
            Change::AddVoter(s(1)),
            Change::AddLearner(s(1)),
            Change::AddLearner(s(5)),
            Change::Promote(s(1)),
            Change::Promote(s(9)),
            Change::Remove(s(9)),
            Change::LeaveJoint,
            parts(&[1], &[5], &[9]),
        ] {
            assert_eq!(change.of(three), nothing, "{change:?}");
        }
        assert_eq!(Change::Remove(s(1)).of(members(&[1], &[2])), Err(ChangeRefusal::NoVoters));
        assert_eq!(parts(&[], &[1], &[]).of(members(&[1], &[2])), Err(ChangeRefusal::NoVoters));
    }

    #[test]
    fn a_joint_configuration_is_entered_and_left() {
        let joint = parts(&[4], &[3], &[1]).of(members(&[1, 2, 3], &[4])).expect("it changes something");
        let expected =
            Members { voters: set(&[2, 4]), learners: set(&[]), outgoing: set(&[1, 2, 3]), learners_next: set(&[3]) };
        assert_eq!(joint, expected);
        assert_eq!(Change::AddVoter(s(5)).of(joint), Err(ChangeRefusal::Pending));
        assert_eq!(Change::LeaveJoint.of(joint), Ok(members(&[2, 4], &[3])));
    }

    #[test]
    fn learners_alone_need_no_joint_configuration() {
        assert_eq!(parts(&[], &[4], &[5]).of(members(&[1, 2], &[5])), Ok(members(&[1, 2], &[4])));
    }

    proptest! {
        #[test]
        fn nobody_has_two_parts(bits in 1u64..64, a in 0u64..64, b in 0u64..64, c in 0u64..64) {
            let of = |bits: u64| (1..=6).filter(|n| bits >> (n - 1) & 1 == 1).map(s).collect::<ServerSet>();
            let start = Members { learners: of(!bits & 63), ..Members::of_voters(of(bits)) };
            let change = Change::Joint(Parts { voters: of(a), learners: of(b & !a), removed: of(c & !a & !b) });
            let Ok(joint) = change.of(start) else { return Ok(()) };
            prop_assert!(joint.learners.intersection(joint.electors()).is_empty());
            prop_assert!(joint.learners_next.minus(joint.outgoing).is_empty());
            prop_assert!(joint.learners_next.intersection(joint.voters).is_empty());
            if joint.is_joint() {
                prop_assert_eq!(joint.outgoing, start.voters);
                let left = Change::LeaveJoint.of(joint).expect("a joint configuration can be left");
                prop_assert_eq!(left.all().minus(of(a | b)), start.all().minus(of(a | b | c)));
            }
        }
    }
}

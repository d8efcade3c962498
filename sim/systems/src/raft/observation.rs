//! What servers and clients tell those who watch.
//!
//! In steady state nothing is told: heartbeats and their replies observe nothing.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Change, Face, Observation};
use splitbrain_kernel::serde::Serialize;
use splitbrain_kernel::vocabulary::Role;

use super::configuration::Members;
use super::ids::{Index, Position, Term};
use super::kv::{Answer, Outcome};
use super::message::{Entry, Payload};

/// Something that happened at a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum RaftObservation<C = u64> {
    /// It became a follower: at its start, or from another role.
    BecameFollower {
        /// Its term.
        term: Term,
    },
    /// It began a round of pre-votes. Its term stays.
    BecamePreCandidate {
        /// Its term.
        term: Term,
    },
    /// It began an election, in a term of its own.
    BecameCandidate {
        /// The new term.
        term: Term,
    },
    /// It won an election.
    LeaderElected {
        /// The term that it leads.
        term: Term,
        /// The last entry of its log when it won, before its own first entry.
        last: Position,
    },
    /// It led and no longer does. [`RaftObservation::BecameFollower`] follows.
    SteppedDown {
        /// The term that it led.
        term: Term,
        /// Why.
        reason: StepDownReason,
    },
    /// Its term grew, by its own election or because it heard of a later one.
    TermStarted {
        /// The new term.
        term: Term,
    },
    /// It follows a leader that it did not follow before.
    LeaderFollowed {
        /// Its term.
        term: Term,
        /// Whom.
        leader: NodeId,
    },
    /// An append of its own term reached it while it leads: two leaders in one term.
    RivalLeader {
        /// The term.
        term: Term,
        /// The other one.
        rival: NodeId,
    },
    /// It voted for a candidate other than itself.
    VoteGranted {
        /// The term.
        term: Term,
        /// For whom.
        candidate: NodeId,
    },
    /// It refused its vote.
    VoteDenied {
        /// The request's term.
        term: Term,
        /// To whom.
        candidate: NodeId,
        /// Why.
        reason: Refusal,
    },
    /// It granted a pre-vote.
    PreVoteGranted {
        /// The request's term.
        term: Term,
        /// To whom.
        candidate: NodeId,
    },
    /// It refused a pre-vote.
    PreVoteDenied {
        /// The request's term.
        term: Term,
        /// To whom.
        candidate: NodeId,
        /// Why.
        reason: Refusal,
    },
    /// A quorum granted it their pre-votes.
    PreVoteWon {
        /// Its term, not the one that it may start.
        term: Term,
    },
    /// A quorum refused it their pre-votes.
    PreVoteLost {
        /// Its term.
        term: Term,
    },
    /// A quorum refused it their votes.
    ElectionLost {
        /// The term.
        term: Term,
    },
    /// Its election timer fired: it heard from no leader for so long.
    ElectionTimedOut {
        /// Its term.
        term: Term,
    },
    /// Its election timer fired and it did not campaign.
    ElectionSkipped {
        /// Why.
        reason: Skip,
    },
    /// As a leader, it did not hear from a quorum within a window of `check_quorum.timeout` (etcd).
    QuorumLost {
        /// The term that it led.
        term: Term,
    },
    /// As a leader, its last contact with a quorum is older than `check_quorum.timeout` (NuRaft, hashicorp).
    LeadershipExpired {
        /// The term that it led.
        term: Term,
    },
    /// It takes the priority that a candidate needs to be lower than before.
    PriorityDecayed {
        /// The new target.
        target: u64,
    },
    /// One of two servers has been alone for so long that it takes itself for a quorum.
    QuorumAdjusted,
    /// One of two servers needs the other for a quorum again.
    QuorumRestored,
    /// It gave up: quorums rejected its pre-votes too often, or it could not ask one (NuRaft
    /// `N22_unrecoverable_isolation`).
    StarvedExit,
    /// It went silent: it was told that it is no member any more.
    Left,
    /// It dropped entries that contradict its leader's.
    LogTruncated {
        /// The first place that was dropped.
        from: Index,
    },
    /// Its commit index grew.
    Committed {
        /// To here.
        index: Index,
        /// The term of the entry there.
        term: Term,
    },
    /// It applied an entry.
    Applied {
        /// Which place.
        index: Index,
        /// What it found there.
        entry: Entry<C>,
    },
    /// As a leader, it served a read that a quorum had confirmed.
    ReadByIndex {
        /// What it had applied.
        index: Index,
    },
    /// As a leader, it served a read under its lease.
    ReadByLease {
        /// What it had applied.
        index: Index,
    },
    /// Its key-value store executed the command that it has just applied.
    Executed {
        /// Which place.
        index: Index,
        /// Whether that did something.
        outcome: Outcome,
        /// What the store said.
        answer: Answer,
    },
    /// It takes a snapshot of what it has applied.
    SnapshotTaken {
        /// The last entry that it covers.
        last: Position,
        /// A fingerprint of its content.
        state: u64,
    },
    /// A snapshot of its leader has taken the place of its log.
    SnapshotInstalled {
        /// The last entry that it covers.
        last: Position,
        /// A fingerprint of its content.
        state: u64,
    },
    /// It starts from the snapshot on its disk.
    SnapshotRestored {
        /// The last entry that it covers.
        last: Position,
        /// A fingerprint of its content.
        state: u64,
    },
    /// It has more of the snapshot than its leader sends: the transfer goes on from there.
    SnapshotResumed {
        /// The last entry that it covers.
        last: Position,
        /// The item that comes next.
        next: u64,
    },
    /// It dropped the front of its log, which its snapshot covers.
    LogCompacted {
        /// The last entry that is gone.
        base: Position,
    },
    /// As a leader, it hands its leadership over, and refuses proposals meanwhile.
    TransferStarted {
        /// The server that is to lead.
        target: NodeId,
    },
    /// The server that it hands its leadership over to has not taken over in time.
    TransferAborted {
        /// The server that was to lead.
        target: NodeId,
    },
    /// As a leader, it appends a configuration.
    ConfigurationAppended {
        /// The configuration.
        members: Members,
    },
    /// It goes by this configuration from here on.
    ConfigurationEntered {
        /// The place of its entry.
        index: Index,
        /// The configuration.
        members: Members,
    },
    /// The entry of its last configuration was truncated.
    ConfigurationReverted {
        /// The place of the entry before.
        index: Index,
        /// The configuration before.
        members: Members,
    },
    /// It knows that a configuration is committed.
    ConfigurationCommitted {
        /// The place of its entry.
        index: Index,
        /// The configuration.
        members: Members,
    },
    /// As a leader, it does not change the membership.
    ChangeRefused {
        /// Why.
        reason: ChangeRefusal,
    },
    /// It was a learner and is a voter.
    Promoted,
    /// It knows that a configuration is committed in which it is no member.
    Removed,
}

/// Why the membership is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum ChangeRefusal {
    /// The server does not lead.
    NotLeader,
    /// It hands its leadership over.
    Transferring,
    /// The last change is not committed, or a joint configuration is not left.
    Pending,
    /// It has committed nothing of its own term yet.
    NothingCommitted,
    /// The learner has not caught up.
    Behind,
    /// No voter would be left.
    NoVoters,
    /// The configuration is like that already, or the server has not the part that the change starts from.
    ChangesNothing,
}

/// Why a vote or a pre-vote is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Refusal {
    /// A leader lives, or is believed to.
    LeaderAlive,
    /// The request's term is over.
    StaleTerm,
    /// The vote of this term is someone else's.
    Voted,
    /// The candidate's log is behind.
    LogBehind,
    /// The candidate's priority is below the target.
    LowPriority,
    /// The candidate is not a member.
    NotMember,
}

/// Why a leader stepped down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum StepDownReason {
    /// It heard of a later term.
    LaterTerm,
    /// It had no contact with a quorum.
    NoQuorum,
    /// It was told to.
    Ordered,
    /// Its priority is 0: it led only so that someone does.
    ZeroPriority,
    /// It handed its leadership over (NuRaft).
    Transferred,
    /// It is no voter of the configuration that it has committed.
    Removed,
}

/// Why an election timeout passed without a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Skip {
    /// It is a learner or no member.
    NotVoter,
    /// It catches up.
    CatchingUp,
    /// It receives a snapshot.
    ReceivingSnapshot,
    /// Its priority is below the target.
    LowPriority,
    /// What it applied lags behind its log, and its grace period is not over.
    LaggingStateMachine,
    /// It is about to leave.
    Leaving,
    /// It resigned a short while ago.
    Resigned,
}

impl<C: Payload> Observation for RaftObservation<C> {
    const NAMES: &'static [&'static str] = &[
        "became follower",
        "became pre-candidate",
        "became candidate",
        "leader elected",
        "stepped down",
        "term started",
        "leader followed",
        "rival leader",
        "vote granted",
        "vote denied",
        "pre-vote granted",
        "pre-vote denied",
        "pre-vote won",
        "pre-vote lost",
        "election lost",
        "election timed out",
        "election skipped",
        "quorum lost",
        "leadership expired",
        "priority decayed",
        "quorum adjusted",
        "quorum restored",
        "starved exit",
        "left",
        "log truncated",
        "committed",
        "applied",
        "read by index",
        "read by lease",
        "executed",
        "repeated",
        "refused",
        "snapshot taken",
        "snapshot installed",
        "snapshot restored",
        "snapshot resumed",
        "log compacted",
        "transfer started",
        "transfer aborted",
        "configuration appended",
        "joint configuration appended",
        "configuration entered",
        "configuration reverted",
        "configuration committed",
        "joint configuration committed",
        "change refused",
        "promoted",
        "removed",
    ];

    const PLACED: &'static [&'static str] = &["committed", "applied"];

    fn face(&self) -> Face {
        let face = Face::new(Self::NAMES[self.name_index()], self.change());
        match self {
            Self::Committed { index, .. } | Self::Applied { index, .. } => face.at_place(index.0),
            _ => face,
        }
    }

    fn epoch(&self) -> Option<u64> {
        match self {
            Self::BecameFollower { term }
            | Self::BecamePreCandidate { term }
            | Self::BecameCandidate { term }
            | Self::LeaderElected { term, .. }
            | Self::TermStarted { term } => Some(term.0),
            _ => None,
        }
    }
}

impl<C: Payload> RaftObservation<C> {
    /// The roles that [`Change::Role`] reports.
    pub const ROLES: &'static [Role] =
        &[Role::ranked("leader"), Role::plain("follower"), Role::plain("candidate"), Role::plain("pre-candidate")];

    const fn name_index(&self) -> usize {
        match self {
            Self::BecameFollower { .. } => 0,
            Self::BecamePreCandidate { .. } => 1,
            Self::BecameCandidate { .. } => 2,
            Self::LeaderElected { .. } => 3,
            Self::SteppedDown { .. } => 4,
            Self::TermStarted { .. } => 5,
            Self::LeaderFollowed { .. } => 6,
            Self::RivalLeader { .. } => 7,
            Self::VoteGranted { .. } => 8,
            Self::VoteDenied { .. } => 9,
            Self::PreVoteGranted { .. } => 10,
            Self::PreVoteDenied { .. } => 11,
            Self::PreVoteWon { .. } => 12,
            Self::PreVoteLost { .. } => 13,
            Self::ElectionLost { .. } => 14,
            Self::ElectionTimedOut { .. } => 15,
            Self::ElectionSkipped { .. } => 16,
            Self::QuorumLost { .. } => 17,
            Self::LeadershipExpired { .. } => 18,
            Self::PriorityDecayed { .. } => 19,
            Self::QuorumAdjusted => 20,
            Self::QuorumRestored => 21,
            Self::StarvedExit => 22,
            Self::Left => 23,
            Self::LogTruncated { .. } => 24,
            Self::Committed { .. } => 25,
            Self::Applied { .. } => 26,
            Self::ReadByIndex { .. } => 27,
            Self::ReadByLease { .. } => 28,
            Self::Executed { outcome: Outcome::Executed, .. } => 29,
            Self::Executed { outcome: Outcome::Repeated, .. } => 30,
            Self::Executed { outcome: Outcome::Refused, .. } => 31,
            Self::SnapshotTaken { .. } => 32,
            Self::SnapshotInstalled { .. } => 33,
            Self::SnapshotRestored { .. } => 34,
            Self::SnapshotResumed { .. } => 35,
            Self::LogCompacted { .. } => 36,
            Self::TransferStarted { .. } => 37,
            Self::TransferAborted { .. } => 38,
            Self::ConfigurationAppended { members } => 39 + members.is_joint() as usize,
            Self::ConfigurationEntered { .. } => 41,
            Self::ConfigurationReverted { .. } => 42,
            Self::ConfigurationCommitted { members, .. } => 43 + members.is_joint() as usize,
            Self::ChangeRefused { .. } => 45,
            Self::Promoted => 46,
            Self::Removed => 47,
        }
    }

    const fn change(&self) -> Change {
        match self {
            Self::BecameFollower { term } => Change::Role { role: "follower", rank: term.0 },
            Self::BecamePreCandidate { term } => Change::Role { role: "pre-candidate", rank: term.0 },
            Self::BecameCandidate { term } => Change::Role { role: "candidate", rank: term.0 },
            Self::LeaderElected { term, .. } => Change::Role { role: "leader", rank: term.0 },
            _ => Change::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_faces_agree() {
        let term = Term(7);
        let elected: RaftObservation = RaftObservation::LeaderElected { term, last: Position::ZERO };
        assert_eq!(elected.face().name, "leader elected");
        assert_eq!(elected.face().change, Change::Role { role: "leader", rank: 7 });
        let entry: Entry = Entry { term, command: super::super::message::Command::Noop };
        let applied: RaftObservation = RaftObservation::Applied { index: Index(1), entry };
        assert_eq!(applied.face().name, "applied");
        assert_eq!((applied.face().place, elected.face().place), (Some(1), None));
        let committed: RaftObservation = RaftObservation::Committed { index: Index(7), term };
        assert_eq!((committed.face().name, committed.face().place), ("committed", Some(7)));
        assert!(RaftObservation::<u64>::PLACED.iter().all(|name| RaftObservation::<u64>::NAMES.contains(name)));
        let refused: RaftObservation =
            RaftObservation::Executed { index: Index(1), outcome: Outcome::Refused, answer: Answer::Expired };
        assert_eq!(refused.face().name, "refused");
        let aborted: RaftObservation = RaftObservation::TransferAborted { target: NodeId::server(2) };
        assert_eq!(aborted.face().name, "transfer aborted");
        let voters = Members::of_voters([NodeId::server(1)].into_iter().collect());
        let joint = Members { outgoing: voters.voters, ..voters };
        let committed = |members| RaftObservation::<u64>::ConfigurationCommitted { index: Index(1), members };
        assert_eq!(committed(voters).face().name, "configuration committed");
        assert_eq!(committed(joint).face().name, "joint configuration committed");
        let removed: RaftObservation = RaftObservation::Removed;
        assert_eq!(removed.face().name, "removed");
        assert_eq!(RaftObservation::<u64>::NAMES.len(), removed.name_index() + 1);
    }
}

//! A server's state, and how to read it.
//!
//! What a white-box invariant asks for, and where it finds it:
//!
//! | question | answer |
//! | --- | --- |
//! | term, vote, durable flags in memory | [`Server::term`], [`Server::voted_for`], [`Server::hard_state`] |
//! | the same as its disk holds them | the view's disk: in [`STATE_FILE`] a [`Record::State`] |
//! | whether they differ, and by which write they will agree | [`Server::hard_write`] |
//! | role and its data | [`Server::role`], [`Server::is_leader`], [`Server::as_leader`] |
//! | whom it believes to lead | [`Server::leader`] |
//! | log, and how much of it is durable | [`Server::log`] |
//! | last snapshot | [`Server::snapshot`] |
//! | commit index, applied index | [`Server::commit`], [`Server::applied`] |
//! | votes of the present round | [`Server::tally`] |
//! | who voted for a leader | [`Leader::elected_by`] |
//! | a leader's view of a follower | [`Leader::progress`] |
//! | a leader's last contact with a quorum, on its own clock | [`Server::quorum_contact_at`] |
//! | a follower's last contact with a leader, on its own clock | [`Server::contact_at`] |
//! | when its election timer was last restarted, on its own clock | [`Server::timer_started_at`] |
//! | members, voters, priorities | [`Server::configuration`] |
//! | quorum sizes in force | [`Server::election_quorum`], [`Server::commit_quorum`] |
//! | options, the known bug among them | [`Server::options`] |
//!
//! [`STATE_FILE`]: super::durable::STATE_FILE
//! [`Record::State`]: super::durable::Record::State
//!
//! Reached from a view by `view.node(id).and_then(RaftNode::server)`.

use std::collections::VecDeque;
use std::sync::Arc;

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::WriteId;
use splitbrain_kernel::time::Instant;

use super::configuration::Configuration;
use super::durable::{HardState, Recovery, Unusable};
use super::election::Wait;
use super::ids::{Index, ServerSet, Term};
use super::kv;
use super::log::Log;
use super::membership::Memberships;
use super::message::Payload;
use super::options::{RaftOptions, VoteCounting};
use super::progress::Progress;
use super::read::LeaderReads;
use super::shared::Shared;
use super::snapshot::Snapshot;

/// A server: its role, and what it has in every role.
///
/// - The term never falls, and the vote changes only with it (but for the known bugs).
/// - No message leaves before the term that it speaks in is durable, no vote before it is durable, and no
///   acknowledgement before its entries are: `transport.rs` ties it to the write.
/// - `log.base() <= applied == commit <= log.last()` after each input.
/// - Only the `into_*` transitions write `role`.
#[derive(Clone, Debug)]
pub struct Server<C = u64> {
    pub(super) shared: Shared<C>,
    pub(super) role: Role,
    /// What the disk kept, or why it cannot be used, until the process starts.
    pub(super) recovery: Option<Box<Result<Recovery<C>, Unusable>>>,
}

/// What a server does at present, with what it needs for it.
#[derive(Clone, Debug)]
pub enum Role {
    /// It answers others.
    Follower(Follower),
    /// It asks whether it could win an election.
    PreCandidate(PreCandidate),
    /// It asks for votes.
    Candidate(Candidate),
    /// It leads.
    Leader(Leader),
}

/// The data of a follower.
#[derive(Clone, Copy, Debug, Default)]
pub struct Follower {
    /// Whom it follows.
    pub(super) leader: Option<NodeId>,
}

/// The data of a pre-candidate.
#[derive(Clone, Copy, Debug)]
pub struct PreCandidate {
    pub(super) tally: Votes,
    /// A quorum has granted: what is left is to campaign (NuRaft `done_`).
    pub(super) won: bool,
    /// Whom it still believes to lead: nobody, but for a known bug.
    pub(super) leader: Option<NodeId>,
}

/// The data of a candidate.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub(super) tally: Votes,
    /// Its own vote counts once it is durable.
    pub(super) own_vote_counted: bool,
}

/// The data of a leader.
#[derive(Clone, Debug)]
pub struct Leader {
    pub(super) elected_by: ServerSet,
    pub(super) elected_at: Instant,
    /// By number of the member, from 1. The leader's own place stays as it is made.
    pub(super) progress: Vec<Progress>,
    /// Who answered in the present window of check_quorum.timeout.
    pub(super) active: ServerSet,
    /// The voter that it hands its leadership over to: until that leads, or the time for it is over, it takes no
    /// proposals.
    pub(super) successor: Option<NodeId>,
    /// Another server was told to campaign in this term, and may do so at any time: it can hold no lease any more.
    pub(super) lease_given_up: bool,
    /// Proposals that wait to be committed, in order of place.
    pub(super) pending: VecDeque<Pending>,
    /// Reads beside the log.
    pub(super) reads: LeaderReads,
}

/// A proposal that waits to be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Where it is in the log.
    pub(super) index: Index,
    /// Who asked.
    pub(super) client: NodeId,
    /// The client's name for it.
    pub(super) operation: OperationId,
}

/// The votes of one round. Keeps both the sets and the counts, because implementations differ in which they use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Votes {
    /// Who granted.
    pub granted: ServerSet,
    /// Who refused.
    pub denied: ServerSet,
    /// How many grants came, repeated ones included.
    pub grants: u32,
    /// How many refusals came, repeated ones included.
    pub denials: u32,
    /// How many said that the candidate is no member, repeated ones included.
    pub abandonments: u32,
}

impl Role {
    /// The name that observations use.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Follower(_) => "follower",
            Self::PreCandidate(_) => "pre-candidate",
            Self::Candidate(_) => "candidate",
            Self::Leader(_) => "leader",
        }
    }

    /// Whom a server of this name believes to lead.
    #[inline]
    pub(super) const fn leader(&self, own: NodeId) -> Option<NodeId> {
        match self {
            Self::Follower(follower) => follower.leader,
            Self::PreCandidate(candidate) => candidate.leader,
            Self::Candidate(_) => None,
            Self::Leader(_) => Some(own),
        }
    }

    /// The data of the leader, if it is one.
    #[inline]
    pub(super) const fn as_leader_mut(&mut self) -> Option<&mut Leader> {
        match self {
            Self::Leader(leader) => Some(leader),
            Self::Follower(_) | Self::PreCandidate(_) | Self::Candidate(_) => None,
        }
    }

    /// What its election timer waits for. That of a leader is off.
    #[inline]
    pub(super) const fn wait(&self) -> Wait {
        match self {
            Self::Follower(_) | Self::Leader(_) => Wait::Leader,
            Self::PreCandidate(_) | Self::Candidate(_) => Wait::Round,
        }
    }
}

impl Leader {
    /// Who voted for it, itself included. Fewer than a quorum only through a known bug or an adjusted quorum.
    pub const fn elected_by(&self) -> ServerSet {
        self.elected_by
    }

    /// When it was elected, on its own clock.
    pub const fn elected_at(&self) -> Instant {
        self.elected_at
    }

    /// How far this member is; nothing for the leader itself and for who is no member.
    #[inline]
    pub fn progress(&self, member: NodeId) -> Option<&Progress> {
        self.progress.get(usize::from(member.number()) - 1)
    }

    #[inline]
    pub(super) fn progress_mut(&mut self, member: NodeId) -> Option<&mut Progress> {
        self.progress.get_mut(usize::from(member.number()) - 1)
    }
}

impl Votes {
    /// Counts a grant.
    pub(super) const fn grant(&mut self, voter: NodeId) {
        self.granted.insert(voter);
        self.grants += 1;
    }

    /// Counts a refusal.
    pub(super) const fn deny(&mut self, voter: NodeId) {
        self.denied.insert(voter);
        self.denials += 1;
    }

    /// How many votes that makes.
    pub const fn granted_count(&self, counting: VoteCounting) -> usize {
        match counting {
            VoteCounting::Set => self.granted.len(),
            VoteCounting::Counter => self.grants as usize,
        }
    }

    /// How many refusals that makes.
    pub const fn denied_count(&self, counting: VoteCounting) -> usize {
        match counting {
            VoteCounting::Set => self.denied.len(),
            VoteCounting::Counter => self.denials as usize,
        }
    }
}

impl<C: Payload> Server<C> {
    /// Its name.
    #[inline]
    pub const fn id(&self) -> NodeId {
        self.shared.id
    }

    /// Its options.
    #[inline]
    pub fn options(&self) -> &RaftOptions {
        &self.shared.options
    }

    /// The configuration that it goes by.
    #[inline]
    pub fn configuration(&self) -> &Configuration {
        &self.shared.configuration
    }

    /// The configurations that its log has.
    #[inline]
    pub const fn memberships(&self) -> &Memberships {
        &self.shared.memberships
    }

    /// Its term.
    #[inline]
    pub const fn term(&self) -> Term {
        self.shared.hard.term
    }

    /// Whom its vote of this term went to.
    #[inline]
    pub const fn voted_for(&self) -> Option<NodeId> {
        self.shared.hard.voted_for
    }

    /// What it means to survive a crash.
    #[inline]
    pub const fn hard_state(&self) -> &HardState {
        &self.shared.hard
    }

    /// The write that carries [`Server::hard_state`], until it is durable; nothing where it is.
    #[inline]
    pub const fn hard_write(&self) -> Option<WriteId> {
        self.shared.hard_write
    }

    /// Its role.
    #[inline]
    pub const fn role(&self) -> &Role {
        &self.role
    }

    /// Whether it leads.
    #[inline]
    pub const fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// The data of the leader, where it is one.
    #[inline]
    pub const fn as_leader(&self) -> Option<&Leader> {
        match &self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => None,
        }
    }

    /// Whom it believes to lead.
    #[inline]
    pub const fn leader(&self) -> Option<NodeId> {
        self.role.leader(self.shared.id)
    }

    /// Its log.
    #[inline]
    pub const fn log(&self) -> &Log<C> {
        &self.shared.log
    }

    /// What it knows to be committed.
    #[inline]
    pub const fn commit(&self) -> Index {
        self.shared.commit
    }

    /// What it has applied.
    #[inline]
    pub const fn applied(&self) -> Index {
        self.shared.applied
    }

    /// Its key-value store: what the commands that it has applied have made of it.
    #[inline]
    pub const fn store(&self) -> &kv::Store {
        self.shared.kv.store()
    }

    /// Its last snapshot that is durable.
    #[inline]
    pub fn snapshot(&self) -> Option<&Snapshot<C>> {
        self.shared.snapshots.latest.as_deref()
    }

    /// The votes of the present round, of a candidate or a pre-candidate.
    pub const fn tally(&self) -> Option<&Votes> {
        match &self.role {
            Role::PreCandidate(candidate) => Some(&candidate.tally),
            Role::Candidate(candidate) => Some(&candidate.tally),
            Role::Follower(_) | Role::Leader(_) => None,
        }
    }

    /// When it last heard from a leader that it followed, on its own clock; nothing since its start.
    #[inline]
    pub const fn contact_at(&self) -> Option<Instant> {
        self.shared.clock.contact_at
    }

    /// When its election timer was last restarted, on its own clock.
    #[inline]
    pub const fn timer_started_at(&self) -> Instant {
        self.shared.clock.started_at
    }

    /// Whether an append has come since its last election timeout (NuRaft `hb_alive_`).
    #[inline]
    pub const fn heartbeat_seen(&self) -> bool {
        self.shared.clock.heartbeat_seen
    }

    /// The priority that it takes a candidate to need.
    #[inline]
    pub const fn target_priority(&self) -> u64 {
        self.shared.priority.target
    }

    /// Whether it votes and counts.
    #[inline]
    pub fn is_voter(&self) -> bool {
        self.shared.is_voter()
    }

    /// Whether one of two servers takes itself for a quorum.
    #[inline]
    pub const fn quorum_adjusted(&self) -> bool {
        self.shared.isolation.quorum_adjusted
    }

    /// How many votes of the voters win an election, its own included.
    pub fn election_quorum(&self) -> usize {
        self.shared.election_quorum()
    }

    /// How many copies of the voters commit an entry, the leader's own included.
    pub fn commit_quorum(&self) -> usize {
        self.shared.quorum(self.shared.options.quorum.commit, self.shared.configuration.voters())
    }

    /// For a leader: the last instant, on its own clock, at which it knew of contact with a commit quorum of the
    /// voters. Its own election counts as contact with all; where it is a quorum by itself, the contact never ends.
    pub fn quorum_contact_at(&self) -> Option<Instant> {
        let leader = self.as_leader()?;
        self.shared.halves().map(|half| leader.contact_with(&self.shared, half)).min()
    }
}

impl<C: Payload> Server<C> {
    /// A fresh process, before it has read its disk.
    pub(super) fn new(
        id: NodeId,
        options: Arc<RaftOptions>,
        configuration: Arc<Configuration>,
        recovery: Result<Recovery<C>, Unusable>,
    ) -> Self {
        Self {
            shared: Shared::new(id, options, configuration),
            role: Role::Follower(Follower::default()),
            recovery: Some(Box::new(recovery)),
        }
    }
}

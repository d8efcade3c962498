//! Changes of the membership (§6; thesis chapter 4).
//!
//! A configuration is an entry of the log. It takes effect when it is appended (the paper, hashicorp), and is taken
//! back where the log is truncated; or when it is committed (etcd, NuRaft).
//!
//! ```text
//!   leader                                          followers
//!     │ asked for a change: none is pending, and it     │
//!     │ has committed an entry of its own term           │
//!     │ ── append: configuration ─────────────────────▶ │ entered, if membership.configuration_at = "append"
//!     │ ◀─────────────────────────────────── accepted ──│
//!     │ committed                                        │
//!     │ ── append, commit ────────────────────────────▶ │ committed: entered, if that is "commit"
//!     │ it is joint: leaves it · it is no voter: steps down
//! ```
//!
//! One change at a time keeps the quorums of two configurations that follow one another in touch, if they differ by one
//! voter. That alone is not enough: a leader that has committed nothing of its own term may not know that another one
//! has changed the configuration since, so it changes nothing before (the mend of 2015 for the bug in the thesis).
//!
//! A server that its own last configuration does not name may still be needed for it to be committed, so it campaigns
//! until then, without counting itself (thesis §4.2.2).

mod change;
mod history;

use std::sync::Arc;

use splitbrain_kernel::id::NodeId;

use super::bug::Bug;
use super::configuration::Members;
use super::ids::{Index, ServerSet};
use super::message::{Command, Entry, Payload};
use super::node::RaftContext;
use super::observation::{ChangeRefusal, RaftObservation, StepDownReason};
use super::options::{ConfigurationAt, JointLeave};
use super::progress::{Progress, ProgressState};
use super::roles::{LEADS_ON, Tenure};
use super::shared::Shared;
use super::state::{Leader, Role, Server};

pub use change::{Change, Parts};
pub use history::Memberships;

impl<C: Payload> Server<C> {
    /// A scenario orders a change.
    pub(super) fn on_change(&mut self, ctx: &mut RaftContext<C>, change: Change) {
        match &mut self.role {
            Role::Leader(leader) => {
                let tenure = leader.on_change(&mut self.shared, ctx, change);
                self.conclude_tenure(ctx, tenure);
            }
            Role::Follower(_) | Role::PreCandidate(_) | Role::Candidate(_) => {
                ctx.observe(RaftObservation::ChangeRefused { reason: ChangeRefusal::NotLeader });
            }
        }
    }

    /// A scenario orders some change: one is drawn of those that make sense. In each role, as the draws of the node go
    /// on from there.
    pub(super) fn on_any_change(&mut self, ctx: &mut RaftContext<C>) {
        match self.shared.draw_change(ctx) {
            Some(change) => self.on_change(ctx, change),
            None => ctx.observe(RaftObservation::ChangeRefused { reason: ChangeRefusal::NotLeader }),
        }
    }
}

// ---- The leader ----

impl Leader {
    fn on_change<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>, change: Change) -> Tenure {
        self.change_members(shared, ctx, change).unwrap_or_else(|reason| {
            ctx.observe(RaftObservation::ChangeRefused { reason });
            LEADS_ON
        })
    }

    /// Appends the configuration that this change makes of the last one.
    fn change_members<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        change: Change,
    ) -> Result<Tenure, ChangeRefusal> {
        self.may_change(shared)?;
        let (_, last) = shared.memberships.last();
        let members = change.of(last)?;
        for learner in members.voters.intersection(last.learners).iter() {
            self.has_caught_up(shared, ctx, learner)?;
        }
        Ok(self.append_members(shared, ctx, members))
    }

    /// Whether it may append a configuration.
    fn may_change<C: Payload>(&self, shared: &Shared<C>) -> Result<(), ChangeRefusal> {
        if self.is_transferring() {
            return Err(ChangeRefusal::Transferring);
        }
        if shared.memberships.is_pending(shared.commit) && !shared.has_bug(Bug::SecondChangeWhilePending) {
            return Err(ChangeRefusal::Pending);
        }
        if !shared.has_committed_in_term() && !shared.has_bug(Bug::ChangeBeforeOwnCommit) {
            return Err(ChangeRefusal::NothingCommitted);
        }
        Ok(())
    }

    /// A learner has caught up if it lacks few entries and has answered of late: it can then count without a gap in
    /// which nothing is committed (thesis §4.2.1).
    fn has_caught_up<C: Payload>(
        &self,
        shared: &Shared<C>,
        ctx: &RaftContext<C>,
        learner: NodeId,
    ) -> Result<(), ChangeRefusal> {
        let (gap, patience) = (shared.options.membership.promotion_gap, shared.options.timing.election_timeout_max);
        let lacks_little = |progress: &Progress| progress.matched.0.saturating_add(gap) >= shared.log.last_index().0;
        let is_heard = |progress: &Progress| ctx.now().since(progress.contact_at) <= patience;
        let follows = |progress: &Progress| progress.state == ProgressState::Replicate;
        let is_close = |progress: &Progress| follows(progress) && lacks_little(progress) && is_heard(progress);
        let has = self.progress(learner).is_some_and(is_close);
        if has || shared.has_bug(Bug::PromotedBeforeCaughtUp) { Ok(()) } else { Err(ChangeRefusal::Behind) }
    }

    fn append_members<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        members: Members,
    ) -> Tenure {
        let before = shared.configuration.members();
        ctx.observe(RaftObservation::ConfigurationAppended { members });
        self.append(shared, ctx, Command::Members(Arc::new(members)));
        self.broadcast_fresh(shared, ctx);
        self.greet_and_part(shared, ctx, before);
        if shared.has_bug(Bug::RemovedLeaderLeavesEarly) && !members.electors().contains(shared.id) {
            return Tenure::Break(StepDownReason::Removed);
        }
        // A smaller quorum may have more already.
        self.advance_commit(shared, ctx)
    }

    /// Members that were none before are sent their first append at once, and those that are none any more their last:
    /// it may tell them so (hashicorp).
    fn greet_and_part<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>, before: ServerSet) {
        let members = shared.configuration.members();
        for peer in members.minus(before).union(before.minus(members)).without(shared.id).iter() {
            self.send_append(shared, ctx, peer);
        }
    }

    /// It has committed something, and there is a configuration to look at: that was committed with it, or that is
    /// joint.
    #[inline(never)]
    pub(super) fn review_members<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        known: ServerSet,
    ) -> Tenure {
        self.greet_and_part(shared, ctx, known);
        let (index, members) = shared.memberships.last();
        if index > shared.commit {
            return self.leave_twice(shared, ctx);
        }
        if members.is_joint() {
            self.leave_joint(shared, ctx)
        } else if !members.voters.contains(shared.id) {
            self.retire(shared, ctx)
        } else {
            // Fewer voters may be needed than before, and have more.
            self.advance_commit(shared, ctx)?;
            self.conclude_rounds(shared, ctx);
            LEADS_ON
        }
    }

    fn leave_joint<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        let is_automatic = shared.options.membership.joint_leave == JointLeave::Automatic;
        if is_automatic && self.may_change(shared).is_ok() {
            // Only a joint configuration is left here, so there is nothing else to refuse.
            self.change_members(shared, ctx, Change::LeaveJoint).unwrap_or(LEADS_ON)
        } else {
            LEADS_ON
        }
    }

    /// It may change the membership again: a joint configuration that was committed meanwhile is left.
    pub(super) fn leave_committed_joint<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
    ) -> Tenure {
        let (index, members) = shared.memberships.last();
        let is_committed = index <= shared.commit;
        if is_committed && members.is_joint() { self.leave_joint(shared, ctx) } else { LEADS_ON }
    }

    /// A known bug: a new leader leaves the joint configuration that it finds in its log, committed or not.
    pub(super) fn leave_recovered<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        if !shared.has_bug(Bug::JointLeftBeforeCommit) {
            return LEADS_ON;
        }
        let (_, members) = shared.memberships.last();
        self.append_end_of(shared, ctx, members)
    }

    /// A known bug: a joint configuration is left once more while its end is not committed.
    fn leave_twice<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        if !shared.has_bug(Bug::JointLeftTwice) {
            return LEADS_ON;
        }
        let members = *shared.configuration.parts();
        self.append_end_of(shared, ctx, members)
    }

    /// Appends what comes after these members, if they are joint, and asks nothing before.
    fn append_end_of<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        members: Members,
    ) -> Tenure {
        match Change::LeaveJoint.of(members) {
            Ok(left) => self.append_members(shared, ctx, left),
            Err(_) => LEADS_ON,
        }
    }

    /// It has committed a configuration in which it does not vote: its work is done (§6). The followers hear of the
    /// commit first.
    fn retire<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>) -> Tenure {
        if shared.has_bug(Bug::RemovedLeaderStays) {
            return LEADS_ON;
        }
        self.broadcast(shared, ctx);
        Tenure::Break(StepDownReason::Removed)
    }

    /// Of members that were none before a leader knows nothing: they may have lost what they had when they last were.
    fn meet_newcomers<C: Payload>(&mut self, shared: &Shared<C>, ctx: &RaftContext<C>, newcomers: ServerSet) {
        let fresh = Progress::new(shared.log.last_index().next(), ctx.now());
        let keeps = shared.has_bug(Bug::RejoinedKeepsMatch);
        for newcomer in newcomers.iter() {
            self.active.insert(newcomer);
            if let Some(progress) = self.progress_mut(newcomer).filter(|_| !keeps) {
                *progress = fresh.clone();
            }
        }
    }
}

// ---- Every server ----

impl<C: Payload> Shared<C> {
    /// A change that makes sense at present, with servers that are there.
    fn draw_change(&self, ctx: &mut RaftContext<C>) -> Option<Change> {
        let (_, members) = self.memberships.last();
        let count = u64::try_from(self.configuration.table_len()).ok()?;
        let number = u16::try_from(ctx.rng().below(count) + 1).ok()?;
        let server = NodeId::new(self.id.kind(), number);
        let draw = ctx.rng().below(4);
        let one: ServerSet = std::iter::once(server).collect();
        Some(match (members.voters.contains(server), members.learners.contains(server), draw) {
            (true, _, 0 | 1) => Change::Remove(server),
            (true, _, 2) => Change::Joint(Parts { learners: one, ..Parts::default() }),
            (true, ..) => Change::Joint(Parts { removed: one, voters: members.learners, ..Parts::default() }),
            (_, true, 0) => Change::Remove(server),
            (_, true, _) => Change::Promote(server),
            (_, _, 0) => Change::AddVoter(server),
            (_, _, 1) => Change::Joint(Parts { voters: one, ..Parts::default() }),
            _ => Change::AddLearner(server),
        })
    }

    /// Entries were added to the log from this place on.
    #[inline]
    pub(super) fn note_members(
        &mut self,
        ctx: &mut RaftContext<C>,
        first: Index,
        entries: &[Entry<C>],
        mut leader: Option<&mut Leader>,
    ) {
        let mut index = first;
        for entry in entries {
            if let Command::Members(members) = &entry.command {
                self.memberships.append(index, **members);
                self.review_configuration(ctx, leader.as_deref_mut());
            }
            index = index.next();
        }
    }

    /// The log has no entries from this place on any more: a configuration that was among them is taken back.
    #[inline]
    pub(super) fn forget_members(&mut self, ctx: &mut RaftContext<C>, from: Index) {
        if self.memberships.last_index() < from {
            return;
        }
        if self.memberships.truncate_from(from) && !self.has_bug(Bug::TruncatedConfigurationKept) {
            let (index, members) = self.memberships.last();
            ctx.observe(RaftObservation::ConfigurationReverted { index, members });
            self.review_configuration(ctx, None);
        }
    }

    /// What the log has from its base on, at the start.
    pub(super) fn recover_members(&mut self, ctx: &mut RaftContext<C>) {
        if self.has_bug(Bug::ConfigurationLostOnRestart) {
            return;
        }
        let behind = self.memberships.last_index();
        let found: Vec<(Index, Members)> = self
            .log
            .between(behind, self.log.last_index())
            .filter_map(|(index, entry)| match &entry.command {
                Command::Members(members) => Some((index, **members)),
                _ => None,
            })
            .collect();
        for (index, members) in found {
            self.memberships.append(index, members);
        }
        self.review_configuration(ctx, None);
    }

    /// A snapshot has taken the place of the log.
    pub(super) fn install_members(
        &mut self,
        ctx: &mut RaftContext<C>,
        carried: Option<(Index, Members)>,
        leader: Option<&mut Leader>,
    ) {
        self.memberships.restart_with(carried);
        self.review_configuration(ctx, leader);
    }

    /// It has committed more, among it a configuration.
    #[inline(never)]
    pub(super) fn on_members_committed(&mut self, ctx: &mut RaftContext<C>, after: Index, leader: Option<&mut Leader>) {
        for (index, members) in self.memberships.between(after, self.commit) {
            ctx.observe(RaftObservation::ConfigurationCommitted { index, members });
            if !members.all().contains(self.id) {
                ctx.observe(RaftObservation::Removed);
            }
        }
        self.review_configuration(ctx, leader);
    }

    /// Goes by the configuration that is in force now.
    fn review_configuration(&mut self, ctx: &mut RaftContext<C>, leader: Option<&mut Leader>) {
        let (index, members) = self.members_in_force(leader.as_deref());
        if members != *self.configuration.parts() {
            self.enter_configuration(ctx, index, members, leader);
        }
    }

    fn members_in_force(&self, leader: Option<&Leader>) -> (Index, Members) {
        let waits = leader.is_some() && self.has_bug(Bug::LeaderConfiguresAtCommit);
        match self.options.membership.configuration_at {
            ConfigurationAt::Append if !waits => self.memberships.last(),
            ConfigurationAt::Append | ConfigurationAt::Commit => self.memberships.committed(self.commit),
        }
    }

    fn enter_configuration(
        &mut self,
        ctx: &mut RaftContext<C>,
        index: Index,
        members: Members,
        leader: Option<&mut Leader>,
    ) {
        let before = *self.configuration.parts();
        self.configuration = Arc::new(self.configuration.with(members));
        ctx.observe(RaftObservation::ConfigurationEntered { index, members });
        if members.voters.contains(self.id) && before.learners.contains(self.id) {
            ctx.observe(RaftObservation::Promoted);
        }
        if let Some(leader) = leader {
            leader.meet_newcomers(self, ctx, members.all().minus(before.all()));
        }
        for gone in before.all().minus(members.all()).iter() {
            self.snapshots.done_with(gone);
        }
    }

    /// Whether it may campaign, by its place in the configuration: as a voter, or as one that was a voter until a
    /// change that is not known to be committed.
    pub(super) fn may_stand(&self) -> bool {
        self.is_voter() || {
            let (_, committed) = self.memberships.committed(self.commit);
            committed.electors().contains(self.id) || self.has_bug(Bug::RemovedCampaigns)
        }
    }
}

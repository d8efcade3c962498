//! Changes of the membership (§6; thesis chapter 4).
//!
//! A configuration is an entry of the log. It takes effect when it is appended (the paper, hashicorp), and is taken
//! back where the log is truncated; or when it is committed (etcd, NuRaft).
//!
//! ```text
//!   leader                                          followers
//!     │ asked for a change: none is pending, and it     │
//!     │ has committed an entry of its own term           │
//!     │ ── append: configuration ─────────────────────▶ │ entered          configuration_at = "append"
//!     │ ◀─────────────────────────────────── accepted ──│
//!     │ committed                                        │
//!     │ ── append, commit ────────────────────────────▶ │ committed        configuration_at = "commit": entered
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

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;

use super::bug::Bug;
use super::configuration::Members;
use super::ids::{Index, ServerSet};
use super::message::{Command, Entry, Payload};
use super::node::RaftNode;
use super::observation::{ChangeRefusal, RaftObservation, StepDownReason};
use super::options::{ConfigurationAt, JointLeave};
use super::progress::{Progress, ProgressState};
use super::state::{Role, Server};

pub use change::{Change, Parts};
pub use history::Memberships;

// ---- The leader ----

impl<C: Payload> Server<C> {
    /// A scenario orders a change.
    pub(super) fn on_change(&mut self, ctx: &mut Context<RaftNode<C>>, change: Change) {
        if let Err(reason) = self.change_members(ctx, change) {
            ctx.observe(RaftObservation::ChangeRefused { reason });
        }
    }

    /// A scenario orders some change: one is drawn of those that make sense.
    pub(super) fn on_any_change(&mut self, ctx: &mut Context<RaftNode<C>>) {
        match self.draw_change(ctx) {
            Some(change) if self.is_leader() => self.on_change(ctx, change),
            _ => ctx.observe(RaftObservation::ChangeRefused { reason: ChangeRefusal::NotLeader }),
        }
    }

    /// Appends the configuration that this change makes of the last one.
    fn change_members(&mut self, ctx: &mut Context<RaftNode<C>>, change: Change) -> Result<Index, ChangeRefusal> {
        self.may_change()?;
        let (_, last) = self.memberships.last();
        let members = change.of(last)?;
        for learner in members.voters.intersection(last.learners).iter() {
            self.has_caught_up(ctx, learner)?;
        }
        Ok(self.append_members(ctx, members))
    }

    /// Whether it may append a configuration.
    fn may_change(&self) -> Result<(), ChangeRefusal> {
        if !self.is_leader() {
            return Err(ChangeRefusal::NotLeader);
        }
        if self.is_transferring() {
            return Err(ChangeRefusal::Transferring);
        }
        if self.memberships.is_pending(self.commit) && !self.has_bug(Bug::SecondChangeWhilePending) {
            return Err(ChangeRefusal::Pending);
        }
        if !self.has_committed_in_term() && !self.has_bug(Bug::ChangeBeforeOwnCommit) {
            return Err(ChangeRefusal::NothingCommitted);
        }
        Ok(())
    }

    /// A learner has caught up if it lacks few entries and has answered of late: it can then count without a gap in
    /// which nothing is committed (thesis §4.2.1).
    fn has_caught_up(&self, ctx: &Context<RaftNode<C>>, learner: NodeId) -> Result<(), ChangeRefusal> {
        let progress = self.as_leader().and_then(|leader| leader.progress(learner));
        let gap = self.options.promotion_gap;
        let lacks_little = |progress: &Progress| progress.matched.0.saturating_add(gap) >= self.log.last_index().0;
        let is_heard = |progress: &Progress| ctx.now().since(progress.contact_at) <= self.options.election_timeout_max;
        let follows = |progress: &Progress| progress.state == ProgressState::Replicate;
        let has = progress.is_some_and(|progress| follows(progress) && lacks_little(progress) && is_heard(progress));
        if has || self.has_bug(Bug::PromotedBeforeCaughtUp) { Ok(()) } else { Err(ChangeRefusal::Behind) }
    }

    fn append_members(&mut self, ctx: &mut Context<RaftNode<C>>, members: Members) -> Index {
        let before = self.configuration.members();
        ctx.observe(RaftObservation::ConfigurationAppended { members });
        let index = self.append_as_leader(ctx, Command::Members(Arc::new(members)));
        self.broadcast_fresh(ctx);
        self.greet_and_part(ctx, before);
        if self.has_bug(Bug::RemovedLeaderLeavesEarly) && !members.electors().contains(self.id) {
            self.step_down(ctx, StepDownReason::Removed);
        }
        // A smaller quorum may have more already.
        self.advance_commit(ctx);
        index
    }

    /// Members that were none before are sent their first append at once, and those that are none any more their last:
    /// it may tell them so (hashicorp).
    fn greet_and_part(&mut self, ctx: &mut Context<RaftNode<C>>, before: ServerSet) {
        let members = self.configuration.members();
        for peer in members.minus(before).union(before.minus(members)).without(self.id).iter() {
            self.send_append(ctx, peer);
        }
    }

    /// As a leader, it has committed something, and there is a configuration to look at: that was committed with it, or
    /// that is joint.
    #[inline(never)]
    pub(super) fn review_as_leader(&mut self, ctx: &mut Context<RaftNode<C>>, known: ServerSet) {
        self.greet_and_part(ctx, known);
        let (index, members) = self.memberships.last();
        if index > self.commit || !self.is_leader() {
            return self.leave_twice(ctx);
        }
        if members.is_joint() {
            self.leave_joint(ctx);
        } else if !members.voters.contains(self.id) {
            self.retire(ctx);
        } else {
            // Fewer voters may be needed than before, and have more.
            self.advance_commit(ctx);
            self.conclude_rounds(ctx);
        }
    }

    fn leave_joint(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let is_automatic = self.options.joint_leave == JointLeave::Automatic;
        if is_automatic && self.may_change().is_ok() {
            // Only a joint configuration is left here, so there is nothing else to refuse.
            let _ = self.change_members(ctx, Change::LeaveJoint);
        }
    }

    /// It may change the membership again: a joint configuration that was committed meanwhile is left.
    pub(super) fn leave_committed_joint(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let (index, members) = self.memberships.last();
        if index <= self.commit && members.is_joint() {
            self.leave_joint(ctx);
        }
    }

    /// A known bug: a new leader leaves the joint configuration that it finds in its log, committed or not.
    pub(super) fn leave_recovered(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if self.has_bug(Bug::JointLeftBeforeCommit) {
            self.append_end_of(ctx, self.memberships.last().1);
        }
    }

    /// A known bug: a joint configuration is left once more while its end is not committed.
    fn leave_twice(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if self.has_bug(Bug::JointLeftTwice) && self.is_leader() {
            self.append_end_of(ctx, *self.configuration.parts());
        }
    }

    /// Appends what comes after these members, if they are joint, and asks nothing before.
    fn append_end_of(&mut self, ctx: &mut Context<RaftNode<C>>, members: Members) {
        if let Ok(left) = Change::LeaveJoint.of(members) {
            self.append_members(ctx, left);
        }
    }

    /// It has committed a configuration in which it does not vote: its work is done (§6). The followers hear of the
    /// commit first.
    fn retire(&mut self, ctx: &mut Context<RaftNode<C>>) {
        if self.has_bug(Bug::RemovedLeaderStays) {
            return;
        }
        self.broadcast(ctx);
        self.step_down(ctx, StepDownReason::Removed);
    }

    /// A change that makes sense at present, with servers that are there.
    fn draw_change(&self, ctx: &mut Context<RaftNode<C>>) -> Option<Change> {
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
}

// ---- Every server ----

impl<C: Payload> Server<C> {
    /// Entries were added to the log from this place on.
    #[inline]
    pub(super) fn note_members(&mut self, ctx: &mut Context<RaftNode<C>>, first: Index, entries: &[Entry<C>]) {
        let mut index = first;
        for entry in entries {
            if let Command::Members(members) = &entry.command {
                self.memberships.append(index, **members);
                self.review_configuration(ctx);
            }
            index = index.next();
        }
    }

    /// The log has no entries from this place on any more: a configuration that was among them is taken back.
    #[inline]
    pub(super) fn forget_members(&mut self, ctx: &mut Context<RaftNode<C>>, from: Index) {
        if self.memberships.last_index() < from {
            return;
        }
        if self.memberships.truncate_from(from) && !self.has_bug(Bug::TruncatedConfigurationKept) {
            let (index, members) = self.memberships.last();
            ctx.observe(RaftObservation::ConfigurationReverted { index, members });
            self.review_configuration(ctx);
        }
    }

    /// What the log has from its base on, at the start.
    pub(super) fn recover_members(&mut self, ctx: &mut Context<RaftNode<C>>) {
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
        self.review_configuration(ctx);
    }

    /// A snapshot has taken the place of the log.
    pub(super) fn install_members(&mut self, ctx: &mut Context<RaftNode<C>>, carried: Option<(Index, Members)>) {
        self.memberships.restart_with(carried);
        self.review_configuration(ctx);
    }

    /// It has committed more, among it a configuration.
    #[inline(never)]
    pub(super) fn on_members_committed(&mut self, ctx: &mut Context<RaftNode<C>>, after: Index) {
        for (index, members) in self.memberships.between(after, self.commit) {
            ctx.observe(RaftObservation::ConfigurationCommitted { index, members });
            if !members.all().contains(self.id) {
                ctx.observe(RaftObservation::Removed);
            }
        }
        self.review_configuration(ctx);
    }

    /// Goes by the configuration that is in force now.
    fn review_configuration(&mut self, ctx: &mut Context<RaftNode<C>>) {
        let (index, members) = self.members_in_force();
        if members != *self.configuration.parts() {
            self.enter_configuration(ctx, index, members);
        }
    }

    fn members_in_force(&self) -> (Index, Members) {
        let waits = self.is_leader() && self.has_bug(Bug::LeaderConfiguresAtCommit);
        match self.options.configuration_at {
            ConfigurationAt::Append if !waits => self.memberships.last(),
            ConfigurationAt::Append | ConfigurationAt::Commit => self.memberships.committed(self.commit),
        }
    }

    fn enter_configuration(&mut self, ctx: &mut Context<RaftNode<C>>, index: Index, members: Members) {
        let before = *self.configuration.parts();
        self.configuration = Arc::new(self.configuration.with(members));
        ctx.observe(RaftObservation::ConfigurationEntered { index, members });
        if members.voters.contains(self.id) && before.learners.contains(self.id) {
            ctx.observe(RaftObservation::Promoted);
        }
        self.meet_newcomers(ctx, members.all().minus(before.all()));
        for gone in before.all().minus(members.all()).iter() {
            self.snapshots.done_with(gone);
        }
    }

    /// Of members that were none before a leader knows nothing: they may have lost what they had when they last were.
    fn meet_newcomers(&mut self, ctx: &Context<RaftNode<C>>, newcomers: ServerSet) {
        let fresh = Progress::new(self.log.last_index().next(), ctx.now());
        let keeps = self.has_bug(Bug::RejoinedKeepsMatch);
        let Role::Leader(leader) = &mut self.role else { return };
        for newcomer in newcomers.iter() {
            leader.active.insert(newcomer);
            if let Some(progress) = leader.progress_mut(newcomer).filter(|_| !keeps) {
                *progress = fresh.clone();
            }
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

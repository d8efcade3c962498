//! What is observed of a server: what has changed in the library since the last look.

use raft::{RawNode, StateRole};
use splitbrain::kernel::prelude::Context;

use super::server::{Process, Server};
use super::store::Store;
use super::wire::Observed;
use crate::servers::{id_of, node_of};

/// The parts of the library's state whose changes are observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) role: StateRole,
    pub(super) term: u64,
    pub(super) leader: u64,
    pub(super) vote: u64,
    pub(super) transferee: Option<u64>,
}

impl Seen {
    pub(super) fn of(raw: &RawNode<Store>) -> Self {
        let raft = &raw.raft;
        let (role, term, leader, vote) = (raft.state, raft.term, raft.leader_id, raft.vote);
        Self { role, term, leader, vote, transferee: raft.lead_transferee }
    }
}

impl Server {
    /// Observes what has changed since the last time, before anything is sent because of it.
    pub(super) fn observe_changes(&mut self, ctx: &mut Context<Process>) {
        let now = Seen::of(&self.raw);
        let before = std::mem::replace(&mut self.seen, now);
        if before == now {
            return;
        }
        let Seen { role, term, leader, vote, transferee } = now;
        let own = id_of(self.id);
        let is_new = (before.role, before.term) != (role, term);
        if before.role == StateRole::Leader && is_new {
            self.proposals.clear();
            ctx.observe(Observed::SteppedDown { term: before.term });
        }
        if before.role == StateRole::PreCandidate && role == StateRole::Candidate {
            // Nothing else leads there: the library ignores `MsgTimeoutNow` in this role.
            ctx.observe(Observed::PreVoteWon { term: before.term });
        }
        if before.term != term {
            ctx.observe(Observed::TermStarted { term });
        }
        if (before.term, before.vote) != (term, vote) && vote != 0 && vote != own {
            ctx.observe(Observed::VoteGranted { term, candidate: node_of(vote) });
        }
        match role {
            _ if !is_new => {}
            StateRole::PreCandidate => ctx.observe(Observed::BecamePreCandidate { term }),
            StateRole::Candidate => ctx.observe(Observed::BecameCandidate { term }),
            StateRole::Leader => {
                if (before.role, before.term) != (StateRole::Candidate, term) {
                    // The only voter elects itself within one call.
                    ctx.observe(Observed::BecameCandidate { term });
                }
                ctx.observe(Observed::LeaderElected { term, last: self.last_before(term) });
            }
            StateRole::Follower if matches!(before.role, StateRole::PreCandidate | StateRole::Candidate) => {
                ctx.observe(Observed::BecameFollower { term });
            }
            StateRole::Follower => {}
        }
        if leader != 0 && leader != own && (before.term, before.leader) != (term, leader) {
            ctx.observe(Observed::LeaderFollowed { term, leader: node_of(leader) });
        }
        match (before.transferee, transferee) {
            (None, Some(to)) => ctx.observe(Observed::TransferStarted { to: node_of(to) }),
            (Some(_), None) if role == StateRole::Leader => ctx.observe(Observed::TransferAborted),
            _ => {}
        }
    }

    /// Observes what a leader has counted since the last time, before it goes by another configuration: the one that it
    /// counted by decides.
    pub(super) fn observe_counted(&mut self, ctx: &mut Context<Process>) {
        let raft = &self.raw.raft;
        let index = raft.raft_log.committed;
        let before = std::mem::replace(&mut self.counted, index);
        if index > before && raft.state == StateRole::Leader {
            let term = raft.raft_log.term(index).unwrap_or(0);
            ctx.observe(Observed::Counted { index, term });
        }
    }

    /// Place and term of the last entry of an earlier term.
    fn last_before(&self, term: u64) -> (u64, u64) {
        let log = &self.raw.raft.raft_log;
        let term_at = |index| log.term(index).unwrap_or(0);
        let mut index = log.last_index();
        while index > 0 && term_at(index) == term {
            index -= 1;
        }
        (index, term_at(index))
    }
}

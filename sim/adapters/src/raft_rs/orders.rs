//! What a scenario orders a leader to do.

use raft::eraftpb::{ConfChangeSingle, ConfChangeType, ConfChangeV2};
use splitbrain::kernel::prelude::{Context, NodeId};

use super::server::{Process, Server};
use super::wire::{Members, Observed, Order};
use crate::servers::id_of;

/// With this many voters none is removed by [`Order::Change`].
const VOTERS_MIN: u32 = 3;

impl Server {
    /// Hands an order to the library. This server leads.
    pub(super) fn carry_out(&mut self, ctx: &mut Context<Process>, order: Order) {
        match order {
            Order::Transfer(to) => {
                let to = to.map(id_of).or_else(|| self.successor());
                to.into_iter().for_each(|to| self.raw.transfer_leader(to));
            }
            Order::Add(server) => self.change(ctx, ConfChangeType::AddNode, server),
            Order::AddLearner(server) => self.change(ctx, ConfChangeType::AddLearnerNode, server),
            Order::Remove(server) => self.change(ctx, ConfChangeType::RemoveNode, server.unwrap_or(self.id)),
            Order::Change(server) => {
                let server = server.unwrap_or(self.id);
                if let Some(kind) = next_change(self.members, id_of(server)) {
                    self.change(ctx, kind, server);
                }
            }
        }
    }

    /// The voter whose log has come furthest, apart from this server.
    fn successor(&self) -> Option<u64> {
        let raft = &self.raw.raft;
        let voters =
            (1..=u64::from(self.servers)).filter(|id| *id != raft.id && self.members.voters & Members::bit(*id) != 0);
        voters.max_by_key(|id| raft.prs().get(*id).map(|progress| progress.matched))
    }

    /// Proposes a change of one server.
    fn change(&mut self, ctx: &mut Context<Process>, kind: ConfChangeType, server: NodeId) {
        if self.raw.raft.has_pending_conf() {
            return ctx.observe(Observed::Refused { error: "a change is under way".to_owned() });
        }
        let bit = Members::bit(id_of(server));
        let Members { voters, learners } = self.members;
        let after = match kind {
            ConfChangeType::AddNode => Members { voters: voters | bit, learners: learners & !bit },
            ConfChangeType::AddLearnerNode => Members { voters: voters & !bit, learners: learners | bit },
            ConfChangeType::RemoveNode => Members { voters: voters & !bit, learners: learners & !bit },
        };
        if after.voters == 0 {
            // The library would commit it, and refuse to go by it.
            return ctx.observe(Observed::Refused { error: "no voter would be left".to_owned() });
        }
        let single = ConfChangeSingle { change_type: kind as i32, node_id: id_of(server) };
        let change = ConfChangeV2 { changes: vec![single], ..ConfChangeV2::default() };
        if let Err(error) = self.raw.propose_conf_change(after.context(), change) {
            ctx.observe(Observed::Refused { error: error.to_string() });
        }
    }
}

/// What comes next for a server: see [`Order::Change`]. `None` if it votes and is needed.
const fn next_change(members: Members, server: u64) -> Option<ConfChangeType> {
    let Members { voters, learners } = members;
    let bit = Members::bit(server);
    if voters & bit == 0 {
        let learns = learners & bit != 0;
        return Some(if learns { ConfChangeType::AddNode } else { ConfChangeType::AddLearnerNode });
    }
    if voters.count_ones() > VOTERS_MIN { Some(ConfChangeType::RemoveNode) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_learns_then_votes_and_is_removed_while_it_is_not_needed() {
        let of = |voters: &[u64], learners: &[u64]| Members::from_lists(voters, learners);
        assert_eq!(next_change(of(&[1, 2, 3], &[]), 4), Some(ConfChangeType::AddLearnerNode));
        assert_eq!(next_change(of(&[1, 2, 3], &[4]), 4), Some(ConfChangeType::AddNode));
        assert_eq!(next_change(of(&[1, 2, 3, 4], &[]), 4), Some(ConfChangeType::RemoveNode));
        assert_eq!(next_change(of(&[1, 2, 3], &[4]), 3), None, "three voters stay");
    }
}

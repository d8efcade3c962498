//! The facts of a server of this crate.

use crate::raft::message::Payload;
use crate::raft::state::{Role, Server};

use super::{ConfigurationFacts, RoleKind, ServerFacts, TimerFacts};

impl<C: Payload> Server<C> {
    /// How many items its last snapshot has.
    pub(super) fn snapshot_items(&self) -> u64 {
        self.shared.snapshots.latest.as_ref().map_or(0, |snapshot| snapshot.items.len() as u64)
    }

    /// All of it: this implementation hides nothing.
    #[inline]
    pub(super) fn facts(&self) -> ServerFacts {
        let hard = self.hard_state();
        let timer = TimerFacts {
            started_at: self.timer_started_at(),
            contact_at: self.contact_at(),
            heartbeat_seen: self.heartbeat_seen(),
        };
        ServerFacts {
            term: hard.term,
            role: match self.role() {
                Role::Follower(_) => RoleKind::Follower,
                Role::PreCandidate(_) => RoleKind::PreCandidate,
                Role::Candidate(_) => RoleKind::Candidate,
                Role::Leader(_) => RoleKind::Leader,
            },
            voted_for: Some(hard.voted_for),
            leader: Some(self.leader()),
            last: Some(self.log().last()),
            commit: Some(self.commit()),
            timer: Some(timer),
            may_campaign: Some(hard.timer_allowed && !hard.catching_up && !hard.receiving_snapshot),
            configuration: Some(ConfigurationFacts::from(self.configuration().parts())),
            base: Some(self.log().base()),
            durable: Some(self.log().durable()),
        }
    }
}

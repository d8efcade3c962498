//! The follower manager: the followers of one process, one for each master. They share the process and nothing else.

use super::follower::SessionFollower;

/// The followers of a chunk, by the number of their master.
#[derive(Debug)]
pub struct FollowerManager {
    followers: Vec<SessionFollower>,
}

impl FollowerManager {
    pub(super) fn new(masters: u16) -> Self {
        Self { followers: (0..masters).map(|_| SessionFollower::default()).collect() }
    }

    /// The numbers of the masters.
    pub fn masters(&self) -> impl Iterator<Item = u16> + use<> {
        1..=u16::try_from(self.followers.len()).expect("a cluster has few masters")
    }

    /// The follower of a master.
    pub fn get(&self, master: u16) -> &SessionFollower {
        &self.followers[usize::from(master) - 1]
    }

    pub(super) fn get_mut(&mut self, master: u16) -> &mut SessionFollower {
        &mut self.followers[usize::from(master) - 1]
    }

    /// Whether the sessions with all masters live, as far as their followers know.
    pub fn all_alive(&self) -> bool {
        self.followers.iter().all(|follower| follower.live_session().is_some())
    }
}

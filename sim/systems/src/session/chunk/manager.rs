//! The follower manager: the followers of one process, one for each master. They share the process and nothing else.
//!
//! A master that is replicated is several processes, of which one leads. A follower asks the one that answered last; it
//! goes where it is sent, and where there is no answer it tries the next.

use splitbrain_kernel::id::NodeId;

use crate::session::ids::META;

use super::follower::SessionFollower;

/// The followers of a chunk, by the number of their master.
#[derive(Debug)]
pub struct FollowerManager {
    followers: Vec<SessionFollower>,
    /// The processes that a master is.
    replicas: u16,
    /// Which of them is asked, and whether it was named as the leader and has not been asked yet.
    asked: (u16, bool),
}

impl FollowerManager {
    pub(super) fn new(masters: u16, replicas: u16) -> Self {
        let followers = (0..masters).map(|_| SessionFollower::default()).collect();
        Self { followers, replicas, asked: (1, false) }
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

    /// The process to ask of a master.
    pub fn address(&self, master: u16) -> NodeId {
        NodeId::new(META, if self.replicas > 1 { self.asked.0 } else { master })
    }

    /// A process of the master says that another one leads.
    pub(super) fn go_to(&mut self, leader: NodeId) {
        if self.replicas > 1 {
            self.asked = (leader.number(), true);
        }
    }

    /// There was no answer, or a refusal: the next process is asked, unless one was named meanwhile.
    pub(super) fn move_on(&mut self) {
        let (number, is_named) = self.asked;
        self.asked = (if is_named { number } else { number % self.replicas + 1 }, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(number: u16) -> NodeId {
        NodeId::new(META, number)
    }

    #[test]
    fn masters_that_stand_for_themselves_are_asked_themselves() {
        let mut manager = FollowerManager::new(3, 1);
        manager.go_to(meta(2));
        manager.move_on();
        assert_eq!([1, 2, 3].map(|master| manager.address(master)), [1, 2, 3].map(meta));
    }

    #[test]
    fn the_replica_that_was_named_is_asked_next_and_then_one_after_the_other() {
        let mut manager = FollowerManager::new(1, 3);
        assert_eq!(manager.address(1), meta(1));
        manager.go_to(meta(3));
        manager.move_on();
        assert_eq!(manager.address(1), meta(3), "it was named, and not asked yet");
        let next = [(); 3].map(|()| {
            manager.move_on();
            manager.address(1)
        });
        assert_eq!(next, [1, 2, 3].map(meta));
    }
}

//! One question to all servers, and how they answer it.

use splitbrain_kernel::time::Instant;

/// What one server has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// Nothing yet.
    Pending,
    /// Yes.
    Yes,
    /// No: the lock is another's, or free.
    No,
    /// An error, or nothing in time.
    Failed,
}

/// A question to all servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// When it began, on the monotonic clock.
    pub started: Instant,
    /// When it began, on the wall clock.
    pub started_wall: Instant,
    votes: Vec<Vote>,
}

impl Round {
    /// A question without an answer yet.
    pub fn new(started: Instant, started_wall: Instant, servers: usize) -> Self {
        Self { started, started_wall, votes: vec![Vote::Pending; servers] }
    }

    /// A server answers. The first answer counts.
    pub fn vote(&mut self, server: usize, vote: Vote) {
        if self.votes[server] == Vote::Pending {
            self.votes[server] = vote;
        }
    }

    /// What a server has answered.
    pub fn of(&self, server: usize) -> Vote {
        self.votes[server]
    }

    /// How many have answered so.
    pub fn count(&self, vote: Vote) -> usize {
        self.votes.iter().filter(|one| **one == vote).count()
    }

    /// Whether enough have said yes.
    pub fn is_won(&self, majority: usize) -> bool {
        self.count(Vote::Yes) >= majority
    }

    /// Whether it can no longer be won.
    pub fn is_lost(&self, majority: usize) -> bool {
        self.count(Vote::Yes) + self.count(Vote::Pending) < majority
    }

    /// Whether enough have said no that it could not be won if all others said yes.
    pub fn is_denied(&self, majority: usize) -> bool {
        self.votes.len() - self.count(Vote::No) < majority
    }

    /// Whether each has answered.
    pub fn is_complete(&self) -> bool {
        self.count(Vote::Pending) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(votes: &[Vote]) -> Round {
        let mut round = Round::new(Instant::ZERO, Instant::ZERO, votes.len());
        votes.iter().enumerate().for_each(|(server, vote)| round.vote(server, *vote));
        round
    }

    #[test]
    fn three_of_five_decide() {
        use Vote::{Failed, No, Pending, Yes};
        assert!(round(&[Yes, Yes, Yes, Pending, No]).is_won(3));
        let open = round(&[Yes, Yes, Pending, Pending, No]);
        assert!(!open.is_won(3) && !open.is_lost(3) && !open.is_complete());
        let failed = round(&[Yes, Failed, Failed, No, Failed]);
        assert!(failed.is_lost(3) && !failed.is_denied(3) && failed.is_complete());
        assert!(round(&[No, No, No, Yes, Pending]).is_denied(3));
    }

    #[test]
    fn the_first_answer_counts() {
        let mut round = round(&[Vote::Yes]);
        round.vote(0, Vote::No);
        assert_eq!(round.of(0), Vote::Yes);
    }
}

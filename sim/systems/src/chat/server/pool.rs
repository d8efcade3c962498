//! The pool of connections to the redis: a job takes one out and gives it back.

use std::collections::{BTreeSet, VecDeque};

use super::work::JobId;

/// The pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    free: VecDeque<u64>,
    opened: u64,
    /// Those that did not bring an answer and are in the pool all the same.
    broken: BTreeSet<u64>,
    /// The jobs that wait for one.
    waiting: VecDeque<JobId>,
}

impl Pool {
    /// A new connection, which is not in the pool yet.
    pub(super) const fn open(&mut self) -> u64 {
        self.opened += 1;
        self.opened
    }

    /// Takes a connection out for a job, or lets the job wait.
    pub(super) fn take(&mut self, job: JobId) -> Option<u64> {
        let taken = self.free.pop_front();
        if taken.is_none() {
            self.waiting.push_back(job);
        }
        taken
    }

    /// Puts a connection in. Returns the job that waits for one: it asks again.
    pub(super) fn put(&mut self, connection: u64) -> Option<JobId> {
        self.free.push_back(connection);
        self.waiting.pop_front()
    }

    /// A connection has not brought an answer.
    pub(super) fn note_broken(&mut self, connection: u64) {
        self.broken.insert(connection);
    }

    /// Whether a connection has ever failed.
    pub(super) fn is_broken(&self, connection: u64) -> bool {
        self.broken.contains(&connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_none_waits_for_one() {
        let mut pool = Pool::default();
        let one = pool.open();
        assert_eq!(pool.put(one), None);
        assert_eq!((pool.take(1), pool.take(2)), (Some(one), None));
        pool.note_broken(one);
        let two = pool.open();
        assert_eq!(pool.put(two), Some(2));
        assert_eq!(pool.take(2), Some(two));
        assert!(pool.is_broken(one) && !pool.is_broken(two));
    }
}

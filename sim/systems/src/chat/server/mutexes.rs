//! The mutexes of a process: each is held by one job, and the others wait in line.

use std::collections::{BTreeMap, VecDeque};

use crate::chat::observation::Mutex;

use super::work::JobId;

/// Which job holds each mutex, and which wait for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Mutexes {
    /// The first in each line holds the mutex.
    lines: BTreeMap<Mutex, VecDeque<JobId>>,
}

impl Mutexes {
    /// A job asks for a mutex. Returns whether it has it at once.
    pub(super) fn take(&mut self, mutex: Mutex, job: JobId) -> bool {
        let line = self.lines.entry(mutex).or_default();
        line.push_back(job);
        line.len() == 1
    }

    /// The holder gives a mutex back. Returns the next holder.
    ///
    /// # Panics
    /// If the job does not hold it.
    pub(super) fn free(&mut self, mutex: Mutex, job: JobId) -> Option<JobId> {
        let line = self.lines.get_mut(&mutex).expect("a mutex that is held has a line");
        assert_eq!(line.pop_front(), Some(job), "the holder gives it back");
        let next = line.front().copied();
        if next.is_none() {
            self.lines.remove(&mutex);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_and_the_others_follow_in_turn() {
        let mut mutexes = Mutexes::default();
        assert!(mutexes.take(Mutex::Users, 1));
        assert!(!mutexes.take(Mutex::Users, 2) && !mutexes.take(Mutex::Users, 3));
        assert_eq!(mutexes.free(Mutex::Users, 1), Some(2));
        assert_eq!((mutexes.free(Mutex::Users, 2), mutexes.free(Mutex::Users, 3)), (Some(3), None));
        assert!(mutexes.take(Mutex::Users, 4));
    }
}

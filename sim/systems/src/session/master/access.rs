//! The access manager: what the manager of chunks does when a session is initialized, created and expired, under one
//! lock.
//!
//! The guard of the lock cannot be copied, as `std::lock_guard` cannot: two guards would unlock twice.
//!
//! ```compile_fail
//! fn twice(guard: splitbrain_systems::session::master::access::Guard) -> (impl Sized, impl Sized) {
//!     (guard.clone(), guard)
//! }
//! ```

use std::collections::BTreeMap;

use crate::session::ids::{Identity, SessionId};
use crate::session::message::Report;

/// Proof that the lock is held. It is given back once, to [`AccessManager::unlock`].
#[derive(Debug)]
pub struct Guard(());

/// What the chunk manager thinks of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkStatus {
    /// It has a session.
    Connected,
    /// Its session has expired.
    Expired,
}

/// What a master keeps of its chunks beside their sessions; its callbacks run under one lock.
#[derive(Debug, Default)]
pub struct AccessManager {
    is_locked: bool,
    chunks: BTreeMap<Identity, ChunkStatus>,
    /// How many extents each session has reported, since its data report began.
    reported: BTreeMap<SessionId, u64>,
}

impl AccessManager {
    /// Takes the lock. Returns `None` if it is held: who asked would wait.
    pub fn lock(&mut self) -> Option<Guard> {
        (!std::mem::replace(&mut self.is_locked, true)).then_some(Guard(()))
    }

    /// Gives the lock back.
    pub fn unlock(&mut self, guard: Guard) {
        assert!(self.is_locked, "a guard is of a lock that is held");
        let Guard(()) = guard;
        self.is_locked = false;
    }

    /// What the chunk manager thinks of a chunk; `None` if it never had a session.
    pub fn status(&self, identity: Identity) -> Option<ChunkStatus> {
        self.chunks.get(&identity).copied()
    }

    /// How many extents a session has reported.
    pub fn reported(&self, session: SessionId) -> u64 {
        self.reported.get(&session).copied().unwrap_or(0)
    }

    /// The created callback: the chunk is connected, and its data report begins anew.
    pub(super) fn created(&mut self, session: SessionId, identity: Identity) {
        self.chunks.insert(identity, ChunkStatus::Connected);
        self.reported.insert(session, 0);
    }

    /// A keepalive brings a part of the data report. A part that does not follow the last one is not counted.
    pub(super) fn report(&mut self, session: SessionId, report: Report) {
        let reported = self.reported.entry(session).or_default();
        if report.start == 0 || report.start == *reported {
            *reported = report.start + report.count;
        }
    }

    /// The chunk manager's part of the expired callback. A machine that has another session by now stays connected.
    pub(super) fn chunk_expired(&mut self, identity: Identity, has_another: bool) {
        if !has_another {
            self.chunks.insert(identity, ChunkStatus::Expired);
        }
    }

    /// A master begins to lead, and its predecessor had called back for these.
    pub(super) fn restore(&mut self, connected: impl Iterator<Item = Identity>) {
        self.chunks = connected.map(|identity| (identity, ChunkStatus::Connected)).collect();
        self.reported.clear();
    }

    /// The extent manager's part of the expired callback.
    pub(super) fn extent_expired(&mut self, session: SessionId) {
        self.reported.remove(&session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId { master: 1, number: 1 };

    #[test]
    fn the_lock_is_held_by_one_and_free_when_its_guard_is_given_back() {
        let mut access = AccessManager::default();
        let guard = access.lock().expect("it is free");
        assert!(access.lock().is_none());
        access.unlock(guard);
        assert!(access.lock().is_some());
    }

    #[test]
    fn a_data_report_is_counted_part_by_part_and_begins_anew_with_zero() {
        let mut access = AccessManager::default();
        access.created(SESSION, Identity(1));
        for (start, expected) in [(0, 30), (30, 60), (90, 60), (60, 90), (0, 30)] {
            access.report(SESSION, Report { start, count: 30 });
            assert_eq!(access.reported(SESSION), expected);
        }
        access.created(SESSION, Identity(1));
        assert_eq!(access.reported(SESSION), 0);
    }

    #[test]
    fn a_chunk_is_connected_until_its_session_expires() {
        let mut access = AccessManager::default();
        assert_eq!(access.status(Identity(1)), None);
        access.created(SESSION, Identity(1));
        assert_eq!(access.status(Identity(1)), Some(ChunkStatus::Connected));
        access.chunk_expired(Identity(1), true);
        assert_eq!(access.status(Identity(1)), Some(ChunkStatus::Connected), "it has another session");
        access.chunk_expired(Identity(1), false);
        access.extent_expired(SESSION);
        assert_eq!((access.status(Identity(1)), access.reported(SESSION)), (Some(ChunkStatus::Expired), 0));
        access.restore([Identity(2)].into_iter());
        let of = |number| access.status(Identity(number));
        assert_eq!((of(1), of(2)), (None, Some(ChunkStatus::Connected)));
    }
}

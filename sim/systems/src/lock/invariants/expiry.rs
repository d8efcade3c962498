//! What servers store, and since when: for the invariants on the time to live.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;

use crate::lock::observation::Hold;

use super::terms::Terms;

/// The locks that servers store.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    /// When each got its time to live last, and when it is looked at next.
    locks: BTreeMap<(NodeId, Hold), Since>,
    /// The same of locks whose server is down, or no master any more; and of those that were freed or are over, which a
    /// replica may not have heard of when it takes the place of its master.
    away: BTreeMap<(Hold, NodeId), Instant>,
}

/// Since when, and what comes next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    pub(super) set_at: Instant,
    /// It is not looked at before this moment.
    look_at: Instant,
}

impl Stored {
    /// A lock gets its time to live.
    pub(super) fn on_set(&mut self, now: Instant, server: NodeId, hold: Hold) {
        self.locks.insert((server, hold), Since { set_at: now, look_at: now });
    }

    /// A server has a lock as it starts, or as it becomes the master.
    pub(super) fn on_kept(&mut self, now: Instant, server: NodeId, hold: Hold, terms: &Terms) {
        let is_known = |of: Hold, at: NodeId| of == hold && (terms.is_replicated() || at == server);
        let away = self.away.iter().filter(|((of, at), _)| is_known(*of, *at)).map(|(_, set_at)| *set_at);
        let here = self.locks.iter().filter(|((at, of), _)| is_known(*of, *at)).map(|(_, since)| since.set_at);
        // Of a master and its replicas the last master knows best, and it may still take itself for it.
        let set_at = away.chain(here).max().unwrap_or(now);
        self.locks.insert((server, hold), Since { set_at, look_at: now });
    }

    /// A lock is no more.
    pub(super) fn on_gone(&mut self, server: NodeId, hold: Hold, terms: &Terms) {
        let Some(since) = self.locks.remove(&(server, hold)) else { return };
        if terms.is_replicated() {
            self.away.insert((hold, server), since.set_at);
        }
    }

    /// A server stores nothing for now: it is down, or a replica.
    pub(super) fn on_server_gone(&mut self, server: NodeId) {
        let here: Vec<(NodeId, Hold)> = self.locks.keys().filter(|(of, _)| *of == server).copied().collect();
        for key in here {
            let since = self.locks.remove(&key).expect("it was just found");
            self.away.insert((key.1, key.0), since.set_at);
        }
    }

    /// When a lock got its time to live last.
    pub(super) fn since(&self, server: NodeId, hold: Hold) -> Option<Instant> {
        self.locks.get(&(server, hold)).map(|since| since.set_at)
    }

    fn due(since: &Since, terms: &Terms) -> Instant {
        since.set_at.saturating_add(terms.life_max()).max(since.look_at)
    }

    /// When the next lock should be gone.
    pub(super) fn deadline(&self, terms: &Terms) -> Instant {
        self.locks.values().map(|since| Self::due(since, terms)).min().unwrap_or(Instant::MAX)
    }

    /// The locks that should be gone by now. They are not looked at again before `next`.
    pub(super) fn overdue(&mut self, now: Instant, next: Instant, terms: &Terms) -> Vec<(NodeId, Hold, Instant)> {
        let mut overdue = Vec::new();
        for ((server, hold), since) in &mut self.locks {
            if Self::due(since, terms) <= now {
                since.look_at = next;
                overdue.push((*server, *hold, since.set_at));
            }
        }
        overdue
    }
}

//! When something has come to rest: nothing has happened to it for a while, and nothing was done to the world.

use std::collections::BTreeMap;

use splitbrain_kernel::time::{Duration, Instant};

/// What waits to be judged at rest, and since when it has been left alone.
#[derive(Clone, Debug)]
pub(super) struct Rest<K> {
    /// How long it must have been left alone.
    span: Duration,
    due: BTreeMap<K, Instant>,
}

impl<K: Copy + Ord> Rest<K> {
    pub(super) const fn new(span: Duration) -> Self {
        Self { span, due: BTreeMap::new() }
    }

    /// Something has happened to this.
    pub(super) fn stir(&mut self, now: Instant, key: K) {
        self.due.insert(key, now.saturating_add(self.span));
    }

    /// There is nothing to judge about this any more. Returns whether there was.
    pub(super) fn forget(&mut self, key: K) -> bool {
        self.due.remove(&key).is_some()
    }

    /// Only these are judged.
    pub(super) fn retain(&mut self, keeps: impl Fn(K) -> bool) {
        self.due.retain(|key, _| keeps(*key));
    }

    /// When the next one may be judged.
    pub(super) fn deadline(&self) -> Instant {
        self.due.values().min().copied().unwrap_or(Instant::MAX)
    }

    /// What is due. It is judged if the world has been left alone as long, and otherwise put off.
    pub(super) fn take(&mut self, now: Instant, disturbed: Instant) -> Vec<K> {
        let earliest = disturbed.saturating_add(self.span);
        let due: Vec<K> = self.due.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
        if earliest > now {
            self.due.extend(due.iter().map(|key| (*key, earliest)));
            return Vec::new();
        }
        self.due.retain(|key, _| !due.contains(key));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::seconds;
    use super::*;

    #[test]
    fn what_was_left_alone_is_due_once_and_what_was_not_is_put_off() {
        let mut rest = Rest::new(Duration::from_secs(10));
        assert_eq!(rest.deadline(), Instant::MAX);
        rest.stir(seconds(1), 'a');
        rest.stir(seconds(5), 'b');
        assert_eq!(rest.deadline(), seconds(11));
        assert!(rest.take(seconds(11), seconds(3)).is_empty(), "something was done at 3 s");
        assert_eq!(rest.deadline(), seconds(13));
        assert_eq!(rest.take(seconds(13), seconds(3)), ['a']);
        rest.stir(seconds(14), 'b');
        assert!(rest.take(seconds(15), seconds(3)).is_empty());
        assert_eq!(rest.take(seconds(24), seconds(3)), ['b']);
        assert_eq!(rest.deadline(), Instant::MAX);
    }
}

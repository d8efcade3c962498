//! A node's timers. Setting one that is set already to a later time costs no work in the queue.
//!
//! A timer that moves later leaves its entry in the queue where it is; when that entry comes up, the timer is queued
//! again for its real time, under the sequence number that it got when it was set. So the order among events is just
//! what it would have been had the entry moved at once, and a heartbeat that resets an election timer is one store.

use crate::clock::Clock;
use crate::queue::Key;
use crate::time::Instant;

/// The most timers that a node can have set at once.
pub const TIMER_COUNT_MAX: usize = 1 << 12;

/// With this many slots, one whose timer was cancelled is used again while its entry is still in the queue.
const RECLAIM_FROM: usize = 32;

/// The timers of one node.
///
/// - A timer that is set has exactly one entry in the queue that is its own (`queued`); other entries that point to its
///   slot are stale.
/// - `queued` is never later than `due`.
#[derive(Clone, Debug)]
pub struct Timers<T> {
    slots: Vec<Timer<T>>,
}

#[derive(Clone, Debug)]
struct Timer<T> {
    name: T,
    /// When it fires, on the node's monotonic clock; `None` if it is not set.
    local: Option<Instant>,
    /// When it fires, in true time and in order.
    due: Due,
    /// Its entry in the queue, where it has one.
    queued: Option<Key>,
    /// Whether it has come due at a node that is paused or slow, and waits to be handled. Still set until then.
    waits: bool,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    priority: u8,
    sequence: u64,
}

/// What has to be put into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueue {
    /// When.
    pub at: Instant,
    /// Priority among events at that instant.
    pub priority: u8,
    /// The sequence number that the timer got when it was set.
    pub sequence: u64,
    /// The timer.
    pub slot: u32,
}

/// What an entry of the queue comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fired<T> {
    /// The timer fires.
    Now(T),
    /// It had moved: it must be queued again.
    Later(Enqueue),
    /// The entry is stale.
    Stale,
}

impl<T: Copy + Eq> Timers<T> {
    /// No timers.
    pub const fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// Sets a timer. Returns what has to be queued, if anything.
    ///
    /// # Errors
    /// Where the node already has [`TIMER_COUNT_MAX`] timers.
    #[inline]
    pub fn set(
        &mut self,
        name: T,
        local: Instant,
        clock: &Clock,
        now: Instant,
        (priority, sequence): (u8, u64),
    ) -> Result<Option<Enqueue>, TooMany> {
        let due = Due { at: clock.true_time(local).max(now), priority, sequence };
        let slot = self.slot(name)?;
        let timer = &mut self.slots[slot];
        timer.local = Some(local);
        timer.due = due;
        timer.waits = false;
        // The entry in the queue may be earlier, never later.
        if timer.queued.is_some_and(|queued| queued.at() <= due.at) || due.at == Instant::MAX {
            return Ok(None);
        }
        Ok(Some(due.enqueue(slot)))
    }

    fn slot(&mut self, name: T) -> Result<usize, TooMany> {
        if let Some(slot) = self.slots.iter().position(|timer| timer.name == name) {
            return Ok(slot);
        }
        let unset = |timer: &Timer<T>| timer.local.is_none() && !timer.waits;
        let idle = |timer: &Timer<T>| unset(timer) && timer.queued.is_none();
        let timer = Timer {
            name,
            local: None,
            due: Due { at: Instant::MAX, priority: 0, sequence: 0 },
            queued: None,
            waits: false,
        };
        let free = self.slots.iter().position(idle);
        let reclaims = free.is_none() && self.slots.len() >= RECLAIM_FROM;
        // An entry that the slot loses is stale: no key comes twice.
        if let Some(slot) = free.or_else(|| self.slots.iter().position(unset).filter(|_| reclaims)) {
            self.slots[slot] = timer;
            return Ok(slot);
        }
        if self.slots.len() == TIMER_COUNT_MAX {
            return Err(TooMany);
        }
        self.slots.push(timer);
        Ok(self.slots.len() - 1)
    }

    /// Cancels a timer.
    pub fn cancel(&mut self, name: T) {
        if let Some(timer) = self.slots.iter_mut().find(|timer| timer.name == name) {
            timer.local = None;
            timer.waits = false;
        }
    }

    /// A timer that has just fired waits in the node's inbox: it counts as set, and can still be moved or cancelled.
    pub fn hold(&mut self, name: T) {
        if let Some(timer) = self.slots.iter_mut().find(|timer| timer.name == name) {
            timer.waits = true;
        }
    }

    /// A timer that waited comes to be handled. Returns whether it still fires.
    pub fn release(&mut self, name: T) -> bool {
        let waiting = self.slots.iter_mut().find(|timer| timer.name == name && timer.waits);
        waiting.map(|timer| timer.waits = false).is_some()
    }

    /// Tells that a timer was queued under this key.
    #[inline]
    pub fn note_queued(&mut self, slot: u32, key: Key) {
        self.slots[slot as usize].queued = Some(key);
    }

    /// An entry of the queue comes up.
    #[inline]
    pub fn fire(&mut self, slot: u32, key: Key) -> Fired<T> {
        let Some(timer) = self.slots.get_mut(slot as usize) else {
            return Fired::Stale;
        };
        if timer.queued != Some(key) {
            return Fired::Stale;
        }
        timer.queued = None;
        if timer.local.is_none() {
            return Fired::Stale;
        }
        let due = timer.due;
        // The entry belongs to an earlier setting where the sequence differs, even at the same instant.
        if key.order() != (due.at, due.priority, due.sequence) {
            return if due.at == Instant::MAX { Fired::Stale } else { Fired::Later(due.enqueue(slot as usize)) };
        }
        timer.local = None;
        Fired::Now(timer.name)
    }

    /// The rate of the clock has changed: every timer that is set is keyed anew. Returns what has to be queued.
    pub fn rekey(&mut self, clock: &Clock, now: Instant) -> Vec<Enqueue> {
        let mut moved = Vec::new();
        for (slot, timer) in self.slots.iter_mut().enumerate() {
            let Some(local) = timer.local else { continue };
            timer.due.at = clock.true_time(local).max(now);
            let covered = timer.queued.is_some_and(|queued| queued.at() <= timer.due.at);
            if !covered && timer.due.at != Instant::MAX {
                moved.push(timer.due.enqueue(slot));
            }
        }
        moved
    }

    /// Forgets all timers: their entries in the queue are stale.
    pub fn clear(&mut self) {
        self.slots.clear();
    }
}

impl<T: Copy + Eq> Default for Timers<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl Due {
    fn enqueue(self, slot: usize) -> Enqueue {
        let slot = u32::try_from(slot).expect("a node has few timers");
        Enqueue { at: self.at, priority: self.priority, sequence: self.sequence, slot }
    }
}

/// A node set more timers at once than a node can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::EntryRef;
    use crate::run::ClockOptions;
    use crate::time::Duration;

    const fn timer(slot: u32) -> EntryRef {
        EntryRef::Timer { node: 0, slot }
    }

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    struct Host {
        timers: Timers<char>,
        clock: Clock,
        sequence: u64,
        queue: crate::queue::Queue,
    }

    impl Host {
        fn new() -> Self {
            let clock = Clock::new(ClockOptions::default());
            Self { timers: Timers::new(), clock, sequence: 0, queue: crate::queue::Queue::new() }
        }

        fn set(&mut self, name: char, now: u64, local: u64) {
            self.sequence += 1;
            let order = (0, self.sequence);
            let enqueue = self.timers.set(name, at(local), &self.clock, at(now), order).expect("few timers");
            enqueue.into_iter().for_each(|enqueue| self.enqueue(enqueue));
        }

        fn enqueue(&mut self, enqueue: Enqueue) {
            let key = Key::new(enqueue.at, enqueue.priority, enqueue.sequence, timer(enqueue.slot));
            self.queue.push(key);
            self.timers.note_queued(enqueue.slot, key);
        }

        fn run(&mut self) -> Vec<(u64, char)> {
            let mut fired = Vec::new();
            while let Some(key) = self.queue.pop() {
                let EntryRef::Timer { slot, .. } = key.entry() else { panic!("only timers are queued") };
                match self.timers.fire(slot, key) {
                    Fired::Now(name) => fired.push((key.at().as_nanos(), name)),
                    Fired::Later(enqueue) => self.enqueue(enqueue),
                    Fired::Stale => {}
                }
            }
            fired
        }
    }

    #[test]
    fn a_timer_fires_once_at_the_last_time_that_it_was_set_to() {
        let mut host = Host::new();
        host.set('a', 0, 100);
        host.set('a', 10, 150);
        host.set('a', 20, 120);
        assert_eq!(host.run(), [(120, 'a')]);
    }

    #[test]
    fn a_timer_that_moves_earlier_fires_earlier_and_only_once() {
        let mut host = Host::new();
        host.set('a', 0, 100);
        host.set('a', 10, 50);
        assert_eq!(host.run(), [(50, 'a')]);
    }

    #[test]
    fn a_cancelled_timer_does_not_fire_and_can_be_set_again() {
        let mut host = Host::new();
        host.set('a', 0, 100);
        host.timers.cancel('a');
        host.set('b', 0, 200);
        host.set('a', 0, 300);
        assert_eq!(host.run(), [(200, 'b'), (300, 'a')]);
    }

    #[test]
    fn at_one_instant_timers_fire_in_the_order_in_which_they_were_last_set() {
        let mut host = Host::new();
        host.set('a', 0, 50);
        host.set('b', 0, 100);
        host.set('a', 10, 100);
        assert_eq!(host.run(), [(100, 'b'), (100, 'a')]);
        host.set('a', 100, 200);
        host.set('b', 100, 200);
        host.set('a', 100, 200);
        assert_eq!(host.run(), [(200, 'b'), (200, 'a')]);
    }

    #[test]
    fn a_change_of_rate_moves_timers_both_ways_and_a_freeze_holds_them() {
        let mut host = Host::new();
        host.set('a', 0, 1_000);
        host.clock.set_drift(at(500), 250_000);
        let moved = host.timers.rekey(&host.clock, at(500));
        moved.into_iter().for_each(|enqueue| host.enqueue(enqueue));
        let mut frozen = Host {
            timers: host.timers.clone(),
            clock: host.clock.clone(),
            queue: host.queue.clone(),
            sequence: host.sequence,
        };
        assert_eq!(host.run(), [(900, 'a')]);
        frozen.clock.freeze(at(600));
        assert_eq!(frozen.timers.rekey(&frozen.clock, at(600)), []);
        assert_eq!(frozen.run(), []);
        frozen.clock.thaw(at(2_000));
        let moved = frozen.timers.rekey(&frozen.clock, at(2_000));
        moved.into_iter().for_each(|enqueue| frozen.enqueue(enqueue));
        assert_eq!(frozen.run(), [(2_300, 'a')]);
        assert_eq!(Duration::from_nanos(2_300 - 2_000), frozen.clock.true_span(Duration::from_nanos(375)));
    }

    #[test]
    fn slots_of_timers_that_were_cancelled_are_used_again_before_their_entries_come_up() {
        let mut host = Host::new();
        for round in 0..100_000 {
            let name = char::from_u32(0x1_0000 + round % 0x1_0000).expect("a character");
            host.set(name, 0, 1_000_000 + u64::from(round));
            host.timers.cancel(name);
        }
        host.set('a', 0, 100);
        assert_eq!((host.timers.slots.len(), host.run()), (RECLAIM_FROM, vec![(100, 'a')]));
    }

    #[test]
    fn slots_of_timers_that_are_done_are_used_again() {
        let mut timers = Timers::new();
        let clock = Clock::new(ClockOptions::default());
        for round in 0..10_000u64 {
            let set = timers.set(round, at(round + 1), &clock, at(round), (0, round)).expect("few timers");
            let enqueue = set.expect("a new timer is queued");
            let key = Key::new(enqueue.at, 0, enqueue.sequence, timer(enqueue.slot));
            timers.note_queued(enqueue.slot, key);
            assert_eq!(timers.fire(enqueue.slot, key), Fired::Now(round));
        }
        assert_eq!(timers.slots.len(), 1);
    }
}

//! The event queue: totally ordered by (time, priority, sequence), as [`Key`] packs them.

mod key;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub use key::{EntryRef, Key, SEQUENCE_MAX, SLOT_COUNT_MAX};

/// A bucket is 2¹⁹ ns wide, about half a millisecond.
const BUCKET_BITS: u32 = 19;
/// So many buckets lie ahead: a window of about 537 ms, in which heartbeats and most election timers come due too.
const BUCKET_COUNT: u64 = 1024;
/// Words of the map of buckets that hold something.
const MAP_SIZE: usize = BUCKET_COUNT as usize / 64;
/// So many entries at the front may be gone before their place is used again.
const TAKEN_MAX: usize = 1 << 14;
/// An entry before the front is sorted into it while no more than this many are there; the window moves back otherwise.
const EARLY_MAX: usize = 64;
/// No bucket.
const NOWHERE: u64 = u64::MAX;
/// The window of a queue that is handed out: no time lies in it.
const HANDED_OUT: u64 = 1 << 63;
/// No link.
const NONE: u32 = u32::MAX;

/// The queue: a sorted front, a calendar of buckets for what is due soon, a heap for the rest.
///
/// ```text
///      front            window                                window + 1024
///    taken │ sorted   │ any order │ . │ . │ any order │ . . . . . │        heap: all that is later
/// ```
///
/// Most events are messages and come due within a few milliseconds: adding one links it into its bucket, taking the
/// first is a read from the front, into which the next bucket is sorted when it is used up. What comes into the front
/// later mostly comes last there too, so that even a flood at one instant costs a store for each entry.
///
/// - Bucket numbers are absolute (time divided by the width); a bucket lies at its number modulo 1024.
/// - Every entry of the front has a number below `window`, every one in a bucket one in `window..window + 1024`, every
///   one in `far` a higher one.
/// - The first `taken` entries of the front are gone already.
#[derive(Clone, Debug)]
pub struct Queue {
    front: Vec<Key>,
    taken: usize,
    window: u64,
    len: usize,
    /// The first link of each bucket.
    heads: Box<[u32; BUCKET_COUNT as usize]>,
    /// Which buckets hold something.
    occupied: [u64; MAP_SIZE],
    links: Vec<Link>,
    /// The first link that is free.
    free: u32,
    far: BinaryHeap<Reverse<Key>>,
    far_first: u64,
}

/// An entry in a bucket, and the next one there.
#[derive(Clone, Copy, Debug)]
struct Link {
    key: Key,
    next: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

/// The bucket in which an entry is due.
#[inline]
const fn bucket_of(key: Key) -> u64 {
    key.at().as_nanos() >> BUCKET_BITS
}

/// Where a bucket lies.
#[inline]
const fn place(bucket: u64) -> usize {
    (bucket % BUCKET_COUNT) as usize
}

impl Queue {
    /// An empty queue.
    pub fn new() -> Self {
        Self {
            front: Vec::new(),
            taken: 0,
            window: 0,
            len: 0,
            heads: Box::new([NONE; BUCKET_COUNT as usize]),
            occupied: [0; MAP_SIZE],
            links: Vec::new(),
            free: NONE,
            far: BinaryHeap::new(),
            far_first: NOWHERE,
        }
    }

    /// A queue that puts nothing in order: what is added is taken by [`Queue::hand_out`], and counts until it
    /// [is done](Queue::done). It has no first entry.
    pub fn handed_out() -> Self {
        Self { window: HANDED_OUT, ..Self::new() }
    }

    /// Everything that was added since the last call, in order.
    pub fn hand_out(&mut self) -> impl Iterator<Item = Key> + '_ {
        std::iter::from_fn(|| self.far.pop().map(|Reverse(key)| key))
    }

    /// An entry that was handed out has come up, or never will.
    pub const fn done(&mut self) {
        self.len -= 1;
    }

    /// How many entries there are, cancelled ones included.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first entry.
    #[inline(always)]
    pub fn first(&mut self) -> Option<Key> {
        if self.taken == self.front.len() {
            self.refill();
        }
        self.front.get(self.taken).copied()
    }

    /// Adds an entry.
    #[inline(always)]
    pub fn push(&mut self, key: Key) {
        self.len += 1;
        let bucket = bucket_of(key);
        // An entry of the front makes this wrap around, and so is not ahead of it by less than the window.
        if bucket.wrapping_sub(self.window) < BUCKET_COUNT {
            self.link(key, bucket);
        } else {
            self.push_outside(key, bucket);
        }
    }

    #[inline(always)]
    fn link(&mut self, key: Key, bucket: u64) {
        let place = place(bucket);
        let head = &mut self.heads[place];
        let link = Link { key, next: *head };
        match self.links.get_mut(self.free as usize) {
            Some(free) => {
                *head = self.free;
                self.free = std::mem::replace(free, link).next;
            }
            None => {
                *head = u32::try_from(self.links.len()).expect("a queue has less than 2^32 entries");
                self.links.push(link);
            }
        }
        self.occupied[place / 64] |= 1 << (place % 64);
    }

    /// Adds an entry to the front or to the heap.
    #[inline(never)]
    fn push_outside(&mut self, key: Key, bucket: u64) {
        if self.window == HANDED_OUT {
            self.far.push(Reverse(key));
        } else if bucket >= self.window {
            self.far_first = self.far_first.min(bucket);
            self.far.push(Reverse(key));
        } else if bucket + 1 < self.window && self.front.len() - self.taken > EARLY_MAX {
            self.rewind(key);
        } else {
            self.push_front(key);
        }
    }

    fn push_front(&mut self, key: Key) {
        if self.taken >= TAKEN_MAX {
            self.front.drain(..self.taken);
            self.taken = 0;
        }
        let position = self.taken + self.front[self.taken..].partition_point(|entry| *entry < key);
        if position == self.taken && self.taken > 0 {
            self.taken -= 1;
            self.front[self.taken] = key;
        } else {
            self.front.insert(position, key);
        }
    }

    /// Moves the window back: all that is in it and in the front goes by way of the heap.
    #[cold]
    fn rewind(&mut self, key: Key) {
        self.far.push(Reverse(key));
        self.far.extend(self.front.drain(..).skip(self.taken).map(Reverse));
        for bucket in 0..BUCKET_COUNT {
            self.unlink(bucket);
            self.far.extend(self.front.drain(..).map(Reverse));
        }
        self.occupied = [0; MAP_SIZE];
        self.taken = 0;
        self.jump();
    }

    /// Takes the first entry.
    ///
    /// The window stays where that was: what the world adds while it handles the entry is mostly ahead of it, and
    /// before whatever comes next.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<Key> {
        let first = self.first()?;
        self.taken += 1;
        self.len -= 1;
        Some(first)
    }

    /// The front is used up: the next bucket that holds something comes into it.
    #[inline]
    fn refill(&mut self) {
        self.front.clear();
        self.taken = 0;
        if self.len == 0 {
            return;
        }
        match self.next_occupied(self.window) {
            Some(bucket) => {
                self.window = bucket + 1;
                self.unlink(bucket);
                self.occupied[place(bucket) / 64] &= !(1 << (bucket % 64));
                if self.front.len() > 1 {
                    self.front.sort_unstable();
                }
            }
            None => return self.jump(),
        }
        if self.far_first.wrapping_sub(self.window) < BUCKET_COUNT {
            self.migrate();
        }
    }

    /// All entries of a bucket come into the front.
    #[inline]
    fn unlink(&mut self, bucket: u64) {
        let mut next = std::mem::replace(&mut self.heads[place(bucket)], NONE);
        while let Some(link) = self.links.get_mut(next as usize) {
            self.front.push(link.key);
            let freed = std::mem::replace(&mut self.free, next);
            next = std::mem::replace(&mut link.next, freed);
        }
    }

    /// Nothing is in front and window: they begin anew where the heap does.
    #[cold]
    fn jump(&mut self) {
        if self.window == HANDED_OUT {
            return;
        }
        let first = self.far.peek().map_or(NOWHERE, |Reverse(key)| bucket_of(*key));
        self.window = first.saturating_add(1);
        while let Some(Reverse(key)) = self.far.peek().copied().filter(|Reverse(key)| bucket_of(*key) == first) {
            self.far.pop();
            self.front.push(key);
        }
        self.migrate();
    }

    /// What has come within the window leaves the heap.
    #[cold]
    fn migrate(&mut self) {
        self.far_first = NOWHERE;
        while let Some(Reverse(key)) = self.far.peek().copied() {
            let bucket = bucket_of(key);
            if bucket.wrapping_sub(self.window) >= BUCKET_COUNT {
                self.far_first = bucket;
                return;
            }
            self.far.pop();
            self.link(key, bucket);
        }
    }

    /// The first bucket from this one on, within a window, that holds something.
    #[inline]
    fn next_occupied(&self, from: u64) -> Option<u64> {
        let start = place(from);
        let ahead = self.occupied[start / 64] >> (start % 64);
        if ahead != 0 {
            // Nearly always: the next event is due within a few buckets.
            return Some(from + u64::from(ahead.trailing_zeros()));
        }
        self.next_occupied_far(from)
    }

    /// The same from the next word of the map on. The first word comes once more at the end: its lower part is a window
    /// later.
    #[inline(never)]
    fn next_occupied_far(&self, from: u64) -> Option<u64> {
        let start = place(from) / 64;
        let step = (1..=MAP_SIZE).find(|step| self.occupied[(start + step) % MAP_SIZE] != 0)?;
        let word = self.occupied[(start + step) % MAP_SIZE];
        Some((from / 64 + step as u64) * 64 + u64::from(word.trailing_zeros()))
    }
}

/// Contents of entries, in slots that are used again.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    slots: Vec<Option<Kept<T>>>,
    free: Vec<u32>,
}

/// A content in its slot.
///
/// `Option` marks an empty slot in the mark, which has more unused values than any part of a content. Otherwise it
/// would do so in the byte that tells the kinds of message apart: a content would then be moved in two parts of odd
/// sizes, and a processor waits long when it reads in one piece what it has just written in two.
#[derive(Clone, Debug)]
struct Kept<T> {
    _mark: Mark,
    content: T,
}

#[derive(Clone, Copy, Debug)]
#[repr(u32)]
enum Mark {
    Full,
}

impl<T> Slab<T> {
    /// An empty slab.
    pub const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    /// Puts a content in a free slot: it is made there, and moved nowhere.
    #[inline(always)]
    pub fn insert(&mut self, content: impl FnOnce() -> T) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                let empty = &mut self.slots[slot as usize];
                // It was empty: dropping what was in it would only be work.
                std::mem::forget(empty.replace(Kept { _mark: Mark::Full, content: content() }));
                slot
            }
            None => {
                self.slots.push(Some(Kept { _mark: Mark::Full, content: content() }));
                u32::try_from(self.slots.len() - 1).expect("a queue has less than 2^19 entries")
            }
        }
    }

    /// Takes the content of a slot and frees it.
    ///
    /// # Panics
    /// Where the slot is free.
    #[inline(always)]
    pub fn take(&mut self, slot: u32) -> T {
        let kept = self.slots[slot as usize].take().expect("an entry is taken once");
        self.free.push(slot);
        kept.content
    }

    /// The content of a slot.
    ///
    /// # Panics
    /// Where the slot is free.
    pub fn get(&self, slot: u32) -> &T {
        &self.slots[slot as usize].as_ref().expect("an entry is looked at before it is taken").content
    }

    /// How many slots are in use.
    #[inline]
    pub const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether no slot is in use.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Instant;

    const ENTRY: EntryRef = EntryRef::Event(0);

    #[test]
    fn a_queue_that_is_handed_out_keeps_no_entry_but_counts_it() {
        let mut queue = Queue::handed_out();
        let key = |at, sequence| Key::new(Instant::from_nanos(at), 0, sequence, ENTRY);
        for entry in [key(u64::MAX, 1), key(3, 2), key(0, 3), key(3, 4)] {
            queue.push(entry);
            assert_eq!((queue.first(), queue.pop()), (None, None));
        }
        let handed: Vec<Key> = queue.hand_out().collect();
        assert_eq!(handed, [key(0, 3), key(3, 2), key(3, 4), key(u64::MAX, 1)]);
        assert_eq!((queue.hand_out().count(), queue.len()), (0, 4));
        queue.done();
        queue.push(key(1, 5));
        assert_eq!((queue.hand_out().count(), queue.len()), (1, 4));
    }

    #[test]
    fn entries_far_before_the_front_come_out_in_order() {
        let mut queue = Queue::new();
        let key = |at: u64, sequence| Key::new(Instant::from_nanos(at), 0, sequence, ENTRY);
        let mut keys: Vec<Key> =
            (0..1_000).map(|sequence| key(60_000_000_000 - sequence * 50_000_000, sequence)).collect();
        keys.extend((1_000..2_000).map(|sequence| key(70_000_000_000, sequence)));
        keys.extend((2_000..3_000).map(|sequence| key(sequence % 7 * 1_000_000, sequence)));
        keys.iter().rev().for_each(|key| queue.push(*key));
        keys.sort_unstable();
        assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<Key>>(), keys);
    }

    #[test]
    fn a_flood_at_one_instant_comes_out_in_order() {
        let mut queue = Queue::new();
        let at = Instant::from_nanos(5);
        let key = |sequence| Key::new(at, 0, sequence, ENTRY);
        queue.push(key(0));
        let mut pushed = 1;
        for taken in 0..200_000 {
            assert_eq!(queue.pop(), Some(key(taken)));
            for _ in 0..2.min(200_000 - pushed) {
                queue.push(key(pushed));
                pushed += 1;
            }
        }
        assert!(queue.is_empty());
    }

    proptest! {
        #[test]
        fn entries_come_out_in_order(
            steps in prop::collection::vec((0u32..48, 0u64..4_000_000_000, 0u8..3, 0usize..4), 0..300),
        ) {
            let mut queue = Queue::new();
            let mut model = std::collections::BTreeSet::new();
            let mut now = 0;
            for (sequence, (bits, ahead, priority, pops)) in (0..).zip(steps) {
                // Distances of all sizes: within a bucket, within the window, far beyond it.
                let at = now + ahead % (1 << bits);
                let key = Key::new(Instant::from_nanos(at), priority, sequence, ENTRY);
                queue.push(key);
                model.insert(key);
                prop_assert_eq!(queue.first(), model.first().copied());
                for _ in 0..pops {
                    let first = model.pop_first();
                    prop_assert_eq!(queue.pop(), first);
                    // Sometimes the time stays behind the entry that was taken, as with an alarm before it.
                    now = first.map_or(now, |key| now.max(key.at().as_nanos() / 2));
                }
                prop_assert_eq!(queue.len(), model.len());
            }
            while let Some(key) = model.pop_first() {
                prop_assert_eq!(queue.pop(), Some(key));
            }
            prop_assert!(queue.is_empty() && queue.first().is_none());
        }
    }
}

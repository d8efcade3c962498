//! The event queue: totally ordered by (time, priority, sequence).
//!
//! An entry is one 128-bit word, so that a comparison is one comparison and a heap of entries is small:
//!
//! ```text
//!   127            64 63      56 55             21 20        0
//!   │ time, ns       │ priority │ sequence        │ slot      │
//! ```
//!
//! The slot says where the content lies and never decides an order, because no two entries share a sequence.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Instant;

/// The most entries that a queue can hold at once.
pub const SLOT_COUNT_MAX: u64 = 1 << 19;

/// The highest sequence number.
pub const SEQUENCE_MAX: u64 = (1 << 35) - 1;

const SLOT_BITS: u32 = 21;
const SLOT_MASK: u128 = (1 << SLOT_BITS) - 1;

/// An entry: when it is due, in which order, and where its content lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key(u128);

impl Key {
    /// An entry.
    ///
    /// # Panics
    /// Where the sequence or the slot is out of range: the budgets of a run end it long before.
    #[inline]
    pub const fn new(at: Instant, priority: u8, sequence: u64, slot: u32) -> Self {
        assert!(sequence <= SEQUENCE_MAX, "a run ends before its sequence numbers do");
        assert!((slot as u128) <= SLOT_MASK, "a slot has 21 bits");
        let order = (priority as u64) << 56 | sequence << SLOT_BITS | slot as u64;
        Self((at.as_nanos() as u128) << 64 | order as u128)
    }

    /// When it is due.
    #[inline]
    pub const fn at(self) -> Instant {
        Instant::from_nanos((self.0 >> 64) as u64)
    }

    /// Time, priority and sequence: all that decides the order.
    #[inline]
    pub const fn order(self) -> (Instant, u8, u64) {
        let order = self.0 as u64;
        (self.at(), (order >> 56) as u8, order >> SLOT_BITS & SEQUENCE_MAX)
    }

    /// Where its content lies.
    #[inline]
    pub const fn slot(self) -> u32 {
        (self.0 & SLOT_MASK) as u32
    }
}

/// A bucket is 2¹⁸ ns wide, about a quarter of a millisecond.
const BUCKET_BITS: u32 = 18;
/// So many buckets lie ahead: a window of about 268 ms, in which heartbeats and most timers come due too.
const BUCKET_COUNT: u64 = 1024;
/// So many entries of the head may be gone before their place is used again.
const TAKEN_MAX: usize = 1 << 14;
/// No bucket.
const NOWHERE: u64 = u64::MAX;
/// The base of a queue that is handed out: no time lies within a window from here.
const HANDED_OUT: u64 = 1 << 63;

/// The queue: a calendar of buckets for what is due soon, a heap for the rest.
///
/// ```text
///   base        head                                  base + 1024
///    │ . . . . │ sorted │ . │ any order │ . . . . . . . │        heap: all that is later
/// ```
///
/// Most events are messages and come due within a few milliseconds: adding one is a store into its bucket, taking the
/// first is a read from the head, which is sorted when it becomes the head. What comes into the head later mostly comes
/// last there too, so that even a flood at one instant costs a store for each entry.
///
/// - Bucket numbers are absolute (time divided by the width); a bucket lies at its number modulo 1024.
/// - Every entry in a bucket has a number in `base..base + 1024`, every one in `far` a higher one.
/// - `head` is the first bucket that is not empty, and is sorted; `NOWHERE` if all are empty, and then `far` is empty
///   too.
/// - The first `taken` entries of the head are gone already; none but where the head is the first bucket of the window.
#[derive(Clone, Debug)]
pub struct Queue {
    buckets: Vec<Vec<Key>>,
    occupied: [u64; BUCKET_COUNT as usize / 64],
    base: u64,
    head: u64,
    taken: usize,
    len: usize,
    far: BinaryHeap<Reverse<Key>>,
    far_first: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

impl Key {
    #[inline]
    const fn bucket(self) -> u64 {
        (self.0 >> (64 + BUCKET_BITS)) as u64
    }
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
            buckets: vec![Vec::new(); BUCKET_COUNT as usize],
            occupied: [0; BUCKET_COUNT as usize / 64],
            base: 0,
            head: NOWHERE,
            taken: 0,
            len: 0,
            far: BinaryHeap::new(),
            far_first: NOWHERE,
        }
    }

    /// A queue that puts nothing in order: what is added is taken by [`Queue::hand_out`], and counts until it
    /// [is done](Queue::done). It has no first entry.
    pub fn handed_out() -> Self {
        Self { base: HANDED_OUT, ..Self::new() }
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
    #[inline]
    pub fn peek(&self) -> Option<Key> {
        if self.head == NOWHERE { None } else { self.buckets[place(self.head)].get(self.taken).copied() }
    }

    /// Adds an entry.
    #[inline]
    pub fn push(&mut self, key: Key) {
        self.len += 1;
        let bucket = key.bucket();
        // An entry before the window makes this wrap around, and so is not ahead of it by less than its width.
        if bucket.wrapping_sub(self.base) >= BUCKET_COUNT {
            self.push_outside(key);
        } else if bucket != self.head {
            self.buckets[place(bucket)].push(key);
            self.occupy(bucket);
            self.head = self.head.min(bucket);
        } else {
            let head = &mut self.buckets[place(bucket)];
            let position = head[self.taken..].partition_point(|entry| *entry < key);
            head.insert(self.taken + position, key);
        }
    }

    #[inline]
    fn occupy(&mut self, bucket: u64) {
        self.occupied[place(bucket) / 64] |= 1 << (bucket % 64);
    }

    /// The head keeps only what is still to come.
    fn drop_taken(&mut self) {
        if self.taken > 0 {
            self.buckets[place(self.head)].drain(..self.taken);
            self.taken = 0;
        }
    }

    #[cold]
    fn push_outside(&mut self, key: Key) {
        if self.base == HANDED_OUT {
            return self.far.push(Reverse(key));
        }
        let bucket = key.bucket();
        if self.len == 1 {
            self.base = bucket;
        }
        if bucket < self.base {
            self.rewind(bucket);
        }
        self.far_first = self.far_first.min(bucket);
        self.far.push(Reverse(key));
        self.migrate();
        if self.head == NOWHERE {
            self.open_head(self.base);
        }
    }

    /// Moves the window back: all that is in it goes to the heap first.
    fn rewind(&mut self, base: u64) {
        self.drop_taken();
        for bucket in &mut self.buckets {
            self.far.extend(bucket.drain(..).map(Reverse));
        }
        self.occupied = [0; BUCKET_COUNT as usize / 64];
        self.head = NOWHERE;
        self.base = base;
        self.far_first = self.far.peek().map_or(NOWHERE, |Reverse(key)| key.bucket());
    }

    /// Takes the first entry.
    #[inline]
    pub fn pop(&mut self) -> Option<Key> {
        if self.head == NOWHERE {
            return None;
        }
        let bucket = self.head;
        let head = &mut self.buckets[place(bucket)];
        let first = *head.get(self.taken)?;
        self.taken += 1;
        self.len -= 1;
        self.base = bucket;
        let is_done = self.taken == head.len();
        if is_done {
            head.clear();
            self.taken = 0;
            self.occupied[place(bucket) / 64] &= !(1 << (bucket % 64));
        }
        if self.far_first.wrapping_sub(bucket) < BUCKET_COUNT {
            self.migrate();
        }
        if is_done {
            self.open_head(bucket);
        } else if self.taken >= TAKEN_MAX {
            self.drop_taken();
        }
        Some(first)
    }

    /// What has come within the window leaves the heap.
    #[cold]
    fn migrate(&mut self) {
        while let Some(Reverse(key)) = self.far.peek().copied() {
            let bucket = key.bucket();
            if bucket.wrapping_sub(self.base) >= BUCKET_COUNT {
                self.far_first = bucket;
                return;
            }
            self.far.pop();
            self.buckets[place(bucket)].push(key);
            self.occupy(bucket);
        }
        self.far_first = NOWHERE;
    }

    /// Makes the first bucket that is not empty, from this one on, the head.
    #[inline]
    fn open_head(&mut self, from: u64) {
        self.head = self.next_occupied(from);
        if self.head == NOWHERE && self.far_first != NOWHERE {
            self.base = self.far_first;
            self.migrate();
            self.head = self.next_occupied(self.base);
        }
        if self.head != NOWHERE {
            let head = &mut self.buckets[place(self.head)];
            if head.len() > 1 {
                head.sort_unstable();
            }
        }
    }

    #[inline]
    fn next_occupied(&self, from: u64) -> u64 {
        let start = place(from);
        let words = self.occupied.len();
        // The first word is looked at twice: its upper part first, its lower part, which is a window later, last.
        let upper = self.occupied[start / 64] & (u64::MAX << (start % 64));
        let lower = self.occupied[start / 64] & !(u64::MAX << (start % 64));
        if upper != 0 {
            // Nearly always: the next event is due within a few buckets.
            return from + u64::from(upper.trailing_zeros()) - start as u64 % 64;
        }
        let mut word = upper;
        for step in 0..=words {
            if word != 0 {
                let found = (start / 64 + step) % words * 64 + word.trailing_zeros() as usize;
                let ahead = (found + BUCKET_COUNT as usize - start) % BUCKET_COUNT as usize;
                return from + ahead as u64;
            }
            let next = (start / 64 + step + 1) % words;
            word = if step + 1 == words { lower } else { self.occupied[next] };
        }
        NOWHERE
    }
}

/// Contents of entries, in slots that are used again.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// An empty slab.
    pub const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    /// Puts a content in a free slot.
    #[inline]
    pub fn insert(&mut self, content: T) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(content);
                slot
            }
            None => {
                self.slots.push(Some(content));
                u32::try_from(self.slots.len() - 1).expect("a queue has less than 2^19 entries")
            }
        }
    }

    /// Takes the content of a slot and frees it.
    ///
    /// # Panics
    /// Where the slot is free.
    #[inline]
    pub fn take(&mut self, slot: u32) -> T {
        let content = self.slots[slot as usize].take().expect("an entry is taken once");
        self.free.push(slot);
        content
    }

    /// The content of a slot.
    ///
    /// # Panics
    /// Where the slot is free.
    pub fn get(&self, slot: u32) -> &T {
        self.slots[slot as usize].as_ref().expect("an entry is looked at before it is taken")
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

    #[test]
    fn time_goes_before_priority_and_priority_before_sequence() {
        let at = Instant::from_nanos;
        let keys =
            [Key::new(at(1), 9, 9, 9), Key::new(at(2), 0, 5, 0), Key::new(at(2), 1, 1, 0), Key::new(at(2), 1, 2, 0)];
        assert!(keys.is_sorted());
        assert_eq!((keys[0].at(), keys[0].slot()), (at(1), 9));
        assert_eq!(Key::new(Instant::MAX, 255, SEQUENCE_MAX, 7).at(), Instant::MAX);
    }

    #[test]
    fn a_queue_that_is_handed_out_keeps_no_entry_but_counts_it() {
        let mut queue = Queue::handed_out();
        let key = |at, sequence| Key::new(Instant::from_nanos(at), 0, sequence, 0);
        for entry in [key(u64::MAX, 1), key(3, 2), key(0, 3), key(3, 4)] {
            queue.push(entry);
            assert_eq!((queue.peek(), queue.pop()), (None, None));
        }
        let handed: Vec<Key> = queue.hand_out().collect();
        assert_eq!(handed, [key(0, 3), key(3, 2), key(3, 4), key(u64::MAX, 1)]);
        assert_eq!((queue.hand_out().count(), queue.len()), (0, 4));
        queue.done();
        queue.push(key(1, 5));
        assert_eq!((queue.hand_out().count(), queue.len()), (1, 4));
    }

    #[test]
    fn a_flood_at_one_instant_comes_out_in_order() {
        let mut queue = Queue::new();
        let at = Instant::from_nanos(5);
        let key = |sequence| Key::new(at, 0, sequence, 0);
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
                let key = Key::new(Instant::from_nanos(at), priority, sequence, 0);
                queue.push(key);
                model.insert(key);
                prop_assert_eq!(queue.peek(), model.first().copied());
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
            prop_assert!(queue.is_empty() && queue.peek().is_none());
        }
    }
}

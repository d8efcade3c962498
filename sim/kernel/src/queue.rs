//! The event queue: totally ordered by (time, priority, sequence).
//!
//! An entry is one 128-bit word, so that a comparison is one comparison and a heap of entries is small:
//!
//! ```text
//!   127            64 63      56 55             20 19        0
//!   │ time, ns       │ priority │ sequence        │ slot      │
//! ```
//!
//! The slot says where the content lies and never decides an order, because no two entries share a sequence.

use crate::time::Instant;

/// The most entries that a queue can hold at once.
pub const SLOT_COUNT_MAX: u64 = 1 << 19;

/// The highest sequence number.
pub const SEQUENCE_MAX: u64 = (1 << 36) - 1;

const SLOT_BITS: u32 = 20;
const SLOT_MASK: u128 = (1 << SLOT_BITS) - 1;
const ARITY: usize = 4;

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
        assert!(
            sequence <= SEQUENCE_MAX,
            "a run ends before its sequence numbers do"
        );
        assert!((slot as u128) <= SLOT_MASK, "a slot has 20 bits");
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
        (
            self.at(),
            (order >> 56) as u8,
            order >> SLOT_BITS & SEQUENCE_MAX,
        )
    }

    /// Where its content lies.
    #[inline]
    pub const fn slot(self) -> u32 {
        (self.0 & SLOT_MASK) as u32
    }
}

/// A heap of entries with four children to a node: half as deep as a binary one, and siblings share a cache line.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    heap: Vec<Key>,
}

impl Queue {
    /// An empty queue.
    pub const fn new() -> Self {
        Self { heap: Vec::new() }
    }

    /// How many entries there are, cancelled ones included.
    #[inline]
    pub const fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// The first entry.
    #[inline]
    pub fn peek(&self) -> Option<Key> {
        self.heap.first().copied()
    }

    /// Adds an entry.
    #[inline]
    pub fn push(&mut self, key: Key) {
        let mut hole = self.heap.len();
        self.heap.push(key);
        while hole > 0 {
            let parent = (hole - 1) / ARITY;
            if self.heap[parent] <= key {
                break;
            }
            self.heap[hole] = self.heap[parent];
            hole = parent;
        }
        self.heap[hole] = key;
    }

    /// Takes the first entry.
    #[inline]
    pub fn pop(&mut self) -> Option<Key> {
        let last = self.heap.pop()?;
        let Some(&first) = self.heap.first() else {
            return Some(last);
        };
        let len = self.heap.len();
        let mut hole = 0;
        loop {
            let child = hole * ARITY + 1;
            if child >= len {
                break;
            }
            let smallest = self.smallest_child(child, len);
            if self.heap[smallest] >= last {
                break;
            }
            self.heap[hole] = self.heap[smallest];
            hole = smallest;
        }
        self.heap[hole] = last;
        Some(first)
    }

    #[inline]
    fn smallest_child(&self, first: usize, len: usize) -> usize {
        let end = (first + ARITY).min(len);
        let mut smallest = first;
        for child in first + 1..end {
            if self.heap[child] < self.heap[smallest] {
                smallest = child;
            }
        }
        smallest
    }

    /// Forgets all entries and keeps the room.
    pub fn clear(&mut self) {
        self.heap.clear();
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
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
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
        let content = self.slots[slot as usize]
            .take()
            .expect("an entry is taken once");
        self.free.push(slot);
        content
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
        let keys = [
            Key::new(at(1), 9, 9, 9),
            Key::new(at(2), 0, 5, 0),
            Key::new(at(2), 1, 1, 0),
            Key::new(at(2), 1, 2, 0),
        ];
        assert!(keys.is_sorted());
        assert_eq!((keys[0].at(), keys[0].slot()), (at(1), 9));
        assert_eq!(
            Key::new(Instant::MAX, 255, SEQUENCE_MAX, 7).at(),
            Instant::MAX
        );
    }

    proptest! {
        #[test]
        fn entries_come_out_in_order(times in prop::collection::vec((0u64..50, 0u8..3), 0..200), pops in 0usize..200) {
            let mut queue = Queue::new();
            let mut model = std::collections::BTreeSet::new();
            for (sequence, (at, priority)) in (0..).zip(times) {
                let key = Key::new(Instant::from_nanos(at), priority, sequence, 0);
                queue.push(key);
                model.insert(key);
                if (sequence as usize) % 3 == 0 && (sequence as usize) < pops {
                    prop_assert_eq!(queue.pop(), model.pop_first());
                }
            }
            while let Some(key) = model.pop_first() {
                prop_assert_eq!(queue.peek(), Some(key));
                prop_assert_eq!(queue.pop(), Some(key));
            }
            prop_assert!(queue.is_empty());
        }
    }
}

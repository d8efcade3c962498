//! The key of an entry of the queue: when it is due, in which order, and what it points to, in one 128-bit word.
//!
//! ```text
//!   127            64 63      56 55             21 20        0
//!   │ time, ns       │ priority │ sequence        │ slot      │
//!
//!   slot of a timer     1 │ node (8 bits) │ timer (12 bits)
//!   slot of a datagram  0 │ 1 │ datagram (19 bits)
//!   slot of an event    0 │ 0 │ event (19 bits)
//! ```
//!
//! One word makes a comparison one comparison, and a heap of entries small.
//! The slot never decides an order, because no two entries share a sequence.

use crate::id::Cluster;
use crate::time::Instant;
use crate::timers::TIMER_COUNT_MAX;

/// The most entries that a queue can hold at once.
pub const SLOT_COUNT_MAX: u64 = 1 << CONTENT_BITS;

/// The highest sequence number.
pub const SEQUENCE_MAX: u64 = (1 << SEQUENCE_BITS) - 1;

const TIME_BITS: u32 = 64;
const PRIORITY_BITS: u32 = 8;
const SEQUENCE_BITS: u32 = 35;
const SLOT_BITS: u32 = 21;

/// Bits of a place in the slab of datagrams or in that of events.
const CONTENT_BITS: u32 = 19;
/// Bits of a timer's place among those of its node.
const TIMER_BITS: u32 = 12;
/// Bits of the dense index of a timer's node.
const NODE_BITS: u32 = 8;

/// Set in the slot of a timer.
const TIMER_FLAG: u32 = 1 << (SLOT_BITS - 1);
/// Set in the slot of a datagram. In that of a timer the bit is part of the node.
const DATAGRAM_FLAG: u32 = 1 << CONTENT_BITS;

const _: () = {
    assert!(TIME_BITS + PRIORITY_BITS + SEQUENCE_BITS + SLOT_BITS == u128::BITS, "a key is one word");
    assert!(PRIORITY_BITS == u8::BITS, "a priority is a byte");
    assert!(1 + NODE_BITS + TIMER_BITS == SLOT_BITS, "the slot of a timer holds its flag, its node and its place");
    assert!(DATAGRAM_FLAG < TIMER_FLAG, "the flags of timers and datagrams are two bits");
    assert!(TIMER_COUNT_MAX <= 1 << TIMER_BITS, "every timer of a node has a place in a slot");
    assert!(Cluster::NODE_COUNT_MAX <= 1 << NODE_BITS, "every node has an index in a slot");
};

/// What an entry points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryRef {
    /// A timer of a node.
    Timer {
        /// Dense index of the node.
        node: usize,
        /// Its place among the node's timers.
        slot: u32,
    },
    /// A datagram under way: its place in the slab of datagrams.
    Datagram(u32),
    /// Another event: its place in the slab of events.
    Event(u32),
}

impl EntryRef {
    /// As the slot of a key.
    ///
    /// # Panics
    /// If a number is too large for its bits.
    #[inline(always)]
    pub const fn pack(self) -> u32 {
        match self {
            Self::Timer { node, slot } => {
                assert!(node < 1 << NODE_BITS && slot < 1 << TIMER_BITS, "a timer fits into the slot of a key");
                TIMER_FLAG | (node as u32) << TIMER_BITS | slot
            }
            Self::Datagram(place) => {
                assert!(place < 1 << CONTENT_BITS, "a datagram fits into the slot of a key");
                DATAGRAM_FLAG | place
            }
            Self::Event(place) => {
                assert!(place < 1 << CONTENT_BITS, "an event fits into the slot of a key");
                place
            }
        }
    }

    /// From the slot of a key. The inverse of [`EntryRef::pack`].
    #[inline(always)]
    pub const fn unpack(slot: u32) -> Self {
        if slot & TIMER_FLAG != 0 {
            let node = (slot & !TIMER_FLAG) >> TIMER_BITS;
            Self::Timer { node: node as usize, slot: slot & ((1 << TIMER_BITS) - 1) }
        } else if slot & DATAGRAM_FLAG != 0 {
            Self::Datagram(slot & !DATAGRAM_FLAG)
        } else {
            Self::Event(slot)
        }
    }
}

/// An entry: when it is due, in which order, and what it points to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key(u128);

impl Key {
    /// An entry.
    ///
    /// # Panics
    /// If the sequence or what the entry points to is out of range: the budgets of a run end it long before.
    #[inline(always)]
    pub const fn new(at: Instant, priority: u8, sequence: u64, entry: EntryRef) -> Self {
        assert!(sequence <= SEQUENCE_MAX, "a run ends before its sequence numbers do");
        let order = (priority as u64) << (SEQUENCE_BITS + SLOT_BITS) | sequence << SLOT_BITS | entry.pack() as u64;
        Self((at.as_nanos() as u128) << (u128::BITS - TIME_BITS) | order as u128)
    }

    /// When it is due.
    #[inline]
    pub const fn at(self) -> Instant {
        Instant::from_nanos((self.0 >> (u128::BITS - TIME_BITS)) as u64)
    }

    /// Time, priority and sequence: all that decides the order.
    #[inline]
    pub const fn order(self) -> (Instant, u8, u64) {
        let order = self.0 as u64;
        (self.at(), (order >> (SEQUENCE_BITS + SLOT_BITS)) as u8, order >> SLOT_BITS & SEQUENCE_MAX)
    }

    /// What it points to.
    #[inline(always)]
    pub const fn entry(self) -> EntryRef {
        EntryRef::unpack((self.0 & ((1 << SLOT_BITS) - 1)) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_before_priority_and_priority_before_sequence() {
        let key = |at, priority, sequence, place| {
            Key::new(Instant::from_nanos(at), priority, sequence, EntryRef::Event(place))
        };
        let keys = [key(1, 9, 9, 9), key(2, 0, 5, 0), key(2, 1, 1, 0), key(2, 1, 2, 0)];
        assert!(keys.is_sorted());
        assert_eq!((keys[0].at(), keys[0].entry()), (Instant::from_nanos(1), EntryRef::Event(9)));
        let last = Key::new(Instant::MAX, 255, SEQUENCE_MAX, EntryRef::Event(7));
        assert_eq!(last.order(), (Instant::MAX, 255, SEQUENCE_MAX));
    }

    #[test]
    fn what_an_entry_points_to_comes_back_at_the_ends_of_every_range() {
        let content_max = (1 << CONTENT_BITS) - 1;
        let (node_max, timer_max) = (Cluster::NODE_COUNT_MAX - 1, TIMER_COUNT_MAX as u32 - 1);
        let mut slots = Vec::new();
        for entry in [
            EntryRef::Event(0),
            EntryRef::Event(content_max),
            EntryRef::Datagram(0),
            EntryRef::Datagram(content_max),
            EntryRef::Timer { node: 0, slot: 0 },
            EntryRef::Timer { node: 0, slot: timer_max },
            EntryRef::Timer { node: node_max, slot: 0 },
            EntryRef::Timer { node: node_max, slot: timer_max },
            EntryRef::Timer { node: (1 << NODE_BITS) - 1, slot: timer_max },
        ] {
            assert_eq!(EntryRef::unpack(entry.pack()), entry);
            let key = Key::new(Instant::MAX, 255, SEQUENCE_MAX, entry);
            assert_eq!((key.entry(), key.order()), (entry, (Instant::MAX, 255, SEQUENCE_MAX)));
            slots.push(entry.pack());
        }
        assert!(slots.is_sorted_by(|before, after| before < after), "no two share a slot: {slots:?}");
    }

    #[test]
    #[should_panic(expected = "a datagram fits into the slot of a key")]
    fn a_place_that_does_not_fit_is_refused() {
        EntryRef::Datagram(1 << CONTENT_BITS).pack();
    }
}

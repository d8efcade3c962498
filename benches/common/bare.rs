//! The bare loop: the ping-pong on a plain binary heap with one ChaCha8 stream and a multiply hash, and nothing else.
//! What the kernel's cost is measured against.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    at: u64,
    sequence: u64,
    slot: u32,
}

enum Event {
    Timer { node: u8 },
    Message { source: u8, target: u8, is_ping: bool, _body: [u64; 6] },
}

struct Bare {
    rng: ChaCha8Rng,
    heap: BinaryHeap<Reverse<Key>>,
    slab: Vec<Option<Event>>,
    free: Vec<u32>,
    sequence: u64,
}

impl Bare {
    fn push(&mut self, at: u64, event: Event) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slab[slot as usize] = Some(event);
                slot
            }
            None => {
                self.slab.push(Some(event));
                (self.slab.len() - 1) as u32
            }
        };
        self.sequence += 1;
        self.heap.push(Reverse(Key { at, sequence: self.sequence, slot }));
    }

    fn send(&mut self, now: u64, source: u8, target: u8, is_ping: bool) {
        // One percent is lost; the others take from 1 to 10 ms.
        if self.rng.next_u32() > 42_949_672 {
            let delay = 1_000_000 + ((u64::from(self.rng.next_u32()) * 9_000_000) >> 32);
            self.push(now + delay, Event::Message { source, target, is_ping, _body: [0; 6] });
        }
    }
}

/// Runs the work for so many virtual seconds. Returns the messages delivered and the hash.
pub(crate) fn bare(seconds: u64, seed: u64) -> (u64, u64) {
    let rng = ChaCha8Rng::seed_from_u64(seed);
    let mut world = Bare { rng, heap: BinaryHeap::new(), slab: Vec::new(), free: Vec::new(), sequence: 0 };
    let (mut hash, mut messages) = (0u64, 0);
    for node in 0..5 {
        world.push(10_000_000, Event::Timer { node });
    }
    while let Some(Reverse(key)) = world.heap.pop() {
        if key.at > seconds * 1_000_000_000 {
            break;
        }
        let event = world.slab[key.slot as usize].take().expect("an entry is taken once");
        world.free.push(key.slot);
        hash = (hash.rotate_left(5) ^ key.at).wrapping_mul(0x517c_c1b7_2722_0a95);
        match event {
            Event::Timer { node } => {
                (0..5).filter(|peer| *peer != node).for_each(|peer| world.send(key.at, node, peer, true));
                world.push(key.at + 10_000_000, Event::Timer { node });
            }
            Event::Message { source, target, is_ping, .. } => {
                messages += 1;
                if is_ping {
                    world.send(key.at, target, source, false);
                }
            }
        }
    }
    (messages, hash)
}

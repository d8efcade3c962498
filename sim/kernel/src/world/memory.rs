//! Old packets of links, for the fault that lets one arrive again. Kept only by a run that has such a fault.

use std::collections::{BTreeMap, VecDeque};

use crate::node::Message;
use crate::time::{Duration, Instant};

/// How many packets of one link are kept: what is older is forgotten.
const PACKETS_MAX: usize = 1_024;

/// Datagrams that were sent and not lost, by link, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Memory<M> {
    links: BTreeMap<(usize, usize), VecDeque<(Instant, M)>>,
}

impl<M: Message> Memory<M> {
    /// A memory without packets.
    pub(super) const fn new() -> Self {
        Self { links: BTreeMap::new() }
    }

    /// A packet was sent.
    pub(super) fn keep(&mut self, now: Instant, link: (usize, usize), message: &M) {
        let packets = self.links.entry(link).or_default();
        if packets.len() == PACKETS_MAX {
            packets.pop_front();
        }
        packets.push_back((now, message.clone()));
    }

    /// The last packet of a link that is at least so old and of a kind in the mask.
    pub(super) fn recall(&self, now: Instant, link: (usize, usize), age: Duration, mask: u64) -> Option<M> {
        let fits = |(sent, message): &&(Instant, M)| now.since(*sent) >= age && mask >> message.kind() & 1 == 1;
        self.links.get(&link)?.iter().rev().find(fits).map(|(_, message)| message.clone())
    }
}

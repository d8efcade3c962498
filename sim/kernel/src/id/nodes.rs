//! The nodes of a cluster, one after another.

use super::NodeId;
use super::cluster::Count;
use super::kind::{Kind, Side};

/// Nodes of a cluster, in order of their dense index.
///
/// Nodes of one kind have consecutive ids, so that a step is one addition; the kinds are looked at between them. Nodes
/// go over their peers at every heartbeat.
#[derive(Clone, Debug)]
pub struct Nodes {
    /// The next node, while any of its kind are left.
    next: NodeId,
    /// How many of its kind are left.
    left: u16,
    /// How many of the kinds have been looked at.
    looked_at: u8,
    side: Option<Side>,
    spares: Spares,
    kinds: &'static [Kind],
    /// By place in `kinds`.
    counts: [Count; Kind::KINDS_MAX],
}

/// Whether the nodes that are absent at first are among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spares {
    Included,
    LeftOut,
}

impl Nodes {
    /// Those on this side, or all.
    #[inline]
    pub(super) const fn new(
        kinds: &'static [Kind],
        counts: [Count; Kind::KINDS_MAX],
        side: Option<Side>,
        spares: Spares,
    ) -> Self {
        Self { next: NodeId(0), left: 0, looked_at: 0, side, spares, kinds, counts }
    }

    /// Goes to the next kind of which there are any. Returns whether there is one.
    #[inline(never)]
    fn next_kind(&mut self) -> bool {
        while let Some(kind) = self.kinds.get(usize::from(self.looked_at)) {
            let count = self.counts[usize::from(self.looked_at)];
            self.looked_at += 1;
            let len = count.start + if self.spares == Spares::Included { count.spare } else { 0 };
            if len > 0 && self.side.is_none_or(|side| kind.side == side) {
                self.next = NodeId::new(kind.id, 1);
                self.left = len;
                return true;
            }
        }
        false
    }
}

impl Iterator for Nodes {
    type Item = NodeId;

    #[inline]
    fn next(&mut self) -> Option<NodeId> {
        if self.left == 0 && !self.next_kind() {
            return None;
        }
        let node = self.next;
        self.left -= 1;
        // The number of the last of a kind is at most 64: it never reaches the bits of the kind.
        self.next = NodeId(node.0 + 1);
        Some(node)
    }
}

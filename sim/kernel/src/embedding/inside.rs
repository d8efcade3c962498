//! The invariants of an inner system, over the nodes around its own.

use crate::context::EffectRef;
use crate::embedding::Embedding;
use crate::fault::Fault;
use crate::history::HistoryEntryRef;
use crate::id::NodeId;
use crate::invariant::{FaultChange, Findings, Groups, Input, InvariantInfo, Invariants};
use crate::time::Instant;
use crate::view::{Projected, View};

/// The invariants of an inner node, unchanged, over the node around it.
#[derive(Clone, Debug)]
pub struct Inside<E, I> {
    embedding: E,
    inner: I,
    is_there: bool,
}

impl<E: Embedding, I: Invariants<E::Inner>> Inside<E, I> {
    /// These invariants over the inner node.
    pub const fn new(embedding: E, inner: I) -> Self {
        Self { embedding, inner, is_there: true }
    }

    /// These invariants over an inner node that this cluster does not have: they hear of nothing, and are evaluated
    /// never.
    pub const fn absent(embedding: E, inner: I) -> Self {
        Self { embedding, inner, is_there: false }
    }

    fn hosts(&self, node: NodeId) -> bool {
        self.is_there && self.embedding.hosts(node)
    }

    /// The invariants, with all that they have seen.
    pub const fn inner(&self) -> &I {
        &self.inner
    }
}

impl<E: Embedding, I: Invariants<E::Inner>> Invariants<E::Outer> for Inside<E, I> {
    /// It checks nothing itself.
    const LIST: &'static [InvariantInfo] = &[];
    const GROUPS: Groups = Groups::Inside { name: E::GROUP, groups: &I::GROUPS };

    fn on_start(&mut self, outer: impl View<E::Outer>, node: NodeId, findings: &mut Findings) {
        if self.hosts(node) {
            let view = Projected { outer, embedding: self.embedding };
            self.inner.on_start(view, node, findings);
        }
    }

    #[inline]
    fn on_effect(
        &mut self,
        outer: impl View<E::Outer>,
        node: NodeId,
        effect: EffectRef<'_, E::Outer>,
        findings: &mut Findings,
    ) {
        if self.hosts(node)
            && let Some(effect) = self.embedding.inner_effect(effect)
        {
            let view = Projected { outer, embedding: self.embedding };
            self.inner.on_effect(view, node, effect, findings);
        }
    }

    #[inline]
    fn on_input(
        &mut self,
        outer: impl View<E::Outer>,
        node: NodeId,
        input: Input<'_, E::Outer>,
        findings: &mut Findings,
    ) {
        if self.hosts(node)
            && let Some(input) = self.embedding.inner_input(input)
        {
            let view = Projected { outer, embedding: self.embedding };
            self.inner.on_input(view, node, input, findings);
        }
    }

    #[inline]
    fn on_step(&mut self, outer: impl View<E::Outer>, node: NodeId, findings: &mut Findings) {
        if self.hosts(node) {
            let view = Projected { outer, embedding: self.embedding };
            self.inner.on_step(view, node, findings);
        }
    }

    fn on_down(&mut self, outer: impl View<E::Outer>, node: NodeId, findings: &mut Findings) {
        if self.hosts(node) {
            let view = Projected { outer, embedding: self.embedding };
            self.inner.on_down(view, node, findings);
        }
    }

    fn on_fault(&mut self, outer: impl View<E::Outer>, fault: &Fault, change: FaultChange, findings: &mut Findings) {
        if self.is_there {
            let view = Projected { outer, embedding: self.embedding };
            self.inner.on_fault(view, fault, change, findings);
        }
    }

    fn on_settle(&mut self, outer: impl View<E::Outer>, findings: &mut Findings) {
        if self.is_there {
            let view = Projected { outer, embedding: self.embedding };
            self.inner.on_settle(view, findings);
        }
    }

    #[inline]
    fn deadline(&self) -> Instant {
        if self.is_there { self.inner.deadline() } else { Instant::MAX }
    }

    fn on_deadline(&mut self, outer: impl View<E::Outer>, findings: &mut Findings) {
        if self.is_there {
            let view = Projected { outer, embedding: self.embedding };
            self.inner.on_deadline(view, findings);
        }
    }

    fn on_history(
        &mut self,
        outer: impl View<E::Outer>,
        entry: HistoryEntryRef<'_, E::Outer>,
        findings: &mut Findings,
    ) {
        let view = Projected { outer, embedding: self.embedding };
        if let Some(entry) = view.entry(entry).filter(|_| self.is_there) {
            self.inner.on_history(view, entry, findings);
        }
    }

    fn on_end(&mut self, outer: impl View<E::Outer>, findings: &mut Findings) {
        if self.is_there {
            let view = Projected { outer, embedding: self.embedding };
            self.inner.on_end(view, findings);
        }
    }
}

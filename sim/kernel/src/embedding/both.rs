//! Two sets of invariants over one node.

use crate::context::EffectRef;
use crate::fault::Fault;
use crate::history::HistoryEntryRef;
use crate::id::NodeId;
use crate::invariant::{FaultChange, Findings, Groups, Input, InvariantInfo, Invariants};
use crate::node::Node;
use crate::time::Instant;
use crate::view::View;

/// Two sets of invariants over one node.
#[derive(Clone, Debug)]
pub struct Both<A, B>(pub A, pub B);

/// Calls both, each with its own findings.
macro_rules! both {
    ($self:ident, $findings:ident, $call:ident($($argument:expr),*)) => {{
        $self.0.$call($($argument,)* $findings);
        let (groups, invariants) = const { (A::GROUPS.count(), A::GROUPS.invariant_count()) };
        $findings.after(groups, invariants, |findings| $self.1.$call($($argument,)* findings));
    }};
}

impl<N: Node, A: Invariants<N>, B: Invariants<N>> Invariants<N> for Both<A, B> {
    /// It checks nothing itself.
    const LIST: &'static [InvariantInfo] = &[];
    const GROUPS: Groups = Groups::Both { first: &A::GROUPS, second: &B::GROUPS };

    fn on_start(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        both!(self, findings, on_start(view, node));
    }
    #[inline]
    fn on_effect(&mut self, view: impl View<N>, node: NodeId, effect: EffectRef<'_, N>, findings: &mut Findings) {
        both!(self, findings, on_effect(view, node, effect));
    }
    #[inline]
    fn on_input(&mut self, view: impl View<N>, node: NodeId, input: Input<'_, N>, findings: &mut Findings) {
        both!(self, findings, on_input(view, node, input));
    }
    #[inline]
    fn on_step(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        both!(self, findings, on_step(view, node));
    }
    fn on_down(&mut self, view: impl View<N>, node: NodeId, findings: &mut Findings) {
        both!(self, findings, on_down(view, node));
    }
    fn on_fault(&mut self, view: impl View<N>, fault: &Fault, change: FaultChange, findings: &mut Findings) {
        both!(self, findings, on_fault(view, fault, change));
    }
    fn on_settle(&mut self, view: impl View<N>, findings: &mut Findings) {
        both!(self, findings, on_settle(view));
    }
    #[inline]
    fn deadline(&self) -> Instant {
        self.0.deadline().min(self.1.deadline())
    }
    fn on_deadline(&mut self, view: impl View<N>, findings: &mut Findings) {
        let now = view.now();
        if self.0.deadline() <= now {
            self.0.on_deadline(view, findings);
        }
        if self.1.deadline() <= now {
            findings.after(const { A::GROUPS.count() }, const { A::GROUPS.invariant_count() }, |findings| {
                self.1.on_deadline(view, findings)
            });
        }
    }
    fn on_history(&mut self, view: impl View<N>, entry: HistoryEntryRef<'_, N>, findings: &mut Findings) {
        both!(self, findings, on_history(view, entry));
    }
    fn on_end(&mut self, view: impl View<N>, findings: &mut Findings) {
        both!(self, findings, on_end(view));
    }
}

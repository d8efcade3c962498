//! The history of clients: what goes into it, and how it is shown to those who watch.

use crate::context::{EffectRef, OperationId, OperationResult};
use crate::history::{HistoryEntry, HistoryEvent};
use crate::invariant::Invariants;
use crate::node::Node;
use crate::system::System;
use crate::trace::{TraceItem, Tracer};
use crate::view::Whole;

use super::World;

/// What happens to an operation of the nodes of `S`.
type EventOf<S> = HistoryEvent<<<S as System>::Node as Node>::Operation, <<S as System>::Node as Node>::Response>;

impl<S: System, T: Tracer<S::Node>> World<S, T> {
    /// An operation begins.
    pub(super) fn invoke(&mut self, index: usize, id: OperationId, operation: <S::Node as Node>::Operation) {
        self.show(index, EffectRef::Invoke { id, operation: &operation });
        if self.tracer.is_on() {
            let node = self.state.nodes[index].id;
            self.tracer.record(self.moment(), TraceItem::Invoked { node, id, operation: &operation });
        }
        let place = self.remember(index, id, HistoryEvent::Invoked(operation));
        self.state.nodes[index].open.push((id, place));
    }

    /// An operation ends.
    pub(super) fn complete_operation(
        &mut self,
        index: usize,
        id: OperationId,
        result: OperationResult<<S::Node as Node>::Response>,
    ) {
        self.show(index, EffectRef::Complete { id, result: result.as_ref() });
        let state = &mut self.state.nodes[index];
        let open = state.open.iter().position(|(open, _)| *open == id);
        let open = open.expect("a process completes what it has begun, and once");
        let (_, invoked) = state.open.swap_remove(open);
        if self.tracer.is_on() {
            let node = self.state.nodes[index].id;
            self.tracer.record(self.moment(), TraceItem::Completed { node, id, result: result.as_ref() });
        }
        if matches!(result, OperationResult::Failed) {
            self.count_at(self.state.nodes[index].id, "operation failed");
        }
        self.remember(index, id, HistoryEvent::Completed { invoked, result });
        self.notify_workload();
    }

    /// A process ends: what it has begun and not completed may take effect at any later time, or never.
    pub(super) fn abandon(&mut self, index: usize) {
        let mut open = std::mem::take(&mut self.state.nodes[index].open);
        open.sort_unstable();
        for (id, invoked) in open.drain(..) {
            if self.tracer.is_on() {
                let node = self.state.nodes[index].id;
                self.tracer.record(self.moment(), TraceItem::Completed { node, id, result: OperationResult::Unknown });
            }
            self.remember(index, id, HistoryEvent::Completed { invoked, result: OperationResult::Unknown });
            self.notify_workload();
        }
        self.state.nodes[index].open = open;
        self.drop_unbegun(index);
    }

    fn remember(&mut self, index: usize, id: OperationId, change: EventOf<S>) -> usize {
        let state = &self.state.nodes[index];
        let (at, event) = (self.state.now, self.state.events);
        let entry = HistoryEntry { at, event, client: state.id, process: state.incarnation, id, change };
        let place = self.state.history.push(entry);
        let history = &self.state.history;
        let entry = history.entries()[place].as_ref();
        let (kind, began) = match entry.change {
            HistoryEvent::Invoked(operation) => (S::Node::operation_kind(operation), at),
            HistoryEvent::Completed { invoked, .. } => {
                (S::Node::operation_kind(history.operation_at(invoked)), history.entries()[invoked].at)
            }
        };
        self.measures.on_history(&entry, (kind, began));
        self.invariants.on_history(Whole::new(&self.state), entry, &mut self.findings);
        place
    }
}

//! A program that uses locks: it is asked for one operation after the other, and hands them to its lock library.

use std::collections::BTreeMap;
use std::sync::Arc;

use splitbrain_kernel::context::{OperationId, OperationResult};
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::node::Source;

use super::client::{Alarm, Client, Ctx, End, HandleId};
use super::ids::LockId;
use super::message::{Operation, Response, Wire};
use super::options::LockOptions;

/// The program.
///
/// - Each lock has at most one handle, and each handle at most one operation under way.
#[derive(Clone, Debug)]
pub struct User {
    client: Client,
    /// The locks that it holds or asks for.
    handles: BTreeMap<LockId, HandleId>,
    /// What each handle is busy with.
    open: BTreeMap<HandleId, (OperationId, Operation)>,
}

impl User {
    pub(super) fn new(options: Arc<LockOptions>, cluster: Cluster, id: NodeId) -> Self {
        Self { client: Client::new(options, cluster, id), handles: BTreeMap::new(), open: BTreeMap::new() }
    }

    /// Its library.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The same, for the node around it.
    pub const fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    pub(super) fn on_operation(&mut self, ctx: &mut Ctx<'_>, operation: Operation) {
        let id = ctx.invoke(operation);
        let lock = operation.lock();
        match (operation, self.handles.get(&lock).copied()) {
            (Operation::Acquire { .. }, None) => {
                let handle = self.client.acquire(ctx, lock);
                self.handles.insert(lock, handle);
                self.open.insert(handle, (id, operation));
            }
            (Operation::Write { value, .. }, Some(handle)) if !self.open.contains_key(&handle) => {
                self.open.insert(handle, (id, operation));
                self.client.write(ctx, handle, value);
            }
            (Operation::Release { .. }, Some(handle)) if !self.open.contains_key(&handle) => {
                self.open.insert(handle, (id, operation));
                self.client.release(ctx, handle);
            }
            // It has the lock already, or is busy with it, or has none: a process before this one had it.
            (Operation::Acquire { .. }, Some(_)) => ctx.complete(id, OperationResult::Failed),
            _ => ctx.complete(id, OperationResult::Ok(Response::Lost)),
        }
        self.collect(ctx);
    }

    pub(super) fn on_message(&mut self, ctx: &mut Ctx<'_>, source: Source, message: Wire) {
        match message {
            Wire::Answer { request, answer } => self.client.on_answer(ctx, request, &answer),
            Wire::Done { request, outcome } => self.client.on_outcome(ctx, request, outcome),
            Wire::Reset { request, process } => self.client.on_reset(ctx, source.node, request, process),
            Wire::Found { master, epoch } => self.client.on_found(master, epoch),
            _ => {}
        }
        self.collect(ctx);
    }

    pub(super) fn on_alarm(&mut self, ctx: &mut Ctx<'_>, handle: HandleId, alarm: Alarm) {
        self.client.on_alarm(ctx, handle, alarm);
        self.collect(ctx);
    }

    /// Completes what has ended.
    fn collect(&mut self, ctx: &mut Ctx<'_>) {
        while let Some((handle, end)) = self.client.poll() {
            let Some((id, operation)) = self.open.remove(&handle) else { continue };
            let is_in_vain = matches!(end, End::Answered(Response::Busy | Response::Unavailable));
            let is_over = matches!(operation, Operation::Release { .. }) || is_in_vain;
            if is_over {
                self.handles.remove(&operation.lock());
            }
            match end {
                End::Answered(response) => ctx.complete(id, OperationResult::Ok(response)),
                End::Unknown => ctx.complete(id, OperationResult::Unknown),
            }
        }
    }
}

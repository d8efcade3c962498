//! What a chunk asks about session items: targets for itself, other items for its clients.

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Duration;

use crate::session::bug::Bug;
use crate::session::ids::{ItemKey, Resource, SessionId};
use crate::session::message::{Answer, ItemCall, ItemResult, Operation, Response, SessionMessage};
use crate::session::node::SessionTimer;
use crate::session::options::Claims;

use super::node_server::answer;
use super::session_client::Purpose;
use super::{Chunk, Ctx};

impl Chunk {
    fn send_item(&mut self, ctx: &mut Ctx<'_>, session: SessionId, call: ItemCall, purpose: Purpose) {
        let request = self.client.begin(purpose);
        let (instance, lease) = (self.instance_of(session), self.options.lease);
        let item = SessionMessage::Item { request, session, instance, lease, call };
        ctx.send(self.manager.address(session.master), item);
        if self.options.claims == Claims::Poll || !matches!(purpose, Purpose::Claim(_)) {
            ctx.set_timer(SessionTimer::Item(request), self.options.rpc_timeout);
        }
    }

    /// Asks for a target that no chunk may have, every now and then.
    pub(super) fn claim(&mut self, ctx: &mut Ctx<'_>, resource: Resource) {
        let retry = self.options.claim_retry;
        let wait = ctx.rng().duration(retry.div(2), retry + retry.div(2));
        ctx.set_timer(SessionTimer::Claim(resource), wait);
        if self.server.targets.contains_key(&resource) || !self.may_serve() || self.waits_for(resource) {
            return;
        }
        if let Some(session) = self.live_session(self.master_of(resource)) {
            let call = ItemCall::Set { key: ItemKey::Target(resource), value: u64::from(self.around.number) };
            self.send_item(ctx, session, call, Purpose::Claim(resource));
        }
    }

    /// Whether a claim is under way that need not be sent again: with a line, it is, as a datagram may be lost.
    fn waits_for(&mut self, resource: Resource) -> bool {
        let asks_again = self.options.claims == Claims::Queue && !self.has(Bug::WaiterNotTold);
        if asks_again {
            self.client.forget(Purpose::Claim(resource));
        }
        self.client.has(Purpose::Claim(resource))
    }

    /// Gives a target back: first it is served no longer, then the master hears of it, as often as it takes.
    pub(super) fn release(&mut self, ctx: &mut Ctx<'_>, resource: Resource) {
        let is_early = self.has(Bug::ReleaseBeforeStop);
        let Some(served) = self.server.targets.get_mut(&resource) else { return };
        served.is_leaving = true;
        let (session, token) = (served.session, served.token);
        if !is_early {
            self.leave(ctx, resource);
        }
        // A grant that is on its way is of no use any more.
        self.client.forget(Purpose::Claim(resource));
        self.send_item(ctx, session, ItemCall::Release { resource, token }, Purpose::Release(resource));
        ctx.set_timer(SessionTimer::Release(resource), self.options.rpc_timeout + Duration::from_millis(1));
    }

    fn on_released(&mut self, ctx: &mut Ctx<'_>, resource: Resource) {
        self.leave(ctx, resource);
        self.server.targets.remove(&resource);
        self.client.forget(Purpose::Release(resource));
        ctx.cancel_timer(SessionTimer::Release(resource));
    }

    pub(super) fn ask_about_items(
        &mut self,
        ctx: &mut Ctx<'_>,
        client: NodeId,
        operation: OperationId,
        call: Operation,
    ) {
        let call = match call {
            Operation::SetItem { key, value } => ItemCall::Set { key, value },
            Operation::RemoveItem { key } => ItemCall::Remove { key },
            Operation::ListItems => ItemCall::List,
            Operation::Write { .. } | Operation::Read { .. } => unreachable!("the node server takes these"),
        };
        // Each client has its chunk speak with one master.
        let master = (client.number() - 1) % self.around.masters + 1;
        match self.live_session(master) {
            Some(session) => self.send_item(ctx, session, call, Purpose::Client(client, operation)),
            None => answer(ctx, client, operation, Answer::NotServed),
        }
    }

    pub(super) fn on_item_reply(&mut self, ctx: &mut Ctx<'_>, request: u64, session: SessionId, result: ItemResult) {
        let Some(purpose) = self.client.end(request) else { return };
        ctx.cancel_timer(SessionTimer::Item(request));
        if let ItemResult::Refused(refusal) = result {
            self.heed(refusal);
        }
        match (purpose, result) {
            (Purpose::Claim(resource), ItemResult::Granted(token)) => self.serve(ctx, resource, session, token),
            (Purpose::Claim(_), _) => {}
            (Purpose::Release(resource), ItemResult::Done | ItemResult::NoSuchSession) => {
                self.on_released(ctx, resource);
            }
            (Purpose::Release(_), _) => {}
            (Purpose::Client(client, operation), result) => answer(ctx, client, operation, said(&result)),
        }
    }

    /// No answer: what was asked may have been done.
    pub(super) fn on_item_timeout(&mut self, ctx: &mut Ctx<'_>, request: u64) {
        if let Some(Purpose::Client(client, operation)) = self.client.end(request) {
            answer(ctx, client, operation, Answer::Unknown);
        }
    }
}

/// What a client hears of a request about items.
fn said(result: &ItemResult) -> Answer {
    match result {
        ItemResult::Done | ItemResult::Granted(_) => Answer::Ok(Response::Done),
        ItemResult::Items(items) => Answer::Ok(Response::Items(items.len() as u64)),
        ItemResult::Taken | ItemResult::NoSuchSession | ItemResult::Refused(_) => Answer::NotServed,
    }
}

//! Writing under a lock.

use crate::lock::message::{Answer, Command, Put, Response, Wire};
use crate::lock::options::{OwnerCheck, Writes};

use super::acquire::is_owner;
use super::{Alarm, Client, Ctx, End, HandleId, Next, Purpose, Request, Stage, cancel, set};

impl Client {
    /// Writes a value, if the lock is valid at this moment. It ends as written, refused or lost, or is unknown.
    pub fn write(&mut self, ctx: &mut Ctx<'_>, id: HandleId, value: u64) {
        // A paused client takes its inputs in the order in which they came, so this may come before its own timer.
        if self.handles.contains_key(&id) {
            self.on_validity_over(ctx, id);
        }
        let gap = self.gap(ctx);
        let Some(handle) = self.handles.get_mut(&id) else {
            return self.end(id, End::Answered(Response::Lost));
        };
        let Stage::Held(held) = &handle.stage else { return self.end(id, End::Answered(Response::Lost)) };
        if held.is_lost {
            return self.end(id, End::Answered(Response::Lost));
        }
        let put = Put { lock: handle.hold.lock, token: handle.hold.token, fence: held.fence, value };
        handle.next = Some(Next::Write(put));
        match self.options.owner_check {
            OwnerCheck::None => set(ctx, id, Alarm::Step, gap),
            OwnerCheck::Replica => self.ask_owner(ctx, id),
        }
    }

    fn ask_owner(&mut self, ctx: &mut Ctx<'_>, id: HandleId) {
        set(ctx, id, Alarm::Write, self.options.request_timeout);
        let request = Request { handle: id, server: 0, purpose: Purpose::OwnerBeforeWrite };
        let command = Command::Owner { lock: self.handle(id).hold.lock };
        self.ask_at(ctx, self.servers.replica(), request, command);
    }

    /// A replica shows this client's token, or another, or nothing: only with its own it goes on.
    pub(super) fn on_owner_before_write(&mut self, ctx: &mut Ctx<'_>, id: HandleId, answer: &Answer) {
        if matches!(answer, Answer::Error(_)) {
            return self.end_write(ctx, id, End::Unknown);
        }
        if !is_owner(answer, self.handle(id).hold.token) {
            return self.end_write(ctx, id, End::Answered(Response::Refused));
        }
        cancel(ctx, id, Alarm::Write);
        let gap = self.gap(ctx);
        set(ctx, id, Alarm::Step, gap);
    }

    /// The write leaves, some time after the look at the clock.
    pub(super) fn send_write(&mut self, ctx: &mut Ctx<'_>, id: HandleId, put: Put) {
        set(ctx, id, Alarm::Write, self.options.request_timeout);
        if self.options.writes == Writes::Resource {
            let Some(resource) = self.servers.resource() else {
                return self.end_write(ctx, id, End::Answered(Response::Written));
            };
            let request = self.number(ctx, Request { handle: id, server: 0, purpose: Purpose::Write });
            return ctx.send(resource, Wire::Put { request, put });
        }
        let Put { lock, token, value, .. } = put;
        let guarded = self.options.writes == Writes::Guarded;
        self.ask(ctx, id, 0, Purpose::Write, Command::Write { lock, token, value, guarded });
    }

    /// A redis answers: 1 and OK for a write, -1 for a lock that is not this client's.
    pub(super) fn on_write_answer(&mut self, ctx: &mut Ctx<'_>, id: HandleId, answer: &Answer) {
        let end = match answer {
            Answer::Ok | Answer::Integer(1) => End::Answered(Response::Written),
            Answer::Integer(_) | Answer::Nil | Answer::Bulk(_) => End::Answered(Response::Refused),
            Answer::Error(_) => End::Unknown,
        };
        self.end_write(ctx, id, end);
    }

    pub(super) fn end_write(&mut self, ctx: &mut Ctx<'_>, id: HandleId, end: End) {
        let Some(handle) = self.handles.get_mut(&id) else { return };
        // It was not sent, if the owner was asked for and there was no answer in time.
        if matches!(handle.next, Some(Next::Write(_))) {
            handle.next = None;
        }
        cancel(ctx, id, Alarm::Write);
        self.forget(id, |purpose| matches!(purpose, Purpose::Write | Purpose::OwnerBeforeWrite));
        if end == End::Answered(Response::Refused) {
            self.notice_loss(ctx, id);
        }
        self.end(id, end);
    }
}

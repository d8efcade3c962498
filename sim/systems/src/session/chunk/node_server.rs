//! The node server: an iSCSI session for each target that the chunk may serve, and what clients do to them.
//!
//! An iSCSI session is alive while the target is granted under a session that the follower counts on. It is not alive
//! in jeopardy, comes back with the session, and is gone with it. Between the arrival of a client's request and its way
//! to the volume lies a wait: afterwards the chunk looks again.

use std::collections::BTreeMap;

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Duration;

use crate::session::bug::Bug;
use crate::session::ids::{Resource, SessionId, Token};
use crate::session::message::{Answer, ApplyResult, Io, Operation, Response, SessionMessage};
use crate::session::node::SessionTimer;
use crate::session::observation::SessionObservation;
use crate::session::options::{Claims, ExpiryScope};

use super::follower::State;
use super::session_client::Purpose;
use super::{Chunk, Ctx};

/// A target that is granted to this chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) session: SessionId,
    pub(super) token: Token,
    /// Whether the iSCSI session is alive.
    pub(super) is_alive: bool,
    /// Whether the target is being given back.
    pub(super) is_leaving: bool,
}

/// A client's request that the chunk works on.
#[derive(Clone, Copy, Debug)]
struct Work {
    client: NodeId,
    operation: OperationId,
    resource: Resource,
    session: SessionId,
    token: Token,
    io: Io,
}

/// Requests that a chunk works on at a time.
const WORK_MAX: usize = 256;

/// The targets that a chunk serves, and the requests of clients that it works on.
#[derive(Debug, Default)]
pub(super) struct NodeServer {
    pub(super) targets: BTreeMap<Resource, Served>,
    works: BTreeMap<u64, Work>,
}

impl NodeServer {
    pub(super) fn alive(&self) -> impl Iterator<Item = Resource> {
        self.targets.iter().filter(|(_, served)| served.is_alive).map(|(resource, _)| *resource)
    }
}

impl Chunk {
    /// A target is granted: its iSCSI session comes alive, if the session it is granted under is counted on still.
    pub(super) fn serve(&mut self, ctx: &mut Ctx<'_>, resource: Resource, session: SessionId, token: Token) {
        if self.live_session(self.master_of(resource)) != Some(session) || self.server.targets.contains_key(&resource) {
            return;
        }
        let served = Served { session, token, is_alive: false, is_leaving: false };
        self.server.targets.insert(resource, served);
        if !self.options.serve_max.is_zero() {
            ctx.set_timer(SessionTimer::Release(resource), self.options.serve_max);
        }
        self.serve_again(ctx);
    }

    /// Whether no session with another master stands against it.
    pub(super) fn may_serve(&self) -> bool {
        self.options.expiry_scope == ExpiryScope::Own || self.manager.all_alive()
    }

    /// iSCSI sessions come alive where nothing stands against it.
    pub(super) fn serve_again(&mut self, ctx: &mut Ctx<'_>) {
        if !self.may_serve() {
            return;
        }
        for (resource, served) in &mut self.server.targets {
            let (resource, session, token) = (*resource, served.session, served.token);
            let counts = self.manager.get(resource.master(self.around.masters)).live_session() == Some(session);
            if counts && !served.is_alive && !served.is_leaving {
                served.is_alive = true;
                ctx.observe(SessionObservation::ServeStarted { resource, session, token });
            }
        }
    }

    /// Which targets the end of a session with this master is about.
    fn concerned(&self, master: u16) -> Vec<Resource> {
        let is_all = self.options.expiry_scope == ExpiryScope::Any;
        let targets = self.server.targets.keys().copied();
        targets.filter(|resource| is_all || self.master_of(*resource) == master).collect()
    }

    /// Jeopardy: the iSCSI sessions are not alive until it is known whether the session lives.
    pub(super) fn suspend_targets(&mut self, ctx: &mut Ctx<'_>, master: u16) {
        self.concerned(master).into_iter().for_each(|resource| self.leave(ctx, resource));
    }

    /// The session is lost: the targets that were granted under it are, too.
    pub(super) fn drop_targets(&mut self, ctx: &mut Ctx<'_>, master: u16) {
        self.suspend_targets(ctx, master);
        let masters = self.around.masters;
        let is_lost = |resource: &Resource| resource.master(masters) == master;
        for resource in self.server.targets.keys().filter(|resource| is_lost(resource)) {
            ctx.cancel_timer(SessionTimer::Release(*resource));
        }
        if !self.has(Bug::HeldLocally) {
            self.server.targets.retain(|resource, _| !is_lost(resource));
        }
        if self.options.claims == Claims::Queue && !self.has(Bug::WaiterNotTold) {
            // Who had a place in a line had it under this session.
            let lost: Vec<Resource> = self.resources().filter(is_lost).collect();
            lost.into_iter().for_each(|resource| self.client.forget(Purpose::Claim(resource)));
        }
    }

    /// The iSCSI session of a target is not alive from now on.
    pub(super) fn leave(&mut self, ctx: &mut Ctx<'_>, resource: Resource) {
        if let Some(served) = self.server.targets.get_mut(&resource).filter(|served| served.is_alive) {
            served.is_alive = false;
            ctx.observe(SessionObservation::ServeStopped { resource });
        }
    }

    // Requests of clients.

    /// Whether a target may be touched under this grant, now.
    fn may_touch(&self, ctx: &Ctx<'_>, resource: Resource, token: Token) -> bool {
        let is_served =
            self.server.targets.get(&resource).is_some_and(|served| served.is_alive && served.token == token);
        is_served && self.lease_runs(ctx, self.master_of(resource))
    }

    /// Whether the lease runs, by the chunk's clock and not by a timer that may be late.
    fn lease_runs(&self, ctx: &Ctx<'_>, master: u16) -> bool {
        let follower = self.manager.get(master);
        let is_ignored = self.has(Bug::JeopardyServes) || self.has(Bug::RenewalNeverGivesUp);
        let runs = follower.held().is_some_and(|held| self.clock(ctx) < held.until);
        is_ignored || self.has(Bug::CreatedBeforeExpired) || (follower.state == State::Alive && runs)
    }

    pub(super) fn on_ask(&mut self, ctx: &mut Ctx<'_>, client: NodeId, operation: OperationId, call: Operation) {
        let (resource, io) = match call {
            Operation::Write { resource, value } => (resource, Io::Write(value)),
            Operation::Read { resource } => (resource, Io::Read),
            _ => return self.ask_about_items(ctx, client, operation, call),
        };
        let token = self.server.targets.get(&resource).map(|served| (served.session, served.token));
        match token.filter(|(_, token)| self.may_touch(ctx, resource, *token)) {
            Some((session, token)) => {
                let request = self.client.number();
                self.server.works.insert(request, Work { client, operation, resource, session, token, io });
                if self.server.works.len() > WORK_MAX {
                    self.server.works.pop_first();
                }
                let takes = ctx.rng().duration(Duration::ZERO, self.options.io_max);
                ctx.set_timer(SessionTimer::Io(request), takes);
            }
            None => answer(ctx, client, operation, Answer::NotServed),
        }
    }

    /// The wait is over. What held before it may not hold any more.
    pub(super) fn perform(&mut self, ctx: &mut Ctx<'_>, request: u64) {
        let Some(work) = self.server.works.get(&request).copied() else { return };
        let Work { resource, session, token, io, .. } = work;
        if !self.may_touch(ctx, resource, token) && !self.has(Bug::NoRecheckAfterWait) {
            self.server.works.remove(&request);
            ctx.observe(SessionObservation::IoRefused { resource });
            return answer(ctx, work.client, work.operation, Answer::NotServed);
        }
        let volume = resource.volume(self.around.volumes);
        ctx.send(volume, SessionMessage::Apply { request, resource, session, token, io });
    }

    pub(super) fn on_applied(&mut self, ctx: &mut Ctx<'_>, request: u64, result: ApplyResult) {
        let Some(work) = self.server.works.remove(&request) else { return };
        let said = match result {
            ApplyResult::Done(value) => Answer::Ok(Response::Value(value)),
            ApplyResult::Fenced => {
                self.on_fenced(ctx, work);
                Answer::NotServed
            }
        };
        answer(ctx, work.client, work.operation, said);
    }

    /// The volume has seen a newer grant than this one.
    fn on_fenced(&mut self, ctx: &mut Ctx<'_>, work: Work) {
        if self.server.targets.get(&work.resource).is_some_and(|served| served.token == work.token) {
            self.leave(ctx, work.resource);
            self.server.targets.remove(&work.resource);
        }
    }
}

pub(super) fn answer(ctx: &mut Ctx<'_>, client: NodeId, operation: OperationId, answer: Answer) {
    ctx.send(client, SessionMessage::Answer { operation, answer });
}

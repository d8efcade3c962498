//! A chunk: the access handler of a process that serves targets under sessions with its masters.
//!
//! ```text
//!   access handler ─▶ follower manager ─▶ a follower for each master ─▶ session client ─▶ master
//!        │ created cb: capability negotiation, data report          │ keepalive loop
//!        └─▶ node server: iSCSI sessions alive, and not alive on jeopardy and expiry
//! ```
//!
//! The chunk asks for its sessions as soon as it starts. One session is independent of the others; what the end of one
//! means to the targets of another is the option `expiry_scope`.

pub mod follower;
mod items;
mod keep_alive;
pub mod manager;
mod node_server;
mod session_client;
pub mod stop;

use std::sync::Arc;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::{Duration, Instant};

use super::bug::Bug;
use super::ids::{Identity, Instance, Resource, SessionId};
use super::message::{Order, SessionMessage};
use super::node::{SessionNode, SessionStep, SessionTimer};
use super::options::SessionOptions;

use manager::FollowerManager;
use node_server::NodeServer;
use session_client::SessionClient;
use stop::StopSource;

type Ctx<'a> = Context<SessionNode>;

/// What a chunk knows of the cluster, and what it may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The chunk's number.
    pub number: u16,
    /// How many masters there are. Those that are replicated are one.
    pub masters: u16,
    /// How many processes a master is: 1, or all that are replicated.
    pub replicas: u16,
    /// How many volumes.
    pub volumes: u16,
    /// The declared bound on drift.
    pub drift_ppm: Option<u32>,
}

/// A chunk.
#[derive(Debug)]
pub struct Chunk {
    options: Arc<SessionOptions>,
    around: Surroundings,
    /// Which process this is. A user who stops and resumes it makes another one of it.
    instance: Instance,
    manager: FollowerManager,
    client: SessionClient,
    server: NodeServer,
}

impl Chunk {
    pub(super) fn new(options: Arc<SessionOptions>, around: Surroundings) -> Self {
        let manager = FollowerManager::new(around.masters, around.replicas);
        let (client, server) = (SessionClient::default(), NodeServer::default());
        Self { options, around, instance: Instance::default(), manager, client, server }
    }

    /// The followers, by master.
    pub const fn followers(&self) -> &FollowerManager {
        &self.manager
    }

    /// The targets whose iSCSI session is alive.
    pub fn served(&self) -> impl Iterator<Item = Resource> {
        self.server.alive()
    }

    fn has(&self, bug: Bug) -> bool {
        self.options.bug == bug
    }

    /// Under which identity it creates sessions.
    pub fn identity(&self) -> Identity {
        match u16::try_from(self.options.identity).expect("it was validated") {
            0 => Identity(self.around.number),
            identity => Identity(identity),
        }
    }

    /// What the follower's leases are measured on: the monotonic clock, which no one can set.
    fn clock(&self, ctx: &Ctx<'_>) -> Instant {
        if self.has(Bug::FollowerWallClock) { ctx.wall() } else { ctx.now() }
    }

    /// How long a follower counts on its session after the send of what was answered.
    fn follower_lease(&self) -> Duration {
        if self.has(Bug::EqualLeases) { self.options.lease } else { self.options.follower_lease }
    }

    fn resources(&self) -> impl Iterator<Item = Resource> + use<> {
        (1..=u16::try_from(self.options.resources).expect("it was validated")).map(Resource)
    }

    fn master_of(&self, resource: Resource) -> u16 {
        resource.master(self.around.masters)
    }

    // Inputs.

    pub(super) fn on_start(&mut self, ctx: &mut Ctx<'_>) {
        // Numbers of requests go on where those of an earlier process cannot have come.
        self.client.start_at(u64::from(ctx.incarnation()) << 32);
        self.instance = Instance::of(self.around.number, ctx.incarnation());
        self.manager.masters().for_each(|master| self.create(ctx, master));
        for resource in self.resources() {
            let wait = ctx.rng().duration(Duration::ZERO, self.options.claim_retry);
            ctx.set_timer(SessionTimer::Claim(resource), wait);
        }
    }

    pub(super) fn on_message(&mut self, ctx: &mut Ctx<'_>, source: NodeId, message: SessionMessage) {
        let master = if self.around.replicas > 1 { 1 } else { source.number() };
        match message {
            SessionMessage::CreateReply { request, result } => self.on_create_reply(ctx, master, request, result),
            SessionMessage::KeepAliveReply { session, round, result } => {
                self.on_keep_alive_reply(ctx, master, session, round, result);
            }
            SessionMessage::ItemReply { request, session, result } => {
                self.on_item_reply(ctx, request, session, result);
            }
            SessionMessage::Ask { operation, call } => self.on_ask(ctx, source, operation, call),
            SessionMessage::Applied { request, result } => self.on_applied(ctx, request, result),
            _ => {}
        }
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Ctx<'_>, timer: SessionTimer) {
        match timer {
            SessionTimer::Create(master) => {
                self.manager.move_on();
                self.ask_for_session(ctx, master);
            }
            SessionTimer::GiveUp(master) => self.stop(ctx, master, StopSource::Timeout),
            SessionTimer::KeepAlive(master) => self.begin_round(ctx, master),
            SessionTimer::RpcTimeout(master) => {
                self.manager.move_on();
                self.retry_round(ctx, master);
            }
            SessionTimer::Lease(master) => self.on_lease_timer(ctx, master),
            SessionTimer::Grace(master) => self.expire(ctx, master),
            SessionTimer::Claim(resource) => self.claim(ctx, resource),
            SessionTimer::Release(resource) => self.release(ctx, resource),
            SessionTimer::Item(request) => self.on_item_timeout(ctx, request),
            SessionTimer::Io(request) => self.perform(ctx, request),
            SessionTimer::Stage(step) => self.on_step(ctx, step),
            _ => unreachable!("a chunk sets no timer of another process"),
        }
    }

    pub(super) fn on_step(&mut self, ctx: &mut Ctx<'_>, step: SessionStep) {
        match step {
            SessionStep::Created { master, session, request, stage } => {
                self.run_created(ctx, master, (session, request), stage);
            }
            SessionStep::Loop { master, session, request, stage } => {
                self.run_loop(ctx, master, (session, request), stage);
            }
            SessionStep::Job => unreachable!("a chunk has no jobs"),
        }
    }

    pub(super) fn on_order(&mut self, ctx: &mut Ctx<'_>, order: Order) {
        match order {
            Order::Stop => self.manager.masters().for_each(|master| self.stop(ctx, master, StopSource::User)),
            Order::Resume => self.resume_all(ctx),
            Order::Claim(resource) => self.claim(ctx, resource),
            Order::Release(resource) => self.release(ctx, resource),
            Order::StepDown | Order::Lead => {}
        }
    }

    /// A stage runs after it has taken its time. Whatever comes meanwhile, it looks at the world anew.
    fn run_later(&self, ctx: &mut Ctx<'_>, step: SessionStep) {
        if self.options.stage_max.is_zero() {
            ctx.defer(step);
        } else {
            let takes = ctx.rng().duration(Duration::ZERO, self.options.stage_max);
            ctx.set_timer(SessionTimer::Stage(step), takes);
        }
    }

    fn resume_all(&mut self, ctx: &mut Ctx<'_>) {
        let stopped: Vec<u16> =
            self.manager.masters().filter(|master| self.manager.get(*master).is_stopped()).collect();
        if !stopped.is_empty() {
            self.instance = self.instance.resumed();
        }
        stopped.into_iter().for_each(|master| self.create(ctx, master));
    }

    /// The process that a session was created for.
    fn instance_of(&self, session: SessionId) -> Instance {
        let held = self.manager.get(session.master).held().filter(|held| held.granted.session == session);
        held.map_or(self.instance, |held| held.instance)
    }

    /// The session with a master that lives, as far as the follower knows.
    fn live_session(&self, master: u16) -> Option<SessionId> {
        self.manager.get(master).live_session()
    }
}

//! A sentinel: it pings the redis servers, agrees with the other sentinels that the master is down, and has one of the
//! replicas promoted (Redis documentation, "High availability with Redis Sentinel").
//!
//! ```text
//!   silent for down_after ─▶ subjectively down ─▶ polls the others ─▶ quorum: objectively down
//!     ─▶ campaign in a new epoch ─▶ votes of a majority ─▶ Promote to the best replica ─▶ its Pong ─▶ Hello to all
//! ```
//!
//! A sentinel votes once in an epoch, for itself too if it campaigns, and a vote counts once it is on its disk: a crash
//! of the machine takes none back. What a failover of a later epoch says wins over what an earlier one says: every
//! sentinel that hears of it takes it over, and has the other servers follow.
//!
//! # Caveats
//!
//! - The order `failover` asks for no votes, as `SENTINEL FAILOVER` does not: the sentinel votes for itself in a new
//!   epoch, but the others may elect another one in the same epoch.
//! - There is no TILT mode: a sentinel goes by its monotonic clock.
//! - A redis obeys no sentinel that knows less than the one before it; the real one obeys the last that speaks to it.
//! - A redis says of which epoch it is the master, so a promotion that its leader did not hear of stands. The real one
//!   says nothing of epochs, and is turned into a replica of the old master again (`+convert-to-slave`).

use std::collections::BTreeMap;
use std::sync::Arc;

use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::node::{Completion, FileId, Recovered, Source, Stored, WriteId};
use splitbrain_kernel::time::{Duration, Instant};

use super::bug::Bug;
use super::client::Ctx;
use super::message::Wire;
use super::node::{LockTimer, Record};
use super::observation::LockObservation;
use super::options::LockOptions;
use super::system::{REDIS, SENTINEL};

/// The one file of a sentinel.
pub(super) const FILE: FileId = FileId(0);

/// A sentinel.
///
/// - `current` is no less than `epoch`, and no less than the epoch of the vote.
#[derive(Clone, Debug)]
pub struct Sentinel {
    options: Arc<LockOptions>,
    redis: Vec<NodeId>,
    /// The others.
    sentinels: Vec<NodeId>,
    /// The master, as far as it knows.
    master: NodeId,
    /// The epoch of the failover that made it the master.
    epoch: u64,
    /// The greatest epoch that it has heard of.
    current: u64,
    /// Which sentinel it voted for last, and in which epoch.
    vote: Option<(NodeId, u64)>,
    saving: Saving,
    /// What it has heard of each redis.
    heard: BTreeMap<NodeId, Heard>,
    /// Whether it has told that the master is down for it.
    finds_down: bool,
    /// Who finds the master down too.
    agreeing: BTreeMap<NodeId, bool>,
    failover: Option<Failover>,
    /// It begins no failover before this moment.
    rests_until: Instant,
}

/// Whether its disk has what it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saving {
    /// All of it.
    Durable,
    /// With this write.
    Writing(WriteId),
    /// The disk has refused it: it is written again at the next ping.
    Refused,
}

/// What a redis has said last.
#[derive(Clone, Copy, Debug)]
struct Heard {
    at: Instant,
    /// Its master; `None` for a master.
    master: Option<NodeId>,
    offset: u64,
}

/// Why it campaigns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cause {
    /// A quorum finds the master down: it needs the votes of a majority.
    MasterDown,
    /// The order `failover`: its own vote is enough.
    Order,
}

/// A failover that it leads, or would like to.
#[derive(Clone, Debug)]
struct Failover {
    epoch: u64,
    cause: Cause,
    /// The sentinels that have voted for it.
    votes: Vec<NodeId>,
    /// The replica that is being promoted.
    successor: Option<NodeId>,
}

impl Sentinel {
    pub(super) fn new(options: Arc<LockOptions>, cluster: Cluster, id: NodeId, recovered: &Recovered<Record>) -> Self {
        let (master, epoch, current, vote) = match recovered.last(FILE).and_then(Stored::intact) {
            Some(Record::Sentinel { master, epoch, current, vote }) => (*master, *epoch, *current, *vote),
            _ => (NodeId::new(REDIS, 1), 0, 0, None),
        };
        Self {
            options,
            redis: cluster.of(REDIS).collect(),
            sentinels: cluster.of(SENTINEL).filter(|other| *other != id).collect(),
            master,
            epoch,
            current,
            vote,
            saving: Saving::Durable,
            heard: BTreeMap::new(),
            finds_down: false,
            agreeing: BTreeMap::new(),
            failover: None,
            rests_until: Instant::ZERO,
        }
    }

    /// The master, as far as it knows, and the epoch of the failover that made it the master.
    pub const fn master(&self) -> (NodeId, u64) {
        (self.master, self.epoch)
    }

    pub(super) fn on_start(&mut self, ctx: &mut Ctx<'_>) {
        // What it has not yet asked is not down.
        self.note_master(ctx);
        if ctx.incarnation() > 0 {
            // What it finds may not have been synced by the process before it.
            self.keep(ctx);
        }
        ctx.set_timer(LockTimer::Ping, Duration::ZERO);
    }

    fn note_master(&mut self, ctx: &Ctx<'_>) {
        let heard = Heard { at: ctx.now(), master: None, offset: 0 };
        self.heard.insert(self.master, heard);
        self.finds_down = false;
        self.agreeing.clear();
    }

    pub(super) fn on_message(&mut self, ctx: &mut Ctx<'_>, source: Source, message: Wire) {
        let source = source.node;
        match message {
            Wire::Pong { master, epoch, offset } => {
                self.heard.insert(source, Heard { at: ctx.now(), master, offset });
                self.on_pong(ctx, source, master, epoch);
            }
            Wire::Hello { master, epoch, current } => self.on_hello(ctx, master, epoch, current),
            Wire::Poll { master, campaign } => self.on_poll(ctx, source, master, campaign),
            Wire::Polled { master, is_down, vote } => self.on_polled(ctx, source, (master, is_down), vote),
            Wire::Find => ctx.send(source, Wire::Found { master: self.master, epoch: self.epoch }),
            _ => {}
        }
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Ctx<'_>, timer: LockTimer) {
        match timer {
            LockTimer::Ping => {
                self.ping(ctx);
                ctx.set_timer(LockTimer::Ping, self.options.ping_every);
            }
            LockTimer::Failover => self.failover = None,
            _ => {}
        }
    }

    /// The order `failover`: without a quorum and without the votes of others.
    pub(super) fn on_failover_order(&mut self, ctx: &mut Ctx<'_>) {
        self.campaign(ctx, Cause::Order);
    }

    /// It votes for itself in a new epoch.
    fn campaign(&mut self, ctx: &mut Ctx<'_>, cause: Cause) {
        self.current += 1;
        let epoch = self.current;
        self.vote = Some((ctx.id(), epoch));
        self.failover = Some(Failover { epoch, cause, votes: Vec::new(), successor: None });
        ctx.set_timer(LockTimer::Failover, self.options.failover_timeout);
        self.keep(ctx);
    }

    /// A write has ended.
    pub(super) fn on_durable(&mut self, ctx: &mut Ctx<'_>, completion: Completion) {
        match (completion, self.saving) {
            (Completion::Durable(through), Saving::Writing(write)) if write <= through => self.on_kept(ctx),
            (Completion::Failed(failed, _), Saving::Writing(write)) if write == failed => self.saving = Saving::Refused,
            _ => {}
        }
    }

    /// What it knows is on its disk: its vote for itself counts.
    fn on_kept(&mut self, ctx: &mut Ctx<'_>) {
        self.saving = Saving::Durable;
        let me = ctx.id();
        let Some(failover) = self.failover.as_mut().filter(|failover| failover.successor.is_none()) else { return };
        if self.vote != Some((me, failover.epoch)) || failover.votes.contains(&me) {
            return;
        }
        failover.votes.push(me);
        match failover.cause {
            Cause::Order => self.lead(ctx),
            Cause::MasterDown => self.lead_if_elected(ctx),
        }
    }

    /// Asks all redis servers how they are, and tells the other sentinels what it takes for the master.
    fn ping(&mut self, ctx: &mut Ctx<'_>) {
        if self.saving == Saving::Refused {
            self.keep(ctx);
        }
        for redis in &self.redis {
            ctx.send(*redis, Wire::Ping);
        }
        self.greet(ctx);
        self.look_at_master(ctx);
    }

    fn greet(&self, ctx: &mut Ctx<'_>) {
        let hello = Wire::Hello { master: self.master, epoch: self.epoch, current: self.current };
        self.sentinels.iter().for_each(|sentinel| ctx.send(*sentinel, hello.clone()));
    }

    fn is_down(&self, ctx: &Ctx<'_>, redis: NodeId) -> bool {
        self.heard.get(&redis).is_some_and(|heard| ctx.now().since(heard.at) > self.options.down_after)
    }

    /// Is the master down? Then the others are asked, and with a quorum a failover begins.
    fn look_at_master(&mut self, ctx: &mut Ctx<'_>) {
        if !self.is_down(ctx, self.master) {
            self.finds_down = false;
            self.agreeing.clear();
            return;
        }
        if !std::mem::replace(&mut self.finds_down, true) {
            // What another one said before this one asked is no answer to its question.
            self.agreeing.clear();
            ctx.observe(LockObservation::SubjectivelyDown(self.master));
        }
        let campaign = self.failover.as_ref().filter(|failover| failover.successor.is_none());
        let campaign = campaign.map(|failover| failover.epoch);
        self.poll(ctx, campaign);
        self.consider_failover(ctx);
    }

    fn poll(&self, ctx: &mut Ctx<'_>, campaign: Option<u64>) {
        let campaign = campaign.filter(|_| self.saving != Saving::Refused);
        let poll = Wire::Poll { master: self.master, campaign };
        self.sentinels.iter().for_each(|sentinel| self.send_kept(ctx, *sentinel, poll.clone()));
    }

    /// Sends what shows a vote, once that is durable.
    fn send_kept(&self, ctx: &mut Ctx<'_>, target: NodeId, message: Wire) {
        match self.saving {
            Saving::Writing(write) => ctx.send_after(write, target, message),
            Saving::Durable | Saving::Refused => ctx.send(target, message),
        }
    }

    fn has_quorum(&self) -> bool {
        let agreeing = 1 + self.agreeing.values().filter(|agrees| **agrees).count() as u64;
        agreeing >= self.options.quorum || self.options.bug == Bug::NoQuorum
    }

    fn consider_failover(&mut self, ctx: &mut Ctx<'_>) {
        let may = self.failover.is_none() && self.rests_until <= ctx.now();
        if !self.finds_down || !self.has_quorum() || !may {
            return;
        }
        ctx.observe(LockObservation::ObjectivelyDown(self.master));
        self.campaign(ctx, Cause::MasterDown);
        self.rest(ctx);
        self.poll(ctx, Some(self.current));
    }

    /// It begins no failover for a while. The time is drawn, so that two sentinels do not campaign in step.
    fn rest(&mut self, ctx: &mut Ctx<'_>) {
        let twice = self.options.failover_timeout.saturating_mul(2);
        let more = ctx.rng().duration(Duration::ZERO, Duration::from_secs(1));
        self.rests_until = ctx.now().saturating_add(twice.saturating_add(more));
    }

    /// Another sentinel asks, and may want a vote: the first who asks in an epoch gets it.
    fn on_poll(&mut self, ctx: &mut Ctx<'_>, source: NodeId, master: NodeId, campaign: Option<u64>) {
        if let Some(epoch) = campaign {
            self.consider_vote(ctx, source, epoch);
        }
        let is_down = master == self.master && self.is_down(ctx, master);
        let vote = self.vote.filter(|_| self.saving != Saving::Refused);
        self.send_kept(ctx, source, Wire::Polled { master, is_down, vote });
    }

    fn consider_vote(&mut self, ctx: &mut Ctx<'_>, source: NodeId, epoch: u64) {
        let has_voted = self.vote.is_some_and(|(_, voted)| voted >= epoch);
        if epoch < self.current || (has_voted && self.options.bug != Bug::VotesTwice) {
            return;
        }
        self.current = epoch;
        self.vote = Some((source, epoch));
        self.keep(ctx);
        self.rest(ctx);
    }

    fn on_polled(
        &mut self,
        ctx: &mut Ctx<'_>,
        source: NodeId,
        (master, is_down): (NodeId, bool),
        vote: Option<(NodeId, u64)>,
    ) {
        if master != self.master {
            return;
        }
        self.agreeing.insert(source, is_down);
        let me = ctx.id();
        if let Some(failover) = &mut self.failover
            && vote == Some((me, failover.epoch))
            && !failover.votes.contains(&source)
        {
            failover.votes.push(source);
            self.lead_if_elected(ctx);
        }
        self.consider_failover(ctx);
    }

    fn lead_if_elected(&mut self, ctx: &mut Ctx<'_>) {
        let all = self.sentinels.len() + 1;
        let majority = all / 2 + 1;
        let needed = majority.max(usize::try_from(self.options.quorum).unwrap_or(usize::MAX));
        let is_elected = |failover: &Failover| failover.successor.is_none() && failover.votes.len() >= needed;
        if self.failover.as_ref().is_some_and(is_elected) {
            self.lead(ctx);
        }
    }

    /// It chooses the replica that has most of the stream, and promotes it.
    fn lead(&mut self, ctx: &mut Ctx<'_>) {
        let best = self.redis.iter().filter(|redis| **redis != self.master && !self.is_down(ctx, **redis));
        let best = best.filter_map(|redis| Some((self.heard.get(redis)?, *redis)));
        let best = best.filter(|(heard, _)| heard.master.is_some());
        let has_seen = |heard: &Heard| if self.options.bug == Bug::SuccessorByNumber { 0 } else { heard.offset };
        let best = best.max_by_key(|(heard, redis)| (has_seen(heard), std::cmp::Reverse(*redis)));
        let Some((_, successor)) = best else {
            self.failover = None;
            return;
        };
        let Some(failover) = &mut self.failover else { return };
        failover.successor = Some(successor);
        let Failover { epoch, cause, .. } = *failover;
        let is_ordered = cause == Cause::Order;
        ctx.observe(LockObservation::FailoverBegun { epoch, successor, is_ordered });
        ctx.send(successor, Wire::Promote { epoch });
    }

    /// A redis says what it is: the successor may have taken its role, and others may follow the wrong one.
    fn on_pong(&mut self, ctx: &mut Ctx<'_>, redis: NodeId, master: Option<NodeId>, epoch: u64) {
        let led = self.failover.as_ref().filter(|failover| failover.successor == Some(redis));
        if let Some(led) = led.map(|failover| failover.epoch) {
            if master.is_some() {
                return ctx.send(redis, Wire::Promote { epoch: led });
            }
            if epoch == led {
                self.failover = None;
                ctx.observe(LockObservation::FailoverDone { epoch, master: redis });
                self.adopt(ctx, redis, epoch);
                return self.greet(ctx);
            }
        }
        if master.is_none() && epoch > self.epoch {
            // It was promoted by a failover of which this sentinel has not heard, or which its leader gave up before it
            // heard of the promotion.
            self.adopt(ctx, redis, epoch);
            return self.greet(ctx);
        }
        if redis != self.master && master != Some(self.master) && epoch <= self.epoch && self.epoch > 0 {
            ctx.send(redis, Wire::Follow { master: self.master, epoch: self.epoch });
        }
    }

    /// Another sentinel says who is the master: a later epoch wins.
    fn on_hello(&mut self, ctx: &mut Ctx<'_>, master: NodeId, epoch: u64, current: u64) {
        if current > self.current {
            self.current = current;
            self.keep(ctx);
        }
        if epoch > self.epoch {
            self.adopt(ctx, master, epoch);
        }
    }

    fn adopt(&mut self, ctx: &mut Ctx<'_>, master: NodeId, epoch: u64) {
        assert!(epoch > self.epoch, "a sentinel never goes back to an earlier failover");
        self.master = master;
        self.epoch = epoch;
        self.current = self.current.max(epoch);
        self.failover = None;
        self.keep(ctx);
        self.note_master(ctx);
        for redis in self.redis.iter().filter(|redis| **redis != master) {
            ctx.send(*redis, Wire::Follow { master, epoch });
        }
    }

    /// Writes what it knows.
    fn keep(&mut self, ctx: &mut Ctx<'_>) {
        let Self { master, epoch, current, vote, .. } = *self;
        let write = ctx.save(FILE, Record::Sentinel { master, epoch, current, vote });
        match self.options.bug {
            Bug::VoteBeforeSync => self.on_kept(ctx),
            _ => self.saving = Saving::Writing(write),
        }
    }
}

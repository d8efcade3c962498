//! The invariants of the session system.
//!
//! | property | source | file | sight |
//! | --- | --- | --- | --- |
//! | effects have one owner | Burrows, OSDI 2006, §2.4 | `one_owner` | black box |
//! | the follower's lease lies within the master's | Gray and Cheriton 1989, §2 | `lease_contained` | black box |
//! | an expired session stays dead | ZooKeeper, sessions | `never_revived` | black box |
//! | nothing is done without a lease | Burrows, OSDI 2006, §2.8 | `jeopardy_is_idle` | black box |
//! | names are given once | Burrows, OSDI 2006, §2.4 | `unique_ids` | black box |
//! | items die with their session | ZooKeeper, ephemeral nodes | `items_die_with_session` | black box |
//! | callbacks come in order | CURATOR-367 | `callbacks_in_order` | black box |
//! | callbacks are the leader's | Burrows, OSDI 2006, §2.9 | `leader_acts` | black box |
//! | no session expires too early | etcd, Lease | `no_early_expiry` | black box |
//! | sessions come back | Burrows, OSDI 2006, §2.8 | `session_restored` | black box |
//! | changes of leader extend nothing | etcd #9395 | `counted_over_terms` | black box |
//! | no target is left alone | consul #4902 | `target_served` | black box |
//! | no session outlives its owner | etcd #17470 | `nothing_immortal` | white box |
//!
//! With masters that are replicated all invariants of raft watch the servers inside them as well, under `raft.`.
//!
//! All but one go by what nodes say and send. Leases are worked out anew here, from messages and clocks.
//!
//! # Not checked
//!
//! - *That a machine has one session that both sides use*: without `reuse` each of its processes has one of its own,
//!   and what they do with them is judged by its effects (`one_owner`).
//! - *That beliefs do not overlap*: with a process that is suspended they must. The gauge `belief_overlaps` counts it.
//! - *That no effect comes after the end of a lease*: a packet may be under way for longer. Such effects are counted,
//!   and are violations of `one_owner` once another has acted.

mod after_settle;
mod callbacks_in_order;
mod counted_over_terms;
pub mod gauges;
mod items_die_with_session;
mod jeopardy_is_idle;
mod leader_acts;
mod lease_contained;
mod never_revived;
mod no_early_expiry;
mod nothing_immortal;
mod one_owner;
mod session_restored;
mod target_served;
mod unique_ids;

#[cfg(test)]
mod testing;

use std::collections::BTreeSet;

use splitbrain_kernel::context::EffectRef;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, Input, InvariantInfo, Invariants};
use splitbrain_kernel::system::Setup;
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::view::View;

use super::ids::{CHUNK, META, Resource};
use super::message::{ItemResult, Order, SessionMessage};
use super::node::SessionNode;
use super::observation::SessionObservation;
use super::options::{ExpiryScope, Replication, SessionOptions};

use after_settle::{Bounds, Due};
use callbacks_in_order::{FollowerSide, MasterSide};
use counted_over_terms::Counts;
use gauges::RunFigures;
use items_die_with_session::Erased;
use jeopardy_is_idle::{Leases, Now};
use leader_acts::Leaders;
use lease_contained::Serving;
use never_revived::Dead;
use no_early_expiry::{Extensions, Times};
use nothing_immortal::Living;
use one_owner::Owners;
use session_restored::Wishes;
use target_served::Service;
use unique_ids::Names;

splitbrain_kernel::invariant_list! {
    ONE_OWNER = one_owner::INFO,
    LEASE_CONTAINED = lease_contained::INFO,
    NEVER_REVIVED = never_revived::INFO,
    JEOPARDY_IS_IDLE = jeopardy_is_idle::INFO,
    UNIQUE_IDS = unique_ids::INFO,
    ITEMS_DIE_WITH_SESSION = items_die_with_session::INFO,
    CALLBACKS_IN_ORDER = callbacks_in_order::INFO,
    LEADER_ACTS = leader_acts::INFO,
    NO_EARLY_EXPIRY = no_early_expiry::INFO,
    SESSION_RESTORED = session_restored::INFO,
    NOTHING_IMMORTAL = nothing_immortal::INFO,
    TARGET_SERVED = target_served::INFO,
    COUNTED_OVER_TERMS = counted_over_terms::INFO,
}

/// The invariants of the session system, with all that they have seen.
#[derive(Clone, Debug)]
pub struct SessionInvariants {
    setup: Setup<SessionOptions>,
    masters_are: Replication,
    owners: Owners,
    serving: Serving,
    dead: Dead,
    leases: Leases,
    names: Names,
    erased: Erased,
    masters: MasterSide,
    followers: FollowerSide,
    leaders: Leaders,
    extensions: Extensions,
    wishes: Wishes,
    /// Masters that were ordered to lead no longer.
    retired: BTreeSet<NodeId>,
    living: Living,
    service: Service,
    counts: Counts,
    bounds: Bounds,
    figures: RunFigures,
}

impl SessionInvariants {
    /// Fresh invariants over a cluster with these options.
    pub fn new(setup: &Setup<SessionOptions>) -> Self {
        Self {
            setup: setup.clone(),
            masters_are: setup.options.base.replication,
            owners: Owners::default(),
            serving: Serving::default(),
            dead: Dead::default(),
            leases: Leases::default(),
            names: Names::default(),
            erased: Erased::default(),
            masters: MasterSide::default(),
            followers: FollowerSide::default(),
            leaders: Leaders::default(),
            extensions: Extensions::default(),
            wishes: Wishes::default(),
            retired: BTreeSet::new(),
            living: Living::default(),
            service: Service::default(),
            counts: Counts::new(setup),
            bounds: Bounds::new(setup),
            figures: RunFigures::default(),
        }
    }

    /// How often beliefs, grants and effects came apart.
    pub const fn figures(&self) -> RunFigures {
        self.figures
    }

    fn on_master(
        &mut self,
        view: impl View<SessionNode>,
        master: NodeId,
        said: &SessionObservation,
        findings: &mut Findings,
    ) {
        let group = self.group(master);
        if matches!(said, SessionObservation::Leads { .. } | SessionObservation::SteppedDown { .. }) {
            self.note_outsider(view, master);
        }
        self.leaders.on_observation(master, group, said, findings);
        let expired = self.dead.on_observation(master, said, findings);
        self.names.on_observation(group, said, findings);
        self.masters.on_observation(master, said, findings);
        let now = Times { true_time: view.now(), monotonic: view.monotonic(master) };
        self.extensions.on_observation(master, said, now, view.bounds().drift_ppm, findings);
        self.living.on_observation(said, view.now());
        self.counts.on_observation(master, said, view.now(), findings);
        let can_act = |chunk: NodeId| view.is_lively(chunk);
        if let Some(session) = expired {
            self.serving.on_expired(master, session, can_act, findings);
        }
        match said {
            SessionObservation::Leads { .. } if self.leaders.is_newest(master, group) => self.on_leads(group, now),
            SessionObservation::TargetGranted { resource, session, token } => {
                self.serving.on_granted(master, *resource, (*session, *token), can_act, findings);
            }
            SessionObservation::ItemSet { session, key } => {
                Erased::on_set(master, *session, *key, &self.dead, findings);
            }
            SessionObservation::Erased { session } => self.erased.on_erased(*session),
            SessionObservation::Initialized { session, identity, instance, .. } => {
                self.wishes.on_initialized(session.master, *identity, *instance);
            }
            SessionObservation::LeaseStarted { .. } => {
                self.figures.sessions_at_once = self.figures.sessions_at_once.max(self.living.count(group));
            }
            _ => {}
        }
    }

    /// The master that this process is, or is a replica of: they have one table, and their sessions one row of names.
    fn group(&self, master: NodeId) -> NodeId {
        match self.masters_are {
            Replication::Raft if master.is(META) => NodeId::new(META, 1),
            _ => master,
        }
    }

    /// A replica outside the core began or ceased to lead. While it leads, chunks may be cut off from it, and nothing
    /// is promised to them.
    fn note_outsider(&mut self, view: impl View<SessionNode>, master: NodeId) {
        if self.masters_are == Replication::Raft && !view.core().contains(&master) {
            self.bounds.on_outsider(view.now());
        }
    }

    /// Whether a replica outside the core leads.
    fn is_led_from_outside(&self, view: impl View<SessionNode>) -> bool {
        let leader = self.leaders.of_group(NodeId::new(META, 1)).filter(|_| self.masters_are == Replication::Raft);
        leader.is_some_and(|leader| !view.core().contains(&leader))
    }

    /// A master begins to lead: it begins callbacks anew, and of replicas it owes each session a full lease.
    fn on_leads(&mut self, group: NodeId, now: Times) {
        self.masters.on_restart(group);
        // Where it is written down what remains of a lease, the next leader goes on with that.
        if self.masters_are == Replication::Raft && self.setup.options.base.checkpoint.is_zero() {
            self.extensions.on_failover(now);
        }
    }

    fn on_chunk(&mut self, chunk: NodeId, said: &SessionObservation, now: Instant, findings: &mut Findings) {
        self.note_owners(chunk, now);
        self.wishes.on_observation(chunk, said, now);
        self.service.on_observation(chunk, said, now);
        let masters = &self.masters;
        self.followers.on_observation(chunk, said, |session| masters.has_created(session), findings);
        match said {
            SessionObservation::ServeStarted { resource, session, token } => {
                let overlaps = self.serving.start(chunk, *resource, *session, *token);
                self.figures.belief_overlaps += u64::from(overlaps);
            }
            SessionObservation::ServeStopped { resource } => self.serving.stop(chunk, *resource),
            _ => {}
        }
    }

    /// Up to now this chunk has counted on its sessions; what it says or suffers next may change that.
    fn note_owners(&mut self, chunk: NodeId, now: Instant) {
        for session in self.followers.claimed_by(chunk) {
            self.living.on_owned(session, now);
        }
    }

    fn on_order(&mut self, node: NodeId, order: Order) {
        if node.is(CHUNK) {
            self.wishes.on_order(node, order);
        } else if self.masters_are == Replication::None {
            match order {
                Order::StepDown => _ = self.retired.insert(node),
                Order::Lead => _ = self.retired.remove(&node),
                Order::Stop | Order::Resume | Order::Claim(_) | Order::Release(_) => {}
            }
        }
    }

    fn on_volume(&mut self, volume: NodeId, said: &SessionObservation, findings: &mut Findings) {
        if let SessionObservation::IoApplied { resource, session, token, chunk, .. } = said {
            self.figures.effects_after_expiry += u64::from(self.dead.has(*session));
            self.owners.on_effect(volume, *resource, (*session, *token), *chunk, findings);
        }
    }

    /// The masters that are to have sessions with all chunks, by number.
    fn masters_of_core(&self, view: impl View<SessionNode>) -> Vec<u16> {
        match self.masters_are {
            Replication::None => {
                // Each leads, unless it was ordered not to.
                let leads = |node: &NodeId| node.is(META) && view.is_up(*node) && !self.retired.contains(node);
                view.core().iter().copied().filter(leads).map(NodeId::number).collect()
            }
            // One of them must lead.
            Replication::Raft => vec![1],
        }
    }

    fn on_restored(&self, view: impl View<SessionNode>, findings: &mut Findings) {
        let masters = self.masters_of_core(view);
        for chunk in view.core().iter().copied().filter(|node| node.is(CHUNK) && view.is_up(*node)) {
            let wants_one = |master: &&u16| !self.wishes.wants_none(chunk, **master, self.setup.options.get(chunk));
            for master in masters.iter().filter(wants_one) {
                self.wishes.judge(chunk, *master, view.now(), self.bounds.again(), findings);
            }
        }
    }

    /// Each target is served that a chunk of the core asks for and may have.
    fn on_served(&self, view: impl View<SessionNode>, findings: &mut Findings) {
        let masters = self.masters_of_core(view);
        let cluster = self.setup.cluster;
        let count = match self.masters_are {
            Replication::None => cluster.count(META) + cluster.spare_count(META),
            Replication::Raft => 1,
        };
        let wants_session = |chunk: NodeId, master: u16| {
            masters.contains(&master) && !self.wishes.wants_none(chunk, master, self.setup.options.get(chunk))
        };
        let asks_for = |chunk: NodeId, resource: Resource| {
            let options = self.setup.options.get(chunk);
            let is_free = match options.expiry_scope {
                ExpiryScope::Own => wants_session(chunk, resource.master(count)),
                ExpiryScope::Any => (1..=count).all(|master| wants_session(chunk, master)),
            };
            is_free && u64::from(resource.0) <= options.resources
        };
        let most = self.setup.options.all().map(|options| options.resources).max().unwrap_or_default();
        for resource in (1..=u16::try_from(most).unwrap_or(u16::MAX)).map(Resource) {
            let mut chunks = view.core().iter().copied().filter(|node| node.is(CHUNK) && view.is_up(*node));
            if chunks.any(|chunk| asks_for(chunk, resource)) {
                self.service.judge(view.now(), self.bounds.moment(), resource, findings);
            }
        }
    }
}

impl Invariants<SessionNode> for SessionInvariants {
    const LIST: &'static [InvariantInfo] = LIST;

    fn on_effect(
        &mut self,
        view: impl View<SessionNode>,
        node: NodeId,
        effect: EffectRef<'_, SessionNode>,
        findings: &mut Findings,
    ) {
        match effect {
            EffectRef::Observe(said) if node.is(META) => self.on_master(view, node, said, findings),
            EffectRef::Observe(said) if node.is(CHUNK) => self.on_chunk(node, said, view.now(), findings),
            EffectRef::Observe(said) => self.on_volume(node, said, findings),
            EffectRef::Send { target, message, .. } if node.is(CHUNK) => {
                self.leases.on_send(node, self.group(target), message, view.monotonic(node), findings);
                if let SessionMessage::Create(create) = message {
                    self.wishes.on_asked(node, create.identity, create.instance);
                }
            }
            EffectRef::Send { message: SessionMessage::ItemReply { result: ItemResult::Items(items), .. }, .. } => {
                self.erased.on_listed(node, items, findings);
                self.leaders.on_listed(node, self.group(node), findings);
            }
            _ => {}
        }
    }

    fn on_input(
        &mut self,
        view: impl View<SessionNode>,
        node: NodeId,
        input: Input<'_, SessionNode>,
        _: &mut Findings,
    ) {
        if let Input::Order(order) = input {
            return self.on_order(node, *order);
        }
        let Input::Message(source, message) = input else { return };
        if node.is(META) {
            self.extensions.on_heard(message);
        } else if node.is(CHUNK) {
            let lease = self.setup.options.get(node).follower_lease;
            let bounds = (lease, view.bounds().drift_ppm);
            let times = (view.now(), view.monotonic(node));
            self.leases.on_heard(node, self.group(source.node), message, bounds, times);
        }
    }

    fn on_down(&mut self, view: impl View<SessionNode>, node: NodeId, findings: &mut Findings) {
        self.counts.on_down(node, findings);
        if self.leaders.has(node) {
            self.note_outsider(view, node);
        }
        self.note_owners(node, view.now());
        self.serving.on_down(node);
        self.leases.on_down(node);
        self.followers.on_down(node);
        self.wishes.on_down(node);
        self.retired.remove(&node);
        self.service.on_down(node, view.now());
        self.leaders.on_down(node);
        if self.masters_are == Replication::None {
            self.masters.on_restart(node);
        }
    }

    fn on_settle(&mut self, view: impl View<SessionNode>, _: &mut Findings) {
        self.bounds.on_settle(view.now(), self.living.total());
    }

    fn deadline(&self) -> Instant {
        self.bounds.deadline().min(self.leases.deadline())
    }

    fn on_deadline(&mut self, view: impl View<SessionNode>, findings: &mut Findings) {
        let serves = |chunk, session| self.serving.serves_under(chunk, session);
        self.leases.on_time(view.now(), |chunk| Now::of(&view, chunk), serves, findings);
        if view.now() < self.bounds.deadline() {
            return;
        }
        if self.is_led_from_outside(view) {
            return self.bounds.on_outsider(view.now());
        }
        while let Some(due) = self.bounds.take_due(view.now()) {
            match due {
                Due::Restored => self.on_restored(view, findings),
                Due::Served => self.on_served(view, findings),
                Due::Gone => {
                    // Whether it was erased is asked of the table: a crash may keep the word of it from being heard.
                    // One that was cut off or paused may believe that it leads still, with a table of long ago.
                    let leads = |node: &NodeId| self.leaders.is_newest(*node, self.group(*node));
                    let leading = view.core().iter().copied().filter(|node| node.is(META)).filter(leads);
                    let leading = leading.filter_map(|node| view.node(node)?.master());
                    let tables = leading.flat_map(|master| master.table().sessions().keys().copied()).collect();
                    let times = (view.now(), self.bounds.settled_at(), self.bounds.gone());
                    self.living.judge(times, &tables, &self.followers, findings);
                }
            }
        }
    }
}

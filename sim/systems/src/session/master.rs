//! The session master: it creates sessions, extends their leases, grants targets, and ends what is not kept alive.
//!
//! ```text
//!   create ─▶ initialize cb ─▶ durable ─▶ lease starts ─▶ created cb ─▶ reply
//!   no keepalive for a lease ─▶ check leader ─▶ durable ─▶ expired cb: chunk, extent, common (erases, last)
//! ```
//!
//! - The table of sessions is made by [`Command`]s, and each takes effect when it is durable: on the disk of a single
//!   master, or in the log that masters replicate ([`journal`]). The rest of the master does not know which.
//! - Leases are the master's own, and run on its monotonic clock; when a master begins to lead, each begins anew, so
//!   that none ends too early. Sessions that were about to end do end.
//! - Callbacks run one at a time, under the lock of the access manager, and take their time: keepalives and requests
//!   about items come between. Each looks whether the master leads when it takes effect, not when its work began; and
//!   work that began in one term does not go on in another.
//! - A single master leads from its start on, but for the order `step_down`. A replica leads when raft has elected it
//!   and its first command, which says so, is committed: then it has applied all that any master before it has done. It
//!   acts under the lease of the raft leader alone, so that there are never two that act.

pub mod access;
mod items;
mod job;
pub mod journal;
mod leases;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Completion, ConnectionEvent, Node as _, Source, Write};
use splitbrain_kernel::time::Instant;

use crate::raft;
use crate::raft::RaftNode;

use super::bug::Bug;
use super::command::{Applied, Command};
use super::ids::{Instance, Resource, SessionId, Term};
use super::message::{Order, Refusal, SessionMessage};
use super::node::{Record, SessionNode, SessionTimer};
use super::observation::{ExpiredPart, SessionObservation};
use super::options::{Reuse, SessionOptions};
use super::table::Table;

use access::AccessManager;
use items::Asked;
use job::{Active, Job};
use journal::{Journal, LOG, Outcome};
use leases::{HeldBack, Lease};

type Ctx<'a> = Context<SessionNode>;

/// What follows when a command is durable and applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The master leads.
    Lead,
    /// The work at hand goes on.
    Job,
    /// What remains of a lease is written down.
    Checkpoint,
    /// The lease that this keepalive is for is extended, now that what remained of it is no longer written down.
    Extend(HeldBack),
    /// This chunk is answered.
    Answer { source: NodeId, request: u64 },
    /// Nothing: another master has asked for it, which only a known bug does.
    Nothing,
}

/// A session master.
///
/// - `active` holds the guard of the access manager's lock: no other task runs a callback.
/// - While the master leads, each session whose expiry is not decided has a lease.
#[derive(Debug)]
pub struct Master {
    number: u16,
    options: Arc<SessionOptions>,
    table: Table,
    term: Term,
    leads: bool,
    /// It was ordered to lead no longer.
    is_retired: bool,
    leases: BTreeMap<SessionId, Lease>,
    /// When a target that was given up may be granted again.
    free_at: BTreeMap<Resource, Instant>,
    /// The same for all targets: a master that starts again does not know what it gave up.
    all_free_at: Instant,
    access: AccessManager,
    jobs: VecDeque<Job>,
    active: Option<Active>,
    journal: Journal,
    held_back: BTreeMap<SessionId, HeldBack>,
    /// Who waits for each target, in the order in which they came. Who leads next has them ask anew.
    in_line: BTreeMap<Resource, VecDeque<Asked>>,
    /// Sessions that were closed, and the process that closed each: it ends the session only while it is its own.
    closed: BTreeMap<SessionId, Instance>,
    /// Sessions of whose expired callback a part failed: it goes on with that part.
    failed_at: BTreeMap<SessionId, ExpiredPart>,
    /// Sessions whose callbacks have run, and which the disk did not erase.
    not_erased: BTreeSet<SessionId>,
    /// Sessions of which it is durable that they expire, and which the master has not let expire yet.
    without_effect: BTreeSet<SessionId>,
    /// The number of the last session, as one bug remembers it.
    number_in_memory: u32,
    /// The table before the last command, for one bug.
    table_before: Option<Table>,
}

impl Master {
    /// A master whose commands become durable in this journal, with the table that it has kept. `number` is the first
    /// part of the names of its sessions: replicas share one.
    pub(super) fn new(number: u16, options: Arc<SessionOptions>, journal: Journal, table: Table) -> Self {
        Self {
            number,
            options,
            table,
            term: Term(0),
            leads: false,
            is_retired: false,
            leases: BTreeMap::new(),
            free_at: BTreeMap::new(),
            all_free_at: Instant::ZERO,
            access: AccessManager::default(),
            jobs: VecDeque::new(),
            active: None,
            journal,
            held_back: BTreeMap::new(),
            in_line: BTreeMap::new(),
            closed: BTreeMap::new(),
            failed_at: BTreeMap::new(),
            not_erased: BTreeSet::new(),
            without_effect: BTreeSet::new(),
            number_in_memory: 0,
            table_before: None,
        }
    }

    /// The table of sessions.
    pub const fn table(&self) -> &Table {
        &self.table
    }

    /// The access manager.
    pub const fn access(&self) -> &AccessManager {
        &self.access
    }

    /// Whether it leads.
    pub const fn leads(&self) -> bool {
        self.leads
    }

    fn has(&self, bug: Bug) -> bool {
        self.options.bug == bug
    }

    /// The server of the log that it replicates with others, if it does.
    pub fn raft(&self) -> Option<&RaftNode<Command>> {
        if let Journal::Replica(replica) = &self.journal { Some(replica.raft()) } else { None }
    }

    // Inputs.

    pub(super) fn on_start(&mut self, ctx: &mut Ctx<'_>) {
        ctx.set_timer(SessionTimer::Scan, self.options.expiry_scan);
        match &self.journal {
            Journal::Disk(_) => self.lead(ctx),
            Journal::Replica(_) => {
                self.set_lease_timer(ctx);
                self.enter(ctx, |raft, ctx| raft.on_start(ctx));
            }
        }
    }

    pub(super) fn on_message(&mut self, ctx: &mut Ctx<'_>, from: Source, message: SessionMessage) {
        let source = from.node;
        match message {
            SessionMessage::Raft(message) => self.enter(ctx, |raft, ctx| raft.on_message(ctx, from, message)),
            SessionMessage::Forward(command) => self.on_forwarded(ctx, *command),
            SessionMessage::Create(request) => self.on_create(ctx, source, request),
            SessionMessage::KeepAlive(keep_alive) => self.on_keep_alive(ctx, source, keep_alive),
            SessionMessage::Item { request, session, instance, lease, call } => {
                self.on_item(ctx, Asked { source, request, session, instance, lease, call });
            }
            SessionMessage::Close { session, instance } => self.on_close(ctx, session, instance),
            _ => {}
        }
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Ctx<'_>, timer: SessionTimer) {
        match timer {
            SessionTimer::Scan => self.on_scan(ctx),
            SessionTimer::Job => self.run_stage(ctx),
            SessionTimer::HeldBack(session) => self.answer_held_back(ctx, session),
            SessionTimer::Raft(timer) => self.enter(ctx, |raft, ctx| raft.on_timer(ctx, timer)),
            SessionTimer::MasterLease => self.renew_master_lease(ctx),
            _ => unreachable!("a master sets no timer of a chunk"),
        }
    }

    pub(super) fn on_connection(&mut self, ctx: &mut Ctx<'_>, event: ConnectionEvent) {
        self.enter(ctx, |raft, ctx| raft.on_connection(ctx, event));
    }

    pub(super) fn on_order(&mut self, ctx: &mut Ctx<'_>, order: Order) {
        match order {
            Order::StepDown if self.journal.is_shared() => self.order_raft(ctx, raft::message::Order::StepDown),
            Order::Lead if self.journal.is_shared() => self.order_raft(ctx, raft::message::Order::Campaign),
            Order::StepDown if self.leads => {
                self.is_retired = true;
                self.step_down(ctx);
            }
            Order::Lead if self.is_retired => {
                self.is_retired = false;
                self.lead(ctx);
            }
            _ => {}
        }
    }

    fn order_raft(&mut self, ctx: &mut Ctx<'_>, order: raft::message::Order) {
        self.enter(ctx, |raft, ctx| raft.on_order(ctx, order));
    }

    pub(super) fn on_durable(&mut self, ctx: &mut Ctx<'_>, completion: Completion) {
        match &mut self.journal {
            Journal::Disk(_) => {
                while let Some(outcome) = self.next_of_disk(completion) {
                    self.take(ctx, outcome);
                }
            }
            Journal::Replica(_) => self.enter(ctx, |raft, ctx| raft.on_durable(ctx, completion)),
        }
    }

    // Commands.

    /// Has a command made durable, which is when it takes effect.
    fn propose(&mut self, ctx: &mut Ctx<'_>, command: Command, then: Then) {
        if self.has(Bug::AnswerBeforeDurable) && !self.journal.is_shared() {
            ctx.persist(Write::Append(LOG, Record::Command(command.clone())));
            return self.commit(ctx, &command, Some(then));
        }
        if let Err(then) = self.journal.propose(ctx, command, then) {
            self.on_lost(ctx, then);
        }
    }

    fn next_of_disk(&mut self, completion: Completion) -> Option<Outcome> {
        if let Journal::Disk(disk) = &mut self.journal { disk.next(completion) } else { None }
    }

    fn next_of_replica(&mut self) -> Option<Outcome> {
        if let Journal::Replica(replica) = &mut self.journal { replica.next() } else { None }
    }

    fn take(&mut self, ctx: &mut Ctx<'_>, outcome: Outcome) {
        match outcome {
            Outcome::Committed(command, then) => self.commit(ctx, &command, then),
            Outcome::Lost(then) => self.on_lost(ctx, then),
            Outcome::Ready if self.is_retired => {}
            Outcome::Ready => self.lead(ctx),
            Outcome::Restored(table) => {
                self.table = table;
                self.note_before();
            }
        }
    }

    fn commit(&mut self, ctx: &mut Ctx<'_>, command: &Command, then: Option<Then>) {
        let Some(then) = then else {
            // Another master has proposed it, and says what comes of it.
            self.note_before();
            self.table.apply(command, self.options.bug);
            return;
        };
        self.note_before();
        let freed = self.targets_freed_by(ctx, command);
        let dropped = self.items_dropped_by(command);
        let applied = self.table.apply(command, self.options.bug);
        for (resource, at) in freed {
            if self.table.holder(resource).is_none() {
                self.free_at.insert(resource, at);
            }
        }
        dropped.into_iter().for_each(|dropped| ctx.observe(dropped));
        match then {
            Then::Lead => self.on_lead(ctx),
            Then::Job => self.on_job_committed(ctx, command, applied),
            Then::Answer { source, request } => self.answer_item(ctx, source, request, command, applied),
            Then::Checkpoint => Self::on_checkpoint(ctx, command),
            Then::Extend(asked) => self.extend_again(ctx, asked),
            Then::Nothing => {}
        }
        self.serve_lines(ctx);
    }

    /// What was proposed will not be durable.
    fn on_lost(&mut self, ctx: &mut Ctx<'_>, then: Then) {
        match then {
            // It is tried again with the next scan, if this master is still to lead.
            Then::Lead | Then::Nothing => {}
            Then::Job => self.on_job_failed(ctx),
            // The chunk asks again; a lease is looked at again with the next scan.
            Then::Answer { .. } | Then::Extend(_) | Then::Checkpoint => {}
        }
    }

    // The log that is replicated.

    /// Calls the server inside, applies what it has applied since, and looks whether this master leads.
    fn enter(&mut self, ctx: &mut Ctx<'_>, call: impl FnOnce(&mut RaftNode<Command>, &mut Context<RaftNode<Command>>)) {
        let Journal::Replica(replica) = &mut self.journal else { return };
        replica.enter(ctx, call);
        while let Some(outcome) = self.next_of_replica() {
            self.take(ctx, outcome);
        }
        self.review_leadership(ctx);
        if let Journal::Replica(replica) = &mut self.journal {
            match &self.table_before {
                Some(before) => replica.compact(ctx, &self.table.with_sessions_of(before)),
                None => replica.compact(ctx, &self.table),
            }
        }
    }

    /// One bug looks at sessions as they were before the last command.
    fn note_before(&mut self) {
        if self.has(Bug::SnapshotNotAtomic) {
            self.table_before = Some(self.table.clone());
        }
    }

    /// A master that raft has elected says so in the log, and leads once that is committed.
    fn review_leadership(&mut self, ctx: &mut Ctx<'_>) {
        let elected_in = self.journal.leads_in();
        if self.leads && elected_in != Some(self.term) {
            self.step_down(ctx);
        }
        if elected_in.is_some() && !self.leads && !self.is_about_to_lead() {
            self.lead(ctx);
        }
    }

    fn set_lease_timer(&self, ctx: &mut Ctx<'_>) {
        ctx.set_timer(SessionTimer::MasterLease, self.options.raft.reads.lease.div(4));
    }

    /// A master acts while it is certain that no other leads: it has a quorum confirm that every now and then.
    fn renew_master_lease(&mut self, ctx: &mut Ctx<'_>) {
        self.set_lease_timer(ctx);
        if self.journal.leads_in().is_some() {
            self.enter(ctx, |raft, ctx| raft.renew_lease(ctx));
        }
    }

    /// One bug: a master that leads no longer sends its decisions to the one that does.
    fn on_forwarded(&mut self, ctx: &mut Ctx<'_>, command: Command) {
        if self.leads_now(ctx) {
            self.propose(ctx, command, Then::Nothing);
        }
    }

    // Leading.

    /// A new term begins when that is durable.
    fn lead(&mut self, ctx: &mut Ctx<'_>) {
        if !self.journal.is_ready(ctx) {
            return;
        }
        let next = Term(self.table.term().0.max(self.term.0) + 1);
        let term = self.journal.leads_in().unwrap_or(next);
        self.propose(ctx, Command::Lead { term }, Then::Lead);
    }

    fn is_about_to_lead(&self) -> bool {
        let elected_in = self.journal.leads_in();
        let is_present = |term: Term| elected_in.is_none_or(|present| term == present);
        self.journal.pending().any(|(command, _)| matches!(command, Command::Lead { term } if is_present(*term)))
    }

    /// Leases begin anew, as the master does not know how far they had run; expiries that were decided go on.
    fn on_lead(&mut self, ctx: &mut Ctx<'_>) {
        let term = self.table.term();
        if self.journal.is_shared() {
            if self.journal.leads_in() != Some(term) {
                // Another election has come since.
                return;
            }
            self.without_effect.clear();
        }
        self.leads = true;
        self.term = term;
        // Who has led meanwhile may have begun the callbacks of these.
        self.failed_at.clear();
        self.not_erased.clear();
        ctx.observe(SessionObservation::Leads { term });
        let active = self.table.sessions().values().filter(|session| !session.is_expiring);
        self.access.restore(active.map(|session| session.identity));
        self.renew_all_leases(ctx);
        let expiring: Vec<SessionId> =
            self.table.sessions().iter().filter(|(_, session)| session.is_expiring).map(|(id, _)| *id).collect();
        expiring.into_iter().for_each(|session| self.push(ctx, Job::Expire(session)));
    }

    fn step_down(&mut self, ctx: &mut Ctx<'_>) {
        self.leads = false;
        self.held_back.clear();
        self.in_line.clear();
        ctx.observe(SessionObservation::SteppedDown { term: self.term });
    }

    /// The check-leader callback: whether this master leads, and no other does.
    fn leads_now(&self, ctx: &Ctx<'_>) -> bool {
        self.leads && self.journal.is_alone(ctx.now())
    }

    /// What a chunk is answered that has asked a master which does not lead.
    fn not_leader(&self, ctx: &Ctx<'_>) -> Refusal {
        let other = self.journal.leader().filter(|leader| *leader != ctx.id());
        other.map_or(Refusal::NotLeader, |leader| Refusal::Elsewhere { leader })
    }

    /// Whether another applied result than the best came of a command that a job waits for.
    const fn is_done(applied: Applied) -> bool {
        matches!(applied, Applied::Done | Applied::Granted(_))
    }

    fn reuses(&self) -> bool {
        self.options.reuse == Reuse::Session
    }
}

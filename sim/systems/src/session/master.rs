//! The session master: it creates sessions, extends their leases, grants targets, and ends what is not kept alive.
//!
//! ```text
//!   create ─▶ initialize cb ─▶ on disk ─▶ lease starts ─▶ created cb ─▶ reply
//!   no keepalive for a lease ─▶ check leader ─▶ on disk ─▶ expired cb: chunk, extent, common (erases, last)
//! ```
//!
//! - The table of sessions is on the disk: a [`Command`] takes effect when it is durable. Leases are the master's own,
//!   and run on its monotonic clock; when it starts again, each begins anew, so that none ends too early.
//! - Callbacks run one at a time, under the lock of the access manager, and take their time: keepalives and requests
//!   about items come between. Each looks whether the master leads when it takes effect, not when its work began.
//! - A single master leads from its start on, but for the order `step_down`.

pub mod access;
mod items;
mod job;
mod leases;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Completion, FileId, Recovered, Stored, Write, WriteId};
use splitbrain_kernel::time::Instant;

use super::bug::Bug;
use super::command::{Applied, Command};
use super::ids::{Instance, Resource, SessionId, Term};
use super::message::{Order, SessionMessage};
use super::node::{Record, SessionNode, SessionTimer};
use super::observation::SessionObservation;
use super::options::{Reuse, SessionOptions};
use super::table::Table;

use access::AccessManager;
use job::{Active, Job};
use leases::{HeldBack, Lease};

type Ctx<'a> = Context<SessionNode>;

/// The file of commands.
pub(super) const LOG: FileId = FileId(0);

/// What follows when a command is durable and applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The master leads.
    Lead,
    /// The work at hand goes on.
    Job,
    /// This chunk is answered.
    Answer { source: NodeId, request: u64 },
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
    writes: BTreeMap<WriteId, (Command, Then)>,
    held_back: BTreeMap<SessionId, HeldBack>,
    /// Sessions that were closed, and the process that closed each: it ends the session only while it is its own.
    closed: BTreeMap<SessionId, Instance>,
    /// Sessions whose callbacks have run, and which the disk did not erase.
    not_erased: BTreeSet<SessionId>,
    /// Sessions of which it is decided on the disk that they expire, and which the master has not let expire yet.
    without_effect: BTreeSet<SessionId>,
    /// How many commands the disk gave back, and whether something follows that it could not.
    recovered: (u64, bool),
    /// The number of the last session, as one bug remembers it.
    number_in_memory: u32,
}

impl Master {
    pub(super) fn new(number: u16, options: Arc<SessionOptions>, recovered: &Recovered<Record>) -> Self {
        let mut table = Table::default();
        let mut count = 0;
        for record in recovered.file(LOG) {
            // What comes after a record that cannot be read was never acknowledged, or the disk has lied.
            let Stored::Intact(Record::Command(command)) = record else { break };
            table.apply(command, options.bug);
            count += 1;
        }
        let has_more = recovered.file(LOG).len() as u64 > count;
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
            writes: BTreeMap::new(),
            held_back: BTreeMap::new(),
            closed: BTreeMap::new(),
            not_erased: BTreeSet::new(),
            without_effect: BTreeSet::new(),
            recovered: (count, has_more),
            number_in_memory: 0,
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

    // Inputs.

    pub(super) fn on_start(&mut self, ctx: &mut Ctx<'_>) {
        ctx.set_timer(SessionTimer::Scan, self.options.expiry_scan);
        if let (count, true) = self.recovered {
            // What is written from now on must not stand behind a record that cannot be read.
            ctx.write(Write::Truncate(LOG, count));
        }
        self.lead(ctx);
    }

    pub(super) fn on_message(&mut self, ctx: &mut Ctx<'_>, source: NodeId, message: SessionMessage) {
        match message {
            SessionMessage::Create(request) => self.on_create(ctx, source, request),
            SessionMessage::KeepAlive(keep_alive) => self.on_keep_alive(ctx, source, keep_alive),
            SessionMessage::Item { request, session, instance, lease, call } => {
                self.on_item(ctx, items::Asked { source, request, session, instance, lease, call });
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
            _ => unreachable!("a master sets no timer of a chunk"),
        }
    }

    pub(super) fn on_order(&mut self, ctx: &mut Ctx<'_>, order: Order) {
        match order {
            Order::StepDown if self.leads => {
                (self.leads, self.is_retired) = (false, true);
                self.held_back.clear();
                ctx.observe(SessionObservation::SteppedDown { term: self.term });
            }
            Order::Lead if self.is_retired => {
                self.is_retired = false;
                self.lead(ctx);
            }
            _ => {}
        }
    }

    pub(super) fn on_durable(&mut self, ctx: &mut Ctx<'_>, completion: Completion) {
        match completion {
            Completion::Written(_) => {}
            Completion::Durable(up_to) => {
                while let Some(entry) = self.writes.first_entry().filter(|entry| *entry.key() <= up_to) {
                    let (command, then) = entry.remove();
                    self.commit(ctx, &command, then);
                }
            }
            Completion::Failed(id, _) => {
                if let Some((_, then)) = self.writes.remove(&id) {
                    self.on_write_failed(ctx, then);
                }
            }
        }
    }

    // Commands.

    /// Writes a command to the disk; it takes effect when it is durable.
    fn propose(&mut self, ctx: &mut Ctx<'_>, command: Command, then: Then) {
        let id = ctx.persist(Write::Append(LOG, Record::Command(command.clone())));
        if self.has(Bug::AnswerBeforeDurable) {
            return self.commit(ctx, &command, then);
        }
        self.writes.insert(id, (command, then));
    }

    fn commit(&mut self, ctx: &mut Ctx<'_>, command: &Command, then: Then) {
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
        }
    }

    fn on_write_failed(&mut self, ctx: &mut Ctx<'_>, then: Then) {
        match then {
            // It is tried again with the next scan.
            Then::Lead => {}
            Then::Job => self.on_job_failed(ctx),
            // The chunk asks again.
            Then::Answer { .. } => {}
        }
    }

    // Leading.

    /// A new term begins when it is on the disk.
    fn lead(&mut self, ctx: &mut Ctx<'_>) {
        let term = Term(self.table.term().0.max(self.term.0) + 1);
        self.propose(ctx, Command::Lead { term }, Then::Lead);
    }

    fn is_about_to_lead(&self) -> bool {
        self.writes.values().any(|(_, then)| *then == Then::Lead)
    }

    /// Leases begin anew, as the master does not know how far they had run; expiries that were decided go on.
    fn on_lead(&mut self, ctx: &mut Ctx<'_>) {
        self.leads = true;
        self.term = self.table.term();
        ctx.observe(SessionObservation::Leads { term: self.term });
        self.renew_all_leases(ctx);
        let expiring: Vec<SessionId> =
            self.table.sessions().iter().filter(|(_, session)| session.is_expiring).map(|(id, _)| *id).collect();
        expiring.into_iter().for_each(|session| self.push(ctx, Job::Expire(session)));
    }

    /// Whether another applied result than the best came of a command that a job waits for.
    const fn is_done(applied: Applied) -> bool {
        matches!(applied, Applied::Done | Applied::Granted(_))
    }

    fn reuses(&self) -> bool {
        self.options.reuse == Reuse::Session
    }
}

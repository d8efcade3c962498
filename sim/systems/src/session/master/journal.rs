//! Where the commands of a master become durable: on its own disk, or in a log that several masters replicate.
//!
//! ```text
//!   propose ─▶ disk:     append, sync               ─▶ committed, in the order of the proposals
//!   propose ─▶ replica:  raft log, a quorum of disks ─▶ committed, in the order of the log, at each master
//! ```
//!
//! The master does not care which: it proposes, and applies what comes back. A replica also hears of the commands of
//! others, and what it proposed may be lost for good when another master begins to lead.

use std::collections::BTreeMap;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::embed;
use splitbrain_kernel::embedding::Scope;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Completion, FileId, Recovered, Stored, Write, WriteId};
use splitbrain_kernel::time::Instant;

use crate::raft;
use crate::raft::RaftNode;
use crate::raft::ids::Index;
use crate::raft::state::Server;
use crate::session::bug::Bug;
use crate::session::command::Command;
use crate::session::ids::{META, Term};
use crate::session::message::SessionMessage;
use crate::session::node::{Record, SessionNode, SessionTimer};
use crate::session::observation::SessionObservation;
use crate::session::table::Table;

use super::{Ctx, Then};

/// The file of commands of a master that is not replicated.
pub(in crate::session) const LOG: FileId = FileId(0);

/// The files of the replicated log come after this one, so that none has the number of a target on a volume.
pub(in crate::session) const FILES: u16 = 1_000;

embed! {
    /// The raft server of a master that is replicated.
    pub struct RaftInMeta: RaftNode<Command>, in SessionNode, as "raft" {
        files: FILES,
        hosts: |node| node.is(META),
        node: |node| node.master().and_then(super::Master::raft),
        message: SessionMessage::Raft,
        timer: SessionTimer::Raft,
        record: Record::Raft,
        observation: SessionObservation::Raft,
        operation: none,
        response: none,
        order: none,
        step: none,
    }
}

/// Where the commands of one master become durable.
#[derive(Debug)]
pub enum Journal {
    /// A disk of the master's own.
    Disk(Disk),
    /// A log that is replicated.
    Replica(Box<Replica>),
}

/// What comes back of what was proposed.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A command is durable, and comes next. `then` is what this master meant to do, if it has proposed it.
    Committed(Command, Option<Then>),
    /// What this master proposed is lost: it will never be durable.
    Lost(Then),
    /// This table takes the place of the master's.
    Restored(Table),
    /// Commands can be written from now on.
    Ready,
}

impl Journal {
    /// Whether other masters apply the same commands.
    pub(super) const fn is_shared(&self) -> bool {
        matches!(self, Self::Replica(_))
    }

    /// What waits to be durable.
    pub(super) fn pending(&self) -> impl Iterator<Item = &(Command, Then)> {
        let (disk, replica) = match self {
            Self::Disk(disk) => (Some(disk.writes.values()), None),
            Self::Replica(replica) => (None, Some(replica.pending.values().map(|(_, proposed)| proposed))),
        };
        disk.into_iter().flatten().chain(replica.into_iter().flatten())
    }

    /// Has a command made durable.
    ///
    /// # Errors
    /// If it was not even begun: this master does not lead the replicas.
    pub(super) fn propose(&mut self, ctx: &mut Ctx<'_>, command: Command, then: Then) -> Result<(), Then> {
        match self {
            Self::Disk(disk) => {
                let id = ctx.persist(Write::Append(LOG, Record::Command(command.clone())));
                disk.writes.insert(id, (command, then));
                Ok(())
            }
            Self::Replica(replica) => replica.propose(ctx, command, then),
        }
    }

    /// Whether commands can be written yet.
    pub(super) fn is_ready(&mut self, ctx: &mut Ctx<'_>) -> bool {
        match self {
            Self::Disk(disk) => disk.is_ready(ctx),
            Self::Replica(_) => true,
        }
    }

    /// Whether no other master acts now.
    pub(super) fn is_alone(&self, now: Instant) -> bool {
        match self {
            Self::Disk(_) => true,
            Self::Replica(replica) => replica.server().is_some_and(|server| server.leads_alone(now)),
        }
    }

    /// The term in which this master leads the replicas, if it does.
    pub(super) fn leads_in(&self) -> Option<Term> {
        let Self::Replica(replica) = self else { return None };
        let server = replica.server().filter(|server| server.is_leader())?;
        Some(Term(server.term().0))
    }

    /// The master that leads the replicas, as far as this one knows.
    pub(super) fn leader(&self) -> Option<NodeId> {
        let Self::Replica(replica) = self else { return None };
        replica.server()?.leader()
    }
}

/// A log of commands on the master's own disk.
#[derive(Debug)]
pub struct Disk {
    pub(super) writes: BTreeMap<WriteId, (Command, Then)>,
    /// Something follows the commands that the disk gave back: how many of them to keep, until the rest is cut off.
    cut: Option<u64>,
    /// The write that cuts it off.
    cutting: Option<WriteId>,
}

impl Disk {
    /// What the disk kept: the log, and the table that its commands make.
    pub fn recover(recovered: &Recovered<Record>, bug: Bug) -> (Self, Table) {
        let mut table = Table::default();
        let mut count = 0;
        for record in recovered.file(LOG) {
            // What comes after a record that cannot be read was never acknowledged, or the disk has lied.
            let Stored::Intact(Record::Command(command)) = record else { break };
            table.apply(command, bug);
            count += 1;
        }
        let cut = (recovered.file(LOG).len() as u64 > count).then_some(count);
        (Self { writes: BTreeMap::new(), cut, cutting: None }, table)
    }

    /// What is written from now on must not stand behind a record that cannot be read: the rest is cut off first.
    /// Returns whether that is done.
    fn is_ready(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let Some(kept) = self.cut else { return true };
        self.cutting.get_or_insert_with(|| ctx.persist(Write::Truncate(LOG, kept)));
        false
    }

    /// The next command that this completion is about.
    pub(super) fn next(&mut self, completion: Completion) -> Option<Outcome> {
        match completion {
            Completion::Durable(up_to) if self.cutting.is_some_and(|cutting| cutting <= up_to) => {
                (self.cut, self.cutting) = (None, None);
                Some(Outcome::Ready)
            }
            // It is tried again with the next scan.
            Completion::Failed(id, _) if self.cutting == Some(id) => {
                self.cutting = None;
                None
            }
            Completion::Written(_) => None,
            Completion::Durable(up_to) => {
                let entry = self.writes.first_entry().filter(|entry| *entry.key() <= up_to)?;
                let (command, then) = entry.remove();
                Some(Outcome::Committed(command, Some(then)))
            }
            Completion::Failed(id, _) => self.writes.remove(&id).map(|(_, then)| Outcome::Lost(then)),
        }
    }
}

/// A server of the log that masters replicate, and how far this master has applied it.
#[derive(Debug)]
pub struct Replica {
    raft: RaftNode<Command>,
    scope: Scope<RaftInMeta>,
    applied: Index,
    /// What this master proposed, by place, with the term of each. Another term there means that it is lost.
    pending: BTreeMap<Index, (raft::ids::Term, (Command, Then))>,
}

impl Replica {
    /// A replica that has applied nothing.
    pub(in crate::session) const fn new(raft: RaftNode<Command>) -> Self {
        Self { raft, scope: Scope::new(RaftInMeta), applied: Index::ZERO, pending: BTreeMap::new() }
    }

    pub(super) const fn raft(&self) -> &RaftNode<Command> {
        &self.raft
    }

    fn server(&self) -> Option<&Server<Command>> {
        self.raft.server()
    }

    /// Calls the server inside. What it has applied afterwards is [`Replica::next`]'s.
    pub(super) fn enter(
        &mut self,
        ctx: &mut Ctx<'_>,
        call: impl FnOnce(&mut RaftNode<Command>, &mut Context<RaftNode<Command>>),
    ) {
        self.scope.enter(ctx, |ctx| call(&mut self.raft, ctx));
    }

    fn propose(&mut self, ctx: &mut Ctx<'_>, command: Command, then: Then) -> Result<(), Then> {
        let mut place = None;
        self.enter(ctx, |raft, ctx| place = raft.propose(ctx, command.clone()).ok());
        let Some(place) = place else { return Err(then) };
        self.pending.insert(place.index, (place.term, (command, then)));
        Ok(())
    }

    /// What comes next of what is committed.
    pub(super) fn next(&mut self) -> Option<Outcome> {
        // What was proposed at a place that a snapshot covers may have been committed or not: its asker asks again.
        if let Some(entry) = self.pending.first_entry().filter(|entry| *entry.key() <= self.applied) {
            let (_, (_, then)) = entry.remove();
            return Some(Outcome::Lost(then));
        }
        let server = self.raft.server()?;
        if let Some((index, state)) = server.state_after(self.applied) {
            let table = Table::of(state);
            self.applied = index;
            return Some(Outcome::Restored(table));
        }
        while let Some((index, entry)) = server.applied_after(self.applied).next() {
            self.applied = index;
            let proposed = self.pending.remove(&index);
            let is_own = proposed.as_ref().is_some_and(|(term, _)| *term == entry.term);
            let then = proposed.map(|(_, (_, then))| then);
            match (&entry.command, then) {
                (raft::message::Command::Set(command), then) if is_own || then.is_none() => {
                    return Some(Outcome::Committed(command.clone(), then));
                }
                // Another's command stands at the place of this master's: it is looked at again, without a proposal.
                (raft::message::Command::Set(_), Some(then)) => {
                    self.applied = Index(index.0 - 1);
                    return Some(Outcome::Lost(then));
                }
                (_, Some(then)) => return Some(Outcome::Lost(then)),
                (_, None) => {}
            }
        }
        None
    }

    /// Has the log compacted behind this table, which has all that is applied, if that is due.
    pub(super) fn compact(&mut self, ctx: &mut Ctx<'_>, table: &Table) {
        let is_due = self.server().is_some_and(|server| server.wants_snapshot() && server.applied() == self.applied);
        if is_due {
            self.enter(ctx, |raft, ctx| raft.take_snapshot_with(ctx, table.pieces().map(Command::Restore)));
        }
    }
}

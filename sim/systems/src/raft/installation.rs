//! Taking snapshots, compacting the log behind them, and bringing them to followers (§7).
//!
//! | step | what a crash of the machine just after it leaves |
//! | --- | --- |
//! | a part is durable | the parts so far: the leader goes on from there |
//! | the snapshot is durable | both: what it covers counts as applied, and a log that contradicts it is dropped |
//! | the log is cut | snapshot and the log behind it |
//! | the parts are dropped | the same; parts of a snapshot that is there are dropped at the start |
//!
//! So a snapshot is durable before anything of the log goes, and an acknowledgement waits for all of it. A snapshot
//! never lowers term, commit index or what is applied: one that covers no more than what is committed is acknowledged
//! and changes nothing.

use std::sync::Arc;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Source, Write, WriteId};

use super::bug::Bug;
use super::durable::{LOG_FILE, PARTS_FILE, Record, SNAPSHOT_FILE};
use super::election::Wait;
use super::ids::{Index, Position};
use super::kv;
use super::message::{Payload, RaftMessage};
use super::node::RaftContext;
use super::observation::RaftObservation;
use super::registers::Registers;
use super::roles::{LEADS_ON, Tenure};
use super::shared::Shared;
use super::snapshot::{Item, PartResult, Receiving, Snapshot, SnapshotPart};
use super::state::{Follower, Leader, Server};

// ---- Taking one ----

impl<C: Payload> Shared<C> {
    /// Takes a snapshot where enough has been applied since the last one.
    #[inline]
    pub(super) fn review_snapshot(&mut self, ctx: &mut RaftContext<C>) {
        if self.is_snapshot_due() {
            self.take_snapshot(ctx);
        }
    }

    /// Whether enough has been applied since the last snapshot.
    #[inline]
    pub(super) fn is_snapshot_due(&self) -> bool {
        let distance = self.options.snapshot.distance;
        distance > 0 && self.applied.0 >= self.snapshot_index().0.saturating_add(distance)
    }

    /// Takes a snapshot of what is applied, unless one is on its way to the disk.
    pub(super) fn take_snapshot(&mut self, ctx: &mut RaftContext<C>) {
        if let Some(machine) = &self.machine {
            let items = machine.items();
            self.take_snapshot_of(ctx, items);
        }
    }

    /// Takes a snapshot of what is applied, with these items of the state machine, unless one is on its way to the
    /// disk.
    pub(super) fn take_snapshot_of(&mut self, ctx: &mut RaftContext<C>, mut items: Vec<Item<C>>) {
        let term = self.log.term_at(self.applied).expect("what is applied is in the log, or the base of it");
        let last = Position { term, index: self.applied };
        if self.snapshots.saving.is_some() || last.index <= self.snapshot_index() {
            return;
        }
        let has_sessions = !self.has_bug(Bug::SnapshotWithoutSessions);
        let pieces = self.kv.store().pieces().filter(|piece| has_sessions || !matches!(piece, kv::Piece::Session(..)));
        items.extend(pieces.map(Item::Kv));
        let (index, members) = self.memberships.at(last.index);
        if index > Index::ZERO && !self.has_bug(Bug::SnapshotWithoutConfiguration) {
            items.push(Item::Members { index, members: Box::new(members) });
        }
        let snapshot = Arc::new(Snapshot { last, items });
        ctx.observe(RaftObservation::SnapshotTaken { last, state: snapshot.fingerprint() });
        self.save_snapshot(ctx, snapshot);
    }

    /// The last place that its snapshot covers.
    #[inline]
    pub(super) fn snapshot_index(&self) -> Index {
        self.snapshots.latest.as_ref().map_or(Index::ZERO, |snapshot| snapshot.last.index)
    }

    fn save_snapshot(&mut self, ctx: &mut RaftContext<C>, snapshot: Arc<Snapshot<C>>) {
        let write =
            self.persist(ctx, Write::Replace(SNAPSHOT_FILE, Record::Snapshot(Box::new(Snapshot::clone(&snapshot)))));
        self.snapshots.saving = Some((write, snapshot));
    }

    /// A write is durable: if it carries a snapshot, what that covers may go.
    pub(super) fn on_snapshot_durable(
        &mut self,
        ctx: &mut RaftContext<C>,
        write: WriteId,
        leader: Option<&mut Leader>,
    ) {
        self.snapshots.parts_write = self.snapshots.parts_write.filter(|part| *part > write);
        if let Some((_, snapshot)) = self.snapshots.saving.take_if(|(saving, _)| *saving <= write) {
            self.adopt(ctx, snapshot, leader);
        }
    }

    /// This snapshot is durable.
    fn adopt(&mut self, ctx: &mut RaftContext<C>, snapshot: Arc<Snapshot<C>>, leader: Option<&mut Leader>) {
        let last = snapshot.last;
        self.snapshots.latest = Some(Arc::clone(&snapshot));
        if last.index > self.commit && !self.log.contains(last) {
            self.install(ctx, &snapshot, leader);
        } else {
            self.commit_covered(ctx, last.index, leader);
            let base = Index(last.index.0.saturating_sub(self.options.snapshot.trailing));
            self.compact(ctx, base);
        }
        assert!(self.commit >= last.index, "what a snapshot covers is committed");
    }

    /// The log has the last entry of the snapshot, and so all of it: it is committed.
    fn commit_covered(&mut self, ctx: &mut RaftContext<C>, index: Index, leader: Option<&mut Leader>) {
        if index > self.commit {
            self.commit_to(ctx, index, leader);
        }
    }

    /// Drops the log up to this place, from memory and from the disk.
    fn compact(&mut self, ctx: &mut RaftContext<C>, base: Index) {
        if base <= self.log.base().index {
            return;
        }
        let count = self.log.compact(base);
        self.memberships.compact(base);
        self.write(ctx, Write::Discard(LOG_FILE, count));
        ctx.observe(RaftObservation::LogCompacted { base: self.log.base() });
    }

    /// Takes the place of a log that does not have the last entry of the snapshot.
    fn install(&mut self, ctx: &mut RaftContext<C>, snapshot: &Snapshot<C>, leader: Option<&mut Leader>) {
        let last = snapshot.last;
        self.drop_log(ctx, last);
        self.commit = last.index;
        self.applied = last.index;
        if !self.has_bug(Bug::InstalledWithoutState) {
            self.restore_state(&snapshot.items);
        }
        self.lagging.target = self.lagging.target.max(last.index);
        if self.has_bug(Bug::TermFromSnapshot) && last.term < self.term() {
            self.hard.term = last.term;
            self.hard_dirty = true;
        }
        ctx.observe(RaftObservation::SnapshotInstalled { last, state: snapshot.fingerprint() });
        self.install_members(ctx, snapshot.members(), leader);
    }

    /// What the snapshot on the disk covers counts as applied.
    pub(super) fn restore(&mut self, ctx: &mut RaftContext<C>, snapshot: Snapshot<C>) {
        let last = snapshot.last;
        self.commit = last.index;
        self.applied = last.index;
        self.restore_state(&snapshot.items);
        ctx.observe(RaftObservation::SnapshotRestored { last, state: snapshot.fingerprint() });
        self.install_members(ctx, snapshot.members(), None);
        self.snapshots.latest = Some(Arc::new(snapshot));
    }

    fn restore_state(&mut self, items: &[Item<C>]) {
        self.machine = self.machine.is_some().then(|| Registers::of(items));
        self.kv.restore(kv::Store::of(items.iter().filter_map(Item::piece)));
    }

    fn drop_log(&mut self, ctx: &mut RaftContext<C>, base: Position) {
        let write = self.persist(ctx, Write::Truncate(LOG_FILE, 0));
        self.log.restart_at(base, write);
    }
}

// ---- The leader ----

impl Leader {
    /// Sends a follower the part that it wants next of a snapshot: its log lacks what this one no longer has.
    pub(super) fn send_part<C: Payload>(&mut self, shared: &mut Shared<C>, ctx: &mut RaftContext<C>, peer: NodeId) {
        let (term, bytes_max) = (shared.term(), shared.options.snapshot.part_bytes);
        let Some(snapshot) = shared.snapshots.for_follower(peer) else {
            unreachable!("a log has a base behind a snapshot only");
        };
        let Some(progress) = self.progress_mut(peer) else { return };
        let offset = progress.snapshot_offset();
        let part = snapshot.part(term, offset, bytes_max);
        self.ask(shared, ctx, peer, RaftMessage::SnapshotPart(Box::new(part)));
    }

    /// A follower has answered a part.
    pub(super) fn on_part_reply<C: Payload>(
        &mut self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        follower: NodeId,
        last: Index,
        result: PartResult,
    ) -> Tenure {
        self.note_contact(shared, ctx.now(), follower, result == PartResult::Installed);
        match result {
            PartResult::Installed => {
                shared.snapshots.done_with(follower);
                if let Some(progress) = self.progress_mut(follower) {
                    progress.installed();
                }
                return self.on_accepted(shared, ctx, follower, last);
            }
            // A late answer may be of an older snapshot.
            PartResult::Received { at, next } if shared.snapshots.sends(follower, last) => {
                if let Some(progress) = self.progress_mut(follower)
                    && progress.received(at, next)
                {
                    self.send_part(shared, ctx, follower);
                }
            }
            PartResult::Received { .. } | PartResult::Stale => {}
        }
        LEADS_ON
    }
}

// ---- The follower ----

impl<C: Payload> Server<C> {
    /// A part of a snapshot from a leader. It is a sign of life of it.
    #[inline(never)]
    pub(super) fn on_part(&mut self, ctx: &mut RaftContext<C>, source: Source, part: &SnapshotPart<C>) {
        if part.term < self.term() {
            return self.shared.answer_part(ctx, source, None, part.last.index, PartResult::Stale);
        }
        self.end_refused_rounds();
        self.hear_from(ctx, source, part.term, |follower, shared, ctx| follower.on_part(shared, ctx, source, part));
    }
}

impl Follower {
    fn on_part<C: Payload>(
        &self,
        shared: &mut Shared<C>,
        ctx: &mut RaftContext<C>,
        source: Source,
        part: &SnapshotPart<C>,
    ) {
        let last = part.last;
        shared.restart_election_timer(ctx, Wait::Leader);
        if last.index <= shared.commit || shared.log.contains(last) {
            shared.commit_covered(ctx, last.index, None);
            shared.forget_parts(ctx);
            let write = shared.log.unsynced();
            return shared.answer_part(ctx, source, write, last.index, PartResult::Installed);
        }
        // A late part of an older snapshot must not take the place of the newer one on the disk.
        let is_covered = |saving: &Snapshot<C>| last.index <= saving.last.index;
        if let Some((write, _)) = shared.snapshots.saving.as_ref().filter(|(_, saving)| is_covered(saving)) {
            let write = Some(*write);
            return shared.answer_part(ctx, source, write, last.index, PartResult::Installed);
        }
        shared.receive(ctx, source, part);
    }
}

impl<C: Payload> Shared<C> {
    fn receive(&mut self, ctx: &mut RaftContext<C>, source: Source, part: &SnapshotPart<C>) {
        if self.snapshots.receiving.as_ref().is_some_and(|receiving| receiving.is_newer_than(part)) {
            let late = PartResult::Received { at: part.offset, next: 0 };
            return self.answer_part(ctx, source, None, part.last.index, late);
        }
        if self.snapshots.receiving.as_ref().is_none_or(|receiving| !receiving.is_of(part)) {
            self.forget_parts(ctx);
            self.snapshots.receiving = Some(Receiving::of(part));
        }
        let receiving = self.snapshots.receiving.as_mut().expect("it was just made");
        let (is_new, next, is_whole) = (receiving.add(part), receiving.next(), receiving.is_whole());
        if is_new {
            let write = self.persist(ctx, Write::Append(PARTS_FILE, Record::Part(part.clone())));
            self.snapshots.parts_write = Some(write);
        } else if next > part.offset + part.items.len() as u64 {
            ctx.observe(RaftObservation::SnapshotResumed { last: part.last, next });
        }
        if !is_whole {
            let result = PartResult::Received { at: part.offset, next };
            return self.answer_part(ctx, source, self.snapshots.parts_write, part.last.index, result);
        }
        let receiving = self.snapshots.receiving.as_mut().expect("it is whole");
        let items = std::mem::take(&mut receiving.items);
        self.save_snapshot(ctx, Arc::new(Snapshot { last: part.last, items }));
        self.forget_parts(ctx);
        let saving = self.snapshots.saving.as_ref().map(|(write, _)| *write);
        self.answer_part(ctx, source, saving, part.last.index, PartResult::Installed);
    }

    fn answer_part(
        &mut self,
        ctx: &mut RaftContext<C>,
        source: Source,
        write: Option<WriteId>,
        last: Index,
        result: PartResult,
    ) {
        let reply = RaftMessage::PartReply { term: self.term(), last, result };
        self.send_after(ctx, write, source, reply);
    }

    fn forget_parts(&mut self, ctx: &mut RaftContext<C>) {
        self.snapshots.parts_write = None;
        if self.snapshots.receiving.take().is_some() {
            self.write(ctx, Write::Truncate(PARTS_FILE, 0));
        }
    }
}

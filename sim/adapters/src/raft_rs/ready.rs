//! What becomes of one `Ready`: what it asks to be written, sent and applied.

use raft::StateRole;
use raft::eraftpb::{ConfChangeType, ConfChangeV2, Entry, EntryType, Snapshot};
use splitbrain::kernel::prelude::*;

use super::options::Bug;
use super::server::{Machine, Process, Server, members_of};
use super::store::{Record, SNAPSHOT, STATE};
use super::wire::{Members, Observed, Proposal, Wire};
use crate::proposals::{Answer, Placed};
use crate::protobuf::Pb;
use crate::servers::id_of;

impl Server {
    /// Carries out what the library has ready.
    ///
    /// What must be durable goes to the disk with one sync, and the library hears of it later (asynchronous ready):
    /// `send_after` is to a write what the library's `persisted_messages` are to a ready.
    pub(super) fn handle_ready(&mut self, ctx: &mut Context<Process>) {
        let mut ready = self.raw.ready();
        let number = ready.number();
        for message in ready.take_messages() {
            Self::send(ctx, None, message);
        }
        let mut writes = Vec::new();
        let installs = !ready.snapshot().is_empty();
        let store = self.raw.mut_store();
        if installs {
            let [snapshot, cut] = store.install(ready.snapshot().clone());
            ctx.persist(snapshot);
            writes.push(cut);
        }
        if let Some(hard) = ready.hs() {
            store.hard = hard.clone();
            writes.push(Write::Replace(STATE, Record::State(Pb(hard.clone()))));
        }
        let entries = ready.take_entries();
        let truncated = entries.first().map(|entry| entry.index).filter(|from| *from <= store.last());
        writes.extend(store.append(entries));
        if installs {
            self.install(ctx);
        }
        if let Some(from) = truncated {
            ctx.observe(Observed::LogTruncated { from });
        }
        let write = persist(ctx, writes, ready.must_sync());
        if let Some(write) = write {
            self.in_flight.push_back((write, number));
        }
        if installs {
            self.restoring = write;
        }
        // Readies become durable in their order: one without a write of its own waits for those before it.
        let last = self.in_flight.back().map(|(write, _)| *write);
        let gate = last.filter(|_| self.options.bug != Bug::EarlyMessages);
        for message in ready.take_persisted_messages() {
            Self::send(ctx, gate, message);
        }
        let committed = ready.take_committed_entries();
        self.raw.advance_append_async(ready);
        let waits = self.options.bug != Bug::EarlyPersisted;
        match self.in_flight.back_mut().filter(|_| waits) {
            Some((_, last)) => *last = number,
            None => self.raw.on_persist_ready(number),
        }
        self.observe_counted(ctx);
        self.apply_all(ctx, committed);
    }

    /// The state machine takes over what a leader's snapshot holds.
    fn install(&mut self, ctx: &mut Context<Process>) {
        let store = self.raw.store();
        self.machine = Machine::of(store);
        self.members = members_of(&store.conf);
        let Machine { index, term, state } = self.machine;
        ctx.observe(Observed::SnapshotInstalled { index, term, state });
    }

    fn apply_all(&mut self, ctx: &mut Context<Process>, committed: Vec<Entry>) {
        if let Some(last) = committed.last() {
            let (index, term) = self.commit_behind((last.index, last.term));
            ctx.observe(Observed::Committed { index, term });
        }
        for entry in committed {
            self.apply(ctx, entry);
            if self.has_left {
                return;
            }
        }
        if self.restoring.is_none() {
            self.raw.advance_apply_to(self.machine.index);
        }
    }

    /// The place to observe as committed when everything up to `last` has been handed out: that one.
    ///
    /// The library hands out a committed entry only once it is on the leader's own disk, so a leader knows of more. It
    /// commits entries of earlier terms by one of its own: if what is handed out ends before that one, the place is the
    /// library's commit index.
    fn commit_behind(&self, last: (u64, u64)) -> (u64, u64) {
        let raft = &self.raw.raft;
        if raft.state != StateRole::Leader || last.1 == raft.term {
            return last;
        }
        let index = raft.raft_log.committed;
        (index, raft.raft_log.term(index).unwrap_or(last.1))
    }

    fn apply(&mut self, ctx: &mut Context<Process>, entry: Entry) {
        let Entry { index, term, ref data, .. } = entry;
        self.machine.apply(index, term, data);
        let proposal = Proposal::of(data).filter(|_| entry.get_entry_type() == EntryType::EntryNormal);
        let change = (entry.get_entry_type() == EntryType::EntryConfChangeV2).then(|| data.clone());
        ctx.observe(Observed::Applied { entry: Pb(entry) });
        if let Some(proposal) = proposal
            && self.proposals.remove(&proposal)
        {
            let Proposal { client, operation, .. } = proposal;
            ctx.send(client, Wire::Answer { operation, answer: Answer::Placed(Placed { index }) });
        }
        if let Some(change) = change {
            self.reconfigure(ctx, index, &change);
        }
    }

    fn reconfigure(&mut self, ctx: &mut Context<Process>, index: u64, change: &[u8]) {
        let change: ConfChangeV2 = prost::Message::decode(change).expect("it was encoded by a leader");
        let conf = match self.raw.apply_conf_change(&change) {
            Ok(conf) => conf,
            Err(error) => return ctx.observe(Observed::Refused { error: error.to_string() }),
        };
        self.members = members_of(&conf);
        self.observe_counted(ctx);
        ctx.observe(Observed::Reconfigured { voters: conf.voters.clone(), learners: conf.learners.clone() });
        self.raw.mut_store().conf = conf;
        let own = id_of(self.id);
        let removes = |single: &raft::eraftpb::ConfChangeSingle| {
            single.node_id == own && single.change_type == ConfChangeType::RemoveNode as i32
        };
        // An earlier process left because of an old entry; this one may have been added again since.
        if self.options.leave && index > self.old_commit && change.changes.iter().any(removes) {
            if self.raw.raft.state == StateRole::Leader {
                ctx.observe(Observed::Retired { term: self.raw.raft.term });
            }
            self.has_left = true;
            ctx.exit("removed from the cluster");
        }
    }

    /// Takes a snapshot if it is time, or if a server needs one that the last one does not know. The log is compacted
    /// once the snapshot is durable.
    pub(super) fn maybe_snapshot(&mut self, ctx: &mut Context<Process>) {
        let Machine { index, term, state } = self.machine;
        let store = self.raw.mut_store();
        let last = store.snapshot.get_metadata().index;
        let every = self.options.snapshot_every;
        let is_time = (every > 0 && index >= last + every) || (store.is_snapshot_wanted() && index > last);
        if !is_time || self.restoring.is_some() || self.compacting.is_some() || self.has_left {
            return;
        }
        let mut snapshot = Snapshot { data: state.to_le_bytes().to_vec(), ..Snapshot::default() };
        let meta = snapshot.mut_metadata();
        (meta.index, meta.term) = (index, term);
        meta.conf_state = Some(store.conf.clone());
        store.set_snapshot(snapshot.clone());
        let write = ctx.save(SNAPSHOT, Record::Snapshot(Pb(snapshot)));
        let gone = index.saturating_sub(self.options.snapshot_trailing);
        self.compacting = Some((write, gone));
        ctx.observe(Observed::SnapshotTaken { index, term, state });
    }

    /// The configuration that the library goes by.
    pub(super) const fn members(&self) -> Members {
        self.members
    }
}

/// Writes, all with one sync where there must be one. Returns the last write if it is synced.
fn persist(ctx: &mut Context<Process>, writes: Vec<Write<Record>>, must_sync: bool) -> Option<WriteId> {
    let mut writes = writes.into_iter().peekable();
    let mut last = None;
    while let Some(write) = writes.next() {
        if must_sync && writes.peek().is_none() {
            last = Some(ctx.persist(write));
        } else {
            ctx.write(write);
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use raft::eraftpb::{ConfState, Message, MessageType};
    use splitbrain::kernel::host::Host;
    use splitbrain::kernel::prelude::{Effect, Options as _, Seed};

    use super::super::options::RaftRsOptions;
    use super::super::store::LOG;
    use super::*;

    #[test]
    fn a_snapshot_is_synced_before_the_log_that_it_replaces_is_cut() {
        let options = (RaftRsOptions::presets()[0].make)();
        let make = move |disk| {
            let server = Server::new(NodeId::server(1), options.clone(), vec![1, 2, 3], 3, &disk);
            Process::Server(Box::new(server.expect("the disk is empty")))
        };
        let mut host = Host::new(NodeId::server(1), Seed(1), make);
        host.start();
        host.take();
        let mut snapshot = Snapshot { data: vec![0; 8], ..Snapshot::default() };
        let conf = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };
        let meta = snapshot.mut_metadata();
        (meta.index, meta.term, meta.conf_state) = (5, 1, Some(conf));
        let mut message = Message { from: 2, to: 1, term: 1, snapshot: Some(snapshot), ..Message::default() };
        message.set_msg_type(MessageType::MsgSnapshot);
        host.message(NodeId::server(2), Wire::Raft(Box::new(Pb(message))));

        let effects = host.take();
        let place = |is_it: fn(&Effect<Process>) -> bool| effects.iter().position(is_it);
        let of_snapshot =
            |effect: &Effect<Process>| matches!(effect, Effect::Write { write: Write::Replace(SNAPSHOT, _), .. });
        let cut = place(|effect| matches!(effect, Effect::Write { write: Write::Truncate(LOG, 0), .. }));
        assert!(place(of_snapshot).is_some(), "it is installed: {effects:?}");
        assert!(place(of_snapshot) < place(|effect| matches!(effect, Effect::Sync)));
        assert!(place(|effect| matches!(effect, Effect::Sync)) < cut, "{effects:?}");
    }
}

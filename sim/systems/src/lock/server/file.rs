//! The append-only file of a redis, and its configuration.
//!
//! An append is one record: the effects of one request. It is written before the answer leaves, so a crash of the
//! process loses nothing that was answered; a crash of the machine loses what was not synced. A torn record at the end
//! is dropped at the next start (`aof-load-truncated yes`); one that is spoilt before the end keeps the server from
//! starting.
//!
//! If the disk refuses an append, what was carried out is answered all the same, as by the real server, which refuses
//! further writes with MISCONF until it could write what it has in its buffer. With `append_fsync = "always"` it ends.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Completion, FileId, Recovered, Stored, Write, WriteId};
use splitbrain_kernel::time::Duration;

use crate::lock::bug::Bug;
use crate::lock::client::Ctx;
use crate::lock::message::Wire;
use crate::lock::node::Record;
use crate::lock::options::{AppendFsync, LockOptions};
use crate::lock::redis::Effect;

/// The append-only file.
pub(in crate::lock) const APPENDED: FileId = FileId(0);
/// The configuration.
pub(in crate::lock) const CONFIGURATION: FileId = FileId(1);

/// From one sync to the next, with `append_fsync = "everysec"`.
pub(super) const SYNC_EVERY: Duration = Duration::from_secs(1);

/// What the disk kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Recovery {
    pub(super) effects: Vec<Effect>,
    /// Records that can be used.
    pub(super) records: u64,
    /// Records at the end that cannot.
    pub(super) torn: u64,
    /// The role that the configuration keeps.
    pub(super) role: Option<(Option<NodeId>, u64)>,
    /// Why the server cannot start.
    pub(super) fault: Option<&'static str>,
}

impl Recovery {
    pub(super) fn read(recovered: &Recovered<Record>, options: &LockOptions) -> Self {
        let mut recovery = Self::default();
        if options.append_fsync != AppendFsync::Off {
            recovery.read_appended(recovered.file(APPENDED));
        }
        if options.bug != Bug::RoleNotKept {
            recovery.role = match recovered.last(CONFIGURATION).and_then(Stored::intact) {
                Some(Record::Role { master, epoch }) => Some((*master, *epoch)),
                _ => None,
            };
        }
        recovery
    }

    fn read_appended(&mut self, records: &[Stored<Record>]) {
        for record in records {
            match record {
                Stored::Intact(Record::Commands { effects }) if self.torn == 0 => {
                    self.effects.extend(effects.iter().cloned());
                    self.records += 1;
                }
                Stored::Torn => self.torn += 1,
                _ => self.fault = Some("the append-only file has a bad format"),
            }
        }
    }
}

/// An answer that waits for a write, and the node that it goes to.
type Answer = (NodeId, Wire);

/// The append-only file while it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct AppendFile {
    /// What is not yet in the page cache, with the answer that waits for it.
    writing: BTreeMap<WriteId, (Vec<Effect>, Option<Answer>)>,
    /// What the disk has refused.
    refused: Vec<Effect>,
    /// The write that tries it once more.
    retry: Option<WriteId>,
    /// Whether something was written since the last sync.
    is_dirty: bool,
    /// The last append that is synced by itself, with `append_fsync = "always"`.
    last_synced: Option<WriteId>,
}

impl AppendFile {
    /// Whether something that the disk has refused is not yet written.
    pub(super) const fn has_failed(&self) -> bool {
        !self.refused.is_empty() || self.retry.is_some()
    }

    /// Appends and syncs.
    pub(super) fn persist(&mut self, ctx: &mut Ctx<'_>, effects: Vec<Effect>) -> WriteId {
        let write = ctx.persist(Write::Append(APPENDED, Record::Commands { effects }));
        self.last_synced = Some(write);
        write
    }

    /// The append that has to be durable before anything leaves; `None` if nothing waits for a sync.
    pub(super) const fn last_synced(&self) -> Option<WriteId> {
        self.last_synced
    }

    /// Appends. The answer leaves when it is written.
    pub(super) fn append(&mut self, ctx: &mut Ctx<'_>, effects: Vec<Effect>, answer: Option<Answer>) -> WriteId {
        let id = ctx.write(Write::Append(APPENDED, Record::Commands { effects: effects.clone() }));
        self.writing.insert(id, (effects, answer));
        self.is_dirty = true;
        id
    }

    /// What was written since the last time becomes durable.
    pub(super) fn sync(&mut self, ctx: &mut Ctx<'_>) {
        if std::mem::take(&mut self.is_dirty) {
            ctx.sync();
        }
    }

    /// Drops what comes after these records.
    pub(super) fn truncate(&mut self, ctx: &mut Ctx<'_>, records: u64) {
        ctx.persist(Write::Truncate(APPENDED, records));
    }

    /// Replaces the file by one that makes this data.
    pub(super) fn rewrite(&mut self, ctx: &mut Ctx<'_>, effects: Vec<Effect>) {
        self.refused.clear();
        self.retry = None;
        ctx.save(APPENDED, Record::Commands { effects });
    }

    /// Keeps the role.
    pub(super) fn keep_role(&mut self, ctx: &mut Ctx<'_>, master: Option<NodeId>, epoch: u64) {
        ctx.save(CONFIGURATION, Record::Role { master, epoch });
    }

    /// Tries once more what the disk has refused.
    pub(super) fn retry(&mut self, ctx: &mut Ctx<'_>) {
        if !self.refused.is_empty() && self.retry.is_none() {
            let effects = std::mem::take(&mut self.refused);
            self.retry = Some(self.append(ctx, effects, None));
        }
    }

    /// A write has ended. What was carried out is answered even if the disk refuses it: later writes are not.
    pub(super) fn on_durable(&mut self, ctx: &mut Ctx<'_>, completion: Completion) {
        let (Completion::Written(id) | Completion::Failed(id, _)) = completion else { return };
        let Some((effects, answer)) = self.writing.remove(&id) else { return };
        let is_retry = self.retry.take_if(|retry| *retry == id).is_some();
        match completion {
            // What was refused first comes first.
            Completion::Failed(..) if is_retry => drop(self.refused.splice(..0, effects)),
            Completion::Failed(..) => self.refused.extend(effects),
            _ => {}
        }
        if let Some((client, answer)) = answer {
            ctx.send(client, answer);
        }
    }
}

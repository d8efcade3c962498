//! `disk`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Disk, DiskFault, Fault, Selectors};
use splitbrain_kernel::node::FileId;
use splitbrain_kernel::selector::Selector;
use splitbrain_kernel::time::Duration;

use crate::scenario::key::{Key, Section, Table};
use crate::scenario::reader::{Problem, Reader};
use crate::scenario::section::{Fields, Pairs, SubTable};
use crate::scenario::shape::file::{FileShape, described};
use crate::scenario::shape::quantity::{ANY_TIME, Scalar, Time};
use crate::scenario::shape::who::kinds_of;
use crate::scenario::shape::{Integer, OneOfNames};

use super::{Action, NODES, action, fault, with_table};

splitbrain_kernel::names! {
    /// How a disk misbehaves.
    pub enum Misbehaviour {
        /// Writes and syncs take longer.
        Slow = "slow",
        /// Every write fails for want of space.
        Full = "full",
        /// Every write and sync fails with an IO error.
        Io = "io",
        /// A sync reports success and syncs nothing.
        LyingSync = "lying_sync",
        /// A record is not there at the next start.
        Lose = "lose",
        /// A record is corrupt at the next start.
        Corrupt = "corrupt",
        /// A record cannot be read at the next start.
        Unreadable = "unreadable",
        /// Nothing ends until the fault is lifted: no write, no sync, no error.
        Hang = "hang",
        /// Everything that was written is gone, as if the disk were replaced by an empty one.
        Wipe = "wipe",
    }
}

keys! {
    /// Disks misbehave. Faults act on whole records.
    pub(crate) DISK = "fault[].disk" {
        use NODES;
        /// How they misbehave.
        FAULT = "fault": OneOfNames<Misbehaviour> = OneOfNames {
            names: Misbehaviour::NAMES,
            read: Misbehaviour::from_name,
            show: |one| one.name(),
        }, required;
        /// For slow: added to each write and each sync.
        SLOW_BY = "by": Scalar<Time> = Scalar(ANY_TIME), optional;
        /// For lose, corrupt and unreadable: which file, by its name or its number (`splitbrain list files`); 0 where
        /// absent.
        FILE = "file": FileShape = FileShape, optional;
        /// For lose, corrupt and unreadable: which record, counted from the end of the file; 0, the last, where absent.
        RECORD = "record": Integer = Integer { min: 0, max: 1_000_000_000 }, optional;
    }
}

/// `disk`.
#[derive(Debug)]
pub(super) struct DiskFields;

impl Fields for DiskFields {
    type Value = Disk<Selectors>;

    fn section(&self) -> &'static Section {
        &DISK
    }

    fn noun(&self) -> String {
        r#"a table such as { nodes = "leader", fault = "full" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Disk<Selectors>> {
        let nodes = table.get(reader, &NODES);
        let fault = table.get(reader, &FAULT);
        let by = table.get(reader, &SLOW_BY);
        let file = table.get(reader, &FILE);
        let from_end = table.get(reader, &RECORD).unwrap_or(0);
        let fault = fault?;
        refuse_idle_keys(reader, table, fault);
        if matches!(fault, Misbehaviour::Lose | Misbehaviour::Corrupt | Misbehaviour::Unreadable) {
            check_file(reader, table, nodes.as_deref(), file);
        }
        let file = file.unwrap_or(FileId(0));
        let fault = match fault {
            Misbehaviour::Slow => DiskFault::Slow { by: needed(reader, table, by)? },
            Misbehaviour::Full => DiskFault::Full,
            Misbehaviour::Io => DiskFault::Io,
            Misbehaviour::LyingSync => DiskFault::LyingSync,
            Misbehaviour::Lose => DiskFault::Lose { file, from_end },
            Misbehaviour::Corrupt => DiskFault::Corrupt { file, from_end },
            Misbehaviour::Unreadable => DiskFault::Unreadable { file, from_end },
            Misbehaviour::Hang => DiskFault::Hang,
            Misbehaviour::Wipe => DiskFault::Wipe,
        };
        Some(Disk { nodes: nodes?, fault })
    }

    fn pairs(&self, value: &Disk<Selectors>) -> Pairs {
        let Disk { nodes, fault } = value;
        let pairs = Pairs::default().put(&NODES, nodes);
        let record = |pairs: Pairs, file: &FileId, from_end: &u64| pairs.put(&FILE, file).put(&RECORD, from_end);
        match fault {
            DiskFault::Slow { by } => pairs.put(&FAULT, &Misbehaviour::Slow).put(&SLOW_BY, by),
            DiskFault::Full => pairs.put(&FAULT, &Misbehaviour::Full),
            DiskFault::Io => pairs.put(&FAULT, &Misbehaviour::Io),
            DiskFault::LyingSync => pairs.put(&FAULT, &Misbehaviour::LyingSync),
            DiskFault::Hang => pairs.put(&FAULT, &Misbehaviour::Hang),
            DiskFault::Wipe => pairs.put(&FAULT, &Misbehaviour::Wipe),
            DiskFault::Lose { file, from_end } => record(pairs.put(&FAULT, &Misbehaviour::Lose), file, from_end),
            DiskFault::Corrupt { file, from_end } => record(pairs.put(&FAULT, &Misbehaviour::Corrupt), file, from_end),
            DiskFault::Unreadable { file, from_end } => {
                record(pairs.put(&FAULT, &Misbehaviour::Unreadable), file, from_end)
            }
        }
    }
}

fn needed(reader: &mut Reader<'_>, table: &Table<'_>, by: Option<Duration>) -> Option<Duration> {
    let is_absent = by.is_none() && table.at(SLOW_BY.name).is_none();
    if is_absent && !reader.proposes(&table.path, &[SLOW_BY.name]) {
        let message = "missing key \"by\": how much longer each write and sync takes";
        reader.report(&table.span, &table.path, Problem::new(message));
    }
    by
}

/// A file that none of the nodes can have is an error. Nothing is said if the words do not tell which nodes are meant.
fn check_file(reader: &mut Reader<'_>, table: &Table<'_>, nodes: Option<&[Selector]>, file: Option<FileId>) {
    let (Some(files), Some(nodes)) = (reader.system.files, nodes) else { return };
    let Some(kinds) = kinds_of(reader.system.kinds, nodes) else { return };
    let own = files.iter().filter(|file| file.of.iter().any(|kind| kinds.contains(kind)));
    if own.clone().any(|own| own.has(file.unwrap_or(FileId(0)))) {
        return;
    }
    let own: Vec<String> = own.map(described).collect();
    let message = match own.as_slice() {
        [] => "these nodes keep nothing on their disks".to_owned(),
        own => format!("these nodes have no such file (they have: {})", own.join(", ")),
    };
    // A name that is not known is told already.
    match table.at(FILE.name) {
        Some(at) if file.is_some() => reader.refuse(&at, Problem::new(message)),
        Some(_) => {}
        None => reader.report(&table.span, &table.path, Problem::new(message)),
    }
}

/// A key that says nothing about this fault is an error: it would be read as if it did.
fn refuse_idle_keys(reader: &mut Reader<'_>, table: &Table<'_>, fault: Misbehaviour) {
    let record = matches!(fault, Misbehaviour::Lose | Misbehaviour::Corrupt | Misbehaviour::Unreadable);
    let idle = [(SLOW_BY.name, fault == Misbehaviour::Slow), (FILE.name, record), (RECORD.name, record)];
    for (name, used) in idle {
        if !used && table.at(name).is_some() {
            let message = format!("has no effect on the disk fault \"{}\"", fault.name());
            table.refuse_key(reader, name, message);
        }
    }
}

with_table!(
    Disk,
    DiskFields,
    DISK,
    "disk",
    "Action: disks misbehave, until the fault is lifted or once.",
    "a disk is slow, full, failing, lying, hangs or is wiped, or loses or spoils a record"
);

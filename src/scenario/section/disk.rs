//! `[disk]`: how long writes and syncs take, and how much fits.

use splitbrain_kernel::run::DiskOptions;
use splitbrain_kernel::selector::Span;

use super::super::key::{Key, Need, Section, Table};
use super::super::reader::Reader;
use super::super::shape::Whole;
use super::super::shape::quantity::{ANY_TIME, Between, Time};
use super::{Fields, Pairs};

const WRITE: Key<Between<Time>> = Key {
    name: "write",
    shape: Between(ANY_TIME),
    need: Need::Default("\"10us..100us\""),
    doc: "How long a write takes until it is in the page cache; drawn for each write.",
};
const SYNC: Key<Between<Time>> = Key {
    name: "sync",
    shape: Between(ANY_TIME),
    need: Need::Default("\"500us..2ms\""),
    doc: "How long a sync takes until what was written is durable; drawn for each sync.",
};
const CAPACITY: Key<Whole> = Key {
    name: "capacity",
    shape: Whole { min: 0, max: 1_000_000_000 },
    need: Need::Default("0"),
    doc: "Records that fit on each disk; 0 is no limit.",
};

/// The keys of `[disk]`.
pub(in super::super) static DISK: Section =
    Section { name: "disk", doc: "The disk of every node.", keys: &[&WRITE, &SYNC, &CAPACITY] };

/// `[disk]`.
#[derive(Debug)]
pub(in super::super) struct DiskFields;

impl Fields for DiskFields {
    type Value = DiskOptions;

    fn section(&self) -> &'static Section {
        &DISK
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<DiskOptions> {
        let write = table.get(reader, &WRITE);
        let sync = table.get(reader, &SYNC);
        let capacity = table.get(reader, &CAPACITY);
        let (write, sync) = (write?, sync?);
        Some(DiskOptions {
            write_min: write.low,
            write_max: write.high,
            sync_min: sync.low,
            sync_max: sync.high,
            capacity: capacity?,
        })
    }

    fn pairs(&self, value: &DiskOptions) -> Pairs {
        Pairs::default()
            .put(&WRITE, &Span { low: value.write_min, high: value.write_max })
            .put(&SYNC, &Span { low: value.sync_min, high: value.sync_max })
            .put(&CAPACITY, &value.capacity)
    }
}

//! `slow`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Fault, Selectors, Slow};

use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::Reader;
use crate::scenario::section::{Fields, Pairs, SubTable};
use crate::scenario::shape::quantity::{Between, SOME_TIME, Time};

use super::{Action, NODES, action, fault, with_table};

const SERVICE_TIME: Key<Between<Time>> = Key {
    name: "service_time",
    shape: Between(SOME_TIME),
    need: Need::Required,
    doc: "How long each input takes; drawn once for each node.",
};
/// The keys of `slow`.
pub(crate) static SLOW: Section = Section {
    name: "fault[].slow",
    doc: "Each input takes a while to serve; further inputs queue.",
    keys: &[&NODES, &SERVICE_TIME],
};

/// `slow`.
#[derive(Debug)]
pub(super) struct SlowFields;

impl Fields for SlowFields {
    type Value = Slow<Selectors>;

    fn section(&self) -> &'static Section {
        &SLOW
    }

    fn noun(&self) -> String {
        r#"a table such as { nodes = "leader", service_time = "1ms" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Slow<Selectors>> {
        let nodes = table.get(reader, &NODES);
        let service_time = table.get(reader, &SERVICE_TIME);
        Some(Slow { nodes: nodes?, service_time: service_time? })
    }

    fn pairs(&self, value: &Slow<Selectors>) -> Pairs {
        let Slow { nodes, service_time } = value;
        Pairs::default().put(&NODES, nodes).put(&SERVICE_TIME, service_time)
    }
}

with_table!(
    Slow,
    SlowFields,
    SLOW,
    "slow",
    "Action: each input takes a while to serve.",
    "each input takes a while to serve"
);

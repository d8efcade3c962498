//! `clock_step`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{ClockStep, Fault, Selectors};

use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::Reader;
use crate::scenario::section::{Fields, Pairs, SubTable};
use crate::scenario::shape::quantity::{Between, Signed};

use super::{Action, NODES, action, fault, with_table};

/// How far.
pub(super) const BY: Key<Between<Signed>> = Key {
    name: "by",
    shape: Between(Signed),
    need: Need::Required,
    doc: "How far, forwards or backwards; drawn once for each node.",
};
/// The keys of `clock_step`.
pub(crate) static CLOCK_STEP: Section =
    Section { name: "fault[].clock_step", doc: "The wall clock jumps.", keys: &[&NODES, &BY] };

/// `clock_step`.
#[derive(Debug)]
pub(super) struct ByFields;

impl Fields for ByFields {
    type Value = ClockStep<Selectors>;

    fn section(&self) -> &'static Section {
        &CLOCK_STEP
    }

    fn noun(&self) -> String {
        r#"a table such as { nodes = "leader", by = "-50ms..50ms" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<ClockStep<Selectors>> {
        let nodes = table.get(reader, &NODES);
        let by = table.get(reader, &BY);
        Some(ClockStep { nodes: nodes?, by: by? })
    }

    fn pairs(&self, value: &ClockStep<Selectors>) -> Pairs {
        let ClockStep { nodes, by } = value;
        Pairs::default().put(&NODES, nodes).put(&BY, by)
    }
}

with_table!(
    ClockStep,
    ByFields,
    CLOCK_STEP,
    "clock_step",
    "Action: wall clocks jump. Happens once.",
    "the wall clock jumps"
);

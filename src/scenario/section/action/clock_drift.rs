//! `clock_drift`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{ClockDrift, Fault, Selectors};

use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::Reader;
use crate::scenario::section::{Fields, Pairs, SubTable};
use crate::scenario::shape::quantity::{Between, Drift};

use super::{Action, NODES, action, fault, with_table};

const DRIFT_BY: Key<Between<Drift>> = Key {
    name: "by",
    shape: Between(Drift),
    need: Need::Required,
    doc: "How much fast, or negative slow; drawn once for each node.",
};
/// The keys of `clock_drift`.
pub(crate) static CLOCK_DRIFT: Section =
    Section { name: "fault[].clock_drift", doc: "Both clocks run fast or slow.", keys: &[&NODES, &DRIFT_BY] };

/// `clock_drift`.
#[derive(Debug)]
pub(super) struct DriftFields;

impl Fields for DriftFields {
    type Value = ClockDrift<Selectors>;

    fn section(&self) -> &'static Section {
        &CLOCK_DRIFT
    }

    fn noun(&self) -> String {
        r#"a table such as { nodes = "leader", by = "500ppm" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<ClockDrift<Selectors>> {
        let nodes = table.get(reader, &NODES);
        let ppm = table.get(reader, &DRIFT_BY);
        Some(ClockDrift { nodes: nodes?, ppm: ppm? })
    }

    fn pairs(&self, value: &ClockDrift<Selectors>) -> Pairs {
        let ClockDrift { nodes, ppm } = value;
        Pairs::default().put(&NODES, nodes).put(&DRIFT_BY, ppm)
    }
}

with_table!(
    ClockDrift,
    DriftFields,
    CLOCK_DRIFT,
    "clock_drift",
    "Action: both clocks run fast or slow until the fault is lifted.",
    "both clocks run fast or slow"
);

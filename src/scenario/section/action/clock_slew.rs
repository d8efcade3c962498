//! `clock_slew`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{ClockSlew, Fault, Offset, Selectors};

use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::{Problem, Reader};
use crate::scenario::section::{Fields, Pairs, SubTable};
use crate::scenario::shape::quantity::{One, SOME_TIME, Time};

use super::clock_step::BY;
use super::{Action, NODES, action, fault, with_table};

const OVER: Key<One<Time>> =
    Key { name: "over", shape: One(SOME_TIME), need: Need::Required, doc: "How long it takes." };
/// The keys of `clock_slew`.
pub(crate) static CLOCK_SLEW: Section = Section {
    name: "fault[].clock_slew",
    doc: "The wall clock is led to a new offset over a time, as NTP slews.",
    keys: &[&NODES, &BY, &OVER],
};

/// `clock_slew`.
#[derive(Debug)]
pub(super) struct SlewFields;

impl Fields for SlewFields {
    type Value = ClockSlew<Selectors>;

    fn section(&self) -> &'static Section {
        &CLOCK_SLEW
    }

    fn noun(&self) -> String {
        r#"a table such as { nodes = "leader", by = "10ms", over = "1s" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<ClockSlew<Selectors>> {
        let nodes = table.get(reader, &NODES);
        let by = table.get(reader, &BY);
        let over = table.get(reader, &OVER);
        let (by, over) = (by?, over?);
        if Offset::farthest(by.low, by.high) > over {
            let message = format!("a clock is led by at most the time that it takes ({over})");
            reader.report(&table.key_span(BY.name), &table.path_of(BY.name), Problem::new(message));
        }
        Some(ClockSlew { nodes: nodes?, by, over })
    }

    fn pairs(&self, value: &ClockSlew<Selectors>) -> Pairs {
        let ClockSlew { nodes, by, over } = value;
        Pairs::default().put(&NODES, nodes).put(&BY, by).put(&OVER, over)
    }
}

with_table!(
    ClockSlew,
    SlewFields,
    CLOCK_SLEW,
    "clock_slew",
    "Action: wall clocks are led to a new offset over a time. Happens once.",
    "the wall clock is led to a new offset over a time"
);

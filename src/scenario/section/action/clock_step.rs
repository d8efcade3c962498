//! `clock_step`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{ClockStep, Fault, Selectors};

use crate::scenario::key::{Key, Need};
use crate::scenario::section::SubTable;
use crate::scenario::shape::quantity::{OrRange, Signed};

use super::{Action, NODES, action, fault, with_table};

/// How far.
pub(super) const BY: Key<OrRange<Signed>> = Key {
    name: "by",
    shape: OrRange(Signed),
    need: Need::Required,
    doc: "How far, forwards or backwards; drawn once for each node.",
};

section! {
    /// The wall clock jumps.
    pub(crate) CLOCK_STEP = "fault[].clock_step", ByFields -> ClockStep<Selectors> {
        use NODES as nodes, required;
        use BY as by, required;
    }
    noun r#"a table such as { nodes = "leader", by = "-50ms..50ms" }"#;
}

with_table!(
    ClockStep,
    ByFields,
    CLOCK_STEP,
    "clock_step",
    "Action: wall clocks jump. Happens once.",
    "the wall clock jumps"
);

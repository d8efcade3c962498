//! `clock_drift`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{ClockDrift, Fault, Selectors};

use crate::scenario::key::Key;
use crate::scenario::section::SubTable;
use crate::scenario::shape::quantity::{Drift, OrRange};

use super::{Action, NODES, action, fault, with_table};

section! {
    /// Both clocks run fast or slow.
    pub(crate) CLOCK_DRIFT = "fault[].clock_drift", DriftFields -> ClockDrift<Selectors> {
        use NODES as nodes, required;
        /// How much fast, or negative slow; drawn once for each node.
        ppm as "by": OrRange(Drift), required;
    }
    noun r#"a table such as { nodes = "leader", by = "500ppm" }"#;
}

with_table!(
    ClockDrift,
    DriftFields,
    CLOCK_DRIFT,
    "clock_drift",
    "Action: both clocks run fast or slow until the fault is lifted.",
    "both clocks run fast or slow"
);

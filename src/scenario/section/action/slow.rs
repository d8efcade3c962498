//! `slow`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Fault, Selectors, Slow};

use crate::scenario::key::Key;
use crate::scenario::section::SubTable;
use crate::scenario::shape::quantity::{OrRange, SOME_TIME};

use super::{Action, NODES, action, fault, with_table};

section! {
    /// Each input takes a while to serve; further inputs queue.
    pub(crate) SLOW = "fault[].slow", SlowFields -> Slow<Selectors> {
        use NODES as nodes, required;
        /// How long each input takes; drawn once for each node.
        service_time: OrRange(SOME_TIME), required;
    }
    noun r#"a table such as { nodes = "leader", service_time = "1ms" }"#;
}

with_table!(
    Slow,
    SlowFields,
    SLOW,
    "slow",
    "Action: each input takes a while to serve.",
    "each input takes a while to serve"
);

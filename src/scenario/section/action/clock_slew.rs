//! `clock_slew`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{ClockSlew, Fault, Offset, Selectors};

use crate::scenario::key::Key;
use crate::scenario::section::SubTable;
use crate::scenario::shape::quantity::{SOME_TIME, Scalar};

use super::clock_step::BY;
use super::{Action, NODES, action, fault, with_table};

section! {
    /// The wall clock is led to a new offset over a time, as NTP slews.
    pub(crate) CLOCK_SLEW = "fault[].clock_slew", SlewFields -> ClockSlew<Selectors>, |reader, table| {
        use NODES as nodes, required;
        use BY as by, required;
        /// How long it takes.
        over: Scalar(SOME_TIME), required;
    }
    noun r#"a table such as { nodes = "leader", by = "10ms", over = "1s" }"#;
    check {
        if let (Some(span), Some(time)) = (by.value, over.value)
            && Offset::farthest(span.low, span.high) > time
        {
            table.refuse_key(reader, by.name, format!("a clock is led by at most the time that it takes ({time})"));
        }
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

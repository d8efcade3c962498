//! `clock_freeze`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{ClockFreeze, Fault};

use crate::scenario::key::Key;
use crate::scenario::shape::OneOrMore;
use crate::scenario::shape::who::Who;

use super::{Action, action, fault, nodes_only};

nodes_only!(
    ClockFreeze,
    "clock_freeze",
    "Action: both clocks stand still while the process runs; no timer fires.",
    "both clocks stand still while the process runs"
);

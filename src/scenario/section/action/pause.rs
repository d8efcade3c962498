//! `pause`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Fault, Pause};

use crate::scenario::key::Key;
use crate::scenario::shape::OneOrMore;
use crate::scenario::shape::who::Who;

use super::{Action, action, fault, nodes_only};

nodes_only!(
    Pause,
    "pause",
    "Action: the processes stop while their clocks go on; inputs queue and arrive in order at the end.",
    "nodes are not scheduled while their clocks go on"
);

//! `suspend`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Fault, Suspend};

use crate::scenario::key::Key;
use crate::scenario::shape::OneOrMore;
use crate::scenario::shape::who::Who;

use super::{Action, action, fault, nodes_only};

nodes_only!(
    Suspend,
    "suspend",
    "Action: the virtual machines are suspended: the processes stop, monotonic clocks stand still, wall clocks are \
     right on resume; inputs queue and arrive in order at the end.",
    "virtual machines are suspended: no process runs, monotonic clocks stand still, wall clocks are right on resume"
);

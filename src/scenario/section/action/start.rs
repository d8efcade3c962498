//! `start`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Fault, Start};

use crate::scenario::key::Key;
use crate::scenario::shape::OneOrMore;
use crate::scenario::shape::who::Who;

use super::{Action, action, fault, nodes_only};

nodes_only!(
    Start,
    "start",
    "Action: nodes that crashed, exited or are spare start. Happens once.",
    "nodes that are down or absent start"
);

//! The name of a thread.

use splitbrain_kernel::serde::{Deserialize, Serialize};

/// A thread of the process, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Thread(pub u16);

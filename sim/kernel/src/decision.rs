//! Decisions of the kernel: where each is taken, and what a plan may have it come to in place of a draw.

use serde::{Deserialize, Serialize};

use crate::id::{Link, NodeId};
use crate::time::Duration;

/// One decision of the kernel, taken rather than drawn. Its address is a site and an ordinal there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Where the decision is taken.
    pub site: Site,
    /// Which decision at that site, counted from 0.
    pub ordinal: u64,
    /// What it comes to.
    pub decision: Decision,
}

/// A place where the kernel decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Site {
    /// The fate of a packet on a link; the ordinal is the packet's.
    Packet(Link),
    /// How long a write or sync takes at a node; the ordinal counts both.
    Disk(NodeId),
    /// How much a crash of a node's machine keeps; the ordinal is the crash's.
    Crash(NodeId),
}

/// What a decision comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The packet is lost.
    Drop,
    /// The packet, write or sync takes exactly this long; a packet is not lost.
    Delay(Duration),
    /// The packet arrives twice: after these two delays.
    Duplicate(Duration, Duration),
    /// Among events at the same instant the packet comes after those of a lower priority; the ordinary one is 0.
    Order(u8),
    /// A crash keeps this many of the writes that were not synced.
    Keep(u64),
}

//! The order of callbacks, on both sides.
//!
//! ```text
//!   master:    initialized ─▶ lease started ─▶ created ─▶ extended * ─▶ expired ─▶ chunk, extent, common ─▶ erased
//!              (initialized again: a session is reused)
//!   follower:  negotiated ─▶ report begun ─▶ created, after the master's ─▶ alive ─▶ loop begun … ─▶ expired, before
//!              the next created
//! ```
//!
//! After a restart of its master a session that was expiring has its expired callback run from the beginning.

mod follower;
mod master;

use splitbrain_kernel::invariant::{InvariantInfo, InvariantKind, Sight};

pub(super) use follower::FollowerSide;
pub(super) use master::MasterSide;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "callbacks_in_order",
    doc: "Callbacks come in their order: initialized, created, expired once with the erasing part last; at a follower \
          negotiated, created, expired.",
    source: "CURATOR-367; Burrows, The Chubby lock service (OSDI 2006), section 2.8",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

//! The commands over keys, one file for each kind.

pub(super) mod expiry;
pub(super) mod hashes;
pub(super) mod keys;
pub(super) mod set;
pub(super) mod strings;

//! The one who acts.

pub mod spec;

//! Which build this is: a seed is valid with its build only.

/// The version, and a hash over the sources that decide what a run is: `0.1.0+5eedc0ffee12`.
///
/// A system of one's own is not part of the hash; [`crate::Cli::version`] adds its version to what is shown.
pub const ID: &str = concat!(env!("CARGO_PKG_VERSION"), "+", env!("SPLITBRAIN_SOURCE_HASH"));

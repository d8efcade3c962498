//! A scenario for one seed: every choice drawn, the system built, the kernel's options filled in.

use splitbrain_kernel::node::Node;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::RunOptions;
use splitbrain_kernel::system::System;

use super::{Diagnostics, Scenario};

/// Everything that a run is made from.
#[derive(Clone, Debug)]
pub struct Resolved<S: System> {
    /// The system, with its options.
    pub system: S,
    /// The rest.
    pub options: RunOptions<<S::Node as Node>::Operation>,
    /// What was drawn once for this run, in the order of the file's sections.
    pub chosen: Vec<Chosen>,
    /// The value of every option of the system, and `preset`, for `where`, for reports and to be printed.
    pub facts: Facts,
}

/// Something that was drawn once for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The path of its key: `raft.pre_vote`.
    pub key: String,
    /// What it came to, as text.
    pub value: String,
}

/// The resolved options of a run by name, as text: those of the system's base options, and `preset`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Facts(std::collections::BTreeMap<String, String>);

impl Facts {
    /// The value of an option.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All of them, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// Draws every choice of the scenario for this seed and builds the system.
///
/// # Errors
/// Options that cannot stand together once drawn, and orders that the system refuses, at their place in the file.
///
/// # Panics
/// Where the scenario was loaded for another system.
pub fn resolve<S: System>(scenario: &Scenario, seed: Seed) -> Result<Resolved<S>, Diagnostics> {
    let _ = seed;
    Err(Diagnostics::unread(
        &scenario.source.path,
        scenario.source.text.as_bytes(),
        "not there yet",
    ))
}

/// Checks what only the system itself can tell: every combination that a choice can come to is tried, up to a bound,
/// and every order. What `check` runs after [`load`](super::load), so that a bad file is refused before any run.
///
/// # Errors
/// As [`resolve`].
pub fn verify<S: System>(scenario: &Scenario) -> Result<(), Diagnostics> {
    resolve::<S>(scenario, Seed(0)).map(|_| ())
}

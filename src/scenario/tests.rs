//! The language as a whole, over a toy system: what is read, refused, written again, and drawn.

mod agreement;
mod conditions;
mod diagnostics;
mod draws;
mod faults;
mod fuzz;
mod kinds;
mod orders;
mod plans;
mod reading;
mod stability;
mod variants;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;
use splitbrain_toy::{Deed, Toy, asked};

use super::{Diagnostics, Resolved, Scenario, SystemDescription, load};

/// A file with every key of the language.
const EVERYTHING: &str = include_str!("tests/everything.toml");

fn systems() -> Vec<SystemDescription> {
    vec![SystemDescription::of::<Toy>()]
}

fn read(text: &str) -> Result<Scenario, Diagnostics> {
    load("a.toml", text.as_bytes(), &systems())
}

/// The scenario of a text that must be one.
fn good(text: &str) -> Scenario {
    read(text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Everything that the clients of a run are asked for, if they answer at once.
fn operations(run: &Resolved<Toy>) -> Vec<(Instant, NodeId, Deed)> {
    run.options.workload.as_ref().map(asked).unwrap_or_default()
}

/// The least that a file must say, and then `more`.
fn with(more: &str) -> String {
    format!("format = 1\nsystem = \"toy\"\ncluster = {{ servers = 5, spare = 1, clients = 2 }}\n{more}")
}

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
mod toy;
mod variants;

use super::{Diagnostics, Scenario, SystemDescription, load};

/// A file with every key of the language.
const EVERYTHING: &str = include_str!("tests/everything.toml");

fn systems() -> Vec<SystemDescription> {
    vec![SystemDescription::of::<toy::Toy>()]
}

fn read(text: &str) -> Result<Scenario, Diagnostics> {
    load("a.toml", text.as_bytes(), &systems())
}

/// The scenario of a text that must be one.
fn good(text: &str) -> Scenario {
    read(text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The least that a file must say, and then `more`.
fn with(more: &str) -> String {
    format!("format = 1\nsystem = \"toy\"\ncluster = {{ servers = 5, spare = 1, clients = 2 }}\n{more}")
}

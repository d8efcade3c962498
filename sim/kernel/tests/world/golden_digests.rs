//! Digests of a few runs, the same in debug and release and on every machine.
//!
//! Where one of them changes, seeds mean other runs than before: that is a change to name in the changelog.

use splitbrain_kernel::run::{RunOptions, Ties};

use crate::determinism::{calm, report, stormy};

#[test]
fn the_digests_are_those_that_were_written_down() {
    let (toy, options) = stormy();
    let explored = (toy, RunOptions { ties: Ties::Explore, ..options });
    let setups = [("calm", calm()), ("stormy", stormy()), ("explored", explored)];
    let found = setups.iter().flat_map(|(name, setup)| [1, 2].map(|seed| (*name, seed, report(setup, seed))));
    let found: Vec<String> =
        found.map(|(name, seed, report)| format!("{name} {seed} {} {}", report.events, report.digest)).collect();
    assert_eq!(found, GOLDEN);
}

/// Setup, seed, events, digest.
const GOLDEN: [&str; 6] = [
    "calm 1 8171 ccc05f473fef0b67fccc2d5a4bd37418",
    "calm 2 8380 b66efb117c5461bd5e3c0444860b18b4",
    "stormy 1 6425 01e7fdcf5d4d341f1742a548c8a0b24b",
    "stormy 2 6081 19c844b5beddd001a0df15e4128f1c7d",
    "explored 1 6425 5c8c946469cee6d1a237c9179a3cb3f7",
    "explored 2 6081 6a1b532c2738d6638cb587c12f070317",
];

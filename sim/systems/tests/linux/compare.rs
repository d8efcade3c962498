//! Method: generated sequences of system calls run against the model and against the real kernel, by one thread. Each
//! result and errno is compared, and after each call the readiness of every open descriptor; a wait is compared event
//! by event, in order. proptest finds a shortest sequence for a difference, which is kept in [`kept`].
//!
//! Nothing sleeps: TCP on loopback is delivered within the call that sends. Where the kernel puts that off, the test
//! asks it to wait, with a bound, for what the model says is due.
//!
//! What is left out is listed in `reactor/linux.rs`, and [`by_hand`] has sequences for most of it. Beside that, a
//! number that is closed cannot be used here, as a safe program has no such number. `PROPTEST_CASES=100000` runs more
//! sequences than the few of CI.

mod both;
mod by_hand;
mod calls;
mod kept;
mod operation;
mod planted;
mod real;
mod report;
mod tried;

use std::cell::RefCell;
use std::os::fd::RawFd;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use both::Both;
use operation::{Operation, operations};
use planted::Planted;
use tried::Tried;

/// More than one sequence can open.
const NUMBERS: usize = 160;
/// Sequences in CI.
const CASES: u32 = 5_000;
/// Sequences in which a planted mistake has to be found.
const CASES_PLANTED: u32 = 3_000;

/// Runs a sequence against both. Returns the first difference.
fn compare(sequence: &[Operation], numbers: &[RawFd], planted: Planted) -> Result<Tried, String> {
    let mut both = Both::new(numbers, planted);
    for (at, operation) in sequence.iter().enumerate() {
        both.step(*operation).map_err(|difference| format!("call {at}, {operation:?}: {difference}"))?;
    }
    Ok(both.finish())
}

/// Runs this many generated sequences, the same ones in every process. Returns what they have tried, or a shortest
/// sequence with a difference.
fn compare_generated(cases: u32, numbers: &[RawFd], planted: Planted) -> Result<Tried, String> {
    // Of a planted mistake it is enough to know that it is found.
    let max_shrink_iters = if planted == Planted::None { u32::MAX } else { 0 };
    let config =
        Config { cases, failure_persistence: None, max_shrink_time: 20_000, max_shrink_iters, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let total = RefCell::new(Tried::default());
    let run = runner.run(&operations(), |sequence| {
        let tried = compare(&sequence, numbers, planted).map_err(TestCaseError::fail)?;
        total.borrow_mut().add(&tried);
        Ok(())
    });
    run.map(|()| total.into_inner()).map_err(|difference| difference.to_string())
}

/// Prints how much was compared. `SPLITBRAIN_REACTOR_LINUX=write` makes it `reports/gallery/reactor-linux.md` too.
#[expect(clippy::disallowed_macros, reason = "a test may print; nothing of a run is printed this way")]
#[expect(clippy::disallowed_methods, reason = "a test may write a report; a run has neither files nor an environment")]
fn report(cases: u32, tried: &Tried) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel says which one it is");
    let report = report::of(release.trim(), cases, tried);
    println!("{report}");
    if std::env::var("SPLITBRAIN_REACTOR_LINUX").is_ok_and(|asked| asked == "write") {
        let gallery = concat!(env!("CARGO_MANIFEST_DIR"), "/../../reports/gallery/reactor-linux.md");
        std::fs::write(gallery, report).expect("the gallery can be written");
    }
}

/// Model and kernel agree call by call, and a model with a mistake does not. One thing after the other, as descriptor
/// numbers are the process's.
pub(crate) fn all() {
    let numbers = real::free_numbers(NUMBERS);
    kept_sequences_agree(&numbers);
    let (cases, tried) = generated_sequences_agree(&numbers);
    every_planted_mistake_is_found(&numbers);
    by_hand::COMPARISONS.iter().for_each(|(_, story)| story());
    report(cases, &tried);
}

fn kept_sequences_agree(numbers: &[RawFd]) {
    for (name, sequence) in kept::SEQUENCES {
        if let Err(difference) = compare(sequence, numbers, Planted::None) {
            panic!("{name}: {difference}");
        }
    }
}

fn generated_sequences_agree(numbers: &[RawFd]) -> (u32, Tried) {
    let cases = Config::default().cases.max(CASES);
    let tried = compare_generated(cases, numbers, Planted::None).unwrap_or_else(|difference| panic!("{difference}"));
    let least = u64::from(cases);
    assert!(tried.calls > 15 * least && tried.errors > least && tried.events > least);
    assert!(tried.missing().is_empty(), "these calls were never made: {:?}", tried.missing());
    (cases, tried)
}

fn every_planted_mistake_is_found(numbers: &[RawFd]) {
    for planted in Planted::ALL {
        let found = compare_generated(CASES_PLANTED, numbers, *planted);
        assert!(found.is_err(), "{planted:?} makes no difference in {CASES_PLANTED} sequences");
    }
}

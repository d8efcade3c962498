//! Goal: the model of Linux behind the reactor does what Linux does.
//!
//! Method: generated sequences of system calls run against the model and against the real kernel, by one thread. Each
//! result and errno is compared, and after each call the readiness of every open descriptor; a wait is compared event
//! by event, in order. proptest finds a shortest sequence for a difference, which is kept in [`kept`].
//!
//! Nothing sleeps: TCP on loopback is delivered within the call that sends. Where the kernel puts that off, the test
//! asks it to wait, with a bound, for what the model says is due.
//!
//! What is left out is listed in `reactor/linux.rs`; beside that, a number that is closed cannot be used here, as a
//! safe program has no such number. `PROPTEST_CASES=100000` runs more sequences than the few of CI.

#![cfg(target_os = "linux")]

mod both;
mod kept;
mod operation;
mod real;

use proptest::test_runner::{Config, TestRunner};

use both::Both;
use operation::{Operation, operations};

/// Runs a sequence against both. Returns the first difference.
fn compare(sequence: &[Operation]) -> Result<Tried, String> {
    let mut both = Both::new();
    for (at, operation) in sequence.iter().enumerate() {
        both.step(*operation).map_err(|difference| format!("call {at}, {operation:?}: {difference}"))?;
    }
    Ok(both.finish())
}

/// What sequences have exercised, so that a comparison of nothing is seen.
#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    calls: u64,
    errors: u64,
    events: u64,
}

/// Prints how much was compared: for a run of more sequences than CI's.
#[expect(clippy::disallowed_macros, reason = "a test may print; nothing of a run is told this way")]
fn say(cases: u32, Tried { calls, errors, events }: Tried) {
    println!("{cases} sequences: {calls} calls, {errors} of them errors, {events} events");
}

/// One test, as descriptor numbers are the process's: two at a time would take each other's.
#[test]
fn model_and_kernel_agree_call_by_call() {
    for (name, sequence) in kept::SEQUENCES {
        if let Err(difference) = compare(sequence) {
            panic!("{name}: {difference}");
        }
    }
    // A sequence takes about a fifth of a millisecond.
    let cases = Config::default().cases.max(8_000);
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, max_shrink_time: 20_000, ..Config::default() });
    let total = std::cell::Cell::new(Tried::default());
    let run = runner.run(&operations(), |sequence| {
        let tried = compare(&sequence).map_err(proptest::test_runner::TestCaseError::fail)?;
        let mut sum = total.get();
        sum.calls += tried.calls;
        sum.errors += tried.errors;
        sum.events += tried.events;
        total.set(sum);
        Ok(())
    });
    if let Err(difference) = run {
        panic!("{difference}");
    }
    say(cases, total.get());
    let Tried { calls, errors, events } = total.get();
    assert!(calls > 20 * u64::from(cases) && errors > u64::from(cases) && events > u64::from(cases));
}

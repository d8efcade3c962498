//! Threads that say that they are about to wait, so that another one can see when they sleep.

#![expect(clippy::disallowed_types, reason = "threads of the kernel are asked about; a run has none")]

use std::sync::atomic::{AtomicU32, Ordering};

use super::real;

/// How often a thread is looked at until it has to sleep, a millisecond after each look.
const LOOKS: u32 = 10_000;

/// A thread that is about to wait; 0 until it has said so.
#[derive(Debug, Default)]
pub(super) struct Announced(AtomicU32);

impl Announced {
    /// The calling thread sleeps for nothing from now on but for its wait.
    #[expect(clippy::disallowed_methods, reason = "a test asks the kernel; a run has no files")]
    pub(super) fn announce(&self) {
        let name = std::fs::read_link("/proc/thread-self").expect("the kernel names its threads");
        let number = name.file_name().and_then(|number| number.to_str()).and_then(|number| number.parse().ok());
        self.0.store(number.expect("the name ends with the number of the thread"), Ordering::Release);
    }

    /// Returns when the thread sleeps.
    pub(super) fn until_asleep(&self) {
        let is_awake = |_: &u32| !is_asleep(self.0.load(Ordering::Acquire));
        let looks = (0..LOOKS).take_while(is_awake).map(|_| real::give_time()).count();
        assert!(looks < LOOKS as usize, "a thread that is about to wait never sleeps");
    }
}

/// Whether a thread of this process sleeps in the kernel.
#[expect(clippy::disallowed_methods, reason = "a test asks the kernel; a run has no files")]
fn is_asleep(thread: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
    // After the name, which stands in parentheses, comes the state.
    state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}

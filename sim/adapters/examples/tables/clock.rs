//! How long this thread has computed, whatever else the machine does.

use std::time::Duration;

/// The CPU time of this thread, from the scheduler of Linux.
///
/// # Panics
/// On a system without `/proc`.
pub(crate) fn cpu_time() -> Duration {
    let figures = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the tables are made on Linux");
    let nanoseconds = figures.split(' ').next().and_then(|figure| figure.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first figure is the time on a processor"))
}

//! Panics on the threads of a pool: caught, and told as outcomes rather than sprayed over the terminal.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

/// The name of the threads that carry out runs: a panic on one of them is told as an outcome and nowhere else. An
/// engine that starts threads of its own gives them this name.
pub const THREAD: &str = "splitbrain-run";

thread_local! {
    /// Where the last panic of this thread came from. It never reaches a run, only the report of one.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Silences panics on the threads of a pool, and keeps where they came from. Other threads panic as before.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() != Some(THREAD) {
                return before(info);
            }
            let place = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
            PLACE.with(|last| *last.borrow_mut() = place);
        }));
    });
}

/// Where the last panic of this thread came from, as `FILE:LINE`; told once, and only of a thread with the name
/// [`THREAD`].
pub fn take_place() -> Option<String> {
    PLACE.with(|last| last.borrow_mut().take())
}

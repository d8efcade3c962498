//! Panics on the threads of a pool: caught, and told as outcomes rather than sprayed over the terminal.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::io::Write as _;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use splitbrain_kernel::run::Panic;

use crate::text::printable;

/// The name of the threads that carry out runs: a panic on one of them is told as an outcome and nowhere else. An
/// engine that starts threads of its own gives them this name.
pub const THREAD: &str = "splitbrain-run";

thread_local! {
    /// Where the last panic of this thread came from. It never reaches a run, only the report of one.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Silences panics on the threads of a pool, and keeps where they came from. Other threads panic as before, but for a
/// message that a terminal or a CI log would obey: it is escaped.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() != Some(THREAD) {
                return match escaped(&Panic::said(info.payload())) {
                    None => before(info),
                    Some(message) => print_panic(info, &message),
                };
            }
            let place = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
            PLACE.with(|last| *last.borrow_mut() = place);
        }));
    });
}

/// The message of a panic as it can be shown; `None` if that is what it is.
fn escaped(message: &str) -> Option<String> {
    let lines: Vec<String> = message.split('\n').map(printable).collect();
    Some(lines.join("\n")).filter(|shown| shown != message)
}

/// What the hook of the standard library says of a panic.
fn print_panic(info: &PanicHookInfo<'_>, message: &str) {
    let thread = std::thread::current();
    let name = printable(thread.name().unwrap_or("<unnamed>"));
    let place = info.location().map_or_else(String::new, |place| format!(" at {place}"));
    // Where stderr is gone there is nobody left to tell.
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "\nthread '{name}' panicked{place}:\n{message}");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(out, "stack backtrace:\n{backtrace}");
    }
}

/// Where the last panic of this thread came from, as `FILE:LINE`; told once, and only of a thread with the name
/// [`THREAD`].
pub fn take_place() -> Option<String> {
    PLACE.with(|last| last.borrow_mut().take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_message_that_would_be_obeyed_is_told_otherwise() {
        assert_eq!(escaped("assertion failed:\n  left: 1\n right: ü"), None);
        assert_eq!(escaped("one\n::error::two").as_deref(), Some("one\n\\u{3a}:error::two"));
        assert_eq!(escaped("\u{1b}[1m").as_deref(), Some("\\u{1b}[1m"));
    }
}

//! splitbrain's own log lines, on stderr: by `-v`, `-vv` or `SPLITBRAIN_LOG`.
//!
//! They say what the commands do. What happens in a run is in its recording, the log lines of the code under test among
//! it ([`Capture`](crate::engine::Capture)); these are no part of one.

use std::env::{self, VarError};
use std::io;

use tracing_core::{Dispatch, LevelFilter, Metadata, dispatcher};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;

const VARIABLE: &str = "SPLITBRAIN_LOG";

/// The crate whose lines are shown.
const CRATE: &str = "splitbrain";

/// Shows the lines of the level that was asked for, if one was: by so many `-v`, or else by the environment.
///
/// # Errors
/// A variable that names no level.
pub(crate) fn begin(count: u8) -> Result<(), String> {
    let level = match count {
        0 => of_environment(env::var(VARIABLE))?,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    if level == LevelFilter::OFF {
        return Ok(());
    }
    let lines = fmt::layer().with_writer(io::stderr).without_time().with_ansi(false);
    let subscriber = Registry::default().with(lines).with(filter_fn(move |line| is_shown(line, level)));
    // A program that has set a subscriber of its own gets the lines there.
    let _ = dispatcher::set_global_default(Dispatch::new(subscriber));
    Ok(())
}

/// Whether a line comes from this crate, and is as grave as this. A crate whose name only begins like ours may be the
/// code under test.
fn is_shown(line: &Metadata<'_>, level: LevelFilter) -> bool {
    is_ours(line.target()) && *line.level() <= level
}

fn is_ours(target: &str) -> bool {
    target.strip_prefix(CRATE).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn of_environment(variable: Result<String, VarError>) -> Result<LevelFilter, String> {
    let text = match variable {
        Err(VarError::NotPresent) => return Ok(LevelFilter::OFF),
        Ok(text) => text,
        Err(VarError::NotUnicode(text)) => text.to_string_lossy().into_owned(),
    };
    match text.as_str() {
        "off" | "" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        _ => Err(format!("{VARIABLE} is {text:?}, expected off, error, warn, info or debug")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_ours_by_the_whole_name_of_the_crate() {
        assert!(is_ours("splitbrain") && is_ours("splitbrain::campaign"));
        assert!(!is_ours("splitbrain_adapters::raft_rs") && !is_ours("splitbrains") && !is_ours("raft::raft"));
    }

    #[test]
    fn the_environment_names_a_level_or_is_refused() {
        let level = |text: &str| of_environment(Ok(text.to_owned()));
        assert_eq!(of_environment(Err(VarError::NotPresent)), Ok(LevelFilter::OFF));
        assert_eq!(level("info"), Ok(LevelFilter::INFO));
        assert_eq!(level("debug"), Ok(LevelFilter::DEBUG));
        let expected = "SPLITBRAIN_LOG is \"loud\", expected off, error, warn, info or debug";
        assert_eq!(level("loud"), Err(expected.to_owned()));
    }
}

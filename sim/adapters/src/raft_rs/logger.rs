//! The way of the library's log lines: from `slog` to `log`, which a recording captures.
//!
//! The library's statements below `info` are not compiled in, as they are in the middle of what it does most often: see
//! the features of `slog` in `Cargo.toml`.

use slog::Drain as _;

/// What the library is given. While no run is recorded, a statement of it costs the comparison of two levels.
pub(super) fn logger() -> slog::Logger {
    let heard = slog_stdlog::StdLog.filter(|record| is_enabled(record.level(), log::max_level()));
    slog::Logger::root(heard.fuse(), slog::o!())
}

/// Whether a line of this level gets anywhere when this is the level of `log`.
fn is_enabled(level: slog::Level, max_level: log::LevelFilter) -> bool {
    let level = match level {
        slog::Level::Critical | slog::Level::Error => log::Level::Error,
        slog::Level::Warning => log::Level::Warn,
        slog::Level::Info => log::Level::Info,
        slog::Level::Debug => log::Level::Debug,
        slog::Level::Trace => log::Level::Trace,
    };
    level <= max_level
}

#[cfg(test)]
mod tests {
    use log::LevelFilter;
    use slog::Level;

    use super::*;

    #[test]
    fn a_line_is_enabled_from_its_own_level_on() {
        for level in [Level::Critical, Level::Error, Level::Warning, Level::Info] {
            assert!(!is_enabled(level, LevelFilter::Off), "{level}");
            assert!(is_enabled(level, LevelFilter::Debug), "{level}");
        }
        assert!(is_enabled(Level::Warning, LevelFilter::Warn));
        assert!(!is_enabled(Level::Info, LevelFilter::Warn));
        assert!(is_enabled(Level::Critical, LevelFilter::Error), "`log` has no level above error");
    }
}

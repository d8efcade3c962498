//! The exit codes of every command: stable, documented, tested.
//!
//! 101 is Rust's own for an uncaught panic and is never used.

/// How a command ended, for those who call it from a script.
///
/// Where several apply to one call, the first of [`ExitCode::PRECEDENCE`] is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExitCode {
    /// 0: all as expected.
    AsExpected,
    /// 2: the command line makes no sense, or names what cannot be read.
    Usage,
    /// 3: something that had to happen never did, so nothing was shown.
    Inconclusive,
    /// 4: nothing ran.
    NothingRan,
    /// 100: a violation or a stall that was not listed, or one that was listed and did not come.
    NotAsExpected,
    /// 102: two executions of one seed differ.
    Diverged,
    /// 103: a panic in a node or in splitbrain, or a run that does not end.
    Panicked,
    /// 105: a scenario or a plan is invalid. All files are decoded before any runs, so nothing ran.
    InvalidScenario,
    /// 110: output could not be written: a full disk, or a reader that went away.
    Output,
    /// 130: interrupted, by Ctrl-C, SIGTERM or SIGHUP; what was finished is saved.
    Interrupted,
}

impl ExitCode {
    /// What wins where several apply. Usage errors and invalid scenarios stand alone: nothing has run by then.
    pub const PRECEDENCE: &'static [Self] = &[
        Self::Usage,
        Self::InvalidScenario,
        Self::Interrupted,
        Self::Output,
        Self::Diverged,
        Self::Panicked,
        Self::NotAsExpected,
        Self::Inconclusive,
        Self::NothingRan,
        Self::AsExpected,
    ];

    /// Every code with what it means, for `--help`.
    pub const TABLE: &'static [(Self, &'static str)] = &[
        (Self::AsExpected, "all as expected"),
        (Self::Usage, "usage, or a file that cannot be read"),
        (Self::Inconclusive, "inconclusive: what had to happen never did"),
        (Self::NothingRan, "nothing ran"),
        (Self::NotAsExpected, "not as expected: an unlisted violation or stall, or a listed one that did not come"),
        (Self::Diverged, "diverged: two executions of one seed differ"),
        (Self::Panicked, "a panic in a node or in splitbrain, or the watchdog"),
        (Self::InvalidScenario, "a scenario or a plan is invalid; nothing ran"),
        (Self::Output, "output could not be written, or its reader went away"),
        (Self::Interrupted, "interrupted, by Ctrl-C, SIGTERM or SIGHUP; what was finished is saved"),
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::AsExpected => 0,
            Self::Usage => 2,
            Self::Inconclusive => 3,
            Self::NothingRan => 4,
            Self::NotAsExpected => 100,
            Self::Diverged => 102,
            Self::Panicked => 103,
            Self::InvalidScenario => 105,
            Self::Output => 110,
            Self::Interrupted => 130,
        }
    }

    /// Of two codes that apply, the one that is taken.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let rank = |code: Self| Self::PRECEDENCE.iter().position(|one| *one == code);
        if rank(other) < rank(self) { other } else { self }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graver_code_wins_in_either_order() {
        let order = [130, 110, 102, 103, 100, 3, 4, 0];
        let all: Vec<ExitCode> = ExitCode::TABLE.iter().map(|(code, _)| *code).collect();
        let with = |number: u8| *all.iter().find(|code| code.code() == number).expect("a known code");
        for pair in order.windows(2) {
            let (graver, lighter) = (with(pair[0]), with(pair[1]));
            assert_eq!(graver.and(lighter), graver);
            assert_eq!(lighter.and(graver), graver);
        }
    }

    #[test]
    fn every_code_has_a_rank_and_none_is_rusts_own() {
        for (code, _) in ExitCode::TABLE {
            assert!(ExitCode::PRECEDENCE.contains(code), "{code:?} has no rank");
            assert_ne!(code.code(), 101);
        }
        assert_eq!(ExitCode::TABLE.len(), ExitCode::PRECEDENCE.len());
    }
}

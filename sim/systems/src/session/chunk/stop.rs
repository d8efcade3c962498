//! Stop sources and their token: several owners may ask one loop to end, and the loop does not care which one did.
//!
//! After `std::stop_source` and `std::stop_token` of C++20, whose copies share one state: there a flag of one owner
//! would not do.

use splitbrain_kernel::serde::Serialize;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum StopSource {
    /// It took too long.
    Timeout,
    /// The user does not want it any more.
    User,
    /// The session has expired.
    Expiry,
    /// Another process of the same identity has taken over.
    Superseded,
}

/// The state that sources and tokens of one loop share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopState {
    by: Option<StopSource>,
}

impl StopState {
    /// Asks the loop to stop. Returns whether this was the first to ask.
    pub const fn request_stop(&mut self, source: StopSource) -> bool {
        if self.by.is_none() {
            self.by = Some(source);
            return true;
        }
        false
    }

    /// Whether anybody has asked.
    pub const fn stop_requested(&self) -> bool {
        self.by.is_some()
    }

    /// Who asked first.
    pub const fn source(&self) -> Option<StopSource> {
        self.by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_source_stops_and_the_first_one_counts() {
        for first in [StopSource::Timeout, StopSource::User, StopSource::Expiry, StopSource::Superseded] {
            let mut state = StopState::default();
            assert!(!state.stop_requested());
            assert!(state.request_stop(first));
            assert!(!state.request_stop(StopSource::User));
            assert_eq!((state.stop_requested(), state.source()), (true, Some(first)));
        }
    }
}

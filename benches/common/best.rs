//! The best of several rounds: what a busy machine takes longest to spoil.

use std::time::Instant;

/// The best time of a row, and how much work it stands for.
#[derive(Clone, Copy)]
pub(crate) struct Best {
    pub(crate) nanos: u128,
    pub(crate) work: u64,
}

impl Best {
    /// Before the first round.
    pub(crate) const NONE: Self = Self { nanos: u128::MAX, work: 0 };

    /// One more round: `work` says how much it did.
    pub(crate) fn take(&mut self, work: impl FnOnce() -> u64) {
        let start = Instant::now();
        let work = std::hint::black_box(work());
        let nanos = start.elapsed().as_nanos();
        if nanos < self.nanos {
            *self = Self { nanos, work };
        }
    }

    /// Tenths of a nanosecond for each piece of work.
    pub(crate) fn tenths(self) -> u128 {
        self.nanos * 10 / u128::from(self.work)
    }

    /// So many pieces of what was done, a second.
    pub(crate) fn rate_of(self, pieces: u64) -> u128 {
        u128::from(pieces) * 1_000_000_000 / self.nanos
    }
}

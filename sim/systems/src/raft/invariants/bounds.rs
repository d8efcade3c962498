//! The bounds of the liveness invariants: measured, not derived, because split votes have a geometric tail (reference C,
//! L1).
//!
//! `just liveness-table` runs the clean system of each preset through crashes and partitions that heal, with
//! `leader_within_bound` switched off, and prints the greatest `leader_wait_max` of all seeds: [`TABLE`] is its output.
//! A bound is three times what was observed, in units of the greatest election timeout, so that it also holds for
//! options with other timing.

use splitbrain_kernel::time::Duration;

use crate::raft::options::{PriorityDecay, RaftOptions};

/// What was observed with one preset.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// The preset.
    pub preset: &'static str,
    /// How many seeds were run.
    pub seeds: u64,
    /// The longest wait for a leader, in milliseconds: gauge `leader_wait_max`.
    pub wait_max_ms: u64,
    /// The greatest timeout of the preset, in milliseconds.
    pub timeout_max_ms: u64,
}

/// The output of `just liveness-table`.
pub const TABLE: &[Observed] = &[
    Observed { preset: "paper", seeds: 0, wait_max_ms: 3_000, timeout_max_ms: 300 },
    Observed { preset: "etcd", seeds: 0, wait_max_ms: 20_000, timeout_max_ms: 2_000 },
    Observed { preset: "nuraft", seeds: 0, wait_max_ms: 5_000, timeout_max_ms: 500 },
    Observed { preset: "hashicorp", seeds: 0, wait_max_ms: 20_000, timeout_max_ms: 2_000 },
];

/// The bound is so many times what was observed.
const MARGIN: u64 = 3;

/// How many of the greatest timeouts may pass before there is a leader.
pub const TIMEOUTS_MAX: u64 = timeouts_max();

const fn timeouts_max() -> u64 {
    let (mut most, mut at) = (0, 0);
    while at < TABLE.len() {
        let timeouts = (MARGIN * TABLE[at].wait_max_ms).div_ceil(TABLE[at].timeout_max_ms);
        most = if timeouts > most { timeouts } else { most };
        at += 1;
    }
    most
}

/// Within how long there is a leader once one can be elected. `decay_from` is the highest priority, or 1 where all are
/// equal: each step of the decay costs a timeout, of a candidate and of a voter.
pub(super) fn leader_within(options: &RaftOptions, decay_from: u64) -> Duration {
    let timeout = options.election_timeout_max.max(options.round_timeout_max);
    let timeouts = TIMEOUTS_MAX + 2 * decay_steps(options.priority_decay, decay_from);
    timeout.saturating_mul(timeouts).saturating_add(options.startup_backoff).saturating_add(options.lagging_grace)
}

/// How many steps lead from this priority down to 1.
fn decay_steps(method: PriorityDecay, from: u64) -> u64 {
    let mut target = from;
    let mut steps = 0;
    while target > 1 {
        target = match method {
            PriorityDecay::Arithmetic => target.saturating_sub((target / 5).max(10)),
            // One step for each priority that a server has: no more than there are servers.
            PriorityDecay::Tiered => return u64::from(splitbrain_kernel::id::NodeId::COUNT_MAX),
        };
        steps += 1;
    }
    steps
}

/// The window in which [`super::leader_stability`] counts, in greatest timeouts.
pub(super) const STABILITY_WINDOW: u64 = 6;

/// How many elections there may be in one window while nothing is disturbed. A livelock has one about each timeout.
pub(super) const STABILITY_ELECTIONS_MAX: u64 = 3;

/// The ordinary loss of datagrams up to which anything is promised, in parts per million.
pub(super) const LOSS_PPM_MAX: u32 = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::presets;

    #[test]
    fn the_bound_covers_each_row_of_the_table_three_times() {
        for row in TABLE {
            let within = Duration::from_millis(row.timeout_max_ms).saturating_mul(TIMEOUTS_MAX);
            assert!(within.as_millis() >= MARGIN * row.wait_max_ms, "{}", row.preset);
        }
    }

    #[test]
    fn the_decay_of_priorities_takes_its_time() {
        assert_eq!(decay_steps(PriorityDecay::Arithmetic, 1), 0);
        // 100 80 64 52 42 32 22 12 2 0.
        assert_eq!(decay_steps(PriorityDecay::Arithmetic, 100), 9);
        assert!(leader_within(&presets::nuraft(), 100) > leader_within(&presets::nuraft(), 1));
    }
}

//! The bounds of the liveness invariants: measured, not derived, because split votes have a geometric tail.
//!
//! `just liveness-table` runs the clean system of each preset through crashes and partitions that heal, and prints the
//! greatest `leader_wait_max_ms` of all seeds. [`TABLE`] holds the greatest that was ever seen, over mixes of faults
//! that were harsher than the shipped one, so that a figure of that command is at most the one here.
//! A bound is three times what was observed, in units of the greatest election timeout, so that it also holds for
//! options with other timing. Options take the bound of the rows that are of their kind.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Duration;

use crate::raft::options::{PriorityDecay, RaftOptions};

/// What was observed with one preset.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// The preset.
    pub preset: &'static str,
    /// What decides how elections go.
    pub kind: ElectionKind,
    /// How many seeds were run.
    pub seeds: u64,
    /// The longest wait for a leader, in milliseconds: gauge `leader_wait_max_ms`.
    pub wait_max_ms: u64,
    /// The greatest timeout of the preset, in milliseconds.
    pub timeout_max_ms: u64,
}

/// What decides how long elections take, beside timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionKind {
    /// Who times out campaigns.
    Plain,
    /// Who times out asks for pre-votes first.
    PreVote,
    /// It does, and is granted them even where its log is behind: it disturbs with elections that it cannot win.
    PreVoteUnchecked,
}

/// The longest waits that were seen in clean systems.
pub const TABLE: &[Observed] = &[
    Observed { preset: "paper", kind: ElectionKind::Plain, seeds: 7_000, wait_max_ms: 1_781, timeout_max_ms: 300 },
    Observed { preset: "etcd", kind: ElectionKind::PreVote, seeds: 7_000, wait_max_ms: 6_596, timeout_max_ms: 2_000 },
    Observed {
        preset: "nuraft",
        kind: ElectionKind::PreVoteUnchecked,
        seeds: 7_000,
        wait_max_ms: 7_506,
        timeout_max_ms: 500,
    },
    Observed {
        preset: "hashicorp",
        kind: ElectionKind::PreVote,
        seeds: 7_000,
        wait_max_ms: 6_772,
        timeout_max_ms: 2_000,
    },
];

/// The bound is so many times what was observed.
const MARGIN: u64 = 3;

/// How many of the greatest timeouts may pass before there is a leader, in elections of this kind.
pub fn timeouts_max(kind: ElectionKind) -> u64 {
    let rows = TABLE.iter().filter(|row| row.kind == kind);
    rows.map(|row| (MARGIN * row.wait_max_ms).div_ceil(row.timeout_max_ms)).max().expect("each kind has a row")
}

/// The kind of elections with these options.
pub const fn kind(options: &RaftOptions) -> ElectionKind {
    match (options.pre_vote, options.pre_vote_log_check) {
        (false, _) => ElectionKind::Plain,
        (true, true) => ElectionKind::PreVote,
        (true, false) => ElectionKind::PreVoteUnchecked,
    }
}

/// Within how long there is a leader once one can be elected. `decay_from` is the highest priority, or 1 where all are
/// equal: each step of the decay costs a timeout, of a candidate and of a voter.
pub(super) fn leader_within(options: &RaftOptions, decay_from: u64) -> Duration {
    let timeout = options.election_timeout_max.max(options.round_timeout_max);
    let timeouts = timeouts_max(kind(options)) + 2 * decay_steps(options.priority_decay, decay_from);
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
            PriorityDecay::Tiered => return u64::from(NodeId::COUNT_MAX),
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
    fn the_bound_of_each_preset_is_three_times_what_was_observed() {
        for row in TABLE {
            let preset = presets::PRESETS.iter().find(|preset| preset.name == row.preset).expect("a preset");
            let options = (preset.make)();
            assert_eq!(kind(&options), row.kind, "{}", row.preset);
            assert_eq!(options.election_timeout_max, Duration::from_millis(row.timeout_max_ms), "{}", row.preset);
            assert!(leader_within(&options, 1).as_millis() >= MARGIN * row.wait_max_ms, "{}", row.preset);
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

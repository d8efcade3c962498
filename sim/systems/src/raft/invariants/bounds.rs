//! The bounds of the liveness invariants: measured, not derived, because split votes have a geometric tail.
//!
//! `just liveness-table` makes `reports/gallery/liveness.md`: the longest waits for a leader of the clean system of
//! each preset, by number of servers, election timeouts and latency. [`TABLE`] holds the longest of each kind of
//! elections, and a test compares the two. A bound is three times what was observed, in units of the greatest election
//! timeout, so that it also holds for options with other timing. Options take the bound of the row that they are of:
//! more servers than any row has, or timeouts closer together, are held to the last row, and a scenario shows whether
//! they keep to it.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Duration;

use crate::raft::options::{PriorityDecay, RaftOptions, TransportKind, WaitsForSync};

use super::frame::Replication;

use ElectionKind::{Plain, PreVote, PreVoteUnchecked};

/// What was observed in clusters of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What decides how elections go.
    pub kind: ElectionKind,
    /// How many servers vote.
    pub servers: usize,
    /// The greatest election timeout, in percent of the least.
    pub spread: u64,
    /// The longest wait for a leader, in milliseconds: gauge `leader_wait_max_ms`.
    pub wait_max_ms: u64,
    /// The greatest election timeout there, in milliseconds.
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

/// The longest waits that were seen in clean systems; of each kind by number of servers, the widest spread first.
pub const TABLE: &[Observed] = &[
    row(Plain, 3, 200, 1_970, 300),
    row(Plain, 3, 120, 2_035, 180),
    row(Plain, 5, 200, 1_886, 300),
    row(Plain, 5, 120, 1_865, 180),
    row(Plain, 7, 200, 1_831, 300),
    row(Plain, 7, 120, 2_008, 180),
    row(PreVote, 3, 200, 8_000, 2_000),
    row(PreVote, 3, 120, 10_778, 1_200),
    row(PreVote, 5, 200, 10_911, 2_000),
    row(PreVote, 5, 120, 13_244, 1_200),
    row(PreVote, 7, 200, 12_164, 2_000),
    row(PreVote, 7, 120, 12_920, 1_200),
    row(PreVoteUnchecked, 3, 200, 5_212, 500),
    row(PreVoteUnchecked, 3, 120, 7_524, 300),
    // Seen in a swarm of harsher faults; 6,979 in the table.
    row(PreVoteUnchecked, 5, 200, 7_506, 500),
    row(PreVoteUnchecked, 5, 120, 16_985, 300),
    row(PreVoteUnchecked, 7, 200, 12_615, 500),
    row(PreVoteUnchecked, 7, 120, 47_805, 300),
];

const fn row(kind: ElectionKind, servers: usize, spread: u64, wait_max_ms: u64, timeout_max_ms: u64) -> Observed {
    Observed { kind, servers, spread, wait_max_ms, timeout_max_ms }
}

/// The bound is so many times what was observed.
pub const MARGIN: u64 = 3;

/// What was observed in clusters like this one: of so many voters, with timeouts of this spread.
pub fn observed(kind: ElectionKind, voters: usize, spread: u64) -> &'static Observed {
    let rows = || TABLE.iter().filter(move |row| row.kind == kind);
    let servers = rows().map(|row| row.servers).filter(|servers| *servers >= voters).min();
    let servers = servers.or_else(|| rows().map(|row| row.servers).max()).expect("each kind has rows");
    let of_size = || rows().filter(move |row| row.servers == servers);
    let wide = of_size().find(|row| row.spread <= spread);
    wide.or_else(|| of_size().next_back()).expect("each number of servers has a row")
}

impl Observed {
    /// How many of the greatest timeouts may pass before there is a leader.
    pub const fn timeouts_max(&self) -> u64 {
        (MARGIN * self.wait_max_ms).div_ceil(self.timeout_max_ms)
    }
}

/// The kind of elections with these options.
pub const fn kind(options: &RaftOptions) -> ElectionKind {
    match (options.pre_vote.enabled, options.pre_vote.log_check) {
        (false, _) => Plain,
        (true, true) => PreVote,
        (true, false) => PreVoteUnchecked,
    }
}

/// The greatest timeouts in percent of the least: of followers or of candidates, whichever are closer together.
fn spread(options: &RaftOptions) -> u64 {
    let percent = |min: Duration, max: Duration| max.as_nanos().saturating_mul(100) / min.as_nanos();
    let followers = percent(options.timing.election_timeout_min, options.timing.election_timeout_max);
    followers.min(percent(options.timing.round_timeout_min, options.timing.round_timeout_max))
}

/// Within how long there is a leader once so many voters can elect one. `decay_from` is the highest priority, or 1
/// where all are equal: each step of the decay costs a timeout, of a candidate and of a voter.
pub(super) fn leader_within(options: &RaftOptions, voters: usize, decay_from: u64) -> Duration {
    let timeout = options.timing.election_timeout_max.max(options.timing.round_timeout_max);
    let observed = observed(kind(options), voters, spread(options));
    let timeouts = observed.timeouts_max() + 2 * decay_steps(options.priority.decay, decay_from);
    timeout
        .saturating_mul(timeouts)
        .saturating_add(options.timing.startup_backoff)
        .saturating_add(options.timing.lagging_grace)
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

/// What is promised of replication: nothing where a server may lose what it is sent while its loop waits for its disk.
/// It is derived, not measured: nothing here has a tail.
pub(super) fn replication(options: &RaftOptions) -> Option<Replication> {
    if options.log.waits_for_sync == WaitsForSync::WholeLoop {
        return None;
    }
    let timeout = options.timing.election_timeout_max.max(options.timing.round_timeout_max);
    let reconnects = match options.transport.kind {
        TransportKind::Datagram => Duration::ZERO,
        TransportKind::Connection => options.transport.reconnect_after.saturating_mul(2),
    };
    let patience = timeout.saturating_mul(PATIENCE_TIMEOUTS).saturating_add(reconnects);
    let fitting = |bytes: u64| (bytes / BYTES).max(1);
    let entries = match options.log.append_bytes_max {
        0 => options.log.append_entries_max,
        bytes => options.log.append_entries_max.min(fitting(bytes)),
    };
    Some(Replication { patience, entries, items: fitting(options.snapshot.part_bytes) })
}

/// For how many of the greatest timeouts a leader may wait in vain before it goes on: until a connection that died is
/// there again, or a heartbeat comes through that shows what was lost.
const PATIENCE_TIMEOUTS: u64 = 10;

/// What an entry or an item of a snapshot takes, where bytes are bounded. A larger one goes alone.
const BYTES: u64 = 256;

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
    fn a_cluster_takes_the_row_that_it_is_of() {
        let row = |voters, spread| {
            let row = observed(Plain, voters, spread);
            (row.servers, row.spread)
        };
        assert_eq!([row(3, 200), row(5, 200), row(5, 250)], [(3, 200), (5, 200), (5, 200)]);
        assert_eq!([row(2, 200), row(4, 199), row(6, 120)], [(3, 200), (5, 120), (7, 120)]);
        assert_eq!([row(9, 200), row(5, 100)], [(7, 200), (5, 120)], "what was not measured is held to the last row");
    }

    #[test]
    fn the_spread_is_that_of_the_closer_timeouts() {
        let close = presets::paper().with(|o| o.timing.round_timeout_max = Duration::from_millis(180));
        assert_eq!((spread(&presets::paper()), spread(&close)), (200, 120));
        assert!(leader_within(&close, 5, 1) > leader_within(&presets::paper(), 5, 1));
    }

    #[test]
    fn a_bound_is_three_times_what_was_observed_in_timeouts_of_the_options() {
        let within = |options: &RaftOptions| leader_within(options, 5, 1).as_millis();
        // 3 × 1,886 / 300 is 18.9 timeouts of 300 ms.
        assert_eq!(within(&presets::paper()), 19 * 300);
        let slow = presets::paper().with(|o| {
            o.timing.election_timeout_max = Duration::from_secs(3);
            o.timing.round_timeout_max = Duration::from_secs(3);
        });
        assert_eq!(within(&slow), 19 * 3_000);
        let grace = presets::paper().with(|o| o.timing.lagging_grace = Duration::from_secs(1));
        assert_eq!(within(&grace), 19 * 300 + 1_000);
    }

    #[test]
    fn replication_is_as_fast_as_its_batches_and_as_patient_as_its_connections() {
        let replication = |options: &RaftOptions| replication(options).expect("it is promised");
        let paper = replication(&presets::paper());
        assert_eq!((paper.patience.as_millis(), paper.entries, paper.items), (3_000, 100, 4_096));
        let nuraft = replication(&presets::nuraft());
        assert_eq!(nuraft.patience.as_millis(), 10 * 500 + 2 * 6_250);
        let narrow = presets::paper().with(|o| (o.log.append_bytes_max, o.snapshot.part_bytes) = (600, 1));
        assert_eq!((replication(&narrow).entries, replication(&narrow).items), (2, 1));
        let stalls = presets::paper().with(|o| o.log.waits_for_sync = WaitsForSync::WholeLoop);
        assert_eq!(super::replication(&stalls), None);
    }

    #[test]
    fn the_decay_of_priorities_takes_its_time() {
        assert_eq!(decay_steps(PriorityDecay::Arithmetic, 1), 0);
        // 100 80 64 52 42 32 22 12 2 0.
        assert_eq!(decay_steps(PriorityDecay::Arithmetic, 100), 9);
        assert!(leader_within(&presets::nuraft(), 5, 100) > leader_within(&presets::nuraft(), 5, 1));
    }
}

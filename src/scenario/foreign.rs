//! Words of other tools, and what they are called here: of Jepsen, Chaos Mesh, k6, CI systems and Raft libraries.

/// A word of another tool.
pub(super) struct Foreign {
    /// The words that it may mean here; the first that is known where it stands is proposed.
    pub(super) ours: &'static [&'static str],
    advice: Advice,
}

/// What is said beside the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Advice {
    /// Nothing.
    None,
    /// This, with one of our words.
    Beside(&'static str),
    /// This, where none of our words can stand.
    Instead(&'static str),
}

impl Foreign {
    /// What to say beside our word, or where none can stand.
    pub(super) const fn advice(&self, has_word: bool) -> Option<&'static str> {
        match self.advice {
            Advice::Beside(text) if has_word => Some(text),
            Advice::Instead(text) if !has_word => Some(text),
            _ => None,
        }
    }
}

use Advice::{Beside, Instead};

/// Each row: words of others, written with `_`; words of ours; advice.
type Row = (&'static [&'static str], &'static [&'static str], Advice);

const ROWS: &[Row] = &[
    // Faults.
    (&["kill", "sigkill", "pod_kill", "pod_failure", "container_kill", "terminate", "fail"], &["crash"], Advice::None),
    (&["stop", "sigstop", "freeze", "process_pause", "gc"], &["pause", "stop"], Advice::None),
    (&["resume_node", "recover", "boot", "up"], &["start"], Advice::None),
    (&["reboot", "power_off", "poweroff", "power", "node_crash"], &["machine_crash"], Advice::None),
    (&["partition", "split", "netsplit", "network_partition", "majority"], &["partition", "halves"], Advice::None),
    (&["block", "drop_link", "disconnect", "unidirectional"], &["cut"], Advice::None),
    (
        &["clock", "clock_skew", "skew", "time_skew", "time_offset", "timechaos", "clock_bump"],
        &["clock_step", "clocks"],
        Advice::None,
    ),
    (&["clock_strobe", "strobe", "ntp"], &["clock_slew"], Advice::None),
    (&["packet_loss", "drop", "drop_rate", "lossy"], &["loss", "lose"], Advice::None),
    (&["delay", "netem", "lag", "rtt"], &["latency", "slow", "late"], Advice::None),
    (&["jitter"], &["latency"], Beside("latency is a range such as \"1ms..5ms\", which is the jitter too")),
    (&["dup", "duplicate", "duplicates"], &["duplication"], Advice::None),
    (&["reorder", "out_of_order"], &["reordering"], Advice::None),
    (&["throttle", "rate_limit"], &["bandwidth"], Advice::None),
    (&["corrupt", "bitflip", "bit_rot"], &["disk"], Advice::None),
    // When.
    (&["duration", "length", "lasts", "grace_period"], &["for", "until"], Advice::None),
    (&["interval", "period", "frequency", "schedule", "cron"], &["every", "rate"], Advice::None),
    (&["time", "start_time", "after", "delay_before"], &["at", "from"], Advice::None),
    (&["end", "stop_at", "to"], &["until"], Advice::None),
    (&["if", "condition", "trigger", "on_event", "once"], &["when"], Advice::None),
    (&["timeout", "timeout_minutes", "time_limit", "max_time", "run_time"], &["duration"], Advice::None),
    // Who.
    (&["target", "targets", "selector", "victim", "node", "scope"], &["on"], Instead(WHO)),
    (&["action", "mode", "kind", "type", "fault", "faults"], &["kinds", "fault"], Instead(WHO)),
    (&["nodes", "replicas", "members", "peers", "size", "server_count"], &["servers"], Advice::None),
    (&["vus", "users", "virtual_users", "concurrency", "threads", "workers"], &["clients"], Instead(CLIENTS)),
    (&["qps", "rps", "tps", "throughput", "arrival_rate"], &["rate"], Advice::None),
    // Runs and judgements.
    (
        &["seed", "random_seed"],
        &["seeds"],
        Beside("seeds is how many are run, from 0 on; one of them is run by --seed"),
    ),
    (&["iterations", "repeat", "test_count", "runs", "trials"], &["seeds"], Advice::None),
    (&["checker", "checkers", "assertions", "properties", "invariant"], &["invariants", "check"], Advice::None),
    (&["thresholds", "assert", "expected"], &["expect"], Advice::None),
    (&["checks"], &["check"], Advice::None),
    // Options of Raft.
    (&["election_timeout", "election_tick", "election_timeout_ms"], &["election_timeout_min"], Beside(ELECTION)),
    (&["heartbeat_interval", "heartbeat_tick", "heartbeat_timeout", "heartbeat_period"], &["heartbeat"], Advice::None),
    (&["prevote"], &["pre_vote"], Advice::None),
    (&["snapshot_count", "snapshot_threshold", "snapshot_interval"], &["snapshot_distance"], Advice::None),
    (&["fsync", "no_fsync"], &["lying_sync", "sync"], Advice::None),
];

const WHO: &str = "a fault is its action with those that it hits, such as crash = \"leader\"";
const CLIENTS: &str = "how many clients there are is said by clients in [cluster]";
const ELECTION: &str = "it is a range: election_timeout_min and election_timeout_max";

/// What a word of another tool means here.
pub(super) fn foreign(word: &str) -> Option<Foreign> {
    let word = super::nearest::simplified(word);
    let row = ROWS.iter().find(|(theirs, ..)| theirs.contains(&word.as_str()));
    row.map(|(_, ours, advice)| Foreign { ours, advice: *advice })
}

/// The name of a server or a client here, where others say `n1`, `node-1` or `client2`.
pub(super) fn foreign_node(word: &str) -> Option<String> {
    let word = super::nearest::simplified(word);
    let digits = word.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let number: u16 = digits.parse().ok().filter(|number| *number > 0)?;
    match word[..word.len() - digits.len()].trim_end_matches('_') {
        "n" | "node" | "server" | "replica" | "peer" | "raft" => Some(format!("s{number}")),
        "client" | "user" => Some(format!("c{number}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_in_one_row() {
        let mut all: Vec<&str> = ROWS.iter().flat_map(|(theirs, ..)| theirs.iter().copied()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn spelling_does_not_matter() {
        assert_eq!(foreign("Pod-Kill").map(|one| one.ours), Some(&["crash"][..]));
        assert!(foreign("leader").is_none());
    }

    #[test]
    fn names_of_nodes_elsewhere() {
        assert_eq!(foreign_node("n3").as_deref(), Some("s3"));
        assert_eq!(foreign_node("node-12").as_deref(), Some("s12"));
        assert_eq!(foreign_node("client2").as_deref(), Some("c2"));
        for word in ["n0", "n", "3", "s3", "leader", "n1x", "zone1"] {
            assert_eq!(foreign_node(word), None, "{word}");
        }
    }
}

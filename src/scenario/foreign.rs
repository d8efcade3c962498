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
    /// This, with this word of ours.
    With(&'static str, &'static str),
    /// This and none of our words, nor one that looks like it.
    Only(&'static str),
}

impl Foreign {
    /// What to say beside the word of ours that is proposed, or where none can stand.
    pub(super) fn advice(&self, ours: Option<&str>) -> Option<&'static str> {
        match self.advice {
            Advice::Beside(text) if ours.is_some() => Some(text),
            Advice::Instead(text) if ours.is_none() => Some(text),
            Advice::With(word, text) if ours == Some(word) => Some(text),
            Advice::Only(text) => Some(text),
            _ => None,
        }
    }

    /// Whether no word of ours is meant, however near one is.
    pub(super) const fn is_alone(&self) -> bool {
        matches!(self.advice, Advice::Only(_))
    }
}

use Advice::{Beside, Instead, Only, With};

/// Each row: words of others, written with `_`; words of ours; advice.
type Row = (&'static [&'static str], &'static [&'static str], Advice);

const ROWS: &[Row] = &[
    // Faults.
    (
        &["kill", "sigkill", "pod_kill", "pod_failure", "container_kill", "process_kill", "terminate", "fail"],
        &["crash"],
        Advice::None,
    ),
    (&["shutdown", "shut_down", "exit", "end_process", "kill_9", "sigterm"], &["crash"], Advice::None),
    (&["stop", "sigstop", "freeze", "process_pause", "process_stop", "gc", "hang"], &["pause", "stop"], Advice::None),
    (&["resume", "resume_node", "recover", "restart", "boot", "up"], &["start"], Advice::None),
    (&["reboot", "power_off", "poweroff", "power", "node_crash", "vm_stop"], &["machine_crash"], Advice::None),
    (&["split", "netsplit", "network_partition", "majority", "random_halves"], &["partition", "halves"], Advice::None),
    (&["partition", "partition_random_halves"], &["halves"], Instead(CUTS)),
    (&["majorities_ring", "partition_majorities_ring"], &["ring"], Advice::None),
    (&["one", "single", "partition_random_node"], &["isolate", "any server"], Advice::None),
    (&["block", "drop_link", "disconnect", "unidirectional"], &["cut", "one_way"], Advice::None),
    (
        &["clock", "clock_skew", "skew", "time_skew", "time_offset", "timeoffset", "timechaos", "clock_bump", "bump"],
        &["clock_step", "clocks", "offset"],
        With("offset", SKEW),
    ),
    (&["clock_strobe", "strobe", "ntp"], &["clock_slew", "clock_drift"], Advice::None),
    (&["packet_loss", "network_loss", "drop", "drop_rate", "fail_rate", "lossy"], &["loss", "lose"], Advice::None),
    (
        &["delay", "netem", "lag", "rtt", "network_delay", "networkchaos"],
        &["latency", "delay", "weather", "late", "by"],
        Advice::None,
    ),
    (&["jitter", "min_message_latency", "max_message_latency"], &["latency"], Beside(RANGE)),
    (&["heal", "repair", "repair_rate", "lift"], &[], Instead(LIFTED)),
    (&["correlation"], &[], Instead("each packet is drawn by itself")),
    (&["dup", "duplicate", "duplicates", "network_duplicate"], &["duplication", "duplicate"], Advice::None),
    (&["reorder", "out_of_order", "gap"], &["reordering", "reorder"], Advice::None),
    (&["throttle", "rate_limit"], &["bandwidth"], Advice::None),
    (&["stress", "stressors", "stresschaos", "cpu", "memory"], &["slow"], Advice::None),
    (&["corrupt", "bitflip", "bit_rot", "iochaos", "io_fault", "lazyfs"], &["disk", "disk_lies"], Instead(WHOLE)),
    (&["membership", "member"], &["order"], Instead(ORDERS)),
    (&["enospc", "no_space", "disk_full", "quota", "edquot"], &["full"], Advice::None),
    (&["eio", "io_error", "error", "errno"], &["io"], Advice::None),
    (&["erofs", "read_only"], &["io"], Advice::None),
    (&["wal", "journal", "raft_log", "commitlog", "commit_log"], &["log"], Advice::None),
    (&["amount", "slowdown", "latency_ms", "delay_ms"], &["by", "latency"], Advice::None),
    // When.
    (&["duration", "length", "lasts", "grace_period"], &["for", "until"], Instead(LENGTH)),
    (&["interval", "period", "frequency", "schedule", "cron", "nemesis_interval"], &["every", "rate"], Advice::None),
    (&["time", "start_time", "starttime", "after", "delay_before"], &["at", "from"], Advice::None),
    (&["end", "stop_at", "to"], &["until"], Advice::None),
    (&["if", "condition", "trigger", "on_event", "once"], &["when"], Advice::None),
    (
        &["timeout", "timeout_minutes", "time_limit", "max_time", "run_time", "max_duration"],
        &["duration", "for", "until"],
        Instead(LENGTH),
    ),
    // Who.
    (
        &["target", "targets", "selector", "victim", "victims", "node", "scope", "label_selectors", "labelselectors"],
        &["on"],
        Instead(WHO),
    ),
    (ACTS, &["kinds", "fault"], Instead(WHO)),
    (&["all", "each", "every", "everyone", "everybody"], &["every server", "every node"], Advice::None),
    (&["any", "random", "some", "random_one", "someone"], &["any server", "any node"], Advice::None),
    (
        &["nodes", "replicas", "members", "peers", "size", "server_count", "node_count"],
        &["servers", "capacity"],
        Instead("how many servers there are is said by servers in [cluster]"),
    ),
    (
        &["vus", "max_vus", "maxvus", "preallocatedvus", "users", "virtual_users", "concurrency", "threads", "workers"],
        &["clients"],
        Instead(CLIENTS),
    ),
    (&["qps", "rps", "tps", "throughput", "arrival_rate"], &["rate"], Advice::None),
    (&["stages", "executor", "ramping", "time_unit", "timeunit"], &["rate"], Beside(STAGES)),
    (&["primary", "master", "coordinator", "chief"], &["leader"], Advice::None),
    (&["secondary", "slave", "standby", "backup"], &["follower"], Advice::None),
    // Runs and judgements.
    (
        &["max", "maximum", "lte", "le", "lt", "less_than", "below", "upper", "no_more_than"],
        &["at_most", "max", "times"],
        Instead(ENDS),
    ),
    (
        &["min", "minimum", "gte", "ge", "gt", "greater_than", "more_than", "above", "lower"],
        &["at_least", "min"],
        Instead(ENDS),
    ),
    (&["seed", "random_seed"], &[], Only("runs have the seeds from 0 on; one of them alone is run by --seed {value}")),
    (&["iterations", "repeat", "test_count", "runs", "trials"], &["seeds"], Instead(SEEDS)),
    (&["p50", "p90", "p95", "p99", "p(50)", "p(90)", "p(95)", "p(99)", "median", "med", "avg"], &[], Only(PERCENTILE)),
    (&["checker", "checkers", "assertions", "properties", "invariant"], &["invariants", "check"], Advice::None),
    (&["thresholds", "threshold", "assert", "expected"], &["expect"], Advice::None),
    (&["checks"], &["check"], Advice::None),
    (&["generator", "load", "operations", "ops"], &["workload"], Advice::None),
    (&["abort_on_fail", "abortonfail", "fail_fast"], &[], Instead(STOPS)),
    (&["db", "sut", "implementation"], &["system"], Advice::None),
    (&["model", "linearizability"], &["linearizable", "invariants", "check"], Advice::None),
    // Options and messages of Raft.
    (&["election_timeout", "election_tick", "election_timeout_ms"], &["election_timeout_min"], Beside(ELECTION)),
    (&["heartbeat_interval", "heartbeat_tick", "heartbeat_timeout", "heartbeat_period"], &["heartbeat"], Advice::None),
    (&["prevote"], &["pre_vote", "pre_vote.enabled"], Advice::None),
    (&["pre_vote_rejected"], &["pre-vote denied", "pre_vote_denied"], Advice::None),
    (&["snapshot_count", "snapshot_threshold", "snapshot_interval"], &["distance"], Advice::None),
    (&["fsync", "no_fsync"], &["lying_sync", "sync"], Advice::None),
    (&["appendentries", "append_entries", "append_entries_request", "msgapp"], &["append"], Advice::None),
    (
        &["appendentriesresponse", "append_entries_response", "append_entries_reply", "append_response", "msgappresp"],
        &["append_reply"],
        Advice::None,
    ),
    (&["requestvote", "request_vote", "msgvote"], &["vote"], Advice::None),
    (
        &["requestvoteresponse", "request_vote_response", "request_vote_reply", "vote_response", "msgvoteresp"],
        &["vote_reply"],
        Advice::None,
    ),
    (&["installsnapshot", "install_snapshot", "msgsnap"], &["snapshot_part"], Advice::None),
];

const SKEW: &str = "offset is how far a wall clock is ahead at the start, and skew_bound the most by which a system \
                    expects two of them to differ";
const WHOLE: &str =
    "a message arrives as it was sent or not at all; records of a disk are spoilt by disk in a [[fault]]";
const LIFTED: &str = "a fault ends by its for or until";
const LENGTH: &str = "how long runs are is said by duration in [run]";
const SEEDS: &str = "how many runs there are is said by seeds in [run]";
const PERCENTILE: &str = "a percentile of a figure is bounded as in { at_most = 3000, percentile = 99 }";
const WHO: &str = "a fault is its action with those that it hits, such as crash = \"leader\"";
const CUTS: &str = "cuts have names by their shape";
const ORDERS: &str = "a member is added or removed by the order of a [[fault]]";
const RANGE: &str = "latency is a range such as \"1ms..5ms\", which is the jitter too";
const ENDS: &str = "what lies between two values is a range such as \"1ms..5ms\"";
const CLIENTS: &str = "how many clients there are is said by clients in [cluster]";
const STAGES: &str = "the rate is one for the whole run; from and until bound it";
const STOPS: &str =
    "a scenario stops after --max-fail failing runs, and a call after its first failing scenario with --fail-fast";
const ELECTION: &str = "it is a range: timing.election_timeout_min and timing.election_timeout_max";

/// Words that say what a fault does. In a fault no key says so: `kinds` there are those of messages.
const ACTS: &[&str] = &["action", "mode", "kind", "type", "fault", "faults"];

/// Words that others put before a set of nodes, and ours.
const ARTICLES: &[(&str, &str)] =
    &[("the", ""), ("all", "every "), ("each", "every "), ("random", "any "), ("one", "any "), ("a", "any ")];

/// The selectors here that this may mean: `every server` for `all servers`, the most probable first.
pub(super) fn foreign_sets(text: &str) -> Vec<String> {
    let Some((word, rest)) = text.trim().split_once(' ') else { return Vec::new() };
    let word = super::did_you_mean::simplified(word);
    let Some((_, article)) = ARTICLES.iter().find(|(theirs, _)| *theirs == word) else { return Vec::new() };
    let rest = rest.trim_start().trim_start_matches("of ").trim_start_matches("the ");
    let singular = rest.strip_suffix('s').filter(|_| !article.is_empty());
    singular.into_iter().chain([rest]).map(|rest| format!("{article}{rest}")).collect()
}

/// What a word of another tool means among these words of ours.
pub(super) fn foreign(word: &str, known: &[&str]) -> Option<Foreign> {
    let word = super::did_you_mean::simplified(word);
    let (_, ours, advice) = ROWS.iter().find(|(theirs, ..)| theirs.contains(&word.as_str()))?;
    let is_fault = known.contains(&"isolate") && known.contains(&"when");
    let ours = if is_fault && ACTS.contains(&word.as_str()) { &[] } else { *ours };
    Some(Foreign { ours, advice: *advice })
}

/// The name of a server or a client here, where others say `n1`, `node-1` or `client2`.
pub(super) fn foreign_node(word: &str) -> Option<String> {
    let word = super::did_you_mean::simplified(word);
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
        assert_eq!(foreign("Pod-Kill", &[]).map(|one| one.ours), Some(&["crash"][..]));
        assert!(foreign("leader", &[]).is_none());
    }

    #[test]
    fn a_fault_has_no_key_for_its_action() {
        let words = |known: &[&str]| foreign("action", known).map(|one| one.ours.to_vec());
        assert_eq!(words(&["kinds", "when", "isolate"]), Some(vec![]));
        assert_eq!(words(&["kinds", "every"]), Some(vec!["kinds", "fault"]));
    }

    #[test]
    fn a_skew_is_said_beside_the_offset_alone() {
        let advice = |ours| foreign("skew", &[]).and_then(|one| one.advice(ours));
        assert_eq!(advice(Some("offset")), Some(SKEW));
        assert_eq!(advice(Some("clock_step")), None);
        assert_eq!(advice(None), None);
    }

    #[test]
    fn sets_of_nodes_elsewhere() {
        assert_eq!(foreign_sets("all servers"), ["every server", "every servers"]);
        assert_eq!(foreign_sets("Random node"), ["any node"]);
        assert_eq!(foreign_sets("the leader"), ["leader"]);
        assert!(foreign_sets("all").is_empty() && foreign_sets("every server").is_empty());
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

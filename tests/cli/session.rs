//! The life of a session as a person reads it: created with replicated masters, kept alive, taken on by another leader,
//! and ended, from both sides.

use crate::golden;
use crate::support::{Folder, shown};

/// The leader falls while a session lives; later the chunk is cut off for good.
const SCENARIO: &str = r#"format = 1
system = "session"

[cluster]
meta = 3
chunk = 1
volume = 1
clients = 1

[session]
preset = "zbs"
replication = "raft"
callback_max = "0s"
claim_retry = "3s"
resources = 1

[network]
latency = "1ms..2ms"

[clocks]
drift_bound = "1%"

[[fault]]
id = "falls"
at = "9s"
crash = "raft.leader"
for = "5s"

[[fault]]
id = "alone"
at = "16s"
cut = "chunk1 <-> every meta"

[run]
duration = "32s"
"#;

/// Lines that tell of sessions, of what becomes durable for them, of who leads, and of faults.
const TOLD: &[&str] = &[
    "session",
    "create",
    "lease",
    "capability",
    "data report",
    "follower created",
    "keep_alive",
    "keepalive loop",
    "item",
    "target",
    "jeopardy",
    "expire",
    "erase",
    "master leads",
    "leader elected",
    "stepped down",
    "▼",
    "▲",
];

/// Lines that do so in the words of raft, or that say the same once more.
const LEFT_OUT: &[&str] = &["timer master lease", "⇸", "applied", "commit", "step "];

/// The arrows of a create, and what follows, each after the one before it.
const STORY: &[&str] = &[
    "→ meta1 create by i1.0",
    "leader elected",
    "master leads term 1",
    "create by i1.0, 2 items",
    "session initialized session \"1#1\"",
    "append to log: 3@1 set create session \"1#1\"",
    "lease started session \"1#1\"",
    "session created session \"1#1\"",
    "→ chunk1 create_reply 1#1 new",
    "create_reply 1#1 new",
    "capability negotiated session \"1#1\"",
    "data report begun session \"1#1\"",
    "follower created session \"1#1\"",
    "session alive session \"1#1\"",
    "keepalive loop begun session \"1#1\"",
    "target served",
    "keep_alive 1#1",
    "lease extended session \"1#1\"",
    "keep_alive_reply 1#1",
    "falls crash",
    "leader elected",
    "master leads term 2",
    "lease extended session \"1#1\"",
    "alone cut",
    "jeopardy session \"1#1\"",
    "target left",
    "set expire session \"1#1\"",
    "session expired session \"1#1\"",
    "expired callback ran session \"1#1\", part chunk",
    "expired callback ran session \"1#1\", part extent",
    "expired callback ran session \"1#1\", part common",
    "set erase session \"1#1\"",
    "session erased session \"1#1\"",
    "follower expired session \"1#1\"",
];

#[test]
fn a_timeline_tells_the_life_of_a_session_arrow_by_arrow() {
    let folder = Folder::new("session_timeline");
    folder.write("life.toml", SCENARIO);
    let run = folder.shipped(&["run", "life.toml", "--seed", "1", "--timeline", "all"]).output();
    let shown = shown(&run.expect("the binary starts"));
    let (_, timeline) = shown.stdout.split_once("\ntimeline\n").expect("a run shows its timeline");
    let (timeline, _) = timeline.split_once("\n\n").expect("the outcome follows");
    let has = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
    let told: Vec<&str> = timeline.lines().filter(|line| has(line, TOLD) && !has(line, LEFT_OUT)).collect();
    let mut rest = told.iter();
    for part in STORY {
        assert!(rest.any(|line| line.contains(part)), "{part} does not come, or not in its place");
    }
    golden!("session_timeline", told.join("\n"));
}

//! A run of the reactor as a person reads it: each call of epoll and what it returned.

use crate::golden;
use crate::support::{Folder, shown};

/// A client that opens two connections and sends a POST, to two threads that share one epoll instance.
const SCENARIO: &str = r#"format = 1
system = "reactor"

[cluster]
servers = 1
clients = 1

[reactor]
preset = "shared"
workers = 2
wait_timeout = "1ms"

[network]
latency = "10us..100us"

[workload]
kind = "requests"
rate = "2000/s"
until = "250us"
posts = "100%"
size_max = 60

[run]
duration = "3ms"
ties = "explore"
"#;

#[test]
fn a_timeline_shows_each_call_of_epoll() {
    let folder = Folder::new("reactor_timeline");
    folder.write("calls.toml", SCENARIO);
    let run = folder.shipped(&["run", "calls.toml", "--seed", "3", "--timeline", "all"]).output();
    let shown = shown(&run.expect("the binary starts"));
    let (_, timeline) = shown.stdout.split_once("\ntimeline\n").expect("a run shows its timeline");
    let (timeline, _) = timeline.split_once("\n\n").expect("the outcome follows");
    golden!("reactor_timeline", timeline);
}

//! The language over a system with four kinds of process.

use splitbrain_toy::{REDIS, Town};

use crate::scenario::{Scenario, SystemDescription, load};

/// Every place of the language where a node or a kind is named.
const EVERYTHING: &str = r#"
[town.redis2]
delay = "9ms"

[town.chat1]
period = "8s"

[town.c1]
period = "7s"

[clocks.nodes.chat2]
drift = "40ppm"

[[network.link]]
links = ["every redis <-> gate1", "chat1 -> *"]
latency = "9ms"

[[fault]]
at = "1s"
cut = ["any chat -> redis2", "every gate <-> every client"]
for = "1s"

[[fault]]
at = "2s"
crash = ["redis1", "chat2", "gate1", "c1"]
for = "1s"

[[nemesis]]
kinds = ["crash", "pause"]
on = ["any redis", "any server", "any chat"]
every = "1s..2s"
for = "500ms"
"#;

fn read(cluster: &str, more: &str) -> Result<Scenario, String> {
    let system = SystemDescription::of::<Town>();
    let text = format!("format = 1\nsystem = \"town\"\ncluster = {{ {cluster} }}\n{more}");
    load("a.toml", text.as_bytes(), &[system]).map_err(|errors| errors.plain().trim_end().to_owned())
}

const CLUSTER: &str = "redis = 3, gate = 1, chat = 2, clients = 1, spare = { redis = 1 }";

#[test]
fn every_kind_is_counted_named_and_chosen() {
    let scenario = read(CLUSTER, EVERYTHING).unwrap_or_else(|errors| panic!("{errors}"));
    let cluster = scenario.cluster;
    assert_eq!((cluster.count(REDIS), cluster.spare_count(REDIS), cluster.node_count()), (3, 1, 8));
    let own: Vec<String> = scenario.options.nodes.keys().map(|node| cluster.name(*node).to_string()).collect();
    assert_eq!(own, ["chat1", "redis2", "c1"]);
    let text = scenario.to_toml();
    for part in
        ["redis = 3", "spare = { redis = 1 }", "[town.redis2]", "[town.c1]", "[clocks.nodes.chat2]", "\"any chat\""]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let again = load("a.toml", text.as_bytes(), &[SystemDescription::of::<Town>()]);
    let again = again.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(again.to_toml(), text);
}

#[test]
fn what_is_wrong_with_a_kind_is_said_with_what_would_be_right() {
    let mut wrong = Vec::new();
    let pause = |on: &str| format!("[[fault]]\nat = \"1s\"\npause = \"{on}\"\nfor = \"1s\"");
    for (cluster, more, expected) in [
        ("gate = 1", String::new(), "missing key \"redis\": a whole number from 1 to 9"),
        ("redis = 10, gate = 1", String::new(), "expected a whole number from 1 to 9, got the number 10"),
        ("redis = 3, gate = 1, servers = 2", String::new(), "unknown key \"servers\""),
        ("redis = 3, gate = 1, chats = 2", String::new(), "did you mean \"chat\"?"),
        ("redis = 3, gate = 1, spare = 1", String::new(), "of which kind? Expected a table such as { redis = 1 }"),
        ("redis = 9, gate = 1, spare = { redis = 1 }", String::new(), "a cluster has at most 9 of redis"),
        (CLUSTER, pause("redis5"), "there is no redis5: the cluster has redis1 to redis4"),
        (CLUSTER, pause("gate2"), "there is no gate2: the cluster has gate1 alone"),
        (CLUSTER, pause("redis99"), "there is no redis99: a cluster has at most redis1 to redis9"),
        (CLUSTER, pause("meta1"), "unknown kind of process of town \"meta\" (known: redis, gate, status, c, chat)"),
        (CLUSTER, pause("reddis1"), "did you mean \"redis\"?"),
        (CLUSTER, pause("s1"), "unknown kind of process of town \"s\""),
        (CLUSTER, pause("any rediss"), "did you mean \"any redis\"?"),
        ("redis = 3, gate = 1", pause("every chat"), "the cluster has no chat (cluster.chat is 0)"),
        ("redis = 3, gate = 1", pause("any client"), "the cluster has no clients (cluster.clients is 0)"),
        (CLUSTER, "[town.redis7]\ndelay = \"1ms\"".to_owned(), "there is no redis7"),
        (CLUSTER, "[town.meta1]\ndelay = \"1ms\"".to_owned(), "unknown key \"meta1\""),
    ] {
        let errors = read(cluster, &more).expect_err(&more);
        if !errors.contains(expected) {
            wrong.push(format!("{errors}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

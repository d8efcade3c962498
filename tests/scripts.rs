//! Goal: protocols told as stories, message by message, that stay true.
//!
//! Method: each file below `tests/golden/scripts/<system>/` drives a small cluster by hand and holds what came of each
//! command (`splitbrain::kernel::host::script`). Played again, it must give the same text. A page in the folder lists
//! the scripts, so none gets lost. `just golden` makes outputs and page again; read the diff.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use splitbrain::kernel::host::script::{Words, play};
use splitbrain::kernel::id::NodeId;
use splitbrain::kernel::system::System;
use splitbrain::kernel::time::Duration;
use splitbrain_systems::chat::ids::Uid;
use splitbrain_systems::chat::message::Operation as Act;
use splitbrain_systems::chat::{Chat, ChatNode};
use splitbrain_systems::lock::ids::LockId;
use splitbrain_systems::lock::message::Operation as Under;
use splitbrain_systems::lock::redis::value::Value;
use splitbrain_systems::lock::system::KINDS;
use splitbrain_systems::lock::{Lock, LockNode};
use splitbrain_systems::raft::ids::Position;
use splitbrain_systems::raft::message::Operation;
use splitbrain_systems::raft::state::Server;
use splitbrain_systems::raft::{Raft, RaftNode};
use splitbrain_systems::session::ids::{ItemKey, Resource};
use splitbrain_systems::session::message::Operation as Call;
use splitbrain_systems::session::{SessionNode, Sessions};

const RAFT: Words<Raft> = Words { operation: proposal, status };

const SESSION: Words<Sessions> = Words { operation: call, status: status_of_process };

const CHAT: Words<Chat> = Words { operation: act, status: status_in_chat };

const LOCK: Words<Lock> = Words { operation: under_lock, status: status_of_locks };

/// `acquire 1`, `write 1 7`, `release 1`
fn under_lock(words: &str) -> Result<Under, String> {
    let parts: Vec<&str> = words.split_whitespace().collect();
    let lock = |text: &str| text.parse().ok().map(LockId);
    let found = match parts[..] {
        ["acquire", number] => lock(number).map(|lock| Under::Acquire { lock }),
        ["write", number, value] => {
            lock(number).zip(value.parse().ok()).map(|(lock, value)| Under::Write { lock, value })
        }
        ["release", number] => lock(number).map(|lock| Under::Release { lock }),
        _ => None,
    };
    found.ok_or_else(|| format!("a client is asked to \"acquire 1\", \"write 1 7\" or \"release 1\", not {words:?}"))
}

/// `master with lock:1 = 6fdd until 10s`, `replica of redis1 with nothing`, `takes redis1 for the master, epoch 0`
fn status_of_locks(node: &LockNode) -> String {
    let name = |id: NodeId| {
        let kind = KINDS.iter().find(|kind| id.is(kind.id)).expect("it is a node of the lock system");
        kind.name_of(id.number()).to_string()
    };
    if let LockNode::Sentinel(sentinel) = node {
        let (master, epoch) = sentinel.master();
        return format!("takes {} for the master, epoch {epoch}", name(master));
    }
    let Some(redis) = node.redis() else { return "runs".to_owned() };
    let keys = redis.keyspace().iter().map(|(key, entry)| {
        let Value::String(value) = &entry.value else { return "a hash".to_owned() };
        let value = String::from_utf8_lossy(value);
        // The first digits of a token are enough to tell it from others.
        let shown = if value.len() == 16 { &value[..4] } else { &value[..] };
        let until = entry
            .deadline
            .map_or_else(String::new, |at| format!(" until {}", Duration::from_millis(at.unsigned_abs())));
        format!("{} = {shown}{until}", String::from_utf8_lossy(key))
    });
    let keys: Vec<String> = keys.collect();
    let role = redis.master().map_or_else(|| "master".to_owned(), |master| format!("replica of {}", name(master)));
    format!("{role} with {}", if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") })
}

/// `login 1`, `intrude 1 2`, `say 7`, `show`, `logout`
fn act(words: &str) -> Result<Act, String> {
    let parts: Vec<&str> = words.split_whitespace().collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let found = match parts[..] {
        ["login", uid] => number(uid).map(|uid| Act::Login { uid: Uid(uid) }),
        ["intrude", uid, server] => {
            let server = server.parse().ok();
            number(uid).zip(server).map(|(uid, server)| Act::Intrude { uid: Uid(uid), server })
        }
        ["say", text] => number(text).map(|text| Act::Say { text }),
        ["show"] => Some(Act::Show),
        ["logout"] => Some(Act::Logout),
        _ => None,
    };
    found.ok_or_else(|| {
        format!("a client is asked to \"login 1\", \"intrude 1 2\", \"say 7\", \"show\" or \"logout\", not {words:?}")
    })
}

/// `session 1.0.1 of user 1`, `in as user 1 with session 1.0.1`, `uip_1 chat1, usession_1 …`
fn status_in_chat(node: &ChatNode) -> String {
    let of = |uid: Option<Uid>| uid.map_or_else(|| "of no user".to_owned(), |uid| format!("of {uid}"));
    if let Some(chat) = node.chat() {
        let all = chat.sessions().map(|(id, session)| {
            let over = if session.is_over() { ", over" } else { "" };
            format!("{id} {}{over}", of(session.uid()))
        });
        return none_or(&all.collect::<Vec<_>>());
    }
    if let Some(redis) = node.redis() {
        let keys = redis.keys().iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned());
        return none_or(&keys.collect::<Vec<_>>());
    }
    match node.client().map(|client| client.logged_in()) {
        Some(Some((uid, session))) => format!("in as {uid} with {session}"),
        Some(None) => "out".to_owned(),
        None => "runs".to_owned(),
    }
}

/// `write 1 7`, `read 1`, `set 5`, `remove`, `list`
fn call(words: &str) -> Result<Call, String> {
    let parts: Vec<&str> = words.split_whitespace().collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let resource = |text: &str| text.parse().ok().map(Resource);
    let key = ItemKey::NfsAccessPoint;
    let found = match parts[..] {
        ["write", target, value] => {
            resource(target).zip(number(value)).map(|(resource, value)| Call::Write { resource, value })
        }
        ["read", target] => resource(target).map(|resource| Call::Read { resource }),
        ["set", value] => number(value).map(|value| Call::SetItem { key, value }),
        ["remove"] => Some(Call::RemoveItem { key }),
        ["list"] => Some(Call::ListItems),
        _ => None,
    };
    found.ok_or_else(|| {
        format!("a client is asked to \"write 1 7\", \"read 1\", \"set 5\", \"remove\" or \"list\", not {words:?}")
    })
}

/// `leads, sessions: 1#1` or `alive, serves: 1`
fn status_of_process(node: &SessionNode) -> String {
    if let Some(master) = node.master() {
        let sessions: Vec<String> = master.table().sessions().keys().map(ToString::to_string).collect();
        let role = if master.leads() { "leads" } else { "does not lead" };
        return format!("{role}, sessions: {}", none_or(&sessions));
    }
    if let Some(chunk) = node.chunk() {
        let masters = chunk.followers().masters();
        let states: Vec<String> =
            masters.map(|master| format!("{:?}", chunk.followers().get(master).state())).collect();
        let served: Vec<String> = chunk.served().map(|resource| resource.to_string()).collect();
        return format!("{}, serves: {}", states.join(" and ").to_lowercase(), none_or(&served));
    }
    "runs".to_owned()
}

fn none_or(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(" ") }
}

fn proposal(words: &str) -> Result<Operation, String> {
    let value = words.strip_prefix("propose ").and_then(|value| value.trim().parse().ok());
    value
        .map(|value| Operation::Propose { value })
        .ok_or_else(|| format!("raft is asked to \"propose 7\", not {words:?}"))
}

fn status(node: &RaftNode) -> String {
    node.server().map_or_else(|| "client".to_owned(), status_of_server)
}

/// `follower of s1, voted for s1, log 1@1 2@1, commit 1`
fn status_of_server(server: &Server) -> String {
    let mut text = server.role().name().to_owned();
    let leader = server.leader().filter(|leader| *leader != server.id());
    let vote = server.voted_for();
    let mut add = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("a string takes what is written");
    if let Some(leader) = leader {
        add(format_args!(" of {leader}"));
    }
    if let Some(vote) = vote {
        add(format_args!(", voted for {vote}"));
    }
    let log: Vec<String> = (1..=server.log().last_index().0)
        .filter_map(|index| {
            let index = splitbrain_systems::raft::ids::Index(index);
            server.log().term_at(index).map(|term| Position { term, index }.to_string())
        })
        .collect();
    add(format_args!(", log {}", if log.is_empty() { "empty".to_owned() } else { log.join(" ") }));
    add(format_args!(", commit {}", server.commit()));
    text
}

fn folder(system: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/scripts").join(system)
}

fn makes_goldens() -> bool {
    std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always")
}

/// The scripts of a system, by name.
fn scripts(system: &str) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder(system)).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let texts = paths.filter(|path| path.extension().is_some_and(|ending| ending == "txt"));
    let name = |path: &Path| path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
    let mut scripts: Vec<(String, PathBuf)> = texts.map(|path| (name(&path), path)).collect();
    scripts.sort();
    scripts
}

/// Plays every script of a system, and says what is wrong with each.
fn check<S: System>(words: &Words<S>) {
    let mut wrong = String::new();
    let mut page = format!("# Scripts of {}\n\nMade by `tests/scripts.rs`.\n\n", S::NAME);
    page.push_str("| script | what it shows |\n| --- | --- |\n");
    for (name, path) in scripts(S::NAME) {
        let text = fs::read_to_string(&path).expect("it can be read");
        match play(&text, words) {
            Ok(played) if makes_goldens() => fs::write(&path, &played).expect("it can be written"),
            Ok(played) if played == text => {}
            Ok(played) => writeln!(wrong, "{name}: {}", difference(&text, &played)).expect("a string takes it"),
            Err(error) => writeln!(wrong, "{}: {error}", path.display()).expect("a string takes it"),
        }
        let comment = text.lines().map_while(|line| line.strip_prefix("# ")).collect::<Vec<_>>().join(" ");
        writeln!(page, "| [{}]({name}.txt) | {comment} |", name.replace('_', " ")).expect("a string takes it");
    }
    let index = folder(S::NAME).join("README.md");
    if makes_goldens() {
        fs::write(&index, &page).expect("it can be written");
    } else if fs::read_to_string(&index).unwrap_or_default() != page {
        wrong.push_str("README.md does not list the scripts that are there, each with its first comment\n");
    }
    assert!(wrong.is_empty(), "{wrong}`just golden` makes the output again");
}

/// The first line that differs.
fn difference(text: &str, played: &str) -> String {
    let (mut before, mut after) = (text.lines(), played.lines());
    for number in 1.. {
        match (before.next(), after.next()) {
            (None, None) => break,
            (before, after) if before == after => {}
            (before, after) => {
                let show = |line: Option<&str>| line.map_or_else(|| "the end".to_owned(), |line| format!("{line:?}"));
                return format!("line {number} is {}, and was {}", show(after), show(before));
            }
        }
    }
    "the end of the file differs".to_owned()
}

#[test]
fn the_scripts_of_raft_hold() {
    assert!(scripts("raft").len() >= 30, "elections and replication are told by thirty scripts or more");
    check(&RAFT);
}

#[test]
fn the_scripts_of_sessions_hold() {
    assert!(
        scripts("session").len() >= 8,
        "creation, keepalive, jeopardy and expiry are told by eight scripts or more"
    );
    check(&SESSION);
}

#[test]
fn the_scripts_of_chat_hold() {
    assert!(scripts("chat").len() >= 4, "a login, both kinds of kick and a cleanup are told by a script each");
    check(&CHAT);
}

#[test]
fn the_scripts_of_locks_hold() {
    assert!(
        scripts("lock").len() >= 5,
        "one lock, Redlock, a watchdog, a failover and a return are told by a script each"
    );
    check(&LOCK);
}

/// A script of one cluster, then this line.
fn refusal(line: &str) -> String {
    let text = format!("# What is wrong.\ncluster servers=2 clients=1\n{line}\n");
    play(&text, &RAFT).expect_err("the line is wrong").to_string()
}

#[test]
fn a_wrong_line_is_an_error_that_says_what_would_be_right() {
    let cases = [
        ("deliver", "line 3: no such packet is in flight (nothing is)"),
        ("deliver s1->s9", "line 3: unknown node \"s9\" (known: s1, s2, c1)"),
        ("deliver votes", "line 3: raft has no message \"votes\" (known: pre_vote, pre_vote_reply, vote, "),
        ("fire s1", "line 3: fire is written as: fire s1 election"),
        ("fire s1 heartbeat", "line 3: s1 has no timer \"heartbeat\" (set: election)"),
        ("elect s1", "line 3: unknown command \"elect\" (known: cluster, deliver, "),
        ("advance long", "line 3: advance is written as: advance 50ms, advance 50ms s1 s2"),
        ("partition s1 s2", "line 3: partition is written as: partition s1 | s2 s3"),
        ("start s1", "line 3: s1 runs already: crash it first"),
        ("ask c1 read", "line 3: raft is asked to \"propose 7\", not \"read\""),
        ("order s1 abdicate", "line 3: raft knows no order abdicate"),
        ("cluster servers=3", "line 3: a script has one cluster"),
        ("crash s1\nfire s1 election", "line 4: s1 is down: start s1"),
    ];
    for (line, message) in cases {
        let found = refusal(line);
        assert!(found.starts_with(message), "{line}: {found}");
    }
}

#[test]
fn a_wrong_cluster_is_an_error_that_says_what_would_be_right() {
    let cases = [
        ("cluster servers=many", "line 2: servers is a number up to 64, not \"many\""),
        ("cluster servers=0", "line 2: a cluster has from 1 to 128 nodes"),
        ("cluster servers=3 preset=zab", "line 2: unknown preset \"zab\" (known: paper, etcd, "),
        ("cluster servers=3 heart=1s", "line 2: raft has no option heart"),
        ("cluster servers=3 timing.heartbeat=1", "line 2: timing.heartbeat is a time from "),
        ("cluster servers=3 timing.heartbeat=10s", "line 2: timing.heartbeat: must be less than election_timeout_min"),
        ("cluster servers=3 heartbeat=1ms", "line 2: `heartbeat` is now `timing.heartbeat`"),
        ("cluster servers=3 s4.priority.value=0", "line 2: there is no s4 in this cluster"),
        ("cluster servers=3 disk=slow", "line 2: disk is \"held\", or left out"),
        ("cluster", "line 2: cluster is written as: cluster servers=3 preset=etcd"),
        ("heal", "line 2: the first command makes the cluster: cluster servers=3"),
        ("", "line 1: a script has a cluster: cluster servers=3"),
    ];
    for (line, message) in cases {
        let found = play(&format!("# What is wrong.\n{line}\n"), &RAFT).expect_err("the line is wrong").to_string();
        assert!(found.starts_with(message), "{line}: {found}");
    }
    let found = play("cluster servers=3\n", &RAFT).expect_err("it has no comment").to_string();
    assert_eq!(found, "line 1: a script begins with a comment that says what it shows");
}

#[test]
fn output_that_no_longer_holds_is_found_and_made_again() {
    let script = "# A cluster of one.\ncluster servers=1\n\nfire s1 election\n---\nnothing comes of it\n\nstatus\n";
    let played = play(script, &RAFT).expect("it can be played");
    assert!(played.contains("leader elected"), "{played}");
    assert!(!played.contains("nothing comes of it"), "{played}");
    assert_eq!(play(&played, &RAFT).expect("it can be played"), played, "what was made again holds");
    assert!(difference(script, &played).starts_with("line 6 is "), "{}", difference(script, &played));
}

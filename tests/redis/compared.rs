//! The same requests to the server and to a real Redis.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use splitbrain_systems::lock::redis::effect;
use splitbrain_systems::lock::redis::{Effect, Server};

use crate::generate::{Clock, Compared, Numbers, Request, requests};
use crate::real::{Connection, Redis};
use crate::wire::{self, Wire};
use crate::{shown, shown_request};

/// How far two servers may be apart in time beside what requests take, in milliseconds.
const SLACK_MS: i64 = 5;

/// How many requests one round of fresh connections sends.
const ROUND: usize = 60;

fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[test]
fn generated_requests_have_equal_replies() {
    let Some(redis) = Redis::start("compared") else { return };
    let wanted = std::env::var("SPLITBRAIN_REDIS_COMMANDS").ok().map_or(6000, |count| count.parse().unwrap());
    let (mut sent, mut refused) = (0, 0);
    for seed in 1..=100_000 {
        let round = round(&redis, seed);
        sent += round.alike;
        refused += usize::from(round.is_refused);
        if sent >= wanted {
            break;
        }
    }
    println!("{sent} requests with equal replies, and {refused} scripts that this server says it does not support");
    assert!(refused * 1000 <= sent, "what is not supported stays an exception: {refused} of {sent}");
}

/// What came of one round.
struct Round {
    /// Requests with equal replies.
    alike: usize,
    /// Whether it ended early, at a script that this server says it does not support: from there the two servers hold
    /// different data.
    is_refused: bool,
}

/// One round of requests on two connections.
fn round(redis: &Redis, seed: u64) -> Round {
    let requests = requests(&mut Numbers::new(seed), Clock::Any, ROUND);
    let mut server = Server::new();
    let ours = [server.connect("127.0.0.1:1", wall_clock()), server.connect("127.0.0.1:2", wall_clock())];
    let mut theirs = [redis.connect(), redis.connect()];
    theirs[0].ask(&["FLUSHALL"]);
    theirs[0].ask(&["SCRIPT", "FLUSH"]);
    let mut slowest = 0;
    for (at, request) in requests.iter().enumerate() {
        let before = wall_clock();
        theirs[request.connection].send(&wire::request(&request.arguments));
        let (expected, expected_parts) = theirs[request.connection].receive();
        let took = wall_clock() - before;
        let id = ours[request.connection];
        let executed = server.execute(id, &request.arguments, before);
        let got = executed.reply.encode(server.protocol(id));
        if is_unsupported_script(&got) {
            return Round { alike: at, is_refused: true };
        }
        // Redis may have set a deadline so much later than this server, and looked at it so much later.
        if !alike(request.compared, (&expected, &expected_parts), &got, slowest + took) {
            panic!("{}", difference(seed, &requests[..=at], &expected, &got));
        }
        slowest = slowest.max(took);
    }
    Round { alike: requests.len(), is_refused: false }
}

/// Whether the reply says that a script needs what this server does not have, such as numbers beyond 2^53.
fn is_unsupported_script(reply: &[u8]) -> bool {
    String::from_utf8_lossy(reply).contains("is not supported in scripts, line")
}

/// Whether two replies say the same, where the clocks of the servers may be `apart_max` milliseconds apart.
fn alike(compared: Compared, (expected, parts): (&[u8], &Wire), got: &[u8], apart_max: i64) -> bool {
    if expected == got {
        return true;
    }
    let Some((got_parts, _)) = wire::reply(got) else { return false };
    let apart = || Some((parts.number()? - got_parts.number()?).abs());
    match compared {
        Compared::Exactly => false,
        Compared::Milliseconds => apart().is_some_and(|apart| apart <= apart_max + SLACK_MS),
        Compared::Seconds => apart().is_some_and(|apart| apart <= 1 + (apart_max + SLACK_MS) / 1000),
        Compared::Fields => parts.pairs().is_some_and(|pairs| Some(pairs) == got_parts.pairs()),
        Compared::Elements => parts.sorted().is_some_and(|sorted| Some(sorted) == got_parts.sorted()),
        Compared::Kind => expected.first() == got.first(),
    }
}

fn difference(seed: u64, requests: &[Request], expected: &[u8], got: &[u8]) -> String {
    let lines =
        requests.iter().map(|request| format!("  {}: {}\n", request.connection, shown_request(&request.arguments)));
    format!("seed {seed}:\n{}Redis {}\nours  {}", lines.collect::<String>(), shown(expected), shown(got))
}

#[test]
fn short_deadlines_expire_alike() {
    let Some(redis) = Redis::start("short") else { return };
    let mut theirs = redis.connect();
    let mut server = Server::new();
    let ours = server.connect("127.0.0.1:1", wall_clock());
    let mut both = |words: &[&str]| {
        let expected = theirs.ask(words);
        let arguments: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let got = server.execute(ours, &arguments, wall_clock()).reply.encode(server.protocol(ours));
        assert_eq!(shown(&got), shown(&expected), "{words:?}");
    };
    // Long enough that no busy machine comes to the second request after the first has expired.
    both(&["SET", "lock", "a", "NX", "PX", "3000"]);
    both(&["SET", "lock", "b", "NX", "PX", "3000"]);
    both(&["HSET", "hash", "f", "1"]);
    both(&["PEXPIRE", "hash", "300"]);
    both(&["SET", "stays", "a", "EX", "100"]);
    std::thread::sleep(Duration::from_millis(3200));
    both(&["GET", "lock"]);
    both(&["HGETALL", "hash"]);
    both(&["EXISTS", "lock", "hash", "stays"]);
    both(&["SET", "lock", "b", "NX", "PX", "3000"]);
    both(&["PERSIST", "hash"]);
    both(&["TTL", "hash"]);
}

#[test]
fn effects_are_what_redis_sends_to_replicas() {
    let Some(redis) = Redis::start("effects") else { return };
    let mut replica = redis.connect();
    replica.send(b"SYNC\r\n");
    replica.skip_snapshot();
    let mut theirs = redis.connect();
    let mut server = Server::new();
    let ours = server.connect("127.0.0.1:1", wall_clock());
    let mut selected = None;
    let mut got = Vec::new();
    for request in requests(&mut Numbers::new(7), Clock::AbsoluteOnly, 2000) {
        // A key that is watched and expired is deleted a little earlier than by Redis; the effects are the same.
        if request.connection == 1 || request.arguments[0].eq_ignore_ascii_case(b"WATCH") {
            continue;
        }
        theirs.send(&wire::request(&request.arguments));
        theirs.receive();
        let executed = server.execute(ours, &request.arguments, wall_clock());
        let effects: Vec<Effect> = executed.effects;
        got.extend(effect::stream(&effects, &mut selected));
    }
    theirs.send(&wire::request(&[b"PUBLISH".to_vec(), b"end".to_vec(), b"end".to_vec()]));
    for effect in got {
        let expected = next_effect(&mut replica);
        assert_eq!(shown_request(&effect), expected);
    }
    assert_eq!(
        next_effect(&mut replica),
        shown_request(&["PUBLISH", "end", "end"].map(|word| word.as_bytes().to_vec()))
    );
}

/// The next command of the replication stream, without those that only keep it alive.
fn next_effect(replica: &mut Connection) -> String {
    loop {
        let (_, parts) = replica.receive();
        let Wire::Parts(_, words) = parts else { continue };
        let words: Vec<Vec<u8>> = words.iter().filter_map(bulk).collect();
        if words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"PING")) {
            continue;
        }
        return shown_request(&words);
    }
}

/// The bytes of a bulk.
fn bulk(word: &Wire) -> Option<Vec<u8>> {
    let Wire::Leaf(bytes) = word else { return None };
    let start = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    Some(bytes[start..bytes.len() - 2].to_vec())
}

#[test]
fn what_describes_the_server_is_alike_by_field() {
    let Some(redis) = Redis::start("fields") else { return };
    let mut theirs = redis.connect();
    let mut server = Server::new();
    let ours = server.connect("127.0.0.1:1", wall_clock());
    let mut both = |words: &[&str]| {
        let expected = wire::reply(&theirs.ask(words)).unwrap().0;
        let arguments: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let got = server.execute(ours, &arguments, wall_clock()).reply.encode(server.protocol(ours));
        (expected, wire::reply(&got).unwrap().0)
    };
    // Everything but the number of the connection.
    let (Wire::Parts(_, expected), Wire::Parts(_, got)) = both(&["HELLO", "2"]) else { panic!("HELLO is a map") };
    assert_eq!([&expected[..7], &expected[8..]], [&got[..7], &got[8..]]);
    // Name, arity, flags and the places of keys.
    let names = ["set", "get", "del", "eval", "hset", "exec", "ping", "mset", "expire", "client"];
    let (Wire::Parts(_, expected), Wire::Parts(_, got)) = both(&[&["COMMAND", "INFO"], &names[..]].concat()) else {
        panic!("COMMAND INFO is an array")
    };
    for (expected, got) in expected.iter().zip(&got) {
        let (Wire::Parts(_, expected), Wire::Parts(_, got)) = (expected, got) else { panic!("a command is an array") };
        assert_eq!(expected[..2], got[..2]);
        assert_eq!(expected[2].sorted(), got[2].sorted());
        assert_eq!(expected[3..6], got[3..6]);
    }
    let (expected, got) = both(&["CONFIG", "GET", "save", "appendonly"]);
    assert_eq!(expected.pairs(), got.pairs());
    // Every field of ours is one of theirs.
    let (expected, got) = both(&["INFO", "everything"]);
    let fields = |info: &Wire| -> Vec<String> {
        let text = String::from_utf8(bulk(info).unwrap()).unwrap();
        text.lines().filter_map(|line| line.split_once(':')).map(|(field, _)| field.to_owned()).collect()
    };
    let expected = fields(&expected);
    assert_eq!(fields(&got).into_iter().filter(|field| !expected.contains(field)).collect::<Vec<_>>(), [""; 0]);
}

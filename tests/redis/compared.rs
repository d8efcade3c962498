//! The same requests to the server and to a real Redis.

use std::time::{SystemTime, UNIX_EPOCH};

use splitbrain_systems::lock::redis::effect;
use splitbrain_systems::lock::redis::{Effect, Server};

use crate::generate::{Clock, Compared, Numbers, Request, requests};
use crate::real::{Connection, Redis};
use crate::served::Served;
use crate::wire::{self, Wire};
use crate::{shown, shown_request};

/// How far two servers may be apart in time beside what requests take, in milliseconds.
const SLACK_MS: i64 = 5;

/// How many requests one round of fresh connections sends.
const ROUND: usize = 60;

pub(crate) fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Deadlines from here on were given as moments: those that count from now are years before.
const ABSOLUTE_FROM: i64 = 4_102_444_800_000;

#[test]
fn generated_requests_have_equal_replies() {
    let Some(redis) = Redis::start("compared") else { return };
    let served = Served::start(|_| {});
    let wanted = std::env::var("SPLITBRAIN_REDIS_COMMANDS").ok().map_or(6000, |count| count.parse().unwrap());
    let mut counts = Counts::default();
    for seed in 1..=100_000 {
        Round::new(&redis, &served, seed).run(&mut counts);
        if counts.alike >= wanted {
            break;
        }
    }
    println!(
        "{} requests with equal replies in {} pipelines, and {} scripts that this server says it does not support",
        counts.alike, counts.pipelines, counts.refused
    );
    assert!(counts.alike >= wanted && counts.pipelines * 3 < counts.alike, "{counts:?}");
    assert!(counts.refused * 1000 <= counts.alike, "what is not supported stays an exception: {counts:?}");
}

/// What was compared.
#[derive(Debug, Default)]
struct Counts {
    /// Requests with equal replies.
    alike: usize,
    pipelines: usize,
    /// Scripts that this server says it does not support. Each ends its round, as the servers hold different data then.
    refused: usize,
}

/// One round of requests on two connections, in pipelines of up to twenty: to Redis, to `serve lock` behind its socket,
/// and to the server as a plain value, which can be asked about any moment.
struct Round {
    seed: u64,
    theirs: [Connection; 2],
    ours: [Connection; 2],
    plain: Server,
    ids: [u64; 2],
    /// The longest that a pipeline took, in milliseconds: Redis may have set a deadline so much later.
    slowest: i64,
}

/// A reply, as bytes and taken apart.
type Received = (Vec<u8>, Wire);

/// When a pipeline was sent, and how long it was on its way.
#[derive(Clone, Copy)]
struct Sent {
    before: i64,
    took: i64,
}

impl Round {
    fn new(redis: &Redis, served: &Served, seed: u64) -> Self {
        let mut theirs = [redis.connect(), redis.connect()];
        let mut ours = [served.connect(), served.connect()];
        for connection in [&mut theirs[0], &mut ours[0]] {
            connection.ask(&["FLUSHALL"]);
            connection.ask(&["SCRIPT", "FLUSH"]);
        }
        let mut plain = Server::new();
        let ids = ["127.0.0.1:1", "127.0.0.1:2"].map(|peer| plain.connect(peer, wall_clock()));
        Self { seed, theirs, ours, plain, ids, slowest: 0 }
    }

    fn run(mut self, counts: &mut Counts) {
        let requests = requests(&mut Numbers::new(self.seed), Clock::Any, ROUND);
        let mut sizes = Numbers::new(!self.seed);
        let mut from = 0;
        while from < requests.len() {
            let connection = requests[from].connection;
            let most = &requests[from..requests.len().min(from + 1 + sizes.below(20))];
            let pipeline = most.iter().take_while(|request| request.connection == connection).count();
            let to = from + pipeline;
            counts.pipelines += 1;
            let (theirs, ours, sent) = self.send(connection, &requests[from..to]);
            for (at, (expected, got)) in (from..to).zip(theirs.iter().zip(&ours)) {
                if is_unsupported_script(&got.0) {
                    counts.refused += 1;
                    return;
                }
                if !self.alike(&requests[at], expected, got, sent) {
                    panic!("{}", difference(self.seed, &requests[..=at], &expected.0, &got.0));
                }
                counts.alike += 1;
            }
            from = to;
        }
    }

    /// Sends a pipeline to both servers, and reads all replies.
    fn send(&mut self, connection: usize, requests: &[Request]) -> (Vec<Received>, Vec<Received>, Sent) {
        let bytes: Vec<u8> = requests.iter().flat_map(|request| wire::request(&request.arguments)).collect();
        let before = wall_clock();
        let exchange = |server: &mut Connection| -> Vec<Received> {
            server.send(&bytes);
            requests.iter().map(|_| server.receive()).collect()
        };
        let theirs = exchange(&mut self.theirs[connection]);
        let ours = exchange(&mut self.ours[connection]);
        let took = wall_clock() - before;
        self.slowest = self.slowest.max(took);
        (theirs, ours, Sent { before, took })
    }

    /// Whether both servers say what is right.
    fn alike(&mut self, request: &Request, theirs: &Received, ours: &Received, sent: Sent) -> bool {
        let plain = self.ask_plain(request.connection, &request.arguments, sent.before);
        let parts = [&theirs.1, &ours.1, &plain.1];
        let same = |views: [Option<Vec<Wire>>; 3]| views[0].is_some() && views[0] == views[1] && views[1] == views[2];
        match request.compared {
            Compared::Exactly => theirs.0 == ours.0 && ours.0 == plain.0,
            Compared::Fields => {
                same(parts.map(|parts| parts.pairs().map(|pairs| pairs.concat()))) || theirs.0 == ours.0
            }
            Compared::Elements => same(parts.map(Wire::sorted)) || theirs.0 == ours.0,
            Compared::ButId => same(parts.map(Wire::without_id)),
            Compared::ButIds => {
                let [theirs, ours, plain] = parts.map(Wire::without_ids);
                theirs == ours && ours == plain
            }
            Compared::Number => parts.iter().all(|parts| parts.number().is_some()),
            Compared::Time => [theirs, ours].iter().all(|(_, time)| {
                let moment = time.moment();
                moment.is_some_and(|moment| {
                    (sent.before - SLACK_MS..=sent.before + sent.took + SLACK_MS).contains(&moment)
                })
            }),
            Compared::Client => describes_alike(&theirs.1, &ours.1),
            timed => match plain.1.number() {
                Some(right @ 0..) => {
                    let (least, most) = self.right(timed, right, request, sent);
                    [theirs, ours].iter().all(|(_, got)| got.number().is_some_and(|got| (least..=most).contains(&got)))
                }
                _ => theirs.0 == ours.0 && ours.0 == plain.0,
            },
        }
    }

    /// The least and the most that is right as a reply that depends on the clock; `right` is so for a server that works
    /// without delay.
    fn right(&mut self, timed: Compared, right: i64, request: &Request, sent: Sent) -> (i64, i64) {
        // A server has set the deadline up to so much later, and looked at it up to so much later.
        let (later_set, later_seen) = (self.slowest + SLACK_MS, sent.took + SLACK_MS);
        let mut ask = |arguments: &[Vec<u8>], now: i64| {
            self.ask_plain(request.connection, arguments, now).1.number().expect("it was a number before")
        };
        match timed {
            Compared::Seconds => {
                let arguments = &request.arguments;
                (ask(arguments, sent.before + later_seen), ask(arguments, sent.before - later_set))
            }
            Compared::Milliseconds => (right - later_seen, right + later_set),
            Compared::Deadline if right < ABSOLUTE_FROM => (right - SLACK_MS, right + later_set),
            Compared::DeadlineSeconds => {
                let exact = ask(&[b"PEXPIRETIME".to_vec(), request.arguments[1].clone()], sent.before);
                let rounded = |deadline: i64| (deadline + 500) / 1000;
                if exact >= ABSOLUTE_FROM {
                    (right, right)
                } else {
                    (rounded(exact - SLACK_MS), rounded(exact + later_set))
                }
            }
            _ => (right, right),
        }
    }

    fn ask_plain(&mut self, connection: usize, arguments: &[Vec<u8>], now: i64) -> Received {
        let id = self.ids[connection];
        let executed = self.plain.execute(id, arguments, now);
        let bytes = executed.reply.encode(self.plain.protocol(id));
        let parts = wire::reply(&bytes).expect("a reply is whole").0;
        (bytes, parts)
    }
}

/// Whether the line of a connection has the same fields, but for those of the process, its buffers and the address.
fn describes_alike(theirs: &Wire, ours: &Wire) -> bool {
    const COMPARED: &[&str] = &["name", "flags", "db", "sub", "psub", "ssub", "multi", "cmd", "user", "redir", "resp"];
    let lines = |info: &Wire| -> Vec<Vec<String>> {
        let text = String::from_utf8(bulk(info).expect("it is text")).unwrap();
        let fields = |line: &str| -> Vec<String> {
            let is_compared = |field: &&str| field.split_once('=').is_some_and(|(name, _)| COMPARED.contains(&name));
            line.trim_start_matches("txt:").split(' ').filter(is_compared).map(str::to_owned).collect()
        };
        text.lines().map(fields).filter(|line| line.iter().any(|field| field.starts_with("cmd=client|"))).collect()
    };
    // Redis may still list a connection of an earlier round.
    lines(ours).iter().any(|line| line.len() == COMPARED.len() && lines(theirs).contains(line))
}

/// Whether the reply says that a script needs what this server does not have, such as numbers beyond 2^53.
fn is_unsupported_script(reply: &[u8]) -> bool {
    String::from_utf8_lossy(reply).contains("is not supported in scripts, line")
}

fn difference(seed: u64, requests: &[Request], expected: &[u8], got: &[u8]) -> String {
    let lines =
        requests.iter().map(|request| format!("  {}: {}\n", request.connection, shown_request(&request.arguments)));
    format!("seed {seed}:\n{}Redis {}\nours  {}", lines.collect::<String>(), shown(expected), shown(got))
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
    // Name, arity, flags and the places of keys, of every command and of every part of one.
    let (_, Wire::Parts(_, names)) = both(&["COMMAND", "LIST"]) else { panic!("COMMAND LIST is an array") };
    let names: Vec<String> = names.iter().map(|name| String::from_utf8(bulk(name).unwrap()).unwrap()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(names.len() > 80 && names.contains(&"config|get"), "{names:?}");
    for version in ["2", "3"] {
        both(&["HELLO", version]);
        let (Wire::Parts(_, expected), Wire::Parts(_, got)) = both(&[&["COMMAND", "INFO"], &names[..]].concat()) else {
            panic!("COMMAND INFO is an array")
        };
        for (name, (expected, got)) in names.iter().zip(expected.iter().zip(&got)) {
            let (Wire::Parts(_, expected), Wire::Parts(_, got)) = (expected, got) else {
                panic!("{name} is no command of both: {expected:?}, {got:?}")
            };
            assert_eq!(expected[..2], got[..2], "{name}");
            let (Wire::Parts(sign, _), Wire::Parts(got_sign, _)) = (&expected[2], &got[2]) else { panic!("{name}") };
            assert_eq!((sign, expected[2].sorted()), (got_sign, got[2].sorted()), "{name}");
            assert_eq!(expected[3..6], got[3..6], "{name}");
        }
    }
    both(&["HELLO", "2"]);
    for words in [
        &["COMMAND", "INFO", "nope"][..],
        &["COMMAND", "INFO", "config|nope", "get|x"],
        &["COMMAND", "LIST", "x"],
        &["COMMAND", "LIST", "FILTERBY"],
        &["COMMAND", "LIST", "FILTERBY", "NOPE", "x"],
        &["COMMAND", "LIST", "FILTERBY", "MODULE", "x"],
        &["COMMAND", "LIST", "filterby", "pattern", "getd*"],
        &["COMMAND", "COUNT", "x"],
        &["COMMAND", "NOPE"],
    ] {
        let (expected, got) = both(words);
        assert_eq!(expected, got, "{words:?}");
    }
    for words in [&["save", "appendonly"][..], &["AppendOnly", "SAVE", "save"], &["s[a]ve", "SAVE", "databases"]] {
        let (expected, got) = both(&[&["CONFIG", "GET"], words].concat());
        assert_eq!(expected.pairs(), got.pairs(), "{words:?}");
    }
    // The help of ours is lines of theirs.
    for container in ["CLIENT", "COMMAND", "CONFIG", "SCRIPT"] {
        let (Wire::Parts(_, expected), Wire::Parts(_, got)) = both(&[container, "HELP"]) else { panic!("it is lines") };
        assert!(got.len() > 4 && got.iter().all(|line| expected.contains(line)), "{container}: {got:?}");
    }
    // Every field of ours is one of theirs.
    let (expected, got) = both(&["INFO", "everything"]);
    let fields = |info: &Wire| -> Vec<String> {
        let text = String::from_utf8(bulk(info).unwrap()).unwrap();
        text.lines().filter_map(|line| line.split_once(':')).map(|(field, _)| field.to_owned()).collect()
    };
    let expected = fields(&expected);
    assert_eq!(fields(&got).into_iter().filter(|field| !expected.contains(field)).collect::<Vec<_>>(), [""; 0]);
}

//! `splitbrain serve lock` over its socket: protocol errors, limits, bad bytes, and the end.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::generate::Numbers;
use crate::real::{Connection, Redis};
use crate::served::Served;
use crate::{shown, wire};

/// Bytes that are no request, or more than one.
const RAW: &[&[u8]] = &[
    b"PING\r\n",
    b"PING\nPING\n",
    b"\r\n\r\nPING\r\n",
    b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
    b"*0\r\n*-1\r\nPING\r\n",
    b"*1\r\n+PING\r\nPING\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$x\r\n",
    b"*abc\r\n",
    b"*2147483648\r\n",
    b"*-99999999999\r\nPING\r\n",
    b"*-0\r\n",
    b"PING\r\nPI\x00NG\r\nPING\r\n",
    b"\x00\r\nPING\r\n",
    b"PING\n\x00PING\nPING\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n\x00PING\r\n",
    b"*1\r\n\xffPING\r\n",
    b"PING \"a\r\n",
    b"PING \"a\"b\r\n",
    b"ECHO \"\\x41\\n\\\"\"\r\n",
    b"ECHO 'it\\'s'\r\n",
    b"set key value\r\nget key\r\ndel key\r\n",
    b"NOPE \x01 \xff\r\n",
    b"QUIT\r\nPING\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n",
];

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/redis/raw.txt");

/// What a server answers to each of the raw bytes, and whether it closes the connection.
fn answers(address: SocketAddr) -> String {
    let answer = |raw: &&[u8]| {
        let mut connection = Connection::new(address);
        connection.send(raw);
        let (answer, closed) = connection.rest(Duration::from_millis(300));
        let end = if closed { "closed" } else { "open" };
        format!("> {}\n< {}\n{end}\n", shown(raw), shown(&answer))
    };
    RAW.iter().map(answer).collect()
}

#[test]
fn raw_bytes_are_answered_as_redis_does() {
    let redis = Redis::start("raw");
    if std::env::var("SPLITBRAIN_REDIS_RECORD").is_ok() {
        std::fs::write(FILE, answers(redis.as_ref().expect("a recording needs redis-server").address)).unwrap();
    }
    let got = answers(Served::start(|_| {}).address);
    assert_eq!(got, std::fs::read_to_string(FILE).unwrap(), "what Redis answered when it was recorded");
    if let Some(redis) = &redis {
        assert_eq!(got, answers(redis.address), "what Redis answers now");
    }
}

/// What became of malformed requests.
#[derive(Debug, Default)]
struct Treated {
    /// It was answered, or it was no request at all, and the connection went on.
    answered: usize,
    /// The server answered with an error of the protocol and closed the connection.
    closed: usize,
    /// It had no end, and took what came behind it for its own until the client closed its side.
    endless: usize,
}

impl Treated {
    fn count(&self) -> usize {
        self.answered + self.closed + self.endless
    }
}

#[test]
fn a_hundred_thousand_malformed_requests_are_answered_or_closed() {
    const WANTED: usize = 100_000;
    const BATCH: usize = 100;
    let served = Served::start(|_| {});
    let mut numbers = Numbers::new(1);
    let mut treated = Treated::default();
    let mut left: Vec<Vec<u8>> = Vec::new();
    let mut connections = 0;
    while treated.count() < WANTED {
        left.resize_with(BATCH.min(WANTED - treated.count()), || malformed(&mut numbers));
        connections += 1;
        let count = one_connection(&served, &left, &mut treated);
        assert!(count > 0, "each connection gets at least one request through");
        left.drain(..count);
    }
    assert_eq!(treated.count(), WANTED, "{treated:?}");
    // The requests are of all three sorts, in plenty: otherwise this shows little.
    for (sort, count) in [("answered", treated.answered), ("closed", treated.closed), ("endless", treated.endless)] {
        assert!(count >= WANTED / 50, "{sort}: {treated:?}");
    }
    assert!(connections > WANTED / BATCH, "connections were made anew: {connections}");
    assert_eq!(served.connect().ask(&["PING"]), b"+PONG\r\n", "it still answers");
}

/// Sends requests on a connection of their own, each with a mark behind it, and returns how many of them the server
/// took. The rest stands behind one that ended the connection.
fn one_connection(served: &Served, requests: &[Vec<u8>], treated: &mut Treated) -> usize {
    let mut connection = served.connect();
    let mark = |at: usize| format!("mark-{at}-");
    let bytes = (0..).zip(requests).flat_map(|(at, request)| {
        let mark = wire::request(&[b"ECHO".to_vec(), mark(at).into_bytes()]);
        [request.clone(), mark].concat()
    });
    // The server may have closed the connection already.
    connection.send_what_goes(&bytes.collect::<Vec<u8>>());
    connection.send_no_more();
    let (answer, closed) = connection.rest(Duration::from_secs(20));
    assert!(closed, "the server neither answers nor closes: {}", shown(&answer));
    let answer = String::from_utf8_lossy(&answer);
    let last_mark = (0..requests.len()).rev().find(|at| answer.contains(&mark(*at)));
    let passed = last_mark.map_or(0, |at| at + 1);
    treated.answered += passed;
    if passed == requests.len() {
        return passed;
    }
    let refused = answer.trim_end().rsplit("\r\n").next().is_some_and(|line| line.starts_with("-ERR Protocol error"));
    if refused {
        treated.closed += 1
    } else {
        treated.endless += 1
    }
    passed + 1
}

/// A request with something wrong in it, or bytes without an order.
fn malformed(numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = match numbers.below(4) {
        0 => b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".to_vec(),
        1 => b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n".to_vec(),
        2 => b"EVAL \"return {KEYS[1],{1,2}}\" 1 k\r\n".to_vec(),
        _ => (0..numbers.below(40)).map(|_| numbers.next().to_le_bytes()[0]).collect(),
    };
    for _ in 0..1 + numbers.below(2) {
        if !bytes.is_empty() {
            let place = numbers.below(bytes.len());
            bytes[place] = numbers.next().to_le_bytes()[0];
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[test]
fn clients_beyond_the_limit_are_refused() {
    let served = Served::start(|options| options.connections_max = 2);
    let mut kept = [served.connect(), served.connect()];
    kept.iter_mut().for_each(|connection| assert_eq!(connection.ask(&["PING"]), b"+PONG\r\n"));
    let (answer, closed) = served.connect().rest(Duration::from_secs(5));
    assert_eq!((shown(&answer), closed), (r"-ERR max number of clients reached\r\n".to_owned(), true));
    kept[0].ask(&["QUIT"]);
    kept[0].rest(Duration::from_secs(5));
    assert_eq!(served.connect().ask(&["PING"]), b"+PONG\r\n", "there is room again");
}

#[test]
fn an_idle_client_and_one_that_sends_without_end_are_cut_off() {
    let served = Served::start(|options| {
        options.idle_max = Some(Duration::from_millis(200));
        options.request_bytes_max = 1000;
    });
    let mut idle = served.connect();
    assert_eq!(idle.ask(&["PING"]), b"+PONG\r\n");
    assert!(idle.rest(Duration::from_secs(10)).1, "closed");
    let mut endless = served.connect();
    endless.send_what_goes(&[b"*1\r\n$5000\r\n".as_slice(), &[b'x'; 2000]].concat());
    assert!(endless.rest(Duration::from_secs(10)).1, "closed");
}

#[test]
fn a_request_of_many_empty_arguments_is_cut_off() {
    let served = Served::start(|options| options.request_bytes_max = 100_000);
    let mut connection = served.connect();
    // A third of the limit in bytes, and more than it in memory.
    connection.send_what_goes(&[b"*2147483647\r\n".as_slice(), &b"$0\r\n\r\n".repeat(5000)].concat());
    assert!(connection.rest(Duration::from_secs(10)).1, "closed");
    let mut short = served.connect();
    short.send(&[b"*1001\r\n$5\r\nTOUCH\r\n".as_slice(), &b"$0\r\n\r\n".repeat(1000)].concat());
    assert_eq!(short.receive().0, b":0\r\n");
}

#[test]
fn a_transaction_and_watches_without_end_are_cut_off() {
    let served = Served::start(|options| options.request_bytes_max = 100_000);
    let value = "x".repeat(1000);
    let mut connection = served.connect();
    assert_eq!(connection.ask(&["MULTI"]), b"+OK\r\n");
    let set = wire::request(&["SET", "k", &value].map(|word| word.as_bytes().to_vec()));
    connection.send_what_goes(&set.repeat(200));
    let (answer, closed) = connection.rest(Duration::from_secs(10));
    let queued = answer.len() / b"+QUEUED\r\n".len();
    assert!(closed && queued < 100, "{queued} requests wait");
    // What was carried out or thrown away counts no more.
    let mut often = served.connect();
    for end in ["EXEC", "DISCARD"].repeat(5) {
        often.ask(&["MULTI"]);
        (0..50).for_each(|_| assert_eq!(often.ask(&["SET", "k", &value]), b"+QUEUED\r\n"));
        assert!(!often.ask(&[end]).starts_with(b"-"));
    }
    let mut watching = served.connect();
    let keys: Vec<Vec<u8>> =
        (0..2000).map(|key| wire::request(&[b"WATCH".to_vec(), format!("{key}").into()])).collect();
    watching.send_what_goes(&keys.concat());
    assert!(watching.rest(Duration::from_secs(10)).1, "closed");
}

#[test]
fn replies_that_are_read_count_no_more() {
    let served = Served::start(|options| options.reply_bytes_max = 3_000_000);
    let value = "x".repeat(1_000_000);
    let mut connection = served.connect();
    assert_eq!(connection.ask(&["SET", "k", &value]), b"+OK\r\n");
    // Together far more than the limit, and at no time more than two of them unread.
    connection.send(b"GET k\r\n");
    for _ in 0..30 {
        connection.send(b"GET k\r\n");
        assert_eq!(connection.receive().0.len(), value.len() + "$1000000\r\n\r\n".len());
    }
}

/// Goal: a client gets all replies, however many it asks for at once, and one that reads none is cut off.
#[test]
fn replies_beyond_the_limit_wait_for_a_client_that_reads_and_cut_off_one_that_does_not() {
    const ASKED: usize = 1000;
    for (stall_max, is_patient) in [(Duration::from_secs(60), true), (Duration::from_millis(300), false)] {
        let served = Served::start(|options| {
            options.reply_bytes_max = 3_000_000;
            options.stall_max = stall_max;
        });
        let value = "x".repeat(100_000);
        assert_eq!(served.connect().ask(&["SET", "k", &value]), b"+OK\r\n");
        let mut connection = served.connect();
        connection.send(&[b"GET k\r\n".repeat(ASKED), b"QUIT\r\n".to_vec()].concat());
        // It reads nothing for so long, while all replies together are more than thirty times the limit.
        std::thread::sleep(Duration::from_secs(1));
        let (answer, closed) = connection.rest(Duration::from_secs(20));
        let replies = answer.len() / (value.len() + "$100000\r\n\r\n".len());
        assert!(closed, "after QUIT, or before");
        assert_eq!(replies == ASKED, is_patient, "{replies} replies");
    }
}

/// Goal: a client that sends and reads without a pause does not keep another one waiting. Method: several do so with
/// large pipelines, and one asks in between.
#[test]
fn a_client_without_a_pause_keeps_no_other_waiting() {
    let served = Served::start(|_| {});
    let stop = Arc::new(AtomicBool::new(false));
    let busy = [(); 2].map(|()| {
        let (address, stop) = (served.address, stop.clone());
        std::thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut reader = stream.try_clone().unwrap();
            let read = std::thread::spawn(move || {
                let mut buffer = vec![0; 1 << 20];
                while reader.read(&mut buffer).is_ok_and(|length| length > 0) {}
            });
            let pipeline = b"PING\r\n".repeat(50_000);
            while !stop.load(Ordering::Relaxed) && stream.write_all(&pipeline).is_ok() {}
            drop(stream.shutdown(Shutdown::Both));
            read.join().unwrap();
        })
    });
    std::thread::sleep(Duration::from_millis(200));
    let mut connection = served.connect();
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(connection.ask(&["PING"]), b"+PONG\r\n");
    }
    let took = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    busy.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// Goal: one reply takes no more memory than the limit, whatever makes it, and the next request is answered.
#[test]
fn a_reply_beyond_the_limit_is_an_error() {
    let served = Served::start(|options| options.reply_bytes_max = 1_000_000);
    let mut connection = served.connect();
    let value = "x".repeat(100_000);
    for field in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        assert_eq!(connection.ask(&["HSET", "hash", field, &value]), b":1\r\n");
    }
    connection.ask(&["SET", "k", &value]);
    let twelve = ["k"; 12];
    let mget: Vec<&str> = ["MGET"].into_iter().chain(twelve).collect();
    let hmget: Vec<&str> = ["HMGET", "hash"].into_iter().chain(["a"; 12]).collect();
    let script = "local v = redis.call('get', KEYS[1]) local t = {} for i = 1, 12 do t[i] = v end return t";
    let info: Vec<&str> = ["COMMAND", "INFO"].into_iter().chain(["get"; 3000]).collect();
    let many = |made: &str| format!("local e = {made} local t = {{}} for i = 1, 12 do t[i] = e end return t");
    let text = "string.rep('1', 100000)";
    let made = ["{err = _}", "{ok = _}", "{big_number = _}", "{verbatim_string = {string = _, format = 'txt'}}"];
    let scripts = made.map(|made| many(&made.replace("= _", &format!("= {text}"))));
    let scripts = scripts.iter().map(|script| ["EVAL", script.as_str(), "0"]);
    let scripts: Vec<_> = scripts.chain([["EVAL", "error(string.rep('x', 2000000))", "0"]]).collect();
    let asked = [&mget[..], &hmget, &["HGETALL", "hash"], &["HVALS", "hash"], &["EVAL", script, "1", "k"], &info];
    for words in asked.into_iter().chain(scripts.iter().map(|script| &script[..])) {
        let answer = connection.ask(words);
        assert!(answer.starts_with(b"-ERR the reply takes more than the "), "{words:?}: {}", shown(&answer));
        assert_eq!(connection.ask(&["PING"]), b"+PONG\r\n");
    }
    assert_eq!(connection.ask(&mget[..9]).len(), 4 + 8 * (value.len() + "$100000\r\n\r\n".len()), "eight fit");
    // What a transaction has no room for is an error in its place; it is carried out all the same.
    connection.ask(&["MULTI"]);
    twelve.iter().for_each(|key| drop(connection.ask(&["GET", key])));
    connection.ask(&["SET", "after", "1"]);
    let answer = connection.ask(&["EXEC"]);
    assert!(answer.len() < 1_100_000 && answer.ends_with(b"+OK\r\n"), "{} bytes", answer.len());
    assert!(answer.windows(10).any(|bytes| bytes == b"-ERR the r"), "the last values have no room");
    assert_eq!(connection.ask(&["GET", "after"]), b"$1\r\n1\r\n");
}

/// Goal: a script that goes as deep as it can fits the stack of the thread that serves.
#[test]
fn a_script_that_goes_deep_is_an_error() {
    let served = Served::start(|_| {});
    let mut connection = served.connect();
    let many = |text: &str, count: usize| text.repeat(count);
    for script in [
        format!("local function f(n) if n == 0 then return 0 end return f(n - 1){} end return f(98)", many("+0", 150)),
        format!("return pcall({}pcall)", many("pcall,", 12_000)),
        format!("local function f(n) return pcall({}f, n - 1) end return f(98)", many("pcall,", 500)),
    ] {
        let answer = shown(&connection.ask(&["EVAL", &script, "0"]));
        assert!(answer.starts_with("-ERR the script nests calls and expressions deeper than "), "{answer}");
    }
    assert_eq!(connection.ask(&["PING"]), b"+PONG\r\n");
}

/// Goal: more keys than a round deletes at once are gone soon after they are over, without being asked for.
#[test]
fn many_keys_that_are_over_are_deleted_soon() {
    const KEYS: usize = 40_000;
    let served = Served::start(|_| {});
    let mut connection = served.connect();
    let set =
        |key: usize| wire::request(&["SET", &format!("{key}"), "v", "PX", "1"].map(|word| word.as_bytes().to_vec()));
    connection.send(&(0..KEYS).flat_map(set).collect::<Vec<u8>>());
    (0..KEYS).for_each(|_| assert_eq!(connection.receive().0, b"+OK\r\n"));
    // How many a cycle deletes is what the unit tests of `serve` ask; here it is that they go by themselves.
    while connection.ask(&["DBSIZE"]) != b":0\r\n" {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_server_that_stops_answers_no_wait_and_ends() {
    let served = Served::start(|_| {});
    let mut connection = served.connect();
    connection.send(b"PING\r\nWAIT 1 0\r\n");
    assert_eq!(connection.receive().0, b"+PONG\r\n");
    drop(served);
    assert!(connection.rest(Duration::from_secs(5)).1, "closed");
}

#[test]
fn what_was_sent_before_the_end_is_answered() {
    let served = Served::start(|_| {});
    for _ in 0..200 {
        let mut connection = served.connect();
        connection.send(b"PING\r\nPING\r\n");
        connection.send_no_more();
        let (answer, closed) = connection.rest(Duration::from_secs(10));
        assert_eq!((shown(&answer), closed), (r"+PONG\r\n+PONG\r\n".to_owned(), true));
    }
}

#[test]
fn a_wait_within_a_transaction_waits_for_nothing() {
    let served = Served::start(|_| {});
    let mut connection = served.connect();
    for timeout in ["100", "0"] {
        for words in [&["MULTI"][..], &["SET", "k", "1"], &["WAIT", "1", timeout], &["GET", "k"]] {
            connection.ask(words);
        }
        assert_eq!(shown(&connection.ask(&["EXEC"])), r"*3\r\n+OK\r\n:0\r\n$1\r\n1\r\n");
        assert_eq!(connection.ask(&["PING"]), b"+PONG\r\n");
    }
}

#[test]
fn a_wait_for_replicas_ends_with_its_time_and_keeps_the_order() {
    let served = Served::start(|_| {});
    let mut connection = served.connect();
    connection.send(b"WAIT 1 50\r\nPING\r\n");
    assert_eq!(connection.receive().0, b":0\r\n");
    assert_eq!(connection.receive().0, b"+PONG\r\n");
    assert_eq!(connection.ask(&["WAIT", "0", "0"]), b":0\r\n");
}

#[test]
fn two_clients_share_the_keys_and_large_values_arrive_whole() {
    let served = Served::start(|_| {});
    let (mut one, mut other) = (served.connect(), served.connect());
    let large = "x".repeat(3_000_000);
    assert_eq!(one.ask(&["SET", "k", &large]), b"+OK\r\n");
    assert_eq!(other.ask(&["STRLEN", "k"]), b":3000000\r\n");
    assert_eq!(other.ask(&["GET", "k"]).len(), large.len() + "$3000000\r\n\r\n".len());
}

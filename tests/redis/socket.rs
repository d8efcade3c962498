//! `splitbrain serve lock` over its socket: protocol errors, limits, bad bytes, and the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use splitbrain::serve::{LockServer, LockServerOptions};

use crate::generate::Numbers;
use crate::real::{Connection, Redis};
use crate::shown;

/// A server on a thread, stopped with this value.
struct Served {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Served {
    fn start(change: impl FnOnce(&mut LockServerOptions)) -> Self {
        let mut options = LockServerOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        change(&mut options);
        let server = LockServer::bind(options).unwrap();
        let address = server.address().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = Some(std::thread::spawn(move || server.run(&flag)));
        Self { address, stop, thread }
    }

    fn connect(&self) -> Connection {
        Connection::new(self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.expect("the server does not panic").expect("the server ends well");
        }
    }
}

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

#[test]
fn a_hundred_thousand_malformed_requests_are_answered_or_closed() {
    let served = Served::start(|_| {});
    let mut numbers = Numbers::new(1);
    let mut sent = 0;
    while sent < 100_000 {
        let mut connection = served.connect();
        let mut bytes = Vec::new();
        for _ in 0..500 {
            bytes.extend(malformed(&mut numbers));
            sent += 1;
        }
        // The server may have closed the connection already.
        connection.send_what_goes(&bytes);
        connection.rest(Duration::from_millis(1));
    }
    assert_eq!(served.connect().ask(&["PING"]), b"+PONG\r\n", "it still answers");
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

//! Deadlines that pass: the same requests to `serve lock` behind its socket and to Redis, before and after.

use std::time::{Duration, Instant};

use crate::compared::wall_clock;
use crate::generate::Numbers;
use crate::real::{Connection, Redis};
use crate::served::Served;
use crate::{shown, shown_request, wire};

/// How many keys get a deadline.
const KEYS: usize = 400;

/// The longest of the short lives in milliseconds. All requests before the wait are carried out meanwhile.
const LONGEST_MS: i64 = 3000;

/// What is left of a life is asked only of a key that is over.
const SCRIPT: &str = "if redis.call('exists', KEYS[1]) == 1 then return 1 end return {redis.call('pttl', KEYS[1])}";

/// A request.
type Words = Vec<String>;

fn words(text: &str) -> Words {
    text.split(' ').map(str::to_owned).collect()
}

/// What is done to a key before the wait. Only the last request may have a deadline that is over at once; what stands
/// behind another one has three seconds.
fn before(numbers: &mut Numbers, key: &str, now: i64) -> Vec<Words> {
    let mut requests = Vec::new();
    match numbers.below(4) {
        0 => requests.push(words(&format!("HSET {key} f 1 g 2"))),
        1 => requests.push(words(&format!("SET {key} 7 PX 100000000"))),
        2 => requests.push(words(&format!("SET {key} 7"))),
        _ => {}
    }
    let life = [1, 5, 40, 300, 999, LONGEST_MS, LONGEST_MS, 100_000_000][numbers.below(8)];
    let seconds = if life < 1000 { 1 } else { life / 1000 };
    let (moment, moment_seconds) = (now + life, now / 1000 + seconds + 1);
    requests.push(words(&match numbers.below(14) {
        0 => format!("SET {key} a NX PX {life}"),
        1 => format!("SET {key} a EX {seconds}"),
        2 => format!("SET {key} a GET PXAT {moment}"),
        3 => format!("SET {key} a XX EXAT {moment_seconds}"),
        4 => format!("PSETEX {key} {life} a"),
        5 => format!("SETEX {key} {seconds} a"),
        6 => format!("GETEX {key} PX {life}"),
        7 => format!("GETEX {key} EXAT {moment_seconds}"),
        8 => format!("PEXPIRE {key} {life} NX"),
        9 => format!("EXPIRE {key} {seconds} XX"),
        10 => format!("PEXPIREAT {key} {moment} LT"),
        11 => format!("EXPIREAT {key} {moment_seconds} GT"),
        12 => format!("HINCRBY {key} f 5"),
        _ => format!("PEXPIRE {key} {life}"),
    }));
    if life >= LONGEST_MS {
        requests.push(words(&match numbers.below(8) {
            0 => format!("PERSIST {key}"),
            1 => format!("SET {key} b KEEPTTL"),
            2 => format!("SET {key} b"),
            3 => format!("INCR {key}"),
            4 => format!("HSET {key} h 1"),
            5 => format!("APPEND {key} x"),
            6 => format!("SET {key} b NX PX 10"),
            _ => format!("EXISTS {key}"),
        }));
    }
    requests
}

/// What is asked of a key after the wait.
fn after(numbers: &mut Numbers, key: &str) -> Vec<Words> {
    let mut requests = Vec::new();
    for _ in 0..2 {
        let mut request = words(&match numbers.below(18) {
            0 => format!("GET {key}"),
            1 => format!("HGETALL {key}"),
            2 => format!("EXISTS {key}"),
            3 => format!("TYPE {key}"),
            4 => format!("SET {key} c NX"),
            5 => format!("SET {key} c XX GET"),
            6 => format!("SET {key} c KEEPTTL"),
            7 => format!("PERSIST {key}"),
            8 => format!("PEXPIRE {key} 100000000 XX"),
            9 => format!("HDEL {key} f"),
            10 => format!("DEL {key}"),
            11 => format!("INCR {key}"),
            12 => format!("GETDEL {key}"),
            13 => format!("STRLEN {key}"),
            14 => format!("HLEN {key}"),
            15 => format!("EXPIRETIME nope-{key}"),
            16 => format!("MGET {key} {key}"),
            _ => format!("EVAL script 1 {key}"),
        });
        if request[0] == "EVAL" {
            SCRIPT.clone_into(&mut request[1]);
        }
        requests.push(request);
    }
    // It is deleted by now, if it is over: it counts no more.
    requests.push(words(&format!("EXISTS {key}")));
    requests
}

/// Sends requests to both in pipelines, and compares the replies.
fn both(servers: &mut [Connection; 2], requests: &[Words]) -> usize {
    for pipeline in requests.chunks(50) {
        let arguments = |request: &Words| request.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        let bytes: Vec<u8> = pipeline.iter().flat_map(|request| wire::request(&arguments(request))).collect();
        servers.iter_mut().for_each(|server| server.send(&bytes));
        for request in pipeline {
            let [theirs, ours] = [0, 1].map(|server| servers[server].receive().0);
            assert_eq!(shown(&ours), shown(&theirs), "{}", shown_request(&arguments(request)));
        }
    }
    requests.len()
}

/// Goal: what is over is over for every command alike. Method: deadlines of every kind, then one wait for all of them,
/// then every kind of request.
#[test]
fn short_deadlines_expire_alike() {
    let Some(redis) = Redis::start("short") else { return };
    let served = Served::start(|_| {});
    let mut servers = [redis.connect(), served.connect()];
    let mut numbers = Numbers::new(12);
    let keys: Vec<String> = (0..KEYS).map(|key| format!("key-{key}")).collect();
    let begun = Instant::now();
    let now = wall_clock();
    let requests: Vec<Words> = keys.iter().flat_map(|key| before(&mut numbers, key, now)).collect();
    let mut compared = both(&mut servers, &requests);
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(2500), "the machine is too slow for deadlines of three seconds: {took:?}");
    std::thread::sleep(Duration::from_millis(4300).saturating_sub(took).max(Duration::from_millis(3100)));
    let requests: Vec<Words> = keys.iter().flat_map(|key| after(&mut numbers, key)).collect();
    compared += both(&mut servers, &requests);
    compared += both(&mut servers, &[words("DBSIZE"), words("KEYS nope-*")]);
    assert!(compared > 5 * KEYS, "{compared}");
    // A good part of the keys was over, and a good part was not.
    let reply = served.connect().ask(&["DBSIZE"]);
    let alive: usize = String::from_utf8_lossy(&reply[1..]).trim_end().parse().unwrap();
    assert!((KEYS / 10..KEYS * 9 / 10).contains(&alive), "{alive}");
}

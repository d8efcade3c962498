//! Requests with the replies that Redis 7.0.15 gave, so that the comparison runs without Redis.

use splitbrain_systems::lock::redis::Server;

use crate::generate::{Clock, Compared, Numbers, Request, requests};
use crate::real::Redis;
use crate::wire;
use crate::{shown, shown_request};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/redis/replies.txt");

/// Nothing in the recording depends on it.
const NOW: i64 = 1_700_000_000_000;

/// The requests of the recording: rounds of fresh connections.
fn rounds() -> Vec<Vec<Request>> {
    (1000..1030)
        .map(|seed| {
            let mut requests = requests(&mut Numbers::new(seed), Clock::AbsoluteOnly, 60);
            requests
                .retain(|request| matches!(request.compared, Compared::Exactly | Compared::ButId | Compared::ButIds));
            requests
        })
        .collect()
}

#[test]
fn replies_are_those_that_redis_gave() {
    if std::env::var("SPLITBRAIN_REDIS_RECORD").is_ok() {
        record();
    }
    let recorded = std::fs::read_to_string(FILE).unwrap();
    let mut got = String::new();
    for requests in rounds() {
        let mut server = Server::new();
        let ours = [server.connect("127.0.0.1:1", NOW), server.connect("127.0.0.1:2", NOW)];
        got.push_str("# new connections, no keys\n");
        for request in requests {
            let id = ours[request.connection];
            let reply = server.execute(id, &request.arguments, NOW).reply.encode(server.protocol(id));
            got.push_str(&lines(&request, &reply));
        }
    }
    for (number, (recorded, got)) in (1..).zip(recorded.lines().zip(got.lines())) {
        assert_eq!(got, recorded, "line {number} of {FILE}");
    }
    assert_eq!(recorded.lines().count(), got.lines().count());
}

fn lines(request: &Request, reply: &[u8]) -> String {
    let has_ids = matches!(request.compared, Compared::ButId | Compared::ButIds);
    let reply = if has_ids { without_ids(&shown(reply)) } else { shown(reply) };
    format!("{}> {}\n< {reply}\n", request.connection, shown_request(&request.arguments))
}

/// Greetings with a word in place of the number of the connection; all else as it is.
fn without_ids(text: &str) -> String {
    let Some((before, behind)) = text.split_once(r"$2\r\nid\r\n:") else { return text.to_owned() };
    let end = behind.find(r"\r\n").unwrap();
    format!(r"{before}$2\r\nid\r\n:<id>{}", without_ids(&behind[end..]))
}

/// Makes the recording again, from a real Redis.
fn record() {
    let redis = Redis::start("record").expect("a recording needs redis-server");
    let mut text = String::new();
    for requests in rounds() {
        let mut theirs = [redis.connect(), redis.connect()];
        theirs[0].ask(&["FLUSHALL"]);
        theirs[0].ask(&["SCRIPT", "FLUSH"]);
        text.push_str("# new connections, no keys\n");
        for request in requests {
            theirs[request.connection].send(&wire::request(&request.arguments));
            let (reply, _) = theirs[request.connection].receive();
            text.push_str(&lines(&request, &reply));
        }
    }
    std::fs::write(FILE, text).unwrap();
}

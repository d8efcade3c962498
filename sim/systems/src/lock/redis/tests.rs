//! The server as its clients see it.

use super::*;

const NOW: i64 = 1_700_000_000_000;

/// Words at their spaces.
fn words(text: &str) -> Vec<Vec<u8>> {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

fn effects(executed: &Executed) -> Vec<String> {
    let shown = |effect: &Effect| {
        let words: Vec<_> = effect.arguments.iter().map(|word| String::from_utf8_lossy(word)).collect();
        words.join(" ")
    };
    executed.effects.iter().map(shown).collect()
}

fn reply(server: &mut Server, text: &str, now: i64) -> String {
    String::from_utf8_lossy(&server.ask(&words(text), now).reply.encode(Protocol::Resp2)).replace("\r\n", " ")
}

#[test]
fn a_lock_is_taken_once_and_expires_after_its_deadline() {
    let mut server = Server::new();
    let taken = server.ask(&words("SET lock a NX PX 100"), NOW);
    assert_eq!(taken.reply, Reply::OK);
    assert_eq!(effects(&taken), ["SET lock a PXAT 1700000000100"]);
    assert_eq!(reply(&mut server, "SET lock b NX PX 100", NOW + 100), "$-1 ", "alive at the deadline itself");
    let after = server.ask(&words("SET lock b NX PX 100"), NOW + 101);
    assert_eq!(after.reply, Reply::OK);
    assert_eq!(effects(&after), ["DEL lock", "SET lock b PXAT 1700000000201"]);
}

#[test]
fn a_lock_is_released_by_its_holder_alone() {
    let script = b"if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";
    let release = |holder: &str| {
        vec![b"EVAL".to_vec(), script.to_vec(), b"1".to_vec(), b"lock".to_vec(), holder.as_bytes().to_vec()]
    };
    let mut server = Server::new();
    server.ask(&words("SET lock a NX PX 100"), NOW).reply.encode(Protocol::Resp2);
    assert_eq!(server.ask(&release("b"), NOW).reply, Reply::Integer(0));
    let released = server.ask(&release("a"), NOW);
    assert_eq!(released.reply, Reply::Integer(1));
    assert_eq!(effects(&released), ["del lock"]);
    assert_eq!(reply(&mut server, "EXISTS lock", NOW), ":0 ");
}

#[test]
fn a_replica_hides_what_is_expired_and_waits_for_the_deletion() {
    let (mut master, mut replica) = (Server::new(), Server::new());
    replica.set_role(Role::Replica);
    let taken = master.ask(&words("SET lock a NX PX 100"), NOW);
    replica.apply(&taken.effects, NOW).unwrap();
    assert_eq!(reply(&mut replica, "GET lock", NOW + 100), "$1 a ");
    assert_eq!(reply(&mut replica, "GET lock", NOW + 101), "$-1 ");
    assert_eq!(reply(&mut replica, "DBSIZE", NOW + 101), ":1 ");
    assert!(replica.expire(NOW + 101, 10).is_empty());
    let refused = reply(&mut replica, "DEL lock", NOW + 101);
    assert_eq!(refused, "-READONLY You can't write against a read only replica. ");
    let deleted = master.expire(NOW + 101, 10);
    assert_eq!(deleted.len(), 1);
    replica.apply(&deleted, NOW + 101).unwrap();
    assert_eq!(reply(&mut replica, "DBSIZE", NOW + 101), ":0 ");
}

#[test]
fn a_promoted_replica_grants_a_lock_that_is_expired() {
    let mut replica = Server::new();
    replica.set_role(Role::Replica);
    let effect = Effect { database: 0, arguments: words("SET lock a PXAT 1700000000100") };
    replica.apply(&[effect], NOW).unwrap();
    replica.set_role(Role::Master);
    assert_eq!(reply(&mut replica, "SET lock b NX", NOW + 100), "$-1 ");
    assert_eq!(reply(&mut replica, "SET lock b NX", NOW + 101), "+OK ");
}

#[test]
fn deadlines_may_travel_as_the_time_that_is_left() {
    let effect = Effect { database: 0, arguments: words("SET lock a PXAT 1700000000100") };
    assert_eq!(effect.relative(NOW + 40).arguments, words("SET lock a PX 60"));
    let effect = Effect { database: 0, arguments: words("PEXPIREAT lock 1700000000100") };
    assert_eq!(effect.relative(NOW + 400).arguments, words("PEXPIRE lock 1"));
}

#[test]
fn a_key_that_was_expired_when_it_was_watched_may_be_deleted_but_not_set() {
    let exec_after = |between: &str| {
        let mut server = Server::new();
        let connection = server.connect("client", NOW);
        let mut own = |text: &str, now| server.execute(connection, &words(text), now).reply;
        own("SET lock a PX 100", NOW);
        own("WATCH lock", NOW + 101);
        assert_eq!(own("DBSIZE", NOW + 101), Reply::Integer(1), "the watch deletes nothing");
        own(between, NOW + 102);
        own("MULTI", NOW + 102);
        own("EXEC", NOW + 102)
    };
    assert_eq!(exec_after("PING"), Reply::Array(Vec::new()));
    assert_eq!(exec_after("GET lock"), Reply::Array(Vec::new()), "deleted as expired");
    assert_eq!(exec_after("SET lock b"), Reply::NullArray);
}

#[test]
fn a_wait_within_a_transaction_waits_for_nothing() {
    let mut server = Server::new();
    let connection = server.connect("client", NOW);
    let mut own = |text: &str| server.execute(connection, &words(text), NOW);
    assert_eq!(own("WAIT 1 100").next, Next::AwaitReplicas { replicas: 1, timeout_ms: 100 });
    for text in ["MULTI", "SET k 1", "WAIT 1 0", "GET k"] {
        assert_eq!(own(text).next, Next::Continue);
    }
    let replies = vec![Reply::OK, Reply::Integer(0), Reply::text("1")];
    let executed = own("EXEC");
    assert_eq!((executed.reply, executed.next), (Reply::Array(replies), Next::Continue));
    assert_eq!(own("WAIT 1 0").next, Next::AwaitReplicas { replicas: 1, timeout_ms: 0 }, "the transaction is over");
}

#[test]
fn what_waits_and_what_is_watched_is_counted_until_it_is_gone() {
    let mut server = Server::new();
    let connection = server.connect("client", NOW);
    let mut held = |text: &str| {
        let _ = server.execute(connection, &words(text), NOW);
        server.held_bytes(connection)
    };
    assert_eq!(held("SET k 1"), 0);
    let watched = held("WATCH key");
    assert!(watched > "key".len());
    assert_eq!(held("MULTI"), watched);
    let queued = held("SET key value");
    assert!(queued > watched + "SETkeyvalue".len());
    assert!(held("GET key") > queued);
    assert_eq!(held("EXEC"), 0);
    for end in ["DISCARD", "RESET"] {
        held("WATCH key");
        held("MULTI");
        assert!(held("GET key") > 0);
        assert_eq!(held(end), 0, "{end}");
    }
    // A transaction that is lost keeps nothing more.
    held("MULTI");
    held("GET");
    assert_eq!(held("SET key value"), 0);
}

#[test]
fn a_connection_within_exec_says_so() {
    let mut server = Server::new();
    let connection = server.connect("client", NOW);
    let mut own = |text: &str| server.execute(connection, &words(text), NOW).reply;
    own("MULTI");
    own("CLIENT INFO");
    own("PING");
    let Reply::Array(replies) = own("EXEC") else { panic!("EXEC answers with the replies") };
    let Reply::Verbatim(line) = &replies[0] else { panic!("CLIENT INFO is text") };
    assert!(line.contains("flags=x ") && line.contains("multi=2 ") && line.contains("cmd=exec "), "{line}");
    let Reply::Verbatim(line) = own("CLIENT INFO") else { panic!("CLIENT INFO is text") };
    assert!(line.contains("flags=N ") && line.contains("multi=-1 ") && line.contains("cmd=client|info "), "{line}");
}

#[test]
fn seconds_are_rounded_to_the_nearest() {
    let mut server = Server::new();
    for (life, seconds) in [(400, 0), (500, 1), (1_499, 1), (1_500_499, 1_500), (1_500_500, 1_501)] {
        reply(&mut server, &format!("SET k v PX {life}"), NOW);
        assert_eq!(reply(&mut server, "TTL k", NOW), format!(":{seconds} "), "{life} ms");
        let deadline = (NOW + life + 500) / 1000;
        assert_eq!(reply(&mut server, "EXPIRETIME k", NOW), format!(":{deadline} "), "{life} ms");
    }
    reply(&mut server, &format!("PEXPIREAT k {}", i64::MAX), NOW);
    assert_eq!(reply(&mut server, "EXPIRETIME k", NOW), ":9223372036854776 ");
}

/// The replies of one connection, each in the protocol that it has by then.
fn replies(requests: &[&str]) -> Vec<String> {
    let mut server = Server::new();
    let connection = server.connect("127.0.0.1:1", NOW);
    let one = |request: &&str| {
        let reply = server.execute(connection, &words(request), NOW).reply;
        String::from_utf8_lossy(&reply.encode(server.protocol(connection))).replace("\r\n", " ")
    };
    requests.iter().map(one).collect()
}

#[test]
fn exec_with_a_word_too_many_ends_its_transaction() {
    let refused = "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command ";
    assert_eq!(
        replies(&["WATCH k", "MULTI", "SET k 1", "exec x", "GET k", "EXEC"])[3..],
        [refused, "$-1 ", "-ERR EXEC without MULTI "]
    );
    assert_eq!(replies(&["EXEC x", "PING"]), [refused, "+PONG "]);
}

#[test]
fn each_reply_of_a_transaction_is_in_the_protocol_of_its_moment() {
    let both = |version| replies(&["MULTI", "GET nope", version, "GET nope", "EXEC", "GET nope"]).split_off(4);
    let third = both("HELLO 3");
    assert!(third[0].starts_with("*3 $-1 %7 ") && third[0].ends_with(" _ "), "{third:?}");
    assert_eq!(third[1], "_ ");
    let second = both("HELLO 2");
    assert!(second[0].starts_with("*3 $-1 *14 ") && second[0].ends_with(" $-1 "), "{second:?}");
}

#[test]
fn a_name_stays_if_a_later_option_of_the_greeting_is_refused() {
    let refused = replies(&["HELLO 3 SETNAME x F\0OO", "CLIENT GETNAME", "GET nope"]);
    assert_eq!(refused, ["-ERR Syntax error in HELLO option 'F' ", "$1 x ", "$-1 "], "the protocol does not");
}

#[test]
fn an_option_is_shown_up_to_its_first_zero() {
    assert_eq!(replies(&["SET k v", "EXPIRE k 10 N\0X"])[1], "-ERR Unsupported option N ");
}

#[test]
fn a_reply_of_several_values_is_refused_if_it_takes_too_much() {
    let mut server = Server::new();
    server.set_reply_bytes_max(1_000);
    for request in ["SET k 0123456789", "HSET h f 0123456789"] {
        assert!(!server.ask(&words(request), NOW).reply.is_error());
    }
    for (name, parts) in [("MGET", "k"), ("HMGET h", "f")] {
        let asked = |count: usize| words(&format!("{name}{}", format!(" {parts}").repeat(count)));
        assert!(!server.ask(&asked(20), NOW).reply.is_error(), "{name}");
        assert!(server.ask(&asked(30), NOW).reply.is_error(), "{name}");
    }
    assert!(!server.ask(&words("COMMAND INFO get"), NOW).reply.is_error());
    assert!(server.ask(&words(&format!("COMMAND INFO{}", " get".repeat(10))), NOW).reply.is_error());
    (0..40).for_each(|key| drop(server.ask(&words(&format!("SET many{key} v")), NOW)));
    assert!(server.ask(&words("KEYS *"), NOW).reply.is_error());
    assert!(!server.ask(&words("KEYS many1*"), NOW).reply.is_error());
}

#[test]
fn the_name_of_a_part_is_no_command() {
    for (request, reply) in [
        ("config|get save", "-ERR unknown command 'config|get', with args beginning with: 'save'  "),
        ("CLIENT|ID", "-ERR unknown command 'CLIENT|ID', with args beginning with:  "),
        ("CLIENT a|b", "-ERR unknown subcommand 'a|b'. Try CLIENT HELP. "),
        ("CLIENT HELP x", "-ERR wrong number of arguments for 'client|help' command "),
    ] {
        assert_eq!(replies(&[request]), [reply]);
    }
    assert!(Server::may_write(&words("script|load x")), "what is no command may be anything");
}

#[test]
fn the_help_of_a_command_is_about_the_parts_that_it_has() {
    for container in ["CLIENT", "COMMAND", "CONFIG", "SCRIPT"] {
        let Reply::Array(lines) = Server::new().ask(&words(&format!("{container} HELP")), NOW).reply else {
            panic!("{container} HELP is lines")
        };
        let lines: Vec<&str> = lines
            .iter()
            .map(|line| if let Reply::Status(line) = line { &**line } else { panic!("{line:?}") })
            .collect();
        assert!(lines[0].starts_with(container), "{lines:?}");
        for line in lines[1..].iter().filter(|line| !line.starts_with([' ', '('])) {
            let name = format!("{container}|{}", line.split(' ').next().unwrap()).to_ascii_lowercase();
            assert!(table::by_name(name.as_bytes()).is_some(), "{name}");
        }
    }
}

#[test]
fn a_value_of_the_configuration_has_the_name_by_which_it_was_asked() {
    for (asked, reply) in [
        ("SAVE appendonly", "*4 $4 SAVE $0  $10 appendonly $2 no "),
        ("appendonly APPENDONLY append*", "*2 $10 appendonly $2 no "),
        ("s[a]ve SAVE Data*", "*4 $4 save $0  $9 databases $2 16 "),
        ("sa\\ve nope", "*0 "),
    ] {
        assert_eq!(replies(&[&format!("CONFIG GET {asked}")]), [reply], "{asked}");
    }
}

#[test]
fn connections_are_listed_by_type_and_number() {
    let lines = |asked: &str| {
        let mut server = Server::new();
        let ids = ["a:1", "b:2", "c:3"].map(|peer| server.connect(peer, NOW));
        let Reply::Verbatim(text) = server.execute(ids[1], &words(&format!("CLIENT LIST {asked}")), NOW).reply else {
            panic!("{asked}: the list is text")
        };
        text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(lines("TYPE normal"), "id=1 id=2 id=3");
    assert_eq!(lines("type PUBSUB"), "");
    assert_eq!(lines("ID 3 7 -1 1 3"), "id=3 id=1 id=3");
    assert_eq!(
        replies(&["CLIENT LIST TYPE x", "CLIENT LIST ID 1 x", "CLIENT LIST ID", "CLIENT LIST x y"]),
        ["-ERR Unknown client type 'x' ", "-ERR Invalid client ID ", "-ERR syntax error ", "-ERR syntax error "]
    );
}

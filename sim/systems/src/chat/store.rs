//! What is asked of the redis beside the locks, and how its answers are read.
//!
//! A write that must not be undone by a late one is a script: it compares the token of the user's lock, or the session,
//! and acts in the same step.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Duration;

use crate::lock::ids::Token;
use crate::lock::redis::Reply;

use super::ids::{COUNTS_KEY, LoginToken, SessionId, Uid, server_name, server_of_name};
use super::observation::Presence;

/// A command: its name and its arguments.
pub type Words = Vec<Vec<u8>>;

/// Keys: lock, server, session. Arguments: token.
const READ: &str = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return -1 end \
    return redis.call('mget', KEYS[2], KEYS[3])";

/// Keys: lock, server, session. Arguments: token, server, session, time to live in milliseconds or 0 for none.
const WRITE: &str = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return -1 end \
    if ARGV[4] == '0' then redis.call('set', KEYS[2], ARGV[2]) redis.call('set', KEYS[3], ARGV[3]) \
    else redis.call('set', KEYS[2], ARGV[2], 'PX', ARGV[4]) redis.call('set', KEYS[3], ARGV[3], 'PX', ARGV[4]) end \
    return 1";

/// Keys: lock, server. Arguments: token, server.
const WRITE_SERVER: &str = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return -1 end \
    redis.call('set', KEYS[2], ARGV[2]) return 1";

/// Keys: lock, session, server. Arguments: token, session, time to live in milliseconds.
const WRITE_SESSION: &str = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return -1 end \
    redis.call('set', KEYS[2], ARGV[2], 'PX', ARGV[3]) redis.call('pexpire', KEYS[3], ARGV[3]) return 1";

/// Keys: server, session. Arguments: server, session, time to live in milliseconds.
const SET_ANY: &str = "redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[3]) \
    redis.call('set', KEYS[2], ARGV[2], 'PX', ARGV[3]) return 1";

/// Keys: session, server. Arguments: session, time to live in milliseconds.
const RENEW: &str = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end \
    redis.call('pexpire', KEYS[1], ARGV[2]) redis.call('pexpire', KEYS[2], ARGV[2]) return 1";

/// Keys: lock, session, server. Arguments: token, session.
const REMOVE: &str = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return -1 end \
    if redis.call('get', KEYS[2]) ~= ARGV[2] then return 0 end \
    redis.call('del', KEYS[2], KEYS[3]) return 1";

/// The same without a look at the session.
const REMOVE_ANY: &str = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return -1 end \
    return redis.call('del', KEYS[2], KEYS[3]) > 0 and 1 or 0";

/// Keys: token. Arguments: a new token, time to live in milliseconds. The token that is there stays.
const GIVE_TOKEN: &str = "local token = redis.call('get', KEYS[1]) \
    if token then redis.call('pexpire', KEYS[1], ARGV[2]) return token end \
    redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2]) return ARGV[1]";

fn script(text: &str, keys: &[Vec<u8>], arguments: &[Vec<u8>]) -> Words {
    let mut words = vec![b"EVAL".to_vec(), text.as_bytes().to_vec(), keys.len().to_string().into_bytes()];
    words.extend(keys.iter().chain(arguments).cloned());
    words
}

fn plain(words: &[&[u8]]) -> Words {
    words.iter().map(|word| word.to_vec()).collect()
}

fn millis(span: Duration) -> Vec<u8> {
    span.as_millis().max(1).to_string().into_bytes()
}

/// The user's login token.
pub fn token(uid: Uid) -> Words {
    plain(&[b"GET", &uid.token_key()])
}

/// What is kept of the user's row in the database.
pub fn info(uid: Uid) -> Words {
    plain(&[b"GET", &uid.info_key()])
}

/// Keeps what the database has of the user.
pub fn keep_info(uid: Uid) -> Words {
    plain(&[b"SET", &uid.info_key(), b"{}"])
}

/// The presence of the user.
pub fn presence(uid: Uid) -> Words {
    plain(&[b"MGET", &uid.server_key(), &uid.session_key()])
}

/// The presence of the user, if the lock of the user is held under this token: then a session that is there is one of
/// an earlier login.
pub fn presence_under(uid: Uid, lock: Token) -> Words {
    script(READ, &[uid.lock().key(), uid.server_key(), uid.session_key()], &[lock.text()])
}

/// Both keys of the presence in one step, if the lock of the user is held under this token; without a time to live
/// they stay.
pub fn write_presence(uid: Uid, lock: Token, session: SessionId, life: Option<Duration>) -> Words {
    let keys = [uid.lock().key(), uid.server_key(), uid.session_key()];
    let life = life.map_or_else(|| b"0".to_vec(), millis);
    script(WRITE, &keys, &[lock.text(), server_name(session.server()), session.text(), life])
}

/// One key of the presence, if the lock of the user is held under this token: the server first, and with the session
/// the time to live of both.
pub fn write_half(uid: Uid, lock: Token, session: SessionId, life: Duration, half: Half) -> Words {
    let (lock_key, server, own) = (uid.lock().key(), uid.server_key(), uid.session_key());
    match half {
        Half::Server => script(WRITE_SERVER, &[lock_key, server], &[lock.text(), server_name(session.server())]),
        Half::Session => script(WRITE_SESSION, &[lock_key, own, server], &[lock.text(), session.text(), millis(life)]),
    }
}

/// Both keys of the presence in one step, whoever has the lock of the user.
pub fn set_presence(uid: Uid, session: SessionId, life: Duration) -> Words {
    let keys = [uid.server_key(), uid.session_key()];
    script(SET_ANY, &keys, &[server_name(session.server()), session.text(), millis(life)])
}

/// One of the two keys of the presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The chat server.
    Server,
    /// The session.
    Session,
}

/// The presence lives on if it is this session's.
pub fn renew_presence(uid: Uid, session: SessionId, life: Duration) -> Words {
    script(RENEW, &[uid.session_key(), uid.server_key()], &[session.text(), millis(life)])
}

/// Removes the presence if it is this session's, and the lock of the user is held under this token.
pub fn remove_presence(uid: Uid, lock: Token, session: SessionId) -> Words {
    script(REMOVE, &[uid.lock().key(), uid.session_key(), uid.server_key()], &[lock.text(), session.text()])
}

/// Removes the presence whose ever it is, if the lock of the user is held under this token.
pub fn remove_any_presence(uid: Uid, lock: Token) -> Words {
    script(REMOVE_ANY, &[uid.lock().key(), uid.session_key(), uid.server_key()], &[lock.text()])
}

/// Removes one key of the presence.
pub fn remove_half(uid: Uid, half: Half) -> Words {
    let key = if half == Half::Server { uid.server_key() } else { uid.session_key() };
    plain(&[b"DEL", &key])
}

/// The session of the user.
pub fn session(uid: Uid) -> Words {
    plain(&[b"GET", &uid.session_key()])
}

/// Gives the user a token: the one that is there, or else this one.
pub fn give_token(uid: Uid, fresh: LoginToken, life: Duration) -> Words {
    script(GIVE_TOKEN, &[uid.token_key()], &[fresh.text(), millis(life)])
}

/// Gives the user this token in any case.
pub fn set_token(uid: Uid, fresh: LoginToken, life: Duration) -> Words {
    plain(&[b"SET", &uid.token_key(), &fresh.text(), b"PX", &millis(life)])
}

/// How many users each chat server has.
pub fn counts() -> Words {
    plain(&[b"HGETALL", COUNTS_KEY])
}

/// How many users this chat server has.
pub fn count(server: NodeId) -> Words {
    plain(&[b"HGET", COUNTS_KEY, &server_name(server)])
}

/// This chat server has this many users.
pub fn set_count(server: NodeId, count: u64) -> Words {
    plain(&[b"HSET", COUNTS_KEY, &server_name(server), count.to_string().as_bytes()])
}

/// This chat server has one user more.
pub fn raise_count(server: NodeId) -> Words {
    plain(&[b"HINCRBY", COUNTS_KEY, &server_name(server), b"1"])
}

/// Bytes; `None` for anything else.
pub fn bytes(reply: &Reply) -> Option<&[u8]> {
    if let Reply::Bulk(bytes) = reply { Some(bytes) } else { None }
}

/// A number in bytes, 0 if there is none.
pub fn number(reply: &Reply) -> u64 {
    bytes(reply).and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok()).unwrap_or(0)
}

/// The answer to [`presence`] and [`presence_under`].
pub fn presence_of(reply: &Reply) -> Presence {
    let Reply::Array(both) = reply else { return Presence::default() };
    Presence {
        server: both.first().and_then(bytes).and_then(server_of_name),
        session: both.get(1).and_then(bytes).and_then(SessionId::of_text),
    }
}

/// The answer to [`counts`].
pub fn counts_of(reply: &Reply) -> Vec<(NodeId, u64)> {
    let Reply::Map(pairs) = reply else { return Vec::new() };
    pairs.iter().filter_map(|(name, count)| Some((server_of_name(bytes(name)?)?, number(count)))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::ids::CHAT;
    use super::*;
    use crate::lock::redis::Server;

    const UID: Uid = Uid(5);
    const LIFE: Duration = Duration::from_secs(6);

    fn session_of(server: u16) -> SessionId {
        SessionId::new(NodeId::new(CHAT, server), 0, 1)
    }

    /// A redis in which the lock of the user is held under token 1.
    fn redis() -> Server {
        let mut redis = Server::new();
        let _ = redis.ask(&plain(&[b"SET", &UID.lock().key(), &Token(1).text()]), 0);
        redis
    }

    fn ask(redis: &mut Server, words: &Words, now: i64) -> Reply {
        redis.ask(words, now).reply
    }

    #[test]
    fn the_presence_is_written_under_the_lock_alone_and_both_keys_go_at_once() {
        let mut redis = redis();
        let write = |lock| write_presence(UID, Token(lock), session_of(2), Some(LIFE));
        assert_eq!(ask(&mut redis, &write(2), 0), Reply::Integer(-1));
        assert_eq!(presence_of(&ask(&mut redis, &presence(UID), 0)), Presence::default());
        assert_eq!(ask(&mut redis, &write(1), 0), Reply::Integer(1));
        let there = Presence { server: Some(NodeId::new(CHAT, 2)), session: Some(session_of(2)) };
        assert_eq!(presence_of(&ask(&mut redis, &presence(UID), 6_000)), there);
        assert_eq!(presence_of(&ask(&mut redis, &presence_under(UID, Token(1)), 6_000)), there);
        assert_eq!(ask(&mut redis, &presence_under(UID, Token(2)), 6_000), Reply::Integer(-1));
        assert_eq!(presence_of(&ask(&mut redis, &presence(UID), 6_001)), Presence::default());
    }

    #[test]
    fn only_its_own_session_renews_and_removes_it() {
        let mut redis = redis();
        assert_eq!(ask(&mut redis, &write_presence(UID, Token(1), session_of(2), Some(LIFE)), 0), Reply::Integer(1));
        assert_eq!(ask(&mut redis, &renew_presence(UID, session_of(1), LIFE), 5_000), Reply::Integer(0));
        assert_eq!(ask(&mut redis, &renew_presence(UID, session_of(2), LIFE), 5_000), Reply::Integer(1));
        assert_eq!(ask(&mut redis, &remove_presence(UID, Token(1), session_of(1)), 9_000), Reply::Integer(0));
        assert_eq!(ask(&mut redis, &remove_presence(UID, Token(2), session_of(2)), 9_000), Reply::Integer(-1));
        assert_eq!(ask(&mut redis, &remove_presence(UID, Token(1), session_of(2)), 9_000), Reply::Integer(1));
        assert_eq!(presence_of(&ask(&mut redis, &presence(UID), 9_000)), Presence::default());
    }

    #[test]
    fn what_bugs_do_is_done_too() {
        let mut redis = redis();
        assert_eq!(ask(&mut redis, &write_presence(UID, Token(1), session_of(2), None), 0), Reply::Integer(1));
        assert!(presence_of(&ask(&mut redis, &presence(UID), 1_000_000)).session.is_some(), "it has no deadline");
        assert_eq!(ask(&mut redis, &remove_any_presence(UID, Token(1)), 0), Reply::Integer(1));
        assert_eq!(
            ask(&mut redis, &write_half(UID, Token(1), session_of(1), LIFE, Half::Server), 0),
            Reply::Integer(1)
        );
        let half = presence_of(&ask(&mut redis, &presence(UID), 1_000_000));
        assert_eq!((half.server, half.session), (Some(NodeId::new(CHAT, 1)), None), "it has no deadline");
        let second = write_half(UID, Token(1), session_of(1), LIFE, Half::Session);
        assert_eq!(ask(&mut redis, &second, 0), Reply::Integer(1));
        assert_eq!(presence_of(&ask(&mut redis, &presence(UID), 6_001)), Presence::default(), "both have one");
        assert_eq!(
            ask(&mut redis, &write_half(UID, Token(1), session_of(1), LIFE, Half::Server), 0),
            Reply::Integer(1)
        );
        assert_eq!(ask(&mut redis, &remove_half(UID, Half::Server), 0), Reply::Integer(1));
        assert_eq!(ask(&mut redis, &set_presence(UID, session_of(3), LIFE), 0), Reply::Integer(1));
        assert_eq!(bytes(&ask(&mut redis, &session(UID), 0)), Some(session_of(3).text().as_slice()));
    }

    #[test]
    fn a_token_that_is_there_is_given_again() {
        let mut redis = redis();
        let given = |redis: &mut Server, words: &Words| bytes(&ask(redis, words, 0)).and_then(LoginToken::of_text);
        assert_eq!(given(&mut redis, &give_token(UID, LoginToken(7), LIFE)), Some(LoginToken(7)));
        assert_eq!(given(&mut redis, &give_token(UID, LoginToken(8), LIFE)), Some(LoginToken(7)));
        assert_eq!(ask(&mut redis, &set_token(UID, LoginToken(9), LIFE), 0), Reply::OK);
        assert_eq!(given(&mut redis, &token(UID)), Some(LoginToken(9)));
    }

    #[test]
    fn counts_are_read_as_they_are_written() {
        let mut redis = redis();
        let [one, two] = [1, 2].map(|number| NodeId::new(CHAT, number));
        let _ = ask(&mut redis, &set_count(two, 4), 0);
        assert_eq!(ask(&mut redis, &raise_count(one), 0), Reply::Integer(1));
        assert_eq!(counts_of(&ask(&mut redis, &counts(), 0)), [(two, 4), (one, 1)]);
        assert_eq!(number(&ask(&mut redis, &count(two), 0)), 4);
        assert_eq!(number(&ask(&mut redis, &info(UID), 0)), 0);
        assert_eq!(ask(&mut redis, &keep_info(UID), 0), Reply::OK);
    }
}

//! A lock as a Rust program keeps it in Redis, by the `redis` crate, unchanged: against `splitbrain serve lock` or a
//! real `redis-server`. It checks every answer, and ends with 0 if all are right.
//!
//! ```sh
//! splitbrain serve lock --port 6380 &
//! cargo run -- redis://127.0.0.1:6380
//! ```

use std::thread;
use std::time::Duration;

use redis::{Commands, Connection, ExistenceCheck, RedisResult, Script, SetExpiry, SetOptions, Value};

/// Deletes the lock if it is still this holder's.
const RELEASE: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";

/// Gives the lock more time if it is still this holder's.
const EXTEND: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end";

/// All keys that it uses, which it deletes first.
const KEYS: [&str; 5] = ["lock", "fence", "logins", "account", "text"];

fn main() -> RedisResult<()> {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("usage: redis-client redis://HOST:PORT; it deletes the keys {KEYS:?} there");
        std::process::exit(2);
    };
    let client = redis::Client::open(address)?;
    let [mut first, mut second] = [client.get_connection()?, client.get_connection()?];
    let _: i64 = first.del(&KEYS)?;
    a_lock_has_one_holder(&mut first, &mut second)?;
    a_lock_that_is_left_expires(&mut first, &mut second)?;
    counters_and_hashes_count(&mut first)?;
    a_transaction_is_whole_or_not_at_all(&mut first, &mut second)?;
    errors_come_as_errors(&mut first)?;
    println!("redis-client: every answer is right");
    Ok(())
}

fn acquire(connection: &mut Connection, token: &str, milliseconds: u64) -> RedisResult<bool> {
    let options = SetOptions::default();
    let options = options.conditional_set(ExistenceCheck::NX).with_expiration(SetExpiry::PX(milliseconds));
    let answer: Option<String> = connection.set_options("lock", token, options)?;
    Ok(answer.as_deref() == Some("OK"))
}

fn a_lock_has_one_holder(first: &mut Connection, second: &mut Connection) -> RedisResult<()> {
    let (release, extend) = (Script::new(RELEASE), Script::new(EXTEND));
    assert!(acquire(first, "a", 10_000)?);
    assert!(!acquire(second, "b", 10_000)?);
    // The crate sends EVALSHA, and loads the script where that is refused.
    assert_eq!(extend.key("lock").arg("b").arg(20_000).invoke::<i64>(second)?, 0);
    assert_eq!(extend.key("lock").arg("a").arg(20_000).invoke::<i64>(first)?, 1);
    let left: i64 = first.pttl("lock")?;
    assert!((10_000..=20_000).contains(&left), "{left}");
    assert_eq!(release.key("lock").arg("b").invoke::<i64>(second)?, 0);
    assert_eq!(release.key("lock").arg("a").invoke::<i64>(first)?, 1);
    assert!(acquire(second, "b", 10_000)?);
    assert_eq!(release.key("lock").arg("b").invoke::<i64>(second)?, 1);
    Ok(())
}

fn a_lock_that_is_left_expires(first: &mut Connection, second: &mut Connection) -> RedisResult<()> {
    assert!(acquire(first, "a", 50)?);
    thread::sleep(Duration::from_millis(100));
    assert!(acquire(second, "b", 10_000)?);
    assert_eq!(first.get::<_, Option<String>>("lock")?.as_deref(), Some("b"));
    assert_eq!(second.del::<_, i64>("lock")?, 1);
    Ok(())
}

fn counters_and_hashes_count(connection: &mut Connection) -> RedisResult<()> {
    assert_eq!(connection.incr::<_, _, i64>("fence", 1)?, 1);
    assert_eq!(connection.incr::<_, _, i64>("fence", 5)?, 6);
    assert_eq!(connection.hset::<_, _, _, i64>("logins", "first", 3)?, 1);
    assert_eq!(connection.hincr::<_, _, _, i64>("logins", "first", 2)?, 5);
    let all: Vec<(String, i64)> = connection.hgetall("logins")?;
    assert_eq!(all, [("first".to_owned(), 5)]);
    let (absent, count): (Option<String>, i64) = redis::pipe().get("absent").incr("fence", 1).query(connection)?;
    assert_eq!((absent, count), (None, 7));
    Ok(())
}

fn a_transaction_is_whole_or_not_at_all(first: &mut Connection, second: &mut Connection) -> RedisResult<()> {
    let _: () = first.set("account", 1)?;
    let _: () = redis::cmd("WATCH").arg("account").query(first)?;
    let _: () = second.set("account", 2)?;
    let refused: Option<(String,)> = redis::pipe().atomic().cmd("SET").arg("account").arg(9).query(first)?;
    assert_eq!(refused, None);
    let _: () = redis::cmd("WATCH").arg("account").query(first)?;
    let mut transaction = redis::pipe();
    transaction.atomic().cmd("SET").arg("account").arg(3).incr("account", 1);
    let done: Option<(String, i64)> = transaction.query(first)?;
    assert_eq!(done, Some(("OK".to_owned(), 4)));
    Ok(())
}

fn errors_come_as_errors(connection: &mut Connection) -> RedisResult<()> {
    let _: () = connection.set("text", "a")?;
    let error = connection.incr::<_, _, i64>("text", 1).expect_err("it is no number");
    assert_eq!(error.detail(), Some("value is not an integer or out of range"), "{error:?}");
    let error = connection.hget::<_, _, Value>("text", "field").expect_err("it is no hash");
    assert_eq!(error.code(), Some("WRONGTYPE"), "{error:?}");
    let error = redis::cmd("NOSUCH").query::<Value>(connection).expect_err("there is no such command");
    assert!(error.to_string().contains("unknown command"), "{error}");
    assert_eq!(connection.get::<_, String>("text")?, "a", "the connection goes on");
    Ok(())
}

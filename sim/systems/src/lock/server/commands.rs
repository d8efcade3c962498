//! What clients ask for, as commands of Redis.
//!
//! The release is the script of many clients. The other scripts are carried out as the commands that they call, in one
//! step, as a server runs a script: nothing comes between.

use crate::lock::ids::{LockId, Token};
use crate::lock::message::{Answer, Command};
use crate::lock::redis::{Effect, Reply, Server};
use splitbrain_kernel::time::Duration;

/// `if get(key) == token then del(key) else 0`: compare and delete.
const RELEASE: &str = "if redis.call('get',KEYS[1]) == ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end";

/// Carries a command out: its answer, and what it changed.
pub(super) fn carry_out(keys: &mut Server, command: Command, now: i64) -> (Answer, Vec<Effect>) {
    let mut run = Run { keys, now, effects: Vec::new() };
    let answer = run.carry_out(command);
    (answer, run.effects)
}

/// A command, or a script of several.
struct Run<'a> {
    keys: &'a mut Server,
    now: i64,
    effects: Vec<Effect>,
}

impl Run<'_> {
    fn carry_out(&mut self, command: Command) -> Answer {
        match command {
            Command::Acquire { lock, token, time_to_live, fenced, returning } => {
                self.acquire(lock, token, time_to_live, fenced, returning)
            }
            Command::Expire { lock, time_to_live } => self.call(&[b"PEXPIRE", &lock.key(), &millis(time_to_live)]),
            Command::Extend { lock, token, time_to_live, rejoin } => self.extend(lock, token, time_to_live, rejoin),
            Command::Takeover { lock, token } => self.call(&[b"SET", &lock.key(), &token.text(), b"GET"]),
            Command::Overwrite { lock, token, time_to_live } => {
                self.call(&[b"SET", &lock.key(), &token.text(), b"PX", &millis(time_to_live)])
            }
            Command::Release { lock, token } => {
                self.call(&[b"EVAL", RELEASE.as_bytes(), b"1", &lock.key(), &token.text()])
            }
            Command::Delete { lock } => self.call(&[b"DEL", &lock.key()]),
            Command::Owner { lock } => self.call(&[b"GET", &lock.key()]),
            Command::Write { lock, token, value, guarded } => self.write(lock, token, value, guarded),
            Command::Wait { .. } => unreachable!("the host waits for replicas"),
        }
    }

    fn acquire(
        &mut self,
        lock: LockId,
        token: Token,
        time_to_live: Option<Duration>,
        fenced: bool,
        returning: bool,
    ) -> Answer {
        let (key, text, life) = (lock.key(), token.text(), time_to_live.map(millis));
        let mut words: Vec<&[u8]> = vec![b"SET", &key, &text, b"NX"];
        if returning {
            words.push(b"GET");
        }
        if let Some(life) = &life {
            words.extend([b"PX".as_slice(), life]);
        }
        match self.call(&words) {
            Answer::Ok if fenced => self.call(&[b"INCR", &lock.counter_key()]),
            answer => answer,
        }
    }

    fn is_owner(&mut self, lock: LockId, token: Token) -> Result<bool, Answer> {
        match self.call(&[b"GET", &lock.key()]) {
            Answer::Bulk(text) => Ok(text == token.text()),
            Answer::Nil => Ok(false),
            error => Err(error),
        }
    }

    /// The owner's lock lives on; one that is absent is set, if `rejoin` asks for it.
    fn extend(&mut self, lock: LockId, token: Token, time_to_live: Duration, rejoin: bool) -> Answer {
        let life = millis(time_to_live);
        match self.is_owner(lock, token) {
            Ok(true) => self.call(&[b"PEXPIRE", &lock.key(), &life]),
            Ok(false) if rejoin => match self.call(&[b"SET", &lock.key(), &token.text(), b"NX", b"PX", &life]) {
                Answer::Ok => Answer::Integer(1),
                Answer::Nil => Answer::Integer(0),
                error => error,
            },
            Ok(false) => Answer::Integer(0),
            Err(error) => error,
        }
    }

    fn write(&mut self, lock: LockId, token: Token, value: u64, guarded: bool) -> Answer {
        let value = value.to_string().into_bytes();
        let set = [b"SET".as_slice(), &lock.value_key(), &value];
        if !guarded {
            return self.call(&set);
        }
        match self.is_owner(lock, token) {
            Ok(true) => match self.call(&set) {
                Answer::Ok => Answer::Integer(1),
                error => error,
            },
            Ok(false) => Answer::Integer(-1),
            Err(error) => error,
        }
    }

    fn call(&mut self, words: &[&[u8]]) -> Answer {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
        let executed = self.keys.ask(&words, self.now);
        self.effects.extend(executed.effects);
        match executed.reply {
            Reply::Status(_) => Answer::Ok,
            Reply::Integer(number) => Answer::Integer(number),
            Reply::Bulk(bytes) => Answer::Bulk(bytes),
            Reply::Error(text) => Answer::Error(String::from_utf8_lossy(&text).into_owned()),
            _ => Answer::Nil,
        }
    }
}

/// A time to live in whole milliseconds, at least one.
fn millis(time_to_live: Duration) -> Vec<u8> {
    time_to_live.as_millis().max(1).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: LockId = LockId(1);
    const LIFE: Duration = Duration::from_secs(10);

    fn acquire(token: u64) -> Command {
        let time_to_live = Some(LIFE);
        Command::Acquire { lock: LOCK, token: Token(token), time_to_live, fenced: true, returning: false }
    }

    fn ask(keys: &mut Server, command: Command, now: i64) -> Answer {
        carry_out(keys, command, now).0
    }

    #[test]
    fn a_lock_has_one_owner_until_its_time_is_over_and_each_gets_a_greater_token() {
        let mut keys = Server::new();
        assert_eq!(ask(&mut keys, acquire(1), 0), Answer::Integer(1));
        assert_eq!(ask(&mut keys, acquire(2), 10_000), Answer::Nil, "alive at the deadline itself");
        assert_eq!(ask(&mut keys, acquire(2), 10_001), Answer::Integer(2));
    }

    #[test]
    fn only_the_owner_extends_releases_and_writes() {
        let mut keys = Server::new();
        assert_eq!(ask(&mut keys, acquire(1), 0), Answer::Integer(1));
        let extend = |token| Command::Extend { lock: LOCK, token: Token(token), time_to_live: LIFE, rejoin: false };
        let write = |token| Command::Write { lock: LOCK, token: Token(token), value: 7, guarded: true };
        let release = |token| Command::Release { lock: LOCK, token: Token(token) };
        assert_eq!(ask(&mut keys, extend(2), 5_000), Answer::Integer(0));
        assert_eq!(ask(&mut keys, extend(1), 5_000), Answer::Integer(1));
        assert_eq!(ask(&mut keys, write(2), 14_000), Answer::Integer(-1));
        assert_eq!(ask(&mut keys, write(1), 14_000), Answer::Integer(1));
        assert_eq!(ask(&mut keys, release(2), 14_000), Answer::Integer(0));
        assert_eq!(ask(&mut keys, release(1), 14_000), Answer::Integer(1));
    }

    #[test]
    fn a_lock_that_is_absent_is_set_again_only_if_that_is_asked_for() {
        let mut keys = Server::new();
        let extend = |rejoin| Command::Extend { lock: LOCK, token: Token(1), time_to_live: LIFE, rejoin };
        assert_eq!(ask(&mut keys, extend(false), 0), Answer::Integer(0));
        assert_eq!(ask(&mut keys, extend(true), 0), Answer::Integer(1));
        assert_eq!(ask(&mut keys, acquire(2), 0), Answer::Nil);
    }

    #[test]
    fn set_nx_get_answers_nil_for_success() {
        let mut keys = Server::new();
        let time_to_live = Some(LIFE);
        let command = Command::Acquire { lock: LOCK, token: Token(1), time_to_live, fenced: false, returning: true };
        assert_eq!(ask(&mut keys, command, 0), Answer::Nil);
        assert_eq!(ask(&mut keys, Command::Owner { lock: LOCK }, 0), Answer::Bulk(Token(1).text()));
    }

    #[test]
    fn effects_have_absolute_deadlines_and_a_refusal_has_none() {
        let mut keys = Server::new();
        let (_, effects) = carry_out(&mut keys, acquire(1), 100);
        let words: Vec<String> = effects
            .iter()
            .map(|effect| {
                effect.arguments.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(words.len(), 2, "{words:?}");
        assert!(words[0].ends_with("PXAT 10100"), "{words:?}");
        assert!(carry_out(&mut keys, acquire(2), 200).1.is_empty());
    }
}

//! The state machine: values, sessions, and log time. A pure value, the same on every server that has applied as much.

use std::collections::BTreeMap;

use splitbrain_kernel::serde::{Deserialize, Serialize};
use splitbrain_kernel::time::Duration;

use crate::raft::ids::Index;

use super::{Answer, Call, Operation, SessionId, Value};

/// The store.
///
/// - What it does depends on the commands and their places alone.
/// - No key has an empty value.
/// - It has at most as many sessions as [`Limits::sessions_max`] allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Store {
    values: BTreeMap<u64, Value>,
    sessions: BTreeMap<SessionId, Session>,
    /// The latest time that a command has brought.
    time: Duration,
}

/// What is kept of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Session {
    /// The number of the last operation; 0 before the first.
    pub sequence: u64,
    /// What it was answered.
    pub answer: Answer,
    /// The log time at which it was last used.
    pub used: Duration,
}

/// What bounds the sessions. The same on all servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A session that is not used for longer than this expires.
    pub timeout: Duration,
    /// The most sessions. One more takes the place of the one that has been silent for longest.
    pub sessions_max: u64,
}

/// Whether a command did something at its place of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Outcome {
    /// It was executed.
    Executed,
    /// It had been executed before, and was answered as then.
    Repeated,
    /// It was refused: its session has expired, or has gone on.
    Refused,
}

/// A piece of a store, as a snapshot carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Piece {
    /// The latest log time.
    Time(Duration),
    /// A value.
    Value {
        /// Its key.
        key: u64,
        /// Its words.
        words: Value,
    },
    /// What is kept of a client.
    Session(SessionId, Session),
}

impl Store {
    /// All of it; nothing of a store to which nothing was done.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        let time = (self.time > Duration::ZERO).then_some(Piece::Time(self.time));
        let values = self.values.iter().map(|(key, words)| Piece::Value { key: *key, words: words.clone() });
        let sessions = self.sessions.iter().map(|(id, session)| Piece::Session(*id, session.clone()));
        time.into_iter().chain(values).chain(sessions)
    }

    /// The store of these pieces.
    pub fn of<'a>(pieces: impl Iterator<Item = &'a Piece>) -> Self {
        let mut store = Self::default();
        for piece in pieces {
            match piece {
                Piece::Time(time) => store.time = *time,
                Piece::Value { key, words } => {
                    store.values.insert(*key, words.clone());
                }
                Piece::Session(id, session) => {
                    store.sessions.insert(*id, session.clone());
                }
            }
        }
        store
    }

    /// Executes what was asked for at this place, at this log time.
    pub fn execute(&mut self, index: Index, time: Duration, call: &Call, limits: Limits) -> (Outcome, Answer) {
        self.time = self.time.max(time);
        self.expire(limits.timeout);
        match call {
            Call::Open => (Outcome::Executed, Answer::Opened(self.open(index, limits))),
            Call::Read { key } => (Outcome::Executed, Answer::Value(self.get(*key))),
            Call::Run { session, sequence, operation } => self.run(*session, *sequence, operation),
        }
    }

    /// The value of a key, empty if it is absent.
    pub fn get(&self, key: u64) -> Value {
        self.values.get(&key).cloned().unwrap_or_default()
    }

    /// The latest log time.
    pub const fn time(&self) -> Duration {
        self.time
    }

    /// The sessions that are open.
    pub const fn sessions(&self) -> &BTreeMap<SessionId, Session> {
        &self.sessions
    }

    fn expire(&mut self, timeout: Duration) {
        let time = self.time;
        self.sessions.retain(|_, session| time.saturating_sub(session.used) <= timeout);
    }

    fn open(&mut self, index: Index, limits: Limits) -> SessionId {
        while self.sessions.len() as u64 >= limits.sessions_max {
            let silent = self.sessions.iter().min_by_key(|(id, session)| (session.used, **id));
            let (silent, _) = silent.expect("there is room for a session at least");
            self.sessions.remove(&silent.clone());
        }
        let id = SessionId(index.0);
        self.sessions.insert(id, Session { sequence: 0, answer: Answer::Done, used: self.time });
        id
    }

    fn run(&mut self, id: SessionId, sequence: u64, operation: &Operation) -> (Outcome, Answer) {
        let Some(session) = self.sessions.get_mut(&id) else { return (Outcome::Refused, Answer::Expired) };
        session.used = self.time;
        if sequence == session.sequence {
            return (Outcome::Repeated, session.answer.clone());
        }
        if sequence < session.sequence {
            return (Outcome::Refused, Answer::Superseded);
        }
        let answer = self.carry_out(operation);
        let session = self.sessions.get_mut(&id).expect("it was there");
        session.sequence = sequence;
        session.answer = answer.clone();
        (Outcome::Executed, answer)
    }

    /// Carries out an operation, without asking for the session or the number.
    pub(super) fn carry_out(&mut self, operation: &Operation) -> Answer {
        match operation {
            Operation::Get { key } => return Answer::Value(self.get(*key)),
            Operation::Put { key, value } => {
                self.values.insert(*key, vec![*value]);
            }
            Operation::Append { key, value } => self.values.entry(*key).or_default().push(*value),
            Operation::CompareAndSet { key, expected, value } => {
                let found = self.get(*key);
                if found != *expected {
                    return Answer::Mismatch(found);
                }
                self.values.insert(*key, vec![*value]);
            }
            Operation::Delete { key } => {
                self.values.remove(key);
            }
        }
        Answer::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { timeout: Duration::from_secs(10), sessions_max: 2 };

    /// A store, the place of the next command, and the log time.
    #[derive(Default)]
    struct Log {
        store: Store,
        index: u64,
        seconds: u64,
    }

    impl Log {
        fn at(&mut self, seconds: u64) -> &mut Self {
            self.seconds = seconds;
            self
        }

        fn execute(&mut self, call: Call) -> (Outcome, Answer) {
            self.index += 1;
            self.store.execute(Index(self.index), Duration::from_secs(self.seconds), &call, LIMITS)
        }

        fn open(&mut self) -> SessionId {
            match self.execute(Call::Open) {
                (Outcome::Executed, Answer::Opened(session)) => session,
                other => panic!("no session: {other:?}"),
            }
        }

        fn run(&mut self, session: SessionId, sequence: u64, operation: Operation) -> (Outcome, Answer) {
            self.execute(Call::Run { session, sequence, operation })
        }

        fn read(&mut self, key: u64) -> Value {
            match self.execute(Call::Read { key }) {
                (Outcome::Executed, Answer::Value(value)) => value,
                other => panic!("no value: {other:?}"),
            }
        }
    }

    #[test]
    fn operations_do_what_they_say() {
        let mut log = Log::default();
        let session = log.open();
        let set = |expected: &[u64], value| Operation::CompareAndSet { key: 1, expected: expected.into(), value };
        let mut sequence = 0;
        let mut run = |operation| {
            sequence += 1;
            log.run(session, sequence, operation).1
        };
        assert_eq!(run(Operation::Get { key: 1 }), Answer::Value(vec![]));
        assert_eq!(run(set(&[7], 8)), Answer::Mismatch(vec![]));
        assert_eq!(run(set(&[], 8)), Answer::Done);
        assert_eq!(run(Operation::Append { key: 1, value: 9 }), Answer::Done);
        assert_eq!(run(set(&[8], 1)), Answer::Mismatch(vec![8, 9]));
        assert_eq!(run(Operation::Get { key: 1 }), Answer::Value(vec![8, 9]));
        assert_eq!(run(Operation::Put { key: 1, value: 5 }), Answer::Done);
        assert_eq!(run(Operation::Get { key: 1 }), Answer::Value(vec![5]));
        assert_eq!(run(Operation::Delete { key: 1 }), Answer::Done);
        assert_eq!(run(Operation::Get { key: 1 }), Answer::Value(vec![]));
    }

    #[test]
    fn the_pieces_are_the_whole_store() {
        assert_eq!(Store::default().pieces().count(), 0);
        let mut log = Log::default();
        let (first, second) = (log.open(), log.at(3).open());
        log.run(first, 1, Operation::Put { key: 1, value: 5 });
        log.run(second, 1, Operation::Append { key: 2, value: 6 });
        log.at(7).run(second, 2, Operation::Append { key: 2, value: 7 });
        let pieces: Vec<Piece> = log.store.pieces().collect();
        assert_eq!(pieces.len(), 5, "the time, two values and two sessions");
        assert_eq!(Store::of(pieces.iter()), log.store);
        assert_ne!(Store::of(pieces[1..].iter()), log.store);
    }

    #[test]
    fn a_copy_is_answered_as_before_and_executed_once() {
        let mut log = Log::default();
        let session = log.open();
        let append = Operation::Append { key: 1, value: 7 };
        assert_eq!(log.run(session, 1, append.clone()), (Outcome::Executed, Answer::Done));
        assert_eq!(log.run(session, 1, append.clone()), (Outcome::Repeated, Answer::Done));
        let set = Operation::CompareAndSet { key: 1, expected: vec![1], value: 2 };
        assert_eq!(log.run(session, 2, set.clone()), (Outcome::Executed, Answer::Mismatch(vec![7])));
        // What is there has changed since, the answer has not.
        let other = log.open();
        log.run(other, 1, Operation::Put { key: 1, value: 1 });
        assert_eq!(log.run(session, 2, set), (Outcome::Repeated, Answer::Mismatch(vec![7])));
        assert_eq!(log.run(session, 1, append), (Outcome::Refused, Answer::Superseded));
        assert_eq!(log.read(1), [1]);
    }

    #[test]
    fn numbers_may_be_left_out() {
        let mut log = Log::default();
        let session = log.open();
        assert_eq!(log.run(session, 4, Operation::Put { key: 1, value: 7 }).0, Outcome::Executed);
        assert_eq!(log.run(session, 3, Operation::Put { key: 1, value: 6 }).0, Outcome::Refused);
        assert_eq!(log.read(1), [7]);
    }

    #[test]
    fn a_session_expires_by_log_time_alone() {
        let mut log = Log::default();
        let session = log.open();
        let put = |value| Operation::Put { key: 1, value };
        assert_eq!(log.at(10).run(session, 1, put(1)).0, Outcome::Executed);
        // Ten more seconds since it was used.
        assert_eq!(log.at(20).run(session, 2, put(2)).0, Outcome::Executed);
        assert_eq!(log.at(31).run(session, 3, put(3)), (Outcome::Refused, Answer::Expired));
        assert_eq!(log.read(1), [2]);
        // A leader whose clock is behind takes nothing back.
        let again = log.open();
        assert_eq!(log.at(5).run(again, 1, put(4)).0, Outcome::Executed);
        assert_eq!(log.store.time(), Duration::from_secs(31));
    }

    #[test]
    fn sessions_are_bounded_and_the_most_silent_goes() {
        let mut log = Log::default();
        let (first, second) = (log.open(), log.at(1).open());
        assert_eq!(log.at(2).run(first, 1, Operation::Delete { key: 1 }).0, Outcome::Executed);
        let third = log.at(3).open();
        assert_eq!(log.store.sessions().keys().copied().collect::<Vec<_>>(), [first, third]);
        assert_eq!(log.run(second, 1, Operation::Delete { key: 1 }), (Outcome::Refused, Answer::Expired));
    }

    #[test]
    fn an_unknown_session_is_refused() {
        let mut log = Log::default();
        let nobody = SessionId(99);
        assert_eq!(log.run(nobody, 1, Operation::Put { key: 1, value: 7 }), (Outcome::Refused, Answer::Expired));
        assert_eq!(log.read(1), Value::new());
    }
}

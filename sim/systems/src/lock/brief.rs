//! The lock system for people: commands as one types them, replies as `redis-cli` shows them, tokens by their first
//! digits.
//!
//! ```text
//! redis1 ← c1 acquire #3 SET lock:1 6fdd NX PX 3000
//!   redis1 lock granted lock 1, token 6fdd, to c1 for #3
//!   redis1 → c1 answer #3 OK
//! redis1 ← c1 release #4 if lock:1 = 6fdd then DEL lock:1
//! ```
//!
//! `#3` is the third request of a client, `#1.3` the third one of its second process. A script is shown by the commands
//! that it calls and not by its text: `EVAL (GET SET) lock:1 value:1, 6fdd 7`.

use std::fmt::{self, Formatter};

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::id::{Kind, NodeId};
use splitbrain_kernel::time::Duration;

use super::message::{
    Answer, Command, Operation, Order, Outcome, ProcessNumber, Put, RequestId, Response, Wire, parts_of,
};
use super::node::{LockNode, Record};
use super::observation::{Hold, LockObservation};
use super::redis::{Effect, Reply};
use super::server::file;
use super::system::KINDS;

/// The most commands of a replication stream, a snapshot or a record that are shown.
const COMMANDS_MAX: usize = 4;
/// The most characters of a word that are shown.
const WORD_MAX: usize = 40;

/// How the words of a system are shown that keeps its data in a redis.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    /// Its kinds of process.
    pub(crate) kinds: &'static [Kind],
    /// A word of a command or of a reply that is not shown as it is.
    pub(crate) text: fn(&str) -> Option<String>,
}

/// That of the lock system itself.
const STYLE: Style = Style { kinds: KINDS, text: token_text };

impl Style {
    /// A node as people call it: `redis1`.
    pub(crate) fn name(self, node: NodeId) -> String {
        let kind = self.kinds.iter().find(|kind| node.is(kind.id));
        kind.map_or_else(|| node.to_string(), |kind| kind.name_of(node.number()).to_string())
    }

    /// A word of a command or of a reply.
    fn word(self, bytes: &[u8]) -> String {
        let word = String::from_utf8_lossy(bytes);
        if let Some(text) = (self.text)(&word) {
            return text;
        }
        let mut short: String = word.chars().take(WORD_MAX).flat_map(char::escape_default).collect();
        if word.chars().nth(WORD_MAX).is_some() {
            short.push('…');
        }
        short
    }
}

/// See [`splitbrain_kernel::node::Node::brief`].
pub(super) fn brief(datum: Datum<'_, LockNode>, f: &mut Formatter<'_>) -> fmt::Result {
    brief_with(STYLE, datum, f)
}

/// The same for a system around this one, whose keys hold words of its own.
pub(crate) fn brief_with(style: Style, datum: Datum<'_, LockNode>, f: &mut Formatter<'_>) -> fmt::Result {
    match datum {
        Datum::Message(message) => of_message(style, message, f),
        Datum::Observation(observation) => of_observation(style, observation, f),
        Datum::Record(record) => of_record(style, record, f),
        Datum::Operation(Operation::Acquire { lock }) => write!(f, "acquire {lock}"),
        Datum::Operation(Operation::Write { lock, value }) => write!(f, "write {value} under {lock}"),
        Datum::Operation(Operation::Release { lock }) => write!(f, "release {lock}"),
        Datum::Response(Response::Acquired { fence }) => write!(f, "acquired{}", Fence(*fence)),
        Datum::Order(Order::ReplicaOf(Some(master))) => write!(f, "replica of {}", style.name(*master)),
        Datum::Order(Order::ReplicaOf(None)) => f.write_str("replica of no one"),
        Datum::File(file::CONFIGURATION) => f.write_str("its configuration"),
        // The append-only file of a redis, the vote of a sentinel, the tokens of a resource.
        Datum::File(_) => f.write_str("its file"),
        other => other.derived(f),
    }
}

/// Without the name of the kind.
fn of_message(style: Style, message: &Wire, f: &mut Formatter<'_>) -> fmt::Result {
    match message {
        Wire::Ask { process, request, command } => {
            write!(f, "{} ", Number(*request))?;
            of_command(style, *command, f)?;
            of_process(*process, f)
        }
        Wire::Answer { request, answer } => {
            write!(f, "{} ", Number(*request))?;
            of_answer(style, answer, f)
        }
        Wire::Call { process, request, words } => {
            write!(f, "{} {}", Number(*request), CommandText(style, words))?;
            of_process(*process, f)
        }
        Wire::Called { request, reply } => write!(f, "{} {}", Number(*request), ReplyText(style, reply)),
        Wire::Acknowledge { stream: 0, .. } => f.write_str("has no stream"),
        Wire::Acknowledge { stream, offset } => write!(f, "has {offset} of stream {}", StreamText(*stream)),
        Wire::Snapshot { stream, offset, effects } => {
            write!(f, "stream {} from {offset}{}", StreamText(*stream), Effects(style, effects))
        }
        Wire::Effects { stream, offset, effects } => {
            write!(f, "stream {} after {offset}{}", StreamText(*stream), Effects(style, effects))
        }
        Wire::Pong { master, epoch, offset } => {
            of_role(style, *master, *epoch, f)?;
            write!(f, ", has {offset}")
        }
        Wire::Promote { epoch } => write!(f, "epoch {epoch}"),
        Wire::Follow { master, epoch } | Wire::Found { master, epoch } => {
            write!(f, "{}, epoch {epoch}", style.name(*master))
        }
        Wire::Hello { master, epoch, current } => {
            write!(f, "master {}, epoch {epoch}, current epoch {current}", style.name(*master))
        }
        Wire::Poll { master, campaign: None } => write!(f, "is {} down?", style.name(*master)),
        Wire::Poll { master, campaign: Some(epoch) } => {
            write!(f, "is {} down? vote for me in epoch {epoch}?", style.name(*master))
        }
        Wire::Polled { master, is_down, vote } => {
            write!(f, "{} is {}", style.name(*master), if *is_down { "down" } else { "up" })?;
            of_vote(style, *vote, f)
        }
        Wire::Ping | Wire::Find => Ok(()),
        Wire::Claim { request, lock, token } => write!(f, "{} {lock}, token {token}", Number(*request)),
        Wire::Put { request, put: Put { lock, token, fence, value } } => {
            write!(f, "{} {value} under {lock}, token {token}{}", Number(*request), Fence(*fence))
        }
        Wire::Done { request, outcome } => {
            write!(f, "{} ", Number(*request))?;
            match outcome {
                Outcome::Ticket(ticket) => write!(f, "ticket {ticket}"),
                Outcome::Written => f.write_str("written"),
                Outcome::Fenced => f.write_str("refused, the fencing token is too old"),
            }
        }
        Wire::Reset { request, process } => write!(f, "{}, process {process} runs now", Number(*request)),
    }
}

/// As one types it at a redis. What is one step of a script stands behind its condition.
fn of_command(style: Style, command: Command, f: &mut Formatter<'_>) -> fmt::Result {
    let key = command.lock().map(|lock| style.word(&lock.key())).unwrap_or_default();
    match command {
        Command::Acquire { lock, token, time_to_live, fenced, returning } => {
            write!(f, "SET {key} {token} NX")?;
            f.write_str(if returning { " GET" } else { "" })?;
            time_to_live.map_or(Ok(()), |life| write!(f, " PX {}", Millis(life)))?;
            if fenced { write!(f, ", then INCR {}", style.word(&lock.counter_key())) } else { Ok(()) }
        }
        Command::Expire { time_to_live, .. } => write!(f, "PEXPIRE {key} {}", Millis(time_to_live)),
        Command::Extend { token, time_to_live, rejoin, .. } => {
            let life = Millis(time_to_live);
            write!(f, "if {key} = {token} then PEXPIRE {key} {life}")?;
            if rejoin { write!(f, " else SET {key} {token} NX PX {life}") } else { Ok(()) }
        }
        Command::Takeover { token, .. } => write!(f, "SET {key} {token} GET"),
        Command::Overwrite { token, time_to_live, .. } => write!(f, "SET {key} {token} PX {}", Millis(time_to_live)),
        Command::Release { token, .. } => write!(f, "if {key} = {token} then DEL {key}"),
        Command::Delete { .. } => write!(f, "DEL {key}"),
        Command::Owner { .. } => write!(f, "GET {key}"),
        Command::Write { lock, token, value, guarded } => {
            if guarded {
                write!(f, "if {key} = {token} then ")?;
            }
            write!(f, "SET {} {value}", style.word(&lock.value_key()))
        }
        Command::Wait { replicas, timeout } => write!(f, "WAIT {replicas} {}", Millis(timeout)),
    }
}

/// The first process of a redis is not named.
fn of_process(process: ProcessNumber, f: &mut Formatter<'_>) -> fmt::Result {
    if process == 0 { Ok(()) } else { write!(f, ", for process {process}") }
}

fn of_answer(style: Style, answer: &Answer, f: &mut Formatter<'_>) -> fmt::Result {
    match answer {
        Answer::Ok => f.write_str("OK"),
        Answer::Nil => f.write_str("(nil)"),
        Answer::Integer(number) => write!(f, "(integer) {number}"),
        Answer::Bulk(bytes) => write!(f, "\"{}\"", style.word(bytes)),
        Answer::Error(error) => write!(f, "(error) {error}"),
    }
}

fn of_role(style: Style, master: Option<NodeId>, epoch: u64, f: &mut Formatter<'_>) -> fmt::Result {
    match master {
        Some(master) => write!(f, "replica of {}, epoch {epoch}", style.name(master)),
        None => write!(f, "master, epoch {epoch}"),
    }
}

fn of_vote(style: Style, vote: Option<(NodeId, u64)>, f: &mut Formatter<'_>) -> fmt::Result {
    match vote {
        Some((sentinel, epoch)) => write!(f, ", voted for {} in epoch {epoch}", style.name(sentinel)),
        None => f.write_str(", has not voted"),
    }
}

fn of_record(style: Style, record: &Record, f: &mut Formatter<'_>) -> fmt::Result {
    match record {
        Record::Commands { effects } => f.write_str(Effects(style, effects).to_string().trim_start_matches(": ")),
        Record::Role { master, epoch } => of_role(style, *master, *epoch, f),
        Record::Sentinel { master, epoch, current, vote } => {
            write!(f, "master {}, epoch {epoch}, current epoch {current}", style.name(*master))?;
            of_vote(style, *vote, f)
        }
        Record::Seen { lock, fence, asked: (client, request) } => {
            write!(f, "{lock}, fencing token {fence}, by {} {}", style.name(*client), Number(*request))
        }
    }
}

/// Without the name of the face.
fn of_observation(style: Style, observation: &LockObservation, f: &mut Formatter<'_>) -> fmt::Result {
    use LockObservation as Told;
    match *observation {
        Told::Wanted { hold, instead_of: None } => of_hold(hold, f),
        Told::Wanted { hold, instead_of: Some(former) } => {
            of_hold(hold, f)?;
            write!(f, ", instead of {former}")
        }
        Told::Gained { hold, fence, validity } => {
            of_hold(hold, f)?;
            write!(f, "{}{}", Fence(fence), Validity(validity))
        }
        Told::Extended { hold, validity } => {
            of_hold(hold, f)?;
            write!(f, "{}", Validity(validity))
        }
        Told::ExtensionFailed(hold)
        | Told::Lapsed(hold)
        | Told::LossNoticed(hold)
        | Told::GivenBack(hold)
        | Told::Abandoned(hold)
        | Told::GaveUp(hold)
        | Told::TooLate(hold)
        | Told::Expired(hold)
        | Told::Kept(hold)
        | Told::GuardedRefusal(hold) => of_hold(hold, f),
        Told::Granted { hold, client, request, fence } => {
            of_hold(hold, f)?;
            write!(f, ", to {} for {}{}", style.name(client), Number(request), Fence(fence))
        }
        Told::Renewed { hold, client, .. } | Told::Freed { hold, client } => {
            of_hold(hold, f)?;
            write!(f, ", by {}", style.name(client))
        }
        Told::GuardedWrite { hold, value } | Told::PlainWrite { hold, value } => {
            of_hold(hold, f)?;
            write!(f, ", value {value}")
        }
        Told::Ticket { hold, fence } => {
            of_hold(hold, f)?;
            write!(f, "{}", Fence(Some(fence)))
        }
        Told::Applied { hold, fence, value } => {
            of_hold(hold, f)?;
            write!(f, "{}, value {value}", Fence(fence))
        }
        Told::Fenced { hold, fence } => {
            of_hold(hold, f)?;
            write!(f, "{}", Fence(fence))
        }
        Told::Recovered { torn: 0 } | Told::Resynchronised | Told::TooFewReplicas => Ok(()),
        Told::Recovered { torn } => write!(f, "{torn} records"),
        Told::Promoted { epoch } => write!(f, "epoch {epoch}"),
        Told::Follows { master, epoch } | Told::FailoverDone { epoch, master } => {
            write!(f, "{}, epoch {epoch}", style.name(master))
        }
        Told::SubjectivelyDown(master) | Told::ObjectivelyDown(master) => write!(f, "{}", style.name(master)),
        Told::FailoverBegun { epoch, successor, is_ordered } => {
            let how = if is_ordered { ", by order" } else { "" };
            write!(f, "to {}, epoch {epoch}{how}", style.name(successor))
        }
    }
}

fn of_hold(Hold { lock, token }: Hold, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{lock}, token {token}")
}

/// A token of a lock, which is 16 digits in a key, by its first four, as everywhere else.
pub(crate) fn token_text(word: &str) -> Option<String> {
    let is_token = word.len() == 16 && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_token.then(|| word[..4].to_owned())
}

/// A request of a client: its number, and before it which process of the client, if it is not the first.
pub(crate) struct Number(pub(crate) RequestId);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (process, number) = parts_of(self.0);
        if process == 0 { write!(f, "#{number}") } else { write!(f, "#{process}.{number}") }
    }
}

/// A stream of a master by the first digits of its name.
struct StreamText(u64);

impl fmt::Display for StreamText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0 >> 48)
    }
}

struct Millis(Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_millis().max(1))
    }
}

/// A fencing token after a comma, if there is one.
struct Fence(Option<u64>);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |fence| write!(f, ", fencing token {fence}"))
    }
}

/// For how long a holder believes in its lock, after a comma.
struct Validity(Option<Duration>);

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(validity) => write!(f, ", valid for {validity}"),
            None => f.write_str(", valid until it is released"),
        }
    }
}

/// A command: its name and its arguments. Of a script the names of what it calls stand in place of its text.
struct CommandText<'a>(Style, &'a [Vec<u8>]);

impl fmt::Display for CommandText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(style, words) = *self;
        let list = |words: &[Vec<u8>]| words.iter().map(|bytes| style.word(bytes)).collect::<Vec<_>>().join(" ");
        match words {
            [name, script, count, rest @ ..] if name.eq_ignore_ascii_case(b"EVAL") => {
                let count = std::str::from_utf8(count).ok().and_then(|count| count.parse().ok());
                let (keys, arguments) = rest.split_at(count.unwrap_or(rest.len()).min(rest.len()));
                write!(f, "EVAL ({})", called_in(&String::from_utf8_lossy(script)))?;
                keys.iter().try_for_each(|key| write!(f, " {}", style.word(key)))?;
                if arguments.is_empty() { Ok(()) } else { write!(f, ", {}", list(arguments)) }
            }
            [name, arguments @ ..] => {
                f.write_str(&style.word(name).to_ascii_uppercase())?;
                if arguments.is_empty() { Ok(()) } else { write!(f, " {}", list(arguments)) }
            }
            [] => f.write_str("nothing"),
        }
    }
}

/// The commands that a script calls, each once, in the order of its text.
fn called_in(script: &str) -> String {
    let mut names: Vec<String> = Vec::new();
    for call in script.split("redis.call('").skip(1) {
        let name = call.split('\'').next().unwrap_or_default().to_ascii_uppercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" ")
}

/// The commands of a stream or of a record, after a colon.
struct Effects<'a>(Style, &'a [Effect]);

impl fmt::Display for Effects<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(style, effects) = *self;
        for (place, effect) in effects.iter().take(COMMANDS_MAX).enumerate() {
            let between = if place == 0 { ": " } else { "; " };
            write!(f, "{between}{}", CommandText(style, &effect.arguments))?;
        }
        match effects.len().saturating_sub(COMMANDS_MAX) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// A reply on one line.
struct ReplyText<'a>(Style, &'a Reply);

impl fmt::Display for ReplyText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(style, reply) = *self;
        match reply {
            Reply::Status(status) => f.write_str(status),
            Reply::Error(error) => write!(f, "(error) {}", String::from_utf8_lossy(error)),
            Reply::Integer(number) => write!(f, "(integer) {number}"),
            Reply::Bulk(bytes) => write!(f, "\"{}\"", style.word(bytes)),
            Reply::Null | Reply::NullArray => f.write_str("(nil)"),
            Reply::Array(parts) if parts.is_empty() => f.write_str("(empty array)"),
            Reply::Map(pairs) if pairs.is_empty() => f.write_str("(empty hash)"),
            Reply::Array(parts) => {
                let parts = parts.iter().zip(1..).map(|(part, place)| format!("{place}) {}", ReplyText(style, part)));
                f.write_str(&parts.collect::<Vec<_>>().join(" "))
            }
            Reply::Map(pairs) => {
                let shown = |reply| ReplyText(style, reply);
                let pairs = pairs
                    .iter()
                    .zip(1..)
                    .map(|((key, value), place)| format!("{place}# {} => {}", shown(key), shown(value)));
                f.write_str(&pairs.collect::<Vec<_>>().join(" "))
            }
            other => f.write_str(&splitbrain_kernel::brief::Derived(other).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::brief::Written;
    use splitbrain_kernel::node::Write;

    use super::*;
    use crate::lock::ids::{LockId, Token};
    use crate::lock::system::{REDIS, SENTINEL};

    const LOCK: LockId = LockId(1);
    const OWN: Token = Token(0x6ffd_ace9_0000_0001);
    const LIFE: Duration = Duration::from_secs(3);

    fn message(message: &Wire) -> String {
        Datum::<LockNode>::Message(message).to_string()
    }

    fn observed(observation: LockObservation) -> String {
        Datum::<LockNode>::Observation(&observation).to_string()
    }

    fn bytes(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_request_reads_as_it_is_typed() {
        let asked = |command, process, request| message(&Wire::Ask { process, request, command });
        let time_to_live = Some(LIFE);
        let acquire = Command::Acquire { lock: LOCK, token: OWN, time_to_live, fenced: true, returning: false };
        assert_eq!(asked(acquire, 0, 3), "#3 SET lock:1 6ffd NX PX 3000, then INCR fence:1");
        let extend = |rejoin| Command::Extend { lock: LOCK, token: OWN, time_to_live: LIFE, rejoin };
        assert_eq!(asked(extend(false), 0, 4), "#4 if lock:1 = 6ffd then PEXPIRE lock:1 3000");
        assert_eq!(
            asked(extend(true), 0, 4),
            "#4 if lock:1 = 6ffd then PEXPIRE lock:1 3000 else SET lock:1 6ffd NX PX 3000"
        );
        let write = |guarded| Command::Write { lock: LOCK, token: OWN, value: 7, guarded };
        assert_eq!(asked(write(true), 0, 5), "#5 if lock:1 = 6ffd then SET value:1 7");
        assert_eq!(asked(write(false), 0, 5), "#5 SET value:1 7");
        let release = Command::Release { lock: LOCK, token: OWN };
        assert_eq!(asked(release, 2, 1 << 40 | 6), "#1.6 if lock:1 = 6ffd then DEL lock:1, for process 2");
    }

    #[test]
    fn other_commands_show_their_words_and_scripts_what_they_call() {
        let called = |words: &[&str]| message(&Wire::Call { process: 0, request: 1, words: bytes(words) });
        assert_eq!(called(&["get", "utoken_1"]), "#1 GET utoken_1");
        let script = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return -1 end return redis.call('del', KEYS[2])";
        assert_eq!(
            called(&["EVAL", script, "2", "lock:1", "a", "6ffdace900000001"]),
            "#1 EVAL (GET DEL) lock:1 a, 6ffd"
        );
        assert_eq!(called(&["EVAL", "return 1", "x"]), "#1 EVAL ()");
        assert_eq!(called(&["SET", "a", &"b".repeat(50)]), format!("#1 SET a {}…", "b".repeat(40)));
    }

    #[test]
    fn replies_read_as_redis_cli_shows_them() {
        let answer = |answer| message(&Wire::Answer { request: 1, answer });
        assert_eq!(answer(Answer::Ok), "#1 OK");
        assert_eq!(answer(Answer::Nil), "#1 (nil)");
        assert_eq!(answer(Answer::Bulk(OWN.text())), "#1 \"6ffd\"");
        assert_eq!(answer(Answer::Error("READONLY x".into())), "#1 (error) READONLY x");
        let called = |reply| message(&Wire::Called { request: 1, reply });
        assert_eq!(called(Reply::Array(vec![Reply::text("chat1"), Reply::Null])), "#1 1) \"chat1\" 2) (nil)");
        let pair = (Reply::text("chat1"), Reply::text("2"));
        assert_eq!(called(Reply::Map(vec![pair])), "#1 1# \"chat1\" => \"2\"");
        assert_eq!(called(Reply::Array(Vec::new())), "#1 (empty array)");
    }

    #[test]
    fn streams_and_files_hold_commands() {
        let effect = |words: &[&str]| Effect { database: 0, arguments: bytes(words) };
        let effects = vec![effect(&["del", "lock:1"]); 6];
        let sent = Wire::Effects { stream: 0xab12 << 48, offset: 3, effects: effects.clone() };
        let listed = "DEL lock:1; DEL lock:1; DEL lock:1; DEL lock:1; and 2 more";
        assert_eq!(message(&sent), format!("stream ab12 after 3: {listed}"));
        let write = Write::Append(file::APPENDED, Record::Commands { effects });
        assert_eq!(Written::<LockNode>(&write).to_string(), format!("append to its file: {listed}"));
        assert_eq!(message(&Wire::Acknowledge { stream: 0, offset: 0 }), "has no stream");
    }

    #[test]
    fn nodes_have_the_names_that_people_call_them() {
        let [one, two] = [1, 2].map(|number| NodeId::new(REDIS, number));
        assert_eq!(message(&Wire::Poll { master: one, campaign: Some(2) }), "is redis1 down? vote for me in epoch 2?");
        let polled = Wire::Polled { master: one, is_down: true, vote: Some((NodeId::new(SENTINEL, 1), 2)) };
        assert_eq!(message(&polled), "redis1 is down, voted for sentinel1 in epoch 2");
        assert_eq!(
            message(&Wire::Pong { master: Some(one), epoch: 1, offset: 9 }),
            "replica of redis1, epoch 1, has 9"
        );
        let begun = LockObservation::FailoverBegun { epoch: 1, successor: two, is_ordered: true };
        assert_eq!(observed(begun), "to redis2, epoch 1, by order");
        let hold = Hold { lock: LOCK, token: OWN };
        let granted = LockObservation::Granted { hold, client: NodeId::client(1), request: 3, fence: Some(2) };
        assert_eq!(observed(granted), "lock 1, token 6ffd, to c1 for #3, fencing token 2");
        let gained = LockObservation::Gained { hold, fence: None, validity: None };
        assert_eq!(observed(gained), "lock 1, token 6ffd, valid until it is released");
    }
}

//! Requests from a seed: every command, with right and wrong arguments, over a few keys.

use std::sync::LazyLock;

use splitbrain_systems::lock::redis::{Reply, Server};

use crate::language::LANGUAGE;
use crate::scripts::{Argument, CATALOGUE};
use crate::syntax::SYNTAX;

/// A request, on one of two connections, and how its reply is compared.
pub(crate) struct Request {
    pub(crate) connection: usize,
    pub(crate) arguments: Vec<Vec<u8>>,
    pub(crate) compared: Compared,
}

/// How two replies have to be alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// Byte for byte.
    Exactly,
    /// As what is left of a life, in milliseconds: what is right between two moments around the request.
    Milliseconds,
    /// The same in seconds, rounded.
    Seconds,
    /// As a deadline, in milliseconds: exactly, if it was given as a moment.
    Deadline,
    /// The same in seconds.
    DeadlineSeconds,
    /// As fields in any order.
    Fields,
    /// As elements in any order.
    Elements,
    /// As a greeting, all but the number of the connection.
    ButId,
    /// As a reply with greetings in it, all but the numbers of the connections.
    ButIds,
    /// As numbers, whatever they are.
    Number,
    /// As the moment of the wall clock.
    Time,
    /// As the line of a connection, by field, but for what describes the process and the address.
    Client,
}

/// Numbers from a seed (SplitMix64).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a [u8]]) -> &'a [u8] {
        from[self.below(from.len())]
    }
}

const KEYS: &[&[u8]] = &[b"lock", b"lock:2", b"hash", b"b\x00\xff\r\n"];
/// The key of a hash of many fields.
const LARGE: &[u8] = b"large";
const FIELDS: &[&[u8]] = &[b"f", b"g", b"token-a", b"\x00"];
const VALUES: &[&[u8]] =
    &[b"token-a", b"token-b", b"", b"10", b"-5", b"007", b"9223372036854775807", b"-9223372036854775808", b"\xff\x00"];
const NUMBERS: &[&[u8]] =
    &[b"1", b"-1", b"0", b"10", b"x", b"1.5", b"", b"9223372036854775807", b"-9223372036854775808", b" 1"];
/// Far away, so that nothing expires while it is compared.
const FUTURE_SECONDS: &[&[u8]] = &[b"1000", b"100000", b"999999"];
const FUTURE_MILLISECONDS: &[&[u8]] = &[b"1000000", b"1500499", b"1500500", b"2000501", b"5000900", b"999999999"];
const FUTURE_MOMENTS: &[&[u8]] = &[b"4102444800000", b"4102444800123", b"4102444900500"];
const FUTURE_MOMENT_SECONDS: &[&[u8]] = &[b"4102444800", b"4102444900"];
/// Options that no command has. As texts of C some of them end before their last byte.
const NO_OPTIONS: &[&[u8]] = &[b"ZZ", b"", b"N\x00X", b"\x00", b"a b\r\nc", b"\xff"];
const WRONG_TIMES: &[&[u8]] = &[b"0", b"-1", b"x", b"", b"9223372036854775807", b"1.5", b"-9223372036854775808"];
const PAST: &[&[u8]] = &[b"1", b"1000", b"1600000000"];

/// The digest of a script, as the server gives it when the script is loaded.
fn digest(text: &str) -> String {
    let loaded = Server::new().ask(&["SCRIPT", "LOAD", text].map(|word| word.as_bytes().to_vec()), 0).reply;
    let Reply::Bulk(digest) = loaded else { panic!("{text} is loaded: {loaded:?}") };
    String::from_utf8(digest).unwrap()
}

/// Each command as words, and how many it takes; a negative number is the least.
static ARITIES: LazyLock<Vec<(Vec<Vec<u8>>, i64)>> = LazyLock::new(|| {
    let mut server = Server::new();
    let mut ask = |words: &[&str]| {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let Reply::Array(parts) = server.ask(&words, 0).reply else { panic!("{words:?} has a list for an answer") };
        parts
    };
    let arity = |name: &Reply| {
        let Reply::Bulk(name) = name else { panic!("a name is a text: {name:?}") };
        let name = String::from_utf8(name.clone()).expect("a name is ASCII");
        let Some(Reply::Array(about)) = ask(&["COMMAND", "INFO", &name]).into_iter().next() else {
            panic!("{name} is a command")
        };
        let Some(Reply::Integer(arity)) = about.get(1) else { panic!("{name} takes a number of words") };
        (name.split('|').map(|word| word.as_bytes().to_vec()).collect(), *arity)
    };
    let names = Server::new().ask(&[b"COMMAND".to_vec(), b"LIST".to_vec()], 0).reply;
    let Reply::Array(names) = names else { panic!("the commands are a list") };
    names.iter().map(arity).collect()
});

/// Whether deadlines may count from now. If not, replies do not depend on the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    Any,
    AbsoluteOnly,
}

/// Requests that begin with nothing and end with a whole transaction.
pub(crate) fn requests(numbers: &mut Numbers, clock: Clock, count: usize) -> Vec<Request> {
    let mut generator = Generator { numbers, clock, made: Vec::new(), connection: 0 };
    while generator.made.len() < count {
        // It stays for some requests, which make a pipeline.
        let leaves = if generator.connection == 0 { 10 } else { 25 };
        if generator.numbers.chance(leaves) {
            generator.connection = 1 - generator.connection;
        }
        generator.one();
    }
    generator.made
}

struct Generator<'a> {
    numbers: &'a mut Numbers,
    clock: Clock,
    made: Vec<Request>,
    connection: usize,
}

impl Generator<'_> {
    fn push(&mut self, compared: Compared, arguments: Vec<&[u8]>) {
        let arguments = arguments.into_iter().map(<[u8]>::to_vec).collect();
        self.made.push(Request { connection: self.connection, arguments, compared });
    }

    fn exactly(&mut self, arguments: Vec<&[u8]>) {
        self.push(Compared::Exactly, arguments);
    }

    fn key(&mut self) -> &'static [u8] {
        self.numbers.pick(KEYS)
    }

    fn value(&mut self) -> &'static [u8] {
        self.numbers.pick(VALUES)
    }

    fn one(&mut self) {
        match self.numbers.below(100) {
            0..22 => self.set(),
            22..34 => self.read(),
            34..46 => self.expire(),
            46..54 => self.count(),
            54..66 => self.hash(),
            66..80 => self.script(),
            80..86 => self.transaction(),
            86..92 => self.remove(),
            92..97 => self.connection(),
            _ => self.wrong(),
        }
    }

    fn set(&mut self) {
        let (key, value) = (self.key(), self.value());
        match self.numbers.below(12) {
            0 => return self.exactly(vec![b"SETNX", key, value]),
            1 => return self.exactly(vec![b"GETSET", key, value]),
            2 => {
                let other = self.key();
                return self.exactly(vec![b"MSET", key, value, other, b"x"]);
            }
            3 => {
                let time = self.time(FUTURE_SECONDS);
                return self.exactly(vec![b"SETEX", key, time, value]);
            }
            4 => {
                let time = self.time(FUTURE_MILLISECONDS);
                return self.exactly(vec![b"PSETEX", key, time, value]);
            }
            _ => {}
        }
        let mut arguments = vec![b"SET".as_slice(), key, value];
        for _ in 0..self.numbers.below(4) {
            self.set_option(&mut arguments);
        }
        self.exactly(arguments);
    }

    /// A time that counts from now, sometimes a wrong one; always a wrong one if nothing may depend on the clock.
    fn time(&mut self, right: &[&'static [u8]]) -> &'static [u8] {
        if self.clock == Clock::AbsoluteOnly || self.numbers.chance(20) {
            return self.numbers.pick(WRONG_TIMES);
        }
        self.numbers.pick(right)
    }

    fn moment(&mut self, right: &[&'static [u8]]) -> &'static [u8] {
        match self.numbers.below(10) {
            0 => self.numbers.pick(WRONG_TIMES),
            1 | 2 => self.numbers.pick(PAST),
            _ => self.numbers.pick(right),
        }
    }

    fn set_option(&mut self, arguments: &mut Vec<&[u8]>) {
        let word: &'static [u8] =
            self.numbers.pick(&[b"NX", b"XX", b"GET", b"KEEPTTL", b"EX", b"PX", b"EXAT", b"PXAT", b"nx", b"PERSIST"]);
        arguments.push(word);
        match word {
            b"EX" => arguments.push(self.time(FUTURE_SECONDS)),
            b"PX" => arguments.push(self.time(FUTURE_MILLISECONDS)),
            b"EXAT" => arguments.push(self.moment(FUTURE_MOMENT_SECONDS)),
            b"PXAT" => arguments.push(self.moment(FUTURE_MOMENTS)),
            _ => {}
        }
    }

    fn read(&mut self) {
        let (key, other) = (self.key(), self.key());
        match self.numbers.below(11) {
            0..3 => self.exactly(vec![b"GET", key]),
            3 => self.exactly(vec![b"EXISTS", key, other, key]),
            4 => self.exactly(vec![b"MGET", key, other]),
            5 => self.exactly(vec![b"STRLEN", key]),
            6 => self.exactly(vec![b"TYPE", key]),
            // Keys that are over count until someone comes upon them: Redis looks for them ten times a second.
            7 => {
                self.exactly([&b"EXISTS"[..]].into_iter().chain(KEYS.iter().copied()).collect());
                self.exactly(vec![b"DBSIZE"]);
            }
            8 => self.push(Compared::Elements, vec![b"KEYS", b"*o*"]),
            9 => self.exactly(vec![b"TOUCH", key, other]),
            _ => self.getex(key),
        }
    }

    fn getex(&mut self, key: &'static [u8]) {
        let mut arguments = vec![b"GETEX".as_slice(), key];
        for _ in 0..self.numbers.below(3) {
            let word = self.numbers.pick(&[b"PERSIST", b"PXAT", b"EXAT", b"EX", b"PX", b"NX"]);
            arguments.push(word);
            match word {
                b"EX" => arguments.push(self.time(FUTURE_SECONDS)),
                b"PX" => arguments.push(self.time(FUTURE_MILLISECONDS)),
                b"EXAT" => arguments.push(self.moment(FUTURE_MOMENT_SECONDS)),
                b"PXAT" => arguments.push(self.moment(FUTURE_MOMENTS)),
                _ => {}
            }
        }
        self.exactly(arguments);
    }

    fn expire(&mut self) {
        let key = self.key();
        match self.numbers.below(12) {
            0 => return self.exactly(vec![b"PERSIST", key]),
            1 => return self.timed(Compared::Seconds, vec![b"TTL", key]),
            2 | 3 => return self.timed(Compared::Milliseconds, vec![b"PTTL", key]),
            4 => return self.push(Compared::DeadlineSeconds, vec![b"EXPIRETIME", key]),
            5 => return self.push(Compared::Deadline, vec![b"PEXPIRETIME", key]),
            _ => {}
        }
        let (name, time): (&[u8], &[u8]) = match self.numbers.below(4) {
            0 => (b"EXPIRE", self.relative(FUTURE_SECONDS)),
            1 => (b"PEXPIRE", self.relative(FUTURE_MILLISECONDS)),
            2 => (b"EXPIREAT", self.moment(FUTURE_MOMENT_SECONDS)),
            _ => (b"PEXPIREAT", self.moment(FUTURE_MOMENTS)),
        };
        let mut arguments = vec![name, key, time];
        // Two moments that count from now may be equal on one side and not on the other.
        let flags: &[&[u8]] = if name.ends_with(b"AT") || self.clock == Clock::AbsoluteOnly {
            &[b"NX", b"XX", b"GT", b"LT", b"gt"]
        } else {
            &[b"NX", b"XX"]
        };
        for _ in 0..self.numbers.below(3) {
            let from = if self.numbers.chance(12) { NO_OPTIONS } else { flags };
            arguments.push(self.numbers.pick(from));
        }
        self.exactly(arguments);
    }

    fn relative(&mut self, right: &[&'static [u8]]) -> &'static [u8] {
        let from = if self.clock == Clock::Any && self.numbers.chance(80) { right } else { WRONG_TIMES };
        self.numbers.pick(from)
    }

    /// A reply that depends on the clock.
    fn timed(&mut self, compared: Compared, arguments: Vec<&[u8]>) {
        if self.clock == Clock::Any {
            self.push(compared, arguments);
        }
    }

    fn count(&mut self) {
        let (key, number) = (self.key(), self.numbers.pick(NUMBERS));
        match self.numbers.below(6) {
            0 => self.exactly(vec![b"INCR", key]),
            1 => self.exactly(vec![b"DECR", key]),
            2 => self.exactly(vec![b"INCRBY", key, number]),
            3 => self.exactly(vec![b"DECRBY", key, number]),
            4 => self.exactly(vec![b"APPEND", key, number]),
            _ => self.exactly(vec![b"SET", key, number]),
        }
    }

    /// A hash of so many fields that Redis keeps it in another way: its order follows from a hash function. It never
    /// has fewer of them again, or its order would look like that of a small one.
    fn large_hash(&mut self) {
        let fields: Vec<String> = (0..200).map(|field| format!("field-{field}")).collect();
        match self.numbers.below(9) {
            0..3 => {
                let value = self.value();
                let fields = fields.iter().flat_map(|field| [field.as_bytes(), value]);
                self.exactly([&b"HSET"[..], LARGE].into_iter().chain(fields).collect());
            }
            3 => self.push(Compared::Fields, vec![b"HGETALL", LARGE]),
            4 => self.push(Compared::Elements, vec![b"HKEYS", LARGE]),
            5 => self.push(Compared::Elements, vec![b"HVALS", LARGE]),
            6 => self.exactly(vec![b"HLEN", LARGE]),
            7 => {
                let field = self.numbers.below(20);
                self.exactly(vec![b"HDEL", LARGE, fields[field].as_bytes(), b"nope"]);
            }
            _ => {
                let field = self.numbers.below(fields.len());
                self.exactly(vec![b"HGET", LARGE, fields[field].as_bytes()]);
            }
        }
    }

    fn hash(&mut self) {
        if self.clock == Clock::Any && self.numbers.chance(5) {
            return self.large_hash();
        }
        let key = if self.numbers.chance(70) { b"hash" } else { self.key() };
        let (field, other, value) = (self.numbers.pick(FIELDS), self.numbers.pick(FIELDS), self.value());
        match self.numbers.below(15) {
            0 | 1 => self.exactly(vec![b"HSET", key, field, value]),
            2 => self.exactly(vec![b"HSET", key, field, value, other, b"x"]),
            3 => self.exactly(vec![b"HSET", key, field, value, other]),
            4 => self.exactly(vec![b"HGET", key, field]),
            5 => self.exactly(vec![b"HDEL", key, field, other]),
            6 => {
                let number = self.numbers.pick(NUMBERS);
                self.exactly(vec![b"HINCRBY", key, field, number]);
            }
            7 => self.exactly(vec![b"HGETALL", key]),
            8 => self.exactly(vec![b"HMGET", key, field, other]),
            9 => self.exactly(vec![b"HEXISTS", key, field]),
            10 => self.exactly(vec![b"HLEN", key]),
            11 => self.exactly(vec![b"HMSET", key, field, value]),
            12 => self.exactly(vec![b"HSETNX", key, field, value]),
            13 => self.exactly(vec![b"HVALS", key]),
            _ => self.exactly(vec![b"HKEYS", key]),
        }
    }

    fn script(&mut self) {
        match self.numbers.below(16) {
            0 => return self.exactly(vec![b"SCRIPT", b"FLUSH"]),
            1 => return self.wrong_script(),
            3..6 => return self.language(),
            6 => return self.known_scripts(),
            2 => {
                let text = CATALOGUE[self.numbers.below(CATALOGUE.len())].text;
                return self.exactly(vec![b"SCRIPT", b"LOAD", text.as_bytes()]);
            }
            _ => {}
        }
        let script = &CATALOGUE[self.numbers.below(CATALOGUE.len())];
        let counts: &[u8] = if script.keys == 1 { b"1" } else { b"2" };
        // By its digest it runs if it is loaded; mostly it is loaded right before.
        let digest = digest(script.text);
        let by_digest = self.numbers.chance(30);
        if by_digest && self.numbers.chance(70) {
            self.exactly(vec![b"SCRIPT", b"LOAD", script.text.as_bytes()]);
        }
        let (name, text): (&[u8], &[u8]) =
            if by_digest { (b"EVALSHA", digest.as_bytes()) } else { (b"EVAL", script.text.as_bytes()) };
        let mut arguments = vec![name, text, counts];
        for _ in 0..script.keys {
            arguments.push(self.key());
        }
        for argument in script.arguments {
            arguments.push(match argument {
                Argument::Token | Argument::Value => self.numbers.pick(&[b"token-a", b"token-b"]),
                Argument::Milliseconds => self.relative(FUTURE_MILLISECONDS),
                Argument::Flag => self.numbers.pick(&[b"0", b"1"]),
            });
        }
        // What is left of a lock is what the script of Redisson returns.
        let compared = if script.name == "redisson_lock" { Compared::Milliseconds } else { Compared::Exactly };
        if compared == Compared::Exactly || self.clock == Clock::Any {
            self.push(compared, arguments);
        }
    }

    /// A script about the language.
    fn language(&mut self) {
        let key = self.key();
        let place = self.numbers.below(LANGUAGE.len() + SYNTAX.len());
        let text = LANGUAGE.get(place).unwrap_or_else(|| &SYNTAX[place - LANGUAGE.len()]);
        // What is left of a life depends on the clock.
        if !text.contains("ttl") && !text.contains("'px'") {
            self.exactly(vec![b"EVAL", text.as_bytes(), b"1", key, b"a"]);
        }
    }

    fn known_scripts(&mut self) {
        let known = digest(CATALOGUE[self.numbers.below(CATALOGUE.len())].text);
        let shouted = digest(CATALOGUE[self.numbers.below(CATALOGUE.len())].text).to_ascii_uppercase();
        self.exactly(vec![b"SCRIPT", b"EXISTS", known.as_bytes(), shouted.as_bytes(), b"abc"]);
    }

    fn wrong_script(&mut self) {
        let key = self.key();
        let text = self.numbers.pick(WRONG_SCRIPTS);
        match self.numbers.below(5) {
            0 => self.exactly(vec![b"EVALSHA", &[b'a'; 40], b"0"]),
            1 => self.exactly(vec![b"EVALSHA", b"abc", b"0"]),
            2 => {
                let count = self.numbers.pick(&[b"-1", b"2", b"x"]);
                self.exactly(vec![b"EVAL", b"return 1", count, key]);
            }
            _ => self.exactly(vec![b"EVAL", text, b"1", key, b"token-a"]),
        }
    }

    fn transaction(&mut self) {
        let key = self.key();
        match self.numbers.below(8) {
            0 => return self.exactly(vec![b"EXEC"]),
            1 => return self.exactly(vec![b"DISCARD"]),
            2 => return self.exactly(vec![b"UNWATCH"]),
            _ => {}
        }
        let watches = self.numbers.chance(50);
        if watches {
            self.exactly(vec![b"WATCH", key]);
            if self.numbers.chance(40) {
                self.connection = 1 - self.connection;
                self.set();
                self.connection = 1 - self.connection;
            }
        }
        self.exactly(vec![b"MULTI"]);
        let before = self.made.len();
        let mut greets = false;
        for _ in 0..1 + self.numbers.below(3) {
            match self.numbers.below(10) {
                8 => {
                    greets = true;
                    let version = self.numbers.pick(&[b"3", b"2", b"4"]);
                    self.exactly(vec![b"HELLO", version]);
                }
                9 => {
                    let option = self.numbers.pick(NO_OPTIONS);
                    self.exactly(vec![b"HELLO", b"3", b"SETNAME", b"queued", option]);
                }
                0 => self.set(),
                1 => self.count(),
                6 => self.exactly(vec![b"WAIT", b"1", b"100"]),
                7 => self.exactly(vec![b"WAIT", b"1", b"0"]),
                2 => self.exactly(vec![b"GET", key]),
                3 => self.exactly(vec![b"HSET", b"hash", b"f", b"1"]),
                4 => self.wrong(),
                _ => self.exactly(vec![b"WATCH", key]),
            }
        }
        // Within a transaction every reply is a word or an error.
        self.made[before..].iter_mut().for_each(|request| request.compared = Compared::Exactly);
        let end: &[u8] = if self.numbers.chance(85) { b"EXEC" } else { b"DISCARD" };
        self.push(if greets { Compared::ButIds } else { Compared::Exactly }, vec![end]);
    }

    fn remove(&mut self) {
        let (key, other) = (self.key(), self.key());
        match self.numbers.below(7) {
            6 => self.exactly(vec![b"FLUSHALL"]),
            0..3 => self.exactly(vec![b"DEL", key]),
            3 => self.exactly(vec![b"UNLINK", key, other]),
            4 => self.exactly(vec![b"GETDEL", key]),
            _ => self.exactly(vec![b"FLUSHDB"]),
        }
    }

    fn connection(&mut self) {
        match self.numbers.below(30) {
            26 => {
                let pattern = self.numbers.pick(&[b"SAVE", b"save", b"s[a]ve", b"Data*ses", b"nope", b"sa\\ve", b""]);
                self.push(Compared::Fields, vec![b"CONFIG", b"GET", pattern, b"appendonly", b"AppendOnly"]);
            }
            27 => self.push(Compared::Client, vec![b"CLIENT", b"LIST", b"type", b"NORMAL"]),
            28 => {
                let kind = self.numbers.pick(&[b"pubsub", b"master", b"Replica", b"slave", b"x", b"a\x00b", b""]);
                self.exactly(vec![b"CLIENT", b"LIST", b"TYPE", kind]);
            }
            29 => {
                let number = self.numbers.pick(&[b"999999999", b"0", b"-1", b"x", b"1.5", b""]);
                self.exactly(vec![b"CLIENT", b"LIST", b"ID", number, b"999999998"]);
            }
            24 => {
                let option = self.numbers.pick(NO_OPTIONS);
                self.exactly(vec![b"HELLO", b"3", b"SETNAME", b"you", option]);
            }
            25 => self.exactly(vec![b"HELLO", b"3", b"SETNAME", b"me", b"AUTH", b"nobody", b"x"]),
            0 => self.exactly(vec![b"PING"]),
            1 => self.exactly(vec![b"PING", b"\x00"]),
            2 => self.exactly(vec![b"ECHO", b"hello"]),
            3 => self.exactly(vec![b"SELECT", b"1"]),
            4 => self.exactly(vec![b"SELECT", b"0"]),
            5 => {
                let database = self.numbers.pick(&[b"16", b"-1", b"x"]);
                self.exactly(vec![b"SELECT", database]);
            }
            6 => {
                let version = self.numbers.pick(&[b"3", b"3", b"2"]);
                self.push(Compared::ButId, vec![b"HELLO", version]);
            }
            7 => {
                let version = self.numbers.pick(&[b"4", b"x", b"1"]);
                self.exactly(vec![b"HELLO", version]);
            }
            8 => self.exactly(vec![b"CLIENT", b"SETNAME", b"a b"]),
            9 => self.exactly(vec![b"CLIENT", b"GETNAME"]),
            10 => self.exactly(vec![b"CLIENT", b"SETNAME", b"me"]),
            11 => self.exactly(vec![b"RESET"]),
            12 => self.exactly(vec![b"AUTH", b"default", b"x"]),
            13 => {
                let user = self.numbers.pick(&[b"nobody", b"", b"DEFAULT"]);
                self.exactly(vec![b"AUTH", user, b"x"]);
            }
            14 => self.exactly(vec![b"AUTH", b"x"]),
            15 => self.exactly(vec![b"ROLE"]),
            16 => self.exactly(vec![b"PUBLISH", b"channel", b"text"]),
            17 => self.push(Compared::Time, vec![b"TIME"]),
            18 => self.push(Compared::Number, vec![b"CLIENT", b"ID"]),
            19 => self.push(Compared::Client, vec![b"CLIENT", b"INFO"]),
            20 => self.push(Compared::Client, vec![b"CLIENT", b"LIST"]),
            21 => self.push(Compared::ButId, vec![b"HELLO", b"3", b"AUTH", b"default", b"x", b"SETNAME", b"me"]),
            22 => self.exactly(vec![b"HELLO", b"3", b"SETNAME", b"a b"]),
            _ => self.exactly(vec![b"WAIT", b"0", b"100"]),
        }
    }

    /// Any command with the wrong number of words.
    fn wrong_arity(&mut self) {
        let (words, arity) = &ARITIES[self.numbers.below(ARITIES.len())];
        let adds = self.numbers.chance(50);
        if let Some(arguments) = with_wrong_arity(words, *arity, adds) {
            self.made.push(Request { connection: self.connection, arguments, compared: Compared::Exactly });
        }
    }

    /// `config|get` in one word, which names a part where commands are listed and is none itself.
    fn name_of_a_part(&mut self, key: &[u8]) {
        let parts: Vec<_> = ARITIES.iter().filter(|(words, _)| words.len() > 1).collect();
        let mut name = parts[self.numbers.below(parts.len())].0.join(&b'|');
        if self.numbers.chance(30) {
            name.make_ascii_uppercase();
        }
        match self.numbers.below(3) {
            0 => self.exactly(vec![name.as_slice()]),
            1 => self.exactly(vec![name.as_slice(), key, b"x"]),
            _ => self.exactly(vec![b"CLIENT".as_slice(), name.as_slice()]),
        }
    }

    /// Too few or too many words, unknown commands, words cut short.
    fn wrong(&mut self) {
        let key = self.key();
        match self.numbers.below(24) {
            15..20 => self.wrong_arity(),
            20 | 21 => self.name_of_a_part(key),
            22 => self.exactly(vec![b"CLIENT", b"LIST", b"TYPE"]),
            23 => self.exactly(vec![b"CLIENT", b"LIST", b"TYPE", b"normal", b"x"]),
            10 => self.exactly(vec![b"COMMAND", b"LIST", b"x"]),
            11 => self.exactly(vec![b"COMMAND", b"INFO", b"nope", b"config|nope"]),
            12 => self.exactly(vec![b"COMMAND", b"LIST", b"FILTERBY", b"PATTERN", b"getd*"]),
            13 => self.exactly(vec![b"CLIENT", b"ID", b"x"]),
            14 => self.exactly(vec![b"SCRIPT", b"EXISTS"]),
            0 => self.exactly(vec![b"GET"]),
            1 => self.exactly(vec![b"SET", key]),
            2 => self.exactly(vec![b"NOPE", key, b"two words"]),
            3 => self.exactly(vec![b"HSET", key, b"f"]),
            4 => self.exactly(vec![b"CLIENT", b"NOPE"]),
            5 => self.exactly(vec![b"SCRIPT"]),
            6 => self.exactly(vec![b"PING", b"a", b"b"]),
            7 => self.exactly(vec![b"TTL"]),
            8 => self.exactly(vec![b"", key]),
            _ => self.exactly(vec![b"EXPIRE", key]),
        }
    }
}

/// A command with one word too few or too many.
fn with_wrong_arity(words: &[Vec<u8>], arity: i64, adds: bool) -> Option<Vec<Vec<u8>>> {
    let least = usize::try_from(arity.unsigned_abs()).expect("a command takes few words");
    let count = if adds && arity > 0 { least + 1 } else { least - 1 };
    let mut words = words.to_vec();
    // Without its second word it would be the container of several commands.
    (count >= words.len() && count > 0).then(|| {
        words.resize(count, b"1".to_vec());
        words
    })
}

const WRONG_SCRIPTS: &[&[u8]] = &[
    b"return redis.call('nope')",
    b"return redis.call('get')",
    b"return redis.call('hget', KEYS[1], 'f')",
    b"return redis.pcall('hget', KEYS[1], 'f')",
    b"return redis.call('incr', KEYS[1])",
    b"redis.call('set', KEYS[1], 'x')\nreturn redis.call('hget', KEYS[1], 'f')",
    b"return redis.call()",
    b"return redis.call('get', {})",
    b"return redis.call('multi')",
    b"local x\nreturn x + 1",
    b"return ARGV[1] + 1",
    b"return undefined",
    b"global = 1",
    b"return {} < {}",
    b"return 'a' .. nil",
    b"return KEYS[1] < 1",
    b"local t = {}\nreturn t.x.y",
    b"return #nil",
    b"local f = nil\nf()",
    b"return redis.nope()",
    b"error('mine')",
    b"error({err='MY own'})",
    b"return redis.error_reply('MY own')",
    b"return redis.error_reply('word')",
    b"return redis.status_reply('fine')",
    b"return {1, 'two', {3}, nil, 5}",
    b"return {err='plain'}",
    b"return {ok='fine'}",
    b"return 1 == 1",
    b"return nil",
    b"return tostring(123456789012345)",
    b"return {pcall(redis.call, 'hget', KEYS[1], 'f')}",
    b"return redis.sha1hex(KEYS[1])",
    b"for i = 1, 3 do redis.call('append', KEYS[1], i) end return redis.call('get', KEYS[1])",
    b"return tonumber('abc')",
    b"return math.max(3, 7)",
    b"return string.sub(ARGV[1], 2, -2)",
    b"return redis.call('get', KEYS[1]) or 'none'",
];

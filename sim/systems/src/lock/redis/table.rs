//! The table of commands: their names, how many arguments they take, and what carries them out.

use super::access::{Access, Answer};
use super::command::{expiry, hashes, keys, set, strings};
use super::server::call::Call;
use super::server::{client, connection, help, info, scripting, transaction};

/// A command.
#[derive(Debug)]
pub(super) struct Command {
    /// Its name in small letters; `container|subcommand` for a part of another one.
    pub(super) name: &'static str,
    /// How many words it has, its name included. A negative number is the least.
    pub(super) arity: isize,
    pub(super) access: Kind,
    /// What `COMMAND` says of it beside its access.
    pub(super) flags: &'static str,
    /// The places of the first and the last key, and the step between keys; a negative place counts from the end.
    pub(super) keys: (i64, i64, i64),
    pub(super) run: Run,
}

/// Whether a command changes keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    /// It touches no key.
    Other,
}

/// What carries a command out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Run {
    /// It needs the keys alone.
    Keys(KeysRun),
    /// It needs the connection or the server.
    Server(ServerRun),
    /// It is the first word of several commands.
    Container,
}

type KeysRun = fn(&mut Access<'_>, &[Vec<u8>]) -> Answer;
type ServerRun = fn(&mut Call<'_>, &[Vec<u8>]) -> Answer;

impl Command {
    const fn read(name: &'static str, arity: isize, flags: &'static str, run: KeysRun) -> Self {
        Self { name, arity, access: Kind::Read, flags, keys: (1, 1, 1), run: Run::Keys(run) }
    }

    const fn write(name: &'static str, arity: isize, flags: &'static str, run: KeysRun) -> Self {
        Self { name, arity, access: Kind::Write, flags, keys: (1, 1, 1), run: Run::Keys(run) }
    }

    const fn server(name: &'static str, arity: isize, flags: &'static str, run: ServerRun) -> Self {
        Self { name, arity, access: Kind::Other, flags, keys: (0, 0, 0), run: Run::Server(run) }
    }

    const fn container(name: &'static str) -> Self {
        Self { name, arity: -2, access: Kind::Other, flags: "", keys: (0, 0, 0), run: Run::Container }
    }

    const fn keys(mut self, first: i64, last: i64, step: i64) -> Self {
        self.keys = (first, last, step);
        self
    }

    const fn writes(mut self) -> Self {
        self.access = Kind::Write;
        self
    }

    /// Whether its second word names what it does.
    fn has_parts(&self) -> bool {
        matches!(self.run, Run::Container) || self.name == "command"
    }

    /// Whether a script may call it.
    pub(super) fn is_for_scripts(&self) -> bool {
        !self.flags.contains("noscript") && !matches!(self.run, Run::Container)
    }

    /// Whether this many words are right for it.
    pub(super) fn takes(&self, words: usize) -> bool {
        let least = self.arity.unsigned_abs();
        if self.arity < 0 { words >= least } else { words == least }
    }
}

/// The command that these words name, if there is one. The name of a part is no first word: its two words are.
pub(super) fn find(arguments: &[Vec<u8>]) -> Option<&'static Command> {
    let name = arguments.first()?.to_ascii_lowercase();
    let command = by_name(&name).filter(|command| !command.name.contains('|'))?;
    match (command.has_parts(), arguments.get(1)) {
        (true, Some(part)) => by_name(&[&name, b"|".as_slice(), &part.to_ascii_lowercase()].concat()),
        _ => Some(command),
    }
}

/// The container that this word names.
pub(super) fn container(word: &[u8]) -> Option<&'static Command> {
    by_name(&word.to_ascii_lowercase()).filter(|command| command.has_parts())
}

/// The command of this name in small letters.
pub(super) fn by_name(name: &[u8]) -> Option<&'static Command> {
    COMMANDS.binary_search_by(|command| command.name.as_bytes().cmp(name)).ok().map(|place| &COMMANDS[place])
}

/// Every command, in the order of the names.
pub(super) const COMMANDS: &[Command] = &[
    Command::write("append", 3, "denyoom fast", strings::append),
    Command::server("auth", -2, "noscript loading stale fast no_auth allow_busy", info::auth),
    Command::container("client"),
    Command::server("client|getname", 2, "noscript loading stale", client::getname),
    Command::server("client|help", 2, "loading stale", help::client),
    Command::server("client|id", 2, "noscript loading stale", client::id),
    Command::server("client|info", 2, "noscript loading stale", client::info),
    Command::server("client|list", -2, "admin noscript loading stale", client::list),
    Command::server("client|setname", 3, "noscript loading stale", client::setname),
    Command::server("command", -1, "loading stale", info::command),
    Command::server("command|count", 2, "loading stale", info::command_count),
    Command::server("command|docs", -2, "loading stale", info::command_docs),
    Command::server("command|help", 2, "loading stale", help::command),
    Command::server("command|info", -2, "loading stale", info::command_info),
    Command::server("command|list", -2, "loading stale", info::command_list),
    Command::container("config"),
    Command::server("config|get", -3, "admin noscript loading stale", info::config_get),
    Command::server("config|help", 2, "loading stale", help::config),
    Command::read("dbsize", 1, "fast", keys::dbsize).keys(0, 0, 0),
    Command::write("decr", 2, "denyoom fast", strings::decr),
    Command::write("decrby", 3, "denyoom fast", strings::decrby),
    Command::write("del", -2, "", keys::del).keys(1, -1, 1),
    Command::server("discard", 1, "noscript loading stale fast allow_busy", transaction::discard),
    Command::server("echo", 2, "loading stale fast", connection::echo),
    Command::server("eval", -3, "noscript stale skip_monitor no_mandatory_keys movablekeys", scripting::eval),
    Command::server("evalsha", -3, "noscript stale skip_monitor no_mandatory_keys movablekeys", scripting::evalsha),
    Command::server("exec", 1, "noscript loading stale skip_slowlog", transaction::exec),
    Command::read("exists", -2, "fast", keys::exists).keys(1, -1, 1),
    Command::write("expire", -3, "fast", expiry::expire),
    Command::write("expireat", -3, "fast", expiry::expireat),
    Command::read("expiretime", 2, "fast", expiry::expiretime),
    Command::server("flushall", -1, "", connection::flushall).writes(),
    Command::server("flushdb", -1, "", connection::flushdb).writes(),
    Command::read("get", 2, "fast", strings::get),
    Command::write("getdel", 2, "fast", set::getdel),
    Command::write("getex", -2, "fast", expiry::getex),
    Command::write("getset", 3, "denyoom fast", set::getset),
    Command::write("hdel", -3, "fast", hashes::hdel),
    Command::server("hello", -1, "noscript loading stale fast no_auth allow_busy", info::hello),
    Command::read("hexists", 3, "fast", hashes::hexists),
    Command::read("hget", 3, "fast", hashes::hget),
    Command::read("hgetall", 2, "", hashes::hgetall),
    Command::write("hincrby", 4, "denyoom fast", hashes::hincrby),
    Command::read("hkeys", 2, "", hashes::hkeys),
    Command::read("hlen", 2, "fast", hashes::hlen),
    Command::read("hmget", -3, "fast", hashes::hmget),
    Command::write("hmset", -4, "denyoom fast", hashes::hmset),
    Command::write("hset", -4, "denyoom fast", hashes::hset),
    Command::write("hsetnx", 4, "denyoom fast", hashes::hsetnx),
    Command::read("hvals", 2, "", hashes::hvals),
    Command::write("incr", 2, "denyoom fast", strings::incr),
    Command::write("incrby", 3, "denyoom fast", strings::incrby),
    Command::server("info", -1, "loading stale", info::info),
    Command::read("keys", 2, "", keys::keys).keys(0, 0, 0),
    Command::read("mget", -2, "fast", strings::mget).keys(1, -1, 1),
    Command::write("mset", -3, "denyoom", strings::mset).keys(1, -1, 2),
    Command::server("multi", 1, "noscript loading stale fast allow_busy", transaction::multi),
    Command::write("persist", 2, "fast", expiry::persist),
    Command::write("pexpire", -3, "fast", expiry::pexpire),
    Command::write("pexpireat", -3, "fast", expiry::pexpireat),
    Command::read("pexpiretime", 2, "fast", expiry::pexpiretime),
    Command::server("ping", -1, "fast", connection::ping),
    Command::write("psetex", 4, "denyoom", set::psetex),
    Command::read("pttl", 2, "fast", expiry::pttl),
    Command::server("publish", 3, "pubsub loading stale fast", info::publish),
    Command::server("quit", -1, "noscript loading stale fast no_auth allow_busy", connection::quit),
    Command::server("reset", 1, "noscript loading stale fast no_auth allow_busy", connection::reset),
    Command::server("role", 1, "noscript loading stale fast", info::role),
    Command::container("script"),
    Command::server("script|exists", -3, "noscript", scripting::exists),
    Command::server("script|flush", -2, "noscript", scripting::flush),
    Command::server("script|help", 2, "loading stale", help::script),
    Command::server("script|load", 3, "noscript stale", scripting::load),
    Command::server("select", 2, "loading stale fast", connection::select),
    Command::write("set", -3, "denyoom", set::set),
    Command::write("setex", 4, "denyoom", set::setex),
    Command::write("setnx", 3, "denyoom fast", set::setnx),
    Command::read("strlen", 2, "fast", strings::strlen),
    Command::server("time", 1, "loading stale fast", info::time),
    Command::read("touch", -2, "fast", keys::exists).keys(1, -1, 1),
    Command::read("ttl", 2, "fast", expiry::ttl),
    Command::read("type", 2, "fast", keys::kind),
    Command::write("unlink", -2, "fast", keys::del).keys(1, -1, 1),
    Command::server("unwatch", 1, "noscript loading stale fast allow_busy", transaction::unwatch),
    Command::server("wait", 3, "noscript", connection::wait),
    Command::server("watch", -2, "noscript loading stale fast allow_busy", transaction::watch).keys(1, -1, 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_part_has_its_container() {
        assert!(COMMANDS.is_sorted_by(|left, right| left.name < right.name));
        for command in COMMANDS {
            if let Some((first, _)) = command.name.split_once('|') {
                assert!(container(first.as_bytes()).is_some(), "{}", command.name);
            }
        }
    }
}

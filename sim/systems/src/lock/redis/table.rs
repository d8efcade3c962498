//! The table of commands: their names, how many arguments they take, and what carries them out.

use super::access::{Access, Answer};
use super::command::{expiry, hashes, keys, set, strings};
use super::server::call::Call;
use super::server::{client, connection, scripting, transaction};

/// A command.
#[derive(Debug)]
pub(super) struct Command {
    /// Its name in small letters; `container|subcommand` for a part of another one.
    pub(super) name: &'static str,
    /// How many words it has, its name included. A negative number is the least.
    pub(super) arity: isize,
    pub(super) access: Kind,
    /// Whether a script may call it.
    pub(super) in_scripts: bool,
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
    Keys(fn(&mut Access<'_>, &[Vec<u8>]) -> Answer),
    /// It needs the connection or the server.
    Server(fn(&mut Call<'_>, &[Vec<u8>]) -> Answer),
    /// It is the first word of several commands.
    Container,
}

impl Command {
    const fn read(name: &'static str, arity: isize, run: fn(&mut Access<'_>, &[Vec<u8>]) -> Answer) -> Self {
        Self { name, arity, access: Kind::Read, in_scripts: true, run: Run::Keys(run) }
    }

    const fn write(name: &'static str, arity: isize, run: fn(&mut Access<'_>, &[Vec<u8>]) -> Answer) -> Self {
        Self { name, arity, access: Kind::Write, in_scripts: true, run: Run::Keys(run) }
    }

    const fn server(name: &'static str, arity: isize, run: fn(&mut Call<'_>, &[Vec<u8>]) -> Answer) -> Self {
        Self { name, arity, access: Kind::Other, in_scripts: false, run: Run::Server(run) }
    }

    const fn container(name: &'static str) -> Self {
        Self { name, arity: -2, access: Kind::Other, in_scripts: false, run: Run::Container }
    }

    const fn in_scripts(mut self) -> Self {
        self.in_scripts = true;
        self
    }

    const fn writes(mut self) -> Self {
        self.access = Kind::Write;
        self
    }

    /// Whether this many words are right for it.
    pub(super) fn takes(&self, words: usize) -> bool {
        let least = self.arity.unsigned_abs();
        if self.arity < 0 { words >= least } else { words == least }
    }
}

/// The command that these words name, if there is one.
pub(super) fn find(arguments: &[Vec<u8>]) -> Option<&'static Command> {
    let name = arguments.first()?.to_ascii_lowercase();
    let command = by_name(&name)?;
    match (command.run, arguments.get(1)) {
        (Run::Container, Some(part)) => by_name(&[&name, b"|".as_slice(), &part.to_ascii_lowercase()].concat()),
        _ => Some(command),
    }
}

/// The container that this word names.
pub(super) fn container(word: &[u8]) -> Option<&'static Command> {
    by_name(&word.to_ascii_lowercase()).filter(|command| matches!(command.run, Run::Container))
}

fn by_name(name: &[u8]) -> Option<&'static Command> {
    COMMANDS.binary_search_by(|command| command.name.as_bytes().cmp(name)).ok().map(|place| &COMMANDS[place])
}

/// Every command, in the order of the names.
pub(super) const COMMANDS: &[Command] = &[
    Command::write("append", 3, strings::append),
    Command::container("client"),
    Command::server("client|getname", 2, client::getname),
    Command::server("client|id", 2, client::id),
    Command::server("client|info", 2, client::info),
    Command::server("client|list", -2, client::list),
    Command::server("client|setname", 3, client::setname),
    Command::read("dbsize", 1, keys::dbsize),
    Command::write("decr", 2, strings::decr),
    Command::write("decrby", 3, strings::decrby),
    Command::write("del", -2, keys::del),
    Command::server("discard", 1, transaction::discard),
    Command::server("echo", 2, connection::echo).in_scripts(),
    Command::server("eval", -3, scripting::eval),
    Command::server("evalsha", -3, scripting::evalsha),
    Command::server("exec", 1, transaction::exec),
    Command::read("exists", -2, keys::exists),
    Command::write("expire", -3, expiry::expire),
    Command::write("expireat", -3, expiry::expireat),
    Command::read("expiretime", 2, expiry::expiretime),
    Command::server("flushall", -1, connection::flushall).writes(),
    Command::server("flushdb", -1, connection::flushdb).writes(),
    Command::read("get", 2, strings::get),
    Command::write("getdel", 2, set::getdel),
    Command::write("getex", -2, expiry::getex),
    Command::write("getset", 3, set::getset),
    Command::write("hdel", -3, hashes::hdel),
    Command::read("hexists", 3, hashes::hexists),
    Command::read("hget", 3, hashes::hget),
    Command::read("hgetall", 2, hashes::hgetall),
    Command::write("hincrby", 4, hashes::hincrby),
    Command::read("hkeys", 2, hashes::hkeys),
    Command::read("hlen", 2, hashes::hlen),
    Command::read("hmget", -3, hashes::hmget),
    Command::write("hmset", -4, hashes::hmset),
    Command::write("hset", -4, hashes::hset),
    Command::write("hsetnx", 4, hashes::hsetnx),
    Command::read("hvals", 2, hashes::hvals),
    Command::write("incr", 2, strings::incr),
    Command::write("incrby", 3, strings::incrby),
    Command::read("keys", 2, keys::keys),
    Command::read("mget", -2, strings::mget),
    Command::write("mset", -3, strings::mset),
    Command::server("multi", 1, transaction::multi),
    Command::write("persist", 2, expiry::persist),
    Command::write("pexpire", -3, expiry::pexpire),
    Command::write("pexpireat", -3, expiry::pexpireat),
    Command::read("pexpiretime", 2, expiry::pexpiretime),
    Command::server("ping", -1, connection::ping).in_scripts(),
    Command::write("psetex", 4, set::psetex),
    Command::read("pttl", 2, expiry::pttl),
    Command::server("quit", -1, connection::quit),
    Command::container("script"),
    Command::server("script|exists", -3, scripting::exists),
    Command::server("script|flush", -2, scripting::flush),
    Command::server("script|load", 3, scripting::load),
    Command::server("select", 2, connection::select),
    Command::write("set", -3, set::set),
    Command::write("setex", 4, set::setex),
    Command::write("setnx", 3, set::setnx),
    Command::read("strlen", 2, strings::strlen),
    Command::read("touch", -2, keys::exists),
    Command::read("ttl", 2, expiry::ttl),
    Command::read("type", 2, keys::kind),
    Command::write("unlink", -2, keys::del),
    Command::server("unwatch", 1, transaction::unwatch),
    Command::server("wait", 3, connection::wait),
    Command::server("watch", -2, transaction::watch),
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

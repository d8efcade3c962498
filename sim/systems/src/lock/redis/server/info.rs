//! `HELLO`, `INFO`, `COMMAND`, `CONFIG`, `TIME` and `ROLE`: what clients ask before they begin.

use super::call::{Call, front};
use super::{Role, client};
use crate::lock::redis::access::{Answer, Refused, check_room};
use crate::lock::redis::command::keys::matches_glob;
use crate::lock::redis::number;
use crate::lock::redis::reply::{Protocol, Reply};
use crate::lock::redis::table::{self, Command, Kind};

/// The version whose behaviour the server has.
pub(in crate::lock::redis) const VERSION: &str = "7.0.15";

/// `HELLO [version [AUTH user password] [SETNAME name]]`
pub(in crate::lock::redis) fn hello(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    let protocol = arguments.get(1).map(|version| protocol(version)).transpose()?;
    let mut words = arguments.get(2..).unwrap_or_default();
    while let Some(word) = words.first() {
        words = match words {
            [_, user, password, rest @ ..] if word.eq_ignore_ascii_case(b"AUTH") => {
                authenticate(user, password)?;
                rest
            }
            [_, given, rest @ ..] if word.eq_ignore_ascii_case(b"SETNAME") => {
                // It stays, even if what follows is refused.
                client::set_name(call, given)?;
                rest
            }
            _ => return Err(Refused([b"ERR Syntax error in HELLO option '", front(word, usize::MAX), b"'"].concat())),
        };
    }
    if let Some(protocol) = protocol {
        call.connection().protocol = protocol;
    }
    Ok(greeting(call))
}

fn protocol(version: &[u8]) -> Result<Protocol, Refused> {
    match number::parse(version) {
        Some(2) => Ok(Protocol::Resp2),
        Some(3) => Ok(Protocol::Resp3),
        Some(_) => Err(Refused::new("NOPROTO unsupported protocol version")),
        None => Err(Refused::new("ERR Protocol version is not an integer or out of range")),
    }
}

fn greeting(call: &mut Call<'_>) -> Reply {
    let proto = if call.connection().protocol == Protocol::Resp3 { 3 } else { 2 };
    let role = if call.server.role() == Role::Master { "master" } else { "replica" };
    let id = i64::try_from(call.id).expect("a server makes fewer connections than i64 counts");
    let fields = [
        ("server", Reply::text("redis")),
        ("version", Reply::text(VERSION)),
        ("proto", Reply::Integer(proto)),
        ("id", Reply::Integer(id)),
        ("mode", Reply::text("standalone")),
        ("role", Reply::text(role)),
        ("modules", Reply::Array(Vec::new())),
    ];
    Reply::Map(fields.into_iter().map(|(field, value)| (Reply::text(field), value)).collect())
}

/// The default user needs no password, and there is no other.
fn authenticate(user: &[u8], _password: &[u8]) -> Result<(), Refused> {
    let wrong = || Refused::new("WRONGPASS invalid username-password pair or user is disabled.");
    if user == b"default" { Ok(()) } else { Err(wrong()) }
}

/// `AUTH [user] password`
pub(in crate::lock::redis) fn auth(_: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    match arguments {
        [_, _] => Err(Refused::new(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
        )),
        [_, user, password] => authenticate(user, password).map(|()| Reply::OK),
        _ => Err(Refused::syntax()),
    }
}

/// `TIME`
pub(in crate::lock::redis) fn time(call: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    Ok(unix_time(call.now))
}

/// Seconds and microseconds since 1970.
pub(in crate::lock::redis) fn unix_time(now: i64) -> Reply {
    let (seconds, milliseconds) = (now.div_euclid(1000), now.rem_euclid(1000));
    Reply::Array([seconds, milliseconds * 1000].map(|part| Reply::Bulk(number::format(part))).to_vec())
}

/// `ROLE`
pub(in crate::lock::redis) fn role(call: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    Ok(Reply::Array(match call.server.role() {
        Role::Master => vec![Reply::text("master"), Reply::Integer(0), Reply::Array(Vec::new())],
        Role::Replica => {
            vec![Reply::text("slave"), Reply::text(""), Reply::Integer(0), Reply::text("connected"), Reply::Integer(0)]
        }
    }))
}

/// `INFO [section …]`
pub(in crate::lock::redis) fn info(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    let asked: Vec<String> =
        arguments[1..].iter().map(|section| String::from_utf8_lossy(section).to_ascii_lowercase()).collect();
    let all = asked.is_empty() || asked.iter().any(|section| ["all", "default", "everything"].contains(&&**section));
    let sections = sections(call);
    let shown = sections.iter().filter(|(name, _)| all || asked.contains(&name.to_ascii_lowercase()));
    let texts: Vec<String> = shown.map(|(name, lines)| format!("# {name}\r\n{lines}")).collect();
    Ok(Reply::Verbatim(texts.join("\r\n")))
}

fn sections(call: &mut Call<'_>) -> Vec<(&'static str, String)> {
    let server = &call.server;
    let role = if server.role() == Role::Master { "master" } else { "slave" };
    let lines = |lines: &[(&str, String)]| -> String {
        lines.iter().map(|(field, value)| format!("{field}:{value}\r\n")).collect()
    };
    let keyspace: Vec<(String, String)> = (0..)
        .zip(&server.databases)
        .filter(|(_, keyspace)| !keyspace.is_empty())
        .map(|(database, keyspace): (u8, _)| {
            let (keys, expires) = (keyspace.len(), keyspace.deadline_count());
            (format!("db{database}"), format!("keys={keys},expires={expires},avg_ttl=0"))
        })
        .collect();
    let keyspace: Vec<(&str, String)> =
        keyspace.iter().map(|(database, counts)| (database.as_str(), counts.clone())).collect();
    vec![
        (
            "Server",
            lines(&[
                ("redis_version", VERSION.to_owned()),
                ("redis_mode", "standalone".to_owned()),
                ("arch_bits", "64".to_owned()),
            ]),
        ),
        ("Clients", lines(&[("connected_clients", server.connections.len().to_string())])),
        ("Persistence", lines(&[("loading", "0".to_owned()), ("aof_enabled", "0".to_owned())])),
        ("Stats", lines(&[("total_connections_received", server.connections_made.to_string())])),
        ("Replication", lines(&[("role", role.to_owned()), ("connected_slaves", "0".to_owned())])),
        ("Cluster", lines(&[("cluster_enabled", "0".to_owned())])),
        ("Keyspace", lines(&keyspace)),
    ]
}

/// What `CONFIG GET` knows; nothing of it can be changed.
const CONFIGURATION: &[(&str, &str)] = &[
    ("appendonly", "no"),
    ("databases", "16"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("proto-max-bulk-len", "536870912"),
    ("save", ""),
];

/// `CONFIG GET pattern …`: each value once, under the name as it was asked for, unless a pattern asked.
pub(in crate::lock::redis) fn config_get(_: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    let mut found: Vec<(Vec<u8>, &str)> = Vec::new();
    for asked in &arguments[2..] {
        let is_pattern = asked.iter().any(|byte| b"[*?".contains(byte));
        let pattern = asked.to_ascii_lowercase();
        for (name, value) in CONFIGURATION {
            let name = name.as_bytes();
            let is_wanted = if is_pattern { matches_glob(&pattern, name) } else { pattern == name };
            if is_wanted && !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                found.push((if is_pattern { name.to_vec() } else { asked.clone() }, value));
            }
        }
    }
    Ok(Reply::Map(found.into_iter().map(|(name, value)| (Reply::Bulk(name), Reply::text(value))).collect()))
}

/// `COMMAND`
pub(in crate::lock::redis) fn command(_: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    Ok(Reply::Array(whole_commands().map(described).collect()))
}

/// `COMMAND COUNT`
pub(in crate::lock::redis) fn command_count(_: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    Ok(Reply::count(whole_commands().count()))
}

/// `COMMAND DOCS`: the server has none.
pub(in crate::lock::redis) fn command_docs(_: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    Ok(Reply::Map(Vec::new()))
}

/// `COMMAND LIST [FILTERBY PATTERN pattern | FILTERBY MODULE name]`: parts of commands are in it.
pub(in crate::lock::redis) fn command_list(_: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    let names = table::COMMANDS.iter().map(|command| command.name);
    let names: Vec<&str> = match &arguments[2..] {
        [] => names.collect(),
        [filter, kind, wanted] if filter.eq_ignore_ascii_case(b"FILTERBY") => {
            if kind.eq_ignore_ascii_case(b"PATTERN") {
                let pattern = wanted.to_ascii_lowercase();
                names.filter(|name| matches_glob(&pattern, name.as_bytes())).collect()
            } else if kind.eq_ignore_ascii_case(b"MODULE") {
                Vec::new()
            } else if kind.eq_ignore_ascii_case(b"ACLCAT") {
                return Err(Refused::new("ERR COMMAND LIST FILTERBY ACLCAT is not supported: there are no categories"));
            } else {
                return Err(Refused::syntax());
            }
        }
        _ => return Err(Refused::syntax()),
    };
    Ok(Reply::Array(names.into_iter().map(Reply::text).collect()))
}

/// `COMMAND INFO [name …]`
pub(in crate::lock::redis) fn command_info(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    if arguments.len() == 2 {
        return Ok(Reply::Array(whole_commands().map(described).collect()));
    }
    let named = |name: &Vec<u8>| table::by_name(&name.to_ascii_lowercase()).map_or(Reply::Null, described);
    check_room(call.access().room, arguments[2..].iter().map(|name| named(name).size()))?;
    Ok(Reply::Array(arguments[2..].iter().map(named).collect()))
}

fn whole_commands() -> impl Iterator<Item = &'static Command> {
    table::COMMANDS.iter().filter(|command| !command.name.contains('|'))
}

/// Its name, its arity, its flags, where its keys stand, and four lists for categories, tips, key specifications and
/// parts, which are left empty.
fn described(command: &Command) -> Reply {
    let access = match command.access {
        Kind::Read => "readonly",
        Kind::Write => "write",
        Kind::Other => "",
    };
    let flags = access.split_whitespace().chain(command.flags.split_whitespace());
    let flags = flags.map(|flag| Reply::Status(flag.into()));
    let (first, last, step) = command.keys;
    let arity = i64::try_from(command.arity).expect("arities are small");
    let mut fields = vec![Reply::text(command.name), Reply::Integer(arity), Reply::Set(flags.collect())];
    fields.extend([first, last, step].map(Reply::Integer));
    fields.extend(std::iter::repeat_n(Reply::Set(Vec::new()), 4));
    Reply::Array(fields)
}

/// `PUBLISH channel message`: the server has no subscribers, so nothing receives it.
pub(in crate::lock::redis) fn publish(call: &mut Call<'_>, arguments: &[Vec<u8>]) -> Answer {
    call.access().note_verbatim(arguments);
    Ok(Reply::Integer(0))
}

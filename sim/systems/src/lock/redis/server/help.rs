//! `HELP` of the commands that have parts: the parts that this server has, in Redis's words.

use std::borrow::Cow;

use super::call::Call;
use crate::lock::redis::access::Answer;
use crate::lock::redis::reply::Reply;

/// `CLIENT HELP`
pub(in crate::lock::redis) fn client(_: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    Ok(lines(&[
        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GETNAME",
        "    Return the name of the current connection.",
        "ID",
        "    Return the ID of the current connection.",
        "INFO",
        "    Return information about the current client connection.",
        "LIST [options ...]",
        "    Return information about client connections. Options:",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Return clients of specified type.",
        "SETNAME <name>",
        "    Assign the name <name> to the current connection.",
    ]))
}

/// `COMMAND HELP`
pub(in crate::lock::redis) fn command(_: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    Ok(lines(&[
        "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "(no subcommand)",
        "    Return details about all Redis commands.",
        "COUNT",
        "    Return the total number of commands in this Redis server.",
        "LIST",
        "    Return a list of all commands in this Redis server.",
        "INFO [<command-name> ...]",
        "    Return details about multiple Redis commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
    ]))
}

/// `CONFIG HELP`
pub(in crate::lock::redis) fn config(_: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    Ok(lines(&[
        "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
    ]))
}

/// `SCRIPT HELP`
pub(in crate::lock::redis) fn script(_: &mut Call<'_>, _: &[Vec<u8>]) -> Answer {
    Ok(lines(&[
        "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "EXISTS <sha1> [<sha1> ...]",
        "    Return information about the existence of the scripts in the script cache.",
        "FLUSH [ASYNC|SYNC]",
        "    Flush the Lua scripts cache. Very dangerous on replicas.",
        "LOAD <script>",
        "    Load a script into the scripts cache without executing it.",
    ]))
}

/// These lines, and those that each help ends with.
fn lines(of_parts: &[&'static str]) -> Reply {
    let lines = of_parts.iter().chain(&["HELP", "    Prints this help."]);
    Reply::Array(lines.map(|line| Reply::Status(Cow::Borrowed(*line))).collect())
}

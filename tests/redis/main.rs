//! The lock server against Redis: the same requests to both, and equal bytes back.
//!
//! - `recorded` needs no Redis: requests with the replies that Redis 7.0.15 gave, committed.
//! - `compared` sends generated requests in pipelines to `splitbrain serve lock` and to a real `redis-server`, which it
//!   starts on a free port. Where there is none it does nothing, unless `SPLITBRAIN_REDIS=required` says that there has
//!   to be one.
//! - `language` does so for scripts and `syntax` for texts that are none, with replies that are recorded as well.
//! - `short` waits for deadlines.
//! - `socket`, `files` and `program` are about `splitbrain serve lock` itself.
//!
//! `SPLITBRAIN_REDIS_COMMANDS=200000` compares more requests, `SPLITBRAIN_REDIS_RECORD=1` makes the recording again.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a failure is a failed test")]

mod compared;
mod files;
mod generate;
mod language;
mod program;
mod real;
mod recorded;
mod scripts;
mod served;
mod short;
mod socket;
mod syntax;
mod wire;

/// Shows bytes in one line.
fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Shows a request in one line.
fn shown_request(arguments: &[Vec<u8>]) -> String {
    arguments.iter().map(|argument| format!("\"{}\"", shown(argument))).collect::<Vec<_>>().join(" ")
}

//! Scripts in the part of Lua that lock clients use.
//!
//! Whole numbers, strings, tables, functions, loops and the library functions that such scripts call. A script is
//! bounded in steps and in memory, and what it does follows from its text, its arguments and the keys alone.
//!
//! Caveats, each of which is an error and never a wrong value: fractions and numbers beyond 2^53; metatables,
//! coroutines, patterns, `...`; `cjson`, `cmsgpack`, `struct`, `bit`; commands beyond this server's.
//! `pairs` goes by the order of the keys, where Lua's order follows from its hash function.

mod bridge;
mod budget;
mod interpreter;
mod lexer;
mod library;
mod list;
mod operators;
mod parser;
mod syntax;
mod text;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::access::{Access, Answer, Refused};
use interpreter::{Interpreter, Thrown};
use syntax::Block;

/// A script that was read. A server keeps it in this form, as Redis does.
#[derive(Clone, Debug)]
pub(super) struct Script(Arc<Block>);

impl Script {
    /// Reads the text of a script.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Refused> {
        if text.starts_with(b"#!") {
            return Err(Refused::new("ERR '#!' with its flags is not supported in scripts, line 1"));
        }
        let block = parser::parse(text).map_err(|malformed| {
            let lexer::Malformed { line, text, is_unsupported } = malformed;
            if is_unsupported {
                let place = format!(" is not supported in scripts, line {line}");
                return Refused([b"ERR ".as_slice(), &text, place.as_bytes()].concat());
            }
            let place = format!("ERR Error compiling script (new function): user_script:{line}: ");
            Refused([place.as_bytes(), &text].concat())
        });
        block.map(|block| Self(Arc::new(block)))
    }
}

/// Carries a script out. What it wrote before an error stays written.
pub(super) fn run(Script(block): &Script, digest: &str, access: &mut Access<'_>, given: Arguments<'_>) -> Answer {
    let mut interpreter = Interpreter::new(access, given.may_write, given.keys, given.arguments);
    match interpreter.run(block) {
        Ok(value) => bridge::reply_of(&interpreter, &value),
        Err(Thrown::Stopped(text)) => Err(Refused(text.into_bytes())),
        Err(Thrown::Error(error)) => Err(bridge::refusal(&interpreter, &error, digest)),
    }
}

/// What a script is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments<'a> {
    pub(super) keys: &'a [Vec<u8>],
    pub(super) arguments: &'a [Vec<u8>],
    /// Whether the server takes writes.
    pub(super) may_write: bool,
}

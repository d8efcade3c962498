//! Scripts in the part of Lua that lock clients use.
//!
//! Whole numbers, strings, tables, functions, loops and the library functions that such scripts call. A script is
//! bounded in steps and in memory, and what it does follows from its text, its arguments and the keys alone.
//!
//! Caveats, each of which is an error and never a wrong value: fractions and numbers beyond 2^53; metatables,
//! coroutines, patterns, `...`; `cjson`, `cmsgpack`, `struct`, `bit`; commands beyond this server's.
//! `pairs` goes by the order of the keys, where Lua's order follows from its hash function.

mod bridge;
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

use super::access::{Access, Answer, Refused};
use interpreter::{Interpreter, Thrown};
use syntax::Block;

/// Checks that the text is a script.
pub(super) fn check(text: &[u8]) -> Result<(), Refused> {
    parse(text).map(drop)
}

fn parse(text: &[u8]) -> Result<Block, Refused> {
    parser::parse(text).map_err(|malformed| {
        let lexer::Malformed { line, text, is_unsupported } = malformed;
        if is_unsupported {
            return Refused(format!("ERR {text} is not supported in scripts, line {line}").into_bytes());
        }
        Refused(format!("ERR Error compiling script (new function): user_script:{line}: {text}").into_bytes())
    })
}

/// Carries a script out. What it wrote before an error stays written.
pub(super) fn run(text: &[u8], digest: &str, access: &mut Access<'_>, script: Arguments<'_>) -> Answer {
    let block = parse(text)?;
    let mut interpreter = Interpreter::new(access, script.may_write, script.keys, script.arguments);
    match interpreter.run(&block) {
        Ok(value) => bridge::reply_of(&interpreter, &value),
        Err(Thrown::Stopped(text)) => Err(Refused(text.into_bytes())),
        Err(Thrown::Error(error)) => {
            let place = format!(" script: {digest}, on @user_script:{}.", interpreter.line);
            Err(Refused([bridge::error_text(&interpreter, &error), place.into_bytes()].concat()))
        }
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

//! A process that carries out runs for another one: it reads requests from its stdin, which is a socket, and answers
//! there.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::campaign::{RUN_STACK_SIZE, RUN_THREAD};
use crate::command::CommandError;
use crate::engine::{AnySystem, apart};
use crate::exit_code::ExitCode;

/// Carries out what the other end of stdin asks for, until it is closed.
pub(crate) fn run(systems: &[Box<dyn AnySystem>]) -> Result<ExitCode, CommandError> {
    let (requests, socket) = requests().map_err(|error| {
        CommandError::usage(format!("{} is how splitbrain starts a process for runs: {error}", apart::ARGUMENT))
    })?;
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(RUN_THREAD.to_owned()).stack_size(RUN_STACK_SIZE);
        let work = move || answer(systems, requests, &socket);
        let thread = thread.spawn_scoped(scope, work).map_err(CommandError::usage)?;
        thread.join().unwrap_or_else(|_| Ok(ExitCode::Panicked))
    })
}

/// The lines that ask, and where to answer.
fn requests() -> io::Result<(Receiver<String>, UnixStream)> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // A terminal or a file cannot be asked.
    socket.peer_addr()?;
    let mut reader = BufReader::new(socket.try_clone()?);
    let (sender, requests) = channel();
    let read = move || {
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
            let _ = sender.send(std::mem::take(&mut line));
        }
        // The other end is closed: what is carried out is of no more use.
        std::process::exit(i32::from(ExitCode::Interrupted.code()));
    };
    thread::Builder::new().name("requests".to_owned()).spawn(read)?;
    Ok((requests, socket))
}

fn answer(
    systems: &[Box<dyn AnySystem>],
    requests: Receiver<String>,
    socket: &UnixStream,
) -> Result<ExitCode, CommandError> {
    let mut out = io::BufWriter::new(socket);
    let mut responder = apart::Responder::new(systems);
    for line in requests {
        let mut error = None;
        let mut say = |line: &str, at_once: bool| {
            let written = out.write_all(line.as_bytes()).and_then(|()| if at_once { out.flush() } else { Ok(()) });
            error = error.take().or_else(|| written.err());
        };
        responder.answer(&line, &mut say).map_err(CommandError::usage)?;
        if let Some(error) = error {
            return Err(CommandError::output("the answer", error));
        }
    }
    Ok(ExitCode::AsExpected)
}

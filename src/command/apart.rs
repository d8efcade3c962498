//! The process of one run: it reads a request from its stdin, which is a socket, and answers there.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::thread;

use crate::campaign::{RUN_STACK_SIZE, RUN_THREAD};
use crate::command::Failed;
use crate::engine::{AnySystem, apart};
use crate::exit_code::ExitCode;

/// Carries out what the other end of stdin asks for.
pub(crate) fn run(systems: &[Box<dyn AnySystem>]) -> Result<ExitCode, Failed> {
    let (line, socket) = request().map_err(|error| {
        Failed::usage(format!("{} is how splitbrain starts a process for a run: {error}", apart::ARGUMENT))
    })?;
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(RUN_THREAD.to_owned()).stack_size(RUN_STACK_SIZE);
        let work = || answer(systems, &line, &socket);
        let thread = thread.spawn_scoped(scope, work).map_err(Failed::usage)?;
        thread.join().unwrap_or_else(|_| Ok(ExitCode::Panicked))
    })
}

/// The line that asks, and where to answer.
fn request() -> io::Result<(String, UnixStream)> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // A terminal or a file cannot be asked.
    socket.peer_addr()?;
    let mut reader = BufReader::new(socket.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    end_with(reader)?;
    Ok((line, socket))
}

/// Ends this process when the other end is closed: then the run is of no more use.
fn end_with(mut reader: BufReader<UnixStream>) -> io::Result<()> {
    let watch = move || {
        let _ = reader.read(&mut [0]);
        std::process::exit(i32::from(ExitCode::Interrupted.code()));
    };
    thread::Builder::new().spawn(watch).map(drop)
}

fn answer(systems: &[Box<dyn AnySystem>], line: &str, socket: &UnixStream) -> Result<ExitCode, Failed> {
    let mut out = io::BufWriter::new(socket);
    let mut error = None;
    let mut say = |line: &str| error = error.take().or_else(|| out.write_all(line.as_bytes()).err());
    apart::answer(systems, line, &mut say).map_err(Failed::usage)?;
    match error.map_or_else(|| out.flush(), Err) {
        Ok(()) => Ok(ExitCode::AsExpected),
        Err(error) => Err(Failed::output("the answer", error)),
    }
}

//! One request on its way: found, checked, queued or carried out.

use super::{Connection, Next, Server, transaction};
use crate::lock::redis::access::{Access, Answer, Refused};
use crate::lock::redis::effect::Effect;
use crate::lock::redis::protocol::ARGUMENT_BYTES;
use crate::lock::redis::reply::Reply;
use crate::lock::redis::table::{self, Command, Run};

/// One request with the server and the connection that it came from.
#[derive(Debug)]
pub(in crate::lock::redis) struct Call<'a> {
    pub(super) server: &'a mut Server,
    pub(super) id: u64,
    /// Milliseconds since 1970; it does not move within a request.
    pub(super) now: i64,
    pub(super) effects: Vec<Effect>,
    pub(super) next: Next,
    /// How much memory the reply may still take.
    room: usize,
    /// How many requests the `EXEC` at work carries out; `None` outside of one.
    pub(super) within_exec: Option<usize>,
}

/// The first words of lines of an HTTP request: a web page tries to reach the server through a browser.
const HTTP: &[&[u8]] = &[b"post", b"host:"];

/// Commands that a transaction does not put off.
const NEVER_QUEUED: &[&str] = &["exec", "discard", "multi", "watch", "quit", "reset"];

impl<'a> Call<'a> {
    pub(super) fn new(server: &'a mut Server, id: u64, now: i64) -> Self {
        let room = server.reply_bytes_max;
        Self { server, id, now, effects: Vec::new(), next: Next::Continue, room, within_exec: None }
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        self.server.connections.get_mut(&self.id).expect("a request comes from a connection that is there")
    }

    /// The reply to a request.
    pub(super) fn request(&mut self, arguments: &[Vec<u8>]) -> Reply {
        if HTTP.iter().any(|word| arguments[0].eq_ignore_ascii_case(word)) {
            self.next = Next::Abort;
        }
        let answer = match self.admit(arguments) {
            Ok(command) if self.puts_off(command) => Ok(self.queue(arguments)),
            Ok(command) => self.run(command, arguments),
            Err(refused) if is_exec(arguments) => Err(transaction::abort(self, &refused)),
            Err(refused) => {
                self.fail_transaction();
                Err(refused)
            }
        };
        answer.unwrap_or_else(|Refused(text)| Reply::Error(text))
    }

    /// The command, if it is one, has as many words as it needs, and may run now.
    fn admit(&self, arguments: &[Vec<u8>]) -> Result<&'static Command, Refused> {
        let command = table::find(arguments).ok_or_else(|| unknown(arguments))?;
        if !command.takes(arguments.len()) {
            return Err(Refused::arity(command.name));
        }
        self.server.may_run(command)?;
        Ok(command)
    }

    fn puts_off(&mut self, command: &Command) -> bool {
        self.connection().transaction.is_some() && !NEVER_QUEUED.contains(&command.name)
    }

    fn queue(&mut self, arguments: &[Vec<u8>]) -> Reply {
        let connection = self.connection();
        let transaction = connection.transaction.as_mut().expect("a transaction is open");
        // One that failed is never carried out.
        if !transaction.failed {
            transaction.queued.push(arguments.to_vec());
            connection.held_bytes += held_bytes(arguments);
        }
        Reply::QUEUED
    }

    fn fail_transaction(&mut self) {
        if let Some(transaction) = &mut self.connection().transaction {
            transaction.failed = true;
        }
    }

    pub(super) fn run(&mut self, command: &Command, arguments: &[Vec<u8>]) -> Answer {
        match command.run {
            Run::Keys(run) => run(&mut self.access(), arguments),
            Run::Server(run) => run(self, arguments),
            Run::Container => Err(Refused::arity(command.name)),
        }
    }

    /// The keys of the database that the connection has selected.
    pub(super) fn access(&mut self) -> Access<'_> {
        let database = self.connection().database;
        let expired = self.server.expired();
        let keyspace = &mut self.server.databases[usize::from(database)];
        Access { keyspace, effects: &mut self.effects, database, now: self.now, expired, room: self.room }
    }

    /// A part of the reply that `EXEC` collects, or an error if there is no room for it.
    pub(super) fn within_room(&mut self, reply: Reply) -> Reply {
        match self.room.checked_sub(reply.size()) {
            Some(left) => {
                self.room = left;
                reply
            }
            None => Reply::Error(Refused::too_long(self.room).0),
        }
    }
}

/// Whether a request that was refused is `EXEC`: it ends the transaction all the same.
fn is_exec(arguments: &[Vec<u8>]) -> bool {
    arguments[0].eq_ignore_ascii_case(b"EXEC")
}

/// How many bytes a request takes while it waits, those of its vectors included.
pub(super) fn held_bytes(arguments: &[Vec<u8>]) -> usize {
    ARGUMENT_BYTES + arguments.iter().map(|argument| argument.len() + ARGUMENT_BYTES).sum::<usize>()
}

/// The error for a command that does not exist, with the front of its arguments.
fn unknown(arguments: &[Vec<u8>]) -> Refused {
    let name = &arguments[0];
    if let (Some(container), Some(part)) = (table::container(name), arguments.get(1)) {
        let text = [b"ERR unknown subcommand '", front(part, 128), b"'. Try ", &name.to_ascii_uppercase(), b" HELP."];
        debug_assert!(
            container.name.eq_ignore_ascii_case(&String::from_utf8_lossy(name)),
            "the container of this name"
        );
        return Refused(text.concat());
    }
    let mut shown = Vec::new();
    for argument in &arguments[1..] {
        if shown.len() >= 128 {
            break;
        }
        let room = 128 - shown.len();
        shown.extend_from_slice(&[b"'", front(argument, room), b"' "].concat());
    }
    Refused([b"ERR unknown command '", front(name, 128), b"', with args beginning with: ", &shown].concat())
}

/// The front of a text as C prints it: at most this many bytes, and none from the first zero on.
pub(in crate::lock::redis) fn front(bytes: &[u8], most: usize) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    &bytes[..end.min(most)]
}

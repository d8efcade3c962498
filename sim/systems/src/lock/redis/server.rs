//! The server: databases, connections, scripts, and the way of a request.

pub(super) mod call;
pub(super) mod client;
pub(super) mod connection;
pub(super) mod help;
pub(super) mod info;
pub(super) mod scripting;
pub(super) mod transaction;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::access::{Access, Expired, Refused};
use super::effect::Effect;
use super::keyspace::Keyspace;
use super::reply::{Protocol, Reply};
use super::script::Script;
use super::table::{self, Command, Kind};
use call::Call;
use connection::Connection;

/// The number of databases; `SELECT` chooses one.
const DATABASES: usize = 16;

/// Whether the server takes writes from clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// It takes writes and deletes expired keys.
    #[default]
    Master,
    /// It refuses writes, hides expired keys, and applies the effects of its master.
    Replica,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Executed {
    /// The answer.
    pub reply: Reply,
    /// What it changed, in order: one unit for replicas and for the append-only file.
    pub effects: Vec<Effect>,
    /// What the host does next with the connection.
    pub next: Next,
}

/// What the host does with a connection after a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// It sends the reply and reads on.
    #[default]
    Continue,
    /// It sends the reply and closes the connection.
    Close,
    /// It withholds the reply until this many replicas have acknowledged what was written so far, or until the time
    /// is over, and answers with the number of replicas that have. The reply is right if none has.
    AwaitReplicas {
        /// How many replicas.
        replicas: u64,
        /// For how long; 0 waits for ever.
        timeout_ms: u64,
    },
    /// It closes the connection without a reply.
    Abort,
}

/// A server.
///
/// Invariant: what a connection watches is counted in the keys of the database.
#[derive(Clone, Debug)]
pub struct Server {
    databases: Vec<Keyspace>,
    connections: BTreeMap<u64, Connection>,
    connections_made: u64,
    /// By their digests.
    scripts: BTreeMap<String, Script>,
    role: Role,
    /// How much memory one reply may take.
    reply_bytes_max: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// An empty master.
    pub fn new() -> Self {
        Self {
            databases: vec![Keyspace::default(); DATABASES],
            connections: BTreeMap::new(),
            connections_made: 0,
            scripts: BTreeMap::new(),
            role: Role::Master,
            reply_bytes_max: usize::MAX,
        }
    }

    /// A command whose reply would take more memory than this is refused with an error, before the reply is made. At
    /// first there is no limit, as in Redis.
    pub fn set_reply_bytes_max(&mut self, most: usize) {
        self.reply_bytes_max = most;
    }

    /// Its role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Makes it a master or a replica. Keys that a replica hid are there until the new master deletes them.
    pub fn set_role(&mut self, role: Role) {
        self.role = role;
    }

    /// The keys of a database, if there is one of this number.
    pub fn keyspace(&self, database: u8) -> Option<&Keyspace> {
        self.databases.get(usize::from(database))
    }

    /// Adds a connection from this address, and returns its number.
    pub fn connect(&mut self, peer: &str, now: i64) -> u64 {
        self.connections_made += 1;
        self.connections.insert(self.connections_made, Connection::new(peer, now));
        self.connections_made
    }

    /// Removes a connection: its transaction and what it watched are gone.
    pub fn disconnect(&mut self, connection: u64) {
        if let Some(mut connection) = self.connections.remove(&connection) {
            connection.forget_watches(&mut self.databases);
        }
    }

    /// The version of the protocol that a connection speaks.
    pub fn protocol(&self, connection: u64) -> Protocol {
        self.connections.get(&connection).map(|connection| connection.protocol).unwrap_or_default()
    }

    /// How many bytes the server holds for a connection: requests that wait for `EXEC`, and watches.
    ///
    /// It sets no limit of its own: a host does.
    pub fn held_bytes(&self, connection: u64) -> usize {
        self.connections.get(&connection).map_or(0, |connection| connection.held_bytes + connection.watched_bytes)
    }

    /// Carries out a request of a connection at this moment of the wall clock.
    ///
    /// # Panics
    /// If there is no such connection, or if there are no arguments.
    pub fn execute(&mut self, connection: u64, arguments: &[Vec<u8>], now: i64) -> Executed {
        assert!(!arguments.is_empty(), "a request has a name");
        let mut call = Call::new(self, connection, now);
        let reply = call.request(arguments);
        let Call { effects, next, .. } = call;
        Executed { reply, effects, next }
    }

    /// Carries out a request of a connection that speaks RESP2 and lives for this request alone.
    pub fn ask(&mut self, arguments: &[Vec<u8>], now: i64) -> Executed {
        let connection = self.connect("127.0.0.1:0", now);
        let executed = self.execute(connection, arguments, now);
        self.disconnect(connection);
        executed
    }

    /// Whether a command may change something: a script may, and so may what is no command.
    pub fn may_write(arguments: &[Vec<u8>]) -> bool {
        table::find(arguments).is_none_or(|command| command.access != Kind::Read)
    }

    /// Applies effects of the master, as a replica or from an append-only file.
    ///
    /// # Errors
    /// With the first effect that is no command of this server or that fails, with its error.
    pub fn apply(&mut self, effects: &[Effect], now: i64) -> Result<(), (Effect, Reply)> {
        for effect in effects {
            let applied = self.apply_one(effect, now);
            applied.map_err(|Refused(text)| (effect.clone(), Reply::Error(text)))?;
        }
        Ok(())
    }

    fn apply_one(&mut self, effect: &Effect, now: i64) -> Result<(), Refused> {
        let command = table::find(&effect.arguments).filter(|command| command.takes(effect.arguments.len()));
        let command = command.ok_or_else(|| Refused::new("ERR no command of this server"))?;
        if usize::from(effect.database) >= DATABASES {
            return Err(Refused::new("ERR DB index is out of range"));
        }
        let mut ignored = Vec::new();
        match command.run {
            table::Run::Keys(run) => {
                let keyspace = &mut self.databases[usize::from(effect.database)];
                let expired = Expired::Seen;
                let effects = &mut ignored;
                let (database, room) = (effect.database, usize::MAX);
                run(&mut Access { keyspace, effects, database, now, expired, room }, &effect.arguments)?;
            }
            _ => self.apply_to_server(command, effect)?,
        }
        Ok(())
    }

    fn apply_to_server(&mut self, command: &Command, effect: &Effect) -> Result<(), Refused> {
        match command.name {
            "flushall" => self.databases.iter_mut().for_each(Keyspace::clear),
            "flushdb" => self.databases[usize::from(effect.database)].clear(),
            _ => return Err(Refused::new("ERR this command is no effect")),
        }
        Ok(())
    }

    /// Deletes keys that are expired, at most this many of each database, and returns an effect for each.
    ///
    /// A replica deletes none: it waits for the effects of its master.
    pub fn expire(&mut self, now: i64, most: usize) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.role == Role::Replica {
            return effects;
        }
        for (database, keyspace) in (0_u8..).zip(&mut self.databases) {
            let expired = keyspace.expired(now, most);
            let (expired_are, room) = (Expired::Deleted, usize::MAX);
            let mut access = Access { keyspace, effects: &mut effects, database, now, expired: expired_are, room };
            expired.iter().for_each(|key| access.expire(key));
        }
        effects
    }

    /// What a command of a client sees of expired keys.
    fn expired(&self) -> Expired {
        match self.role {
            Role::Master => Expired::Deleted,
            Role::Replica => Expired::Hidden,
        }
    }

    /// Whether the server takes this command from a client now.
    fn may_run(&self, command: &Command) -> Result<(), Refused> {
        if command.access == Kind::Write && self.role == Role::Replica {
            return Err(Refused::new("READONLY You can't write against a read only replica."));
        }
        Ok(())
    }
}

//! A primary/backup key-value store over TCP: plain tokio code, which knows of splitbrain nothing but `observe`.
//!
//! ```text
//!   primary ──beat <epoch> <sent> <leased> <writes> <key> <value> …──▶ backup      every 50 ms
//!   primary ◀─alive <epoch> <sent> <writes>─────────────────────────── backup      every 50 ms
//! ```
//!
//! - A primary that has a backup holds a lease: without a word from the backup it retires before the backup's patience
//!   ends. One without a backup serves alone.
//! - A backup that hears no beat for as long as its patience lasts takes over, with a higher epoch.
//! - A write is answered once the backup has it, or at once by a primary that serves alone.
//! - The first primary serves once it hears that the other is as new as itself. Nobody who starts takes over from
//!   silence, and one who retired serves again only when the other has lost all that it knew.
//!
//! Nothing is kept on a disk: what only one server has is lost with it. And no process can retire while it is paused.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, ReadHalf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use crate::StoreObservation;

/// Where clients connect.
pub(crate) const CLIENT_PORT: u16 = 7_000;
const PEER_PORT: u16 = 7_001;
const BEAT: Duration = Duration::from_millis(50);
const TURN: Duration = Duration::from_millis(10);

/// How a server is set up.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Its own address.
    pub(crate) me: IpAddr,
    /// That of the other server.
    pub(crate) peer: IpAddr,
    /// Whether it is the one to serve first.
    pub(crate) is_first: bool,
    /// How long a backup waits for a beat.
    pub(crate) patience: Duration,
    /// How long a primary serves without a word from its backup. Shorter than the patience.
    pub(crate) lease: Duration,
    /// Whether the lease runs from when the beat was *sent* that the backup answers. Else any word renews it.
    pub(crate) lease_by_echo: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Serves; alone until it first hears from a backup.
    Primary { alone: bool },
    /// Follows. It takes over only from a primary that relies on it.
    Backup { may_take_over: bool },
    /// Gave up its lease: waits for the other to say that it serves.
    Retired,
}

#[derive(Debug)]
struct State {
    role: Role,
    epoch: u64,
    /// When a backup last heard its primary.
    beat_at: Instant,
    /// When, on the primary's clock, the beat was sent that was heard last: it is answered with that.
    echo: u64,
    lease_until: Instant,
    values: BTreeMap<String, u64>,
    /// How many writes there were, and how many of them the backup has.
    writes: u64,
    confirmed: u64,
}

#[derive(Clone, Debug)]
struct Server {
    config: Config,
    started: Instant,
    state: Arc<Mutex<State>>,
}

/// Serves until the process ends.
pub(crate) async fn serve(config: Config) -> io::Result<()> {
    let now = Instant::now();
    let state = State {
        role: Role::Backup { may_take_over: false },
        epoch: 0,
        beat_at: now,
        echo: 0,
        lease_until: now,
        values: BTreeMap::new(),
        writes: 0,
        confirmed: 0,
    };
    splitbrain_madsim::observe(StoreObservation::Follows);
    let server = Server { config, started: now, state: Arc::new(Mutex::new(state)) };
    let peers = TcpListener::bind((server.config.me, PEER_PORT)).await?;
    let clients = TcpListener::bind((server.config.me, CLIENT_PORT)).await?;
    tokio::spawn(server.clone().watch_time());
    tokio::spawn(server.clone().talk_to_peer());
    tokio::spawn(server.clone().listen_to_peers(peers));
    loop {
        let (stream, _) = clients.accept().await?;
        tokio::spawn(server.clone().serve_client(stream));
    }
}

impl Server {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the state")
    }

    async fn watch_time(self) {
        loop {
            sleep(TURN).await;
            let now = Instant::now();
            let mut state = self.state();
            match state.role {
                Role::Backup { may_take_over: true } if now >= state.beat_at + self.config.patience => {
                    state.epoch += 1;
                    state.turn_into(Role::Primary { alone: true });
                }
                Role::Primary { alone: false } if now >= state.lease_until => state.turn_into(Role::Retired),
                _ => {}
            }
        }
    }

    /// Keeps a connection to the other server, and says on it what there is to say.
    async fn talk_to_peer(self) {
        loop {
            if let Ok(Ok(mut stream)) = timeout(BEAT * 4, TcpStream::connect((self.config.peer, PEER_PORT))).await {
                while say(&mut stream, &self.words()).await.is_ok() {
                    sleep(BEAT).await;
                }
            }
            sleep(BEAT).await;
        }
    }

    /// What there is to say to the other server now.
    fn words(&self) -> String {
        let state = self.state();
        let State { role, epoch, echo, values, writes, .. } = &*state;
        match role {
            Role::Primary { alone } => {
                let sent = self.started.elapsed().as_millis();
                let mut words = format!("beat {epoch} {sent} {} {writes}", !alone);
                for (key, value) in values {
                    let _ = write!(words, " {key} {value}");
                }
                words
            }
            Role::Backup { .. } | Role::Retired => format!("alive {epoch} {echo} {writes}"),
        }
    }

    async fn listen_to_peers(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let server = self.clone();
            tokio::spawn(async move {
                let mut lines = BufReader::new(stream).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    server.hear(&line);
                }
            });
        }
    }

    fn hear(&self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| words.get(index).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        let epoch = number(1);
        let mut state = self.state();
        match words[0] {
            // A primary's own epoch is never another's.
            "beat" if epoch > 0 && epoch >= state.epoch => {
                let pairs = words.get(5..).unwrap_or_default().chunks_exact(2);
                let values = pairs.filter_map(|pair| Some((pair[0].to_owned(), pair[1].parse().ok()?)));
                state.values = values.collect();
                state.epoch = epoch;
                state.echo = number(2);
                state.writes = number(4);
                state.beat_at = Instant::now();
                state.turn_into(Role::Backup { may_take_over: words.get(3) == Some(&"true") });
            }
            "alive" if epoch == 0 && state.may_begin(self.config.is_first) => {
                state.epoch += 1;
                state.turn_into(Role::Primary { alone: true });
            }
            "alive" if epoch == state.epoch && matches!(state.role, Role::Primary { .. }) => {
                let from = if self.config.lease_by_echo {
                    self.started + Duration::from_millis(number(2))
                } else {
                    Instant::now()
                };
                state.lease_until = state.lease_until.max(from + self.config.lease);
                state.confirmed = state.confirmed.max(number(3));
                state.turn_into(Role::Primary { alone: false });
            }
            _ => {}
        }
    }

    async fn serve_client(self, stream: TcpStream) -> io::Result<()> {
        let (reader, mut writer) = split(stream);
        let mut lines: Lines<BufReader<ReadHalf<TcpStream>>> = BufReader::new(reader).lines();
        while let Some(line) = lines.next_line().await? {
            let answer = match line.split(' ').collect::<Vec<_>>()[..] {
                ["put", key, value] => self.put(key, value.parse().unwrap_or(0)).await,
                ["get", key] => self.get(key),
                _ => "what?".to_owned(),
            };
            writer.write_all(format!("{answer}\n").as_bytes()).await?;
            writer.flush().await?;
        }
        Ok(())
    }

    async fn put(&self, key: &str, value: u64) -> String {
        let (epoch, number) = {
            let mut state = self.state();
            if !matches!(state.role, Role::Primary { .. }) {
                return "elsewhere".to_owned();
            }
            state.values.insert(key.to_owned(), value);
            state.writes += 1;
            (state.epoch, state.writes)
        };
        loop {
            {
                let state = self.state();
                match state.role {
                    Role::Primary { alone } if state.epoch == epoch => {
                        if alone || state.confirmed >= number {
                            return "done".to_owned();
                        }
                    }
                    _ => return "unknown".to_owned(),
                }
            }
            sleep(TURN).await;
        }
    }

    fn get(&self, key: &str) -> String {
        let state = self.state();
        match state.role {
            Role::Primary { .. } => format!("value {}", state.values.get(key).copied().unwrap_or(0)),
            Role::Backup { .. } | Role::Retired => "elsewhere".to_owned(),
        }
    }
}

impl State {
    /// Whether it may serve when the other knows nothing.
    fn may_begin(&self, is_first: bool) -> bool {
        match self.role {
            Role::Backup { .. } => is_first && self.epoch == 0,
            Role::Retired => true,
            Role::Primary { .. } => false,
        }
    }

    fn turn_into(&mut self, role: Role) {
        let serves = |role: Role| matches!(role, Role::Primary { .. });
        let (before, now) = (serves(self.role), serves(role));
        self.role = role;
        let epoch = self.epoch;
        if now && !before {
            splitbrain_madsim::observe(StoreObservation::Serves { epoch });
        } else if before && !now {
            splitbrain_madsim::observe(StoreObservation::Retires { epoch });
        }
    }
}

async fn say(stream: &mut TcpStream, words: &str) -> io::Result<()> {
    stream.write_all(format!("{words}\n").as_bytes()).await?;
    stream.flush().await
}

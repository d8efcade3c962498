//! The table of `reports/gallery/steps.md`: how often the clean swarms hit each step of the sequences that the systems
//! exist for, the creation of a session and the login to a chat.
//!
//! A step is a message, or something that a process tells. Two faults are counted:
//!
//! - *lost*: the message was lost, whatever for. A connection loses nothing, so of a message over one it is counted
//!   that its link did not let it through: it waits at its sender until the link does, or the connection ends.
//! - *stopped after*: a crash, a pause or a suspension of the process, when the step was the last that it had sent or
//!   told, no longer ago than [`RECENT`].
//!
//! A step that is always taken in one event with the next one cannot be parted from it by a stop. Beyond that, a step
//! that nothing hit is a failure.
//!
//! `cargo bench --bench steps` prints the tables for a few seeds; `-- --seeds N` asks for N of each swarm, `--write`
//! keeps the page. It is a function of the build and N. An interrupted call goes on where it ended.

#[path = "common/arguments.rs"]
mod arguments;
#[path = "common/grouped.rs"]
mod grouped;
#[path = "common/kept.rs"]
mod kept;
#[path = "common/shipped.rs"]
mod shipped;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use splitbrain::engine::Opened;
use splitbrain::scenario::Resolved;
use splitbrain_kernel::brief::message_name;
use splitbrain_kernel::fault::{Fault, Target};
use splitbrain_kernel::id::{Link, NodeId};
use splitbrain_kernel::invariant::FaultChange;
use splitbrain_kernel::network::DropReason;
use splitbrain_kernel::node::{Node, Observation as _};
use splitbrain_kernel::plan::Moment;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::System;
use splitbrain_kernel::time::Duration;
use splitbrain_kernel::trace::{TraceItem, Tracer};
use splitbrain_kernel::world::World;
use splitbrain_systems::chat::Chat;
use splitbrain_systems::chat::message::ChatMessage;
use splitbrain_systems::chat::observation::ChatObservation;
use splitbrain_systems::lock::ids::Token;
use splitbrain_systems::lock::message::{Command, RequestId, Wire};
use splitbrain_systems::lock::observation::LockObservation;
use splitbrain_systems::session::Sessions;

use crate::arguments::number_after;
use crate::grouped::grouped;
use crate::kept::{Counts, Job, Kept, hash};
use crate::shipped::{file_stem, files_of, load};

/// Seeds of each swarm by default.
const SEEDS: u64 = 10;

/// Seeds that are measured at once.
const CHUNK: u64 = 10;

/// How long a step is the one that a process is at, if it takes no other.
const RECENT: Duration = Duration::from_millis(100);

/// A step of a sequence.
struct Step {
    /// What it is, in the words of the sequence.
    what: &'static str,
    mark: Mark,
}

/// How a step is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// By a message of this name.
    Message(&'static str),
    /// By something that a process tells.
    Told(&'static str),
}

const fn message(what: &'static str, name: &'static str) -> Step {
    Step { what, mark: Mark::Message(name) }
}

const fn told(what: &'static str, name: &'static str) -> Step {
    Step { what, mark: Mark::Told(name) }
}

/// A sequence of a system.
struct Sequence {
    heading: &'static str,
    steps: &'static [Step],
}

const SESSIONS: &[Sequence] = &[
    Sequence {
        heading: "A session is created",
        steps: &[
            told("the access handler asks for a session", "session asked for"),
            message("the session client sends the request", "create"),
            told("master: the initialize callback has run", "session initialized"),
            told("master: the lease begins", "lease started"),
            told("master: the created callback has run", "session created"),
            told("master: a session is taken over", "session reused"),
            message("the answer", "create_reply"),
            told("follower: the capability is negotiated", "capability negotiated"),
            told("follower: the data report begins", "data report begun"),
            told("follower: the created callback has run", "follower created"),
            told("node server: the iSCSI session is alive", "session alive"),
            told("follower: it enters the keepalive loop", "keepalive loop begun"),
        ],
    },
    Sequence {
        heading: "It lives, and expires",
        steps: &[
            message("a keepalive", "keep_alive"),
            told("master: the lease is extended", "lease extended"),
            message("the answer", "keep_alive_reply"),
            told("follower: jeopardy", "jeopardy"),
            told("follower: its session is back", "session restored"),
            told("master: it is decided that the session expires", "session expired"),
            told("master: a part of the expired callback has run", "expired callback ran"),
            told("master: the session is erased", "session erased"),
            told("follower: it knows of the expiry", "follower expired"),
            message("the session is closed", "close"),
        ],
    },
    Sequence {
        heading: "Items and targets",
        steps: &[
            message("an item is to be set", "item"),
            told("master: the item is set", "item set"),
            message("the answer", "item_reply"),
            told("master: the target is granted", "target granted"),
            told("node server: the target is served", "target served"),
            message("a client writes", "ask"),
            message("the chunk asks the volume", "apply"),
            told("volume: the write takes effect", "io applied"),
            message("the volume answers", "applied"),
            message("the chunk answers", "answer"),
        ],
    },
];

const CHATS: &[Sequence] = &[
    Sequence {
        heading: "A login",
        steps: &[
            message("a client asks where to log in", "enter"),
            message("the gate asks the status server", "assign"),
            message("the status server reads how many users each chat server has", "HGETALL logincount"),
            message("the status server gives a token", "EVAL set utoken"),
            message("the status server answers", "assignment"),
            message("the gate answers", "entered"),
            message("the client logs in", "login"),
            told("the login begins", "login begun"),
            message("the lock is asked for", "acquire of a login"),
            message("the redis answers", "answer to a login"),
            told("the lock is held", "login under lock"),
            message("the token is read", "GET utoken"),
            message("the user is read", "GET ubaseinfo"),
            told("the redis does not have the user: the database is asked", "database asked for user"),
            message("the redis keeps the user", "SET ubaseinfo"),
            told("the requests for friendship are read", "database asked for requests"),
            told("the friends are read", "database asked for friends"),
            message("the old presence is read", "EVAL mget uip"),
            told("the old session is on this server", "kick on this server"),
            told("the old session is on another server", "kick across servers"),
            message("the presence is written", "EVAL set uip"),
            told("the user is logged in", "user logged in"),
            message("the count of users is written", "HSET logincount"),
            message("the answer", "login reply"),
            message("the lock is given back", "release of a login"),
            told("it is given back", "lock of user given back"),
        ],
    },
    Sequence {
        heading: "A connection is lost",
        steps: &[
            told("the server reads that the connection is gone", "session gone"),
            told("the cleanup begins", "cleanup begun"),
            message("it asks for the lock", "acquire of a cleanup"),
            message("the redis answers", "answer to a cleanup"),
            message("the presence is to be removed", "EVAL del usession"),
            told("the presence is removed", "cleanup removed presence"),
            told("there is a later session", "cleanup found no presence of its own"),
            told("the session is destroyed", "session destroyed"),
            message("the lock is given back", "release of a cleanup"),
        ],
    },
    Sequence {
        heading: "A kick",
        steps: &[
            message("the other server is asked", "kick"),
            told("it ends the session", "session ended by kick"),
            message("it answers", "kick done"),
            message("the client is told", "offline"),
            told("the client knows", "client kicked"),
        ],
    },
];

/// What a sequence calls the messages of a run: a message by its kind, or by more where one kind is for many things.
trait Names<N: Node>: Default {
    /// A process tells something.
    fn on_told(&mut self, node: NodeId, told: &N::Observation);

    /// The name of a message that is sent.
    fn of_message(&mut self, link: Link, message: &N::Message) -> String;
}

/// A system with a sequence.
trait Sequenced: System {
    type Names: Names<Self::Node>;
}

impl Sequenced for Sessions {
    type Names = ByKind;
}

impl Sequenced for Chat {
    type Names = OfChat;
}

/// Each message is called by its kind.
#[derive(Default)]
struct ByKind;

impl<N: Node> Names<N> for ByKind {
    fn on_told(&mut self, _: NodeId, _: &N::Observation) {}

    fn of_message(&mut self, _: Link, message: &N::Message) -> String {
        message_name(message).to_owned()
    }
}

/// Names of the chat service: what is about a lock says whether it is for a login or for a cleanup.
#[derive(Default)]
struct OfChat {
    /// What each server has begun last: it asks for the lock of that in the same event.
    begun: BTreeMap<NodeId, &'static str>,
    /// What each token of a lock is for.
    tokens: BTreeMap<Token, &'static str>,
    /// What each request for a lock is for.
    requests: BTreeMap<(NodeId, RequestId), &'static str>,
}

impl Names<<Chat as System>::Node> for OfChat {
    fn on_told(&mut self, node: NodeId, told: &ChatObservation) {
        match told {
            ChatObservation::LoginBegun { .. } => {
                self.begun.insert(node, "login");
            }
            ChatObservation::CleanupBegun { .. } => {
                self.begun.insert(node, "cleanup");
            }
            ChatObservation::Lock(LockObservation::Wanted { hold, instead_of }) => {
                let before = instead_of.and_then(|token| self.tokens.get(&token));
                let whose = before.or_else(|| self.begun.get(&node)).copied();
                self.tokens.extend(whose.map(|whose| (hold.token, whose)));
            }
            _ => {}
        }
    }

    fn of_message(&mut self, link: Link, message: &ChatMessage) -> String {
        let named = match message {
            ChatMessage::Lock(Wire::Call { words, .. }) => return command_name(words),
            ChatMessage::Lock(Wire::Ask { request, command: Command::Acquire { token, .. }, .. }) => {
                let whose = self.tokens.get(token).copied();
                self.requests.extend(whose.map(|whose| ((link.source, *request), whose)));
                whose.map(|whose| format!("acquire of a {whose}"))
            }
            ChatMessage::Lock(Wire::Ask { command: Command::Release { token, .. }, .. }) => {
                self.tokens.get(token).map(|whose| format!("release of a {whose}"))
            }
            ChatMessage::Lock(Wire::Answer { request, .. }) => {
                self.requests.get(&(link.target, *request)).map(|whose| format!("answer to a {whose}"))
            }
            _ => None,
        };
        named.unwrap_or_else(|| message_name(message).to_owned())
    }
}

/// A command to the redis is called by its name and the first part of its key; a script by the last command in it and
/// the first part of its first key that is no lock.
fn command_name(words: &[Vec<u8>]) -> String {
    let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
    let of_key = |key: &str| key.split('_').next().unwrap_or_default().to_owned();
    match words.as_slice() {
        [name, script, count, rest @ ..] if name == "EVAL" => {
            let call = script.rsplit("redis.call('").next().and_then(|call| call.split('\'').next());
            let keys = rest.iter().take(count.parse().unwrap_or(0));
            let key = keys.map(|key| of_key(key)).find(|key| !key.starts_with("lock:"));
            format!("EVAL {} {}", call.unwrap_or_default(), key.unwrap_or_default())
        }
        [name, key, ..] => format!("{name} {}", of_key(key)),
        _ => String::new(),
    }
}

/// Counts the steps of a run that faults hit.
struct Listener<T> {
    names: T,
    steps: Vec<&'static Step>,
    /// Which step each message is that is under way.
    sent: BTreeMap<(Link, u64), usize>,
    /// The last step of each process.
    last: BTreeMap<NodeId, (usize, Moment)>,
    /// For each step, by kind of count.
    counts: Vec<[u64; 4]>,
}

// Kinds of counts: how often a step came, was lost or not let through, was the last before a stop, and was taken in one
// event with the next.
const CAME: usize = 0;
const LOST: usize = 1;
const STOPPED: usize = 2;
const JOINED: usize = 3;

impl<T: Default> Listener<T> {
    fn new(sequences: &'static [Sequence]) -> Self {
        let steps: Vec<&Step> = sequences.iter().flat_map(|sequence| sequence.steps).collect();
        let counts = vec![[0; 4]; steps.len()];
        Self { names: T::default(), steps, sent: BTreeMap::new(), last: BTreeMap::new(), counts }
    }

    fn came(&mut self, is_it: impl Fn(Mark) -> bool, node: NodeId, moment: Moment) -> Option<usize> {
        let step = self.steps.iter().position(|step| is_it(step.mark))?;
        self.counts[step][CAME] += 1;
        if let Some((before, then)) = self.last.insert(node, (step, moment))
            && then.after_events == moment.after_events
        {
            self.counts[before][JOINED] += 1;
        }
        Some(step)
    }
}

impl<N: Node, T: Names<N>> Tracer<N> for Listener<T> {
    fn is_on(&self) -> bool {
        true
    }

    fn record(&mut self, moment: Moment, item: TraceItem<'_, N>) {
        match item {
            TraceItem::Sent { link, connection, message, ordinal, arrives, .. } => {
                let name = self.names.of_message(link, message);
                if let Some(step) =
                    self.came(|mark| matches!(mark, Mark::Message(it) if it == name), link.source, moment)
                {
                    self.sent.insert((link, ordinal), step);
                    // A connection loses nothing: what its link does not let through waits at the sender.
                    self.counts[step][LOST] += u64::from(connection.is_some() && arrives.is_none());
                }
            }
            // What was sent over a connection that is no more was never under way, and has no ordinal of its link.
            TraceItem::Lost { why: DropReason::NoConnection, .. } => {}
            TraceItem::Lost { link, ordinal, .. } => {
                if let Some(step) = self.sent.get(&(link, ordinal)) {
                    self.counts[*step][LOST] += 1;
                }
            }
            TraceItem::Observed { node, observation } => {
                self.names.on_told(node, observation);
                let name = observation.face().name;
                self.came(|mark| mark == Mark::Told(name), node, moment);
            }
            TraceItem::Fault { change: FaultChange::Start, fault, .. } => {
                let (Fault::Crash(_) | Fault::Pause(_) | Fault::Suspend(_), Target::Nodes(nodes)) =
                    (fault, fault.target())
                else {
                    return;
                };
                for node in nodes {
                    let last = self.last.remove(node).filter(|(_, then)| moment.at.since(then.at) <= RECENT);
                    if let Some((step, _)) = last {
                        self.counts[step][STOPPED] += 1;
                    }
                }
            }
            _ => {}
        }
    }
}

/// Some seeds of a swarm.
struct Piece<S: System> {
    name: String,
    bytes: u64,
    opened: Arc<Opened<S>>,
    sequences: &'static [Sequence],
    seeds: Range<u64>,
}

impl<S: Sequenced> Job for Piece<S> {
    fn key(&self) -> String {
        format!("steps {} {} {:016x} {:?}", S::NAME, self.name, self.bytes, self.seeds)
    }

    fn measure(&self) -> Counts {
        let mut counts = Counts::new();
        for seed in self.seeds.clone() {
            let resolved: Resolved<S> = self.opened.resolve_to_run(Seed(seed).into());
            let mut listener: Listener<S::Names> = Listener::new(self.sequences);
            let tracer: &mut dyn Tracer<S::Node> = &mut listener;
            World::traced(&resolved.system, &resolved.options, Seed(seed), tracer).run();
            for (step, found) in listener.counts.iter().enumerate() {
                for (kind, count) in found.iter().enumerate() {
                    *counts.entry(format!("{step} {kind}")).or_default() += count;
                }
            }
        }
        counts
    }
}

/// What the swarms of a system came to: a table for each sequence, and what is wrong with it.
fn section<S: Sequenced>(sequences: &'static [Sequence], seeds: u64, kept: &Kept) -> (String, Vec<String>) {
    let is_swarm = |path: &PathBuf| file_stem(path).starts_with("swarm");
    let files: Vec<PathBuf> = files_of(&format!("scenarios/{}", S::NAME)).into_iter().filter(is_swarm).collect();
    let pieces = |path: &PathBuf| -> Vec<Piece<S>> {
        let scenario = load::<S>(path);
        let bytes = hash(scenario.source.text.as_bytes());
        let opened = Arc::new(Opened::new(Arc::new(scenario)));
        let starts = (0..seeds).step_by(CHUNK as usize);
        starts
            .map(|from| Piece {
                name: file_stem(path),
                bytes,
                opened: Arc::clone(&opened),
                sequences,
                seeds: from..seeds.min(from + CHUNK),
            })
            .collect()
    };
    let jobs: Vec<Piece<S>> = files.iter().flat_map(pieces).collect();
    kept.measure(&jobs);
    let mut swarms: BTreeMap<&str, Counts> = BTreeMap::new();
    for job in &jobs {
        let counts = swarms.entry(&job.name).or_default();
        kept.of(job).into_iter().for_each(|(name, count)| *counts.entry(name).or_default() += count);
    }
    let mut text = format!(
        "\n## {}\n\n{} swarms, {} seeds of each: `scenarios/{}`.\n",
        S::NAME,
        files.len(),
        grouped(seeds),
        S::NAME
    );
    let mut wrong = Vec::new();
    let mut number = 0;
    for sequence in sequences {
        let _ = write!(
            text,
            "\n### {}\n\n| step | | came | lost | stopped after | fewest in a swarm |\n\
             | --- | --- | --: | --: | --: | --: |\n",
            sequence.heading
        );
        for step in sequence.steps {
            let each: Vec<(&str, Hits)> =
                swarms.iter().map(|(swarm, counts)| (*swarm, Hits::of(counts, number))).collect();
            let all = each.iter().fold(Hits::default(), |sum, (_, hits)| sum.with(*hits));
            let is_told = matches!(step.mark, Mark::Told(_));
            let (by, lost) = match step.mark {
                Mark::Message(name) => (format!("message `{name}`"), grouped(all.lost)),
                Mark::Told(name) => (format!("told: {name}"), "–".to_owned()),
            };
            let stopped = if all.is_joined() { "with the next".to_owned() } else { grouped(all.stopped) };
            let judged = each.iter().filter(|(_, hits)| hits.came > 0 && !(is_told && hits.is_joined()));
            let fewest = judged.clone().map(|(_, hits)| hits.lost + hits.stopped).min();
            let fewest = fewest.map_or("–".to_owned(), grouped);
            let _ = writeln!(text, "| {} | {by} | {} | {lost} | {stopped} | {fewest} |", step.what, grouped(all.came));
            if all.came == 0 {
                wrong.push(format!("{}, {}: it never came", S::NAME, step.what));
            }
            let missed = judged.filter(|(_, hits)| hits.lost + hits.stopped == 0);
            wrong.extend(missed.map(|(swarm, _)| format!("{swarm}, {}: no fault hit it", step.what)));
            number += 1;
        }
    }
    (text, wrong)
}

/// How often a step came, and what hit it.
#[derive(Clone, Copy, Default)]
struct Hits {
    came: u64,
    lost: u64,
    stopped: u64,
    joined: u64,
}

impl Hits {
    /// Those of the step with this number.
    fn of(counts: &Counts, number: usize) -> Self {
        let count = |kind: usize| counts.get(&format!("{number} {kind}")).copied().unwrap_or(0);
        Self { came: count(CAME), lost: count(LOST), stopped: count(STOPPED), joined: count(JOINED) }
    }

    const fn with(self, other: Self) -> Self {
        Self {
            came: self.came + other.came,
            lost: self.lost + other.lost,
            stopped: self.stopped + other.stopped,
            joined: self.joined + other.joined,
        }
    }

    /// Whether it always came in one event with the next.
    const fn is_joined(self) -> bool {
        self.came > 0 && self.joined == self.came
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let seeds = number_after(&arguments, "--seeds", SEEDS);
    let kept = Kept::open();
    let mut text = format!(
        "# Faults at each step\n\n\
         How often faults hit each step of the sequences that the systems exist for, in their clean swarms, by \
         `just steps-table {seeds}`.\n\
         *Lost* counts messages. A connection loses none; there it counts those that could not leave at once, because \
         the link did not let them through or one before them still waited.\n\
         *Stopped after* counts crashes, pauses and suspensions of the process that had sent or told the step at most \
         {RECENT} before and no other since; *with the next* is a step that is always taken in one event with the \
         next one. *Fewest in a swarm* counts both, in the swarm with the fewest of those in which the step came.\n\
         A step that came in a swarm and that no fault hit there would be a failure.\n"
    );
    let mut wrong = Vec::new();
    for (section, found) in [section::<Sessions>(SESSIONS, seeds, &kept), section::<Chat>(CHATS, seeds, &kept)] {
        text += &section;
        wrong.extend(found);
    }
    println!("{text}");
    if !arguments.iter().any(|argument| argument == "--write") {
        // A few seeds need not come to everything.
        return println!("{wrong:#?}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    std::fs::write("reports/gallery/steps.md", text).expect("the gallery can be written");
}

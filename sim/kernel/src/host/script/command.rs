//! What a line of a script says. Names of nodes are read by the stage, which knows the cluster.

use crate::time::Duration;

/// A command, with names as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// The keys of the cluster, each with its value.
    Cluster(Vec<(&'a str, &'a str)>),
    Deliver(Packets<'a>, Then),
    Drop(Packets<'a>),
    Stabilize,
    Fire(&'a str, &'a str),
    Advance(Duration, Vec<&'a str>),
    Pass(Duration, Vec<&'a str>),
    Cut(Vec<Ends<'a>>),
    Partition(Vec<Vec<&'a str>>),
    Heal,
    Crash(&'a str, Extent),
    Start(&'a str),
    Sync(&'a str),
    Ask(&'a str, &'a str),
    Order(&'a str, &'a str, &'a str),
    Status(Vec<&'a str>),
    Flight,
}

/// Whether a packet that arrives is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Gone,
    Again,
}

/// What ends in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Process,
    Machine,
}

/// The source and the target of a link; `*` stands for every node.
pub(super) type Ends<'a> = (&'a str, &'a str);

/// Some of the packets in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Packets<'a> {
    pub(super) ends: Option<Ends<'a>>,
    pub(super) kind: Option<&'a str>,
}

/// The commands, each as it is written.
const COMMANDS: [(&str, &str); 18] = [
    ("cluster", "cluster servers=3 preset=etcd"),
    ("deliver", "deliver, deliver s1->s2, deliver *->s2 vote"),
    ("drop", "drop s1->s2, drop s1->* vote"),
    ("repeat", "repeat s1->s2 vote"),
    ("stabilize", "stabilize"),
    ("fire", "fire s1 election"),
    ("advance", "advance 50ms, advance 50ms s1 s2"),
    ("pass", "pass 50ms, pass 50ms s1 s2"),
    ("cut", "cut s1->s2 s2->s3"),
    ("partition", "partition s1 | s2 s3"),
    ("heal", "heal"),
    ("crash", "crash s1, crash s1 machine"),
    ("start", "start s1"),
    ("sync", "sync s1"),
    ("ask", "ask c1 propose 7"),
    ("order", "order s1 step_down"),
    ("status", "status, status s1 s2"),
    ("flight", "flight"),
];

/// Reads one line.
pub(super) fn read(line: &str) -> Result<Command<'_>, String> {
    let (verb, rest) = split(line);
    let Some((_, form)) = COMMANDS.iter().find(|(name, _)| *name == verb) else {
        let known: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
        return Err(format!("unknown command {verb:?} (known: {})", known.join(", ")));
    };
    arguments(verb, rest).ok_or_else(|| format!("{verb} is written as: {form}"))
}

fn arguments<'a>(verb: &str, rest: &'a str) -> Option<Command<'a>> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    Some(match (verb, words.as_slice()) {
        ("cluster", [_, ..]) => Command::Cluster(words.iter().map(|word| word.split_once('=')).collect::<Option<_>>()?),
        ("deliver", words) => Command::Deliver(packets(words)?, Then::Gone),
        ("repeat", words) => Command::Deliver(packets(words)?, Then::Again),
        ("drop", words) => Command::Drop(packets(words)?),
        ("stabilize", []) => Command::Stabilize,
        ("fire", [node, _, ..]) => Command::Fire(node, split(rest).1),
        ("advance", [span, nodes @ ..]) => Command::Advance(Duration::parse(span).ok()?, nodes.to_vec()),
        ("pass", [span, nodes @ ..]) => Command::Pass(Duration::parse(span).ok()?, nodes.to_vec()),
        ("cut", [_, ..]) => Command::Cut(words.iter().map(|word| word.split_once("->")).collect::<Option<_>>()?),
        ("partition", [_, ..]) => {
            let groups: Vec<Vec<&str>> = rest.split('|').map(|group| group.split_whitespace().collect()).collect();
            (groups.len() > 1 && groups.iter().all(|group| !group.is_empty())).then_some(Command::Partition(groups))?
        }
        ("heal", []) => Command::Heal,
        ("crash", [node]) => Command::Crash(node, Extent::Process),
        ("crash", [node, "machine"]) => Command::Crash(node, Extent::Machine),
        ("start", [node]) => Command::Start(node),
        ("sync", [node]) => Command::Sync(node),
        ("ask", [node, _, ..]) => Command::Ask(node, split(rest).1),
        ("order", [node, name]) => Command::Order(node, name, ""),
        ("order", [node, name, _, ..]) => Command::Order(node, name, split(split(rest).1).1),
        ("status", nodes) => Command::Status(nodes.to_vec()),
        ("flight", []) => Command::Flight,
        _ => return None,
    })
}

/// `LINK`, `KIND`, both or neither.
fn packets<'a>(words: &[&'a str]) -> Option<Packets<'a>> {
    match words {
        [] => Some(Packets::default()),
        [word] => match word.split_once("->") {
            Some(ends) => Some(Packets { ends: Some(ends), kind: None }),
            None => Some(Packets { ends: None, kind: Some(word) }),
        },
        [link, kind] => Some(Packets { ends: Some(link.split_once("->")?), kind: Some(kind) }),
        _ => None,
    }
}

/// The first word and what follows it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

//! The lines of a recording that stand below a failure: the last ones of each node, and what its facts name.
//!
//! A fact names times and nodes: `s3 voted for s3 at 5.382486s; it voted for s2 at 5.662600s`. What these nodes did at
//! these times is kept, and their crashes and starts from the first of these times on, so that one sees how the second
//! came to follow the first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;

use crate::engine::{Entry, EntryKind, LogLevel, Names, Recorder};
use crate::report::timeline::LogDetail;

/// Lines that are kept of each node, and of the world.
const KEPT_MAX: usize = 4;

/// The most last lines that are shown.
const SHOWN_MAX: usize = 12;

/// The most lines that are kept of what a node does at a moment that the facts name.
const OF_MOMENT_MAX: u64 = 4;

/// The most lines that are shown because of the facts.
const NAMED_MAX: usize = 24;

/// Entries with their ordinals.
type Numbered = VecDeque<(u64, Entry)>;

/// Keeps the last lines of each node, and those that the facts of a failure name.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    count: u64,
    /// Nothing after it is kept.
    until: Option<Instant>,
    log: LogDetail,
    /// By node; log lines by themselves, so that they displace nothing else.
    last: BTreeMap<(Option<NodeId>, bool), Numbered>,
    facts: Named,
    named: Numbered,
    /// How many lines are kept of a node at a time, in microseconds.
    of_moment: BTreeMap<(u64, Option<NodeId>), u64>,
}

/// What facts name.
#[derive(Clone, Debug, Default)]
struct Named {
    /// Times, in microseconds.
    moments: BTreeSet<u64>,
    /// All words, the names of nodes among them.
    words: BTreeSet<String>,
}

impl Named {
    fn of<'a>(facts: impl Iterator<Item = &'a str>) -> Self {
        let mut named = Self::default();
        for word in facts.flat_map(words) {
            match moment(word) {
                Some(at) => named.moments.insert(at),
                None => named.words.insert(word.to_owned()),
            };
        }
        named
    }

    fn is_about(&self, entry: &Entry) -> bool {
        entry.node.is_none_or(|node| self.words.contains(&node.to_string()))
    }

    /// Whether an entry ends or begins a process of a named node, since the first named time.
    fn is_life(&self, entry: &Entry) -> bool {
        let is_after = self.moments.first().is_some_and(|first| micros(entry.at) >= *first);
        let is_life = match entry.kind {
            EntryKind::Start | EntryKind::Exited => self.is_about(entry),
            EntryKind::Fault | EntryKind::Lifted => {
                let mut said = words(&entry.text);
                let is_crash = said.clone().any(|word| word == "crash");
                is_crash && said.any(|word| self.words.contains(word))
            }
            _ => false,
        };
        is_after && is_life
    }
}

/// The words of a text, the names of nodes and times among them.
fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '.');
    words.map(|word| word.trim_matches('.')).filter(|word| !word.is_empty())
}

/// The microseconds of a time as facts write it, `5.382486s`. A length of time has fewer digits or another unit.
fn moment(word: &str) -> Option<u64> {
    let (seconds, rest) = word.split_once('.')?;
    let micros = rest.strip_suffix('s').filter(|micros| micros.len() == 6)?;
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros.parse().ok()?)
}

const fn micros(at: Instant) -> u64 {
    at.as_nanos() / 1_000
}

impl Tail {
    /// One with these log lines.
    pub fn new(log: LogDetail) -> Self {
        Self { log, ..Self::default() }
    }

    /// The same up to this time, if there is one.
    #[must_use]
    pub fn until(self, until: Option<Instant>) -> Self {
        Self { until, ..self }
    }

    /// The same with what these facts name.
    #[must_use]
    pub fn with_facts<'a>(self, facts: impl Iterator<Item = &'a str>) -> Self {
        Self { facts: Named::of(facts), ..self }
    }

    /// The lines, in order: what the facts name, several of the node that matters, one of each other.
    pub fn lines(&self, culprit: Option<NodeId>, names: &Names) -> Vec<String> {
        let mut last: Vec<&(u64, Entry)> = Vec::new();
        for ((node, _), entries) in &self.last {
            let most = if *node == culprit || culprit.is_none() { KEPT_MAX } else { 1 };
            last.extend(entries.iter().rev().take(most));
        }
        last.sort_by_key(|(number, _)| *number);
        let first = last.len().saturating_sub(SHOWN_MAX);
        let mut shown: BTreeMap<u64, &Entry> = last[first..].iter().map(|(number, entry)| (*number, entry)).collect();
        shown.extend(self.named.iter().map(|(number, entry)| (*number, entry)));
        shown.values().map(|entry| entry.line(names)).collect()
    }

    /// The time and the events of the last entry that it keeps.
    pub fn reached(&self) -> Option<(Instant, u64)> {
        let last = self.last.values().filter_map(VecDeque::back).max_by_key(|(number, _)| *number);
        last.map(|(_, entry)| (entry.at, entry.event))
    }

    /// Whether the facts name what the entry tells.
    fn is_named(&mut self, entry: &Entry) -> bool {
        let at = micros(entry.at);
        if entry.kind == EntryKind::Logged || self.named.len() >= NAMED_MAX {
            return false;
        }
        if self.facts.is_life(entry) {
            return true;
        }
        if !self.facts.moments.contains(&at) || !self.facts.is_about(entry) {
            return false;
        }
        let kept = self.of_moment.entry((at, entry.node)).or_default();
        *kept += 1;
        *kept <= OF_MOMENT_MAX
    }
}

impl Recorder for Tail {
    fn record(&mut self, entry: Entry) {
        self.count += 1;
        let is_late = self.until.is_some_and(|until| entry.at > until);
        let is_told = LogLevel::of(&entry).is_none_or(|level| self.log.tells(level));
        if is_late || !self.wants(entry.kind) || !is_told {
            return;
        }
        if self.is_named(&entry) {
            self.named.push_back((self.count, entry.clone()));
        }
        let is_log = entry.kind == EntryKind::Logged;
        let lines = self.last.entry((entry.node, is_log)).or_default();
        lines.push_back((self.count, entry));
        if lines.len() > KEPT_MAX {
            lines.pop_front();
        }
    }

    fn wants(&self, kind: EntryKind) -> bool {
        let is_told = kind != EntryKind::Logged || self.log != LogDetail::Off;
        is_told && (kind.is_input() || kind.is_notable())
    }

    fn wants_data(&self) -> bool {
        false
    }

    fn skip(&mut self, _: EntryKind) {
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::id::Cluster;
    use splitbrain_kernel::time::Duration;

    use super::*;

    const NAMES: [NodeId; 3] = [NodeId::server(1), NodeId::server(2), NodeId::server(3)];

    fn entry(micros: u64, kind: EntryKind, node: Option<NodeId>, name: &str, text: &str) -> Entry {
        let at = Instant::ZERO + Duration::from_micros(micros);
        let (epoch, role, peer, peer_epoch) = (None, None, None, None);
        let (name, text, data) = (name.to_owned(), text.to_owned(), serde_json::Value::Null);
        Entry { at, event: 0, kind, node, epoch, role, peer, peer_epoch, name, text, data }
    }

    /// The words of the lines that remain of these entries.
    fn told(facts: &str, entries: Vec<Entry>) -> Vec<String> {
        let mut tail = Tail::new(LogDetail::Off).with_facts([facts].into_iter());
        entries.into_iter().for_each(|entry| tail.record(entry));
        let lines = tail.lines(Some(NAMES[0]), &Names::of(&Cluster::plain(3, 0)));
        lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    fn observed(micros: u64, node: usize, name: &str) -> Entry {
        entry(micros, EntryKind::Observed, Some(NAMES[node]), name, "")
    }

    #[test]
    fn what_the_facts_name_stands_before_the_last_lines() {
        let mut entries = vec![
            observed(1_000, 2, "early"),
            observed(5_382_486, 2, "first vote"),
            observed(5_382_486, 1, "of another"),
            entry(5_400_000, EntryKind::Fault, None, "fall", "machine crash s3"),
            entry(5_450_000, EntryKind::Fault, None, "fall", "crash s2"),
            entry(5_515_000, EntryKind::Start, Some(NAMES[2]), "start", ""),
            entry(5_516_000, EntryKind::Start, Some(NAMES[1]), "start", ""),
        ];
        entries.extend((0..6).map(|more| observed(5_600_000 + more, 2, "between")));
        entries.push(observed(5_662_600, 2, "second vote"));
        let facts = "s3 voted for s3 in term 10 at 5.382486s; it voted for s1 at 5.662600s.";
        let told = told(facts, entries);
        let words: Vec<&str> = told.iter().map(|line| line.split_once("s ").expect("a line has a time").1).collect();
        assert_eq!(
            words,
            ["s3 first vote", "▼ fall machine crash s3", "▼ fall crash s2", "s3 start", "s2 start", "s3 second vote"],
            "the crash of s2 is the last line of the world, and the start of s2 its own last line"
        );
    }

    #[test]
    fn without_times_in_the_facts_there_are_the_last_lines_alone() {
        let entries =
            vec![entry(1, EntryKind::Start, Some(NAMES[2]), "start", ""), observed(2, 2, "one"), observed(3, 2, "two")];
        assert_eq!(told("s3 waits for 3s, 15.5ms or 1.25s", entries), ["0.000003s s3 two"]);
    }

    #[test]
    fn times_and_lengths_of_time_are_told_apart() {
        assert_eq!(moment("5.382486s"), Some(5_382_486));
        assert_eq!(["3s", "1.25s", "15.500000ms", "1.2.3", "a.000000s", "5.38248as"].map(moment), [None; 6]);
    }

    #[test]
    fn many_moments_end_at_a_bound() {
        let facts: String = (0..100).map(|at| format!("0.0000{at:02}s ")).collect();
        let entries = (0..100).map(|at| observed(at, 0, "told")).collect();
        assert!(told(&format!("s1 {facts}"), entries).len() <= NAMED_MAX + SHOWN_MAX);
    }
}

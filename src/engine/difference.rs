//! Where two recordings differ: the first entry in which they do, what stood before it, and what follows on each side.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use serde::{Deserialize, Serialize};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Divergence;

use crate::engine::{Engine, Entry, EntryKind, Names, Recorder, Run, panic_hook};

/// Entries that one recording may be ahead of the other.
pub(crate) const AHEAD_MAX: usize = 4096;

/// Entries that are kept from before the difference.
const BEFORE_MAX: usize = 4;

/// Entries that are kept of each side from the difference on.
const AFTER_MAX: usize = 500;

/// What two entries have in common that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alike {
    /// Everything. Log lines are passed over: they are no part of a run, and may show an address.
    Everything,
    /// What happened to which node, but not when, of faults, of what nodes say of themselves, and of what is broken;
    /// for runs that cannot be equal in every event.
    Story,
}

impl Alike {
    /// Whether entries of this sort are compared.
    pub const fn compares(self, kind: EntryKind) -> bool {
        match self {
            Self::Everything => !matches!(kind, EntryKind::Logged),
            Self::Story => matches!(
                kind,
                EntryKind::Start
                    | EntryKind::Observed
                    | EntryKind::Exited
                    | EntryKind::Fault
                    | EntryKind::Lifted
                    | EntryKind::Settled
                    | EntryKind::Violated
            ),
        }
    }

    fn holds(self, first: &Entry, second: &Entry) -> bool {
        match self {
            Self::Everything => first == second,
            Self::Story => {
                let story = |entry: &Entry| (entry.kind, entry.node, entry.epoch, entry.peer, entry.name.clone());
                story(first) == story(second) && first.role == second.role && first.text == second.text
            }
        }
    }
}

/// Compares two recordings, entry by entry.
#[derive(Debug)]
pub struct Comparison {
    alike: Alike,
    count: u64,
    before: VecDeque<Entry>,
    after: Option<[Vec<Entry>; 2]>,
    is_damaged: bool,
}

impl Comparison {
    /// Nothing was compared yet.
    pub const fn new(alike: Alike) -> Self {
        Self { alike, count: 0, before: VecDeque::new(), after: None, is_damaged: false }
    }

    /// The next entry of each; `None` for a recording that has ended. Breaks if no more has to be known.
    pub fn take(&mut self, entries: [Option<Entry>; 2]) -> ControlFlow<()> {
        if self.after.is_none() && self.is_alike(&entries) {
            let [first, _] = entries;
            self.count += u64::from(first.is_some());
            self.before.extend(first);
            if self.before.len() > BEFORE_MAX {
                self.before.pop_front();
            }
            return ControlFlow::Continue(());
        }
        let after = self.after.get_or_insert_default();
        for (side, entry) in after.iter_mut().zip(entries) {
            side.extend(entry.filter(|_| side.len() < AFTER_MAX));
        }
        match after.iter().all(|side| side.len() == AFTER_MAX) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// A recording could not be read to its end: what it has no more entries of is not known. `false` if it does not
    /// show a difference before.
    pub fn end_early(&mut self) -> bool {
        self.is_damaged = true;
        self.after.as_ref().is_some_and(|sides| sides.iter().all(|side| !side.is_empty()))
    }

    fn is_alike(&self, entries: &[Option<Entry>; 2]) -> bool {
        match entries {
            [Some(first), Some(second)] => self.alike.holds(first, second),
            [None, None] => true,
            _ => false,
        }
    }

    /// How many entries were alike, and where the recordings differ, if they do.
    pub fn finish(self) -> (u64, Option<Difference>) {
        let Self { count, before, after, is_damaged, .. } = self;
        let sides = |after: [Vec<Entry>; 2]| after.map(|entries| Side { entries });
        let found = |after| Difference { count, before: before.into(), sides: sides(after), is_damaged };
        (count, after.map(found))
    }
}

/// Where two recordings differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How many entries are alike before it.
    pub count: u64,
    /// The last ones of these.
    pub before: Vec<Entry>,
    /// What follows in the first recording, and in the second.
    pub sides: [Side; 2],
    /// Whether one of them could not be read to its end.
    pub is_damaged: bool,
}

/// What follows on one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The entries from the difference on, at most five hundred; empty if the recording ends there.
    pub entries: Vec<Entry>,
}

/// What a node does on one side after the difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Deeds {
    /// The role that it reported last.
    pub role: Option<String>,
    /// Its last epoch.
    pub epoch: Option<u64>,
    /// How many entries of each sort are about it.
    pub kinds: BTreeMap<&'static str, u64>,
}

impl Side {
    /// What each node does.
    pub fn nodes(&self) -> BTreeMap<NodeId, Deeds> {
        let mut nodes: BTreeMap<NodeId, Deeds> = BTreeMap::new();
        for entry in &self.entries {
            let Some(node) = entry.node else { continue };
            let deeds = nodes.entry(node).or_default();
            deeds.role = entry.role.clone().or(deeds.role.take());
            deeds.epoch = entry.epoch.or(deeds.epoch);
            *deeds.kinds.entry(entry.kind.name()).or_default() += 1;
        }
        nodes
    }
}

/// The first thing that a node does otherwise on each side; `None` of a side on which it does nothing more. All of it
/// is `None` for a node that does the same.
type Parting<'a> = Option<[Option<&'a Entry>; 2]>;

impl Difference {
    /// For each node the first thing that it does otherwise, from the difference on. Not when it does it: after the
    /// difference that may always be another time.
    pub fn partings(&self) -> BTreeMap<NodeId, Parting<'_>> {
        let nodes: BTreeSet<NodeId> =
            self.sides.iter().flat_map(|side| side.entries.iter().filter_map(|entry| entry.node)).collect();
        let parting = |node: NodeId| {
            let mut sides =
                self.sides.each_ref().map(|side| side.entries.iter().filter(|entry| entry.node == Some(node)));
            loop {
                match sides.each_mut().map(Iterator::next) {
                    [None, None] => return None,
                    [Some(first), Some(second)] if Alike::Story.holds(first, second) => {}
                    entries if self.is_cut(&entries) => return None,
                    entries => return Some(entries),
                }
            }
        };
        nodes.into_iter().map(|node| (node, parting(node))).collect()
    }

    /// Whether a side has no more entries because no more are kept of it: then nothing can be said.
    fn is_cut(&self, entries: &[Option<&Entry>; 2]) -> bool {
        let is_cut = |side: &Side| self.is_damaged || side.entries.len() == AFTER_MAX;
        entries.iter().zip(&self.sides).any(|(entry, side)| entry.is_none() && is_cut(side))
    }
}

/// Entries of each side that are shown of a divergence, the one that differs included.
const SHOWN_MAX: usize = 4;

impl Difference {
    /// The two entries that differ, as a line each; of a recording that has ended, that it has.
    pub fn lines(&self, names: &Names) -> [String; 2] {
        let [first, second] = &self.sides;
        match [first, second].map(|side| side.entries.first()) {
            [Some(first), Some(second)] => distinct_lines(first, second, names),
            entries => {
                entries.map(|entry| entry.map_or_else(|| "the end of the run".to_owned(), |entry| line(entry, names)))
            }
        }
    }

    /// The entries around the difference, for people.
    pub fn surroundings(&self, names: &Names) -> Vec<String> {
        let mut lines: Vec<String> = self.before.iter().map(|entry| format!("   {}", entry.line(names))).collect();
        for (name, side) in ["1", "2"].into_iter().zip(&self.sides) {
            lines.extend(side.entries.iter().take(SHOWN_MAX).map(|entry| format!(" {name} {}", entry.line(names))));
            if side.entries.is_empty() {
                lines.push(format!(" {name} {:>14}", "the end"));
            }
        }
        lines
    }

    fn divergence(&self, names: &Names, events: u64) -> Divergence {
        let [first, second] = self.lines(names);
        let events = self.sides.iter().map(|side| side.entries.first().map_or(events, |entry| entry.event));
        Divergence { event: events.min().unwrap_or(0), first, second }
    }
}

/// Where two executions of one seed differ, with what stands around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diverging {
    /// The two entries.
    pub divergence: Divergence,
    /// The entries around them, for people.
    pub surroundings: Vec<String>,
}

/// The first entry in which two further executions of this run differ; `None` if they are alike. Neither recording is
/// ever kept as a whole.
pub(crate) fn first(engine: &dyn Engine, seed: Seed, names: &Names, events: u64) -> Option<Diverging> {
    let mut comparison = Comparison::new(Alike::Everything);
    thread::scope(|scope| {
        let start = || {
            let (sender, receiver) = sync_channel(AHEAD_MAX);
            let feed = move || record(engine, seed, &mut Feed::new(sender, Alike::Everything));
            let thread = thread::Builder::new().name(panic_hook::THREAD.to_owned()).spawn_scoped(scope, feed);
            thread.is_ok().then_some(receiver)
        };
        // Without a second thread there is nothing to compare with: what is known are the digests.
        let (Some(one), Some(other)) = (start(), start()) else { return };
        loop {
            let entries = [one.recv().ok(), other.recv().ok()];
            if entries.iter().all(Option::is_none) || comparison.take(entries).is_break() {
                // Those who send hear that no more is wanted.
                return;
            }
        }
    });
    let (_, found) = comparison.finish();
    let found = found?;
    Some(Diverging { divergence: found.divergence(names, events), surroundings: found.surroundings(names) })
}

/// What is known of two executions that differed, where two more, recorded, did not.
pub(crate) fn alike(run: &Run, again: &Run) -> Diverging {
    let end = |run: &Run| format!("digest {}, {} events, {}", run.digest, run.events, run.outcome.name());
    let divergence = Divergence { event: run.events.min(again.events), first: end(run), second: end(again) };
    Diverging { divergence, surroundings: Vec::new() }
}

/// A panic of the simulator itself ends the recording; what was recorded until then is compared.
fn record(engine: &dyn Engine, seed: Seed, recorder: &mut dyn Recorder) {
    let _ = catch_unwind(AssertUnwindSafe(|| engine.worker().run(seed.into(), Some(recorder))));
}

/// Hands what is compared of a recording over, until nobody takes it.
#[derive(Debug)]
pub(crate) struct Feed {
    sender: Option<SyncSender<Entry>>,
    alike: Alike,
}

impl Feed {
    pub(crate) const fn new(sender: SyncSender<Entry>, alike: Alike) -> Self {
        Self { sender: Some(sender), alike }
    }
}

impl Recorder for Feed {
    fn record(&mut self, entry: Entry) {
        let is_compared = self.alike.compares(entry.kind);
        if is_compared && self.sender.as_ref().is_some_and(|sender| sender.send(entry).is_err()) {
            self.sender = None;
        }
    }

    fn wants(&self, kind: EntryKind) -> bool {
        self.sender.is_some() && self.alike.compares(kind)
    }
}

/// Two entries that differ. A short form may leave out what differs; then the data is shown as well.
fn distinct_lines(first: &Entry, second: &Entry, names: &Names) -> [String; 2] {
    let (short, other) = (line(first, names), line(second, names));
    if short != other {
        return [short, other];
    }
    [format!("{short} {}", first.data), format!("{other} {}", second.data)]
}

fn line(entry: &Entry, names: &Names) -> String {
    entry.line(names).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::time::Instant;

    use super::*;

    fn entry(event: u64, kind: EntryKind, node: u16, name: &str) -> Entry {
        let at = Instant::from_nanos(event * 1000);
        Entry { event, at, node: Some(NodeId::server(node)), ..Entry::new(kind, name, "") }
    }

    fn compare(alike: Alike, first: &[Entry], second: &[Entry]) -> (u64, Option<Difference>) {
        let mut comparison = Comparison::new(alike);
        for index in 0..first.len().max(second.len()) {
            if comparison.take([first.get(index).cloned(), second.get(index).cloned()]).is_break() {
                break;
            }
        }
        comparison.finish()
    }

    fn steps(count: u64) -> Vec<Entry> {
        (1..=count).map(|event| entry(event, EntryKind::Step, 1, "step")).collect()
    }

    #[test]
    fn equal_recordings_are_alike_to_their_end() {
        assert_eq!(compare(Alike::Everything, &steps(7), &steps(7)), (7, None));
        assert_eq!(compare(Alike::Everything, &[], &[]), (0, None));
    }

    #[test]
    fn the_first_difference_has_what_stands_before_and_after_it() {
        let (first, mut second) = (steps(12), steps(12));
        second[8].name = "stumble".to_owned();
        let (count, found) = compare(Alike::Everything, &first, &second);
        let found = found.expect("they differ");
        assert_eq!((count, found.count, found.before.as_slice()), (8, 8, &first[4..8]));
        assert_eq!(found.sides.clone().map(|side| side.entries), [first[8..].to_vec(), second[8..].to_vec()]);
        let names = Names::default();
        let [one, two] = found.lines(&names);
        assert!(one.ends_with("step") && two.ends_with("stumble"), "{one} / {two}");
        assert_eq!(found.surroundings(&names).len(), 4 + 4 + 4);
    }

    #[test]
    fn a_recording_that_ends_early_differs_at_its_end() {
        let (count, found) = compare(Alike::Everything, &steps(3), &steps(5));
        let found = found.expect("one is longer");
        assert_eq!((count, found.sides[0].entries.len(), found.sides[1].entries.len()), (3, 0, 2));
        assert_eq!(found.lines(&Names::default())[0], "the end of the run");
        assert_eq!(found.divergence(&Names::default(), 3).event, 3);
    }

    #[test]
    fn no_more_is_kept_of_a_side_than_can_be_told() {
        let (first, mut second) = (steps(2000), steps(2000));
        second[0].name = "stumble".to_owned();
        let (_, found) = compare(Alike::Everything, &first, &second);
        let lengths = found.expect("they differ").sides.map(|side| side.entries.len());
        assert_eq!(lengths, [AFTER_MAX, AFTER_MAX]);
    }

    #[test]
    fn times_are_no_part_of_a_story() {
        let first = [entry(1, EntryKind::Observed, 1, "leader"), entry(5, EntryKind::Observed, 2, "leader")];
        let mut second = first.clone();
        second[0].at = Instant::from_nanos(77);
        second[0].event = 9;
        assert_eq!(compare(Alike::Story, &first, &second), (2, None));
        assert!(compare(Alike::Everything, &first, &second).1.is_some());
        second[1].node = Some(NodeId::server(3));
        let (count, found) = compare(Alike::Story, &first, &second);
        assert_eq!((count, found.is_some()), (1, true));
    }

    /// Each node by itself: the time, and how the entries of nodes are mixed, is no difference.
    #[test]
    fn each_node_has_the_first_thing_that_it_does_otherwise() {
        let named = |event, node, name| entry(event, EntryKind::Step, node, name);
        let first = [named(1, 1, "a"), named(2, 2, "b"), named(3, 3, "c"), named(4, 1, "d"), named(5, 4, "e")];
        let second = [named(1, 2, "b"), named(2, 1, "a"), named(3, 3, "other"), named(4, 4, "e")];
        let (_, found) = compare(Alike::Everything, &first, &second);
        let found = found.expect("they differ");
        let names = |entries: [Option<&Entry>; 2]| entries.map(|entry| entry.map(|entry| entry.name.clone()));
        let partings: Vec<_> = found.partings().into_values().map(|parting| parting.map(names)).collect();
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(partings, [Some([some("d"), None]), None, Some([some("c"), some("other")]), None]);
    }

    /// What is not kept may be anything.
    #[test]
    fn a_side_that_is_cut_off_says_nothing_of_what_a_node_does_later() {
        let mut first = steps(2000);
        first[0].node = Some(NodeId::server(2));
        let (_, found) = compare(Alike::Everything, &first, &steps(2000));
        let found = found.expect("they differ");
        assert_eq!(found.partings().into_values().map(|it| it.is_some()).collect::<Vec<_>>(), [false, false]);
    }

    #[test]
    fn deeds_are_counted_by_node() {
        let mut entries = steps(3);
        entries[1].node = Some(NodeId::server(2));
        entries[2].role = Some("leader".to_owned());
        entries[2].epoch = Some(4);
        let nodes = Side { entries }.nodes();
        let first = &nodes[&NodeId::server(1)];
        assert_eq!((first.role.as_deref(), first.epoch, first.kinds["step"]), (Some("leader"), Some(4), 2));
        assert_eq!(nodes[&NodeId::server(2)].kinds["step"], 1);
    }
}

//! A share of the seeds runs twice: two executions of one seed must be one run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::run::{Divergence, Outcome};

use crate::campaign::pool::Bench;
use crate::campaign::quiet;
use crate::engine::{Engine, Entry, EntryKind, Names, Recorder, Run};

/// Entries that one recording may be ahead of the other.
const AHEAD_MAX: usize = 4096;

/// A run, and whether it was carried out twice.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) run: Run,
    pub(super) twice: bool,
}

/// Whether the seed belongs to the share. By arithmetic on the seed: the same seeds wherever a campaign is cut.
const fn is_chosen(seed: Seed, share: Ppm) -> bool {
    let step = seed.0 as u128 * share.parts() as u128;
    (step % 1_000_000) < share.parts() as u128
}

/// The run with this seed; where the seed is chosen, a second execution must agree with the first.
pub(super) fn run(bench: &mut Bench<'_>, seed: Seed, share: Ppm) -> Checked {
    let mut run = bench.run(seed.into(), None);
    let twice = is_chosen(seed, share);
    if twice {
        let again = bench.run(seed.into(), None);
        if !is_same(&run, &again) {
            run.outcome = Outcome::Diverged(bench.watched(seed, |engine| first_difference(engine, &run, &again)));
        }
    }
    Checked { run, twice }
}

fn is_same(run: &Run, again: &Run) -> bool {
    run.digest == again.digest && run.events == again.events && run.outcome == again.outcome
}

/// Carries out both runs once more, recorded and side by side, so that neither recording is ever kept as a whole.
fn first_difference(engine: &dyn Engine, run: &Run, again: &Run) -> Divergence {
    let (sender, receiver) = sync_channel(AHEAD_MAX);
    let mut compare = Compare { other: Some(receiver), names: run.names.clone(), difference: None };
    thread::scope(|scope| {
        let feed = move || record(engine, run.seed, &mut Feed(Some(sender)));
        let second = thread::Builder::new().name(quiet::THREAD.to_owned()).spawn_scoped(scope, feed);
        // Without a second thread there is nothing to compare with: what is known are the digests.
        if second.is_ok() {
            record(engine, run.seed, &mut compare);
            compare.finish(run.events);
        }
        compare.other = None;
    });
    compare.difference.unwrap_or_else(|| alike(run, again))
}

/// A panic of the simulator itself ends the recording; what was recorded until then is compared.
fn record(engine: &dyn Engine, seed: Seed, recorder: &mut dyn Recorder) {
    let _ = catch_unwind(AssertUnwindSafe(|| engine.worker().run(seed.into(), Some(recorder))));
}

/// Two executions differed, and two more, recorded, did not.
fn alike(run: &Run, again: &Run) -> Divergence {
    let told = |run: &Run| format!("digest {}, {} events, {}", run.digest, run.events, run.outcome.name());
    Divergence { event: run.events.min(again.events), first: told(run), second: told(again) }
}

/// Hands a recording over.
struct Feed(Option<SyncSender<Entry>>);

impl Recorder for Feed {
    fn record(&mut self, entry: Entry) {
        if self.0.as_ref().is_some_and(|sender| sender.send(entry).is_err()) {
            self.0 = None;
        }
    }

    fn wants(&self, kind: EntryKind) -> bool {
        is_compared(kind)
    }
}

/// Compares a recording with the one that is handed over.
struct Compare {
    other: Option<Receiver<Entry>>,
    names: Names,
    difference: Option<Divergence>,
}

impl Compare {
    fn differ(&mut self, event: u64, first: String, second: String) {
        self.difference = Some(Divergence { event, first, second });
        self.other = None;
    }

    fn finish(&mut self, events: u64) {
        if let Some(entry) = self.other.as_ref().and_then(|other| other.recv().ok()) {
            self.differ(events.min(entry.event), "the end of the run".to_owned(), told(&entry, &self.names));
        }
    }
}

impl Recorder for Compare {
    fn record(&mut self, entry: Entry) {
        let Some(other) = &self.other else { return };
        match other.recv() {
            Ok(same) if same == entry => {}
            Ok(another) => {
                let (first, second) = told_apart(&entry, &another, &self.names);
                self.differ(entry.event.min(another.event), first, second);
            }
            Err(_) => self.differ(entry.event, told(&entry, &self.names), "the end of the run".to_owned()),
        }
    }

    fn wants(&self, kind: EntryKind) -> bool {
        is_compared(kind)
    }
}

/// A log line is no part of a run: it may show an address, or a count of the process.
fn is_compared(kind: EntryKind) -> bool {
    kind != EntryKind::Logged
}

/// Two entries that differ. A short form may leave out what differs; then the data is shown as well.
fn told_apart(first: &Entry, second: &Entry, names: &Names) -> (String, String) {
    let (short, other) = (told(first, names), told(second, names));
    if short != other {
        return (short, other);
    }
    (format!("{short} {}", first.data), format!("{other} {}", second.data))
}

fn told(entry: &Entry, names: &Names) -> String {
    entry.line(names).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_spread_evenly_over_the_seeds() {
        let chosen: Vec<u64> = (0..100).filter(|seed| is_chosen(Seed(*seed), Ppm::new(50_000))).collect();
        assert_eq!(chosen, [0, 20, 40, 60, 80]);
        assert_eq!((0..100).filter(|seed| is_chosen(Seed(*seed), Ppm::new(1_000_000))).count(), 100);
        assert_eq!((0..100).filter(|seed| is_chosen(Seed(*seed), Ppm::new(0))).count(), 0);
        assert_eq!((0..1000).filter(|seed| is_chosen(Seed(*seed), Ppm::new(250_000))).count(), 250);
    }
}

//! Where two executions of one run differ: both are carried out once more, recorded and side by side.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Divergence;

use crate::engine::{Engine, Entry, EntryKind, Names, Recorder, Run, quiet};

/// Entries that one recording may be ahead of the other.
const AHEAD_MAX: usize = 4096;

/// The first entry in which two further executions of this run differ; `None` if they are alike. Neither recording is
/// ever kept as a whole.
pub(crate) fn first(engine: &dyn Engine, seed: Seed, names: &Names, events: u64) -> Option<Divergence> {
    let (sender, receiver) = sync_channel(AHEAD_MAX);
    let mut compare = Compare { other: Some(receiver), names: names.clone(), difference: None };
    thread::scope(|scope| {
        let feed = move || record(engine, seed, &mut Feed(Some(sender)));
        let second = thread::Builder::new().name(quiet::THREAD.to_owned()).spawn_scoped(scope, feed);
        // Without a second thread there is nothing to compare with: what is known are the digests.
        if second.is_ok() {
            record(engine, seed, &mut compare);
            compare.finish(events);
        }
        compare.other = None;
    });
    compare.difference
}

/// What is known of two executions that differed, where two more, recorded, did not.
pub(crate) fn alike(run: &Run, again: &Run) -> Divergence {
    let told = |run: &Run| format!("digest {}, {} events, {}", run.digest, run.events, run.outcome.name());
    Divergence { event: run.events.min(again.events), first: told(run), second: told(again) }
}

/// A panic of the simulator itself ends the recording; what was recorded until then is compared.
fn record(engine: &dyn Engine, seed: Seed, recorder: &mut dyn Recorder) {
    let _ = catch_unwind(AssertUnwindSafe(|| engine.worker().run(seed.into(), Some(recorder))));
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

//! The end of a recording: what comes before so many inputs is left out.

use crate::engine::{Entry, EntryKind, Recorder};

/// Leaves out what comes before so many inputs.
///
/// - However the entries come: an engine, or a process that carries out the run, may hand over all of them or call
///   [`Recorder::skip`] for those that it leaves out itself.
pub(crate) struct After<R> {
    inputs: u64,
    /// What hears of the rest.
    pub(crate) recorder: R,
}

impl<R: Recorder> After<R> {
    /// With 0 inputs nothing is left out.
    pub(crate) const fn new(inputs: u64, recorder: R) -> Self {
        Self { inputs, recorder }
    }
}

impl<R: Recorder> Recorder for After<R> {
    fn record(&mut self, entry: Entry) {
        if self.inputs > 0 {
            return self.skip(entry.kind);
        }
        self.recorder.record(entry);
    }

    fn after(&self) -> u64 {
        self.inputs
    }

    fn wants(&self, kind: EntryKind) -> bool {
        self.recorder.wants(kind)
    }

    fn wants_data(&self) -> bool {
        self.recorder.wants_data()
    }

    fn skip(&mut self, kind: EntryKind) {
        self.recorder.skip(kind);
        self.inputs = self.inputs.saturating_sub(u64::from(kind.is_input()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a run of millions of inputs the last ones are recorded.
    #[test]
    fn what_comes_before_so_many_inputs_is_left_out() {
        let kinds = [EntryKind::Timer, EntryKind::Sent, EntryKind::Message, EntryKind::Sent, EntryKind::Timer];
        for is_asked in [true, false] {
            let mut after = After::new(2, Vec::new());
            for kind in kinds {
                if is_asked && after.after() > 0 {
                    after.skip(kind);
                } else {
                    after.record(Entry::new(kind, "", ""));
                }
            }
            let kept: Vec<EntryKind> = after.recorder.iter().map(|entry: &Entry| entry.kind).collect();
            assert_eq!(kept, [EntryKind::Sent, EntryKind::Timer], "the engine asks: {is_asked}");
        }
    }
}

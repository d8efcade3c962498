//! What a system has that has nothing to set and nothing to watch, and what clients are asked for without a run.

use splitbrain_kernel::prelude::*;
use splitbrain_kernel::workload::{Cue, Load};

options! {
    /// Options of a system that has none.
    pub struct NoOptions {}
}

impl Options for NoOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset { name: "plain", doc: "Nothing can be set.", make: || Self {} }]
    }
}

/// The invariants of a system that has none.
#[derive(Clone, Debug)]
pub struct Unwatched;

impl<N: Node> Invariants<N> for Unwatched {
    const LIST: &'static [InvariantInfo] = &[];
}

/// Everything that clients are asked for if they answer at once: in order of time and client.
///
/// # Panics
/// If the load begins or ends at a condition rather than at a time.
pub fn asked<O, R, W: Workload<O, R> + Clone>(load: &Load<W>) -> Vec<(Instant, NodeId, O)> {
    let time = |cue: &Cue| if let Cue::At(at) = cue { *at } else { panic!("{cue:?} is no time") };
    let (from, until) = (time(&load.from), time(&load.until));
    let mut operations = Vec::new();
    for (client, workload) in &load.clients {
        let (mut workload, mut now) = (workload.clone(), from);
        while let Next::At(at, operation) = workload.next(now)
            && at < until
        {
            now = at;
            operations.push((at, *client, operation));
        }
    }
    operations.sort_by_key(|(at, client, _)| (*at, *client));
    operations
}

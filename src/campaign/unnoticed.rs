//! Keys of `[network]` and `[clocks]` that had no effect in any run: nothing there could notice what they say.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::campaign::judgement::Reason;
use crate::engine::Run;
use crate::scenario::SourceFile;

/// Between the path of a key and the reason.
const HAS_NO_EFFECT: &str = " has no effect: ";

/// After the id of a fault or a nemesis.
pub(super) const CHANGED_NOTHING: &str = " changed nothing in any run";

/// What the runs so far could notice.
#[derive(Clone, Debug, Default)]
pub(super) struct Unnoticed {
    /// By path: whether a run could in which the key says something.
    keys: BTreeMap<Cow<'static, str>, bool>,
}

impl Unnoticed {
    /// Folds a run. In one in which a key says nothing, because what was drawn is 0, it is not asked for.
    pub(super) fn add(&mut self, run: &Run) {
        for (key, noticed) in &run.noticed {
            match self.keys.get_mut(key) {
                Some(known) => *known |= noticed,
                None => _ = self.keys.insert(key.clone(), *noticed),
            }
        }
    }

    /// A line and a message for each key that no run could notice. What a command line sets has no line.
    pub(super) fn messages<'a>(&'a self, source: &'a SourceFile) -> impl Iterator<Item = (Option<u32>, String)> + 'a {
        let keys = self.keys.iter().filter(|(_, noticed)| !**noticed);
        keys.filter_map(move |(key, _)| {
            let line = source.line_of(key)?;
            let of_file = Some(line).filter(|line| !source.is_given(*line));
            Some((of_file, format!("{key}{HAS_NO_EFFECT}{} in any run", missing(key))))
        })
    }
}

/// Whether a reason is about something that was there and changed nothing.
pub(super) fn is_about_effects(reason: &Reason) -> bool {
    reason.message.contains(HAS_NO_EFFECT) || reason.message.ends_with(CHANGED_NOTHING)
}

/// What was not there.
fn missing(key: &str) -> &'static str {
    let path = key.split('.').next_back();
    match path {
        Some("latency" | "bandwidth") => "no packet went over its links",
        Some("loss" | "duplication" | "reordering" | "capacity") if key.starts_with("network.link") => {
            "no datagram went over its links"
        }
        Some("loss" | "duplication" | "reordering") => "no datagram was sent",
        Some("connection_timeout" | "redial") => "no connection was opened",
        _ if key.starts_with("clocks.nodes.") => "the node did not read its wall clock",
        _ => "no node read its wall clock",
    }
}

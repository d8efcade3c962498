//! `[run]`: length, seeds, settle phase, budgets.

use splitbrain_kernel::queue::SLOT_COUNT_MAX;
use splitbrain_kernel::run::{Budget, Ties};
use splitbrain_kernel::time::Duration;

use crate::scenario::RunChoices;
use crate::scenario::key::{Read, Table};
use crate::scenario::reader::{Problem, Reader};
use crate::scenario::shape::quantity::{ANY_TIME, SOME_TIME, Scalar};
use crate::scenario::shape::{Integer, OneOfNames};

const TIES: OneOfNames<Ties> = OneOfNames {
    names: &[
        ("sequence", "Events at one instant are handled in the order in which they came to be."),
        ("explore", "Events at one instant are handled in an order that is drawn."),
    ],
    read: |name| match name {
        "sequence" => Some(Ties::Sequence),
        "explore" => Some(Ties::Explore),
        _ => None,
    },
    show: |ties| match ties {
        Ties::Sequence => "sequence",
        Ties::Explore => "explore",
    },
};

const BUDGET: Integer = Integer { min: 1, max: 1_000_000_000_000 };

section! {
    /// How long a run is, how many there are, and what ends one that runs away.
    pub(crate) RUN = "run", RunFields -> RunChoices, |reader, table| {
        /// Virtual length of a run, the settle phase included.
        duration: Scalar(SOME_TIME), default "\"60s\"";
        /// How many seeds a campaign runs.
        seeds: Integer { min: 1, max: 1_000_000_000 }, default "100";
        /// Length of the settle phase at the end of the run: a core of the servers is healed, all else freezes as it
        /// is, and the core must make progress. 0s is none.
        settle: Scalar(ANY_TIME), default "\"0s\"";
        /// The order among events at one instant.
        ties: TIES, default "\"sequence\"";
        in budget: Budget {
            /// A run with more events ends as exhausted.
            events_max: BUDGET, default "20000000";
            /// A run with more entries in its event queue ends as exhausted.
            queue_max: Integer { min: 1, max: SLOT_COUNT_MAX }, default "500000";
            /// A run with more events at one instant ends as exhausted.
            instant_max: BUDGET, default "100000";
            /// A run with more inputs waiting at one paused or slow node ends as exhausted.
            inbox_max: BUDGET, default "100000";
        }
    }
    check {
        check_settle(reader, table, &duration, &settle)?;
    }
}

fn check_settle(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    duration: &Read<Duration>,
    settle: &Read<Duration>,
) -> Option<()> {
    let (length, end) = (duration.value?, settle.value?);
    if end < length {
        return Some(());
    }
    let message = format!("the settle phase ({end}) must be shorter than the run ({length})");
    let span = table.at(settle.name).map_or_else(|| table.key_span(duration.name), |at| at.span);
    reader.report(&span, &table.path_of(settle.name), Problem::new(message));
    None
}

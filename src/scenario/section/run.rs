//! `[run]`: length, seeds, settle phase, budgets.

use splitbrain_kernel::queue::SLOT_COUNT_MAX;
use splitbrain_kernel::run::{Budget, Ties};
use splitbrain_kernel::time::Duration;

use crate::scenario::RunChoices;
use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::{Problem, Reader};
use crate::scenario::shape::quantity::{ANY_TIME, One, SOME_TIME, Time};
use crate::scenario::shape::{OneOfNames, Whole};

use super::{Fields, Pairs};

const DURATION: Key<One<Time>> = Key {
    name: "duration",
    shape: One(SOME_TIME),
    need: Need::Default("\"60s\""),
    doc: "Virtual length of a run, the settle phase included.",
};
const SEEDS: Key<Whole> = Key {
    name: "seeds",
    shape: Whole { min: 1, max: 1_000_000_000 },
    need: Need::Default("100"),
    doc: "How many seeds a campaign runs.",
};
const SETTLE: Key<One<Time>> = Key {
    name: "settle",
    shape: One(ANY_TIME),
    need: Need::Default("\"0s\""),
    doc: "Length of the settle phase at the end of the run: a core of the servers is healed, all else freezes as \
          it is, and the core must make progress. 0s is none.",
};
const TIES: Key<OneOfNames<Ties>> = Key {
    name: "ties",
    shape: OneOfNames {
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
    },
    need: Need::Default("\"sequence\""),
    doc: "The order among events at one instant.",
};

const BUDGET: Whole = Whole { min: 1, max: 1_000_000_000_000 };
const EVENTS_MAX: Key<Whole> = Key {
    name: "events_max",
    shape: BUDGET,
    need: Need::Default("20000000"),
    doc: "A run with more events ends as exhausted.",
};
const QUEUE_MAX: Key<Whole> = Key {
    name: "queue_max",
    shape: Whole { min: 1, max: SLOT_COUNT_MAX },
    need: Need::Default("500000"),
    doc: "A run with more entries in its event queue ends as exhausted.",
};
const INSTANT_MAX: Key<Whole> = Key {
    name: "instant_max",
    shape: BUDGET,
    need: Need::Default("100000"),
    doc: "A run with more events at one instant ends as exhausted.",
};
const INBOX_MAX: Key<Whole> = Key {
    name: "inbox_max",
    shape: BUDGET,
    need: Need::Default("100000"),
    doc: "A run with more inputs waiting at one paused or slow node ends as exhausted.",
};

/// The keys of `[run]`.
pub(crate) static RUN: Section = Section {
    name: "run",
    doc: "How long a run is, how many there are, and what ends one that runs away.",
    keys: &[&DURATION, &SEEDS, &SETTLE, &TIES, &EVENTS_MAX, &QUEUE_MAX, &INSTANT_MAX, &INBOX_MAX],
};

/// `[run]`.
#[derive(Debug)]
pub(crate) struct RunFields;

impl Fields for RunFields {
    type Value = RunChoices;

    fn section(&self) -> &'static Section {
        &RUN
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<RunChoices> {
        let duration = table.get(reader, &DURATION);
        let seeds = table.get(reader, &SEEDS);
        let settle = table.get(reader, &SETTLE);
        let ties = table.get(reader, &TIES);
        let budget = read_budget(reader, table);
        let (duration, settle) = (duration?, settle?);
        check_settle(reader, table, duration, settle)?;
        Some(RunChoices { duration, seeds: seeds?, settle, ties: ties?, budget: budget? })
    }

    fn pairs(&self, value: &RunChoices) -> Pairs {
        Pairs::default()
            .put(&DURATION, &value.duration)
            .put(&SEEDS, &value.seeds)
            .put(&SETTLE, &value.settle)
            .put(&TIES, &value.ties)
            .put(&EVENTS_MAX, &value.budget.events_max)
            .put(&QUEUE_MAX, &value.budget.queue_max)
            .put(&INSTANT_MAX, &value.budget.instant_max)
            .put(&INBOX_MAX, &value.budget.inbox_max)
    }
}

fn read_budget(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Budget> {
    let events_max = table.get(reader, &EVENTS_MAX);
    let queue_max = table.get(reader, &QUEUE_MAX);
    let instant_max = table.get(reader, &INSTANT_MAX);
    let inbox_max = table.get(reader, &INBOX_MAX);
    Some(Budget { events_max: events_max?, queue_max: queue_max?, instant_max: instant_max?, inbox_max: inbox_max? })
}

fn check_settle(reader: &mut Reader<'_>, table: &Table<'_>, duration: Duration, settle: Duration) -> Option<()> {
    if settle < duration {
        return Some(());
    }
    let message = format!("the settle phase ({settle}) must be shorter than the run ({duration})");
    let (name, fallback) = (SETTLE.name, table.key_span(DURATION.name));
    let span = table.at(name).map_or(fallback, |at| at.span);
    reader.report(&span, &table.path_of(name), Problem::new(message));
    None
}

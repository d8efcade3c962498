//! The actions that need more said than to whom: each is a table with `nodes` and its own keys.

use splitbrain_kernel::director::spec::{Action, OrderSpec};
use splitbrain_kernel::fault::{DiskFault, Offset};
use splitbrain_kernel::node::FileId;
use splitbrain_kernel::selector::Selector;
use splitbrain_kernel::time::Duration;

use super::super::super::OrderCall;
use super::super::super::key::{Key, Need, Section, Table};
use super::super::super::reader::{Problem, Reader};
use super::super::super::shape::quantity::{ANY_TIME, Between, Drift, One, SOME_TIME, Signed, Time};
use super::super::super::shape::who::Who;
use super::super::super::shape::{NameOf, OneOrMore, Text, Whole, Word};
use super::super::{Fields, Pairs};

const NODES: Key<OneOrMore<Who>> = Key { name: "nodes", shape: OneOrMore(Who), need: Need::Required, doc: "To whom." };

const SERVICE_TIME: Key<Between<Time>> = Key {
    name: "service_time",
    shape: Between(SOME_TIME),
    need: Need::Required,
    doc: "How long each input takes; drawn once for each node.",
};
/// The keys of `slow`.
pub(in super::super::super) static SLOW: Section = Section {
    name: "fault[].slow",
    doc: "Each input takes a while to serve; further inputs queue.",
    keys: &[&NODES, &SERVICE_TIME],
};

/// `slow`.
#[derive(Debug)]
pub(super) struct SlowFields;

impl Fields for SlowFields {
    type Value = Action;

    fn section(&self) -> &'static Section {
        &SLOW
    }

    fn noun(&self) -> String {
        r#"a table such as { nodes = "leader", service_time = "1ms" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Action> {
        let nodes = table.get(reader, &NODES);
        let service_time = table.get(reader, &SERVICE_TIME);
        Some(Action::Slow { nodes: nodes?, service_time: service_time? })
    }

    fn pairs(&self, value: &Action) -> Pairs {
        let Action::Slow { nodes, service_time } = value else { return Pairs::default() };
        Pairs::default().put(&NODES, nodes).put(&SERVICE_TIME, service_time)
    }
}

const BY: Key<Between<Signed>> = Key {
    name: "by",
    shape: Between(Signed),
    need: Need::Required,
    doc: "How far, forwards or backwards; drawn once for each node.",
};
/// The keys of `clock_step`.
pub(in super::super::super) static CLOCK_STEP: Section =
    Section { name: "fault[].clock_step", doc: "The wall clock jumps.", keys: &[&NODES, &BY] };

/// `clock_step`.
#[derive(Debug)]
pub(super) struct ByFields;

impl Fields for ByFields {
    type Value = Action;

    fn section(&self) -> &'static Section {
        &CLOCK_STEP
    }

    fn noun(&self) -> String {
        r#"a table such as { nodes = "leader", by = "-50ms..50ms" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Action> {
        let nodes = table.get(reader, &NODES);
        let by = table.get(reader, &BY);
        Some(Action::ClockStep { nodes: nodes?, by: by? })
    }

    fn pairs(&self, value: &Action) -> Pairs {
        let Action::ClockStep { nodes, by } = value else { return Pairs::default() };
        Pairs::default().put(&NODES, nodes).put(&BY, by)
    }
}

const DRIFT_BY: Key<Between<Drift>> = Key {
    name: "by",
    shape: Between(Drift),
    need: Need::Required,
    doc: "How much fast, or negative slow; drawn once for each node.",
};
/// The keys of `clock_drift`.
pub(in super::super::super) static CLOCK_DRIFT: Section =
    Section { name: "fault[].clock_drift", doc: "Both clocks run fast or slow.", keys: &[&NODES, &DRIFT_BY] };

/// `clock_drift`.
#[derive(Debug)]
pub(super) struct DriftFields;

impl Fields for DriftFields {
    type Value = Action;

    fn section(&self) -> &'static Section {
        &CLOCK_DRIFT
    }

    fn noun(&self) -> String {
        r#"a table such as { nodes = "leader", by = "500ppm" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Action> {
        let nodes = table.get(reader, &NODES);
        let ppm = table.get(reader, &DRIFT_BY);
        Some(Action::ClockDrift { nodes: nodes?, ppm: ppm? })
    }

    fn pairs(&self, value: &Action) -> Pairs {
        let Action::ClockDrift { nodes, ppm } = value else { return Pairs::default() };
        Pairs::default().put(&NODES, nodes).put(&DRIFT_BY, ppm)
    }
}

const OVER: Key<One<Time>> =
    Key { name: "over", shape: One(SOME_TIME), need: Need::Required, doc: "How long it takes." };
/// The keys of `clock_slew`.
pub(in super::super::super) static CLOCK_SLEW: Section = Section {
    name: "fault[].clock_slew",
    doc: "The wall clock is led to a new offset over a time, as NTP slews.",
    keys: &[&NODES, &BY, &OVER],
};

/// `clock_slew`.
#[derive(Debug)]
pub(super) struct SlewFields;

impl Fields for SlewFields {
    type Value = Action;

    fn section(&self) -> &'static Section {
        &CLOCK_SLEW
    }

    fn noun(&self) -> String {
        r#"a table such as { nodes = "leader", by = "10ms", over = "1s" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Action> {
        let nodes = table.get(reader, &NODES);
        let by = table.get(reader, &BY);
        let over = table.get(reader, &OVER);
        let (by, over) = (by?, over?);
        let farthest = [by.low, by.high].into_iter().map(|Offset(by)| by.unsigned_abs()).max();
        if farthest > Some(over.as_nanos()) {
            let message = format!("a clock is led by at most the time that it takes ({over})");
            reader.report(&table.key_span(BY.name), &table.path_of(BY.name), Problem::new(message));
        }
        Some(Action::ClockSlew { nodes: nodes?, by, over })
    }

    fn pairs(&self, value: &Action) -> Pairs {
        let Action::ClockSlew { nodes, by, over } = value else { return Pairs::default() };
        Pairs::default().put(&NODES, nodes).put(&BY, by).put(&OVER, over)
    }
}

splitbrain_kernel::names! {
    /// How a disk misbehaves.
    pub enum Misbehaviour {
        /// Writes and syncs take longer.
        Slow = "slow",
        /// Every write fails for want of space.
        Full = "full",
        /// Every write and sync fails with an IO error.
        Io = "io",
        /// A sync reports success and syncs nothing.
        LyingSync = "lying_sync",
        /// A record is not there at the next start.
        Lose = "lose",
        /// A record is corrupt at the next start.
        Corrupt = "corrupt",
        /// A record cannot be read at the next start.
        Unreadable = "unreadable",
    }
}

const FAULT: Key<NameOf<Misbehaviour>> = Key {
    name: "fault",
    shape: NameOf { names: Misbehaviour::NAMES, read: Misbehaviour::from_name, show: |one| one.name() },
    need: Need::Required,
    doc: "How they misbehave.",
};
const SLOW_BY: Key<One<Time>> =
    Key { name: "by", shape: One(ANY_TIME), need: Need::Optional, doc: "For slow: added to each write and each sync." };
const FILE: Key<Whole> = Key {
    name: "file",
    shape: Whole { min: 0, max: u16::MAX as u64 },
    need: Need::Optional,
    doc: "For lose, corrupt and unreadable: which file, as the system numbers them; 0 where absent.",
};
const RECORD: Key<Whole> = Key {
    name: "record",
    shape: Whole { min: 0, max: 1_000_000_000 },
    need: Need::Optional,
    doc: "For lose, corrupt and unreadable: which record, counted from the end of the file; 0, the last, where absent.",
};
/// The keys of `disk`.
pub(in super::super::super) static DISK: Section = Section {
    name: "fault[].disk",
    doc: "Disks misbehave. Faults act on whole records.",
    keys: &[&NODES, &FAULT, &SLOW_BY, &FILE, &RECORD],
};

/// `disk`.
#[derive(Debug)]
pub(super) struct DiskFields;

impl Fields for DiskFields {
    type Value = Action;

    fn section(&self) -> &'static Section {
        &DISK
    }

    fn noun(&self) -> String {
        r#"a table such as { nodes = "leader", fault = "full" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Action> {
        let nodes = table.get(reader, &NODES);
        let fault = table.get(reader, &FAULT);
        let by = table.get(reader, &SLOW_BY);
        let file = table.get(reader, &FILE).unwrap_or(0);
        let from_end = table.get(reader, &RECORD).unwrap_or(0);
        let fault = fault?;
        refuse_idle_keys(reader, table, fault);
        let file = FileId(u16::try_from(file).expect("at most the greatest u16"));
        let fault = match fault {
            Misbehaviour::Slow => DiskFault::Slow { by: needed(reader, table, by)? },
            Misbehaviour::Full => DiskFault::Full,
            Misbehaviour::Io => DiskFault::Io,
            Misbehaviour::LyingSync => DiskFault::LyingSync,
            Misbehaviour::Lose => DiskFault::Lose { file, from_end },
            Misbehaviour::Corrupt => DiskFault::Corrupt { file, from_end },
            Misbehaviour::Unreadable => DiskFault::Unreadable { file, from_end },
        };
        Some(Action::Disk { nodes: nodes?, fault })
    }

    fn pairs(&self, value: &Action) -> Pairs {
        let Action::Disk { nodes, fault } = value else { return Pairs::default() };
        let pairs = Pairs::default().put(&NODES, nodes);
        let record =
            |pairs: Pairs, file: &FileId, from_end: &u64| pairs.put(&FILE, &u64::from(file.0)).put(&RECORD, from_end);
        match fault {
            DiskFault::Slow { by } => pairs.put(&FAULT, &Misbehaviour::Slow).put(&SLOW_BY, by),
            DiskFault::Full => pairs.put(&FAULT, &Misbehaviour::Full),
            DiskFault::Io => pairs.put(&FAULT, &Misbehaviour::Io),
            DiskFault::LyingSync => pairs.put(&FAULT, &Misbehaviour::LyingSync),
            DiskFault::Lose { file, from_end } => record(pairs.put(&FAULT, &Misbehaviour::Lose), file, from_end),
            DiskFault::Corrupt { file, from_end } => record(pairs.put(&FAULT, &Misbehaviour::Corrupt), file, from_end),
            DiskFault::Unreadable { file, from_end } => {
                record(pairs.put(&FAULT, &Misbehaviour::Unreadable), file, from_end)
            }
        }
    }
}

fn needed(reader: &mut Reader<'_>, table: &Table<'_>, by: Option<Duration>) -> Option<Duration> {
    if by.is_none() && table.at(SLOW_BY.name).is_none() {
        let message = "missing key \"by\": how much longer each write and sync takes";
        reader.report(&table.span, &table.path, Problem::new(message));
    }
    by
}

/// A key that says nothing about this fault is an error: it would be read as if it did.
fn refuse_idle_keys(reader: &mut Reader<'_>, table: &Table<'_>, fault: Misbehaviour) {
    let record = matches!(fault, Misbehaviour::Lose | Misbehaviour::Corrupt | Misbehaviour::Unreadable);
    let idle = [(SLOW_BY.name, fault == Misbehaviour::Slow), (FILE.name, record), (RECORD.name, record)];
    for (name, used) in idle {
        if !used && table.at(name).is_some() {
            let message = format!("means nothing for the disk fault \"{}\"", fault.name());
            reader.report(&table.key_span(name), &table.path_of(name), Problem::new(message));
        }
    }
}

const NAME: Key<Word> = Key {
    name: "name",
    shape: Word { what: "order", known: |system| system.orders.iter().map(|one| (one.name, one.doc)).collect() },
    need: Need::Required,
    doc: "Which order of the system.",
};
const ARGUMENT: Key<Text> = Key {
    name: "argument",
    shape: Text("the argument of an order"),
    need: Need::Default("\"\""),
    doc: "Its argument, as the system reads it.",
};
/// The keys of `order`.
pub(in super::super::super) static ORDER: Section =
    Section { name: "fault[].order", doc: "An order of the system to nodes.", keys: &[&NODES, &NAME, &ARGUMENT] };

/// `order`.
#[derive(Debug)]
pub(super) struct OrderFields;

impl Fields for OrderFields {
    type Value = OrderSpec<OrderCall>;

    fn section(&self) -> &'static Section {
        &ORDER
    }

    fn noun(&self) -> String {
        r#"a table such as { nodes = "s1", name = "...", argument = "..." }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<OrderSpec<OrderCall>> {
        let nodes: Option<Vec<Selector>> = table.get(reader, &NODES);
        let name = table.get(reader, &NAME);
        let argument = table.get(reader, &ARGUMENT);
        let span = table.at(ARGUMENT.name).or_else(|| table.at(NAME.name)).map(|at| at.span);
        let order = OrderCall { name: name?, argument: argument?, span: span.unwrap_or_else(|| table.span.clone()) };
        Some(OrderSpec { nodes: nodes?, order })
    }

    fn pairs(&self, value: &OrderSpec<OrderCall>) -> Pairs {
        let OrderSpec { nodes, order } = value;
        Pairs::default().put(&NODES, nodes).put(&NAME, &order.name).put(&ARGUMENT, &order.argument)
    }
}

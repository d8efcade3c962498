//! `[workload]`: what the clients do, how often, from when until when.

use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::Instant;

use super::super::key::{Key, Need, Section, Table};
use super::super::reader::{Problem, Reader};
use super::super::shape::Word;
use super::super::shape::quantity::{Chance, Moment, Often, One};
use super::super::{Rate, WorkloadChoice};
use super::{Fields, Pairs};

const KIND: Key<Word> = Key {
    name: "kind",
    shape: Word {
        what: "workload",
        known: |system| system.workloads.iter().map(|one| (one.name.into(), one.doc)).collect(),
    },
    need: Need::Required,
    doc: "What the clients do: a workload of the system.",
};
const RATE: Key<One<Often>> = Key {
    name: "rate",
    shape: One(Often),
    need: Need::Default("\"10/s\""),
    doc: "Operations of all clients together, or with \"each\" of each one; the gaps between a client's operations \
          are exponential, from its own stream.",
};
const READS: Key<One<Chance>> = Key {
    name: "reads",
    shape: One(Chance),
    need: Need::Default("\"50%\""),
    doc: "The share of reads; drawn for each operation.",
};
const FROM: Key<One<Moment>> =
    Key { name: "from", shape: One(Moment), need: Need::Default("\"0s\""), doc: "No operation comes before." };
const UNTIL: Key<One<Moment>> = Key {
    name: "until",
    shape: One(Moment),
    need: Need::Optional,
    doc: "No operation comes after; the end of the run where absent.",
};

/// The keys of `[workload]`.
pub(in super::super) static WORKLOAD: Section = Section {
    name: "workload",
    doc: "What the clients do. Without this table they do nothing of their own.",
    keys: &[&KIND, &RATE, &READS, &FROM, &UNTIL],
};

/// The most operations that a run is expected to have.
const OPERATIONS_MAX: u128 = 1_000_000;

/// `[workload]`.
#[derive(Debug)]
pub(in super::super) struct WorkloadFields;

impl Fields for WorkloadFields {
    type Value = WorkloadChoice;

    fn section(&self) -> &'static Section {
        &WORKLOAD
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<WorkloadChoice> {
        check_clients(reader, table);
        let kind = table.get(reader, &KIND);
        let rate: Option<Rate> = table.get(reader, &RATE);
        let reads: Option<Ppm> = table.get(reader, &READS);
        let from = table.get(reader, &FROM);
        let until = table.get(reader, &UNTIL);
        let choice = WorkloadChoice { kind: kind?, rate: rate?, reads: reads?, from: from?, until };
        check_times(reader, table, &choice);
        check_amount(reader, table, &choice);
        Some(choice)
    }

    fn pairs(&self, value: &WorkloadChoice) -> Pairs {
        Pairs::default()
            .put(&KIND, &value.kind)
            .put(&RATE, &value.rate)
            .put(&READS, &value.reads)
            .put(&FROM, &value.from)
            .put_some(&UNTIL, value.until.as_ref())
    }
}

fn check_clients(reader: &mut Reader<'_>, table: &Table<'_>) {
    if reader.cluster.is_some_and(|cluster| cluster.client_count() == 0) {
        let message = "a workload needs clients, and cluster.clients is 0";
        reader.report(&table.span, &table.path, Problem::new(message));
    }
}

fn check_times(reader: &mut Reader<'_>, table: &Table<'_>, choice: &WorkloadChoice) {
    let Some(end) = reader.end else { return };
    let until = choice.until.unwrap_or(end);
    let mut refuse = |name: &str, message: String| {
        let span = table.at(name).map_or_else(|| table.span.clone(), |at| at.span);
        reader.report(&span, &table.path_of(name), Problem::new(message));
    };
    if until > end {
        refuse(UNTIL.name, format!("the run ends at {} already", shown(end)));
    }
    if choice.from >= until {
        let message = format!("no operation can come: they end at {}", shown(until));
        refuse(FROM.name, message);
    }
}

fn shown(at: Instant) -> String {
    at.since(Instant::ZERO).to_string()
}

fn check_amount(reader: &mut Reader<'_>, table: &Table<'_>, choice: &WorkloadChoice) {
    let (Some(end), Some(cluster)) = (reader.end, reader.cluster) else { return };
    let callers = if choice.rate.each { u128::from(cluster.client_count()) } else { 1 };
    let span = choice.until.unwrap_or(end).since(choice.from).as_nanos();
    let expected = u128::from(choice.rate.count) * callers * u128::from(span) / u128::from(choice.rate.per.as_nanos());
    if expected > OPERATIONS_MAX {
        let message = format!("{expected} operations in one run are more than {OPERATIONS_MAX}");
        let span = table.at(RATE.name).map_or_else(|| table.span.clone(), |at| at.span);
        reader.report(&span, &table.path_of(RATE.name), Problem::new(message));
    }
}

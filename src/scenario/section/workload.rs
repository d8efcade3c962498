//! `[workload]`: what the clients do, how often, from when until when.

use serde_json::Value as Json;
use splitbrain_kernel::system::WorkloadInfo;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::workload::Cue;

use crate::scenario::description::{OptionKind, SystemDescription};
use crate::scenario::draw;
use crate::scenario::key::{Section, Shape, Table, described};
use crate::scenario::reader::{At, Problem, Reader, quoted};
use crate::scenario::shape::drawn::{OptionValue, encode_value};
use crate::scenario::shape::quantity::{Frequency, Moment, Scalar, is_too_long};
use crate::scenario::shape::scale::Scale;
use crate::scenario::shape::when::When;
use crate::scenario::shape::{Fixed, Word};
use crate::scenario::{WorkloadChoice, WorkloadSetting};

use super::{Fields, Pairs};

/// A time, or a condition as `when` and `until` of faults have it.
#[derive(Debug)]
struct CueShape;

impl Shape for CueShape {
    type Value = Cue;

    fn noun(&self) -> String {
        "a time since the start of the run such as \"2s\", or a condition (an observation, \"<role> for 1s\" or \
         \"no <role> for 1s\")"
            .to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Cue> {
        let text = reader.text(at, &self.noun())?;
        // No observation and no role begins with a letter of a number.
        let is_time = text.trim_start().starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
        if !is_time && !text.trim().is_empty() {
            return When.decode(reader, at).map(Cue::When);
        }
        if Duration::parse(text).is_err() && !is_too_long(text) {
            reader.refuse(at, Problem::new(format!("expected {}, got {}", self.noun(), quoted(text))));
            return None;
        }
        Scalar(Moment).decode(reader, at).map(Cue::At)
    }

    fn encode(&self, value: &Cue) -> String {
        match value {
            Cue::At(at) => Scalar(Moment).encode(at),
            Cue::When(condition) => When.encode(condition),
        }
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        When.schema(system)
    }

    fn scale(&self) -> Option<Scale> {
        Some(Scale::Time)
    }
}

keys! {
    /// What the clients do. Without this table they do nothing of their own. Beside these keys it has those that
    /// `splitbrain list workloads` shows for the workload.
    pub(crate) WORKLOAD = "workload" {
        /// What the clients do: a workload of the system.
        KIND = "kind": Fixed<Word> = Fixed {
            shape: Word {
                what: "workload",
                known: |system| system.workloads.iter().map(|one| (one.name.into(), one.doc)).collect(),
            },
            why: "the other keys of the table depend on the workload; make a [[variant]] of each",
        }, required;
        /// Operations of all clients together, or with "each" of each one; "10/s" where absent. The gaps between a
        /// client's operations are exponential, from its own stream. For a workload whose clients do not wait.
        RATE = "rate": Scalar<Frequency> = Scalar(Frequency), optional;
        /// No operation comes before this time, or before this condition comes for the first time.
        FROM = "from": CueShape = CueShape, default "\"0s\"";
        /// No operation comes after this time, or after this condition comes for the first time; the end of the run if
        /// absent.
        UNTIL = "until": CueShape = CueShape, optional;
    }
}

/// The most operations that a run is expected to have.
const OPERATIONS_MAX: u128 = 1_000_000;

/// `[workload]`.
#[derive(Debug)]
pub(crate) struct WorkloadFields;

impl Fields for WorkloadFields {
    type Value = WorkloadChoice;

    fn section(&self) -> &'static Section {
        &WORKLOAD
    }

    /// Its own keys and those of the workload that it names. If it names none that is known, those of all.
    fn known(&self, reader: &Reader<'_>, table: &Table<'_>) -> Vec<String> {
        let named = named(reader, table);
        let all = reader.system.workloads.iter().filter(|one| named.is_none_or(|named| named.name == one.name));
        let own = all.flat_map(|one| (one.options)()).map(|option| option.name.to_owned());
        let mut known = Vec::new();
        for name in self.section().names().map(str::to_owned).chain(own) {
            // Workloads have options of one name.
            if !known.contains(&name) {
                known.push(name);
            }
        }
        known
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<WorkloadChoice> {
        check_clients(reader, table);
        let kind = table.get(reader, &KIND);
        let rate = table.get(reader, &RATE);
        let settings = settings(reader, table);
        let from = table.get(reader, &FROM);
        let until = table.get(reader, &UNTIL);
        let choice = WorkloadChoice { kind: kind?, rate, settings: settings?, from: from?, until };
        check_times(reader, table, &choice);
        check_amount(reader, table, &choice);
        Some(choice)
    }

    fn pairs(&self, value: &WorkloadChoice) -> Pairs {
        let pairs = Pairs::default()
            .put(&KIND, &value.kind)
            .put_some(&RATE, value.rate.as_ref())
            .put(&FROM, &value.from)
            .put_some(&UNTIL, value.until.as_ref());
        value.settings.iter().fold(pairs, |pairs, one| pairs.put_text(&one.name, encode_value(&one.value)))
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        let mut schema = self.section().schema(system);
        let properties = schema["properties"].as_object_mut().expect("a section has properties");
        for workload in system.workloads {
            for option in (workload.options)() {
                let value = OptionValue(OptionKind::Value(option.kind));
                let mut one = described(draw::schema(&value, system), option.doc);
                one["default"] = serde_json::from_str(&encode_value(&option.default)).unwrap_or_default();
                properties.insert(option.name.to_owned(), one);
            }
        }
        schema
    }
}

/// The workload that the table names.
fn named(reader: &Reader<'_>, table: &Table<'_>) -> Option<&'static WorkloadInfo> {
    let at = table.at(KIND.name)?;
    let name = at.value.as_str()?;
    reader.system.workloads.iter().find(|one| one.name == name)
}

/// The options of the workload that the table sets.
fn settings(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Vec<WorkloadSetting>> {
    let options = named(reader, table).map_or_else(Vec::new, |workload| (workload.options)());
    let mut settings = Vec::new();
    let mut whole = Some(());
    for option in options {
        let Some(at) = table.at(option.name) else { continue };
        match draw::read(reader, &OptionValue(OptionKind::Value(option.kind)), &at) {
            Some(value) => settings.push(WorkloadSetting { name: option.name.to_owned(), value, span: at.span }),
            None => whole = None,
        }
    }
    whole.map(|()| settings)
}

fn check_clients(reader: &mut Reader<'_>, table: &Table<'_>) {
    if reader.cluster.is_some_and(|cluster| cluster.client_count() == 0) {
        let message = "a workload needs clients, and cluster.clients is 0";
        reader.report(&table.span, &table.path, Problem::new(message));
    }
}

fn check_times(reader: &mut Reader<'_>, table: &Table<'_>, choice: &WorkloadChoice) {
    let Some(end) = reader.end else { return };
    let until = match &choice.until {
        None => end,
        Some(Cue::At(until)) => *until,
        Some(Cue::When(_)) => end,
    };
    let from = if let Cue::At(from) = choice.from { from } else { Instant::ZERO };
    if until > end {
        table.refuse_value(reader, UNTIL.name, format!("the run ends at {} already", shown(end)));
    }
    if from >= until {
        // Said of the key that can be given another value.
        let name = if matches!(choice.from, Cue::At(_)) { FROM.name } else { UNTIL.name };
        table.refuse_value(reader, name, format!("no operation can come: they end at {}", shown(until)));
    }
}

fn shown(at: Instant) -> String {
    at.since(Instant::ZERO).to_string()
}

fn check_amount(reader: &mut Reader<'_>, table: &Table<'_>, choice: &WorkloadChoice) {
    let (Some(end), Some(cluster)) = (reader.end, reader.cluster) else { return };
    let Some(rate) = choice.rate else { return };
    let callers = if rate.each { u128::from(cluster.client_count()) } else { 1 };
    let time = |cue: &Cue, otherwise| if let Cue::At(at) = cue { *at } else { otherwise };
    let until = choice.until.as_ref().map_or(end, |until| time(until, end));
    let span = until.since(time(&choice.from, Instant::ZERO)).as_nanos();
    let expected = u128::from(rate.count) * callers * u128::from(span) / u128::from(rate.per.as_nanos());
    if expected > OPERATIONS_MAX {
        let message = format!("{expected} operations in one run are more than {OPERATIONS_MAX}");
        table.refuse_value(reader, RATE.name, message);
    }
}

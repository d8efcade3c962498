//! Plans as files: read with the position of everything that is wrong with them, and checked with their scenario.
//!
//! The kernel owns what a plan is; here it is held to the cluster and to the words of its system. Each entry is read by
//! itself, so that several errors are shown at once. Reading and writing take time linear in the length of the plan.

mod names;
mod write;

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, IntoDeserializer as _};
use splitbrain_kernel::fault::{self, Target};
use splitbrain_kernel::id::{Cluster, Kind, Link, NodeId};
use splitbrain_kernel::plan::{
    Asking, Decision, FORMAT, Override, Plan, PlannedFault, PlannedName, PlannedOperation, PlannedOrder, Site, Timing,
};
use splitbrain_kernel::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

use super::description::SystemDescription;
use super::diagnostic::Diagnostics;
use super::key::Table;
use super::names::Names;
use super::reader::{At, Problem, Reader};
use super::section::action::{check_refusable, check_refusable_kind};
use super::shape::quantity::LONGEST;
use super::shape::who::check_node;
use super::source::{Lines, SourceFile};
use super::syntax;

pub use write::write_plan;

/// What a plan is held to.
#[derive(Clone, Copy, Debug)]
pub struct PlanCheck<'a> {
    /// The words of its system.
    pub system: &'a SystemDescription,
    /// The nodes that there are.
    pub cluster: Cluster,
    /// Whether a plan for another build or a larger cluster is taken all the same: the kernel passes over what it says
    /// of nodes that are not there.
    pub force: bool,
}

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// Something is wrong with it.
    Invalid(Diagnostics),
    /// It is of this other format.
    Format(i64),
}

/// A plan that was read, and where its entries stand in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPlan<O, Q> {
    /// The plan.
    pub plan: Plan<O, Q>,
    /// The line of each entry.
    pub lines: PlanLines,
}

/// The lines on which the entries of a plan begin, counted from 1 and in the order of the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanLines {
    /// One for each fault.
    pub faults: Vec<u32>,
    /// One for each operation.
    pub operations: Vec<u32>,
    /// One for each order.
    pub orders: Vec<u32>,
    /// One for each override.
    pub overrides: Vec<u32>,
}

const KEYS: [&str; 8] = ["format", "timing", "workload", "fault", "operation", "order", "name", "override"];

/// Reads a plan. `path` is what diagnostics call the file.
///
/// # Errors
/// Everything that is wrong with it, in order of position.
pub fn read_plan<O: DeserializeOwned, Q: DeserializeOwned>(
    path: &str,
    text: &str,
    check: PlanCheck<'_>,
) -> Result<ReadPlan<O, Q>, PlanError> {
    let source = SourceFile::new(path, text, text.as_bytes());
    let mut reader = Reader::new(&source, check.system);
    reader.cluster = (!check.force).then_some(check.cluster);
    let Some(tree) = syntax::parse(&mut reader, text) else {
        return reader.finish(None).map_err(PlanError::Invalid);
    };
    let root = Table::root(tree.get_ref());
    if let Some(found) = format_of(&mut reader, &root)
        && found != i64::from(FORMAT)
        && !check.force
    {
        return Err(PlanError::Format(found));
    }
    root.refuse_unknown(&mut reader, &KEYS);
    let timing = root.at("timing").map_or(Some(Timing::default()), |at| decode(&mut reader, &at));
    let workload = root.at("workload").map_or(Some(Asking::default()), |at| decode(&mut reader, &at));
    let (starts, names) = (Lines::of(text), Names::of(&check.cluster));
    let starts = &Starts { lines: starts, names };
    let faults = entries(&mut reader, &root, ("fault", check_fault), starts);
    let operations = entries(&mut reader, &root, ("operation", check_operation), starts);
    let orders = entries(&mut reader, &root, ("order", check_order), starts);
    let names = entries(&mut reader, &root, ("name", check_named), starts);
    let overrides = entries(&mut reader, &root, ("override", check_override), starts);
    refuse_doubles(&mut reader, &root, &overrides);
    let read = timing.zip(workload).map(|(timing, workload)| ReadPlan {
        lines: PlanLines {
            faults: faults.lines,
            operations: operations.lines,
            orders: orders.lines,
            overrides: overrides.lines,
        },
        plan: Plan {
            format: FORMAT,
            timing,
            workload,
            faults: faults.entries,
            operations: operations.entries,
            orders: orders.entries,
            names: names.entries,
            overrides: overrides.entries,
        },
    });
    reader.finish(read).map_err(PlanError::Invalid)
}

fn format_of(reader: &mut Reader<'_>, root: &Table<'_>) -> Option<i64> {
    let Some(at) = root.at("format") else {
        reader.report(&(0..0), "", Problem::new(format!("expected a plan, which begins with `format = {FORMAT}`")));
        return None;
    };
    decode(reader, &at)
}

/// Where lines begin, and what nodes are called.
struct Starts {
    lines: Lines,
    names: Names,
}

/// Entries of one kind, each with its line.
struct Entries<T> {
    entries: Vec<T>,
    lines: Vec<u32>,
}

/// What entries of a kind are called, and what each that has its form is held to.
type EntryKind<T> = (&'static str, fn(&mut Reader<'_>, &At<'_>, &T));

/// Reads the entries of one kind.
fn entries<T: DeserializeOwned>(
    reader: &mut Reader<'_>,
    root: &Table<'_>,
    (name, check): EntryKind<T>,
    starts: &Starts,
) -> Entries<T> {
    let mut read = Entries { entries: Vec::new(), lines: Vec::new() };
    let Some(at) = root.at(name) else { return read };
    let Some(items) = at.items() else {
        reader.refuse(&at, Problem::expected(&format!("a list of tables [[{name}]]"), at.value));
        return read;
    };
    for item in items {
        let mut value = item.value.clone();
        names::letters(&mut value, name, &starts.names);
        if let Some(entry) = decode_value::<T>(reader, &item, value) {
            check(reader, &item, &entry);
            read.entries.push(entry);
            read.lines.push(starts.lines.line(item.span.start));
        }
    }
    read
}

/// The value that stands here, or what is wrong with it: the first thing in it that is.
fn decode<T: DeserializeOwned>(reader: &mut Reader<'_>, at: &At<'_>) -> Option<T> {
    decode_value(reader, at, at.value.clone())
}

fn decode_value<T: DeserializeOwned>(reader: &mut Reader<'_>, at: &At<'_>, value: DeValue<'_>) -> Option<T> {
    let value = Spanned::new(at.span.clone(), value);
    match T::deserialize(value.into_deserializer()) {
        Ok(value) => Some(value),
        Err(error) => {
            let span = error.span().unwrap_or_else(|| at.span.clone());
            let message = by_kinds(error.message(), reader.system.kinds);
            reader.report(&span, &at.path, problem(&message));
            None
        }
    }
}

/// What the parser says, with examples of nodes that the system has.
fn by_kinds(message: &str, kinds: &[Kind]) -> String {
    let [first, .., last] = kinds else { return message.to_owned() };
    let node = format!("a node such as {} or {}", first.name_of(1), last.name_of(2));
    let link = format!("a link such as \"{} -> {}\"", first.name_of(1), first.name_of(2));
    message.replace("a node such as s1 or c2", &node).replace("a link such as \"s1 -> s2\"", &link)
}

/// What the parser says, with the nearest word where it lists those that it knows.
fn problem(message: &str) -> Problem {
    if let Some((unknown, known)) =
        message.strip_prefix("unexpected keys in table: ").and_then(|keys| keys.split_once(", available keys: "))
    {
        let word = unknown.split(", ").next().unwrap_or(unknown);
        return Problem::unknown("key", word, known.split(", "));
    }
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match (message.split_once(" `"), words.as_slice()) {
        (Some(("unknown field", _)), [word, known @ ..]) => Problem::unknown("key", word, known.iter().copied()),
        (Some(("unknown variant", _)), [word, known @ ..]) => Problem::unknown("", word, known.iter().copied()),
        (Some(("missing field", _)), [word]) => Problem::new(format!("missing key {word:?}")),
        _ => Problem::new(message),
    }
}

fn check_fault(reader: &mut Reader<'_>, at: &At<'_>, planned: &PlannedFault) {
    let fault = &planned.fault;
    let Some(at) = at.below(&["fault", fault.kind()]) else { return };
    match fault.target() {
        Target::Nodes(nodes) => check_nodes(reader, &at, nodes),
        Target::Links(links) => check_links(reader, &at, links),
    }
    check_kinds(reader, &at, fault.kinds());
    if fault.refuses() {
        check_refusal(reader, &at, fault.kinds());
    }
    for range in fault.ranges() {
        check_range(reader, &at, &range);
    }
}

fn check_operation<O>(reader: &mut Reader<'_>, at: &At<'_>, planned: &PlannedOperation<O>) {
    check_receiver(reader, at, planned.node);
}

fn check_order<Q>(reader: &mut Reader<'_>, at: &At<'_>, planned: &PlannedOrder<Q>) {
    check_receiver(reader, at, planned.node);
}

fn check_named(reader: &mut Reader<'_>, at: &At<'_>, planned: &PlannedName) {
    check_receiver(reader, at, planned.node);
}

fn check_receiver(reader: &mut Reader<'_>, at: &At<'_>, node: NodeId) {
    if let (Err(problem), Some(at)) = (check_node(reader, node), at.below(&["node"])) {
        reader.refuse(&at, problem);
    }
}

fn check_override(reader: &mut Reader<'_>, at: &At<'_>, planned: &Override) {
    let (name, site) = match planned.site {
        Site::Packet(link) => ("packet", check_link(reader, link)),
        Site::Disk(node) => ("disk", check_node(reader, node)),
        Site::Crash(node) => ("crash", check_node(reader, node)),
    };
    if let (Err(problem), Some(at)) = (site, at.below(&["site", name])) {
        reader.refuse(&at, problem);
    }
    let (known, fits): (&[&str], bool) = match (planned.site, planned.decision) {
        (Site::Packet(_), decision) => {
            (&["drop", "delay", "duplicate", "order"], !matches!(decision, Decision::Keep(_)))
        }
        (Site::Disk(_), decision) => (&["delay"], matches!(decision, Decision::Delay(_))),
        (Site::Crash(_), decision) => (&["keep"], matches!(decision, Decision::Keep(_))),
    };
    let Some(decision) = at.below(&["decision"]) else { return };
    if !fits {
        let message = format!("at a {name} nothing of this kind is decided, only {}", known.join(", "));
        reader.refuse(&decision, Problem::new(message));
    }
    let spans = match planned.decision {
        Decision::Delay(span) => vec![span],
        Decision::Duplicate(first, second) => vec![first, second],
        Decision::Drop | Decision::Order(_) | Decision::Keep(_) => Vec::new(),
    };
    if let Some(span) = spans.into_iter().find(|span| *span > LONGEST) {
        reader.refuse(&decision, too_long(span));
    }
}

/// A decision that is taken twice would be taken once, and nobody could tell which way.
fn refuse_doubles(reader: &mut Reader<'_>, root: &Table<'_>, overrides: &Entries<Override>) {
    let items = root.at("override").and_then(|at| at.items()).unwrap_or_default();
    // If an entry was refused, the two lists do not match, and there is enough to report.
    if items.len() != overrides.entries.len() {
        return;
    }
    let mut taken: BTreeMap<(Site, u64), u32> = BTreeMap::new();
    for ((at, planned), line) in items.iter().zip(&overrides.entries).zip(&overrides.lines) {
        if let Some(line) = taken.insert((planned.site, planned.ordinal), *line) {
            reader.refuse(at, Problem::new(format!("this decision is taken already, on line {line}")));
        }
    }
}

fn check_nodes(reader: &mut Reader<'_>, fault: &At<'_>, nodes: &[NodeId]) {
    let items = fault.below(&["nodes"]).and_then(|at| at.items()).unwrap_or_default();
    for (at, node) in items.iter().zip(nodes) {
        let known = check_node(reader, *node);
        reader.check(at, known);
    }
}

fn check_links(reader: &mut Reader<'_>, fault: &At<'_>, links: &[Link]) {
    let items = fault.below(&["links"]).and_then(|at| at.items()).unwrap_or_default();
    for (at, link) in items.iter().zip(links) {
        let known = check_link(reader, *link);
        reader.check(at, known);
    }
}

fn check_kinds(reader: &mut Reader<'_>, fault: &At<'_>, kinds: &[String]) {
    let items = fault.below(&["kinds"]).and_then(|at| at.items()).unwrap_or_default();
    let messages = reader.system.messages;
    for (at, kind) in items.iter().zip(kinds).filter(|(_, kind)| !messages.contains(&kind.as_str())) {
        reader.refuse(at, Problem::unknown("message", kind, messages.iter().copied()));
    }
}

/// What is refused must be a request that the system declares.
fn check_refusal(reader: &mut Reader<'_>, fault: &At<'_>, kinds: &[String]) {
    if let Err(problem) = check_refusable(reader.system) {
        return reader.refuse(fault, problem);
    }
    let items = fault.below(&["kinds"]).and_then(|at| at.items()).unwrap_or_default();
    let messages = reader.system.messages;
    for (at, kind) in items.iter().zip(kinds).filter(|(_, kind)| messages.contains(&kind.as_str())) {
        let known = check_refusable_kind(reader.system, kind);
        reader.check(at, known);
    }
}

fn check_link(reader: &Reader<'_>, link: Link) -> Result<(), Problem> {
    if link.source == link.target {
        let name = reader.cluster.map_or_else(|| link.source.into(), |cluster| cluster.name(link.source));
        return Err(Problem::new(format!("{name} has no link to itself")));
    }
    check_node(reader, link.source)?;
    check_node(reader, link.target)
}

fn check_range(reader: &mut Reader<'_>, fault: &At<'_>, range: &fault::Range) {
    let Some(at) = fault.below(range.path) else { return };
    let (low, high) = (range.low, range.high);
    if low > high {
        reader.refuse(&at, Problem::new(format!("the range starts above its end: {low} is more than {high}")));
    } else if high > LONGEST {
        reader.refuse(&at, too_long(high));
    }
}

fn too_long(span: Duration) -> Problem {
    Problem::new(format!("{span} is more than {LONGEST}"))
}

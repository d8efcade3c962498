//! What a scenario sets and can have no effect in any of its runs, as far as the system knows.

use splitbrain_kernel::director::spec::{NemesisKind, OrderChoice, What};
use splitbrain_kernel::fault::{Disk, Fault};
use splitbrain_kernel::options::{Idle, Options as _, Scene};
use splitbrain_kernel::system::System;

use crate::scenario::notes::Note;
use crate::scenario::section::nemesis::is_of_disk;
use crate::scenario::shape::who::kinds_of;
use crate::scenario::{OrderCall, Scenario};

use super::options_of;
use super::verify::each_combination;

/// What may not be meant in a scenario: what it says of itself, and what the system knows to have no effect. In the
/// order of the lines.
///
/// # Panics
/// If the scenario was loaded for another system.
pub fn notes<S: System>(scenario: &Scenario) -> Vec<Note> {
    let idle = idle_of::<S>(scenario);
    let mut notes = scenario.notes();
    notes.extend(options(scenario, &idle));
    notes.extend(keys(scenario, &idle));
    notes.extend(messages(scenario, &idle));
    notes.extend(disks::<S>(scenario));
    notes.sort_by_key(|note| note.line);
    notes
}

type IdleList = Vec<(Idle, &'static str)>;

/// What is idle whatever is drawn; empty if there are more combinations than can be tried.
fn idle_of<S: System>(scenario: &Scenario) -> IdleList {
    let orders = orders_of(scenario);
    let mut all: Option<IdleList> = None;
    let tried = each_combination(scenario, |_, drawn, choices| {
        let (options, _) = options_of::<S>(drawn, choices)?;
        let now = S::Options::idle(&options, Scene { cluster: drawn.cluster, orders: &orders });
        all = Some(match all.take() {
            None => now,
            Some(before) => before.into_iter().filter(|(what, _)| now.iter().any(|(other, _)| other == what)).collect(),
        });
        Ok(())
    });
    // What cannot stand is told where the scenario is verified.
    all.filter(|_| tried == Ok(true)).unwrap_or_default()
}

/// The names of the orders that may be given.
fn orders_of(scenario: &Scenario) -> Vec<String> {
    let name = |choice: &OrderChoice<OrderCall>| match choice {
        OrderChoice::One(call) => call.name.clone(),
        OrderChoice::About { .. } => panic!("a file says an order by its words"),
    };
    let stated = scenario.faults.iter().filter_map(|fault| match &fault.what {
        What::Order(order) => Some([Some(&order.order), order.end.as_ref()]),
        What::Fault(_) => None,
    });
    let drawn = scenario.nemeses.iter().flat_map(|nemesis| &nemesis.orders);
    stated.flatten().flatten().chain(drawn).map(name).collect()
}

fn options(scenario: &Scenario, idle: &IdleList) -> Vec<Note> {
    let stated = scenario.options.base.iter().chain(scenario.options.nodes.values().flatten());
    let note = |one: &crate::scenario::OptionSetting| {
        let (_, why) = idle.iter().find(|(what, _)| matches!(what, Idle::Option(path) if *path == one.name))?;
        Some(idle_key(scenario.source.line(one.span.start), &format!("{}.{}", scenario.system, one.name), why))
    };
    stated.filter_map(note).collect()
}

fn keys(scenario: &Scenario, idle: &IdleList) -> Vec<Note> {
    let note = |(what, why): &(Idle, &str)| {
        let Idle::Key(path) = what else { return None };
        Some(idle_key(scenario.source.line_of(path)?, path, why))
    };
    idle.iter().filter_map(note).collect()
}

fn idle_key(line: u32, path: &str, why: &str) -> Note {
    Note { line, path: path.to_owned(), message: format!("{path} has no effect: {why}"), is_idle: true }
}

/// A note about the fault or the nemesis with this number in its list.
fn idle_entry(line: u32, list: &str, index: usize, message: String) -> Note {
    Note { line, path: format!("{list}[{index}]"), message, is_idle: true }
}

/// Faults that are narrowed to messages which are never sent.
fn messages(scenario: &Scenario, idle: &IdleList) -> Vec<Note> {
    let never = |kind: &String| {
        let found = idle.iter().find(|(what, _)| matches!(what, Idle::Message(name) if name == kind));
        found.map(|(_, why)| format!("no {kind} is ever sent: {why}"))
    };
    let why = |id: &str, kinds: &[String]| {
        let whys: Vec<String> = kinds.iter().filter_map(never).collect();
        let is_idle = !kinds.is_empty() && whys.len() == kinds.len();
        is_idle.then(|| format!("{id} has no effect: {}", whys.join("; ")))
    };
    let faults = scenario.faults.iter().enumerate().filter_map(|(index, fault)| match &fault.what {
        What::Fault(what) => Some(idle_entry(fault.line, "fault", index, why(&fault.id, what.kinds())?)),
        What::Order(_) => None,
    });
    let nemeses = scenario.nemeses.iter().enumerate().filter_map(|(index, nemesis)| {
        Some(idle_entry(nemesis.line, "nemesis", index, why(&nemesis.id, &nemesis.messages.kinds)?))
    });
    faults.chain(nemeses).collect()
}

/// Faults of disks at nodes that keep nothing on theirs.
fn disks<S: System>(scenario: &Scenario) -> Vec<Note> {
    let Some(files) = S::FILES else { return Vec::new() };
    let keep_nothing = |selectors: &[splitbrain_kernel::selector::Selector]| {
        let kinds = kinds_of(S::KINDS, selectors).filter(|kinds| !kinds.is_empty());
        kinds.is_some_and(|kinds| files.iter().all(|file| file.of.iter().all(|kind| !kinds.contains(kind))))
    };
    let faults = scenario.faults.iter().enumerate().filter_map(|(index, fault)| match &fault.what {
        What::Fault(Fault::Disk(Disk { nodes, .. })) if keep_nothing(nodes) => {
            let message = format!("{} has no effect: these nodes have no files", fault.id);
            Some(idle_entry(fault.line, "fault", index, message))
        }
        _ => None,
    });
    let idle = scenario.nemeses.iter().enumerate().filter(|(_, nemesis)| keep_nothing(&nemesis.on));
    let nemeses = idle.filter_map(|(index, nemesis)| {
        let kinds: Vec<&str> =
            nemesis.kinds.iter().copied().filter(|kind| is_of_disk(*kind)).map(NemesisKind::name).collect();
        let message = format!("{} of {} has no effect: these nodes have no files", kinds.join(", "), nemesis.id);
        (!kinds.is_empty()).then(|| idle_entry(nemesis.line, "nemesis", index, message))
    });
    faults.chain(nemeses).collect()
}

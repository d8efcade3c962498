//! What a fault does: the one action key of a `[[fault]]`, and the tables of those actions that need more said.

mod tables;

use splitbrain_kernel::director::spec::{Action, What};
use splitbrain_kernel::fault::{CrashScope, InFlight, Keep};
use splitbrain_kernel::selector::{LinkSelector, Selector};

use super::super::OrderCall;
use super::super::key::{AnyKey, Key, Need, Table};
use super::super::reader::{Problem, Reader};
use super::super::shape::who::{Path, Who};
use super::super::shape::{List, OneOrMore, Yes};
use super::network::WeatherFields;
use super::{Pairs, Sub};
use tables::{ByFields, DiskFields, DriftFields, OrderFields, SlewFields, SlowFields};
pub(in super::super) use tables::{CLOCK_DRIFT, CLOCK_SLEW, CLOCK_STEP, DISK, ORDER, SLOW};

/// What a fault does, before an order is made the system's own.
pub(in super::super) type Deed = What<OrderCall>;

const fn action<S>(name: &'static str, shape: S, doc: &'static str) -> Key<S> {
    Key { name, shape, need: Need::Optional, doc }
}

const PARTITION: Key<List<List<Who>>> = action(
    "partition",
    List(List(Who)),
    "Action: of the nodes in these groups, only those who share a group can talk. Groups may overlap; a node that is \
     in none keeps all its links.",
);
const CUT: Key<OneOrMore<Path>> = action("cut", OneOrMore(Path), "Action: packets on these links are lost.");
const ISOLATE: Key<OneOrMore<Who>> = action(
    "isolate",
    OneOrMore(Who),
    "Action: every link to and from these nodes is cut, those between them included.",
);
const BRIDGE: Key<Who> =
    action("bridge", Who, "Action: the servers fall into two halves that see each other only through this node.");
const RING: Key<Yes> =
    action("ring", Yes, "Action: each server sees only the next and the one before, in order of number.");
const CLOG: Key<OneOrMore<Path>> =
    action("clog", OneOrMore(Path), "Action: packets on these links are held, and go on when the fault is lifted.");
const WEATHER: Key<Sub<WeatherFields>> =
    action("weather", Sub(WeatherFields), "Action: the conditions of links change, as in [[network.link]].");
const CRASH: Key<OneOrMore<Who>> = action(
    "crash",
    OneOrMore(Who),
    "Action: the processes end; what they wrote is kept, and peers see resets. They restart when the fault is lifted.",
);
const MACHINE_CRASH: Key<OneOrMore<Who>> = action(
    "machine_crash",
    OneOrMore(Who),
    "Action: the machines end; what was synced is kept and a part of the rest (see keep), and peers hear nothing. \
     They restart when the fault is lifted.",
);
const START: Key<OneOrMore<Who>> =
    action("start", OneOrMore(Who), "Action: nodes that crashed, exited or are spare start. Happens once.");
const PAUSE: Key<OneOrMore<Who>> = action(
    "pause",
    OneOrMore(Who),
    "Action: the processes stop while their clocks go on; inputs queue and arrive in order at the end.",
);
const SLOW_KEY: Key<Sub<SlowFields>> = action("slow", Sub(SlowFields), "Action: each input takes a while to serve.");
const CLOCK_STEP_KEY: Key<Sub<ByFields>> =
    action("clock_step", Sub(ByFields), "Action: wall clocks jump. Happens once.");
const CLOCK_DRIFT_KEY: Key<Sub<DriftFields>> =
    action("clock_drift", Sub(DriftFields), "Action: both clocks run fast or slow until the fault is lifted.");
const CLOCK_SLEW_KEY: Key<Sub<SlewFields>> =
    action("clock_slew", Sub(SlewFields), "Action: wall clocks are led to a new offset over a time. Happens once.");
const CLOCK_FREEZE: Key<OneOrMore<Who>> =
    action("clock_freeze", OneOrMore(Who), "Action: both clocks stand still while the process runs; no timer fires.");
const DISK_KEY: Key<Sub<DiskFields>> =
    action("disk", Sub(DiskFields), "Action: disks misbehave until the fault is lifted.");
const ORDER_KEY: Key<Sub<OrderFields>> =
    action("order", Sub(OrderFields), "Action: hands an order of the system to nodes. Happens once.");

/// Every action key, in the order of the reference.
pub(in super::super) static ACTIONS: [&dyn AnyKey; 18] = [
    &PARTITION,
    &CUT,
    &ISOLATE,
    &BRIDGE,
    &RING,
    &CLOG,
    &WEATHER,
    &CRASH,
    &MACHINE_CRASH,
    &START,
    &PAUSE,
    &SLOW_KEY,
    &CLOCK_STEP_KEY,
    &CLOCK_DRIFT_KEY,
    &CLOCK_SLEW_KEY,
    &CLOCK_FREEZE,
    &DISK_KEY,
    &ORDER_KEY,
];

/// The modifiers that change what some actions do.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Modifiers {
    /// What happens to packets under way.
    pub(in super::super) in_flight: Option<InFlight>,
    /// Kinds of message.
    pub(in super::super) kinds: Option<Vec<String>>,
    /// What a machine crash leaves.
    pub(in super::super) keep: Option<Keep>,
}

/// The actions that a modifier applies to; every action where it is none of these.
pub(in super::super) fn actions_of(modifier: &str) -> Option<&'static [&'static str]> {
    match modifier {
        "in_flight" => Some(&["partition", "cut"]),
        "kinds" => Some(&["partition", "cut", "clog", "weather"]),
        "keep" => Some(&["machine_crash"]),
        "for" | "until" => Some(&[
            "partition",
            "cut",
            "isolate",
            "bridge",
            "ring",
            "clog",
            "weather",
            "crash",
            "machine_crash",
            "pause",
            "slow",
            "clock_drift",
            "clock_freeze",
            "disk",
        ]),
        _ => None,
    }
}

/// Whether the action lasts until it is lifted, rather than happening once.
pub(in super::super) fn lasts(action: &str) -> bool {
    actions_of("for").is_some_and(|lasting| lasting.contains(&action))
}

/// The one action of a fault: its key. Where there is none or more than one, the reader knows.
pub(in super::super) fn find(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<&'static str> {
    let mut present: Vec<(&'static str, _)> = ACTIONS
        .iter()
        .filter(|key| table.at(key.name()).is_some())
        .map(|key| (key.name(), table.key_span(key.name())))
        .collect();
    present.sort_by_key(|(_, span)| span.start);
    match present.as_slice() {
        [(name, _)] => Some(name),
        [] => {
            let names: Vec<&str> = ACTIONS.iter().map(|key| key.name()).collect();
            let message = format!("does nothing: missing an action, one of {}", names.join(", "));
            reader.report(&table.span, &table.path, Problem::new(message));
            None
        }
        [(first, _), (second, span), ..] => {
            let message = format!("a fault does one thing, and this one has {first} already");
            reader.report(span, &table.path_of(second), Problem::new(message));
            None
        }
    }
}

/// Reads the action under this key.
pub(in super::super) fn read(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    name: &str,
    modifiers: Modifiers,
) -> Option<Deed> {
    let in_flight = modifiers.in_flight.unwrap_or_default();
    let kinds = modifiers.kinds.unwrap_or_default();
    let keep = modifiers.keep.unwrap_or_default();
    Some(What::Fault(match name {
        "partition" => Action::Partition { groups: table.get(reader, &PARTITION)?, in_flight, kinds },
        "cut" => Action::Cut { links: table.get(reader, &CUT)?, in_flight, kinds },
        "isolate" => Action::Isolate(table.get(reader, &ISOLATE)?),
        "bridge" => Action::Bridge(table.get(reader, &BRIDGE)?),
        "ring" => table.get(reader, &RING).map(|()| Action::Ring)?,
        "clog" => Action::Clog { links: table.get(reader, &CLOG)?, kinds },
        "weather" => {
            let (links, conditions) = table.get(reader, &WEATHER)?;
            Action::Weather { links, conditions, kinds }
        }
        "crash" => Action::Crash { nodes: table.get(reader, &CRASH)?, scope: CrashScope::Process, keep },
        "machine_crash" => {
            Action::Crash { nodes: table.get(reader, &MACHINE_CRASH)?, scope: CrashScope::Machine, keep }
        }
        "start" => Action::Start(table.get(reader, &START)?),
        "pause" => Action::Pause(table.get(reader, &PAUSE)?),
        "slow" => table.get(reader, &SLOW_KEY)?,
        "clock_step" => table.get(reader, &CLOCK_STEP_KEY)?,
        "clock_drift" => table.get(reader, &CLOCK_DRIFT_KEY)?,
        "clock_slew" => table.get(reader, &CLOCK_SLEW_KEY)?,
        "clock_freeze" => Action::ClockFreeze(table.get(reader, &CLOCK_FREEZE)?),
        "disk" => table.get(reader, &DISK_KEY)?,
        "order" => return table.get(reader, &ORDER_KEY).map(What::Order),
        _ => unreachable!("{name} is an action of the table above"),
    }))
}

/// The key of an action.
pub(in super::super) const fn name(deed: &Deed) -> &'static str {
    let What::Fault(action) = deed else { return ORDER_KEY.name };
    match action {
        Action::Partition { .. } => PARTITION.name,
        Action::Cut { .. } => CUT.name,
        Action::Isolate(_) => ISOLATE.name,
        Action::Bridge(_) => BRIDGE.name,
        Action::Ring => RING.name,
        Action::Clog { .. } => CLOG.name,
        Action::Weather { .. } => WEATHER.name,
        Action::Crash { scope: CrashScope::Process, .. } => CRASH.name,
        Action::Crash { scope: CrashScope::Machine, .. } => MACHINE_CRASH.name,
        Action::Start(_) => START.name,
        Action::Pause(_) => PAUSE.name,
        Action::Slow { .. } => SLOW_KEY.name,
        Action::ClockStep { .. } => CLOCK_STEP_KEY.name,
        Action::ClockDrift { .. } => CLOCK_DRIFT_KEY.name,
        Action::ClockSlew { .. } => CLOCK_SLEW_KEY.name,
        Action::ClockFreeze(_) => CLOCK_FREEZE.name,
        Action::Disk { .. } => DISK_KEY.name,
    }
}

/// The pair of an action.
pub(in super::super) fn pairs(pairs: Pairs, deed: &Deed) -> Pairs {
    let action = match deed {
        What::Fault(action) => action,
        What::Order(order) => return pairs.put(&ORDER_KEY, order),
    };
    match action {
        Action::Partition { groups, .. } => pairs.put(&PARTITION, groups),
        Action::Cut { links, .. } => pairs.put(&CUT, links),
        Action::Isolate(nodes) => pairs.put(&ISOLATE, nodes),
        Action::Bridge(node) => pairs.put(&BRIDGE, node),
        Action::Ring => pairs.put(&RING, &()),
        Action::Clog { links, .. } => pairs.put(&CLOG, links),
        Action::Weather { links, conditions, .. } => pairs.put(&WEATHER, &(links.clone(), *conditions)),
        Action::Crash { nodes, scope: CrashScope::Process, .. } => pairs.put(&CRASH, nodes),
        Action::Crash { nodes, scope: CrashScope::Machine, .. } => pairs.put(&MACHINE_CRASH, nodes),
        Action::Start(nodes) => pairs.put(&START, nodes),
        Action::Pause(nodes) => pairs.put(&PAUSE, nodes),
        Action::Slow { .. } => pairs.put(&SLOW_KEY, action),
        Action::ClockStep { .. } => pairs.put(&CLOCK_STEP_KEY, action),
        Action::ClockDrift { .. } => pairs.put(&CLOCK_DRIFT_KEY, action),
        Action::ClockSlew { .. } => pairs.put(&CLOCK_SLEW_KEY, action),
        Action::ClockFreeze(nodes) => pairs.put(&CLOCK_FREEZE, nodes),
        Action::Disk { .. } => pairs.put(&DISK_KEY, action),
    }
}

/// The modifiers that an action carries.
pub(in super::super) fn modifiers(deed: &Deed) -> Modifiers {
    let some = |kinds: &Vec<String>| (!kinds.is_empty()).then(|| kinds.clone());
    let What::Fault(action) = deed else { return Modifiers::default() };
    match action {
        Action::Partition { in_flight, kinds, .. } | Action::Cut { in_flight, kinds, .. } => {
            Modifiers { in_flight: Some(*in_flight), kinds: some(kinds), keep: None }
        }
        Action::Clog { kinds, .. } | Action::Weather { kinds, .. } => {
            Modifiers { kinds: some(kinds), ..Modifiers::default() }
        }
        Action::Crash { scope: CrashScope::Machine, keep, .. } => {
            Modifiers { keep: Some(*keep), ..Modifiers::default() }
        }
        _ => Modifiers::default(),
    }
}

/// The selectors of an action as text, for plan and report.
pub(in super::super) fn described(deed: &Deed) -> String {
    let action = match deed {
        What::Fault(action) => action,
        What::Order(order) => return nodes_text(&order.nodes),
    };
    match action {
        Action::Partition { groups, .. } => {
            groups.iter().map(|group| nodes_text(group)).collect::<Vec<_>>().join(" | ")
        }
        Action::Cut { links, .. } | Action::Clog { links, .. } | Action::Weather { links, .. } => links_text(links),
        Action::Bridge(node) => node.to_string(),
        Action::Ring => String::new(),
        Action::Isolate(nodes)
        | Action::Start(nodes)
        | Action::Pause(nodes)
        | Action::ClockFreeze(nodes)
        | Action::Crash { nodes, .. }
        | Action::Slow { nodes, .. }
        | Action::ClockStep { nodes, .. }
        | Action::ClockDrift { nodes, .. }
        | Action::ClockSlew { nodes, .. }
        | Action::Disk { nodes, .. } => nodes_text(nodes),
    }
}

fn nodes_text(nodes: &[Selector]) -> String {
    nodes.iter().map(Selector::to_string).collect::<Vec<_>>().join(", ")
}

fn links_text(links: &[LinkSelector]) -> String {
    links.iter().map(LinkSelector::to_string).collect::<Vec<_>>().join(", ")
}

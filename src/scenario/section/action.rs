//! What a `[[fault]]` can do: one action key, with its modifiers and the table below it; one file for each kind.

mod clock_drift;
mod clock_freeze;
mod clock_slew;
mod clock_step;
mod clog;
mod crash;
mod cut;
mod disk;
pub(super) mod order;
mod pause;
mod refuse;
mod replay;
mod slow;
mod start;
mod suspend;
mod weather;

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Fault, Selectors};

use crate::scenario::OrderCall;
use crate::scenario::key::{AnyKey, Key, Need, Section, Table};
use crate::scenario::reader::{Problem, Reader};
use crate::scenario::section::Pairs;
use crate::scenario::shape::who::Who;
use crate::scenario::shape::{OneOrMore, Word};

/// What a fault does, before an order is made the system's own.
pub(crate) type ActionValue = What<OrderCall>;

/// One action key of a `[[fault]]`.
pub(crate) struct Action {
    /// The key, with the form of its value.
    pub(crate) key: &'static dyn AnyKey,
    /// One line for `splitbrain list faults`.
    pub(crate) summary: &'static str,
    /// The keys of the fault that change what it does.
    pub(crate) modifiers: &'static [&'static str],
    /// The keys of its own table.
    pub(crate) section: Option<&'static Section>,
    /// Reads it and its modifiers.
    pub(crate) read: fn(&mut Reader<'_>, &Table<'_>) -> Option<ActionValue>,
    /// Writes it and its modifiers; `None` if it is another action's.
    pub(crate) pairs: fn(&ActionValue, Pairs) -> Option<Pairs>,
}

/// The actions of each kind, in the order of the reference. A new kind has a line here.
static KINDS: &[&[Action]] = &[
    cut::ACTIONS,
    clog::ACTIONS,
    refuse::ACTIONS,
    weather::ACTIONS,
    replay::ACTIONS,
    crash::ACTIONS,
    start::ACTIONS,
    pause::ACTIONS,
    suspend::ACTIONS,
    slow::ACTIONS,
    clock_step::ACTIONS,
    clock_drift::ACTIONS,
    clock_slew::ACTIONS,
    clock_freeze::ACTIONS,
    disk::ACTIONS,
    order::ACTIONS,
];

/// How many there are.
pub(crate) const COUNT: usize = {
    let mut count = 0;
    let mut kind = 0;
    while kind < KINDS.len() {
        count += KINDS[kind].len();
        kind += 1;
    }
    count
};

/// The key of each, in order.
pub(crate) const KEYS: [&dyn AnyKey; COUNT] = {
    let mut keys: [&dyn AnyKey; COUNT] = [KINDS[0][0].key; COUNT];
    let (mut kind, mut at) = (0, 0);
    while kind < KINDS.len() {
        let mut action = 0;
        while action < KINDS[kind].len() {
            keys[at] = KINDS[kind][action].key;
            at += 1;
            action += 1;
        }
        kind += 1;
    }
    keys
};

/// Every action, in the order of the reference.
pub(crate) fn all() -> impl Iterator<Item = &'static Action> {
    KINDS.iter().copied().flatten()
}

/// The action that states this.
pub(super) fn of(value: &ActionValue) -> &'static Action {
    all().find(|action| (action.pairs)(value, Pairs::default()).is_some()).expect("each value is an action's")
}

/// The one action of a fault. If there is none or more than one, the reader knows.
pub(super) fn find(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<&'static Action> {
    let mut present: Vec<_> = all()
        .filter(|action| table.at(action.key.name()).is_some())
        .map(|action| (action, table.key_span(action.key.name())))
        .collect();
    present.sort_by_key(|(_, span)| span.start);
    match present.as_slice() {
        [(action, _)] => Some(action),
        // The key that stands in its place is reported already.
        [] if has_unknown_key(table) => None,
        [] => {
            let names: Vec<&str> = all().map(|action| action.key.name()).collect();
            let message = format!("does nothing: missing an action, one of {}", names.join(", "));
            reader.report(&table.span, &table.path, Problem::new(message));
            None
        }
        [(first, _), (second, span), ..] => {
            let message = format!("a fault does one thing, and this one has {} already", first.key.name());
            reader.report(span, &table.path_of(second.key.name()), Problem::new(message));
            None
        }
    }
}

fn has_unknown_key(table: &Table<'_>) -> bool {
    table.entries().iter().any(|(name, ..)| super::fault::FAULT.names().all(|known| known != name))
}

/// Modifiers that change nothing of the action are errors: they would be read as if they did.
pub(super) fn refuse_idle_modifiers(reader: &mut Reader<'_>, table: &Table<'_>, action: &Action) {
    let mut known: Vec<&str> = all().flat_map(|action| action.modifiers).copied().collect();
    known.sort_unstable();
    known.dedup();
    for modifier in known.into_iter().filter(|modifier| !action.modifiers.contains(modifier)) {
        if table.at(modifier).is_none() {
            continue;
        }
        let actions: Vec<&str> =
            all().filter(|one| one.modifiers.contains(&modifier)).map(|one| one.key.name()).collect();
        let message = format!("has no effect on {}; it goes with {}", action.key.name(), actions.join(", "));
        table.refuse_key(reader, modifier, message);
    }
}

/// What an error calls it.
pub(super) fn title(value: &ActionValue) -> String {
    match value {
        What::Fault(fault) => fault.title(),
        What::Order(_) => order::NAME.to_owned(),
    }
}

/// An action key: it need not be there.
pub(super) const fn action<S>(name: &'static str, shape: S, doc: &'static str) -> Key<S> {
    Key { name, shape, need: Need::Optional, doc }
}

/// A fault as the value of its action.
pub(super) fn fault(fault: impl Into<Fault<Selectors>>) -> ActionValue {
    What::Fault(fault.into())
}

/// The nodes of an action with a table of its own.
pub(super) const NODES: Key<OneOrMore<Who>> =
    Key { name: "nodes", shape: OneOrMore(Who), need: Need::Required, doc: "Which nodes." };

/// The modifier that narrows an action on links to kinds of message.
pub(super) const KINDS_OF_MESSAGE: Key<OneOrMore<Word>> = Key {
    name: "kinds",
    shape: OneOrMore(Word {
        what: "kind of message",
        known: |system| system.messages.iter().map(|name| ((*name).into(), "")).collect(),
    }),
    need: Need::Optional,
    doc: "With partition, cut, clog, refuse, weather and replay: only messages of these kinds; all where absent.",
};

/// The kinds of message that an action is narrowed to; all if there are none.
pub(super) fn kinds(reader: &mut Reader<'_>, table: &Table<'_>) -> Vec<String> {
    table.get(reader, &KINDS_OF_MESSAGE).unwrap_or_default()
}

/// Writes the kinds of message that an action is narrowed to.
pub(super) fn put_kinds(pairs: Pairs, kinds: &Vec<String>) -> Pairs {
    pairs.put_some(&KINDS_OF_MESSAGE, (!kinds.is_empty()).then_some(kinds))
}

/// An action that says no more than which nodes.
macro_rules! nodes_only {
    ($kind:ident, $name:literal, $doc:literal, $summary:literal) => {
        const KEY: Key<OneOrMore<Who>> = action($name, OneOrMore(Who), $doc);

        /// Its actions.
        pub(super) static ACTIONS: &[Action] = &[Action {
            key: &KEY,
            summary: $summary,
            modifiers: &[],
            section: None,
            read: |reader, table| table.get(reader, &KEY).map(|nodes| fault($kind { nodes })),
            pairs: |value, pairs| match value {
                What::Fault(Fault::$kind(stated)) => Some(pairs.put(&KEY, &stated.nodes)),
                _ => None,
            },
        }];
    };
}

/// An action with a table of its own.
macro_rules! with_table {
    ($kind:ident, $fields:ident, $section:ident, $name:literal, $doc:literal, $summary:literal) => {
        const KEY: Key<SubTable<$fields>> = action($name, SubTable($fields), $doc);

        /// Its actions.
        pub(super) static ACTIONS: &[Action] = &[Action {
            key: &KEY,
            summary: $summary,
            modifiers: &[],
            section: Some(&$section),
            read: |reader, table| table.get(reader, &KEY).map(fault),
            pairs: |value, pairs| match value {
                What::Fault(Fault::$kind(stated)) => Some(pairs.put(&KEY, stated)),
                _ => None,
            },
        }];
    };
}

use {nodes_only, with_table};

pub(super) use crash::KEEP;
pub(super) use cut::IN_FLIGHT;
pub(in crate::scenario) use refuse::{check_kind as check_refusable_kind, check_some as check_refusable};

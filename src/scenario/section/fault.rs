//! `[[fault]]`: a directed fault. When (one trigger), what (one action, see [`super::action`]), for how long.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use splitbrain_kernel::director::spec::{FaultSpec, What};
use splitbrain_kernel::selector::{Condition, IT, LinkForm, Selector, Span, Trigger};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::vocabulary::WordError;

use crate::scenario::OrderCall;
use crate::scenario::description::SystemDescription;
use crate::scenario::key::{AnyKey, Section, Shape, Table};
use crate::scenario::reader::{At, Problem, Reader, quoted};
use crate::scenario::shape::quantity::{ANY_TIME, Moment, OrRange, SOME_TIME, Scalar, Time};
use crate::scenario::shape::when::{End, When};
use crate::scenario::shape::who::{Who, is_single};
use crate::scenario::shape::{Id, Integer};

use super::action::{self, ActionValue, KINDS_OF_MESSAGE};
use super::{Fields, Pairs};

keys! {
    /// The keys that are no action: of every fault, then those that change what some actions do.
    const COMMON {
        /// Keys its random draws, and names it in plan and report. By default its action and its ordinal among the
        /// faults with that action: cut-1.
        ID = "id": Id = Id, optional;
        /// Trigger: at this time. A range is drawn once a run.
        AT = "at": OrRange<Moment> = OrRange(Moment), optional;
        /// Trigger: again and again, each time this long after the end of the last one. A range is drawn each time.
        EVERY = "every": OrRange<Time> = OrRange(SOME_TIME), optional;
        /// Trigger: when this is observed ("leader elected", or "leader elected #3" for the third time in the run) or
        /// holds ("no leader for 1s", "committed >= 100"); "x restarted" and "leader elected at x" are about one node,
        /// and parts are joined by and.
        WHEN = "when": When = When, optional;
        /// With when: this long after it. A range is drawn each time.
        AFTER = "after": OrRange<Time> = OrRange(ANY_TIME), default "\"0s\"";
        /// With when: how often at most. The condition must come anew each time.
        TIMES = "times": Integer = Integer { min: 1, max: u32::MAX as u64 }, default "1";
        /// Names bound to single nodes when the fault starts, in this order, each to a node that none before it has: {
        /// x = "leader", a = "follower" }. From then on every fault, nemesis, condition and expectation may use them as
        /// selectors; of a name that is bound again the last binding counts. With when, it stands for the node that the
        /// condition is about.
        NAME = "name": Names = Names, default "{}";
        /// How long it lasts; to the end of the run where absent. A range is drawn each time.
        FOR = "for": OrRange<Time> = OrRange(SOME_TIME), optional;
        /// It is lifted at this time, or when this is observed or holds, if it still lasts. After a time it does not
        /// start any more.
        UNTIL = "until": End = End, optional;
        /// Where its selectors match nothing it waits until then, by default until the settle phase, and is then
        /// counted as never applied.
        WAITS_UNTIL = "waits_until": Scalar<Moment> = Scalar(Moment), optional;
        use action::IN_FLIGHT;
        use KINDS_OF_MESSAGE;
        use action::KEEP;
    }
}

static KEYS: [&dyn AnyKey; COMMON.len() + action::COUNT] = {
    let mut keys: [&dyn AnyKey; COMMON.len() + action::COUNT] = [COMMON[0]; COMMON.len() + action::COUNT];
    let mut at = 0;
    while at < keys.len() {
        keys[at] = if at < COMMON.len() { COMMON[at] } else { action::KEYS[at - COMMON.len()] };
        at += 1;
    }
    keys
};

/// The keys of `[[fault]]`.
pub(crate) static FAULT: Section = Section {
    name: "fault[]",
    doc: "A directed fault: one trigger (at, every or when), one action, and how long. Selectors are resolved when it \
          starts.",
    keys: &KEYS,
};

/// `[[fault]]`.
#[derive(Debug)]
pub(crate) struct FaultFields;

impl Fields for FaultFields {
    type Value = FaultSpec<OrderCall>;

    fn section(&self) -> &'static Section {
        &FAULT
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Self::Value> {
        let id = table.get(reader, &ID);
        let trigger = read_trigger(reader, table);
        let is_about_a_node = matches!(&trigger, Some(Trigger::When { condition, .. }) if condition.is_about_a_node());
        reader.bound.extend(is_about_a_node.then(|| IT.to_owned()));
        let names = read_names(reader, table);
        let what = read_action(reader, table, trigger.as_ref());
        reader.bound.retain(|name| name != IT);
        let duration = read_duration(reader, table);
        let until = table.get(reader, &UNTIL);
        let waits_until = table.get(reader, &WAITS_UNTIL);
        check_wait(reader, table, waits_until);
        check_until(reader, table, trigger.as_ref(), until.as_ref());
        let what = what?;
        Some(FaultSpec {
            id: id.unwrap_or_default(),
            line: reader.line(&table.span),
            selector: match &what {
                What::Fault(fault) => fault.selector(),
                What::Order(order) => LinkForm::Isolate(order.nodes.clone()).to_string(),
            },
            trigger: trigger?,
            names: names?,
            what,
            duration,
            until,
            waits_until,
        })
    }

    fn pairs(&self, value: &Self::Value) -> Pairs {
        let pairs = trigger_pairs(Pairs::default().put(&ID, &value.id), &value.trigger);
        let names = (!value.names.is_empty()).then_some(&value.names);
        let pairs = pairs.put_some(&NAME, names);
        (action::of(&value.what).pairs)(&value.what, pairs)
            .unwrap_or_default()
            .put_some(&FOR, value.duration.as_ref())
            .put_some(&UNTIL, value.until.as_ref())
            .put_some(&WAITS_UNTIL, value.waits_until.as_ref())
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        let mut schema = self.section().schema(system);
        let one_of = |names: &[&str]| {
            let required: Vec<Json> = names.iter().map(|name| json!({ "required": [name] })).collect();
            json!({ "oneOf": required })
        };
        let actions: Vec<&str> = action::all().map(|action| action.key.name()).collect();
        schema["allOf"] = json!([one_of(&["at", "every", "when"]), one_of(&actions)]);
        schema
    }
}

fn read_duration(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Span<Duration>> {
    let at = table.at(FOR.name)?;
    let has_no_end = at.value.as_str().is_some_and(|text| ENDLESS.contains(&text.to_ascii_lowercase().as_str()));
    if has_no_end {
        reader.refuse(&at, Problem::new("a fault without for and until lasts to the end of the run: leave for out"));
        return None;
    }
    table.get(reader, &FOR)
}

/// What others say of a fault that is never lifted.
const ENDLESS: &[&str] = &["forever", "infinite", "infinity", "inf", "always", "never", "permanent", "unlimited"];

/// The names that the faults of the file bind, whether or not what they are bound to is right: what uses them is
/// checked either way.
pub(crate) fn bound_names(faults: Option<At<'_>>) -> Vec<String> {
    let mut bound = Vec::new();
    for fault in faults.and_then(|faults| faults.items()).unwrap_or_default() {
        let names = fault.value.as_table().and_then(|fault| fault.get(NAME.name)?.get_ref().as_table());
        bound.extend(names.into_iter().flat_map(|names| names.keys()).map(|name| name.get_ref().to_string()));
    }
    bound.sort_unstable();
    bound.dedup();
    bound
}

/// What a name is bound to may be a name of another fault, and none of this one.
fn read_names(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Vec<(String, Selector)>> {
    let own = table.at(NAME.name).and_then(|at| at.value.as_table());
    let others = reader.bound.iter().filter(|name| own.is_none_or(|own| !own.contains_key(name.as_str())));
    let others = others.cloned().collect();
    let all = std::mem::replace(&mut reader.bound, others);
    let names = table.get(reader, &NAME);
    reader.bound = all;
    names
}

fn read_trigger(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Trigger> {
    let mut present: Vec<(&str, _)> = ["at", "every", "when"]
        .into_iter()
        .filter(|name| table.at(name).is_some())
        .map(|name| (name, table.key_span(name)))
        .collect();
    present.sort_by_key(|(_, span)| span.start);
    if let [(first, _), (second, span), ..] = present.as_slice() {
        let message = format!("a fault has one trigger, and this one has {first} already");
        reader.report(span, &table.path_of(second), Problem::new(message));
    }
    let Some((first, _)) = present.first() else {
        if !reader.proposes(&table.path, &["at", "every", "when"]) {
            let message = "never starts: missing a trigger, one of at, every, when";
            reader.report(&table.span, &table.path, Problem::new(message));
        }
        return None;
    };
    refuse_idle_keys(reader, table, first);
    match *first {
        "at" => {
            let at: Span<Instant> = table.get(reader, &AT)?;
            check_start(reader, table, at.high);
            Some(Trigger::At(at))
        }
        "every" => table.get(reader, &EVERY).map(Trigger::Every),
        _ => read_when(reader, table),
    }
}

fn read_when(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Trigger> {
    let condition = table.get(reader, &WHEN);
    let delay = table.get(reader, &AFTER);
    let times = table.get(reader, &TIMES);
    let condition: Condition = condition?;
    let times = u32::try_from(times?).expect("at most the greatest u32");
    if times > 1 && condition.comes_once() {
        let message = "the condition comes at most once in a run: it waits for a number";
        table.refuse_key(reader, TIMES.name, message);
    }
    Some(Trigger::When { condition, delay: delay?, times })
}

fn refuse_idle_keys(reader: &mut Reader<'_>, table: &Table<'_>, trigger: &str) {
    for name in [AFTER.name, TIMES.name] {
        if trigger != "when" && table.at(name).is_some() {
            let message = format!("goes with the trigger when, and this fault has {trigger}");
            table.refuse_key(reader, name, message);
        }
    }
}

/// No fault starts in the settle phase, nor after the end.
fn check_start(reader: &mut Reader<'_>, table: &Table<'_>, at: Instant) {
    if let Some(message) = too_late(reader, at) {
        table.refuse_value(reader, AT.name, message);
    }
}

/// What is wrong with a fault that starts at this time.
pub(crate) fn too_late(reader: &Reader<'_>, at: Instant) -> Option<String> {
    let (start, end) = (reader.settle_start?, reader.end?);
    if at < start {
        return None;
    }
    let (at, start) = (at.since(Instant::ZERO), start.since(Instant::ZERO));
    Some(if end.since(Instant::ZERO) == start {
        format!("the run ends at {start}: nothing starts at {at}")
    } else {
        format!("the settle phase begins at {start}: nothing starts at {at}")
    })
}

fn check_wait(reader: &mut Reader<'_>, table: &Table<'_>, waits_until: Option<Instant>) {
    let (Some(until), Some(end)) = (waits_until, reader.settle_start) else { return };
    if until > end {
        let message = format!("no fault starts after {}", end.since(Instant::ZERO));
        table.refuse_key(reader, WAITS_UNTIL.name, message);
    }
}

/// What is lifted at a time must be able to start before.
fn check_until(reader: &mut Reader<'_>, table: &Table<'_>, trigger: Option<&Trigger>, until: Option<&Condition>) {
    let (Some(Condition::Time(end)), Some(trigger)) = (until, trigger) else { return };
    let shown = |at: Instant| at.since(Instant::ZERO);
    let message = match (trigger, reader.end) {
        (Trigger::At(start), _) if start.high >= *end => {
            format!("it starts at {} at the latest, and is lifted at {}", shown(start.high), shown(*end))
        }
        (_, Some(last)) if *end > last => format!("the run ends at {}", shown(last)),
        _ => return,
    };
    table.refuse_key(reader, UNTIL.name, message);
}

fn read_action(reader: &mut Reader<'_>, table: &Table<'_>, trigger: Option<&Trigger>) -> Option<ActionValue> {
    let action = action::find(reader, table)?;
    action::refuse_idle_modifiers(reader, table, action);
    let value = (action.read)(reader, table)?;
    check_end(reader, table, trigger, action.key.name(), &value);
    Some(value)
}

/// What lasts needs an end before it can come again, and what happens once has none.
fn check_end(reader: &mut Reader<'_>, table: &Table<'_>, trigger: Option<&Trigger>, name: &str, value: &ActionValue) {
    let ends: Vec<&str> = [FOR.name, UNTIL.name].into_iter().filter(|name| table.at(name).is_some()).collect();
    if !value.lasts() {
        for end in ends {
            let message = format!("{} happens once and has no end", action::title(value));
            table.refuse_key(reader, end, message);
        }
    } else if matches!(value, What::Order(_)) && ends.is_empty() {
        let message = format!("the {name} at the end would never come: missing \"for\" or \"until\"");
        reader.report(&table.span, &table.path, Problem::new(message));
    } else if matches!(trigger, Some(Trigger::Every(_))) && ends.is_empty() {
        let message = format!("{name} would never end, so it never comes again: missing \"for\" or \"until\"");
        reader.report(&table.span, &table.path, Problem::new(message));
    }
}

fn trigger_pairs(pairs: Pairs, trigger: &Trigger) -> Pairs {
    match trigger {
        Trigger::At(at) => pairs.put(&AT, at),
        Trigger::Every(every) => pairs.put(&EVERY, every),
        Trigger::When { condition, delay, times } => {
            let delay: &Span<Duration> = delay;
            pairs.put(&WHEN, condition).put(&AFTER, delay).put(&TIMES, &u64::from(*times))
        }
    }
}

/// `{ a = "follower", x = "leader" }`, in the order of the file.
#[derive(Debug)]
struct Names;

impl Shape for Names {
    type Value = Vec<(String, Selector)>;

    fn noun(&self) -> String {
        "a table of names and selectors such as { x = \"leader\" }".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Self::Value> {
        let table = Table::any(reader, at, &self.noun())?;
        let mut names = Vec::new();
        let mut whole = Some(());
        for (name, span, at) in table.entries() {
            if let Err(problem) = check_name(reader, &name) {
                reader.report(&span, &at.path, problem);
                whole = None;
            }
            match Who.decode(reader, &at) {
                Some(selector) if is_single(&selector) => names.push((name, selector)),
                Some(selector) => {
                    let message = format!("a name stands for one node, and \"{selector}\" for a set");
                    reader.refuse(&at, Problem::new(message));
                    whole = None;
                }
                None => whole = None,
            }
        }
        whole.map(|()| names)
    }

    fn encode(&self, value: &Self::Value) -> String {
        let pairs =
            value.iter().fold(Pairs::default(), |pairs, (name, selector)| pairs.put_text(name, Who.encode(selector)));
        pairs.inline()
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z][A-Za-z0-9_-]*$" },
            "additionalProperties": { "type": "string", "minLength": 1 },
        })
    }
}

/// A name must be a word of its own: not a node, not a role, not a part of a selector.
fn check_name(reader: &Reader<'_>, name: &str) -> Result<(), Problem> {
    let word = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !word || name.len() > 64 {
        return Err(Problem::new(format!("{} is no name: letters, digits, _ and -", quoted(name))));
    }
    // What is a selector by itself, in this cluster or another, would hide behind the name.
    match name.parse::<Selector>() {
        Ok(Selector::Named(_)) if name != IT && reader.system.words.find_role(name) == Err(WordError::Unknown) => {
            Ok(())
        }
        _ => Err(Problem::new(format!("\"{name}\" is a selector already; choose another name"))),
    }
}

/// Gives every fault without an id its action and its ordinal among the faults with that action.
pub(crate) fn assign_default_ids(faults: &mut [FaultSpec<OrderCall>]) {
    let mut ordinals: BTreeMap<&'static str, u32> = BTreeMap::new();
    for fault in faults {
        let name = action::of(&fault.what).key.name();
        let ordinal = ordinals.entry(name).or_default();
        *ordinal += 1;
        if fault.id.is_empty() {
            fault.id = format!("{name}-{ordinal}");
        }
    }
}

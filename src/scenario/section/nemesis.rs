//! `[[nemesis]]`: random faults. Each one that comes to be is a concrete fault in the plan.

use splitbrain_kernel::director::spec::{MessageSpec, NemesisKind, NemesisSpec, OrderChoice};
use splitbrain_kernel::selector::Span;
use splitbrain_kernel::time::{Duration, Instant};

use crate::scenario::OrderCall;
use crate::scenario::description::SystemDescription;
use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::{At, Problem, Reader};
use crate::scenario::shape::all_but::{AllBut, Closed};
use crate::scenario::shape::quantity::{Between, Moment, One, SOME_TIME, Time};
use crate::scenario::shape::who::Who;
use crate::scenario::shape::{Flag, OneOfNames, OneOrMore, Word};

use super::action::order::{Call, call};
use super::fault::too_late;
use super::{Fields, Pairs};

const ID: Key<crate::scenario::shape::Id> = Key {
    doc: "Keys its random draws, and names its faults in plan and report: weather.3. By default nemesis-1, and so on.",
    ..super::fault::ID
};
const KINDS: Key<AllBut<OneOfNames<NemesisKind>>> = Key {
    name: "kinds",
    shape: AllBut(OneOfNames { names: NemesisKind::NAMES, read: NemesisKind::from_name, show: |kind| kind.name() }),
    need: Need::Default("\"all\""),
    doc: "What it may do: a list of kinds, \"all\", or { except = [...] }. All are those but order, which is named.",
};
const ON: Key<OneOrMore<Who>> = Key {
    name: "on",
    shape: OneOrMore(Who),
    need: Need::Default("[\"any server\"]"),
    doc: "Which nodes it may choose; one of these selectors is drawn for each fault.",
};
const EVERY: Key<Between<Time>> = Key {
    name: "every",
    shape: Between(SOME_TIME),
    need: Need::Required,
    doc: "From the end of one fault to the start of the next; drawn each time.",
};
const FOR: Key<Between<Time>> = Key {
    name: "for",
    shape: Between(SOME_TIME),
    need: Need::Optional,
    doc: "How long each fault lasts; drawn each time. The least is its stability. It must be there, unless \
          orders alone are drawn, which happen once.",
};
const SWARM: Key<Flag> = Key {
    name: "swarm",
    shape: Flag,
    need: Need::Default("false"),
    doc: "Whether each run switches off a random subset of the kinds.",
};
const FROM: Key<One<Moment>> =
    Key { name: "from", shape: One(Moment), need: Need::Default("\"0s\""), doc: "When it begins." };
const UNTIL: Key<One<Moment>> = Key {
    name: "until",
    shape: One(Moment),
    need: Need::Optional,
    doc: "When it ends; the settle phase where absent. A fault that lasts then goes on to its own end.",
};

const MESSAGES: Key<OneOrMore<Word>> = Key {
    doc: "With late, lose_messages and repeat_messages: which kinds of message, of which each fault draws one; all \
          where absent. With swarm each run switches off a random subset.",
    name: "messages",
    ..super::action::KINDS_OF_MESSAGE
};
const LATE: Key<Between<Time>> = Key {
    name: "late",
    shape: Between(SOME_TIME),
    need: Need::Optional,
    doc: "With late: the most that a late packet takes; drawn each time. The range of \"for\" where absent.",
};

const ORDERS: Key<OneOrMore<Call>> = Key {
    name: "orders",
    shape: OneOrMore(Call),
    need: Need::Optional,
    doc: "With order: which orders of the system, of which each time one is drawn; { name = \"transfer\", argument = \
          { node = \"any follower\" } } is about a node that is drawn too, and another than the one that gets it.",
};

/// The keys of `[[nemesis]]`.
pub(crate) static NEMESIS: Section = Section {
    name: "nemesis[]",
    doc: "Random faults, one after the other; several nemeses overlap. Each fault that comes to be is a concrete fault \
          in the plan.",
    keys: &[&ID, &KINDS, &ON, &EVERY, &FOR, &SWARM, &FROM, &UNTIL, &MESSAGES, &LATE, &ORDERS],
};

/// `[[nemesis]]`.
#[derive(Debug)]
pub(crate) struct NemesisFields;

impl Fields for NemesisFields {
    type Value = NemesisSpec<OrderCall>;

    fn section(&self) -> &'static Section {
        &NEMESIS
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<NemesisSpec<OrderCall>> {
        let id = table.get(reader, &ID);
        let kinds = table.get(reader, &KINDS);
        let on = table.get(reader, &ON);
        let every = table.get(reader, &EVERY);
        // Orders happen once.
        let is_once = kinds.as_deref() == Some(&[NemesisKind::Order]) && table.at(FOR.name).is_none();
        let for_key = Key { need: if is_once { Need::Optional } else { Need::Required }, ..FOR };
        let duration = table.get(reader, &for_key);
        let swarm = table.get(reader, &SWARM);
        let from = table.get(reader, &FROM);
        let until = table.get(reader, &UNTIL);
        let messages = table.get(reader, &MESSAGES);
        let late = table.get(reader, &LATE);
        let orders = table.get(reader, &ORDERS);
        check_times(reader, table, from, until);
        if let Some(kinds) = &kinds {
            refuse_idle_keys(reader, table, kinds);
        }
        Some(NemesisSpec {
            id: id.unwrap_or_default(),
            line: reader.line(&table.span),
            kinds: kinds?,
            on: on?,
            every: every?,
            duration: duration.or_else(|| is_once.then_some(ONCE))?,
            swarm: swarm?,
            from: from?,
            until,
            messages: MessageSpec { kinds: messages.unwrap_or_default(), late },
            orders: orders.unwrap_or_default().into_iter().map(OrderChoice::One).collect(),
        })
    }

    fn pairs(&self, value: &NemesisSpec<OrderCall>) -> Pairs {
        let orders: Vec<OrderCall> = value.orders.iter().map(|one| call(one).clone()).collect();
        Pairs::default()
            .put(&ID, &value.id)
            .put(&KINDS, &value.kinds)
            .put(&ON, &value.on)
            .put(&EVERY, &value.every)
            .put(&FOR, &value.duration)
            .put(&SWARM, &value.swarm)
            .put(&FROM, &value.from)
            .put_some(&UNTIL, value.until.as_ref())
            .put_some(&MESSAGES, (!value.messages.kinds.is_empty()).then_some(&value.messages.kinds))
            .put_some(&LATE, value.messages.late.as_ref())
            .put_some(&ORDERS, (!orders.is_empty()).then_some(&orders))
    }
}

/// What stands for the length of what has none.
const ONCE: Span<Duration> = Span { low: Duration::from_nanos(1), high: Duration::from_nanos(1) };

/// A key without an effect is an error: it would be read as if it had one. So is a kind that has nothing to draw from.
fn refuse_idle_keys(reader: &mut Reader<'_>, table: &Table<'_>, kinds: &[NemesisKind]) {
    if kinds.contains(&NemesisKind::Order) && table.at(ORDERS.name).is_none() {
        let message = "the kind order needs orders = [...]: those that it draws from";
        reader.report(&table.key_span(KINDS.name), &table.path_of(KINDS.name), Problem::new(message));
    }
    let of_messages = kinds.iter().any(|kind| kind.is_of_messages());
    for (name, has_effect, with) in [
        (MESSAGES.name, of_messages, "late, lose_messages and repeat_messages"),
        (LATE.name, kinds.contains(&NemesisKind::Late), "late"),
        (ORDERS.name, kinds.contains(&NemesisKind::Order), "order, which \"all\" does not mean"),
    ] {
        if !has_effect && table.at(name).is_some() {
            let message = format!("has no effect on these kinds; it goes with {with}");
            reader.report(&table.key_span(name), &table.path_of(name), Problem::new(message));
        }
    }
}

/// Whether a kind of random fault hits disks alone.
pub(crate) const fn is_of_disk(kind: NemesisKind) -> bool {
    matches!(kind, NemesisKind::DiskSlow | NemesisKind::DiskFull | NemesisKind::DiskLies)
}

fn check_times(reader: &mut Reader<'_>, table: &Table<'_>, from: Option<Instant>, until: Option<Instant>) {
    let span = |name: &str| table.at(name).map_or_else(|| table.span.clone(), |at| at.span);
    if let Some(problem) = from.and_then(|from| too_late(reader, from)) {
        reader.report(&span(FROM.name), &table.path_of(FROM.name), problem);
        return;
    }
    let shown = |at: Instant| at.since(Instant::ZERO);
    let problem = match (from, until, reader.end) {
        (Some(from), Some(until), _) if until <= from => {
            format!("ends at {} before it begins at {}", shown(until), shown(from))
        }
        (_, Some(until), Some(end)) if until > end => {
            format!("the run ends at {} already", shown(end))
        }
        _ => return,
    };
    reader.report(&span(UNTIL.name), &table.path_of(UNTIL.name), Problem::new(problem));
}

/// The ids of nemeses, in order, as far as they can be told before they are read.
pub(crate) fn ids(list: Option<At<'_>>) -> Vec<String> {
    let items = list.and_then(|list| list.items()).unwrap_or_default();
    let id = |at: &At<'_>| at.value.as_table()?.get(ID.name)?.get_ref().as_str().map(str::to_owned);
    items.iter().enumerate().map(|(index, at)| id(at).unwrap_or_else(|| nameless(index))).collect()
}

fn nameless(index: usize) -> String {
    format!("nemesis-{}", index + 1)
}

/// Gives every nemesis without an id its ordinal.
pub(crate) fn name_the_nameless(nemeses: &mut [NemesisSpec<OrderCall>]) {
    for (index, nemesis) in nemeses.iter_mut().enumerate() {
        if nemesis.id.is_empty() {
            nemesis.id = nameless(index);
        }
    }
}

impl Closed for OneOfNames<NemesisKind> {
    fn all(&self, _: &SystemDescription) -> Vec<NemesisKind> {
        NemesisKind::common().collect()
    }

    fn nameable(&self, _: &SystemDescription) -> Vec<NemesisKind> {
        NemesisKind::ALL.to_vec()
    }
}

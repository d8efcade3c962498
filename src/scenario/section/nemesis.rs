//! `[[nemesis]]`: random faults. Each one that comes to be is a concrete fault in the plan.

use splitbrain_kernel::director::spec::{MessageSpec, NemesisKind, NemesisSpec, OrderChoice};
use splitbrain_kernel::selector::Span;
use splitbrain_kernel::time::{Duration, Instant};

use crate::scenario::OrderCall;
use crate::scenario::description::SystemDescription;
use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::{At, Reader};
use crate::scenario::shape::all_but::{AllBut, Closed};
use crate::scenario::shape::quantity::{Moment, OrRange, SOME_TIME, Scalar, Time};
use crate::scenario::shape::who::Who;
use crate::scenario::shape::{Flag, Id, OneOfNames, OneOrMore, Word};

use super::action::KINDS_OF_MESSAGE;
use super::action::order::{Call, call};
use super::fault::too_late;
use super::{Fields, Pairs};

keys! {
    /// Random faults, one after the other; several nemeses overlap. Each fault that comes to be is a concrete fault in
    /// the plan.
    pub(crate) NEMESIS = "nemesis[]" {
        /// Keys its random draws, and names its faults in plan and report: weather.3. By default nemesis-1, and so on.
        ID = "id": Id = Id, optional;
        /// What it may do: a list of kinds, "all", or { except = [...] }. All are those but order, which is named.
        KINDS = "kinds": AllBut<OneOfNames<NemesisKind>> = AllBut(OneOfNames {
            names: NemesisKind::NAMES,
            read: NemesisKind::from_name,
            show: |kind| kind.name(),
        }), default "\"all\"";
        /// Which nodes it may choose; one of these selectors is drawn for each fault.
        ON = "on": OneOrMore<Who> = OneOrMore(Who), default "[\"any server\"]";
        /// From the end of one fault to the start of the next; drawn each time.
        EVERY = "every": OrRange<Time> = OrRange(SOME_TIME), required;
        /// How long each fault lasts; drawn each time. The least is its stability. It must be there, unless orders
        /// alone are drawn, which happen once.
        FOR = "for": OrRange<Time> = OrRange(SOME_TIME), optional;
        /// Whether each run switches off a random subset of the kinds.
        SWARM = "swarm": Flag = Flag, default "false";
        /// When it begins.
        FROM = "from": Scalar<Moment> = Scalar(Moment), default "\"0s\"";
        /// When it ends; the settle phase where absent. A fault that lasts then goes on to its own end.
        UNTIL = "until": Scalar<Moment> = Scalar(Moment), optional;
        /// With late, lose_messages and repeat_messages: which kinds of message, of which each fault draws one; all
        /// where absent. With swarm each run switches off a random subset.
        MESSAGES = "messages": OneOrMore<Word> = KINDS_OF_MESSAGE.shape, optional;
        /// With late: the most that a late packet takes; drawn each time. The range of "for" where absent.
        LATE = "late": OrRange<Time> = OrRange(SOME_TIME), optional;
        /// With order: which orders of the system, of which each time one is drawn; { name = "transfer", argument = {
        /// node = "any follower" } } is about a node that is drawn too, and another than the one that gets it.
        ORDERS = "orders": OneOrMore<Call> = OneOrMore(Call), optional;
    }
}

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
        table.refuse_key(reader, KINDS.name, "the kind order needs orders = [...]: those that it draws from");
    }
    let of_messages = kinds.iter().any(|kind| kind.is_of_messages());
    for (name, has_effect, with) in [
        (MESSAGES.name, of_messages, "late, lose_messages and repeat_messages"),
        (LATE.name, kinds.contains(&NemesisKind::Late), "late"),
        (ORDERS.name, kinds.contains(&NemesisKind::Order), "order, which \"all\" does not mean"),
    ] {
        if !has_effect && table.at(name).is_some() {
            table.refuse_key(reader, name, format!("has no effect on these kinds; it goes with {with}"));
        }
    }
}

/// Whether a kind of random fault hits disks alone.
pub(crate) const fn is_of_disk(kind: NemesisKind) -> bool {
    matches!(kind, NemesisKind::DiskSlow | NemesisKind::DiskFull | NemesisKind::DiskLies)
}

fn check_times(reader: &mut Reader<'_>, table: &Table<'_>, from: Option<Instant>, until: Option<Instant>) {
    if let Some(message) = from.and_then(|from| too_late(reader, from)) {
        return table.refuse_value(reader, FROM.name, message);
    }
    let shown = |at: Instant| at.since(Instant::ZERO);
    let message = match (from, until, reader.end) {
        (Some(from), Some(until), _) if until <= from => {
            format!("ends at {} before it begins at {}", shown(until), shown(from))
        }
        (_, Some(until), Some(end)) if until > end => {
            format!("the run ends at {} already", shown(end))
        }
        _ => return,
    };
    table.refuse_value(reader, UNTIL.name, message);
}

/// The ids of nemeses, in order, as far as they can be told before they are read.
pub(crate) fn ids(list: Option<At<'_>>) -> Vec<String> {
    let items = list.and_then(|list| list.items()).unwrap_or_default();
    let id = |at: &At<'_>| at.value.as_table()?.get(ID.name)?.get_ref().as_str().map(str::to_owned);
    items.iter().enumerate().map(|(index, at)| id(at).unwrap_or_else(|| default_id(index))).collect()
}

fn default_id(index: usize) -> String {
    format!("nemesis-{}", index + 1)
}

/// Gives every nemesis without an id its ordinal.
pub(crate) fn assign_default_ids(nemeses: &mut [NemesisSpec<OrderCall>]) {
    for (index, nemesis) in nemeses.iter_mut().enumerate() {
        if nemesis.id.is_empty() {
            nemesis.id = default_id(index);
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

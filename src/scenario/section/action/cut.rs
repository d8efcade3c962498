//! `cut`, and the other ways to say which links are cut: `partition`, `isolate`, `bridge`, `ring`.

use serde_json::Value as Json;
use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Cut, Fault, InFlight, Selectors};
use splitbrain_kernel::selector::{LinkForm, Selector};

use crate::scenario::description::SystemDescription;
use crate::scenario::key::{Key, Need, Shape, Table};
use crate::scenario::reader::{At, Problem, Reader};
use crate::scenario::section::Pairs;
use crate::scenario::shape::who::{Path, Who};
use crate::scenario::shape::{List, OneOfNames, OneOrMore, TrueFlag};

use super::{Action, ActionValue, KINDS_OF_MESSAGE, action, fault, kinds, put_kinds};

/// What happens to packets under way.
pub(crate) const IN_FLIGHT: Key<OneOfNames<InFlight>> = Key {
    name: "in_flight",
    shape: OneOfNames {
        names: &[("drop", "They are lost too."), ("keep", "They arrive.")],
        read: |name| match name {
            "drop" => Some(InFlight::Drop),
            "keep" => Some(InFlight::Keep),
            _ => None,
        },
        show: |value| match value {
            InFlight::Drop => "drop",
            InFlight::Keep => "keep",
        },
    },
    need: Need::Optional,
    doc: "With partition and cut: what happens to packets under way; drop where absent.",
};

/// The sides of a partition.
#[derive(Debug)]
pub(crate) struct Sides;

const SIDES: List<List<Who>> = List(List(Who));

impl Shape for Sides {
    type Value = Vec<Vec<Selector>>;

    fn noun(&self) -> String {
        "sides such as [[\"s1\"], [\"s2\", \"s3\"]], each a list of selectors".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Self::Value> {
        let items = at.items();
        let Some(items) = items else {
            reader.refuse(at, Problem::expected(&self.noun(), at.value));
            return None;
        };
        if let Some(first) = items.iter().find(|item| !item.value.is_array()) {
            let side = "a side in brackets, as in [[\"s1\"], [\"s2\", \"s3\"]]";
            reader.refuse(first, Problem::expected(side, first.value));
            return None;
        }
        SIDES.decode(reader, at)
    }

    fn encode(&self, value: &Self::Value) -> String {
        SIDES.encode(value)
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        SIDES.schema(system)
    }
}

const PARTITION: Key<Sides> = action(
    "partition",
    Sides,
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
const RING: Key<TrueFlag> =
    action("ring", TrueFlag, "Action: each server sees only the next and the one before, in order of number.");

/// The keys that change a cut whose links are named.
const MODIFIERS: &[&str] = &[IN_FLIGHT.name, KINDS_OF_MESSAGE.name];

/// Its actions.
pub(super) static ACTIONS: &[Action] = &[
    Action {
        key: &PARTITION,
        summary: "of the nodes named, only those who share a group can talk; groups may overlap",
        modifiers: MODIFIERS,
        section: None,
        read: |reader, table| {
            let groups = table.get(reader, &PARTITION).map(LinkForm::Partition);
            modified(reader, table, groups)
        },
        pairs: |value, pairs| match form(value)? {
            (LinkForm::Partition(groups), cut) => Some(put_modifiers(pairs.put(&PARTITION, groups), cut)),
            _ => None,
        },
    },
    Action {
        key: &CUT,
        summary: "packets on these directed links are lost, connections fall silent",
        modifiers: MODIFIERS,
        section: None,
        read: |reader, table| {
            let links = table.get(reader, &CUT).map(LinkForm::Between);
            modified(reader, table, links)
        },
        pairs: |value, pairs| match form(value)? {
            (LinkForm::Between(links), cut) => Some(put_modifiers(pairs.put(&CUT, links), cut)),
            _ => None,
        },
    },
    Action {
        key: &ISOLATE,
        summary: "every link to and from these nodes is cut",
        modifiers: &[],
        section: None,
        read: |reader, table| table.get(reader, &ISOLATE).map(|nodes| whole(LinkForm::Isolate(nodes))),
        pairs: |value, pairs| match form(value)? {
            (LinkForm::Isolate(nodes), _) => Some(pairs.put(&ISOLATE, nodes)),
            _ => None,
        },
    },
    Action {
        key: &BRIDGE,
        summary: "two halves that see each other only through one node",
        modifiers: &[],
        section: None,
        read: |reader, table| table.get(reader, &BRIDGE).map(|node| whole(LinkForm::Bridge(node))),
        pairs: |value, pairs| match form(value)? {
            (LinkForm::Bridge(node), _) => Some(pairs.put(&BRIDGE, node)),
            _ => None,
        },
    },
    Action {
        key: &RING,
        summary: "each server sees only its two neighbours",
        modifiers: &[],
        section: None,
        read: |reader, table| table.get(reader, &RING).map(|()| whole(LinkForm::Ring)),
        pairs: |value, pairs| match form(value)? {
            (LinkForm::Ring, _) => Some(pairs.put(&RING, &())),
            _ => None,
        },
    },
];

fn whole(links: LinkForm) -> ActionValue {
    fault(Cut::of(links))
}

fn modified(reader: &mut Reader<'_>, table: &Table<'_>, links: Option<LinkForm>) -> Option<ActionValue> {
    let in_flight = table.get(reader, &IN_FLIGHT).unwrap_or_default();
    let kinds = kinds(reader, table);
    Some(fault(Cut { links: links?, in_flight, kinds }))
}

fn put_modifiers(pairs: Pairs, cut: &Cut<Selectors>) -> Pairs {
    put_kinds(pairs.put(&IN_FLIGHT, &cut.in_flight), &cut.kinds)
}

fn form(value: &ActionValue) -> Option<(&LinkForm, &Cut<Selectors>)> {
    match value {
        What::Fault(Fault::Cut(cut)) => Some((&cut.links, cut)),
        _ => None,
    }
}

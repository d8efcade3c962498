//! `order`: not a fault of the world, but a command to servers that comes when a fault would.

use splitbrain_kernel::director::spec::{OrderSpec, What};
use splitbrain_kernel::selector::Selector;

use crate::scenario::OrderCall;
use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::Reader;
use crate::scenario::section::{Fields, Pairs, Sub};
use crate::scenario::shape::{Text, Word};

use super::{Action, NODES, action};

const ORDER_NAME: Key<Word> = Key {
    name: "name",
    shape: Word { what: "order", known: |system| system.orders.iter().map(|one| (one.name.into(), one.doc)).collect() },
    need: Need::Required,
    doc: "Which order of the system.",
};
const ARGUMENT: Key<Text> = Key {
    name: "argument",
    shape: Text("the argument of an order"),
    need: Need::Default("\"\""),
    doc: "Its argument, as the system reads it.",
};
/// The keys of `order`.
pub(crate) static ORDER: Section =
    Section { name: "fault[].order", doc: "An order of the system to nodes.", keys: &[&NODES, &ORDER_NAME, &ARGUMENT] };

/// `order`.
#[derive(Debug)]
pub(super) struct OrderFields;

impl Fields for OrderFields {
    type Value = OrderSpec<OrderCall>;

    fn section(&self) -> &'static Section {
        &ORDER
    }

    fn noun(&self) -> String {
        r#"a table such as { nodes = "s1", name = "...", argument = "..." }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<OrderSpec<OrderCall>> {
        let nodes: Option<Vec<Selector>> = table.get(reader, &NODES);
        let name = table.get(reader, &ORDER_NAME);
        let argument = table.get(reader, &ARGUMENT);
        let span = table.at(ARGUMENT.name).or_else(|| table.at(ORDER_NAME.name)).map(|at| at.span);
        let order = OrderCall { name: name?, argument: argument?, span: span.unwrap_or_else(|| table.span.clone()) };
        Some(OrderSpec { nodes: nodes?, order })
    }

    fn pairs(&self, value: &OrderSpec<OrderCall>) -> Pairs {
        let OrderSpec { nodes, order } = value;
        Pairs::default().put(&NODES, nodes).put(&ORDER_NAME, &order.name).put(&ARGUMENT, &order.argument)
    }
}

/// The action key.
pub(super) const NAME: &str = "order";
const KEY: Key<Sub<OrderFields>> =
    action(NAME, Sub(OrderFields), "Action: hands an order of the system to nodes. Happens once.");

/// Its actions.
pub(super) static ACTIONS: &[Action] = &[Action {
    key: &KEY,
    summary: "servers are handed an order, see `list orders`",
    modifiers: &[],
    section: Some(&ORDER),
    read: |reader, table| table.get(reader, &KEY).map(What::Order),
    pairs: |value, pairs| match value {
        What::Order(order) => Some(pairs.put(&KEY, order)),
        What::Fault(_) => None,
    },
}];

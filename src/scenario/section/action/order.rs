//! `order`: not a fault of the world, but a command to servers that comes when a fault would.

use serde_json::{Value as Json, json};
use splitbrain_kernel::director::spec::{OrderChoice, OrderSpec, What};
use splitbrain_kernel::selector::Selector;
use toml::de::DeValue;

use crate::scenario::description::SystemDescription;
use crate::scenario::key::{Key, Section, Shape, Table};
use crate::scenario::reader::{At, Problem, Reader};
use crate::scenario::section::{Fields, Pairs, SubTable};
use crate::scenario::shape::who::{Who, is_single};
use crate::scenario::shape::{Text, Word};
use crate::scenario::{OrderArgument, OrderCall};

use super::{Action, NODES, action};

keys! {
    /// An order of the system to nodes.
    pub(crate) ORDER = "fault[].order" {
        use NODES;
        /// Which order of the system.
        ORDER_NAME = "name": Word = Word {
            what: "order",
            known: |system| system.orders.iter().map(|one| (one.name.into(), one.doc)).collect(),
        }, required;
        /// Its argument, as the system reads it; or { node = "x" }, the node that this selector stands for when the
        /// order is given.
        ARGUMENT = "argument": Argument = Argument, default "\"\"";
        /// What the same nodes are ordered at the end: the order then lasts, and has for or until.
        END = "end": SubTable<EndFields> = SubTable(EndFields), optional;
    }
}

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
        let order = EndFields.read(reader, table);
        let end = table.get(reader, &END);
        Some(OrderSpec { nodes: nodes?, order: OrderChoice::One(order?), end: end.map(OrderChoice::One) })
    }

    fn pairs(&self, value: &OrderSpec<OrderCall>) -> Pairs {
        let OrderSpec { nodes, order, end } = value;
        let pairs = Pairs::default().put(&NODES, nodes).and(EndFields.pairs(call(order)));
        pairs.put_some(&END, end.as_ref().map(call))
    }
}

section! {
    /// The order that ends another.
    ORDER_END = "fault[].order.end", EndFields -> OrderCall, |reader, table| {
        use ORDER_NAME as name, required;
        use ARGUMENT as argument, default;
        let span = {
            let at = table.at(argument.name).or_else(|| table.at(name.name));
            at.map_or_else(|| table.span.clone(), |at| at.span)
        };
    }
    noun r#"a table such as { name = "...", argument = "..." }"#;
}

/// An order by its name alone, or a table with its argument: what a nemesis draws from.
#[derive(Debug)]
pub(crate) struct Call;

impl Shape for Call {
    type Value = OrderCall;

    fn noun(&self) -> String {
        r#"the name of an order, or a table such as { name = "...", argument = "..." }"#.to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<OrderCall> {
        if at.value.is_table() {
            return SubTable(EndFields).decode(reader, at);
        }
        reader.text(at, &self.noun())?;
        let name = ORDER_NAME.shape.decode(reader, at)?;
        Some(OrderCall { name, argument: OrderArgument::Text(String::new()), span: at.span.clone() })
    }

    fn encode(&self, value: &OrderCall) -> String {
        match &value.argument {
            OrderArgument::Text(text) if text.is_empty() => ORDER_NAME.shape.encode(&value.name),
            _ => SubTable(EndFields).encode(value),
        }
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        json!({ "anyOf": [ORDER_NAME.shape.schema(system), ORDER_END.schema(system)] })
    }
}

/// What a file says of an order.
pub(crate) fn call(choice: &OrderChoice<OrderCall>) -> &OrderCall {
    match choice {
        OrderChoice::One(call) => call,
        OrderChoice::About { .. } => panic!("a file says an order by its words"),
    }
}

/// A text, or `{ node = "x" }`.
#[derive(Debug)]
struct Argument;

const TEXT: Text = Text("the argument of an order");
keys! {
    /// The node that an order is about.
    ABOUT = "fault[].order.argument" {
        /// The node.
        NODE = "node": Who = Who, required;
    }
}

impl Shape for Argument {
    type Value = OrderArgument;

    fn noun(&self) -> String {
        "the argument of an order, or { node = \"x\" }".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<OrderArgument> {
        if !matches!(at.value, DeValue::Table(_)) {
            return reader.text(at, &self.noun()).map(|text| OrderArgument::Text(text.to_owned()));
        }
        let table = Table::open(reader, &ABOUT, at)?;
        let node = table.get(reader, &NODE)?;
        if !is_single(&node) {
            let message = format!("an order is about one node, and \"{node}\" is a set");
            reader.refuse(at, Problem::new(message));
            return None;
        }
        Some(OrderArgument::Node(node))
    }

    fn encode(&self, value: &OrderArgument) -> String {
        match value {
            OrderArgument::Text(text) => TEXT.encode(text),
            OrderArgument::Node(node) => Pairs::default().put(&NODE, node).inline(),
        }
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        json!({ "anyOf": [TEXT.schema(system), ABOUT.schema(system)] })
    }
}

/// The action key.
pub(super) const NAME: &str = "order";
const KEY: Key<SubTable<OrderFields>> = action(
    NAME,
    SubTable(OrderFields),
    "Action: hands an order of the system to nodes. Happens once, unless it has an end.",
);

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

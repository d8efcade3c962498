//! Orders that last, orders about a node, and `it`.

use splitbrain_kernel::director::spec::{OrderChoice, OrderSpec, What};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::selector::Selector;

use super::super::{OrderArgument, resolve, verify};
use super::toy::{Deed, Toy};
use super::{good, read, with};

fn fault(text: &str) -> String {
    with(&format!("[[fault]]\n{text}\n"))
}

fn refused(text: &str) -> String {
    match read(&fault(text)) {
        Err(errors) => errors.plain(),
        Ok(_) => panic!("this was taken for a scenario:\n{text}"),
    }
}

#[test]
fn an_order_lasts_if_it_has_an_end() {
    let text = "at = \"1s\"\nfor = \"2s\"\n\
                order = { nodes = \"s1\", name = \"flag\", argument = \"on\", \
                end = { name = \"flag\", argument = \"off\" } }";
    let scenario = good(&fault(text));
    let again = good(&scenario.to_toml());
    for scenario in [&scenario, &again] {
        let resolved = resolve::<Toy>(scenario, Seed(1)).expect("it stands");
        let What::Order(OrderSpec { order, end, .. }) = &resolved.options.faults[0].what else { panic!("an order") };
        assert_eq!((order, end), (&OrderChoice::One(Deed::Flag(true)), &Some(OrderChoice::One(Deed::Flag(false)))));
    }
    let endless = text.replace("for = \"2s\"\n", "");
    assert!(refused(&endless).contains("the order at the end would never come: missing \"for\" or \"until\""));
    let once = "at = \"1s\"\nfor = \"2s\"\norder = { nodes = \"s1\", name = \"flag\", argument = \"on\" }";
    assert!(refused(once).contains("order happens once and has no end"));
    assert!(refused(&text.replace("\"off\" }", "\"off\", nodes = \"s2\" }")).contains("unknown key \"nodes\""));
}

#[test]
fn an_argument_is_a_text_or_a_node() {
    let text = "at = \"1s\"\nname = { x = \"leader\" }\n\
                order = { nodes = \"s1\", name = \"mark\", argument = { node = \"x\" } }";
    let scenario = good(&fault(text));
    let What::Order(OrderSpec { order: OrderChoice::One(call), .. }) = &scenario.faults[0].what else {
        panic!("an order")
    };
    assert_eq!(call.argument, OrderArgument::Node(Selector::Named("x".to_owned())));
    assert!(good(&scenario.to_toml()).to_toml() == scenario.to_toml());
    verify::<Toy>(&scenario).expect("the toy marks servers");
    let resolved = resolve::<Toy>(&scenario, Seed(1)).expect("it stands");
    let What::Order(OrderSpec { order: OrderChoice::About { orders, .. }, .. }) = &resolved.options.faults[0].what
    else {
        panic!("an order for each node")
    };
    let servers: Vec<NodeId> = (1..=6).map(NodeId::server).collect();
    assert_eq!(orders.keys().copied().collect::<Vec<_>>(), servers, "clients are not marked");
    assert!(
        refused(&text.replace("\"x\" }", "\"every server\" }")).contains("is about one node, and \"every server\"")
    );
    assert!(refused(&text.replace("\"x\" }", "\"y\" }")).contains("unknown role or name \"y\""));
    let none = good(&fault(&text.replace("mark", "flag")));
    let errors = verify::<Toy>(&none).expect_err("a flag is about no node");
    assert!(errors.to_string().contains("fault.order: "), "{errors}");
}

#[test]
fn it_goes_with_a_condition_about_a_node() {
    for condition in ["node exited", "leader for 1s", "node restarted at s2", "leader elected >= 2"] {
        let scenario = good(&fault(&format!("when = \"{condition}\"\nname = {{ x = \"it\" }}\nstart = \"it\"")));
        assert_eq!(good(&scenario.to_toml()).faults[0].what, scenario.faults[0].what);
    }
    let it = "it is the node at which the condition of when comes, and here is none";
    for text in [
        "at = \"1s\"\nstart = \"it\"",
        "when = \"no leader for 1s\"\nstart = \"it\"",
        "when = \"leader elected and node exited\"\nstart = \"it\"",
        "when = \"leader elected\"\npause = \"s1\"\nuntil = \"it restarted\"",
    ] {
        assert!(refused(text).contains(it), "{text}");
    }
    assert!(refused("at = \"1s\"\nname = { it = \"s1\" }\npause = \"s1\"").contains("\"it\" is a selector already"));
}

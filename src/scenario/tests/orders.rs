//! Orders that last, orders about a node, and `it`.

use splitbrain_kernel::director::spec::{NemesisKind, OrderChoice, OrderSpec, What};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::selector::Selector;
use splitbrain_toy::{Deed, Toy};

use crate::scenario::{OrderArgument, resolve, verify};

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
    assert!(errors.to_string().contains("fault[0].order: "), "{errors}");
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

#[test]
fn a_nemesis_draws_from_orders() {
    let nemesis = |lines: &str| with(&format!("[[nemesis]]\nevery = \"1s\"\nfor = \"1s\"\n{lines}\n"));
    let text = nemesis(
        "kinds = [\"crash\", \"order\"]\norders = [{ name = \"flag\", argument = \"on\" }, \
         { name = \"mark\", argument = { node = \"any server\" } }]",
    );
    let scenario = good(&text);
    verify::<Toy>(&scenario).expect("the toy knows these orders");
    let again = good(&scenario.to_toml());
    assert_eq!(again.to_toml(), scenario.to_toml());
    for scenario in [&scenario, &again] {
        let nemesis = &resolve::<Toy>(scenario, Seed(1)).expect("it stands").options.nemeses[0];
        assert_eq!(nemesis.kinds, [NemesisKind::Crash, NemesisKind::Order]);
        let [OrderChoice::One(Deed::Flag(true)), OrderChoice::About { orders, .. }] = nemesis.orders.as_slice() else {
            panic!("a flag and a mark: {:?}", nemesis.orders)
        };
        assert_eq!(orders.len(), 6, "one for each server");
    }
    // A name alone is an order without an argument, and what the system says of it stands at its place.
    let errors = verify::<Toy>(&good(&nemesis("kinds = [\"order\"]\norders = \"flag\"")));
    let errors = errors.expect_err("a flag is on or off").to_string();
    assert!(errors.contains("nemesis[0].orders: expected on or off"), "{errors}");
    for (lines, message) in [
        ("kinds = [\"order\"]", "the kind order needs orders = [...]"),
        ("orders = [\"flag\"]", "has no effect on these kinds; it goes with order, which \"all\" does not mean"),
        ("kinds = [\"order\"]\norders = [\"flog\"]", "unknown order \"flog\""),
        ("kinds = [\"order\"]\norders = []", "orders"),
        ("kinds = [\"order\"]\norders = [{ name = \"mark\", argument = { node = \"y\" } }]", "unknown role or name"),
        ("kinds = [\"order\"]\norders = [{ name = \"mark\", nodes = \"s1\" }]", "unknown key \"nodes\""),
    ] {
        match read(&nemesis(lines)) {
            Err(errors) => assert!(errors.plain().contains(message), "{lines}: {}", errors.plain()),
            Ok(_) => panic!("this was taken for a scenario:\n{lines}"),
        }
    }
    let endless = text.replace("for = \"1s\"\n", "");
    let Err(errors) = read(&endless) else { panic!("a crash lasts") };
    assert!(errors.plain().contains("missing key \"for\""), "{}", errors.plain());
    let once = good(&endless.replace("\"crash\", ", ""));
    assert_eq!(good(&once.to_toml()).nemeses[0].duration, once.nemeses[0].duration);
    let all = good(&nemesis("kinds = \"all\""));
    assert!(!all.nemeses[0].kinds.contains(&NemesisKind::Order) && all.nemeses[0].kinds.len() > 20);
}

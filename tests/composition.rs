//! Goal: a scenario speaks of every level of a composed system: options by path, roles and resources by group,
//! invariants by their full names. Method: the toy of three levels, through the language.

use splitbrain::scenario::{Diagnostics, Scenario, SystemDescription, load, resolve, schema, verify};
use splitbrain_kernel::prelude::*;
use splitbrain_kernel::run::{Outcome, RunReport};
use splitbrain_kernel::world::World;
use splitbrain_toy::Services;

const HEAD: &str = "format = 1\nsystem = \"service\"\ncluster = { servers = 3 }\nrun = { duration = \"500ms\" }\n";

fn read(more: &str) -> Result<Scenario, Diagnostics> {
    load("a.toml", format!("{HEAD}{more}").as_bytes(), &[SystemDescription::of::<Services>()])
}

fn good(more: &str) -> Scenario {
    let scenario = read(more).unwrap_or_else(|errors| panic!("{errors}"));
    verify::<Services>(&scenario).unwrap_or_else(|errors| panic!("{errors}"));
    scenario
}

fn refused(more: &str) -> String {
    let errors = match read(more) {
        Err(errors) => errors,
        Ok(scenario) => verify::<Services>(&scenario).expect_err("this is wrong"),
    };
    errors.to_string()
}

fn run(scenario: &Scenario) -> RunReport<(), Never> {
    let resolved = resolve::<Services>(scenario, Seed(1)).expect("options that stand together");
    World::new(&resolved.system, &resolved.options, Seed(1)).run()
}

fn fact(scenario: &Scenario, path: &str) -> Option<String> {
    let resolved = resolve::<Services>(scenario, Seed(1)).expect("options that stand together");
    resolved.facts.get(path).map(str::to_owned)
}

#[test]
fn options_of_every_level_are_set_and_shown_by_their_path() {
    let scenario = good(
        "[service]\nperiod = \"40ms\"\n[service.store.counter]\npreset = \"hasty\"\nforgets = false\n\
         [service.servers.s2]\nstore = { slips = true, counter = { period = \"9ms\" } }\n",
    );
    for (path, value) in [
        ("period", "40ms"),
        ("store.slips", "false"),
        ("store.counter.period", "4ms"),
        ("store.counter.preset", "hasty"),
    ] {
        assert_eq!(fact(&scenario, path).as_deref(), Some(value), "{path}");
    }
    assert_eq!(fact(&scenario, "store.preset"), None, "nothing says which preset the store has");
    let again = load("b.toml", scenario.to_toml().as_bytes(), &[SystemDescription::of::<Services>()]);
    let again = again.unwrap_or_else(|errors| panic!("{errors}\n{}", scenario.to_toml()));
    assert_eq!(again.to_toml(), scenario.to_toml());
    assert_eq!(again.options.base.len(), 3);
    assert_eq!(again.options.nodes[&NodeId::server(2)].len(), 2);
}

#[test]
fn a_preset_of_a_group_lies_below_whatever_else_is_set() {
    let scenario = good("[service.store.counter]\nperiod = \"7ms\"\n[service.store]\npreset = \"wrong\"\n");
    assert_eq!(fact(&scenario, "store.slips").as_deref(), Some("true"));
    assert_eq!(fact(&scenario, "store.counter.period").as_deref(), Some("7ms"));
}

#[test]
fn a_choice_inside_is_drawn_by_its_path_and_can_be_asked_for() {
    let scenario = good(
        "[service.store]\nslips = { choose = [true, false] }\n\
         [expect]\noutcome = { is = \"passed\", where = \"not store.slips\" }\n",
    );
    let drawn: Vec<(String, String)> = (0..20)
        .map(|seed| {
            let resolved = resolve::<Services>(&scenario, Seed(seed)).expect("it stands");
            let chosen = resolved.chosen[0].clone();
            assert_eq!(resolved.facts.get("store.slips"), Some(chosen.value.as_str()));
            let matches = scenario.expect.outcomes[0].filter.matches(&resolved.facts);
            assert_eq!(matches, chosen.value == "false");
            (chosen.key, chosen.value)
        })
        .collect();
    assert!(drawn.iter().all(|(key, _)| key == "service.store.slips"));
    assert!(drawn.iter().any(|(_, value)| value == "true") && drawn.iter().any(|(_, value)| value == "false"));
}

#[test]
fn what_is_wrong_inside_is_refused_at_its_place_with_its_path() {
    for (more, expected) in [
        (
            "[service.store.counter]\nperod = \"3ms\"\n",
            "a.toml:6:1: service.store.counter.perod: unknown key \"perod\" (known: preset, period, forgets; did you \
             mean \"period\"?)",
        ),
        (
            "[service.store]\npreset = \"rigth\"\n",
            "a.toml:6:10: service.store.preset: unknown preset \"rigth\" (known: right, wrong; did you mean \
             \"right\"?)",
        ),
        (
            "[service.store.counter]\nforgets = true\nperiod = \"1ms\"\n",
            "a.toml:7:10: service.store.counter.period: must be at least 2ms for one that forgets",
        ),
        (
            "[expect]\noutcome = { is = \"passed\", where = \"slips\" }\n",
            "a.toml:6:36: expect.outcome.where: unknown option \"slips\" (known: period, repeats, store.preset, \
             store.slips, store.counter.preset, store.counter.period, store.counter.forgets, preset",
        ),
    ] {
        assert!(refused(more).starts_with(expected), "{}\nexpected {expected}", refused(more));
    }
}

#[test]
fn the_schema_and_the_listing_know_every_level() {
    let system = SystemDescription::of::<Services>();
    let paths: Vec<&str> = system.options.iter().map(|option| option.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "period",
            "repeats",
            "store.preset",
            "store.slips",
            "store.counter.preset",
            "store.counter.period",
            "store.counter.forgets",
        ]
    );
    let schema = schema(&[system]);
    let table = &schema["$defs"]["service"]["properties"]["service"]["properties"];
    let counter = &table["store"]["properties"]["counter"];
    assert_eq!(counter["additionalProperties"], false);
    assert!(counter["properties"]["period"]["description"].as_str().is_some_and(|doc| doc.contains("How often")));
    let of_server = &table["servers"]["patternProperties"]["^s[1-9][0-9]?$"]["properties"];
    let place = of_server["store"]["properties"]["slips"]["$ref"].as_str().expect("a place");
    assert!(schema.pointer(place.trim_start_matches('#')).is_some(), "{place} is nowhere");
}

/// The nodes that a fault of this scenario hits at 100 ms.
fn hit(selector: &str) -> Vec<NodeId> {
    let scenario = good(&format!("[[fault]]\nat = \"100ms\"\npause = \"{selector}\"\nfor = \"10ms\"\n"));
    let report = run(&scenario);
    match report.plan.faults.first().map(|planned| &planned.fault) {
        Some(Fault::Pause(pause)) => pause.nodes.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn selectors_work_by_group() {
    let s = NodeId::server;
    assert_eq!(hit("counter.leader"), [s(1)]);
    assert_eq!(hit("store.leader"), [s(3)]);
    assert_eq!(hit("master"), [s(2)]);
    assert_eq!(hit("service.master"), [s(2)]);
    assert_eq!(hit("every follower"), [s(2), s(3)]);
    assert_eq!(hit("not counter.leader"), [s(2), s(3)]);
    assert_eq!(hit("holder(token 7)"), [s(2)]);
    assert_eq!(hit("holder(counter.token)"), [s(2)]);
    assert_eq!(hit("minority with store.leader"), [s(3)]);
    assert!(!hit("majority without master").contains(&s(2)));
}

#[test]
fn a_short_word_of_several_groups_is_refused_with_both() {
    let fault = |pause: &str| refused(&format!("[[fault]]\nat = \"1ms\"\npause = \"{pause}\"\nfor = \"1ms\"\n"));
    for text in ["leader", "any leader", "not leader", "majority with leader"] {
        let told = fault(text);
        assert!(told.ends_with("leader is store.leader or counter.leader: say which"), "{told}");
    }
    assert!(fault("servce.leader").contains("did you mean"), "{}", fault("servce.leader"));
    assert!(fault("holder(tokn)").contains("known: token, counter.token"), "{}", fault("holder(tokn)"));
    assert!(fault("majority with follower").contains("known: master, store.leader, counter.leader"));
    let when = refused("[[fault]]\nwhen = \"no leader for 1ms\"\npause = \"s1\"\nfor = \"1ms\"\n");
    assert!(when.ends_with("leader is store.leader or counter.leader: say which"), "{when}");
}

#[test]
fn conditions_and_counts_are_by_group() {
    let scenario = good(
        "[[fault]]\nwhen = \"store.leader for 50ms\"\npause = \"store.leader\"\nfor = \"10ms\"\n\
         [[fault]]\nwhen = \"no store.leader for 20ms\"\npause = \"s1\"\nfor = \"10ms\"\n\
         [[fault]]\nat = \"200ms\"\ncrash = \"store.leader\"\nfor = \"100ms\"\n\
         [expect]\nreach = [\"store.leader paused\", \"store.leader crashed\"]\nmaster_paused = { at_most = 0 }\n",
    );
    let counts = run(&scenario).counts;
    assert_eq!((counts["store.leader paused"], counts["store.leader crashed"]), (1, 1));
    assert_eq!(counts["counter.leader paused"], 1, "s1 leads the counters");
    assert!(!counts.contains_key("leader paused") && !counts.contains_key("master paused"));
}

#[test]
fn invariants_of_every_level_fire_under_their_full_names() {
    for (option, invariant) in [
        ("store.counter.forgets", "counter.counts_are_kept"),
        ("store.slips", "store.stock_is_even"),
        ("repeats", "service.greetings_grow"),
    ] {
        let check =
            format!("[check]\ninvariants = [\"{invariant}\"]\n[expect]\nviolates = \"{invariant}\"\nwithin = 1\n");
        let of = |value: bool| run(&good(&format!("[service]\n{option} = {value}\n{check}"))).outcome;
        assert_eq!(of(true).violation().map(|violation| violation.invariant.clone()), Some(invariant.to_owned()));
        assert_eq!(of(false), Outcome::Passed, "{invariant} is silent where nothing is wrong");
        let others = format!("[service]\n{option} = true\n[check]\ninvariants = {{ except = [\"{invariant}\"] }}\n");
        let left = run(&good(&others)).outcome.violation().map(|violation| violation.invariant.clone());
        assert!(left.is_none_or(|left| left.ends_with("sees_all")), "nothing else is broken by {option}");
    }
    let told = refused("[expect]\nviolates = \"stock_is_even\"\nwithin = 1\n");
    assert!(told.contains("store.stock_is_even"), "{told}");
}

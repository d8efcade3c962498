//! Variants, and what a command line picks: what they come to, and what is said where they are wrong.

use splitbrain_kernel::id::KindId;
use splitbrain_kernel::rng::Ppm;

use crate::scenario::{Colour, Drawn, Picks, Scenario, load, load_all};

use super::{systems, with};

/// The scenario with these tables and variants.
fn all(text: &str) -> Vec<Scenario> {
    picked(text, &[])
}

/// The same with keys that are set.
fn picked(text: &str, set: &[&str]) -> Vec<Scenario> {
    let picks = Picks { variant: None, set: set.iter().map(|one| one.parse().expect("key=value")).collect() };
    let loaded = load_all("a.toml", with(text).as_bytes(), &picks, &systems());
    loaded.unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn refused(text: &str, set: &[&str]) -> String {
    let picks = Picks { variant: None, set: set.iter().map(|one| one.parse().expect("key=value")).collect() };
    match load_all("a.toml", with(text).as_bytes(), &picks, &systems()) {
        Err(wrong) => format!("{}\n", wrong.plain()),
        Ok(_) => panic!("this was taken for a scenario:\n{text}"),
    }
}

const FAULTS: &str = "[[fault]]\nid = \"nap\"\nat = \"1s\"\npause = \"s1\"\nfor = \"1s\"\n\n\
    [[nemesis]]\nevery = \"1s\"\nfor = \"1s\"\nkinds = [\"crash\"]\n\n";

#[test]
fn a_variant_is_the_file_with_what_it_states() {
    let text = format!(
        "[network]\nlatency = \"1ms\"\nloss = \"1%\"\n\n{FAULTS}\
         [[variant]]\nname = \"as_it_is\"\n\n\
         [[variant]]\nname = \"other\"\ngoal = \"Another.\"\ncluster = {{ servers = 4 }}\nnetwork.loss = \"2%\"\n\
         [variant.fault.nap]\nfor = \"2s\"\n[variant.nemesis.nemesis-1]\nswarm = true\n\n\
         [[variant]]\nname = \"less\"\nwithout = [\"fault.nap\", \"network.loss\", \"nemesis.nemesis-1.kinds\"]\n\
         [[variant.fault]]\nid = \"second\"\nat = \"5s\"\npause = \"s4\"\nfor = \"1s\"\n"
    );
    let scenarios = all(&text);
    let [same, other, less] = &scenarios[..] else { panic!("there are three") };
    let names = scenarios.iter().map(|one| one.source.address()).collect::<Vec<_>>();
    assert_eq!(names, ["a.toml#as_it_is", "a.toml#other", "a.toml#less"]);
    assert_eq!((other.goal.as_str(), &same.goal), ("Another.", &less.goal));
    assert_eq!((same.cluster.count(KindId::SERVER), other.cluster.count(KindId::SERVER)), (5, 4));
    let loss = |one: &Scenario| one.network.loss.clone();
    let percent = |number: u32| Drawn::Constant(Ppm::new(10_000 * number));
    assert_eq!(scenarios.iter().map(loss).collect::<Vec<_>>(), [percent(1), percent(2), percent(0)]);
    assert_eq!(same.network.latency, other.network.latency);
    let ids = |one: &Scenario| one.faults.iter().map(|fault| fault.id.clone()).collect::<Vec<_>>();
    assert_eq!([ids(same), ids(other), ids(less)], [["nap"], ["nap"], ["second"]]);
    assert_ne!(same.faults[0], other.faults[0]);
    assert_eq!(same.faults[0].line, other.faults[0].line, "a changed fault is where it is stated");
    assert!(other.nemeses[0].swarm && !same.nemeses[0].swarm);
    assert!(less.nemeses[0].kinds.len() > same.nemeses[0].kinds.len());
    for one in &scenarios {
        let again = load("a.toml", one.source.text.as_bytes(), &systems()).expect("the text says which it is");
        assert_eq!((&again.source.variant, again.to_toml()), (&one.source.variant, one.to_toml()));
        let flat = load("b.toml", one.to_toml().as_bytes(), &systems()).expect("it is a scenario without variants");
        assert_eq!(flat.to_toml(), one.to_toml());
    }
}

#[test]
fn a_table_in_braces_is_a_value_and_others_change_key_by_key() {
    let text = "[[network.link]]\nlinks = \"s1 -> s2\"\nloss = \"5%\"\n\n\
        [expect]\nevents = { at_least = 1, at_most = 900000 }\n\n\
        [[variant]]\nname = \"value\"\nexpect.events = { at_least = 2 }\n\n\
        [[variant]]\nname = \"key\"\nexpect.events.at_least = 2\n\
        [[variant.network.link]]\nlinks = \"s2 -> s1\"\nloss = \"6%\"\n";
    let scenarios = all(text);
    let bounds = |one: &Scenario| (one.expect.bounds[0].at_least, one.expect.bounds[0].at_most);
    assert_eq!(bounds(&scenarios[0]), (Some(2), None));
    assert_eq!(bounds(&scenarios[1]), (Some(2), Some(900_000)));
    assert_eq!(scenarios.iter().map(|one| one.network.links.len()).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn keys_are_set_in_every_variant_and_last() {
    let text = format!(
        "{FAULTS}[[variant]]\nname = \"a\"\n\n[[variant]]\nname = \"b\"\ncluster = {{ servers = 3 }}\n\
         [variant.network]\nlatency = \"1ms\"\n"
    );
    let scenarios =
        picked(&text, &["cluster.servers=7", "fault.nap.for=3s", "network.latency=2ms..3ms", "cluster.servers=4"]);
    let count = |one: &Scenario| one.cluster.count(KindId::SERVER);
    assert_eq!(scenarios.iter().map(count).collect::<Vec<_>>(), [4, 4]);
    assert_eq!(scenarios[0].network, scenarios[1].network);
    assert!(scenarios[0].to_toml().contains("for = \"3s\""));
    let set = scenarios[1].source.set();
    assert_eq!(set, ["cluster.servers=7", "fault.nap.for=\"3s\"", "network.latency=\"2ms..3ms\"", "cluster.servers=4"]);
}

#[test]
fn what_is_wrong_with_variants() {
    let texts = [
        "[[variant]]\n",
        "[variant]\nname = \"a\"\n",
        "[[variant]]\nname = \"a b\"\n",
        "[[variant]]\nname = \"a\"\n\n[[variant]]\nname = \"a\"\n",
        "[[variant]]\nname = \"a\"\nformat = 1\nclutser = {}\n",
        "[[variant]]\nname = \"a\"\nwithout = [\"network.loss\", \"a b\", 5]\n",
        "[[variant]]\nname = \"a\"\nwithout = [\"network.loss\", \"a b\"]\n",
        "[[variant]]\nname = \"a\"\n[variant.fault.nap]\nfor = \"1s\"\n",
        "[[fault]]\nid = \"nap\"\nat = \"1s\"\npause = \"s1\"\n[[variant]]\nname = \"a\"\n\
         [variant.fault]\nnapp = 1\nnap = 1\n",
        "[[variant]]\nname = \"a\"\n[variant.network]\nlatency = 5\n\n\
         [[variant]]\nname = \"b\"\n[variant.run]\nsedes = 1\n",
        "[netwrok]\n[[variant]]\nname = \"a\"\n\n[[variant]]\nname = \"b\"\nnetwork = 7\n",
    ];
    insta::assert_snapshot!(texts.map(|text| refused(text, &[]).replace("a.toml:", "")).concat());
}

#[test]
fn what_is_wrong_with_a_key_that_is_set() {
    let set = [
        "cluster.servers=none",
        "netwrok.loss=1%",
        "network.los=1%",
        "fault.nap.for=1s",
        "run.duration=5",
        "cluster=3",
    ];
    insta::assert_snapshot!(set.map(|one| refused("", &[one])).concat());
    let picks = Picks { variant: None, set: vec!["network.los=1%".parse().expect("key=value")] };
    let wrong = load_all("a.toml", with("").as_bytes(), &picks, &systems()).expect_err("it is wrong");
    insta::assert_snapshot!("set_pretty", wrong.pretty(Colour::Never));
}

/// It is about the choice and not about a variant.
#[test]
fn a_variant_that_is_not_there() {
    let of = |text: &str| {
        let picks = Picks { variant: Some("nothere".to_owned()), set: Vec::new() };
        load_all("a.toml", with(text).as_bytes(), &picks, &systems()).expect_err("it is wrong").plain()
    };
    assert!(of("").ends_with(": there is no variant \"nothere\": the file states none\n"), "{}", of(""));
    let other = of("[[variant]]\nname = \"there\"\n");
    assert!(other.contains(": unknown variant \"nothere\"") && !other.contains("variant nothere"), "{other}");
}

/// What says what the file is was read before anything is set: it would be ignored without a word.
#[test]
fn what_says_what_a_file_is_cannot_be_set() {
    for (set, name) in [
        ("system=lock", "system"),
        ("system=5", "system"),
        ("format=2", "format"),
        ("variant.x.name=2s", "variant"),
        ("variant=[]", "variant"),
        ("picked.variant=\"x\"", "picked"),
    ] {
        let errors = refused("", &[set]);
        assert!(errors.contains(&format!(" {name}: ")) && errors.contains("cannot be set"), "{set}: {errors}");
    }
}

#[test]
fn a_file_has_a_limited_number_of_variants() {
    let many = |count: usize| (0..count).map(|index| format!("[[variant]]\nname = \"v{index}\"\n")).collect::<String>();
    assert_eq!(all(&many(64)).len(), 64);
    assert_eq!(refused(&many(65), &[]), "a.toml:133:1: variant[64]: a file states at most 64 variants\n\n");
}

#[test]
fn one_of_several_has_to_be_named() {
    let text = with("[[variant]]\nname = \"a\"\n\n[[variant]]\nname = \"b\"\n");
    let wrong = load("x.toml", text.as_bytes(), &systems()).expect_err("there are two");
    assert!(wrong.plain().contains("name one of them, as in x.toml#a (they are a, b)"), "{wrong}");
    let one = |name: &str| load_all("x.toml", text.as_bytes(), &Picks::variant(name), &systems());
    assert_eq!(one("b").expect("it is there")[0].source.address(), "x.toml#b");
    let wrong = one("c").expect_err("it is not there").plain();
    assert!(wrong.contains("unknown variant \"c\" (known: a, b"), "{wrong}");
}

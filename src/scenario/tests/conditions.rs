//! Conditions and names: what is read, what is written again, what is refused and why.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::selector::{Bound, Condition, Selector, Trigger};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_toy::Toy;

use crate::scenario::{Scenario, resolve};

use super::{good, read, with};

/// A fault that binds x, and one that waits for this.
fn waiting(condition: &str) -> String {
    with(&format!(
        "[[fault]]\nat = \"1s\"\nname = {{ x = \"leader\" }}\npause = \"x\"\nfor = \"1s\"\n\
         [[fault]]\nwhen = \"{condition}\"\nring = true\n"
    ))
}

fn condition(text: &str) -> Condition {
    let scenario = good(&waiting(text));
    let Trigger::When { condition, .. } = &scenario.faults[1].trigger else { panic!("it waits for something") };
    let again = good(&scenario.to_toml());
    assert_eq!(again.faults[1].trigger, scenario.faults[1].trigger, "{text} is written and read again");
    condition.clone()
}

fn refused(text: &str) -> String {
    match read(text) {
        Err(errors) => errors.plain(),
        Ok(_) => panic!("this was taken for a scenario:\n{text}"),
    }
}

fn observed(name: &str, nth: u64) -> Condition {
    Condition::Observed { name: name.to_owned(), nth }
}

fn count(name: &str, bound: Bound) -> Condition {
    Condition::Count { name: name.to_owned(), bound }
}

fn of(nodes: Selector, condition: Condition) -> Condition {
    Condition::Of { nodes, condition: Box::new(condition) }
}

fn x() -> Selector {
    Selector::Named("x".to_owned())
}

fn leader(lasting: u64) -> Condition {
    Condition::Has { role: "leader".to_owned(), lasting: Duration::from_secs(lasting) }
}

#[test]
fn every_form_is_read_and_written_again() {
    let elected = || observed("leader elected", 0);
    let s2 = || Selector::Node(NodeId::server(2).into());
    for (text, expected) in [
        ("node exited", observed("node exited", 0)),
        ("connection reset #2", observed("connection reset", 2)),
        ("leader crashed", observed("leader crashed", 0)),
        ("x restarted", of(x(), observed("node restarted", 0))),
        ("s2 exited", of(s2(), observed("node exited", 0))),
        ("node crashed at s2", of(s2(), observed("node crashed", 0))),
        ("leader elected at x", of(x(), elected())),
        ("leader elected #3 at x", of(x(), observed("leader elected", 3))),
        ("leader for 1s at x", of(x(), leader(1))),
        ("write failed at leader", of(Selector::Role("leader".to_owned()), observed("write failed", 0))),
        ("leader elected >= 3", count("leader elected", Bound::AtLeast(3))),
        ("leader elected > 3", count("leader elected", Bound::AtLeast(4))),
        ("leader elected>=3 at x", of(x(), count("leader elected", Bound::AtLeast(3)))),
        ("leader for 1s and leader elected", Condition::All(vec![leader(1), elected()])),
        ("leader elected and node exited <= 1", {
            Condition::All(vec![elected(), count("node exited", Bound::Below(2))])
        }),
        ("x restarted and leader for 2s at s2", {
            Condition::All(vec![of(x(), observed("node restarted", 0)), of(s2(), leader(2))])
        }),
    ] {
        assert_eq!(condition(text), expected, "{text}");
    }
}

#[test]
fn a_fault_is_lifted_at_a_time() {
    let fault = |until: &str| with(&format!("[[fault]]\nat = \"1s\"\nring = true\nuntil = \"{until}\"\n"));
    let scenario = good(&fault("20s"));
    let at = Instant::ZERO + Duration::from_secs(20);
    assert_eq!(scenario.faults[0].until, Some(Condition::Time(at)));
    assert_eq!(good(&scenario.to_toml()).faults[0].until, Some(Condition::Time(at)));
    assert!(refused(&fault("1s")).contains("it starts at 1s at the latest, and is lifted at 1s"));
    assert!(refused(&fault("61s")).contains("fault[0].until: the run ends at "));
    assert!(refused(&fault("2000h")).contains("1000h"));
}

/// Names of the whole file are known everywhere in it, before the fault that binds them too.
#[test]
fn a_name_is_known_in_the_whole_file() {
    let scenario = good(&with(
        "[workload]\nkind = \"register\"\nfrom = \"leader elected at x\"\n\
         [[fault]]\nat = \"2s\"\ncut = \"x -> *\"\nuntil = \"x restarted\"\n\
         [[fault]]\nat = \"1s\"\nname = { x = \"leader\" }\npause = \"x\"\nfor = \"1s\"\n\
         [[fault]]\nat = \"3s\"\nname = { y = \"x\", z = \"follower\" }\npartition = [[\"y\"], [\"z\"], [\"x\"]]\n\
         [[nemesis]]\nevery = \"1s\"\nfor = \"1s\"\non = \"x\"\n\
         [expect]\nreach = \"x restarted\"\n\"leader elected at x\" = { at_most = 0 }\n",
    ));
    assert_eq!(good(&scenario.to_toml()).faults.len(), 3);
    assert_eq!(scenario.nemeses[0].on, [x()]);
}

#[test]
fn a_name_that_no_fault_binds_is_an_error() {
    for text in [
        "[[fault]]\nat = \"1s\"\npause = \"x\"\nfor = \"1s\"\n",
        "[[nemesis]]\nevery = \"1s\"\nfor = \"1s\"\non = \"x\"\n",
        "[[fault]]\nwhen = \"x restarted\"\nring = true\n",
        "[expect]\nreach = \"leader elected at x\"\n",
        "[expect]\n\"x restarted\" = { at_most = 0 }\n",
    ] {
        let errors = refused(&with(text));
        assert!(errors.contains("unknown role or name \"x\""), "{text}{errors}");
    }
    let own = "[[fault]]\nat = \"1s\"\nname = { x = \"leader\", y = \"x\" }\npause = \"y\"\nfor = \"1s\"\n";
    assert!(refused(&with(own)).contains("fault[0].name.y: unknown role or name \"x\""), "each binds another node");
}

#[test]
fn what_is_wrong_with_a_condition() {
    for (text, expected) in [
        ("comitted >= 100", "unknown observation \"comitted\""),
        ("leader elected = 3", "expected one of >=, >, < and <=, got \"leader elected = 3\"; one time alone is"),
        ("leader elected >= many", "expected a whole number, as in \"leader elected >= 100\""),
        ("leader elected >= 0", "\"leader elected >= 0\" always holds"),
        ("leader elected < 0", "\"leader elected < 0\" never holds"),
        ("leader elected < 3", "holds from the start of the run: join it by and to what comes"),
        ("leader elected < 3 and node exited < 2", "holds from the start of the run"),
        ("leader elected and leader elected", "says \"leader elected\" twice"),
        ("leader elected and", "unknown condition"),
        ("leader elected at every follower", "expected a node such as s1, a name that a fault binds, a role or"),
        ("leader for 1s at follower", "is of one node such as s1, or of a name that a fault binds, got \"follower\""),
        ("leader elected at s9", "there is no s9"),
        ("leader elcted at x", "unknown condition \"leader elcted\""),
        ("20s", "expected a condition, got the time \"20s\": at = \"20s\""),
    ] {
        let errors = refused(&waiting(text));
        assert!(errors.contains(expected), "{text}: {errors}");
    }
    let again = waiting("leader elected >= 3").replace("ring = true", "ring = true\ntimes = 2");
    assert!(refused(&again).contains("the condition comes at most once in a run: it waits for a number"));
}

fn expecting(expect: &str) -> Scenario {
    good(&with(&format!(
        "[[fault]]\nat = \"1s\"\nname = {{ x = \"leader\" }}\npause = \"x\"\nfor = \"1s\"\n[expect]\n{expect}\n"
    )))
}

#[test]
fn expectations_speak_of_conditions() {
    let scenario = expecting(
        "reach = [\"leader elected at x\", \"leader elected\", \"x restarted\"]\n\
         \"leader elected at x\" = { at_most = 1 }\n\"leader for 1s and leader elected >= 2\" = { at_least = 1 }\n\
         node_restarted = { at_most = 0 }",
    );
    let names: Vec<&str> = scenario.expect.counted.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["leader elected at x", "leader for 1s and leader elected >= 2", "x restarted"]);
    let bounds: Vec<&str> = scenario.expect.bounds.iter().map(|bound| bound.metric.as_str()).collect();
    assert_eq!(bounds, ["leader elected at x", "leader for 1s and leader elected >= 2", "node restarted"]);
    let again = good(&scenario.to_toml());
    assert_eq!(again.expect.counted, scenario.expect.counted);
    let resolved = resolve::<Toy>(&scenario, Seed(1)).expect("it stands");
    assert_eq!(resolved.options.counted, scenario.expect.counted);
}

#[test]
fn what_is_wrong_with_an_expected_condition() {
    for (text, expected) in [
        ("reach = \"leader elcted at s1\"", "expect.reach: unknown condition \"leader elcted\""),
        ("\"leader elected at s9\" = { at_most = 0 }", "there is no s9"),
        ("\"leader elected at s1\" = 3", "expected a bound such as"),
        ("\"leader elected < 3\" = { at_most = 0 }", "holds from the start of the run"),
        ("reach = \"leader\"", "unknown observation \"leader\""),
    ] {
        let errors = refused(&with(&format!("[expect]\n{text}\n")));
        assert!(errors.contains(expected), "{text}: {errors}");
    }
}

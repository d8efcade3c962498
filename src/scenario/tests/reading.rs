//! What good files become, and that they are the same once written and read again.

use proptest::prelude::*;
use splitbrain_kernel::director::spec::{FaultSpec, OrderChoice, OrderSpec, What};
use splitbrain_kernel::fault::Latency;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::InvariantSet;
use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::run::{Budget, DiskOptions, Redial};
use splitbrain_kernel::selector::{Condition, Span, Trigger};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_toy::{Deed, Toy};

use crate::scenario::{Drawn, Facts, OutcomeName, Rate, Scenario, is_restart, load, load_file, resolve, verify};

use super::{EVERYTHING, good, operations, read, systems, with};

/// Without what only the text decides: source, lines, spans.
fn bare(mut scenario: Scenario) -> Scenario {
    scenario.source = good(&with("")).source;
    let settings = scenario.options.nodes.values_mut().flatten();
    let twins = scenario.expect.violates.iter_mut().flat_map(|violates| &mut violates.twin);
    settings.chain(&mut scenario.options.base).chain(twins).for_each(|setting| setting.span = 0..0);
    for fault in &mut scenario.faults {
        fault.line = 0;
        if let What::Order(OrderSpec { order, end, .. }) = &mut fault.what {
            for choice in std::iter::once(order).chain(end) {
                if let OrderChoice::One(call) = choice {
                    call.span = 0..0;
                }
            }
        }
    }
    let workload = scenario.workload.iter_mut().flat_map(|workload| &mut workload.settings);
    workload.for_each(|setting| setting.span = 0..0);
    scenario.restart.iter_mut().for_each(|restart| restart.line = 0);
    for nemesis in &mut scenario.nemeses {
        nemesis.line = 0;
        for choice in &mut nemesis.orders {
            if let OrderChoice::One(call) = choice {
                call.span = 0..0;
            }
        }
    }
    scenario.expect.outcomes.iter_mut().for_each(|outcome| outcome.line = 0);
    scenario.expect.violates.iter_mut().for_each(|violates| violates.line = 0);
    scenario.expect.bounds.iter_mut().for_each(|bound| bound.line = 0);
    scenario.expect.reach.iter_mut().for_each(|reach| reach.line = 0);
    scenario
}

#[test]
fn the_least_file_has_every_default() {
    let scenario = good(&with(""));
    insta::assert_snapshot!(scenario.to_toml());
    assert_eq!(scenario.name, "a");
    assert_eq!(scenario.seed_count(), 100);
    assert_eq!(scenario.expect.outcomes, []);
    assert_eq!(scenario.run.budget, Budget::ORDINARY);
}

#[test]
fn every_key_is_read_and_written() {
    let scenario = good(EVERYTHING);
    assert!(scenario.goal.starts_with("Every key of the language"));
    assert!(scenario.goal.ends_with("Two lines of goal."));
    insta::assert_snapshot!(scenario.to_toml());
}

#[test]
fn what_is_written_is_read_as_the_same() {
    for text in [EVERYTHING.to_owned(), with(""), with(BROKEN)] {
        let scenario = good(&text);
        let written = scenario.to_toml();
        let again = good(&written);
        assert_eq!(bare(again.clone()), bare(scenario));
        assert_eq!(again.to_toml(), written, "writing is stable");
    }
}

/// A known bug, and its twin.
const BROKEN: &str = r#"
[toy]
bug = "forgets"
timeout = "20ms..30ms"
[toy.servers.s2]
bug = "forgets"
priority = 7
[expect]
violates = "election_safety"
within = 5
twin = { pre_vote = true, bug = "none" }
"#;

#[test]
fn a_twin_has_its_options_on_all_nodes_and_breaks_nothing() {
    let scenario = good(&with(BROKEN));
    let twin = scenario.twin().expect("it states one");
    assert_eq!((twin.expect.violates.as_ref(), twin.twin()), (None, None));
    let seed = Seed(7);
    let (one, other) = (resolve::<Toy>(&scenario, seed), resolve::<Toy>(&twin, seed));
    let (one, other) = (one.expect("options that stand"), other.expect("options that stand"));
    assert_eq!((one.facts.get("bug"), one.facts.get("pre_vote")), (Some("forgets"), Some("false")));
    assert_eq!((other.facts.get("bug"), other.facts.get("pre_vote")), (Some("none"), Some("true")));
    assert_eq!(one.facts.get("timeout"), other.facts.get("timeout"), "what is drawn stays");
    let of_s2 = &twin.options.nodes[&NodeId::server(2)];
    assert_eq!(of_s2.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["priority"]);
    assert_eq!(good(&with("[expect]\nviolates = \"election_safety\"")).twin(), None);
}

#[test]
fn a_twin_that_cannot_stand_is_refused_at_its_place() {
    let text = with("[expect]\nviolates = \"election_safety\"\ntwin = { priority = 51 }");
    let refused = verify::<Toy>(&good(&text)).expect_err("at most 50 here").to_string();
    assert!(refused.contains("6:21: toy.priority: must be at most 50 here"), "{refused}");
}

#[test]
fn lines_lead_back_to_the_file() {
    let scenario = good(EVERYTHING);
    let line_of = |needle: &str| {
        let at = EVERYTHING.lines().position(|line| line.contains(needle)).expect("it is there");
        u32::try_from(at + 1).expect("a short file")
    };
    assert_eq!(scenario.faults[0].line, line_of("id = \"overlap\"") - 1, "the line of [[fault]]");
    assert_eq!(scenario.nemeses[0].line, line_of("id = \"storm\"") - 1);
    assert_eq!(scenario.expect.outcomes[1].line, line_of("outcome ="));
    assert_eq!(scenario.expect.bounds[0].line, line_of("leader_changes ="));
    assert_eq!(scenario.expect.reach[0].line, line_of("reach ="));
}

#[test]
fn ids_are_the_action_and_its_ordinal() {
    let scenario = good(EVERYTHING);
    let ids: Vec<&str> = scenario.faults.iter().map(|fault| fault.id.as_str()).collect();
    assert_eq!(ids[..3], ["overlap", "cut-1", "isolate-1"]);
    assert_eq!(ids[17..19], ["disk-1", "disk-2"]);
    assert_eq!(scenario.nemeses[1].id, "nemesis-2");
}

#[test]
fn values_mean_what_they_say() {
    let scenario = good(EVERYTHING);
    let (min, mean) = (Duration::from_millis(1), Duration::from_micros(2500));
    assert_eq!(scenario.network.latency, Latency::Exponential { min, mean });
    assert_eq!(scenario.network.reordering, Drawn::Constant(Ppm::new(5000)));
    assert_eq!(scenario.network.bandwidth, 10_000_000);
    let redial = Redial { min: Duration::from_millis(10), max: Duration::from_secs(10) };
    assert_eq!(scenario.network.redial, Some(redial));
    assert_eq!(scenario.clocks.nodes[&NodeId::server(2)].drift_ppm.low, 50_000);
    assert_eq!(scenario.clocks.nodes[&NodeId::server(2)].offset, scenario.clocks.base.offset);
    assert_eq!(scenario.bounds.drift_ppm, Some(100));
    let second = |secs: u64| Instant::ZERO + Duration::from_secs(secs);
    let ordinary = Span::constant(second(1_700_000_000));
    let clocks = |node| scenario.clocks.nodes.get(&node).copied().unwrap_or(scenario.clocks.base);
    let booted = Span { low: second(0), high: second(4_294_967) };
    for node in [NodeId::server(1), NodeId::client(1)] {
        assert_eq!((clocks(node).monotonic, clocks(node).wall), (booted, ordinary), "{node} is as the others");
    }
    let apart = clocks(NodeId::client(2));
    assert_eq!(apart.monotonic, Span::constant(second(4_294_967)));
    assert_eq!(apart.wall.high.since(apart.wall.low), Duration::from_millis(500));
    assert_eq!(apart.drift_ppm, scenario.clocks.base.drift_ppm, "the rest is as on the others");
    let apart = scenario.disks[&NodeId::server(2)];
    assert_eq!((apart.sync_min, apart.sync_max), (Duration::from_secs(1), Duration::from_secs(2)));
    let DiskOptions { sync_min, sync_max, .. } = scenario.disk;
    assert_eq!(DiskOptions { sync_min, sync_max, ..apart }, scenario.disk, "the rest is as on the others");
    let rate = scenario.workload.as_ref().expect("there is one").rate;
    assert_eq!(rate, Some(Rate { count: 10, per: Duration::from_secs(1), each: true }));
    assert_eq!(scenario.run.duration, Duration::from_secs(60));
    assert_eq!(scenario.settle_start(), Instant::ZERO + Duration::from_secs(50));
    assert_eq!(scenario.invariants, ["election_safety", "leader_in_time"]);
    assert_eq!(scenario.expect.outcomes[1].outcome, OutcomeName::Stalled);
}

#[test]
fn invariants_are_chosen_by_what_they_look_at() {
    let on = |text: &str| good(&with(&format!("[check]\ninvariants = {text}\n"))).invariants;
    assert_eq!(on("\"black_box\""), ["election_safety", "leader_in_time"]);
    assert_eq!(on("\"white_box\""), ["term_monotone"]);
    assert_eq!(on("{ of = \"black_box\", except = [\"leader_in_time\"] }"), ["election_safety"]);
    assert_eq!(on("{ of = \"all\", except = [\"leader_in_time\"] }"), ["election_safety", "term_monotone"]);
    assert_eq!(on("\"all\"").len(), 3);
}

#[test]
fn triggers_are_told_apart() {
    let scenario = good(EVERYTHING);
    let when = |index: usize| match &scenario.faults[index].trigger {
        Trigger::When { condition, times, .. } => (condition.clone(), *times),
        other => panic!("{other:?} is no when"),
    };
    let elected = |nth| Condition::Observed { name: "leader elected".to_owned(), nth };
    let has = Condition::Has { role: "leader".to_owned(), lasting: Duration::from_secs(2) };
    let lacks = Condition::Lacks { role: "leader".to_owned(), lasting: Duration::ZERO };
    assert_eq!(when(0), (elected(2), 1));
    assert_eq!(when(5), (has, 3));
    assert_eq!(when(6), (lacks, 1));
    assert_eq!(scenario.faults[10].until, Some(elected(0)));
}

#[test]
fn the_fault_tells_whom_it_was_about() {
    let scenario = good(EVERYTHING);
    assert_eq!(scenario.faults[0].selector, "x, a | a, b, every client");
    assert_eq!(scenario.faults[5].selector, "s1 -> any client, holder(lock 7) -> *");
}

#[test]
fn a_filter_matches_by_resolved_options() {
    let scenario = good(EVERYTHING);
    let filter = &scenario.expect.outcomes[1].filter;
    assert!(filter.matches(&Facts::from([("pre_vote", "false"), ("mode", "eager")])));
    assert!(!filter.matches(&Facts::from([("pre_vote", "true"), ("mode", "eager")])));
    assert!(!filter.matches(&Facts::from([("pre_vote", "false"), ("mode", "lazy")])));
}

#[test]
fn a_scenario_is_resolved_for_its_system() {
    let scenario = good(EVERYTHING);
    verify::<Toy>(&scenario).expect("every combination stands");
    let resolved = resolve::<Toy>(&scenario, Seed(7)).expect("it stands");
    let keys: Vec<&str> = resolved.chosen.iter().map(|one| one.key.as_str()).collect();
    insta::assert_debug_snapshot!(resolved.chosen);
    assert_eq!(keys[0], "toy.preset");
    assert_eq!(resolved.options.invariants, InvariantSet::Only([0, 2].into()));
    assert_eq!(resolved.facts.get("bug"), Some("forgets"));
    assert_eq!(resolved.system.setup.options.of.len(), 2);
    assert_eq!(resolved.options.bounds.latency, Duration::from_micros(1000 + 17 * 2500 + 20_000));
    let is_order = |fault: &&FaultSpec<Deed>| matches!(fault.what, What::Order(_));
    let order = resolved.options.faults.iter().rfind(is_order).expect("the order");
    assert!(matches!(&order.what, What::Order(OrderSpec { order: OrderChoice::One(Deed::Flag(true)), .. })));
}

/// Each node draws from its own range, and a node that is not named from that of all.
#[test]
fn clocks_start_where_their_origin_is_drawn() {
    let scenario = good(EVERYTHING);
    let drawn: Vec<_> = (0..50)
        .map(|seed| {
            let clocks = resolve::<Toy>(&scenario, Seed(seed)).expect("it stands").options.clocks;
            let range = scenario.clocks.base.monotonic;
            assert!(clocks.values().all(|clock| (range.low..=range.high).contains(&clock.monotonic)));
            let wall = scenario.clocks.nodes[&NodeId::client(2)].wall;
            assert!((wall.low..=wall.high).contains(&clocks[&NodeId::client(2)].wall));
            [NodeId::server(1), NodeId::server(2)].map(|node| clocks[&node].monotonic)
        })
        .collect();
    assert!(drawn.iter().all(|[one, other]| one != other), "nodes draw by themselves");
    assert!(drawn.windows(2).all(|two| two[0] != two[1]), "and each run anew");
}

#[test]
fn a_supervisor_is_a_fault_for_each_process_that_it_watches() {
    let scenario = good(EVERYTHING);
    let faults = resolve::<Toy>(&scenario, Seed(7)).expect("it stands").options.faults;
    let restarts: Vec<&FaultSpec<Deed>> = faults.iter().filter(|fault| is_restart(&fault.id)).collect();
    let ids: Vec<&str> = restarts.iter().map(|fault| fault.id.as_str()).collect();
    let names = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "c1"];
    assert_eq!(ids, names.map(|name| format!("restart.{name}")));
    let Trigger::When { delay, times, .. } = &restarts[0].trigger else { panic!("it waits for an exit") };
    assert_eq!((*times, delay.low, delay.high), (3, Duration::from_secs(1), Duration::from_secs(2)));
    assert!(faults.iter().zip(&scenario.faults).all(|(done, stated)| done.id == stated.id), "they come last");
    let plain = resolve::<Toy>(&good(&with("")), Seed(7)).expect("it stands");
    assert!(plain.options.faults.is_empty(), "nobody is supervised by default");
}

#[test]
fn options_that_cannot_stand_are_refused_at_their_line() {
    let scenario = good(&with("[toy]\npre_vote = true\npriority = { choose = [1, 60] }\n"));
    let errors = verify::<Toy>(&scenario).expect_err("60 is more than 50");
    assert_eq!(errors.to_string(), "a.toml:6:12: toy.priority: must be at most 50 here (if toy.priority is 60)");
}

#[test]
fn an_order_is_refused_at_its_argument() {
    let order = "[[fault]]\nat = \"1s\"\norder = { nodes = \"s1\", name = \"flag\", argument = \"up\" }\n";
    let scenario = good(&with(order));
    let errors = verify::<Toy>(&scenario).expect_err("up is neither on nor off");
    assert_eq!(errors.to_string(), "a.toml:6:51: fault[0].order: expected on or off, got \"up\"");
}

#[test]
fn a_pinned_scenario_leaves_nothing_to_choose() {
    let scenario = good(EVERYTHING);
    for seed in (0..20).map(Seed) {
        let drawn = resolve::<Toy>(&scenario, seed).expect("it stands");
        let pinned = good(&scenario.pinned(seed).expect("it stands").to_toml());
        let again = resolve::<Toy>(&pinned, seed).expect("it stands");
        assert_eq!(again.chosen, []);
        assert_eq!(again.facts.options(), drawn.facts.options());
        assert_eq!(again.system.setup.options, drawn.system.setup.options);
        assert_eq!(again.options.network, drawn.options.network);
        assert_eq!(again.options.clocks, drawn.options.clocks);
        assert_eq!(operations(&again), operations(&drawn));
    }
}

#[test]
fn operations_come_at_their_rate_within_their_time() {
    let workload =
        "[workload]\nkind = \"register\"\nrate = \"100/s\"\nreads = \"0%\"\nfrom = \"10s\"\nuntil = \"20s\"\n";
    let scenario = good(&with(workload));
    let operations = operations(&resolve::<Toy>(&scenario, Seed(1)).expect("it stands"));
    assert!((900..1100).contains(&operations.len()), "{} operations in 10 s", operations.len());
    let second = |secs| Instant::ZERO + Duration::from_secs(secs);
    assert!(operations.iter().all(|one| (second(10)..second(20)).contains(&one.0)));
    assert!(operations.is_sorted_by_key(|one| one.0));
    assert!(operations.iter().all(|one| matches!(one.2, Deed::Write(_))));
}

#[test]
fn a_file_on_disk_is_read_or_says_why_not() {
    let missing = load_file(std::path::Path::new("no/such/file.toml"), &systems());
    assert!(missing.expect_err("there is none").to_string().starts_with("no/such/file.toml: "));
}

#[test]
fn the_hash_is_of_the_bytes() {
    let hash = |text: &str| load("b.toml", text.as_bytes(), &systems()).expect("a scenario").source.hash;
    assert_eq!(hash(&with("")), hash(&with("")));
    assert_ne!(hash(&with("")), hash(&with("\n")));
}

proptest! {
    /// Durations, probabilities and rates are read as they are written.
    #[test]
    fn quantities_round_trip(nanos in 1u64..3_600_000_000_000_000, parts in 0u32..=1_000_000, count in 1u64..900) {
        let text = with(&format!(
            "[network]\nreordering_delay = \"{}\"\nloss = \"{}\"\n[run]\nduration = \"{}\"\n\
             [workload]\nkind = \"register\"\nrate = \"{count}/h\"\n",
            Duration::from_nanos(nanos), Ppm::new(parts), Duration::from_nanos(nanos),
        ));
        let scenario = read(&text).expect("a scenario");
        prop_assert_eq!(scenario.network.reordering_delay.as_nanos(), nanos);
        prop_assert_eq!(&scenario.network.loss, &Drawn::Constant(Ppm::new(parts)));
        let again = good(&scenario.to_toml());
        prop_assert_eq!(bare(again), bare(scenario));
    }
}

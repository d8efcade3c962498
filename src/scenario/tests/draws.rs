//! Goal: every key of cluster, network, clocks, disk, workload and nemesis can be drawn once a run, and what is drawn
//! is as if the file said it.
//!
//! Method: for each key of the reference some values; a file with a choice of them is, for each seed, the file with the
//! one that was drawn.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::KindId;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::time::Duration;
use splitbrain_toy::Toy;

use crate::scenario::draw::{Drawing, is_drawn_table};
use crate::scenario::{Filter, Picks, Scenario, SystemDescription, load_all, resolve, verify};

use super::{good, read, systems, with};

const SEEDS: u64 = 24;

/// Some values of one key.
struct Case {
    /// The header of its table, as the reference has it.
    table: &'static str,
    /// What the table needs beside it.
    beside: &'static str,
    key: &'static str,
    /// Values of TOML.
    values: &'static [&'static str],
    /// A range of them; empty if the key has none.
    range: &'static str,
}

const fn case(
    table: &'static str,
    beside: &'static str,
    key: &'static str,
    values: &'static [&'static str],
    range: &'static str,
) -> Case {
    Case { table, beside, key, values, range }
}

const LINK: &str = "links = \"s1 -> s2\"\n";
const NEMESIS: &str = "id = \"storm\"\nevery = \"1s\"\nfor = \"1s\"\n";
const LATE: &str = "id = \"storm\"\nevery = \"1s\"\nfor = \"1s\"\nkinds = [\"late\"]\n";
const ORDER: &str = "id = \"storm\"\nevery = \"1s\"\nfor = \"1s\"\nkinds = [\"order\"]\n";
const WORK: &str = "kind = \"register\"\n";

/// Every key that can be drawn, and the options of the toy's workload.
const CASES: &[Case] = &[
    case("cluster", "clients = 2\n", "servers", &["3", "5"], "2..9"),
    case("cluster", "servers = 3\n", "spare", &["0", "2"], "0..9"),
    case("cluster", "servers = 3\n", "clients", &["1", "3"], "0..9"),
    case("cluster", "servers = 3\n", "restart", &[r#"{ after = "1s" }"#, r#"{ after = "2s", times = 1 }"#], ""),
    case("cluster.restart", "", "after", &[r#""1s""#, r#""1s..3s""#], ""),
    case("cluster.restart", "after = \"1s\"\n", "times", &["1", "3"], "1..9"),
    case("cluster.restart", "after = \"1s\"\n", "on", &[r#""s1""#, r#"["s2", "c1"]"#, r#""*""#], ""),
    case("network", "", "latency", &[r#""1ms""#, r#""1ms..5ms""#, r#"{ min = "0ns", mean = "2ms" }"#], ""),
    case("network", "", "loss", &[r#""0%""#, r#""5%""#], "0%..5%"),
    case("network", "", "duplication", &[r#""0%""#, r#""5%""#], "0%..5%"),
    case("network", "", "reordering", &[r#""0%""#, r#""5%""#], "0%..5%"),
    case("network", "", "reordering_delay", &[r#""1ms""#, r#""1s""#], "1ms..1s"),
    case("network", "", "bandwidth", &[r#""1MB/s""#, r#""unlimited""#], "1kB/s..1MB/s"),
    case("network", "", "connection_timeout", &[r#""1ms""#, r#""1s""#], "1ms..1s"),
    case("network", "", "redial", &[r#"{ min = "1ms", max = "1s" }"#, r#"{ min = "2ms", max = "3s" }"#], ""),
    case("network.latency", "mean = \"5ms\"\n", "min", &[r#""1ms""#, r#""2ms""#], "1ms..2ms"),
    case("network.latency", "min = \"5ms\"\n", "mean", &[r#""1ms""#, r#""2ms""#], "1ms..2ms"),
    case("network.redial", "max = \"1s\"\n", "min", &[r#""1ms""#, r#""2ms""#], "1ms..1s"),
    case("network.redial", "min = \"1ms\"\n", "max", &[r#""1ms""#, r#""2ms""#], "1ms..1s"),
    case("network.link[]", "loss = \"1%\"\n", "links", &[r#""s1 -> s2""#, r#"["s1 -> s2", "s2 -> s1"]"#], ""),
    case("network.link[]", LINK, "latency", &[r#""1ms""#, r#""2ms..3ms""#], ""),
    case("network.link[]", LINK, "loss", &[r#""1%""#, r#""2%""#], "0%..100%"),
    case("network.link[]", LINK, "duplication", &[r#""1%""#, r#""2%""#], "0%..100%"),
    case("network.link[]", LINK, "reordering", &[r#""1%""#, r#""2%""#], "0%..100%"),
    case("network.link[]", LINK, "bandwidth", &[r#""1MB/s""#, r#""unlimited""#], "1B/s..1GB/s"),
    case("network.link[]", LINK, "capacity", &["0", "10"], "1..1000"),
    case("clocks", "", "drift", &[r#""0ppm""#, r#""-50ppm..50ppm""#], ""),
    case("clocks", "", "offset", &[r#""5ms""#, r#""-5ms..5ms""#], ""),
    case("clocks", "", "origin", &[r#"{ monotonic = "1h" }"#, r#"{ monotonic = "2h" }"#], ""),
    case("clocks", "", "skew_bound", &[r#""1ms""#, r#""2ms""#], "1ms..2ms"),
    case("clocks", "", "drift_bound", &[r#""1ppm""#, r#""2ppm""#], "1ppm..1000ppm"),
    case("clocks.origin", "", "monotonic", &[r#""1h""#, r#""1h..2h""#], ""),
    case("clocks.origin", "", "wall", &[r#""2023-11-14T22:13:20Z""#, r#""2038-01-19T03:14:07Z""#], ""),
    case("clocks.nodes.<node>", "", "drift", &[r#""1ppm""#, r#""2ppm..3ppm""#], ""),
    case("clocks.nodes.<node>", "", "offset", &[r#""1ms""#, r#""-2ms..3ms""#], ""),
    case("clocks.nodes.<node>", "", "origin", &[r#"{ monotonic = "1h" }"#, r#"{ monotonic = "2h" }"#], ""),
    case("disk", "", "write", &[r#""1ms""#, r#""2ms..3ms""#], ""),
    case("disk", "", "sync", &[r#""1ms""#, r#""2ms..3ms""#], ""),
    case("disk", "", "capacity", &["0", "10"], "1..1000"),
    case("disk.nodes.<node>", "", "write", &[r#""1ms""#, r#""2ms..3ms""#], ""),
    case("disk.nodes.<node>", "", "sync", &[r#""1ms""#, r#""2ms..3ms""#], ""),
    case("disk.nodes.<node>", "", "capacity", &["0", "10"], "1..1000"),
    case("workload", WORK, "rate", &[r#""10/s""#, r#""5/s each""#], "30/m..2/s"),
    case("workload", WORK, "reads", &[r#""10%""#, r#""90%""#], "0%..100%"),
    case("workload", WORK, "from", &[r#""1s""#, r#""leader elected""#], "1s..9s"),
    case("workload", WORK, "until", &[r#""10s""#, r#""leader elected""#], "11s..19s"),
    case("nemesis[]", NEMESIS, "kinds", &[r#"["crash"]"#, r#"["crash", "pause"]"#], ""),
    case("nemesis[]", NEMESIS, "on", &[r#""leader""#, r#"["s1", "s2"]"#], ""),
    case("nemesis[]", "id = \"storm\"\nfor = \"1s\"\n", "every", &[r#""1s""#, r#""2s..3s""#], ""),
    case("nemesis[]", "id = \"storm\"\nevery = \"1s\"\n", "for", &[r#""1s""#, r#""2s..3s""#], ""),
    case("nemesis[]", NEMESIS, "swarm", &["false", "true"], ""),
    case("nemesis[]", NEMESIS, "from", &[r#""1s""#, r#""2s""#], "1s..9s"),
    case("nemesis[]", NEMESIS, "until", &[r#""1s""#, r#""2s""#], "1s..9s"),
    case("nemesis[]", LATE, "messages", &[r#""ping""#, r#"["ping", "vote"]"#], ""),
    case(
        "nemesis[]",
        ORDER,
        "orders",
        &[r#"{ name = "flag", argument = "on" }"#, r#"[{ name = "mark", argument = { node = "leader" } }]"#],
        "",
    ),
    case("nemesis[]", LATE, "late", &[r#""1s""#, r#""2s..3s""#], ""),
];

impl Case {
    /// The file with this value of the key.
    fn file(&self, value: &str) -> String {
        let head = "format = 1\nsystem = \"toy\"\n";
        let own = format!("{}{} = {value}\n", self.beside, self.key);
        if self.table == "cluster" {
            return format!("{head}[cluster]\n{own}");
        }
        let header = self.table.replace("<node>", "s1");
        let header = header.strip_suffix("[]").map_or(format!("[{header}]"), |name| format!("[[{name}]]"));
        format!("{head}[cluster]\nservers = 5\nclients = 2\n{header}\n{own}")
    }

    /// The path that keys the draw.
    fn path(&self) -> String {
        let table = self.table.replace("<node>", "s1").replace("nemesis[]", "nemesis.storm").replace("[]", "[0]");
        format!("{table}.{}", self.key)
    }

    fn choice(&self) -> String {
        format!("{{ choose = [{}] }}", self.values.join(", "))
    }
}

/// A value without its quotes, as it is shown.
fn shown(value: &str) -> String {
    let text = value.trim_matches('"');
    let is_text = text.len() < value.len();
    if is_text { text.replace("1h", "3600s").replace("2h", "7200s") } else { value.to_owned() }
}

/// Everything that decides the run.
fn decided(scenario: &Scenario, seed: Seed) -> String {
    let run = resolve::<Toy>(scenario, seed).unwrap_or_else(|errors| panic!("{errors}"));
    let mut options = run.options;
    // Of a chance that is drawn the system is told the most that it can be.
    options.bounds.latency = Duration::ZERO;
    format!("{options:?}")
}

/// What a seed draws of the key.
fn drawn(scenario: &Scenario, key: &str, seed: Seed) -> String {
    let run = resolve::<Toy>(scenario, seed).unwrap_or_else(|errors| panic!("{errors}"));
    let of_key = run.chosen.iter().find(|one| one.key == key);
    let value = of_key.unwrap_or_else(|| panic!("{key} is drawn, and not only {:?}", run.chosen)).value.clone();
    assert_eq!(run.facts.get(key), Some(&*value));
    value
}

#[test]
fn every_key_of_these_tables_is_tried_here() {
    let tables = crate::scenario::reference::sections().filter(|section| is_drawn_table(section.name));
    let mut keys = 0;
    for section in tables {
        for key in section.keys {
            let is_tried = CASES.iter().any(|case| (case.table, case.key) == (section.name, key.name()));
            let is_never = matches!(key.drawing(), Drawing::Never(_));
            assert!(is_tried != is_never, "{}.{}", section.name, key.name());
            keys += 1;
        }
    }
    assert!(keys > 50, "{keys}");
}

#[test]
fn a_choice_takes_each_value_and_is_as_if_the_file_said_it() {
    for case in CASES {
        let (path, scenario) = (case.path(), good(&case.file(&case.choice())));
        verify::<Toy>(&scenario).unwrap_or_else(|errors| panic!("{path}: {errors}"));
        let constants: BTreeMap<String, Scenario> =
            case.values.iter().map(|value| (shown(value), good(&case.file(value)))).collect();
        let mut found = BTreeSet::new();
        for seed in (0..SEEDS).map(Seed) {
            let value = drawn(&scenario, &path, seed);
            let constant = constants.get(&value).unwrap_or_else(|| panic!("{path}: {value} is none of the values"));
            assert_eq!(decided(&scenario, seed), decided(constant, seed), "{path} = {value}");
            found.insert(value);
        }
        assert_eq!(found.len(), case.values.len(), "{path}: {found:?}");
    }
}

#[test]
fn a_range_is_drawn_once_a_run_between_its_ends() {
    for case in CASES.iter().filter(|case| !case.range.is_empty()) {
        let (path, scenario) = (case.path(), good(&case.file(&format!("\"{}\"", case.range))));
        let is_number = case.range.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let mut found = BTreeSet::new();
        for seed in (0..SEEDS).map(Seed) {
            let value = drawn(&scenario, &path, seed);
            let constant = if is_number { value.clone() } else { format!("\"{value}\"") };
            assert_eq!(decided(&scenario, seed), decided(&good(&case.file(&constant)), seed), "{path} = {value}");
            found.insert(value);
        }
        assert!(found.len() > 5, "{path}: {found:?}");
    }
}

#[test]
fn a_pinned_file_has_what_was_drawn_and_draws_nothing() {
    for case in CASES {
        let scenario = good(&case.file(&case.choice()));
        for seed in (0..4).map(Seed) {
            let (run, pinned) = (resolve::<Toy>(&scenario, seed), scenario.pinned(seed).expect("it stands"));
            let (run, again) = (run.expect("it stands"), resolve::<Toy>(&good(&pinned.to_toml()), seed));
            let again = again.expect("it stands");
            assert_eq!(again.chosen, [], "{}", case.path());
            assert_eq!((again.options.cluster, &again.options.network), (run.options.cluster, &run.options.network));
            assert_eq!(again.options.clocks, run.options.clocks);
            // Of a chance that is drawn the system is told the most that it can be.
            assert!(case.key == "reordering" || again.options.bounds == run.options.bounds, "{}", case.path());
            assert_eq!((again.options.disk, &again.options.disks), (run.options.disk, &run.options.disks));
            let workloads = [&again, &run].map(|run| format!("{:?}", run.options.workload));
            assert_eq!(workloads[0], workloads[1], "{}", case.path());
        }
    }
}

#[test]
fn a_filter_finds_the_runs_with_a_drawn_value() {
    let system = SystemDescription::of::<Toy>();
    for case in CASES {
        let (path, scenario) = (case.path(), good(&case.file(&case.choice())));
        for value in case.values {
            // As the file writes it.
            let filter = Filter::read(&format!("{path} = {value}"), &system, &scenario.draws);
            let filter = filter.unwrap_or_else(|error| panic!("{path} = {value}: {error}"));
            let value = shown(value);
            for seed in (0..SEEDS).map(Seed) {
                let run = resolve::<Toy>(&scenario, seed).expect("it stands");
                assert_eq!(filter.matches(&run.facts), drawn(&scenario, &path, seed) == value, "{path} = {value}");
            }
        }
        let unknown = Filter::read(&format!("{path} = 77"), &system, &scenario.draws);
        let error = unknown.expect_err("it is never 77");
        assert!(error.contains(&format!("unknown value of {path} \"77\" (known: ")), "{error}");
        let constant = good(&case.file(case.values[0]));
        let unknown = Filter::read(&format!("{path} = 77"), &system, &constant.draws);
        assert!(unknown.expect_err("it is not drawn").contains("unknown option"), "{path}");
    }
}

#[test]
fn a_filter_knows_ranges_and_what_is_true_or_false() {
    let system = SystemDescription::of::<Toy>();
    let text =
        with("[[nemesis]]\nevery = \"1s\"\nfor = \"1s\"\nswarm = { choose = [true, false] }\nfrom = \"1s..3s\"\n");
    let scenario = good(&text);
    let read = |text: &str| Filter::read(text, &system, &scenario.draws);
    for seed in (0..SEEDS).map(Seed) {
        let run = resolve::<Toy>(&scenario, seed).expect("it stands");
        let swarm = run.options.nemeses[0].swarm;
        assert_eq!(read("nemesis.nemesis-1.swarm").expect("a condition").matches(&run.facts), swarm);
        assert_eq!(read("not nemesis.nemesis-1.swarm").expect("a condition").matches(&run.facts), !swarm);
    }
    assert_eq!(read("nemesis.nemesis-1.from = 2000ms").expect("a condition").terms[0].value, "2s");
    let never = read("nemesis.nemesis-1.from = 9s").expect_err("it is at most 3s");
    assert_eq!(never, "nemesis.nemesis-1.from is drawn from 1s..3s: it is never \"9s\"");
    let bare = read("nemesis.nemesis-1.from").expect_err("it is a time");
    assert!(bare.contains("is not true or false"), "{bare}");
}

#[test]
fn an_expectation_can_be_about_what_is_drawn() {
    let text =
        "[disk]\ncapacity = { choose = [0, 7] }\n[expect]\nevents = { at_least = 1, where = \"disk.capacity = 7\" }\n";
    let scenario = good(&with(text));
    let filter = &scenario.expect.bounds[0].filter;
    for seed in (0..SEEDS).map(Seed) {
        let run = resolve::<Toy>(&scenario, seed).expect("it stands");
        assert_eq!(filter.matches(&run.facts), run.options.disk.capacity == 7);
    }
    let found = wrong(&text.replace("capacity = 7", "capacity = 8"));
    assert!(found.contains("unknown value of disk.capacity \"8\" (known: 0, 7"), "{found}");
}

#[test]
fn a_command_line_can_set_what_is_drawn() {
    for case in CASES.iter().filter(|case| !case.table.contains("link")) {
        let (path, text) = (case.path(), case.file(case.values[0]));
        let set = format!("{path}={}", case.choice());
        let picks = Picks { variant: None, set: vec![set.parse().expect("key=value")] };
        let scenarios = load_all("a.toml", text.as_bytes(), &picks, &systems());
        let scenario = scenarios.unwrap_or_else(|errors| panic!("{path}: {errors}")).remove(0);
        let of_file = good(&case.file(&case.choice()));
        for seed in (0..SEEDS).map(Seed) {
            assert_eq!(drawn(&scenario, &path, seed), drawn(&of_file, &path, seed), "{path}");
        }
    }
}

#[test]
fn a_draw_moves_no_other() {
    let one = "[network]\nreordering_delay = \"1ms..1s\"\n";
    let two =
        "[network]\nconnection_timeout = \"1s..9s\"\nreordering_delay = \"1ms..1s\"\n[disk]\ncapacity = \"1..9\"\n";
    let (one, two) = (good(&with(one)), good(&with(two)));
    let key = "network.reordering_delay";
    for seed in (0..SEEDS).map(Seed) {
        assert_eq!(drawn(&one, key, seed), drawn(&two, key, seed));
    }
    let storm = |before: &str| {
        good(&with(&format!("{before}[[nemesis]]\nid = \"storm\"\nevery = \"1s\"\nfor = \"1s\"\nfrom = \"1s..9s\"\n")))
    };
    let (alone, second) = (storm(""), storm("[[nemesis]]\nid = \"other\"\nevery = \"1s\"\nfor = \"1s\"\n"));
    for seed in (0..SEEDS).map(Seed) {
        assert_eq!(drawn(&alone, "nemesis.storm.from", seed), drawn(&second, "nemesis.storm.from", seed));
    }
}

/// The errors of a file, one a line.
fn wrong(more: &str) -> String {
    let read = read(&with(more));
    let verified = read.and_then(|scenario| verify::<Toy>(&scenario));
    verified.expect_err("something is wrong").to_string()
}

#[test]
fn what_is_wrong_in_some_combinations_says_in_which() {
    let cluster = |more: &str| {
        let text = format!("format = 1\nsystem = \"toy\"\n{more}");
        read(&text).and_then(|scenario| verify::<Toy>(&scenario)).expect_err("something is wrong").to_string()
    };
    let fault = "[[fault]]\nat = \"1s\"\ncrash = \"s5\"\n";
    let found = cluster(&format!("cluster = {{ servers = {{ choose = [3, 5] }} }}\n{fault}"));
    assert_eq!(found, "a.toml:6:9: fault[0].crash: there is no s5: the cluster has s1 to s3 (if cluster.servers is 3)");
    let found = cluster(&format!("cluster = {{ servers = \"3..5\" }}\n{fault}"));
    assert!(found.ends_with("(if cluster.servers is 3)"), "{found}");
    // In none of them: nothing is said of draws.
    let found = cluster(&format!("cluster = {{ servers = \"3..4\" }}\n{}", fault.replace("s5", "s9")));
    assert!(found.contains("there is no s9") && found.contains("(if cluster.servers is "), "{found}");
    // The system's own rules.
    let found = cluster("cluster = { servers = { choose = [1, 9] } }\n[toy]\npriority = 50\n");
    assert_eq!(found, "a.toml:5:12: toy.priority: must be at most 10 here (if cluster.servers is 1)");
    // Two keys together.
    let redial = "[network]\nredial = { min = { choose = [\"1ms\", \"3s\"] }, max = { choose = [\"2s\", \"4s\"] } }\n";
    let found = wrong(redial);
    let at = "a.toml:5:46: network.redial.max: must be at least min (3s)";
    assert_eq!(found, format!("{at} (if network.redial.min is 3s and network.redial.max is 2s)"));
}

/// Goal: a combination that was not tried when the file was loaded is refused by the run that draws it. Method: of 144
/// combinations one is wrong, and it is not among those that are tried.
#[test]
fn a_run_whose_draws_cannot_stand_together_names_them_and_the_seed() {
    let list =
        |value: fn(u64) -> u64| (0..12).map(|index| format!("\"{}s\"", value(index))).collect::<Vec<_>>().join(", ");
    let from = list(|index| if index == 5 { 15 } else { index });
    let until = list(|index| if index == 1 { 12 } else { 20 + index });
    let text = with(&format!(
        "[[nemesis]]\nevery = \"1s\"\nfor = \"1s\"\nfrom = {{ choose = [{from}] }}\nuntil = {{ choose = [{until}] }}\n"
    ));
    let scenario = good(&text);
    let refused = (0..2000).map(Seed).find_map(|seed| Some((seed, resolve::<Toy>(&scenario, seed).err()?)));
    let (seed, errors) = refused.expect("some seed draws it");
    let drawn = "nemesis.nemesis-1.from is 15s and nemesis.nemesis-1.until is 12s";
    let message = format!("a.toml:8:9: nemesis[0].until: ends at 12s before it begins at 15s (seed {seed}: {drawn})");
    assert_eq!(errors.to_string(), message);
    assert_eq!(scenario.pinned(seed).expect_err("nothing can be pinned").to_string(), message);
}

#[test]
fn the_nodes_of_a_run_are_those_that_it_draws() {
    let text = "format = 1\nsystem = \"toy\"\n\
        cluster = { servers = \"3..5\", spare = \"0..1\", clients = { choose = [1, 3] } }\n";
    let scenario = good(text);
    let all = scenario.widest_cluster();
    let nodes = |kind| all.count(kind) + all.spare_count(kind);
    assert_eq!((nodes(KindId::SERVER), nodes(KindId::CLIENT)), (6, 3));
    for seed in (0..SEEDS).map(Seed) {
        let run = resolve::<Toy>(&scenario, seed).expect("it stands");
        assert_eq!(scenario.cluster_of(seed), run.options.cluster);
    }
    assert_eq!(scenario.drawn_keys().collect::<Vec<_>>(), ["cluster.servers", "cluster.clients", "cluster.spare"]);
}

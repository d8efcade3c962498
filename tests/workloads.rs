//! Goal: each key of a workload has an effect, and one without is an error.
//!
//! Method: the digest of one seed of a small scenario of each system, under each key in turn. Every option of every
//! shipped workload has its case, or the test fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use splitbrain::campaign::{self, CampaignOptions, Interrupt, Judgement, Pool, Silent, Subject};
use splitbrain::engine::{AnySystem as _, Ignore, Run, Simulated};
use splitbrain::scenario::{Diagnostics, Scenario, load, verify};
use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::system::System;
use splitbrain_systems::chat::Chat;
use splitbrain_systems::lock::Lock;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::reactor::Reactor;
use splitbrain_systems::session::Sessions;

fn read(workload: &str) -> Result<Scenario, Diagnostics> {
    read_as("propose", workload)
}

fn read_as(kind: &str, workload: &str) -> Result<Scenario, Diagnostics> {
    Raft::scenario(kind, workload)
}

fn run(workload: &str) -> Run {
    run_as("propose", workload)
}

fn run_as(kind: &str, workload: &str) -> Run {
    Raft::run_of(kind, workload)
}

/// A small scenario of a system, up to the kind of its workload.
trait Small: System {
    const HEAD: &'static str;

    fn scenario(kind: &str, keys: &str) -> Result<Scenario, Diagnostics> {
        let text = format!(
            "# Clients at work.\nformat = 1\nsystem = \"{}\"\n{}\n[workload]\nkind = \"{kind}\"\n{keys}\n",
            Self::NAME,
            Self::HEAD
        );
        let scenario = load("workload.toml", text.as_bytes(), &[Simulated::<Self>::new().description()])?;
        verify::<Self>(&scenario)?;
        Ok(scenario)
    }

    fn run_of(kind: &str, keys: &str) -> Run {
        let scenario = Self::scenario(kind, keys).unwrap_or_else(|error| panic!("{error}"));
        let engine = Simulated::<Self>::new().open(Arc::new(scenario)).expect("the kernel runs every scenario");
        engine.worker().run(Seed(1).into(), Some(&mut Ignore))
    }
}

impl Small for Raft {
    const HEAD: &'static str = "cluster = { servers = 3, clients = 2 }\nrun = { duration = \"5s\" }";
}

impl Small for Reactor {
    const HEAD: &'static str = "cluster = { servers = 1, clients = 2 }\nrun = { duration = \"2s\" }";
}

impl Small for Lock {
    const HEAD: &'static str = "cluster = { redis = 1, resource = 1, clients = 2 }\nlock = { preset = \"careful\" }\n\
         run = { duration = \"10s\" }";
}

impl Small for Sessions {
    const HEAD: &'static str = "cluster = { meta = 1, chunk = 3, volume = 1, clients = 2 }\n\
                                 session = { preset = \"etcd\" }\n\
         run = { duration = \"10s\" }";
}

impl Small for Chat {
    const HEAD: &'static str = "cluster = { redis = 1, gate = 1, status = 1, chat = 2, clients = 3 }\n\
                                 chat = { preset = \"quick\" }\n\
         run = { duration = \"20s\" }";
}

/// A key, and lines with it that make another run than all other lines of the workload.
type Cases<'a> = &'a [(&'a str, &'a str)];

const FROM_AND_UNTIL: Cases<'_> = &[("from", "from = \"700ms\""), ("until", "until = \"700ms\"")];

const PACE: Cases<'_> = &[
    ("rate", "rate = \"20/s\""),
    ("rate", "rate = \"15/s each\""),
    ("pacing", "pacing = \"closed\""),
    ("think", "pacing = \"closed\"\nthink = \"300ms\""),
    ("burst_every", "burst_every = \"1s\""),
    ("burst_every", "burst_every = \"500ms\""),
    ("burst_length", "burst_every = \"1s\"\nburst_length = \"300ms\""),
];

/// Each case is a run of its own, and there is a case for each key.
#[track_caller]
fn check_keys<S: Small>(kind: &str, cases: &[Cases<'_>]) {
    let mut seen = BTreeMap::from([(S::run_of(kind, "").digest, "")]);
    for (_, lines) in cases.iter().copied().flatten() {
        let before = seen.insert(S::run_of(kind, lines).digest, *lines);
        assert_eq!(before, None, "{}, {kind}: {lines:?} is the same run as {before:?}", S::NAME);
    }
    let info = S::WORKLOADS.iter().find(|one| one.name == kind).expect("the system has the workload");
    let options = (info.options)();
    let keys: BTreeSet<&str> = options.iter().map(|option| option.name).chain(["from", "until"]).collect();
    let tried: BTreeSet<&str> =
        cases.iter().copied().flatten().map(|(key, _)| *key).filter(|key| *key != "rate").collect();
    assert_eq!(tried, keys, "{}, {kind}: each key has a case", S::NAME);
}

const PROPOSALS: Cases<'_> = &[
    ("from", "from = \"2s\""),
    ("from", "from = \"leader elected\""),
    ("from", "from = \"leader for 1s\""),
    ("until", "until = \"committed #20\""),
    ("until", "until = \"leader for 3s\""),
];

const STORE: Cases<'_> = &[
    ("from", "from = \"2s\""),
    ("until", "until = \"2s\""),
    ("keys", "keys = 2"),
    ("key_skew", "key_skew = \"zipf\""),
    ("reads", "reads = \"30%\""),
    ("compare_and_sets", "compare_and_sets = \"20%\""),
    ("appends", "appends = \"30%\""),
    ("deletes", "deletes = \"30%\""),
];

const REQUESTS: Cases<'_> =
    &[("posts", "posts = \"30%\""), ("size_min", "size_min = 500"), ("size_max", "size_max = 500")];

const SECTIONS: Cases<'_> = &[
    ("locks", "locks = 3"),
    ("skew", "locks = 3\nskew = \"zipf\""),
    ("writes_max", "writes_max = 8"),
    ("work", "work = \"50ms\""),
    ("think", "think = \"300ms\""),
];

const USERS: Cases<'_> = &[
    ("users", "users = 5"),
    ("says_max", "says_max = 8"),
    ("think", "think = \"300ms\""),
    ("stay", "stay = \"500ms\""),
    ("rest", "rest = \"300ms\""),
    ("logout", "logout = \"0%\""),
    ("intrude", "intrude = \"30%\""),
];

const IO: Cases<'_> = &[
    ("writes", "writes = 10"),
    ("reads", "reads = 60"),
    ("sets", "sets = 60"),
    ("removes", "removes = 60"),
    ("lists", "lists = 60"),
];

#[test]
fn each_key_of_each_workload_changes_the_digest() {
    check_keys::<Raft>("propose", &[PACE, PROPOSALS]);
    check_keys::<Raft>("kv", &[PACE, STORE]);
    check_keys::<Reactor>("requests", &[PACE, FROM_AND_UNTIL, REQUESTS]);
    check_keys::<Lock>("sections", &[FROM_AND_UNTIL, SECTIONS]);
    check_keys::<Sessions>("io", &[PACE, FROM_AND_UNTIL, IO]);
    check_keys::<Chat>("users", &[FROM_AND_UNTIL, USERS]);
    let all = [Raft::WORKLOADS, Reactor::WORKLOADS, Lock::WORKLOADS, Sessions::WORKLOADS, Chat::WORKLOADS];
    assert_eq!(all.iter().map(|of| of.len()).sum::<usize>(), 6, "each workload of each shipped system is here");
    let all = "keys = 4\nkey_skew = \"uniform\"\nreads = \"50%\"\ncompare_and_sets = \"50%\"\nappends = \"0%\"\n\
               deletes = \"0%\"";
    assert_eq!(run_as("kv", all).digest, run_as("kv", "").digest, "what is written out is the default");
}

/// How many operations a client has open at most, and how many there are.
fn open_most(run: &Run) -> (usize, usize) {
    let history = run.history.as_deref().expect("the run was recorded");
    let (mut open, mut most, mut count) = (BTreeMap::<String, usize>::new(), 0, 0);
    for line in history.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        let client = entry["client"].as_str().expect("an entry has a client").to_owned();
        let open = open.entry(client).or_default();
        if entry["kind"] == "invoke" {
            *open += 1;
            count += 1;
        } else {
            *open -= 1;
        }
        most = most.max(*open);
    }
    (most, count)
}

#[test]
fn a_client_of_a_closed_loop_never_has_two_open_operations() {
    // What the workload handed over, and what of it has begun.
    let handed = |run: &Run| run.plan.as_ref().expect("a run knows what was done").operations().len();
    let check = |name: &str, run: Run, at_least: usize| {
        let (most, count) = open_most(&run);
        assert!(most == 1 && count >= at_least, "{name}: {most} of {count} are open at once");
        assert_eq!(handed(&run), count, "{name}: what is handed over begins at once");
    };
    let eager = "pacing = \"closed\"\nthink = \"1us\"";
    check("propose", Raft::run_of("propose", eager), 100);
    check("kv", Raft::run_of("kv", eager), 100);
    check("requests", Reactor::run_of("requests", eager), 100);
    check("io", Sessions::run_of("io", eager), 100);
    check("sections", Lock::run_of("sections", "think = \"1us\"\nwork = \"1us\""), 100);
    // Those of an open loop are asked for more before: it waits in the client, or is open at once with the first.
    for (name, run) in [
        ("propose", Raft::run_of("propose", "rate = \"1000/s\"")),
        ("kv", Raft::run_of("kv", "rate = \"1000/s\"")),
        ("requests", Reactor::run_of("requests", "rate = \"5000/s\"")),
        ("io", Sessions::run_of("io", "rate = \"1000/s\"")),
    ] {
        let (most, count) = open_most(&run);
        assert!(most > 1 || handed(&run) > count + 2, "{name}: {most}, {count} of {}", handed(&run));
    }
}

#[test]
fn what_is_written_out_is_the_default() {
    let all = "rate = \"10/s\"\nfrom = \"0s\"\nuntil = \"5s\"\npacing = \"open\"\nburst_every = \"0s\"";
    assert_eq!(run(all).digest, run("").digest);
}

/// Anti-vacuity: a workload of which no operation comes in any run has tested nothing.
#[test]
fn a_workload_that_never_begins_is_inconclusive() {
    let judge = |workload: &str| {
        let mut scenario = read(workload).unwrap_or_else(|error| panic!("{error}"));
        scenario.run.seeds = 2;
        let (system, scenario) = (Simulated::<Raft>::new(), Arc::new(scenario));
        let engine = system.open(scenario.clone()).expect("the kernel runs every scenario");
        let options = CampaignOptions {
            seeds: None,
            max_fail: None,
            fail_fast: false,
            check_determinism: Ppm::NEVER,
            pool: Pool { jobs: 1, timeout: None, interrupt: Interrupt::default(), until: None },
        };
        let description = system.description();
        let subject =
            Subject { scenario: &scenario, name: "workload", description: &description, program: "splitbrain" };
        campaign::run(&subject, &engine, &options, &mut Silent)
    };
    assert_eq!(judge("from = \"leader elected\"").judgement, Judgement::AsExpected);
    let idle = judge("from = \"leader for 2s\"\nuntil = \"leader for 1s\"");
    assert_eq!(idle.judgement, Judgement::Inconclusive);
    let reasons: Vec<&str> = idle.all_reasons().map(|reason| reason.message.as_str()).collect();
    assert_eq!(reasons, ["no client was given an operation in any run"]);
}

#[track_caller]
fn refuse(workload: &str, expected: &str) {
    let errors = read(workload).expect_err("it has no effect").to_string();
    assert!(errors.contains(expected), "{errors}");
}

#[test]
fn a_key_without_effect_is_refused_at_its_place() {
    refuse("reads = \"90%\"", "workload.toml:8:1: workload.reads: unknown key \"reads\"");
    refuse("think = \"1s\"", "workload.toml:8:9: workload.think: has an effect only with pacing = \"closed\"");
    refuse("pacing = \"closed\"\nrate = \"1/s\"", "workload.rate: has an effect only with pacing = \"open\"");
    refuse("burst_length = \"1s\"", "workload.burst_length: has an effect only with \"burst_every\"");
    refuse("burst_every = \"1s\"\nburst_length = \"2s\"", "workload.burst_length: a burst of 2s does not fit into");
    refuse("pacing = \"half\"", "unknown \"half\"");
    let one_key = read_as("kv", "keys = 1\nkey_skew = \"zipf\"").expect_err("it has no effect").to_string();
    assert!(one_key.contains("workload.key_skew: has an effect only with more than one key"), "{one_key}");
    let shares = read_as("kv", "appends = \"60%\"").expect_err("110 % of the writes").to_string();
    assert!(shares.contains("more than 100% together"), "{shares}");
    for name in ["compare_and_sets", "appends", "deletes"] {
        let without = read_as("kv", &format!("reads = \"100%\"\n{name} = \"10%\"")).expect_err("all read").to_string();
        assert!(without.contains(&format!("workload.{name}: has an effect only if some")), "{without}");
    }
    refuse("from = \"5s\"", "workload.from: no operation can come: they end at 5s");
    refuse("from = \"9s\"\nuntil = \"leader elected\"", "workload.from: no operation can come: they end at 5s");
    refuse("from = \"leader elected\"\nuntil = \"0s\"", "workload.until: no operation can come: they end at 0s");
    refuse("from = \"leader electd\"", "workload.from: unknown condition \"leader electd\"");
    let skew = Lock::scenario("sections", "skew = \"zipf\"").expect_err("one lock").to_string();
    assert!(skew.contains("workload.skew: has an effect only with more than one lock"), "{skew}");
    let rate = Lock::scenario("sections", "rate = \"1/s\"").expect_err("a closed loop").to_string();
    assert!(rate.contains("workload.rate: has no effect"), "{rate}");
}

#[test]
fn what_is_neither_a_time_nor_a_condition_is_refused_with_both() {
    let right = "a time since the start of the run such as \"2s\", or a condition (an observation, \
                 \"<role> for 1s\" or \
                 \"no <role> for 1s\")";
    for (wrong, got) in [
        ("2", "the number 2"),
        ("true", "true"),
        ("[]", "an empty list"),
        ("\"\"", "\"\""),
        ("\"2\"", "\"2\""),
        ("\"2 s\"", "\"2 s\""),
        ("\"-2s\"", "\"-2s\""),
    ] {
        refuse(&format!("from = {wrong}"), &format!("workload.from: expected {right}, got {got}"));
        refuse(&format!("until = {wrong}"), &format!("workload.until: expected {right}, got {got}"));
    }
    refuse("from = \"99999999h\"", "workload.from: 99999999h is not between 0s and 1000h");
    refuse("from = \"99999999999999999999h\"", "workload.from: 99999999999999999999h is not between 0s and 1000h");
    refuse("until = \"leader for 2x\"", "workload.until: expected a duration such as \"150ms\"");
    refuse("until = \"committed #x\"", "workload.until: expected a number from 1 after #, as in \"committed #3\"");
}

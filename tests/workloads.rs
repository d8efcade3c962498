//! Goal: each key of a workload has an effect, and one without is an error.
//!
//! Method: the digest of one seed of a small scenario of Raft, under each key in turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use splitbrain::campaign::{self, CampaignOptions, Interrupt, Judgement, Pool, Seeds, Silent, Subject};
use splitbrain::engine::{AnySystem as _, Run, Simulated};
use splitbrain::scenario::{Diagnostics, Scenario, load, verify};
use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_systems::raft::Raft;

fn read(workload: &str) -> Result<Scenario, Diagnostics> {
    read_as("propose", workload)
}

fn read_as(kind: &str, workload: &str) -> Result<Scenario, Diagnostics> {
    let text = format!(
        "# Clients that propose.\nformat = 1\nsystem = \"raft\"\ncluster = {{ servers = 3, clients = 2 }}\n\
         run = {{ duration = \"5s\" }}\n[workload]\nkind = \"{kind}\"\n{workload}"
    );
    let scenario = load("workload.toml", text.as_bytes(), &[Simulated::<Raft>::new().description()])?;
    verify::<Raft>(&scenario)?;
    Ok(scenario)
}

fn run(workload: &str) -> Run {
    run_as("propose", workload)
}

fn run_as(kind: &str, workload: &str) -> Run {
    let scenario = read_as(kind, workload).unwrap_or_else(|error| panic!("{error}"));
    let engine = Simulated::<Raft>::new().open(Arc::new(scenario)).expect("the kernel runs every scenario");
    engine.worker().run(Seed(1).into(), None)
}

#[test]
fn each_key_of_a_workload_changes_the_digest() {
    let keys = [
        "",
        "rate = \"20/s\"",
        "rate = \"15/s each\"",
        "from = \"2s\"",
        "until = \"2s\"",
        "from = \"leader elected\"",
        "from = \"leader for 1s\"",
        "until = \"committed #20\"",
        "until = \"leader for 3s\"",
        "pacing = \"closed\"",
        "pacing = \"closed\"\nthink = \"300ms\"",
        "burst_every = \"1s\"",
        "burst_every = \"2s\"",
        "burst_every = \"1s\"\nburst_length = \"300ms\"",
    ];
    let mut seen = BTreeMap::new();
    for keys in keys {
        let before = seen.insert(run(keys).digest, keys);
        assert_eq!(before, None, "{keys:?} is the same run as {before:?}");
    }
}

#[test]
fn each_key_of_the_operations_on_a_store_changes_the_digest() {
    let keys = [
        "",
        "rate = \"20/s\"",
        "pacing = \"closed\"",
        "pacing = \"closed\"\nthink = \"300ms\"",
        "burst_every = \"1s\"",
        "burst_every = \"1s\"\nburst_length = \"300ms\"",
        "keys = 2",
        "key_skew = \"zipf\"",
        "reads = \"30%\"",
        "compare_and_sets = \"20%\"",
        "appends = \"30%\"",
        "deletes = \"30%\"",
    ];
    let mut seen = BTreeMap::new();
    for keys in keys {
        let before = seen.insert(run_as("kv", keys).digest, keys);
        assert_eq!(before, None, "{keys:?} is the same run as {before:?}");
    }
    let all = "keys = 4\nkey_skew = \"uniform\"\nreads = \"50%\"\ncompare_and_sets = \"50%\"\nappends = \"0%\"\n\
               deletes = \"0%\"";
    assert_eq!(run_as("kv", all).digest, run_as("kv", "").digest, "what is written out is the default");
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
        let scenario = read(workload).unwrap_or_else(|error| panic!("{error}"));
        let (system, scenario) = (Simulated::<Raft>::new(), Arc::new(scenario));
        let engine = system.open(scenario.clone()).expect("the kernel runs every scenario");
        let options = CampaignOptions {
            seeds: Some(Seeds::Range(0..2)),
            max_fail: None,
            check_determinism: Ppm::NEVER,
            pool: Pool { jobs: 1, timeout: None, interrupt: Interrupt::default() },
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
    refuse("until = \"2 s\"", "workload.until: ");
}

//! What runs of Raft notice: datagrams in one preset, connections in the other, and in no preset a wall clock.

use std::sync::Arc;

use splitbrain_kernel::rng::Seed;
use splitbrain_systems::raft::Raft;

use crate::engine::{AnySystem as _, Run, Simulated};
use crate::scenario::{SystemDescription, load};

/// A run of this preset with so many clients, which is as this text says.
fn run(preset: &str, clients: u16, more: &str) -> Run {
    let workload = if clients > 0 { "workload = { kind = \"propose\", rate = \"50/s\" }\n" } else { "" };
    let text = format!(
        "# Three servers.\nformat = 1\nsystem = \"raft\"\ncluster = {{ servers = 3, clients = {clients} }}\n\
         raft = {{ preset = \"{preset}\" }}\n{workload}run = {{ duration = \"2s\", seeds = 1 }}\n{more}\n"
    );
    let scenario = load("noticed.toml", text.as_bytes(), &[SystemDescription::of::<Raft>()]);
    let scenario = scenario.unwrap_or_else(|error| panic!("{error}"));
    let engine = Simulated::<Raft>::new().open(Arc::new(scenario)).expect("the kernel runs every scenario");
    engine.worker().run(Seed(1).into(), None)
}

/// Each key, and whether it was noticed.
fn keys(run: &Run) -> Vec<(&str, bool)> {
    run.noticed.iter().map(|(key, noticed)| (key.as_ref(), *noticed)).collect()
}

#[test]
fn chances_of_datagrams_are_noticed_where_there_are_datagrams() {
    let lossy = "[network]\nloss = \"50%\"\nduplication = \"0%\"\nreordering = \"50%\"\nconnection_timeout = \"2s\"";
    let said = |noticed: [bool; 3]| {
        ["network.loss", "network.reordering", "network.connection_timeout"]
            .into_iter()
            .zip(noticed)
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&run("nuraft", 0, lossy)), said([false, false, true]));
    assert_eq!(keys(&run("nuraft", 1, lossy)), said([true, true, true]), "clients send datagrams");
    assert_eq!(keys(&run("paper", 1, lossy)), said([true, true, false]));
    let quiet = "[network]\nloss = \"0%\"\nconnection_timeout = \"1s\"";
    assert_eq!(keys(&run("paper", 1, quiet)), [], "what is as by default says nothing");
    let lossless = "[network]\nconnection_timeout = \"2s\"";
    assert_eq!(run("nuraft", 0, lossy).digest, run("nuraft", 0, lossless).digest, "and it is true");
}

#[test]
fn conditions_of_links_are_noticed_by_what_goes_over_them() {
    let link = |links: &str| {
        format!("[[network.link]]\nlinks = \"{links}\"\nlatency = \"9ms\"\ncapacity = 3\nloss = \"0%\"\n")
    };
    let both = format!("{}{}", link("s1 <-> s2"), link("c1 -> c2"));
    let said = |first: bool| {
        let keys = ["link[0].latency", "link[0].capacity", "link[1].latency", "link[1].capacity"];
        let keys = keys.map(|key| format!("network.{key}"));
        keys.into_iter().zip([true, first, false, false]).collect::<Vec<_>>()
    };
    for (preset, has_datagrams) in [("paper", true), ("hashicorp", false)] {
        let run = run(preset, 2, &both);
        let keys: Vec<_> = run.noticed.iter().map(|(key, noticed)| (key.to_string(), *noticed)).collect();
        assert_eq!(keys, said(has_datagrams), "{preset}");
    }
}

#[test]
fn wall_clocks_are_noticed_by_those_who_read_them() {
    let ahead = "[clocks]\noffset = \"1s\"\nskew_bound = \"2s\"\norigin = { wall = \"2038-01-19T03:14:00Z\" }\n\
                 [clocks.nodes.s3]\noffset = \"-1s\"";
    let unread = ["clocks.skew_bound", "clocks.nodes.s3.offset", "clocks.offset", "clocks.origin.wall"];
    assert_eq!(keys(&run("etcd", 1, ahead)), unread.map(|key| (key, false)));
    let drifts = "[[nemesis]]\nkinds = [\"clock_drift\"]\nevery = \"1s\"\nfor = \"1s\"";
    let drifting = format!("{ahead}\n{drifts}");
    assert_eq!(keys(&run("etcd", 1, &drifting)), [], "the nemesis goes by the bound");
}

#[test]
fn loss_in_connections_and_steps_of_clocks_that_nobody_reads_were_never_applied() {
    let lossy = |preset| run(preset, 0, "[[nemesis]]\nid = \"n\"\nkinds = [\"loss\"]\nevery = \"9ms\"\nfor = \"1s\"");
    assert_eq!(lossy("nuraft").never_applied, ["n"]);
    assert_eq!(lossy("paper").never_applied, Vec::<String>::new());
    let steps = "[[nemesis]]\nid = \"n\"\nkinds = [\"clock_step\"]\nevery = \"90ms\"\nfor = \"90ms\"";
    assert_eq!(run("paper", 1, steps).never_applied, ["n"]);
}

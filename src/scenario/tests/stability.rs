//! An edit moves no other draw: a client, a server, a nemesis or an option more or less leaves every
//! other choice, clock and operation as it was.

use splitbrain_kernel::rng::Seed;
use splitbrain_toy::Toy;

use crate::scenario::Resolved;
use crate::scenario::resolve;

use super::{EVERYTHING, good, operations};

const SEEDS: std::ops::Range<u64> = 0..25;

fn resolved(text: &str, seed: u64) -> Resolved<Toy> {
    resolve::<Toy>(&good(text), Seed(seed)).expect("it stands")
}

/// For every seed: whatever both files draw, they draw the same.
fn check_stable(edited: &str) {
    assert_ne!(edited, EVERYTHING, "the edit changes something");
    for seed in SEEDS {
        let (before, after) = (resolved(EVERYTHING, seed), resolved(edited, seed));
        for one in &before.chosen {
            let same_key = after.chosen.iter().find(|other| other.key == one.key);
            assert!(same_key.is_none_or(|other| other == one), "{} moved", one.key);
        }
        for (node, clock) in &before.options.clocks {
            let other = after.options.clocks.get(node);
            assert!(other.is_none_or(|other| other == clock), "the clock of {node} moved");
        }
        let clients = |run: &Resolved<Toy>| run.options.cluster.client_count();
        for client in 1..=clients(&before).min(clients(&after)) {
            let of = |run: &Resolved<Toy>| -> Vec<_> {
                let operations = operations(run).into_iter();
                let own = operations.filter(|one| one.1.is_client() && one.1.number() == client);
                own.map(|one| (one.0, one.2)).collect()
            };
            assert_eq!(of(&before), of(&after), "the operations of c{client} moved");
        }
    }
}

#[test]
fn a_client_more_moves_nothing() {
    check_stable(&EVERYTHING.replace("clients = 3", "clients = 4"));
}

#[test]
fn a_server_more_moves_nothing() {
    check_stable(&EVERYTHING.replace("servers = 5", "servers = 6"));
}

#[test]
fn a_nemesis_more_moves_nothing() {
    let nemesis = "[[nemesis]]\nid = \"more\"\nevery = \"1s\"\nfor = \"1s\"\n\n[run]";
    check_stable(&EVERYTHING.replace("[run]", nemesis));
}

#[test]
fn an_option_more_or_less_moves_nothing() {
    check_stable(&EVERYTHING.replace("pre_vote = { choose = [true, false] }\n", ""));
    check_stable(&EVERYTHING.replace("[toy.servers.s7]", "[toy.servers.s7]\npriority = \"1..50\""));
    check_stable(&EVERYTHING.replace("duplication = { choose = [\"0%\", \"1%\"] }\n", ""));
}

#[test]
fn the_order_of_keys_moves_nothing() {
    let swapped = EVERYTHING
        .replace("timeout = \"150ms..300ms\"\npriority = \"1..9\"", "priority = \"1..9\"\ntimeout = \"150ms..300ms\"");
    check_stable(&swapped);
}

#[test]
fn a_node_set_apart_moves_no_other_clock() {
    check_stable(
        &EVERYTHING.replace("[clocks.nodes.c1]", "[clocks.nodes.c9]").replace("c9]", "c3]\n[clocks.nodes.c1]"),
    );
}

#[test]
fn another_rate_moves_times_but_no_contents() {
    let faster = EVERYTHING.replace("10/s each", "20/s each");
    let (before, after) = (resolved(EVERYTHING, 3), resolved(&faster, 3));
    let of = |run: &Resolved<Toy>| -> Vec<_> {
        let operations = operations(run).into_iter().filter(|one| one.1.number() == 1);
        operations.map(|one| one.2).take(50).collect()
    };
    assert_eq!(of(&before), of(&after));
}

#[test]
fn a_bound_on_seeds_draws_over_the_whole_range() {
    let values: std::collections::BTreeSet<String> = SEEDS
        .map(|seed| resolved(EVERYTHING, seed))
        .filter_map(|run| run.chosen.into_iter().find(|one| one.key == "toy.priority"))
        .map(|one| one.value)
        .collect();
    assert!(values.len() >= 5, "25 draws from 1..9 gave {values:?}");
}

//! The order of what happens at one instant.

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Ties;

use crate::stage::{Stage, ms, s};
use crate::toy::Op;

/// At 6 ms one server hears from four others and has three timers.
fn stage(seed: u64, ties: Ties) -> Stage {
    let timers = (1..=3).map(|name| Op::SetTimer(name, ms(6)));
    let mut stage = Stage::new(5, 0).start(s(1), timers).with(|options| options.ties = ties);
    for server in [4, 2, 5, 3] {
        stage = stage.at(5, s(server), Op::Send(s(1), u64::from(server)));
    }
    stage.seed = Seed(seed);
    stage
}

#[test]
fn in_sequence_what_came_to_be_first_happens_first() {
    let expected = ["6ms timer 1", "6ms timer 2", "6ms timer 3", "6ms 4 from s4", "6ms 2 from s2", "6ms 5 from s5"];
    assert!((0..5).all(|seed| stage(seed, Ties::Sequence).pass().lines(s(1))[..6] == expected));
}

#[test]
fn explored_ties_change_the_order_at_one_instant_and_can_be_had_again() {
    let lines = |seed| stage(seed, Ties::Explore).pass().lines(s(1));
    let orders: std::collections::BTreeSet<_> = (0..30).map(lines).collect();
    assert!(orders.len() > 20, "{} orders", orders.len());
    assert!((0..30).all(|seed| lines(seed) == lines(seed)));
    let mut sorted = stage(0, Ties::Sequence).pass().lines(s(1));
    sorted.sort();
    assert!(orders.into_iter().all(|mut order| {
        order.sort();
        order == sorted
    }));
}

#[test]
fn explored_ties_never_turn_time_around() {
    for seed in 0..20 {
        let mut stage = Stage::new(2, 0).with(|options| options.ties = Ties::Explore);
        stage.seed = Seed(seed);
        for millis in 0..50 {
            stage = stage.at(millis, s(1), Op::Send(s(2), millis));
        }
        assert!(stage.pass().numbers(s(2)).is_sorted());
    }
}

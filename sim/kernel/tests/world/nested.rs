//! Goal: a node inside another lives like one by itself: its messages, timers, disk, deferred work and randomness work
//! in the world. Method: a store with a counter inside, which has a timer, a file and a message of its own beside those
//! of the counter.

use splitbrain_kernel::fault::CrashScope;
use splitbrain_kernel::plan::{Moment, Plan, Timing};
use splitbrain_kernel::prelude::*;
use splitbrain_kernel::run::{Outcome, RunOptions};
use splitbrain_kernel::trace::{TraceItem, Tracer};
use splitbrain_kernel::world::World;
use splitbrain_toy::{CounterSays, StoreSays, Stores};

use crate::stage::{at, crash, ms, options, planned, s};

/// What the first server observes, and the words that it draws.
#[derive(Default)]
struct Listener(Vec<String>, Vec<u64>);

impl<N: Node<Observation = StoreSays>> Tracer<N> for Listener {
    fn is_on(&self) -> bool {
        true
    }

    fn record(&mut self, moment: Moment, item: TraceItem<'_, N>) {
        if let TraceItem::Observed { node, observation } = item
            && node == s(1)
        {
            let text = match observation {
                StoreSays::Counter(CounterSays::Leads) => return,
                StoreSays::Counter(CounterSays::Recovered { count, word }) => {
                    self.1.push(*word);
                    format!("Recovered({count})")
                }
                StoreSays::Counter(says) => format!("{says:?}"),
                own => format!("own {own:?}"),
            };
            self.0.push(format!("{} {text}", Duration::from_nanos(moment.at.as_nanos())));
        }
    }
}

fn play(plan: Plan<(), Never>) -> Listener {
    let cluster = Cluster::plain(2, 0);
    let run = RunOptions { duration: ms(35), invariants: InvariantSet::NONE, replay: Some(plan), ..options(cluster) };
    let right = Options::preset("right").expect("it is listed");
    let stores = Stores::new(Setup::new(cluster, PerServer::same(right), run.bounds)).expect("they stand together");
    let mut world = World::traced(&stores, &run, Seed(1), Listener::default());
    assert_eq!(world.run().outcome, Outcome::Passed);
    world.into_tracer()
}

#[test]
fn a_node_inside_a_node_lives_like_one_by_itself() {
    let Listener(lines, _) = play(Plan::empty());
    // At 20 ms both write, and they share a disk.
    let expected = [
        "0s Recovered(0)",
        "13ms Counted(1)",
        "14ms Heard(1)",
        "21ms own Stock(2)",
        "26ms Counted(2)",
        "27ms Heard(2)",
        "33ms Counted(3)",
        "34ms Heard(3)",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_the_inner_node_saved_is_its_own_after_a_crash() {
    let fault = planned(at(28), Some(at(30)), crash(s(1), CrashScope::Machine));
    let Listener(lines, words) = play(Plan { timing: Timing::Time, faults: vec![fault], ..Plan::empty() });
    assert_eq!(lines[4..], ["26ms Counted(2)", "27ms Heard(2)", "30ms Recovered(2)", "34ms Heard(3)"]);
    assert_eq!(words.len(), 2);
    assert_ne!(words[0], words[1], "a restart does not draw the same again");
}

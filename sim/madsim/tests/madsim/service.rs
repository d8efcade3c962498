//! Async services: what is done to the kernel's world is done to their tasks and sockets.

use std::sync::Arc;
use std::time::Duration as WallTime;

use serde::{Deserialize, Serialize};
use splitbrain::engine::{AnySystem, OpenError, Run};
use splitbrain::kernel::prelude::*;
use splitbrain::scenario::{self, Scenario};
use splitbrain_kernel::run::Outcome;
use splitbrain_madsim::{Instance, Process, Service, ServiceOnMadsim, address, observe};
use tokio::net::UdpSocket;
use tokio::time::sleep;

splitbrain::kernel::names! {
    /// What every process does.
    pub enum Deed {
        /// Tells something every 10 ms, from a task of its own.
        Ticks = "ticks",
        /// Tells something, and returns.
        Returns = "returns",
        /// Panics after 100 ms.
        Panics = "panics",
        /// A task of its own panics after 100 ms.
        TaskPanics = "task_panics",
        /// Servers send a packet to one another every 10 ms and tell what comes.
        Talks = "talks",
        /// Clients do what they are asked.
        Serves = "serves",
        /// Holds something that tells when it is dropped.
        Guards = "guards",
        /// Tells an observation of another service.
        Babbles = "babbles",
    }
}

options! {
    /// What can be set.
    pub struct ChoreOptions {
        /// What every process does.
        pub deed: Deed => ValueKind::Name(Deed::NAMES),
    }
}

impl Options for ChoreOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset { name: "plain", doc: "Ticks.", make: || Self { deed: Deed::Ticks } }]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        Ok(())
    }
}

#[derive(Clone, Debug, Serialize)]
enum ChoreObservation {
    Tick,
    Packet,
}

impl Observation for ChoreObservation {
    const NAMES: &'static [&'static str] = &["tick", "packet"];

    fn face(&self) -> Face {
        let name = if matches!(self, Self::Tick) { "tick" } else { "packet" };
        Face::new(name, Change::None)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ask(u64);

#[derive(Clone, Debug)]
struct Chore {
    deed: Deed,
}

#[derive(Clone, Debug)]
struct Watch;

const fn info(name: &'static str, sight: Sight) -> InvariantInfo {
    InvariantInfo { name, doc: "Nothing.", source: "a test", kind: InvariantKind::Safety, sight }
}

impl Invariants<Instance<Chore>> for Watch {
    const LIST: &'static [InvariantInfo] = &[info("seen", Sight::BlackBox), info("looked_into", Sight::WhiteBox)];

    fn on_step(&mut self, _: impl View<Instance<Chore>>, node: NodeId, findings: &mut Findings) {
        findings.check(0, Some(node), true, String::new);
        findings.check(1, Some(node), false, || "there is no state to look at".to_owned());
    }
}

impl Service for Chore {
    const NAME: &'static str = "chore";
    const DOC: &'static str = "Processes that do one thing.";
    const WORKLOADS: &'static [WorkloadInfo] = &[WorkloadInfo { name: "asks", doc: "Asks.", options: Vec::new }];
    type Options = ChoreOptions;
    type Observation = ChoreObservation;
    type Operation = Ask;
    type Response = u64;
    type Invariants = Watch;

    fn new(setup: Setup<ChoreOptions>) -> Result<Self, OptionsError> {
        Ok(Self { deed: setup.options.base.deed })
    }

    async fn run(self, process: Process<Self>) {
        match self.deed {
            Deed::Ticks => {
                tokio::spawn(async {
                    loop {
                        observe(ChoreObservation::Tick);
                        sleep(WallTime::from_millis(10)).await;
                    }
                });
                std::future::pending().await
            }
            Deed::Returns => observe(ChoreObservation::Tick),
            Deed::Panics => {
                sleep(WallTime::from_millis(100)).await;
                panic!("told to panic");
            }
            Deed::TaskPanics => {
                tokio::spawn(async {
                    sleep(WallTime::from_millis(100)).await;
                    panic!("told to panic in a task");
                });
                std::future::pending().await
            }
            Deed::Talks if process.id().is_server() => talk(process.id()).await,
            Deed::Talks => std::future::pending().await,
            Deed::Serves => loop {
                let Ask(number) = process.operation().await;
                let id = process.invoke(Ask(number));
                sleep(WallTime::from_millis(1)).await;
                process.complete(id, OperationResult::Ok(number));
                process.observe(ChoreObservation::Tick);
            },
            Deed::Guards => {
                let _guard = Guard(process.clone());
                tokio::spawn(async move {
                    let _guard = Guard(process);
                    std::future::pending::<()>().await;
                });
                std::future::pending().await
            }
            Deed::Babbles => observe(crate::toy::ToyObservation::Heard),
        }
    }

    fn invariants(&self) -> Watch {
        Watch
    }

    fn core_size(&self) -> usize {
        1
    }

    fn operation(&self, _: &str, _: bool, rng: &mut Rng) -> Ask {
        Ask(rng.below(10))
    }
}

/// What is told on the way down is told by a process that is gone.
struct Guard(Process<Chore>);

impl Drop for Guard {
    fn drop(&mut self) {
        observe(ChoreObservation::Packet);
        self.0.observe(ChoreObservation::Packet);
    }
}

async fn talk(me: NodeId) {
    let socket = Arc::new(UdpSocket::bind((address(me), 7_000)).await.expect("the port is free"));
    let ears = Arc::clone(&socket);
    tokio::spawn(async move {
        let mut bytes = [0; 8];
        while ears.recv_from(&mut bytes).await.is_ok() {
            observe(ChoreObservation::Packet);
        }
    });
    let neighbour = address(NodeId::server(me.number() % 2 + 1));
    loop {
        // madsim has the two the other way round.
        socket.send_to((neighbour, 7_000), b"word").await.expect("a packet is sent or lost");
        sleep(WallTime::from_millis(10)).await;
    }
}

fn load(deed: &str, rest: &str) -> Arc<Scenario> {
    let text = format!(
        "# A chore.\nformat = 1\nsystem = \"chore\"\n[cluster]\nservers = 2\nclients = 1\n\
         [chore]\ndeed = \"{deed}\"\n{rest}"
    );
    let system = ServiceOnMadsim::<Chore>::new();
    let loaded = scenario::load("chore.toml", text.as_bytes(), &[system.description()]);
    Arc::new(loaded.unwrap_or_else(|error| panic!("{error}")))
}

fn run(deed: &str, rest: &str) -> Run {
    let rest = format!("[network]\nlatency = \"1ms\"\n[run]\nduration = \"1s\"\n{rest}");
    let engine = ServiceOnMadsim::<Chore>::new().open(load(deed, &rest)).unwrap_or_else(|it| panic!("{it}"));
    engine.worker().run(Seed(7).into(), None)
}

fn ticks(rest: &str) -> u64 {
    run("ticks", rest).counts["tick"]
}

#[test]
fn what_is_told_is_told_in_the_name_of_the_process() {
    let all = ticks("");
    // Three processes, one second, 10 ms each and some hundred nanoseconds on top.
    assert!((290..=300).contains(&all), "{all}");
    let again = [run("ticks", "").digest, run("ticks", "").digest];
    assert_eq!(again[0], again[1]);
}

#[test]
fn a_crash_kills_every_task_of_the_process_and_a_restart_begins_anew() {
    let crashed = ticks("[[fault]]\nat = \"500ms\"\ncrash = [\"s1\"]\n");
    assert!((240..=251).contains(&crashed), "{crashed}");
    let restarted = ticks("[[fault]]\nat = \"500ms\"\ncrash = [\"s1\"]\nfor = \"200ms\"\n");
    assert!((270..=281).contains(&restarted), "{restarted}");
}

#[test]
fn a_pause_stops_every_task_of_the_process() {
    let paused = ticks("[[fault]]\nat = \"500ms\"\npause = [\"s1\"]\n");
    assert!((240..=251).contains(&paused), "{paused}");
    let resumed = ticks("[[fault]]\nat = \"500ms\"\npause = [\"s1\"]\nfor = \"200ms\"\n");
    assert!((270..=282).contains(&resumed), "{resumed}");
}

#[test]
fn what_is_dropped_with_its_process_is_not_heard() {
    let told = |faults: &str| {
        let run = run("guards", faults);
        assert_eq!(run.outcome, Outcome::Passed);
        run.counts.get("packet").copied()
    };
    assert_eq!(told("[[fault]]\nat = \"500ms\"\ncrash = [\"s1\"]\nfor = \"300us\"\n"), None);
    assert_eq!(
        told("[[fault]]\nat = \"400ms\"\npause = [\"s1\"]\n[[fault]]\nat = \"500ms\"\ncrash = [\"s1\"]\n"),
        None
    );
}

#[test]
fn a_cut_is_one_way_for_sockets_too() {
    let packets = |fault: &str| run("talks", fault).counts.get("packet").copied().unwrap_or(0);
    let all = packets("");
    assert!(all > 150, "{all}");
    let one_way = packets("[[fault]]\nat = \"0s\"\ncut = [\"s1 -> s2\"]\n");
    assert!(one_way * 2 <= all + 2 && one_way * 2 + 4 >= all, "{one_way} of {all}");
    assert_eq!(packets("[[fault]]\nat = \"0s\"\ncut = [\"s1 <-> s2\"]\n"), 0);
    let healed = packets("[[fault]]\nat = \"0s\"\ncut = [\"s1 <-> s2\"]\nfor = \"500ms\"\n");
    assert!(healed * 2 <= all + 8 && healed > all / 3, "{healed} of {all}");
}

#[test]
fn a_process_that_returns_has_exited() {
    let run = run("returns", "");
    assert_eq!((run.counts["tick"], run.counts["node exited"]), (3, 3));
    assert_eq!(run.outcome, Outcome::Passed);
}

#[test]
fn a_panic_is_an_outcome_also_in_a_task() {
    let Outcome::Panicked(panic) = run("panics", "").outcome else { panic!("it did not panic") };
    assert!(panic.node.is_some() && panic.message.contains("told to panic"), "{panic:?}");
    assert!(panic.at.as_nanos() >= 100_000_000, "{panic:?}");
    let Outcome::Panicked(panic) = run("task_panics", "").outcome else { panic!("it did not panic") };
    assert!(panic.message.contains("told to panic in a task"), "{panic:?}");
    let Outcome::Panicked(panic) = run("babbles", "").outcome else { panic!("it did not panic") };
    assert!(panic.message.contains("the observations of chore are of the type"), "{panic:?}");
}

#[test]
fn a_client_does_what_the_workload_asks() {
    let run = run("serves", "[workload]\nkind = \"asks\"\nrate = \"100/s\"\n");
    assert!((90..=100).contains(&run.counts["tick"]), "{:?}", run.counts);
}

#[test]
fn what_looks_at_node_state_is_skipped_and_never_judged() {
    let run = run("ticks", "");
    assert_eq!(run.outcome, Outcome::Passed);
    let names: Vec<&str> = run.evaluated.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["seen"]);
}

#[test]
fn outside_of_a_run_nobody_is_told() {
    observe(ChoreObservation::Tick);
}

#[test]
fn what_madsim_cannot_do_is_refused_with_its_line() {
    let cases = [
        ("[clocks]\ndrift = \"-50ppm..50ppm\"\n", "clocks"),
        ("[network]\nduplication = \"1%\"\n", "duplication"),
        ("[disk]\nsync = \"5ms\"\n", "[disk]"),
        ("[network]\nconnection_timeout = \"5s\"\n", "[network] connection_timeout"),
        ("[network]\nconnection_timeout = \"4s\"\n", "[network] connection_timeout: madsim's connections never"),
        ("[network]\nreordering_delay = \"20ms\"\n", "[network] reordering_delay"),
        ("[run]\nties = \"explore\"\n", "[run] ties: madsim always draws"),
        ("[run]\nties = \"sequence\"\n", "[run] ties"),
        ("[run]\ninstant_max = 5\n", "[run] instant_max"),
        ("[clocks.nodes.s1]\ndrift = \"0ppm\"\n", "[clocks] nodes"),
        ("[[network.link]]\nlinks = \"s1 -> s2\"\nloss = \"1%\"\n", "[[network.link]]"),
        (
            "[[fault]]\nat = \"1s\"\ncut = [\"s1 -> s2\"]\nin_flight = \"drop\"\n",
            "in_flight: madsim decides at sending",
        ),
        ("[network]\nbandwidth = \"1MB/s\"\n", "bandwidth"),
        ("[[fault]]\nat = \"1s\"\nclock_step = { nodes = [\"s1\"], by = \"1s\" }\n", "clock_step"),
        ("[[fault]]\nat = \"1s\"\nslow = { nodes = [\"s1\"], service_time = \"1ms\" }\n", "slow"),
        (
            "[[nemesis]]\nkinds = [\"one_way\", \"clock_step\"]\non = [\"any server\"]\nevery = \"1s\"\nfor = \"1s\"\n",
            "clock_step",
        ),
    ];
    for (rest, expected) in cases {
        let refused = ServiceOnMadsim::<Chore>::new().open(load("ticks", rest)).err();
        let Some(OpenError::Unsupported(all)) = refused else { panic!("{rest} was taken: {refused:?}") };
        assert!(all.len() == 1 && all[0].message.contains(expected), "{rest}: {all:?}");
        assert!(all[0].line.is_some_and(|line| line > 8), "{rest}: {all:?}");
    }
    let several = format!("{}{}", cases[0].0, cases[6].0);
    let refused = ServiceOnMadsim::<Chore>::new().open(load("ticks", &several)).err();
    assert!(matches!(&refused, Some(OpenError::Unsupported(all)) if all.len() == 2), "{refused:?}");
}

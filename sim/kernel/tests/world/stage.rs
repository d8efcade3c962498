//! Sets up a run of the toy, and records it.

use std::collections::BTreeMap;

use splitbrain_kernel::context::OperationResult;
use splitbrain_kernel::director::spec::{FaultSpec, What};
use splitbrain_kernel::fault::{Clog, Crash, CrashScope, Cut, Fault, InFlight, Keep, Latency, Selectors};
use splitbrain_kernel::id::{Cluster, Link, NodeId};
use splitbrain_kernel::invariant::{FaultChange, InvariantSet};
use splitbrain_kernel::network::DropReason;
use splitbrain_kernel::plan::{Moment, Plan, PlannedFault, PlannedOperation, Timing};
use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::run::{Budget, DiskOptions, NetworkOptions, OptionsOf, Outcome, RunOptions, RunReport, Ties};
use splitbrain_kernel::selector::{Span, Trigger};
use splitbrain_kernel::system::Bounds;
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::trace::{TraceItem, Tracer};
use splitbrain_kernel::world::World;

use crate::toy::{Actor, Heard, Op, Toy};

/// No number.
pub(crate) const NONE: [u64; 0] = [];

pub(crate) const fn s(number: u16) -> NodeId {
    NodeId::server(number)
}

pub(crate) const fn c(number: u16) -> NodeId {
    NodeId::client(number)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn at(millis: u64) -> Instant {
    Instant::ZERO.saturating_add(ms(millis))
}

pub(crate) const fn constant(latency: Duration) -> Latency {
    Latency::Uniform { min: latency, max: latency }
}

/// Options of a quiet world in which everything takes a fixed time.
pub(crate) fn options<O, Q, W>(cluster: Cluster) -> RunOptions<O, Q, W> {
    RunOptions {
        cluster,
        network: NetworkOptions {
            latency: constant(ms(1)),
            loss: Ppm::NEVER,
            duplication: Ppm::NEVER,
            reordering: Ppm::NEVER,
            reordering_delay: ms(5),
            bandwidth: 0,
            connection_timeout: ms(100),
            redial: None,
            links: Vec::new(),
        },
        clocks: BTreeMap::new(),
        disk: DiskOptions { write_min: ms(1), write_max: ms(1), sync_min: ms(2), sync_max: ms(2), capacity: 0 },
        faults: Vec::new(),
        nemeses: Vec::new(),
        workload: None,
        operations: Vec::new(),
        orders: Vec::new(),
        counted: Vec::new(),
        disks: BTreeMap::new(),
        duration: ms(1_000),
        settle: Duration::ZERO,
        budget: Budget::ORDINARY,
        invariants: InvariantSet::All,
        bounds: Bounds { skew: None, drift_ppm: None, latency: ms(1) },
        ties: Ties::Sequence,
        replay: None,
    }
}

/// A run to be: who does what, and what is done to whom, all at stated times.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) toy: Toy,
    pub(crate) options: OptionsOf<Toy>,
    pub(crate) plan: Plan<Op, Op>,
    pub(crate) seed: Seed,
}

impl Stage {
    pub(crate) fn new(servers: u16, clients: u16) -> Self {
        let cluster = Cluster::plain(servers, clients);
        let plan = Plan { timing: Timing::Time, ..Plan::empty() };
        Self { toy: Toy::of(cluster), options: options(cluster), plan, seed: Seed(7) }
    }

    fn moment(&self, at: Instant) -> Moment {
        let order = (self.plan.faults.len() + self.plan.operations.len()) as u64;
        Moment { at, after_events: 0, order }
    }

    pub(crate) fn start(mut self, node: NodeId, ops: impl IntoIterator<Item = Op>) -> Self {
        self.toy.at_start.entry(node).or_default().extend(ops);
        self
    }

    /// The node does this at so many milliseconds, or when it starts.
    pub(crate) fn at(mut self, millis: u64, node: NodeId, operation: Op) -> Self {
        if millis == 0 {
            self.toy.at_zero.entry(node).or_default().push(operation);
        } else {
            let start = self.moment(at(millis));
            self.plan.operations.push(PlannedOperation { start, node, operation, after_completion: false });
        }
        self
    }

    /// This is done to the world from so many milliseconds to so many.
    pub(crate) fn fault(self, from: u64, to: u64, fault: Fault) -> Self {
        self.fault_between(at(from), Some(at(to)), fault)
    }

    /// This is done at so many milliseconds, and never lifted.
    pub(crate) fn fault_from(self, from: u64, fault: Fault) -> Self {
        self.fault_between(at(from), None, fault)
    }

    pub(crate) fn fault_between(mut self, from: Instant, to: Option<Instant>, fault: Fault) -> Self {
        let start = self.moment(from);
        let stop = to.map(|at| Moment { at, ..start });
        let id = format!("{}.{}", fault.kind(), self.plan.faults.len());
        self.plan.faults.push(PlannedFault { id, start, stop, ..planned(from, to, fault) });
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut OptionsOf<Toy>)) -> Self {
        change(&mut self.options);
        self
    }

    fn replay(&self) -> OptionsOf<Toy> {
        RunOptions { replay: Some(self.plan.clone()), ..self.options.clone() }
    }

    /// Plays without recording.
    pub(crate) fn report(&self) -> RunReport<Op, Op> {
        World::new(&self.toy, &self.replay(), self.seed).run()
    }

    pub(crate) fn play(&self) -> Played {
        Played::of(&self.toy, &self.replay(), self.seed)
    }

    /// Plays, and asserts that the run came to its end without a violation.
    pub(crate) fn pass(&self) -> Played {
        let played = self.play();
        assert_eq!(played.report.outcome, Outcome::Passed);
        played
    }
}

/// A run that was recorded.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) report: RunReport<Op, Op>,
    pub(crate) log: Log,
    pub(crate) world: World<Toy, Log>,
}

impl Played {
    pub(crate) fn of(toy: &Toy, options: &OptionsOf<Toy>, seed: Seed) -> Self {
        let mut world = World::traced(toy, options, seed, Log::default());
        let report = world.run();
        Self { report, log: world.tracer().clone(), world }
    }

    /// What a node told after its start, each with its time.
    pub(crate) fn lines(&self, node: NodeId) -> Vec<String> {
        let told =
            self.log.observed.iter().filter(|(_, who, heard)| {
                *who == node && !matches!(heard, Heard::Started(records) if records.is_empty())
            });
        told.map(|(at, _, heard)| format!("{} {heard}", Duration::from_nanos(at.as_nanos()))).collect()
    }

    /// The numbers that a node heard, in order.
    pub(crate) fn numbers(&self, node: NodeId) -> Vec<u64> {
        let heard = self.log.observed.iter().filter(|(_, who, _)| *who == node);
        heard
            .filter_map(|(_, _, heard)| if let Heard::Note(_, number) = heard { Some(*number) } else { None })
            .collect()
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.report.counts.get(name).copied().unwrap_or_default()
    }
}

/// A packet that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) link: Link,
    pub(crate) ordinal: u64,
    pub(crate) over_connection: bool,
    pub(crate) at: Instant,
    pub(crate) arrives: Option<Instant>,
    pub(crate) again: Option<Instant>,
}

/// What was recorded of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) observed: Vec<(Instant, NodeId, Heard)>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) lost: Vec<(Instant, Link, u64, DropReason)>,
    pub(crate) held: Vec<(Instant, Link)>,
    pub(crate) history: Vec<String>,
    pub(crate) faults: Vec<(Instant, String, FaultChange)>,
    pub(crate) core: Vec<NodeId>,
}

impl Tracer<Actor> for Log {
    fn is_on(&self) -> bool {
        true
    }

    fn record(&mut self, moment: Moment, item: TraceItem<'_, Actor>) {
        let now = moment.at;
        match item {
            TraceItem::Observed { node, observation } => self.observed.push((now, node, observation.clone())),
            TraceItem::Sent { link, connection, ordinal, arrives, again, .. } => {
                let over_connection = connection.is_some();
                self.sent.push(Sent { link, ordinal, over_connection, at: now, arrives, again });
            }
            TraceItem::Lost { link, ordinal, why } => self.lost.push((now, link, ordinal, why)),
            TraceItem::Held { link, .. } => self.held.push((now, link)),
            TraceItem::Invoked { node, id, operation } => {
                self.history.push(format!("{node} {} invokes {operation:?}", id.0));
            }
            TraceItem::Completed { node, id, result } => {
                let result = match result {
                    OperationResult::Ok(operation) => format!("{operation:?}"),
                    OperationResult::Failed => "failed".to_owned(),
                    OperationResult::Unknown => "unknown".to_owned(),
                };
                self.history.push(format!("{node} {} ends {result}", id.0));
            }
            TraceItem::Fault { id, change, .. } => self.faults.push((now, id.to_owned(), change)),
            TraceItem::Settled { core } => self.core = core.to_vec(),
            TraceItem::Input { .. } | TraceItem::Wrote { .. } | TraceItem::Exited { .. } | TraceItem::Violated(_) => {}
        }
    }
}

/// The only fault of a plan, which is lifted then if it is at all.
pub(crate) fn planned(from: Instant, to: Option<Instant>, fault: Fault) -> PlannedFault {
    let start = Moment { at: from, after_events: 0, order: 0 };
    let stop = to.map(|at| Moment { at, ..start });
    PlannedFault { id: "fault".to_owned(), start, stop, selector: String::new(), line: 0, fault }
}

/// A cut that also loses what is under way.
pub(crate) fn cut(links: impl IntoIterator<Item = (NodeId, NodeId)>) -> Fault {
    cut_with(links, InFlight::Drop, &[])
}

pub(crate) fn cut_with(
    links: impl IntoIterator<Item = (NodeId, NodeId)>,
    in_flight: InFlight,
    kinds: &[&str],
) -> Fault {
    Fault::Cut(Cut { links: links_of(links), in_flight, kinds: names(kinds) })
}

pub(crate) fn clog(links: impl IntoIterator<Item = (NodeId, NodeId)>, kinds: &[&str]) -> Fault {
    Fault::Clog(Clog { links: links_of(links), kinds: names(kinds) })
}

pub(crate) fn links_of(links: impl IntoIterator<Item = (NodeId, NodeId)>) -> Vec<Link> {
    links.into_iter().map(|(source, target)| Link::new(source, target)).collect()
}

pub(crate) fn names(kinds: &[&str]) -> Vec<String> {
    kinds.iter().map(|kind| (*kind).to_owned()).collect()
}

/// A fault of the scenario, lifted after these milliseconds.
pub(crate) fn fault(id: &str, trigger: Trigger, fault: impl Into<Fault<Selectors>>, millis: u64) -> FaultSpec<Op> {
    FaultSpec {
        id: id.to_owned(),
        line: 0,
        selector: String::new(),
        trigger,
        names: Vec::new(),
        what: What::Fault(fault.into()),
        duration: Some(Span::constant(ms(millis))),
        until: None,
        waits_until: None,
    }
}

pub(crate) fn crash(node: NodeId, scope: CrashScope) -> Fault {
    Fault::Crash(Crash { nodes: vec![node], scope, keep: Keep::Nothing })
}

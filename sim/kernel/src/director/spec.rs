//! Faults and nemeses as a scenario states them, before anyone is chosen.

use crate::fault::{CrashScope, DiskFault, InFlight, Keep, Offset, Weather};
use crate::selector::{Condition, LinkSelector, Selector, Span, Trigger};
use crate::time::{Duration, Instant};

/// A fault of a scenario: when, to whom, what, for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSpec<O> {
    /// Keys the fault's stream; by default its kind and its ordinal among equals.
    pub id: String,
    /// The line of the scenario that states it.
    pub line: u32,
    /// The text of its selectors, for plan and report.
    pub selector: String,
    /// When it starts.
    pub trigger: Trigger,
    /// Roles bound to names, in order; each gets a node that none before it has.
    pub names: Vec<(String, Selector)>,
    /// What is done.
    pub action: Action<O>,
    /// How long it lasts; to the end of the run where there is none.
    pub duration: Option<Span<Duration>>,
    /// Lifts it when this comes, if it still lasts.
    pub until: Option<Condition>,
    /// A selector that matches nothing waits until then; the settle phase where there is none.
    pub waits_until: Option<Instant>,
}

/// What a fault does, with selectors where a concrete fault has nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<O> {
    /// Of the nodes named here, only those who share a group can talk. Nodes that are in no group keep all their links.
    Partition {
        /// The groups; they may overlap.
        groups: Vec<Vec<Selector>>,
        /// Packets under way.
        in_flight: InFlight,
        /// Kinds of message; all where empty.
        kinds: Vec<String>,
    },
    /// Cuts links.
    Cut {
        /// Which.
        links: Vec<LinkSelector>,
        /// Packets under way.
        in_flight: InFlight,
        /// Kinds of message; all where empty.
        kinds: Vec<String>,
    },
    /// Cuts every link to and from these nodes, one another included.
    Isolate(Vec<Selector>),
    /// Two halves that see each other only through one node.
    Bridge(Selector),
    /// Each server sees only the next and the one before, in order of number.
    Ring,
    /// Holds packets.
    Clog {
        /// Which links.
        links: Vec<LinkSelector>,
        /// Kinds of message; all where empty.
        kinds: Vec<String>,
    },
    /// Changes the conditions of links.
    Weather {
        /// Which links.
        links: Vec<LinkSelector>,
        /// What changes.
        conditions: Weather,
        /// Kinds of message; all where empty.
        kinds: Vec<String>,
    },
    /// Ends processes or machines; they restart when the fault is lifted.
    Crash {
        /// Whom.
        nodes: Vec<Selector>,
        /// Process or machine.
        scope: CrashScope,
        /// What is left of unsynced writes.
        keep: Keep,
    },
    /// Starts nodes that are down or absent.
    Start(Vec<Selector>),
    /// Stops scheduling.
    Pause(Vec<Selector>),
    /// Makes each input take a while.
    Slow {
        /// Whom.
        nodes: Vec<Selector>,
        /// How long.
        service_time: Span<Duration>,
    },
    /// Jumps the wall clock.
    ClockStep {
        /// Whom.
        nodes: Vec<Selector>,
        /// By how much, drawn for each node.
        by: Span<Offset>,
    },
    /// Lets clocks run fast or slow.
    ClockDrift {
        /// Whom.
        nodes: Vec<Selector>,
        /// Parts per million, drawn for each node.
        ppm: Span<i32>,
    },
    /// Leads the wall clock to a new offset.
    ClockSlew {
        /// Whom.
        nodes: Vec<Selector>,
        /// By how much, drawn for each node.
        by: Span<Offset>,
        /// Over how long.
        over: Duration,
    },
    /// Stops clocks.
    ClockFreeze(Vec<Selector>),
    /// Makes disks misbehave.
    Disk {
        /// Whose.
        nodes: Vec<Selector>,
        /// How.
        fault: DiskFault,
    },
    /// Hands an order to nodes.
    Operate {
        /// To whom.
        nodes: Vec<Selector>,
        /// Which.
        operation: O,
    },
}

crate::names! {
    /// A kind of random fault.
    pub enum NemesisKind {
        /// One directed link from a chosen node to another is cut.
        OneWay = "one_way",
        /// Both directions between a chosen node and another are cut.
        PairCut = "pair_cut",
        /// A chosen node is cut off from all others.
        Isolate = "isolate",
        /// A chosen node hears nobody, but is heard.
        Deaf = "deaf",
        /// A chosen node is heard by nobody, but hears.
        Mute = "mute",
        /// Two halves that see each other only through a chosen node.
        Bridge = "bridge",
        /// The servers fall into two halves; each client goes with one of them.
        Halves = "halves",
        /// Each server sees only its two neighbours in a random ring.
        Ring = "ring",
        /// Each pair of servers is cut with even odds: a random graph.
        Partial = "partial",
        /// Packets to and from a chosen node are held and then released.
        Clog = "clog",
        /// Links to and from a chosen node lose a fifth of their packets.
        Loss = "loss",
        /// Links to and from a chosen node are slow: up to half a second.
        Delay = "delay",
        /// Links to and from a chosen node deliver a fifth of their packets twice.
        Duplicate = "duplicate",
        /// Links to and from a chosen node let packets overtake one another.
        Reorder = "reorder",
        /// A chosen node's process crashes, and restarts at the end.
        Crash = "crash",
        /// A chosen node's machine crashes, losing a part of what was not synced, and restarts at the end.
        MachineCrash = "machine_crash",
        /// A chosen node is paused.
        Pause = "pause",
        /// A chosen node takes a millisecond for each input.
        Slow = "slow",
        /// A chosen node's wall clock jumps, within the declared bound where there is one.
        ClockStep = "clock_step",
        /// A chosen node's clocks run fast or slow, within the declared bound where there is one.
        ClockDrift = "clock_drift",
        /// A chosen node's clocks stand still.
        ClockFreeze = "clock_freeze",
        /// A chosen node's disk is slow.
        DiskSlow = "disk_slow",
        /// A chosen node's disk is full.
        DiskFull = "disk_full",
        /// A chosen node's disk lies about syncs.
        DiskLies = "disk_lies",
    }
}

/// Random faults of a scenario. Each one that comes to be is a concrete fault in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NemesisSpec {
    /// Keys the nemesis's stream.
    pub id: String,
    /// The line of the scenario that states it.
    pub line: u32,
    /// What it may do.
    pub kinds: Vec<NemesisKind>,
    /// Whom it may choose.
    pub on: Vec<Selector>,
    /// From the end of one fault to the start of the next.
    pub every: Span<Duration>,
    /// How long a fault lasts.
    pub duration: Span<Duration>,
    /// Whether each run switches off a random subset of the kinds.
    pub swarm: bool,
    /// When it begins.
    pub from: Instant,
    /// When it ends; the settle phase where there is none. Faults that last are lifted by their own duration.
    pub until: Option<Instant>,
}

//! The skeleton of `docs/wrapping-a-library.md`: a program that puts a library under splitbrain.
#![expect(clippy::disallowed_types, reason = "main ends the program")]

mod the_library;

// [the page begins here]
use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::*;
use the_library::Library;

fn main() -> std::process::ExitCode {
    splitbrain::Cli::new().system::<Wrapped>().main()
}

/// The system: the words of scenarios.
#[derive(Clone, Debug)]
struct Wrapped(Setup<WrappedOptions>);

options! {
    /// What a scenario sets in `[wrapped]`.
    pub struct WrappedOptions {
        /// How often the library's `tick` is called.
        pub tick: Duration => ValueKind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(10) },
    }
}

impl Options for WrappedOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset { name: "plain", doc: "A tick every 10 ms.", make: || Self { tick: Duration::from_millis(10) } }]
    }
}

impl System for Wrapped {
    const NAME: &'static str = "wrapped";
    const DOC: &'static str = "The library as it is.";
    const KINDS: &'static [Kind] = &[Kind::SERVER];
    const ROLES: &'static [Role] = &[Role::plain("leader"), Role::plain("follower")];
    const GAUGES: &'static [Gauge] =
        &[Gauge { name: "leader_changes", doc: "Times that a member took another one for its leader than before." }];
    type Options = WrappedOptions;
    type Node = Process;
    type Invariants = Sound;
    type Workload = Idle;

    fn new(setup: Setup<WrappedOptions>) -> Result<Self, OptionsError> {
        Ok(Self(setup))
    }

    fn node(&self, id: NodeId, _: Recovered<()>) -> Process {
        let members = self.0.cluster.count(self.0.members) + self.0.cluster.spare_count(self.0.members);
        Process { library: Library::new(id.number(), members), tick: self.0.options.get(id).tick, leader: 0 }
    }

    fn invariants(&self) -> Sound {
        Sound { leader_changes: 0 }
    }

    fn core(&self, _: impl View<Process>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.to_vec()
    }

    fn gauges(invariants: &Sound) -> Vec<u64> {
        vec![invariants.leader_changes]
    }
}

/// The node: inputs go into the library, and what it wants comes out of it.
#[derive(Debug)]
struct Process {
    library: Library,
    tick: Duration,
    /// The leader that was observed last.
    leader: u16,
}

impl Node for Process {
    type Message = Packet;
    type Timer = Tick;
    type Record = ();
    type Observation = Observed;
    type Operation = Never;
    type Response = Never;
    type Order = Never;
    type Step = ();

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        let phase = ctx.rng().duration(Duration::from_nanos(1), self.tick);
        ctx.set_timer(Tick, phase);
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, _: Source, Packet(bytes): Packet) {
        self.library.step(&bytes);
        self.drive(ctx);
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, Tick: Tick) {
        self.library.tick();
        ctx.set_timer(Tick, self.tick);
        self.drive(ctx);
    }
}

impl Process {
    /// Observes what is new, and then sends what the library has to say.
    fn drive(&mut self, ctx: &mut Context<Self>) {
        let leader = self.library.leader();
        if std::mem::replace(&mut self.leader, leader) != leader {
            let leads = NodeId::server(leader) == ctx.id();
            ctx.observe(if leads { Observed::Leads } else { Observed::Follows { leader } });
        }
        for (target, bytes) in self.library.take_outgoing() {
            ctx.send(NodeId::server(target), Packet(bytes));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Tick;

/// What the library sends, as it encodes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Packet(Vec<u8>);

impl Message for Packet {
    const KINDS: &'static [&'static str] = &["packet"];

    fn kind(&self) -> usize {
        0
    }

    fn wire_size(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
}

#[derive(Clone, Debug, Serialize)]
enum Observed {
    Leads,
    Follows { leader: u16 },
}

impl Observation for Observed {
    const NAMES: &'static [&'static str] = &["leads", "follows"];

    fn face(&self) -> Face {
        match self {
            Self::Leads => Face::new("leads", Change::Role { role: "leader", rank: 0 }),
            Self::Follows { .. } => Face::new("follows", Change::Role { role: "follower", rank: 0 }),
        }
    }
}

// What must hold: a line for each invariant, with the constant that findings take.
invariant_list! {
    FOLLOWS_A_MEMBER = InvariantInfo {
        name: "follows_a_member",
        doc: "Whoever is followed is a member.",
        source: "the library's documentation",
        kind: InvariantKind::Safety,
        sight: Sight::BlackBox,
    },
}

/// The invariants, with all that they have seen.
#[derive(Clone, Debug)]
struct Sound {
    leader_changes: u64,
}

impl Invariants<Process> for Sound {
    const LIST: &'static [InvariantInfo] = LIST;

    fn on_effect(
        &mut self,
        view: impl View<Process>,
        node: NodeId,
        effect: EffectRef<'_, Process>,
        findings: &mut Findings,
    ) {
        let EffectRef::Observe(observed) = effect else { return };
        self.leader_changes += 1;
        if let Observed::Follows { leader } = observed {
            let is_member = view.cluster().contains(NodeId::server(*leader));
            findings.check(index::FOLLOWS_A_MEMBER, Some(node), is_member, || format!("{node} follows s{leader}"));
        }
    }
}
// [the page ends here]

#[cfg(test)]
mod tests {
    use splitbrain::kernel::host::Host;

    use super::*;

    /// One node alone, without a world: the test is every peer.
    #[test]
    fn a_node_follows_the_first_that_it_hears_of() {
        let cluster = Cluster::new(Wrapped::KINDS).with(KindId::SERVER, 3);
        let options = PerServer::same((WrappedOptions::presets()[0].make)());
        let bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(1) };
        let system = Wrapped::new(Setup::new(cluster, options, bounds)).expect("the options stand together");
        let mut host = Host::of(&system, NodeId::server(2), Seed(1));
        host.start();
        host.advance(Duration::from_millis(10));
        assert_eq!(host.take_sent().len(), 2, "it tells both others");
        host.message(NodeId::server(1), Packet(vec![1, 0]));
        let names: Vec<&str> = host.take_observed().iter().map(|observed| observed.face().name).collect();
        assert_eq!(names, ["leads", "follows"]);
    }
}

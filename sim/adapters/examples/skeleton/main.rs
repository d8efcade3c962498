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
    type Options = WrappedOptions;
    type Node = Process;
    type Invariants = Sound;
    type Workload = Idle;

    fn new(setup: Setup<WrappedOptions>) -> Result<Self, OptionsError> {
        Ok(Self(setup))
    }

    fn node(&self, id: NodeId, _: Recovered<()>) -> Process {
        let members = self.0.cluster.count(self.0.members);
        Process { library: Library::new(id.number(), members), tick: self.0.options.get(id).tick, leader: 0 }
    }

    fn invariants(&self) -> Sound {
        Sound
    }

    fn core(&self, _: impl View<Process>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.to_vec()
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
            ctx.observe(Observed::Follows { leader });
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
    Follows { leader: u16 },
}

impl Observation for Observed {
    const NAMES: &'static [&'static str] = &["follows"];

    fn face(&self) -> Face {
        Face::new("follows", Change::None)
    }
}

/// What must hold.
#[derive(Clone, Debug)]
struct Sound;

impl Invariants<Process> for Sound {
    const LIST: &'static [InvariantInfo] = &[InvariantInfo {
        name: "follows_a_member",
        doc: "Whoever is followed is a member.",
        source: "the library's documentation",
        kind: InvariantKind::Safety,
        sight: Sight::BlackBox,
    }];

    fn on_effect(
        &mut self,
        view: impl View<Process>,
        node: NodeId,
        effect: EffectRef<'_, Process>,
        findings: &mut Findings,
    ) {
        if let EffectRef::Observe(Observed::Follows { leader }) = effect {
            let is_member = view.cluster().contains(NodeId::server(*leader));
            findings.check(0, Some(node), is_member, || format!("{node} follows s{leader}"));
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
        let mut host = Host::new(NodeId::server(2), Seed(1), |_: Recovered<()>| Process {
            library: Library::new(2, 3),
            tick: Duration::from_millis(10),
            leader: 0,
        });
        host.start();
        host.advance(Duration::from_millis(10));
        assert_eq!(host.take_sent().len(), 2, "it tells both others");
        host.message(NodeId::server(1), Packet(vec![1, 0]));
        let follows = |Observed::Follows { leader }| leader;
        assert_eq!(host.take_observed().into_iter().map(follows).collect::<Vec<_>>(), [2, 1]);
    }
}

//! The service as splitbrain sees it: what a scenario can set, how a process runs, what it observes, what must hold.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::*;
use splitbrain_madsim::{Instance, Process, Service, address};

use crate::client::Client;
use crate::server::{self, PORT};

splitbrain::kernel::names! {
    /// What the first number of a process is.
    pub enum Numbering {
        /// Zero: the bug.
        FromZero = "from_zero",
        /// The time.
        FromClock = "from_clock",
    }
}

options! {
    /// What a scenario can set in `[tickets]`.
    pub struct TicketOptions {
        /// What the first number of a process is.
        pub numbering: Numbering => ValueKind::Name(Numbering::NAMES),
    }
}

impl Options for TicketOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset {
            name: "as_written",
            doc: "Each process counts from zero.",
            make: || Self { numbering: Numbering::FromZero },
        }]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        Ok(())
    }
}

/// What processes observe. The names can be expected and counted in scenarios.
#[derive(Clone, Debug, Serialize)]
pub enum TicketObservation {
    Got { ticket: u64 },
    GotNone,
    HandedOut { ticket: u64 },
}

impl Observation for TicketObservation {
    const NAMES: &'static [&'static str] = &["ticket got", "no answer", "ticket handed out"];

    fn face(&self) -> Face {
        let name = match self {
            Self::Got { .. } => "ticket got",
            Self::GotNone => "no answer",
            Self::HandedOut { .. } => "ticket handed out",
        };
        Face::new(name, Change::None)
    }
}

/// What a client is asked for: a ticket. With braces, as TOML, which plans are written in, has no unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Next {}

/// The service: one server, any number of clients.
#[derive(Clone, Debug)]
pub struct Tickets {
    numbering: Numbering,
}

impl Service for Tickets {
    const NAME: &'static str = "tickets";
    const DOC: &'static str = "A server that hands out numbers.";
    const WORKLOADS: &'static [WorkloadInfo] =
        &[WorkloadInfo { name: "queue", doc: "Clients ask for tickets.", options: Vec::new }];
    type Options = TicketOptions;
    type Observation = TicketObservation;
    type Operation = Next;
    type Response = u64;
    type Invariants = Unique;

    fn new(setup: Setup<TicketOptions>) -> Result<Self, OptionsError> {
        Ok(Self { numbering: setup.options.base.numbering })
    }

    async fn run(self, process: Process<Self>) {
        if process.id().is_server() {
            let numbering = match self.numbering {
                Numbering::FromZero => server::Numbering::FromZero,
                Numbering::FromClock => server::Numbering::FromClock,
            };
            server::serve(at(process.id()), numbering).await.expect("its port is free");
        } else {
            queue(&process).await;
        }
    }

    fn invariants(&self) -> Unique {
        Unique::default()
    }

    fn core_size(&self) -> usize {
        1
    }

    fn operation(&self, _: &str, _: bool, _: &mut Rng) -> Next {
        Next {}
    }
}

fn at(node: NodeId) -> SocketAddr {
    (address(node), PORT).into()
}

/// The life of a client: it asks when the workload says so, and observes what it got.
async fn queue(process: &Process<Tickets>) {
    let mut client = Client::new(at(NodeId::server(1)));
    loop {
        let next = process.operation().await;
        let id = process.invoke(next);
        match client.ticket().await {
            Some(ticket) => {
                process.complete(id, OperationResult::Ok(ticket));
                process.observe(TicketObservation::Got { ticket });
            }
            None => {
                // The server may have handed one out.
                process.complete(id, OperationResult::Unknown);
                process.observe(TicketObservation::GotNone);
            }
        }
    }
}

/// Who has got which ticket. It is never forgotten: an answer that was under way when its server crashed may come at
/// any time after, and counts like any other.
#[derive(Clone, Debug, Default)]
pub struct Unique {
    got: BTreeMap<u64, NodeId>,
}

impl Invariants<Instance<Tickets>> for Unique {
    const LIST: &'static [InvariantInfo] = &[InvariantInfo {
        name: "no_ticket_twice",
        doc: "No two clients, and no client twice, get the same ticket.",
        source: "what a ticket is for",
        kind: InvariantKind::Safety,
        sight: Sight::BlackBox,
    }];

    fn on_effect(
        &mut self,
        _: impl View<Instance<Tickets>>,
        node: NodeId,
        effect: EffectRef<'_, Instance<Tickets>>,
        findings: &mut Findings,
    ) {
        let EffectRef::Observe(TicketObservation::Got { ticket }) = effect else { return };
        let before = self.got.insert(*ticket, node);
        findings.check(0, Some(node), before.is_none(), || {
            let before = before.map_or_else(String::new, |before| before.to_string());
            format!("{node} gets ticket {ticket}, which {before} has got before")
        });
    }
}

//! mini-redis as splitbrain sees it: how a process starts, what the clients observe, what must hold.
//!
//! The server is observed from outside, by its clients. What a metrics endpoint or a wrapper of a state machine says
//! would be observed in the same way (docs/madsim.md, "Foreign crates").

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::*;
use splitbrain::kernel::workload::options_of;
use splitbrain_madsim::{Instance, Process, Service, ServiceLoadOptions, address};
use tokio::net::TcpListener;

use crate::client::{Patience, User};

const PORT: u16 = 6_379;

options! {
    /// What a scenario can set in `[mini_redis]`.
    pub struct RedisOptions {
        /// Whether a client gives up a request that is not answered in time. Otherwise it waits.
        pub gives_up: bool => ValueKind::Bool,
        /// How long a client waits that gives up.
        pub patience: Duration =>
            ValueKind::Duration { min: Duration::from_millis(10), max: Duration::from_secs(60) },
    }
}

impl Options for RedisOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset {
            name: "impatient",
            doc: "Clients give up after half a second.",
            make: || Self { gives_up: true, patience: Duration::from_millis(500) },
        }]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        Ok(())
    }
}

/// What the clients observe.
#[derive(Clone, Debug, Serialize)]
pub enum RedisObservation {
    /// Something is asked. What is answered later is answered by the server that lives now, or by none.
    Asks,
    Wrote {
        value: u64,
    },
    Read {
        value: u64,
    },
    /// No answer: a write may or may not be carried out, at any time.
    GaveUp,
}

impl Observation for RedisObservation {
    const NAMES: &'static [&'static str] = &["asks", "value written", "value read", "gave up"];

    fn face(&self) -> Face {
        let name = match self {
            Self::Asks => "asks",
            Self::Wrote { .. } => "value written",
            Self::Read { .. } => "value read",
            Self::GaveUp => "gave up",
        };
        Face::new(name, Change::None)
    }
}

/// What a client is asked to do with its own key: count it up, or read it. The answer is the value.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Operation {
    Write,
    Read,
}

/// One server, any number of clients.
#[derive(Clone, Debug)]
pub struct MiniRedis {
    patience: Patience,
}

impl Service for MiniRedis {
    const NAME: &'static str = "mini_redis";
    const DOC: &'static str = "mini-redis 0.4.1, a server and its clients.";
    const WORKLOADS: &'static [WorkloadInfo] = &[WorkloadInfo {
        name: "counters",
        doc: "Each client counts up its own key, and reads it.",
        options: options_of::<ServiceLoadOptions>,
    }];
    type Options = RedisOptions;
    type Observation = RedisObservation;
    type Operation = Operation;
    type Response = u64;
    type Invariants = NoOlderValue;

    fn new(setup: Setup<RedisOptions>) -> Result<Self, OptionsError> {
        if setup.cluster.count(KindId::SERVER) != 1 {
            return Err(OptionsError::new("servers", "expected 1: mini-redis replicates nothing"));
        }
        let RedisOptions { gives_up, patience } = setup.options.base;
        let after = std::time::Duration::from_nanos(patience.as_nanos());
        Ok(Self { patience: if gives_up { Patience::GivesUp(after) } else { Patience::Waits } })
    }

    async fn run(self, process: Process<Self>) {
        if process.id().is_server() {
            let listener = TcpListener::bind(at(process.id())).await.expect("its port is free");
            mini_redis::server::run(listener, std::future::pending::<()>()).await.expect("it never shuts down");
        } else {
            count_up(&process, User::new(at(NodeId::server(1)), self.patience)).await;
        }
    }

    fn invariants(&self) -> NoOlderValue {
        NoOlderValue::default()
    }

    fn core_size(&self) -> usize {
        1
    }

    fn operation(&self, _: &str, reads: bool, _: &mut Rng) -> Operation {
        if reads { Operation::Read } else { Operation::Write }
    }
}

fn at(node: NodeId) -> SocketAddr {
    (address(node), PORT).into()
}

/// The life of a client: it writes 1, 2, 3, … to its own key, and reads it, as the workload asks.
async fn count_up(process: &Process<MiniRedis>, mut user: User) {
    let key = process.id().to_string();
    let mut last = 0;
    loop {
        let operation = process.operation().await;
        let id = process.invoke(operation);
        process.observe(RedisObservation::Asks);
        let observation = match operation {
            Operation::Write => {
                last += 1;
                user.write(&key, last).await.map(|()| RedisObservation::Wrote { value: last })
            }
            Operation::Read => user.read(&key).await.map(|value| RedisObservation::Read { value }),
        };
        let observation = observation.unwrap_or(RedisObservation::GaveUp);
        process.complete(
            id,
            match observation {
                RedisObservation::Wrote { value } | RedisObservation::Read { value } => OperationResult::Ok(value),
                RedisObservation::Asks | RedisObservation::GaveUp => OperationResult::Unknown,
            },
        );
        process.observe(observation);
    }
}

/// What each client was given last, and by which life of the server.
///
/// The server keeps nothing on a disk, so its next life owes nothing. An answer of the life before may still be under
/// way when it ends, and arrive afterwards: it counts for the life in which its question was asked.
#[derive(Clone, Debug, Default)]
pub struct NoOlderValue {
    life: u64,
    clients: BTreeMap<NodeId, Given>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Given {
    /// In which life the last question was asked.
    asked: u64,
    /// The newest value, and the life that gave it.
    value: u64,
    life: u64,
}

impl Invariants<Instance<MiniRedis>> for NoOlderValue {
    const LIST: &'static [InvariantInfo] = &[InvariantInfo {
        name: "no_older_value",
        doc: "A client never reads an older value than one that it was given, by a read or as written.",
        source: "Terry et al., Session guarantees for weakly consistent replicated data (PDIS 1994), sections 3.1, 3.2",
        kind: InvariantKind::Safety,
        sight: Sight::BlackBox,
    }];

    fn on_effect(
        &mut self,
        _: impl View<Instance<MiniRedis>>,
        node: NodeId,
        effect: EffectRef<'_, Instance<MiniRedis>>,
        findings: &mut Findings,
    ) {
        let EffectRef::Observe(observation) = effect else { return };
        let client = self.clients.entry(node).or_default();
        match observation {
            RedisObservation::Asks => client.asked = self.life,
            RedisObservation::Wrote { value } => client.give(*value),
            RedisObservation::Read { value } => {
                let owed = if client.life == client.asked { client.value } else { 0 };
                findings.check(0, Some(node), *value >= owed, || {
                    format!("{node} reads {value}; it was given {owed} before, by the same life of the server")
                });
                client.give(*value);
            }
            RedisObservation::GaveUp => {}
        }
    }

    fn on_down(&mut self, _: impl View<Instance<MiniRedis>>, node: NodeId, _: &mut Findings) {
        if node.is_server() {
            self.life += 1;
        } else {
            // A client that starts anew remembers nothing, and counts from 1 again.
            self.clients.remove(&node);
        }
    }
}

impl Given {
    fn give(&mut self, value: u64) {
        let before = if self.life == self.asked { self.value } else { 0 };
        (self.value, self.life) = (value.max(before), self.asked);
    }
}

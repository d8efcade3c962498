//! The store as splitbrain sees it: how a process starts, what it observes, what must hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::*;
use splitbrain::kernel::workload::options_of;
use splitbrain_madsim::{Instance, Process, Service, ServiceLoadOptions, address};

use crate::client::{Answer, Client};
use crate::store::{self, Config};

options! {
    /// What can be set in `[kv]`.
    pub struct KvOptions {
        /// How long a backup waits for a beat before it takes over.
        pub patience: Duration =>
            ValueKind::Duration { min: Duration::from_millis(200), max: Duration::from_secs(60) },
        /// How long a primary serves without a word from its backup.
        pub lease: Duration =>
            ValueKind::Duration { min: Duration::from_millis(100), max: Duration::from_secs(60) },
        /// Whether the lease runs from when the beat was sent that the backup answers. Else any word renews it.
        pub lease_by_echo: bool => ValueKind::Bool,
    }
}

impl Options for KvOptions {
    fn presets() -> &'static [Preset<Self>] {
        const AS_WRITTEN: Preset<KvOptions> = Preset {
            name: "as_written",
            doc: "As it was first written: any word from the backup renews the lease.",
            make: || KvOptions {
                patience: Duration::from_millis(500),
                lease: Duration::from_millis(300),
                lease_by_echo: false,
            },
        };
        const MENDED: Preset<KvOptions> = Preset {
            name: "mended",
            doc: "The lease runs from when the beat was sent that the backup answers.",
            make: || KvOptions { lease_by_echo: true, ..(AS_WRITTEN.make)() },
        };
        &[AS_WRITTEN, MENDED]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        if self.lease < self.patience {
            return Ok(());
        }
        Err(OptionsError::new("lease", format!("{} is not shorter than the patience, {}", self.lease, self.patience)))
    }
}

/// What the servers observe, and the clients.
#[derive(Clone, Debug, Serialize)]
pub(crate) enum StoreObservation {
    Follows,
    Serves { epoch: u64 },
    Retires { epoch: u64 },
    Wrote { value: u64 },
    Read { value: u64 },
}

impl Observation for StoreObservation {
    const NAMES: &'static [&'static str] =
        &["server follows", "primary serves", "primary retires", "value written", "value read"];

    fn face(&self) -> Face {
        let (name, change) = match self {
            Self::Follows => ("server follows", Change::Role { role: "backup", rank: 0 }),
            Self::Serves { epoch } => ("primary serves", Change::Role { role: "primary", rank: *epoch }),
            Self::Retires { epoch } => ("primary retires", Change::Role { role: "backup", rank: *epoch }),
            Self::Wrote { .. } => ("value written", Change::None),
            Self::Read { .. } => ("value read", Change::None),
        };
        Face::new(name, change)
    }
}

/// What a client is asked to do, with its own key. The answer is the value that it wrote or found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Operation {
    Put(u64),
    Get(u64),
}

/// The service: two servers, any number of clients.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    options: KvOptions,
}

impl Service for Store {
    const NAME: &'static str = "kv";
    const DOC: &'static str = "A key-value store with a primary and a backup, over TCP.";
    const ROLES: &'static [Role] = &[Role::ranked("primary"), Role::plain("backup")];
    const WORKLOADS: &'static [WorkloadInfo] = &[WorkloadInfo {
        name: "counters",
        doc: "Each client counts up its own key, and reads it.",
        options: options_of::<ServiceLoadOptions>,
    }];
    type Options = KvOptions;
    type Observation = StoreObservation;
    type Operation = Operation;
    type Response = u64;
    type Invariants = Watch;

    fn new(setup: Setup<KvOptions>) -> Result<Self, OptionsError> {
        if setup.cluster.count(KindId::SERVER) != 2 {
            return Err(OptionsError::new("servers", "expected 2: a primary and a backup"));
        }
        Ok(Self { options: setup.options.base })
    }

    async fn run(self, process: Process<Self>) {
        if process.id().is_server() {
            store::serve(self.config(process.id())).await.expect("its ports are free");
        } else {
            count_up(&process).await;
        }
    }

    fn invariants(&self) -> Watch {
        Watch::default()
    }

    fn core_size(&self) -> usize {
        2
    }

    fn operation(&self, _: &str, reads: bool, _: &mut Rng) -> Operation {
        if reads { Operation::Get(0) } else { Operation::Put(0) }
    }
}

impl Store {
    fn config(&self, me: NodeId) -> Config {
        let is_first = me == NodeId::server(1);
        let peer = NodeId::server(if is_first { 2 } else { 1 });
        Config {
            me: address(me),
            peer: address(peer),
            is_first,
            patience: wall(self.options.patience),
            lease: wall(self.options.lease),
            lease_by_echo: self.options.lease_by_echo,
        }
    }
}

const fn wall(duration: Duration) -> std::time::Duration {
    std::time::Duration::from_nanos(duration.as_nanos())
}

/// A client: it writes 1, 2, 3, … to its own key, and reads it, as the workload asks.
async fn count_up(process: &Process<Store>) {
    let mut client = Client::new(vec![address(NodeId::server(1)), address(NodeId::server(2))]);
    let key = process.id().to_string();
    let mut last = 0;
    loop {
        let operation = process.operation().await;
        let id = process.invoke(operation.clone());
        let result = match operation {
            Operation::Put(_) => {
                last += 1;
                match client.ask(&format!("put {key} {last}")).await {
                    Answer::Done(_) => {
                        process.observe(StoreObservation::Wrote { value: last });
                        OperationResult::Ok(last)
                    }
                    Answer::Refused => OperationResult::Failed,
                    Answer::Unknown => OperationResult::Unknown,
                }
            }
            Operation::Get(_) => match client.ask(&format!("get {key}")).await {
                Answer::Done(value) => {
                    process.observe(StoreObservation::Read { value });
                    OperationResult::Ok(value)
                }
                Answer::Refused | Answer::Unknown => OperationResult::Failed,
            },
        };
        process.complete(id, result);
    }
}

/// One server serves at a time, and a client reads what it has written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    serving: Option<(NodeId, Instant)>,
    written: BTreeMap<NodeId, u64>,
}

const ONE_PRIMARY: usize = 0;
const READ_YOUR_WRITES: usize = 1;

impl Invariants<Instance<Store>> for Watch {
    const LIST: &'static [InvariantInfo] = &[
        InvariantInfo {
            name: "one_primary",
            doc: "At most one server serves at any moment of true time.",
            source: "Gray and Cheriton, Leases (SOSP 1989), section 2",
            kind: InvariantKind::Safety,
            sight: Sight::BlackBox,
        },
        InvariantInfo {
            name: "read_your_writes",
            doc: "A client never reads less than what it has written and was acknowledged.",
            source: "Terry et al., Session guarantees for weakly consistent replicated data (PDIS 1994), section 3",
            kind: InvariantKind::Safety,
            sight: Sight::BlackBox,
        },
    ];

    fn on_effect(
        &mut self,
        view: impl View<Instance<Store>>,
        node: NodeId,
        effect: EffectRef<'_, Instance<Store>>,
        findings: &mut Findings,
    ) {
        let EffectRef::Observe(observation) = effect else { return };
        match observation {
            StoreObservation::Serves { epoch } => {
                let other = self.serving.replace((node, view.now()));
                findings.check(ONE_PRIMARY, Some(node), other.is_none(), || {
                    let (other, since) = other.expect("somebody else serves");
                    format!("{node} serves with epoch {epoch}; {other} serves since {since}")
                });
            }
            StoreObservation::Follows => {}
            StoreObservation::Retires { .. } => self.release(node),
            StoreObservation::Wrote { value } => {
                self.written.insert(node, *value);
            }
            StoreObservation::Read { value } => {
                let written = self.written.get(&node).copied().unwrap_or(0);
                findings.check(READ_YOUR_WRITES, Some(node), *value >= written, || {
                    format!("{node} reads {value}; it has written {written}")
                });
            }
        }
    }

    fn on_down(&mut self, _: impl View<Instance<Store>>, node: NodeId, _: &mut Findings) {
        self.release(node);
        self.written.remove(&node);
    }
}

impl Watch {
    fn release(&mut self, node: NodeId) {
        self.serving = self.serving.filter(|(serving, _)| *serving != node);
    }
}

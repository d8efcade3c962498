//! What a system of one's own needs, in one line: `use splitbrain::kernel::prelude::*;`.

pub use crate::brief::{Datum, Derived};
pub use crate::context::{Context, Effect, EffectRef, OperationId, OperationResult};
pub use crate::embedding::{Both, Embedding, Inside, Scope};
pub use crate::fault::Fault;
pub use crate::id::{Cluster, Kind, KindId, Link, NodeId, Side};
pub use crate::invariant::{
    FaultChange, Findings, Groups, Input, InvariantInfo, InvariantKind, InvariantSet, Invariants, Sight, Violation,
};
pub use crate::node::{
    Change, Completion, ConnectionChange, ConnectionEvent, ConnectionId, DiskError, Face, FileId, Message, Never, Node,
    Observation, Recovered, Source, Stored, Write, WriteId,
};
pub use crate::options::{OptionFields, OptionSpec, Options, OptionsError, PerServer, Preset, Value, ValueKind};
pub use crate::rng::{Ppm, Rng, Seed};
pub use crate::system::{Bounds, FileInfo, Gauge, OrderInfo, Setup, System, WorkloadInfo};
pub use crate::time::{Duration, Instant};
pub use crate::view::{Records, View};
pub use crate::vocabulary::{Part, Role};
pub use crate::workload::{Idle, Next, Workload, WorkloadCall};
pub use crate::{embed, invariant_list, joined, names, options};

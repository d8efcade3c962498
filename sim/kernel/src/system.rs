//! What a simulated system offers: its nodes, options, invariants, workload, and the words that scenarios may use.

use std::fmt::Debug;

use crate::id::{Cluster, Kind, KindId, NodeId, Side};
use crate::invariant::Invariants;
use crate::node::{FileId, Node, Recovered};
use crate::options::{Options, OptionsError, PerServer};
use crate::time::Duration;
use crate::view::View;
use crate::vocabulary::{Part, Role};
use crate::workload::{Workload, WorkloadCall, WorkloadOption};

/// A system under simulation.
pub trait System: Clone + Debug + Send + Sync + Sized + 'static {
    /// The name in scenario files: `raft`.
    const NAME: &'static str;
    /// One sentence for `list`.
    const DOC: &'static str;
    /// The kinds of process that it has, in the order of their tables. [`Kind::check`] says what they must be.
    const KINDS: &'static [Kind] = Kind::PLAIN;
    /// The roles that nodes report, for selectors.
    const ROLES: &'static [Role] = &[];
    /// The kinds of resource that nodes report, for `holder(…)`.
    const RESOURCES: &'static [&'static str] = &[];
    /// The systems inside this one: their roles and resources, each under a group of its own.
    const PARTS: &'static [Part] = &[];
    /// The workloads that clients can be given.
    const WORKLOADS: &'static [WorkloadInfo] = &[];
    /// The orders that a scenario may give to a server.
    const ORDERS: &'static [OrderInfo] = &[];
    /// The files on the disks of its nodes, for faults that hit one; `None` if it does not say. A kind of process that
    /// none of them is of keeps nothing.
    const FILES: Option<&'static [FileInfo]> = None;
    /// The gauges that [`System::gauges`] fills in, for `[expect]`.
    const GAUGES: &'static [Gauge] = &[];

    /// Its options.
    type Options: Options;
    /// Its one node type.
    type Node: Node;
    /// Its invariants.
    type Invariants: Invariants<Self::Node>;
    /// What its clients are asked for; [`Idle`](crate::workload::Idle) if it has no workload.
    type Workload: Workload<<Self::Node as Node>::Operation, <Self::Node as Node>::Response>;

    /// A cluster with these options.
    ///
    /// # Errors
    /// Options that cannot stand together.
    fn new(setup: Setup<Self::Options>) -> Result<Self, OptionsError>;

    /// A new node from what its disk kept, for the first start (nothing is on the disk then) and for every restart.
    ///
    /// A node that cannot use what it reads keeps the reason and exits in its
    /// [`on_start`](crate::node::Node::on_start): only there it has a context.
    fn node(&self, id: NodeId, recovered: Recovered<<Self::Node as Node>::Record>) -> Self::Node;

    /// Fresh invariants.
    fn invariants(&self) -> Self::Invariants;

    /// The servers that the settle phase heals, chosen from the present state: enough of them, and of the right kind,
    /// to make progress by themselves and with the clients, which are always healed too.
    ///
    /// `candidates` are the servers that have started at least once, in an order that is drawn for this run: a system
    /// that takes the first ones gives each server its chance. `view` shows the world as it is before anything is
    /// healed, so a candidate whose process is down has no node there. The leader of the moment need not be chosen; it
    /// may then stay cut off, and the core has to elect another.
    ///
    /// What is returned must be among the candidates; the order says nothing.
    fn core(&self, view: impl View<Self::Node>, candidates: &[NodeId]) -> Vec<NodeId>;

    /// The workload of one client.
    ///
    /// # Errors
    /// Options that cannot stand together, and settings without an effect.
    fn workload(&self, call: &WorkloadCall<'_>) -> Result<Self::Workload, OptionsError> {
        Err(OptionsError::new("kind", format!("{} offers no workload {}", Self::NAME, call.name)))
    }

    /// The order with this name and argument.
    ///
    /// # Errors
    /// What would have been right.
    fn order(&self, name: &str, argument: &str) -> Result<<Self::Node as Node>::Order, String> {
        let _ = argument;
        Err(format!("{} knows no order {name}", Self::NAME))
    }

    /// Figures of a run beside the counts of its observations, in the order of [`System::GAUGES`].
    fn gauges(invariants: &Self::Invariants) -> Vec<u64> {
        let _ = invariants;
        Vec::new()
    }
}

/// What a system is made from.
#[derive(Clone, Debug)]
pub struct Setup<O> {
    /// How many nodes of each kind.
    pub cluster: Cluster,
    /// The kind of process that the members of the protocol are of: the first kind on the server's side, or, inside
    /// another system, the kind whose nodes contain its own. The cluster may have others beside it.
    pub members: KindId,
    /// Their options.
    pub options: PerServer<O>,
    /// What the system may rely on.
    pub bounds: Bounds,
}

impl<O> Setup<O> {
    /// The setup of a system by itself. Its members are of the first kind on the server's side.
    ///
    /// # Panics
    /// If no kind is on the server's side.
    pub fn new(cluster: Cluster, options: PerServer<O>, bounds: Bounds) -> Self {
        let first = cluster.kinds().iter().find(|kind| kind.side == Side::Server);
        let members = first.expect("a system has a kind on the server's side").id;
        Self { cluster, members, options, bounds }
    }
}

/// What a scenario declares about the world, and a system may rely on. Inside the bounds every invariant is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Bounds {
    /// Two wall clocks differ by at most this.
    pub skew: Option<Duration>,
    /// A clock runs fast or slow by at most this many parts per million.
    pub drift_ppm: Option<u32>,
    /// The most that an undisturbed packet takes.
    pub latency: Duration,
}

/// A workload that clients can be given.
#[derive(Clone, Copy, Debug)]
pub struct WorkloadInfo {
    /// Its name.
    pub name: &'static str,
    /// What the clients do.
    pub doc: &'static str,
    /// Its options: mostly [`options_of`](crate::workload::options_of) of a struct. Beside them `[workload]` has
    /// `kind`, `rate`, `from` and `until`.
    pub options: fn() -> Vec<WorkloadOption>,
}

/// An order that a scenario may give to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderInfo {
    /// Its name.
    pub name: &'static str,
    /// What it does, and what its argument means.
    pub doc: &'static str,
}

/// A file on the disks of nodes, or a row of files that differ in their number alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Its name; in a row, what stands before the number of each: `target 3`.
    pub name: &'static str,
    /// The node's number of it, or of the first of a row.
    pub first: FileId,
    /// How many there are in a row; `None` for a single file.
    pub count: Option<u16>,
    /// The kinds of process whose nodes have it.
    pub of: &'static [KindId],
    /// What is in it.
    pub doc: &'static str,
}

impl FileInfo {
    /// A single file.
    pub const fn new(name: &'static str, id: FileId, of: &'static [KindId], doc: &'static str) -> Self {
        Self { name, first: id, count: None, of, doc }
    }

    /// A row of files.
    pub const fn row(name: &'static str, ids: (FileId, u16), of: &'static [KindId], doc: &'static str) -> Self {
        Self { name, first: ids.0, count: Some(ids.1), of, doc }
    }

    /// The same file in the nodes of a system around this one, whose numbers are greater by `offset`.
    #[must_use]
    pub const fn inside(self, offset: u16, of: &'static [KindId]) -> Self {
        Self { first: FileId(self.first.0 + offset), of, ..self }
    }

    /// Whether this is the file, or one of the row.
    pub fn has(&self, file: FileId) -> bool {
        file.0.checked_sub(self.first.0).is_some_and(|place| place < self.count.unwrap_or(1))
    }

    /// The file with this name; of a row the name has the number of one.
    pub fn read(&self, name: &str) -> Option<FileId> {
        if self.count.is_none() {
            return (name == self.name).then_some(self.first);
        }
        let number = name.strip_prefix(self.name)?.strip_prefix(' ')?;
        let number: u16 = number.parse().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(FileId(number)).filter(|file| self.has(*file))
    }
}

/// A figure of a run that `[expect]` can bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// Its name.
    pub name: &'static str,
    /// What it measures.
    pub doc: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_by_its_name_and_one_of_a_row_by_its_number() {
        let log = FileInfo::new("log", FileId(1), &[KindId::SERVER], "Entries.");
        assert_eq!((log.read("log"), log.read("log 1"), log.read("")), (Some(FileId(1)), None, None));
        let targets = FileInfo::row("target", (FileId(2), 3), &[KindId::SERVER], "One each.");
        for (name, file) in [("target 2", Some(2)), ("target 4", Some(4)), ("target 1", None), ("target 5", None)] {
            assert_eq!(targets.read(name), file.map(FileId), "{name}");
        }
        for name in ["target", "target2", "target +3", "target ", "log"] {
            assert_eq!(targets.read(name), None, "{name}");
        }
        assert_eq!(log.inside(1000, &[]).read("log"), Some(FileId(1001)));
        assert!(targets.inside(1000, &[]).has(FileId(1004)) && !targets.has(FileId(5)));
    }
}

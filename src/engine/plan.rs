//! Plans as values: a plan of any system, read once, checked once, edited and run as often as somebody wants.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Data;
use splitbrain_kernel::plan::{Asking, Moment, Override, Plan, PlannedFault, Site, Timing};

use crate::engine::Names;
use crate::scenario::{PlanLines, ReadPlan, write_plan};

/// A plan file as it was read from the disk: what [`Engine::read_plan`](crate::engine::Engine::read_plan) takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanText {
    /// What errors call the file.
    pub path: String,
    /// TOML.
    pub text: String,
    /// Replaces the timing that the plan names.
    pub timing: Option<Timing>,
    /// Replaces what the plan says of the workload.
    pub workload: Option<Asking>,
    /// Whether a plan of another format, or for another cluster, is accepted.
    pub force: bool,
}

/// A plan without the type of its operations. Cloning it is cheap, and an edit leaves the original as it was.
#[derive(Clone)]
pub struct AnyPlan {
    plan: Arc<dyn Erased>,
    /// The lines of a file, for the entries that come from one.
    lines: Arc<PlanLines>,
    names: Arc<Names>,
}

/// An entry of a plan, for [`AnyPlan::filtered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanEntry<'a> {
    /// A fault.
    Fault(&'a PlannedFault),
    /// An operation: when, and which node gets it.
    Operation(Moment, NodeId),
    /// An order: when, and which node gets it.
    Order(Moment, NodeId),
    /// A decision that is taken rather than drawn.
    Override(&'a Override),
}

/// An entry of a plan that a run never came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeverDue {
    /// Its line; `None` for an entry that comes from no file.
    pub line: Option<u32>,
    /// Which entry, and when it was due.
    pub message: String,
}

impl AnyPlan {
    /// A plan that was made here.
    pub fn of<O: Data, Q: Data>(plan: Plan<O, Q>) -> Self {
        Self { plan: Arc::new(plan), lines: Arc::default(), names: Arc::default() }
    }

    /// A plan that was read from a file: it knows the lines of its entries.
    pub fn of_file<O: Data, Q: Data>(read: ReadPlan<O, Q>) -> Self {
        Self { plan: Arc::new(read.plan), lines: Arc::new(read.lines), names: Arc::default() }
    }

    /// The same plan, written and spoken of with these names of nodes.
    #[must_use]
    pub fn named(self, names: Names) -> Self {
        Self { names: Arc::new(names), ..self }
    }

    /// The plan with its type; `None` if its operations or orders are those of another system.
    pub fn get<O: 'static, Q: 'static>(&self) -> Option<&Plan<O, Q>> {
        self.plan.as_any().downcast_ref()
    }

    /// How its entries are timed.
    pub fn timing(&self) -> Timing {
        self.plan.timing()
    }

    /// Its faults, in order.
    pub fn faults(&self) -> &[PlannedFault] {
        self.plan.faults()
    }

    /// Its overrides, in order.
    pub fn overrides(&self) -> &[Override] {
        self.plan.overrides()
    }

    /// Its operations, in order: when each is due, and at which node.
    pub fn operations(&self) -> Vec<(Moment, NodeId)> {
        self.plan.operations()
    }

    /// Its orders, in order: when each is due, and at which node.
    pub fn orders(&self) -> Vec<(Moment, NodeId)> {
        self.plan.orders()
    }

    /// The same plan with its entries timed so.
    #[must_use]
    pub fn timed(&self, timing: Timing) -> Self {
        Self { plan: self.plan.timed(timing), lines: self.lines.clone(), names: self.names.clone() }
    }

    /// The entries that `keep` wants, with their lines.
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(PlanEntry<'_>) -> bool) -> Self {
        let faults = self.faults().iter().map(|fault| keep(PlanEntry::Fault(fault))).collect();
        let operations = self.operations().iter().map(|(at, node)| keep(PlanEntry::Operation(*at, *node))).collect();
        let orders = self.orders().iter().map(|(at, node)| keep(PlanEntry::Order(*at, *node))).collect();
        let overrides = self.overrides().iter().map(|one| keep(PlanEntry::Override(one))).collect();
        let kept = Kept { faults, operations, orders, overrides };
        let lines = PlanLines {
            faults: only(&self.lines.faults, &kept.faults),
            operations: only(&self.lines.operations, &kept.operations),
            orders: only(&self.lines.orders, &kept.orders),
            overrides: only(&self.lines.overrides, &kept.overrides),
        };
        Self { plan: self.plan.only(&kept), lines: Arc::new(lines), names: self.names.clone() }
    }

    /// The same plan with other faults, which come from no file.
    #[must_use]
    pub fn with_faults(&self, faults: Vec<PlannedFault>) -> Self {
        let lines = PlanLines { faults: Vec::new(), ..(*self.lines).clone() };
        Self { plan: self.plan.with_faults(faults), lines: Arc::new(lines), names: self.names.clone() }
    }

    /// The same plan with other overrides, which come from no file.
    #[must_use]
    pub fn with_overrides(&self, overrides: Vec<Override>) -> Self {
        let lines = PlanLines { overrides: Vec::new(), ..(*self.lines).clone() };
        Self { plan: self.plan.with_overrides(overrides), lines: Arc::new(lines), names: self.names.clone() }
    }

    /// The plan as TOML. If TOML cannot hold one of its operations, the text is a comment that says so.
    pub fn to_toml(&self) -> String {
        self.try_to_toml().unwrap_or_else(|error| format!("# this plan cannot be written: {error}\n"))
    }

    /// The plan as TOML.
    ///
    /// # Errors
    /// An operation or order that TOML cannot hold.
    pub(super) fn try_to_toml(&self) -> Result<String, toml::ser::Error> {
        self.plan.to_toml(&self.names)
    }

    /// The entries that are not among `done`, what a run with this plan did: in the order of their lines.
    pub fn never_due(&self, done: &Self) -> Vec<NeverDue> {
        let mut never = self.faults_never_due(done);
        never.extend(self.operations_never_due(done));
        never.extend(self.orders_never_due(done));
        let taken: BTreeMap<(Site, u64), &Override> =
            done.overrides().iter().map(|entry| ((entry.site, entry.ordinal), entry)).collect();
        for (index, entry) in self.overrides().iter().enumerate() {
            if taken.get(&(entry.site, entry.ordinal)).is_none_or(|done| *done != entry) {
                let message = format!("the decision on {} #{} never came", self.site(entry.site), entry.ordinal);
                never.push(NeverDue { line: self.lines.overrides.get(index).copied(), message });
            }
        }
        never.sort_by_key(|one| one.line);
        never
    }

    fn faults_never_due(&self, done: &Self) -> Vec<NeverDue> {
        // Faults of one id are applied in their order: the last one is taken first, from the end.
        let mut applied: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
        for fault in done.faults().iter().rev() {
            applied.entry(&fault.id).or_default().push(fault.stop.is_some());
        }
        let mut never = Vec::new();
        for (index, fault) in self.faults().iter().enumerate() {
            let id = &fault.id;
            let message = match (applied.get_mut(id.as_str()).and_then(Vec::pop), fault.stop) {
                (None, _) => format!("fault {id} never started, {}", self.due(fault.start)),
                (Some(false), Some(stop)) => format!("fault {id} was never lifted, {}", self.due(stop)),
                (Some(_), _) => continue,
            };
            never.push(NeverDue { line: self.lines.faults.get(index).copied(), message });
        }
        never
    }

    fn operations_never_due(&self, done: &Self) -> Vec<NeverDue> {
        let given = self.plan.operation_keys().into_iter().zip(self.operations());
        self.absent("operation", given, &self.lines.operations, done.plan.operation_keys())
    }

    fn orders_never_due(&self, done: &Self) -> Vec<NeverDue> {
        let given = self.plan.order_keys().into_iter().zip(self.orders());
        self.absent("order", given, &self.lines.orders, done.plan.order_keys())
    }

    /// The entries that were given and not done.
    fn absent(
        &self,
        what: &str,
        given: impl Iterator<Item = (String, (Moment, NodeId))>,
        lines: &[u32],
        done: Vec<String>,
    ) -> Vec<NeverDue> {
        let mut handed: BTreeMap<String, u64> = BTreeMap::new();
        for key in done {
            *handed.entry(key).or_default() += 1;
        }
        let mut never = Vec::new();
        for (index, (key, (start, node))) in given.enumerate() {
            match handed.get_mut(&key) {
                Some(left) if *left > 0 => *left -= 1,
                _ => {
                    let message = format!("the {what} of {} never came, {}", self.names.name(node), self.due(start));
                    never.push(NeverDue { line: lines.get(index).copied(), message });
                }
            }
        }
        never
    }

    fn site(&self, site: Site) -> String {
        let names = &self.names;
        match site {
            Site::Packet(link) => format!("packet {} -> {}", names.name(link.source), names.name(link.target)),
            Site::Disk(node) => format!("the disk of {}", names.name(node)),
            Site::Crash(node) => format!("a crash of {}", names.name(node)),
        }
    }

    fn due(&self, moment: Moment) -> String {
        match self.timing() {
            Timing::Exact => format!("due at {} after event {}", moment.at, moment.after_events),
            Timing::Time => format!("due at {}", moment.at),
        }
    }
}

impl fmt::Debug for AnyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plan.fmt(f)
    }
}

/// A text for what a node is asked or ordered: equal texts are equal.
fn key(node: NodeId, what: &impl Data) -> String {
    // What JSON cannot hold is shown as Rust prints it: different values are different texts there, too.
    format!("{node} {}", serde_json::to_string(what).unwrap_or_else(|_| format!("{what:?}")))
}

/// Which entries an edit keeps, by position.
struct Kept {
    faults: Vec<bool>,
    operations: Vec<bool>,
    orders: Vec<bool>,
    overrides: Vec<bool>,
}

fn only<T: Clone>(all: &[T], kept: &[bool]) -> Vec<T> {
    all.iter().zip(kept).filter(|(_, kept)| **kept).map(|(one, _)| one.clone()).collect()
}

/// What can be done with a plan whatever its operations are.
trait Erased: fmt::Debug + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn timing(&self) -> Timing;
    fn faults(&self) -> &[PlannedFault];
    fn overrides(&self) -> &[Override];
    fn operations(&self) -> Vec<(Moment, NodeId)>;
    fn orders(&self) -> Vec<(Moment, NodeId)>;
    /// A text for each operation and its node: equal texts are equal operations.
    fn operation_keys(&self) -> Vec<String>;
    /// The same for each order.
    fn order_keys(&self) -> Vec<String>;
    fn timed(&self, timing: Timing) -> Arc<dyn Erased>;
    fn only(&self, kept: &Kept) -> Arc<dyn Erased>;
    fn with_faults(&self, faults: Vec<PlannedFault>) -> Arc<dyn Erased>;
    fn with_overrides(&self, overrides: Vec<Override>) -> Arc<dyn Erased>;
    fn to_toml(&self, names: &Names) -> Result<String, toml::ser::Error>;
}

impl<O: Data, Q: Data> Erased for Plan<O, Q> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn timing(&self) -> Timing {
        self.timing
    }

    fn faults(&self) -> &[PlannedFault] {
        &self.faults
    }

    fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    fn operations(&self) -> Vec<(Moment, NodeId)> {
        self.operations.iter().map(|planned| (planned.start, planned.node)).collect()
    }

    fn orders(&self) -> Vec<(Moment, NodeId)> {
        self.orders.iter().map(|planned| (planned.start, planned.node)).collect()
    }

    fn operation_keys(&self) -> Vec<String> {
        self.operations.iter().map(|planned| key(planned.node, &planned.operation)).collect()
    }

    fn order_keys(&self) -> Vec<String> {
        self.orders.iter().map(|planned| key(planned.node, &planned.order)).collect()
    }

    fn timed(&self, timing: Timing) -> Arc<dyn Erased> {
        Arc::new(Self { timing, ..self.clone() })
    }

    fn only(&self, kept: &Kept) -> Arc<dyn Erased> {
        Arc::new(Self {
            format: self.format,
            timing: self.timing,
            workload: self.workload,
            faults: only(&self.faults, &kept.faults),
            operations: only(&self.operations, &kept.operations),
            orders: only(&self.orders, &kept.orders),
            names: self.names.clone(),
            overrides: only(&self.overrides, &kept.overrides),
        })
    }

    fn with_faults(&self, faults: Vec<PlannedFault>) -> Arc<dyn Erased> {
        Arc::new(Self { faults, ..self.clone() })
    }

    fn with_overrides(&self, overrides: Vec<Override>) -> Arc<dyn Erased> {
        Arc::new(Self { overrides, ..self.clone() })
    }

    fn to_toml(&self, names: &Names) -> Result<String, toml::ser::Error> {
        write_plan(self, names)
    }
}

#[cfg(test)]
mod tests;

//! `[cluster.restart]`: a supervisor, which starts processes again that ended by themselves.

use splitbrain_kernel::director::spec::{FaultSpec, What};
use splitbrain_kernel::fault::{Fault, Start};
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::selector::{Condition, Selector, Trigger};

use crate::scenario::RestartPolicy;
use crate::scenario::key::{Read, Table};
use crate::scenario::reader::Reader;
use crate::scenario::shape::quantity::{ANY_TIME, OrRange};
use crate::scenario::shape::who::Who;
use crate::scenario::shape::{Integer, OneOrMore};

use super::network::{every_kind, fixed_nodes};

section! {
    /// A process that ends by itself is started again. One that a crash ended, or holds down, is not: it restarts when
    /// the fault is lifted.
    pub(crate) RESTART = "cluster.restart", RestartFields -> RestartPolicy, |reader, table| {
        /// How long after its end a process starts again; drawn each time.
        after: OrRange(ANY_TIME), required;
        /// How often each process is started again; always where absent.
        times: Integer { min: 1, max: u32::MAX as u64 }, optional;
        /// Whose processes: nodes such as s1, or all of a kind.
        on: OneOrMore(Who), default "[\"*\"]";
        let line = reader.line(&table.span);
    }
    noun r#"a table such as { after = "1s", times = 3 }"#;
    check {
        check_fixed(reader, table, &on)?;
    }
}

/// The nodes of the cluster are known, and these must be too.
fn check_fixed(reader: &mut Reader<'_>, table: &Table<'_>, on: &Read<Vec<Selector>>) -> Option<()> {
    let cluster = reader.cluster?;
    if let Some(selector) = on.value.as_ref()?.iter().find(|selector| fixed_nodes(cluster, selector).is_none()) {
        let (first, kinds) = (cluster.kinds()[0].name_of(1), every_kind(cluster));
        let message = format!("\"{selector}\" is not fixed: here stand nodes such as {first}, {kinds} or * alone");
        table.refuse_key(reader, on.name, message);
        return None;
    }
    Some(())
}

/// What the ids of a supervisor's faults begin with. No id of a file has a dot.
const ID: &str = "restart.";

/// Whether this is the id of a fault that a supervisor does: it need not come about.
pub(crate) fn is_restart(id: &str) -> bool {
    id.starts_with(ID)
}

/// What the supervisors do, one for each process, as faults.
pub(crate) fn faults<O>(policy: &RestartPolicy, cluster: Cluster) -> Vec<FaultSpec<O>> {
    let is_watched = |node: &NodeId| {
        let mut nodes = policy.on.iter().filter_map(|selector| fixed_nodes(cluster, selector));
        nodes.any(|nodes| nodes.contains(node))
    };
    cluster.nodes().filter(is_watched).map(|node| fault(policy, cluster, node)).collect()
}

fn fault<O>(policy: &RestartPolicy, cluster: Cluster, node: NodeId) -> FaultSpec<O> {
    let name = cluster.name(node);
    let this = Selector::Node(name);
    let exited = Condition::Observed { name: "node exited".to_owned(), nth: 0 };
    let condition = Condition::Of { nodes: this.clone(), condition: Box::new(exited) };
    let times = policy.times.and_then(|times| u32::try_from(times).ok()).unwrap_or(u32::MAX);
    FaultSpec {
        id: format!("{ID}{name}"),
        line: policy.line,
        selector: name.to_string(),
        trigger: Trigger::When { condition, delay: policy.after, times },
        names: Vec::new(),
        what: What::Fault(Fault::Start(Start { nodes: vec![this], free_only: true })),
        duration: None,
        until: None,
        waits_until: None,
    }
}

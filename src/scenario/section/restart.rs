//! `[cluster.restart]`: a supervisor, which starts processes again that ended by themselves.

use splitbrain_kernel::director::spec::{FaultSpec, What};
use splitbrain_kernel::fault::{Fault, Start};
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::selector::{Condition, Selector, Trigger};

use crate::scenario::RestartPolicy;
use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::{Problem, Reader};
use crate::scenario::shape::quantity::{ANY_TIME, Between, Time};
use crate::scenario::shape::who::Who;
use crate::scenario::shape::{OneOrMore, Whole};

use super::network::{every_kind, fixed_nodes};
use super::{Fields, Pairs};

const AFTER: Key<Between<Time>> = Key {
    name: "after",
    shape: Between(ANY_TIME),
    need: Need::Required,
    doc: "How long after its end a process starts again; drawn each time.",
};
const TIMES: Key<Whole> = Key {
    name: "times",
    shape: Whole { min: 1, max: u32::MAX as u64 },
    need: Need::Optional,
    doc: "How often each process is started again; always where absent.",
};
const ON: Key<OneOrMore<Who>> = Key {
    name: "on",
    shape: OneOrMore(Who),
    need: Need::Default("[\"*\"]"),
    doc: "Whose processes: nodes such as s1, or all of a kind.",
};

/// The keys of `[cluster.restart]`.
pub(crate) static RESTART: Section = Section {
    name: "cluster.restart",
    doc: "A process that ends by itself is started again. One that a crash ended, or holds down, is not: it restarts \
          when the fault is lifted.",
    keys: &[&AFTER, &TIMES, &ON],
};

/// `[cluster.restart]`; the nodes of the cluster are known.
#[derive(Debug)]
pub(crate) struct RestartFields;

impl Fields for RestartFields {
    type Value = RestartPolicy;

    fn section(&self) -> &'static Section {
        &RESTART
    }

    fn noun(&self) -> String {
        r#"a table such as { after = "1s", times = 3 }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<RestartPolicy> {
        let after = table.get(reader, &AFTER);
        let times = table.get(reader, &TIMES);
        let on = table.get(reader, &ON)?;
        let cluster = reader.cluster?;
        if let Some(selector) = on.iter().find(|selector| fixed_nodes(cluster, selector).is_none()) {
            let (first, kinds) = (cluster.kinds()[0].name_of(1), every_kind(cluster));
            let message = format!("\"{selector}\" is not fixed: here stand nodes such as {first}, {kinds} or * alone");
            reader.report(&table.key_span(ON.name), &table.path_of(ON.name), Problem::new(message));
            return None;
        }
        Some(RestartPolicy { on, after: after?, times, line: reader.line(&table.span) })
    }

    fn pairs(&self, value: &RestartPolicy) -> Pairs {
        Pairs::default().put(&AFTER, &value.after).put_some(&TIMES, value.times.as_ref()).put(&ON, &value.on)
    }
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

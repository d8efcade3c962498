//! `start`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Fault, Start};

use crate::scenario::key::Key;
use crate::scenario::shape::OneOrMore;
use crate::scenario::shape::who::Who;

use super::{Action, action, fault};

const KEY: Key<OneOrMore<Who>> =
    action("start", OneOrMore(Who), "Action: nodes that crashed, exited or are spare start. Happens once.");

/// Its actions. What supervisors do stands in no `[[fault]]`.
pub(super) static ACTIONS: &[Action] = &[Action {
    key: &KEY,
    summary: "nodes that are down or absent start",
    modifiers: &[],
    section: None,
    read: |reader, table| table.get(reader, &KEY).map(|nodes| fault(Start { nodes, free_only: false })),
    pairs: |value, pairs| match value {
        What::Fault(Fault::Start(stated)) => Some(pairs.put(&KEY, &stated.nodes)),
        _ => None,
    },
}];

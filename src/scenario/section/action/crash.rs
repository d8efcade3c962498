//! `crash` and `machine_crash`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Crash, CrashScope, Fault, Keep};

use crate::scenario::key::{Key, Need};
use crate::scenario::shape::who::Who;
use crate::scenario::shape::{OneOfNames, OneOrMore};

use super::{Action, action, fault};

/// What a machine crash leaves.
pub(crate) const KEEP: Key<OneOfNames<Keep>> = Key {
    name: "keep",
    shape: OneOfNames {
        names: &[
            ("prefix", "The first few, in order; how many is drawn."),
            ("subset", "Any of them, each with even odds."),
            ("nothing", "None."),
            ("torn", "The first few, and the next one torn."),
        ],
        read: |name| match name {
            "prefix" => Some(Keep::Prefix),
            "subset" => Some(Keep::Subset),
            "nothing" => Some(Keep::Nothing),
            "torn" => Some(Keep::Torn),
            _ => None,
        },
        show: |value| match value {
            Keep::Prefix => "prefix",
            Keep::Subset => "subset",
            Keep::Nothing => "nothing",
            Keep::Torn => "torn",
        },
    },
    need: Need::Optional,
    doc: "With machine_crash: what is left of the writes that were not synced; prefix where absent.",
};

const CRASH: Key<OneOrMore<Who>> = action(
    "crash",
    OneOrMore(Who),
    "Action: the processes end; what they wrote is kept, and peers see resets. They restart when the fault is lifted.",
);
const MACHINE_CRASH: Key<OneOrMore<Who>> = action(
    "machine_crash",
    OneOrMore(Who),
    "Action: the machines end; what was synced is kept and a part of the rest (see keep), and peers hear nothing. \
     They restart when the fault is lifted.",
);

/// Its actions.
pub(super) static ACTIONS: &[Action] = &[
    Action {
        key: &CRASH,
        summary: "processes end, and restart when the fault is lifted",
        modifiers: &[],
        section: None,
        read: |reader, table| {
            let nodes = table.get(reader, &CRASH)?;
            Some(fault(Crash { nodes, scope: CrashScope::Process, keep: Keep::default() }))
        },
        pairs: |value, pairs| match value {
            What::Fault(Fault::Crash(Crash { nodes, scope: CrashScope::Process, .. })) => {
                Some(pairs.put(&CRASH, nodes))
            }
            _ => None,
        },
    },
    Action {
        key: &MACHINE_CRASH,
        summary: "machines end, lose a part of what was not synced, and restart when the fault is lifted",
        modifiers: &[KEEP.name],
        section: None,
        read: |reader, table| {
            let nodes = table.get(reader, &MACHINE_CRASH);
            let keep = table.get(reader, &KEEP).unwrap_or_default();
            Some(fault(Crash { nodes: nodes?, scope: CrashScope::Machine, keep }))
        },
        pairs: |value, pairs| match value {
            What::Fault(Fault::Crash(Crash { nodes, scope: CrashScope::Machine, keep })) => {
                Some(pairs.put(&MACHINE_CRASH, nodes).put(&KEEP, keep))
            }
            _ => None,
        },
    },
];

//! `replay`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Fault, Replay};
use splitbrain_kernel::selector::{LinkForm, LinkSelector};
use splitbrain_kernel::time::Duration;

use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::Reader;
use crate::scenario::section::network::LINKS;
use crate::scenario::section::{Fields, Pairs, SubTable};
use crate::scenario::shape::quantity::{One, SOME_TIME, Time};

use super::{Action, KINDS_OF_MESSAGE, action, fault, kinds, put_kinds};

const OLDER_THAN: Key<One<Time>> = Key {
    name: "older_than",
    shape: One(SOME_TIME),
    need: Need::Required,
    doc: "How long ago the packet was sent at least; of several the last is taken.",
};

/// The keys of `replay`.
pub(crate) static REPLAY: Section = Section {
    name: "fault[].replay",
    doc: "An old datagram of each of these links arrives again. The last 1,024 that were sent and not lost are kept.",
    keys: &[&LINKS, &OLDER_THAN],
};

/// `replay`.
#[derive(Debug)]
struct ReplayFields;

impl Fields for ReplayFields {
    type Value = (Vec<LinkSelector>, Duration);

    fn section(&self) -> &'static Section {
        &REPLAY
    }

    fn noun(&self) -> String {
        r#"a table such as { links = "s1 -> s2", older_than = "2s" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Self::Value> {
        let links = table.get(reader, &LINKS);
        let older_than = table.get(reader, &OLDER_THAN);
        Some((links?, older_than?))
    }

    fn pairs(&self, (links, older_than): &Self::Value) -> Pairs {
        Pairs::default().put(&LINKS, links).put(&OLDER_THAN, older_than)
    }
}

const KEY: Key<SubTable<ReplayFields>> = action(
    "replay",
    SubTable(ReplayFields),
    "Action: an old packet of each of these links arrives again. Happens once.",
);

/// Its actions.
pub(super) static ACTIONS: &[Action] = &[Action {
    key: &KEY,
    summary: "an old packet of these links arrives again, long after",
    modifiers: &[KINDS_OF_MESSAGE.name],
    section: Some(&REPLAY),
    read: |reader, table| {
        let replay = table.get(reader, &KEY);
        let kinds = kinds(reader, table);
        let (links, older_than) = replay?;
        Some(fault(Replay { links: LinkForm::Between(links), older_than, kinds }))
    },
    pairs: |value, pairs| match value {
        What::Fault(Fault::Replay(Replay { links: LinkForm::Between(links), older_than, kinds })) => {
            Some(put_kinds(pairs.put(&KEY, &(links.clone(), *older_than)), kinds))
        }
        _ => None,
    },
}];

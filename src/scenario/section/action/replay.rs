//! `replay`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Fault, Replay};
use splitbrain_kernel::selector::{LinkForm, LinkSelector};
use splitbrain_kernel::time::Duration;

use crate::scenario::key::Key;
use crate::scenario::section::SubTable;
use crate::scenario::section::network::LINKS;
use crate::scenario::shape::quantity::{SOME_TIME, Scalar};

use super::{Action, KINDS_OF_MESSAGE, action, fault, kinds, put_kinds};

section! {
    /// An old datagram of each of these links arrives again. The last 1,024 that were sent and not lost are kept.
    pub(crate) REPLAY = "fault[].replay", ReplayFields -> ReplayTable {
        use LINKS as links, required;
        /// How long ago the packet was sent at least; of several the last is taken.
        older_than: Scalar(SOME_TIME), required;
    }
    noun r#"a table such as { links = "s1 -> s2", older_than = "2s" }"#;
}

/// Which packets are sent again.
pub(crate) struct ReplayTable {
    links: Vec<LinkSelector>,
    older_than: Duration,
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
        let ReplayTable { links, older_than } = replay?;
        Some(fault(Replay { links: LinkForm::Between(links), older_than, kinds }))
    },
    pairs: |value, pairs| match value {
        What::Fault(Fault::Replay(Replay { links: LinkForm::Between(links), older_than, kinds })) => {
            let replay = ReplayTable { links: links.clone(), older_than: *older_than };
            Some(put_kinds(pairs.put(&KEY, &replay), kinds))
        }
        _ => None,
    },
}];

//! `clog`.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Clog, Fault};
use splitbrain_kernel::selector::LinkForm;

use crate::scenario::key::Key;
use crate::scenario::shape::OneOrMore;
use crate::scenario::shape::who::Path;

use super::{Action, KINDS_OF_MESSAGE, action, fault, kinds, put_kinds};

const CLOG: Key<OneOrMore<Path>> =
    action("clog", OneOrMore(Path), "Action: packets on these links are held, and go on when the fault is lifted.");

/// Its actions.
pub(super) static ACTIONS: &[Action] = &[Action {
    key: &CLOG,
    summary: "packets on these links are held, and go on when the clog is lifted",
    modifiers: &[KINDS_OF_MESSAGE.name],
    section: None,
    read: |reader, table| {
        let links = table.get(reader, &CLOG).map(LinkForm::Between);
        let kinds = kinds(reader, table);
        Some(fault(Clog { links: links?, kinds }))
    },
    pairs: |value, pairs| match value {
        What::Fault(Fault::Clog(Clog { links: LinkForm::Between(links), kinds })) => {
            Some(put_kinds(pairs.put(&CLOG, links), kinds))
        }
        _ => None,
    },
}];

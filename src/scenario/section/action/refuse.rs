//! `refuse`. What can be refused, and by which error, the system declares.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::{Fault, Refuse};
use splitbrain_kernel::selector::LinkForm;

use crate::scenario::description::SystemDescription;
use crate::scenario::key::{Key, Table};
use crate::scenario::reader::{Problem, Reader, quoted};
use crate::scenario::shape::OneOrMore;
use crate::scenario::shape::who::Path;

use super::{Action, KINDS_OF_MESSAGE, action, fault, kinds, put_kinds};

const REFUSE: Key<OneOrMore<Path>> = action(
    "refuse",
    OneOrMore(Path),
    "Action: requests that are sent over these links do not arrive, and an error is answered, as by a proxy or an \
     overloaded server. Which requests can be refused is the system's to say.",
);

/// Its actions.
pub(super) static ACTIONS: &[Action] = &[Action {
    key: &REFUSE,
    summary: "requests on these links are answered by an error, and do not arrive",
    modifiers: &[KINDS_OF_MESSAGE.name],
    section: None,
    read: |reader, table| {
        let links = table.get(reader, &REFUSE).map(LinkForm::Between);
        let kinds = kinds(reader, table);
        check(reader, table, &kinds);
        Some(fault(Refuse { links: links?, kinds }))
    },
    pairs: |value, pairs| match value {
        What::Fault(Fault::Refuse(Refuse { links: LinkForm::Between(links), kinds })) => {
            Some(put_kinds(pairs.put(&REFUSE, links), kinds))
        }
        _ => None,
    },
}];

fn check(reader: &mut Reader<'_>, table: &Table<'_>, kinds: &[String]) {
    if let Err(problem) = check_some(reader.system) {
        reader.report(&table.key_span(REFUSE.name), &table.path_of(REFUSE.name), problem);
        return;
    }
    let Some(at) = table.at(KINDS_OF_MESSAGE.name) else { return };
    for (at, kind) in at.items().unwrap_or_else(|| vec![at]).iter().zip(kinds) {
        let known = check_kind(reader.system, kind);
        reader.check(at, known);
    }
}

/// What is wrong with a refusal of anything.
pub(in crate::scenario) fn check_some(system: &SystemDescription) -> Result<(), Problem> {
    if !system.refusable.is_empty() {
        return Ok(());
    }
    let message = format!("{} declares no request that can be refused: Message::REFUSABLE is empty", system.name);
    Err(Problem::new(message))
}

/// What is wrong with a refusal of this kind of message.
pub(in crate::scenario) fn check_kind(system: &SystemDescription, kind: &str) -> Result<(), Problem> {
    if system.refusable.contains(&kind) {
        return Ok(());
    }
    let (name, known) = (system.name, system.refusable.join(", "));
    Err(Problem::new(format!("{name} cannot refuse {}; it can refuse {known}", quoted(kind))))
}

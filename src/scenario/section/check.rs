//! `[check]`: which invariants are on.

use splitbrain_kernel::invariant::Sight;

use crate::scenario::description::SystemDescription;
use crate::scenario::key::{Section, Table};
use crate::scenario::reader::Reader;
use crate::scenario::shape::Word;
use crate::scenario::shape::all_but::{AllBut, Closed};

use super::{Fields, Pairs};

/// The invariants of the system.
pub(crate) const INVARIANT: Word = Word {
    what: "invariant",
    known: |system| system.invariants.iter().map(|one| (one.name.clone(), one.info.doc)).collect(),
};

impl Closed for Word {
    const PARTS: &'static [&'static str] = &[Sight::BlackBox.name(), Sight::WhiteBox.name()];

    fn part(&self, system: &SystemDescription, name: &str) -> Vec<String> {
        let seen = system.invariants.iter().filter(|one| one.info.sight.name() == name);
        seen.map(|one| one.name.clone().into_owned()).collect()
    }

    fn all(&self, system: &SystemDescription) -> Vec<String> {
        (self.known)(system).into_iter().map(|(name, _)| name.into_owned()).collect()
    }
}

keys! {
    /// What is watched.
    pub(crate) CHECK = "check" {
        /// Which invariants of the system are on: "all", a list, or { except = [...] }; or by what they look at:
        /// "black_box" are those that watch what nodes say and clients are told, "white_box" those that look into nodes
        /// and disks.
        INVARIANTS = "invariants": AllBut<Word> = AllBut(INVARIANT), default "\"all\"";
    }
}

/// `[check]`.
#[derive(Debug)]
pub(crate) struct CheckFields;

impl Fields for CheckFields {
    type Value = Vec<String>;

    fn section(&self) -> &'static Section {
        &CHECK
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Vec<String>> {
        table.get(reader, &INVARIANTS)
    }

    fn pairs(&self, value: &Vec<String>) -> Pairs {
        // A system without invariants has nothing to list.
        if value.is_empty() { Pairs::default() } else { Pairs::default().put(&INVARIANTS, value) }
    }
}

//! What a server keeps on its disk: one record of state, replaced whole, and the log, record by record.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{FileId, Recovered, Stored};
use splitbrain_kernel::serde::{Deserialize, Serialize};

use super::ids::{Index, Term};
use super::message::{Entry, Payload};

/// The file of the [`HardState`].
pub const STATE_FILE: FileId = FileId(0);
/// The file of the log: record `n` from 0 is the entry at place `n + 1`.
pub const LOG_FILE: FileId = FileId(1);

/// A record on a server's disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Record<C = u64> {
    /// In [`STATE_FILE`].
    State(HardState),
    /// In [`LOG_FILE`]. It carries its place, so that a hole or a rest of an overwritten tail is seen.
    Entry {
        /// Where it belongs.
        index: Index,
        /// The entry.
        entry: Entry<C>,
    },
}

/// What must survive a crash beside the log (§5.1; NuRaft `srv_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct HardState {
    /// The current term. Never falls.
    pub term: Term,
    /// Whom the vote of this term went to. Once set, it changes only with the term.
    pub voted_for: Option<NodeId>,
    /// Whether the election timer may run. Cleared by one that left or that waits for its first append.
    pub timer_allowed: bool,
    /// The server has joined but its log is not there yet: it does not campaign, and votes without regard to priority.
    pub catching_up: bool,
    /// The server is receiving a snapshot: it does not campaign.
    pub receiving_snapshot: bool,
}

impl HardState {
    /// Before the first start.
    pub const FRESH: Self =
        Self { term: Term::ZERO, voted_for: None, timer_allowed: true, catching_up: false, receiving_snapshot: false };
}

/// What a disk gave back at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery<C = u64> {
    /// The state.
    pub hard: HardState,
    /// The log up to the first record that is torn or out of its place.
    pub entries: Vec<Entry<C>>,
    /// Records in the file beyond those, which the server must cut off.
    pub torn: bool,
}

/// A disk that cannot be started from: going on could break a promise that was made before the crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable(pub &'static str);

impl<C: Payload> Recovery<C> {
    /// Reads what the disk kept.
    ///
    /// A crash leaves a torn record, a hole or the rest of an overwritten tail only where nothing was synced and so
    /// nothing acknowledged: the log is cut off there. A record that is damaged otherwise may have been promised to
    /// somebody, and the server refuses to start.
    ///
    /// # Errors
    /// What is damaged.
    pub fn read(recovered: &Recovered<Record<C>>) -> Result<Self, Unusable> {
        let hard = match recovered.last(STATE_FILE) {
            None => HardState::FRESH,
            Some(Stored::Intact(Record::State(hard))) => *hard,
            Some(_) => return Err(Unusable("the state on the disk is damaged")),
        };
        let records = recovered.file(LOG_FILE);
        let mut entries = Vec::with_capacity(records.len());
        for record in records {
            let expected = Index(entries.len() as u64 + 1);
            match record {
                Stored::Intact(Record::Entry { index, entry }) if *index == expected => entries.push(entry.clone()),
                Stored::Intact(Record::Entry { .. }) | Stored::Torn => break,
                _ => return Err(Unusable("the log on the disk is damaged")),
            }
        }
        let torn = entries.len() < records.len();
        Ok(Self { hard, entries, torn })
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Command;
    use super::*;

    fn entry(index: u64) -> Stored<Record> {
        let entry = Entry { term: Term(1), command: Command::Noop };
        Stored::Intact(Record::Entry { index: Index(index), entry })
    }

    fn read(log: Vec<Stored<Record>>) -> Result<Recovery, Unusable> {
        Recovery::read(&Recovered { files: vec![(LOG_FILE, log)] })
    }

    #[test]
    fn a_first_start_is_fresh() {
        let recovery = Recovery::<u64>::read(&Recovered::empty()).expect("an empty disk is usable");
        assert_eq!(recovery.hard, HardState::FRESH);
        assert!(recovery.entries.is_empty() && !recovery.torn);
    }

    #[test]
    fn a_torn_tail_is_cut_off() {
        let recovery = read(vec![entry(1), Stored::Torn]).expect("a torn tail was never promised");
        assert_eq!(recovery.entries.len(), 1);
        assert!(recovery.torn);
    }

    #[test]
    fn a_hole_ends_the_log() {
        let recovery = read(vec![entry(1), entry(3), entry(4)]).expect("a hole was never promised");
        assert_eq!(recovery.entries.len(), 1);
        assert!(recovery.torn);
    }

    #[test]
    fn damage_elsewhere_is_refused() {
        assert!(read(vec![entry(1), Stored::Corrupt, entry(2)]).is_err());
        let state = Recovered { files: vec![(STATE_FILE, vec![Stored::Unreadable])] };
        assert!(Recovery::<u64>::read(&state).is_err());
    }
}

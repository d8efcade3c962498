//! What a server keeps on its disk: one record of state and one snapshot, each replaced whole, and record by record the
//! log and the parts of a snapshot that it is being sent.

use splitbrain_kernel::id::{KindId, NodeId};
use splitbrain_kernel::node::{FileId, Recovered, Stored};
use splitbrain_kernel::serde::{Deserialize, Serialize};
use splitbrain_kernel::system::FileInfo;

use super::ids::{Index, Position, Term};
use super::message::{Entry, Payload};
use super::snapshot::{Receiving, Snapshot, SnapshotPart};

/// The file of the [`HardState`].
pub const STATE_FILE: FileId = FileId(0);
/// The file of the log: entries one behind the other. The first is at place 1, or what a snapshot covers is gone.
pub const LOG_FILE: FileId = FileId(1);
/// The file of the last snapshot.
pub const SNAPSHOT_FILE: FileId = FileId(2);
/// The file of the parts of a snapshot that a leader sends.
pub const PARTS_FILE: FileId = FileId(3);

/// The files of a server, for faults that hit one.
pub const FILES: &[FileInfo] = &[
    FileInfo::new(
        "state",
        STATE_FILE,
        &[KindId::SERVER],
        "The term, the vote and the like, in one record that is replaced.",
    ),
    FileInfo::new("log", LOG_FILE, &[KindId::SERVER], "The log: a record for each entry."),
    FileInfo::new("snapshot", SNAPSHOT_FILE, &[KindId::SERVER], "The last snapshot, in one record that is replaced."),
    FileInfo::new("parts", PARTS_FILE, &[KindId::SERVER], "The parts of a snapshot that a leader is sending."),
];

/// A record on a server's disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Record<C = u64> {
    /// In [`STATE_FILE`].
    State(HardState),
    /// In [`LOG_FILE`]. It carries its place and the term before it, so that a hole, or the rest of a tail that was
    /// overwritten, is seen.
    Entry {
        /// Where it belongs.
        index: Index,
        /// The term of the entry before it.
        before: Term,
        /// The entry.
        entry: Entry<C>,
    },
    /// In [`SNAPSHOT_FILE`].
    Snapshot(Box<Snapshot<C>>),
    /// In [`PARTS_FILE`].
    Part(SnapshotPart<C>),
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
    /// The last snapshot.
    pub snapshot: Option<Snapshot<C>>,
    /// The log behind it.
    pub log: RecoveredLog<C>,
    /// What is there of a snapshot that was being sent.
    pub receiving: Option<Receiving<C>>,
    /// How many records of its parts to keep, if there are more.
    pub parts_cut: Option<u64>,
}

/// The log up to the first record that is torn or out of its place, without what a snapshot takes the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredLog<C = u64> {
    /// The place before the first entry.
    pub base: Position,
    /// The place of the first record in the file.
    pub file_start: Index,
    /// The entries behind the base.
    pub entries: Vec<Entry<C>>,
    /// How many records to keep, if there are more.
    pub cut: Option<u64>,
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
        let snapshot = match recovered.last(SNAPSHOT_FILE) {
            None => None,
            Some(Stored::Intact(Record::Snapshot(snapshot))) => Some(Snapshot::clone(snapshot)),
            Some(_) => return Err(Unusable("the snapshot on the disk is damaged")),
        };
        let covered = snapshot.as_ref().map_or(Position::ZERO, |snapshot| snapshot.last);
        let log = RecoveredLog::read(recovered.file(LOG_FILE), covered)?;
        let (receiving, parts_cut) = read_parts(recovered.file(PARTS_FILE), covered);
        Ok(Self { hard, snapshot, log, receiving, parts_cut })
    }
}

impl<C: Payload> RecoveredLog<C> {
    /// Reads the log behind a snapshot that covers this much.
    ///
    /// A log that does not have the last entry of the snapshot ends before it or contradicts it: it is dropped, as
    /// the server was about to do.
    fn read(records: &[Stored<Record<C>>], covered: Position) -> Result<Self, Unusable> {
        let (first, mut entries) = contiguous(records)?;
        let intact = entries.len() as u64;
        let starts_anew = covered.index.next();
        let place_of_last = covered.index.0.checked_sub(first.0).and_then(|at| usize::try_from(at).ok());
        let has_last = place_of_last.and_then(|at| entries.get(at)).is_some_and(|entry| entry.term == covered.term);
        let (base, file_start) = if first == starts_anew {
            (covered, first)
        } else if has_last {
            // The first record is the base, of which only the name counts.
            (Position { term: entries.remove(0).term, index: first }, first)
        } else {
            entries.clear();
            (covered, starts_anew)
        };
        let kept = if file_start == first { intact } else { 0 };
        let cut = (kept < records.len() as u64).then_some(kept);
        Ok(Self { base, file_start, entries, cut })
    }
}

/// The place of the first record, and the entries that follow one another from there.
///
/// The place alone would not do: a crash may lose the cut of a tail and the first entries that took its place, and keep
/// a later one, which then stands behind the old tail.
fn contiguous<C: Payload>(records: &[Stored<Record<C>>]) -> Result<(Index, Vec<Entry<C>>), Unusable> {
    let mut first = Index::ZERO.next();
    let mut entries = Vec::with_capacity(records.len());
    for record in records {
        match record {
            Stored::Intact(Record::Entry { index, before, entry }) => {
                let is_next = |last: &Entry<C>| last.term == *before && index.0 == first.0 + entries.len() as u64;
                match entries.last() {
                    None => first = *index,
                    Some(last) if is_next(last) => {}
                    Some(_) => break,
                }
                entries.push(entry.clone());
            }
            Stored::Torn => break,
            _ => return Err(Unusable("the log on the disk is damaged")),
        }
    }
    Ok((first, entries))
}

/// The parts of a snapshot that covers more than this, as far as they follow one another; and how many records to keep
/// if there are more. The last part is left to be sent again: what is whole is installed when it comes.
fn read_parts<C: Payload>(records: &[Stored<Record<C>>], covered: Position) -> (Option<Receiving<C>>, Option<u64>) {
    let mut receiving: Option<Receiving<C>> = None;
    let mut kept = 0;
    for record in records {
        let Stored::Intact(Record::Part(part)) = record else { break };
        if part.last.index <= covered.index || part.offset + part.items.len() as u64 >= part.total {
            break;
        }
        if !receiving.get_or_insert_with(|| Receiving::of(part)).add(part) {
            break;
        }
        kept += 1;
    }
    let receiving = receiving.filter(|_| kept > 0);
    (receiving, (kept < records.len() as u64).then_some(kept))
}

#[cfg(test)]
mod tests {
    use super::super::message::Command;
    use super::super::snapshot::Item;
    use super::*;

    fn entry(index: u64) -> Stored<Record> {
        entry_after(1, index, 1)
    }

    /// An entry behind one of this term.
    fn entry_after(before: u64, index: u64, term: u64) -> Stored<Record> {
        let entry = Entry { term: Term(term), command: Command::Noop };
        Stored::Intact(Record::Entry { index: Index(index), before: Term(before), entry })
    }

    fn read(log: Vec<Stored<Record>>) -> Result<Recovery, Unusable> {
        Recovery::read(&Recovered { files: vec![(LOG_FILE, log)] })
    }

    #[test]
    fn a_first_start_is_fresh() {
        let recovery = Recovery::<u64>::read(&Recovered::empty()).expect("an empty disk is usable");
        assert_eq!(recovery.hard, HardState::FRESH);
        let empty = RecoveredLog { base: Position::ZERO, file_start: Index(1), entries: Vec::new(), cut: None };
        assert_eq!(recovery.log, empty);
        assert_eq!((recovery.snapshot, recovery.receiving, recovery.parts_cut), (None, None, None));
    }

    #[test]
    fn a_torn_tail_is_cut_off() {
        let recovery = read(vec![entry(1), Stored::Torn]).expect("a torn tail was never promised");
        assert_eq!((recovery.log.entries.len(), recovery.log.cut), (1, Some(1)));
    }

    #[test]
    fn a_hole_ends_the_log() {
        let recovery = read(vec![entry(1), entry(3), entry(4)]).expect("a hole was never promised");
        assert_eq!((recovery.log.entries.len(), recovery.log.cut), (1, Some(1)));
        let recovery = read(vec![entry(2), entry(3)]).expect("a hole was never promised");
        assert_eq!((recovery.log.entries.len(), recovery.log.cut), (0, Some(0)));
    }

    #[test]
    fn a_rest_of_an_overwritten_tail_is_no_log_with_what_took_its_place() {
        let tail = vec![entry(1), entry(2), entry(3)];
        let with = |last| read([tail.clone(), vec![last]].concat()).expect("it was never promised").log;
        let spliced = with(entry_after(3, 4, 3));
        assert_eq!((spliced.entries.len(), spliced.cut), (3, Some(3)), "2 and 3 of term 3 are lost");
        assert_eq!(with(entry_after(1, 4, 3)).entries.len(), 4);
    }

    #[test]
    fn damage_elsewhere_is_refused() {
        assert!(read(vec![entry(1), Stored::Corrupt, entry(2)]).is_err());
        let state = Recovered { files: vec![(STATE_FILE, vec![Stored::Unreadable])] };
        assert!(Recovery::<u64>::read(&state).is_err());
        let snapshot = Recovered { files: vec![(SNAPSHOT_FILE, vec![Stored::Corrupt])] };
        assert!(Recovery::<u64>::read(&snapshot).is_err());
    }

    /// The log behind a snapshot up to `last`, of a file with entries of term 1 at these places.
    fn behind(last: Position, places: std::ops::RangeInclusive<u64>) -> RecoveredLog {
        let snapshot: Snapshot = Snapshot { last, items: Vec::new() };
        let snapshot = (SNAPSHOT_FILE, vec![Stored::Intact(Record::Snapshot(Box::new(snapshot)))]);
        let files = vec![(LOG_FILE, places.map(entry).collect()), snapshot];
        Recovery::read(&Recovered { files }).expect("nothing is damaged").log
    }

    fn at(term: u64, index: u64) -> Position {
        Position { term: Term(term), index: Index(index) }
    }

    #[test]
    fn the_log_goes_on_behind_a_snapshot() {
        // As compaction leaves it, and as it is if the crash came before.
        for first in [1, 4, 6] {
            let log = behind(at(1, 6), first..=9);
            assert_eq!((log.base, log.file_start, log.cut), (at(1, first), Index(first), None));
            assert_eq!(log.entries.len() as u64, 9 - first);
        }
        let log = behind(at(3, 6), 7..=9);
        assert_eq!((log.base, log.file_start, log.entries.len(), log.cut), (at(3, 6), Index(7), 3, None));
    }

    #[test]
    fn a_log_that_ends_before_the_snapshot_or_contradicts_it_is_dropped() {
        for log in [behind(at(1, 6), 1..=4), behind(at(2, 6), 1..=9), behind(at(1, 6), 8..=9)] {
            assert_eq!((log.base.index, log.file_start, log.cut), (Index(6), Index(7), Some(0)));
            assert!(log.entries.is_empty());
        }
    }

    fn part(index: u64, offset: u64) -> Stored<Record> {
        let items = vec![Item::Chain(offset); 2].into();
        Stored::Intact(Record::Part(SnapshotPart { term: Term(3), last: at(2, index), offset, total: 6, items }))
    }

    fn parts(records: Vec<Stored<Record>>) -> (Option<u64>, Option<u64>) {
        let (receiving, cut) = read_parts(&records, at(1, 6));
        (receiving.map(|receiving| receiving.next()), cut)
    }

    #[test]
    fn parts_are_gone_on_with_as_far_as_they_follow_one_another() {
        assert_eq!(parts(vec![part(9, 0), part(9, 2)]), (Some(4), None));
        assert_eq!(parts(vec![part(9, 0), Stored::Torn]), (Some(2), Some(1)));
        assert_eq!(parts(vec![part(9, 0), part(9, 4)]), (Some(2), Some(1)), "there is a hole");
        assert_eq!(parts(vec![part(9, 2)]), (None, Some(0)));
        assert_eq!(parts(vec![part(9, 0), part(9, 2), part(9, 4)]), (Some(4), Some(2)), "the last one comes again");
        assert_eq!(parts(vec![part(6, 0)]), (None, Some(0)), "a snapshot that is there covers as much");
        assert_eq!(parts(Vec::new()), (None, None));
    }
}

//! A node's disk: a page cache over files of typed records, with latencies, completions and faults.
//!
//! ```text
//!   write ──latency──▶ cache (survives the process) ──sync──▶ files (survive the machine)
//! ```
//!
//! The disk serves writes and syncs one after another. It is a plain value: a host tells it the time, and asks it when
//! the next completion is due.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::files::Files;
use crate::id::NodeId;
use crate::node::{Completion, DiskError, FileId, Recovered, Stored, Write, WriteId};
use crate::rng::{Rng, Seed};
use crate::run::DiskOptions;
use crate::time::{Duration, Instant};

/// How a disk misbehaves. Faults act on whole records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DiskFault {
    /// Writes and syncs take longer.
    Slow {
        /// Added to each write and each sync.
        by: Duration,
    },
    /// Every write fails for want of space.
    Full,
    /// Every write and sync fails with an IO error.
    Io,
    /// A sync reports success and syncs nothing.
    LyingSync,
    /// A record is lost: it is not there at the next start. Counted from the end of the file, 0 is the last.
    Lose {
        /// Which file.
        file: FileId,
        /// Which record, counted from the end.
        from_end: u64,
    },
    /// A record is corrupt at the next start.
    Corrupt {
        /// Which file.
        file: FileId,
        /// Which record, counted from the end.
        from_end: u64,
    },
    /// A record cannot be read at the next start.
    Unreadable {
        /// Which file.
        file: FileId,
        /// Which record, counted from the end.
        from_end: u64,
    },
    /// Nothing ends, neither what is under way nor what is asked for meanwhile: no write, no sync, no error. When the
    /// fault is lifted, everything whose time has come ends at once, in order.
    Hang,
    /// Everything that was written is gone, as if the disk were replaced by an empty one. What is under way lands on
    /// the empty disk. A process that runs goes on with what it holds in memory.
    Wipe,
}

impl DiskFault {
    /// Its name, as scenarios and plans say it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Slow { .. } => "slow",
            Self::Full => "full",
            Self::Io => "io",
            Self::LyingSync => "lying_sync",
            Self::Lose { .. } => "lose",
            Self::Corrupt { .. } => "corrupt",
            Self::Unreadable { .. } => "unreadable",
            Self::Hang => "hang",
            Self::Wipe => "wipe",
        }
    }

    /// Whether what was reported as durable may be gone by it.
    pub const fn breaks_promises(&self) -> bool {
        match self {
            Self::Slow { .. } | Self::Full | Self::Io | Self::Hang => false,
            Self::LyingSync | Self::Lose { .. } | Self::Corrupt { .. } | Self::Unreadable { .. } | Self::Wipe => true,
        }
    }
}

/// What a crash of the machine leaves of the writes that were not synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The first few, in order; how many is drawn.
    #[default]
    Prefix,
    /// Any of them, each with even odds.
    Subset,
    /// None.
    Nothing,
    /// The first few, and the next one torn.
    Torn,
}

/// The disk of one node.
///
/// - Writes become durable in the order in which they were asked for.
/// - Each write and each sync draws one word from the disk's stream, whatever the latencies are; each crash one more,
///   from a stream of its own.
#[derive(Clone, Debug)]
pub struct Disk<R> {
    options: DiskOptions,
    latency_rng: Rng,
    crash_rng: Rng,
    crash_count: u64,
    operation_count: u64,
    busy_until: Instant,
    /// The last write that was not refused.
    accepted: WriteId,
    in_flight: VecDeque<InFlight<R>>,
    cache: VecDeque<(WriteId, Write<R>)>,
    files: Files<R>,
    faults: Vec<(u32, DiskFault)>,
    /// When the last operation ends that a fault made slow, or that waits behind one.
    slow_until: Instant,
    /// Since when nothing ends, while a fault hangs the disk.
    hung_since: Option<Instant>,
    /// What would have ended since then, in order.
    held: Vec<(Completion, bool)>,
}

#[derive(Clone, Debug)]
struct InFlight<R> {
    id: WriteId,
    write: Write<R>,
    done_at: Instant,
}

/// Something that the host must come back for, at a true time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// When.
    pub at: Instant,
    /// What will have happened by then.
    pub completion: Completion,
    /// Whether [`Disk::finish_sync`] must be called then.
    pub is_sync: bool,
}

impl<R: Clone> Disk<R> {
    /// An empty disk.
    pub fn new(seed: Seed, node: NodeId, options: DiskOptions) -> Self {
        Self {
            options,
            latency_rng: seed.stream("disk", node.key()),
            crash_rng: seed.stream("disk crash", node.key()),
            crash_count: 0,
            operation_count: 0,
            busy_until: Instant::ZERO,
            accepted: WriteId(0),
            in_flight: VecDeque::new(),
            cache: VecDeque::new(),
            files: Files::new(),
            faults: Vec::new(),
            slow_until: Instant::ZERO,
            hung_since: None,
            held: Vec::new(),
        }
    }

    /// Begins a write. The completion is `Written`, or `Failed` where the disk refuses.
    pub fn write(&mut self, now: Instant, id: WriteId, write: Write<R>, forced: Option<Duration>) -> Pending {
        let span = (self.options.write_min, self.options.write_max);
        let at = self.occupy(now, span, forced);
        match self.refusal(&write) {
            Some(error) => Pending { at, completion: Completion::Failed(id, error), is_sync: false },
            None => {
                self.accepted = id;
                self.in_flight.push_back(InFlight { id, write, done_at: at });
                Pending { at, completion: Completion::Written(id), is_sync: false }
            }
        }
    }

    /// Begins a sync of every write up to `through`. It tells of the last of them that was not refused.
    pub fn sync(&mut self, now: Instant, through: WriteId, forced: Option<Duration>) -> Pending {
        let span = (self.options.sync_min, self.options.sync_max);
        let at = self.occupy(now, span, forced);
        if self.faults.iter().any(|(_, fault)| *fault == DiskFault::Io) {
            return Pending { at, completion: Completion::Failed(through, DiskError::Io), is_sync: false };
        }
        Pending { at, completion: Completion::Durable(through.min(self.accepted)), is_sync: true }
    }

    /// The number of writes and syncs so far: the ordinal of the next one, for an override.
    pub const fn operation_count(&self) -> u64 {
        self.operation_count
    }

    fn occupy(&mut self, now: Instant, (min, max): (Duration, Duration), forced: Option<Duration>) -> Instant {
        self.operation_count += 1;
        let drawn = self.latency_rng.duration(min, max.max(min));
        let usual = forced.unwrap_or(drawn);
        let latency = self.faults.iter().fold(usual, |latency, (_, fault)| match fault {
            DiskFault::Slow { by } => latency.saturating_add(*by),
            _ => latency,
        });
        self.busy_until = self.busy_until.max(now).saturating_add(latency);
        if latency > usual || self.slow_until > now {
            self.slow_until = self.busy_until;
        }
        self.busy_until
    }

    fn refusal(&self, write: &Write<R>) -> Option<DiskError> {
        let has = |wanted| self.faults.iter().any(|(_, fault)| *fault == wanted);
        let grows = matches!(write, Write::Append(..) | Write::Replace(..));
        if has(DiskFault::Io) {
            Some(DiskError::Io)
        } else if grows && (has(DiskFault::Full) || self.is_full(write)) {
            Some(DiskError::Full)
        } else {
            None
        }
    }

    fn is_full(&self, write: &Write<R>) -> bool {
        let capacity = self.options.capacity;
        if capacity == 0 || !matches!(write, Write::Append(..)) {
            return false;
        }
        // What is still in the cache counts once it is applied; a write in flight may overshoot by itself.
        let waiting = self.cache.len() as u64 + self.in_flight.len() as u64;
        self.files.count() + waiting >= capacity
    }

    /// Writes that are done by now are in the cache.
    fn advance(&mut self, now: Instant) {
        let now = self.hung_since.map_or(now, |since| since.min(now));
        while self.in_flight.front().is_some_and(|write| write.done_at <= now) {
            let done = self.in_flight.pop_front().expect("there is a first write in flight");
            self.cache.push_back((done.id, done.write));
        }
    }

    /// Ends a sync: every write up to `through` is in the files, unless the disk lies.
    pub fn finish_sync(&mut self, now: Instant, through: WriteId) {
        self.advance(now);
        if self.faults.iter().any(|(_, fault)| *fault == DiskFault::LyingSync) {
            return;
        }
        while self.cache.front().is_some_and(|(id, _)| *id <= through) {
            let (_, write) = self.cache.pop_front().expect("there is a first write in the cache");
            self.files.apply(write);
        }
    }

    /// The process ends: what is not yet in the cache is lost.
    pub fn crash_process(&mut self, now: Instant) {
        self.advance(now);
        self.in_flight.clear();
        self.held.clear();
        (self.busy_until, self.slow_until) = (now, now);
    }

    /// The machine ends: a part of the cache is lost too. `forced` is how many of the cached writes stay. Returns how
    /// many writes were lost.
    pub fn crash_machine(&mut self, now: Instant, keep: Keep, forced: Option<u64>) -> u64 {
        self.crash_process(now);
        self.crash_count += 1;
        let word = self.crash_rng.word();
        let cached = self.cache.len() as u64;
        let prefix = forced.unwrap_or_else(|| crate::rng::scale(word, cached + 1)).min(cached);
        let mut bits = self.crash_rng.fork("subset", self.crash_count);
        let writes = std::mem::take(&mut self.cache);
        let mut lost = 0;
        let mut fronts = Fronts::default();
        for (position, (_, write)) in (0..).zip(writes) {
            let stays = match keep {
                _ if forced.is_some() => position < prefix,
                Keep::Prefix | Keep::Torn => position < prefix,
                Keep::Subset => bits.word() & 1 == 1,
                Keep::Nothing => false,
            };
            if stays {
                self.files.apply(fronts.placed(write));
            } else {
                lost += 1;
                fronts.on_lost(&write);
                if keep == Keep::Torn && position == prefix {
                    self.files.tear(&write);
                }
            }
        }
        lost
    }

    /// How many crashes of the machine there were: the ordinal of the next one, for an override.
    pub const fn crash_count(&self) -> u64 {
        self.crash_count
    }

    /// What a process that starts now finds.
    pub fn recover(&self) -> Recovered<R> {
        let mut files = self.files.clone();
        for (_, write) in &self.cache {
            files.apply(write.clone());
        }
        files.into_recovered()
    }

    /// A fault of the disk begins. Those on single records happen at once, to what is durable.
    pub fn start_fault(&mut self, key: u32, fault: DiskFault, now: Instant) {
        match fault {
            DiskFault::Hang => {
                self.faults.push((key, fault));
                self.hung_since.get_or_insert(now);
            }
            DiskFault::Slow { .. } | DiskFault::Full | DiskFault::Io | DiskFault::LyingSync => {
                self.faults.push((key, fault));
            }
            DiskFault::Wipe => {
                self.advance(now);
                self.cache.clear();
                self.files.clear();
            }
            DiskFault::Lose { file, from_end } => {
                if let Some((records, position)) = self.record_mut(file, from_end) {
                    records.remove(position);
                }
            }
            DiskFault::Corrupt { file, from_end } => self.spoil(file, from_end, Stored::Corrupt),
            DiskFault::Unreadable { file, from_end } => self.spoil(file, from_end, Stored::Unreadable),
        }
    }

    /// A fault of the disk ends.
    pub fn stop_fault(&mut self, key: u32) {
        self.faults.retain(|(active, _)| *active != key);
        self.note_hang();
    }

    /// Every fault of the disk ends.
    pub fn heal(&mut self) {
        self.faults.clear();
        self.note_hang();
    }

    fn note_hang(&mut self) {
        if !self.faults.iter().any(|(_, fault)| *fault == DiskFault::Hang) {
            self.hung_since = None;
        }
    }

    /// Whether the disk keeps this back, because it hangs: the host comes back for it with [`Disk::take_held`].
    pub fn holds(&mut self, completion: Completion, is_sync: bool) -> bool {
        let hangs = self.hung_since.is_some();
        if hangs {
            self.held.push((completion, is_sync));
        }
        hangs
    }

    /// What was kept back and ends now, in order; empty while the disk hangs.
    pub fn take_held(&mut self, now: Instant) -> Vec<Pending> {
        if self.hung_since.is_some() {
            return Vec::new();
        }
        let held = std::mem::take(&mut self.held);
        held.into_iter().map(|(completion, is_sync)| Pending { at: now, completion, is_sync }).collect()
    }

    /// Whether nothing is on it that was written and has ended by now.
    pub fn is_empty(&self, now: Instant) -> bool {
        let has_ended = |write: &InFlight<R>| write.done_at <= now;
        self.cache.is_empty() && self.files.count() == 0 && !self.in_flight.front().is_some_and(has_ended)
    }

    /// Whether a file has this record, counted from its end, among those that are durable.
    pub fn has_record(&self, file: FileId, from_end: u64) -> bool {
        from_end < self.files.get(file).len() as u64
    }

    fn spoil(&mut self, file: FileId, from_end: u64, with: Stored<R>) {
        if let Some((records, position)) = self.record_mut(file, from_end) {
            records[position] = with;
        }
    }

    fn record_mut(&mut self, file: FileId, from_end: u64) -> Option<(&mut Vec<Stored<R>>, usize)> {
        let records = self.files.get_mut(file)?;
        let position = (records.len() as u64).checked_sub(1)?.checked_sub(from_end)?;
        Some((records, usize::try_from(position).ok()?))
    }

    /// When no operation is left that a fault made slow, or that waits behind one; `None` while a fault is on the disk.
    pub const fn healthy_from(&self) -> Option<Instant> {
        if self.faults.is_empty() { Some(self.slow_until) } else { None }
    }

    /// The most that a write and its sync take while the disk is idle and healthy.
    pub const fn latency_max(&self) -> Duration {
        self.options.write_max.saturating_add(self.options.sync_max)
    }

    /// The durable records of a file.
    pub fn durable(&self, file: FileId) -> &[Stored<R>] {
        self.files.get(file)
    }

    /// The last durable record of a file, where it is intact.
    pub fn durable_last(&self, file: FileId) -> Option<&R> {
        self.durable(file).last().and_then(Stored::intact)
    }

    /// How many words the disk has drawn, for the digest.
    pub const fn drawn(&self) -> u64 {
        self.latency_rng.drawn() + self.crash_rng.drawn()
    }
}

/// What a crash has left at the front of files although a later write counts without it: a cut is at a place of the
/// file, and stays there.
#[derive(Debug, Default)]
struct Fronts(Vec<(FileId, u64)>);

impl Fronts {
    /// A write is lost.
    fn on_lost<R>(&mut self, write: &Write<R>) {
        match write {
            Write::Discard(file, count) => match self.0.iter_mut().find(|(of, _)| of == file) {
                Some((_, front)) => *front += count,
                None => self.0.push((*file, *count)),
            },
            Write::Append(..) | Write::Replace(..) | Write::Truncate(..) => {}
        }
    }

    /// A later write that stays, so that it acts at the places that it was meant for.
    fn placed<R>(&mut self, write: Write<R>) -> Write<R> {
        let mut take = |file: FileId| {
            let place = self.0.iter().position(|(of, _)| *of == file);
            place.map_or(0, |place| self.0.swap_remove(place).1)
        };
        match write {
            Write::Truncate(file, kept) => {
                let front = self.0.iter().find(|(of, _)| *of == file).map_or(0, |(_, front)| *front);
                Write::Truncate(file, kept + front)
            }
            // Who drops what comes later drops what came before.
            Write::Discard(file, count) => Write::Discard(file, count + take(file)),
            Write::Replace(file, record) => {
                take(file);
                Write::Replace(file, record)
            }
            Write::Append(..) => write,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LOG: FileId = FileId(1);
    const OPTIONS: DiskOptions = DiskOptions {
        write_min: Duration::from_micros(10),
        write_max: Duration::from_micros(10),
        sync_min: Duration::from_millis(1),
        sync_max: Duration::from_millis(1),
        capacity: 0,
    };

    fn at(micros: u64) -> Instant {
        Instant::ZERO.saturating_add(Duration::from_micros(micros))
    }

    fn disk() -> Disk<u32> {
        Disk::new(Seed(7), NodeId::server(1), OPTIONS)
    }

    fn append(disk: &mut Disk<u32>, micros: u64, record: u32) -> Pending {
        disk.write(at(micros), WriteId(u64::from(record)), Write::Append(LOG, record), None)
    }

    fn kept(disk: &Disk<u32>) -> Vec<Stored<u32>> {
        disk.recover().file(LOG).to_vec()
    }

    fn intact(records: &[u32]) -> Vec<Stored<u32>> {
        records.iter().copied().map(Stored::Intact).collect()
    }

    #[test]
    fn a_write_survives_the_process_once_it_is_done() {
        let mut disk = disk();
        assert_eq!(append(&mut disk, 0, 1).at, at(10));
        assert_eq!(append(&mut disk, 0, 2).at, at(20));
        disk.crash_process(at(10));
        assert_eq!(kept(&disk), intact(&[1]));
    }

    #[test]
    fn only_what_is_synced_survives_the_machine_for_certain() {
        let mut disk = disk();
        append(&mut disk, 0, 1);
        let sync = disk.sync(at(0), WriteId(1), None);
        assert_eq!((sync.at, sync.completion), (at(1_010), Completion::Durable(WriteId(1))));
        disk.finish_sync(sync.at, WriteId(1));
        append(&mut disk, 2_000, 2);
        let mut other = disk.clone();
        disk.crash_machine(at(3_000), Keep::Nothing, None);
        assert_eq!(kept(&disk), intact(&[1]));
        other.crash_machine(at(3_000), Keep::Prefix, Some(1));
        assert_eq!(kept(&other), intact(&[1, 2]));
    }

    #[test]
    fn a_sync_covers_only_what_was_written_before_it() {
        let mut disk = disk();
        append(&mut disk, 0, 1);
        let sync = disk.sync(at(0), WriteId(1), None);
        append(&mut disk, 0, 2);
        disk.finish_sync(sync.at, WriteId(1));
        assert_eq!(disk.durable(LOG), intact(&[1]));
    }

    #[test]
    fn a_torn_write_leaves_a_torn_record() {
        let mut disk = disk();
        append(&mut disk, 0, 1);
        append(&mut disk, 0, 2);
        disk.crash_machine(at(100), Keep::Torn, Some(1));
        assert_eq!(kept(&disk), vec![Stored::Intact(1), Stored::Torn]);
    }

    #[test]
    fn a_subset_may_leave_holes() {
        let holes = (0..64).any(|seed| {
            let mut disk = Disk::new(Seed(seed), NodeId::server(1), OPTIONS);
            append(&mut disk, 0, 1);
            append(&mut disk, 0, 2);
            disk.crash_machine(at(100), Keep::Subset, None);
            kept(&disk) == intact(&[2])
        });
        assert!(holes, "no seed of 64 kept the second write without the first");
    }

    #[test]
    fn a_cut_stays_at_its_place_though_a_crash_loses_what_was_dropped_before_it() {
        let outcomes: BTreeSet<Vec<u32>> = (0..64)
            .map(|seed| {
                let mut disk = Disk::new(Seed(seed), NodeId::server(1), OPTIONS);
                (1..=6).for_each(|record| _ = append(&mut disk, 0, record));
                let sync = disk.sync(at(100), WriteId(6), None);
                disk.finish_sync(sync.at, WriteId(6));
                // Of 1 to 6 the first two are dropped, then the last one, then the next two.
                let writes = [Write::Discard(LOG, 2), Write::Truncate(LOG, 3), Write::Discard(LOG, 2)];
                for (number, write) in (7..).zip(writes) {
                    disk.write(at(2_000), WriteId(number), write, None);
                }
                disk.crash_machine(at(3_000), Keep::Subset, None);
                let intact = |stored: &Stored<u32>| if let Stored::Intact(record) = stored { *record } else { 0 };
                kept(&disk).iter().map(intact).collect()
            })
            .collect();
        let of = |from: u32, to: u32| (from..=to).collect::<Vec<u32>>();
        assert_eq!(outcomes, [(1, 5), (1, 6), (3, 5), (3, 6), (5, 5), (5, 6)].map(|(from, to)| of(from, to)).into());
    }

    #[test]
    fn a_full_disk_refuses_what_grows_and_a_lying_one_syncs_nothing() {
        let mut disk = disk();
        disk.start_fault(1, DiskFault::Full, at(0));
        assert_eq!(append(&mut disk, 0, 1).completion, Completion::Failed(WriteId(1), DiskError::Full));
        disk.stop_fault(1);
        append(&mut disk, 100, 2);
        disk.start_fault(2, DiskFault::LyingSync, at(0));
        let sync = disk.sync(at(200), WriteId(2), None);
        disk.finish_sync(sync.at, WriteId(2));
        disk.crash_machine(sync.at, Keep::Nothing, None);
        assert_eq!(kept(&disk), intact(&[]));
    }

    #[test]
    fn a_disk_is_healthy_again_when_what_a_slow_one_was_asked_has_ended() {
        let mut disk = disk();
        assert_eq!(disk.healthy_from(), Some(Instant::ZERO));
        append(&mut disk, 0, 1);
        assert_eq!(disk.healthy_from(), Some(Instant::ZERO), "nothing was slow");
        disk.start_fault(7, DiskFault::Slow { by: Duration::from_secs(300) }, at(100));
        let slow = append(&mut disk, 100, 2);
        assert_eq!(disk.healthy_from(), None);
        disk.stop_fault(7);
        assert_eq!(disk.healthy_from(), Some(slow.at));
        let behind = append(&mut disk, 200, 3);
        assert!(behind.at > slow.at && disk.healthy_from() == Some(behind.at), "it waits behind the slow one");
        disk.crash_process(at(300));
        assert_eq!(disk.healthy_from(), Some(at(300)), "what is lost keeps nobody waiting");
    }

    #[test]
    fn capacity_counts_records() {
        let mut disk = Disk::new(Seed(7), NodeId::server(1), DiskOptions { capacity: 1, ..OPTIONS });
        assert_eq!(append(&mut disk, 0, 1).completion, Completion::Written(WriteId(1)));
        assert_eq!(append(&mut disk, 0, 2).completion, Completion::Failed(WriteId(2), DiskError::Full));
    }

    #[test]
    fn single_records_are_lost_corrupt_or_unreadable() {
        let mut disk = disk();
        for record in [1, 2, 3] {
            append(&mut disk, 0, record);
        }
        disk.finish_sync(at(1_000), WriteId(3));
        disk.start_fault(1, DiskFault::Lose { file: LOG, from_end: 2 }, at(0));
        disk.start_fault(2, DiskFault::Corrupt { file: LOG, from_end: 0 }, at(0));
        disk.start_fault(3, DiskFault::Unreadable { file: LOG, from_end: 1 }, at(0));
        disk.start_fault(4, DiskFault::Lose { file: LOG, from_end: 9 }, at(0));
        assert_eq!(kept(&disk), vec![Stored::Unreadable, Stored::Corrupt]);
    }

    #[test]
    fn replace_truncate_and_discard_change_whole_files() {
        let mut disk = disk();
        for (id, write) in (1..).zip([
            Write::Append(LOG, 1),
            Write::Append(LOG, 2),
            Write::Append(LOG, 3),
            Write::Discard(LOG, 1),
            Write::Truncate(LOG, 1),
            Write::Replace(FileId(2), 8),
            Write::Replace(FileId(2), 9),
        ]) {
            disk.write(at(0), WriteId(id), write, None);
        }
        disk.finish_sync(at(1_000), WriteId(7));
        assert_eq!(disk.durable(LOG), intact(&[2]));
        assert_eq!(disk.durable_last(FileId(2)), Some(&9));
    }
}

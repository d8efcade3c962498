//! The files of a disk: what writes change, and what a node is given back. Every host applies its writes here.

use crate::node::{FileId, Recovered, Stored, Write};

/// Files of records, in order of number. A disk has a few of them, so a file is found by looking at each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files<R>(Vec<(FileId, Vec<Stored<R>>)>);

impl<R> Default for Files<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> Files<R> {
    /// An empty disk.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Makes one change. Cutting off more than there is leaves an empty file.
    pub fn apply(&mut self, write: Write<R>) {
        match write {
            Write::Append(file, record) => self.of(file).push(Stored::Intact(record)),
            Write::Replace(file, record) => {
                let records = self.of(file);
                records.clear();
                records.push(Stored::Intact(record));
            }
            Write::Truncate(file, count) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                self.of(file).truncate(count);
            }
            Write::Discard(file, count) => {
                let records = self.of(file);
                let count = usize::try_from(count).unwrap_or(usize::MAX).min(records.len());
                records.drain(..count);
            }
        }
    }

    /// A write that was cut off in the middle: an append leaves a torn record; a replacement, being a rename, leaves
    /// the file as it was; so does a change of length.
    pub fn tear(&mut self, write: &Write<R>) {
        if let Write::Append(file, _) = write {
            self.of(*file).push(Stored::Torn);
        }
    }

    /// The records of a file; none if it does not exist.
    #[inline]
    pub fn get(&self, file: FileId) -> &[Stored<R>] {
        self.0.iter().find(|(number, _)| *number == file).map_or(&[], |(_, records)| records)
    }

    /// The records of a file, to be damaged. `None` if it does not exist.
    pub fn get_mut(&mut self, file: FileId) -> Option<&mut Vec<Stored<R>>> {
        self.0.iter_mut().find(|(number, _)| *number == file).map(|(_, records)| records)
    }

    /// The files that exist, in order of number, each with its records in order.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &[Stored<R>])> {
        self.0.iter().map(|(number, records)| (*number, records.as_slice()))
    }

    /// Every file is gone.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many records there are in all files.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, records)| records.len() as u64).sum()
    }

    /// What a process that starts now is given.
    pub fn into_recovered(self) -> Recovered<R> {
        Recovered { files: self.0 }
    }

    fn of(&mut self, file: FileId) -> &mut Vec<Stored<R>> {
        let place = self.0.partition_point(|(number, _)| *number < file);
        if self.0.get(place).is_none_or(|(number, _)| *number != file) {
            self.0.insert(place, (file, Vec::new()));
        }
        &mut self.0[place].1
    }
}

//! A node's disk as a file: a frame for each write, replayed at the start.
//!
//! ```text
//! frame: length of the text, 4 bytes │ its hash, 4 bytes │ hash of the text, 8 bytes │ the text: a write as JSON
//! ```
//!
//! Numbers are little-endian, hashes are xxh3. A last frame that is shorter than it says, or an end of nothing but
//! zeros, was being written when the machine stopped: nothing that depended on it has left, so it is cut off. A hash
//! that does not fit is damage, and an error: to start without a write that was promised is worse than not to start.
//! The file is written anew at each start, and when much of it no longer counts.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use splitbrain_kernel::files::Files;
use splitbrain_kernel::node::{FileId, Stored, Write};
use xxhash_rust::xxh3::xxh3_64;

use crate::realtime::encode;

/// The name of the file.
const NAME: &str = "journal";
/// The file while it is written anew.
const NAME_OF_NEW: &str = "journal.new";
/// A file that is locked for as long as a node uses the disk.
const NAME_OF_LOCK: &str = "lock";
const HEAD_BYTES: usize = 16;
const FORMAT: u32 = 1;
/// How much has to be appended before the file is written anew.
const GROWTH_BYTES_MIN: u64 = 16 << 20;

/// What a frame holds.
#[derive(Serialize, Deserialize)]
enum Entry<R> {
    /// The first frame: the format, and how often the node was started.
    Head { format: u32, starts: u32 },
    /// A change to a file.
    Write(Write<R>),
}

/// A disk of this node's records.
pub(super) struct Journal<R> {
    folder: PathBuf,
    file: File,
    files: Files<R>,
    starts: u32,
    bytes: u64,
    /// When it was written anew, or should have been.
    bytes_anew: u64,
    is_synced: bool,
    /// Held until this value is dropped.
    _lock: File,
}

impl<R: Serialize + DeserializeOwned> Journal<R> {
    /// Opens the disk in this folder, which is made if it is not there, for one more start of the node.
    ///
    /// # Errors
    /// If the folder cannot be used, if another process uses it, or if the journal is damaged or of another format.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        make(folder)?;
        let lock = File::create(folder.join(NAME_OF_LOCK))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::other(format!("{} is the disk of a node that runs", folder.display()))
            }
            TryLockError::Error(error) => error,
        })?;
        let (files, starts) = read::<R>(&folder.join(NAME))?;
        let starts = starts + 1;
        let (file, bytes) = write_new(folder, &files, starts)?;
        take_place(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            file,
            files,
            starts,
            bytes,
            bytes_anew: bytes,
            is_synced: true,
            _lock: lock,
        })
    }

    /// What the disk keeps.
    pub(super) const fn files(&self) -> &Files<R> {
        &self.files
    }

    /// How often the node was started, this time included.
    pub(super) const fn starts(&self) -> u32 {
        self.starts
    }

    pub(super) fn write(&mut self, write: Write<R>) -> io::Result<()> {
        let text = encode(&Entry::Write(write));
        // What cannot be read again must not be promised: JSON has no NaN, and a depth that is read.
        let Ok(Entry::Write(write)) = serde_json::from_slice(&text) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a record that JSON cannot hold"));
        };
        let frame = frame(&text)?;
        self.file.write_all(&frame)?;
        self.bytes += frame.len() as u64;
        self.is_synced = false;
        self.files.apply(write);
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.is_synced {
            return Ok(());
        }
        self.file.sync_data()?;
        self.is_synced = true;
        if self.bytes - self.bytes_anew > GROWTH_BYTES_MIN.max(self.bytes_anew) {
            match write_new(&self.folder, &self.files, self.starts) {
                Ok((file, bytes)) => {
                    take_place(&self.folder)?;
                    (self.file, self.bytes) = (file, bytes);
                }
                // It would only have saved room.
                Err(error) => tracing::warn!(folder = %self.folder.display(), %error, "a journal stays long"),
            }
            self.bytes_anew = self.bytes;
        }
        Ok(())
    }
}

/// What a journal keeps, and how often its node was started; an empty disk if there is none.
fn read<R: Serialize + DeserializeOwned>(path: &Path) -> io::Result<(Files<R>, u32)> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Files::new(), 0)),
        Err(error) => return Err(error),
    };
    let damaged = |at: usize, what: &str| {
        let text = format!("{}, byte {at}: {what}; no node can start from it", path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    };
    let (mut files, mut starts, mut at) = (Files::new(), None, 0);
    let is_zeros = |at: usize| bytes[at..].iter().all(|byte| *byte == 0);
    while !is_zeros(at)
        && let Some(head) = bytes.get(at..at + HEAD_BYTES)
    {
        let head = Head::read(head).ok_or_else(|| damaged(at, "the hash of a length does not fit"))?;
        let start = at + HEAD_BYTES;
        let Some(text) = start.checked_add(head.length).and_then(|end| bytes.get(start..end)) else { break };
        if xxh3_64(text) != head.hash {
            return Err(damaged(at, "the hash of a write does not fit"));
        }
        let entry = serde_json::from_slice(text).map_err(|error| damaged(at, &error.to_string()))?;
        match (entry, starts) {
            (Entry::Head { format: FORMAT, starts: count }, None) => starts = Some(count),
            (Entry::Head { format, .. }, None) => {
                return Err(damaged(at, &format!("the journal has format {format}, this program reads {FORMAT}")));
            }
            (Entry::Write(write), Some(_)) => files.apply(write),
            (Entry::Head { .. }, Some(_)) | (Entry::Write(_), None) => {
                return Err(damaged(at, "a journal has one head, at its start"));
            }
        }
        at = start + text.len();
    }
    // The head is on the disk before the journal has its name.
    let starts = starts.ok_or_else(|| damaged(0, "this is no journal"))?;
    if at < bytes.len() {
        let left = bytes.len() - at;
        tracing::warn!(journal = %path.display(), bytes = left, "a last write that is not whole is cut off");
    }
    Ok((files, starts))
}

/// What stands before the text of a frame.
struct Head {
    length: usize,
    hash: u64,
}

impl Head {
    /// `None` if it is damaged.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (hash_of_length, rest) = rest.split_first_chunk()?;
        let (hash, _) = rest.split_first_chunk()?;
        let is_good = hash_of_length == &short_hash(length);
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        is_good.then_some(Self { length, hash: u64::from_le_bytes(*hash) })
    }
}

fn frame(text: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(text.len()).map_err(|_| io::Error::other("a record of more than 4 GiB"))?.to_le_bytes();
    Ok([&length[..], &short_hash(&length), &xxh3_64(text).to_le_bytes(), text].concat())
}

fn short_hash(length: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh3_64(length).to_le_bytes();
    [a, b, c, d]
}

/// Writes what counts into a new file beside the journal; returns it with its bytes.
fn write_new<R: Serialize>(folder: &Path, files: &Files<R>, starts: u32) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(folder.join(NAME_OF_NEW))?;
    let mut writer = BufWriter::new(file);
    let mut bytes = 0;
    let mut add = |entry: &Entry<&R>| -> io::Result<()> {
        let frame = frame(&encode(entry))?;
        bytes += frame.len() as u64;
        writer.write_all(&frame)
    };
    add(&Entry::Head { format: FORMAT, starts })?;
    for (file, records) in files.iter() {
        for entry in entries(file, records) {
            add(&entry)?;
        }
    }
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok((file, bytes))
}

/// The new file becomes the journal.
fn take_place(folder: &Path) -> io::Result<()> {
    std::fs::rename(folder.join(NAME_OF_NEW), folder.join(NAME))?;
    // So that the name is on the disk too.
    File::open(folder)?.sync_all()
}

/// Makes the folder, and has its name on the disk.
fn make(folder: &Path) -> io::Result<()> {
    let mut made = Vec::new();
    let mut above = Some(folder);
    while let Some(folder) = above.filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        made.push(folder);
        above = folder.parent();
    }
    std::fs::create_dir_all(folder)?;
    for folder in made {
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// The writes that make a file. An empty one is there too, as one that has been cut to nothing is.
fn entries<R>(file: FileId, records: &[Stored<R>]) -> impl Iterator<Item = Entry<&R>> {
    let first = records.is_empty().then_some(Entry::Write(Write::Truncate(file, 0)));
    let appends =
        records.iter().filter_map(Stored::intact).map(move |record| Entry::Write(Write::Append(file, record)));
    first.into_iter().chain(appends)
}

#[cfg(test)]
mod tests;

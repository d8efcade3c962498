//! A file that takes its place as a whole: until then it is written beside it, and what is there stays as it is.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Collects what is written. Each flush puts all of it in the file's place at once.
///
/// A device or a pipe has no place beside it, so it is written to directly.
#[derive(Debug)]
pub struct Aside {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Aside {
    /// A file that will stand here. What stands here now is not touched.
    ///
    /// # Errors
    /// A place where no file can be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        // Through a link, to the file itself.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let aside = Self { path, bytes: Vec::new() };
        if aside.is_direct() {
            File::options().append(true).open(&aside.path)?;
        } else {
            File::create(aside.partial())?;
            fs::remove_file(aside.partial())?;
        }
        Ok(aside)
    }

    /// Whether what stands here is anything but a file.
    fn is_direct(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|known| !known.is_file())
    }

    /// Where the file is until it is whole: hidden, and used by no other process.
    fn partial(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!(".{name}.partial.{}", std::process::id()))
    }

    fn place(&self) -> io::Result<()> {
        fs::write(self.partial(), &self.bytes)?;
        fs::rename(self.partial(), &self.path)
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_direct() {
            let bytes = std::mem::take(&mut self.bytes);
            return File::options().append(true).open(&self.path)?.write_all(&bytes);
        }
        self.place().inspect_err(|_| {
            // What cannot be written as a whole is not left behind in part.
            let _ = fs::remove_file(self.partial());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("splitbrain-aside-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("it is there");
        entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn an_old_file_stays_until_the_new_one_is_whole() {
        let folder = folder("old");
        let path = folder.join("report.xml");
        fs::write(&path, "old").expect("a file can be written");
        let mut aside = Aside::create(&path).expect("a place where files can be written");
        write!(aside, "new").expect("it is collected");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "old");
        assert_eq!(names(&folder), ["report.xml"]);
        for _ in 0..2 {
            aside.flush().expect("a place where files can be written");
            assert_eq!(fs::read_to_string(&path).expect("it is there"), "new");
        }
        assert_eq!(names(&folder), ["report.xml"]);
        fs::remove_dir_all(folder).expect("a folder can be removed");
    }

    #[test]
    fn a_place_where_no_file_can_be_is_an_error_at_once() {
        let folder = folder("wrong");
        assert!(Aside::create(&folder).is_err(), "a folder is no file");
        assert!(Aside::create(&folder.join("nowhere/report.xml")).is_err());
        fs::remove_dir_all(folder).expect("a folder can be removed");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_to_directly() {
        let mut full = Aside::create(Path::new("/dev/full")).expect("it can be opened");
        write!(full, "much").expect("it is collected");
        assert_eq!(full.flush().map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull));
        assert!(Path::new("/dev/full").exists(), "no file takes its place");
    }
}

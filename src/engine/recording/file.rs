//! Recordings as files: one JSON object a line, the first of which says what the file is. They are written as entries
//! come, and read back entry by entry, so a recording of any length needs no more memory than its longest line.
//!
//! What is read and written again is equal, byte for byte.

use std::fmt;
use std::io::{self, BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Entry, FORMAT};
use crate::engine::Names;
use crate::text::printable;

/// The most bytes that a line of a recording may have. A line is one entry, so this is far beyond any message.
pub const LINE_BYTES_MAX: u64 = 16 << 20;

/// The first line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// What is recorded.
    #[serde(rename = "type")]
    pub kind: RecordingKind,
    /// [`FORMAT`]. A file of another format is refused.
    pub format: u32,
    /// The build that the run was made with.
    pub build: String,
    /// The system: `raft`.
    pub system: String,
    /// The path of the scenario, as it was given.
    pub scenario: String,
    /// The hash of its text.
    pub scenario_hash: String,
    /// The seed of the run.
    pub seed: u64,
    /// The names of its nodes; left out if all are plain servers and clients.
    #[serde(default, skip_serializing_if = "Names::is_plain")]
    pub names: Names,
}

/// What a recording holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingKind {
    /// Every event of a run and every effect.
    Trace,
}

/// A file that is no recording, or not one of this format, or a damaged one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingError {
    /// The name of the file.
    pub file: String,
    /// Which line, counted from 1.
    pub line: u64,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", printable(&self.file), self.line, printable(&self.message))
    }
}

impl std::error::Error for RecordingError {}

/// Writes a recording.
#[derive(Debug)]
pub struct RecordingWriter<W> {
    out: W,
}

impl<W: Write> RecordingWriter<W> {
    /// Begins a recording with its header.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self { out };
        writer.line(header)?;
        Ok(writer)
    }

    /// The next entry.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&mut self, entry: &Entry) -> io::Result<()> {
        self.line(entry)
    }

    /// Writes out what is still in buffers, and gives back what it wrote to.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn line<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }
}

/// Reads a recording: an iterator over its entries, which ends after the first error.
#[derive(Debug)]
pub struct RecordingReader<R> {
    input: R,
    file: String,
    header: Header,
    line: u64,
    is_ended: bool,
}

impl<R: BufRead> RecordingReader<R> {
    /// Reads the header. `file` is what errors call the recording.
    ///
    /// # Errors
    /// What cannot be read, is no recording, or is one of another format.
    pub fn new(file: impl Into<String>, mut input: R) -> Result<Self, RecordingError> {
        let file = file.into();
        let refuse = |message| RecordingError { file: file.clone(), line: 1, message };
        let line = next_line(&mut input).map_err(refuse)?;
        let line = line.ok_or_else(|| refuse(format!("the file is empty, {HEADER_EXPECTED}")))?;
        let header = header(&line).map_err(refuse)?;
        Ok(Self { input, file, header, line: 1, is_ended: false })
    }

    /// The first line.
    pub const fn header(&self) -> &Header {
        &self.header
    }
}

impl<R: BufRead> Iterator for RecordingReader<R> {
    type Item = Result<Entry, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_ended {
            return None;
        }
        self.line += 1;
        let read = next_line(&mut self.input).and_then(|line| line.map(|line| entry(&line)).transpose());
        self.is_ended = !matches!(read, Ok(Some(_)));
        let (file, line) = (&self.file, self.line);
        read.map_err(|message| RecordingError { file: file.clone(), line, message }).transpose()
    }
}

const HEADER_EXPECTED: &str = "expected a header such as {\"type\":\"trace\",\"format\":3,…}";

fn header(line: &Line) -> Result<Header, String> {
    let refuse = |why: &dyn fmt::Display| format!("{why}, {HEADER_EXPECTED}");
    let value: Value = serde_json::from_str(&line.text).map_err(|error| refuse(&place(&error)))?;
    // The format comes first: a file of another one may have other keys.
    match value.get("format").map(|format| (format, format.as_u64())) {
        None => return Err(refuse(&"no format is given")),
        Some((_, Some(format))) if format == u64::from(FORMAT) => {}
        Some((format, _)) => {
            return Err(format!("a recording of format {format}, this build reads format {FORMAT}"));
        }
    }
    serde_json::from_str(&line.text).map_err(|error| refuse(&place(&error)))
}

fn entry(line: &Line) -> Result<Entry, String> {
    serde_json::from_str(&line.text).map_err(|error| match line.is_whole {
        false => format!("the recording ends in the middle of this line: {}", place(&error)),
        true => {
            format!("{}, expected an entry such as {{\"at_ns\":5,\"event\":1,\"kind\":\"timer\",…}}", place(&error))
        }
    })
}

/// What serde says, with the column alone: the line is that of the recording.
fn place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("column {}: {what}", error.column())
}

struct Line {
    text: String,
    /// Whether it ends as a line does.
    is_whole: bool,
}

fn next_line(input: &mut impl BufRead) -> Result<Option<Line>, String> {
    let mut bytes = Vec::new();
    let read = input.take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let is_whole = bytes.last() == Some(&b'\n');
    if !is_whole && bytes.len() as u64 > LINE_BYTES_MAX {
        return Err(format!("the line is longer than {LINE_BYTES_MAX} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())?;
    Ok(Some(Line { text, is_whole }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EntryKind;

    fn header() -> Header {
        Header {
            kind: RecordingKind::Trace,
            format: FORMAT,
            build: "0.1.0+abc".to_owned(),
            system: "raft".to_owned(),
            scenario: "scenarios/raft/a.toml".to_owned(),
            scenario_hash: "00ff".to_owned(),
            seed: u64::MAX,
            names: Names::default(),
        }
    }

    fn written(entries: &[Entry]) -> String {
        let mut writer = RecordingWriter::new(Vec::new(), &header()).expect("memory takes it");
        entries.iter().for_each(|entry| writer.write(entry).expect("memory takes it"));
        String::from_utf8(writer.finish().expect("memory takes it")).expect("JSON is text")
    }

    fn read(text: &[u8]) -> Result<Vec<Entry>, RecordingError> {
        RecordingReader::new("trace.jsonl", text)?.collect()
    }

    fn refused(text: &str) -> String {
        read(text.as_bytes()).expect_err("it is no recording").to_string()
    }

    #[test]
    fn what_is_written_is_read_and_written_again_as_the_same_bytes() {
        let mut full = Entry::new(EntryKind::Message, "append", "7@2 +1 \"quoted\" \u{1b} ü");
        full.event = u64::MAX;
        full.node = Some("s2".parse().expect("a node"));
        full.peer = Some("c1".parse().expect("a node"));
        full.role = Some("pre-candidate".to_owned());
        (full.epoch, full.peer_epoch) = (Some(3), Some(u64::MAX));
        full.data =
            serde_json::json!({ "z": 1, "a": [null, true, -5, u64::MAX, 0.1, 1e300, 5e-324], "ü": { "k": "\n" } });
        let step = Entry { data: serde_json::json!({ "again": 1 }), ..Entry::new(EntryKind::Step, "step", "again 1") };
        let entries = vec![Entry::new(EntryKind::Start, "start", ""), step, full];
        let text = written(&entries);
        let again = read(text.as_bytes()).expect("it is a recording");
        assert_eq!(again, entries);
        assert_eq!(written(&again), text);
    }

    #[test]
    fn an_empty_recording_has_a_header_and_no_entry() {
        let text = written(&[]);
        let reader = RecordingReader::new("trace.jsonl", text.as_bytes()).expect("it is a recording");
        assert_eq!(reader.header(), &header());
        assert_eq!(reader.count(), 0);
    }

    #[test]
    fn what_is_no_recording_is_refused_by_file_and_line() {
        let expected = "expected a header such as {\"type\":\"trace\",\"format\":3,…}";
        assert_eq!(refused(""), format!("trace.jsonl:1: the file is empty, {expected}"));
        assert_eq!(refused("[run]\n"), format!("trace.jsonl:1: column 2: expected value, {expected}"));
        assert_eq!(refused("{}\n"), format!("trace.jsonl:1: no format is given, {expected}"));
        assert_eq!(
            refused("{\"format\":1,\"old\":true}\n"),
            "trace.jsonl:1: a recording of format 1, this build reads format 3"
        );
        let other = written(&[]).replace("\"trace\"", "\"plan\"");
        assert!(refused(&other).contains("unknown variant `plan`, expected `trace`"), "{}", refused(&other));
    }

    #[test]
    fn a_damaged_entry_is_refused_by_its_line_and_ends_the_reading() {
        let text = written(&[Entry::new(EntryKind::Start, "start", ""), Entry::new(EntryKind::Timer, "timer", "x")]);
        let strange = text.replace("\"timer\",\"name\"", "\"tremor\",\"name\"");
        let message = refused(&strange);
        assert!(message.starts_with("trace.jsonl:3: column "), "{message}");
        assert!(message.contains("unknown variant `tremor`, expected one of `start`"), "{message}");
        let more = text.replace("\"text\":\"x\"", "\"text\":\"x\",\"texture\":1");
        assert!(refused(&more).contains("unknown field `texture`"), "{}", refused(&more));
        let less = text.replace(",\"text\":\"x\"", "");
        assert!(refused(&less).contains("missing field `text`"), "{}", refused(&less));
        let cut = &text[..text.len() - 5];
        assert!(
            refused(cut).contains("trace.jsonl:3: the recording ends in the middle of this line"),
            "{}",
            refused(cut)
        );
        let blank = format!("{text}\n");
        assert!(refused(&blank).starts_with("trace.jsonl:4: column "), "{}", refused(&blank));

        let reader = RecordingReader::new("trace.jsonl", strange.as_bytes()).expect("the header is right");
        assert_eq!(reader.map(|entry| entry.is_ok()).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn bytes_that_are_no_text_and_lines_without_end_are_refused() {
        let mut bytes = written(&[]).into_bytes();
        bytes.extend(b"\xff\n");
        assert_eq!(read(&bytes).expect_err("no text").to_string(), "trace.jsonl:2: not UTF-8 text");
        let mut input = io::BufReader::new(io::repeat(b'x'));
        let message = RecordingReader::new("\u{1b}[1m", &mut input).expect_err("no end").to_string();
        assert_eq!(message, "\\u{1b}[1m:1: the line is longer than 16777216 bytes");
    }
}

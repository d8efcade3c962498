//! The text of a scenario file: its name for people, its hash for replays, and where a byte is.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

/// A file's text. Cloning it is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What diagnostics call the file.
    pub path: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
    /// xxh3 (128 bit) of its bytes. A replay compares it.
    pub hash: u128,
}

/// A place in a text, both counted from 1; columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Source {
    /// The text and the name of a file, and its bytes.
    pub(super) fn new(path: &str, text: &str, bytes: &[u8]) -> Self {
        Self { path: path.into(), text: text.into(), hash: xxh3_128(bytes) }
    }

    /// Where a byte is. An offset within a character or beyond the end counts as the next best before it.
    pub fn position(&self, offset: usize) -> Position {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[start..].chars().count() + 1;
        Position { line: clamp(line), column: clamp(column) }
    }

    /// The line of a byte.
    pub fn line(&self, offset: usize) -> u32 {
        self.position(offset).line
    }

    /// The file's name without directory and ending.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit(['/', '\\']).next().unwrap_or(&self.path);
        name.strip_suffix(".toml").unwrap_or(name)
    }
}

/// Where the lines of a text begin: for a caller that asks for the lines of many bytes.
#[derive(Debug)]
pub(super) struct Lines {
    /// The offsets of the first bytes of all lines, in ascending order.
    starts: Vec<usize>,
}

impl Lines {
    /// Looks through the text once.
    pub(super) fn of(text: &str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(offset, _)| offset + 1);
        Self { starts: [0].into_iter().chain(after).collect() }
    }

    /// The line of a byte, counted from 1.
    pub(super) fn line(&self, offset: usize) -> u32 {
        clamp(self.starts.partition_point(|start| *start <= offset))
    }
}

fn clamp(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_positions() {
        for text in ["", "one", "one\n", "\n\ntwo\r\nthree → four\n\n"] {
            let (source, lines) = (Source::new("a.toml", text, text.as_bytes()), Lines::of(text));
            for offset in 0..text.len() + 2 {
                let known = source.line(offset.min(text.len()));
                assert_eq!(lines.line(offset), known, "byte {offset} of {text:?}");
            }
        }
    }
}

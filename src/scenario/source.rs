//! The text of a scenario file: its name for people, its hash for replays, and where a byte is.

use std::ops::Range;
use std::sync::Arc;

use toml::de::DeValue;
use xxhash_rust::xxh3::xxh3_128;

/// A file's text. Cloning it is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// What diagnostics call the file.
    pub path: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
    /// xxh3 (128 bit) of its bytes. A replay compares it.
    pub hash: u128,
    /// The variant that it picks.
    pub variant: Option<Arc<str>>,
    /// How many bytes of the text are the file's: what a command line picks stands behind them.
    pub(super) own: usize,
}

/// A place in a text, both counted from 1; columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl SourceFile {
    /// The text and the name of a file, and its bytes.
    pub(super) fn new(path: &str, text: &str, bytes: &[u8]) -> Self {
        Self { path: path.into(), text: text.into(), hash: xxh3_128(bytes), variant: None, own: text.len() }
    }

    /// What names the scenario among others: its path, and its variant where it is one, `overlap.toml#quick`.
    pub fn address(&self) -> String {
        match &self.variant {
            Some(variant) => format!("{}#{variant}", self.path),
            None => self.path.to_string(),
        }
    }

    /// What a command line set, each as it takes it: `raft.pre_vote.enabled=false`.
    pub fn set(&self) -> Vec<String> {
        let given = self.text.get(self.own..).unwrap_or_default().lines();
        given.filter_map(|line| Some(line.strip_prefix("set.")?.replacen(" = ", "=", 1))).collect()
    }

    /// The line of the text in which a byte stands, if a command line gave it: its start and its text.
    pub(super) fn given(&self, offset: usize) -> Option<(usize, &str)> {
        let behind = self.text.get(self.own..)?;
        if offset < self.own || behind.is_empty() {
            return None;
        }
        let before = self.text.get(..offset)?;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some((start, self.text[start..].lines().next()?))
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

    /// The bytes of a line, without the blanks around it; none of a line that the text does not have.
    pub(super) fn text_of_line(&self, line: u32) -> Range<usize> {
        let before = (line as usize).saturating_sub(1);
        let start: usize = self.text.split_inclusive('\n').take(before).map(str::len).sum();
        let text = self.text[start..].lines().next().unwrap_or_default();
        let start = start + text.len() - text.trim_start().len();
        start..start + text.trim().len()
    }

    /// The line of a table or key that the text states, by its path: `network`, `network.loss`, `fault[2].cut`. `None`
    /// if the text does not state it, or is no TOML.
    pub fn line_of(&self, path: &str) -> Option<u32> {
        let tree = super::laid_tree(self)?;
        let mut table = &tree;
        let mut keys = path.split('.').peekable();
        loop {
            let (name, index) = split_index(keys.next()?)?;
            let (key, value) = table.get_key_value(name)?;
            let (start, value) = match (index, value.get_ref()) {
                (None, value) => (key.span().start, value),
                (Some(index), DeValue::Array(items)) => {
                    let item = items.get(index)?;
                    (item.span().start, item.get_ref())
                }
                _ => return None,
            };
            if keys.peek().is_none() {
                return Some(self.line(start));
            }
            let DeValue::Table(inner) = value else { return None };
            table = inner;
        }
    }

    /// Whether a line of the text stands behind the file's: a command line gave it.
    pub fn is_given(&self, line: u32) -> bool {
        line as usize > self.text.get(..self.own).unwrap_or_default().lines().count()
    }

    /// The file's name without directory and ending.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit(['/', '\\']).next().unwrap_or(&self.path);
        name.strip_suffix(".toml").unwrap_or(name)
    }
}

/// `fault[2]` is the third of its list; `None` if there is no number between the brackets.
fn split_index(key: &str) -> Option<(&str, Option<usize>)> {
    match key.strip_suffix(']').and_then(|key| key.split_once('[')) {
        Some((name, index)) => Some((name, Some(index.parse().ok()?))),
        None => Some((key, None)),
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
    fn a_key_has_the_line_in_which_it_stands_however_it_is_written() {
        let text = "format = 1\n[network]\n# loss = 1\nlatency = \"1ms\"\n\n[[network.link]]\nloss = \"1%\"\n\
            [run]\nduration = \"1s\"\nties.explore = 1\n[clocks.nodes.s1]\na = { b = 1 }\n";
        let source = SourceFile::new("a.toml", text, text.as_bytes());
        let lines = [
            ("format", Some(1)),
            ("network", Some(2)),
            ("network.latency", Some(4)),
            ("network.link", Some(6)),
            ("network.link[0].loss", Some(7)),
            ("network.link[1]", None),
            ("network.link[x]", None),
            ("network[0]", None),
            ("network.loss", None),
            ("run.ties", Some(10)),
            ("clocks", Some(11)),
            ("clocks.nodes.s1.a.b", Some(12)),
            ("disk", None),
            ("format.more", None),
        ];
        for (path, line) in lines {
            assert_eq!(source.line_of(path), line, "{path}");
        }
        let texts = [(1, "format = 1"), (5, ""), (10, "ties.explore = 1"), (13, ""), (0, "format = 1")];
        for (line, text) in texts {
            assert_eq!(&source.text[source.text_of_line(line)], text, "line {line}");
        }
        assert_eq!(SourceFile::new("a.toml", "format = ", b"").line_of("format"), None);
    }

    #[test]
    fn lines_are_those_of_positions() {
        for text in ["", "one", "one\n", "\n\ntwo\r\nthree → four\n\n"] {
            let (source, lines) = (SourceFile::new("a.toml", text, text.as_bytes()), Lines::of(text));
            for offset in 0..text.len() + 2 {
                let known = source.line(offset.min(text.len()));
                assert_eq!(lines.line(offset), known, "byte {offset} of {text:?}");
            }
        }
    }
}

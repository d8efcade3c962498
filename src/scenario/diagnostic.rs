//! What is wrong with a scenario file: where, what, what is known, what is nearest; several at a time.

use super::source::{Position, Source};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The bytes to blame.
    pub span: std::ops::Range<usize>,
    /// Where they start.
    pub position: Position,
    /// The path of the key: `nemesis[0].kinds`. Empty where the file as a whole is meant.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would have been right, where that is a list of words.
    pub known: Vec<String>,
    /// The known word that is nearest to what was written.
    pub nearest: Option<String>,
}

/// Everything that is wrong with one file, in order of position. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    /// The file.
    pub source: Source,
    /// What is wrong with it.
    pub list: Vec<Diagnostic>,
}

/// Why there is no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The text is no scenario.
    #[error(transparent)]
    Invalid(Diagnostics),
}

impl Diagnostics {
    /// A file that could not be looked at.
    pub(super) fn unread(path: &str, bytes: &[u8], message: &str) -> Self {
        let source = Source::new(path, &String::from_utf8_lossy(bytes));
        let position = source.position(0);
        let one = Diagnostic {
            span: 0..0,
            position,
            path: String::new(),
            message: message.to_owned(),
            known: Vec::new(),
            nearest: None,
        };
        Self {
            source,
            list: vec![one],
        }
    }

    /// One line for each, without colour: `a.toml:12:9: nemesis[0].kinds: unknown "partion" (known: …)`.
    pub fn plain(&self) -> String {
        self.list
            .iter()
            .map(|one| {
                format!(
                    "{}:{}:{}: {}: {}\n",
                    self.source.path, one.position.line, one.position.column, one.path, one.message
                )
            })
            .collect()
    }

    /// With the lines of the file, as rustc shows them.
    pub fn pretty(&self, colour: Colour) -> String {
        let _ = colour;
        self.plain()
    }
}

/// Whether to write escape sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// For a terminal.
    Always,
    /// For a file or a log.
    Never,
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.plain().trim_end())
    }
}

impl std::error::Error for Diagnostics {}

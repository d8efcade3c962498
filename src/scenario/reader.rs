//! What a decoder carries along: the system's words, what is already known of the scenario, and what was found wrong.

use std::ops::Range;

use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::time::Instant;
use toml::Spanned;
use toml::de::DeValue;

use super::description::SystemDescription;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::did_you_mean::nearest;
use super::draw::{Decider, Draws};
use super::foreign::{Foreign, foreign};
use super::source::{Position, SourceFile};

/// More errors than this help nobody; the rest is counted.
pub(super) const FOUND_MAX: usize = 100;

/// A value of the file, where it stands and what it is called.
#[derive(Clone, Debug)]
pub(super) struct At<'t> {
    /// The value.
    pub(super) value: &'t DeValue<'t>,
    /// Its bytes.
    pub(super) span: Range<usize>,
    /// The path of its key: `fault[0].cut`.
    pub(super) path: String,
}

impl<'t> At<'t> {
    /// A value and its path.
    pub(super) fn new(value: &'t Spanned<DeValue<'t>>, path: String) -> Self {
        Self { value: value.get_ref(), span: value.span(), path }
    }

    /// What stands under these keys, one within the other.
    pub(super) fn below(&self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self.clone(), |at, key| {
            let value = at.value.as_table()?.get(*key)?;
            Some(Self::new(value, format!("{}.{key}", at.path)))
        })
    }

    /// The values of a list, each with its index in the path.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        let items = self.value.as_array()?.iter().enumerate();
        Some(items.map(|(index, item)| Self::new(item, format!("{}[{index}]", self.path))).collect())
    }
}

/// What is wrong with a value, before it is said where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    message: String,
    known: Vec<String>,
    nearest: Option<String>,
}

impl Problem {
    /// A sentence that says what is wrong and what would be right.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), known: Vec::new(), nearest: None }
    }

    /// A value of another type or form.
    pub(super) fn expected(noun: &str, value: &DeValue<'_>) -> Self {
        Self::new(format!("expected {noun}, got {}", shown(value)))
    }

    /// In one line, with what is known.
    pub(super) fn into_text(self) -> String {
        let known = (!self.known.is_empty()).then(|| format!("known: {}", self.known.join(", ")));
        let nearest = self.nearest.map(|word| format!("did you mean \"{word}\"?"));
        let help: Vec<String> = known.into_iter().chain(nearest).collect();
        if help.is_empty() { self.message } else { format!("{} ({})", self.message, help.join("; ")) }
    }

    /// With this as what was probably meant.
    pub(super) fn with_nearest(self, word: String) -> Self {
        Self { nearest: Some(word), ..self }
    }

    /// With what is known there.
    pub(super) fn with_known(self, other: &Self) -> Self {
        Self { known: other.known.clone(), ..self }
    }

    /// Whether it is known what was probably meant.
    pub(super) const fn has_nearest(&self) -> bool {
        self.nearest.is_some()
    }

    /// Whether this is what was probably meant.
    pub(super) fn proposes(&self, word: &str) -> bool {
        self.nearest.as_deref() == Some(word)
    }

    /// A path that an option had in earlier versions.
    pub(super) fn renamed(old: &str, new: &str) -> Self {
        Self::new(format!("`{old}` is now `{new}`"))
    }

    /// A word that is not in a list: `unknown role "leadr"`.
    pub(super) fn unknown<'k>(what: &str, word: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let gap = if what.is_empty() { "" } else { " " };
        let foreign = foreign(word, &known);
        let ours = foreign.as_ref().and_then(|foreign| foreign.ours.iter().copied().find(|ours| known.contains(ours)));
        let is_alone = ours.is_some() || foreign.as_ref().is_some_and(Foreign::is_alone);
        let near = if is_alone { None } else { nearest(word, known.iter().copied()) };
        // A slip of the pen needs no advice.
        let advice = foreign.filter(|_| near.is_none()).and_then(|foreign| foreign.advice(ours));
        let advice = advice.map_or_else(String::new, |advice| format!(": {advice}"));
        Self {
            message: format!("unknown {what}{gap}{}{advice}", quoted(word)),
            nearest: ours.or(near).map(str::to_owned),
            known: known.into_iter().map(str::to_owned).collect(),
        }
    }
}

impl Problem {
    /// A key that is not in a list; what is said of it may speak of its value.
    pub(super) fn unknown_key<'k>(word: &str, value: &DeValue<'_>, known: impl IntoIterator<Item = &'k str>) -> Self {
        let number = match value {
            DeValue::Integer(number) => clipped(&number.to_string()),
            _ => "N".to_owned(),
        };
        let problem = Self::unknown("key", word, known);
        Self { message: problem.message.replace("{value}", &number), ..problem }
    }
}

/// Reads the sections of a scenario, and collects what is wrong with them.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    /// The text.
    pub(super) source: &'a SourceFile,
    /// The words of the system.
    pub(super) system: &'a SystemDescription,
    /// How many nodes there are, once that is read.
    pub(super) cluster: Option<Cluster>,
    /// When a run ends, once that is read.
    pub(super) end: Option<Instant>,
    /// When the settle phase begins, or the run ends, once that is read.
    pub(super) settle_start: Option<Instant>,
    /// The names that faults of the file bind.
    pub(super) bound: Vec<String>,
    /// What is drawn once a run.
    pub(super) draws: Draws,
    found: Vec<Diagnostic>,
    more: usize,
}

impl<'a> Reader<'a> {
    /// A reader that has found nothing yet. Of what is drawn once a run it takes the first.
    pub(super) const fn new(source: &'a SourceFile, system: &'a SystemDescription) -> Self {
        Self::deciding(source, system, Decider::Number(0))
    }

    /// The same, where `decider` decides what is drawn once a run.
    pub(super) const fn deciding(source: &'a SourceFile, system: &'a SystemDescription, decider: Decider) -> Self {
        Self {
            source,
            system,
            cluster: None,
            end: None,
            settle_start: None,
            bound: Vec::new(),
            draws: Draws::new(decider),
            found: Vec::new(),
            more: 0,
        }
    }

    /// Something is wrong with the value under this key.
    pub(super) fn report(&mut self, span: &Range<usize>, path: &str, problem: Problem) {
        if self.found.len() == FOUND_MAX {
            self.more += 1;
            return;
        }
        self.found.push(Diagnostic {
            span: span.clone(),
            position: Position { line: 0, column: 0 },
            variant: self.source.variant.as_deref().map(str::to_owned),
            path: path.to_owned(),
            message: problem.message,
            known: problem.known,
            nearest: problem.nearest,
        });
    }

    /// Whether an unknown key of the table with this path is taken for one of these: what follows from its absence need
    /// not be said.
    pub(super) fn proposes(&self, table: &str, keys: &[&str]) -> bool {
        self.found.iter().any(|one| {
            let of_table = one.path.rsplit_once('.').map_or(table.is_empty(), |(path, _)| path == table);
            of_table && one.nearest.as_deref().is_some_and(|nearest| keys.contains(&nearest))
        })
    }

    /// Whether an unknown key of the table with this path may be one of these: it is taken for one of them, or for no
    /// key at all.
    pub(super) fn may_mean(&self, table: &str, keys: &[&str]) -> bool {
        self.found.iter().any(|one| {
            let of_table = one.path.rsplit_once('.').map_or(table.is_empty(), |(path, _)| path == table);
            let is_unknown = of_table && one.message.starts_with("unknown key ");
            is_unknown && one.nearest.as_deref().is_none_or(|nearest| keys.contains(&nearest))
        })
    }

    /// Something is wrong with this value.
    pub(super) fn refuse(&mut self, at: &At<'_>, problem: Problem) {
        self.report(&at.span, &at.path, problem);
    }

    /// The value, or what is wrong with it.
    pub(super) fn check<T>(&mut self, at: &At<'_>, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.refuse(at, problem)).ok()
    }

    /// The text that stands here, or that it is none.
    pub(super) fn text<'t>(&mut self, at: &At<'t>, noun: &str) -> Option<&'t str> {
        let text = at.value.as_str();
        if text.is_none() {
            self.refuse(at, Problem::expected(noun, at.value));
        }
        text.filter(|text| self.is_short(at, text))
    }

    /// No word, selector or quantity is longer than this; the work on each is bounded.
    fn is_short(&mut self, at: &At<'_>, text: &str) -> bool {
        let short = text.len() <= 256;
        if !short {
            self.refuse(at, Problem::new("a text of more than 256 bytes means nothing here"));
        }
        short
    }

    /// The line of a byte.
    pub(super) fn line(&self, span: &Range<usize>) -> u32 {
        self.source.line(span.start)
    }

    /// The value, where nothing was found wrong.
    ///
    /// # Errors
    /// Everything that was, in order of position.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Diagnostics> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(Diagnostics::new(self.source.clone(), self.found, self.more)),
        }
    }
}

/// A word between quotes, cut off where it is long, with what cannot be printed escaped.
pub(super) fn quoted(word: &str) -> String {
    match word.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", &word[..end]),
        None => format!("{word:?}"),
    }
}

/// A value of the file as an error says it.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => format!("the number {}", clipped(&number.to_string())),
        DeValue::Float(number) => format!("the number {}", clipped(number.as_str())),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(value) => format!("the date {value}"),
        DeValue::Array(items) if items.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn clipped(number: &str) -> String {
    match number.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &number[..end]),
        None => number.to_owned(),
    }
}

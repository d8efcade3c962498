//! Which of the scenarios that were found are run: an expression over their names, systems and tags, in the manner of
//! nextest's `-E`.
//!
//! ```text
//! expression = term, { ("or" | "|") term }
//! term       = factor, { ("and" | "&") factor }
//! factor     = ("not" | "!") factor | "(" expression ")" | set
//! set        = "all()" | "none()" | "failed()" | "name(" text ")" | "system(" text ")" | "tag(" text ")"
//! ```
//!
//! A text is contained in the name; after `=` it is the whole of it. Tags and systems are whole words.

use std::fmt;
use std::str::FromStr;

use crate::command::Loaded;

/// An expression that is deeper is refused.
const DEPTH_MAX: usize = 64;

/// An expression over scenarios.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Every one.
    All,
    /// Not a single one.
    Nothing,
    /// Those that were not as expected in the last call with the same `--out`.
    Failed,
    /// Those whose name holds this, or is this.
    Name(Text),
    /// Those of a system.
    System(String),
    /// Those with a tag.
    Tag(String),
    /// Those that are not of the other.
    Not(Box<Self>),
    /// Those of both.
    And(Box<Self>, Box<Self>),
    /// Those of either.
    Or(Box<Self>, Box<Self>),
}

/// A text to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// It is contained.
    Contained(String),
    /// It is the whole.
    Whole(String),
}

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterError {
    at: usize,
    message: String,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.at + 1, self.message)
    }
}

impl std::error::Error for FilterError {}

impl Filter {
    /// Whether a scenario is one of them. `failed`: whether it was not as expected when it last ran.
    pub(crate) fn takes(&self, loaded: &Loaded<'_>, failed: bool) -> bool {
        let scenario = &loaded.scenario;
        self.holds(&loaded.name, &scenario.system, &scenario.tags, failed)
    }

    fn holds(&self, name: &str, system: &str, tags: &[String], failed: bool) -> bool {
        let holds = |other: &Self| other.holds(name, system, tags, failed);
        match self {
            Self::All => true,
            Self::Nothing => false,
            Self::Failed => failed,
            Self::Name(Text::Contained(text)) => name.contains(text.as_str()),
            Self::Name(Text::Whole(text)) => name == text,
            Self::System(text) => system == text,
            Self::Tag(text) => tags.contains(text),
            Self::Not(other) => !holds(other),
            Self::And(a, b) => holds(a) && holds(b),
            Self::Or(a, b) => holds(a) || holds(b),
        }
    }

    /// Whether it asks for what failed in the last call.
    pub(crate) fn asks_for_failed(&self) -> bool {
        match self {
            Self::Failed => true,
            Self::Not(other) => other.asks_for_failed(),
            Self::And(a, b) | Self::Or(a, b) => a.asks_for_failed() || b.asks_for_failed(),
            Self::All | Self::Nothing | Self::Name(_) | Self::System(_) | Self::Tag(_) => false,
        }
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut parser = Parser { letters: text.chars().collect(), at: 0, depth: 0 };
        let filter = parser.expression()?;
        match parser.peek() {
            None => Ok(filter),
            Some(_) => Err(parser.error("expected and, or, or the end")),
        }
    }
}

struct Parser {
    letters: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn expression(&mut self) -> Result<Filter, FilterError> {
        let mut filter = self.term()?;
        while self.takes("or", '|') {
            filter = Filter::Or(Box::new(filter), Box::new(self.term()?));
        }
        Ok(filter)
    }

    fn term(&mut self) -> Result<Filter, FilterError> {
        let mut filter = self.factor()?;
        while self.takes("and", '&') {
            filter = Filter::And(Box::new(filter), Box::new(self.factor()?));
        }
        Ok(filter)
    }

    fn factor(&mut self) -> Result<Filter, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(&format!("an expression nests at most {DEPTH_MAX} deep")));
        }
        let filter = if self.takes("not", '!') {
            Filter::Not(Box::new(self.factor()?))
        } else if self.takes("", '(') {
            let filter = self.expression()?;
            self.close()?;
            filter
        } else {
            self.set()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn set(&mut self) -> Result<Filter, FilterError> {
        const KNOWN: &str = "all(), none(), failed(), name(…), system(…) or tag(…)";
        let (start, word) = (self.at, self.word());
        if !self.takes("", '(') {
            self.at = start;
            let message = match word.as_str() {
                "" => format!("expected {KNOWN}"),
                word => format!("expected {KNOWN}, got {word:?}: a part of a name is name({word})"),
            };
            return Err(self.error(&message));
        }
        let (place, argument) = (self.at, self.argument());
        self.close()?;
        let wrong = |at, message: &str| Err(FilterError { at, message: message.to_owned() });
        match (word.as_str(), argument.as_str()) {
            ("all", "") => Ok(Filter::All),
            ("none", "") => Ok(Filter::Nothing),
            ("failed", "") => Ok(Filter::Failed),
            ("all" | "none" | "failed", _) => wrong(place, "nothing stands between these parentheses"),
            ("name" | "system" | "tag", "" | "=") => wrong(place, "expected a text"),
            ("name", text) => Ok(Filter::Name(match text.strip_prefix('=') {
                Some(whole) => Text::Whole(whole.to_owned()),
                None => Text::Contained(text.to_owned()),
            })),
            ("system", text) => Ok(Filter::System(text.trim_start_matches('=').to_owned())),
            ("tag", text) => Ok(Filter::Tag(text.trim_start_matches('=').to_owned())),
            (word, _) => wrong(start, &format!("unknown set {word:?}: expected {KNOWN}")),
        }
    }

    /// Everything up to the parenthesis that closes.
    fn argument(&mut self) -> String {
        let rest = self.letters[self.at..].iter().take_while(|letter| **letter != ')');
        let text: String = rest.collect();
        self.at += text.chars().count();
        text.trim().to_owned()
    }

    fn close(&mut self) -> Result<(), FilterError> {
        if self.takes("", ')') { Ok(()) } else { Err(self.error("expected )")) }
    }

    fn word(&mut self) -> String {
        self.skip();
        let rest =
            self.letters[self.at..].iter().take_while(|letter| letter.is_ascii_alphanumeric() || **letter == '_');
        let word: String = rest.collect();
        self.at += word.len();
        word
    }

    /// Takes a word or a sign, if it is what comes next.
    fn takes(&mut self, word: &str, sign: char) -> bool {
        let start = self.at;
        if self.peek() == Some(sign) {
            self.at += 1;
            return true;
        }
        let found = !word.is_empty() && self.word() == word;
        if !found {
            self.at = start;
        }
        found
    }

    fn peek(&mut self) -> Option<char> {
        self.skip();
        self.letters.get(self.at).copied()
    }

    fn skip(&mut self) {
        while self.letters.get(self.at).is_some_and(|letter| letter.is_whitespace()) {
            self.at += 1;
        }
    }

    fn error(&self, message: &str) -> FilterError {
        FilterError { at: self.at, message: message.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(filter: &str, name: &str) -> bool {
        let filter: Filter = filter.parse().expect("an expression");
        filter.holds(name, "raft", &["slow".to_owned(), "disk".to_owned()], name == "raft/overlap")
    }

    #[test]
    fn names_systems_and_tags() {
        for (filter, expected) in [
            ("all()", true),
            ("none()", false),
            ("failed()", true),
            ("name(over)", true),
            ("name(=overlap)", false),
            ("name(=raft/overlap)", true),
            ("system(raft)", true),
            ("system(ra)", false),
            ("tag(slow)", true),
            ("tag(slo)", false),
            ("not tag(slow)", false),
            ("tag(slow) and not name(swarm)", true),
            ("tag(fast) | tag(disk) & !name(x)", true),
            ("(tag(fast) or tag(disk)) and name(x)", false),
            (" ! ( none() ) ", true),
        ] {
            assert_eq!(takes(filter, "raft/overlap"), expected, "{filter}");
        }
    }

    #[test]
    fn and_binds_closer_than_or() {
        assert!(takes("all() or none() and none()", "a"));
        assert!(!takes("(all() or none()) and none()", "a"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let errors =
            ["", "overlap", "name()", "name(a", "tag(a) tag(b)", "all(x)", "kind(a)", "not", "(all()", "or all()"];
        let text: Vec<String> = errors
            .into_iter()
            .map(|text| format!("{text}\n  {}", text.parse::<Filter>().expect_err("it is wrong")))
            .collect();
        insta::assert_snapshot!(text.join("\n"));
        assert!("!".repeat(1000).parse::<Filter>().is_err(), "no deep recursion");
    }
}

//! What a command line picks of a file.

use std::fmt;
use std::str::FromStr;

use toml::de::DeValue;

use crate::scenario::shape::quote;

use super::overlay::keys_of;

/// What is picked of a file: one of its variants, and keys with other values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picks {
    /// The variant; of a file that states variants and none is named here, each is meant.
    pub variant: Option<String>,
    /// Keys with the values that they are to have, in order.
    pub set: Vec<Assignment>,
}

/// A key by its path, and its value: `raft.pre_vote.enabled=false`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    key: String,
    /// As TOML says it.
    value: String,
}

/// As it is read.
impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

impl FromStr for Assignment {
    type Err = String;

    /// Reads `key=value`. A value that is no TOML is a text: `network.latency=5ms`.
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse =
            || format!("expected a key by its path and a value, as in raft.pre_vote.enabled=false, got {text:?}");
        let (key, value) = split(text).ok_or_else(refuse)?;
        let value = value.trim();
        if value.is_empty() || text.contains(char::is_control) || keys_of(key).is_none() {
            return Err(refuse());
        }
        let is_toml = DeValue::parse(value).is_ok();
        let value = if is_toml { value.to_owned() } else { quote(value) };
        Ok(Self { key: key.trim().to_owned(), value })
    }
}

/// At the first `=` outside of quotes.
fn split(text: &str) -> Option<(&str, &str)> {
    let mut quoted = None;
    for (index, letter) in text.char_indices() {
        match (letter, quoted) {
            ('=', None) => return Some((&text[..index], &text[index + 1..])),
            ('"' | '\'', None) => quoted = Some(letter),
            (letter, Some(open)) if letter == open => quoted = None,
            _ => {}
        }
    }
    None
}

impl Picks {
    /// One variant and nothing else.
    pub fn variant(name: &str) -> Self {
        Self { variant: Some(name.to_owned()), set: Vec::new() }
    }

    /// The bytes of a file with what is picked of it, which stands in lines of its own at the end.
    pub fn applied_to(&self, bytes: &[u8]) -> Vec<u8> {
        let variant = self.variant.as_ref().map(|name| format!("\n[[picked]]\nvariant = {}\n", quote(name)));
        let set = self.set.iter().map(|one| format!("\n[[picked]]\nset.{} = {}\n", one.key, one.value));
        // What is set first: then it stands at one place in every variant, and what is wrong with it is told once.
        let lines: String = set.chain(variant).collect();
        let gap: &[u8] = if lines.is_empty() || bytes.ends_with(b"\n") { b"" } else { b"\n" };
        [bytes, gap, lines.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> String {
        let set = texts.iter().map(|text| text.parse().expect("a key and a value")).collect();
        let text = Picks { variant: None, set }.applied_to(b"format = 1");
        String::from_utf8(text).expect("it was text")
    }

    #[test]
    fn a_value_that_is_no_toml_is_a_text() {
        let text = lines(&["a.b=5", "a.b = 5ms", "a=true", "a=[\"x\"]", "e.\"a = b\".at_most=3", "a={ choose = [1] }"]);
        assert_eq!(
            text.replace("\n[[picked]]\nset.", ""),
            "format = 1\na.b = 5\na.b = \"5ms\"\na = true\na = [\"x\"]\ne.\"a = b\".at_most = 3\na = { choose = [1] }\n"
        );
    }

    #[test]
    fn what_is_no_assignment_is_refused() {
        for text in ["", "a", "=1", "a=", "a b=1", "a..b=1", "a=1\nb=2", "[a]=1", "a#=1", "a.=1"] {
            assert!(text.parse::<Assignment>().is_err(), "{text:?}");
        }
    }
}

//! A reader of EDN, as far as histories use it: <https://github.com/edn-format/edn>.
//!
//! It knows the line of every form, which is what an error needs. Tags are read over, sets and lists are lists, and a
//! keyword is a text without its colon.

use super::HistoryFileError;
use super::value::Value;

/// How deep forms may lie in one another. Histories need four levels; a file from anywhere must not exhaust the stack.
const DEPTH_MAX: usize = 64;

/// Reads one form after the other.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Reader<'a> {
    /// From the beginning of a text, whose first line has this number.
    pub(super) const fn new(text: &'a str, line: usize) -> Self {
        Self { text, at: 0, line }
    }

    /// The next form, with the line on which it begins; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(usize, Value)>, HistoryFileError> {
        self.skip()?;
        let line = self.line;
        if self.peek().is_none() {
            return Ok(None);
        }
        self.form(0).map(|value| Some((line, value)))
    }

    /// Goes into a vector or list that begins here, so that its forms are read one by one.
    pub(super) fn enter(&mut self) -> Result<bool, HistoryFileError> {
        self.skip()?;
        let is_open = matches!(self.peek(), Some(b'[' | b'('));
        self.at += usize::from(is_open);
        Ok(is_open)
    }

    /// Whether a vector or list ends here, which is then left.
    pub(super) fn leave(&mut self) -> Result<bool, HistoryFileError> {
        self.skip()?;
        let is_closed = matches!(self.peek(), Some(b']' | b')'));
        self.at += usize::from(is_closed);
        Ok(is_closed)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, HistoryFileError> {
        Err(HistoryFileError { line: self.line, message: message.into() })
    }

    /// Skips white space, commas, comments and discarded forms.
    fn skip(&mut self) -> Result<(), HistoryFileError> {
        loop {
            match self.peek() {
                Some(b'\n') => {
                    self.line += 1;
                    self.at += 1;
                }
                Some(b' ' | b'\t' | b'\r' | b',') => self.at += 1,
                Some(b';') => self.at += self.text[self.at..].find('\n').unwrap_or(self.text.len() - self.at),
                Some(b'#') if self.text[self.at..].starts_with("#_") => {
                    self.at += 2;
                    self.skip()?;
                    self.form(0)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn form(&mut self, depth: usize) -> Result<Value, HistoryFileError> {
        if depth > DEPTH_MAX {
            return self.error(format!("forms lie more than {DEPTH_MAX} deep in one another"));
        }
        match self.peek() {
            None => self.error("the file ends within a form: it is truncated"),
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(b']', depth),
            Some(b'(') => self.list(b')', depth),
            Some(b'"') => self.string(),
            Some(b'#') if self.text[self.at..].starts_with("#{") => {
                self.at += 1;
                self.list(b'}', depth)
            }
            Some(b'#') => {
                // A tag says of what type the form is that follows it.
                self.at += 1;
                self.token();
                self.skip()?;
                self.form(depth + 1)
            }
            Some(other @ (b'}' | b']' | b')')) => self.error(format!("a {:?} that closes nothing", char::from(other))),
            Some(_) => Ok(atom(self.token())),
        }
    }

    fn list(&mut self, end: u8, depth: usize) -> Result<Value, HistoryFileError> {
        self.at += 1;
        let mut values = Vec::new();
        loop {
            self.skip()?;
            if self.peek() == Some(end) {
                self.at += 1;
                return Ok(Value::List(values));
            }
            values.push(self.form(depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, HistoryFileError> {
        self.at += 1;
        let mut entries = Vec::with_capacity(5);
        loop {
            self.skip()?;
            if self.peek() == Some(b'}') {
                self.at += 1;
                return Ok(Value::Map(entries));
            }
            let key = self.form(depth + 1)?;
            self.skip()?;
            if self.peek() == Some(b'}') {
                return self.error(format!("the key {key} of a map has no value"));
            }
            entries.push((key, self.form(depth + 1)?));
        }
    }

    fn string(&mut self) -> Result<Value, HistoryFileError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(end) = rest.find(['"', '\\']) else {
                return self.error("the file ends within a text: it is truncated");
            };
            text.push_str(&rest[..end]);
            self.line += rest[..end].matches('\n').count();
            self.at += end + 1;
            if rest.as_bytes()[end] == b'"' {
                return Ok(Value::Text(text));
            }
            let Some(escaped) = self.text[self.at..].chars().next() else {
                return self.error("the file ends within a text: it is truncated");
            };
            self.at += escaped.len_utf8();
            match escaped {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                '"' | '\\' => text.push(escaped),
                'u' => {
                    let code = self.text.get(self.at..self.at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                    let Some(letter) = code.and_then(char::from_u32) else {
                        return self.error("expected four hexadecimal digits after \\u");
                    };
                    text.push(letter);
                    self.at += 4;
                }
                other => {
                    return self.error(format!("unknown escape \\{other} (known: \\n, \\t, \\r, \\u, \\\", \\\\)"));
                }
            }
        }
    }

    /// The letters up to the next one that ends an atom.
    fn token(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let ends = |byte: &u8| b" \t\r\n,;\"{}[]()".contains(byte);
        let end = rest.as_bytes().iter().position(ends).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }
}

/// A number, a keyword, a symbol or a character.
fn atom(token: &str) -> Value {
    match token {
        "nil" => Value::Nil,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => {
            // Big integers end with an N.
            let number = token.strip_suffix('N').unwrap_or(token).parse();
            number.map_or_else(|_| Value::Text(token.strip_prefix(':').unwrap_or(token).to_owned()), Value::Integer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, HistoryFileError> {
        let mut reader = Reader::new(text, 1);
        let mut all = Vec::new();
        while let Some((line, value)) = reader.next()? {
            all.push(format!("{line}: {value}"));
        }
        Ok(all)
    }

    #[test]
    fn forms_are_read_with_their_lines() {
        let text = "{:process 0, :f :read}\n\n; a comment\n#jepsen.Op{:value [1 -2 #{3N}]} #_ {:left out}\n(nil true)";
        let expected =
            ["1: {\"process\" 0, \"f\" \"read\"}", "4: {\"value\" [1 -2 [3]]}", "5: [nil true]"].map(str::to_owned);
        assert_eq!(read(text), Ok(expected.to_vec()));
        assert_eq!(read(r#""a \"b\" \\ \u00e9""#), Ok(vec![r#"1: "a \"b\" \\ é""#.to_owned()]));
    }

    #[test]
    fn what_is_no_form_is_refused_with_its_line() {
        let refuse = |text: &str| read(text).expect_err("it is wrong").to_string();
        assert_eq!(refuse("{:a 1}\n{:b"), "line 2: the file ends within a form: it is truncated");
        assert_eq!(refuse("\n\"abc"), "line 2: the file ends within a text: it is truncated");
        assert_eq!(refuse("{:a}"), "line 1: the key \"a\" of a map has no value");
        assert_eq!(refuse("]"), "line 1: a ']' that closes nothing");
        assert!(refuse(&"[".repeat(100_000)).starts_with("line 1: forms lie more than 64 deep"));
    }
}

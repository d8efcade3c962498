//! The words of a script.

use super::value::{Written, written};

/// A word of Lua, with the line where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) line: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Name(String),
    /// A word that cannot be a name.
    Keyword(&'static str),
    Number(i64),
    String(Vec<u8>),
    Symbol(&'static str),
    End,
}

/// Why a text is no script, and on which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) line: u32,
    pub(super) text: String,
    /// It is a script for Lua; the text names what is not supported here.
    pub(super) is_unsupported: bool,
}

impl Malformed {
    pub(super) fn new(line: u32, text: impl Into<String>) -> Self {
        Self { line, text: text.into(), is_unsupported: false }
    }

    pub(super) fn unsupported(line: u32, what: impl Into<String>) -> Self {
        Self { line, text: what.into(), is_unsupported: true }
    }
}

const KEYWORDS: &[&str] = &[
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or",
    "repeat", "return", "then", "true", "until", "while",
];

/// Longer ones first, so that the first that fits is the right one.
const SYMBOLS: &[&str] = &[
    "...", "..", "==", "~=", "<=", ">=", "+", "-", "*", "/", "%", "^", "#", "<", ">", "=", "(", ")", "{", "}", "[",
    "]", ";", ":", ",", ".",
];

/// The words of a script, with an end.
pub(super) fn tokens(text: &[u8]) -> Result<Vec<Token>, Malformed> {
    let mut lexer = Lexer { text, at: 0, line: 1 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_space()?;
        let line = lexer.line;
        let kind = lexer.token()?;
        let ended = kind == TokenKind::End;
        tokens.push(Token { kind, line });
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
}

impl Lexer<'_> {
    fn token(&mut self) -> Result<TokenKind, Malformed> {
        let rest = &self.text[self.at..];
        match rest {
            [] => Ok(TokenKind::End),
            [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => Ok(self.word()),
            [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..] => self.number(),
            [quote @ (b'"' | b'\''), ..] => self.quoted(*quote),
            [b'[', b'[' | b'=', ..] => match self.long_bracket()? {
                Some(bytes) => Ok(TokenKind::String(bytes)),
                None => self.symbol(),
            },
            _ => self.symbol(),
        }
    }

    fn malformed(&self, text: impl Into<String>) -> Malformed {
        Malformed::new(self.line, text)
    }

    fn word(&mut self) -> TokenKind {
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let word = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length;
        match KEYWORDS.iter().find(|keyword| **keyword == word) {
            Some(keyword) => TokenKind::Keyword(keyword),
            None => TokenKind::Name(word),
        }
    }

    fn number(&mut self) -> Result<TokenKind, Malformed> {
        let rest = &self.text[self.at..];
        let count =
            |from: usize, is_part: fn(&u8) -> bool| rest[from..].iter().take_while(|byte| is_part(byte)).count();
        let mut length = count(0, |byte| byte.is_ascii_digit() || *byte == b'.');
        if matches!(rest.get(length), Some(b'e' | b'E')) {
            length += 1 + usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-')));
        }
        length += count(length, |byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let word = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length;
        match written(word.as_bytes()) {
            Written::Whole(number) => Ok(TokenKind::Number(number)),
            Written::Nothing => Err(self.malformed(format!("malformed number near '{word}'"))),
            Written::Unsupported => Err(Malformed::unsupported(self.line, format!("the number '{word}'"))),
        }
    }

    fn symbol(&mut self) -> Result<TokenKind, Malformed> {
        let rest = &self.text[self.at..];
        let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(symbol.as_bytes())) else {
            return Err(self.malformed(format!("unexpected symbol near '{}'", char::from(rest[0]).escape_default())));
        };
        self.at += symbol.len();
        Ok(TokenKind::Symbol(symbol))
    }

    fn quoted(&mut self, quote: u8) -> Result<TokenKind, Malformed> {
        let mut bytes = Vec::new();
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                None | Some(b'\n') => return Err(self.malformed("unfinished string")),
                Some(byte) if *byte == quote => break,
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut bytes)?;
                }
                Some(byte) => {
                    bytes.push(*byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Ok(TokenKind::String(bytes))
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), Malformed> {
        let Some(&byte) = self.text.get(self.at) else { return Err(self.malformed("unfinished string")) };
        if byte.is_ascii_digit() {
            let digits = self.text[self.at..].iter().take(3).take_while(|byte| byte.is_ascii_digit());
            let digits: Vec<u8> = digits.copied().collect();
            let code = digits.iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
            bytes.push(u8::try_from(code).map_err(|_| self.malformed("escape sequence too large"))?);
            self.at += digits.len();
            return Ok(());
        }
        self.line += u32::from(byte == b'\n');
        self.at += 1;
        bytes.push(match byte {
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            other => other,
        });
        Ok(())
    }

    /// The bytes between long brackets, or `None` if this bracket opens none.
    fn long_bracket(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        let rest = &self.text[self.at + 1..];
        let level = rest.iter().take_while(|byte| **byte == b'=').count();
        if rest.get(level) != Some(&b'[') {
            return Ok(None);
        }
        let inner = &rest[level + 1..];
        let close = [b"]".as_slice(), &b"=".repeat(level), b"]"].concat();
        let Some(length) = inner.windows(close.len()).position(|window| window == close) else {
            return Err(self.malformed("unfinished long string"));
        };
        let bytes = &inner[..length];
        self.at += 1 + level + 1 + length + close.len();
        self.line += lines(bytes);
        // A line end right after the opening bracket is no part of the string.
        Ok(Some(bytes.strip_prefix(b"\n").unwrap_or(bytes).to_vec()))
    }

    fn skip_space(&mut self) -> Result<(), Malformed> {
        loop {
            match &self.text[self.at..] {
                [b'\n', ..] => {
                    self.line += 1;
                    self.at += 1;
                }
                [byte, ..] if byte.is_ascii_whitespace() => self.at += 1,
                [b'-', b'-', ..] => self.skip_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), Malformed> {
        self.at += 2;
        if self.text[self.at..].starts_with(b"[") && self.long_bracket()?.is_some() {
            return Ok(());
        }
        self.at += self.text[self.at..].iter().take_while(|byte| **byte != b'\n').count();
        Ok(())
    }
}

fn lines(bytes: &[u8]) -> u32 {
    bytes.iter().map(|byte| u32::from(*byte == b'\n')).sum()
}

//! The words of a script.

use std::ops::Range;

use super::value::{Written, written};

/// A word of Lua.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// The line on which it begins.
    pub(super) line: u32,
    /// The line on which it ends.
    pub(super) last_line: u32,
    /// Where it stands in the script.
    pub(super) place: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Name(String),
    /// A word that cannot be a name.
    Keyword(&'static str),
    Number(i64),
    /// A fraction, or a number beyond 2^53.
    UnsupportedNumber,
    String(Vec<u8>),
    Symbol(&'static str),
    /// A byte that begins no word.
    Other(u8),
    /// From here on the text cannot be read as words.
    Broken(Malformed),
    End,
}

/// Why a text is no script, and on which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) line: u32,
    pub(super) text: Vec<u8>,
    /// It is a script for Lua; the text names what is not supported here.
    pub(super) is_unsupported: bool,
}

impl Malformed {
    /// An error with the word near which it is. A zero ends the word, and one that begins with it is none, as in C.
    pub(super) fn new(line: u32, text: &str, near: &[u8]) -> Self {
        let near = match near {
            [] | [0, ..] => Vec::new(),
            near => [b" near '".as_slice(), near.split(|byte| *byte == 0).next().unwrap_or_default(), b"'"].concat(),
        };
        Self { line, text: [text.as_bytes(), &near].concat(), is_unsupported: false }
    }

    pub(super) fn unsupported(line: u32, what: impl Into<Vec<u8>>) -> Self {
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

/// What the end of a script is called in errors.
pub(super) const END: &[u8] = b"<eof>";

/// The words of a script, with an end. What is wrong with one stands in its place: a word before it may be wrong, too,
/// and that is then the error.
pub(super) fn tokens(text: &[u8]) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, line: 1 };
    let mut tokens = Vec::new();
    loop {
        let skipped = lexer.skip_space();
        let (line, from) = (lexer.line, lexer.at);
        let kind = skipped.and_then(|()| lexer.token()).unwrap_or_else(TokenKind::Broken);
        let ended = matches!(kind, TokenKind::End | TokenKind::Broken(_));
        tokens.push(Token { kind, line, last_line: lexer.line, place: from..lexer.at });
        if ended {
            return tokens;
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
            [b'[', b'[' | b'=', ..] => match self.opening_level() {
                Some(level) => self.long_text(level, "unfinished long string").map(TokenKind::String),
                None => {
                    let signs = rest[1..].iter().take_while(|byte| **byte == b'=').count();
                    Err(self.malformed("invalid long string delimiter", &rest[..=signs]))
                }
            },
            _ => Ok(self.symbol()),
        }
    }

    fn malformed(&self, text: &str, near: &[u8]) -> Malformed {
        Malformed::new(self.line, text, near)
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
        // Lua looks for the letter in a text of C, which a zero ends: it takes a zero for the letter, or for the sign.
        if matches!(rest.get(length), Some(b'e' | b'E' | 0)) {
            length += 1 + usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-' | 0)));
        }
        length += count(length, |byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let word = &rest[..length];
        self.at += length;
        match written(word) {
            Written::Whole(number) => Ok(TokenKind::Number(number)),
            Written::Nothing => Err(self.malformed("malformed number", word)),
            Written::Unsupported => Ok(TokenKind::UnsupportedNumber),
        }
    }

    fn symbol(&mut self) -> TokenKind {
        let rest = &self.text[self.at..];
        match SYMBOLS.iter().find(|symbol| rest.starts_with(symbol.as_bytes())) {
            Some(symbol) => {
                self.at += symbol.len();
                TokenKind::Symbol(symbol)
            }
            None => {
                self.at += 1;
                TokenKind::Other(rest[0])
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Result<TokenKind, Malformed> {
        let mut bytes = Vec::new();
        self.at += 1;
        loop {
            match self.text.get(self.at) {
                None => return Err(self.malformed("unfinished string", END)),
                Some(b'\n' | b'\r') => {
                    return Err(self.malformed("unfinished string", &[&[quote], &bytes[..]].concat()));
                }
                Some(byte) if *byte == quote => break,
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(quote, &mut bytes)?;
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

    fn escape(&mut self, quote: u8, bytes: &mut Vec<u8>) -> Result<(), Malformed> {
        let Some(&byte) = self.text.get(self.at) else { return Err(self.malformed("unfinished string", END)) };
        if byte.is_ascii_digit() {
            let digits = self.text[self.at..].iter().take(3).take_while(|byte| byte.is_ascii_digit());
            let digits: Vec<u8> = digits.copied().collect();
            let code = digits.iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
            let too_large = |_| self.malformed("escape sequence too large", &[&[quote], &bytes[..]].concat());
            let code = u8::try_from(code).map_err(too_large)?;
            bytes.push(code);
            self.at += digits.len();
            return Ok(());
        }
        if self.takes_line_end() {
            bytes.push(b'\n');
            return Ok(());
        }
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

    /// Goes past the end of a line, one or two bytes, if there is one here.
    fn takes_line_end(&mut self) -> bool {
        let length = line_end(&self.text[self.at..]);
        self.at += length;
        self.line += u32::from(length > 0);
        length > 0
    }

    /// How many signs stand between the two brackets that open a long text, if they do.
    fn opening_level(&self) -> Option<usize> {
        let rest = self.text[self.at..].strip_prefix(b"[")?;
        let level = rest.iter().take_while(|byte| **byte == b'=').count();
        (rest.get(level) == Some(&b'[')).then_some(level)
    }

    /// The bytes between long brackets, which open here with so many signs.
    fn long_text(&mut self, level: usize, unfinished: &str) -> Result<Vec<u8>, Malformed> {
        let close = [b"]".as_slice(), &b"=".repeat(level), b"]"].concat();
        self.at += level + 2;
        // A line end right after the opening bracket is no part of the string.
        self.takes_line_end();
        let mut bytes = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            if rest.starts_with(&close) {
                self.at += close.len();
                return Ok(bytes);
            }
            let Some(byte) = rest.first() else { return Err(self.malformed(unfinished, END)) };
            if self.takes_line_end() {
                bytes.push(b'\n');
            } else {
                bytes.push(*byte);
                self.at += 1;
            }
        }
    }

    fn skip_space(&mut self) -> Result<(), Malformed> {
        loop {
            match &self.text[self.at..] {
                [b'\n' | b'\r', ..] => {
                    self.takes_line_end();
                }
                [b' ' | b'\t' | 11 | 12, ..] => self.at += 1,
                [b'-', b'-', ..] => self.skip_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), Malformed> {
        self.at += 2;
        if let Some(level) = self.opening_level() {
            return self.long_text(level, "unfinished long comment").map(drop);
        }
        self.at += self.text[self.at..].iter().take_while(|byte| !matches!(byte, b'\n' | b'\r')).count();
        Ok(())
    }
}

/// How many bytes the end of a line takes that these begin with.
fn line_end(bytes: &[u8]) -> usize {
    match bytes {
        [b'\n', b'\r', ..] | [b'\r', b'\n', ..] => 2,
        [b'\n' | b'\r', ..] => 1,
        _ => 0,
    }
}

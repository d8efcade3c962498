//! Bytes → a tree with spans. Everything that could hurt is refused before the parser sees it: what is not text, what
//! is too long, what is nested too deep.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;
use toml_parser::lexer::TokenKind;

use super::reader::{Problem, Reader, quoted};

/// No scenario is longer; a file that is was not written by a person.
pub(super) const BYTES_MAX: usize = 1 << 20;
/// No scenario nests lists and tables deeper, or has keys of more parts. Each level costs the parser and the
/// destructor of the tree a frame of the stack.
const DEPTH_MAX: usize = 16;

/// The text of a file, with what makes it none.
pub(super) fn decode_text(bytes: &[u8]) -> (String, Option<(Range<usize>, Problem)>) {
    if bytes.len() > BYTES_MAX {
        let problem = Problem::new(format!("the file is too long: a scenario has at most {BYTES_MAX} bytes"));
        return (String::new(), Some((0..0, problem)));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(error) => {
            let valid = error.valid_up_to();
            let problem = Problem::new(format!("not UTF-8 text: the byte 0x{:02x} starts no character", bytes[valid]));
            let text = String::from_utf8_lossy(bytes).into_owned();
            (text, Some((valid..valid + 1, problem)))
        }
    }
}

/// The tree of a text; `None` if the text is no TOML: then the reader knows why.
pub(super) fn parse<'t>(reader: &mut Reader<'_>, text: &'t str) -> Option<Spanned<DeTable<'t>>> {
    if let Some(span) = too_deep(text) {
        let message = format!("lists, tables and keys nest at most {DEPTH_MAX} deep in a scenario");
        reader.report(&span, "", Problem::new(message));
        return None;
    }
    let (tree, errors) = DeTable::parse_recoverable(text);
    let mut last_colon = None;
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        if let Some(colon) = colon_of_yaml(text, span.start) {
            // The parser says several things of one line, and the colon is the cause of all.
            if last_colon.replace(colon) != Some(colon) {
                let problem =
                    Problem::new("a key and its value are joined by =, as in key = value, and not by a colon");
                reader.report(&(colon..colon + 1), "", problem);
            }
            continue;
        }
        let message = match (error.message(), text.get(span.clone())) {
            ("duplicate key", Some(key)) => format!("duplicate key {}", quoted(key)),
            // What the parser says of a value that is not there speaks of strings alone.
            ("string values must be quoted, expected literal string", Some("")) => "missing a value".to_owned(),
            (message, _) => message.to_owned(),
        };
        let message = unseen(text, span.start).unwrap_or(message);
        reader.report(&span, "", Problem::new(message));
    }
    errors.is_empty().then_some(tree)
}

/// What is wrong with the character at this byte, if people cannot see it: a byte order mark that is not at the start
/// of the file, a space that does not break, one without width.
fn unseen(text: &str, at: usize) -> Option<String> {
    let letter = text.get(at..)?.chars().next()?;
    let is_unseen =
        matches!(letter, '\u{a0}' | '\u{ad}' | '\u{2000}'..='\u{200f}' | '\u{2060}' | '\u{3000}' | '\u{feff}');
    let number = u32::from(letter);
    is_unseen.then(|| format!("a character that cannot be seen stands here, U+{number:04X}: remove it"))
}

/// The colon of a line `key: value`, as YAML has it.
fn colon_of_yaml(text: &str, at: usize) -> Option<usize> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next()?;
    let (key, value) = line.split_once(':')?;
    let word = key.trim().trim_start_matches("- ");
    let is_key = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    (is_key && (value.is_empty() || value.starts_with(' '))).then_some(start + key.len())
}

/// The first place where brackets nest too deep or a key has too many parts.
fn too_deep(text: &str) -> Option<Range<usize>> {
    let (mut brackets, mut dots) = (0usize, 0usize);
    for token in toml_parser::Source::new(text).lex() {
        match token.kind() {
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                brackets += 1;
                dots = 0;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                brackets = brackets.saturating_sub(1);
                dots = 0;
            }
            TokenKind::Dot => dots += 1,
            TokenKind::Equals | TokenKind::Comma | TokenKind::Newline => dots = 0,
            _ => {}
        }
        if brackets > DEPTH_MAX || dots > DEPTH_MAX {
            return Some(token.span().start()..token.span().end());
        }
    }
    None
}

//! Just enough of a Rust lexer for the rules: source with comments and literals blanked, words, paths, functions.
//!
//! It does not parse: macros, generics and attributes are read as plain tokens. That suffices for formatted source.

/// The source with every comment, string and character literal replaced by spaces; lines stay where they are.
pub(crate) fn code_only(text: &str) -> String {
    blanked(text, |_| true)
}

/// The same with its literals.
pub(crate) fn without_comments(text: &str) -> String {
    blanked(text, |start| start == b'/')
}

/// The source without the comments and literals that this holds for, by their first byte.
fn blanked(text: &str, is_meant: impl Fn(u8) -> bool) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match literal_end(bytes, at) {
            Some(end) => end.min(bytes.len()),
            None => {
                at = if is_word(bytes[at]) { word_end(bytes, at) } else { at + 1 };
                continue;
            }
        };
        for byte in &mut code[at..end] {
            if *byte != b'\n' && is_meant(bytes[at]) {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8(code).expect("only whole literals are blanked, with ASCII")
}

/// Where the comment or literal that starts at `at` ends, or `None` if none starts there.
fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    match rest[0] {
        b'/' if rest.starts_with(b"//") => Some(at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())),
        b'/' if rest.starts_with(b"/*") => Some(at + block_comment_length(rest)),
        b'"' => Some(at + quoted_length(rest, b'"')),
        b'\'' => char_length(rest).map(|length| at + length),
        b'r' | b'b' | b'c' => {
            let prefix = rest.iter().take_while(|b| matches!(**b, b'r' | b'b' | b'c')).count();
            let raw = rest[..prefix].contains(&b'r');
            let hashes = rest[prefix..].iter().take_while(|b| **b == b'#').count();
            match rest.get(prefix + hashes) {
                Some(b'"') if prefix <= 2 && raw => {
                    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
                    let body = prefix + hashes + 1;
                    let found = rest[body..].windows(close.len()).position(|w| w == close);
                    Some(at + found.map_or(rest.len(), |offset| body + offset + close.len()))
                }
                Some(b'"') if prefix == 1 && hashes == 0 => Some(at + prefix + quoted_length(&rest[prefix..], b'"')),
                Some(b'\'') if rest[..prefix] == *b"b" && hashes == 0 => {
                    Some(at + prefix + quoted_length(&rest[prefix..], b'\''))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn block_comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of a literal from its opening quote to its closing one.
fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a character literal, or `None` for a lifetime.
fn char_length(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return Some(quoted_length(rest, b'\''));
    }
    let width = std::str::from_utf8(&rest[1..rest.len().min(5)])
        .or_else(|e| std::str::from_utf8(&rest[1..1 + e.valid_up_to()]))
        .ok()?
        .chars()
        .next()?
        .len_utf8();
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn word_end(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().take_while(|b| is_word(**b)).count()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Word(&'a str),
    /// `'a`, with its quote left out.
    Lifetime(&'a str),
    /// `::`
    PathSeparator,
    Other(u8),
}

/// The tokens of blanked code, each with its line, from 1.
pub(crate) fn tokens(code: &str) -> Vec<(usize, Token<'_>)> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let (token, end) = match bytes[at] {
            b'\n' => {
                line += 1;
                at += 1;
                continue;
            }
            byte if byte.is_ascii_whitespace() || !byte.is_ascii() => {
                at += 1;
                continue;
            }
            b'\'' => {
                let end = word_end(bytes, at + 1);
                (Token::Lifetime(&code[at + 1..end]), end)
            }
            b':' if bytes.get(at + 1) == Some(&b':') => (Token::PathSeparator, at + 2),
            byte if is_word(byte) => {
                let end = word_end(bytes, at);
                (Token::Word(&code[at..end]), end)
            }
            byte => (Token::Other(byte), at + 1),
        };
        found.push((line, token));
        at = end;
    }
    found
}

/// Every path of the code, `use` groups written out: `use a::{b, c::d}` gives `a::b` and `a::c::d`.
pub(crate) fn paths(code: &str) -> Vec<(usize, Vec<&str>)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].1 {
            Token::Word(_) => at = read_path(&tokens, at, &[], &mut found),
            _ => at += 1,
        }
    }
    found
}

/// Reads one path, or one branch of a `use` tree, that continues `prefix`; returns where it ends.
fn read_path<'a>(
    tokens: &[(usize, Token<'a>)],
    start: usize,
    prefix: &[&'a str],
    found: &mut Vec<(usize, Vec<&'a str>)>,
) -> usize {
    let mut segments = prefix.to_vec();
    let mut at = start;
    let token = |at: usize| tokens.get(at).map(|(_, token)| *token);
    while let Some(Token::Word(word)) = token(at) {
        segments.push(word);
        at += 1;
        if token(at) != Some(Token::PathSeparator) {
            break;
        }
        at += 1;
    }
    let in_group = token(at) == Some(Token::Other(b'{')) && at > start && token(at - 1) == Some(Token::PathSeparator);
    if !in_group {
        found.push((tokens[start].0, segments));
        return at.max(start + 1);
    }
    at += 1;
    loop {
        match token(at) {
            None => return at,
            Some(Token::Other(b'}')) => return at + 1,
            Some(Token::Word(_)) => at = read_path(tokens, at, &segments, found),
            Some(_) => at += 1,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    /// The line of the word `fn`, from 1.
    pub(crate) line: usize,
    /// From that line to the one with the closing brace, both counted.
    pub(crate) lines: usize,
}

/// Every function with a body, nested ones too.
pub(crate) fn functions(code: &str) -> Vec<Function<'_>> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        let [(line, Token::Word("fn")), (_, Token::Word(name))] = *pair else {
            continue;
        };
        if let Some(end) = body_end(&tokens[at + 2..]) {
            found.push(Function { name, line, lines: end - line + 1 });
        }
    }
    found
}

/// The line of the brace that closes the body, or `None` for a declaration without one.
fn body_end(tokens: &[(usize, Token<'_>)]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut braces = 0_usize;
    for (line, token) in tokens {
        match token {
            Token::Other(b'(' | b'[') => depth += 1,
            Token::Other(b')' | b']') => depth = depth.saturating_sub(1),
            Token::Other(b'{') => braces += 1,
            Token::Other(b'}') if braces == 1 => return Some(*line),
            Token::Other(b'}') => braces = braces.saturating_sub(1),
            Token::Other(b';') if depth == 0 && braces == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        let text = "let a = \"x // y\"; // c\n/* d /* e */ f */ let b = 'q'; let c: &'static str = r#\"g\"h\"#;\n";
        let code = code_only(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(code.lines().count(), 2);
        let words: Vec<_> = code.split_whitespace().collect();
        assert_eq!(words.join(" "), "let a = ; let b = ; let c: &'static str = ;");
    }

    #[test]
    fn odd_literals_are_blanked_too() {
        for literal in
            [r#""a\"b""#, r"'\''", r"b'\''", "b'x'", "'é'", r###"br##"a"#b"##"###, r#"c"x""#, r#"b"x\"""#, "r\"x\\\""]
        {
            let code = code_only(&format!("a({literal}, rest)"));
            let words: Vec<_> = code.split_whitespace().collect();
            assert_eq!(words.concat(), "a(,rest)", "{literal}");
        }
        assert_eq!(code_only("r#type<'a, 'b>(bar, crab)"), "r#type<'a, 'b>(bar, crab)");
    }

    #[test]
    fn groups_of_a_use_are_written_out() {
        let code = "use a::{b, c::{self, d as e}, f::*};\nlet x = g::h::<i::J>(k);";
        let found: Vec<_> = paths(code).into_iter().map(|(_, path)| path.join("::")).collect();
        for path in ["a::b", "a::c::self", "a::c::d", "a::f", "g::h", "i::J", "k"] {
            assert!(found.iter().any(|p| p == path), "{path} in {found:?}");
        }
        assert_eq!(paths(code).last().map(|(line, _)| *line), Some(2));
    }

    #[test]
    fn functions_are_measured_and_declarations_are_not() {
        let code = "trait T { fn a(&self, x: [u8; 4]); }\nfn b<F: Fn(u8)>(f: F)\nwhere F: Copy,\n{\n  f(1);\n}\n";
        assert_eq!(functions(code), [Function { name: "b", line: 2, lines: 5 }]);
    }
}

//! How things are called in reports: counts and other text, in few words.

/// A text in one line that a terminal and a CI log show as it is: whatever would move a cursor, end a line, turn the
/// direction of writing, or be a command to GitHub (`::` where a line begins, `##[` anywhere) is escaped. Everything
/// that comes from files, artifacts and panics passes through here before it is printed.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let indented = text.len() - text.trim_start().len();
    for (place, letter) in text.char_indices() {
        let is_command = (place == indented && text[place..].starts_with("::")) || text[place..].starts_with("##[");
        if is_command {
            shown.extend(letter.escape_unicode());
        } else if is_unprintable(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// A line of JSON that a terminal and a CI log show as it is: what JSON need not escape, and they may obey, is escaped
/// too.
pub(crate) fn printable_json(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for (place, letter) in line.char_indices() {
        // Only texts hold such letters.
        if is_unprintable(letter) || line[place..].starts_with("##[") {
            let mut units = [0; 2];
            letter.encode_utf16(&mut units).iter().for_each(|unit| shown += &format!("\\u{unit:04x}"));
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Control characters (C0 and C1), separators of lines, and what is invisible or turns the direction of writing.
pub(crate) fn is_unprintable(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(letter, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A number with a comma after every three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 run`, `2 runs`.
pub(crate) fn counted(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_read_well() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(999), "999");
        assert_eq!(counted(1, "run"), "1 run");
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(printable("a\nb\u{1b}[1m ü"), "a\\nb\\u{1b}[1m ü");
        assert_eq!(printable("\u{9b}31m"), "\\u{9b}31m", "C1");
        assert_eq!(printable("a\u{202e}b\u{200b}c\u{2028}"), "a\\u{202e}b\\u{200b}c\\u{2028}");
        assert_eq!(printable("→ 日本 €"), "→ 日本 €");
    }

    #[test]
    fn what_github_would_obey_is_escaped() {
        assert_eq!(printable("::error::x"), "\\u{3a}:error::x");
        assert_eq!(printable("   ::error::x"), "   \\u{3a}:error::x");
        assert_eq!(printable("at a::b, ##[error]"), "at a::b, \\u{23}#[error]");
        let twice = printable(&printable("\t::add-mask::x ##[x]\u{1b}"));
        assert_eq!(twice, printable("\t::add-mask::x ##[x]\u{1b}"), "once is enough");
    }

    #[test]
    fn json_stays_the_same_value() {
        let text = "a\u{9b}b\u{202e}c\u{200b}d\u{e0001}e ü \u{1b} ##[error]";
        let line = serde_json::to_string(text).expect("a text");
        let shown = printable_json(&line);
        assert!(!shown.chars().any(is_unprintable) && !shown.contains("##["), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).expect("JSON"), text);
    }
}

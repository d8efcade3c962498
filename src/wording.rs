//! How things are called in reports: counts and other text, in few words.

/// A text in one line that a terminal shows as it is: whatever would move a cursor, end a line or turn the direction of
/// writing is escaped. Everything that comes from files, artifacts and panics passes through here before it is printed.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_unprintable(letter) { shown.extend(letter.escape_default()) } else { shown.push(letter) }
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
}

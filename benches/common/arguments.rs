//! What is asked for on the command line of a bench.

/// The number after a flag of the command line; underscores may group its digits.
pub(crate) fn number_after(arguments: &[String], flag: &str, default: u64) -> u64 {
    let number = text_after(arguments, flag).map(|number| number.replace('_', ""));
    number.map_or(default, |number| number.parse().unwrap_or_else(|_| panic!("{flag} takes a number")))
}

/// The text after a flag of the command line.
pub(crate) fn text_after<'a>(arguments: &'a [String], flag: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == flag)?;
    Some(arguments.get(at + 1).unwrap_or_else(|| panic!("{flag} takes a word")))
}

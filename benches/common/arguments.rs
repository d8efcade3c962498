//! What is asked for on the command line of a bench.

/// The number after a flag of the command line; underscores may group its digits.
pub(crate) fn number_after(arguments: &[String], flag: &str, default: u64) -> u64 {
    let at = arguments.iter().position(|argument| argument == flag);
    let number = at.and_then(|at| arguments.get(at + 1)).map(|number| number.replace('_', ""));
    number.map_or(default, |number| number.parse().unwrap_or_else(|_| panic!("{flag} takes a number")))
}

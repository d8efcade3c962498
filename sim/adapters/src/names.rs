//! Names by what they are called, and not by their place in a list.

/// The place of a name in a list. In a `const` a name that is not there does not compile.
pub(crate) const fn place(names: &[&str], name: &str) -> usize {
    let mut at = 0;
    while at < names.len() {
        // `==` is no const fn. No list has two names that differ in capitals alone.
        if names[at].eq_ignore_ascii_case(name) {
            return at;
        }
        at += 1;
    }
    panic!("the list does not have this name");
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["vote", "vote_reply", "note"];

    #[test]
    fn a_name_is_found_where_it_stands() {
        for (at, name) in NAMES.iter().enumerate() {
            assert_eq!(place(NAMES, name), at);
        }
    }

    #[test]
    #[should_panic(expected = "the list does not have this name")]
    fn a_name_that_is_only_like_another_is_none() {
        place(NAMES, "vot");
    }
}

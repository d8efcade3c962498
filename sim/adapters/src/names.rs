//! Names by what they are called, and not by their place in a list.

/// The place of a name in a list. In a `const` a name that is not there does not compile.
pub(crate) const fn place(names: &[&str], name: &str) -> usize {
    let mut at = 0;
    while at < names.len() {
        if is_same(names[at].as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("the list does not have this name");
}

const fn is_same(some: &[u8], other: &[u8]) -> bool {
    if some.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < some.len() {
        if some[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
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

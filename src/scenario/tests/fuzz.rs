//! No bytes make the decoder panic or hang, and whatever it refuses it refuses with a line and a column.

use proptest::prelude::*;

use crate::scenario::{Colour, load};

use super::{EVERYTHING, systems};

/// Loads whatever bytes, and renders what is wrong with them.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Err(errors) = load("a.toml", bytes, &systems()) else { return Ok(()) };
    prop_assert!(!errors.list.is_empty());
    for one in &errors.list {
        prop_assert!(one.position.line >= 1 && one.position.column >= 1);
    }
    let plain = errors.plain();
    prop_assert!(plain.lines().all(|line| line.starts_with("a.toml:")), "{}", plain);
    prop_assert!(!plain.contains('\x1b'));
    prop_assert!(!errors.pretty(Colour::Never).contains('\x1b'));
    Ok(())
}

/// Pieces that files are made of, for files that are nearly right.
fn piece() -> impl Strategy<Value = String> {
    let lines: Vec<String> = EVERYTHING.lines().map(str::to_owned).collect();
    let tokens = ["[", "]", "{", "}", "=", ".", "\"", "'''", ",", "\n", "..", "a", "1", "[[fault]]\n", "é", "\0", "#"];
    prop_oneof![
        proptest::sample::select(lines).prop_map(|line| line + "\n"),
        proptest::sample::select(tokens.to_vec()).prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_in_good_order(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        check(&bytes)?;
    }

    #[test]
    fn arbitrary_text_is_refused_in_good_order(text in "\\PC{0,200}") {
        check(text.as_bytes())?;
    }

    #[test]
    fn pieces_of_files_are_refused_in_good_order(pieces in proptest::collection::vec(piece(), 0..60)) {
        check(pieces.concat().as_bytes())?;
    }

    #[test]
    fn a_file_with_some_bytes_changed_is_read_or_refused(
        changes in proptest::collection::vec((0..EVERYTHING.len(), any::<u8>()), 1..6),
    ) {
        let mut bytes = EVERYTHING.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        check(&bytes)?;
    }

    #[test]
    fn a_file_with_a_part_cut_out_is_read_or_refused(a in 0..EVERYTHING.len(), b in 0..EVERYTHING.len()) {
        let mut bytes = EVERYTHING.as_bytes().to_vec();
        bytes.drain(a.min(b)..a.max(b));
        check(&bytes)?;
    }
}

#[test]
fn nesting_does_not_reach_the_stack() {
    for (open, close) in [("[", "]"), ("{a=", "}"), ("[{a=", "}]")] {
        let deep = format!("a = {}1{}", open.repeat(100_000), close.repeat(100_000));
        let errors = load("a.toml", deep.as_bytes(), &systems()).expect_err("too deep");
        assert!(errors.to_string().contains("at most 16 deep"), "{errors}");
    }
    for key in [format!("{}a = 1", "a.".repeat(200_000)), format!("[{}a]", "a.".repeat(200_000))] {
        let errors = load("a.toml", key.as_bytes(), &systems()).expect_err("too deep");
        assert!(errors.to_string().contains("at most 16 deep"), "{errors}");
    }
}

#[test]
fn a_long_file_is_refused_before_it_is_parsed() {
    let long = vec![b'#'; (1 << 20) + 1];
    let errors = load("a.toml", &long, &systems()).expect_err("too long");
    assert_eq!(errors.to_string(), "a.toml:1:1: the file is too long: a scenario has at most 1048576 bytes");
}

#[test]
fn as_many_errors_as_bytes_are_cut_off() {
    let many: String = (0..20_000).map(|number| format!("k{number} = 1\n")).collect();
    let errors = load("a.toml", many.as_bytes(), &systems()).expect_err("no key is known");
    assert!(errors.list.len() <= 100);
    let text = format!("format = 1\nsystem = \"toy\"\ncluster = {{ servers = 1 }}\n{many}");
    let errors = load("a.toml", text.as_bytes(), &systems()).expect_err("no key is known");
    assert_eq!((errors.list.len(), errors.more), (100, 19_900));
    assert!(errors.pretty(Colour::Never).ends_with("a.toml: 20000 errors, 19980 of them not shown\n"));
}

//! What was compared, as a page of the gallery.

use std::fmt::Write as _;

use super::by_hand::COMPARISONS;
use super::planted::Planted;
use super::tried::Tried;
use super::{CASES_PLANTED, kept};

/// The page, for a kernel of this release.
pub(crate) fn of(release: &str, cases: u32, tried: &Tried) -> String {
    let Tried { calls, errors, events, .. } = tried;
    let mut page = format!(
        "# The reactor's model and Linux\n\n\
         Made by `just reactor-linux`, against Linux {release}: {} generated sequences of system calls without a \
         difference, with {} calls, of which {} gave an error, and {} events.\n\
         After each call the readiness of every open descriptor was compared too; a wait is compared event by event, \
         in order.\n\n\
         | call | times |\n| --- | --- |\n",
        grouped(u64::from(cases)),
        grouped(*calls),
        grouped(*errors),
        grouped(*events)
    );
    for (name, count) in tried.by_operation() {
        let _ = writeln!(page, "| {name} | {} |", grouped(count));
    }
    let _ = write!(
        page,
        "\nBeside that {} sequences that once showed a difference agree, and each of {} mistakes that are planted in \
         the model is found within {} sequences.\n\n\
         These sequences are written by hand, and agree:\n\n",
        kept::SEQUENCES.len(),
        Planted::ALL.len(),
        grouped(u64::from(CASES_PLANTED))
    );
    for (what, _) in COMPARISONS {
        let _ = writeln!(page, "- {what}");
    }
    page
}

/// A number with a comma between each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|it| std::str::from_utf8(it).ok()).collect();
    groups.join(",")
}

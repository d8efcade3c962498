//! The known word that is nearest to one that is not known.

/// The nearest of `known`, where it is near enough to be what was meant: at most a third of the letters differ, or
/// the word is the beginning of exactly one.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> Option<&'k str> {
    let plain = simplified(word);
    let near = known
        .clone()
        .into_iter()
        .map(|candidate| (distance(&plain, &simplified(candidate)), candidate))
        .min_by_key(|(distance, _)| *distance);
    match near {
        Some((distance, candidate)) if distance <= plain.chars().count() / 3 => Some(candidate),
        _ => completion(&plain, known),
    }
}

/// The only known word that begins as this one does.
fn completion<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.chars().count() < 2 {
        return None;
    }
    let mut matching = known.into_iter().filter(|candidate| simplified(candidate).starts_with(word));
    matching.next().filter(|_| matching.next().is_none())
}

/// Without case, and with one character for all that people put between words. Cut off, so that the work is bounded.
pub(super) fn simplified(word: &str) -> String {
    word.chars()
        .take(64)
        .map(|c| match c {
            '-' | ' ' => '_',
            _ => c.to_ascii_lowercase(),
        })
        .collect()
}

/// Damerau-Levenshtein (optimal string alignment): insertions, deletions, substitutions, and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substitution = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substitution.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_a_swap_once() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("ab", "ba", 1),
            ("partion", "partition", 2),
            ("kitten", "sitting", 3),
            ("crash", "crahs", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} to {b}");
            assert_eq!(distance(b, a), expected, "{b} to {a}");
        }
    }

    #[test]
    fn only_what_is_near_is_proposed() {
        let known = ["partition", "isolate", "ring", "machine_crash"];
        assert_eq!(nearest("partion", known), Some("partition"));
        assert_eq!(nearest("Machine-Crash", known), Some("machine_crash"));
        assert_eq!(nearest("mach", known), Some("machine_crash"));
        assert_eq!(nearest("weather", known), None);
        assert_eq!(nearest("", known), None);
    }
}

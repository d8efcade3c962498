//! How things are called in reports: faults, counts, durations, in few words.

use std::collections::BTreeSet;

use splitbrain_kernel::fault::{CrashScope, Fault};
use splitbrain_kernel::id::{Link, NodeId};

/// How many links or nodes are named before the rest is counted.
const NAMED_MAX: usize = 8;

/// A fault in one line.
pub(crate) fn fault(fault: &Fault) -> String {
    match fault {
        Fault::Cut { links: cut, kinds, .. } => format!("cut {}{}", links(cut), only(kinds)),
        Fault::Clog { links: held, kinds } => format!("clog {}{}", links(held), only(kinds)),
        Fault::Weather { links: on, kinds, conditions } => {
            let changes = serde_json::to_value(conditions).unwrap_or_default();
            format!("weather {changes} on {}{}", links(on), only(kinds))
        }
        Fault::Crash { nodes: down, scope, .. } => {
            let whole = if *scope == CrashScope::Machine { "machine " } else { "" };
            format!("{whole}crash {}", nodes(down))
        }
        Fault::Start { nodes: up } => format!("start {}", nodes(up)),
        Fault::Pause { nodes: still } => format!("pause {}", nodes(still)),
        Fault::Slow { nodes: slow, service_time } => format!("slow {}: {service_time} an input", nodes(slow)),
        Fault::ClockStep { nodes: on, by } => format!("clock step {} by {by}", nodes(on)),
        Fault::ClockDrift { nodes: on, ppm } => format!("clock drift {} by {ppm}ppm", nodes(on)),
        Fault::ClockSlew { nodes: on, by, over } => format!("clock slew {} by {by} over {over}", nodes(on)),
        Fault::ClockFreeze { nodes: on } => format!("clock freeze {}", nodes(on)),
        Fault::Disk { nodes: on, fault } => format!("disk of {}: {}", nodes(on), words(&format!("{fault:?}"))),
    }
}

fn only(kinds: &[String]) -> String {
    if kinds.is_empty() { String::new() } else { format!(" for {}", kinds.join(", ")) }
}

fn nodes(nodes: &[NodeId]) -> String {
    named(nodes.iter().map(NodeId::to_string).collect(), " ")
}

/// Links, with both directions of a pair told once.
fn links(links: &[Link]) -> String {
    let all: BTreeSet<Link> = links.iter().copied().collect();
    let mut texts = Vec::new();
    for link in &all {
        let both = all.contains(&link.reverse());
        if both && link.target < link.source {
            continue;
        }
        texts.push(format!("{} {} {}", link.source, if both { "<->" } else { "->" }, link.target));
    }
    named(texts, ", ")
}

fn named(texts: Vec<String>, between: &str) -> String {
    let more = texts.len().saturating_sub(NAMED_MAX);
    let shown = texts.get(..NAMED_MAX).unwrap_or(&texts).join(between);
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// What Rust prints after the name of a variant or struct: `{ term: 3 }`, `(7)`.
pub(crate) fn fields(debug: &str) -> &str {
    debug.find(['{', '(', '[']).map_or("", |start| debug[start..].trim())
}

/// `NoConnection` as `no connection`.
pub(crate) fn words(debug: &str) -> String {
    let mut text = String::new();
    for (index, letter) in debug.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 && text.ends_with(|before: char| before.is_ascii_lowercase()) {
            text.push(' ');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// A text without what would move a cursor or end a line: a path may hold anything.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for letter in text.chars() {
        if letter.is_control() { shown.extend(letter.escape_default()) } else { shown.push(letter) }
    }
    shown
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
    fn both_directions_of_a_pair_are_told_once() {
        let (a, b, c) = (NodeId::server(1), NodeId::server(2), NodeId::client(1));
        let cut = vec![Link::new(b, a), Link::new(a, b), Link::new(c, a)];
        let text = fault(&Fault::Cut { links: cut, in_flight: Default::default(), kinds: vec!["Vote".to_owned()] });
        assert_eq!(text, "cut s1 <-> s2, c1 -> s1 for Vote");
    }

    #[test]
    fn many_nodes_are_counted() {
        let all: Vec<NodeId> = (1..=11).map(NodeId::server).collect();
        assert_eq!(fault(&Fault::Pause { nodes: all }), "pause s1 s2 s3 s4 s5 s6 s7 s8 and 3 more");
    }

    #[test]
    fn numbers_and_words_read_well() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(999), "999");
        assert_eq!(printable("a\nb\u{1b}[1m ü"), "a\\nb\\u{1b}[1m ü");
        assert_eq!(counted(1, "run"), "1 run");
        assert_eq!(words("NoConnection"), "no connection");
        assert_eq!(fields("Vote { term: 3 }"), "{ term: 3 }");
        assert_eq!(fields("Tick"), "");
    }
}

//! How things are called in reports: faults, counts, durations, in few words.

use std::collections::BTreeSet;

use splitbrain_kernel::brief::Derived;
use splitbrain_kernel::fault::{CrashScope, DiskFault, Fault};
use splitbrain_kernel::id::{Link, NodeId};
use splitbrain_kernel::node::FileId;

/// How many links or nodes are named before the rest is counted.
const NAMED_MAX: usize = 8;

/// A fault in one line.
pub(crate) fn fault(fault: &Fault) -> String {
    match fault {
        Fault::Cut { links: cut, kinds, .. } => format!("cut {}{}", links(cut), only(kinds)),
        Fault::Clog { links: held, kinds } => format!("clog {}{}", links(held), only(kinds)),
        Fault::Weather { links: on, kinds, conditions } => {
            format!("weather on {}{}: {}", links(on), only(kinds), Derived(conditions))
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
        Fault::Disk { nodes: on, fault } => format!("disk of {}: {}", nodes(on), disk_fault(fault)),
    }
}

fn disk_fault(fault: &DiskFault) -> String {
    match fault {
        DiskFault::Slow { by } => format!("slower by {by}"),
        DiskFault::Full => "full".to_owned(),
        DiskFault::Io => "input/output errors".to_owned(),
        DiskFault::LyingSync => "syncs lie".to_owned(),
        DiskFault::Lose { file, from_end } => format!("{} lost", record(*file, *from_end)),
        DiskFault::Corrupt { file, from_end } => format!("{} corrupt", record(*file, *from_end)),
        DiskFault::Unreadable { file, from_end } => format!("{} unreadable", record(*file, *from_end)),
    }
}

fn record(file: FileId, from_end: u64) -> String {
    match from_end {
        0 => format!("last record of file {}", file.0),
        before => format!("record of file {}, {before} before the last,", file.0),
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
fn is_unprintable(letter: char) -> bool {
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
    use splitbrain_kernel::fault::Weather;
    use splitbrain_kernel::rng::Ppm;

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
    fn faults_of_a_disk_are_said_in_words() {
        let on = |fault| wording_of(Fault::Disk { nodes: vec![NodeId::server(1)], fault });
        let file = FileId(0);
        assert_eq!(on(DiskFault::Lose { file, from_end: 0 }), "disk of s1: last record of file 0 lost");
        assert_eq!(
            on(DiskFault::Corrupt { file, from_end: 2 }),
            "disk of s1: record of file 0, 2 before the last, corrupt"
        );
        assert_eq!(on(DiskFault::LyingSync), "disk of s1: syncs lie");
        let conditions = Weather { loss: Some(Ppm::new(50_000)), ..Weather::default() };
        let links = vec![Link::new(NodeId::server(1), NodeId::server(2))];
        let text = wording_of(Fault::Weather { links, conditions, kinds: Vec::new() });
        assert_eq!(text, "weather on s1 -> s2: loss 5%");
    }

    fn wording_of(one: Fault) -> String {
        fault(&one)
    }
}

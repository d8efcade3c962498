//! Ids as bits, as text and as indexes, for plain clusters and for one with four kinds.

use proptest::prelude::*;

use super::*;

const REDIS: KindId = KindId::of_letter(b'r');
const GATE: KindId = KindId::of_letter(b'g');

const fn kind(id: KindId, name: &'static str, side: Side) -> Kind {
    Kind { id, name, doc: "A process.", side, count_min: 0, count_max: 9 }
}

/// On purpose in another order than that of the letters.
const FOUR: &[Kind] =
    &[kind(REDIS, "redis", Side::Server), Kind::CLIENT, kind(GATE, "gate", Side::Client), Kind::SERVER];

const MIXED: Cluster = Cluster::new(FOUR)
    .with(REDIS, 3)
    .with_spare(REDIS, 2)
    .with(GATE, 1)
    .with(KindId::SERVER, 2)
    .with(KindId::CLIENT, 4);

fn names(nodes: impl Iterator<Item = NodeId>) -> String {
    let names: Vec<String> = nodes.map(|node| MIXED.name(node).to_string()).collect();
    names.join(" ")
}

#[test]
fn the_words_of_plain_servers_and_clients_are_fixed() {
    for number in 1..=NodeId::COUNT_MAX {
        assert_eq!(NodeId::server(number).key(), u64::from(number));
        assert_eq!(NodeId::client(number).key(), 0x8000 | u64::from(number));
    }
    assert_eq!(NodeId::new(GATE, 2).key(), 0x0702, "the letter is the seventh");
    assert!(NodeId::server(64) < NodeId::new(GATE, 1) && NodeId::new(REDIS, 64) < NodeId::client(1));
}

#[test]
fn an_index_goes_by_kind_and_then_by_number() {
    assert_eq!(names(MIXED.nodes()), "redis1 redis2 redis3 redis4 redis5 c1 c2 c3 c4 gate1 s1 s2");
    for (index, node) in MIXED.nodes().enumerate() {
        assert_eq!((MIXED.index(node), MIXED.node(index)), (index, node));
        assert!(MIXED.contains(node));
    }
    assert_eq!(MIXED.node_count(), 12);
    for absent in [NodeId::new(REDIS, 6), NodeId::server(3), NodeId::new(KindId::of_letter(b'x'), 1)] {
        assert!(!MIXED.contains(absent), "{absent}");
    }
}

#[test]
fn a_kind_is_on_one_side_and_its_spare_nodes_are_absent_at_first() {
    assert_eq!(names(MIXED.starting()), "redis1 redis2 redis3 c1 c2 c3 c4 gate1 s1 s2");
    assert_eq!(names(MIXED.servers()), "redis1 redis2 redis3 s1 s2");
    assert_eq!(names(MIXED.all_servers()), "redis1 redis2 redis3 redis4 redis5 s1 s2");
    assert_eq!(names(MIXED.clients()), "c1 c2 c3 c4 gate1");
    assert_eq!(MIXED.client_count(), 5);
    assert_eq!(MIXED.side(NodeId::new(GATE, 1)), Some(Side::Client));
    assert_eq!(MIXED.side(NodeId::new(KindId::of_letter(b'x'), 1)), None);
    assert!(MIXED.starts(NodeId::new(REDIS, 3)) && !MIXED.starts(NodeId::new(REDIS, 4)));
}

#[test]
fn names_are_read_by_the_table() {
    for node in MIXED.nodes() {
        assert_eq!(MIXED.read(&MIXED.name(node).to_string()), Some(node));
    }
    assert_eq!(MIXED.read("redis64"), Some(NodeId::new(REDIS, 64)), "beyond the count: who reads it says so");
    for text in ["", "redis", "redis0", "redis02", "redis65", "redis1x", "r1", "server1", "chat1", "1", "redis 1"] {
        assert_eq!(MIXED.read(text), None, "{text}");
    }
    assert_eq!(MIXED.name(NodeId::new(KindId::of_letter(b'x'), 1)).to_string(), "x1", "of another system");
}

#[test]
fn a_node_alone_prints_as_its_letter() {
    let node = NodeId::new(REDIS, 2);
    assert_eq!((node.to_string(), format!("{node:?}")), ("r2".to_owned(), "r2".to_owned()));
    assert_eq!("r2".parse(), Ok(node));
    for text in ["", "r", "r0", "r02", "r65", "R2", "redis2", "é1"] {
        assert!(text.parse::<NodeId>().is_err(), "{text}");
    }
}

#[test]
fn kinds_that_cannot_be_told_apart_are_refused() {
    let redis = kind(REDIS, "redis", Side::Server);
    let refused: &[&[Kind]] = &[
        &[],
        &[redis, redis],
        &[redis, Kind { id: GATE, ..redis }],
        &[redis, Kind { name: "gate", ..redis }],
        &[Kind { name: "", ..redis }],
        &[Kind { name: "redis2", ..redis }],
        &[Kind { name: "Redis", ..redis }],
        &[Kind { name: "majority", ..redis }],
        &[Kind { name: "client", ..redis }],
        &[Kind { id: KindId::CLIENT, ..redis }],
        &[Kind { count_max: 65, ..redis }],
        &[Kind { count_min: 10, ..redis }],
    ];
    for kinds in refused {
        assert!(std::panic::catch_unwind(|| Kind::check(kinds)).is_err(), "{kinds:?}");
    }
    Kind::check(FOUR);
    Kind::check(Kind::PLAIN);
}

proptest! {
    #[test]
    fn every_node_is_read_back_as_text_and_as_bits(letter in b'a'..=b'z', number in 1u16..=64) {
        let node = NodeId::new(KindId::of_letter(letter), number);
        prop_assert_eq!(node.to_string().parse(), Ok(node));
        prop_assert_eq!(NodeId::of_word(node.word()), Some(node));
        prop_assert_eq!(node.number(), number);
        prop_assert_eq!(node.kind().letter(), char::from(letter));
    }

    #[test]
    fn each_word_is_one_node_or_none(word: u16) {
        if let Some(node) = NodeId::of_word(word) {
            prop_assert_eq!(node.word(), word);
        }
    }
}

//! Nodes by the names that people use, in text that was made without the table of a system.
//!
//! A node prints by itself as a letter and a number, and so it stands in messages, observations and the words of a
//! violation: `r2`. What is shown to people passes through here, where the kinds of the cluster are known: `redis2`.
//! A text of a user that happens to read as a node of the cluster, in a short form without quotes, is spelt as well.
//! Plain servers and clients are called by their letter anyway, so their text comes out as it went in.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use splitbrain_kernel::id::{Cluster, Link, NodeId};

/// The kinds of a cluster that people call by a name, by letter: what the header of a recording holds of them.
///
/// - Empty for plain servers and clients.
/// - Only words that are nodes of the cluster are taken for nodes.
/// - Those that are read are as a kind of process has them: a recording may come from anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<char, Named>")]
pub struct Names(BTreeMap<char, Named>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    /// What stands before the number.
    name: String,
    /// How many nodes of the kind there are, spare ones included.
    count: u16,
}

/// The most letters of a name that is read.
const NAME_MAX: usize = 32;

impl TryFrom<BTreeMap<char, Named>> for Names {
    type Error = &'static str;

    fn try_from(named: BTreeMap<char, Named>) -> Result<Self, Self::Error> {
        if !named.keys().all(char::is_ascii_lowercase) {
            return Err("the letter of a kind of process is not from a to z");
        }
        let is_name =
            |name: &str| (1..=NAME_MAX).contains(&name.len()) && name.chars().all(|letter| letter.is_ascii_lowercase());
        if !named.values().all(|kind| is_name(&kind.name)) {
            return Err("the name of a kind of process is not of 1 to 32 letters from a to z");
        }
        Ok(Self(named))
    }
}

/// The width of the column of a node in a timeline, if each name is a letter and a number.
const WIDTH: usize = 6;

impl Names {
    /// The names of the nodes of a cluster.
    pub fn of(cluster: &Cluster) -> Self {
        let named = cluster.kinds().iter().map(|kind| (kind.id.letter(), kind.prefix(), kind.id));
        let named = named.filter(|(letter, name, _)| !name.starts_with(*letter) || name.len() > 1);
        let count = |kind| cluster.count(kind) + cluster.spare_count(kind);
        Self(named.map(|(letter, name, kind)| (letter, Named { name: name.to_owned(), count: count(kind) })).collect())
    }

    /// Whether every node is called by its letter.
    pub fn is_plain(&self) -> bool {
        self.0.is_empty()
    }

    /// What people call the node: `redis2`.
    pub fn name(&self, node: NodeId) -> String {
        match self.0.get(&node.kind().letter()) {
            Some(kind) => format!("{}{}", kind.name, node.number()),
            None => node.to_string(),
        }
    }

    /// The text with the names of its nodes: `r2 -> c1` becomes `redis2 -> c1`. A node is a word by itself; what stands
    /// between double quotes is a value, and is left alone.
    pub fn spell<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_plain() {
            return Cow::Borrowed(text);
        }
        let mut spelt = String::with_capacity(text.len());
        let (mut is_quoted, mut rest) = (false, text);
        while let Some(letter) = rest.chars().next() {
            let length = rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len());
            if length > 0 {
                let (word, after) = rest.split_at(length);
                match self.node(word).filter(|_| !is_quoted) {
                    Some(node) => spelt.push_str(&self.name(node)),
                    None => spelt.push_str(word),
                }
                rest = after;
                continue;
            }
            // Behind a backslash a quote neither begins nor ends a value.
            let taken: String = rest.chars().take(if letter == '\\' { 2 } else { 1 }).collect();
            is_quoted ^= letter == '"';
            spelt.push_str(&taken);
            rest = &rest[taken.len()..];
        }
        Cow::Owned(spelt)
    }

    /// The node or link that this is, as files for programs hold it: `redis2 -> c1` becomes `r2 -> c1`. `None` if no
    /// node in it has a name, or some of it is no node at all.
    pub fn letters(&self, text: &str) -> Option<String> {
        let Some((source, target)) = text.split_once("->") else {
            return self.read(text).map(|node| node.to_string());
        };
        let (source, target) = (source.trim(), target.trim());
        let is_named = self.read(source).or_else(|| self.read(target)).is_some();
        let either = |end: &str| self.read(end).or_else(|| end.parse().ok());
        let link = Link::new(either(source)?, either(target)?);
        is_named.then(|| link.to_string())
    }

    /// The width of the column of a node in a timeline.
    pub(crate) fn width(&self) -> usize {
        self.0.values().map(|kind| kind.name.len() + 3).fold(WIDTH, usize::max)
    }

    /// The node of the cluster that this word is, if it is one with a name.
    fn node(&self, word: &str) -> Option<NodeId> {
        let node: NodeId = word.parse().ok()?;
        let kind = self.0.get(&node.kind().letter())?;
        (node.number() <= kind.count).then_some(node)
    }

    /// The node with this name, whether or not the cluster has so many of its kind.
    fn read(&self, name: &str) -> Option<NodeId> {
        let (prefix, number) = name.split_at(name.find(|c: char| c.is_ascii_digit())?);
        let (letter, _) = self.0.iter().find(|(_, kind)| kind.name == prefix)?;
        format!("{letter}{number}").parse().ok()
    }
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::id::{Kind, KindId, Side};

    use super::*;

    const REDIS: KindId = KindId::of_letter(b'r');
    const KINDS: &[Kind] = &[
        Kind { id: REDIS, name: "redis", doc: "Locks.", side: Side::Server, count_min: 1, count_max: 64 },
        Kind::SERVER,
        Kind::CLIENT,
    ];

    fn names() -> Names {
        Names::of(&Cluster::new(KINDS).with(REDIS, 11).with_spare(REDIS, 1).with(KindId::CLIENT, 2))
    }

    #[test]
    fn nodes_are_spelt_and_everything_else_is_left_alone() {
        for (text, spelt) in [
            ("r2", "redis2"),
            ("cut r1 <-> s1, c2 -> r12 for Vote", "cut redis1 <-> s1, c2 -> redis12 for Vote"),
            ("r2@3, [r1, r2], r1#7. r2", "redis2@3, [redis1, redis2], redis1#7. redis2"),
            ("Grant { to: r2, key: \"r2 \\\" r1\" } r1", "Grant { to: redis2, key: \"r2 \\\" r1\" } redis1"),
            ("r13 r0 r r01 xr1 r1x r_1 ür1 R1 s1 c1", "r13 r0 r r01 xr1 r1x r_1 ür1 R1 s1 c1"),
            ("→ r1 ü\\", "→ redis1 ü\\"),
            ("", ""),
        ] {
            assert_eq!(names().spell(text), spelt);
            assert_eq!(Names::of(&Cluster::plain(20, 20)).spell(text), text);
        }
        assert!(Names::of(&Cluster::plain(3, 1)).is_plain());
        assert_eq!(names().name(NodeId::new(REDIS, 2)), "redis2");
        assert_eq!(names().name(NodeId::client(2)), "c2");
    }

    #[test]
    fn names_are_read_alone_and_in_links() {
        for (text, letters) in [
            ("redis2", Some("r2")),
            ("redis2 -> c1", Some("r2 -> c1")),
            ("s1->redis60", Some("s1 -> r60")),
            ("r2", None),
            ("redis1 -> r2", Some("r1 -> r2")),
            ("r2 -> c1", None),
            ("redis1 -> chat1", None),
            ("redis1 ->", None),
            ("redis", None),
            ("redis0", None),
            ("redis65", None),
            ("chat1", None),
        ] {
            assert_eq!(names().letters(text).as_deref(), letters, "{text}");
        }
    }

    #[test]
    fn names_are_written_and_read_as_data() {
        let text = serde_json::to_string(&names()).expect("it is plain data");
        assert_eq!(text, r#"{"r":{"name":"redis","count":12}}"#);
        assert_eq!(serde_json::from_str::<Names>(&text).expect("it is what was written"), names());
    }

    #[test]
    fn names_that_no_kind_has_are_refused() {
        let read = |letter: &str, name: &str| {
            let text = format!("{{{}:{{\"name\":{},\"count\":5}}}}", quoted(letter), quoted(name));
            serde_json::from_str::<Names>(&text).map_err(|error| error.to_string())
        };
        assert!(read("s", &"a".repeat(NAME_MAX)).is_ok());
        for (letter, name) in
            [("s", &*"a".repeat(1_000_000)), ("s", ""), ("s", "a\u{1b}"), ("s", "a1"), ("S", "a"), ("é", "a")]
        {
            let error = read(letter, name).expect_err("it is no name");
            assert!(error.contains("of a kind of process is not"), "{error}");
        }
    }

    fn quoted(text: &str) -> String {
        serde_json::to_string(text).expect("a text")
    }
}

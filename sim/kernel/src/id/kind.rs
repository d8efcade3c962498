//! Kinds of process: what a system is made of. `server` and `client` where it declares nothing else.

use std::fmt;

use super::NodeId;

/// Which kind of process a node is: the kind's half of a [`NodeId`].
///
/// Two kinds are fixed: [`KindId::SERVER`] and [`KindId::CLIENT`]. All others are named by a letter of their own, which
/// a system chooses once and keeps, because it is part of the key of each stream of such a node. So a kind that is
/// added to a system, in whatever place of its list, moves no draw of the others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(pub(super) u8);

impl KindId {
    /// The kind `server`, with the letter `s`.
    pub const SERVER: Self = Self(0);
    /// The kind `client`, with the letter `c`.
    pub const CLIENT: Self = Self(31);

    /// The kind with this letter, from `a` to `z`.
    ///
    /// # Panics
    /// If it is no such letter.
    pub const fn of_letter(letter: u8) -> Self {
        match letter {
            b's' => Self::SERVER,
            b'c' => Self::CLIENT,
            b'a'..=b'z' => Self(letter - b'a' + 1),
            _ => panic!("the letter of a kind is one from a to z"),
        }
    }

    /// Whether this is the same kind: `==` where that cannot be written, in a `const fn`.
    #[inline]
    pub const fn same(self, other: Self) -> bool {
        self.0 == other.0
    }

    /// The letter.
    pub const fn letter(self) -> char {
        match self {
            Self::SERVER => 's',
            Self::CLIENT => 'c',
            Self(code) => (b'a' + code - 1) as char,
        }
    }

    /// The place of the kind in a table of [`KindId::TABLE`] places.
    #[inline]
    pub(super) const fn place(self) -> usize {
        self.0 as usize & (Self::TABLE - 1)
    }

    /// One more than the greatest place.
    pub(super) const TABLE: usize = 32;
}

impl fmt::Debug for KindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

/// On which side a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It is a part of the system: it may belong to the core of the settle phase, is one of `every server`, and counts
    /// in `majority`.
    Server,
    /// It uses the system: it is one of `every client`, may be given a workload, and is healed with the core.
    Client,
}

impl Side {
    /// The word in selectors: `server`, `client`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// A kind of process, as a system declares it in [`System::KINDS`](crate::system::System::KINDS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Which kind it is: [`KindId::of_letter`].
    pub id: KindId,
    /// The name that people read and write: `redis`, for `redis2`, `any redis` and `[cluster] redis = 3`. Lower-case
    /// letters alone, so that a name can be told apart from a number.
    pub name: &'static str,
    /// What such a process does, in one sentence, for `list`.
    pub doc: &'static str,
    /// On which side it is.
    pub side: Side,
    /// The fewest that a cluster may have from the start. A scenario need not mention a kind for which this is 0.
    pub count_min: u16,
    /// The most that a cluster may have, spare ones included: at most [`NodeId::COUNT_MAX`].
    pub count_max: u16,
}

impl Kind {
    /// Plain servers: `s1`, `s2`, …
    pub const SERVER: Self = Self {
        id: KindId::SERVER,
        name: "server",
        doc: "Servers: s1, s2, …",
        side: Side::Server,
        count_min: 1,
        count_max: NodeId::COUNT_MAX,
    };

    /// Plain clients: `c1`, `c2`, …
    pub const CLIENT: Self = Self {
        id: KindId::CLIENT,
        name: "client",
        doc: "Clients: c1, c2, …",
        side: Side::Client,
        count_min: 0,
        count_max: NodeId::COUNT_MAX,
    };

    /// What a system has that declares no kinds.
    pub const PLAIN: &'static [Self] = &[Self::SERVER, Self::CLIENT];

    /// The most kinds that a system may have.
    pub const KINDS_MAX: usize = 8;

    /// What stands before the number of a node: `s`, `c`, or the name of any other kind.
    pub const fn prefix(&self) -> &'static str {
        match self.id {
            KindId::SERVER => "s",
            KindId::CLIENT => "c",
            _ => self.name,
        }
    }

    /// The key in `[cluster]`: `servers`, `clients`, or the name of any other kind.
    pub const fn key(&self) -> &'static str {
        match self.id {
            KindId::SERVER => "servers",
            KindId::CLIENT => "clients",
            _ => self.name,
        }
    }

    /// The node of this kind with this number, as people write it: `redis2`.
    ///
    /// # Panics
    /// If the number is 0 or above [`NodeId::COUNT_MAX`].
    pub const fn name_of(&self, number: u16) -> NodeName {
        NodeName { id: NodeId::new(self.id, number), prefix: Some(self.prefix()) }
    }

    /// The node that people call this, among these kinds: `redis2`. `None` if no kind has such a name, or the number is
    /// not one from 1 to [`NodeId::COUNT_MAX`].
    pub fn read(kinds: &[Self], name: &str) -> Option<NodeName> {
        let (kind, digits) = Self::split(kinds, name)?;
        let number: u16 = digits.parse().ok()?;
        (1..=NodeId::COUNT_MAX).contains(&number).then(|| kind.name_of(number))
    }

    /// The kind whose prefix the name has, and the digits behind it, which are a number without leading zeros.
    pub fn split<'a>(kinds: &[Self], name: &'a str) -> Option<(Self, &'a str)> {
        let digits = name.find(|c: char| c.is_ascii_digit())?;
        let (prefix, digits) = name.split_at(digits);
        let kind = kinds.iter().find(|kind| kind.prefix() == prefix)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        plain.then_some((*kind, digits))
    }

    /// Checks the kinds of a system.
    ///
    /// # Panics
    /// If there are none or more than [`Kind::KINDS_MAX`]; if two share a name or a letter; if a name is not made of
    /// lower-case letters alone, or is a word of the scenario language; if only one of name and letter is that of
    /// [`Kind::SERVER`] or [`Kind::CLIENT`]; if the bounds of a count exclude every count.
    pub const fn check(kinds: &[Self]) {
        assert!(!kinds.is_empty() && kinds.len() <= Self::KINDS_MAX, "a system has 1 to 8 kinds of process");
        let mut at = 0;
        while at < kinds.len() {
            let kind = &kinds[at];
            kind.check_alone();
            let mut other = 0;
            while other < at {
                assert!(!is_equal(kind.name, kinds[other].name), "two kinds of process have one name");
                assert!(kind.id.0 != kinds[other].id.0, "two kinds of process have one letter");
                other += 1;
            }
            at += 1;
        }
    }

    const fn check_alone(&self) {
        let name = self.name.as_bytes();
        assert!(!name.is_empty(), "a kind of process has a name");
        let mut at = 0;
        while at < name.len() {
            assert!(name[at].is_ascii_lowercase(), "the name of a kind is made of lower-case letters alone");
            at += 1;
        }
        let mut word = 0;
        while word < RESERVED.len() {
            assert!(!is_equal(self.name, RESERVED[word]), "the name of a kind is a word of the scenario language");
            word += 1;
        }
        let (server, client) = (is_equal(self.name, "server"), is_equal(self.name, "client"));
        assert!(server == (self.id.0 == KindId::SERVER.0), "the letter s is that of the kind server");
        assert!(client == (self.id.0 == KindId::CLIENT.0), "the letter c is that of the kind client");
        let (min, max) = (self.count_min, self.count_max);
        assert!(min <= max && max >= 1 && max <= NodeId::COUNT_MAX, "a kind has from count_min to count_max nodes");
    }
}

/// Words that stand in selectors, in `[cluster]` or beside the options of a system.
const RESERVED: [&str; 15] = [
    "any", "every", "node", "nodes", "not", "of", "majority", "minority", "with", "without", "servers", "clients",
    "spare", "holder", "owner",
];

/// Whether two texts are equal, in constants too.
pub(crate) const fn is_equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A node as people write it: `redis2`, and `s1` or `c1` where the kinds are plain.
///
/// Two names are equal if they name one node. Without the table of a system the letter stands for the kind.
#[derive(Clone, Copy, Debug)]
pub struct NodeName {
    id: NodeId,
    prefix: Option<&'static str>,
}

impl NodeName {
    /// The node.
    pub const fn id(self) -> NodeId {
        self.id
    }
}

impl From<NodeId> for NodeName {
    fn from(id: NodeId) -> Self {
        Self { id, prefix: None }
    }
}

impl PartialEq for NodeName {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for NodeName {}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix {
            Some(prefix) => f.pad(&format!("{prefix}{}", self.id.number())),
            None => self.id.fmt(f),
        }
    }
}

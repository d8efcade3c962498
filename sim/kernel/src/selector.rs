//! Who a fault is about, and when: selectors by name, role and holding; triggers by time, event and state.
//!
//! These are what a scenario says. The [director](crate::director) turns them into concrete faults while a run goes on.
//!
//! ```
//! use splitbrain_kernel::selector::Selector;
//!
//! let words = |text: &str| text.parse::<Selector>().map(|selector| selector.to_string());
//! assert_eq!(words("majority  without leader"), Ok("majority without leader".to_owned()));
//! assert!(words("the best one").is_err());
//!
//! // Whether a word is a role or a name is known only where both lists are.
//! let leader: Selector = "leader".parse()?;
//! assert_eq!(leader.bind(&[], &["leader", "follower"]), Ok(Selector::Role("leader".to_owned())));
//! # Ok::<(), splitbrain_kernel::selector::SelectorError>(())
//! ```

mod condition;

use std::fmt;
use std::str::FromStr;

use crate::id::{Cluster, Kind, NodeId, NodeName, Side};
use crate::rng::Rng;
use crate::time::{Duration, Instant, Offset};

pub use condition::{Bound, Condition};

/// The name that stands for the node which the trigger of a fault was about: `when = "node exited"`, `start = "it"`.
pub const IT: &str = "it";

/// A set of nodes, resolved when a fault starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// `s1`, `redis2`: this node.
    Node(NodeName),
    /// `x`: a name that the fault binds.
    Named(String),
    /// `leader`, `follower`, `any follower`, `raft.leader`: one live node in this role. Of several in a ranked role it
    /// is the one with the highest rank; of other roles one is drawn.
    Role(String),
    /// `every follower`: all live nodes in this role.
    EveryRole(String),
    /// `any server`, `any chat`, `any node`: one, drawn. In a list it is one that the list does not have yet.
    Any(Among),
    /// `every server`, `every chat`, `*`: all.
    Every(Among),
    /// `holder(lease)`, `owner(session 7)`: one live node that holds the resource, the one that gained it last.
    Holder {
        /// The kind of resource.
        kind: String,
        /// Which one; the one gained last, where none is named.
        resource: Option<u64>,
    },
    /// `majority with leader`, `minority without leader`, `majority`: a number of servers, drawn. A majority and a
    /// minority of one fault have no server in common if one is with and the other without the node in the ranked role,
    /// or neither speaks of it.
    Share {
        /// More than half of the servers, or the rest.
        share: Share,
        /// Whether the node in a ranked role is among them; `None`: as it comes.
        chief: Option<Chief>,
    },
    /// `not leader`: every server that the inner selector does not choose; none while that matches none.
    Not(Box<Self>),
}

/// `with leader`, `without leader`: whether the node that counts in a ranked role belongs to a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chief {
    /// The role.
    pub role: String,
    /// Whether the node is in the share, or outside of it.
    pub is_with: bool,
}

/// The nodes among which a selector chooses. Absent nodes are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// `node`: all.
    Nodes,
    /// `server`, `client`: those of a side, if the system has no kind of this name.
    Side(Side),
    /// `redis`: those of a kind of process.
    Kind(Kind),
}

impl Among {
    /// What a word means in a system with these kinds of process.
    pub fn of_word(word: &str, kinds: &[Kind]) -> Option<Self> {
        if word == "node" {
            return Some(Self::Nodes);
        }
        if let Some(kind) = kinds.iter().find(|kind| kind.name == word) {
            return Some(Self::Kind(*kind));
        }
        [Side::Server, Side::Client].into_iter().find(|side| side.name() == word).map(Self::Side)
    }

    /// Whether a node is one of these.
    pub fn has(&self, cluster: &Cluster, node: NodeId) -> bool {
        match self {
            Self::Nodes => true,
            Self::Side(side) => cluster.side(node) == Some(*side),
            Self::Kind(kind) => node.is(kind.id),
        }
    }
}

/// A share of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The least number that is more than half.
    Majority,
    /// The greatest number that is less than half.
    Minority,
}

/// A text that is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a selector such as s1, <role>, \"any <role>\", \"every server\", \"holder(<resource>)\", \
     \"majority without <role>\", \"not <role>\" or *, got {0:?}"
)]
pub struct SelectorError(pub String);

/// In a system of plain servers and clients.
impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::read(text, Kind::PLAIN)
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// A word, or two with a dot between them: a group and its role or kind of resource.
fn is_role(text: &str) -> bool {
    match text.split_once('.') {
        Some((group, word)) => is_word(group) && is_word(word),
        None => is_word(text),
    }
}

fn holder(call: &str) -> Option<Selector> {
    let (word, inside) = call.split_once('(')?;
    if !matches!(word.trim(), "holder" | "owner") {
        return None;
    }
    let mut words = inside.split_whitespace();
    let kind = words.next().filter(|kind| is_role(kind))?.to_owned();
    let resource = words.next().map(|number| number.parse().ok());
    match (resource, words.next()) {
        (None, None) => Some(Selector::Holder { kind, resource: None }),
        (Some(Some(resource)), None) => Some(Selector::Holder { kind, resource: Some(resource) }),
        _ => None,
    }
}

impl Selector {
    /// Reads a selector for a system with these kinds of process. Words that may be roles are still to be told apart
    /// from names: [`Selector::bind`].
    ///
    /// # Errors
    /// A text that has the form of no selector.
    pub fn read(text: &str, kinds: &[Kind]) -> Result<Self, SelectorError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let refuse = || SelectorError(text.to_owned());
        if let ["not", rest @ ..] = words.as_slice() {
            // A second not would say nothing new, and let a text nest without end.
            let nested = rest.first().is_none_or(|word| *word == "not");
            let inner = (!nested).then(|| Self::read(&rest.join(" "), kinds).ok()).flatten();
            return inner.map(|it| Self::Not(Box::new(it))).ok_or_else(refuse);
        }
        if let Some(call) = text.trim().strip_suffix(')') {
            return holder(call).ok_or_else(refuse);
        }
        Ok(match words.as_slice() {
            ["*"] => Self::Every(Among::Nodes),
            ["servers"] => Self::Every(Among::of_word("server", kinds).expect("a side has this name")),
            ["clients"] => Self::Every(Among::of_word("client", kinds).expect("a side has this name")),
            ["majority"] => Self::Share { share: Share::Majority, chief: None },
            ["minority"] => Self::Share { share: Share::Minority, chief: None },
            [share @ ("majority" | "minority"), with @ ("with" | "without"), role] if is_role(role) => Self::Share {
                share: if *share == "majority" { Share::Majority } else { Share::Minority },
                chief: Some(Chief { role: (*role).to_owned(), is_with: *with == "with" }),
            },
            [article @ ("any" | "every"), word] if is_role(word) => match (*article, Among::of_word(word, kinds)) {
                ("any", Some(among)) => Self::Any(among),
                ("any", None) => Self::Role((*word).to_owned()),
                (_, Some(among)) => Self::Every(among),
                (_, None) => Self::EveryRole((*word).to_owned()),
            },
            [word] => match Kind::read(kinds, word) {
                Some(node) => Self::Node(node),
                // Roles and bound names are told apart where both lists are known: see `Selector::bind`.
                None if is_role(word) => Self::Named((*word).to_owned()),
                None => return Err(refuse()),
            },
            _ => return Err(refuse()),
        })
    }

    /// Tells roles from bound names: a single word that is one of `roles` and is not bound here is a role.
    ///
    /// # Errors
    /// The word, where it is neither.
    pub fn bind(self, bound: &[&str], roles: &[&str]) -> Result<Self, String> {
        let known = |word: &String| roles.contains(&word.as_str());
        match self {
            Self::Named(word) if bound.contains(&word.as_str()) => Ok(Self::Named(word)),
            Self::Named(word) if known(&word) => Ok(Self::Role(word)),
            Self::Named(word) => Err(word),
            Self::Role(word) | Self::EveryRole(word) if !known(&word) => Err(word),
            Self::Share { chief: Some(Chief { role, .. }), .. } if !known(&role) => Err(role),
            Self::Not(inner) => Ok(Self::Not(Box::new(inner.bind(bound, roles)?))),
            other => Ok(other),
        }
    }
}

impl fmt::Display for Among {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nodes => "node",
            Self::Side(side) => side.name(),
            Self::Kind(kind) => kind.name,
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "{node}"),
            Self::Named(name) | Self::Role(name) => f.write_str(name),
            Self::EveryRole(role) => write!(f, "every {role}"),
            Self::Any(among) => write!(f, "any {among}"),
            Self::Every(Among::Nodes) => f.write_str("*"),
            Self::Every(among) => write!(f, "every {among}"),
            Self::Holder { kind, resource: None } => write!(f, "holder({kind})"),
            Self::Holder { kind, resource: Some(resource) } => write!(f, "holder({kind} {resource})"),
            Self::Share { share, chief } => {
                f.write_str(if *share == Share::Majority { "majority" } else { "minority" })?;
                match chief {
                    Some(Chief { role, is_with: true }) => write!(f, " with {role}"),
                    Some(Chief { role, is_with: false }) => write!(f, " without {role}"),
                    None => Ok(()),
                }
            }
            Self::Not(inner) => write!(f, "not {inner}"),
        }
    }
}

/// Directed links between two sets of nodes: `leader -> *`, `s1 <-> s2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSelector {
    /// Who sends.
    pub source: Selector,
    /// Who receives.
    pub target: Selector,
    /// Whether the links the other way belong to it too (`<->`).
    pub both: bool,
}

impl fmt::Display for LinkSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.source, if self.both { "<->" } else { "->" }, self.target)
    }
}

/// Ways to say which links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkForm {
    /// Those from some nodes to others.
    Between(Vec<LinkSelector>),
    /// Of the nodes named here, those between nodes that share no group. Groups may overlap; nodes that are in no group
    /// keep all their links.
    Partition(Vec<Vec<Selector>>),
    /// Every link to and from these nodes, those between them, clients and absent servers included.
    Isolate(Vec<Selector>),
    /// Those between two halves that see each other only through one node. Half of the other servers are on either
    /// side, drawn; each client goes with one of the halves.
    Bridge(Selector),
    /// Those between servers that are not neighbours in order of number. Clients keep their links.
    Ring,
}

impl fmt::Display for LinkForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |selectors: &[Selector]| selectors.iter().map(Selector::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Between(links) => {
                f.write_str(&links.iter().map(LinkSelector::to_string).collect::<Vec<_>>().join(", "))
            }
            Self::Partition(groups) => {
                f.write_str(&groups.iter().map(|group| list(group)).collect::<Vec<_>>().join(" | "))
            }
            Self::Isolate(nodes) => f.write_str(&list(nodes)),
            Self::Bridge(node) => write!(f, "{node}"),
            Self::Ring => Ok(()),
        }
    }
}

/// A range from which a value is drawn; a constant is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<T> {
    /// The least.
    pub low: T,
    /// The most.
    pub high: T,
}

impl<T: Copy> Span<T> {
    /// Always this.
    pub const fn constant(value: T) -> Self {
        Self { low: value, high: value }
    }
}

/// A value that is drawn evenly from a range, by one word.
pub trait Drawn: Copy + PartialEq {
    /// One of the range, both ends included.
    fn draw(rng: &mut Rng, span: Span<Self>) -> Self;
}

impl<T: Drawn> Span<T> {
    /// One of the range, drawn by one word.
    pub fn draw(self, rng: &mut Rng) -> T {
        T::draw(rng, self)
    }
}

impl Drawn for Duration {
    fn draw(rng: &mut Rng, span: Span<Self>) -> Self {
        rng.duration(span.low, span.high)
    }
}

impl Drawn for Instant {
    fn draw(rng: &mut Rng, span: Span<Self>) -> Self {
        Self::from_nanos(rng.between(span.low.as_nanos(), span.high.as_nanos()))
    }
}

impl Drawn for i64 {
    fn draw(rng: &mut Rng, Span { low, high }: Span<Self>) -> Self {
        assert!(low <= high, "a range starts at its lower end");
        // In two's complement the width always fits an unsigned word, and adding it back wraps to the right number.
        low.wrapping_add(rng.between(0, high.wrapping_sub(low) as u64) as Self)
    }
}

impl Drawn for Offset {
    fn draw(rng: &mut Rng, span: Span<Self>) -> Self {
        Self(Span { low: span.low.0, high: span.high.0 }.draw(rng))
    }
}

impl Drawn for i32 {
    fn draw(rng: &mut Rng, span: Span<Self>) -> Self {
        let drawn = Span { low: i64::from(span.low), high: i64::from(span.high) }.draw(rng);
        Self::try_from(drawn).expect("it lies between two of them")
    }
}

/// When a fault starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// At a time.
    At(Span<Instant>),
    /// Again and again, each time after a while from the end of the last, at first from the start of the run. The while
    /// is at least 1 µs.
    Every(Span<Duration>),
    /// When something happens or holds, and then after a while.
    When {
        /// What.
        condition: Condition,
        /// How long after.
        delay: Span<Duration>,
        /// How often at most. The condition must come anew each time.
        times: u32,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::KindId;

    const ROLES: &[&str] = &["leader", "follower", "master", "raft.leader", "lock.holder"];
    const NAMES: &[&str] = &["x", "old-leader"];

    fn read(text: &str) -> Option<Selector> {
        text.parse::<Selector>().ok()?.bind(NAMES, ROLES).ok()
    }

    #[test]
    fn every_form_is_read() {
        let role = |role: &str| Selector::Role(role.to_owned());
        let holder = |kind: &str, resource| Selector::Holder { kind: kind.to_owned(), resource };
        let share = |role: &str, is_with| Selector::Share {
            share: Share::Minority,
            chief: Some(Chief { role: role.to_owned(), is_with }),
        };
        for (text, expected) in [
            ("s1", Selector::Node(NodeId::server(1).into())),
            ("c12", Selector::Node(NodeId::client(12).into())),
            ("x", Selector::Named("x".to_owned())),
            ("old-leader", Selector::Named("old-leader".to_owned())),
            ("leader", role("leader")),
            ("any  follower", role("follower")),
            ("every follower", Selector::EveryRole("follower".to_owned())),
            ("any node", Selector::Any(Among::Nodes)),
            ("servers", Selector::Every(Among::Kind(Kind::SERVER))),
            ("every node", Selector::Every(Among::Nodes)),
            (" * ", Selector::Every(Among::Nodes)),
            ("holder(lease)", holder("lease", None)),
            ("owner( session 7 )", holder("session", Some(7))),
            ("minority without leader", share("leader", false)),
            ("minority with raft.leader", share("raft.leader", true)),
            ("raft.leader", role("raft.leader")),
            ("every raft.leader", Selector::EveryRole("raft.leader".to_owned())),
            ("holder(session.lock 2)", holder("session.lock", Some(2))),
            ("not holder(lock 3)", Selector::Not(Box::new(holder("lock", Some(3))))),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    /// The words of a system with kinds of its own, and those of plain ones where it has none.
    #[test]
    fn kinds_have_names_of_their_own() {
        const REDIS: Kind = Kind { id: KindId::of_letter(b'r'), name: "redis", ..Kind::SERVER };
        const CHAT: Kind = Kind { id: KindId::of_letter(b't'), name: "chat", ..Kind::CLIENT };
        let kinds = [REDIS, CHAT, Kind::CLIENT];
        let read = |text: &str| Selector::read(text, &kinds).ok()?.bind(NAMES, ROLES).ok();
        for (text, expected) in [
            ("redis2", Selector::Node(REDIS.name_of(2))),
            ("c1", Selector::Node(NodeId::client(1).into())),
            ("any chat", Selector::Any(Among::Kind(CHAT))),
            ("every redis", Selector::Every(Among::Kind(REDIS))),
            ("any server", Selector::Any(Among::Side(Side::Server))),
            ("servers", Selector::Every(Among::Side(Side::Server))),
            ("every client", Selector::Every(Among::Kind(Kind::CLIENT))),
            ("not redis2", Selector::Not(Box::new(Selector::Node(REDIS.name_of(2))))),
        ] {
            assert_eq!(read(text), Some(expected.clone()), "{text}");
            if text != "servers" {
                assert_eq!(expected.to_string(), text);
            }
        }
        for text in ["redis", "s1", "r2", "redis0", "redis65", "any redis2", "any gate", "chats"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in [
            "",
            " ",
            "not",
            "not not leader",
            "s1 s2",
            "any 7",
            "majority of leader",
            "holder()",
            "holder(lock x)",
            "holder(lock 1 2)",
            "keeper(lock)",
            "leader)",
            "raft.",
            ".leader",
            "raft.leader.old",
            "majority with 7",
            "->",
            "1s",
        ] {
            assert!(text.parse::<Selector>().is_err(), "{text:?} was read");
        }
        for text in
            ["king", "any king", "every king", "majority with king", "raft.king", "not king", "server", "any", "every"]
        {
            let parsed: Selector = text.parse().expect("words that may be a role");
            assert!(parsed.bind(NAMES, ROLES).is_err(), "{text:?} was bound");
        }
    }

    #[test]
    fn a_text_without_end_is_refused_and_not_followed() {
        let text = "not ".repeat(100_000) + "leader";
        assert!(text.parse::<Selector>().is_err());
    }

    #[test]
    fn links_are_told_as_scenarios_write_them() {
        let mut links =
            LinkSelector { source: read("leader").expect("a role"), target: read("*").expect("all"), both: false };
        assert_eq!(links.to_string(), "leader -> *");
        links.both = true;
        assert_eq!(links.to_string(), "leader <-> *");
    }

    fn flat() -> impl Strategy<Value = Selector> {
        let node = (1u16..=64, any::<bool>()).prop_map(|(number, client)| {
            Selector::Node(if client { NodeId::client(number) } else { NodeId::server(number) }.into())
        });
        let among = [Among::Nodes, Among::Kind(Kind::SERVER), Among::Kind(Kind::CLIENT)];
        let among = prop::sample::select(among.to_vec());
        let role = prop::sample::select(ROLES).prop_map(str::to_owned);
        let share = prop::sample::select(vec![Share::Majority, Share::Minority]);
        prop_oneof![
            node,
            prop::sample::select(NAMES).prop_map(|name| Selector::Named(name.to_owned())),
            role.clone().prop_map(Selector::Role),
            role.clone().prop_map(Selector::EveryRole),
            among.clone().prop_map(Selector::Any),
            among.prop_map(Selector::Every),
            (role.clone(), any::<Option<u64>>()).prop_map(|(kind, resource)| Selector::Holder { kind, resource }),
            (share, prop::option::of((role, any::<bool>()).prop_map(|(role, is_with)| Chief { role, is_with })))
                .prop_map(|(share, chief)| Selector::Share { share, chief }),
        ]
    }

    fn selectors() -> impl Strategy<Value = Selector> {
        prop_oneof![flat(), flat().prop_map(|inner| Selector::Not(Box::new(inner)))]
    }

    proptest! {
        #[test]
        fn what_is_told_is_read_back(selector in selectors()) {
            prop_assert_eq!(read(&selector.to_string()), Some(selector));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = text.parse::<Selector>();
        }
    }
}

//! From selectors to nodes and links, when a fault starts.
//!
//! A resolution is a function of the census and of the stream of its occurrence alone: asked again with the same
//! census it gives the same nodes, so that one that waits draws nothing anew. Each selector has a stream of its own,
//! keyed by its text and its ordinal among equal texts of the fault, and chooses by [`draw::shuffled`].

use std::collections::BTreeMap;

use crate::director::census::Census;
use crate::director::{draw, topology};
use crate::id::{Link, NodeId};
use crate::rng::{Rng, fnv1a};
use crate::selector::{Among, Chief, IT, LinkSelector, Selector, Share};
use crate::vocabulary::RoleId;

/// Resolves the selectors of one occurrence of a fault.
pub(crate) struct Resolver<'a> {
    census: &'a Census,
    rng: &'a Rng,
    names: Vec<(String, NodeId)>,
    it: Option<NodeId>,
    asked: BTreeMap<String, u64>,
}

/// How many of the nodes that a selector ranks it stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    /// The first: the rank is a fact (the highest term, the last to gain).
    First,
    /// The first that no other has: the rank is drawn.
    Any,
    /// All of them.
    All,
}

/// The nodes that a selector may stand for, the preferred first.
struct Ranked(Take, Vec<NodeId>);

impl<'a> Resolver<'a> {
    /// A resolver for the occurrence with this stream, which has bound no name of its own.
    pub(crate) const fn new(census: &'a Census, rng: &'a Rng) -> Self {
        Self { census, rng, names: Vec::new(), it: None, asked: BTreeMap::new() }
    }

    /// The same, in which [`IT`] stands for this node.
    pub(crate) const fn about(mut self, node: Option<NodeId>) -> Self {
        self.it = node;
        self
    }

    /// The stream of the occurrence.
    pub(crate) const fn rng(&self) -> &'a Rng {
        self.rng
    }

    /// What is known of the cluster.
    pub(crate) const fn census(&self) -> &'a Census {
        self.census
    }

    /// Binds names in order, each to a node that no name before it has. `None` if one finds no node.
    ///
    /// A selector that stands for several nodes gives one of them, drawn.
    pub(crate) fn bind(&mut self, names: &[(String, Selector)]) -> Option<()> {
        for (name, selector) in names {
            let rng = self.rng.fork("name", fnv1a(name));
            let Ranked(take, mut nodes) = self.ranked(selector, &rng);
            if take == Take::All {
                nodes = draw::shuffled(&rng, nodes);
            }
            let free = |node: &NodeId| self.names.iter().all(|(_, taken)| taken != node);
            let node = nodes.into_iter().find(free)?;
            self.names.push((name.clone(), node));
        }
        Some(())
    }

    /// The nodes that these selectors choose, in order. `None` if one of them matches no node.
    ///
    /// Those that draw one node come last, and each draws one that the list does not have yet: `["any server",
    /// "any server"]` are two.
    pub(crate) fn nodes(&mut self, selectors: &[Selector]) -> Option<Vec<NodeId>> {
        let (drawn, fixed): (Vec<&Selector>, Vec<&Selector>) =
            selectors.iter().partition(|selector| self.draws(selector));
        let mut nodes = Vec::new();
        for selector in fixed.into_iter().chain(drawn) {
            let chosen = self.choose(selector, &nodes)?;
            nodes.extend(chosen);
        }
        nodes.sort_unstable();
        nodes.dedup();
        Some(nodes)
    }

    /// The node that this selector chooses, if it chooses one. One that draws takes none of `taken`.
    pub(crate) fn other(&mut self, selector: &Selector, taken: &[NodeId]) -> Option<NodeId> {
        self.choose(selector, taken)?.first().copied()
    }

    /// The links that these selectors choose, in order. `None` if one of them matches none.
    pub(crate) fn links(&mut self, selectors: &[LinkSelector]) -> Option<Vec<Link>> {
        let mut links = Vec::new();
        for selector in selectors {
            let (sources, targets) = self.ends(selector)?;
            let chosen =
                if selector.both { topology::apart(&sources, &targets) } else { topology::between(&sources, &targets) };
            if chosen.is_empty() {
                return None;
            }
            links.extend(chosen);
        }
        links.sort_unstable();
        links.dedup();
        Some(links)
    }

    /// Sources and targets. An end that is drawn comes second, and is another node than the one at the other end.
    fn ends(&mut self, link: &LinkSelector) -> Option<(Vec<NodeId>, Vec<NodeId>)> {
        let single = |nodes: &[NodeId]| match nodes {
            [node] => vec![*node],
            _ => Vec::new(),
        };
        if self.draws(&link.source) && !self.draws(&link.target) {
            let targets = self.choose(&link.target, &[])?;
            let sources = self.choose(&link.source, &single(&targets))?;
            Some((sources, targets))
        } else {
            let sources = self.choose(&link.source, &[])?;
            let targets = self.choose(&link.target, &single(&sources))?;
            Some((sources, targets))
        }
    }

    /// The nodes that one selector chooses. One that draws takes none of `taken`.
    fn choose(&mut self, selector: &Selector, taken: &[NodeId]) -> Option<Vec<NodeId>> {
        let rng = self.stream(selector);
        let Ranked(take, mut nodes) = self.ranked(selector, &rng);
        match take {
            Take::All => {}
            Take::First => nodes.truncate(1),
            Take::Any => {
                nodes.retain(|node| !taken.contains(node));
                nodes.truncate(1);
            }
        }
        (!nodes.is_empty()).then_some(nodes)
    }

    /// Every node that one of these selectors may stand for, in order of name: those that a nemesis may choose.
    pub(crate) fn pool(&mut self, selectors: &[Selector]) -> Vec<NodeId> {
        let mut pool = Vec::new();
        for selector in selectors {
            let rng = self.stream(selector);
            let Ranked(take, mut nodes) = self.ranked(selector, &rng);
            if take == Take::First {
                nodes.truncate(1);
            }
            pool.extend(nodes);
        }
        pool.sort_unstable();
        pool.dedup();
        pool
    }

    /// The stream of a selector: by its text, and its ordinal among those of the same text.
    fn stream(&mut self, selector: &Selector) -> Rng {
        let text = selector.to_string();
        let times = self.asked.entry(text.clone()).or_insert(0);
        *times += 1;
        self.rng.fork("selector", fnv1a(&format!("{text} {times}")))
    }

    fn ranked(&self, selector: &Selector, rng: &Rng) -> Ranked {
        match selector {
            Selector::Node(node) if self.census.cluster().contains(node.id()) => Ranked(Take::All, vec![node.id()]),
            Selector::Node(_) => Ranked(Take::All, Vec::new()),
            Selector::Named(name) => Ranked(Take::All, self.named(name)),
            Selector::Role(role) => match self.role(role) {
                Some(role) if self.is_ranked(role) => Ranked(Take::First, self.census.by_rank(role)),
                Some(role) => Ranked(Take::Any, draw::shuffled(rng, self.census.in_role(role))),
                None => Ranked(Take::Any, Vec::new()),
            },
            Selector::EveryRole(role) => {
                let role = self.role(role);
                Ranked(Take::All, role.map_or_else(Vec::new, |role| self.census.in_role(role).collect()))
            }
            Selector::Any(among) => Ranked(Take::Any, draw::shuffled(rng, self.among(among))),
            Selector::Every(among) => Ranked(Take::All, self.among(among)),
            Selector::Holder { kind, resource } => {
                let kind = self.census.words().find_resource(kind).ok();
                Ranked(Take::First, kind.map_or_else(Vec::new, |kind| self.census.holders(kind, *resource)))
            }
            Selector::Share { share, chief } => Ranked(Take::All, self.share(*share, chief.as_ref())),
            Selector::Not(inner) => Ranked(Take::All, self.others(inner, rng)),
        }
    }

    /// A word was checked when the file was read: what is none finds no node.
    fn role(&self, word: &str) -> Option<RoleId> {
        self.census.words().find_role(word).ok()
    }

    fn is_ranked(&self, role: RoleId) -> bool {
        self.census.words().role(role).is_ranked
    }

    /// Whether the selector stands for one node that is drawn.
    fn draws(&self, selector: &Selector) -> bool {
        match selector {
            Selector::Any(_) => true,
            Selector::Role(role) => self.role(role).is_none_or(|role| !self.is_ranked(role)),
            _ => false,
        }
    }

    /// The names that the occurrence has bound.
    pub(crate) fn names(&self) -> &[(String, NodeId)] {
        &self.names
    }

    /// What the occurrence binds comes before what others have bound.
    fn named(&self, name: &str) -> Vec<NodeId> {
        let own = self.names.iter().find(|(known, _)| known == name);
        let it = self.it.filter(|_| name == IT);
        own.map(|(_, node)| *node).or(it).or_else(|| self.census.named(name)).into_iter().collect()
    }

    fn among(&self, among: &Among) -> Vec<NodeId> {
        let cluster = self.census.cluster();
        self.census.present().filter(|node| among.has(&cluster, *node)).collect()
    }

    /// Every server that `inner` does not choose; none if it matches none, so that `not leader` waits for one.
    fn others(&self, inner: &Selector, rng: &Rng) -> Vec<NodeId> {
        let Ranked(take, mut chosen) = self.ranked(inner, rng);
        if take != Take::All {
            chosen.truncate(1);
        }
        if chosen.is_empty() {
            return chosen;
        }
        self.census.servers().filter(|server| !chosen.contains(server)).collect()
    }

    /// This many servers. All shares of one occurrence go by one order of the servers, a majority from its front and a
    /// minority from its back: of an odd number of servers `majority without leader` and `minority with leader` are
    /// the two sides of a partition. Empty where the node in a ranked role matters and there is none.
    fn share(&self, share: Share, chief: Option<&Chief>) -> Vec<NodeId> {
        let mut order = draw::shuffled(&self.rng.fork("share", 0), self.census.servers());
        let mut count = match share {
            Share::Majority => order.len() / 2 + 1,
            Share::Minority => order.len().saturating_sub(1) / 2,
        };
        let mut chosen = Vec::new();
        if let Some(Chief { role, is_with }) = chief {
            let node = self.role(role).and_then(|role| self.census.chief(role));
            let Some(node) = node.filter(|node| self.census.cluster().is_server(*node)) else {
                return Vec::new();
            };
            order.retain(|server| *server != node);
            if *is_with && count > 0 {
                chosen.push(node);
                count -= 1;
            }
        }
        if share == Share::Minority {
            order.reverse();
        }
        chosen.extend(order.into_iter().take(count));
        chosen
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::{Cluster, Kind, KindId};
    use crate::rng::Seed;
    use crate::time::Instant;
    use crate::vocabulary::{Part, Role, Vocabulary};

    const ROLES: &[&str] = &["leader", "follower"];

    const WORDS: Part = Part {
        group: "toy",
        roles: &[Role::ranked("leader"), Role::plain("follower")],
        resources: &["lock"],
        parts: &[],
    };

    const fn s(number: u16) -> NodeId {
        NodeId::server(number)
    }

    /// Servers of which the given one leads and the others follow, and two clients.
    fn cluster(servers: u16, leader: Option<u16>) -> Census {
        let cluster = Cluster::plain(servers, 2).with_spare(KindId::SERVER, 1);
        let mut census = Census::new(cluster, Vocabulary::new(WORDS));
        for node in cluster.starting() {
            census.set_up(node);
        }
        for node in cluster.servers() {
            let leads = Some(node.number()) == leader;
            let role = census.words().find_role(if leads { "leader" } else { "follower" });
            census.set_role(Instant::ZERO, node, role.expect("a role"), u64::from(leads));
        }
        census
    }

    fn selector(text: &str) -> Selector {
        let parsed: Selector = text.parse().expect("a selector");
        parsed.bind(&["a", "b", "c", "d", "x"], ROLES).expect("roles and names")
    }

    fn selectors(texts: &[&str]) -> Vec<Selector> {
        texts.iter().map(|text| selector(text)).collect()
    }

    fn nodes(census: &Census, seed: u64, texts: &[&str]) -> Option<Vec<NodeId>> {
        let rng = Seed(seed).stream("test", 0);
        Resolver::new(census, &rng).nodes(&selectors(texts))
    }

    fn links(census: &Census, seed: u64, text: &str) -> Option<Vec<Link>> {
        let rng = Seed(seed).stream("test", 0);
        let (source, target) = text.split_once("->").expect("an arrow");
        let link = LinkSelector { source: selector(source), target: selector(target), both: false };
        Resolver::new(census, &rng).links(&[link])
    }

    #[test]
    fn fixed_selectors_give_whom_they_name() {
        let census = cluster(5, Some(2));
        let (c1, c2) = (NodeId::client(1), NodeId::client(2));
        for (text, expected) in [
            ("s3", vec![s(3)]),
            ("s6", vec![s(6)]),
            ("leader", vec![s(2)]),
            ("every follower", vec![s(1), s(3), s(4), s(5)]),
            ("every server", vec![s(1), s(2), s(3), s(4), s(5)]),
            ("every client", vec![c1, c2]),
            ("*", vec![s(1), s(2), s(3), s(4), s(5), c1, c2]),
            ("not leader", vec![s(1), s(3), s(4), s(5)]),
            ("not s1", vec![s(2), s(3), s(4), s(5)]),
        ] {
            assert_eq!(nodes(&census, 1, &[text]), Some(expected), "{text}");
        }
    }

    #[test]
    fn selectors_go_by_kind() {
        const REDIS: Kind = Kind { id: KindId::of_letter(b'r'), name: "redis", ..Kind::SERVER };
        const CHAT: Kind = Kind { id: KindId::of_letter(b't'), name: "chat", ..Kind::CLIENT };
        const KINDS: &[Kind] = &[REDIS, Kind::SERVER, CHAT, Kind::CLIENT];
        let cluster = Cluster::new(KINDS).with(REDIS.id, 2).with(CHAT.id, 2).with(KindId::SERVER, 1);
        let mut census = Census::new(cluster, Vocabulary::new(WORDS));
        cluster.starting().for_each(|node| census.set_up(node));
        let choose = |seed: u64, text: &str| {
            let selector = Selector::read(text, KINDS).expect("a selector");
            let rng = Seed(seed).stream("test", 0);
            let nodes = Resolver::new(&census, &rng).nodes(&[selector])?;
            Some(nodes.into_iter().map(|node| cluster.name(node).to_string()).collect::<Vec<_>>().join(" "))
        };
        for (text, expected) in [
            ("redis2", Some("redis2")),
            ("redis3", None),
            ("every redis", Some("redis1 redis2")),
            ("every chat", Some("chat1 chat2")),
            ("every server", Some("s1")),
            ("every client", None),
            ("any server", Some("s1")),
            ("not redis1", Some("s1 redis2")),
            ("*", Some("s1 redis1 redis2 chat1 chat2")),
        ] {
            assert_eq!(choose(1, text).as_deref(), expected, "{text}");
        }
        let drawn: std::collections::BTreeSet<_> = (0..30).filter_map(|seed| choose(seed, "any chat")).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), ["chat1", "chat2"]);
    }

    #[test]
    fn who_does_not_exist_is_nobody() {
        let census = cluster(5, None);
        for text in ["leader", "not leader", "majority with leader", "minority without leader", "holder(lock)", "s9"] {
            assert_eq!(nodes(&census, 1, &[text]), None, "{text}");
        }
        assert_eq!(nodes(&census, 1, &["s1", "leader"]), None, "one that matches nobody is enough");
    }

    #[test]
    fn drawn_nodes_of_a_list_differ() {
        let census = cluster(3, Some(1));
        for seed in 0..50 {
            let all = nodes(&census, seed, &["any server", "any server", "s2"]);
            assert_eq!(all, Some(vec![s(1), s(2), s(3)]));
            let too_many = nodes(&census, seed, &["any follower", "any follower", "any follower"]);
            assert_eq!(too_many, None);
        }
    }

    #[test]
    fn the_end_of_a_link_that_is_drawn_is_another_node() {
        let census = cluster(2, Some(1));
        for seed in 0..50 {
            for text in ["any server -> s1", "any server -> leader"] {
                assert_eq!(links(&census, seed, text), Some(vec![Link::new(s(2), s(1))]));
            }
            let drawn = links(&census, seed, "any server -> any server").expect("two servers");
            assert_eq!(drawn.len(), 1);
        }
        assert_eq!(links(&census, 0, "s1 -> s1"), None);
    }

    #[test]
    fn names_bind_to_different_nodes() {
        let census = cluster(5, Some(4));
        let names: Vec<(String, Selector)> =
            [("a", "follower"), ("b", "any follower"), ("c", "every follower"), ("d", "follower"), ("x", "leader")]
                .map(|(name, text)| (name.to_owned(), selector(text)))
                .into();
        for seed in 0..50 {
            let rng = Seed(seed).stream("test", 0);
            let mut resolver = Resolver::new(&census, &rng);
            resolver.bind(&names).expect("five nodes for five names");
            let all = resolver.nodes(&selectors(&["a", "b", "c", "d", "x"]));
            assert_eq!(all.map(|nodes| nodes.len()), Some(5));
            assert_eq!(resolver.nodes(&selectors(&["x"])), Some(vec![s(4)]));
        }
    }

    #[test]
    fn a_name_without_a_node_of_its_own_binds_nothing() {
        let census = cluster(2, Some(1));
        let rng = Seed(0).stream("test", 0);
        let names = ["a", "b"].map(|name| (name.to_owned(), selector("follower")));
        assert_eq!(Resolver::new(&census, &rng).bind(&names), None);
    }

    proptest! {
        #[test]
        fn shares_have_their_size_and_their_leader(seed: u64, servers in 1u16..9, leader in 1u16..9) {
            let leader = leader.min(servers);
            let census = cluster(servers, Some(leader));
            for (text, size, with) in [
                ("majority with leader", servers / 2 + 1, true),
                ("majority without leader", (servers / 2 + 1).min(servers - 1), false),
                ("minority with leader", (servers - 1) / 2, true),
                ("minority without leader", (servers - 1) / 2, false),
            ] {
                let chosen = nodes(&census, seed, &[text]).unwrap_or_default();
                prop_assert_eq!(chosen.len(), usize::from(size), "{}", text);
                prop_assert_eq!(chosen.contains(&s(leader)), with && size > 0, "{}", text);
            }
        }

        #[test]
        fn shares_of_an_odd_cluster_are_two_sides(seed: u64, half in 1u16..4) {
            let census = cluster(2 * half + 1, Some(1));
            for sides in [
                ["majority without leader", "minority with leader"],
                ["majority with leader", "minority without leader"],
                ["majority", "minority"],
            ] {
                let all = nodes(&census, seed, &sides).expect("a leader and three servers");
                prop_assert_eq!(all.len(), usize::from(2 * half + 1), "{:?}", sides);
            }
        }

        #[test]
        fn a_server_more_keeps_the_choice_or_is_it(seed: u64, servers in 1u16..9) {
            let before = nodes(&cluster(servers, None), seed, &["any server"]);
            let after = nodes(&cluster(servers + 1, None), seed, &["any server"]);
            prop_assert!(after == before || after == Some(vec![s(servers + 1)]));
        }
    }
}

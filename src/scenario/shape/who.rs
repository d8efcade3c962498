//! Who: selectors, links and groups, against the words of the system and the nodes of the cluster.

use serde_json::{Value as Json, json};
use splitbrain_kernel::id::{Cluster, Kind, KindId, NodeId, NodeName, Side};
use splitbrain_kernel::selector::{Among, IT, LinkSelector, Selector};
use splitbrain_kernel::vocabulary::{Vocabulary, WordError};

use crate::scenario::description::SystemDescription;
use crate::scenario::foreign::{foreign, foreign_node, foreign_sets};
use crate::scenario::key::Shape;
use crate::scenario::reader::{At, Problem, Reader, quoted};

use super::quote;

/// A set of nodes: `s1`, `leader`, `any follower`, `every server`, `holder(lock)`, `majority without leader`, `*`.
#[derive(Debug)]
pub(crate) struct Who;

impl Shape for Who {
    type Value = Selector;

    fn noun(&self) -> String {
        "a selector such as \"s1\", \"leader\", \"any follower\" or \"every server\"".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Selector> {
        let text = reader.text(at, &self.noun())?;
        let selector = selector(reader, text);
        reader.check(at, selector)
    }

    fn encode(&self, value: &Selector) -> String {
        quote(&value.to_string())
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// Reads a selector and checks every word of it.
pub(super) fn selector(reader: &Reader<'_>, text: &str) -> Result<Selector, Problem> {
    let kinds = reader.system.kinds;
    let parsed = Selector::read(text, kinds).map_err(|error| {
        let problem = Problem::new(format!("{error}"));
        let roles = reader.system.words.role_words();
        let is_meant = |text: &String| match Selector::read(text, kinds) {
            Ok(Selector::Named(word) | Selector::Role(word) | Selector::EveryRole(word)) => roles.contains(&word),
            other => other.is_ok(),
        };
        match foreign_sets(text).into_iter().find(is_meant) {
            Some(ours) => problem.with_nearest(ours),
            None => problem,
        }
    })?;
    let words = reader.system.words.role_words();
    let roles: Vec<&str> = words.iter().map(String::as_str).collect();
    let bound: Vec<&str> = reader.bound.iter().map(String::as_str).collect();
    let selector = parsed.bind(&bound, &roles).map_err(|word| match reader.system.words.find_role(&word) {
        Err(WordError::Ambiguous(names)) => ambiguous(&word, &names),
        _ => unknown_word(reader, &bound, &roles, text, &word),
    })?;
    check_selector(reader, &selector).map(|()| selector)
}

/// A short word that several groups have.
pub(super) fn ambiguous(word: &str, names: &[String]) -> Problem {
    Problem::new(format!("{word} is {}: say which", names.join(" or ")))
}

/// A word that is neither a role nor a name. `any severs` is compared as a whole: it may be no role that was meant.
fn unknown_word(reader: &Reader<'_>, bound: &[&str], roles: &[&str], text: &str, word: &str) -> Problem {
    let (text, sets) = (text.trim(), sets(reader.system.kinds));
    if word == IT {
        return Problem::new("it is the node at which the condition of when comes, and here is none");
    }
    if ["majority ", "minority "].into_iter().any(|share| text.contains(share)) {
        return Problem::unknown("role", word, roles.iter().copied());
    }
    let sets = sets.iter().map(String::as_str);
    let article = ["any ", "every "].into_iter().find(|article| text.starts_with(article));
    let Some(article) = article else {
        if let Err(problem) = read_node(reader, word)
            && bound.is_empty()
            && word.ends_with(|c: char| c.is_ascii_digit())
        {
            return with_foreign_node(problem, word);
        }
        let words = bound.iter().chain(roles).copied();
        return with_foreign_node(Problem::unknown("role or name", word, words.chain(sets)), word);
    };
    let with_roles: Vec<String> = roles.iter().map(|role| format!("{article}{role}")).collect();
    let sets = sets.filter(|set| set.starts_with(article));
    let problem = Problem::unknown("selector", text, sets.chain(with_roles.iter().map(String::as_str)));
    // `every slave` is a word of others for a role, and near to a set that is not meant.
    let theirs = foreign(text.trim_start_matches(article), roles);
    match theirs.and_then(|theirs| theirs.ours.iter().find(|ours| roles.contains(ours)).copied()) {
        Some(role) => problem.with_nearest(format!("{article}{role}")),
        None => problem,
    }
}

fn with_foreign_node(problem: Problem, word: &str) -> Problem {
    match foreign_node(word) {
        Some(name) => problem.with_nearest(name),
        None => problem,
    }
}

/// Selectors that every scenario of a system with these kinds may use.
fn sets(kinds: &[Kind]) -> Vec<String> {
    let own = kinds.iter().map(|kind| kind.name);
    let sides = [Side::Server, Side::Client].map(Side::name);
    let sides = sides.into_iter().filter(|side| kinds.iter().all(|kind| kind.name != *side));
    let words: Vec<&str> = own.chain(sides).chain(["node"]).collect();
    let with = |article: &str| words.iter().map(|word| format!("{article} {word}")).collect::<Vec<_>>();
    [with("any"), with("every"), vec!["majority".to_owned(), "minority".to_owned()]].concat()
}

fn check_selector(reader: &Reader<'_>, selector: &Selector) -> Result<(), Problem> {
    match selector {
        Selector::Node(node) => check_node(reader, node.id()),
        Selector::Holder { kind, .. } => check_resource(reader, kind),
        Selector::Not(inner) => check_selector(reader, inner),
        Selector::Share { chief: Some(chief), .. } => check_ranked(&reader.system.words, &chief.role),
        Selector::Any(among) | Selector::Every(among) => check_among(reader, among),
        _ => Ok(()),
    }
}

/// Whether the cluster has this node.
pub(crate) fn check_node(reader: &Reader<'_>, node: NodeId) -> Result<(), Problem> {
    match reader.cluster {
        Some(cluster) if !cluster.contains(node) => Err(no_such_node(cluster, node)),
        _ => Ok(()),
    }
}

fn no_such_node(cluster: Cluster, node: NodeId) -> Problem {
    let name = cluster.name(node);
    let Some(kind) = cluster.kind(node.kind()) else {
        let message =
            format!("there is no {name}: the system has no kind of process with the letter {}", node.kind().letter());
        return Problem::new(message);
    };
    Problem::new(match cluster.all_of(kind.id).count() {
        0 => format!("there is no {name}: {}", without(kind)),
        1 => format!("there is no {name}: the cluster has {} alone", kind.name_of(1)),
        _ => {
            let last = cluster.all_of(kind.id).last().map_or(1, NodeId::number);
            format!("there is no {name}: the cluster has {} to {}", kind.name_of(1), kind.name_of(last))
        }
    })
}

/// `the cluster has no clients`.
fn without(kind: &Kind) -> String {
    format!("the cluster has no {}", kind.key())
}

fn check_among(reader: &Reader<'_>, among: &Among) -> Result<(), Problem> {
    let Some(cluster) = reader.cluster else { return Ok(()) };
    if cluster.nodes().any(|node| among.has(&cluster, node)) {
        return Ok(());
    }
    Err(Problem::new(match among {
        Among::Kind(kind) => format!("{} (cluster.{} is 0)", without(kind), kind.key()),
        Among::Side(side) => format!("the cluster has no {}s", side.name()),
        Among::Nodes => "the cluster has no nodes".to_owned(),
    }))
}

/// The node of this name; the cluster need not have it.
fn read_node(reader: &Reader<'_>, name: &str) -> Result<NodeId, Problem> {
    let kinds = reader.system.kinds;
    if let Some(node) = Kind::read(kinds, name) {
        return Ok(node.id());
    }
    let digits = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
    let (prefix, digits) = name.split_at(digits);
    let is_number = !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    Err(match kinds.iter().find(|kind| kind.prefix() == prefix) {
        Some(kind) if is_number => Problem::new(format!(
            "there is no {name}: a cluster has at most {} to {}",
            kind.name_of(1),
            kind.name_of(kind.count_max)
        )),
        None if is_number && !prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_alphabetic()) => {
            let system = reader.system.name;
            let prefixes = kinds.iter().map(Kind::prefix);
            Problem::unknown(&format!("kind of process of {system}"), prefix, prefixes)
        }
        _ => {
            let examples: Vec<String> = kinds
                .iter()
                .zip([1, 2].into_iter().cycle())
                .map(|(kind, number)| kind.name_of(number).to_string())
                .collect();
            Problem::new(format!("expected a node such as {}, got {}", examples.join(" or "), quoted(name)))
        }
    })
}

/// The node that a word is meant to name, whether it is spelt as here or as elsewhere. The cluster need not have it.
pub(crate) fn meant_node(kinds: &[Kind], word: &str) -> Option<NodeName> {
    Kind::read(kinds, word).or_else(|| Kind::read(kinds, &foreign_node(word)?))
}

/// The names of nodes of a system, as a pattern of the schema.
pub(crate) fn node_pattern(system: &SystemDescription) -> String {
    let prefixes: Vec<&str> = system.kinds.iter().map(Kind::prefix).collect();
    format!("^({})[1-9][0-9]?$", prefixes.join("|"))
}

/// A share is with or without one node, so its role must be one in which there should be one.
fn check_ranked(words: &Vocabulary, role: &str) -> Result<(), Problem> {
    if words.find_role(role).is_ok_and(|role| words.role(role).is_ranked) {
        return Ok(());
    }
    let known: Vec<String> = words.ranked().map(|role| words.role_name(role)).collect();
    Err(Problem::unknown("role in which there should be one node", role, known.iter().map(String::as_str)))
}

fn check_resource(reader: &Reader<'_>, kind: &str) -> Result<(), Problem> {
    match reader.system.words.find_resource(kind) {
        Ok(_) => Ok(()),
        Err(WordError::Ambiguous(names)) => Err(ambiguous(kind, &names)),
        Err(WordError::Unknown) => {
            let known = reader.system.words.resource_words();
            Err(Problem::unknown("kind of resource", kind, known.iter().map(String::as_str)))
        }
    }
}

/// Whether a selector stands for one node and not for a set.
pub(crate) const fn is_single(selector: &Selector) -> bool {
    matches!(
        selector,
        Selector::Node(_) | Selector::Named(_) | Selector::Role(_) | Selector::Any(_) | Selector::Holder { .. }
    )
}

/// The kinds of process that these selectors can stand for; `None` if the words do not tell.
pub(crate) fn kinds_of(kinds: &[Kind], selectors: &[Selector]) -> Option<Vec<KindId>> {
    let among = |of: &dyn Fn(&Kind) -> bool| kinds.iter().filter(|kind| of(kind)).map(|kind| kind.id).collect();
    let mut all = Vec::new();
    for selector in selectors {
        let of_one: Vec<KindId> = match selector {
            Selector::Node(node) => vec![node.id().kind()],
            Selector::Any(Among::Nodes) | Selector::Every(Among::Nodes) => among(&|_| true),
            Selector::Any(Among::Side(side)) | Selector::Every(Among::Side(side)) => among(&|kind| kind.side == *side),
            Selector::Any(Among::Kind(kind)) | Selector::Every(Among::Kind(kind)) => vec![kind.id],
            Selector::Share { .. } | Selector::Not(_) => among(&|kind| kind.side == Side::Server),
            Selector::Named(_) | Selector::Role(_) | Selector::EveryRole(_) | Selector::Holder { .. } => return None,
        };
        all.extend(of_one);
    }
    Some(all)
}

/// Directed links: `leader -> *`, `s1 <-> s2`.
#[derive(Debug)]
pub(crate) struct Path;

impl Shape for Path {
    type Value = LinkSelector;

    fn noun(&self) -> String {
        "links such as \"leader -> *\" (one way) or \"s1 <-> s2\" (both ways)".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<LinkSelector> {
        let text = reader.text(at, &self.noun())?;
        let links = links(reader, text);
        reader.check(at, links)
    }

    fn encode(&self, value: &LinkSelector) -> String {
        quote(&value.to_string())
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "type": "string", "pattern": "^[^<>]+<?->[^<>]+$" })
    }
}

fn links(reader: &Reader<'_>, text: &str) -> Result<LinkSelector, Problem> {
    let (both, ends) = match text.split_once("<->") {
        Some(ends) => (true, Some(ends)),
        None => (false, text.split_once("->")),
    };
    let Some((source, target)) = ends else {
        return Err(Problem::new(format!("expected {}, got {}", Path.noun(), quoted(text))));
    };
    let (source, target) = (selector(reader, source)?, selector(reader, target)?);
    if source == target && matches!(source, Selector::Node(_) | Selector::Named(_)) {
        return Err(Problem::new(format!("{source} has no link to itself")));
    }
    Ok(LinkSelector { source, target, both })
}

/// The name of a node, as the key of a table.
pub(crate) fn node_key(
    reader: &mut Reader<'_>,
    name: &str,
    span: &std::ops::Range<usize>,
    path: &str,
) -> Option<NodeId> {
    let node = read_node(reader, name).and_then(|node| check_node(reader, node).map(|()| node));
    node.map_err(|problem| reader.report(span, path, problem)).ok()
}

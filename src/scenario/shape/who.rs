//! Who and when: selectors, links, groups, conditions, against the words of the system and the nodes of the cluster.

use serde_json::{Value as Json, json};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::selector::{Condition, Kind, LinkSelector, Selector};
use splitbrain_kernel::time::Duration;

use super::super::description::SystemDescription;
use super::super::key::Shape;
use super::super::reader::{At, Problem, Reader, quoted};
use super::quantity::{ANY_TIME, Quantity as _};
use super::quote;

/// A set of nodes: `s1`, `leader`, `any follower`, `every server`, `holder(lock)`, `majority without leader`, `*`.
#[derive(Debug)]
pub(in super::super) struct Who;

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
fn selector(reader: &Reader<'_>, text: &str) -> Result<Selector, Problem> {
    let parsed: Selector = text.parse().map_err(|error| Problem::new(format!("{error}")))?;
    let roles = reader.system.roles;
    let bound: Vec<&str> = reader.bound.iter().map(String::as_str).collect();
    let selector = parsed.bind(&bound, roles).map_err(|word| unknown_word(&bound, roles, text, &word))?;
    check_selector(reader, &selector).map(|()| selector)
}

/// A word that is neither a role nor a name. `any severs` is compared as a whole: it may be no role that was meant.
fn unknown_word(bound: &[&str], roles: &[&str], text: &str, word: &str) -> Problem {
    let text = text.trim();
    let article = ["any ", "every "].into_iter().find(|article| text.starts_with(article));
    let Some(article) = article else {
        let words = bound.iter().chain(roles).copied();
        return Problem::unknown("role or name", word, words.chain(SETS));
    };
    let with_roles: Vec<String> = roles.iter().map(|role| format!("{article}{role}")).collect();
    let sets = SETS.into_iter().filter(|set| set.starts_with(article));
    Problem::unknown("selector", text, sets.chain(with_roles.iter().map(String::as_str)))
}

/// Words that are selectors in every system.
const SETS: [&str; 8] =
    ["any server", "any client", "any node", "every server", "every client", "every node", "majority", "minority"];

fn check_selector(reader: &Reader<'_>, selector: &Selector) -> Result<(), Problem> {
    match selector {
        Selector::Node(node) => check_node(reader, *node),
        Selector::Holder { kind, .. } => check_resource(reader, kind),
        Selector::Not(inner) => check_selector(reader, inner),
        Selector::Share { leader: Some(_), .. } if !reader.system.roles.contains(&"leader") => {
            Err(Problem::unknown("role", "leader", reader.system.roles.iter().copied()))
        }
        Selector::Any(Kind::Client) | Selector::Every(Kind::Client) => check_clients(reader),
        _ => Ok(()),
    }
}

/// Whether the cluster has this node.
pub(in super::super) fn check_node(reader: &Reader<'_>, node: NodeId) -> Result<(), Problem> {
    let Some(cluster) = reader.cluster else { return Ok(()) };
    if cluster.contains(node) {
        return Ok(());
    }
    let (letter, count) =
        if node.is_client() { ('c', cluster.clients) } else { ('s', cluster.servers + cluster.spare) };
    Err(Problem::new(match count {
        0 => format!("there is no {node}: the cluster has no clients"),
        1 => format!("there is no {node}: the cluster has {letter}1 alone"),
        _ => format!("there is no {node}: the cluster has {letter}1 to {letter}{count}"),
    }))
}

fn check_clients(reader: &Reader<'_>) -> Result<(), Problem> {
    match reader.cluster {
        Some(cluster) if cluster.clients == 0 => Err(Problem::new("the cluster has no clients (cluster.clients is 0)")),
        _ => Ok(()),
    }
}

fn check_resource(reader: &Reader<'_>, kind: &str) -> Result<(), Problem> {
    let known = reader.system.resources;
    if known.contains(&kind) {
        return Ok(());
    }
    Err(Problem::unknown("kind of resource", kind, known.iter().copied()))
}

/// Whether a selector stands for one node and not for a set.
pub(in super::super) const fn is_single(selector: &Selector) -> bool {
    matches!(
        selector,
        Selector::Node(_) | Selector::Named(_) | Selector::Role(_) | Selector::Any(_) | Selector::Holder { .. }
    )
}

/// Directed links: `leader -> *`, `s1 <-> s2`.
#[derive(Debug)]
pub(in super::super) struct Path;

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

/// What a trigger waits for: `leader elected`, `leader elected #3`, `leader for 1s`, `no leader for 1s`.
#[derive(Debug)]
pub(in super::super) struct When;

impl Shape for When {
    type Value = Condition;

    fn noun(&self) -> String {
        "a condition: an observation, \"<role> for 1s\" or \"no <role> for 1s\"".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Condition> {
        let text = reader.text(at, &self.noun())?;
        let condition = condition(reader.system, text);
        reader.check(at, condition)
    }

    fn encode(&self, value: &Condition) -> String {
        quote(&match value {
            Condition::Observed { name, nth: 0 } => name.clone(),
            Condition::Observed { name, nth } => format!("{name} #{nth}"),
            Condition::Has { role, lasting } => format!("{role} for {lasting}"),
            Condition::Lacks { role, lasting } => format!("no {role} for {lasting}"),
        })
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

fn condition(system: &SystemDescription, text: &str) -> Result<Condition, Problem> {
    let observed = |name: &str| system.observations.contains(&name);
    if observed(text) {
        return Ok(Condition::Observed { name: text.to_owned(), nth: 0 });
    }
    if let Some((name, nth)) = text.split_once(" #") {
        return nth_observation(system, name, nth);
    }
    let (negated, rest) = match text.strip_prefix("no ") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (role, lasting) = match rest.split_once(" for ") {
        Some((role, lasting)) => (role, Some(lasting)),
        None => (rest, None),
    };
    if !system.roles.contains(&role) {
        return Err(unknown_condition(system, text));
    }
    let lasting = lasting.map_or(Ok(Duration::ZERO), |text| ANY_TIME.parse(text))?;
    let role = role.to_owned();
    Ok(if negated { Condition::Lacks { role, lasting } } else { Condition::Has { role, lasting } })
}

fn nth_observation(system: &SystemDescription, name: &str, nth: &str) -> Result<Condition, Problem> {
    if !system.observations.contains(&name) {
        return Err(Problem::unknown("observation", name, system.observations.iter().copied()));
    }
    let digits = nth.bytes().all(|b| b.is_ascii_digit());
    match nth.parse() {
        Ok(nth @ 1..) if digits => Ok(Condition::Observed { name: name.to_owned(), nth }),
        _ => Err(Problem::new(format!("expected a number from 1 after #, as in \"{name} #3\", got {}", quoted(nth)))),
    }
}

fn unknown_condition(system: &SystemDescription, text: &str) -> Problem {
    let forms: Vec<String> =
        system.roles.iter().flat_map(|role| [format!("{role} for …"), format!("no {role} for …")]).collect();
    let words = system.observations.iter().copied();
    Problem::unknown("condition", text, words.chain(forms.iter().map(String::as_str)))
}

/// The name of a node, as the key of a table.
pub(in super::super) fn node_key(
    reader: &mut Reader<'_>,
    name: &str,
    span: &std::ops::Range<usize>,
    path: &str,
) -> Option<NodeId> {
    let node = name.parse::<NodeId>().map_err(|error| Problem::new(error.to_string()));
    let node = node.and_then(|node| check_node(reader, node).map(|()| node));
    node.map_err(|problem| reader.report(span, path, problem)).ok()
}

//! When: conditions that `when`, `until`, workloads and expectations wait for.
//!
//! ```text
//! condition = part (" and " part)*
//! part      = what [" at " who]          who: a node, a name that a fault binds, a role, "any <kind>"
//!           | who (" crashed" | " restarted" | " exited")
//! what      = name | name " #" number | name (">=" | ">" | "<" | "<=") number
//!           | ["no "] role [" for " duration]
//! ```

use serde_json::{Value as Json, json};
use splitbrain_kernel::selector::{Bound, Condition, Selector};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::vocabulary::WordError;
use splitbrain_kernel::world::CONDITIONS;

use crate::scenario::description::SystemDescription;
use crate::scenario::key::Shape;
use crate::scenario::reader::{At, Problem, Reader, quoted};

use super::quantity::{ANY_TIME, Moment, Quantity as _, Scalar, is_too_long};
use super::quote;
use super::who::{ambiguous, selector};

/// A condition.
#[derive(Debug)]
pub(crate) struct When;

impl Shape for When {
    type Value = Condition;

    fn noun(&self) -> String {
        "a condition: an observation, \"<role> for 1s\" or \"no <role> for 1s\"".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Condition> {
        let text = reader.text(at, &self.noun())?;
        let condition = condition(reader, text);
        reader.check(at, condition)
    }

    fn encode(&self, value: &Condition) -> String {
        quote(&value.to_string())
    }

    fn schema(&self, _: &SystemDescription) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// A condition, or a time since the start of the run.
#[derive(Debug)]
pub(crate) struct End;

impl Shape for End {
    type Value = Condition;

    fn noun(&self) -> String {
        "a time since the start of the run such as \"20s\", or a condition".to_owned()
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Condition> {
        let text = reader.text(at, &self.noun())?;
        if Duration::parse(text).is_ok() || is_too_long(text) {
            return Scalar(Moment).decode(reader, at).map(Condition::Time);
        }
        When.decode(reader, at)
    }

    fn encode(&self, value: &Condition) -> String {
        When.encode(value)
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        When.schema(system)
    }
}

/// Whether a text can be nothing but a condition that is more than a name; the schema says it by [`PATTERN`].
pub(crate) fn is_more_than_a_name(text: &str) -> bool {
    [" at ", " and ", " for "].into_iter().any(|word| text.contains(word))
        || text.contains(['<', '>', '#'])
        || text.starts_with("no ")
        || CHANGES.into_iter().any(|change| text.strip_suffix(change).is_some_and(|who| who.ends_with(' ')))
}

/// What [`is_more_than_a_name`] accepts.
pub(crate) const PATTERN: &str = " (at|and|for) |[<>#]|^no | (crashed|restarted|exited)$";

/// What `node crashed` says of a node: `x crashed`.
const CHANGES: [&str; 3] = ["crashed", "restarted", "exited"];

/// What others say in place of [`CHANGES`].
const FOREIGN_CHANGES: [(&[&str], &str); 3] = [
    (&["crashes", "crash", "dies", "died", "fails", "failed", "killed"], "crashed"),
    (&["restarts", "restart", "starts", "started", "recovers", "recovered"], "restarted"),
    (&["exits", "exit", "ends", "ended", "quits"], "exited"),
];

/// Reads a condition and checks every word of it.
pub(crate) fn condition(reader: &Reader<'_>, text: &str) -> Result<Condition, Problem> {
    let condition = if is_name(reader.system, text) { observed(text) } else { whole(reader, text)? };
    if condition.holds_from_start() {
        let message = format!("{} holds from the start of the run: join it by and to what comes", quoted(text));
        return Err(Problem::new(message));
    }
    Ok(condition)
}

fn whole(reader: &Reader<'_>, text: &str) -> Result<Condition, Problem> {
    if let Some(word) = [" or ", " || ", " && "].into_iter().find(|word| text.contains(word)) {
        let other = if word == " && " { "" } else { "; for one or the other, state two faults" };
        let message = format!("parts of a condition are joined by \" and \" alone, got {}{other}", quoted(text));
        return Err(Problem::new(message));
    }
    let parts: Vec<Condition> = text.split(" and ").map(|part| read_part(reader, part)).collect::<Result<_, _>>()?;
    if let Some((_, part)) = parts.iter().enumerate().find(|(at, part)| parts[..*at].contains(part)) {
        return Err(Problem::new(format!("{} says \"{part}\" twice", quoted(text))));
    }
    match <[Condition; 1]>::try_from(parts) {
        Ok([one]) => Ok(one),
        Err(parts) => Ok(Condition::All(parts)),
    }
}

fn read_part(reader: &Reader<'_>, text: &str) -> Result<Condition, Problem> {
    let text = text.trim();
    if is_name(reader.system, text) {
        return Ok(observed(text));
    }
    if let Some((what, who)) = text.rsplit_once(" at ") {
        let condition = Box::new(read_what(reader, what.trim_end())?);
        return Ok(Condition::Of { nodes: place(reader, &condition, who)?, condition });
    }
    if let Some((who, change)) = text.rsplit_once(' ')
        && CHANGES.contains(&change)
    {
        let condition = Box::new(observed(&format!("node {change}")));
        return Ok(Condition::Of { nodes: place(reader, &condition, who)?, condition });
    }
    if let Some((who, change)) = text.rsplit_once(' ')
        && let Some((_, ours)) = FOREIGN_CHANGES.iter().find(|(theirs, _)| theirs.contains(&change))
        && selector(reader, who).is_ok()
    {
        let problem = Problem::new(format!("unknown condition {}", quoted(text)));
        return Err(problem.with_nearest(format!("{who} {ours}")));
    }
    read_what(reader, text)
}

/// The nodes at which something happens.
fn place(reader: &Reader<'_>, condition: &Condition, who: &str) -> Result<Selector, Problem> {
    let nodes = selector(reader, who)?;
    let is_state = matches!(condition, Condition::Has { .. } | Condition::Lacks { .. });
    match &nodes {
        Selector::Node(_) | Selector::Named(_) => Ok(nodes),
        Selector::Role(_) | Selector::Any(_) if !is_state => Ok(nodes),
        _ if is_state => {
            let message = format!("\"{condition}\" is of one node such as s1, or of a name that a fault binds");
            Err(Problem::new(format!("{message}, got {}", quoted(who))))
        }
        _ => {
            let message = "expected a node such as s1, a name that a fault binds, a role or \"any server\"";
            Err(Problem::new(format!("{message}, got {}", quoted(who))))
        }
    }
}

fn read_what(reader: &Reader<'_>, text: &str) -> Result<Condition, Problem> {
    let system = reader.system;
    if is_name(system, text) {
        return Ok(observed(text));
    }
    if let Some((name, nth)) = text.split_once(" #") {
        return nth_observation(system, name, nth);
    }
    if let Some(start) = text.find(['<', '>', '=']) {
        let (name, rest) = text.split_at(start);
        return count(system, text, name.trim_end(), rest);
    }
    let (negated, rest) = match text.strip_prefix("no ") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (role, lasting) = match rest.split_once(" for ") {
        Some((role, lasting)) => (role, Some(lasting)),
        None => (rest, None),
    };
    match system.words.find_role(role) {
        Ok(_) => {}
        Err(WordError::Ambiguous(names)) => return Err(ambiguous(role, &names)),
        Err(WordError::Unknown) => return Err(unknown_condition(system, text)),
    }
    let lasting = lasting.map_or(Ok(Duration::ZERO), |text| ANY_TIME.parse(text))?;
    let role = role.to_owned();
    Ok(if negated { Condition::Lacks { role, lasting } } else { Condition::Has { role, lasting } })
}

fn observed(name: &str) -> Condition {
    Condition::Observed { name: name.to_owned(), nth: 0 }
}

/// What nodes say, and what the world counts.
fn names(system: &SystemDescription) -> Vec<String> {
    let own = system.observations.iter().chain(CONDITIONS.iter().map(|(name, _)| name)).map(|name| (*name).to_owned());
    own.chain(system.words.incidents().map(|(name, _)| name)).collect()
}

fn is_name(system: &SystemDescription, text: &str) -> bool {
    names(system).iter().any(|name| name == text)
}

fn unknown_name(system: &SystemDescription, name: &str) -> Problem {
    Problem::unknown("observation", name, names(system).iter().map(String::as_str))
}

fn nth_observation(system: &SystemDescription, name: &str, nth: &str) -> Result<Condition, Problem> {
    if !is_name(system, name) {
        return Err(unknown_name(system, name));
    }
    let digits = nth.bytes().all(|b| b.is_ascii_digit());
    match nth.parse() {
        Ok(nth @ 1..) if digits => Ok(Condition::Observed { name: name.to_owned(), nth }),
        _ => Err(Problem::new(format!("expected a number from 1 after #, as in \"{name} #3\", got {}", quoted(nth)))),
    }
}

/// `committed >= 100`; `rest` begins with the comparison.
fn count(system: &SystemDescription, text: &str, name: &str, rest: &str) -> Result<Condition, Problem> {
    if !is_name(system, name) {
        if system.gauges.iter().any(|gauge| gauge.name == name) {
            let message = "is a figure of a whole run, which [expect] bounds; a condition counts what nodes tell";
            let example = system.observations.first().map(|name| format!(", as in \"{name} >= 3\""));
            return Err(Problem::new(format!("\"{name}\" {message}{}", example.unwrap_or_default())));
        }
        return Err(unknown_name(system, name));
    }
    let number = rest.trim_start_matches(['<', '>', '=']);
    let comparison = &rest[..rest.len() - number.len()];
    let number = number.trim_start();
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let parsed: Option<u64> = number.parse().ok().filter(|_| digits);
    let Some(number) = parsed else {
        let message = format!("expected a whole number, as in \"{name} >= 100\", got {}", quoted(text));
        return Err(Problem::new(message));
    };
    let bound = match comparison {
        ">=" => Some(Bound::AtLeast(number)),
        ">" => number.checked_add(1).map(Bound::AtLeast),
        "<" => Some(Bound::Below(number)),
        "<=" => number.checked_add(1).map(Bound::Below),
        _ => {
            let message = "expected one of >=, >, < and <=";
            return Err(Problem::new(format!(
                "{message}, got {}; one time alone is \"{name} #{number}\"",
                quoted(text)
            )));
        }
    };
    match bound {
        Some(Bound::AtLeast(0)) => Err(Problem::new(format!("{} always holds", quoted(text)))),
        None | Some(Bound::Below(0)) => Err(Problem::new(format!("{} never holds", quoted(text)))),
        Some(bound) => Ok(Condition::Count { name: name.to_owned(), bound }),
    }
}

fn unknown_condition(system: &SystemDescription, text: &str) -> Problem {
    let forms: Vec<String> = system
        .words
        .role_words()
        .iter()
        .flat_map(|role| [format!("{role} for …"), format!("no {role} for …")])
        .collect();
    if let Ok(time) = ANY_TIME.parse(text) {
        let shown = Instant::ZERO.saturating_add(time).since(Instant::ZERO);
        return Problem::new(format!("expected a condition, got the time {}: at = \"{shown}\"", quoted(text)));
    }
    let words = names(system);
    Problem::unknown("condition", text, words.iter().map(String::as_str).chain(forms.iter().map(String::as_str)))
}

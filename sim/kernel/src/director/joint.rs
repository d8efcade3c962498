//! A condition of several parts, or about certain nodes: each part says whether it holds, and the whole comes when all
//! do and did not before.
//!
//! What happened is a fact that stays until the whole condition has come; then it must happen again. Numbers that were
//! reached stay reached. States are looked at in the census, at each change of a role or a name, and at the instant
//! from which they will have lasted for long enough.

use std::collections::BTreeMap;

use crate::director::census::Census;
use crate::director::trigger::{Happened, Shift};
use crate::id::NodeId;
use crate::selector::{Bound, Condition, Selector};
use crate::time::{Duration, Instant};
use crate::vocabulary::RoleId;

/// Waits for all of its parts to hold together.
#[derive(Clone, Debug)]
pub(crate) struct Joint {
    parts: Vec<Part>,
    /// Whether all parts held when they were looked at last, and nothing has to happen anew.
    held: bool,
    /// When to look again.
    check_at: Instant,
}

#[derive(Clone, Debug)]
struct Part {
    /// What happens at other nodes does not count.
    nodes: Option<Selector>,
    what: What,
    /// When each node left each role, for those that have.
    left: BTreeMap<(NodeId, RoleId), Instant>,
}

#[derive(Clone, Debug)]
enum What {
    Observed { name: String, nth: u64, seen: u64, has_come: bool },
    Count { name: String, bound: Bound, reached: u64 },
    Has { role: String, lasting: Duration },
    Lacks { role: String, lasting: Duration },
    Time(Instant),
}

/// Whether a part holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Holds,
    /// It will from this time on, if nothing changes.
    From(Instant),
    Not,
}

impl Joint {
    /// From the start of the run, when no node has a role.
    pub(crate) fn new(condition: &Condition) -> Self {
        Self { parts: condition.parts().iter().map(Part::new).collect(), held: false, check_at: Instant::ZERO }
    }

    /// Whether it waits for observations.
    pub(crate) fn is_for_names(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.what, What::Observed { .. } | What::Count { .. }))
    }

    /// Something with a name happened. Tells whether the condition came by it.
    pub(crate) fn on_name(&mut self, now: Instant, happened: Happened<'_>, census: &Census) -> bool {
        let mut concerns = false;
        for part in &mut self.parts {
            concerns |= part.on_name(happened, census);
        }
        concerns && self.check(now, census)
    }

    /// A node's role changed.
    pub(crate) fn on_shift(&mut self, now: Instant, shift: Shift) {
        for part in &mut self.parts {
            part.on_shift(now, shift);
        }
        self.check_at(now);
    }

    /// To be looked at by this time.
    pub(crate) fn check_at(&mut self, at: Instant) {
        self.check_at = self.check_at.min(at);
    }

    /// The node that it is about, if it is about one alone.
    pub(crate) fn node(&self, census: &Census) -> Option<NodeId> {
        match self.parts.as_slice() {
            [Part { nodes: Some(Selector::Node(node)), .. }] => Some(node.id()),
            [Part { nodes: Some(Selector::Named(name)), .. }] => census.named(name),
            _ => None,
        }
    }

    /// When it is to be looked at.
    pub(crate) const fn due(&self) -> Instant {
        self.check_at
    }

    /// Looks whether all parts hold. Tells whether the condition comes.
    pub(crate) fn check(&mut self, now: Instant, census: &Census) -> bool {
        let standings = self.parts.iter().map(|part| part.standing(now, census));
        let whole = standings.max().expect("a condition has a part");
        self.check_at = if let Standing::From(at) = whole { at } else { Instant::MAX };
        let comes = whole == Standing::Holds && !self.held;
        self.held = whole == Standing::Holds;
        if comes {
            // A part that has to happen again does not hold any more.
            for part in &mut self.parts {
                self.held &= !part.begin_anew();
            }
        }
        comes
    }
}

impl Part {
    fn new(part: &Condition) -> Self {
        let (condition, nodes) = part.split();
        let what = match condition.clone() {
            Condition::Observed { name, nth } => What::Observed { name, nth, seen: 0, has_come: false },
            Condition::Count { name, bound } => What::Count { name, bound, reached: 0 },
            Condition::Has { role, lasting } => What::Has { role, lasting },
            Condition::Lacks { role, lasting } => What::Lacks { role, lasting },
            Condition::Time(at) => What::Time(at),
            Condition::Of { .. } | Condition::All(_) => panic!("a part of a condition has no parts: {condition}"),
        };
        Self { nodes: nodes.cloned(), what, left: BTreeMap::new() }
    }

    /// Returns whether it is about this.
    fn on_name(&mut self, happened: Happened<'_>, census: &Census) -> bool {
        let (What::Observed { name, .. } | What::Count { name, .. }) = &self.what else { return false };
        let is_meant = self.nodes.as_ref().is_none_or(|nodes| census.is_one_of(nodes, happened.node));
        if name != happened.name || !is_meant {
            return false;
        }
        match &mut self.what {
            What::Observed { nth, seen, has_come, .. } => {
                *seen += 1;
                *has_come |= *nth == 0 || *nth == *seen;
            }
            What::Count { reached, .. } => match happened.place {
                Some(place) => *reached = place.max(*reached),
                None => *reached += 1,
            },
            What::Has { .. } | What::Lacks { .. } | What::Time(_) => {}
        }
        true
    }

    fn on_shift(&mut self, now: Instant, shift: Shift) {
        if let (What::Lacks { .. }, Some(role)) = (&self.what, shift.before) {
            self.left.insert((shift.node, role), now);
        }
    }

    fn standing(&self, now: Instant, census: &Census) -> Standing {
        let once = |holds: bool| if holds { Standing::Holds } else { Standing::Not };
        let from = |at: Instant| if at <= now { Standing::Holds } else { Standing::From(at) };
        match &self.what {
            What::Observed { has_come, .. } => once(*has_come),
            What::Count { bound: Bound::AtLeast(count), reached, .. } => once(reached >= count),
            What::Count { bound: Bound::Below(count), reached, .. } => once(reached < count),
            What::Time(at) => from(*at),
            What::Has { role, lasting } => {
                let Ok(role) = census.words().find_role(role) else { return Standing::Not };
                let tenures = census.in_role(role).filter(|node| self.is_meant(census, *node));
                let since = tenures.filter_map(|node| Some(census.tenure(node, role)?.since)).min();
                since.map_or(Standing::Not, |since| from(since.saturating_add(*lasting)))
            }
            What::Lacks { role, lasting } => {
                let Ok(role) = census.words().find_role(role) else { return Standing::Not };
                let mut meant = census.cluster().nodes().filter(|node| self.is_meant(census, *node)).peekable();
                if meant.peek().is_none() || census.in_role(role).any(|node| self.is_meant(census, node)) {
                    return Standing::Not;
                }
                let left = meant.filter_map(|node| self.left.get(&(node, role)).copied()).max();
                from(left.unwrap_or(Instant::ZERO).saturating_add(*lasting))
            }
        }
    }

    fn is_meant(&self, census: &Census, node: NodeId) -> bool {
        self.nodes.as_ref().is_none_or(|nodes| census.is_one_of(nodes, node))
    }

    /// The whole condition came. Returns whether this part has to happen again before it comes the next time.
    fn begin_anew(&mut self) -> bool {
        match &mut self.what {
            What::Observed { nth: 0, has_come, .. } => {
                *has_come = false;
                true
            }
            _ => false,
        }
    }
}

//! When a condition comes: fed with observations and roles, it tells each time that its condition came.
//!
//! A condition is an event, so that *anew* has a meaning also for those that speak of a state: `leader for 1s` comes
//! each time that a node has been leader for a second, `no leader for 1s` each time that there was none for a second.

use crate::director::census::Census;
use crate::director::joint::Joint;
use crate::id::NodeId;
use crate::selector::Condition;
use crate::time::Instant;
use crate::vocabulary::RoleId;

/// Waits for a condition to come.
#[derive(Clone, Debug)]
pub(crate) enum Watch {
    /// For one observation or one state, whoever it is about.
    Single(Single),
    /// For something of certain nodes, a count, a time, or several conditions together.
    Joint(Joint),
}

/// Waits for one observation or one state.
#[derive(Clone, Debug)]
pub(crate) struct Single {
    condition: Condition,
    /// Observations with the name so far.
    seen: u64,
    /// When states that hold now will have held for long enough: of a node, or of all.
    ripe: Vec<(Instant, Option<NodeId>)>,
}

/// Something with a name that happened: an observation, or what the world counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happened<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// At which node.
    pub(crate) node: NodeId,
    /// How far the log has come by it, if it is about a place in a log.
    pub(crate) place: Option<u64>,
}

/// A node's change of role, after the census has taken it in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shift {
    /// Whose.
    pub(crate) node: NodeId,
    /// The role before.
    pub(crate) before: Option<RoleId>,
    /// The role now.
    pub(crate) after: Option<RoleId>,
}

impl Watch {
    /// A watch from the start of the run, when no node has a role.
    pub(crate) fn new(condition: Condition) -> Self {
        match condition {
            Condition::Observed { .. } | Condition::Has { .. } | Condition::Lacks { .. } => {
                Self::Single(Single::new(condition))
            }
            Condition::Count { .. } | Condition::Of { .. } | Condition::All(_) | Condition::Time(_) => {
                Self::Joint(Joint::new(&condition))
            }
        }
    }

    /// Whether it waits for observations.
    pub(crate) fn is_for_names(&self) -> bool {
        match self {
            Self::Single(plain) => matches!(plain.condition, Condition::Observed { .. }),
            Self::Joint(joint) => joint.is_for_names(),
        }
    }

    /// Something with a name happened. Tells whether the condition came by it.
    pub(crate) fn on_name(&mut self, now: Instant, happened: Happened<'_>, census: &Census) -> bool {
        match self {
            Self::Single(plain) => plain.on_name(happened.name),
            Self::Joint(joint) => joint.on_name(now, happened, census),
        }
    }

    /// A node's role changed.
    pub(crate) fn on_shift(&mut self, now: Instant, shift: Shift, census: &Census) {
        match self {
            Self::Single(plain) => plain.on_shift(now, shift, census),
            Self::Joint(joint) => joint.on_shift(now, shift),
        }
    }

    /// A name was bound to a node.
    pub(crate) fn on_bound(&mut self, now: Instant) {
        match self {
            Self::Single(_) => {}
            Self::Joint(joint) => joint.check_at(now),
        }
    }

    /// When the condition comes next if nothing changes, or is to be looked at.
    pub(crate) fn due(&self) -> Instant {
        match self {
            Self::Single(plain) => plain.due(),
            Self::Joint(joint) => joint.due(),
        }
    }

    /// Each time that the condition comes at or before `now`, with the node that it is about. Each is returned once.
    pub(crate) fn take(&mut self, now: Instant, census: &Census) -> Vec<Option<NodeId>> {
        match self {
            Self::Single(plain) => plain.take(now),
            Self::Joint(joint) => joint.check(now, census).then(|| joint.node(census)).into_iter().collect(),
        }
    }
}

impl Single {
    fn new(condition: Condition) -> Self {
        let ripe = match &condition {
            Condition::Lacks { lasting, .. } => {
                vec![(Instant::ZERO.saturating_add(*lasting), None)]
            }
            _ => Vec::new(),
        };
        Self { condition, seen: 0, ripe }
    }

    fn on_name(&mut self, observed: &str) -> bool {
        match &self.condition {
            Condition::Observed { name, nth } if name == observed => {
                self.seen += 1;
                *nth == 0 || *nth == self.seen
            }
            _ => false,
        }
    }

    fn on_shift(&mut self, now: Instant, shift: Shift, census: &Census) {
        match &self.condition {
            Condition::Has { role, lasting } => {
                let Ok(role) = census.words().find_role(role) else { return };
                if shift.before == Some(role) {
                    self.ripe.retain(|(_, node)| *node != Some(shift.node));
                }
                if shift.after == Some(role) {
                    let at = now.saturating_add(*lasting);
                    self.ripe.push((at, Some(shift.node)));
                }
            }
            Condition::Lacks { role, lasting } => {
                let Ok(role) = census.words().find_role(role) else { return };
                if shift.after == Some(role) {
                    self.ripe.clear();
                } else if shift.before == Some(role) && census.in_role(role).next().is_none() {
                    self.ripe = vec![(now.saturating_add(*lasting), None)];
                }
            }
            _ => {}
        }
    }

    fn due(&self) -> Instant {
        let times = self.ripe.iter().map(|(at, _)| *at);
        times.min().unwrap_or(Instant::MAX)
    }

    fn take(&mut self, now: Instant) -> Vec<Option<NodeId>> {
        let came = self.ripe.iter().filter(|(at, _)| *at <= now).map(|(_, node)| *node).collect();
        self.ripe.retain(|(at, _)| *at > now);
        came
    }
}

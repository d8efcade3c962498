//! When a condition comes: fed with observations and roles, it tells each time that its condition came.
//!
//! A condition is an event, so that *anew* has a meaning also for those that speak of a state: `leader for 1s` comes
//! each time that a node has been leader for a second, `no leader for 1s` each time that there was none for a second.

use crate::director::census::Census;
use crate::id::NodeId;
use crate::selector::Condition;
use crate::time::Instant;
use crate::vocabulary::RoleId;

/// Waits for a condition to come.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    condition: Condition,
    /// Observations with the name so far.
    seen: u64,
    /// When states that hold now will have held for long enough: of a node, or of all.
    ripe: Vec<(Instant, Option<NodeId>)>,
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
        let ripe = match &condition {
            Condition::Lacks { lasting, .. } => {
                vec![(Instant::ZERO.saturating_add(*lasting), None)]
            }
            Condition::Observed { .. } | Condition::Has { .. } => Vec::new(),
        };
        Self { condition, seen: 0, ripe }
    }

    /// Whether it waits for observations.
    pub(crate) const fn is_for_names(&self) -> bool {
        matches!(self.condition, Condition::Observed { .. })
    }

    /// An observation with this name was made. Tells whether the condition came by it.
    pub(crate) fn on_name(&mut self, observed: &str) -> bool {
        match &self.condition {
            Condition::Observed { name, nth } if name == observed => {
                self.seen += 1;
                *nth == 0 || *nth == self.seen
            }
            _ => false,
        }
    }

    /// A node's role changed.
    pub(crate) fn on_shift(&mut self, now: Instant, shift: Shift, census: &Census) {
        match &self.condition {
            Condition::Observed { .. } => {}
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
        }
    }

    /// When the condition comes next if nothing changes.
    pub(crate) fn due(&self) -> Instant {
        let times = self.ripe.iter().map(|(at, _)| *at);
        times.min().unwrap_or(Instant::MAX)
    }

    /// How often the condition comes at or before `now`. Each time is returned once.
    pub(crate) fn take(&mut self, now: Instant) -> u32 {
        let before = self.ripe.len();
        self.ripe.retain(|(at, _)| *at > now);
        (before - self.ripe.len()) as u32
    }
}

//! What a trigger, an `until`, a workload or an expectation waits for.

use std::fmt;

use super::Selector;
use crate::time::{Duration, Instant};

/// Something that comes at an instant, and may come again.
///
/// A condition that speaks of a state (`leader for 1s`) or joins several by `and` comes at the instant from which it
/// holds, and again after it did not hold in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// An observation with this name, or what the world counts under it (`node exited`), for the `nth` time in the run
    /// (counted from 1), or each time if that is 0.
    Observed {
        /// [`crate::node::Face::name`], or the name of the world.
        name: String,
        /// Which time.
        nth: u64,
    },
    /// `committed >= 100`, `node exited < 3`: how far the log has come, for an observation of a place in a log
    /// ([`crate::node::Face::place`]); of others, how often it came.
    Count {
        /// As in [`Condition::Observed`].
        name: String,
        /// How much.
        bound: Bound,
    },
    /// There has been a live node in this role for at least this long: `leader for 1s`. Comes each time that a node has
    /// been in the role, by its own belief, for just this long without a break.
    Has {
        /// The role.
        role: String,
        /// How long.
        lasting: Duration,
    },
    /// There has been no live node in this role for at least this long: `no leader for 1s`. Comes once for each time
    /// without one, the start of the run included.
    Lacks {
        /// The role.
        role: String,
        /// How long.
        lasting: Duration,
    },
    /// `leader elected at x`: the condition inside, of what happens at these nodes alone. Of a state, the nodes are one
    /// node or a name.
    Of {
        /// Which nodes: a node, a name, a role, or all of a kind. Looked up when it happens.
        nodes: Selector,
        /// What: none of [`Condition::Of`], [`Condition::All`] and [`Condition::Time`].
        condition: Box<Self>,
    },
    /// `leader for 1s and committed >= 100`: all of these. A state must hold at that instant, a count must have been
    /// reached, and an observation must have come since the whole condition came last.
    All(Vec<Self>),
    /// `20s`: this time.
    Time(Instant),
}

/// How a count must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `>= 100`.
    AtLeast(u64),
    /// `< 100`.
    Below(u64),
}

impl Condition {
    /// The conditions that must hold together: those of [`Condition::All`], or this one alone.
    pub fn parts(&self) -> &[Self] {
        match self {
            Self::All(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }

    /// The part without the nodes that it is narrowed to, and these.
    pub fn split(&self) -> (&Self, Option<&Selector>) {
        match self {
            Self::Of { nodes, condition } => (condition, Some(nodes)),
            other => (other, None),
        }
    }

    /// What the parts observe or count, by name.
    pub fn observed(&self) -> impl Iterator<Item = &str> {
        self.parts().iter().filter_map(|part| match part.split().0 {
            Self::Observed { name, .. } | Self::Count { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }

    /// The bound names that it speaks of.
    pub fn bound_names(&self) -> impl Iterator<Item = &str> {
        self.parts().iter().filter_map(|part| match part.split().1 {
            Some(Selector::Named(name)) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it comes at most once in a run: it waits for a number, or for a time.
    pub fn comes_once(&self) -> bool {
        self.parts().iter().all(|part| match part.split().0 {
            Self::Observed { nth, .. } => *nth > 0,
            Self::Count { bound, .. } => matches!(bound, Bound::AtLeast(_)),
            Self::Time(_) => true,
            _ => false,
        })
    }

    /// Whether it is about one node each time that it comes.
    pub fn is_about_a_node(&self) -> bool {
        let [part] = self.parts() else { return false };
        !matches!(part.split().0, Self::Lacks { .. } | Self::Time(_))
    }

    /// Whether it waits for counts to stay low, and for nothing else: it holds from the start of the run.
    pub fn holds_from_start(&self) -> bool {
        let stays_low = |part: &Self| matches!(part.split().0, Self::Count { bound: Bound::Below(_), .. });
        self.parts().iter().all(stays_low)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(count) => write!(f, ">= {count}"),
            Self::Below(count) => write!(f, "< {count}"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Observed { name, nth: 0 } => f.write_str(name),
            Self::Observed { name, nth } => write!(f, "{name} #{nth}"),
            Self::Count { name, bound } => write!(f, "{name} {bound}"),
            Self::Has { role, lasting } => write!(f, "{role} for {lasting}"),
            Self::Lacks { role, lasting } => write!(f, "no {role} for {lasting}"),
            Self::Of { nodes, condition } => write!(f, "{condition} at {nodes}"),
            Self::All(parts) => {
                let texts: Vec<String> = parts.iter().map(Self::to_string).collect();
                f.write_str(&texts.join(" and "))
            }
            Self::Time(at) => write!(f, "{}", at.since(Instant::ZERO)),
        }
    }
}

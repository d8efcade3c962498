//! Session liveness: some time after the cluster was healed, each chunk has a session with each master that leads.

use std::collections::BTreeSet;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::session::observation::SessionObservation;

use super::callbacks_in_order::FollowerSide;
use super::index::SESSION_RESTORED;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "session_restored",
    doc: "After the cluster is healed, each chunk has a session with each master that leads, within a bound.",
    source: "Burrows, The Chubby lock service (OSDI 2006), section 2.8",
    kind: InvariantKind::Liveness,
    sight: Sight::BlackBox,
};

/// The followers that want no session: they were stopped.
#[derive(Clone, Debug, Default)]
pub(super) struct Stopped {
    followers: BTreeSet<(NodeId, u16)>,
}

impl Stopped {
    /// A follower has said something.
    pub(super) fn on_observation(&mut self, chunk: NodeId, said: &SessionObservation) {
        match said {
            SessionObservation::Stopped { master } => {
                self.followers.insert((chunk, *master));
            }
            SessionObservation::Creating { master } => {
                self.followers.remove(&(chunk, *master));
            }
            _ => {}
        }
    }

    /// A process has ended: the next one begins anew.
    pub(super) fn on_down(&mut self, chunk: NodeId) {
        self.followers.retain(|(of, _)| *of != chunk);
    }

    /// Whether this follower wants no session.
    pub(super) fn has(&self, chunk: NodeId, master: u16) -> bool {
        self.followers.contains(&(chunk, master))
    }

    /// The time is over: this chunk and this master have a session, unless the chunk wants none.
    pub(super) fn judge(&self, chunk: NodeId, master: u16, sides: &FollowerSide, findings: &mut Findings) {
        if !self.has(chunk, master) {
            findings.check(SESSION_RESTORED, Some(chunk), sides.has_session(chunk, master), || {
                format!("chunk{} has no session with meta{master}, long after the cluster was healed", chunk.number())
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{K1, ONE, all_on, broken};
    use super::*;

    fn judge(said: &[SessionObservation]) -> (Option<usize>, u64) {
        let (mut stopped, mut sides, mut findings) = (Stopped::default(), FollowerSide::default(), all_on());
        for said in said {
            stopped.on_observation(K1, said);
            sides.on_observation(K1, said, |_| true, &mut Findings::new(0));
        }
        stopped.judge(K1, 1, &sides, &mut findings);
        (broken(&findings), findings.evaluated()[SESSION_RESTORED])
    }

    #[test]
    fn a_chunk_with_a_session_or_without_a_wish_is_right_and_another_is_found() {
        let alive = || SessionObservation::Alive { session: ONE };
        let lost = SessionObservation::FollowerExpired { session: ONE };
        let stopped = || SessionObservation::Stopped { master: 1 };
        let creating = || SessionObservation::Creating { master: 1 };
        assert_eq!(judge(&[alive()]), (None, 1));
        assert_eq!(judge(&[alive(), stopped()]), (None, 0));
        assert_eq!(judge(&[alive(), lost, creating()]), (Some(SESSION_RESTORED), 1));
        assert_eq!(judge(&[alive(), stopped(), creating()]), (Some(SESSION_RESTORED), 1));
    }
}

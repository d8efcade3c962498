//! Leases are counted over terms: where masters write down what remains of them, a change of leader extends none.
//!
//! A leader counts a lease while it leads. What it has not written down when it falls is lost, and only that: the times
//! in which leaders have led add up, less a loss for each of them, and a session whose lease that exceeds is gone. What
//! leaders do shows that they led: only what a quorum has made durable counts.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::system::Setup;
use splitbrain_kernel::time::{Duration, Instant};

use crate::session::ids::SessionId;
use crate::session::observation::SessionObservation;
use crate::session::options::{Replication, SessionOptions};

use super::index::COUNTED_OVER_TERMS;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "counted_over_terms",
    doc: "With checkpoints, a session that nobody extends ends when leaders have counted its lease in all, whatever \
          number of them.",
    source: "etcd #9395, #9924 and #13491",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// How long a master has led.
#[derive(Clone, Copy, Debug)]
struct Reign {
    master: NodeId,
    began: Instant,
    /// When something that it had a quorum make durable last took effect.
    proven: Instant,
}

/// A session that has not expired.
#[derive(Clone, Copy, Debug)]
struct Count {
    extended: Instant,
    /// What leaders have counted since then, in reigns that have ended.
    counted: Duration,
}

/// What leaders have counted of each lease, over all terms.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    is_on: bool,
    /// The longest lease, with the time that it takes to see and decide that it is over.
    most: Duration,
    /// What of a reign need not be counted: what was not yet written down, and the time that this takes.
    loss: Duration,
    reign: Option<Reign>,
    sessions: BTreeMap<SessionId, Count>,
}

impl Counts {
    pub(super) fn new(setup: &Setup<SessionOptions>) -> Self {
        let most = |part: fn(&SessionOptions) -> Duration| setup.options.all().map(part).max().unwrap_or_default();
        let base = &setup.options.base;
        let deciding = most(|options| options.expiry_scan.saturating_mul(2) + options.callback_max.saturating_mul(10));
        let lease = most(|options| options.lease);
        Self {
            is_on: base.replication == Replication::Raft && !base.checkpoint.is_zero(),
            most: lease + lease.div(10) + deciding,
            loss: most(|options| options.checkpoint + options.expiry_scan).saturating_mul(2) + Duration::from_secs(2),
            reign: None,
            sessions: BTreeMap::new(),
        }
    }

    /// A master has said something.
    pub(super) fn on_observation(
        &mut self,
        master: NodeId,
        said: &SessionObservation,
        now: Instant,
        findings: &mut Findings,
    ) {
        if !self.is_on {
            return;
        }
        match said {
            SessionObservation::Leads { .. } => {
                self.end(findings);
                self.reign = Some(Reign { master, began: now, proven: now });
            }
            SessionObservation::SteppedDown { .. } => self.on_down(master, findings),
            SessionObservation::LeaseStarted { session } => {
                self.prove(master, now);
                self.sessions.insert(*session, Count { extended: now, counted: Duration::ZERO });
            }
            SessionObservation::Extended { session } => {
                if let Some(count) = self.sessions.get_mut(session) {
                    *count = Count { extended: now, counted: Duration::ZERO };
                }
            }
            SessionObservation::Expired { session } | SessionObservation::ExpiredPartRan { session, .. } => {
                self.sessions.remove(session);
            }
            SessionObservation::ItemSet { .. }
            | SessionObservation::ItemRemoved { .. }
            | SessionObservation::TargetGranted { .. } => self.prove(master, now),
            _ => {}
        }
    }

    fn prove(&mut self, master: NodeId, now: Instant) {
        if let Some(reign) = self.reign.as_mut().filter(|reign| reign.master == master) {
            reign.proven = now;
        }
    }

    /// A process has ended.
    pub(super) fn on_down(&mut self, master: NodeId, findings: &mut Findings) {
        if self.reign.is_some_and(|reign| reign.master == master) {
            self.end(findings);
        }
    }

    /// A reign is over: what was counted in it is added, and no session has outlived its lease.
    fn end(&mut self, findings: &mut Findings) {
        let Some(reign) = self.reign.take() else { return };
        let (most, loss) = (self.most, self.loss);
        for (session, count) in &mut self.sessions {
            let counted = reign.proven.since(reign.began.max(count.extended)).saturating_sub(loss);
            count.counted = count.counted + counted;
            let (extended, counted) = (count.extended, count.counted);
            findings.check(COUNTED_OVER_TERMS, Some(reign.master), counted <= most, || {
                format!("{session} was last extended at {extended}; leaders have counted {counted} since, and it lives")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::id::Cluster;
    use splitbrain_kernel::options::PerServer;
    use splitbrain_kernel::system::{Bounds, System};

    use super::super::testing::{M1, ONE, all_on, broken};
    use super::*;
    use crate::session::ids::{CHUNK, ItemKey, META, Term};
    use crate::session::presets;
    use crate::session::system::Sessions;

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    /// A lease of seven seconds, written down each second: a reign counts less five seconds.
    fn counts(checkpoint: Duration) -> Counts {
        let cluster = Cluster::new(Sessions::KINDS).with(META, 3).with(CHUNK, 1);
        let options = SessionOptions { replication: Replication::Raft, checkpoint, ..presets::zbs() };
        let bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(5) };
        let counts = Counts::new(&Setup::new(cluster, PerServer::same(options), bounds));
        assert_eq!(counts.loss, Duration::from_secs(3) + checkpoint.saturating_mul(2));
        counts
    }

    /// A session since second 0, under leaders of ten seconds each, who prove that they lead until the last moment or
    /// do not.
    fn judge(reigns: u64, extended: Option<u64>, is_proven: bool, checkpoint: u64) -> (Option<usize>, u64) {
        let (mut counts, mut findings) = (counts(Duration::from_secs(checkpoint)), all_on());
        let item = SessionObservation::ItemSet { session: ONE, key: ItemKey::DataIp };
        for reign in 0..reigns {
            let began = at(10 * reign);
            counts.on_observation(M1, &SessionObservation::Leads { term: Term(reign + 1) }, began, &mut findings);
            if reign == 0 {
                counts.on_observation(M1, &SessionObservation::LeaseStarted { session: ONE }, began, &mut findings);
            }
            if extended == Some(reign) {
                counts.on_observation(M1, &SessionObservation::Extended { session: ONE }, began, &mut findings);
            }
            if is_proven {
                counts.on_observation(M1, &item, began + Duration::from_secs(10), &mut findings);
            }
            counts.on_down(M1, &mut findings);
        }
        (broken(&findings), findings.evaluated()[COUNTED_OVER_TERMS])
    }

    #[test]
    fn a_session_whose_lease_is_not_counted_yet_is_right() {
        assert_eq!(judge(1, None, true, 1), (None, 1));
        assert_eq!(judge(2, Some(1), true, 1), (None, 2), "it was extended");
        assert_eq!(judge(9, None, false, 1), (None, 9), "no leader had a quorum");
        assert_eq!(judge(9, None, true, 0), (None, 0), "nothing is written down");
    }

    #[test]
    fn a_session_that_changes_of_leader_keep_alive_is_found() {
        assert_eq!(judge(2, None, true, 1).0, Some(COUNTED_OVER_TERMS));
    }

    #[test]
    fn a_session_that_has_expired_is_not_counted() {
        let (mut counts, mut findings) = (counts(Duration::from_secs(1)), all_on());
        counts.on_observation(M1, &SessionObservation::Leads { term: Term(1) }, at(0), &mut findings);
        counts.on_observation(M1, &SessionObservation::LeaseStarted { session: ONE }, at(0), &mut findings);
        counts.on_observation(M1, &SessionObservation::Expired { session: ONE }, at(8), &mut findings);
        counts.on_down(M1, &mut findings);
        assert_eq!(findings.evaluated()[COUNTED_OVER_TERMS], 0);
    }
}

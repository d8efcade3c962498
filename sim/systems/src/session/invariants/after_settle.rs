//! What must come within a time after the cluster was healed: sessions are back, none outlives its owner, and targets
//! are served.
//!
//! The bounds follow from the options of all nodes. They are true times, with a tenth added for clocks.

use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::system::Setup;
use splitbrain_kernel::time::{Duration, Instant};

use crate::session::ids::{CHUNK, META};
use crate::session::options::{Replication, SessionOptions};

/// Beyond this a callback that fails nearly always is not waited for.
const FAILURES_MAX: usize = 64;

/// When each is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    restored: Duration,
    /// How long a follower that lost its session may be without another one.
    again: Duration,
    gone: Duration,
    served: Duration,
    /// How long a target may be on its way from one chunk to another.
    moment: Duration,
    /// What each session that is to end adds to each, as callbacks run one at a time.
    each: Duration,
    settled_at: Option<Instant>,
    is_restored_judged: bool,
    is_gone_judged: bool,
    is_served_judged: bool,
}

/// Which of them is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Sessions are back.
    Restored,
    /// Sessions without an owner are gone.
    Gone,
    /// Targets are served.
    Served,
}

impl Bounds {
    pub(super) fn new(setup: &Setup<SessionOptions>) -> Self {
        let most = |part: fn(&SessionOptions) -> Duration| setup.options.all().map(part).max().unwrap_or_default();
        let (lease, scan) = (most(|options| options.lease), most(|options| options.expiry_scan));
        // Each chunk may ask each master once, and what it left behind may have to end first.
        let jobs = 2 * u64::from(setup.cluster.count(CHUNK) + setup.cluster.count(META));
        let callbacks = most(|options| options.callback_max).saturating_mul(5 * jobs);
        // A round of the keepalive loop has two stages, the created callback three.
        let stages = most(|options| options.stage_max).saturating_mul(5);
        let tries = most(|options| options.rpc_timeout + options.backoff).saturating_mul(4) + stages;
        let give_up = most(|options| options.follower_lease + options.grace);
        // Replicas elect a leader first, and followers may ask each of them before they find it.
        let is_replicated = setup.options.base.replication == Replication::Raft;
        let replicas = if is_replicated { u64::from(setup.cluster.count(META)) } else { 1 };
        let tries = tries.saturating_mul(replicas);
        let election =
            most(|options| options.raft.timing.election_timeout_max + options.raft.reads.lease).saturating_mul(10);
        let election = if is_replicated { election } else { Duration::ZERO };
        let latency = election + setup.bounds.latency.saturating_mul(20) + Duration::from_secs(1);
        let with_tenth = |span: Duration| span + span.div(10);
        let restored = with_tenth(give_up + tries + callbacks + latency);
        let again = with_tenth(most(|options| options.grace) + tries + callbacks + latency);
        let failures = most_failures(setup.options.all().map(|options| options.callback_failure).max());
        let scans = scan.saturating_mul(1 + failures);
        let gone = with_tenth(lease + give_up + scans + callbacks + latency);
        // A target is free some time after the session that held it is gone, or was taken over by another process.
        let moment = with_tenth(most(|options| options.claim_retry).saturating_mul(4) + tries + latency);
        let free = with_tenth(lease + most(|options| options.lock_delay) + scan);
        Self {
            restored,
            again,
            gone,
            served: restored.max(gone) + free + moment,
            moment,
            each: with_tenth(most(|options| options.callback_max).saturating_mul(5)),
            settled_at: None,
            is_restored_judged: false,
            is_gone_judged: false,
            is_served_judged: false,
        }
    }

    /// The settle phase begins, with this many sessions at all masters.
    pub(super) fn on_settle(&mut self, now: Instant, sessions: u64) {
        let queue = self.each.saturating_mul(sessions);
        for span in [&mut self.restored, &mut self.again, &mut self.gone, &mut self.served] {
            *span = *span + queue;
        }
        self.settled_at = Some(now);
    }

    /// A master outside the core leads, or did until now: those inside have all the time once one of them leads.
    pub(super) fn on_outsider(&mut self, now: Instant) {
        if self.settled_at.is_some() {
            self.settled_at = Some(now);
        }
    }

    /// How long a follower that lost its session may be without another one.
    pub(super) const fn again(&self) -> Duration {
        self.again
    }

    /// When the cluster was healed.
    pub(super) fn settled_at(&self) -> Instant {
        self.settled_at.unwrap_or(Instant::ZERO)
    }

    /// How long a session may be without an owner.
    pub(super) const fn gone(&self) -> Duration {
        self.gone
    }

    /// How long a target may be on its way from one chunk to another.
    pub(super) const fn moment(&self) -> Duration {
        self.moment
    }

    pub(super) fn deadline(&self) -> Instant {
        let Some(settled_at) = self.settled_at else { return Instant::MAX };
        let at = |span, is_judged| if is_judged { Instant::MAX } else { settled_at.saturating_add(span) };
        let sessions = at(self.restored, self.is_restored_judged).min(at(self.gone, self.is_gone_judged));
        sessions.min(at(self.served, self.is_served_judged))
    }

    /// What is due now. Each comes once.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Due> {
        let settled_at = self.settled_at?;
        let is_due = |span, is_judged: bool| !is_judged && settled_at.saturating_add(span) <= now;
        if is_due(self.restored, self.is_restored_judged) {
            self.is_restored_judged = true;
            return Some(Due::Restored);
        }
        if is_due(self.gone, self.is_gone_judged) {
            self.is_gone_judged = true;
            return Some(Due::Gone);
        }
        if is_due(self.served, self.is_served_judged) {
            self.is_served_judged = true;
            return Some(Due::Served);
        }
        None
    }
}

/// How often a callback with this chance fails in a row at most, but for one time in 10^9.
fn most_failures(chance: Option<Ppm>) -> u64 {
    let ppm = u64::from(chance.unwrap_or(Ppm::NEVER).parts());
    let chances = std::iter::successors(Some(1_000_000_000), |left| Some(left * ppm / 1_000_000));
    chances.skip(1).take_while(|left| *left > 0).take(FAILURES_MAX).count() as u64
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::id::Cluster;
    use splitbrain_kernel::options::PerServer;
    use splitbrain_kernel::system::System;

    use super::*;
    use crate::session::presets;
    use crate::session::system::Sessions;

    #[test]
    fn failures_in_a_row_are_bounded_by_their_chance() {
        let most = |percent: u32| most_failures(Some(Ppm::new(percent * 10_000)));
        assert_eq!([0, 5, 33, 100].map(most), [0, 6, 18, 64]);
        assert_eq!(most_failures(None), 0);
    }

    #[test]
    fn each_comes_once_after_the_settle_phase_began_and_never_before() {
        let cluster = Cluster::new(Sessions::KINDS).with(META, 1).with(CHUNK, 2);
        let world =
            splitbrain_kernel::system::Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(5) };
        let mut bounds = Bounds::new(&Setup::new(cluster, PerServer::same(presets::zbs()), world));
        assert_eq!((bounds.deadline(), bounds.take_due(Instant::MAX)), (Instant::MAX, None));
        let mut crowded = bounds;
        bounds.on_settle(Instant::ZERO, 0);
        crowded.on_settle(Instant::ZERO, 100);
        let first = bounds.deadline();
        assert!(first < crowded.deadline(), "many sessions take a while to end");
        assert!(first > Instant::ZERO + Duration::from_secs(12), "the lease and the grace of a follower");
        let one = bounds.take_due(first).expect("one is due");
        let second = bounds.deadline();
        assert!(second >= first);
        let other = bounds.take_due(second).expect("the other is due");
        assert!(one != other && bounds.take_due(second).is_none());
        assert_eq!(bounds.take_due(bounds.deadline()), Some(Due::Served), "a target is free after the session is gone");
        assert_eq!(bounds.deadline(), Instant::MAX);
        let later = Instant::ZERO + Duration::from_secs(50);
        crowded.on_outsider(later);
        assert_eq!(crowded.deadline(), later + (crowded.restored.min(crowded.gone)), "all the time from then on");
    }
}

//! A transfer of leadership ends (thesis §3.10; hashicorp #493): a leader that refuses proposals because it hands its
//! leadership over is replaced, or takes proposals again, within its time for that.
//!
//! The time is the leader's own; deadlines are in true time, at the rate of its clock. A leader that is paused, slow or
//! without a clock that goes is given the time anew, as after each fault.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use super::frame::{Frame, slot};
use super::index::TRANSFER_ENDS;
use super::quorum_contact::Clocks;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "transfer_ends",
    doc: "A leader that hands its leadership over is replaced or takes proposals again within transfer_timeout.",
    source: "Raft thesis §3.10; hashicorp #493",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// For the order of events at one instant.
const SLACK: Duration = Duration::from_millis(1);

/// Since when each server hands its leadership over, and when that must be over; by slot.
///
/// - `next` is the least of the times at which it must be over.
#[derive(Clone, Debug)]
pub(super) struct Transfers {
    of: Vec<Option<Transfer>>,
    next: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Transfer {
    since: Instant,
    due: Instant,
}

impl Transfers {
    pub(super) fn new(servers: usize) -> Self {
        Self { of: vec![None; servers], next: Instant::MAX }
    }

    /// When [`Transfers::on_deadline`] wants to be called.
    #[inline]
    pub(super) const fn deadline(&self) -> Instant {
        self.next
    }

    /// A leader begins to hand its leadership over.
    pub(super) fn start(&mut self, frame: &Frame, leader: NodeId, now: Instant, clocks: &impl Clocks) {
        self.of[slot(leader)] = Self::due(frame, leader, now, clocks).map(|due| Transfer { since: now, due });
        self.refresh();
    }

    /// It takes proposals again, or no longer leads.
    pub(super) fn stop(&mut self, leader: NodeId) {
        if self.of[slot(leader)].take().is_some() {
            self.refresh();
        }
    }

    /// A fault began or ended: every leader has its time anew.
    pub(super) fn disturb(&mut self, frame: &Frame, now: Instant, clocks: &impl Clocks) {
        for server in frame.servers() {
            if let Some(transfer) = &mut self.of[slot(server)] {
                transfer.due = Self::due(frame, server, now, clocks).unwrap_or(Instant::MAX);
            }
        }
        self.refresh();
    }

    /// The time of some leader may be over.
    pub(super) fn on_deadline(&mut self, frame: &Frame, now: Instant, clocks: &impl Clocks, findings: &mut Findings) {
        for server in frame.servers() {
            let Some(transfer) = self.of[slot(server)].filter(|transfer| transfer.due <= now) else { continue };
            if !clocks.is_lively(server) {
                self.start(frame, server, now, clocks);
                continue;
            }
            let Transfer { since, .. } = transfer;
            findings.check(TRANSFER_ENDS, Some(server), false, || {
                format!("{server} hands its leadership over since {since}; at {now} it still refuses proposals")
            });
            self.of[slot(server)] = None;
        }
        self.refresh();
    }

    /// A transfer that ended in time.
    pub(super) fn ended(&self, leader: NodeId, findings: &mut Findings) {
        if self.of[slot(leader)].is_some() {
            findings.check(TRANSFER_ENDS, Some(leader), true, String::new);
        }
    }

    fn due(frame: &Frame, leader: NodeId, from: Instant, clocks: &impl Clocks) -> Option<Instant> {
        let bound = frame.rules(leader).transfer_bound?;
        Some(from.saturating_add(clocks.true_span(leader, bound)).saturating_add(SLACK))
    }

    fn refresh(&mut self) {
        self.next = self.of.iter().flatten().map(|transfer| transfer.due).min().unwrap_or(Instant::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, frame, millis, s};
    use super::*;
    use crate::raft::presets;

    struct Alive(bool);

    impl Clocks for Alive {
        fn true_span(&self, _server: NodeId, local: Duration) -> Duration {
            local
        }

        fn is_lively(&self, _server: NodeId) -> bool {
            self.0
        }
    }

    /// `s1` hands its leadership over at 100 ms, with 300 ms to do so.
    fn begun() -> (Frame, Transfers, Findings) {
        let frame = frame(3, presets::paper());
        let mut transfers = Transfers::new(3);
        transfers.start(&frame, s(1), millis(100), &Alive(true));
        (frame, transfers, all_on())
    }

    #[test]
    fn one_that_goes_on_too_long_is_found() {
        let (frame, mut transfers, mut findings) = begun();
        assert_eq!(transfers.deadline(), millis(401));
        transfers.on_deadline(&frame, millis(401), &Alive(true), &mut findings);
        let facts = "s1 hands its leadership over since 0.100000s; at 0.401000s it still refuses proposals";
        assert_eq!(broken(&findings), (TRANSFER_ENDS, facts));
    }

    #[test]
    fn one_that_ended_is_right() {
        let (frame, mut transfers, mut findings) = begun();
        transfers.ended(s(1), &mut findings);
        transfers.stop(s(1));
        transfers.on_deadline(&frame, millis(900), &Alive(true), &mut findings);
        assert_eq!((findings.is_broken(), findings.evaluated()[TRANSFER_ENDS]), (false, 1));
        assert_eq!(transfers.deadline(), Instant::MAX);
    }

    #[test]
    fn a_fault_and_a_pause_give_the_time_anew() {
        let (frame, mut transfers, mut findings) = begun();
        transfers.disturb(&frame, millis(300), &Alive(true));
        assert_eq!(transfers.deadline(), millis(601));
        transfers.on_deadline(&frame, millis(601), &Alive(false), &mut findings);
        assert_eq!((findings.is_broken(), transfers.deadline()), (false, millis(902)));
    }
}

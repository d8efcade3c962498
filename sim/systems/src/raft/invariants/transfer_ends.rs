//! A transfer of leadership ends (thesis §3.10; hashicorp #493): a leader that refuses proposals because it hands its
//! leadership over is replaced, or takes proposals again, within its time for that.
//!
//! The time is the leader's own; deadlines are in true time, at the rate of its clock. A leader that is paused, slow or
//! without a clock that goes is given the time anew, as after each fault.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::view::View;

use crate::raft::facts::{RaftFacts, Told};

use super::frame::{Frame, slot};
use super::index::TRANSFER_ENDS;
use super::leadership::TrueTime;
use super::quorum_contact::Clocks;
use super::watch::{Cause, Scene, Watch};

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "transfer_ends",
    doc: "A leader that hands its leadership over is replaced or takes proposals again within transfer.timeout.",
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

impl<N: RaftFacts> Watch<N> for Transfers {
    fn new(frame: &Frame) -> Self {
        Self { of: vec![None; frame.server_count], next: Instant::MAX }
    }

    fn on_told(
        &mut self,
        scene: Scene<'_>,
        view: impl View<N>,
        server: NodeId,
        told: &Told<'_, N::Entry>,
        findings: &mut Findings,
    ) {
        match told {
            Told::HandsOver(true) => self.start(scene.frame, server, view.now(), &TrueTime::<_, N>::of(view)),
            Told::HandsOver(false) | Told::SteppedDown | Told::Retires => self.end(server, findings),
            _ => {}
        }
    }

    fn on_down(&mut self, _: Scene<'_>, _: impl View<N>, server: NodeId, findings: &mut Findings) {
        self.end(server, findings);
    }

    /// A fault began or ended: every leader has its time anew.
    fn on_world(&mut self, scene: Scene<'_>, view: impl View<N>, cause: Cause, _: &mut Findings) {
        if cause == Cause::Fault {
            self.on_world_changed(scene.frame, view.now(), &TrueTime::<_, N>::of(view));
        }
    }

    #[inline]
    fn deadline(&self) -> Instant {
        self.next
    }

    fn on_deadline(&mut self, scene: Scene<'_>, view: impl View<N>, findings: &mut Findings) {
        if self.next <= view.now() {
            self.judge(scene.frame, view.now(), &TrueTime::<_, N>::of(view), findings);
        }
    }
}

impl Transfers {
    /// A leader begins to hand its leadership over.
    fn start(&mut self, frame: &Frame, leader: NodeId, now: Instant, clocks: &impl Clocks) {
        self.of[slot(leader)] = Self::due(frame, leader, now, clocks).map(|due| Transfer { since: now, due });
        self.update_deadline();
    }

    /// It takes proposals again, or no longer leads: in time, if it did hand its leadership over.
    fn end(&mut self, leader: NodeId, findings: &mut Findings) {
        if self.of[slot(leader)].take().is_some() {
            findings.check(TRANSFER_ENDS, Some(leader), true, String::new);
            self.update_deadline();
        }
    }

    fn on_world_changed(&mut self, frame: &Frame, now: Instant, clocks: &impl Clocks) {
        for server in frame.servers() {
            if let Some(transfer) = &mut self.of[slot(server)] {
                transfer.due = Self::due(frame, server, now, clocks).unwrap_or(Instant::MAX);
            }
        }
        self.update_deadline();
    }

    /// The time of some leader may be over.
    fn judge(&mut self, frame: &Frame, now: Instant, clocks: &impl Clocks, findings: &mut Findings) {
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
        self.update_deadline();
    }

    fn due(frame: &Frame, leader: NodeId, from: Instant, clocks: &impl Clocks) -> Option<Instant> {
        let bound = frame.rules(leader).transfer_bound?;
        Some(from.saturating_add(clocks.true_span(leader, bound)).saturating_add(SLACK))
    }

    fn update_deadline(&mut self) {
        self.next = self.of.iter().flatten().map(|transfer| transfer.due).min().unwrap_or(Instant::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, frame, millis, s};
    use super::*;
    use crate::raft::{RaftNode, presets};

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
        let mut transfers = <Transfers as Watch<RaftNode>>::new(&frame);
        transfers.start(&frame, s(1), millis(100), &Alive(true));
        (frame, transfers, all_on())
    }

    #[test]
    fn one_that_goes_on_too_long_is_found() {
        let (frame, mut transfers, mut findings) = begun();
        assert_eq!(transfers.next, millis(401));
        transfers.judge(&frame, millis(401), &Alive(true), &mut findings);
        let facts = "s1 hands its leadership over since 0.100000s; at 0.401000s it still refuses proposals";
        assert_eq!(broken(&findings), (TRANSFER_ENDS, facts));
    }

    #[test]
    fn one_that_ended_is_right() {
        let (frame, mut transfers, mut findings) = begun();
        transfers.end(s(1), &mut findings);
        transfers.end(s(2), &mut findings);
        transfers.judge(&frame, millis(900), &Alive(true), &mut findings);
        assert_eq!((findings.is_broken(), findings.evaluated()[TRANSFER_ENDS]), (false, 1));
        assert_eq!(transfers.next, Instant::MAX);
    }

    #[test]
    fn a_fault_and_a_pause_give_the_time_anew() {
        let (frame, mut transfers, mut findings) = begun();
        transfers.on_world_changed(&frame, millis(300), &Alive(true));
        assert_eq!(transfers.next, millis(601));
        transfers.judge(&frame, millis(601), &Alive(false), &mut findings);
        assert_eq!((findings.is_broken(), transfers.next), (false, millis(902)));
    }
}

//! No lost wake-up: what is ready, and what the program has to react to, is in a ready list or in the hand of a thread
//! (epoll(7): level-triggered events are reported for as long as they are so; edge-triggered ones once, and then it is
//! the program's to go on).
//!
//! It is judged twice. After each wait of an instance nothing but a new change would bring an event that it did not
//! return: its descriptors are judged then. And a thread that sleeps waits for a wake-up that comes with the event: if
//! every thread sleeps while something is ready, that may last for [`WAKE_MAX`] of true time, whatever time-outs or
//! later events would end the sleep.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::reactor::linux::descriptor::Fd;
use crate::reactor::server::Server;
use crate::reactor::worker::At;

use super::closed_after_answers::Exchanges;
use super::facts::{self, Facts};
use super::index::NO_LOST_WAKEUP;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_lost_wakeup",
    doc: "A descriptor that is ready for what the program has to do with it is in the hand of a thread, or it \
          is in a ready list and every instance that lists it has a thread awake.",
    source: "epoll(7); mio #45, kaappi #1481, ponyc #1564, tgoskits #1034",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// How long threads may sleep beside something that is ready. A wake-up takes no time in the model, so any bound would
/// do; it is shorter than the shortest time-out of a wait that is of use.
const WAKE_MAX: Duration = Duration::from_micros(50);

/// The servers whose threads sleep beside something that is ready, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Sleepers(BTreeMap<NodeId, Instant>);

impl Sleepers {
    /// A server has handled an input.
    pub(super) fn after_step(
        &mut self,
        (node, server): (NodeId, &Server),
        exchanges: &Exchanges,
        now: Instant,
        findings: &mut Findings,
    ) {
        if !findings.is_on(NO_LOST_WAKEUP) {
            return;
        }
        if !server.workers().iter().any(|worker| worker.at == At::Sleeping) {
            self.0.remove(&node);
            return;
        }
        match beside(server, exchanges) {
            Beside::Nothing { is_ready } => {
                self.0.remove(&node);
                if is_ready {
                    findings.check(NO_LOST_WAKEUP, Some(node), true, String::new);
                }
            }
            Beside::Something(_) => drop(self.0.entry(node).or_insert(now)),
        }
    }

    /// A process has ended, with its threads.
    pub(super) fn on_down(&mut self, node: NodeId) {
        self.0.remove(&node);
    }

    /// When the first of them has slept for too long.
    pub(super) fn deadline(&self) -> Instant {
        self.0.values().min().map_or(Instant::MAX, |since| since.saturating_add(WAKE_MAX))
    }

    /// Judges those that have slept for too long.
    pub(super) fn on_deadline<'a>(
        &mut self,
        now: Instant,
        server: impl Fn(NodeId) -> Option<&'a Server>,
        exchanges: &Exchanges,
        findings: &mut Findings,
    ) {
        let is_due = |since: &Instant| since.saturating_add(WAKE_MAX) <= now;
        let due: Vec<NodeId> = self.0.iter().filter(|(_, since)| is_due(since)).map(|(node, _)| *node).collect();
        for node in due {
            self.0.remove(&node);
            if let Some(Beside::Something(facts)) = server(node).map(|server| beside(server, exchanges)) {
                judge(node, facts, findings);
            }
        }
    }
}

/// What the threads of a server sleep beside.
enum Beside {
    /// Each thing that is ready has a thread that is awake; and whether there is any.
    Nothing { is_ready: bool },
    /// Something is ready, and every thread that could serve it sleeps.
    Something(Facts),
}

fn beside(server: &Server, exchanges: &Exchanges) -> Beside {
    let mut is_ready = false;
    for (_, facts) in facts::all_ready(server, exchanges).filter(|(_, facts)| !facts.is_in_hand) {
        is_ready = true;
        if facts.all_sleep {
            return Beside::Something(facts);
        }
    }
    Beside::Nothing { is_ready }
}

/// A thread has waited on this instance: each descriptor that it watches is judged.
pub(super) fn after_wait(node: NodeId, server: &Server, exchanges: &Exchanges, epoll: Fd, findings: &mut Findings) {
    if findings.is_on(NO_LOST_WAKEUP) {
        let watched = facts::all_ready(server, exchanges).filter(|(id, _)| facts::is_watched_by(server, *id, epoll));
        watched.for_each(|(_, facts)| judge(node, facts, findings));
    }
}

fn judge(node: NodeId, facts: Facts, findings: &mut Findings) {
    if facts.ready.is_empty() {
        return;
    }
    let holds = facts.is_in_hand || (facts.is_queued && !facts.all_sleep_where_queued);
    findings.check(NO_LOST_WAKEUP, Some(node), holds, || {
        let Facts { fd, ready, is_queued, .. } = facts;
        match is_queued {
            true => format!(
                "descriptor {fd} of {node} is ready for {ready}, and every thread of an instance that lists it sleeps"
            ),
            false => format!(
                "descriptor {fd} of {node} is ready for {ready}; no ready list has it and no thread is at work on it"
            ),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{S1, all_on, broken};
    use super::*;
    use crate::reactor::linux::events::Events;

    use crate::reactor::bug::Bug;
    use crate::reactor::options::ReactorOptions;
    use crate::reactor::presets;
    use crate::reactor::tests::Machine;

    const LOST: Facts = Facts {
        fd: Fd(7),
        ready: Events::IN,
        is_queued: false,
        is_in_hand: false,
        all_sleep_where_queued: false,
        all_sleep: false,
    };

    #[test]
    fn what_is_queued_or_in_hand_or_not_ready_is_not_lost() {
        for facts in [
            Facts { is_queued: true, ..LOST },
            Facts { is_in_hand: true, ..LOST },
            Facts { ready: Events::NONE, ..LOST },
            Facts { is_queued: true, all_sleep_where_queued: true, is_in_hand: true, ..LOST },
        ] {
            let mut findings = all_on();
            judge(S1, facts, &mut findings);
            assert_eq!(broken(&findings), None, "{facts:?}");
            assert_eq!(findings.evaluated()[NO_LOST_WAKEUP], u64::from(!facts.ready.is_empty()));
        }
    }

    #[test]
    fn what_no_wait_will_report_is_lost() {
        for facts in [LOST, Facts { is_queued: true, all_sleep_where_queued: true, ..LOST }] {
            let mut findings = all_on();
            judge(S1, facts, &mut findings);
            assert_eq!(broken(&findings), Some(NO_LOST_WAKEUP), "{facts:?}");
        }
    }

    /// A connection arrives at a server whose threads sleep, and nothing else ever does.
    #[test]
    fn threads_that_sleep_on_beside_a_connection_are_found_when_the_bound_has_passed() {
        for (bug, expected) in [(Bug::None, None), (Bug::CallbackWithoutWake, Some(NO_LOST_WAKEUP))] {
            for preset in [presets::one_loop(), presets::many_loops(), presets::shared_edge()] {
                let mut machine = Machine::new(ReactorOptions { bug, ..preset });
                let (mut sleepers, mut findings) = (Sleepers::default(), all_on());
                let start = Instant::ZERO.saturating_add(Duration::from_secs(1));
                machine.connect(0);
                let nothing = Exchanges::default();
                sleepers.after_step((S1, machine.server()), &nothing, start, &mut findings);
                assert_eq!(sleepers.deadline() == Instant::MAX, bug == Bug::None);
                sleepers.on_deadline(start, |_| Some(machine.server()), &nothing, &mut findings);
                assert_eq!(broken(&findings), None, "the bound has not passed");
                let over = start.saturating_add(WAKE_MAX);
                sleepers.on_deadline(over, |_| Some(machine.server()), &nothing, &mut findings);
                assert_eq!(broken(&findings), expected, "{bug:?}");
                assert_eq!(sleepers.deadline(), Instant::MAX, "it is judged once");
            }
        }
    }

    #[test]
    fn threads_that_ended_with_their_process_sleep_beside_nothing() {
        let mut machine = Machine::new(ReactorOptions { bug: Bug::CallbackWithoutWake, ..presets::one_loop() });
        let (mut sleepers, mut findings) = (Sleepers::default(), all_on());
        machine.connect(0);
        sleepers.after_step((S1, machine.server()), &Exchanges::default(), Instant::ZERO, &mut findings);
        assert_ne!(sleepers.deadline(), Instant::MAX);
        sleepers.on_down(S1);
        assert_eq!(sleepers.deadline(), Instant::MAX);
    }
}

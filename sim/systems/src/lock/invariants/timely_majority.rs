//! A client that reaches a majority before the time to live, counted from when it asked and less the margin, is over
//! does not give the lock back as too late (redis-doc, "Distributed Locks with Redis", step 3; node-redlock #169, #296:
//! the time counts from the first of several attempts, and a client that has waited for long gets no lock any more).

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::lock::message::{Command, Wire};
use crate::lock::observation::Hold;

use super::index::TIMELY_MAJORITY;
use super::terms::Terms;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "timely_majority",
    doc: "A client gives a majority back as too late only if the time to live since it asked, less the margin, is \
          over.",
    source: "redis-doc, Distributed Locks with Redis, step 3; node-redlock #169, #296",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// When each client has asked for its lock last.
#[derive(Clone, Debug, Default)]
pub(super) struct Rounds {
    asked: BTreeMap<(NodeId, Hold), Instant>,
}

impl Rounds {
    /// A client sends something.
    pub(super) fn on_sent(&mut self, now: Instant, client: NodeId, message: &Wire) {
        if let Wire::Ask { command: Command::Acquire { lock, token, .. }, .. } = *message {
            self.asked.insert((client, Hold { lock, token }), now);
        }
    }

    /// A client has a majority, and takes the lock.
    pub(super) fn on_gained(
        &mut self,
        now: Instant,
        client: NodeId,
        hold: Hold,
        terms: &Terms,
        findings: &mut Findings,
    ) {
        if self.took_in_time(now, client, hold, terms).is_some() {
            findings.check(TIMELY_MAJORITY, Some(client), true, String::new);
        }
    }

    /// A client has a majority, and finds that it is too late.
    pub(super) fn on_too_late(
        &mut self,
        now: Instant,
        client: NodeId,
        hold: Hold,
        terms: &Terms,
        findings: &mut Findings,
    ) {
        if let Some(took) = self.took_in_time(now, client, hold, terms) {
            findings.check(TIMELY_MAJORITY, Some(client), false, || {
                format!("{client} gives {} of {} back as too late, {took} after it asked", hold.lock, hold.token)
            });
        }
    }

    /// How long it took to reach a majority; `None` if it was not in time for certain, or the client cannot know.
    fn took_in_time(&mut self, now: Instant, client: NodeId, hold: Hold, terms: &Terms) -> Option<Duration> {
        let took = now.since(self.asked.remove(&(client, hold))?);
        (terms.monotonic_is_true(client) && took < terms.validity_min()).then_some(took)
    }

    /// A client has given the attempt up.
    pub(super) fn on_given_up(&mut self, client: NodeId, hold: Hold) {
        self.asked.remove(&(client, hold));
    }

    /// A client's process has ended.
    pub(super) fn on_down(&mut self, client: NodeId) {
        self.asked.retain(|(of, _), _| *of != client);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{C1, all_on, broken, freeze, hold, independent, seconds, step};
    use super::*;

    /// A client asks at these seconds.
    fn rounds(asked: &[u64]) -> Rounds {
        let mut rounds = Rounds::default();
        let Hold { lock, token } = hold(1);
        let time_to_live = Some(Duration::from_secs(10));
        let command = Command::Acquire { lock, token, time_to_live, fenced: false, returning: false };
        for at in asked {
            rounds.on_sent(seconds(*at), C1, &Wire::Ask { process: 0, request: *at, command });
        }
        rounds
    }

    /// A client asks at these seconds, and finds at second 20 that it is too late.
    fn judged(asked: &[u64], terms: &Terms) -> Option<usize> {
        let mut findings = all_on();
        rounds(asked).on_too_late(seconds(20), C1, hold(1), terms, &mut findings);
        broken(&findings)
    }

    #[test]
    fn a_majority_counts_if_it_is_in_time() {
        let evaluated = |asked: u64| {
            let mut findings = all_on();
            rounds(&[asked]).on_gained(seconds(20), C1, hold(1), &independent(1), &mut findings);
            (broken(&findings), findings.evaluated()[TIMELY_MAJORITY])
        };
        assert_eq!((evaluated(19), evaluated(5)), ((None, 1), (None, 0)));
    }

    #[test]
    fn the_time_counts_from_the_last_attempt() {
        let terms = independent(1);
        assert_eq!((judged(&[10], &terms), judged(&[1, 10], &terms)), (None, None));
        assert_eq!((judged(&[11], &terms), judged(&[1, 19], &terms)), (Some(TIMELY_MAJORITY), Some(TIMELY_MAJORITY)));
    }

    #[test]
    fn a_client_whose_clock_stands_still_cannot_know_and_one_whose_wall_clock_jumps_can() {
        let mut terms = independent(1);
        step(&mut terms, C1);
        assert_eq!(judged(&[19], &terms), Some(TIMELY_MAJORITY), "it looks at its monotonic clock");
        freeze(&mut terms, C1);
        assert_eq!(judged(&[19], &terms), None);
    }
}

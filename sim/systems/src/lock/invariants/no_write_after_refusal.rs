//! A holder that hears of the loss of its lock stops (redisson #4698: the watchdog was refused, and the holder worked
//! on).
//!
//! A write that was begun before may still leave: between a look at the lock and the act lies a gap, which nothing but
//! a fencing token closes.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::lock::message::{Command, Put, RequestId, Wire};
use crate::lock::observation::Hold;

use super::index::NO_WRITE_AFTER_REFUSAL;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_write_after_refusal",
    doc: "A holder whose extension was refused by a majority begins no write under that lock any more.",
    source: "redisson #4698",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// The extensions of holders. A round asks each server once, and is over when it has succeeded or failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Extensions {
    rounds: BTreeMap<(NodeId, Hold), Round>,
    /// Those who were refused, and whether they were asked for something since.
    lost: BTreeMap<(NodeId, Hold), bool>,
}

#[derive(Clone, Debug, Default)]
struct Round {
    /// Who was asked by which request.
    asked: BTreeMap<RequestId, NodeId>,
    refused_by: BTreeSet<NodeId>,
}

impl Extensions {
    /// A client sends something.
    pub(super) fn on_sent(&mut self, client: NodeId, target: NodeId, message: &Wire, findings: &mut Findings) {
        match *message {
            Wire::Ask { request, command: Command::Extend { lock, token, .. }, .. } => {
                let round = self.rounds.entry((client, Hold { lock, token })).or_default();
                if round.asked.values().any(|asked| *asked == target) {
                    *round = Round::default();
                }
                round.asked.insert(request, target);
            }
            Wire::Ask { command: Command::Write { lock, token, .. }, .. }
            | Wire::Put { put: Put { lock, token, .. }, .. } => self.on_write(client, Hold { lock, token }, findings),
            _ => {}
        }
    }

    fn on_write(&mut self, client: NodeId, hold: Hold, findings: &mut Findings) {
        // Of a lock that was never extended it says nothing.
        if self.rounds.contains_key(&(client, hold)) {
            let begins_after_refusal = self.lost.get(&(client, hold)) == Some(&true);
            findings.check(NO_WRITE_AFTER_REFUSAL, Some(client), !begins_after_refusal, || {
                format!("{client} writes under {} of {}, and its extension was refused before", hold.lock, hold.token)
            });
        }
    }

    /// A client is asked for something.
    pub(super) fn on_asked(&mut self, client: NodeId) {
        let of_client = self.lost.iter_mut().filter(|((of, _), _)| *of == client);
        of_client.for_each(|(_, is_asked_since)| *is_asked_since = true);
    }

    /// A client hears that a server does not extend its lock.
    pub(super) fn on_refused(&mut self, client: NodeId, request: RequestId, majority: usize) {
        let round = self.rounds.iter_mut().find(|((of, _), round)| *of == client && round.asked.contains_key(&request));
        let Some((key, round)) = round else { return };
        round.refused_by.insert(round.asked[&request]);
        if round.refused_by.len() >= majority {
            self.lost.entry(*key).or_default();
        }
    }

    /// A round of a client is over: what comes of it later is not heard.
    pub(super) fn on_round_over(&mut self, client: NodeId, hold: Hold) {
        if let Some(round) = self.rounds.get_mut(&(client, hold)) {
            *round = Round::default();
        }
    }

    /// A client does not hold the lock any more.
    pub(super) fn on_end(&mut self, client: NodeId, hold: Hold) {
        self.rounds.remove(&(client, hold));
        self.lost.remove(&(client, hold));
    }

    /// A client's process has ended, and has forgotten what it held.
    pub(super) fn on_down(&mut self, client: NodeId) {
        self.rounds.retain(|(of, _), _| *of != client);
        self.lost.retain(|(of, _), _| *of != client);
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::time::Duration;

    use super::super::testing::{C1, C2, R1, R2, R3, all_on, broken, hold};
    use super::*;

    fn extends(all: &mut Extensions, request: RequestId, server: NodeId, findings: &mut Findings) {
        let Hold { lock, token } = hold(1);
        let command = Command::Extend { lock, token, time_to_live: Duration::from_secs(1), rejoin: false };
        all.on_sent(C1, server, &Wire::Ask { process: 0, request, command }, findings);
    }

    fn writes(all: &mut Extensions, client: NodeId, of: u64, findings: &mut Findings) -> Option<usize> {
        all.on_asked(client);
        sends(all, client, of, findings)
    }

    fn sends(all: &mut Extensions, client: NodeId, of: u64, findings: &mut Findings) -> Option<usize> {
        let Hold { lock, token } = hold(of);
        let put = Put { lock, token, fence: None, value: 7 };
        all.on_sent(client, R1, &Wire::Put { request: 9, put }, findings);
        broken(findings)
    }

    /// One round with three servers, of which some refuse.
    fn asked(refusals: &[RequestId]) -> (Extensions, Findings) {
        let (mut all, mut findings) = (Extensions::default(), all_on());
        for (request, server) in [(1, R1), (2, R2), (3, R3)] {
            extends(&mut all, request, server, &mut findings);
        }
        refusals.iter().for_each(|request| all.on_refused(C1, *request, 2));
        (all, findings)
    }

    #[test]
    fn who_is_refused_by_a_majority_writes_no_more() {
        for (refusals, judged) in
            [(&[][..], None), (&[1], None), (&[1, 1], None), (&[1, 3], Some(NO_WRITE_AFTER_REFUSAL))]
        {
            let (mut all, mut findings) = asked(refusals);
            assert_eq!(writes(&mut all, C1, 1, &mut findings), judged, "{refusals:?}");
        }
    }

    #[test]
    fn a_write_that_was_begun_before_the_refusal_may_leave() {
        let (mut all, mut findings) = asked(&[]);
        all.on_asked(C1);
        all.on_refused(C1, 1, 2);
        all.on_refused(C1, 3, 2);
        assert_eq!(sends(&mut all, C1, 1, &mut findings), None);
        assert_eq!(writes(&mut all, C1, 1, &mut findings), Some(NO_WRITE_AFTER_REFUSAL), "and the next one not");
    }

    #[test]
    fn refusals_of_other_rounds_and_of_other_holders_are_not_counted() {
        let (mut all, mut findings) = asked(&[1]);
        all.on_round_over(C1, hold(1));
        all.on_refused(C1, 2, 2);
        extends(&mut all, 4, R1, &mut findings);
        all.on_refused(C1, 4, 2);
        assert_eq!(writes(&mut all, C1, 1, &mut findings), None, "one in each round");
        let (mut all, mut findings) = asked(&[1]);
        extends(&mut all, 4, R1, &mut findings);
        all.on_refused(C1, 2, 2);
        assert_eq!(writes(&mut all, C1, 1, &mut findings), None, "a server that is asked again begins a round");
        let (mut all, mut findings) = asked(&[1, 2]);
        assert_eq!(writes(&mut all, C1, 2, &mut findings), None, "another hold of the same client");
        assert_eq!(writes(&mut all, C2, 1, &mut findings), None, "another client");
    }

    #[test]
    fn a_holder_that_stops_or_ends_is_forgotten() {
        let (mut all, mut findings) = asked(&[1, 2]);
        all.on_end(C1, hold(1));
        assert_eq!(writes(&mut all, C1, 1, &mut findings), None);
        let (mut all, mut findings) = asked(&[1, 2]);
        all.on_down(C1);
        assert_eq!(writes(&mut all, C1, 1, &mut findings), None);
    }
}

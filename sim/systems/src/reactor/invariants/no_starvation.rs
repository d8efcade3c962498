//! No starvation (epoll(7), "Starvation (edge-triggered)"): what is in a ready list, or in the hand of a thread, gets
//! its turn before the threads that could give it one have made this many calls.
//!
//! The bound follows from the options. A turn has at most `calls_per_turn` reads and writes, and a few calls beside
//! them; a wait returns at most `events_max` events, and what was returned goes behind the others.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::reactor::linux::descriptor::DescriptionId;
use crate::reactor::linux::epoll::Epoll;
use crate::reactor::options::{Mode, ReactorOptions, Trigger};
use crate::reactor::server::Server;
use crate::reactor::worker::Worker;

use super::index::NO_STARVATION;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_starvation",
    doc: "A descriptor in a ready list, or an event in hand, gets its turn within a bounded number of calls.",
    source: "epoll(7), \"Starvation (edge-triggered)\"; mio #45",
    kind: InvariantKind::Safety,
    sight: Sight::WhiteBox,
};

/// Calls of a turn beside its reads and writes: to accept and register, to arm again, to close.
const BESIDE: u64 = 8;

/// How many calls things have waited for, in one server.
#[derive(Clone, Debug, Default)]
pub(super) struct Ages {
    /// In ready lists, by instance and description: calls of threads of that instance.
    queued: BTreeMap<(DescriptionId, DescriptionId), u64>,
    /// In hand, by thread and description: calls of that thread.
    in_hand: BTreeMap<(u16, DescriptionId), u64>,
    /// The most items that an instance ever had.
    items_max: u64,
}

impl Ages {
    /// A thread has made a call.
    pub(super) fn on_call(
        &mut self,
        node: NodeId,
        server: &Server,
        options: &ReactorOptions,
        thread: u16,
        findings: &mut Findings,
    ) {
        let worker = &server.workers()[usize::from(thread)];
        let (Some(epoll), Ok(id)) = (server.linux().epoll(worker.epoll), server.linux().description(worker.epoll))
        else {
            return;
        };
        self.items_max = self.items_max.max(epoll.items().count() as u64);
        let threads = server.workers().iter().filter(|other| other.epoll == worker.epoll).count() as u64;
        let bound = bound(options, self.items_max, threads);
        let oldest = self.age_queued(id, epoll, server, worker).max(self.age_in_hand(thread, worker));
        judge(node, oldest, bound, findings);
    }

    /// Returns the greatest age.
    fn age_queued(&mut self, id: DescriptionId, epoll: &Epoll, server: &Server, worker: &Worker) -> u64 {
        let waits = |(key, item): &(crate::reactor::linux::epoll::ItemKey, &crate::reactor::linux::epoll::Item)| {
            let is_reported = worker.batch.iter().any(|task| task.item == key.description);
            item.is_queued && item.events.has(server.linux().readiness(key.description)) && !is_reported
        };
        let waiting: Vec<DescriptionId> = epoll.items().filter(waits).map(|(key, _)| key.description).collect();
        self.queued.retain(|(instance, item), _| *instance != id || waiting.contains(item));
        let mut oldest = 0;
        for item in waiting {
            let age = self.queued.entry((id, item)).or_default();
            *age += 1;
            oldest = oldest.max(*age);
        }
        oldest
    }

    fn age_in_hand(&mut self, thread: u16, worker: &Worker) -> u64 {
        let is_there = |item: &DescriptionId| worker.in_hand().any(|task| task.item == *item);
        self.in_hand.retain(|(of, item), _| *of != thread || is_there(item));
        let mut oldest = 0;
        for task in worker.in_hand() {
            let age = self.in_hand.entry((thread, task.item)).or_default();
            *age += 1;
            oldest = oldest.max(*age);
        }
        oldest
    }
}

/// The most calls that something may wait for: so many rounds until it is returned, and one more in hand; in a round
/// each event, and without one-shot under edge triggering each connection that was left unfinished, takes a turn.
fn bound(options: &ReactorOptions, items: u64, threads: u64) -> u64 {
    let turn = 2 * options.calls_per_turn + BESIDE;
    let rounds = items.div_ceil(options.events_max) + 2;
    let is_left = options.trigger == Trigger::Edge && options.mode != Mode::Shared;
    let unfinished = if is_left { items } else { 0 };
    rounds * (options.events_max.min(items) + unfinished) * turn * threads
}

/// An event came after this many calls at most, so far.
fn judge(node: NodeId, oldest: u64, bound: u64, findings: &mut Findings) {
    if oldest == 0 {
        return;
    }
    findings.check(NO_STARVATION, Some(node), oldest <= bound, || {
        format!(
            "something that is ready at {node} has waited for {oldest} calls of its threads; {bound} would be enough"
        )
    });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{S1, all_on, broken};
    use super::*;
    use crate::reactor::presets;

    #[test]
    fn the_bound_grows_with_items_events_and_threads() {
        let options = presets::one_loop();
        let least = bound(&options, 1, 1);
        assert_eq!(least, 3 * 24);
        assert!(bound(&options, 2, 1) > least && bound(&options, 1, 2) > least);
    }

    #[test]
    fn who_waits_within_the_bound_is_served_and_who_waits_longer_starves() {
        let judged = |oldest| {
            let mut findings = all_on();
            judge(S1, oldest, 100, &mut findings);
            (broken(&findings), findings.evaluated()[NO_STARVATION])
        };
        assert_eq!(judged(0), (None, 0));
        assert_eq!(judged(100), (None, 1));
        assert_eq!(judged(101), (Some(NO_STARVATION), 1));
    }
}

//! Threads do not wait for one another in a circle, over mutexes of a process and over locks of users alike.

use std::collections::BTreeMap;

use splitbrain_kernel::brief::Derived;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};

use crate::chat::ids::SessionId;
use crate::chat::observation::{Guard, Mutex, Thread};

use super::index::NO_WAIT_CYCLE;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "no_wait_cycle",
    doc: "No thread waits for what it holds itself, or for a thread that waits for it, over any number of others.",
    source: "Coffman, Elphick and Shoshani 1971; QT chat project, day 20, 5.1 and 5.2",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// A thread of a chat server.
type Who = (NodeId, Thread);

/// What is held: a mutex of a server, or the lock of a user.
type What = (Option<NodeId>, Guard);

/// Who waits for what, and who has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    waiting: BTreeMap<Who, What>,
    holder: BTreeMap<What, Who>,
}

fn what(node: NodeId, guard: Guard) -> What {
    let is_local = matches!(guard, Guard::Mutex(_));
    (is_local.then_some(node), guard)
}

impl Waits {
    pub(super) fn on_waits(&mut self, who: Who, guard: Guard, findings: &mut Findings) {
        self.waiting.insert(who, what(who.0, guard));
        let circle = self.circle(who);
        findings.check(NO_WAIT_CYCLE, Some(who.0), circle.is_none(), || {
            let link = |((_, thread), (_, guard)): (Who, What)| format!("{} for {}", Derived(&thread), Derived(&guard));
            let links: Vec<String> = circle.into_iter().flatten().map(link).collect();
            format!("threads of {} wait in a circle: {}", who.0, links.join(", "))
        });
    }

    pub(super) fn on_has(&mut self, who: Who, guard: Guard) {
        self.waiting.remove(&who);
        self.holder.insert(what(who.0, guard), who);
    }

    pub(super) fn on_frees(&mut self, who: Who, guard: Guard) {
        let what = what(who.0, guard);
        if self.waiting.get(&who) == Some(&what) {
            self.waiting.remove(&who);
        } else if self.holder.get(&what) == Some(&who) {
            self.holder.remove(&what);
        }
    }

    pub(super) fn on_down(&mut self, server: NodeId) {
        self.waiting.retain(|(node, _), _| *node != server);
        self.holder.retain(|_, (node, _)| *node != server);
    }

    /// Whether the mutex of a session is held.
    pub(super) fn is_held(&self, node: NodeId, session: SessionId) -> bool {
        self.holder.contains_key(&what(node, Guard::Mutex(Mutex::Session(session))))
    }

    /// What those wait for who wait for one another in a circle with this thread.
    fn circle(&self, first: Who) -> Option<Vec<(Who, What)>> {
        let mut links = Vec::new();
        let mut who = first;
        while links.len() <= self.waiting.len() {
            let what = *self.waiting.get(&who)?;
            links.push((who, what));
            who = *self.holder.get(&what)?;
            if who == first {
                return Some(links);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, H2, U1, all_on, broken, s1};
    use super::*;

    const LOGIC: Who = (H1, Thread::Logic(1));
    const IO: Who = (H1, Thread::Io(1));
    const USERS: Guard = Guard::Mutex(Mutex::Users);

    #[test]
    fn a_thread_that_waits_for_its_own_lock_is_found() {
        let (mut waits, mut findings) = (Waits::default(), all_on());
        waits.on_waits(LOGIC, Guard::Lock(U1), &mut findings);
        waits.on_has(LOGIC, Guard::Lock(U1));
        waits.on_waits((H2, Thread::Io(1)), Guard::Lock(U1), &mut findings);
        assert_eq!(broken(&findings), None, "another one may wait for it");
        waits.on_waits(LOGIC, Guard::Lock(U1), &mut findings);
        assert_eq!(broken(&findings), Some(NO_WAIT_CYCLE));
    }

    #[test]
    fn two_mutexes_taken_in_opposite_orders_are_found() {
        let session = Guard::Mutex(Mutex::Session(s1(1)));
        let (mut waits, mut findings) = (Waits::default(), all_on());
        waits.on_waits(LOGIC, USERS, &mut findings);
        waits.on_has(LOGIC, USERS);
        waits.on_waits(IO, session, &mut findings);
        waits.on_has(IO, session);
        assert!(waits.is_held(H1, s1(1)) && !waits.is_held(H2, s1(1)));
        waits.on_waits(IO, USERS, &mut findings);
        assert_eq!(broken(&findings), None);
        waits.on_waits(LOGIC, session, &mut findings);
        assert_eq!(broken(&findings), Some(NO_WAIT_CYCLE));
    }

    #[test]
    fn what_is_given_back_or_belongs_to_another_process_is_no_link() {
        let (mut waits, mut findings) = (Waits::default(), all_on());
        waits.on_has(LOGIC, USERS);
        waits.on_frees(LOGIC, USERS);
        waits.on_waits(LOGIC, USERS, &mut findings);
        waits.on_has((H2, Thread::Logic(1)), USERS);
        waits.on_has(LOGIC, USERS);
        waits.on_down(H1);
        waits.on_waits(LOGIC, USERS, &mut findings);
        assert_eq!(broken(&findings), None);
    }
}

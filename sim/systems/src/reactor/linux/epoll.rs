//! The kernel object of epoll(7): an interest list and a ready list, and nothing of what it watches.
//!
//! ```text
//!   a watched file changes ──callback──▶ ready list ──wait──▶ events
//!   add, modify: ready already? ───────▶     ▲           │ level: back to the tail
//!                                            └───────────┘ edge, one-shot: not
//! ```
//!
//! An item is in the ready list because something happened, not because it is ready: [`Epoll::wait`] asks each item
//! again, and drops those that have nothing to report. So a change that is undone before the wait is not reported, and
//! an edge that comes on top of unread data is. This is what `fs/eventpoll.c` does since Linux 2.6.
//!
//! [`EpollBug`] switches on mistakes that emulations of epoll have made.

use std::collections::{BTreeMap, VecDeque};

use super::descriptor::{DescriptionId, Fd};
use super::errno::Errno;
use super::events::Events;
use super::thread::Thread;

/// What names an item: the open file description and the number under which it was added. The same description under
/// a second number is a second item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemKey {
    /// The open file description.
    pub description: DescriptionId,
    /// The number under which it was added. It may be closed, or stand for something else by now.
    pub fd: Fd,
}

/// An event that a wait returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What the item has to report.
    pub events: Events,
    /// What was given when the item was added or modified.
    pub data: u64,
    /// Which item it is of. Linux does not say this; it is for those who watch.
    pub item: ItemKey,
}

splitbrain_kernel::names! {
    /// A mistake in an implementation of epoll.
    pub enum EpollBug {
        /// None: it does what Linux does.
        None = "none",
        /// `EPOLL_CTL_MOD` does not look whether the item is ready.
        ModifyWithoutCheck = "modify_without_check",
        /// A level-triggered item that was reported goes back to the head of the ready list.
        NoRotation = "no_rotation",
        /// Edges are found by comparing two waits, so that one that was undone and done again in between is missed.
        EdgeSampledInWait = "edge_sampled_in_wait",
        /// A change puts its item into the ready list and wakes no thread.
        CallbackWithoutWake = "callback_without_wake",
    }
}

/// An item of the interest list.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// The flags that were asked for, `ERR` and `HUP` included. Of a one-shot item that was reported only the mode
    /// flags ([`Events::HOW`]) are left.
    pub events: Events,
    /// What is returned with each event.
    pub data: u64,
    /// The place in the order of registrations, over all epoll instances.
    pub sequence: u64,
    /// Whether it is in the ready list.
    pub is_queued: bool,
    /// What the last wait saw, for [`EpollBug::EdgeSampledInWait`].
    sampled: Events,
}

impl Item {
    /// Whether it can report anything: a one-shot item that was reported cannot, until it is modified.
    pub fn is_armed(&self) -> bool {
        !(self.events & !Events::HOW).is_empty()
    }
}

/// An epoll instance.
///
/// - A key is in `ready` if and only if its item says that it is queued.
/// - A thread waits at most once.
#[derive(Clone, Debug)]
pub struct Epoll {
    items: BTreeMap<ItemKey, Item>,
    ready: VecDeque<ItemKey>,
    /// The newest first: a wake takes the front.
    waiters: VecDeque<Thread>,
    bug: EpollBug,
}

/// What an exclusive item accepts beside `EXCLUSIVE`.
const BESIDE_EXCLUSIVE: Events =
    Events(Events::IN.0 | Events::OUT.0 | Events::ERR.0 | Events::HUP.0 | Events::ET.0 | Events::EXCLUSIVE.0);

impl Epoll {
    /// An instance without items.
    pub const fn new(bug: EpollBug) -> Self {
        Self { items: BTreeMap::new(), ready: VecDeque::new(), waiters: VecDeque::new(), bug }
    }

    /// The items, in order of their keys.
    pub fn items(&self) -> impl Iterator<Item = (ItemKey, &Item)> {
        self.items.iter().map(|(key, item)| (*key, item))
    }

    /// How many items it has.
    pub fn item_count(&self) -> usize {
        self.items.len()
    }

    /// The items of one description.
    pub fn items_of(&self, description: DescriptionId) -> impl Iterator<Item = (ItemKey, &Item)> {
        let (first, last) = (ItemKey { description, fd: Fd(0) }, ItemKey { description, fd: Fd(u32::MAX) });
        self.items.range(first..=last).map(|(key, item)| (*key, item))
    }

    /// One item.
    pub fn item(&self, key: ItemKey) -> Option<&Item> {
        self.items.get(&key)
    }

    /// How many items the ready list has.
    pub fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// The threads that wait, the newest first: in this order they are woken.
    pub const fn waiters(&self) -> &VecDeque<Thread> {
        &self.waiters
    }

    /// `EPOLL_CTL_ADD`; `now` is what the file has to report at this moment. Returns the thread that is woken.
    ///
    /// # Errors
    /// [`Errno::Exists`], and [`Errno::Invalid`] where `EXCLUSIVE` stands beside a flag that it excludes.
    pub fn add(
        &mut self,
        key: ItemKey,
        events: Events,
        data: u64,
        sequence: u64,
        now: Events,
    ) -> Result<Option<Thread>, Errno> {
        if events.has(Events::EXCLUSIVE) && !(events & !BESIDE_EXCLUSIVE).is_empty() {
            return Err(Errno::Invalid);
        }
        if self.items.contains_key(&key) {
            return Err(Errno::Exists);
        }
        let events = events | Events::ALWAYS;
        let item = Item { events, data, sequence, is_queued: false, sampled: Events::NONE };
        self.items.insert(key, item);
        Ok(self.queue_new_if(key, !(now & events).is_empty()))
    }

    /// `EPOLL_CTL_MOD`. It arms the item again and looks whether it is ready. Returns the thread that is woken: none if
    /// the item is in the ready list already, as the change that has put it there has woken one.
    ///
    /// # Errors
    /// [`Errno::NoEntry`], and [`Errno::Invalid`] where `EXCLUSIVE` is asked for or was.
    pub fn modify(&mut self, key: ItemKey, events: Events, data: u64, now: Events) -> Result<Option<Thread>, Errno> {
        if events.has(Events::EXCLUSIVE) {
            return Err(Errno::Invalid);
        }
        let item = self.items.get_mut(&key).ok_or(Errno::NoEntry)?;
        if item.events.has(Events::EXCLUSIVE) {
            return Err(Errno::Invalid);
        }
        item.events = events | Events::ALWAYS;
        item.data = data;
        let is_ready = !(now & item.events).is_empty();
        Ok(self.queue_new_if(key, is_ready && self.bug != EpollBug::ModifyWithoutCheck))
    }

    /// `EPOLL_CTL_DEL`.
    ///
    /// # Errors
    /// [`Errno::NoEntry`].
    pub fn delete(&mut self, key: ItemKey) -> Result<(), Errno> {
        let item = self.items.remove(&key).ok_or(Errno::NoEntry)?;
        if item.is_queued {
            self.ready.retain(|queued| *queued != key);
        }
        Ok(())
    }

    /// The last reference to a description is gone: its items go with it.
    pub fn forget(&mut self, description: DescriptionId) {
        let keys: Vec<ItemKey> = self.items_of(description).map(|(key, _)| key).collect();
        for key in keys {
            self.delete(key).expect("the item was just listed");
        }
    }

    /// A watched file has changed. `change` names what may have become ready; `None` is anything. Returns the thread
    /// that is woken.
    pub fn callback(&mut self, key: ItemKey, change: Option<Events>) -> Option<Thread> {
        let item = self.items.get(&key)?;
        if !item.is_armed() || change.is_some_and(|change| !change.has(item.events & !Events::HOW)) {
            return None;
        }
        if self.bug == EpollBug::EdgeSampledInWait && item.events.has(Events::ET) {
            return self.waiters.pop_front();
        }
        if self.bug == EpollBug::CallbackWithoutWake {
            self.queue(key);
            return None;
        }
        // Every change wakes a thread, also of an item that is in the ready list already.
        self.queue(key);
        self.waiters.pop_front()
    }

    /// Puts an item that is ready at the tail of the ready list and wakes the newest waiter, unless it is in the list.
    fn queue_new_if(&mut self, key: ItemKey, is_ready: bool) -> Option<Thread> {
        if is_ready && self.queue(key) { self.waiters.pop_front() } else { None }
    }

    /// Puts an item at the tail of the ready list, unless it is in the list. Returns whether it is new there.
    fn queue(&mut self, key: ItemKey) -> bool {
        let item = self.items.get_mut(&key).expect("what is queued is an item");
        let is_new = !std::mem::replace(&mut item.is_queued, true);
        if is_new {
            self.ready.push_back(key);
        }
        is_new
    }

    /// `epoll_wait` that does not wait: up to `max` events, and the thread that is woken since more is left. `now` says
    /// what a file has to report at this moment.
    pub fn wait(&mut self, max: usize, mut now: impl FnMut(DescriptionId) -> Events) -> (Vec<Event>, Option<Thread>) {
        if self.bug == EpollBug::EdgeSampledInWait {
            self.sample(&mut now);
        }
        let mut events = Vec::new();
        let mut again = VecDeque::new();
        while events.len() < max
            && let Some(key) = self.ready.pop_front()
        {
            let item = self.items.get_mut(&key).expect("what is queued is an item");
            item.is_queued = false;
            let found = now(key.description) & item.events;
            if found.is_empty() {
                continue;
            }
            events.push(Event { events: found, data: item.data, item: key });
            if item.events.has(Events::ONESHOT) {
                item.events = item.events & Events::HOW;
            } else if !item.events.has(Events::ET) {
                item.is_queued = true;
                again.push_back(key);
            }
        }
        if self.bug == EpollBug::NoRotation {
            again.into_iter().rev().for_each(|key| self.ready.push_front(key));
        } else {
            self.ready.append(&mut again);
        }
        let more = if self.ready.is_empty() { None } else { self.waiters.pop_front() };
        (events, more)
    }

    /// The mistake of [`EpollBug::EdgeSampledInWait`]: an edge is a difference between two waits.
    fn sample(&mut self, mut now: impl FnMut(DescriptionId) -> Events) {
        for (key, item) in self.items.iter_mut().filter(|(_, item)| item.events.has(Events::ET)) {
            let found = now(key.description) & item.events;
            let is_new = found.has(!item.sampled);
            item.sampled = found;
            if is_new && !std::mem::replace(&mut item.is_queued, true) {
                self.ready.push_back(*key);
            }
        }
    }

    /// A thread begins to wait. It goes in front of those that wait already, as `ep_poll` adds itself to the head of
    /// the wait queue, so that of several threads the one that slept for the shortest time wakes.
    pub fn begin_wait(&mut self, thread: Thread) {
        assert!(!self.waiters.contains(&thread), "a thread waits once");
        self.waiters.push_front(thread);
    }

    /// A thread waits no longer, for a signal or a time-out. Returns whether it did.
    pub fn end_wait(&mut self, thread: Thread) -> bool {
        let place = self.waiters.iter().position(|waiter| *waiter == thread);
        place.is_some_and(|place| self.waiters.remove(place).is_some())
    }
}

#[cfg(test)]
mod tests;

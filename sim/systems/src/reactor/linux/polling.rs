//! epoll_ctl(2) and epoll_wait(2): the calls on epoll instances, and which items a change of a file reaches.

use super::descriptor::{DescriptionId, Fd};
use super::epoll::{Epoll, EpollBug, Event, ItemKey};
use super::errno::Errno;
use super::events::Events;
use super::thread::Thread;
use super::{Control, Linux, Object, Wake};

impl Linux {
    /// Something about a file has changed: its items are called in the order in which Linux keeps them, newest first
    /// and then the exclusive ones, oldest first; of these the first that wakes a thread is the last, unless
    /// the change is for all of them (`None`).
    pub(super) fn announce(&mut self, id: DescriptionId, change: Option<Events>) {
        let mut items: Vec<(bool, u64, DescriptionId, ItemKey)> = Vec::new();
        for (epoll, object) in self.epolls() {
            for (key, item) in object.items_of(id) {
                let is_exclusive = item.events.has(Events::EXCLUSIVE);
                let order = if is_exclusive { item.sequence } else { u64::MAX - item.sequence };
                items.push((is_exclusive, order, epoll, key));
            }
        }
        items.sort_unstable();
        for (is_exclusive, _, epoll, key) in items {
            let Some(Object::Epoll(epoll)) = self.object_mut(epoll) else { continue };
            let woken = epoll.callback(key, change);
            self.woken.extend(woken);
            if is_exclusive && woken.is_some() && change.is_some() {
                break;
            }
        }
    }

    /// epoll_ctl(2). The file is polled only by a call that has an effect: an `Add` or `Modify` that is refused, and a
    /// `Delete`, leave it as it is.
    ///
    /// # Errors
    /// [`Errno::BadDescriptor`], [`Errno::Exists`], [`Errno::NoEntry`], [`Errno::Invalid`].
    pub fn control(&mut self, epfd: Fd, control: Control, fd: Fd, events: Events, data: u64) -> Result<(), Errno> {
        self.calls += 1;
        let (instance, description) = (self.table.get(epfd)?, self.table.get(fd)?);
        let is_epoll = matches!(self.object_mut(description), Some(Object::Epoll(_)));
        let (sequence, now) = (self.next_sequence, self.readiness(description));
        let Some(Object::Epoll(epoll)) = self.object_mut(instance) else { return Err(Errno::Invalid) };
        if description == instance || (is_epoll && control == Control::Add) {
            return Err(Errno::Invalid);
        }
        let key = ItemKey { description, fd };
        let woken = match control {
            Control::Add => epoll.add(key, events, data, sequence, now)?,
            Control::Modify => epoll.modify(key, events, data, now)?,
            Control::Delete => return epoll.delete(key),
        };
        self.poll(description);
        self.woken.extend(woken);
        self.next_sequence += 1;
        Ok(())
    }

    /// epoll_wait(2) that does not sleep: up to `max` events. A thread that is to sleep calls [`Linux::begin_wait`] if
    /// there is none, and [`Linux::resume_wait`] when something has woken it.
    ///
    /// # Errors
    /// [`Errno::BadDescriptor`], [`Errno::Invalid`] if it is no epoll instance or `max` is 0.
    pub fn wait(&mut self, epfd: Fd, max: usize) -> Result<Vec<Event>, Errno> {
        self.calls += 1;
        let instance = self.table.get(epfd)?;
        let Some(Object::Epoll(epoll)) = self.object_mut(instance) else { return Err(Errno::Invalid) };
        if max == 0 {
            return Err(Errno::Invalid);
        }
        // Taken out, so that it can ask the others.
        let mut epoll = std::mem::replace(epoll, Epoll::new(EpollBug::None));
        let (events, woken) = epoll.wait(max, |description| self.poll(description));
        self.woken.extend(woken);
        *self.object_mut(instance).expect("the instance is open") = Object::Epoll(epoll);
        Ok(events)
    }

    /// A thread begins to wait for an event of this instance: it found none.
    ///
    /// # Errors
    /// [`Errno::BadDescriptor`], [`Errno::Invalid`].
    pub fn begin_wait(&mut self, epfd: Fd, thread: Thread) -> Result<(), Errno> {
        let instance = self.table.get(epfd)?;
        let Some(Object::Epoll(epoll)) = self.object_mut(instance) else { return Err(Errno::Invalid) };
        epoll.begin_wait(thread);
        Ok(())
    }

    /// A thread that slept in epoll_wait(2) goes on, whatever has woken it. It looks once more: what it finds comes
    /// first, then its time-out, then a signal (`ep_poll` of Linux). The handler of the signal runs when the wait has
    /// returned. Returns the events, none if its time is over; `None` if it sleeps on.
    ///
    /// # Errors
    /// [`Errno::Interrupted`], and those of [`Linux::wait`].
    pub fn resume_wait(
        &mut self,
        epfd: Fd,
        thread: Thread,
        max: usize,
        wake: Wake,
    ) -> Result<Option<Vec<Event>>, Errno> {
        let instance = self.table.get(epfd)?;
        if let Some(Object::Epoll(epoll)) = self.object_mut(instance) {
            epoll.end_wait(thread);
        }
        let events = self.wait(epfd, max)?;
        if !events.is_empty() || wake.is_over {
            return Ok(Some(events));
        }
        if wake.is_signalled {
            return Err(Errno::Interrupted);
        }
        self.begin_wait(epfd, thread)?;
        Ok(None)
    }
}

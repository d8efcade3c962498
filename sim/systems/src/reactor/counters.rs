//! How often what matters happened in a server: the gauges of the system.

use splitbrain_kernel::system::Gauge;

use super::linux::events::Events;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $field:ident,)+) => {
        /// Counts since the process started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $field: u64,)+
        }

        impl Counters {
            /// The gauges, in the order of [`Counters::values`].
            pub const GAUGES: &'static [Gauge] = &[$(Gauge { name: stringify!($field), doc: concat!($($doc),+) },)+];

            /// The counts.
            pub fn values(&self) -> Vec<u64> {
                vec![$(self.$field,)+]
            }

            /// The sum of both.
            #[must_use]
            pub const fn plus(self, other: Self) -> Self {
                Self { $($field: self.$field + other.$field,)+ }
            }
        }
    };
}

counters! {
    /// Calls of epoll_wait that returned events.
    waits,
    /// Calls of epoll_wait that found nothing and returned at once, as the thread had put something off.
    empty_waits,
    /// Calls of epoll_wait that a signal ended (EINTR).
    interrupted_waits,
    /// Calls of epoll_wait whose time was over before something came.
    timed_out_waits,
    /// Threads that were woken in epoll_wait and found nothing there.
    spurious_wake_ups,
    /// Descriptors added or modified with EPOLLET.
    edge_triggered,
    /// Descriptors added or modified with EPOLLONESHOT.
    one_shot,
    /// Descriptors added with EPOLLEXCLUSIVE.
    exclusive,
    /// Events with EPOLLIN.
    in_events,
    /// Events with EPOLLOUT.
    out_events,
    /// Events with EPOLLPRI.
    pri_events,
    /// Events with EPOLLRDHUP.
    rdhup_events,
    /// Events with EPOLLHUP.
    hup_events,
    /// Events with EPOLLERR.
    err_events,
    /// Connections accepted.
    accepted,
    /// Events of the listening socket.
    listener_events,
    /// Events of the listening socket for which nothing was left to accept.
    empty_accepts,
    /// Descriptor numbers that were given out again.
    numbers_reused,
    /// Events in hand whose connection was closed meanwhile, and which were dropped.
    stale_events,
    /// Reads that ended in the middle of a request.
    partial_reads,
    /// Writes that took less than there was.
    partial_writes,
    /// Writes and reads that found nothing to do (EAGAIN).
    would_block,
    /// Descriptors that were armed again under one-shot.
    rearmed,
    /// Connections left with more to do, for the sake of the others.
    continued,
    /// Signals that were read by a loop.
    signals,
    /// Requests answered.
    requests,
    /// Connections evicted for new ones.
    evicted,
}

impl Counters {
    /// Counts the flags with which a descriptor is added or modified.
    pub const fn asked(&mut self, events: Events) {
        self.edge_triggered += events.has(Events::ET) as u64;
        self.one_shot += events.has(Events::ONESHOT) as u64;
        self.exclusive += events.has(Events::EXCLUSIVE) as u64;
    }

    /// Counts an event: whether it is of the listening socket, and its flags.
    pub fn event(&mut self, is_of_listener: bool, events: Events) {
        self.listener_events += u64::from(is_of_listener);
        for (flag, count) in [
            (Events::IN, &mut self.in_events),
            (Events::OUT, &mut self.out_events),
            (Events::PRI, &mut self.pri_events),
            (Events::RDHUP, &mut self.rdhup_events),
            (Events::HUP, &mut self.hup_events),
            (Events::ERR, &mut self.err_events),
        ] {
            *count += u64::from(events.has(flag));
        }
    }
}

//! How often what matters happened in a server: the gauges of the system.

use splitbrain_kernel::system::Gauge;

use super::linux::events::Events;

macro_rules! tally {
    ($($(#[doc = $doc:literal])+ $field:ident,)+) => {
        /// Counts since the process started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Tally {
            $($(#[doc = $doc])+ pub $field: u64,)+
        }

        impl Tally {
            /// The gauges, in the order of [`Tally::values`].
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

tally! {
    /// Calls of epoll_wait that returned events.
    waits,
    /// Calls of epoll_wait that a signal ended (EINTR).
    interrupted_waits,
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

impl Tally {
    /// Counts the flags of an event.
    pub fn event(&mut self, events: Events) {
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

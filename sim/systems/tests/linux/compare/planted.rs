//! Mistakes that a model could have: the comparison must find each of them, or it compares too little.

use splitbrain_systems::reactor::linux::descriptor::Fd;
use splitbrain_systems::reactor::linux::epoll::EpollBug;
use splitbrain_systems::reactor::linux::events::Events;

/// A mistake of the model in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// None: the model as it is.
    None,
    /// One that the model itself can have.
    InEpoll(EpollBug),
    /// `EPOLLET` has no effect.
    EdgeIsLevel,
    /// `EPOLLONESHOT` has no effect.
    OneShotIsForgotten,
    /// `EPOLLEXCLUSIVE` has no effect, so that such an item may be modified.
    ExclusiveIsForgotten,
    /// `EPOLLRDHUP` is never reported.
    HalfCloseIsUnheard,
    /// `EPOLLERR` and `EPOLLHUP` are not reported.
    ErrorsAreMasked,
    /// The latest of what is ready comes first.
    LatestFirst,
    /// A connection that is reset is closed in good order.
    ResetIsClose,
    /// shutdown(2) of both directions shuts that of writing.
    BothIsWriting,
    /// An item leaves epoll when its number is closed, although another number stands for its description.
    ItemGoesWithItsNumber,
    /// Numbers are not given out again.
    NumbersCountUp,
    /// readv(2) fills the last buffer first.
    LastBufferFirst,
    /// A write that finds a pipe full is no edge for the reader.
    FullPipeIsSilent,
    /// Urgent data is data.
    UrgentIsData,
}

impl Planted {
    /// Every mistake.
    pub(crate) const ALL: &'static [Self] = &[
        Self::InEpoll(EpollBug::ModifyWithoutCheck),
        Self::InEpoll(EpollBug::NoRotation),
        Self::InEpoll(EpollBug::EdgeSampledInWait),
        Self::EdgeIsLevel,
        Self::OneShotIsForgotten,
        Self::ExclusiveIsForgotten,
        Self::HalfCloseIsUnheard,
        Self::ErrorsAreMasked,
        Self::LatestFirst,
        Self::ResetIsClose,
        Self::BothIsWriting,
        Self::ItemGoesWithItsNumber,
        Self::NumbersCountUp,
        Self::LastBufferFirst,
        Self::FullPipeIsSilent,
        Self::UrgentIsData,
    ];

    pub(crate) const fn epoll_bug(self) -> EpollBug {
        match self {
            Self::InEpoll(bug) => bug,
            _ => EpollBug::None,
        }
    }

    /// What the model is asked for in place of these flags.
    pub(crate) fn asked(self, events: Events) -> Events {
        match self {
            Self::EdgeIsLevel => events & !Events::ET,
            Self::OneShotIsForgotten => events & !Events::ONESHOT,
            Self::ExclusiveIsForgotten => events & !Events::EXCLUSIVE,
            Self::HalfCloseIsUnheard => events & !Events::RDHUP,
            _ => events,
        }
    }

    /// What the model reports in place of these events.
    pub(crate) fn reported(self, mut events: Vec<(u64, Events)>) -> Vec<(u64, Events)> {
        match self {
            Self::LatestFirst => events.reverse(),
            Self::ErrorsAreMasked => {
                events.iter_mut().for_each(|(_, events)| *events = *events & !Events::ALWAYS);
                events.retain(|(_, events)| !events.is_empty());
            }
            _ => {}
        }
        events
    }

    /// The place of a number among the free ones, of a model that has opened this many.
    pub(crate) const fn number(self, fd: Fd, opened: usize) -> usize {
        match self {
            Self::NumbersCountUp => opened,
            _ => fd.0 as usize,
        }
    }
}

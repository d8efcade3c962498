//! Model and kernel side by side: each call is made to both, and what comes back is compared.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use splitbrain_systems::reactor::linux::descriptor::{DescriptionId, Fd};
use splitbrain_systems::reactor::linux::errno::Errno;
use splitbrain_systems::reactor::linux::events::Events;
use splitbrain_systems::reactor::linux::stream::Stream;
use splitbrain_systems::reactor::linux::{Limits, Linux};

use super::operation::Operation;
use super::planted::Planted;
use super::real;
use super::tried::Tried;

/// How long the kernel may take for what is due by the model, in milliseconds.
pub(crate) const DUE: u32 = 500;

/// A descriptor of both.
pub(crate) struct Slot {
    pub(crate) kind: Kind,
    pub(crate) model: Fd,
    pub(crate) real: OwnedFd,
    pub(crate) description: DescriptionId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PipeReader,
    PipeWriter,
    Unix,
    Tcp,
    Listener(SocketAddrV4),
    Counter,
    Epoll,
}

/// Both sides.
pub(crate) struct Both<'a> {
    pub(crate) linux: Linux,
    pub(crate) slots: Vec<Slot>,
    /// The numbers that the real process gives out, in order.
    numbers: &'a [RawFd],
    /// The mistake of the model, if it is to have one.
    pub(crate) planted: Planted,
    /// Ends of Unix pairs that were filled and not drained since: what of them fits is not compared.
    pub(crate) filled: BTreeSet<DescriptionId>,
    /// TCP ends whose FIN the other end has acknowledged.
    acknowledged: BTreeSet<DescriptionId>,
    pub(crate) next_data: u64,
    pub(crate) tried: Tried,
}

pub(crate) type Compared = Result<(), String>;

pub(crate) fn same<T: PartialEq + Debug>(model: &T, real: &T) -> Compared {
    if model == real { Ok(()) } else { Err(format!("the model says {model:?}, Linux {real:?}")) }
}

impl<'a> Both<'a> {
    /// One epoll instance each.
    pub(crate) fn new(numbers: &'a [RawFd], planted: Planted) -> Self {
        let mut both = Self {
            linux: Linux::new(Limits::LINUX, planted.epoll_bug()),
            slots: Vec::new(),
            numbers,
            planted,
            filled: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
            next_data: 0,
            tried: Tried::default(),
        };
        both.epoll_create().expect("the first number is the first one");
        both
    }

    /// Every connection is reset, so that none lingers in the real kernel.
    pub(crate) fn finish(self) -> Tried {
        self.slots.iter().filter(|slot| slot.kind == Kind::Tcp).for_each(|slot| real::reset_on_close(&slot.real));
        self.tried
    }

    /// A descriptor that both have opened: they give it the same number, counted among the free ones.
    pub(crate) fn push(&mut self, kind: Kind, model: Fd, real: OwnedFd) -> Compared {
        let number = self.planted.number(model, self.tried.opened);
        self.tried.opened += 1;
        same(&self.numbers[number], &real.as_raw_fd())?;
        let description = self.linux.description(model).expect("it was just opened");
        self.slots.push(Slot { kind, model, real, description });
        Ok(())
    }

    pub(crate) fn epoll_create(&mut self) -> Compared {
        let model = self.linux.epoll_create().expect("there are free numbers");
        self.push(Kind::Epoll, model, real::epoll_create())
    }

    /// The slot at a place among those that fit; `None` if none does.
    pub(crate) fn find(&self, place: u8, fits: impl Fn(Kind) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.slots.len()).filter(|at| fits(self.slots[*at].kind)).collect();
        (!fitting.is_empty()).then(|| fitting[usize::from(place) % fitting.len()])
    }

    pub(crate) fn result<T>(&mut self, model: &Result<T, Errno>, real: &Result<T, Errno>) -> Compared
    where
        T: PartialEq + Debug,
    {
        self.tried.errors += u64::from(real.is_err());
        same(model, real)
    }

    /// Makes one call to both, and compares what every descriptor is ready for afterwards.
    pub(crate) fn step(&mut self, operation: Operation) -> Compared {
        let calls = self.tried.calls;
        self.call(operation)?;
        if self.tried.calls > calls {
            self.tried.note(operation.name());
        }
        self.await_acknowledgements()?;
        self.compare_readiness()
    }

    /// In the model the other end of a TCP connection acknowledges at once that this end sends no more; Linux may put
    /// that off. It is an edge for this end, so the next call waits until it is there.
    fn await_acknowledgements(&mut self) -> Compared {
        let is_open = |slot: &Slot| slot.kind == Kind::Tcp && !self.acknowledged.contains(&slot.description);
        let has_ended = |slot: &&Slot| self.linux.stream(slot.description).is_some_and(Stream::has_sent_fin);
        for slot in self.slots.iter().filter(|slot| is_open(slot)).filter(has_ended) {
            let peer = self.linux.peer(slot.description);
            let peer = self.slots.iter().find(|other| Some(other.description) == peer);
            peer.into_iter().for_each(|peer| real::acknowledge_soon(&peer.real));
            let turns = (0..DUE).take_while(|_| real::waits_for_acknowledgement(&slot.real)).map(|_| real::give_time());
            if turns.count() == DUE as usize {
                return Err("the other end of a connection never acknowledges that no more will come".to_owned());
            }
        }
        let ended = self.slots.iter().filter(has_ended).map(|slot| slot.description);
        let ended: Vec<DescriptionId> = ended.collect();
        self.acknowledged.extend(ended);
        Ok(())
    }

    /// Every descriptor but epoll instances, which the model cannot nest.
    fn compare_readiness(&self) -> Compared {
        let slots = || self.slots.iter().filter(|slot| slot.kind != Kind::Epoll);
        let model: Vec<Events> = slots().map(|slot| self.linux.readiness(slot.description)).collect();
        let mut real = real::readiness(slots().map(|slot| &slot.real));
        for _ in 0..DUE {
            if model == real || !slots().any(|slot| slot.kind == Kind::Tcp) {
                break;
            }
            real::give_time();
            real = real::readiness(slots().map(|slot| &slot.real));
        }
        let differing = slots().zip(model.iter().zip(&real)).find(|(_, (model, real))| model != real);
        differing.map_or(Ok(()), |(slot, (model, real))| {
            Err(format!("{:?} {} is ready for {model} by the model, for {real} on Linux", slot.kind, slot.model))
        })
    }
}

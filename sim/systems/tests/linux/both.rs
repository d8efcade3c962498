//! Model and kernel side by side: each call is made to both, and what comes back is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::time::Duration;

use splitbrain_systems::reactor::linux::descriptor::{DescriptionId, Fd};
use splitbrain_systems::reactor::linux::epoll::Slip;
use splitbrain_systems::reactor::linux::errno::Errno;
use splitbrain_systems::reactor::linux::events::Events;
use splitbrain_systems::reactor::linux::stream::{Family, Shut};
use splitbrain_systems::reactor::linux::{Control, Limits, Linux};

use super::Tried;
use super::operation::{How, Operation};
use super::real;

/// How long the kernel may take for what is due by the model.
const DUE: Duration = Duration::from_millis(500);
/// The same, in milliseconds.
const TURNS_MAX: u32 = 500;
/// More than a pipe or a socket holds.
const LARGE: usize = 1 << 16;

/// A descriptor of both.
struct Slot {
    kind: Kind,
    model: Fd,
    real: OwnedFd,
    description: DescriptionId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    PipeReader,
    PipeWriter,
    Unix,
    Tcp,
    Listener(SocketAddrV4),
    Counter,
    Epoll,
}

/// Both sides.
pub(crate) struct Both {
    linux: Linux,
    slots: Vec<Slot>,
    /// Ends of Unix pairs that were filled and not drained since: what of them fits is not compared.
    filled: BTreeSet<DescriptionId>,
    next_data: u64,
    /// What the data of each registration stands for.
    registered: BTreeMap<u64, DescriptionId>,
    tried: Tried,
}

type Compared = Result<(), String>;

fn same<T: PartialEq + Debug>(model: &T, real: &T) -> Compared {
    if model == real { Ok(()) } else { Err(format!("the model says {model:?}, Linux {real:?}")) }
}

impl Both {
    /// One epoll instance each.
    pub(crate) fn new() -> Self {
        let mut both = Self {
            linux: Linux::new(Limits::LINUX, Slip::None),
            slots: Vec::new(),
            filled: BTreeSet::new(),
            next_data: 0,
            registered: BTreeMap::new(),
            tried: Tried::default(),
        };
        both.epoll_create();
        both
    }

    /// Every connection is reset, so that none lingers in the real kernel.
    pub(crate) fn finish(self) -> Tried {
        self.slots.iter().filter(|slot| slot.kind == Kind::Tcp).for_each(|slot| real::reset_on_close(&slot.real));
        self.tried
    }

    fn push(&mut self, kind: Kind, model: Fd, real: OwnedFd) {
        let description = self.linux.description(model).expect("it was just opened");
        self.slots.push(Slot { kind, model, real, description });
    }

    fn epoll_create(&mut self) {
        let model = self.linux.epoll_create().expect("there are free numbers");
        self.push(Kind::Epoll, model, real::epoll_create());
    }

    /// The slot at a place among those that fit; `None` if none does.
    fn find(&self, place: u8, fits: impl Fn(Kind) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.slots.len()).filter(|at| fits(self.slots[*at].kind)).collect();
        (!fitting.is_empty()).then(|| fitting[usize::from(place) % fitting.len()])
    }

    fn result<T: PartialEq + Debug>(&mut self, model: &Result<T, Errno>, real: &Result<T, Errno>) -> Compared {
        self.tried.errors += u64::from(real.is_err());
        same(model, real)
    }

    /// Makes one call to both, and compares what every descriptor is ready for afterwards.
    pub(crate) fn step(&mut self, operation: Operation) -> Compared {
        self.tried.calls += 1;
        self.call(operation)?;
        self.compare_readiness()
    }

    fn call(&mut self, operation: Operation) -> Compared {
        const DATA: fn(Kind) -> bool = |kind| kind != Kind::Epoll;
        match operation {
            Operation::Pipe => self.open_two([Kind::PipeReader, Kind::PipeWriter], Linux::pipe, real::pipe),
            Operation::SocketPair => self.open_two([Kind::Unix; 2], Linux::socket_pair, real::socket_pair),
            Operation::EventFd(count) => {
                let model = self.linux.event_fd(u64::from(count)).expect("there are free numbers");
                self.push(Kind::Counter, model, real::event_fd(u32::from(count)));
                Ok(())
            }
            Operation::Listen(backlog) => {
                let model = self.linux.listen(usize::from(backlog)).expect("there are free numbers");
                let (real, address) = real::listen(i32::from(backlog), self.next_data + self.tried.calls);
                self.push(Kind::Listener(address), model, real);
                Ok(())
            }
            Operation::EpollCreate => {
                self.epoll_create();
                Ok(())
            }
            Operation::Connect(place) => self.at(place, |kind| matches!(kind, Kind::Listener(_)), Self::connect),
            Operation::Accept(place) => self.at(place, |kind| kind != Kind::Epoll, Self::accept),
            Operation::Dup(place) => self.at(place, DATA, Self::dup),
            Operation::Close(place) => self.at(place, |_| true, Self::close),
            Operation::Reset(place) => self.at(place, |kind| kind == Kind::Tcp, Self::reset),
            Operation::Shutdown(place, how) => {
                self.at(place, |kind| !matches!(kind, Kind::Epoll | Kind::Listener(_)), |it, at| it.shutdown(at, how))
            }
            Operation::Write(place, count) => self.at(place, DATA, |it, at| it.write(at, usize::from(count))),
            Operation::Read(place, count) => self.at(place, |_| true, |it, at| it.read(at, usize::from(count))),
            Operation::Fill(place) => self.at(place, |kind| matches!(kind, Kind::PipeWriter | Kind::Unix), Self::fill),
            Operation::Drain(place) => self.at(place, DATA, Self::drain),
            Operation::WriteUrgent(place) => self.at(place, |kind| kind == Kind::Tcp, Self::write_urgent),
            Operation::ReadUrgent(place) => self.at(place, |kind| kind == Kind::Tcp, Self::read_urgent),
            Operation::Add(epoll, place, flags) => self.control(Control::Add, epoll, place, flags),
            Operation::Modify(epoll, place, flags) => self.control(Control::Modify, epoll, place, flags),
            Operation::Delete(epoll, place) => self.control(Control::Delete, epoll, place, 0),
            Operation::Wait(epoll, max) => {
                self.at(epoll, |kind| kind == Kind::Epoll, |it, at| it.wait(at, usize::from(max)))
            }
        }
    }

    fn at(
        &mut self,
        place: u8,
        fits: impl Fn(Kind) -> bool,
        call: impl FnOnce(&mut Self, usize) -> Compared,
    ) -> Compared {
        self.find(place, fits).map_or(Ok(()), |at| call(self, at))
    }

    fn open_two(
        &mut self,
        kinds: [Kind; 2],
        model: impl FnOnce(&mut Linux) -> Result<[Fd; 2], Errno>,
        real: impl FnOnce() -> [OwnedFd; 2],
    ) -> Compared {
        let model = model(&mut self.linux).expect("there are free numbers");
        for ((kind, model), real) in kinds.into_iter().zip(model).zip(real()) {
            self.push(kind, model, real);
        }
        Ok(())
    }

    fn connect(&mut self, at: usize) -> Compared {
        let Kind::Listener(address) = self.slots[at].kind else { return Ok(()) };
        // A full queue would make the real call wait.
        if let Ok(model) = self.linux.connect(self.slots[at].model) {
            self.push(Kind::Tcp, model, real::connect(address));
        }
        Ok(())
    }

    fn accept(&mut self, at: usize) -> Compared {
        let model = self.linux.accept(self.slots[at].model);
        let real = real::accept(&self.slots[at].real);
        self.result(&model.map(|_| ()), &real.as_ref().map(|_| ()).map_err(|error| *error))?;
        if let (Ok(model), Ok(real)) = (model, real) {
            self.push(Kind::Tcp, model, real);
        }
        Ok(())
    }

    fn dup(&mut self, at: usize) -> Compared {
        let model = self.linux.dup(self.slots[at].model).expect("there are free numbers");
        let real = real::dup(&self.slots[at].real);
        self.push(self.slots[at].kind, model, real);
        Ok(())
    }

    fn close(&mut self, at: usize) -> Compared {
        // The last epoll instance stays, so that there is something to compare.
        if self.slots[at].kind == Kind::Epoll && self.slots.iter().filter(|it| it.kind == Kind::Epoll).count() == 1 {
            return Ok(());
        }
        let slot = self.slots.remove(at);
        drop(slot.real);
        self.linux.close(slot.model).expect("it is open");
        Ok(())
    }

    fn reset(&mut self, at: usize) -> Compared {
        real::reset_on_close(&self.slots[at].real);
        self.linux.reset_on_close(self.slots[at].model).expect("it is a socket");
        self.close(at)
    }

    fn shutdown(&mut self, at: usize, how: How) -> Compared {
        let shut = match how {
            How::Read => Shut { read: true, write: false },
            How::Write => Shut { read: false, write: true },
            How::Both => Shut::BOTH,
        };
        let model = self.linux.shutdown(self.slots[at].model, shut);
        let real = real::shutdown(&self.slots[at].real, how);
        self.result(&model, &real)
    }

    /// What a call writes: numbers for an eventfd, and bytes that differ for the others.
    fn bytes(&self, at: usize, count: usize) -> Vec<u8> {
        match self.slots[at].kind {
            Kind::Counter => (count as u64).to_ne_bytes().to_vec(),
            _ => (0..count).map(|nth| (self.tried.calls as usize + nth) as u8).collect(),
        }
    }

    fn write(&mut self, at: usize, count: usize) -> Compared {
        let bytes = self.bytes(at, count);
        let model = self.linux.write(self.slots[at].model, &bytes);
        let real = real::write(&self.slots[at].real, &bytes);
        self.result(&model, &real)
    }

    fn read(&mut self, at: usize, count: usize) -> Compared {
        if self.filled.contains(&self.slots[at].description) {
            return self.drain(at);
        }
        let count = if self.slots[at].kind == Kind::Counter { 8 } else { count };
        let model = self.linux.read(self.slots[at].model, count);
        let real = self.read_real(at, count, &model);
        self.result(&model, &real)
    }

    /// Reads from Linux; what the model says is there may still be on its way.
    fn read_real(&self, at: usize, count: usize, model: &Result<Vec<u8>, Errno>) -> Result<Vec<u8>, Errno> {
        let mut real = real::read(&self.slots[at].real, count);
        for _ in 0..TURNS_MAX {
            if real != Err(Errno::Again) || *model == Err(Errno::Again) {
                break;
            }
            real::give_time();
            real = real::read(&self.slots[at].real, count);
        }
        real
    }

    /// Writes to both until both would block. How much that is, is compared for pipes.
    fn fill(&mut self, at: usize) -> Compared {
        let bytes = vec![0x5a; LARGE];
        let slot = &self.slots[at];
        let model = until_error(|| self.linux.write(slot.model, &bytes));
        let real = until_error(|| real::write(&slot.real, &bytes));
        if slot.kind == Kind::PipeWriter {
            same(&model, &real)?;
        }
        if let Some(peer) = self.linux.peer(slot.description).filter(|_| slot.kind == Kind::Unix) {
            self.filled.insert(peer);
        }
        same(&model.1, &real.1)
    }

    /// Reads from both until both would block or are at the end.
    fn drain(&mut self, at: usize) -> Compared {
        let slot = &self.slots[at];
        let end = |result: Result<Vec<u8>, Errno>| match result {
            Ok(bytes) if bytes.is_empty() => Err(None),
            Ok(bytes) => Ok(bytes.len()),
            Err(error) => Err(Some(error)),
        };
        let model = until_error(|| end(self.linux.read(slot.model, LARGE)));
        let real = until_error(|| end(real::read(&slot.real, LARGE)));
        // Both were filled, each to its own measure.
        if !self.filled.remove(&slot.description) {
            same(&model, &real)?;
        }
        same(&model.1, &real.1)
    }

    fn write_urgent(&mut self, at: usize) -> Compared {
        let slot = &self.slots[at];
        let peer = self.linux.peer(slot.description);
        if peer.and_then(|peer| self.linux.stream(peer)).is_some_and(|peer| peer.has_urgent_mark()) {
            return Ok(());
        }
        let model = self.linux.write_urgent(slot.model, b'!');
        let real = real::write_urgent(&slot.real, b'!');
        self.result(&model, &real)
    }

    fn read_urgent(&mut self, at: usize) -> Compared {
        let model = self.linux.read_urgent(self.slots[at].model);
        let real = real::read_urgent(&self.slots[at].real);
        self.result(&model, &real)
    }

    fn control(&mut self, control: Control, epoll: u8, place: u8, flags: u16) -> Compared {
        let (Some(epoll), Some(at)) =
            (self.find(epoll, |kind| kind == Kind::Epoll), self.find(place, |kind| kind != Kind::Epoll))
        else {
            return Ok(());
        };
        let events = events(flags);
        let data = self.next_data;
        self.next_data += 1;
        let (instance, slot) = (&self.slots[epoll], &self.slots[at]);
        self.registered.insert(data, slot.description);
        let model = self.linux.control(instance.model, control, slot.model, events, data);
        let real = real::control(&instance.real, &slot.real, control, events, data);
        self.result(&model, &real)
    }

    fn wait(&mut self, at: usize, max: usize) -> Compared {
        let model = self.linux.wait(self.slots[at].model, max);
        let model = model.map(|events| events.iter().map(|event| (event.data, event.events)).collect::<Vec<_>>());
        let is_due = model.as_ref().is_ok_and(|events| !events.is_empty());
        let real = real::wait(&self.slots[at].real, max, if is_due { DUE } else { Duration::ZERO });
        let is_new = |data: u64| !model.as_ref().is_ok_and(|events| events.iter().any(|(of, _)| *of == data));
        let is_late = |data: u64| is_new(data) && self.may_hear_late(data);
        let real = real.map(|events| events.into_iter().filter(|(data, _)| !is_late(*data)).collect::<Vec<_>>());
        self.tried.events += real.as_ref().map_or(0, |events| events.len() as u64);
        self.result(&model, &real)
    }

    /// Whether this registration is of a TCP end that has said that it will send no more: the other side may
    /// acknowledge that late, which is an edge with nothing new.
    fn may_hear_late(&self, data: u64) -> bool {
        let stream = self.registered.get(&data).and_then(|id| self.linux.stream(*id));
        stream.is_some_and(|stream| stream.family() == Family::Tcp && stream.has_said_fin())
    }

    /// Every descriptor but epoll instances, which the model cannot nest.
    fn compare_readiness(&self) -> Compared {
        let slots = || self.slots.iter().filter(|slot| slot.kind != Kind::Epoll);
        let model: Vec<Events> = slots().map(|slot| self.linux.readiness(slot.description)).collect();
        let mut real = real::readiness(slots().map(|slot| &slot.real));
        for _ in 0..TURNS_MAX {
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

/// Calls until an error. Returns the sum of what came before, and the error.
fn until_error<E>(mut call: impl FnMut() -> Result<usize, E>) -> (usize, E) {
    let mut sum = 0;
    // Each call moves at least a byte of what is bounded, so there is an end; an eventfd has one after each number.
    loop {
        match call() {
            Ok(count) => sum += count,
            Err(error) => return (sum, error),
        }
    }
}

/// Flags from random bits: what is asked for is likely, the ways of reporting less so.
fn events(bits: u16) -> Events {
    let bit = |at: u32| bits >> at & 1 == 1;
    let all_three = |at: u32| bits >> at & 7 == 7;
    Events::IN.when(bit(0))
        | Events::PRI.when(bit(1))
        | Events::OUT.when(bit(2))
        | Events::RDHUP.when(bit(3))
        | Events::ET.when(bit(6))
        | Events::ONESHOT.when(bit(7) && bit(8))
        | Events::EXCLUSIVE.when(all_three(10))
}

//! The calls: each is made to both, and what comes back is compared.

use std::os::fd::OwnedFd;
use std::time::Duration;

use splitbrain_systems::reactor::linux::descriptor::Fd;
use splitbrain_systems::reactor::linux::errno::Errno;
use splitbrain_systems::reactor::linux::events::Events;
use splitbrain_systems::reactor::linux::stream::Shut;
use splitbrain_systems::reactor::linux::{Control, Linux};

use super::both::{Both, Compared, DUE, Kind, same};
use super::operation::{How, Operation};
use super::planted::Planted;
use super::real;

/// Places from here on stand for any descriptor, also where a call makes no sense.
const MISTAKEN: u8 = 240;

/// More than a pipe or a socket holds.
const LARGE: usize = 1 << 16;

impl Both<'_> {
    pub(crate) fn call(&mut self, operation: Operation) -> Compared {
        const DATA: fn(Kind) -> bool = |kind| kind != Kind::Epoll;
        match operation {
            Operation::Pipe => self.open_two([Kind::PipeReader, Kind::PipeWriter], Linux::pipe, real::pipe),
            Operation::SocketPair => self.open_two([Kind::Unix; 2], Linux::socket_pair, real::socket_pair),
            Operation::EventFd(count) => {
                self.tried.calls += 1;
                let model = self.linux.event_fd(u64::from(count)).expect("there are free numbers");
                self.push(Kind::Counter, model, real::event_fd(u32::from(count)))
            }
            Operation::Listen(backlog) => {
                self.tried.calls += 1;
                let model = self.linux.listen(usize::from(backlog)).expect("there are free numbers");
                let (real, address) = real::listen(i32::from(backlog), self.next_data + self.tried.calls);
                self.push(Kind::Listener(address), model, real)
            }
            Operation::EpollCreate => {
                self.tried.calls += 1;
                self.epoll_create()
            }
            Operation::Connect(place) => self.at(place, |kind| matches!(kind, Kind::Listener(_)), Self::connect),
            Operation::Accept(place) => self.at(place, |kind| kind != Kind::Epoll, Self::accept),
            Operation::Dup(place) => self.at(place, DATA, Self::dup),
            Operation::Close(place) => self.at(place, |_| true, Self::close),
            Operation::Reset(place) => {
                self.at(place, |kind| kind == Kind::Tcp || (place >= MISTAKEN && DATA(kind)), Self::reset)
            }
            Operation::Shutdown(place, how) => self.at(
                place,
                |kind| place >= MISTAKEN || !matches!(kind, Kind::Epoll | Kind::Listener(_)),
                |it, at| it.shutdown(at, how),
            ),
            Operation::Write(place, count) => self.at(place, |_| true, |it, at| it.write(at, usize::from(count))),
            Operation::Read(place, count) => self.at(place, |_| true, |it, at| it.read(at, usize::from(count))),
            Operation::WriteVectored(place, sizes) => self.at(place, DATA, |it, at| it.write_vectored(at, &sizes)),
            Operation::ReadVectored(place, sizes) => self.at(place, DATA, |it, at| it.read_vectored(at, &sizes)),
            Operation::Fill(place) => self.at(place, |kind| matches!(kind, Kind::PipeWriter | Kind::Unix), Self::fill),
            Operation::Drain(place) => self.at(place, DATA, Self::drain),
            Operation::WriteUrgent(place) => self.at(place, |kind| kind == Kind::Tcp, Self::write_urgent),
            Operation::ReadUrgent(place) => self.at(place, |kind| kind == Kind::Tcp, Self::read_urgent),
            Operation::Add(epoll, place, flags) => self.control(Control::Add, epoll, place, flags),
            Operation::Modify(epoll, place, flags) => self.control(Control::Modify, epoll, place, flags),
            Operation::Delete(epoll, place) => self.control(Control::Delete, epoll, place, 0),
            Operation::Wait(epoll, max) => match self.instance(epoll) {
                Some(at) => {
                    self.tried.calls += 1;
                    self.wait(at, usize::from(max))
                }
                None => Ok(()),
            },
        }
    }

    fn at(
        &mut self,
        place: u8,
        fits: impl Fn(Kind) -> bool,
        call: impl FnOnce(&mut Self, usize) -> Compared,
    ) -> Compared {
        let Some(at) = self.find(place, fits) else { return Ok(()) };
        self.tried.calls += 1;
        call(self, at)
    }

    /// An epoll instance; by mistake, now and then, any descriptor.
    fn instance(&self, place: u8) -> Option<usize> {
        self.find(place, |kind| place >= MISTAKEN || kind == Kind::Epoll)
    }

    fn open_two(
        &mut self,
        kinds: [Kind; 2],
        model: impl FnOnce(&mut Linux) -> Result<[Fd; 2], Errno>,
        real: impl FnOnce() -> [OwnedFd; 2],
    ) -> Compared {
        self.tried.calls += 1;
        let model = model(&mut self.linux).expect("there are free numbers");
        let mut both = kinds.into_iter().zip(model).zip(real());
        both.try_for_each(|((kind, model), real)| self.push(kind, model, real))
    }

    fn connect(&mut self, at: usize) -> Compared {
        let Kind::Listener(address) = self.slots[at].kind else { return Ok(()) };
        match self.linux.connect(self.slots[at].model) {
            Ok(model) => self.push(Kind::Tcp, model, real::connect(address)),
            // A full queue would make the real call wait.
            Err(Errno::TimedOut) => Ok(()),
            Err(error) => self.result(&Err(error), &real::try_connect(address).map(drop)),
        }
    }

    fn accept(&mut self, at: usize) -> Compared {
        let model = self.linux.accept(self.slots[at].model);
        let real = real::accept(&self.slots[at].real);
        self.result(&model.map(|_| ()), &real.as_ref().map(|_| ()).map_err(|error| *error))?;
        match (model, real) {
            (Ok(model), Ok(real)) => self.push(Kind::Tcp, model, real),
            _ => Ok(()),
        }
    }

    fn dup(&mut self, at: usize) -> Compared {
        let model = self.linux.dup(self.slots[at].model).expect("there are free numbers");
        let real = real::dup(&self.slots[at].real);
        self.push(self.slots[at].kind, model, real)
    }

    fn close(&mut self, at: usize) -> Compared {
        // The last epoll instance stays, so that there is something to compare.
        if self.slots[at].kind == Kind::Epoll && self.slots.iter().filter(|it| it.kind == Kind::Epoll).count() == 1 {
            return Ok(());
        }
        let slot = self.slots.remove(at);
        drop(slot.real);
        if self.planted == Planted::ItemGoesWithItsNumber {
            let instances = self.slots.iter().filter(|it| it.kind == Kind::Epoll).map(|it| it.model);
            let instances: Vec<Fd> = instances.collect();
            for epoll in instances {
                let _ = self.linux.control(epoll, Control::Delete, slot.model, Events::NONE, 0);
            }
        }
        self.linux.close(slot.model).expect("it is open");
        Ok(())
    }

    fn reset(&mut self, at: usize) -> Compared {
        let real = real::try_reset_on_close(&self.slots[at].real);
        let model = match self.planted {
            Planted::ResetIsClose => real,
            _ => self.linux.reset_on_close(self.slots[at].model),
        };
        self.result(&model, &real)?;
        self.close(at)
    }

    fn shutdown(&mut self, at: usize, how: How) -> Compared {
        let shut = match how {
            How::Read => Shut { read: true, write: false },
            How::Write => Shut { read: false, write: true },
            How::Both if self.planted == Planted::BothIsWriting => Shut { read: false, write: true },
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
        let (fd, id) = (self.slots[at].model, self.slots[at].description);
        let is_refused = self.planted == Planted::FullPipeIsSilent
            && self.slots[at].kind == Kind::PipeWriter
            && self.linux.readiness(id) == Events::NONE;
        let model = if is_refused { Err(Errno::Again) } else { self.linux.write(fd, &bytes) };
        let real = real::write(&self.slots[at].real, &bytes);
        self.result(&model, &real)
    }

    fn read(&mut self, at: usize, count: usize) -> Compared {
        if self.filled.contains(&self.slots[at].description) {
            return self.drain(at);
        }
        let count = if self.slots[at].kind == Kind::Counter { 8 } else { count };
        let model = self.linux.read(self.slots[at].model, count);
        let real = self.until_due(model == Err(Errno::Again), || real::read(&self.slots[at].real, count));
        self.result(&model, &real)
    }

    /// What calls write into buffers of these sizes: numbers to an eventfd, each in a buffer that may be too short.
    fn write_vectored(&mut self, at: usize, sizes: &[u8]) -> Compared {
        let buffers: Vec<Vec<u8>> = sizes.iter().map(|size| self.buffer(at, usize::from(*size))).collect();
        let buffers: Vec<&[u8]> = buffers.iter().map(Vec::as_slice).collect();
        let model = self.linux.write_vectored(self.slots[at].model, &buffers);
        let real = real::write_vectored(&self.slots[at].real, &buffers);
        self.result(&model, &real)
    }

    fn buffer(&self, at: usize, size: usize) -> Vec<u8> {
        match (self.slots[at].kind, size) {
            (Kind::Counter, 1) => vec![0; 4],
            _ => self.bytes(at, size),
        }
    }

    /// Compares which buffer has which bytes.
    fn read_vectored(&mut self, at: usize, sizes: &[u8]) -> Compared {
        if self.filled.contains(&self.slots[at].description) {
            return self.drain(at);
        }
        let is_counter = self.slots[at].kind == Kind::Counter;
        let mut sizes: Vec<usize> = sizes.iter().map(|size| usize::from(*size)).collect();
        if is_counter {
            sizes.push(8);
        }
        let model = match self.planted {
            Planted::LastBufferFirst => {
                sizes.reverse();
                let parts = self.linux.read_vectored(self.slots[at].model, &sizes);
                sizes.reverse();
                parts.map(|parts| parts.into_iter().rev().collect())
            }
            _ => self.linux.read_vectored(self.slots[at].model, &sizes),
        };
        let real = self.until_due(model == Err(Errno::Again), || real::read_vectored(&self.slots[at].real, &sizes));
        self.result(&model, &real)
    }

    /// Reads from Linux. Unless the model has nothing to read, it may still be on its way.
    fn until_due<T>(&self, is_nothing: bool, mut read: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
        let mut real = read();
        for _ in 0..DUE {
            if !matches!(real, Err(Errno::Again)) || is_nothing {
                break;
            }
            real::give_time();
            real = read();
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
        let model = match self.planted {
            Planted::UrgentIsData => self.linux.write(slot.model, b"!"),
            _ => self.linux.write_urgent(slot.model, b'!'),
        };
        let real = real::write_urgent(&slot.real, b'!');
        self.result(&model, &real)
    }

    fn read_urgent(&mut self, at: usize) -> Compared {
        let model = self.linux.read_urgent(self.slots[at].model);
        let real = real::read_urgent(&self.slots[at].real);
        self.result(&model, &real)
    }

    fn control(&mut self, control: Control, epoll: u8, place: u8, flags: u16) -> Compared {
        let is_any = place >= MISTAKEN;
        let (Some(epoll), Some(at)) = (self.instance(epoll), self.find(place, |kind| is_any || kind != Kind::Epoll))
        else {
            return Ok(());
        };
        // One instance in another is refused by the model alone.
        let is_nested = self.slots[at].kind == Kind::Epoll && self.slots[epoll].kind == Kind::Epoll && at != epoll;
        if is_nested && control == Control::Add {
            return Ok(());
        }
        self.tried.calls += 1;
        let events = events(flags);
        let data = self.next_data;
        self.next_data += 1;
        let (instance, slot) = (&self.slots[epoll], &self.slots[at]);
        let model = self.linux.control(instance.model, control, slot.model, self.planted.asked(events), data);
        let real = real::control(&instance.real, &slot.real, control, events, data);
        self.result(&model, &real)
    }

    fn wait(&mut self, at: usize, max: usize) -> Compared {
        let model = self.linux.wait(self.slots[at].model, max);
        let model = model.map(|events| events.iter().map(|event| (event.data, event.events)).collect::<Vec<_>>());
        let model = model.map(|events| self.planted.reported(events));
        let is_due = model.as_ref().is_ok_and(|events| !events.is_empty());
        let time = if is_due { Duration::from_millis(u64::from(DUE)) } else { Duration::ZERO };
        let real = real::wait(&self.slots[at].real, max, time);
        self.tried.events += real.as_ref().map_or(0, |events| events.len() as u64);
        self.result(&model, &real)
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

//! Room in a TCP connection: a full one is an edge for `EPOLLOUT` when there is room again, but only if something has
//! asked for room in between: a write that found too little, or a poll of the file by epoll.
//!
//! Every sequence runs on the model and on a real connection with buffers of a fixed size. Neither may be polled by the
//! comparison itself, as that would ask for room.

use std::os::fd::OwnedFd;
use std::time::Duration;

use splitbrain_systems::reactor::linux::descriptor::Fd;
use splitbrain_systems::reactor::linux::epoll::EpollBug;
use splitbrain_systems::reactor::linux::errno::Errno;
use splitbrain_systems::reactor::linux::events::Events;
use splitbrain_systems::reactor::linux::{Control, Limits, Linux};

use super::super::both::DUE;
use super::{NEVER_TURNS, real};

/// Bytes of each buffer.
const BUFFER: usize = 64 * 1024;
/// Bytes of a small write.
const PIECE: usize = 1024;
/// Small writes that a connection without room could still take.
const PIECES_LEFT: usize = 8;
/// More than the buffers hold.
const LARGE: usize = 1 << 20;

/// What is asked for: room, when it changes.
const ROOM: Events = Events(Events::OUT.0 | Events::ET.0);

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Small writes until little room is left, each of which is taken.
    AlmostFill,
    /// Small writes until one is refused.
    Fill,
    /// A write that is cut short.
    WriteLarge,
    /// The other end reads everything.
    Drain,
    /// epoll_ctl for the sender, in the instance with this number.
    Control(usize, Control),
    /// epoll_wait that does not sleep.
    Wait(usize),
}
use Step::{AlmostFill, Drain, Fill, Wait, WriteLarge};

const fn add(instance: usize) -> Step {
    Step::Control(instance, Control::Add)
}

const fn modify(instance: usize) -> Step {
    Step::Control(instance, Control::Modify)
}

const fn delete(instance: usize) -> Step {
    Step::Control(instance, Control::Delete)
}

/// What a step gives back, as far as it is compared: that of a call of epoll.
type Outcome = Result<Vec<Events>, Errno>;

/// Each sequence, with whether its last wait has an event.
const SEQUENCES: &[(&str, &[Step], bool)] = &[
    ("nothing has asked for room", &[add(0), Wait(0), AlmostFill, Drain, Wait(0)], false),
    ("a write that is refused", &[add(0), Wait(0), Fill, Drain, Wait(0)], true),
    ("a write that is cut short", &[add(0), Wait(0), WriteLarge, Drain, Wait(0)], true),
    ("an edge for room is one", &[add(0), Wait(0), Fill, Drain, Wait(0), AlmostFill, Drain, Wait(0)], false),
    ("EPOLL_CTL_MOD polls", &[add(0), Wait(0), AlmostFill, modify(0), Wait(0), Drain, Wait(0)], true),
    ("EPOLL_CTL_ADD polls", &[AlmostFill, add(0), Wait(0), Drain, Wait(0)], true),
    ("EPOLL_CTL_ADD that is refused polls nothing", &[add(0), Wait(0), AlmostFill, add(0), Drain, Wait(0)], false),
    ("EPOLL_CTL_MOD that is refused polls nothing", &[add(0), Wait(0), AlmostFill, modify(1), Drain, Wait(0)], false),
    (
        "EPOLL_CTL_DEL polls nothing",
        &[add(0), add(1), Wait(0), Wait(1), AlmostFill, delete(1), delete(1), Drain, Wait(0)],
        false,
    ),
];

/// Runs every sequence on both sides.
pub(super) fn edges_for_room() {
    let (model_holds, linux_holds) = (capacity(&mut Model::new()), capacity(&mut Real::new()));
    for (name, steps, has_edge) in SEQUENCES {
        let by_model = run(&mut Model::new(), model_holds, steps);
        let by_linux = run(&mut Real::new(), linux_holds, steps);
        assert_eq!(by_model, by_linux, "{name}");
        let last = by_model.last().expect("the last step is a wait");
        assert_eq!(*last, Ok(vec![Events::OUT; usize::from(*has_edge)]), "{name}");
    }
}

/// A connection with two epoll instances beside it.
trait Side {
    /// A write by the first end.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno>;
    /// A read by the second.
    fn read(&mut self) -> Result<usize, Errno>;
    fn control(&mut self, instance: usize, control: Control) -> Result<(), Errno>;
    /// Everything that is to happen by itself has happened.
    fn settle(&self) {}
    fn wait(&mut self, instance: usize) -> Outcome;
}

/// Writes until one is refused. Returns how much was taken.
fn fill(side: &mut impl Side) -> usize {
    let mut taken = 0;
    for _ in 0..LARGE / PIECE {
        match side.write(&[7; PIECE]) {
            Ok(count) => taken += count,
            Err(error) => {
                assert_eq!(error, Errno::Again);
                return taken;
            }
        }
    }
    panic!("a connection takes {LARGE} bytes and more");
}

/// What both buffers hold, when what can be under way has arrived.
fn capacity(side: &mut impl Side) -> usize {
    let mut sum = 0;
    for _ in 0..DUE {
        let taken = fill(side);
        if taken == 0 {
            return sum;
        }
        sum += taken;
        side.settle();
    }
    panic!("a connection that nothing is read from takes more and more");
}

fn run(side: &mut impl Side, capacity: usize, steps: &[Step]) -> Vec<Outcome> {
    let (mut outcomes, mut left) = (Vec::new(), 0);
    for step in steps {
        match step {
            AlmostFill => {
                let pieces = capacity / PIECE - PIECES_LEFT;
                for nth in 0..pieces {
                    assert_eq!(side.write(&[7; PIECE]), Ok(PIECE), "there is room");
                    if nth % 16 == 0 {
                        side.settle();
                    }
                }
                left += pieces * PIECE;
            }
            Fill => left += fill(side),
            WriteLarge => {
                let count = side.write(&vec![7; LARGE]).expect("there is some room");
                assert!(count < LARGE, "the write is cut short");
                left += count;
            }
            Drain => drain(side, std::mem::take(&mut left)),
            Step::Control(instance, control) => outcomes.push(side.control(*instance, *control).map(|()| Vec::new())),
            Wait(instance) => outcomes.push(side.wait(*instance)),
        }
        side.settle();
    }
    outcomes
}

/// Reads this many bytes, the last of which may still be on their way.
fn drain(side: &mut impl Side, mut left: usize) {
    let mut turns = 0;
    while left > 0 {
        match side.read() {
            Ok(count) => left -= count,
            Err(error) => {
                turns += 1;
                assert!(error == Errno::Again && turns < DUE, "what was written arrives: {error}, {left} bytes left");
                side.settle();
            }
        }
    }
}

struct Model {
    linux: Linux,
    ends: [Fd; 2],
    instances: [Fd; 2],
}

impl Model {
    fn new() -> Self {
        let limits = Limits { tcp_buffer: u32::try_from(BUFFER).expect("it is small"), ..Limits::LINUX };
        let mut linux = Linux::new(limits, EpollBug::None);
        let listener = linux.listen(1).expect("there are free numbers");
        let sender = linux.connect(listener).expect("the queue has room");
        let receiver = linux.accept(listener).expect("a connection waits");
        let instances = [(); 2].map(|()| linux.epoll_create().expect("there are free numbers"));
        Self { linux, ends: [sender, receiver], instances }
    }
}

impl Side for Model {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        self.linux.write(self.ends[0], bytes)
    }

    fn read(&mut self) -> Result<usize, Errno> {
        self.linux.read(self.ends[1], LARGE).map(|bytes| bytes.len())
    }

    fn control(&mut self, instance: usize, control: Control) -> Result<(), Errno> {
        self.linux.control(self.instances[instance], control, self.ends[0], ROOM, 0)
    }

    fn wait(&mut self, instance: usize) -> Outcome {
        let events = self.linux.wait(self.instances[instance], 8)?;
        Ok(events.iter().map(|event| event.events).collect())
    }
}

struct Real {
    ends: [OwnedFd; 2],
    instances: [OwnedFd; 2],
}

impl Real {
    fn new() -> Self {
        Self { ends: real::tcp_pair(BUFFER, 4), instances: [(); 2].map(|()| real::epoll_create()) }
    }
}

impl Side for Real {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        real::write(&self.ends[0], bytes)
    }

    fn read(&mut self) -> Result<usize, Errno> {
        real::read(&self.ends[1], LARGE).map(|bytes| bytes.len())
    }

    fn control(&mut self, instance: usize, control: Control) -> Result<(), Errno> {
        real::control(&self.instances[instance], &self.ends[0], control, ROOM, 0)
    }

    /// Acknowledgements that are put off would let more through later.
    fn settle(&self) {
        for _ in 0..NEVER_TURNS {
            real::acknowledge_soon(&self.ends[1]);
            real::give_time();
        }
    }

    fn wait(&mut self, instance: usize) -> Outcome {
        let events = real::wait(&self.instances[instance], 8, Duration::ZERO)?;
        Ok(events.into_iter().map(|(_, events)| events).collect())
    }
}

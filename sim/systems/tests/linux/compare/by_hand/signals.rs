//! Signals: waits that a handler ends or does not, and a signal that is sent again while it is pending.
//!
//! The first thread of the process waits, since that is the one that takes a signal to the process; a second one does
//! the rest as soon as the first sleeps.
//!
//! A safe program can neither block a signal nor make a signalfd. What it can do is to be stopped: while a process is
//! stopped its signals stay pending, in the set from which a signalfd reads. A child process stops this one, sends the
//! signals, and continues it.

#![expect(clippy::disallowed_types, reason = "the kernel's signals are asked about; a run starts no process")]

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use signal_hook::SigId;
use signal_hook::consts::{SIGUSR1, SIGUSR2};
use splitbrain_systems::reactor::linux::descriptor::Fd;
use splitbrain_systems::reactor::linux::epoll::EpollBug;
use splitbrain_systems::reactor::linux::errno::Errno;
use splitbrain_systems::reactor::linux::events::Events;
use splitbrain_systems::reactor::linux::stream::Shut;
use splitbrain_systems::reactor::linux::thread::Thread;
use splitbrain_systems::reactor::linux::{Control, Limits, Linux, Wake};

use super::super::operation::How;
use super::announced::Announced;
use super::{LONG_WAIT, real, resumed};

/// What stands for the self-pipe, and for what else is watched.
const SELF_PIPE: u64 = 1;
const OTHER: u64 = 2;

const SIGNALLED: Wake = Wake { is_over: false, is_signalled: true };

type Waited = Result<Vec<(u64, Events)>, Errno>;

/// A handler for a signal, which writes a byte for each that it gets. Returns the end that is read.
fn self_pipe(signals: &[i32]) -> (OwnedFd, Vec<SigId>) {
    let (reader, writer) = UnixStream::pair().expect("a pair of sockets");
    reader.set_nonblocking(true).expect("it is a socket");
    let register = |signal: &i32| {
        let writer = writer.try_clone().expect("a free number");
        signal_hook::low_level::pipe::register(*signal, writer).expect("a signal that can be handled")
    };
    (OwnedFd::from(reader), signals.iter().map(register).collect())
}

/// This thread waits; when it sleeps, another one does this and sends it a signal. Returns what the wait returns, and
/// what the next one does, which need not sleep.
#[expect(clippy::disallowed_methods, reason = "the question is what a signal does to a thread; a run has none")]
fn signalled_by_linux(instance: &OwnedFd, before: impl FnOnce() + Send) -> [Waited; 2] {
    let (reader, handlers) = self_pipe(&[SIGUSR1]);
    real::control(instance, &reader, Control::Add, Events::IN, SELF_PIPE).expect("it is new there");
    let announced = Announced::default();
    let waited = std::thread::scope(|scope| {
        scope.spawn(|| {
            announced.until_asleep();
            before();
            real::signal_this_process(Signal::USR1);
        });
        announced.announce();
        real::wait(instance, 8, LONG_WAIT)
    });
    let next = real::wait(instance, 8, LONG_WAIT);
    handlers.into_iter().for_each(|id| assert!(signal_hook::low_level::unregister(id)));
    [waited, next]
}

/// The same with the model: an instance with a self-pipe, a thread that sleeps, this, a signal, and its handler.
fn signalled_by_model(linux: &mut Linux, epoll: Fd, before: impl FnOnce(&mut Linux)) -> [Waited; 2] {
    let [reader, writer] = linux.pipe().expect("there are free numbers");
    linux.control(epoll, Control::Add, reader, Events::IN, SELF_PIPE).expect("it is new there");
    linux.begin_wait(epoll, Thread(0)).expect("it is an epoll instance");
    before(linux);
    let waited = resumed(linux, epoll, SIGNALLED);
    linux.write(writer, &[0]).expect("there is room");
    let next = linux.wait(epoll, 8).map(|events| events.iter().map(|event| (event.data, event.events)).collect());
    [waited, next]
}

/// The wait ends without the event that its handler makes; the next one returns it.
pub(super) fn a_wait_that_a_handler_ends() {
    let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
    let epoll = linux.epoll_create().expect("there are free numbers");
    let by_model = signalled_by_model(&mut linux, epoll, |_| {});
    assert_eq!(by_model, signalled_by_linux(&real::epoll_create(), || {}));
    assert_eq!(by_model, [Err(Errno::Interrupted), Ok(vec![(SELF_PIPE, Events::IN)])]);
}

/// A connection that shuts its sending side is told so, which wakes the thread that waits for the other end to do it.
/// There is nothing to report, and the signal ends the wait, whether it comes before the thread has looked or after.
pub(super) fn a_signal_beside_a_wake_up_for_nothing() {
    let events = Events::RDHUP | Events::ET;
    let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
    let epoll = linux.epoll_create().expect("there are free numbers");
    let listener = linux.listen(1).expect("there are free numbers");
    let client = linux.connect(listener).expect("the queue has room");
    linux.control(epoll, Control::Add, client, events, OTHER).expect("it is new there");
    let by_model = signalled_by_model(&mut linux, epoll, |linux| {
        linux.shutdown(client, Shut { read: false, write: true }).expect("it is connected");
        assert_eq!(linux.take_woken(), [Thread(0)]);
    });

    let instance = real::epoll_create();
    let (_listener, address) = real::listen(1, 5);
    let client = real::connect(address);
    real::control(&instance, &client, Control::Add, events, OTHER).expect("it is new there");
    let by_linux = signalled_by_linux(&instance, || real::shutdown(&client, How::Write).expect("it is connected"));
    real::reset_on_close(&client);
    assert_eq!(by_model, by_linux);
    assert_eq!(by_model[0], Err(Errno::Interrupted));
}

/// What is ready comes before a signal that is pending: the wait returns it, and the handler has run all the same.
pub(super) fn a_signal_beside_an_event() {
    let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
    let epoll = linux.epoll_create().expect("there are free numbers");
    let [reader, writer] = linux.pipe().expect("there are free numbers");
    linux.control(epoll, Control::Add, reader, Events::IN | Events::ET, OTHER).expect("it is new there");
    let by_model = signalled_by_model(&mut linux, epoll, |linux| {
        linux.write(writer, b"x").expect("there is room");
    });

    let instance = real::epoll_create();
    let [out, into] = real::pipe();
    real::control(&instance, &out, Control::Add, Events::IN | Events::ET, OTHER).expect("it is new there");
    let by_linux = signalled_by_linux(&instance, || {
        real::write(&into, b"x").expect("there is room");
    });
    assert_eq!(by_model, by_linux);
    assert_eq!(by_model, [Ok(vec![(OTHER, Events::IN)]), Ok(vec![(SELF_PIPE, Events::IN)])]);
}

/// A child that stops this process as soon as it sleeps, does this when it has stopped, and continues it. It begins
/// when it reads a line. Each of its loops has a bound, and ends in an error.
fn stop_and(does: &str) -> Child {
    let until = |state: &str| {
        let is_there = format!("case \"${{line##*) }}\" in {state}*) true;; *) false;; esac");
        let give_up = "[ $n -lt 100000 ] || { kill -CONT $PPID; exit 1; }";
        format!("n=0; until read -r line < /proc/$PPID/stat && {is_there}; do n=$((n + 1)); {give_up}; done;")
    };
    let (sleeps, has_stopped) = (until("S"), until("T"));
    let script = format!("read -r go; {sleeps} kill -STOP $PPID; {has_stopped} {does} kill -CONT $PPID");
    let mut command = Command::new("sh");
    command.args(["-c", &script]).stdin(Stdio::piped()).spawn().expect("the machine has a shell")
}

/// Of a standard signal that is sent three times while it is pending one is left; another signal is one of its own.
pub(super) fn a_signal_that_is_sent_again_while_it_is_pending() {
    let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
    let signals = linux.signal_fd().expect("there are free numbers");
    let epoll = linux.epoll_create().expect("there are free numbers");
    linux.control(epoll, Control::Add, signals, Events::IN, 0).expect("it is new there");
    for signal in [SIGUSR2, SIGUSR1, SIGUSR1, SIGUSR1] {
        linux.raise(signals, u8::try_from(signal).expect("a standard signal is a small number"));
    }
    assert_eq!(linux.wait(epoll, 8).map(|events| events.len()), Ok(1));
    let by_model = linux.read(signals, 16).map(|bytes| bytes.len());
    assert_eq!(linux.read(signals, 16), Err(Errno::Again));

    let (reader, handlers) = self_pipe(&[SIGUSR1, SIGUSR2]);
    let instance = real::epoll_create();
    real::control(&instance, &reader, Control::Add, Events::IN, SELF_PIPE).expect("it is new there");
    let mut child = stop_and("kill -USR2 $PPID; kill -USR1 $PPID; kill -USR1 $PPID; kill -USR1 $PPID;");
    child.stdin.take().expect("it is a pipe").write_all(b"go\n").expect("the child reads");
    let first = real::wait(&instance, 8, LONG_WAIT);
    assert_eq!(first, Err(Errno::Interrupted), "the wait ends without the event that the handler makes");
    assert!(child.wait().expect("it is a child").success());
    assert_eq!(real::wait(&instance, 8, Duration::ZERO), Ok(vec![(SELF_PIPE, Events::IN)]));
    let by_linux = real::read(&reader, 16).map(|bytes| bytes.len());
    handlers.into_iter().for_each(|id| assert!(signal_hook::low_level::unregister(id)));
    assert_eq!(by_model, by_linux);
    assert_eq!(by_linux, Ok(2));
}

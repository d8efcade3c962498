//! Signals: a wait that they end, and a signal that is sent again while it is pending.
//!
//! A safe program can neither block a signal nor make a signalfd. What it can do is to be stopped: while a process is
//! stopped its signals stay pending, in the set from which a signalfd reads. A child process stops this one, sends the
//! signals, and continues it.

#![expect(clippy::disallowed_types, reason = "the kernel's signals are asked about; a run starts no process")]

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::time::Duration;

use signal_hook::consts::{SIGUSR1, SIGUSR2};
use splitbrain_systems::reactor::linux::epoll::EpollBug;
use splitbrain_systems::reactor::linux::errno::Errno;
use splitbrain_systems::reactor::linux::events::Events;
use splitbrain_systems::reactor::linux::thread::Thread;
use splitbrain_systems::reactor::linux::{Control, Limits, Linux};

use super::{LONG_WAIT, real};

/// A child that waits until the caller sleeps, stops this process, does this when each thread has stopped, and
/// continues it.
fn stop_and(does: &str) -> Child {
    let script = format!("sleep 0.2; kill -STOP $PPID; sleep 0.1; {does} kill -CONT $PPID");
    Command::new("sh").args(["-c", &script]).spawn().expect("the machine has a shell")
}

/// A wait of a process that is stopped and continued ends with EINTR, although no handler ran (signal(7), "Interruption
/// of system calls and library functions by stop signals").
pub(super) fn a_process_that_is_stopped_while_it_waits() {
    let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
    let epoll = linux.epoll_create().expect("there are free numbers");
    linux.begin_wait(epoll, Thread(0)).expect("it is an epoll instance");
    let by_model = if linux.end_wait(Thread(0)) { Err(Errno::Interrupted) } else { Ok(Vec::new()) };

    let instance = real::epoll_create();
    let mut child = stop_and("");
    let by_linux = real::wait(&instance, 1, LONG_WAIT);
    assert!(child.wait().expect("it is a child").success());
    assert_eq!(by_model, by_linux);
    assert_eq!(by_linux, Err(Errno::Interrupted));
    assert_eq!(real::wait(&instance, 1, Duration::ZERO), Ok(Vec::new()), "the next wait is one like any other");
    assert_eq!(linux.wait(epoll, 1).map(|events| events.len()), Ok(0));
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

    let (reader, writer) = UnixStream::pair().expect("a pair of sockets");
    reader.set_nonblocking(true).expect("it is a socket");
    let handled = [SIGUSR1, SIGUSR2].map(|signal| {
        let writer = writer.try_clone().expect("a free number");
        signal_hook::low_level::pipe::register(signal, writer).expect("a signal that can be handled")
    });
    let reader = OwnedFd::from(reader);
    let instance = real::epoll_create();
    real::control(&instance, &reader, Control::Add, Events::IN, 0).expect("it is new there");
    let mut child = stop_and("kill -USR2 $PPID; kill -USR1 $PPID; kill -USR1 $PPID; kill -USR1 $PPID;");
    let first = real::wait(&instance, 8, LONG_WAIT);
    assert_eq!(first, Err(Errno::Interrupted), "the wait ends without the event that the handler makes");
    assert!(child.wait().expect("it is a child").success());
    assert_eq!(real::wait(&instance, 8, LONG_WAIT).map(|events| events.len()), Ok(1));
    // A handler that runs in another thread may be on its way.
    (0..20).for_each(|_| real::give_time());
    let by_linux = real::read(&reader, 16).map(|bytes| bytes.len());
    handled.into_iter().for_each(|id| assert!(signal_hook::low_level::unregister(id)));
    assert_eq!(by_model, by_linux);
    assert_eq!(by_linux, Ok(2));
}

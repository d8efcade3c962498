//! What generated sequences of one thread cannot compare: which threads wake, how much a socket holds, a full accept
//! queue, signals, and the limit on descriptors. Each is a sequence written by hand, which runs on the model and on the
//! kernel.

mod signals;
mod transfers;

use std::os::fd::OwnedFd;
use std::time::Duration;

use splitbrain_systems::reactor::linux::descriptor::Fd;
use splitbrain_systems::reactor::linux::epoll::EpollBug;
use splitbrain_systems::reactor::linux::errno::Errno;
use splitbrain_systems::reactor::linux::events::Events;
use splitbrain_systems::reactor::linux::thread::Thread;
use splitbrain_systems::reactor::linux::{Control, Limits, Linux};

use super::both::DUE;
use super::real;

/// Every sequence, with what it compares; an assertion in it says what does not agree.
pub(crate) const COMPARISONS: &[(&str, fn())] = &[
    ("loops with one listening socket, with EPOLLEXCLUSIVE and without: which of them wake", loops_with_one_listener),
    ("threads on one instance, level- and edge-triggered: which of them wake", threads_on_one_instance),
    ("threads on one instance: the order in which edges wake them", the_newest_waiter_wakes_first),
    ("a wait whose time is over", a_wait_that_times_out),
    ("sockets that are full: what they took is what they give back", full_sockets),
    ("an accept queue that is full", a_full_accept_queue),
    ("a nearly full pipe: short `writev` and `readv`, to the byte", transfers::a_nearly_full_pipe),
    ("a process without a free descriptor: `pipe`, `dup`, `accept` (EMFILE)", transfers::no_free_number),
    ("a process that is stopped while it waits (EINTR)", signals::a_process_that_is_stopped_while_it_waits),
    ("signals that are sent again while they are pending", signals::a_signal_that_is_sent_again_while_it_is_pending),
];

/// How long a thread waits for a wake-up that is not to come.
const WAIT: Duration = Duration::from_millis(150);
/// How long a thread waits for one that is to come.
const LONG_WAIT: Duration = Duration::from_secs(5);
/// How many threads wait.
const THREADS: usize = 3;

/// Every loop wakes for a connection, or one if the listening socket is exclusive.
fn loops_with_one_listener() {
    for how in [Events::NONE, Events::EXCLUSIVE] {
        let events = Events::IN | Events::ET | how;
        let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
        let listener = linux.listen(4).expect("there are free numbers");
        let epolls: Vec<Fd> = (0..THREADS).map(|_| linux.epoll_create().expect("there are free numbers")).collect();
        for epoll in &epolls {
            linux.control(*epoll, Control::Add, listener, events, 0).expect("it is new there");
        }
        let by_model = woken_by_model(&mut linux, &epolls, |linux| {
            linux.connect(listener).expect("the queue has room");
        });

        let (socket, address) = real::listen(4, 1);
        let instances: Vec<OwnedFd> = (0..THREADS).map(|_| real::epoll_create()).collect();
        for instance in &instances {
            real::control(instance, &socket, Control::Add, events, 0).expect("it is new there");
        }
        let mut client = None;
        let by_linux = woken_by_linux(instances.iter().collect(), || client = Some(real::connect(address)));
        assert_eq!(by_model, by_linux, "{how}");
        assert_eq!(by_model.len() == 1, how == Events::EXCLUSIVE, "{how}");
        client.iter().for_each(real::reset_on_close);
    }
}

/// Of the threads on one instance one wakes for an edge, and each of them for a level.
fn threads_on_one_instance() {
    for how in [Events::NONE, Events::ET] {
        let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
        let [reader, writer] = linux.pipe().expect("there are free numbers");
        let epoll = linux.epoll_create().expect("there are free numbers");
        linux.control(epoll, Control::Add, reader, Events::IN | how, 0).expect("it is new there");
        let by_model = woken_by_model(&mut linux, &[epoll; THREADS], |linux| {
            linux.write(writer, b"x").expect("there is room");
        });

        let [out, into] = real::pipe();
        let instance = real::epoll_create();
        real::control(&instance, &out, Control::Add, Events::IN | how, 0).expect("it is new there");
        let by_linux = woken_by_linux(vec![&instance; THREADS], || {
            real::write(&into, b"x").expect("there is room");
        });
        assert_eq!(by_model, by_linux, "{how}");
        assert_eq!(by_model == [THREADS - 1], how == Events::ET, "{how}: an edge is for the newest thread");
    }
}

/// Of threads that began to wait on one instance one after the other, each edge wakes the one that began last.
fn the_newest_waiter_wakes_first() {
    let events = Events::IN | Events::ET;
    let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
    let epoll = linux.epoll_create().expect("there are free numbers");
    let pipes: Vec<[Fd; 2]> = (0..THREADS).map(|_| linux.pipe().expect("there are free numbers")).collect();
    for [reader, _] in &pipes {
        linux.control(epoll, Control::Add, *reader, events, 0).expect("it is new there");
    }
    for thread in 0..THREADS {
        linux.begin_wait(epoll, Thread(thread as u16)).expect("it is an epoll instance");
    }
    let mut by_model = Vec::new();
    for [_, writer] in &pipes {
        linux.write(*writer, b"x").expect("there is room");
        by_model.extend(linux.take_woken().into_iter().map(|Thread(thread)| usize::from(thread)));
        assert_eq!(linux.wait(epoll, 1).map(|events| events.len()), Ok(1), "the thread that woke looks");
    }

    let instance = real::epoll_create();
    let pipes: Vec<[OwnedFd; 2]> = (0..THREADS).map(|_| real::pipe()).collect();
    for [reader, _] in &pipes {
        real::control(&instance, reader, Control::Add, events, 0).expect("it is new there");
    }
    let writers = pipes.iter().map(|[_, writer]| writer).collect();
    assert_eq!(by_model, order_by_linux(&instance, writers));
    assert_eq!(by_model, [2, 1, 0]);
}

/// The order in which real threads return that began to wait one after the other, by an edge at a time.
#[expect(clippy::disallowed_methods, reason = "the question is which of the kernel's threads wakes; a run has none")]
fn order_by_linux(instance: &OwnedFd, writers: Vec<&OwnedFd>) -> Vec<usize> {
    let before = sleeping_tasks();
    std::thread::scope(|scope| {
        let mut waiting = Vec::new();
        for _ in &writers {
            waiting.push(scope.spawn(move || real::wait(instance, 1, LONG_WAIT).map(|events| events.len())));
            until_asleep(before + waiting.len());
        }
        let mut order: Vec<usize> = Vec::new();
        for writer in writers {
            real::write(writer, b"x").expect("there is room");
            let is_next = |thread: &usize| waiting[*thread].is_finished() && !order.contains(thread);
            let next = (0..DUE).find_map(|_| {
                real::give_time();
                (0..waiting.len()).find(is_next)
            });
            order.push(next.expect("an edge wakes a thread"));
        }
        let returned = waiting.into_iter().map(|thread| thread.join().expect("it does not panic"));
        assert!(returned.into_iter().all(|found| found == Ok(1)), "each thread found its edge");
        order
    })
}

/// Waits until this many threads of the process sleep: twice in a row, as a thread may sleep for a moment on its way.
fn until_asleep(count: usize) {
    let mut rounds = 0;
    while rounds < 2 {
        rounds = if sleeping_tasks() == count { rounds + 1 } else { 0 };
        real::give_time();
    }
}

/// A thread waits on each of these, the first one first; each that wakes looks once. Returns which find an event.
fn woken_by_model(linux: &mut Linux, epolls: &[Fd], stimulus: impl FnOnce(&mut Linux)) -> Vec<usize> {
    for (thread, epoll) in epolls.iter().enumerate() {
        linux.begin_wait(*epoll, Thread(thread as u16)).expect("it is an epoll instance");
    }
    stimulus(linux);
    let mut found = Vec::new();
    let mut woken = linux.take_woken();
    while let Some(Thread(thread)) = woken.pop() {
        let thread = usize::from(thread);
        let events = linux.wait(epolls[thread], 1).expect("it is an epoll instance");
        found.extend((!events.is_empty()).then_some(thread));
        woken.extend(linux.take_woken());
    }
    found.sort_unstable();
    found
}

/// The same with real threads.
#[expect(clippy::disallowed_methods, reason = "the question is which of the kernel's threads wake; a run has none")]
fn woken_by_linux(instances: Vec<&OwnedFd>, stimulus: impl FnOnce()) -> Vec<usize> {
    let before = sleeping_tasks();
    std::thread::scope(|scope| {
        let mut waiting = Vec::new();
        for instance in instances {
            waiting.push(scope.spawn(move || real::wait(instance, 1, WAIT).is_ok_and(|events| !events.is_empty())));
            until_asleep(before + waiting.len());
        }
        stimulus();
        let found = waiting.into_iter().map(|thread| thread.join().expect("it does not panic"));
        found.enumerate().filter(|(_, has_found)| *has_found).map(|(thread, _)| thread).collect()
    })
}

/// How many threads of this process sleep in the kernel.
#[expect(clippy::disallowed_methods, reason = "a test asks the kernel; a run has no files")]
fn sleeping_tasks() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the kernel shows its threads");
    let states = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
    // After the name, which stands in parentheses, comes the state.
    states.filter(|state| state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))).count()
}

/// A wait that nothing ends returns nothing.
fn a_wait_that_times_out() {
    let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
    let epoll = linux.epoll_create().expect("there are free numbers");
    linux.begin_wait(epoll, Thread(0)).expect("it is an epoll instance");
    assert!(linux.end_wait(Thread(0)), "its time is over");
    assert_eq!(linux.wait(epoll, 1).map(|events| events.len()), Ok(0));
    assert_eq!(real::wait(&real::epoll_create(), 1, Duration::from_millis(2)), Ok(Vec::new()));
}

/// A socket that is full gives back what it took. How much that is may differ: the kernel charges for its own memory.
fn full_sockets() {
    const LARGE: usize = 1 << 22;
    let bytes = vec![7; LARGE];
    let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
    let [one, other] = linux.socket_pair().expect("there are free numbers");
    let by_model = until_again(|| linux.write(one, &bytes));
    let back = until_again(|| linux.read(other, LARGE).map(|bytes| bytes.len()));
    assert_eq!(by_model, back);
    assert!(by_model > 0 && by_model < LARGE, "the write was cut short");

    let [one, other] = real::socket_pair();
    let by_linux = until_again(|| real::write(&one, &bytes));
    let back = until_again(|| real::read(&other, LARGE).map(|bytes| bytes.len()));
    assert_eq!(by_linux, back);
    assert!(by_linux > 0 && by_linux < LARGE, "the write was cut short");
}

/// The sum of what calls move until one of them would have to wait.
fn until_again(mut call: impl FnMut() -> Result<usize, Errno>) -> usize {
    let mut sum = 0;
    loop {
        match call() {
            Ok(count) => sum += count,
            Err(error) => {
                assert_eq!(error, Errno::Again);
                return sum;
            }
        }
    }
}

/// A connection that finds the accept queue full is not made. Linux drops the packet that would open it, and the client
/// tries again after a second.
fn a_full_accept_queue() {
    let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
    let listener = linux.listen(0).expect("there are free numbers");
    let first = linux.connect(listener);
    assert_eq!((first.is_ok(), linux.connect(listener)), (true, Err(Errno::TimedOut)));

    let (_listener, address) = real::listen(0, 2);
    let first = real::connect(address);
    let second = real::begin_to_connect(address);
    real::give_time();
    let ready = real::readiness([&first, &second].into_iter());
    assert_eq!(ready, [Events::OUT, Events::NONE], "the second is still on its way");
    real::reset_on_close(&first);
}

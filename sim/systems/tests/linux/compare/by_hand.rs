//! What generated sequences of one thread cannot compare: which threads wake, how much a socket holds, a full accept
//! queue, signals, and the limit on descriptors. Each is a sequence written by hand, which runs on the model and on the
//! kernel.

mod announced;
mod room;
mod signals;
mod transfers;

use std::os::fd::OwnedFd;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use splitbrain_systems::reactor::linux::descriptor::Fd;
use splitbrain_systems::reactor::linux::epoll::EpollBug;
use splitbrain_systems::reactor::linux::errno::Errno;
use splitbrain_systems::reactor::linux::events::Events;
use splitbrain_systems::reactor::linux::thread::Thread;
use splitbrain_systems::reactor::linux::{Control, Limits, Linux, Wake};

use super::both::DUE;
use super::real;
use announced::Announced;

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
    ("TCP that is full: what makes an edge for room, and what does not", room::edges_for_room),
    ("a handler that runs while its thread waits (EINTR)", signals::a_wait_that_a_handler_ends),
    ("a signal beside a wake-up for nothing (EINTR)", signals::a_signal_beside_a_wake_up_for_nothing),
    ("a signal beside an event", signals::a_signal_beside_an_event),
    ("signals that are sent again while they are pending", signals::a_signal_that_is_sent_again_while_it_is_pending),
];

/// How long a thread waits for what is to come, at most.
const LONG_WAIT: Duration = Duration::from_secs(30);
/// How often a millisecond passes until it is certain that something does not come.
const NEVER_TURNS: u32 = 20;
/// What stands for the end of all waits, among the data of events.
const OVER: u64 = u64::MAX;
/// How many threads wait.
const THREADS: usize = 3;

/// Every loop wakes for a connection, or one if the listening socket is exclusive.
fn loops_with_one_listener() {
    for (how, trigger) in [
        (Events::NONE, Events::ET),
        (Events::NONE, Events::NONE),
        (Events::EXCLUSIVE, Events::ET),
        (Events::EXCLUSIVE, Events::NONE),
    ] {
        let events = Events::IN | trigger | how;
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
        let stimulus = || client = Some(real::connect(address));
        let by_linux = woken_by_linux(instances.iter().collect(), by_model.len(), stimulus);
        assert_eq!(by_model, by_linux, "{events}");
        assert_eq!(by_model.len() == 1, how == Events::EXCLUSIVE, "{events}");
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
        let by_linux = woken_by_linux(vec![&instance; THREADS], by_model.len(), || {
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
    let announced: Vec<Announced> = writers.iter().map(|_| Announced::default()).collect();
    std::thread::scope(|scope| {
        let waiting = begin_to_wait(scope, &vec![instance; writers.len()], &announced, 1);
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
        assert!(returned.into_iter().all(|found| found.len() == 1), "each thread found its edge");
        order
    })
}

/// Threads wait on these instances for up to `max` events; each begins when those before it sleep.
#[expect(clippy::disallowed_types, reason = "the question is which of the kernel's threads wakes; a run has none")]
fn begin_to_wait<'scope, 'env>(
    scope: &'scope std::thread::Scope<'scope, 'env>,
    instances: &[&'env OwnedFd],
    announced: &'env [Announced],
    max: usize,
) -> Vec<ScopedJoinHandle<'scope, Vec<(u64, Events)>>> {
    let begin = |(instance, announced): (&&'env OwnedFd, &'env Announced)| {
        let instance = *instance;
        let thread = scope.spawn(move || {
            announced.announce();
            real::wait(instance, max, LONG_WAIT).expect("no signal interrupts it")
        });
        announced.until_asleep();
        thread
    };
    instances.iter().zip(announced).map(begin).collect()
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

/// The same with real threads. When as many have returned as are `expected`, or none returns any more, an event that
/// each of them hears of ends the other waits.
#[expect(clippy::disallowed_methods, reason = "the question is which of the kernel's threads wake; a run has none")]
fn woken_by_linux(instances: Vec<&OwnedFd>, expected: usize, stimulus: impl FnOnce()) -> Vec<usize> {
    let announced: Vec<Announced> = instances.iter().map(|_| Announced::default()).collect();
    let over = real::event_fd(0);
    for instance in &instances {
        let added = real::control(instance, &over, Control::Add, Events::IN, OVER);
        assert!(added.is_ok() || added == Err(Errno::Exists), "one instance may be there for several threads");
    }
    std::thread::scope(|scope| {
        let waiting = begin_to_wait(scope, &instances, &announced, 8);
        stimulus();
        let returned = || waiting.iter().filter(|thread| thread.is_finished()).count();
        (0..10 * DUE).take_while(|_| returned() < expected).for_each(|_| real::give_time());
        (0..NEVER_TURNS).for_each(|_| real::give_time());
        real::write(&over, &1_u64.to_ne_bytes()).expect("it counts on");
        let found = waiting.into_iter().map(|thread| thread.join().expect("it does not panic"));
        let has_found = |events: &[(u64, Events)]| events.iter().any(|(data, _)| *data != OVER);
        found.enumerate().filter(|(_, events)| has_found(events)).map(|(thread, _)| thread).collect()
    })
}

/// A wait that nothing ends returns nothing.
fn a_wait_that_times_out() {
    let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
    let epoll = linux.epoll_create().expect("there are free numbers");
    linux.begin_wait(epoll, Thread(0)).expect("it is an epoll instance");
    let by_model = resumed(&mut linux, epoll, Wake { is_over: true, ..Wake::default() });
    assert_eq!(by_model, real::wait(&real::epoll_create(), 8, Duration::from_millis(2)));
    assert_eq!(by_model, Ok(Vec::new()));
}

/// What the wait of the model's thread 0 returns, which does not sleep on.
fn resumed(linux: &mut Linux, epoll: Fd, wake: Wake) -> Result<Vec<(u64, Events)>, Errno> {
    let events = linux.resume_wait(epoll, Thread(0), 8, wake)?.expect("the thread sleeps no more");
    Ok(events.iter().map(|event| (event.data, event.events)).collect())
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

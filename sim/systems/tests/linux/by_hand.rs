//! What one thread cannot compare call by call: which threads wake, how much a socket holds, a full accept queue. Each
//! is a story, told to the model and to the kernel.

use std::os::fd::OwnedFd;
use std::time::Duration;

use splitbrain_systems::reactor::linux::descriptor::Fd;
use splitbrain_systems::reactor::linux::epoll::Slip;
use splitbrain_systems::reactor::linux::errno::Errno;
use splitbrain_systems::reactor::linux::events::Events;
use splitbrain_systems::reactor::linux::thread::Thread;
use splitbrain_systems::reactor::linux::{Control, Limits, Linux};

use super::real;

/// Every story; what does not agree is told by the assertion in it.
pub(crate) const STORIES: &[fn()] =
    &[loops_with_one_listener, threads_on_one_instance, a_wait_that_times_out, full_sockets, a_full_accept_queue];

/// How long a thread waits for a wake-up that is not to come.
const WAIT: Duration = Duration::from_millis(150);
/// How many threads wait.
const THREADS: usize = 3;

/// Every loop wakes for a connection, or one if the listening socket is exclusive.
fn loops_with_one_listener() {
    for how in [Events::NONE, Events::EXCLUSIVE] {
        let events = Events::IN | Events::ET | how;
        let mut linux = Linux::new(Limits::LINUX, Slip::None);
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
        assert_eq!((by_model, by_model == 1), (by_linux, how == Events::EXCLUSIVE), "{how}");
        client.iter().for_each(real::reset_on_close);
    }
}

/// Of the threads on one instance one wakes for an edge, and each of them for a level.
fn threads_on_one_instance() {
    for how in [Events::NONE, Events::ET] {
        let mut linux = Linux::new(Limits::LINUX, Slip::None);
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
        assert_eq!((by_model, by_model == 1), (by_linux, how == Events::ET), "{how}");
    }
}

/// A thread waits on each of these; each that wakes looks once. Returns how many find an event.
fn woken_by_model(linux: &mut Linux, epolls: &[Fd], stimulus: impl FnOnce(&mut Linux)) -> usize {
    for (thread, epoll) in epolls.iter().enumerate() {
        linux.begin_wait(*epoll, Thread(thread as u16)).expect("it is an epoll instance");
    }
    stimulus(linux);
    let mut found = 0;
    let mut woken = linux.take_woken();
    while let Some(Thread(thread)) = woken.pop() {
        let events = linux.wait(epolls[usize::from(thread)], 1).expect("it is an epoll instance");
        found += usize::from(!events.is_empty());
        woken.extend(linux.take_woken());
    }
    found
}

/// The same with real threads.
#[expect(clippy::disallowed_methods, reason = "the question is which of the kernel's threads wake; a run has none")]
fn woken_by_linux(instances: Vec<&OwnedFd>, stimulus: impl FnOnce()) -> usize {
    let before = sleeping_tasks();
    std::thread::scope(|scope| {
        let wait = |instance| scope.spawn(move || real::wait(instance, 1, WAIT).is_ok_and(|events| !events.is_empty()));
        let waiting: Vec<_> = instances.into_iter().map(wait).collect();
        // Twice in a row, as a thread may sleep for a moment on its way.
        let mut rounds = 0;
        while rounds < 2 {
            rounds = if sleeping_tasks() == before + THREADS { rounds + 1 } else { 0 };
            real::give_time();
        }
        stimulus();
        waiting.into_iter().filter_map(|thread| thread.join().ok()).filter(|has_found| *has_found).count()
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
    let mut linux = Linux::new(Limits::LINUX, Slip::None);
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
    let mut linux = Linux::new(Limits::LINUX, Slip::None);
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
    let mut linux = Linux::new(Limits::LINUX, Slip::None);
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

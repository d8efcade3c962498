//! Threads and what they are at: a job is a login or a cleanup, and waits for one thing at a time.
//!
//! ```text
//!   login ───▶ queue ─▶ logic1 … ┐
//!                                ├─▶ a job: step, wait, step …
//!   the end of a session ─▶ queue ─▶ io1 … ┘
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use splitbrain_kernel::context::Context;
use splitbrain_kernel::time::Duration;

use crate::chat::bug::Bug;
use crate::chat::ids::{LoginToken, SessionId, Uid};
use crate::chat::library::Asked;
use crate::chat::node::{ChatNode, ChatTimer};
use crate::chat::observation::{ChatObservation, Guard, Mutex, Thread};
use crate::chat::store::Words;
use crate::lock::client::HandleId;
use crate::lock::message::RequestId;
use crate::lock::redis::Reply;

use super::cleanup::Cleaning;
use super::login::Login;
use super::{Call, ChatServer};

/// A job, counted by the process.
pub(super) type JobId = u64;

/// What waits for a thread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task {
    /// A login.
    Login(SessionId, Uid, LoginToken),
    /// Known bug: a heartbeat, which waits behind the logins.
    Heartbeat(SessionId),
    /// A session is over.
    CleanUp(SessionId, Uid),
}

/// What a job has waited for.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// It begins.
    Go,
    /// What became of a lock that it asked for.
    Lock(HandleId, Asked),
    /// The redis has answered, or not in time.
    Reply(Option<Reply>),
    /// The other chat server has ended the session, or has not answered in time.
    Kick(bool),
    /// Some time has passed.
    Slept,
    /// It has the mutex.
    Mutex,
}

/// Whether a job goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// It waits for its next event.
    Waits,
    /// It is done.
    Done,
}

/// A job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) thread: Thread,
    /// Its connection to the redis, once it has one.
    connection: Option<u64>,
    /// The connection did not bring an answer in time.
    is_broken: bool,
    work: Work,
}

#[derive(Clone, Debug)]
enum Work {
    Login(Login),
    CleanUp(Cleaning),
}

/// A job as its steps know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Me {
    pub(super) job: JobId,
    pub(super) thread: Thread,
    /// Known bug: the connection is one that has failed before.
    is_broken: bool,
}

/// The threads, their queues and their jobs.
#[derive(Clone, Debug, Default)]
pub(super) struct Threads {
    idle: BTreeSet<Thread>,
    logic: VecDeque<Task>,
    io: VecDeque<Task>,
    jobs: BTreeMap<JobId, Job>,
    next_job: JobId,
    /// What jobs have waited for, in order.
    ready: VecDeque<(JobId, Event)>,
}

impl Threads {
    /// All threads are idle.
    pub(super) fn new(logic: u64, io: u64) -> Self {
        let number = |count: u64| (1..=count).map(|number| u16::try_from(number).expect("an option bounds it"));
        Self { idle: number(logic).map(Thread::Logic).chain(number(io).map(Thread::Io)).collect(), ..Self::default() }
    }

    /// Something waits for a thread.
    pub(super) fn queue(&mut self, task: Task) {
        match task {
            Task::Login(..) | Task::Heartbeat(_) => self.logic.push_back(task),
            Task::CleanUp(..) => self.io.push_back(task),
        }
    }

    /// A job has what it waited for.
    pub(super) fn wake(&mut self, job: JobId, event: Event) {
        self.ready.push_back((job, event));
    }

    /// The next task for which a thread is idle.
    fn next_task(&mut self) -> Option<(Thread, Task)> {
        let of = |is_logic: bool| move |thread: &&Thread| matches!(thread, Thread::Logic(_)) == is_logic;
        for (is_logic, queue) in [(true, &mut self.logic), (false, &mut self.io)] {
            let Some(thread) = self.idle.iter().find(of(is_logic)).copied() else { continue };
            if let Some(task) = queue.pop_front() {
                return Some((thread, task));
            }
        }
        None
    }

    fn thread_of(&self, job: JobId) -> Option<Thread> {
        self.jobs.get(&job).map(|job| job.thread)
    }
}

impl ChatServer {
    /// Threads work until each is idle or waits.
    pub(super) fn run(&mut self, ctx: &mut Context<ChatNode>) {
        loop {
            while let Some((handle, asked)) = self.library.poll() {
                self.on_lock(ctx, handle, asked);
            }
            if let Some((job, event)) = self.work.ready.pop_front() {
                self.resume(ctx, job, event);
            } else if let Some((thread, task)) = self.work.next_task() {
                self.begin(ctx, thread, task);
            } else {
                return;
            }
        }
    }

    /// A thread takes a task.
    fn begin(&mut self, ctx: &mut Context<ChatNode>, thread: Thread, task: Task) {
        let work = match task {
            Task::Heartbeat(session) => return self.note_heard(ctx, session),
            Task::Login(session, uid, token) => Work::Login(Login::new(session, uid, token)),
            Task::CleanUp(session, uid) => Work::CleanUp(Cleaning::new(session, uid)),
        };
        self.work.idle.remove(&thread);
        self.work.next_job += 1;
        let job = self.work.next_job;
        self.work.jobs.insert(job, Job { thread, connection: None, is_broken: false, work });
        self.work.wake(job, Event::Go);
    }

    /// A job takes its next step.
    fn resume(&mut self, ctx: &mut Context<ChatNode>, id: JobId, event: Event) {
        let Some(mut job) = self.work.jobs.remove(&id) else { return };
        if matches!(event, Event::Go) && job.connection.is_none() {
            job.connection = self.pool.take(id);
            let Some(connection) = job.connection else {
                self.work.jobs.insert(id, job);
                return;
            };
            ctx.observe(ChatObservation::PoolTaken(connection));
        }
        if let (Event::Reply(None), Some(connection), false) = (&event, job.connection, job.is_broken) {
            job.is_broken = true;
            ctx.observe(ChatObservation::PoolBroken(connection));
        }
        let was_broken = job.connection.is_some_and(|connection| self.pool.is_broken(connection));
        let me = Me { job: id, thread: job.thread, is_broken: was_broken };
        let flow = match &mut job.work {
            Work::Login(login) => self.log_in(ctx, me, login, event),
            Work::CleanUp(cleaning) => self.clean_up(ctx, me, cleaning, event),
        };
        match flow {
            Flow::Waits => drop(self.work.jobs.insert(id, job)),
            Flow::Done => self.end(ctx, &job),
        }
    }

    /// A job is done: its thread is idle, and its connection goes back.
    fn end(&mut self, ctx: &mut Context<ChatNode>, job: &Job) {
        self.work.idle.insert(job.thread);
        let connection = job.connection.expect("a job begins with a connection");
        let returned = match (job.is_broken, self.options.bug) {
            (true, Bug::NullConnectionReturned) => return ctx.observe(ChatObservation::PoolReturned(None)),
            (true, Bug::NoReplyIsBusy) => {
                self.pool.note_broken(connection);
                connection
            }
            (true, _) => {
                ctx.observe(ChatObservation::PoolClosed(connection));
                return self.open_connection(ctx);
            }
            (false, _) => connection,
        };
        ctx.observe(ChatObservation::PoolReturned(Some(returned)));
        self.put(returned);
    }

    /// A new connection to the redis comes into the pool.
    pub(super) fn open_connection(&mut self, ctx: &mut Context<ChatNode>) {
        let connection = self.pool.open();
        ctx.observe(ChatObservation::PoolOpened(connection));
        self.put(connection);
    }

    fn put(&mut self, connection: u64) {
        if let Some(job) = self.pool.put(connection) {
            self.work.wake(job, Event::Go);
        }
    }

    /// A job asks for the lock of a user.
    pub(super) fn ask_lock(&mut self, ctx: &mut Context<ChatNode>, me: Me, uid: Uid) -> Flow {
        ctx.observe(ChatObservation::Waits { thread: me.thread, guard: Guard::Lock(uid) });
        let handle = self.library.acquire(ctx, uid.lock());
        self.locks.insert(handle, (me.job, uid));
        Flow::Waits
    }

    fn on_lock(&mut self, ctx: &mut Context<ChatNode>, handle: HandleId, asked: Asked) {
        let Some((job, uid)) = self.locks.remove(&handle) else { return };
        let Some(thread) = self.work.thread_of(job) else { return };
        let guard = Guard::Lock(uid);
        ctx.observe(match asked {
            Asked::Had => ChatObservation::Has { thread, guard },
            Asked::Busy | Asked::Unanswered => ChatObservation::Frees { thread, guard },
        });
        self.work.wake(job, Event::Lock(handle, asked));
    }

    /// A job gives the lock of a user back, if it has it, and reports that.
    pub(super) fn give_back(
        &mut self,
        ctx: &mut Context<ChatNode>,
        me: Me,
        lock: Option<HandleId>,
        of: (SessionId, Uid),
    ) {
        let (session, uid) = of;
        if let Some(handle) = lock {
            ctx.observe(ChatObservation::Frees { thread: me.thread, guard: Guard::Lock(uid) });
            self.library.release(ctx, handle);
        }
        if lock.is_some() || self.options.bug == Bug::EmptyReleaseSucceeds {
            ctx.observe(ChatObservation::GivenBack { session, uid });
        }
    }

    /// A job asks the redis.
    pub(super) fn ask(&mut self, ctx: &mut Context<ChatNode>, me: Me, words: Words) -> Flow {
        if me.is_broken {
            // A connection that has failed once answers nothing any more.
            self.work.wake(me.job, Event::Reply(None));
        } else {
            self.call(ctx, words, Call::Job(me.job));
        }
        Flow::Waits
    }

    /// Asks the redis.
    pub(super) fn call(&mut self, ctx: &mut Context<ChatNode>, words: Words, call: Call) {
        let request = self.library.call(ctx, words);
        self.calls.insert(request, call);
        ctx.set_timer(ChatTimer::Call(request), self.options.call_timeout);
    }

    /// The redis has answered, or not in time.
    pub(super) fn on_reply(&mut self, ctx: &mut Context<ChatNode>, request: RequestId, reply: Option<Reply>) {
        let Some(call) = self.calls.remove(&request) else { return };
        ctx.cancel_timer(ChatTimer::Call(request));
        match call {
            Call::Job(job) => self.work.wake(job, Event::Reply(reply)),
            Call::Renewal { session, sent } => self.on_renewed(ctx, session, sent, reply.as_ref()),
            Call::Count => {}
        }
    }

    /// A job lets this much time pass.
    pub(super) fn sleep(&self, ctx: &mut Context<ChatNode>, me: Me, span: Duration) -> Flow {
        ctx.set_timer(ChatTimer::Step(me.job), span);
        Flow::Waits
    }

    /// The time from one step of a thread to the next.
    pub(super) fn gap(&self, ctx: &mut Context<ChatNode>) -> Duration {
        ctx.rng().duration(Duration::ZERO, self.options.gap_max)
    }

    /// A job asks for a mutex.
    pub(super) fn take_mutex(&mut self, ctx: &mut Context<ChatNode>, me: Me, mutex: Mutex) -> Flow {
        let (thread, guard) = (me.thread, Guard::Mutex(mutex));
        ctx.observe(ChatObservation::Waits { thread, guard });
        if self.mutexes.take(mutex, me.job) {
            ctx.observe(ChatObservation::Has { thread, guard });
            self.work.wake(me.job, Event::Mutex);
        }
        Flow::Waits
    }

    /// A job gives a mutex back, and the next one has it.
    pub(super) fn free_mutex(&mut self, ctx: &mut Context<ChatNode>, me: Me, mutex: Mutex) {
        let guard = Guard::Mutex(mutex);
        ctx.observe(ChatObservation::Frees { thread: me.thread, guard });
        if let Some(next) = self.mutexes.free(mutex, me.job) {
            let thread = self.work.thread_of(next).expect("a job that waits is there");
            ctx.observe(ChatObservation::Has { thread, guard });
            self.work.wake(next, Event::Mutex);
        }
    }
}

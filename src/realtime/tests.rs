//! The order in which a node's writes and messages leave, and what becomes of both when the disk fails.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use splitbrain_kernel::context::Context;
use splitbrain_kernel::node::{Change, Completion, Face, FileId, Message, Never, Observation};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::time::Duration;

use super::*;

const SERVER: NodeId = NodeId::server(1);
const PEER: NodeId = NodeId::server(2);

/// Saves a number and says so when it is durable; tells how late a timer is.
#[derive(Debug)]
struct Saver;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Saved;

#[derive(Clone, Debug, Serialize)]
enum Told {
    Late(Duration),
}

impl Message for Saved {
    const KINDS: &'static [&'static str] = &["saved"];
    fn kind(&self) -> usize {
        0
    }
}

impl Observation for Told {
    const NAMES: &'static [&'static str] = &["late"];
    fn face(&self) -> Face {
        Face::new("late", Change::None)
    }
}

impl Node for Saver {
    type Message = Saved;
    type Timer = ();
    type Record = u64;
    type Observation = Told;
    type Operation = Never;
    type Response = Never;
    type Order = Never;
    type Step = Never;

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        let write = ctx.save(FileId(1), 7);
        ctx.send_after(write, PEER, Saved);
        ctx.set_timer((), Duration::from_millis(1));
    }

    fn on_message(&mut self, _: &mut Context<Self>, _: Source, _: Saved) {}

    fn on_timer(&mut self, ctx: &mut Context<Self>, (): ()) {
        let due = Instant::from_nanos(1_000_000);
        ctx.observe(Told::Late(ctx.now().since(due)));
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, _: Completion) {
        ctx.send(PEER, Saved);
    }
}

/// Notes what is carried out; its disk takes a while, or fails.
struct Notes {
    seen: Seen,
    disk_fails: bool,
}

impl Notes {
    fn note(&self, what: &'static str) {
        self.seen.lock().expect("no thread panics with it").push(what);
    }
}

impl Carrier<Saver> for Notes {
    fn send(&mut self, _: NodeId, _: Option<ConnectionId>, _: Saved) {
        self.note("send");
    }

    fn notify_peer(&mut self, _: NodeId, _: ConnectionId, _: ConnectionChange) {}

    fn write(&mut self, _: Write<u64>) -> io::Result<()> {
        self.note("write");
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.note("sync");
        std::thread::sleep(WallDuration::from_millis(50));
        if self.disk_fails { Err(io::Error::other("no room")) } else { Ok(()) }
    }

    fn end(&mut self) -> io::Result<()> {
        self.note("end");
        Ok(())
    }
}

/// What was carried out, in order.
type Seen = Arc<Mutex<Vec<&'static str>>>;

/// What the node let know.
type Heard = Receiver<(NodeId, News<Saver>)>;

/// A node whose disk works or fails, what is carried out, and what it lets know.
fn stage(disk_fails: bool) -> (EventLoop<Saver, Notes>, Seen, Heard) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (news_sender, news) = channel();
    let carrier = Notes { seen: Arc::clone(&seen), disk_fails };
    let host = Host::new(SERVER, Seed(1), |_| Saver);
    (EventLoop::new(host, carrier, news_sender, WallInstant::now()), seen, news)
}

/// The sync takes 50 ms and the timer is due after 1 ms: a clock that stood still would say that it is in time.
#[test]
fn what_follows_a_write_leaves_when_the_disk_has_it_and_a_late_timer_knows() {
    let (events, seen, news) = stage(false);
    let (post, mailbox) = channel();
    let running = std::thread::spawn(move || events.run(&mailbox));
    let Ok((SERVER, News::Observed(Told::Late(late)))) = news.recv() else { panic!("the timer fires first") };
    post.send(Letter::Stop).expect("it runs");
    running.join().expect("it does not panic").expect("the disk works");
    assert_eq!(*seen.lock().expect("no thread panics with it"), ["write", "sync", "send", "send", "end"]);
    assert!(late >= Duration::from_millis(40), "{late}");
}

#[test]
fn nothing_leaves_after_a_disk_that_fails() {
    let (events, seen, news) = stage(true);
    let (_post, mailbox) = channel();
    let ended = events.run(&mailbox);
    assert_eq!(ended.expect_err("the disk fails").to_string(), "no room");
    assert_eq!(*seen.lock().expect("no thread panics with it"), ["write", "sync"]);
    let told: Vec<News<Saver>> = news.try_iter().map(|(_, news)| news).collect();
    let [News::Exited(reason)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(reason, "the disk failed: no room");
}

//! The server of `splitbrain serve lock` on a thread of this process, stopped with its value.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use splitbrain::serve::{LockServer, LockServerOptions};

use crate::real::Connection;

/// A server on a thread, stopped with this value.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Served {
    pub(crate) fn start(change: impl FnOnce(&mut LockServerOptions)) -> Self {
        let mut options = LockServerOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        change(&mut options);
        let server = LockServer::bind(options).unwrap();
        let address = server.address().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = Some(std::thread::spawn(move || server.run(&flag)));
        Self { address, stop, thread }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::new(self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.expect("the server does not panic").expect("the server ends well");
        }
    }
}

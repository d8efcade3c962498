//! `splitbrain serve lock` where the system gives it few files.

#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::real::Connection;
use crate::shown;

/// The program with a limit of open files, stopped with this value.
struct Program {
    process: Child,
    address: SocketAddr,
}

impl Program {
    fn start(files: usize) -> Self {
        let program = env!("CARGO_BIN_EXE_splitbrain");
        let mut process = Command::new("sh")
            .args(["-c", &format!("ulimit -n {files} && exec \"$0\" serve lock --port 0"), program])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ").expect("it says where it listens").parse().unwrap();
        Self { process, address }
    }

    fn connect(&self) -> Connection {
        Connection::new(self.address)
    }

    /// From here on it can have no more than these files open, until it is given more.
    fn limit_files(&self, files: u64) {
        let id = self.process.id().to_string();
        let status = Command::new("prlimit").args(["--pid", &id, &format!("--nofile={files}:256")]).status();
        assert!(status.expect("prlimit is part of util-linux").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_limit_of_files_lowers_that_of_clients() {
    let program = Program::start(64);
    let mut kept: Vec<Connection> = (0..32).map(|_| program.connect()).collect();
    kept.iter_mut().for_each(|connection| assert_eq!(connection.ask(&["PING"]), b"+PONG\r\n"));
    let (answer, closed) = program.connect().rest(Duration::from_secs(10));
    assert_eq!((shown(&answer), closed), (r"-ERR max number of clients reached\r\n".to_owned(), true));
    kept[0].ask(&["QUIT"]);
    kept[0].rest(Duration::from_secs(10));
    assert_eq!(program.connect().ask(&["PING"]), b"+PONG\r\n", "there is room again");
}

#[test]
fn a_client_that_the_system_refused_is_answered_when_files_are_free() {
    let program = Program::start(256);
    let mut first: Vec<Connection> = (0..20).map(|_| program.connect()).collect();
    first.iter_mut().for_each(|connection| assert_eq!(connection.ask(&["PING"]), b"+PONG\r\n"));
    program.limit_files(20);
    let mut late: Vec<Connection> = (0..5).map(|_| program.connect()).collect();
    late.iter_mut().for_each(|connection| connection.send(b"PING\r\n"));
    let (answer, closed) = late[0].rest(Duration::from_millis(300));
    assert_eq!((shown(&answer), closed), (String::new(), false), "it waits for its connection");
    // Files that are freed by clients are given to those that wait.
    drop(first);
    let (waited, others) = late.split_first_mut().unwrap();
    others.iter_mut().for_each(|connection| assert_eq!(connection.receive().0, b"+PONG\r\n"));
    assert_eq!(shown(&waited.rest(Duration::from_millis(300)).0), r"+PONG\r\n");
    // And so are those that come from elsewhere.
    program.limit_files(3);
    let mut last = program.connect();
    last.send(b"PING\r\n");
    assert_eq!(last.rest(Duration::from_millis(300)).0, b"");
    program.limit_files(256);
    assert_eq!(shown(&last.rest(Duration::from_secs(2)).0), r"+PONG\r\n");
}

//! The program `splitbrain serve lock`: how it begins and how it ends.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::real::Connection;

/// The program, ended with this value if it has not ended before.
struct Program(Child);

impl Program {
    fn start(port: u16) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_splitbrain"))
            .args(["serve", "lock", "--port", &port.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(program.unwrap())
    }

    /// Where it says that it listens.
    fn address(&mut self) -> SocketAddr {
        let mut line = String::new();
        BufReader::new(self.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        line.trim_end().strip_prefix("listening on ").expect("it says where it listens").parse().unwrap()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// The code that it ends with, and what it says of errors.
    fn end(mut self) -> (Option<i32>, String) {
        let until = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut errors = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (status.code(), errors)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Goal: at either signal clients get the replies that they have asked for, and the program ends well.
#[test]
fn a_signal_ends_it_after_the_last_replies() {
    const ASKED: usize = 12;
    let value = "x".repeat(1_000_000);
    for signal in ["TERM", "INT"] {
        let mut program = Program::start(0);
        let address = program.address();
        let mut connection = Connection::new(address);
        assert_eq!(connection.ask(&["SET", "k", &value]), b"+OK\r\n");
        // More than the buffers of a socket hold, and nothing of it is read yet.
        connection.send(&b"GET k\r\n".repeat(ASKED));
        let mut other = Connection::new(address);
        assert_eq!(other.ask(&["PING"]), b"+PONG\r\n");
        std::thread::sleep(Duration::from_millis(200));
        program.signal(signal);
        let (answer, closed) = connection.rest(Duration::from_secs(10));
        assert!(closed, "{signal}: the connection is closed");
        assert_eq!(answer.len(), ASKED * (value.len() + "$1000000\r\n\r\n".len()), "{signal}: every reply is whole");
        assert_eq!(other.rest(Duration::from_secs(10)), (Vec::new(), true), "{signal}");
        assert_eq!(program.end(), (Some(0), String::new()), "{signal}");
    }
}

#[test]
fn a_port_that_is_taken_is_a_wrong_argument() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let (code, errors) = Program::start(address.port()).end();
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains(&format!("cannot listen on {address}: ")), "{errors}");
}

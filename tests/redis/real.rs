//! A real `redis-server` on a free port of this machine, stopped by its process.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::wire::{self, Wire};

/// A server that ends with this value.
pub(crate) struct Redis {
    process: Child,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Redis {
    /// Starts one; `None` if it is not installed and need not be.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let required = std::env::var("SPLITBRAIN_REDIS").is_ok_and(|value| value == "required");
        for attempt in 0..10 {
            match Self::try_start(&format!("{test}-{attempt}")) {
                Ok(Some(redis)) => return Some(redis),
                // The port was free a moment ago, and another process has it now: with another one.
                Ok(None) => {}
                Err(error) => {
                    assert!(!required, "SPLITBRAIN_REDIS=required, and redis-server does not start: {error}");
                    return None;
                }
            }
        }
        panic!("redis-server got none of ten free ports");
    }

    /// Starts one on a port that was free; `None` if it did not get it.
    fn try_start(name: &str) -> std::io::Result<Option<Self>> {
        let folder = std::env::temp_dir().join(format!("splitbrain-redis-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let process = Command::new("redis-server")
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--logfile", "log", "--dir"])
            .arg(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut redis = Self { process, folder, address };
        Ok(redis.answers().then_some(redis))
    }

    /// Waits until this very process answers, and not another that has its port.
    fn answers(&mut self) -> bool {
        let id = format!("process_id:{}\r\n", self.process.id());
        let until = Instant::now() + Duration::from_secs(30);
        while self.process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "redis-server does not answer on {}", self.address);
            if let Ok(mut stream) = TcpStream::connect(self.address) {
                let mut answer = String::new();
                // With QUIT the server closes the connection after its answer.
                let asked = stream
                    .set_read_timeout(Some(Duration::from_secs(5)))
                    .and_then(|()| stream.write_all(b"INFO server\r\nQUIT\r\n"))
                    .and_then(|()| stream.read_to_string(&mut answer));
                if asked.is_ok() && answer.contains(&id) {
                    return true;
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::new(self.address)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            eprintln!("what redis-server on {} logged:\n{log}", self.address);
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A connection that reads whole replies.
pub(crate) struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream, bytes: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends bytes to a server that may close the connection meanwhile.
    pub(crate) fn send_what_goes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Closes this side: the server reads to the end of what was sent.
    pub(crate) fn send_no_more(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads the snapshot that a replica gets first: its length in a line, then its bytes.
    pub(crate) fn skip_snapshot(&mut self) {
        let mut buffer = [0; 16 * 1024];
        loop {
            let start = self.bytes.iter().position(|byte| *byte == b'$');
            let end = start.and_then(|start| Some(start + self.bytes[start..].windows(2).position(|p| p == b"\r\n")?));
            if let (Some(start), Some(end)) = (start, end) {
                let length: usize = std::str::from_utf8(&self.bytes[start + 1..end]).unwrap().parse().unwrap();
                if self.bytes.len() >= end + 2 + length {
                    self.bytes.drain(..end + 2 + length);
                    return;
                }
            }
            let length = self.stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the server closed the connection");
            self.bytes.extend_from_slice(&buffer[..length]);
        }
    }

    /// The next reply, as bytes and taken apart.
    pub(crate) fn receive(&mut self) -> (Vec<u8>, Wire) {
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some((reply, length)) = (!self.bytes.is_empty()).then(|| wire::reply(&self.bytes)).flatten() {
                return (self.bytes.drain(..length).collect(), reply);
            }
            let length = self.stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the server closed the connection");
            self.bytes.extend_from_slice(&buffer[..length]);
        }
    }

    pub(crate) fn ask(&mut self, arguments: &[&str]) -> Vec<u8> {
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
        self.send(&wire::request(&arguments));
        self.receive().0
    }

    /// Everything until the server closes the connection, or is silent for this long.
    pub(crate) fn rest(&mut self, silence: Duration) -> (Vec<u8>, bool) {
        self.stream.set_read_timeout(Some(silence)).unwrap();
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return (std::mem::take(&mut self.bytes), true),
                Ok(length) => self.bytes.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return (std::mem::take(&mut self.bytes), true);
                }
                Err(_) => return (std::mem::take(&mut self.bytes), false),
            }
        }
    }
}

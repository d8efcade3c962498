//! A client of the store: it asks one server until that one sends it to the other, fails, or says nothing.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::store::CLIENT_PORT;

const PATIENCE: Duration = Duration::from_millis(800);

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A write is stored, or this is what a read found.
    Done(u64),
    /// It had no effect.
    Refused,
    /// It may have had one.
    Unknown,
}

/// Its connection to one of the servers.
#[derive(Debug)]
pub(crate) struct Client {
    servers: Vec<IpAddr>,
    favourite: usize,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    /// It asks the first of these servers first.
    pub(crate) const fn new(servers: Vec<IpAddr>) -> Self {
        Self { servers, favourite: 0, stream: None }
    }

    /// One request, to the server that answered last.
    pub(crate) async fn ask(&mut self, request: &str) -> Answer {
        let answer = match timeout(PATIENCE, self.exchange(request)).await {
            Ok(Ok(line)) => read(&line),
            Ok(Err(_)) | Err(_) => Answer::Unknown,
        };
        if !matches!(answer, Answer::Done(_)) {
            self.favourite = (self.favourite + 1) % self.servers.len();
            self.stream = None;
        }
        answer
    }

    async fn exchange(&mut self, request: &str) -> io::Result<String> {
        if self.stream.is_none() {
            let stream = TcpStream::connect((self.servers[self.favourite], CLIENT_PORT)).await?;
            self.stream = Some(BufReader::new(stream));
        }
        let stream = self.stream.as_mut().expect("it is connected");
        stream.write_all(format!("{request}\n").as_bytes()).await?;
        stream.flush().await?;
        let mut line = String::new();
        match stream.read_line(&mut line).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }
}

fn read(line: &str) -> Answer {
    match line.trim_end().split(' ').collect::<Vec<_>>()[..] {
        ["done"] => Answer::Done(0),
        ["value", value] => value.parse().map_or(Answer::Unknown, Answer::Done),
        ["elsewhere"] => Answer::Refused,
        _ => Answer::Unknown,
    }
}

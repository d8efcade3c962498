//! A client: one connection, made anew whenever an answer does not come.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_millis(500);

/// A client of one server.
#[derive(Debug)]
pub struct Client {
    server: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    /// It connects when it is first asked for something.
    pub const fn new(server: SocketAddr) -> Self {
        Self { server, stream: None }
    }

    /// A ticket; `None` if there is no answer in time.
    pub async fn ticket(&mut self) -> Option<u64> {
        let answer = timeout(PATIENCE, self.ask()).await.ok().and_then(Result::ok);
        if answer.is_none() {
            tracing::info!("no answer, the connection is given up");
            self.stream = None;
        }
        answer
    }

    async fn ask(&mut self) -> io::Result<u64> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(BufReader::new(TcpStream::connect(self.server).await?)),
        };
        stream.write_all(b"next\n").await?;
        stream.flush().await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        line.trim_end().parse().map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

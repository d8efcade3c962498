//! The server: it answers each line of a connection with the next number, and observes that it does where it is under
//! test.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, split};
use tokio::net::{TcpListener, TcpStream};

/// Where it listens.
pub const PORT: u16 = 7_000;

/// What the first number of a process is.
#[derive(Clone, Copy, Debug)]
pub enum Numbering {
    /// Zero. This is the bug: after a crash the same numbers come again.
    #[cfg_attr(not(madsim), expect(dead_code, reason = "only the test runs the bug"))]
    FromZero,
    /// The time at which the process starts, with room for the numbers of a millisecond.
    FromClock,
}

impl Numbering {
    fn first(self) -> u64 {
        match self {
            Self::FromZero => 0,
            Self::FromClock => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(now.as_millis()).unwrap_or(u64::MAX >> 20) << 20
            }
        }
    }
}

/// Serves until the process ends.
pub async fn serve(address: SocketAddr, numbering: Numbering) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let next = Arc::new(AtomicU64::new(numbering.first()));
    tracing::info!(%address, ?numbering, "serving");
    loop {
        let (stream, peer) = listener.accept().await?;
        tracing::debug!(%peer, "a client has come");
        let next = Arc::clone(&next);
        tokio::spawn(async move {
            if let Err(error) = hand_out(stream, &next).await {
                tracing::warn!(%peer, %error, "a client is lost");
            }
        });
    }
}

async fn hand_out(stream: TcpStream, next: &AtomicU64) -> io::Result<()> {
    let (reader, mut writer) = split(stream);
    let mut lines = BufReader::new(reader).lines();
    while lines.next_line().await?.is_some() {
        let ticket = next.fetch_add(1, Ordering::Relaxed);
        #[cfg(madsim)]
        splitbrain_madsim::observe(crate::under_test::TicketObservation::HandedOut { ticket });
        writer.write_all(format!("{ticket}\n").as_bytes()).await?;
        // Under madsim nothing leaves before.
        writer.flush().await?;
    }
    Ok(())
}

//! A user of mini-redis: one connection, and an idea of how long to wait for an answer.

use std::net::SocketAddr;
use std::time::Duration;

use mini_redis::client::{self, Client};
use tokio::time::{sleep, timeout};

/// How long a client waits before it connects again.
const PAUSE: Duration = Duration::from_millis(20);

/// What a user does if no answer comes.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// It gives up after this time, and asks the next thing over a new connection.
    GivesUp(Duration),
    /// It waits for the answer, however long it takes.
    Waits,
}

/// A connection to the server.
pub struct User {
    server: SocketAddr,
    patience: Patience,
    connection: Option<Client>,
}

impl User {
    /// It connects when it is first asked for something.
    pub const fn new(server: SocketAddr, patience: Patience) -> Self {
        Self { server, patience, connection: None }
    }

    /// Writes a counter; `None` if it is not known whether it is written.
    pub async fn write(&mut self, key: &str, value: u64) -> Option<()> {
        let patience = self.patience;
        let answer =
            within(patience, async { self.connection().await?.set(key, value.to_string().into()).await }).await;
        self.settle(answer)
    }

    /// Reads a counter, 0 if there is none; `None` if no answer comes.
    pub async fn read(&mut self, key: &str) -> Option<u64> {
        let patience = self.patience;
        let answer = within(patience, async { self.connection().await?.get(key).await }).await;
        let text = self.settle(answer)?;
        text.map_or(Some(0), |text| {
            let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            Some(number.expect("only numbers are written"))
        })
    }

    async fn connection(&mut self) -> mini_redis::Result<&mut Client> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(client::connect(self.server).await?)),
        }
    }

    /// After anything but an answer the connection is given up.
    fn settle<T>(&mut self, answer: Option<mini_redis::Result<T>>) -> Option<T> {
        let answer = answer.and_then(Result::ok);
        if answer.is_none() {
            self.connection = None;
        }
        answer
    }
}

async fn within<T>(
    patience: Patience,
    answer: impl Future<Output = mini_redis::Result<T>>,
) -> Option<mini_redis::Result<T>> {
    let answer = match patience {
        Patience::GivesUp(after) => timeout(after, answer).await.ok(),
        Patience::Waits => Some(answer.await),
    };
    if !matches!(answer, Some(Ok(_))) {
        sleep(PAUSE).await;
    }
    answer
}

//! `splitbrain serve`: a shipped server behind a real socket.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::command::CommandError;
use crate::exit_code::ExitCode;
use crate::serve::{LockServer, LockServerOptions};

/// What `serve` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The server
    #[arg(value_enum)]
    server: Served,

    /// The port; 0 chooses a free one, and the first line of the output says which
    #[arg(long, value_name = "PORT", default_value_t = 6379)]
    port: u16,

    /// The address to listen on; there is no password, so keep it local
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,

    /// How many clients there may be, as far as the limit of open files allows; more are refused
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    connections_max: usize,

    /// How many bytes of a client may wait: of an unfinished request or transaction, and of replies; and of one reply
    #[arg(long, value_name = "BYTES", default_value_t = 64 * 1024 * 1024)]
    bytes_max: usize,

    /// Cut off a client from which nothing comes for this many seconds; 0 never does
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    idle_max: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Served {
    /// The lock server, which speaks the protocol of Redis
    Lock,
}

/// Does it, until SIGINT or SIGTERM.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone()).map_err(CommandError::usage)?;
    }
    let options = arguments.options();
    let address = options.address;
    let Served::Lock = arguments.server;
    let cannot = |error: std::io::Error| CommandError::usage(format!("cannot listen on {address}: {error}"));
    let server = LockServer::bind(options).map_err(cannot)?;
    let bound = server.address().map_err(cannot)?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening on {bound}").and_then(|()| stdout.flush()).map_err(CommandError::stdout)?;
    drop(stdout);
    server.run(&stop).map_err(CommandError::usage)?;
    Ok(ExitCode::AsExpected)
}

impl Arguments {
    fn options(&self) -> LockServerOptions {
        LockServerOptions {
            connections_max: self.connections_max,
            request_bytes_max: self.bytes_max,
            reply_bytes_max: self.bytes_max,
            idle_max: (self.idle_max > 0).then(|| Duration::from_secs(self.idle_max)),
            ..LockServerOptions::new(SocketAddr::new(self.bind, self.port))
        }
    }
}

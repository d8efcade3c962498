//! A service that hands out tickets, each of which should be the only one of its number.
//!
//! `server.rs` and `client.rs` are plain tokio code: replace them by your own. `under_test.rs` puts them under
//! splitbrain. Built as `.cargo/config.toml` has it, the program is the test; built without these flags, it is the
//! server.

mod server;

#[cfg(madsim)]
mod client;
#[cfg(madsim)]
mod under_test;

#[cfg(madsim)]
fn main() -> std::process::ExitCode {
    let tickets = splitbrain_madsim::ServiceOnMadsim::<under_test::Tickets>::new();
    // The name is what the lines to copy begin with.
    splitbrain::Cli::new().name("cargo run --").engine(tickets).main()
}

#[cfg(not(madsim))]
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    if std::env::args().len() > 1 {
        // As when the flags are lost that make it the test.
        return Err(std::io::Error::other("the server takes no arguments; for the test, build with --cfg madsim"));
    }
    server::serve(([127, 0, 0, 1], server::PORT).into(), server::Numbering::FromClock).await
}

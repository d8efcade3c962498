//! mini-redis, the example application of tokio, under splitbrain: code that was not written for this project.
//!
//! `client.rs` uses its client as a user might, `under_test.rs` puts server and clients under scenarios, faults and
//! invariants. What is found is no bug of mini-redis: a client that gives up a request and goes on over another
//! connection may find that the request is carried out later (see `scenarios/one_way.toml`).

#[cfg(madsim)]
mod client;
#[cfg(madsim)]
mod under_test;

#[cfg(madsim)]
fn main() -> std::process::ExitCode {
    splitbrain_madsim::measured::<under_test::MiniRedis>("just mini-redis")
}

#[cfg(not(madsim))]
fn main() -> std::process::ExitCode {
    eprintln!("this was built without madsim, and does nothing: .cargo/config.toml has the flags");
    std::process::ExitCode::from(2)
}

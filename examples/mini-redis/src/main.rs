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
    let cli = |service| splitbrain::Cli::new().name("just mini-redis").engine(service);
    let service = splitbrain_madsim::ServiceOnMadsim::<under_test::MiniRedis>::new();
    // For `just async-table` alone: what a process for each run, and a seed for tokio, cost.
    let mut arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let mode = arguments.get(1).and_then(|first| first.to_str()).map(str::to_owned);
    match mode.as_deref() {
        Some("in-one-process") => _ = arguments.remove(1),
        Some("in-one-process-unseeded") => {
            arguments.remove(1);
            return cli(service.with_unseeded_tokio()).run(arguments).into();
        }
        _ => return cli(service).main(),
    }
    cli(service).run(arguments).into()
}

#[cfg(not(madsim))]
fn main() -> std::process::ExitCode {
    eprintln!("this was built without madsim, and does nothing: .cargo/config.toml has the flags");
    std::process::ExitCode::from(2)
}

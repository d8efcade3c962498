//! The kernel and madsim side by side: what a message, an event and a run cost on either.
//!
//! `just madsim-table` prints the table, `just madsim-table --write` keeps it in `reports/gallery/performance.md`.

#[cfg(madsim)]
#[path = "../../../../benches/common/best.rs"]
mod best;
#[cfg(madsim)]
#[path = "../../../../benches/common/election.rs"]
mod election;
#[cfg(madsim)]
#[path = "../../../../benches/common/grouped.rs"]
mod grouped;
#[cfg(madsim)]
#[path = "../../../../benches/common/ping_pong.rs"]
mod ping_pong;
#[cfg(madsim)]
mod table;

#[cfg(madsim)]
fn main() {
    table::main();
}

#[cfg(not(madsim))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "this was built without madsim, and does nothing: build it with \
               RUSTFLAGS=\"--cfg madsim --cfg tokio_unstable\""
    );
    std::process::ExitCode::from(2)
}

//! A primary/backup key-value service over TCP, under splitbrain: `store.rs` and `client.rs` are plain tokio code,
//! `service.rs` is all that it takes to put them under scenarios, faults and invariants (`docs/madsim.md`).
//!
//! It has a bug that no symmetric partition shows: any word from the backup renews the primary's lease, also from a
//! backup that no longer hears the primary.
//!
//! ```sh
//! RUSTFLAGS="--cfg madsim --cfg tokio_unstable" cargo run --target-dir target/madsim \
//!     -p splitbrain-madsim --example kv -- test sim/madsim/examples/kv
//! ```

#[cfg(madsim)]
mod client;
#[cfg(madsim)]
mod service;
#[cfg(madsim)]
mod store;

#[cfg(madsim)]
use service::{Store, StoreObservation};

#[cfg(madsim)]
fn main() -> std::process::ExitCode {
    splitbrain_madsim::measured::<Store>("just madsim-kv")
}

#[cfg(not(madsim))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "this example was built without madsim, and does nothing: build it with \
               RUSTFLAGS=\"--cfg madsim --cfg tokio_unstable\""
    );
    std::process::ExitCode::from(2)
}

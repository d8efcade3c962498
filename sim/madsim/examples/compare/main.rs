//! Judges every scenario on both engines, side by side, with seeds-to-find: the kernel and madsim must agree.
//!
//! ```sh
//! just madsim-compare                    # every system, 50 seeds or the file's `within`, where that is more
//! just madsim-compare --seeds 3          # a short form of the same
//! just madsim-compare --system reactor   # the scenarios of one system
//! just madsim-compare --write            # keeps the tables: reports/gallery/madsim.md for raft, madsim-SYSTEM.md
//! ```

#[cfg(madsim)]
mod table;

#[cfg(madsim)]
fn main() -> std::process::ExitCode {
    table::main()
}

#[cfg(not(madsim))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "this was built without madsim, and does nothing: build it with \
               RUSTFLAGS=\"--cfg madsim --cfg tokio_unstable\""
    );
    std::process::ExitCode::from(2)
}

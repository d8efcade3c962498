//! The `splitbrain-madsim` program: every command over the shipped systems, with madsim under them.

use std::process::ExitCode;

#[cfg(madsim)]
fn main() -> ExitCode {
    use splitbrain::Cli;
    use splitbrain_madsim::OnMadsim;
    use splitbrain_systems::chat::Chat;
    use splitbrain_systems::lock::Lock;
    use splitbrain_systems::raft::Raft;
    use splitbrain_systems::reactor::Reactor;
    use splitbrain_systems::session::Sessions;

    let (raft, reactor) = (OnMadsim::<Raft>::new(), OnMadsim::<Reactor>::new());
    let (lock, sessions) = (OnMadsim::<Lock>::new(), OnMadsim::<Sessions>::new());
    let cli = Cli::new().name("splitbrain-madsim");
    cli.engine(raft).engine(reactor).engine(lock).engine(sessions).engine(OnMadsim::<Chat>::new()).main()
}

#[cfg(not(madsim))]
fn main() -> ExitCode {
    eprintln!(
        "splitbrain-madsim was built without madsim, and does nothing.\n\
         Build it with the flag, in a target directory of its own:\n\
         \n    RUSTFLAGS=\"--cfg madsim --cfg tokio_unstable\" \
         cargo run --release --target-dir target/madsim -p splitbrain-madsim -- --help\n\
         \nor: just madsim --help. docs/madsim.md says where the flag is lost silently."
    );
    ExitCode::from(2)
}

//! Goal: a run of a service is a function of its seed, whatever its code keeps outside of the run: alone, in a
//! campaign, on one thread or two, and in a replay.
//!
//! Method: this test is a program of its own, with every command over one service; without arguments it calls itself
//! and looks at what it printed.

#[cfg(not(madsim))]
fn main() {
    panic!("built without madsim: run it by `just madsim-test`");
}

#[cfg(madsim)]
mod chance;
#[cfg(madsim)]
mod checks;

#[cfg(madsim)]
fn main() -> std::process::ExitCode {
    let first = std::env::args().nth(1);
    if first.is_some_and(|first| !first.starts_with('-')) {
        let service = splitbrain_madsim::ServiceOnMadsim::<chance::Chance>::new();
        return splitbrain::Cli::new().name("chance").engine(service).main();
    }
    checks::all()
}

//! Whether getrandom 0.2, which rand 0.8 stands on, is the one that the seed decides.
//!
//! The published getrandom 0.2 asks Linux by a raw system call, which madsim does not see. `sim/madsim/getrandom` takes
//! its place by a `[patch.crates-io]` in the workspace of the service. A forgotten patch would show as a run that
//! differs from itself, sometime; so it is looked for before anything runs.

use std::sync::OnceLock;

use madsim::Config;
use madsim::runtime::Runtime;
use splitbrain::engine::Unsupported;

use crate::engine::on_fresh_thread;

/// What is wrong with getrandom 0.2 in this program; `None` if its bytes are the seed's.
pub(crate) fn unseeded() -> Option<Unsupported> {
    static IS_SEEDED: OnceLock<bool> = OnceLock::new();
    let is_seeded = *IS_SEEDED.get_or_init(|| is_seeded(|bytes| getrandom::getrandom(bytes).is_ok()));
    (!is_seeded).then(|| Unsupported { line: None, message: message() })
}

/// The path is that of the sources from which this program was built.
fn message() -> String {
    format!(
        "rand 0.8: getrandom 0.2 gives bytes of the machine here, not of the seed. Add to the Cargo.toml of the \
         workspace:\n\
         \n    [patch.crates-io]\
         \n    getrandom = {{ path = \"{}/getrandom\" }}\n\
         \n  and, if cargo then warns that the patch was not used, `cargo update getrandom@0.2` (docs/madsim.md, \
         \"What madsim leaks\")",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// Whether two runtimes with one seed get the same bytes from this source.
fn is_seeded(source: fn(&mut [u8]) -> bool) -> bool {
    let ask = || {
        on_fresh_thread(|| {
            Runtime::with_seed_and_config(7, Config::default()).block_on(async {
                let mut bytes = [0; 16];
                source(&mut bytes).then_some(bytes)
            })
        })
    };
    // A source that fails gives nothing at all, so nothing of the machine either.
    ask() == ask()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In this workspace the patch is in place.
    #[test]
    fn the_patched_getrandom_is_the_seeds() {
        assert_eq!(unseeded(), None);
    }

    /// What the published getrandom 0.2 does where it has no system call.
    #[test]
    fn bytes_of_the_machine_are_told_from_those_of_the_seed() {
        use std::io::Read as _;
        let machine = |bytes: &mut [u8]| {
            let file = std::fs::File::open("/dev/urandom");
            file.and_then(|mut file| file.read_exact(bytes)).is_ok()
        };
        assert!(!is_seeded(machine));
        assert!(message().contains("getrandom = { path = \"/"), "{}", message());
    }
}

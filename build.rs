//! Names the build: a hash over the sources that decide what a run is.
//!
//! Not the commit: a tree with changes, an archive without history and a commit that only touches the documentation
//! all get the right answer this way.

use std::fs;
use std::path::{Path, PathBuf};

/// Everything that a run depends on.
const SOURCES: &[&str] = &[
    "Cargo.lock",
    "sim/kernel/Cargo.toml",
    "sim/kernel/src",
    "sim/systems/Cargo.toml",
    "sim/systems/src",
    "src/engine",
    "src/engine.rs",
    "src/scenario",
    "src/scenario.rs",
];

fn main() {
    let mut hash = Fnv::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        for file in files(Path::new(source)) {
            // What cannot be read is left out: it is not compiled either.
            if let Ok(bytes) = fs::read(&file) {
                let name = file.to_string_lossy().replace('\\', "/");
                hash.add(name.as_bytes());
                hash.add(&(bytes.len() as u64).to_le_bytes());
                hash.add(&bytes);
            }
        }
    }
    println!("cargo::rustc-env=SPLITBRAIN_SOURCE_HASH={:012x}", hash.0 >> 16);
}

/// The files under a path, in order.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut inside: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    inside.sort();
    inside.iter().flat_map(|path| files(path)).collect()
}

/// FNV-1a, 64 bit.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

//! The scenarios of the repository.

use std::path::{Path, PathBuf};

use splitbrain::scenario::{self, Picks, Scenario, SystemDescription};
use splitbrain_kernel::system::System;

/// A scenario of this system: of a file with variants the first.
pub(crate) fn load<S: System>(path: &Path) -> Scenario {
    let text = std::fs::read(path).expect("a shipped scenario can be read");
    let systems = [SystemDescription::of::<S>()];
    let loaded = scenario::load_all(&path.display().to_string(), &text, &Picks::default(), &systems);
    loaded.unwrap_or_else(|wrong| panic!("{wrong}")).swap_remove(0)
}

/// The scenarios of a folder in the order of their names.
pub(crate) fn files_of(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
}

/// The name of a file without its ending.
pub(crate) fn file_stem(path: &Path) -> String {
    path.file_stem().expect("a scenario has a name").to_string_lossy().into_owned()
}

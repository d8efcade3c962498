//! The copy of the repository that has the slips.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kept::hash;
use crate::list::{RAFT, Slip};

const SOURCE: &str = "target/slips/source";
const BUILT: &str = "target/slips/built";

/// The switch, as a module of the copy.
const SWITCH: &str = "//! Which slip this process has.

use std::sync::OnceLock;

pub(crate) fn is_on(slip: usize) -> bool {
    static SLIP: OnceLock<usize> = OnceLock::new();
    let named = || std::env::var(\"SPLITBRAIN_SLIP\").ok()?.parse().ok();
    *SLIP.get_or_init(|| named().unwrap_or(0)) == slip
}
";

/// A program that can have any of the slips.
pub(crate) struct Copy {
    pub(crate) path: PathBuf,
    /// Of its bytes.
    pub(crate) hash: u64,
}

impl Copy {
    /// Copies what git knows of this folder, writes the slips into it, and builds it.
    pub(crate) fn build(slips: &[Slip]) -> Self {
        let listed = Command::new("git").args(["ls-files", "-z"]).output().expect("git is there");
        assert!(listed.status.success(), "git lists the files of the repository");
        let listed = String::from_utf8(listed.stdout).expect("paths are UTF-8");
        for file in listed.split('\0').filter(|file| !file.is_empty() && Path::new(file).is_file()) {
            let bytes = std::fs::read(file).expect("it can be read");
            let slipped =
                file.strip_prefix(RAFT).and_then(|name| with_slips(&bytes, name.trim_start_matches('/'), slips));
            write(file, slipped.as_ref().map_or(&*bytes, |text| text.as_bytes()));
        }
        let module = std::fs::read_to_string(format!("{RAFT}.rs")).expect("it can be read");
        write(
            &format!("{RAFT}.rs"),
            module.replace("\npub mod snapshot;", "\npub mod slip;\npub mod snapshot;").as_bytes(),
        );
        write(&format!("{RAFT}/slip.rs"), SWITCH.as_bytes());
        let mut cargo = Command::new("cargo");
        // The development profile is optimized too, and is built in a fraction of the time. Slips are no clean code.
        cargo.args(["build", "--bin", "splitbrain", "--manifest-path", &format!("{SOURCE}/Cargo.toml")]);
        cargo.args(["--target-dir", BUILT]).env("RUSTFLAGS", "--cap-lints=allow");
        assert!(cargo.status().expect("cargo is there").success(), "the copy builds");
        let path = PathBuf::from(BUILT).join("debug/splitbrain");
        let bytes = std::fs::read(&path).expect("it is built");
        Self { path, hash: hash(&bytes) }
    }
}

/// The text of a file with its slips; `None` if it has none.
fn with_slips(bytes: &[u8], name: &str, slips: &[Slip]) -> Option<String> {
    let mut text = String::from_utf8(bytes.to_vec()).ok()?;
    let mut any = false;
    for (number, slip) in (1..).zip(slips).filter(|(_, slip)| slip.file == name) {
        let switch = format!("crate::raft::slip::is_on({number})");
        let Some(written) = slip.written_into(&text, &switch) else {
            panic!("{}: {:?} does not stand once in {name}", slip.name, slip.from);
        };
        text = written;
        any = true;
    }
    any.then_some(text)
}

/// Writes a file of the copy, unless it is there: what has not changed is not built again.
fn write(file: &str, bytes: &[u8]) {
    let path = Path::new(SOURCE).join(file);
    if std::fs::read(&path).is_ok_and(|there| there == bytes) {
        return;
    }
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the folder can be made");
    std::fs::write(path, bytes).expect("it can be written");
}

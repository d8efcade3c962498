//! Starts programs in a folder of their own and makes what they print comparable.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use regex_lite::Regex;

/// How the toy's arguments reach it: libtest takes the command line for itself.
const ARGUMENTS: &str = "SPLITBRAIN_TEST_TOY_ARGUMENTS";
const BETWEEN: char = '\u{1f}';

/// What libtest prints before the toy's own output.
const PREAMBLE: &str = "\nrunning 1 test\n";

/// The arguments of the toy, in the process that is it.
pub(crate) fn toy_arguments() -> Option<Vec<OsString>> {
    let joined = std::env::var(ARGUMENTS).ok()?;
    Some(joined.split(BETWEEN).map(OsString::from).collect())
}

/// Starts the toy once more, to carry out runs. What libtest prints before it goes nowhere.
pub(crate) fn toy_again() -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", "toy_program", "--quiet", "--nocapture"]).env(ARGUMENTS, format!("toy{BETWEEN}run-apart"));
    command.stdout(Stdio::null());
    Ok(command)
}

/// A folder for one test, empty but for scenarios.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder of the test with this name.
    pub(crate) fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(test);
        if path.exists() {
            fs::remove_dir_all(&path).expect("an old folder can be removed");
        }
        fs::create_dir_all(path.join("scenarios/ring")).expect("a folder can be made");
        Self(path)
    }

    /// With a scenario `scenarios/ring/{name}.toml`.
    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        self.write(&format!("scenarios/ring/{name}.toml"), text);
        self
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.0.join(path), text).expect("a file can be written");
    }

    pub(crate) fn make(&self, folder: &str) {
        fs::create_dir_all(self.0.join(folder)).expect("a folder can be made");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The names of what is in a folder, hidden or not, in order.
    pub(crate) fn entries(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("it can be read").file_name();
        let mut names: Vec<String> = entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }

    /// A command of the toy's program.
    pub(crate) fn toy(&self, arguments: &[&str]) -> Command {
        self.command_of("toy_program", arguments)
    }

    /// A command of the program that this function of the test binary is.
    fn command_of(&self, program: &str, arguments: &[&str]) -> Command {
        let mut joined = String::from("toy");
        for argument in arguments {
            joined.push(BETWEEN);
            joined.push_str(argument);
        }
        let mut command = Command::new(std::env::current_exe().expect("a test knows its binary"));
        command.args(["--exact", program, "--quiet", "--nocapture"]).env(ARGUMENTS, joined);
        self.at_home(command)
    }

    /// A command of the shipped binary.
    pub(crate) fn shipped(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_splitbrain"));
        command.args(arguments);
        self.at_home(command)
    }

    fn at_home(&self, mut command: Command) -> Command {
        command.current_dir(&self.0).stdin(Stdio::null());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "RUST_BACKTRACE", "SPLITBRAIN_LOG"] {
            command.env_remove(name);
        }
        command
    }

    /// What the toy prints and how it exits.
    pub(crate) fn run(&self, arguments: &[&str]) -> Shown {
        shown(&self.toy(arguments).output().expect("the toy starts"))
    }

    /// The same of another program in this binary.
    pub(crate) fn run_as(&self, program: &str, arguments: &[&str]) -> Shown {
        shown(&self.command_of(program, arguments).output().expect("the program starts"))
    }
}

/// What a program printed, with what differs between builds taken out.
pub(crate) struct Shown {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code: {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

pub(crate) fn shown(output: &Output) -> Shown {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("programs print text");
    let stdout = text(&output.stdout);
    Shown {
        code: output.status.code().expect("the program exits by itself"),
        stdout: stable(stdout.strip_prefix(PREAMBLE).unwrap_or(&stdout)),
        // A process that carries out runs is this binary once more, and what it prints goes to stderr.
        stderr: without_times(&stable(&text(&output.stderr).replace(PREAMBLE, ""))),
    }
}

/// Without status lines, which begin with a time of the wall clock.
fn without_times(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !status_line().is_match(line)).collect()
}

/// How a status line on stderr begins.
pub(crate) fn status_line() -> Regex {
    Regex::new(r"^\[ *\d+\.\d{3}s\] ").expect("a pattern")
}

/// Hashes and builds move with every change of a kernel or a scenario: they are compared where they mean something.
pub(crate) fn stable(text: &str) -> String {
    let hashes = Regex::new("[0-9a-f]{32}").expect("a pattern");
    let builds = Regex::new(r"\d+\.\d+\.\d+\+[0-9a-f]{12}").expect("a pattern");
    let text = hashes.replace_all(text, "[hash]");
    builds.replace_all(&text, "[build]").into_owned()
}

/// Compares with the golden file of this name.
#[macro_export]
macro_rules! golden {
    ($name:expr, $shown:expr) => {
        insta::with_settings!({
            snapshot_path => "../golden/cli",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!($name, $shown.to_string());
        });
    };
}

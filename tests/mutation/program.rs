//! The program, started in a folder, with an end to waiting.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use splitbrain::ExitCode;

/// Nothing here takes a second; a machine that is busy with other things may take longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the program printed and how it ended.
///
/// # Panics
/// If it does not end, is killed, panics, or ends with a code that is not documented.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> (u8, String) {
    let output = output(folder, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let told = format!("{arguments:?} in {}\n{stdout}{stderr}", folder.display());
    let code = output.status.code().unwrap_or_else(|| panic!("it was killed: {told}"));
    let code = u8::try_from(code).expect("a code is a byte");
    let documented: Vec<u8> = ExitCode::TABLE.iter().map(|(code, _)| code.code()).collect();
    assert!(documented.contains(&code), "it ended with {code}: {told}");
    assert!(!stderr.contains("panicked at"), "{told}");
    (code, told)
}

fn output(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_splitbrain"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the program starts");
    let id = child.id();
    let (sender, receiver) = channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(PATIENCE) {
        Ok(output) => output.expect("its output can be read"),
        Err(_) => panic!("process {id} does not end: {arguments:?} in {}", folder.display()),
    }
}

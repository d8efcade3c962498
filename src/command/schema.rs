//! `splitbrain schema`: the JSON Schema of scenario files, for editors.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::command::{CommandError, Session, note, shown};
use crate::exit_code::ExitCode;
use crate::report::Aside;

/// Where the scenarios of this repository look for it.
const PLACE: &str = "docs/scenario.schema.json";

/// What `schema` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = PLACE)]
    #[arg(help = format!("Write it to a file rather than to stdout; to {PLACE} where none is named"))]
    write: Option<PathBuf>,
}

/// Does it.
pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let schema = crate::scenario::schema(&session.descriptions);
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n";
    match &arguments.write {
        None => std::io::stdout().lock().write_all(text.as_bytes()).map_err(CommandError::stdout)?,
        Some(path) => {
            write(path, &text).map_err(|error| CommandError::output(shown(path), error))?;
            note(&format!("written: {}", shown(path)));
        }
    }
    Ok(ExitCode::AsExpected)
}

/// The file takes its place as a whole, or what was there stays.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = Aside::create(path)?;
    file.write_all(text.as_bytes())?;
    file.flush()
}

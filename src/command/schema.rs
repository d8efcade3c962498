//! `splitbrain schema`: the JSON Schema of scenario files, for editors.

use std::io::Write as _;
use std::path::PathBuf;

use crate::command::{Failed, Session, note};
use crate::exit_code::ExitCode;

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
pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let schema = crate::scenario::schema(&session.descriptions);
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n";
    match &arguments.write {
        None => std::io::stdout().lock().write_all(text.as_bytes()).map_err(Failed::stdout)?,
        Some(path) => {
            std::fs::write(path, text).map_err(|error| Failed::output(path.display(), error))?;
            note(&format!("written: {}", path.display()));
        }
    }
    Ok(ExitCode::AsExpected)
}

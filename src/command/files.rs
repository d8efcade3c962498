//! From paths to scenarios: every file is decoded before any runs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{Failed, Loaded, Session, read};
use crate::exit_code::ExitCode;
use crate::scenario::Colour;

/// The scenario files that these paths mean: files as they are, folders with all `*.toml` below them, in order.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failed> {
    let mut files = Vec::new();
    for path in paths {
        let kind = fs::metadata(path);
        match kind {
            Ok(kind) if kind.is_dir() => walk(path, &mut files)?,
            Ok(_) => files.push(path.clone()),
            Err(error) => return Err(Failed::usage(format!("{}: {error}", path.display()))),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failed> {
    let unreadable = |error| Failed::usage(format!("cannot read the folder {}: {error}", folder.display()));
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?.path());
    }
    entries.sort();
    for path in entries {
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_hidden {
            continue;
        }
        if path.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    Ok(())
}

/// Decodes all files.
///
/// # Errors
/// Everything that is wrong with any of them.
pub(super) fn load<'a>(session: &'a Session<'_>, files: &[PathBuf]) -> Result<Vec<Loaded<'a>>, Failed> {
    let mut loaded = Vec::new();
    let mut wrong = Vec::new();
    for file in files {
        let shown = file.display().to_string();
        match fs::read(file) {
            Err(error) => wrong.push(format!("error: {shown}: {error}")),
            Ok(bytes) => match session.load(&shown, &bytes) {
                Ok(one) => loaded.push(one),
                Err(diagnostics) => wrong.push(diagnostics.pretty(Colour::Always).trim_end().to_owned()),
            },
        }
    }
    if wrong.is_empty() {
        return Ok(loaded);
    }
    let count = crate::wording::counted(wrong.len() as u64, "invalid scenario");
    let text = format!("{}\n\nerror: {count}, nothing was run", wrong.join("\n\n"));
    Err(Failed { code: ExitCode::InvalidScenario, error: anyhow::anyhow!(text) })
}

/// Decodes one file.
pub(super) fn load_one<'a>(session: &'a Session<'_>, file: &Path) -> Result<Loaded<'a>, Failed> {
    let bytes = read(file)?;
    session.load(&file.display().to_string(), &bytes).map_err(|diagnostics| Failed::invalid(&diagnostics))
}

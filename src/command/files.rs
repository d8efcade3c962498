//! From paths to scenarios: every file is decoded before any runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{CommandError, Loaded, STDIN, Session, read_scenario, shown};
use crate::exit_code::ExitCode;
use crate::report::artifact::{self, FILES};
use crate::report::quoted;
use crate::scenario::{Assignment, Colour, Picks};
use crate::text::counted;

/// A scenario file that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) path: PathBuf,
    /// The variant after `#`; of a file that states variants and without one here, each is meant.
    pub(super) variant: Option<String>,
}

impl Asked {
    /// `overlap.toml` or `overlap.toml#quick`. A file whose name holds a `#` is meant where there is one.
    pub(super) fn new(path: &Path) -> Self {
        let whole = || Self { path: path.to_owned(), variant: None };
        let Some((file, variant)) = path.to_str().and_then(|text| text.rsplit_once('#')) else { return whole() };
        if file.is_empty() || path.exists() {
            return whole();
        }
        Self { path: file.into(), variant: Some(variant.to_owned()) }
    }

    /// What is picked of the file, with these keys set.
    pub(super) fn picks(&self, set: &[Assignment]) -> Picks {
        Picks { variant: self.variant.clone(), set: set.to_vec() }
    }
}

/// The scenario files that these paths mean: files as they are, folders with all `*.toml` below them, in order. A file
/// that is reached twice, by a link or by another spelling, counts once; with variants of it, it counts as a whole.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<Asked>, CommandError> {
    let mut asked = Vec::new();
    for path in paths {
        let one = Asked::new(path);
        let mut files = Vec::new();
        find_files(&one.path, &mut files)?;
        if one.variant.is_some() && one.path.is_dir() {
            return Err(CommandError::usage(format!("{} is a folder: variants are of files", shown(&one.path))));
        }
        asked.extend(files.into_iter().map(|path| Asked { path, variant: one.variant.clone() }));
    }
    let real = |one: &Asked| fs::canonicalize(&one.path).unwrap_or_else(|_| one.path.clone());
    let whole: BTreeSet<PathBuf> = asked.iter().filter(|one| one.variant.is_none()).map(real).collect();
    let mut seen = BTreeSet::new();
    asked.retain(|one| {
        let is_part = one.variant.is_some() && whole.contains(&real(one));
        !is_part && seen.insert((real(one), one.variant.clone()))
    });
    Ok(asked)
}

fn find_files(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), CommandError> {
    let is_folder = path.as_os_str() != STDIN && kind_of(path)?.is_dir();
    if let Some(folder) = of_a_run(path) {
        let (path, folder) = (shown(path), quoted(&folder));
        return Err(CommandError::usage(format!("{path} is no scenario, but of a recorded run: replay {folder}")));
    }
    if is_folder {
        return walk(path, files);
    }
    files.push(path.to_owned());
    Ok(())
}

/// What to say where no scenario was found.
pub(super) fn none_below(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| shown(path)).collect();
    format!("no *.toml below {}", paths.join(", "))
}

fn kind_of(path: &Path) -> Result<fs::FileType, CommandError> {
    let kind = fs::metadata(path);
    kind.map(|kind| kind.file_type())
        .map_err(|error| CommandError::usage(format!("cannot read {}: {error}", shown(path))))
}

/// Links to folders are not followed, as they may lead back here; one that the user names is.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CommandError> {
    if is_of_a_run(folder) {
        return Ok(());
    }
    let unreadable = |error| CommandError::usage(format!("cannot read the folder {}: {error}", shown(folder)));
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        entries.push((entry.path(), entry.file_type().map_err(unreadable)?));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (path, kind) in entries {
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden {
            continue;
        }
        let is_scenario = path.extension().is_some_and(|ending| ending == "toml");
        if kind.is_dir() {
            walk(&path, files)?;
        } else if is_scenario && !(kind.is_symlink() && path.is_dir()) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a failing run left this folder: its plan and its resolved scenario are no scenarios to run. Two of its files
/// are enough to tell, as some may be lost.
fn is_of_a_run(folder: &Path) -> bool {
    FILES.iter().filter(|name| folder.join(name).is_file()).count() > 1
}

/// The folder of a recorded run, if this is one, or a file of one that is no scenario.
pub(super) fn of_a_run(path: &Path) -> Option<PathBuf> {
    let folder = if path.is_dir() {
        path
    } else {
        let name = path.file_name()?.to_str()?;
        // What it keeps of its scenario can be run.
        let is_scenario = ["scenario.toml", "resolved.toml"].contains(&name);
        path.parent().filter(|_| FILES.contains(&name) && !is_scenario)?
    };
    is_of_a_run(folder).then(|| folder.to_owned())
}

/// Decodes all files, each with these keys set.
///
/// # Errors
/// Everything that is wrong with any of them, and every one that cannot be read.
pub(super) fn load<'a>(
    session: &'a Session<'_>,
    files: &[Asked],
    set: &[Assignment],
) -> Result<Vec<Loaded<'a>>, CommandError> {
    let mut loaded = Vec::new();
    let (mut unreadable, mut invalid) = (Vec::new(), Vec::new());
    for file in files {
        match read_scenario(&file.path) {
            Err(failed) => unreadable.push(failed.to_string()),
            Ok(bytes) => match session.load(&file.path.display().to_string(), &bytes, &file.picks(set)) {
                Ok(all) => loaded.extend(all),
                Err(diagnostics) => invalid.push(diagnostics),
            },
        }
    }
    if unreadable.is_empty() && invalid.is_empty() {
        return Ok(apart(loaded));
    }
    let mut counts = Vec::new();
    let mut texts: Vec<String> = invalid.iter().map(|one| one.pretty(Colour::Always).trim_end().to_owned()).collect();
    if !invalid.is_empty() {
        counts.push(counted(invalid.len() as u64, "invalid scenario"));
    }
    texts.extend(unreadable.iter().map(|message| format!("error: {message}")));
    let mut code = ExitCode::InvalidScenario;
    if !unreadable.is_empty() {
        code = code.and(ExitCode::Usage);
        counts.push(counted(unreadable.len() as u64, "unreadable file"));
    }
    texts.push(format!("error: {}, nothing was run", counts.join(" and ")));
    Err(CommandError::of_files(code, texts.join("\n\n"), invalid))
}

/// Gives each scenario a name of its own among these.
fn apart(mut loaded: Vec<Loaded<'_>>) -> Vec<Loaded<'_>> {
    let addresses: Vec<String> = loaded.iter().map(|one| one.scenario.source.address()).collect();
    let names = artifact::names_of(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
    for (one, name) in loaded.iter_mut().zip(names) {
        one.name = name;
    }
    loaded
}

/// Decodes one scenario, with these keys set.
pub(super) fn load_one<'a>(
    session: &'a Session<'_>,
    path: &Path,
    set: &[Assignment],
) -> Result<Loaded<'a>, CommandError> {
    let asked = Asked::new(path);
    let bytes = read_scenario(&asked.path)?;
    session
        .load_one(&asked.path.display().to_string(), &asked.picks(set).applied_to(&bytes))
        .map_err(CommandError::invalid)
}

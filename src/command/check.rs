//! `splitbrain check`: validates scenario files without running them.

use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::campaign::Summary;
use crate::command::which::SetArguments;
use crate::command::{CommandError, Loaded, MessageFormat, Session, Signals, complain, files};
use crate::exit_code::ExitCode;
use crate::report::{Json, Reporter as _, ScenarioDetail};
use crate::text::{counted, printable};

/// What `check` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Scenario files, folders that are searched for *.toml, or - for stdin
    #[arg(default_value = "scenarios", value_name = "FILES")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    set: SetArguments,

    /// What is printed on stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    message_format: MessageFormat,
}

/// Does it.
pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let _signals = Signals::new();
    let files = files::find(&arguments.files)?;
    let format = arguments.message_format;
    let scenarios = files::load(session, &files, &arguments.set.set)
        .map_err(|failed| failed.reported(&mut *format.reporter(ScenarioDetail::default()), files.len()))?;
    let code = if scenarios.is_empty() { ExitCode::NothingRan } else { ExitCode::AsExpected };
    if scenarios.is_empty() {
        complain(&format!("nothing to check: {}", files::none_below(&arguments.files)));
    }
    let written = match format {
        MessageFormat::Json => print_json(&scenarios, code),
        MessageFormat::Human | MessageFormat::Github => print_text(&scenarios),
    };
    written.map(|()| code).map_err(CommandError::stdout)
}

fn print_text(scenarios: &[Loaded<'_>]) -> io::Result<()> {
    let mut out = anstream::stdout();
    for loaded in scenarios {
        let scenario = &loaded.scenario;
        let seeds = counted(scenario.seed_count(), "seed");
        let path = printable(&scenario.source.address());
        writeln!(out, "valid {path}: {}, {seeds} of {}", scenario.system, scenario.run.duration)?;
        let drawn: Vec<&str> = scenario.drawn_keys().collect();
        if !drawn.is_empty() {
            writeln!(out, "  drawn once a run: {}", printable(&drawn.join(", ")))?;
        }
        for note in loaded.system.notes(scenario) {
            writeln!(out, "  note {path}:{}: {}", note.line, printable(&note.message))?;
        }
    }
    writeln!(out, "{}", counted(scenarios.len() as u64, "valid scenario"))
}

fn print_json(scenarios: &[Loaded<'_>], code: ExitCode) -> io::Result<()> {
    let mut json = Json::new(anstream::stdout());
    let count = scenarios.len() as u64;
    json.begin(count)?;
    scenarios.iter().try_for_each(|loaded| json.valid(&loaded.scenario, &loaded.system.notes(&loaded.scenario)))?;
    json.end(&Summary { exit_code: code, ..Summary::of(count) })
}

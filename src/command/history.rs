//! `splitbrain history`: judges recorded histories of clients.

use std::io::{self, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;
use splitbrain_kernel::checker::{BUDGET, Contradiction, Verdict};

use crate::command::{
    CommandError, HISTORY_BYTES_MAX, MessageFormat, STDIN, Signals, regular, shown, too_long, unreadable,
};
use crate::exit_code::ExitCode;
use crate::history::{self, End, Judged, ModelName, Reading, Recorded, Records, Rules, Value, draw};
use crate::text::{counted, grouped, printable};

/// What `history` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Recorded histories: JSON Lines, Jepsen's EDN or its log; or - for stdin
    #[arg(value_name = "FILES", required = true)]
    files: Vec<PathBuf>,

    /// What the clients used; by default what the file names, or what has all of its operations
    #[arg(long, value_name = "MODEL", value_parser = clap::builder::PossibleValuesParser::new(
        ModelName::ALL.iter().map(|(name, _)| *name)
    ))]
    model: Option<String>,

    /// What a register holds before the first operation; a value in EDN
    #[arg(long, value_name = "VALUE", default_value = "nil")]
    initial: String,

    /// Each value is a pair of a key and a value, as Jepsen's independent writes it
    #[arg(long)]
    independent: bool,

    /// What a failed compare-and-set says: nothing, or that another value was there
    #[arg(long, value_name = "MEANING", default_value = "nothing")]
    failed_cas: FailedCas,

    /// How many configurations a search may visit for each key before its verdict is unknown
    #[arg(long, value_name = "COUNT", default_value_t = BUDGET)]
    budget: u64,

    /// What is printed on stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    message_format: MessageFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FailedCas {
    /// It may have failed for any reason
    Nothing,
    /// The expected value was not there
    Differs,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let _signals = Signals::new();
    let rules = arguments.rules()?;
    let reading = Reading { independent: arguments.independent };
    let mut code = ExitCode::AsExpected;
    for path in &arguments.files {
        let place = shown(path);
        let text = text_of(path)?;
        let judged = history::read(&text, reading).and_then(|records| {
            let judged = history::judge(&records, &rules)?;
            Ok((records, judged))
        });
        let (records, judged) = judged
            .map_err(|error| CommandError::usage(format!("{place}:{}: {}", error.line, printable(&error.message))))?;
        let written = match arguments.message_format {
            MessageFormat::Json => print_json(&place, &records, &judged),
            MessageFormat::Human | MessageFormat::Github => print_text(&place, &records, &judged, &rules),
        };
        written.map_err(CommandError::stdout)?;
        code = code.and(code_of(&judged.verdict));
    }
    Ok(code)
}

impl Arguments {
    fn rules(&self) -> Result<Rules, CommandError> {
        let initial = history::parse_value(&self.initial)
            .map_err(|error| CommandError::usage(format!("--initial: {}", printable(&error.message))))?;
        Ok(Rules {
            model: self.model.as_deref().and_then(ModelName::parse),
            initial,
            failed_cas_differs: self.failed_cas == FailedCas::Differs,
            budget: self.budget,
        })
    }
}

fn text_of(path: &Path) -> Result<String, CommandError> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == STDIN {
        io::stdin().lock().take(HISTORY_BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        regular(path, "a history, or - for stdin")?;
        std::fs::File::open(path)
            .and_then(|file| BufReader::new(file).take(HISTORY_BYTES_MAX + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > HISTORY_BYTES_MAX {
        return Err(too_long(path, HISTORY_BYTES_MAX));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        CommandError::usage(format!("{}:{line}: not UTF-8 text", shown(path)))
    })
}

const fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "linearizable",
        Verdict::Invalid(_) => "not linearizable",
        Verdict::Unknown => "unknown",
    }
}

const fn code_of(verdict: &Verdict) -> ExitCode {
    match verdict {
        Verdict::Valid => ExitCode::AsExpected,
        Verdict::Invalid(_) => ExitCode::NotAsExpected,
        Verdict::Unknown => ExitCode::Inconclusive,
    }
}

/// How many operations ended as ok, as failed, and in neither way.
fn ends(records: &Records) -> [u64; 3] {
    let mut counts = [0; 3];
    for one in &records.operations {
        match one.end.as_ref().map(|ended| ended.end) {
            Some(End::Ok) => counts[0] += 1,
            Some(End::Fail) => counts[1] += 1,
            Some(End::Unknown) | None => counts[2] += 1,
        }
    }
    counts
}

fn print_text(place: &str, records: &Records, judged: &Judged, rules: &Rules) -> io::Result<()> {
    let mut out = anstream::stdout();
    let [ok, failed, unknown] = ends(records).map(grouped);
    let operations = counted(records.operations.len() as u64, "operation");
    writeln!(out, "{place}: {}", word(&judged.verdict))?;
    let model = judged.model.noun();
    writeln!(out, "  {operations} of a {model}: {ok} ok, {failed} failed, {unknown} unknown")?;
    match &judged.verdict {
        Verdict::Valid => Ok(()),
        Verdict::Unknown => {
            let budget = grouped(rules.budget);
            writeln!(out, "  no answer within {budget} configurations for each key; --budget takes more")
        }
        Verdict::Invalid(found) => {
            writeln!(out, "  {}: {}\n", found.anomaly, found.anomaly.meaning())?;
            let shown_operations = history::shown(records, found);
            for line in draw(records, &shown_operations) {
                writeln!(out, "    {line}")?;
            }
            writeln!(out)
        }
    }
}

fn print_json(place: &str, records: &Records, judged: &Judged) -> io::Result<()> {
    let [ok, failed, unknown] = ends(records);
    let found = match &judged.verdict {
        Verdict::Invalid(found) => contradiction(records, found),
        Verdict::Valid | Verdict::Unknown => serde_json::Value::Null,
    };
    let line = json!({
        "v": 1, "type": "history", "file": place, "model": judged.model.name(),
        "operations": { "ok": ok, "failed": failed, "unknown": unknown },
        "verdict": word(&judged.verdict), "contradiction": found,
        "exit_code": code_of(&judged.verdict).code(),
    });
    writeln!(anstream::stdout(), "{line}")
}

fn contradiction(records: &Records, found: &Contradiction) -> serde_json::Value {
    let shown_operations = history::shown(records, found);
    let (writers, operations): (Vec<&Recorded>, Vec<&Recorded>) =
        shown_operations.into_iter().partition(|one| found.writers.contains(&one.invoked));
    let all = |list: Vec<&Recorded>| list.into_iter().map(|one| operation(records, one)).collect::<Vec<_>>();
    json!({
        "anomaly": found.anomaly.name(), "meaning": found.anomaly.meaning(),
        "operations": all(operations), "writers": all(writers),
    })
}

fn operation(records: &Records, one: &Recorded) -> serde_json::Value {
    let end = one.end.as_ref();
    let outcome = match end.map(|ended| ended.end) {
        Some(End::Ok) => "ok",
        Some(End::Fail) => "fail",
        Some(End::Unknown) | None => "unknown",
    };
    let text = |value: &Value| (!value.is_nil()).then(|| value.to_string());
    json!({
        "line": one.line, "process": records.processes[one.process], "function": one.function.name(),
        "key": text(&one.key), "value": text(&one.asked),
        "outcome": outcome, "answer": end.and_then(|ended| text(&ended.answer)),
        "end_line": end.map(|ended| ended.line),
    })
}

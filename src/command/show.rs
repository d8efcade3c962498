//! `splitbrain show`: a stored recording, printed without running anything.

mod history;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;

use crate::command::narrow::NarrowArguments;
use crate::command::{CommandError, STDIN, Signals, complain, kept, regular, shown, unreadable};
use crate::engine::{Header, Names, Recorder as _, RecordingError, RecordingReader};
use crate::exit_code::ExitCode;
use crate::report::Timeline;
use crate::report::artifact::Kept;
use crate::text::printable;

/// What `show` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of a run, or its trace.jsonl or history.jsonl, or - for stdin
    #[arg(value_name = "ARTIFACT|FILE")]
    target: PathBuf,

    #[command(flatten)]
    narrow: NarrowArguments,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let _signals = Signals::new();
    arguments.narrow.check_times()?;
    let target = &arguments.target;
    let kept = target.is_dir().then(|| kept(target)).transpose()?;
    let path = if target.is_dir() { target.join("trace.jsonl") } else { target.clone() };
    let input = match history::unless(open(&path)?).map_err(|error| unreadable(&path, &error))? {
        Ok(input) => input,
        Err(history) => return history::show(arguments, &shown(&path), history),
    };
    let mut reader = RecordingReader::new(path.display().to_string(), input).map_err(refuse)?;
    write_header(reader.header()).map_err(CommandError::stdout)?;
    let names = reader.header().names.clone();
    let narrow = &arguments.narrow;
    let timeline = Timeline::new(anstream::stdout(), narrow.detail(), names.clone()).with_log(narrow.log);
    let mut timeline = timeline.with_selection(narrow.selection());
    let mut there = There::default();
    // What is right before a damaged line is worth showing.
    let damage = loop {
        match reader.next() {
            Some(Ok(entry)) => {
                there.add(entry.at, [entry.node, entry.peer]);
                timeline.record(entry);
            }
            Some(Err(error)) => break Some(error),
            None => break None,
        }
        if timeline.is_broken() {
            break None;
        }
    };
    let left_out = narrow.left_out(timeline.finish().map_err(CommandError::stdout)?);
    write_end(&left_out, kept.as_ref()).map_err(CommandError::stdout)?;
    match damage {
        None => arguments.check_there(&there, &names),
        Some(error) => {
            complain(&error.to_string());
            Ok(ExitCode::Usage)
        }
    }
}

impl Arguments {
    /// Refuses a node or a time of which the file has nothing.
    fn check_there(&self, there: &There, names: &Names) -> Result<ExitCode, CommandError> {
        self.narrow.check_nodes(&there.nodes, names, "no entry is of this node, there are those of")?;
        self.narrow.check_span(there.span)?;
        Ok(ExitCode::AsExpected)
    }
}

/// What a file has entries of.
#[derive(Default)]
struct There {
    /// The nodes, in order.
    nodes: BTreeSet<NodeId>,
    /// The time of the first entry and that of the last.
    span: Option<(Instant, Instant)>,
}

impl There {
    fn add(&mut self, at: Instant, nodes: [Option<NodeId>; 2]) {
        self.nodes.extend(nodes.into_iter().flatten());
        self.span = Some((self.span.map_or(at, |(first, _)| first), at));
    }
}

fn refuse(error: RecordingError) -> CommandError {
    CommandError::usage(error)
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, CommandError> {
    if path.as_os_str() == STDIN {
        return Ok(Box::new(io::stdin().lock()));
    }
    regular(path, "a recording, a history, the folder of a run, or - for stdin")?;
    let file = File::open(path);
    let file = file.map_err(|error| unreadable(path, &error))?;
    Ok(Box::new(BufReader::new(file)))
}

fn write_header(header: &Header) -> io::Result<()> {
    let mut out = anstream::stdout();
    writeln!(out, "build: {}", printable(&header.build))?;
    writeln!(out, "scenario: {} (hash {})", printable(&header.scenario), printable(&header.scenario_hash))?;
    writeln!(out, "system: {}", printable(&header.system))?;
    writeln!(out, "seed: {}\n\ntimeline", header.seed)
}

fn write_end(left_out: &str, kept: Option<&Kept>) -> io::Result<()> {
    let mut out = anstream::stdout();
    write!(out, "{left_out}")?;
    let Some(kept) = kept else { return Ok(()) };
    writeln!(out, "\noutcome: {}\nevents: {}\ndigest: {}", kept.outcome, kept.events, kept.digest)
}

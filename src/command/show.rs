//! `splitbrain show`: a stored recording, printed without running anything.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::{Duration, Instant};

use crate::command::{Failed, STDIN, complain, kept, regular, unreadable};
use crate::engine::{Entry, Header, Names, Recorder as _, RecordingError, RecordingReader};
use crate::exit_code::ExitCode;
use crate::report::artifact::Kept;
use crate::report::{Detail, Timeline};
use crate::wording::{grouped, printable};

/// What `show` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder of a run, or its trace.jsonl or history.jsonl, or - for stdin
    #[arg(value_name = "ARTIFACT|FILE")]
    target: PathBuf,

    /// How much of the run is shown
    #[arg(long, value_name = "DETAIL", default_value = "notable")]
    timeline: Detail,

    /// Only what a node does, or what happens between it and another one, such as s1; may be repeated
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,

    /// Nothing before this time, such as 1.5s
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<Instant>,

    /// Nothing after this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Instant>,
}

/// Does it.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let target = &arguments.target;
    let kept = target.is_dir().then(|| kept(target)).transpose()?;
    let path = if target.is_dir() { target.join("trace.jsonl") } else { target.clone() };
    let mut reader = RecordingReader::new(path.display().to_string(), open(&path)?).map_err(refuse)?;
    write_header(reader.header()).map_err(Failed::stdout)?;
    let names = reader.header().names.clone();
    let mut timeline = Timeline::new(anstream::stdout(), arguments.timeline, names.clone());
    let mut others = 0u64;
    // What is right before a damaged line is worth showing.
    let damage = loop {
        match reader.next() {
            Some(Ok(entry)) if arguments.is_asked_for(&entry, &names) => timeline.record(entry),
            Some(Ok(_)) => others += 1,
            Some(Err(error)) => break Some(error),
            None => break None,
        }
        if timeline.is_broken() {
            break None;
        }
    };
    let left_out = timeline.finish().map_err(Failed::stdout)?;
    write_end(left_out, others, kept.as_ref()).map_err(Failed::stdout)?;
    match damage {
        None => Ok(ExitCode::AsExpected),
        Some(error) => {
            complain(&error.to_string());
            Ok(ExitCode::Usage)
        }
    }
}

impl Arguments {
    fn is_asked_for(&self, entry: &Entry, names: &Names) -> bool {
        let is_called = |node: NodeId, name: &str| names.name(node) == name || node.to_string() == name;
        let is_named = |name: &String| [entry.node, entry.peer].into_iter().flatten().any(|node| is_called(node, name));
        (self.nodes.is_empty() || self.nodes.iter().any(is_named))
            && self.from.is_none_or(|from| entry.at >= from)
            && self.until.is_none_or(|until| entry.at <= until)
    }
}

fn parse_time(text: &str) -> Result<Instant, splitbrain_kernel::time::DurationError> {
    Duration::parse(text).map(|span| Instant::ZERO.saturating_add(span))
}

fn refuse(error: RecordingError) -> Failed {
    Failed::usage(error)
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, Failed> {
    if path.as_os_str() == STDIN {
        return Ok(Box::new(io::stdin().lock()));
    }
    regular(path, "a recording, the folder of a run, or - for stdin")?;
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

fn write_end(left_out: u64, others: u64, kept: Option<&Kept>) -> io::Result<()> {
    let mut out = anstream::stdout();
    if left_out > 0 {
        writeln!(out, "  ({} entries more with --timeline all)", grouped(left_out))?;
    }
    if others > 0 {
        writeln!(out, "  ({} entries of other nodes or times)", grouped(others))?;
    }
    let Some(kept) = kept else { return Ok(()) };
    writeln!(out, "\noutcome: {}\nevents: {}\ndigest: {}", kept.outcome, kept.events, kept.digest)
}

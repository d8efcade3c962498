//! `splitbrain show`: a stored recording, printed without running anything.

mod history;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::{Duration, Instant};

use crate::command::{Failed, STDIN, Signals, complain, kept, regular, shown, unreadable};
use crate::engine::{Header, Names, Recorder as _, RecordingError, RecordingReader};
use crate::exit_code::ExitCode;
use crate::report::artifact::Kept;
use crate::report::{Detail, LogDetail, Timeline};
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

    /// Which log lines of the code under test are shown [default: info; debug with --timeline all]
    #[arg(long, value_name = "LEVEL")]
    log: Option<LogDetail>,

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
    let _signals = Signals::new();
    arguments.check_times()?;
    let target = &arguments.target;
    let kept = target.is_dir().then(|| kept(target)).transpose()?;
    let path = if target.is_dir() { target.join("trace.jsonl") } else { target.clone() };
    let input = match history::unless(open(&path)?).map_err(|error| unreadable(&path, &error))? {
        Ok(input) => input,
        Err(history) => return history::show(arguments, &shown(&path), history),
    };
    let mut reader = RecordingReader::new(path.display().to_string(), input).map_err(refuse)?;
    write_header(reader.header()).map_err(Failed::stdout)?;
    let names = reader.header().names.clone();
    let mut timeline = Timeline::new(anstream::stdout(), arguments.timeline, names.clone()).with_log(arguments.log);
    let mut others = 0u64;
    let mut there = There::default();
    // What is right before a damaged line is worth showing.
    let damage = loop {
        match reader.next() {
            Some(Ok(entry)) => {
                there.add(entry.at, [entry.node, entry.peer]);
                match arguments.is_asked_for(entry.at, [entry.node, entry.peer], &names) {
                    true => timeline.record(entry),
                    false => others += 1,
                }
            }
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
        None => arguments.check_there(&there, &names),
        Some(error) => {
            complain(&error.to_string());
            Ok(ExitCode::Usage)
        }
    }
}

impl Arguments {
    fn is_asked_for(&self, at: Instant, nodes: [Option<NodeId>; 2], names: &Names) -> bool {
        let is_named = |name: &String| nodes.into_iter().flatten().any(|node| is_called(node, name, names));
        (self.nodes.is_empty() || self.nodes.iter().any(is_named)) && self.is_in_time(at)
    }

    fn is_in_time(&self, at: Instant) -> bool {
        self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at <= until)
    }

    fn check_times(&self) -> Result<(), Failed> {
        match (self.from, self.until) {
            (Some(from), Some(until)) if from > until => {
                Err(Failed::usage(format!("--from {from} is after --until {until}: nothing is between them")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a node or a time of which the file has nothing.
    fn check_there(&self, there: &There, names: &Names) -> Result<ExitCode, Failed> {
        let is_there = |name: &String| there.nodes.iter().any(|node| is_called(*node, name, names));
        if let Some(absent) = self.nodes.iter().find(|name| !is_there(name)) {
            let known: Vec<String> = there.nodes.iter().map(|node| names.name(*node)).collect();
            let known = if known.is_empty() { "no node".to_owned() } else { known.join(", ") };
            return Err(Failed::usage(format!(
                "--node {absent}: no entry is of this node, there are those of {known}"
            )));
        }
        match there.span {
            Some((first, last)) if self.from.is_some_and(|from| from > last) => {
                Err(Failed::usage(format!("no entry is that late: the first is at {first}, the last at {last}")))
            }
            Some((first, last)) if self.until.is_some_and(|until| until < first) => {
                Err(Failed::usage(format!("no entry is that early: the first is at {first}, the last at {last}")))
            }
            _ => Ok(ExitCode::AsExpected),
        }
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

/// Whether people call a node by this name.
fn is_called(node: NodeId, name: &str, names: &Names) -> bool {
    names.name(node) == name || node.to_string() == name
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

fn write_end(left_out: u64, others: u64, kept: Option<&Kept>) -> io::Result<()> {
    let mut out = anstream::stdout();
    if left_out > 0 {
        writeln!(out, "  ({} entries more with --timeline all)", grouped(left_out))?;
    }
    write_others(others)?;
    let Some(kept) = kept else { return Ok(()) };
    writeln!(out, "\noutcome: {}\nevents: {}\ndigest: {}", kept.outcome, kept.events, kept.digest)
}

fn write_others(others: u64) -> io::Result<()> {
    match others {
        0 => Ok(()),
        _ => writeln!(anstream::stdout(), "  ({} entries of other nodes or times)", grouped(others)),
    }
}

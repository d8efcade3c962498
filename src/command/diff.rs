//! `splitbrain diff`: two runs, from their recordings or by running them, and the first thing in which they differ.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use splitbrain_kernel::rng::Seed;

use crate::campaign::{Pool, Summary};
use crate::command::files::Asked;
use crate::command::{
    CommandError, MessageFormat, PoolArguments, Session, Signals, kept, parse_seed, read_scenario, regular, shown,
    unreadable,
};
use crate::engine::{AHEAD_MAX, Alike, Comparison, Engine, Entry, Feed, Names, Recorder as _, RecordingReader};
use crate::exit_code::ExitCode;
use crate::report::{Compared, Json, Reporter as _, quoted, write_difference};
use crate::scenario::Assignment;

/// What `diff` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Two runs, each the folder of a run, its trace.jsonl, or a scenario; one of them alone is compared with itself,
    /// run again
    #[arg(value_name = "ARTIFACT|FILE", required = true, num_args = 1..=2)]
    runs: Vec<PathBuf>,

    /// The seed of a scenario; given twice, the first is that of the first run [default: 0]
    #[arg(long = "seed", value_name = "S", value_parser = parse_seed)]
    seeds: Vec<Seed>,

    /// Another value for a key of the scenarios, by its path in the file; where one run is given, of its second run
    /// alone, so that the two differ in that; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Assignment>,

    /// What is compared [default: all of two runs with one seed, story of others]
    #[arg(long, value_name = "all|story", hide_possible_values = true)]
    by: Option<By>,

    /// What is printed on stdout
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    message_format: MessageFormat,

    #[command(flatten)]
    pool: PoolArguments,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// Every event and every effect, with its time
    All,
    /// Faults, starts and exits, and what nodes say of themselves, without times
    Story,
}

/// One of the two runs.
struct Side {
    what: String,
    system: String,
    seed: Seed,
    names: Names,
    source: EntrySource,
}

/// Where its entries come from.
enum EntrySource {
    Recording(Box<RecordingReader<BufReader<File>>>),
    Engine(Arc<dyn Engine>),
}

impl EntrySource {
    const fn is_recording(&self) -> bool {
        matches!(self, Self::Recording(_))
    }
}

/// Does it.
pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let signals = Signals::new();
    let mut seeds = arguments.seeds.iter().copied();
    if seeds.len() > 2 {
        return Err(CommandError::usage("two runs have two seeds at most"));
    }
    let set = arguments.set.as_slice();
    let is_alone = arguments.runs.len() == 1;
    let first = side(session, &arguments.runs[0], if is_alone { &[] } else { set }, &mut seeds, None)?;
    let second = match arguments.runs.get(1) {
        Some(second) => side(session, second, set, &mut seeds, Some(first.seed))?,
        None => again(session, &arguments.runs[0], set, &mut seeds, first.seed)?,
    };
    if let Some(one) = set.first().filter(|_| [&first, &second].iter().all(|side| side.source.is_recording())) {
        return Err(CommandError::usage(format!("--set {one}: a recording is what it is, and none is run")));
    }
    if let Some(seed) = seeds.next() {
        return Err(CommandError::usage(format!("--seed {seed}: a recording has its own seed")));
    }
    if first.system != second.system {
        let systems = format!("{} and {}", first.system, second.system);
        let message = format!("{} and {} are of different systems: {systems}", first.what, second.what);
        return Err(CommandError::usage(message));
    }
    let by = arguments.by.unwrap_or(if first.seed == second.seed { By::All } else { By::Story });
    let alike = match by {
        By::All => Alike::Everything,
        By::Story => Alike::Story,
    };
    let compared = Compared { sides: [first.what.clone(), second.what.clone()], names: first.names.clone(), alike };
    signals.ask();
    let pool = arguments.pool.pool(1, signals.interrupt.clone());
    let feeders = [first, second].map(|side| Feeder::start(side, alike, &pool));
    let mut comparison = Comparison::new(alike);
    loop {
        let entries = feeders.each_ref().map(Feeder::next);
        if entries.iter().all(Option::is_none) || comparison.take(entries).is_break() {
            break;
        }
    }
    let damage = feeders.map(Feeder::finish).into_iter().find_map(Result::err);
    signals.end_at_once();
    let damage = match damage {
        // What differs before the damage is worth showing.
        Some(failed) if comparison.end_early() => Some(failed),
        Some(failed) => return Err(failed),
        None => None,
    };
    let (count, difference) = comparison.finish();
    let code = if difference.is_some() { ExitCode::NotAsExpected } else { ExitCode::AsExpected };
    let code = damage.as_ref().map_or(code, |failed| failed.code);
    let written = match arguments.message_format {
        MessageFormat::Json => {
            let mut json = Json::new(anstream::stdout());
            json.begin(0)
                .and_then(|()| json.difference(&compared, count, difference.as_ref()))
                .and_then(|()| json.end(&Summary { exit_code: code, ..Summary::of(0) }))
        }
        MessageFormat::Human | MessageFormat::Github => {
            write_difference(anstream::stdout(), &compared, (count, difference.as_ref()))
        }
    };
    written.map_err(CommandError::stdout)?;
    if let Some(failed) = damage {
        failed.print();
    }
    Ok(code)
}

/// The run that a path stands for. A scenario takes the next seed, or that of the other side.
fn side(
    session: &Session<'_>,
    path: &Path,
    set: &[Assignment],
    seeds: &mut impl Iterator<Item = Seed>,
    other: Option<Seed>,
) -> Result<Side, CommandError> {
    let is_recording = path.extension().is_some_and(|ending| ending == "jsonl");
    if path.is_dir() {
        return recording(&path.join("trace.jsonl"), shown(path));
    }
    if is_recording {
        return recording(path, shown(path));
    }
    let seed = seeds.next().or(other).unwrap_or(Seed(0));
    scenario(session, path, &shown(path), set, seed)
}

/// The second run, where one path is given: the same scenario, with the second seed or with the same.
fn again(
    session: &Session<'_>,
    path: &Path,
    set: &[Assignment],
    seeds: &mut impl Iterator<Item = Seed>,
    seed: Seed,
) -> Result<Side, CommandError> {
    if !path.is_dir() {
        return side(session, path, set, seeds, Some(seed));
    }
    let of = kept(path)?.scenario;
    let seed = seeds.next().unwrap_or(seed);
    scenario(session, &path.join("scenario.toml"), &of, set, seed)
}

fn recording(path: &Path, what: String) -> Result<Side, CommandError> {
    regular(path, "a recording")?;
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let reader = RecordingReader::new(path.display().to_string(), BufReader::new(file)).map_err(CommandError::usage)?;
    let header = reader.header();
    Ok(Side {
        what: format!("{what}, seed {}", header.seed),
        system: header.system.clone(),
        seed: Seed(header.seed),
        names: header.names.clone(),
        source: EntrySource::Recording(Box::new(reader)),
    })
}

fn scenario(
    session: &Session<'_>,
    path: &Path,
    what: &str,
    set: &[Assignment],
    seed: Seed,
) -> Result<Side, CommandError> {
    let asked = Asked::new(path);
    let bytes = asked.picks(set).applied_to(&read_scenario(&asked.path)?);
    let called = if asked.variant.is_some() { shown(&asked.path) } else { what.to_owned() };
    // In the folder of a run it is called after another file.
    let invalid = |error| CommandError::invalid_in(error, Some(&asked.path));
    let loaded = session.load_one(&called, &bytes).map_err(invalid)?;
    let engine = loaded.system.open(loaded.scenario.clone()).map_err(CommandError::open)?;
    engine.settings(seed).map_err(invalid)?;
    let set = set.iter().map(|one| format!(" --set {}", quoted(Path::new(&one.to_string()))));
    Ok(Side {
        what: format!("{what} --seed {seed}{}", set.collect::<String>()),
        system: loaded.scenario.system.clone(),
        seed,
        names: Names::of(&loaded.scenario.cluster_of(seed)),
        source: EntrySource::Engine(engine),
    })
}

/// How often a run is looked after that says nothing.
const LOOK: Duration = Duration::from_millis(100);

/// A thread that hands over the entries of a side.
struct Feeder {
    entries: Receiver<Entry>,
    thread: JoinHandle<Result<(), CommandError>>,
}

impl Feeder {
    fn start(side: Side, alike: Alike, pool: &Pool) -> Self {
        let (sender, entries) = sync_channel(AHEAD_MAX);
        let pool = pool.clone();
        Self { entries, thread: thread::spawn(move || feed(side, Feed::new(sender, alike), &pool)) }
    }

    /// The next entry; `None` if the recording has ended, or does not go on.
    fn next(&self) -> Option<Entry> {
        loop {
            match self.entries.recv_timeout(LOOK) {
                Ok(entry) => return Some(entry),
                Err(RecvTimeoutError::Disconnected) => return None,
                // A run that does not end keeps its end of the channel.
                Err(RecvTimeoutError::Timeout) if self.thread.is_finished() => return self.entries.try_recv().ok(),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn finish(self) -> Result<(), CommandError> {
        drop(self.entries);
        self.thread.join().unwrap_or_else(|_| Err(CommandError::panicked()))
    }
}

fn feed(side: Side, mut feed: Feed, pool: &Pool) -> Result<(), CommandError> {
    match side.source {
        EntrySource::Recording(reader) => {
            for entry in *reader {
                feed.record(entry.map_err(CommandError::usage)?);
            }
            Ok(())
        }
        EntrySource::Engine(engine) => {
            let recorded = pool.record(&engine, side.seed.into(), feed);
            let ended = |end| CommandError::ended(&side.what, side.seed, end, pool.timeout);
            recorded.map(|_| ()).map_err(ended)
        }
    }
}

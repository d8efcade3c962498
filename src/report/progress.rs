//! How far a campaign is, on stderr: a bar on a terminal, a line now and then elsewhere. Never part of a result.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::wording::grouped;

/// How often a counter line comes.
const EVERY: Duration = Duration::from_secs(5);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressKind {
    /// A bar on a terminal, lines elsewhere.
    Auto,
    /// Not at all.
    None,
    /// A bar.
    Bar,
    /// A line every few seconds.
    Counter,
}

/// Shows how far a campaign is.
#[derive(Debug)]
pub struct Progress {
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Nothing,
    Bar(ProgressBar),
    Counter { name: String, since: Instant, last: Instant },
}

impl Progress {
    /// For a campaign with this name, of so many runs.
    pub fn new(kind: ProgressKind, name: &str, total: u64) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let shown = match kind {
            ProgressKind::None => Shown::Nothing,
            ProgressKind::Auto if is_terminal => Shown::Bar(bar(name, total)),
            ProgressKind::Bar => Shown::Bar(bar(name, total)),
            ProgressKind::Auto | ProgressKind::Counter => {
                let now = Instant::now();
                Shown::Counter { name: name.to_owned(), since: now, last: now }
            }
        };
        Self { shown }
    }

    /// So many runs of so many are done.
    pub fn set(&mut self, done: u64, total: u64) {
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.set_position(done),
            Shown::Counter { name, since, last } => {
                if last.elapsed() >= EVERY {
                    *last = Instant::now();
                    let seconds = since.elapsed().as_secs();
                    let line = format!("{name}: {} of {} seeds, {seconds} s\n", grouped(done), grouped(total));
                    // Progress that nobody can read is nobody's loss.
                    let _ = std::io::stderr().write_all(line.as_bytes());
                }
            }
        }
    }

    /// The campaign is over; nothing of its progress stays on a terminal.
    pub fn finish(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}

fn bar(name: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} seeds, {eta} to go");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(name.to_owned());
    bar
}

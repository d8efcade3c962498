//! How far a campaign is, on stderr: a bar on a terminal, a line now and then elsewhere. Never part of a result.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::campaign::{Event, Listener, Reply};
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

/// Shows how far the scenario is whose runs go on.
#[derive(Debug)]
pub struct Progress {
    kind: ProgressKind,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Nothing,
    Bar(ProgressBar),
    Counter { name: String, since: Instant, last: Instant },
}

impl Progress {
    /// Shown so.
    pub const fn new(kind: ProgressKind) -> Self {
        Self { kind, shown: Shown::Nothing }
    }

    fn start(&mut self, name: &str, total: u64) {
        let is_terminal = std::io::stderr().is_terminal();
        self.shown = match self.kind {
            ProgressKind::None => Shown::Nothing,
            ProgressKind::Auto if is_terminal => Shown::Bar(bar(name, total)),
            ProgressKind::Bar => Shown::Bar(bar(name, total)),
            ProgressKind::Auto | ProgressKind::Counter => {
                let now = Instant::now();
                Shown::Counter { name: name.to_owned(), since: now, last: now }
            }
        };
    }

    fn set(&mut self, done: u64, total: u64) {
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.set_position(done),
            Shown::Counter { name, since, last } => {
                if last.elapsed() >= EVERY {
                    *last = Instant::now();
                    let seconds = since.elapsed().as_secs();
                    let of = if total == u64::MAX { String::new() } else { format!(" of {}", grouped(total)) };
                    let line = format!("{name}: {}{of} seeds, {seconds} s\n", grouped(done));
                    // Progress that nobody can read is nobody's loss.
                    let _ = std::io::stderr().write_all(line.as_bytes());
                }
            }
        }
    }

    /// Nothing of it stays on a terminal.
    fn finish(&mut self) {
        if let Shown::Bar(bar) = std::mem::replace(&mut self.shown, Shown::Nothing) {
            bar.finish_and_clear();
        }
    }
}

impl Listener for Progress {
    fn hear(&mut self, event: &Event<'_>, _: &mut Vec<Reply>) {
        match event {
            Event::ScenarioStarted { subject, seeds, .. } => self.start(subject.name, seeds.len()),
            Event::Progress { done, total } => self.set(*done, *total),
            Event::Interrupted { .. } | Event::ScenarioJudged { .. } | Event::CampaignFinished { .. } => self.finish(),
            _ => {}
        }
    }
}

fn bar(name: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let template = match total {
        u64::MAX => "{msg} {spinner} {pos} seeds in {elapsed}",
        _ => "{msg} {wide_bar} {pos}/{len} seeds, {eta} to go",
    };
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(name.to_owned());
    bar
}

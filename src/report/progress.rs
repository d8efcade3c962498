//! How far a call is, on stderr: one bar over all scenarios on a terminal, a line now and then elsewhere. At the end it
//! says how long the call took, and which scenarios took long. Never part of a result.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::campaign::{Event, Listener, Reply};
use crate::wording::{counted, grouped};

/// How often a counter line comes, and how long a scenario or a call takes before its time is worth a line.
const EVERY: Duration = Duration::from_secs(5);

/// Steps of the bar for each scenario.
const STEPS: u64 = 1_000;

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

/// Shows how far the call is.
#[derive(Debug)]
pub struct Progress {
    kind: ProgressKind,
    shown: Shown,
    /// Scenarios in all, and those that were judged.
    scenarios: u64,
    judged: u64,
    since: Instant,
    /// The scenario whose runs go on: its name, and when it began.
    current: Option<(String, Instant)>,
}

#[derive(Debug)]
enum Shown {
    Nothing,
    Bar(ProgressBar),
    Counter { last: Instant },
}

impl Progress {
    /// Shown so.
    pub fn new(kind: ProgressKind) -> Self {
        Self { kind, shown: Shown::Nothing, scenarios: 0, judged: 0, since: Instant::now(), current: None }
    }

    fn begin(&mut self, scenarios: u64) {
        let is_terminal = std::io::stderr().is_terminal();
        (self.scenarios, self.since) = (scenarios, Instant::now());
        self.shown = match self.kind {
            ProgressKind::Auto if is_terminal => Shown::Bar(bar_since(scenarios, self.since)),
            ProgressKind::Bar => Shown::Bar(bar_since(scenarios, self.since)),
            ProgressKind::None => Shown::Nothing,
            ProgressKind::Auto | ProgressKind::Counter => Shown::Counter { last: self.since },
        };
    }

    fn start(&mut self, name: &str) {
        self.current = Some((name.to_owned(), Instant::now()));
        if let Shown::Bar(bar) = &mut self.shown {
            *bar = bar_since(self.scenarios, self.since);
        }
        self.set(0, u64::MAX);
    }

    /// So many of the seeds of the scenario are done.
    fn set(&mut self, done: u64, total: u64) {
        let Some((name, since)) = &self.current else { return };
        let place = place(self.judged + 1, self.scenarios);
        let of = if total == u64::MAX { String::new() } else { format!(" of {}", grouped(total)) };
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                let part = if total == u64::MAX { 0 } else { done.saturating_mul(STEPS) / total.max(1) };
                bar.set_position(self.judged * STEPS + part.min(STEPS));
                bar.set_message(format!("{place}{name}, {}{of} seeds", grouped(done)));
            }
            Shown::Counter { last } if last.elapsed() >= EVERY => {
                *last = Instant::now();
                say(&format!("{place}{name}: {}{of} seeds, {}", grouped(done), seconds(since.elapsed())));
            }
            Shown::Counter { .. } => {}
        }
    }

    /// The scenario is judged. One that took long says so where there is no bar.
    fn judge(&mut self) {
        self.judged += 1;
        let Some((name, since)) = self.current.take() else { return };
        let took = since.elapsed();
        if matches!(self.shown, Shown::Counter { .. }) && took >= EVERY {
            say(&format!("{}{name} took {}", place(self.judged, self.scenarios), seconds(took)));
        }
        self.hide();
    }

    /// Others are about to write on the terminal: the bar comes back with the next scenario.
    fn hide(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    /// Nothing of the bar stays on a terminal.
    fn finish(&mut self) {
        let shown = std::mem::replace(&mut self.shown, Shown::Nothing);
        let took = self.since.elapsed();
        let is_told = match shown {
            Shown::Nothing => return,
            Shown::Bar(bar) => {
                bar.finish_and_clear();
                took >= Duration::from_secs(1)
            }
            Shown::Counter { .. } => took >= EVERY,
        };
        if is_told {
            say(&format!("{} in {}", counted(self.judged, "scenario"), seconds(took)));
        }
    }
}

impl Listener for Progress {
    fn hear(&mut self, event: &Event<'_>, _: &mut Vec<Reply>) {
        match event {
            Event::CampaignStarted { scenarios } => self.begin(*scenarios),
            Event::ScenarioStarted { subject, .. } => self.start(subject.name),
            Event::Progress { done, total } => self.set(*done, *total),
            Event::ScenarioJudged { .. } => self.judge(),
            Event::Interrupted { .. } | Event::CampaignFinished { .. } => self.finish(),
            _ => {}
        }
    }
}

/// `[ 3/78] `; nothing where there is only one scenario.
fn place(number: u64, scenarios: u64) -> String {
    let width = scenarios.to_string().len();
    if scenarios < 2 { String::new() } else { format!("[{number:>width$}/{scenarios}] ") }
}

/// To the tenth: `12.3 s`.
fn seconds(duration: Duration) -> String {
    format!("{}.{} s", duration.as_secs(), duration.subsec_millis() / 100)
}

fn say(line: &str) {
    // An error on stderr is ignored: progress is never part of a result.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

fn bar_since(scenarios: u64, since: Instant) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(scenarios * STEPS), ProgressDrawTarget::stderr());
    let bar = bar.with_elapsed(since.elapsed());
    let style = ProgressStyle::with_template("{wide_bar} {msg}, {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_of_one_width_and_left_out_where_there_is_one_scenario() {
        assert_eq!(place(3, 78), "[ 3/78] ");
        assert_eq!(place(12, 78), "[12/78] ");
        assert_eq!(place(1, 1), "");
        assert_eq!(seconds(Duration::from_millis(12_399)), "12.3 s");
    }
}

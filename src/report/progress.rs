//! How far a call is, on stderr: one bar over all scenarios on a terminal, a line now and then elsewhere, and a status
//! line for each scenario that is judged. Never part of a result: what the wall clock says stands here alone.
//!
//! ```text
//!   [   1.204s] [ 3/78] PASS raft/figure_16
//!   time        place   what it came to
//! ```
//!
//! If people see both stdout and stderr, time and place stand before the line of the scenario on stdout.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::campaign::{Event, Judgement, Listener, Reply};
use crate::report::human::verdict_word;
use crate::text::{counted, grouped};

/// How often a counter line comes, and how long a call takes before its time is worth a line.
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
pub struct ProgressDisplay {
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

impl ProgressDisplay {
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
                say(&format!("{} {place}{name}: {}{of} seeds", time(since.elapsed()), grouped(done)));
            }
            Shown::Counter { .. } => {}
        }
    }

    /// The scenario is judged: its status line. One that could not even begin took no time.
    fn judge(&mut self, name: &str, judgement: Judgement) {
        self.judged += 1;
        let took = self.current.take().map_or(Duration::ZERO, |(_, since)| since.elapsed());
        self.hide();
        let head = format!("{} {}", time(took), place(self.judged, self.scenarios));
        match self.shown {
            Shown::Nothing => {}
            // The reports come next, and write the rest of the line.
            Shown::Bar(_) if is_one_terminal() => write(&head),
            Shown::Bar(_) | Shown::Counter { .. } => say(&format!("{head}{} {name}", verdict_word(judgement))),
        }
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
            say(&format!("{} {}", time(took), counted(self.judged, "scenario")));
        }
    }
}

impl Listener for ProgressDisplay {
    fn hear(&mut self, event: &Event<'_>, _: &mut Vec<Reply>) {
        match event {
            Event::CampaignStarted { scenarios } => self.begin(*scenarios),
            Event::ScenarioStarted { subject, .. } => self.start(subject.name),
            Event::Progress { done, total } => self.set(*done, *total),
            Event::ScenarioJudged { subject, result } => self.judge(subject.name, result.judgement),
            Event::Interrupted { .. } | Event::CampaignFinished { .. } => self.finish(),
            _ => {}
        }
    }
}

/// `[ 3/78] `; empty if there is only one scenario.
fn place(number: u64, scenarios: u64) -> String {
    let width = scenarios.to_string().len();
    if scenarios < 2 { String::new() } else { format!("[{number:>width$}/{scenarios}] ") }
}

/// To the millisecond, of one width up to some hours: `[  12.345s]`.
fn time(duration: Duration) -> String {
    format!("[{:>4}.{:03}s]", duration.as_secs(), duration.subsec_millis())
}

/// Whether people see what is written to stdout beside what is written to stderr.
fn is_one_terminal() -> bool {
    std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
}

fn say(line: &str) {
    write(&format!("{line}\n"));
}

fn write(text: &str) {
    // An error on stderr is ignored: progress is never part of a result.
    let _ = std::io::stderr().write_all(text.as_bytes());
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
    }

    #[test]
    fn a_time_is_of_one_width() {
        assert_eq!(time(Duration::from_millis(12_399)), "[  12.399s]");
        assert_eq!(time(Duration::ZERO), "[   0.000s]");
        assert_eq!(time(Duration::from_secs(9_999)), "[9999.000s]");
    }
}

//! The figures of the clean swarms, `reports/gallery/{raft,sessions,lock,chat,reactor}.md`: how often the shipped
//! swarms of a system came to what matters.
//!
//! A count of zero is a failure, since what never happened tested nothing; so are fewer than a hundred evaluations of
//! an invariant with its premise true. What a swarm cannot come to is listed with the reason ([`absent`]), and is a
//! failure where it comes.
//!
//! `cargo bench --bench swarms` prints a short form for every system; `-- --system lock` takes one, `--seeds N` asks
//! for N seeds of each swarm, `--at-most failover=10000,clocks=10000` for no more of these, `--write` keeps the page.
//! What is measured is a function of the build and N. An interrupted call goes on where it ended: what is measured
//! lies in `target/cells`, by the bytes of the program and of the scenario.

#[path = "swarms/absent.rs"]
mod absent;
#[path = "common/arguments.rs"]
mod arguments;
#[path = "common/grouped.rs"]
mod grouped;
#[path = "common/kept.rs"]
mod kept;
#[path = "swarms/leases.rs"]
mod leases;
#[path = "swarms/measure.rs"]
mod measure;
#[path = "swarms/page.rs"]
mod page;
#[path = "swarms/reached.rs"]
mod reached;
#[path = "common/shipped.rs"]
mod shipped;

use std::path::PathBuf;

use splitbrain_kernel::system::System;
use splitbrain_systems::chat::Chat;
use splitbrain_systems::lock::Lock;
use splitbrain_systems::reactor::Reactor;
use splitbrain_systems::session::Sessions;

use crate::absent::Absent;
use crate::arguments::{number_after, text_after};
use crate::kept::Kept;
use crate::measure::Swarm;
use crate::page::Page;
use crate::reached::Counted;
use crate::shipped::{file_stem, files_of};

/// Seeds of each swarm by default.
const SEEDS: u64 = 20;

/// What a call asks for.
struct Wanted<'a> {
    system: Option<&'a str>,
    seeds: u64,
    at_most: Vec<(String, u64)>,
    is_written: bool,
    kept: Kept,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let wanted = Wanted {
        system: text_after(&arguments, "--system"),
        seeds: number_after(&arguments, "--seeds", SEEDS),
        at_most: text_after(&arguments, "--at-most").map(at_most).unwrap_or_default(),
        is_written: arguments.iter().any(|argument| argument == "--write"),
        kept: Kept::open(),
    };
    let leases = || {
        let (text, agrees) = leases::section();
        assert!(agrees, "the measured boundary is that of the closed form, to one step of the grid:\n{text}");
        text
    };
    let wrong = [
        wanted.page::<Counted>(("Raft", "raft"), absent::RAFT, String::new),
        wanted.page::<Sessions>(("Sessions", "sessions"), absent::SESSION, leases),
        wanted.page::<Lock>(("Locks", "lock"), absent::LOCK, String::new),
        wanted.page::<Chat>(("The chat service", "chat"), absent::CHAT, String::new),
        wanted.page::<Reactor>(("The reactor", "reactor"), absent::REACTOR, || {
            "[reactor-linux.md](reactor-linux.md) has the comparison of the model with Linux.\n".to_owned()
        }),
    ];
    assert!(wrong.iter().any(Option::is_some), "--system takes raft, session, lock, chat or reactor");
    let wrong: Vec<String> = wrong.into_iter().flatten().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Reads `failover=10000,clocks=5000`.
fn at_most(text: &str) -> Vec<(String, u64)> {
    let one = |part: &str| {
        let (name, count) = part.split_once('=')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    let read = |part| one(part).expect("--at-most takes swarms and counts, such as failover=10000,clocks=5000");
    text.split(',').map(read).collect()
}

impl Wanted<'_> {
    /// Measures the swarms of a system, prints the page, and keeps it if asked. Returns what is wrong with it, if this
    /// system is wanted.
    fn page<S: System>(
        &self,
        (title, file): (&'static str, &str),
        absent: &'static [Absent],
        before: impl Fn() -> String,
    ) -> Option<Vec<String>> {
        if self.system.is_some_and(|system| system != S::NAME) {
            return None;
        }
        let is_swarm = |path: &PathBuf| file_stem(path).starts_with("swarm");
        let files = files_of(&format!("scenarios/{}", S::NAME)).into_iter().filter(is_swarm);
        let points = if S::NAME == Counted::NAME { reached::POINTS } else { &[] };
        let swarms: Vec<Swarm> = files.map(|path| Swarm::load::<S>(&path, points)).collect();
        let (system, seeds, at_most, before) = (S::NAME, self.seeds, self.at_most.clone(), before());
        let is_swarm = |name: &String| swarms.iter().any(|swarm| swarm.name == *name);
        let stranger = at_most.iter().map(|(name, _)| name).find(|name| !is_swarm(name));
        assert!(stranger.is_none(), "--at-most names {stranger:?}, which is no swarm of {system}");
        let asks_for_gauges = system == Reactor::NAME;
        let page = Page { title, system, seeds, at_most, swarms, absent, asks_for_gauges, before };
        self.kept.measure(&page.jobs());
        let (text, wrong) = page.text(&self.kept);
        println!("{text}");
        if self.is_written {
            std::fs::write(format!("reports/gallery/{file}.md"), text).expect("the gallery can be written");
        }
        Some(wrong)
    }
}

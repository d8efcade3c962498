//! The tables of known bugs, `reports/gallery/*-bugs.md`: how likely one run finds each, and by which invariants.
//!
//! A bug's *own scenario* is the file of its name in `scenarios/SYSTEM/bugs`; of the lock servers those in
//! `scenarios/lock` count too that have a twin: what a configuration does without any slip. Of Raft there is a *general
//! swarm* beside it, all shipped swarms in turn: seed n runs swarm n modulo their number. Both are run with all
//! invariants of the scenario and with the black boxes among them alone, whole runs, settle phase included.
//!
//! The *matrix* says which invariants fire, the first one or later ones: a run that broke one is run again without it,
//! until nothing breaks. So an invariant that always fires after another is seen too.
//!
//! `cargo bench --bench bugs` prints a short form of every system; `-- --system raft` takes one, `--seeds N` asks for N
//! seeds a cell, `--write` keeps the table. What is measured is a function of the build and N. An interrupted call goes
//! on where it ended: what is measured lies in `target/cells`, by the bytes of the program and of the scenarios.

#[path = "common/arguments.rs"]
mod arguments;
#[path = "common/kept.rs"]
mod kept;
#[path = "bugs/measure.rs"]
mod measure;
#[path = "bugs/page.rs"]
mod page;
#[path = "common/share.rs"]
mod share;
#[path = "common/shipped.rs"]
mod shipped;

use std::path::PathBuf;

use splitbrain_kernel::system::System;
use splitbrain_kernel::time::Duration;
use splitbrain_systems::chat::Chat;
use splitbrain_systems::lock::Lock;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::raft::bug::Bug;
use splitbrain_systems::reactor::Reactor;
use splitbrain_systems::session::Sessions;

use crate::arguments::{number_after, text_after};
use crate::kept::Kept;
use crate::measure::{Arm, General};
use crate::page::{Row, Table};
use crate::shipped::{file_stem, files_of, load};

/// Seeds of a cell by default.
const SEEDS: u64 = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let seeds = number_after(&arguments, "--seeds", SEEDS);
    let system = text_after(&arguments, "--system");
    let is_written = arguments.iter().any(|argument| argument == "--write");
    let kept = Kept::open();
    let mut wrong = Vec::new();
    let mut is_known = false;
    let mut wants = |name: &str| {
        let wants = system.is_none_or(|system| system == name);
        is_known |= wants;
        wants
    };
    if wants(Raft::NAME) {
        wrong.extend(write(&raft(seeds), &kept, is_written));
    }
    if wants(Sessions::NAME) {
        wrong.extend(write(&of_folder::<Sessions>("the session system", seeds, Duration::ZERO), &kept, is_written));
    }
    if wants(Lock::NAME) {
        let mut table = of_folder::<Lock>("the lock servers", seeds, Duration::ZERO);
        table.rows.extend(beside_the_bugs::<Lock>());
        wrong.extend(write(&table, &kept, is_written));
    }
    if wants(Chat::NAME) {
        wrong.extend(write(&of_folder::<Chat>("the chat service", seeds, Duration::ZERO), &kept, is_written));
    }
    if wants(Reactor::NAME) {
        // Its scenarios are short, and answers are due some time after the last request.
        let settle = Duration::from_millis(300);
        wrong.extend(write(&of_folder::<Reactor>("the reactor", seeds, settle), &kept, is_written));
    }
    assert!(is_known, "--system takes raft, session, lock, chat or reactor");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Measures a table, prints it, and keeps it if asked. Returns what is wrong with it.
fn write<S: System>(table: &Table<S>, kept: &Kept, is_written: bool) -> Vec<String> {
    kept.measure(&table.jobs());
    let (text, wrong) = table.page(kept);
    println!("{text}");
    if is_written {
        let path = format!("reports/gallery/{}-bugs.md", S::NAME);
        std::fs::write(path, text).expect("the gallery can be written");
    }
    wrong
}

/// A table with one row for each scenario in the folder of known bugs.
fn of_folder<S: System>(title: &'static str, seeds: u64, settle: Duration) -> Table<S> {
    let files = files_of(&format!("scenarios/{}/bugs", S::NAME));
    let row = |path: &PathBuf| Row { name: file_stem(path), own: Some(Arm::own(load::<S>(path))) };
    Table { title, seeds, settle, general: None, rows: files.iter().map(row).collect() }
}

/// A row for each scenario beside that folder that violates something: a configuration is enough for that.
fn beside_the_bugs<S: System>() -> impl Iterator<Item = Row> {
    let files = files_of(&format!("scenarios/{}", S::NAME)).into_iter();
    files.filter_map(|path| {
        let scenario = load::<S>(&path);
        scenario.expect.violates.is_some().then(|| Row { name: file_stem(&path), own: Some(Arm::own(scenario)) })
    })
}

/// The table of Raft: a row for each bug, with or without a scenario of its own, and one for the clean system.
fn raft(seeds: u64) -> Table<Raft> {
    let row = |name: &&'static str| {
        let path = PathBuf::from(format!("scenarios/raft/bugs/{name}.toml"));
        Row { name: (*name).to_owned(), own: path.exists().then(|| Arm::own(load::<Raft>(&path))) }
    };
    let is_swarm = |path: &PathBuf| file_stem(path).starts_with("swarm");
    let swarms = files_of("scenarios/raft").into_iter().filter(is_swarm);
    Table {
        title: "Raft",
        seeds,
        settle: Duration::ZERO,
        general: Some(General { arm: Arm::swarms(swarms.map(|path| load::<Raft>(&path)).collect()), with_bug }),
        rows: Bug::NAMES.iter().map(|(name, _)| name).map(row).collect(),
    }
}

fn with_bug(system: &Raft, bug: &str) -> Raft {
    let bug = Bug::from_name(bug).expect("it is one of its names");
    let mut setup = system.setup().clone();
    setup.options.base.bug = bug;
    setup.options.of.values_mut().for_each(|options| options.bug = bug);
    Raft::over(setup).expect("a known bug contradicts no option")
}

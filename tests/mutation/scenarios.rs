//! A thousand damaged scenarios, each loaded, opened and run for a while; some of them by the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use splitbrain::engine::{AnySystem, Simulated};
use splitbrain::kernel::rng::Seed;
use splitbrain::kernel::run::Outcome;
use splitbrain::scenario::{Colour, Diagnostics, Picks, SystemDescription, load, load_all};
use splitbrain_systems::chat::Chat;
use splitbrain_systems::lock::Lock;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::reactor::Reactor;
use splitbrain_systems::session::Sessions;
use toml::Table;

use crate::generate::{Numbers, Pool, damage_bytes, damage_keys, damage_tokens};
use crate::program::{self, PATIENCE};

const MUTANTS: usize = 1000;
/// Every so manieth mutant goes to the program too.
const OF_PROGRAM: usize = 30;
/// How far a mutant that is a scenario is run.
const EVENTS_MAX: u64 = 2000;
const SEED: u64 = 20_131;

fn systems() -> Vec<Box<dyn AnySystem>> {
    vec![
        Box::new(Simulated::<Raft>::new()),
        Box::new(Simulated::<Lock>::new()),
        Box::new(Simulated::<Sessions>::new()),
        Box::new(Simulated::<Chat>::new()),
        Box::new(Simulated::<Reactor>::new()),
    ]
}

/// The shipped scenarios, in order of their paths.
pub(crate) fn shipped() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "toml") {
                let text = fs::read_to_string(&path).expect("a scenario is text");
                found.push((path, text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 100, "there are {} shipped scenarios", found.len());
    found
}

/// The damaged texts: a third each by bytes, tokens and keys, every one from another file.
pub(crate) fn mutants() -> Vec<Vec<u8>> {
    let texts: Vec<String> = shipped().into_iter().map(|(_, text)| text).collect();
    let tables: Vec<Table> = texts.iter().map(|text| text.parse().expect("a scenario is TOML")).collect();
    let mut pool = Pool::default();
    tables.iter().for_each(|table| pool.add(table));
    let mut numbers = Numbers(SEED);
    let mutant = |index: usize| {
        let file = numbers.below(texts.len());
        match index % 3 {
            0 => damage_bytes(texts[file].as_bytes(), &mut numbers),
            1 => damage_tokens(&texts[file], numbers.of(&texts).as_str(), &mut numbers).into_bytes(),
            _ => damage_keys(&tables[file], &pool, &mut numbers).into_bytes(),
        }
    };
    (0..MUTANTS).map(mutant).collect()
}

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Refused,
    /// It is a scenario, but not for seed 0.
    Undrawn,
    /// It ran to its end, or to the end of the budget.
    Ran,
}

/// # Panics
/// Where a text is refused without a word or a place, or a run panics.
fn fate(bytes: &[u8], systems: &[Box<dyn AnySystem>], words: &[SystemDescription]) -> Fate {
    // Of variants the first is run: what is wrong with any of them is wrong with all.
    let mut scenario = match load_all("a.toml", bytes, &Picks::default(), words) {
        Ok(mut scenarios) => scenarios.swap_remove(0),
        Err(errors) => return refused(&errors),
    };
    let system = systems.iter().find(|one| one.description().name == scenario.system).expect("it is of a system");
    if let Err(errors) = system.verify(&scenario) {
        return refused(&errors);
    }
    scenario.run.budget.events_max = scenario.run.budget.events_max.min(EVENTS_MAX);
    let engine = system.open(Arc::new(scenario)).expect("the kernel can do what the language says");
    let settings = match engine.settings(Seed(0)) {
        Ok(settings) => settings,
        Err(errors) => {
            refused(&errors);
            return Fate::Undrawn;
        }
    };
    if let Err(errors) = load("resolved.toml", settings.toml.as_bytes(), words) {
        panic!("what was resolved is no scenario: {errors}\n{}", settings.toml);
    }
    let run = engine.worker().run(Seed(0).into(), None);
    assert!(!matches!(run.outcome, Outcome::Panicked(_)), "{:?}", run.outcome);
    Fate::Ran
}

fn refused(errors: &Diagnostics) -> Fate {
    assert!(!errors.list.is_empty(), "it is refused for something");
    for one in &errors.list {
        assert!(one.position.line >= 1 && one.position.column >= 1 && !one.message.is_empty(), "{one:?}");
    }
    for text in [errors.plain(), errors.pretty(Colour::Never)] {
        assert!(text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()), "{text:?}");
    }
    Fate::Refused
}

/// Says what becomes of mutants.
type Judge = Box<dyn FnMut(&[u8]) -> Fate>;

fn judge() -> Judge {
    let systems = systems();
    let words: Vec<SystemDescription> = systems.iter().map(|system| system.description()).collect();
    Box::new(move |bytes| fate(bytes, &systems, &words))
}

/// Half of the mutants, on a thread of their own.
fn start(half: usize, mutants: Arc<Vec<Vec<u8>>>, judge: fn() -> Judge) -> Receiver<(usize, Option<Fate>)> {
    let (sender, receiver) = channel();
    let all = move || {
        let mut judge = judge();
        for index in (half..mutants.len()).step_by(2) {
            // Without an answer the mutant is named: the thread has ended, or does not.
            if sender.send((index, None)).is_err() {
                return;
            }
            let _ = sender.send((index, Some(judge(&mutants[index]))));
        }
    };
    thread::spawn(all);
    receiver
}

/// What becomes of each.
///
/// # Panics
/// If the judge of one panics, or does not answer in time.
fn fates(mutants: Vec<Vec<u8>>, judge: fn() -> Judge, patience: Duration) -> Vec<Fate> {
    let mutants = Arc::new(mutants);
    let halves = [0, 1].map(|half| start(half, mutants.clone(), judge));
    let mut fates = Vec::new();
    for half in halves {
        let mut under_way = None;
        loop {
            match half.recv_timeout(patience) {
                Ok((index, None)) => under_way = Some(index),
                Ok((_, fate)) => {
                    fates.extend(fate);
                    under_way = None;
                }
                Err(end) => match under_way {
                    Some(index) => {
                        let text = String::from_utf8_lossy(&mutants[index]);
                        panic!("mutant {index} panicked or does not end ({end}):\n{text}");
                    }
                    None => break,
                },
            }
        }
    }
    fates
}

#[test]
fn a_thousand_damaged_scenarios_are_refused_or_run() {
    let fates = fates(mutants(), judge, PATIENCE);
    let count = |wanted: Fate| fates.iter().filter(|fate| **fate == wanted).count();
    assert_eq!(fates.len(), MUTANTS, "every mutant has a fate");
    // The generator is neither too gentle nor too harsh.
    let (refused, ran) = (count(Fate::Refused), count(Fate::Ran));
    assert!((500..=900).contains(&refused) && (100..=500).contains(&ran), "{refused} were refused, {ran} ran");
}

/// Four texts, of which the third is not borne.
fn four() -> Vec<Vec<u8>> {
    [b"a", b"b", b"!", b"d"].map(|text| text.to_vec()).to_vec()
}

#[test]
#[should_panic(expected = "mutant 2 panicked or does not end")]
fn a_mutant_that_panics_is_named() {
    let judge = || -> Judge {
        Box::new(|bytes| {
            assert_ne!(bytes, b"!", "the planted panic");
            Fate::Ran
        })
    };
    fates(four(), judge, PATIENCE);
}

#[test]
#[should_panic(expected = "mutant 2 panicked or does not end")]
fn a_mutant_that_does_not_end_is_named() {
    let judge = || -> Judge {
        let (keep, never) = channel::<()>();
        Box::new(move |bytes| {
            if bytes == b"!" {
                let _ = (&keep, never.recv());
            }
            Fate::Ran
        })
    };
    fates(four(), judge, Duration::from_millis(300));
}

#[test]
fn the_program_ends_damaged_scenarios_with_a_documented_code() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutated-scenarios");
    fs::create_dir_all(&folder).expect("a folder can be made");
    let mut codes = std::collections::BTreeSet::new();
    for (index, mutant) in mutants().iter().enumerate().skip(2).step_by(OF_PROGRAM) {
        let name = format!("{index}.toml");
        fs::write(folder.join(&name), mutant).expect("a file can be written");
        let (checked, told) = program::run(&folder, &["check", &name]);
        let limits = ["--seed", "0", "-j", "1", "--timeout", "30s", "--check-determinism=0%"];
        let (tested, tested_told) = program::run(&folder, &[&["test", &name][..], &limits].concat());
        assert_eq!(checked == 105, tested == 105, "check and test agree\n{told}{tested_told}");
        assert!([0, 105].contains(&checked), "{told}");
        // A panic has 103.
        assert!([0, 3, 100, 105].contains(&tested), "{tested_told}");
        codes.insert(tested);
    }
    assert!(codes.len() >= 2, "the program ended with {codes:?} alone");
}

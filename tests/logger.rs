//! Goal: a program that has a logger of its own keeps it, and its level, when runs are recorded.
//!
//! The logger is one for the whole process, so this test has a process of its own.

use std::sync::Mutex;

use splitbrain::engine::Capture;

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct OwnLogger;

impl log::Log for OwnLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        HEARD.lock().expect("no panic").push(format!("{} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

#[test]
fn a_logger_of_the_program_hears_what_it_did_before_and_after_a_recorded_run() {
    log::set_logger(&OwnLogger).expect("it is the first one");
    log::set_max_level(log::LevelFilter::Info);
    let say = |when: &str| {
        log::info!("{when}");
        log::debug!("{when}, below the level");
    };
    say("before");
    let capture = Capture::begin(|| None);
    say("during");
    drop(capture);
    say("after");
    assert_eq!(*HEARD.lock().expect("no panic"), ["INFO before", "INFO during", "INFO after"]);
    assert_eq!(log::max_level(), log::LevelFilter::Info);
}

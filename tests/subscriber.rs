//! Goal: a program that has set a subscriber of its own, and a level of `log`, keeps both when runs are recorded.
//!
//! Both are one for the whole process, so this test has a process of its own.

use std::fmt;
use std::sync::Mutex;

use splitbrain::engine::Capture;
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, LevelFilter, Metadata, Subscriber, dispatcher};

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn hear(what: String) {
    HEARD.lock().expect("no panic").push(what);
}

/// Hears events and spans down to `info`.
struct OwnSubscriber;

impl Subscriber for OwnSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing_core::Level::INFO
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Message);
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        hear(format!("span {}", span.metadata().name()));
        Id::from_u64(7)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, id: &Id) {
        hear(format!("enter {}", id.into_u64()));
    }

    fn exit(&self, id: &Id) {
        hear(format!("exit {}", id.into_u64()));
    }
}

struct Message;

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            hear(format!("event {value:?}"));
        }
    }
}

fn say() -> Vec<String> {
    tracing::info_span!("work").in_scope(|| {
        tracing::info!("one");
        tracing::debug!("below its level");
        log::info!("two");
    });
    std::mem::take(&mut *HEARD.lock().expect("no panic"))
}

#[test]
fn a_subscriber_of_the_program_hears_the_same_during_a_recorded_run() {
    dispatcher::set_global_default(tracing_core::Dispatch::new(OwnSubscriber)).expect("it is the first one");
    log::set_max_level(log::LevelFilter::Warn);
    let before = say();
    assert_eq!(before, ["span work", "enter 7", "event one", "exit 7"]);
    let capture = Capture::begin(|| None);
    // The bridge from `log` is there while a run is recorded, and hands on to the subscriber.
    assert_eq!(say(), ["span work", "enter 7", "event one", "event two", "exit 7"]);
    drop(capture);
    assert_eq!(say(), before);
    assert_eq!(log::max_level(), log::LevelFilter::Warn);
}

//! Lines from `tracing` and from `log`, on one thread, while they are captured.

use super::*;

fn captured(speak: impl FnOnce()) -> Vec<(Option<Stamp>, LogLine)> {
    let _capture = Capture::begin(|| Some(Stamp { at: Instant::from_nanos(7), node: Some(NodeId::server(2)) }));
    speak();
    take()
}

#[test]
fn lines_of_both_libraries_are_captured_with_their_stamp() {
    let lines = captured(|| {
        tracing::info!(target: "store", epoch = 3, key = %"k1", "became {}", "leader");
        log::warn!(target: "old::code", "the disk is {} percent full", 90);
        tracing::trace!("not recorded");
        tracing::error!(target: "madsim::net", "of the engine");
        tracing::error!(target: "splitbrain::campaign::log", "of the engine");
    });
    assert!(lines.iter().all(|(stamp, _)| stamp.is_some_and(|it| it.at.as_nanos() == 7)), "{lines:?}");
    let text: Vec<String> = lines
        .iter()
        .map(|(_, line)| line.entry(true))
        .map(|entry| format!("{} {} {}", entry.name, entry.text, entry.data))
        .collect();
    assert_eq!(
        text,
        [
            "info store: became leader epoch=3 key=k1 \
             {\"fields\":{\"epoch\":\"3\",\"key\":\"k1\"},\"message\":\"became leader\",\"target\":\"store\"}",
            "warn old::code: the disk is 90 percent full \
             {\"fields\":{},\"message\":\"the disk is 90 percent full\",\"target\":\"old::code\"}",
        ]
    );
}

#[test]
fn nothing_is_captured_without_a_capture_and_nothing_is_left_of_one() {
    tracing::error!("unheard");
    assert!(take().is_empty());
    let capture = Capture::begin(|| None);
    tracing::error!("heard, and never taken");
    drop(capture);
    tracing::error!("unheard");
    assert!(take().is_empty());
    assert!(captured(|| {}).is_empty());
}

#[test]
fn another_thread_is_not_heard() {
    let lines = captured(|| {
        let other = std::thread::spawn(|| tracing::error!("of another thread"));
        other.join().expect("no panic");
    });
    assert!(lines.is_empty(), "{lines:?}");
}

/// A statement that another thread comes to first, while this one captures, is heard here all the same.
#[test]
fn another_thread_silences_nothing() {
    let say = || tracing::info!("once here, once there");
    let lines = captured(|| {
        std::thread::spawn(say).join().expect("no panic");
        say();
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_line_that_logs_while_it_is_written_is_captured_too() {
    struct Chatty;
    impl fmt::Debug for Chatty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            tracing::info!("inner");
            f.write_str("chatty")
        }
    }
    let lines = captured(|| tracing::info!(who = ?Chatty, "outer"));
    let messages: Vec<&str> = lines.iter().map(|(_, line)| line.message.as_str()).collect();
    assert!(messages.contains(&"outer"), "{messages:?}");
}

#[test]
fn an_entry_knows_its_level() {
    for level in LogLevel::ALL {
        let line = LogLine { level, target: "x".to_owned(), message: "y".to_owned(), fields: Vec::new() };
        let entry = line.entry(false);
        assert_eq!((LogLevel::of(&entry), &*entry.text), (Some(level), "x: y"));
        assert!(entry.data.is_null());
    }
    assert_eq!(LogLevel::of(&Entry::new(EntryKind::Observed, "error", "")), None);
}

//! Recorded histories with known verdicts are judged as these say, and whatever else a file may hold is an error.
//!
//! `histories/` holds the files, with the notice of their source.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use splitbrain::history::{self, Judged, ModelName, Reading, Records, Rules, Value};
use splitbrain::kernel::checker::{Anomaly, BUDGET, Verdict};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories")
}

const fn rules() -> Rules {
    Rules { model: None, initial: Value::Nil, failed_cas_differs: false, budget: BUDGET }
}

fn judge(text: &str) -> (Records, Judged) {
    let records = history::read(text, Reading::default()).expect("a history");
    let judged = history::judge(&records, &rules()).expect("operations of a model");
    (records, judged)
}

fn anomaly(text: &str) -> Option<Anomaly> {
    match judge(text).1.verdict {
        Verdict::Valid => None,
        Verdict::Invalid(found) => Some(found.anomaly),
        Verdict::Unknown => panic!("within the budget"),
    }
}

#[test]
fn every_recorded_history_is_judged_as_its_verdict_says() {
    let verdicts = fs::read_to_string(folder().join("verdicts.tsv")).expect("the verdicts");
    let mut count = 0;
    for line in verdicts.lines().skip(1) {
        let (file, expected) = line.split_once('\t').expect("a file and its verdict");
        let text = fs::read_to_string(folder().join(file)).expect("the file");
        let (records, judged) = judge(&text);
        count += 1;
        match judged.verdict {
            Verdict::Valid => assert_eq!(expected, "true", "{file}"),
            Verdict::Unknown => panic!("{file}: the budget was used up"),
            Verdict::Invalid(found) => {
                assert_eq!(expected, "false", "{file}");
                let shown = history::shown(&records, &found);
                assert!(!shown.is_empty(), "{file}: nothing to show");
                let operations = shown.iter().filter(|one| !found.writers.contains(&one.invoked));
                assert!(operations.count() <= 4, "{file}: {found:?}");
            }
        }
    }
    assert_eq!(count, 30);
}

/// Operations in each of the forms: the same history, and so the same verdict.
#[test]
fn the_three_forms_say_the_same() {
    let log = "INFO  jepsen.core - Worker 0 starting\n\
               INFO  jepsen.util - 0\t:invoke\t:write\t5\n\
               INFO  jepsen.util - 0\t:ok\t:write\t5\n\
               INFO  jepsen.util - 1\t:invoke\t:read\tnil\n\
               INFO  jepsen.util - :nemesis\t:info\t:start\tnil\n\
               INFO  jepsen.util - 1\t:ok\t:read\tnil\n";
    let edn = "{:type :invoke, :process 0, :f :write, :value 5, :time 1}\n\
               {:type :ok, :process 0, :f :write, :value 5, :time 2}\n\
               {:type :invoke, :process 1, :f :read, :value nil, :time 3}\n\
               {:type :info, :process :nemesis, :f :start, :value nil, :time 3}\n\
               {:type :ok, :process 1, :f :read, :value nil, :time 4}\n";
    let vector = format!("[{edn}]");
    let entries = [
        ("c1", "invoke", "\"operation\":{\"write\":{\"value\":5}}"),
        ("c1", "ok", "\"response\":\"done\""),
        ("c2", "invoke", "\"operation\":\"read\""),
        ("c2", "ok", "\"response\":null"),
    ];
    let json = json(&entries.map(|(client, kind, rest)| {
        format!("\"client\":\"{client}\",\"process\":0,\"id\":0,\"kind\":\"{kind}\",{rest}")
    }));
    for text in [log, edn, &vector, &json] {
        assert_eq!(anomaly(text), Some(Anomaly::StaleRead), "{text}");
    }
    let right = [log.replace("1\t:ok\t:read\tnil", "1\t:ok\t:read\t5"), json.replace("null", "{\"value\":5}")];
    for text in right {
        assert_eq!(anomaly(&text), None, "{text}");
    }
}

/// A history of this project's, from what each entry has besides its time.
fn json(entries: &[String]) -> String {
    let lines = entries.iter().enumerate().map(|(at, rest)| format!("{{\"at_ns\":{at},\"event\":0,{rest}}}\n"));
    format!("{{\"type\":\"history\",\"format\":1}}\n{}", lines.collect::<String>())
}

/// Lines of Jepsen's log, from `process type function value`.
fn log(entries: &[&str]) -> String {
    entries.iter().map(|entry| format!("INFO  jepsen.util - {}\n", entry.replacen(' ', "\t", 3))).collect()
}

#[test]
fn the_model_is_the_one_that_has_the_operations() {
    let model = |entries: &[&str]| judge(&log(entries)).1.model;
    assert_eq!(model(&["0 :invoke :read nil"]), ModelName::Register);
    assert_eq!(model(&["0 :invoke :append 1", "1 :invoke :read nil"]), ModelName::KeyValue);
    assert_eq!(model(&["0 :invoke :acquire nil", "0 :ok :acquire nil"]), ModelName::Mutex);
    assert_eq!(model(&["0 :invoke :acquire nil", "0 :ok :acquire 7"]), ModelName::FencedMutex);
    assert_eq!(model(&["0 :invoke :enqueue 1"]), ModelName::Queue);
    assert_eq!(model(&["0 :invoke :add 1", "1 :invoke :read nil"]), ModelName::Set);
}

#[test]
fn each_model_finds_its_anomalies() {
    let found = |entries: &[&str]| anomaly(&log(entries));
    let two = ["0 :invoke :acquire nil", "0 :ok :acquire nil", "1 :invoke :acquire nil", "1 :ok :acquire nil"];
    assert_eq!(found(&two), Some(Anomaly::TwoHolders));
    assert_eq!(found(&[&two[..2], &["1 :invoke :acquire nil", "1 :info :acquire nil"]].concat()), None);
    let fenced = [
        "0 :invoke :acquire nil",
        "0 :ok :acquire 5",
        "0 :invoke :release nil",
        "0 :ok :release nil",
        "1 :invoke :acquire nil",
        "1 :ok :acquire 5",
    ];
    assert_eq!(found(&fenced), Some(Anomaly::TokenNotRising));
    let queue = ["0 :invoke :enqueue 1", "0 :ok :enqueue 1", "1 :invoke :dequeue nil"];
    assert_eq!(found(&[&queue[..], &["1 :ok :dequeue nil"]].concat()), Some(Anomaly::NotEmpty));
    assert_eq!(found(&[&queue[..], &["1 :ok :dequeue 1"]].concat()), None);
    let set = ["0 :invoke :add 1", "0 :ok :add 1", "1 :invoke :read nil"];
    assert_eq!(found(&[&set[..], &["1 :ok :read []"]].concat()), Some(Anomaly::LostUpdate));
    assert_eq!(found(&[&set[..], &["1 :ok :read [1]"]].concat()), None);
    let list = ["0 :invoke :append 1", "0 :ok :append 1", "1 :invoke :read nil"];
    assert_eq!(found(&[&list[..], &["1 :ok :read [2]"]].concat()), Some(Anomaly::NeverWritten));
    assert_eq!(found(&[&list[..], &["1 :ok :read [1]"]].concat()), None);
}

/// What `splitbrain run` leaves of a key-value store: values are lists of words, and a put is given one word.
#[test]
fn a_store_of_this_project_is_judged() {
    let entries = |last: &str| {
        let parts = [
            ("invoke", "\"operation\":{\"put\":{\"key\":1,\"value\":5}}"),
            ("ok", "\"response\":\"done\""),
            ("invoke", "\"operation\":{\"compare_and_set\":{\"key\":1,\"expected\":[5],\"value\":6}}"),
            ("ok", "\"response\":\"done\""),
            ("invoke", "\"operation\":{\"get\":{\"key\":1}}"),
            ("ok", last),
        ];
        let line = |(place, (kind, rest)): (usize, (&str, &str))| {
            format!("\"client\":\"c1\",\"process\":0,\"id\":{},\"kind\":\"{kind}\",{rest}", place / 2)
        };
        json(&parts.into_iter().enumerate().map(line).collect::<Vec<_>>())
    };
    assert_eq!(anomaly(&entries("\"response\":{\"value\":[6]}")), None);
    assert_eq!(anomaly(&entries("\"response\":{\"value\":[5]}")), Some(Anomaly::StaleRead));
    assert_eq!(anomaly(&entries("\"response\":{\"value\":[7]}")), Some(Anomaly::NeverWritten));
}

#[test]
fn a_failed_compare_and_set_says_what_the_caller_takes_it_for() {
    let text = log(&["0 :invoke :write 5", "0 :ok :write 5", "1 :invoke :cas [5 6]", "1 :fail :cas [5 6]"]);
    let records = history::read(&text, Reading::default()).expect("a history");
    let verdict = |differs| {
        let rules = Rules { failed_cas_differs: differs, ..rules() };
        history::judge(&records, &rules).expect("a register").verdict
    };
    assert_eq!(verdict(false), Verdict::Valid);
    assert!(matches!(verdict(true), Verdict::Invalid(_)));
}

#[test]
fn keys_of_independent_histories_are_judged_apart() {
    let text = log(&["0 :invoke :write [1 5]", "0 :ok :write [1 5]", "1 :invoke :read [2 nil]", "1 :ok :read [2 nil]"]);
    let records = history::read(&text, Reading { independent: true }).expect("a history");
    assert_eq!(history::judge(&records, &rules()).expect("registers").verdict, Verdict::Valid);
}

#[track_caller]
fn refuse(text: &str, message: &str) {
    let refused = history::read(text, Reading::default())
        .and_then(|records| history::judge(&records, &rules()))
        .expect_err("it is no history");
    assert_eq!(refused.to_string(), message);
}

#[test]
fn what_no_history_has_is_refused_with_its_line() {
    refuse("", "line 1: the file is empty; expected a history");
    let begun = log(&["0 :invoke :read nil"]);
    let again = "line 2: 0 begins an operation while the one of line 1 is open; \
                 expected its end first: ok, fail or info";
    refuse(&format!("{begun}{begun}"), again);
    let unasked = "line 1: 0 ends an operation and has none open; expected its invocation first";
    refuse(&log(&["0 :ok :read nil"]), unasked);
    let other = log(&["0 :invoke :read nil", "0 :ok :write 5"]);
    refuse(&other, "line 2: 0 ends a write, and what it began on line 1 is a read");
    let kind = log(&["0 :begin :read nil"]);
    refuse(&kind, "line 1: unknown type \"begin\" (known: :invoke, :ok, :fail, :info)");
    let known = "read, get, write, put, cas, compare_and_set, append, delete, acquire, lock, release, unlock, enqueue, \
                 dequeue, add, remove, contains";
    refuse(&log(&["0 :invoke :txn nil"]), &format!("line 1: unknown operation \"txn\" (known: {known})"));
    let cut = "line 2: it ends within an operation: the file is truncated; expected process, type, function and value, \
               with tabs between them";
    refuse(&format!("{begun}INFO  jepsen.util - 0\t:ok"), cut);
    refuse("{:process 0, :type :invoke, :f :read", "line 1: the file ends within a form: it is truncated");
    refuse("[{:process 0, :type :invoke, :f :read}\n", "line 1: the file ends before its \"]\": it is truncated");
    let missing = "line 1: the operation has no :f; expected a map such as \
                   {:process 0, :type :invoke, :f :read, :value nil}";
    refuse("{:process 0, :type :invoke}", missing);
    let mixed = log(&["0 :invoke :enqueue 1", "1 :invoke :write 1"]);
    refuse(&mixed, "line 2: write is no operation of the model queue (known: enqueue, dequeue)");
    let pair = log(&["0 :invoke :cas 5", "0 :ok :cas 5"]);
    refuse(&pair, "line 1: a compare-and-set is given a pair of the expected and the new value, not 5");
    let header = "{\"type\":\"history\",\"format\":1}\n";
    let cut = "line 2: EOF while parsing an object at line 1 column 10: the file is truncated";
    refuse(&format!("{header}{{\"at_ns\":1"), cut);
    refuse("{\"type\":\"trace\"}", "line 1: expected the header of a history, {\"type\":\"history\",\"format\":1,…}");
}

proptest! {
    /// Whatever is done to a file, it is judged or refused.
    #[test]
    fn a_damaged_file_never_ends_in_a_panic(
        file in prop::sample::select(vec!["etcd/etcd_002.log", "kv/c01-ok.txt"]),
        cut in 0..4_000usize,
        place in 0..4_000usize,
        letter in any::<u8>(),
    ) {
        let mut bytes = fs::read(folder().join(file)).expect("the file");
        bytes.truncate(cut.max(1));
        let place = place % bytes.len();
        bytes[place] = letter;
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(records) = history::read(&text, Reading::default()) {
            let _ = history::judge(&records, &Rules { budget: 1_000, ..rules() });
        }
    }
}

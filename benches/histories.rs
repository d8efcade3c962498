//! What it costs to judge histories: the recorded ones, and long ones that are made here.
//!
//! `cargo bench --bench histories` prints the table of `reports/gallery/histories.md`, and with `-- --write` it keeps
//! it. `-- --short` is a hundredth of it, to see that it works. `-- --file FILE` writes the register history of a
//! million operations to a file, for `splitbrain history` and a profiler.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use splitbrain::history::{self, Reading, Rules, Value};
use splitbrain_kernel::checker::model::{Cell, CellAction, Keyed, PerKey, Register, RegisterAction};
use splitbrain_kernel::checker::monitor::{Monitor as _, Watch};
use splitbrain_kernel::checker::{BUDGET, Verdict};
use splitbrain_kernel::rng::{Rng, Seed};

const KEPT: &str = "reports/gallery/histories.md";

const OPERATIONS: usize = 1_000_000;

const CLIENTS: usize = 20;

const HEAD: &str = "# Judging histories

What `splitbrain history` costs, in milliseconds of real time in one thread, the best of three rounds: to read the \
text, and to judge what was read.
The recorded histories are the files of `tests/histories`; the others are made by the bench: twenty clients, one in a \
hundred operations of unknown outcome, the operations of each kind equally often, and every answer right.
Made by `cargo bench --bench histories -- --write` (`just bench-histories --write`).

| history | form | operations | MB | read | judge | both | verdict |
| --- | --- | --: | --: | --: | --: | --: | --- |
";

const MONITORS: &str = "
What a monitor costs, which watches a run while its history grows: nanoseconds for each operation, its invocation and \
its completion together, the best of three rounds.

| monitor | ns |
| --- | --: |
";

/// What the clients of a made history use.
#[derive(Clone, Copy)]
enum Object {
    Register,
    List,
    Queue,
    Set,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let count = if has("--short") { OPERATIONS / 100 } else { OPERATIONS };
    if let Some(at) = arguments.iter().position(|argument| argument == "--file") {
        let path = arguments.get(at + 1).expect("--file takes a path");
        std::fs::write(path, made(Object::Register, count, Form::Lines)).expect("the file can be written");
        return;
    }
    let mut table = HEAD.to_owned();
    let recorded = recorded();
    let _ = writeln!(table, "{}", row("30 recorded", "log, EDN", &recorded, "as known"));
    for (name, object, form, count) in [
        ("register", Object::Register, Form::Lines, count),
        ("register", Object::Register, Form::Edn, count),
        ("list", Object::List, Form::Edn, count / 100),
        ("queue", Object::Queue, Form::Edn, count),
        ("set", Object::Set, Form::Edn, count),
    ] {
        let text = made(object, count, form);
        let _ = writeln!(table, "{}", row(name, form.name(), &[text], "linearizable"));
    }
    table += MONITORS;
    for (name, nanos) in monitors(count) {
        let _ = writeln!(table, "| {name} | {nanos} |");
    }
    print!("{table}");
    if has("--write") {
        std::fs::write(KEPT, table).expect("the gallery can be written");
    }
}

fn recorded() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let verdicts = std::fs::read_to_string(folder.join("verdicts.tsv")).expect("the verdicts");
    let files = verdicts.lines().skip(1).filter_map(|line| line.split('\t').next());
    files.map(|file| std::fs::read_to_string(folder.join(file)).expect("the file")).collect()
}

/// A line of the table: all of these histories together.
fn row(name: &str, form: &str, texts: &[String], expected: &str) -> String {
    let rules = Rules { model: None, initial: Value::Nil, failed_cas_differs: false, budget: BUDGET };
    let (mut read, mut judged, mut operations) = (u128::MAX, u128::MAX, 0);
    for _ in 0..3 {
        let (mut read_now, mut judged_now) = (0, 0);
        operations = 0;
        for text in texts {
            let (records, micros) = timed(|| history::read(text, Reading::default()).expect("a history"));
            read_now += micros;
            operations += records.operations.len();
            let (judged, micros) = timed(|| history::judge(&records, &rules).expect("operations of a model"));
            judged_now += micros;
            assert!(judged.verdict != Verdict::Unknown, "within the budget");
            assert!(expected != "linearizable" || judged.verdict == Verdict::Valid, "every answer is right");
        }
        (read, judged) = (read.min(read_now), judged.min(judged_now));
    }
    let bytes: usize = texts.iter().map(String::len).sum();
    let [read, judged, both] = [read, judged, read + judged].map(|micros| micros.div_ceil(1_000));
    let megabytes = bytes.div_ceil(1_000_000);
    format!("| {name} | {form} | {operations} | {megabytes} | {read} | {judged} | {both} | {expected} |")
}

/// Monitors of histories of this many operations, with nanoseconds for each operation.
fn monitors(count: usize) -> Vec<(&'static str, u128)> {
    let register = Register { initial: 0 };
    let values: Vec<RegisterAction<u64>> = (0..count as u64 / 2)
        .flat_map(|number| [RegisterAction::Write(number + 1), RegisterAction::Read(number + 1)])
        .collect();
    let sets: Vec<RegisterAction<u64>> =
        (0..count as u64).map(|number| RegisterAction::Set { expected: number, new: number + 1 }).collect();
    let keyed: Vec<_> =
        values.iter().zip(0..).map(|(action, number)| Keyed { key: number / 2 % 100, action: *action }).collect();
    let lists: Vec<_> = (0..count as u64 / 100)
        .flat_map(|number| {
            let shown = (0..=number % 100).map(|one| number - number % 100 + one).collect();
            let read = CellAction::Register(RegisterAction::Read(shown));
            [CellAction::Append(vec![number]), read].map(|action| Keyed { key: number / 100, action })
        })
        .collect();
    vec![
        ("register, writes and reads", watched(&register, &values)),
        ("register, compare-and-set alone", watched(&register, &sets)),
        ("a hundred registers", watched(&PerKey::new(register), &keyed)),
        ("lists of up to a hundred elements", watched(&PerKey::new(Cell { initial: Vec::<u64>::new() }), &lists)),
    ]
}

/// Nanoseconds for each of these operations, which come one after the other.
fn watched<M: Watch>(model: &M, actions: &[M::Action]) -> u128 {
    let rounds = (0..3).map(|_| {
        let mut monitor = model.monitor();
        let start = Instant::now();
        for (number, action) in actions.iter().enumerate() {
            monitor.invoke(2 * number, action);
            monitor.complete(2 * number, 2 * number + 1, action).expect("every answer is right");
        }
        assert!(monitor.is_exact(), "the values are distinct");
        start.elapsed().as_nanos() / actions.len() as u128
    });
    rounds.min().expect("there are three rounds")
}

/// The result, and microseconds of real time.
fn timed<T>(work: impl FnOnce() -> T) -> (T, u128) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_micros())
}

#[derive(Clone, Copy)]
enum Form {
    Lines,
    Edn,
}

impl Form {
    const fn name(self) -> &'static str {
        match self {
            Self::Lines => "JSON Lines",
            Self::Edn => "EDN",
        }
    }
}

/// An operation under way.
struct Open {
    client: usize,
    function: &'static str,
    asked: Option<usize>,
}

/// A history whose operations happen at their invocations: begun one after the other, each ended before its client has
/// its next turn.
fn made(object: Object, count: usize, form: Form) -> String {
    let mut rng = Seed(1).stream("histories", 0);
    let mut writer = Writer { form, text: String::new(), at: 0, ids: vec![0; CLIENTS] };
    if matches!(form, Form::Lines) {
        writer.text += "{\"type\":\"history\",\"format\":1}\n";
    }
    let mut state = Sequential { object, value: None, list: Vec::new(), first: 0 };
    let mut open: Vec<Option<(Open, String)>> = (0..CLIENTS).map(|_| None).collect();
    for number in 0..count {
        let client = rng.below(CLIENTS as u64) as usize;
        if let Some((open, answer)) = open[client].take() {
            writer.end(&open, &answer, rng.below(100) == 0);
        }
        let (function, asked, answer) = state.operation(&mut rng, number);
        let begun = Open { client, function, asked };
        writer.begin(&begun);
        open[client] = Some((begun, answer));
    }
    for (open, answer) in open.into_iter().flatten() {
        writer.end(&open, &answer, false);
    }
    writer.text
}

/// The object that answers.
struct Sequential {
    object: Object,
    value: Option<usize>,
    list: Vec<usize>,
    first: usize,
}

impl Sequential {
    /// The next operation: its name, what it is given, and its answer.
    fn operation(&mut self, rng: &mut Rng, number: usize) -> (&'static str, Option<usize>, String) {
        let changes = rng.below(2) == 0;
        let shown = |value: Option<usize>| value.map_or_else(String::new, |value| value.to_string());
        match self.object {
            Object::Register if changes => {
                self.value = Some(number);
                ("write", Some(number), shown(self.value))
            }
            Object::Register => ("read", None, shown(self.value)),
            Object::List if changes => {
                self.list.push(number);
                ("append", Some(number), number.to_string())
            }
            Object::List => {
                let words: Vec<String> = self.list.iter().map(usize::to_string).collect();
                ("read", None, format!("[{}]", words.join(" ")))
            }
            Object::Queue if changes => {
                self.list.push(number);
                ("enqueue", Some(number), number.to_string())
            }
            Object::Queue => {
                let first = self.list.get(self.first).copied();
                self.first += usize::from(first.is_some());
                ("dequeue", None, shown(first))
            }
            Object::Set if changes || self.list.is_empty() => {
                self.list.push(number);
                ("add", Some(number), number.to_string())
            }
            Object::Set => {
                let element = self.list[rng.below(self.list.len() as u64) as usize];
                ("contains", Some(element), "true".to_owned())
            }
        }
    }
}

/// Writes entries in a form. An empty answer is nothing.
struct Writer {
    form: Form,
    text: String,
    at: usize,
    ids: Vec<usize>,
}

impl Writer {
    fn begin(&mut self, open: &Open) {
        let (client, function) = (open.client, open.function);
        let asked = open.asked.map(|asked| asked.to_string());
        self.at += 1;
        self.ids[client] += 1;
        let (at, id) = (self.at, self.ids[client]);
        let _ = match (self.form, asked) {
            (Form::Edn, asked) => {
                let asked = asked.as_deref().unwrap_or("nil");
                writeln!(self.text, "{{:process {client}, :type :invoke, :f :{function}, :value {asked}}}")
            }
            (Form::Lines, asked) => {
                let operation = match asked {
                    Some(asked) => format!("{{\"{function}\":{{\"value\":{asked}}}}}"),
                    None => format!("\"{function}\""),
                };
                writeln!(
                    self.text,
                    "{{\"at_ns\":{at},\"event\":{at},\"client\":\"c{client}\",\"process\":0,\"id\":{id},\
                     \"kind\":\"invoke\",\"operation\":{operation}}}"
                )
            }
        };
    }

    /// An operation ends, or is left with an unknown outcome.
    fn end(&mut self, open: &Open, answer: &str, is_unknown: bool) {
        let (client, function) = (open.client, open.function);
        // A dequeue of unknown outcome has no fast check: the bench is about those that have.
        let is_unknown = is_unknown && function != "dequeue";
        self.at += 1;
        let (at, id) = (self.at, self.ids[client]);
        let answer = match (self.form, answer) {
            (Form::Edn, "") => "nil",
            (Form::Lines, "") => "null",
            (_, answer) => answer,
        };
        let _ = match (self.form, is_unknown) {
            (Form::Edn, true) => {
                writeln!(self.text, "{{:process {client}, :type :info, :f :{function}, :value :timed-out}}")
            }
            (Form::Edn, false) => {
                writeln!(self.text, "{{:process {client}, :type :ok, :f :{function}, :value {answer}}}")
            }
            (Form::Lines, is_unknown) => {
                let end = if is_unknown {
                    "\"kind\":\"unknown\"".to_owned()
                } else {
                    format!("\"kind\":\"ok\",\"response\":{answer}")
                };
                writeln!(
                    self.text,
                    "{{\"at_ns\":{at},\"event\":{at},\"client\":\"c{client}\",\"process\":0,\"id\":{id},{end}}}"
                )
            }
        };
    }
}

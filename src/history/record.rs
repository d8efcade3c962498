//! The operations of a history file, whatever form it has: what was asked, by whom, and how it ended.

use std::collections::BTreeMap;

use super::HistoryFileError;
use super::value::Value;

/// What an operation does, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    /// Reads a value, or a whole set.
    Read,
    /// Writes a value.
    Write,
    /// Writes a value if another one is there.
    CompareAndSet,
    /// Appends to a value.
    Append,
    /// Removes the value of a key.
    Delete,
    /// Takes a mutex.
    Acquire,
    /// Gives a mutex back.
    Release,
    /// Puts a value into a queue.
    Enqueue,
    /// Takes a value out of a queue.
    Dequeue,
    /// Puts an element into a set.
    Add,
    /// Takes an element out of a set.
    Remove,
    /// Asks whether an element is in a set.
    Contains,
}

impl Function {
    /// The names that files use, the first of each function being the one that is printed.
    const NAMES: &'static [(&'static str, Self)] = &[
        ("read", Self::Read),
        ("get", Self::Read),
        ("write", Self::Write),
        ("put", Self::Write),
        ("cas", Self::CompareAndSet),
        ("compare_and_set", Self::CompareAndSet),
        ("append", Self::Append),
        ("delete", Self::Delete),
        ("acquire", Self::Acquire),
        ("lock", Self::Acquire),
        ("release", Self::Release),
        ("unlock", Self::Release),
        ("enqueue", Self::Enqueue),
        ("dequeue", Self::Dequeue),
        ("add", Self::Add),
        ("remove", Self::Remove),
        ("contains", Self::Contains),
    ];

    /// The function of this name.
    ///
    /// # Errors
    /// There is none; the message lists the known ones.
    pub fn parse(name: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, function)| *function).ok_or_else(|| {
            let known: Vec<&str> = Self::NAMES.iter().map(|(known, _)| *known).collect();
            format!("unknown operation {name:?} (known: {})", known.join(", "))
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, function)| *function == self);
        found.map_or("", |(name, _)| name)
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It took effect.
    Ok,
    /// It certainly did not take effect.
    Fail,
    /// It may take effect at any later time, or never.
    Unknown,
}

/// One operation of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Whose: the place of the name in [`Records::processes`].
    pub process: usize,
    /// What it does.
    pub function: Function,
    /// The key that it is about; `Nil` if there is one object.
    pub key: Value,
    /// What it was given.
    pub asked: Value,
    /// The line of its invocation.
    pub line: usize,
    /// The place of its invocation among all entries.
    pub invoked: usize,
    /// How it ended, if it did.
    pub end: Option<Ended>,
}

/// The end of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub end: End,
    /// What was answered.
    pub answer: Value,
    /// The line.
    pub line: usize,
    /// The place among all entries.
    pub place: usize,
}

/// All operations of a file, in the order of their invocations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// The operations.
    pub operations: Vec<Recorded>,
    /// The names of those who asked.
    pub processes: Vec<String>,
    /// The model that the file names, if it does.
    pub model: Option<String>,
}

/// Pairs invocations with completions, and refuses what no history has.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairing {
    records: Records,
    /// By name.
    processes: BTreeMap<String, usize>,
    /// What each process has open: by the name of the operation, its number.
    open: BTreeMap<(usize, u64), usize>,
    entries: usize,
}

impl Pairing {
    /// The number of a process.
    pub(super) fn process(&mut self, name: &str) -> usize {
        if let Some(number) = self.processes.get(name) {
            return *number;
        }
        let number = self.records.processes.len();
        self.records.processes.push(name.to_owned());
        self.processes.insert(name.to_owned(), number);
        number
    }

    /// An operation begins. `id` tells apart what one process has open.
    pub(super) fn invoke(
        &mut self,
        line: usize,
        (process, id): (usize, u64),
        function: Function,
        (key, asked): (Value, Value),
    ) -> Result<(), HistoryFileError> {
        if let Some(other) = self.open.get(&(process, id)) {
            let (name, begun) = (&self.records.processes[process], self.records.operations[*other].line);
            let message = format!(
                "{name} begins an operation while the one of line {begun} is open; \
                 expected its end first: ok, fail or info"
            );
            return Err(HistoryFileError { line, message });
        }
        self.open.insert((process, id), self.records.operations.len());
        let invoked = self.entries;
        self.entries += 1;
        self.records.operations.push(Recorded { process, function, key, asked, line, invoked, end: None });
        Ok(())
    }

    /// An operation ends.
    pub(super) fn complete(
        &mut self,
        line: usize,
        (process, id): (usize, u64),
        function: Option<Function>,
        (end, answer): (End, Value),
    ) -> Result<(), HistoryFileError> {
        let name = &self.records.processes[process];
        let refuse = |message: String| Err(HistoryFileError { line, message });
        let Some(open) = self.open.remove(&(process, id)) else {
            return refuse(format!("{name} ends an operation and has none open; expected its invocation first"));
        };
        let operation = &mut self.records.operations[open];
        if let Some(other) = function.filter(|function| *function != operation.function) {
            let (begun, was) = (operation.line, operation.function.name());
            return refuse(format!("{name} ends a {}, and what it began on line {begun} is a {was}", other.name()));
        }
        operation.end = Some(Ended { end, answer, line, place: self.entries });
        self.entries += 1;
        Ok(())
    }

    /// The operations; those that are open stay so.
    pub(super) fn finish(self, model: Option<String>) -> Records {
        Records { model, ..self.records }
    }
}

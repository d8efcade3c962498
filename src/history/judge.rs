//! From the operations of a file to a verdict: which model they are compared with, and what each of them means there.

use splitbrain_kernel::checker::model::{
    Cell, CellAction, FencedMutex, FencedMutexAction, Keyed, Mutex, MutexAction, PerKey, Queue, QueueAction, Register,
    RegisterAction, Set, SetAction,
};
use splitbrain_kernel::checker::{Check, Operation, Verdict};

use super::HistoryFileError;
use super::record::{End, Function, Recorded, Records};
use super::value::Value;

/// The sequential object that a history is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelName {
    /// A register with compare-and-set, one for each key.
    Register,
    /// A key-value store whose values can be appended to.
    KeyValue,
    /// A mutex.
    Mutex,
    /// A mutex that gives out rising tokens.
    FencedMutex,
    /// A queue.
    Queue,
    /// A set.
    Set,
}

impl ModelName {
    /// Every model with its name.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("register", Self::Register),
        ("key-value", Self::KeyValue),
        ("mutex", Self::Mutex),
        ("fenced-mutex", Self::FencedMutex),
        ("queue", Self::Queue),
        ("set", Self::Set),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, model)| *model == self).map_or("", |(name, _)| name)
    }

    /// What it is, in a sentence.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::KeyValue => "key-value store",
            Self::Mutex => "mutex",
            Self::FencedMutex => "fenced mutex",
            Self::Queue => "queue",
            Self::Set => "set",
        }
    }

    /// The model of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, model)| *model)
    }

    /// What its operations are.
    const fn functions(self) -> &'static [Function] {
        match self {
            Self::Register => &[Function::Read, Function::Write, Function::CompareAndSet],
            Self::KeyValue => {
                &[Function::Read, Function::Write, Function::CompareAndSet, Function::Append, Function::Delete]
            }
            Self::Mutex | Self::FencedMutex => &[Function::Acquire, Function::Release],
            Self::Queue => &[Function::Enqueue, Function::Dequeue],
            Self::Set => &[Function::Add, Function::Remove, Function::Contains, Function::Read],
        }
    }
}

/// How a history is judged.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The model; `None` for the one that the file names, or that has all of its operations.
    pub model: Option<ModelName>,
    /// What a register holds before the first operation.
    pub initial: Value,
    /// Whether a failed compare-and-set says that another value was there. Otherwise it says nothing: it may have
    /// failed for any reason.
    pub failed_cas_differs: bool,
    /// How many configurations a search may visit, for each key.
    pub budget: u64,
}

/// A history with its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The model that it was compared with.
    pub model: ModelName,
    /// The verdict. Operations are named by the places of their invocations.
    pub verdict: Verdict,
}

/// Judges a history.
///
/// # Errors
/// The line of an operation that the model does not have, or of a value that it cannot have.
pub fn judge(records: &Records, rules: &Rules) -> Result<Judged, HistoryFileError> {
    let model = choose(records, rules)?;
    let foreign = records.operations.iter().find(|operation| !model.functions().contains(&operation.function));
    if let Some(operation) = foreign {
        let known: Vec<&str> = model.functions().iter().map(|function| function.name()).collect();
        let message = format!(
            "{} is no operation of the model {} (known: {})",
            operation.function.name(),
            model.name(),
            known.join(", ")
        );
        return Err(HistoryFileError { line: operation.line, message });
    }
    let verdict = match model {
        ModelName::Register => check(&registers(rules.initial.clone()), records, rules, |one, answer| {
            register_action(one, answer, rules).map(|action| keyed(one, action))
        })?,
        ModelName::KeyValue => key_value(records, rules)?,
        ModelName::Mutex => check(&Mutex::new(), records, rules, |one, answer| Ok(mutex_action(one, answer)))?,
        ModelName::FencedMutex => check(&FencedMutex::new(), records, rules, fenced_action)?,
        ModelName::Queue => {
            check(&PerKey::new(Queue::new()), records, rules, |one, answer| Ok(keyed(one, queue_action(one, answer))))?
        }
        ModelName::Set => check(&PerKey::new(Set::new()), records, rules, |one, answer| {
            set_action(one, answer).map(|action| keyed(one, action))
        })?,
    };
    Ok(Judged { model, verdict })
}

/// The model that was asked for, or that the file names, or that has all of its operations.
fn choose(records: &Records, rules: &Rules) -> Result<ModelName, HistoryFileError> {
    if let Some(model) = rules.model {
        return Ok(model);
    }
    let names = || ModelName::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    if let Some(name) = &records.model {
        return ModelName::parse(name).ok_or_else(|| HistoryFileError {
            line: 1,
            message: format!("unknown model {name:?} (known: {})", names()),
        });
    }
    let has = |functions: &[Function]| records.operations.iter().any(|one| functions.contains(&one.function));
    if has(&[Function::Acquire, Function::Release]) {
        let has_token = |one: &Recorded| {
            let answer = one.end.as_ref().filter(|end| end.end == End::Ok).map(|end| &end.answer);
            one.function == Function::Acquire && answer.is_some_and(|answer| token_of(answer).is_some())
        };
        let is_fenced = records.operations.iter().any(has_token);
        return Ok(if is_fenced { ModelName::FencedMutex } else { ModelName::Mutex });
    }
    Ok(if has(&[Function::Enqueue, Function::Dequeue]) {
        ModelName::Queue
    } else if has(&[Function::Add, Function::Remove, Function::Contains]) {
        ModelName::Set
    } else if has(&[Function::Append, Function::Delete]) || records.operations.iter().any(shows_list) {
        ModelName::KeyValue
    } else {
        ModelName::Register
    })
}

/// Whether it read a list: what a store has whose values can be appended to.
fn shows_list(one: &Recorded) -> bool {
    one.function == Function::Read && values(one).any(|value| matches!(value, Value::List(_)))
}

/// Judges the operations as this reads them: with the answer, if it is known. `None` for an operation that says
/// nothing.
fn check<M: Check>(
    model: &M,
    records: &Records,
    rules: &Rules,
    action_of: impl Fn(&Recorded, Option<&Value>) -> Result<Option<M::Action>, HistoryFileError>,
) -> Result<Verdict, HistoryFileError> {
    let mut operations = Vec::with_capacity(records.operations.len());
    for one in &records.operations {
        let (answer, returned) = match &one.end {
            Some(ended) if ended.end == End::Ok => (Some(&ended.answer), Some(ended.place)),
            Some(ended) if ended.end == End::Fail => {
                if !(rules.failed_cas_differs && one.function == Function::CompareAndSet) {
                    continue;
                }
                (Some(&NOT_SET), Some(ended.place))
            }
            _ => (None, None),
        };
        let action = action_of(one, answer)?;
        operations.extend(action.map(|action| Operation { action, invoked: one.invoked, returned }));
    }
    Ok(model.check(&operations, rules.budget))
}

/// The answer of a compare-and-set that set nothing.
const NOT_SET: Value = Value::Bool(false);

const fn registers(initial: Value) -> PerKey<Value, Register<Value>> {
    PerKey::new(Register { initial })
}

fn keyed<A>(one: &Recorded, action: Option<A>) -> Option<Keyed<Value, A>> {
    action.map(|action| Keyed { key: one.key.clone(), action })
}

/// The value in an answer: itself, or what a system calls `value` in it.
fn shown(answer: &Value) -> &Value {
    answer.get("value").unwrap_or(answer)
}

fn register_action(
    one: &Recorded,
    answer: Option<&Value>,
    rules: &Rules,
) -> Result<Option<RegisterAction<Value>>, HistoryFileError> {
    let asked = one.asked.clone();
    Ok(match one.function {
        Function::Read => answer.map(|answer| RegisterAction::Read(shown(answer).clone())),
        Function::Write => Some(RegisterAction::Write(asked)),
        Function::Delete => Some(RegisterAction::Write(rules.initial.clone())),
        _ => {
            let Value::List(pair) = asked else { return Err(no_pair(one)) };
            let Ok([expected, new]) = <[Value; 2]>::try_from(pair) else { return Err(no_pair(one)) };
            let was = answer.and_then(|answer| answer.get("mismatch"));
            Some(match (was, answer) {
                (Some(was), _) => RegisterAction::Read(was.clone()),
                (None, Some(&NOT_SET)) => RegisterAction::Differs(expected),
                (None, _) => RegisterAction::Set { expected, new },
            })
        }
    })
}

fn no_pair(one: &Recorded) -> HistoryFileError {
    let message = format!("a compare-and-set is given a pair of the expected and the new value, not {}", one.asked);
    HistoryFileError { line: one.line, message }
}

/// The values that an operation was given and has shown.
fn values(one: &Recorded) -> impl Iterator<Item = &Value> {
    let asked = match (&one.asked, one.function) {
        (Value::List(pair), Function::CompareAndSet) => &pair[..],
        (asked, _) => std::slice::from_ref(asked),
    };
    let answer = one.end.as_ref().filter(|ended| ended.end == End::Ok && one.function == Function::Read);
    asked.iter().chain(answer.map(|ended| shown(&ended.answer)))
}

/// A key-value store holds texts, or lists, or single values that nothing is appended to.
fn key_value(records: &Records, rules: &Rules) -> Result<Verdict, HistoryFileError> {
    let is_appended = records.operations.iter().any(|one| one.function == Function::Append);
    let (mut is_list, mut is_text) = (false, false);
    for value in records.operations.iter().flat_map(values) {
        is_list |= matches!(value, Value::List(_));
        is_text |= matches!(value, Value::Text(_));
    }
    if !is_appended && !is_list {
        return check(&registers(rules.initial.clone()), records, rules, |one, answer| {
            register_action(one, answer, rules).map(|action| keyed(one, action))
        });
    }
    if is_list || !is_text {
        return check(&PerKey::new(Cell { initial: Vec::new() }), records, rules, |one, answer| {
            cell_action(one, answer, rules, |value| {
                Ok(match value {
                    Value::Nil => Vec::new(),
                    Value::List(values) => values,
                    one => vec![one],
                })
            })
        });
    }
    check(&PerKey::new(Cell { initial: String::new() }), records, rules, |one, answer| {
        cell_action(one, answer, rules, |value| match value {
            Value::Nil => Ok(String::new()),
            Value::Text(text) => Ok(text),
            other => Err(format!("the value {other} cannot be appended to; expected a text or a list")),
        })
    })
}

fn cell_action<V>(
    one: &Recorded,
    answer: Option<&Value>,
    rules: &Rules,
    value_of: impl Fn(Value) -> Result<V, String>,
) -> Result<Option<Keyed<Value, CellAction<V>>>, HistoryFileError> {
    let read = |value| value_of(value).map_err(|message| HistoryFileError { line: one.line, message });
    let action = match one.function {
        Function::Append => Some(CellAction::Append(read(one.asked.clone())?)),
        Function::Delete => Some(CellAction::Register(RegisterAction::Write(read(Value::Nil)?))),
        _ => match register_action(one, answer, rules)? {
            None => None,
            Some(action) => Some(CellAction::Register(match action {
                RegisterAction::Read(value) => RegisterAction::Read(read(value)?),
                RegisterAction::Differs(value) => RegisterAction::Differs(read(value)?),
                RegisterAction::Write(value) => RegisterAction::Write(read(value)?),
                RegisterAction::Set { expected, new } => {
                    RegisterAction::Set { expected: read(expected)?, new: read(new)? }
                }
            })),
        },
    };
    Ok(keyed(one, action))
}

fn mutex_action(one: &Recorded, answer: Option<&Value>) -> Option<MutexAction<usize>> {
    Some(match one.function {
        Function::Acquire if answer == Some(&NOT_SET) => MutexAction::Busy,
        Function::Acquire => MutexAction::Acquire(one.process),
        _ => MutexAction::Release(one.process),
    })
}

fn token_of(answer: &Value) -> Option<u64> {
    let token = answer.get("token").unwrap_or(answer);
    if let Value::Integer(number) = token { u64::try_from(*number).ok() } else { None }
}

fn fenced_action(one: &Recorded, answer: Option<&Value>) -> Result<Option<FencedMutexAction<usize>>, HistoryFileError> {
    Ok(Some(match (one.function, answer) {
        (Function::Acquire, Some(&NOT_SET)) => FencedMutexAction::Busy,
        (Function::Acquire, Some(answer)) => {
            let Some(token) = token_of(answer) else {
                let line = one.end.as_ref().map_or(one.line, |ended| ended.line);
                let message = format!("the answer {answer} of an acquire is no token; expected a whole number");
                return Err(HistoryFileError { line, message });
            };
            FencedMutexAction::Acquire(one.process, Some(token))
        }
        (Function::Acquire, None) => FencedMutexAction::Acquire(one.process, None),
        _ => FencedMutexAction::Release(one.process),
    }))
}

fn queue_action(one: &Recorded, answer: Option<&Value>) -> Option<QueueAction<Value>> {
    Some(match (one.function, answer.map(shown)) {
        (Function::Enqueue, _) => QueueAction::Enqueue(one.asked.clone()),
        (_, None) => QueueAction::DequeueAny,
        (_, Some(value)) if value.is_nil() || value.text() == Some("empty") => QueueAction::Empty,
        (_, Some(value)) => QueueAction::Dequeue(value.clone()),
    })
}

fn set_action(one: &Recorded, answer: Option<&Value>) -> Result<Option<SetAction<Value>>, HistoryFileError> {
    let element = one.asked.clone();
    Ok(match (one.function, answer.map(shown)) {
        (Function::Add, _) => Some(SetAction::Add(element)),
        (Function::Remove, Some(&NOT_SET)) => Some(SetAction::Lacks(element)),
        (Function::Remove, _) => Some(SetAction::Remove(element)),
        (_, None) => None,
        (Function::Contains, Some(Value::Bool(true))) => Some(SetAction::Has(element)),
        (Function::Contains, Some(Value::Bool(false))) => Some(SetAction::Lacks(element)),
        (Function::Read, Some(Value::List(all))) => Some(SetAction::Read(all.iter().cloned().collect())),
        (Function::Read, Some(Value::Nil)) => Some(SetAction::Read(std::collections::BTreeSet::new())),
        (function, Some(other)) => {
            let line = one.end.as_ref().map_or(one.line, |ended| ended.line);
            let expected = if function == Function::Read { "a list of elements" } else { "true or false" };
            let message = format!("the answer {other} of a {} is wrong; expected {expected}", function.name());
            return Err(HistoryFileError { line, message });
        }
    })
}

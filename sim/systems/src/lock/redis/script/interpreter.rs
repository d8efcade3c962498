//! Carries a script out: statements and expressions over local names, tables and the keys.

mod statements;

use std::sync::Arc;

use super::budget::Budget;
use super::library;
use super::syntax::{Block, Call, Expression, Function, Operator};
use super::value::{Closure, Key, Scope, Table, Value};
use crate::lock::redis::access::Access;

/// What a table with some fields takes, about: they have room together.
const TABLE_BYTES: usize = 600;

/// What each field of a table takes, about.
const FIELD_BYTES: usize = 64;

/// What a local name takes, about, with its place among those in scope.
const LOCAL_BYTES: usize = 48;

/// How many names in scope are compared with one that is looked for in the time of handling one thing.
const NAMES_COMPARED: usize = 8;

/// With how many other keys of a table one is compared at most, about, to find it.
const COMPARED_MAX: usize = 64;

/// What ends a script early.
#[derive(Clone, Debug)]
pub(super) enum Thrown {
    /// An error, which `pcall` catches: a table with `err`, or any value.
    Error(Value),
    /// A limit, or something that is not supported: nothing catches it.
    Stopped(String),
}

pub(super) type Evaluated<T> = Result<T, Thrown>;

/// How a block ended.
enum Flow {
    Next,
    Break,
    Return(Vec<Value>),
}

/// A script at work.
#[derive(Debug)]
pub(super) struct Interpreter<'a, 'b> {
    pub(super) access: &'a mut Access<'b>,
    /// Whether the server may write for this script.
    pub(super) may_write: bool,
    /// The parts of the library first.
    tables: Vec<Table>,
    /// The values of local names. They go with the scope of the name, unless a function may still see them.
    locals: Vec<Value>,
    /// How many of the first values functions may see that were made so far.
    kept_locals: usize,
    scope: Scope,
    /// The tables of `KEYS` and `ARGV`.
    given: [Value; 2],
    /// The line of the statement or call at work.
    pub(super) line: u32,
    pub(super) budget: Budget,
    /// The functions that wait for one that they called, outermost first: the lines of their calls. Functions of the
    /// library have none, nor has a function that ended with its call.
    callers: Vec<Option<u32>>,
    /// Whether a function of the library is at work.
    in_library: bool,
    /// How the script names the function at work.
    called: Called,
    /// How many of the names in scope are those of functions around the one at work.
    outer_names: usize,
}

/// How a script names a function that it calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Called {
    /// `None` if it has no name, or if the library calls it.
    pub(super) name: Option<Arc<str>>,
    /// Whether it is called with a colon.
    pub(super) is_method: bool,
}

/// Whether a function ends with the call that it makes: `return f()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    Yes,
    No,
}

impl<'a, 'b> Interpreter<'a, 'b> {
    pub(super) fn new(access: &'a mut Access<'b>, may_write: bool, keys: &[Vec<u8>], arguments: &[Vec<u8>]) -> Self {
        let mut interpreter = Self {
            access,
            may_write,
            tables: library::PARTS.iter().map(Table::of).collect(),
            locals: Vec::new(),
            kept_locals: 0,
            scope: Vec::new(),
            given: [Value::Nil, Value::Nil],
            line: 1,
            budget: Budget::default(),
            callers: Vec::new(),
            in_library: false,
            called: Called::default(),
            outer_names: 0,
        };
        interpreter.given = [keys, arguments]
            .map(|texts| interpreter.list(texts.iter().map(|text| Value::String(text.as_slice().into())).collect()));
        // What the client sent is bounded where it is read.
        interpreter.budget = Budget::default();
        interpreter
    }

    /// The first value that the script returns.
    pub(super) fn run(&mut self, block: &Block) -> Evaluated<Value> {
        match self.block(block)? {
            Flow::Return(values) => Ok(values.into_iter().next().unwrap_or(Value::Nil)),
            Flow::Next | Flow::Break => Ok(Value::Nil),
        }
    }

    /// A new table.
    pub(super) fn table(&mut self, table: Table) -> Value {
        self.budget.allocate(TABLE_BYTES + table.len() * FIELD_BYTES);
        self.tables.push(table);
        Value::Table(self.tables.len() - 1)
    }

    /// A new table with these values from 1 on.
    pub(super) fn list(&mut self, values: Vec<Value>) -> Value {
        let mut table = Table::default();
        for (place, value) in (1..).zip(values) {
            table.set(Key::Number(place), value);
        }
        self.table(table)
    }

    pub(super) fn fields(&self, table: usize) -> &Table {
        &self.tables[table]
    }

    pub(super) fn fields_mut(&mut self, table: usize) -> &mut Table {
        &mut self.tables[table]
    }

    /// An error as Lua words it, with the line of the script where there is one.
    pub(super) fn error<T>(&self, text: &str) -> Evaluated<T> {
        Err(Thrown::Error(Value::text(&format!("{}{text}", self.place(1)))))
    }

    /// Where the caller of the library's function at work stands, for the front of an error: 1 is the caller itself, 2
    /// the caller of that one, and so on. Without such a function it is the line at work.
    pub(super) fn place(&self, level: usize) -> String {
        let line = if self.in_library {
            self.callers.len().checked_sub(level).and_then(|at| self.callers[at])
        } else {
            Some(self.line)
        };
        line.map_or(String::new(), |line| format!("user_script:{line}: "))
    }

    /// How the script names the function at work.
    pub(super) fn called(&self) -> &Called {
        &self.called
    }

    pub(super) fn unsupported<T>(&self, what: &str) -> Evaluated<T> {
        Err(Thrown::Stopped(format!("ERR {what} is not supported in scripts, line {}", self.line)))
    }

    /// Counts the steps of finding a key in a table: it is compared with some of the others.
    pub(super) fn spend_on_key(&mut self, table: usize, key: &Key) -> Evaluated<()> {
        match key {
            Key::String(text) => {
                self.budget.compare(text.len().saturating_mul(self.tables[table].len().min(COMPARED_MAX)))
            }
            _ => Ok(()),
        }
    }

    fn declare(&mut self, name: &Arc<str>, value: Value) -> Evaluated<()> {
        self.budget.spend(0, LOCAL_BYTES)?;
        self.locals.push(value);
        self.scope.push((name.clone(), self.locals.len() - 1));
        Ok(())
    }

    fn declare_all(&mut self, names: &[Arc<str>], values: Vec<Value>) -> Evaluated<()> {
        self.budget.handle(names.len())?;
        names.iter().zip(values).try_for_each(|(name, value)| self.declare(name, value))
    }

    /// How many names and values there are, for [`Self::end_scope`].
    fn begin_scope(&self) -> (usize, usize) {
        (self.scope.len(), self.locals.len())
    }

    /// The names since then are gone, and their values if no function sees them.
    fn end_scope(&mut self, (names, values): (usize, usize)) {
        self.scope.truncate(names);
        let kept = values.max(self.kept_locals);
        self.budget.free(self.locals.len().saturating_sub(kept) * LOCAL_BYTES);
        self.locals.truncate(kept);
    }

    fn local(&self, name: &str) -> Option<usize> {
        self.scope.iter().rev().find(|(local, _)| **local == *name).map(|(_, place)| *place)
    }

    pub(super) fn set_field(&mut self, table: usize, key: &Value, value: Value) -> Evaluated<()> {
        let Some(key) = key.key() else { return self.error("table index is nil") };
        self.spend_on_key(table, &key)?;
        let is_new = self.tables[table].set(key, value);
        self.budget.spend(1, if is_new { FIELD_BYTES } else { 0 })
    }

    /// As many values as are wanted: the last expression gives all of its own, and `nil` fills up.
    fn values(&mut self, expressions: &[Expression], wanted: usize) -> Evaluated<Vec<Value>> {
        let mut values = self.all_values(expressions)?;
        values.resize(wanted, Value::Nil);
        Ok(values)
    }

    fn all_values(&mut self, expressions: &[Expression]) -> Evaluated<Vec<Value>> {
        let mut values = Vec::new();
        let Some((last, before)) = expressions.split_last() else { return Ok(values) };
        self.budget.handle(before.len())?;
        for expression in before {
            values.push(self.value(expression)?);
        }
        if matches!(last, Expression::Call(..) | Expression::Method(..)) {
            values.append(&mut self.call_expression(last)?);
        } else {
            values.push(self.value(last)?);
        }
        Ok(values)
    }

    fn value(&mut self, expression: &Expression) -> Evaluated<Value> {
        match expression {
            Expression::Nil => Ok(Value::Nil),
            Expression::Boolean(value) => Ok(Value::Boolean(*value)),
            Expression::Number(number) => Ok(Value::Number(*number)),
            Expression::String(bytes) => Ok(Value::String(bytes.clone())),
            Expression::Name(name) => self.name(name),
            _ => {
                self.budget.spend(1, 0)?;
                self.budget.enter(1)?;
                let value = self.value_of_parts(expression);
                self.budget.leave(1);
                value
            }
        }
    }

    /// The value of an expression that is made of others.
    fn value_of_parts(&mut self, expression: &Expression) -> Evaluated<Value> {
        match expression {
            Expression::Index(object, key) => self.index(object, key),
            Expression::Call(..) | Expression::Method(..) => {
                Ok(self.call_expression(expression)?.into_iter().next().unwrap_or(Value::Nil))
            }
            Expression::Function(function) => self.closure(function),
            Expression::Not(inner) => Ok(Value::Boolean(!self.value(inner)?.is_true())),
            Expression::Minus(inner) => self.minus(inner),
            Expression::Length(inner) => self.length(inner),
            Expression::And(left, right) => {
                let left = self.value(left)?;
                if left.is_true() { self.value(right) } else { Ok(left) }
            }
            Expression::Or(left, right) => {
                let left = self.value(left)?;
                if left.is_true() { Ok(left) } else { self.value(right) }
            }
            Expression::Binary(operator, left, right) => self.binary(*operator, left, right),
            Expression::Table(fields) => self.table_of(fields),
            Expression::One(inner) => self.value(inner),
            Expression::Nil
            | Expression::Boolean(_)
            | Expression::Number(_)
            | Expression::String(_)
            | Expression::Name(_) => unreachable!("it has no parts"),
        }
    }

    fn name(&mut self, name: &str) -> Evaluated<Value> {
        self.budget.handle(self.scope.len() / NAMES_COMPARED)?;
        if let Some(place) = self.local(name) {
            return Ok(self.locals[place].clone());
        }
        let [keys, arguments] = &self.given;
        let value = match name {
            "KEYS" => keys.clone(),
            "ARGV" => arguments.clone(),
            _ => library::global(name),
        };
        match value {
            Value::Nil if library::UNSUPPORTED.contains(&name) => self.unsupported(name),
            Value::Nil => self.error(&format!("Script attempted to access nonexistent global variable '{name}'")),
            value => Ok(value),
        }
    }

    fn index(&mut self, object: &Expression, key: &Expression) -> Evaluated<Value> {
        let (holder, key) = (self.value(object)?, self.value(key)?);
        match &holder {
            Value::Table(table) => match key.key() {
                Some(key) => {
                    self.spend_on_key(*table, &key)?;
                    self.field(*table, &key)
                }
                None => Ok(Value::Nil),
            },
            Value::String(_) => match &key {
                Value::String(name) => {
                    self.budget.compare(name.len())?;
                    library::string_function(self, &String::from_utf8_lossy(name))
                }
                _ => Ok(Value::Nil),
            },
            _ => self.error(&format!("attempt to index {}", self.named(object, &holder))),
        }
    }

    /// A field of a table; an error if it is a part of the library that is not supported.
    pub(super) fn field(&self, table: usize, key: &Key) -> Evaluated<Value> {
        let table = &self.tables[table];
        let value = table.get(key);
        match (&value, table.part, key) {
            (Value::Nil, Some(part), Key::String(name))
                if part.unsupported.iter().any(|known| known.as_bytes() == &**name) =>
            {
                self.unsupported(&format!("'{}' of the library", String::from_utf8_lossy(name)))
            }
            _ => Ok(value),
        }
    }

    /// The number of values of a list.
    pub(super) fn list_length(&self, table: usize) -> Evaluated<i64> {
        let length = self.tables[table].length();
        length.map_or_else(|| self.unsupported("the length of a list with gaps"), Ok)
    }

    /// A function, which sees every name in scope.
    fn closure(&mut self, function: &Arc<Function>) -> Evaluated<Value> {
        self.budget.spend(0, (1 + self.scope.len()) * LOCAL_BYTES)?;
        self.kept_locals = self.locals.len();
        Ok(Value::Function(Arc::new(Closure { function: function.clone(), scope: self.scope.clone() })))
    }

    fn minus(&mut self, inner: &Expression) -> Evaluated<Value> {
        let value = self.value(inner)?;
        match value.number() {
            Some(number) => Ok(Value::Number(-number)),
            None => self.no_arithmetic(inner, &value),
        }
    }

    fn length(&mut self, inner: &Expression) -> Evaluated<Value> {
        let value = self.value(inner)?;
        match &value {
            Value::String(bytes) => {
                Ok(Value::Number(i64::try_from(bytes.len()).expect("memory holds fewer bytes than i64 counts")))
            }
            Value::Table(table) => self.list_length(*table).map(Value::Number),
            _ => self.error(&format!("attempt to get length of {}", self.named(inner, &value))),
        }
    }

    fn table_of(&mut self, fields: &[(Option<Expression>, Expression)]) -> Evaluated<Value> {
        let mut table = Table::default();
        let mut place = 0;
        for (at, (key, expression)) in fields.iter().enumerate() {
            let is_last = at + 1 == fields.len();
            self.budget.spend(1, 0)?;
            self.budget.fits(table.len() * FIELD_BYTES)?;
            match key {
                Some(key) => {
                    let Some(key) = self.value(key)?.key() else { return self.error("table index is nil") };
                    table.set(key, self.value(expression)?);
                }
                None => {
                    let expressions = std::slice::from_ref(expression);
                    let values = if is_last { self.all_values(expressions)? } else { self.values(expressions, 1)? };
                    for value in values {
                        place += 1;
                        table.set(Key::Number(place), value);
                    }
                }
            }
        }
        Ok(self.table(table))
    }

    fn call_expression(&mut self, call: &Expression) -> Evaluated<Vec<Value>> {
        self.call_as(call, Tail::No)
    }

    fn call_as(&mut self, call: &Expression, tail: Tail) -> Evaluated<Vec<Value>> {
        self.budget.enter(1)?;
        let result = self.called_as(call, tail);
        self.budget.leave(1);
        result
    }

    fn called_as(&mut self, call: &Expression, tail: Tail) -> Evaluated<Vec<Value>> {
        match call {
            Expression::Call(Call { function, arguments, name, line }) => {
                let callee = self.value(function)?;
                let arguments = self.all_values(arguments)?;
                self.line = *line;
                if !callee.is_callable() {
                    return self.error(&format!("attempt to call {}", self.named(function, &callee)));
                }
                self.enter(&callee, arguments, Called { name: name.clone(), is_method: false }, tail)
            }
            Expression::Method(object, name, arguments, line) => {
                let holder = self.value(object)?;
                let mut arguments = self.all_values(arguments)?;
                self.line = *line;
                let callee = match &holder {
                    Value::Table(table) => self.field(*table, &Key::String(name.as_bytes().into()))?,
                    Value::String(_) => library::string_function(self, name)?,
                    _ => return self.error(&format!("attempt to index {}", self.named(object, &holder))),
                };
                if !callee.is_callable() {
                    return self.error(&format!("attempt to call method '{name}' (a {} value)", callee.kind()));
                }
                arguments.insert(0, holder);
                self.enter(&callee, arguments, Called { name: Some(name.clone()), is_method: true }, tail)
            }
            _ => self.unsupported("this call"),
        }
    }

    /// Calls a function.
    pub(super) fn call(&mut self, callee: &Value, arguments: Vec<Value>, called: Called) -> Evaluated<Vec<Value>> {
        self.enter(callee, arguments, called, Tail::No)
    }

    fn enter(&mut self, callee: &Value, arguments: Vec<Value>, called: Called, tail: Tail) -> Evaluated<Vec<Value>> {
        self.budget.spend(1, 0)?;
        self.budget.enter(1)?;
        let result = self.entered(callee, arguments, called, tail);
        self.budget.leave(1);
        result
    }

    fn entered(&mut self, callee: &Value, arguments: Vec<Value>, called: Called, tail: Tail) -> Evaluated<Vec<Value>> {
        if !callee.is_callable() {
            let text = format!("attempt to call a {} value", callee.kind());
            return if self.in_library { Err(Thrown::Error(Value::text(&text))) } else { self.error(&text) };
        }
        let is_library = matches!(callee, Value::Builtin(_));
        let line = self.line;
        // A function that ends with a call of another one is gone by then; the library's functions take no part in it.
        let is_gone = tail == Tail::Yes && !is_library;
        self.callers.push((!self.in_library && !is_gone).then_some(line));
        let caller_in_library = std::mem::replace(&mut self.in_library, is_library);
        let caller_called = std::mem::replace(&mut self.called, called);
        let result = match callee {
            Value::Builtin(builtin) => library::call(self, *builtin, arguments),
            Value::Function(closure) => self.call_closure(closure, arguments),
            _ => unreachable!("it can be called"),
        };
        self.in_library = caller_in_library;
        self.called = caller_called;
        self.callers.pop();
        if result.is_ok() {
            self.line = line;
        }
        result
    }

    fn call_closure(&mut self, closure: &Closure, mut arguments: Vec<Value>) -> Evaluated<Vec<Value>> {
        self.budget.handle(closure.scope.len())?;
        let caller = std::mem::replace(&mut self.scope, closure.scope.clone());
        let caller_outer_names = std::mem::replace(&mut self.outer_names, closure.scope.len());
        arguments.resize(closure.function.parameters.len(), Value::Nil);
        let flow = self.body(&closure.function.parameters, arguments, &closure.function.body);
        self.scope = caller;
        self.outer_names = caller_outer_names;
        match flow? {
            Flow::Return(values) => Ok(values),
            Flow::Next | Flow::Break => Ok(Vec::new()),
        }
    }

    fn binary(&mut self, operator: Operator, left: &Expression, right: &Expression) -> Evaluated<Value> {
        let values = (self.value(left)?, self.value(right)?);
        super::operators::apply(self, operator, (left, right), values)
    }

    pub(super) fn no_arithmetic<T>(&self, expression: &Expression, value: &Value) -> Evaluated<T> {
        if value.is_unsupported_number() {
            return self.unsupported("arithmetic with fractions or numbers beyond 2^53");
        }
        self.error(&format!("attempt to perform arithmetic on {}", self.named(expression, value)))
    }

    /// A value as an error names it: with its name, if it has one.
    pub(super) fn named(&self, expression: &Expression, value: &Value) -> String {
        let kind = value.kind();
        match expression {
            Expression::Name(name) => match self.scope.iter().rposition(|(local, _)| **local == **name) {
                Some(at) if at < self.outer_names => format!("upvalue '{name}' (a {kind} value)"),
                Some(_) => format!("local '{name}' (a {kind} value)"),
                None => format!("global '{name}' (a {kind} value)"),
            },
            Expression::One(inner) => self.named(inner, value),
            Expression::Index(_, key) => match &**key {
                Expression::String(field) => format!("field '{}' (a {kind} value)", String::from_utf8_lossy(field)),
                _ => format!("field '?' (a {kind} value)"),
            },
            _ => format!("a {kind} value"),
        }
    }
}

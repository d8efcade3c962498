//! Statements: blocks, branches, loops and assignments.

use std::sync::Arc;

use super::{Called, Evaluated, Flow, Interpreter, NAMES_COMPARED, Tail};
use crate::lock::redis::script::syntax::{Block, Expression, Statement, StatementKind};
use crate::lock::redis::script::value::Value;

impl Interpreter<'_, '_> {
    /// Carries out statements; the names that they declare end with them.
    pub(super) fn block(&mut self, block: &Block) -> Evaluated<Flow> {
        let outer = self.begin_scope();
        self.budget.enter(1)?;
        let ended = self.statements(block);
        self.budget.leave(1);
        self.end_scope(outer);
        ended
    }

    fn statements(&mut self, block: &Block) -> Evaluated<Flow> {
        for statement in block {
            self.line = statement.line;
            self.budget.spend(1, 0)?;
            match self.statement(statement)? {
                Flow::Next => {}
                ended => return Ok(ended),
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, statement: &Statement) -> Evaluated<Flow> {
        match &statement.kind {
            StatementKind::Local { names, values } => {
                let values = self.values(values, names.len())?;
                self.declare_all(names, values)?;
            }
            StatementKind::LocalFunction { name, function } => {
                self.declare(name, Value::Nil)?;
                let place = self.locals.len() - 1;
                self.locals[place] = self.closure(function)?;
            }
            StatementKind::Assign { targets, values } => self.assign(targets, values)?,
            StatementKind::Call(call) => {
                self.call_expression(call)?;
            }
            StatementKind::If { branches, otherwise } => return self.branch(branches, otherwise),
            StatementKind::While { condition, body } => return self.while_loop(condition, body),
            StatementKind::Repeat { body, condition } => return self.repeat_loop(body, condition),
            StatementKind::Count { name, first, last, step, body } => {
                return self.count_loop(name, [Some(first), Some(last), step.as_ref()], body);
            }
            StatementKind::Each { names, values, body } => return self.each_loop(names, values, body),
            StatementKind::Do(block) => return self.block(block),
            StatementKind::Return(values) => {
                return Ok(Flow::Return(match &values[..] {
                    [call @ (Expression::Call(..) | Expression::Method(..))] => self.call_as(call, Tail::Yes)?,
                    values => self.all_values(values)?,
                }));
            }
            StatementKind::Break => return Ok(Flow::Break),
        }
        Ok(Flow::Next)
    }

    fn branch(&mut self, branches: &[(Expression, Block)], otherwise: &Block) -> Evaluated<Flow> {
        for (condition, block) in branches {
            self.budget.spend(1, 0)?;
            if self.value(condition)?.is_true() {
                return self.block(block);
            }
        }
        self.block(otherwise)
    }

    fn while_loop(&mut self, condition: &Expression, body: &Block) -> Evaluated<Flow> {
        while self.value(condition)?.is_true() {
            self.budget.spend(1, 0)?;
            match self.block(body)? {
                Flow::Next => {}
                Flow::Break => break,
                returned => return Ok(returned),
            }
        }
        Ok(Flow::Next)
    }

    /// The condition sees the names of the body.
    fn repeat_loop(&mut self, body: &Block, condition: &Expression) -> Evaluated<Flow> {
        loop {
            self.budget.spend(1, 0)?;
            let outer = self.begin_scope();
            self.budget.enter(1)?;
            let turn = self.repeat_turn(body, condition);
            self.budget.leave(1);
            self.end_scope(outer);
            match turn? {
                (Flow::Next, false) => {}
                (Flow::Next, true) | (Flow::Break, _) => return Ok(Flow::Next),
                (returned, _) => return Ok(returned),
            }
        }
    }

    /// One turn of such a loop, and whether it is the last.
    fn repeat_turn(&mut self, body: &Block, condition: &Expression) -> Evaluated<(Flow, bool)> {
        let flow = self.statements(body)?;
        let ended = matches!(flow, Flow::Next) && self.value(condition)?.is_true();
        Ok((flow, ended))
    }

    fn count_loop(&mut self, name: &Arc<str>, bounds: [Option<&Expression>; 3], body: &Block) -> Evaluated<Flow> {
        let mut numbers = [0, 0, 1];
        for ((number, bound), what) in numbers.iter_mut().zip(bounds).zip(["initial value", "limit", "step"]) {
            let Some(bound) = bound else { continue };
            let value = self.value(bound)?;
            *number = match value.number() {
                Some(number) => number,
                None if value.is_unsupported_number() => return self.unsupported("a loop over fractions"),
                None => return self.error(&format!("'for' {what} must be a number")),
            };
        }
        let [mut at, last, step] = numbers;
        while if step > 0 { at <= last } else { at >= last } {
            self.budget.spend(1, 0)?;
            match self.body(std::slice::from_ref(name), vec![Value::Number(at)], body)? {
                Flow::Next => {}
                Flow::Break => break,
                returned => return Ok(returned),
            }
            at = at.saturating_add(step);
        }
        Ok(Flow::Next)
    }

    fn each_loop(&mut self, names: &[Arc<str>], values: &[Expression], body: &Block) -> Evaluated<Flow> {
        let [iterator, state, mut control] =
            <[Value; 3]>::try_from(self.values(values, 3)?).expect("three values were asked for");
        loop {
            self.budget.spend(1, 0)?;
            let mut found = self.call(&iterator, vec![state.clone(), control], Called::default())?;
            found.resize(names.len().max(1), Value::Nil);
            control = found[0].clone();
            if matches!(control, Value::Nil) {
                return Ok(Flow::Next);
            }
            match self.body(names, found, body)? {
                Flow::Next => {}
                Flow::Break => return Ok(Flow::Next),
                returned => return Ok(returned),
            }
        }
    }

    /// One turn of a loop, with its names.
    pub(super) fn body(&mut self, names: &[Arc<str>], values: Vec<Value>, body: &Block) -> Evaluated<Flow> {
        let outer = self.begin_scope();
        let flow = self.declare_all(names, values).and_then(|()| self.block(body));
        self.end_scope(outer);
        flow
    }

    fn assign(&mut self, targets: &[Expression], values: &[Expression]) -> Evaluated<()> {
        self.budget.handle(targets.len().saturating_mul(1 + self.scope.len() / NAMES_COMPARED))?;
        let values = self.values(values, targets.len())?;
        for (target, value) in targets.iter().zip(values) {
            match target {
                Expression::Name(name) => match self.local(name) {
                    Some(place) => self.locals[place] = value,
                    None => return self.error("Attempt to modify a readonly table"),
                },
                Expression::Index(object, key) => self.set_index(object, key, value)?,
                _ => return self.unsupported("this assignment"),
            }
        }
        Ok(())
    }

    fn set_index(&mut self, object: &Expression, key: &Expression, value: Value) -> Evaluated<()> {
        let (holder, key) = (self.value(object)?, self.value(key)?);
        let Value::Table(table) = holder else {
            return self.error(&format!("attempt to index {}", self.named(object, &holder)));
        };
        if self.tables[table].part.is_some() {
            return self.error("Attempt to modify a readonly table");
        }
        self.set_field(table, &key, value)
    }
}

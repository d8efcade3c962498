//! Operators over two values.

use std::cmp::Ordering;

use super::interpreter::{Evaluated, Interpreter};
use super::syntax::{Expression, Operator};
use super::value::{Value, exact};

/// The value of an operator over two values; errors name the expressions that they came from.
pub(super) fn apply(
    interpreter: &mut Interpreter<'_, '_>,
    operator: Operator,
    expressions: (&Expression, &Expression),
    (left, right): (Value, Value),
) -> Evaluated<Value> {
    match operator {
        Operator::Equal => equal(interpreter, &left, &right).map(Value::Boolean),
        Operator::Differs => equal(interpreter, &left, &right).map(|equal| Value::Boolean(!equal)),
        Operator::Less => compare(interpreter, &left, &right, Ordering::is_lt),
        Operator::AtMost => compare(interpreter, &left, &right, Ordering::is_le),
        // Lua turns them round, which shows in the text of an error.
        Operator::More => compare(interpreter, &right, &left, Ordering::is_lt),
        Operator::AtLeast => compare(interpreter, &right, &left, Ordering::is_le),
        Operator::Concat => concatenate(interpreter, expressions, &left, &right),
        _ => arithmetic(interpreter, operator, expressions, &left, &right),
    }
}

fn equal(interpreter: &mut Interpreter<'_, '_>, left: &Value, right: &Value) -> Evaluated<bool> {
    if let (Value::String(left), Value::String(right)) = (left, right)
        && left.len() == right.len()
    {
        interpreter.budget.compare(left.len())?;
    }
    Ok(left.equals(right))
}

fn compare(
    interpreter: &mut Interpreter<'_, '_>,
    left: &Value,
    right: &Value,
    holds: fn(Ordering) -> bool,
) -> Evaluated<Value> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Ok(Value::Boolean(holds(left.cmp(right)))),
        (Value::String(left), Value::String(right)) => {
            interpreter.budget.compare(left.len().min(right.len()))?;
            Ok(Value::Boolean(holds(left.cmp(right))))
        }
        _ if left.kind() == right.kind() => {
            interpreter.error(&format!("attempt to compare two {} values", left.kind()))
        }
        _ => interpreter.error(&format!("attempt to compare {} with {}", left.kind(), right.kind())),
    }
}

fn concatenate(
    interpreter: &mut Interpreter<'_, '_>,
    expressions: (&Expression, &Expression),
    left: &Value,
    right: &Value,
) -> Evaluated<Value> {
    let (Some(front), Some(back)) = (left.bytes(), right.bytes()) else {
        let (expression, value) = if left.bytes().is_some() { (expressions.1, right) } else { (expressions.0, left) };
        let named = interpreter.named(expression, value);
        return interpreter.error(&format!("attempt to concatenate {named}"));
    };
    interpreter.budget.spend(1, front.len() + back.len())?;
    Ok(Value::String([&front[..], &back[..]].concat().into()))
}

fn arithmetic(
    interpreter: &Interpreter<'_, '_>,
    operator: Operator,
    expressions: (&Expression, &Expression),
    left: &Value,
    right: &Value,
) -> Evaluated<Value> {
    let Some(first) = left.number() else { return interpreter.no_arithmetic(expressions.0, left) };
    let Some(second) = right.number() else { return interpreter.no_arithmetic(expressions.1, right) };
    let result = match operator {
        Operator::Add => first.checked_add(second),
        Operator::Subtract => first.checked_sub(second),
        Operator::Multiply => first.checked_mul(second),
        Operator::Divide if second != 0 && first % second == 0 => first.checked_div(second),
        // The result has the sign of the divisor.
        Operator::Modulo if second != 0 => first
            .checked_rem(second)
            .map(|rest| if rest != 0 && (rest < 0) != (second < 0) { rest + second } else { rest }),
        _ => None,
    };
    match result.and_then(exact) {
        Some(number) => Ok(Value::Number(number)),
        None => interpreter.unsupported("arithmetic with fractions or numbers beyond 2^53"),
    }
}

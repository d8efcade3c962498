//! A script as a tree.

use std::sync::Arc;

/// Statements that share their local names.
pub(super) type Block = Vec<Statement>;

/// A statement with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) line: u32,
    pub(super) kind: StatementKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StatementKind {
    Local { names: Vec<Arc<str>>, values: Vec<Expression> },
    LocalFunction { name: Arc<str>, function: Arc<Function> },
    Assign { targets: Vec<Expression>, values: Vec<Expression> },
    Call(Expression),
    If { branches: Vec<(Expression, Block)>, otherwise: Block },
    While { condition: Expression, body: Block },
    Repeat { body: Block, condition: Expression },
    Count { name: Arc<str>, first: Expression, last: Expression, step: Option<Expression>, body: Block },
    Each { names: Vec<Arc<str>>, values: Vec<Expression>, body: Block },
    Do(Block),
    Return(Vec<Expression>),
    Break,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) parameters: Vec<Arc<str>>,
    pub(super) body: Block,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    Nil,
    Boolean(bool),
    Number(i64),
    String(Arc<[u8]>),
    Name(Arc<str>),
    Index(Box<Self>, Box<Self>),
    Call(Call),
    /// The line is that of the call.
    Method(Box<Self>, Arc<str>, Vec<Self>, u32),
    Function(Arc<Function>),
    Not(Box<Self>),
    Minus(Box<Self>),
    Length(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    /// Values with their keys; those without one are counted from 1.
    Table(Vec<(Option<Self>, Self)>),
    /// In parentheses: one value.
    One(Box<Self>),
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) function: Box<Expression>,
    pub(super) arguments: Vec<Expression>,
    /// How the script names the function, as far as Lua knows a name.
    pub(super) name: Option<Arc<str>>,
    pub(super) line: u32,
}

impl Expression {
    /// The name by which the expression gives a function to a call, as far as Lua knows one.
    pub(super) fn name(&self) -> Option<Arc<str>> {
        match self {
            Self::Name(name) => Some(name.clone()),
            Self::Index(_, key) => Some(match &**key {
                Self::String(field) => String::from_utf8_lossy(field).into(),
                _ => "?".into(),
            }),
            Self::One(inner) => inner.name(),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Differs,
    Less,
    AtMost,
    More,
    AtLeast,
    Concat,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

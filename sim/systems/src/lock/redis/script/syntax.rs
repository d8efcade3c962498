//! A script as a tree.

use std::rc::Rc;

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
    Local { names: Vec<String>, values: Vec<Expression> },
    LocalFunction { name: String, function: Rc<Function> },
    Assign { targets: Vec<Expression>, values: Vec<Expression> },
    Call(Expression),
    If { branches: Vec<(Expression, Block)>, otherwise: Block },
    While { condition: Expression, body: Block },
    Repeat { body: Block, condition: Expression },
    Count { name: String, first: Expression, last: Expression, step: Option<Expression>, body: Block },
    Each { names: Vec<String>, values: Vec<Expression>, body: Block },
    Do(Block),
    Return(Vec<Expression>),
    Break,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) parameters: Vec<String>,
    pub(super) body: Block,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    Nil,
    Boolean(bool),
    Number(i64),
    String(Rc<[u8]>),
    Name(String),
    Index(Box<Self>, Box<Self>),
    /// The line is that of the call.
    Call(Box<Self>, Vec<Self>, u32),
    Method(Box<Self>, String, Vec<Self>, u32),
    Function(Rc<Function>),
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

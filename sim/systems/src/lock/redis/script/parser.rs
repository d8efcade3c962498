//! From words to a tree.

use std::sync::Arc;

use super::lexer::{END, Malformed, Token, TokenKind, tokens};
use super::syntax::{Block, Call, Expression, Function, Operator, Statement, StatementKind};

/// How deep a script may nest.
const DEPTH_MAX: usize = 100;

/// How many operators, calls and fields may follow one another on the way from an expression to its innermost part.
/// They are evaluated from the outside in, so each takes room on the stack.
const LINKS_MAX: usize = 200;

/// The binding powers of a unary operator's operand.
const UNARY: u8 = 7;

/// The statements of a script.
pub(super) fn parse(text: &[u8]) -> Result<Block, Malformed> {
    let mut parser = Parser { text, tokens: tokens(text), at: 0, depth: 0, links: 0, loops: 0 };
    let block = parser.block()?;
    if *parser.peek() == TokenKind::End { Ok(block) } else { Err(parser.expected("<eof>")) }
}

struct Parser<'a> {
    text: &'a [u8],
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// How many operators, calls and fields of the expressions that are open came before.
    links: usize,
    /// How many loops of the function at work are open.
    loops: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &TokenKind {
        &self.tokens[self.at].kind
    }

    fn line(&self) -> u32 {
        self.tokens[self.at].line
    }

    fn next(&mut self) -> TokenKind {
        let kind = self.tokens[self.at].kind.clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        kind
    }

    fn takes(&mut self, expected: &TokenKind) -> bool {
        let found = self.peek() == expected;
        if found {
            self.next();
        }
        found
    }

    fn symbol(&mut self, symbol: &'static str) -> bool {
        self.takes(&TokenKind::Symbol(symbol))
    }

    fn keyword(&mut self, keyword: &'static str) -> bool {
        self.takes(&TokenKind::Keyword(keyword))
    }

    fn expect_symbol(&mut self, symbol: &'static str) -> Result<(), Malformed> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.expected(symbol)) }
    }

    fn expect_keyword(&mut self, keyword: &'static str) -> Result<(), Malformed> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.expected(keyword)) }
    }

    /// What ends something that was opened by a word on this line.
    fn expect_closing(&mut self, closing: &TokenKind, opening: &str, line: u32) -> Result<(), Malformed> {
        if self.takes(closing) {
            return Ok(());
        }
        let (TokenKind::Keyword(closing) | TokenKind::Symbol(closing)) = closing else { unreachable!("it is a word") };
        if self.last_line() == line {
            return Err(self.expected(closing));
        }
        Err(self.wrong(&format!("'{closing}' expected (to close '{opening}' at line {line})")))
    }

    fn expect_end(&mut self, opening: &str, line: u32) -> Result<(), Malformed> {
        self.expect_closing(&TokenKind::Keyword("end"), opening, line)
    }

    /// The line on which the word at work ends.
    fn last_line(&self) -> u32 {
        self.tokens[self.at].last_line
    }

    /// The word at work, for an error: of a text what it says, between its marks.
    fn found(&self) -> Vec<u8> {
        let word = &self.text[self.tokens[self.at].place.clone()];
        match self.peek() {
            TokenKind::Name(_) | TokenKind::Number(_) | TokenKind::UnsupportedNumber => word.to_vec(),
            TokenKind::Keyword(word) | TokenKind::Symbol(word) => word.as_bytes().to_vec(),
            TokenKind::String(bytes) => {
                let opening = match word {
                    [b'[', rest @ ..] => 2 + rest.iter().take_while(|byte| **byte == b'=').count(),
                    _ => 1,
                };
                [&word[..opening], bytes.as_slice(), &word[word.len() - opening..]].concat()
            }
            TokenKind::Other(byte) if byte.is_ascii_control() && *byte != 0 => format!("char({byte})").into_bytes(),
            TokenKind::Other(byte) => vec![*byte],
            TokenKind::End | TokenKind::Broken(_) => END.to_vec(),
        }
    }

    /// An error at the word at work.
    fn wrong(&self, text: &str) -> Malformed {
        match self.peek() {
            TokenKind::Broken(malformed) => malformed.clone(),
            _ => Malformed::new(self.last_line(), text, &self.found()),
        }
    }

    fn expected(&self, expected: &str) -> Malformed {
        self.wrong(&format!("'{expected}' expected"))
    }

    /// An error if the word at work is this one, which Lua has.
    fn refuse(&self, symbol: &'static str) -> Result<(), Malformed> {
        let is_it = *self.peek() == TokenKind::Symbol(symbol);
        if is_it { Err(Malformed::unsupported(self.line(), format!("'{symbol}'"))) } else { Ok(()) }
    }

    fn name(&mut self) -> Result<Arc<str>, Malformed> {
        match self.peek() {
            TokenKind::Name(name) => {
                let name = name.as_str().into();
                self.next();
                Ok(name)
            }
            _ => Err(self.expected("<name>")),
        }
    }

    /// Counts one level of nesting around `inner`.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Malformed>) -> Result<T, Malformed> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Malformed::unsupported(self.line(), format!("syntax of more than {DEPTH_MAX} levels")));
        }
        let parsed = inner(self);
        self.depth -= 1;
        parsed
    }

    /// Counts one more operator, call or field of the expressions that are open.
    fn link(&mut self) -> Result<(), Malformed> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(Malformed::unsupported(self.line(), "an expression of so many parts"));
        }
        Ok(())
    }

    fn block(&mut self) -> Result<Block, Malformed> {
        self.nested(|parser| {
            let mut block = Vec::new();
            while !parser.block_ends() {
                let line = parser.line();
                let kind = parser.statement()?;
                let last = matches!(kind, StatementKind::Return(_) | StatementKind::Break);
                block.push(Statement { line, kind });
                parser.symbol(";");
                if last {
                    break;
                }
            }
            Ok(block)
        })
    }

    fn block_ends(&self) -> bool {
        matches!(self.peek(), TokenKind::End | TokenKind::Keyword("end" | "else" | "elseif" | "until"))
    }

    fn statement(&mut self) -> Result<StatementKind, Malformed> {
        let TokenKind::Keyword(word) = *self.peek() else { return self.simple_statement() };
        let line = self.last_line();
        match word {
            "if" => self.if_statement(line),
            "local" => self.local(),
            "return" => self.return_statement(),
            "for" => self.for_statement(line),
            "while" => {
                self.next();
                let condition = self.expression()?;
                self.expect_keyword("do")?;
                Ok(StatementKind::While { condition, body: self.loop_body("while", line)? })
            }
            "repeat" => {
                self.next();
                let body = self.in_loop(Self::block)?;
                self.expect_closing(&TokenKind::Keyword("until"), "repeat", line)?;
                Ok(StatementKind::Repeat { body, condition: self.expression()? })
            }
            "do" => {
                self.next();
                Ok(StatementKind::Do(self.body("do", line)?))
            }
            "break" => {
                self.next();
                if self.loops == 0 {
                    return Err(self.wrong("no loop to break"));
                }
                Ok(StatementKind::Break)
            }
            "function" => self.function_statement(line),
            _ => self.simple_statement(),
        }
    }

    /// A block and its `end`.
    fn body(&mut self, opening: &str, line: u32) -> Result<Block, Malformed> {
        let block = self.block()?;
        self.expect_end(opening, line)?;
        Ok(block)
    }

    fn loop_body(&mut self, opening: &str, line: u32) -> Result<Block, Malformed> {
        self.in_loop(|parser| parser.body(opening, line))
    }

    fn in_loop<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Malformed>) -> Result<T, Malformed> {
        self.loops += 1;
        let parsed = inner(self);
        self.loops -= 1;
        parsed
    }

    /// `function a.b.c:d(…) … end` assigns a function to a field; with the colon its first parameter is `self`.
    fn function_statement(&mut self, line: u32) -> Result<StatementKind, Malformed> {
        let before = self.links;
        let statement = self.function_with_target(line);
        self.links = before;
        statement
    }

    fn function_with_target(&mut self, line: u32) -> Result<StatementKind, Malformed> {
        self.next();
        let mut target = Expression::Name(self.name()?);
        loop {
            let is_method = self.symbol(":");
            if !is_method && !self.symbol(".") {
                let function = Expression::Function(self.function(&[], line)?);
                return Ok(StatementKind::Assign { targets: vec![target], values: vec![function] });
            }
            self.link()?;
            let key = Expression::String(self.name()?.as_bytes().into());
            target = Expression::Index(Box::new(target), Box::new(key));
            if is_method {
                let function = Expression::Function(self.function(&["self"], line)?);
                return Ok(StatementKind::Assign { targets: vec![target], values: vec![function] });
            }
        }
    }

    fn if_statement(&mut self, line: u32) -> Result<StatementKind, Malformed> {
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        self.next();
        loop {
            let condition = self.expression()?;
            self.expect_keyword("then")?;
            branches.push((condition, self.block()?));
            if self.keyword("elseif") {
                continue;
            }
            if self.keyword("else") {
                otherwise = self.block()?;
            }
            self.expect_end("if", line)?;
            return Ok(StatementKind::If { branches, otherwise });
        }
    }

    fn local(&mut self) -> Result<StatementKind, Malformed> {
        self.next();
        if self.keyword("function") {
            let name = self.name()?;
            let line = self.last_line();
            return Ok(StatementKind::LocalFunction { name, function: self.function(&[], line)? });
        }
        let names = self.names()?;
        let values = if self.symbol("=") { self.expressions()? } else { Vec::new() };
        Ok(StatementKind::Local { names, values })
    }

    fn names(&mut self) -> Result<Vec<Arc<str>>, Malformed> {
        let mut names = vec![self.name()?];
        while self.symbol(",") {
            names.push(self.name()?);
        }
        Ok(names)
    }

    fn return_statement(&mut self) -> Result<StatementKind, Malformed> {
        self.next();
        if self.block_ends() || *self.peek() == TokenKind::Symbol(";") {
            return Ok(StatementKind::Return(Vec::new()));
        }
        Ok(StatementKind::Return(self.expressions()?))
    }

    fn for_statement(&mut self, line: u32) -> Result<StatementKind, Malformed> {
        self.next();
        let mut names = self.names()?;
        if names.len() > 1 || *self.peek() == TokenKind::Keyword("in") {
            self.expect_keyword("in")?;
            let values = self.expressions()?;
            self.expect_keyword("do")?;
            return Ok(StatementKind::Each { names, values, body: self.loop_body("for", line)? });
        }
        if !self.symbol("=") {
            return Err(self.wrong("'=' or 'in' expected"));
        }
        let first = self.expression()?;
        self.expect_symbol(",")?;
        let last = self.expression()?;
        let step = if self.symbol(",") { Some(self.expression()?) } else { None };
        self.expect_keyword("do")?;
        let name = names.remove(0);
        Ok(StatementKind::Count { name, first, last, step, body: self.loop_body("for", line)? })
    }

    /// A call or an assignment.
    fn simple_statement(&mut self) -> Result<StatementKind, Malformed> {
        let first = self.suffixed()?;
        if matches!(first, Expression::Call(..) | Expression::Method(..)) {
            return Ok(StatementKind::Call(first));
        }
        let mut targets = vec![first];
        loop {
            if !matches!(targets.last(), Some(Expression::Name(_) | Expression::Index(..))) {
                return Err(self.wrong("syntax error"));
            }
            if !self.symbol(",") {
                break;
            }
            targets.push(self.suffixed()?);
        }
        self.expect_symbol("=")?;
        Ok(StatementKind::Assign { targets, values: self.expressions()? })
    }

    fn expressions(&mut self) -> Result<Vec<Expression>, Malformed> {
        let mut expressions = vec![self.expression()?];
        while self.symbol(",") {
            expressions.push(self.expression()?);
        }
        Ok(expressions)
    }

    fn expression(&mut self) -> Result<Expression, Malformed> {
        self.binary(0)
    }

    /// An expression whose operators bind at least this strongly.
    fn binary(&mut self, least: u8) -> Result<Expression, Malformed> {
        self.nested(|parser| {
            let before = parser.links;
            let mut left = parser.unary()?;
            while let Some((power, right_power)) = powers(parser.peek()).filter(|(power, _)| *power >= least) {
                debug_assert!(power <= right_power + 1, "a right operand binds about as strongly");
                parser.link()?;
                let operator = parser.next();
                let right = parser.binary(right_power)?;
                left = combined(&operator, Box::new(left), Box::new(right));
            }
            parser.refuse("^")?;
            parser.links = before;
            Ok(left)
        })
    }

    fn unary(&mut self) -> Result<Expression, Malformed> {
        let make: fn(Box<Expression>) -> Expression = match self.peek() {
            TokenKind::Keyword("not") => Expression::Not,
            TokenKind::Symbol("-") => Expression::Minus,
            TokenKind::Symbol("#") => Expression::Length,
            _ => return self.simple(),
        };
        self.next();
        Ok(make(Box::new(self.binary(UNARY)?)))
    }

    fn simple(&mut self) -> Result<Expression, Malformed> {
        let value = match self.peek() {
            TokenKind::Number(number) => Expression::Number(*number),
            TokenKind::String(bytes) => Expression::String(bytes.as_slice().into()),
            TokenKind::Keyword("nil") => Expression::Nil,
            TokenKind::Keyword("true") => Expression::Boolean(true),
            TokenKind::Keyword("false") => Expression::Boolean(false),
            TokenKind::Keyword("function") => {
                self.next();
                let line = self.last_line();
                return Ok(Expression::Function(self.function(&[], line)?));
            }
            TokenKind::Symbol("{") => return self.table(),
            TokenKind::Symbol("...") => return Err(Malformed::unsupported(self.line(), "'...'")),
            TokenKind::UnsupportedNumber => {
                let number = format!("the number '{}'", self.found().escape_ascii());
                return Err(Malformed::unsupported(self.line(), number));
            }
            _ => return self.suffixed(),
        };
        self.next();
        Ok(value)
    }

    /// The parameters and the body of a function, with these parameters in front. It was opened on this line.
    fn function(&mut self, front: &[&str], line: u32) -> Result<Arc<Function>, Malformed> {
        let mut parameters: Vec<Arc<str>> = front.iter().map(|name| (*name).into()).collect();
        self.expect_symbol("(")?;
        if !self.symbol(")") {
            loop {
                self.refuse("...")?;
                let TokenKind::Name(_) = self.peek() else { return Err(self.wrong("<name> or '...' expected")) };
                parameters.push(self.name()?);
                if !self.symbol(",") {
                    break;
                }
            }
            self.expect_symbol(")")?;
        }
        // Loops around a function are none of its own.
        let loops = std::mem::take(&mut self.loops);
        let body = self.body("function", line);
        self.loops = loops;
        Ok(Arc::new(Function { parameters, body: body? }))
    }

    fn table(&mut self) -> Result<Expression, Malformed> {
        let line = self.last_line();
        let mut fields = Vec::new();
        self.next();
        while *self.peek() != TokenKind::Symbol("}") {
            fields.push(self.field()?);
            if !self.symbol(",") && !self.symbol(";") {
                break;
            }
        }
        self.expect_closing(&TokenKind::Symbol("}"), "{", line)?;
        Ok(Expression::Table(fields))
    }

    fn field(&mut self) -> Result<(Option<Expression>, Expression), Malformed> {
        if self.symbol("[") {
            let key = self.expression()?;
            self.expect_symbol("]")?;
            self.expect_symbol("=")?;
            return Ok((Some(key), self.expression()?));
        }
        let named = self.tokens.get(self.at + 1).is_some_and(|token| token.kind == TokenKind::Symbol("="));
        if let (TokenKind::Name(name), true) = (self.peek().clone(), named) {
            self.next();
            self.next();
            return Ok((Some(Expression::String(name.as_bytes().into())), self.expression()?));
        }
        Ok((None, self.expression()?))
    }

    /// A name or a parenthesis, with what is indexed and called behind it.
    fn suffixed(&mut self) -> Result<Expression, Malformed> {
        let before = self.links;
        let line = self.last_line();
        let mut expression = if self.symbol("(") {
            let inner = self.expression()?;
            self.expect_closing(&TokenKind::Symbol(")"), "(", line)?;
            Expression::One(Box::new(inner))
        } else {
            let TokenKind::Name(_) = self.peek() else { return Err(self.wrong("unexpected symbol")) };
            Expression::Name(self.name()?)
        };
        loop {
            let line = self.line();
            expression = match self.peek() {
                TokenKind::Symbol(".") => {
                    self.next();
                    let key = self.name()?;
                    Expression::Index(Box::new(expression), Box::new(Expression::String(key.as_bytes().into())))
                }
                TokenKind::Symbol("[") => {
                    self.next();
                    let key = self.expression()?;
                    self.expect_symbol("]")?;
                    Expression::Index(Box::new(expression), Box::new(key))
                }
                TokenKind::Symbol(":") => {
                    self.next();
                    let name = self.name()?;
                    Expression::Method(Box::new(expression), name, self.arguments()?, line)
                }
                TokenKind::Symbol("(" | "{") | TokenKind::String(_) => {
                    let (name, arguments) = (expression.name(), self.arguments()?);
                    Expression::Call(Call { function: Box::new(expression), arguments, name, line })
                }
                _ => {
                    self.links = before;
                    return Ok(expression);
                }
            };
            self.link()?;
        }
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, Malformed> {
        if matches!(self.peek(), TokenKind::String(_) | TokenKind::Symbol("{")) {
            return Ok(vec![self.simple()?]);
        }
        let line = self.last_line();
        if *self.peek() != TokenKind::Symbol("(") {
            return Err(self.wrong("function arguments expected"));
        }
        if self.tokens[self.at - 1].last_line != line {
            return Err(self.wrong("ambiguous syntax (function call x new statement)"));
        }
        self.next();
        if self.symbol(")") {
            return Ok(Vec::new());
        }
        let arguments = self.expressions()?;
        self.expect_closing(&TokenKind::Symbol(")"), "(", line)?;
        Ok(arguments)
    }
}

/// How strongly an operator binds its left side, and what its right side needs at least.
fn powers(operator: &TokenKind) -> Option<(u8, u8)> {
    Some(match operator {
        TokenKind::Keyword("or") => (1, 2),
        TokenKind::Keyword("and") => (2, 3),
        TokenKind::Symbol("==" | "~=" | "<" | "<=" | ">" | ">=") => (3, 4),
        // It groups to the right.
        TokenKind::Symbol("..") => (4, 4),
        TokenKind::Symbol("+" | "-") => (5, 6),
        TokenKind::Symbol("*" | "/" | "%") => (6, 7),
        _ => return None,
    })
}

fn combined(operator: &TokenKind, left: Box<Expression>, right: Box<Expression>) -> Expression {
    let operator = match operator {
        TokenKind::Keyword("or") => return Expression::Or(left, right),
        TokenKind::Keyword("and") => return Expression::And(left, right),
        TokenKind::Symbol("==") => Operator::Equal,
        TokenKind::Symbol("~=") => Operator::Differs,
        TokenKind::Symbol("<") => Operator::Less,
        TokenKind::Symbol("<=") => Operator::AtMost,
        TokenKind::Symbol(">") => Operator::More,
        TokenKind::Symbol(">=") => Operator::AtLeast,
        TokenKind::Symbol("..") => Operator::Concat,
        TokenKind::Symbol("+") => Operator::Add,
        TokenKind::Symbol("-") => Operator::Subtract,
        TokenKind::Symbol("*") => Operator::Multiply,
        TokenKind::Symbol("/") => Operator::Divide,
        _ => Operator::Modulo,
    };
    Expression::Binary(operator, left, right)
}

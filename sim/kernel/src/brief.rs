//! Short forms: how people read what nodes say, store and are asked, in a few words on one line.
//!
//! ```text
//!   a node's value ──Node::brief──▶ its own words        7@2 +1 commit 6
//!                        └─by default─▶ derived words    previous (term 2, index 7), commit 6, entries [9]
//! ```
//!
//! The derived words come from the serialized data, so a new system reads well before it writes a line for it.
//! Nothing here is on the way of a run: short forms are made for recordings, failures and tests alone.

mod derived;

use std::fmt;

use serde::Serialize;

use crate::node::{FileId, Message, Node, Observation, Write};

/// A value of a node, as [`Node::brief`] is asked to show it.
#[derive(Debug)]
pub enum Datum<'a, N: Node> {
    /// A message, without the name of its kind: that is printed before it.
    Message(&'a N::Message),
    /// An observation, without the name of its face: that is printed before it.
    Observation(&'a N::Observation),
    /// A timer.
    Timer(N::Timer),
    /// A record on a disk.
    Record(&'a N::Record),
    /// What a client is asked.
    Operation(&'a N::Operation),
    /// What a client is answered.
    Response(&'a N::Response),
    /// What a server is ordered.
    Order(&'a N::Order),
    /// Deferred work.
    Step(&'a N::Step),
    /// The name of a file.
    File(FileId),
}

impl<N: Node> Clone for Datum<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N: Node> Copy for Datum<'_, N> {}

impl<N: Node> Datum<'_, N> {
    /// The short form that is made of the serialized data: what [`Node::brief`] does by default.
    ///
    /// # Errors
    /// Those of the formatter.
    pub fn derived(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => f.write_str(&derived::after_name(message_name(message), message)),
            Self::Observation(observation) => f.write_str(&derived::after_name(observation.face().name, observation)),
            Self::Timer(timer) => write!(f, "{}", Derived(&timer)),
            Self::Record(record) => write!(f, "{}", Derived(record)),
            Self::Operation(operation) => write!(f, "{}", Derived(operation)),
            Self::Response(response) => write!(f, "{}", Derived(response)),
            Self::Order(order) => write!(f, "{}", Derived(order)),
            Self::Step(step) => write!(f, "{}", Derived(step)),
            Self::File(file) => write!(f, "file {}", file.0),
        }
    }
}

/// As the node says it.
impl<N: Node> fmt::Display for Datum<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        N::brief(*self, f)
    }
}

/// The name of the kind of a message.
pub fn message_name<M: Message>(message: &M) -> &'static str {
    M::KINDS.get(message.kind()).copied().unwrap_or("message")
}

/// Any serializable value in the words that are derived from its data.
///
/// ```
/// #[derive(serde::Serialize)]
/// struct Request { term: u64, last: Option<u64>, granted: bool }
/// let request = Request { term: 3, last: None, granted: false };
/// assert_eq!(splitbrain_kernel::brief::Derived(&request).to_string(), "term 3, not granted");
/// ```
///
/// - Names are split into words: `LaterTerm` and `later_term` are `later term`.
/// - What is absent (`None`) is left out of a struct; a flag is its name, or `not` and its name.
/// - A value of several parts stands in parentheses inside another one; of a long list the first few are shown.
#[derive(Clone, Copy, Debug)]
pub struct Derived<'a, T: ?Sized>(pub &'a T);

impl<T: Serialize + ?Sized> fmt::Display for Derived<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&derived::whole(self.0))
    }
}

/// A change to a file in a few words: `append to log: 8@2 set 9`.
#[derive(Debug)]
pub struct Written<'a, N: Node>(pub &'a Write<N::Record>);

impl<N: Node> fmt::Display for Written<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = |file: &FileId| Datum::<N>::File(*file);
        let record = |record| Datum::<N>::Record(record);
        match self.0 {
            Write::Append(to, one) => write!(f, "append to {}: {}", file(to), record(one)),
            Write::Replace(to, one) => write!(f, "replace {}: {}", file(to), record(one)),
            Write::Truncate(to, count) => write!(f, "truncate {} to {count}", file(to)),
            Write::Discard(to, count) => write!(f, "discard the first {count} of {}", file(to)),
        }
    }
}

/// The name of a variant, a field or a type as words: `NoConnection` and `no_connection` are `no connection`.
pub fn words(name: &str) -> String {
    let mut text = String::new();
    let mut was_lower = false;
    for letter in name.chars() {
        let is_upper = letter.is_uppercase();
        if letter == '_' || (is_upper && was_lower) {
            text.push(' ');
        }
        if letter != '_' {
            text.extend(letter.to_lowercase());
        }
        was_lower = !is_upper && letter != '_';
    }
    text
}

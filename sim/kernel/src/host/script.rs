//! Scripts: a text that drives a small cluster of [hosts](super::Host), one command a line, and holds what came of it.
//!
//! ```text
//! # The first node whose election timer fires asks the others for their votes.
//! cluster servers=3
//!
//! fire s1 election
//! ---
//! s1@0 timer election
//!   s1@0 election timed out
//!   s1@0 term started @1
//!   s1@1 became candidate @1
//!   s1@1 writes: replace state: @1 voted for s1
//!   s1@1 → s2 vote last 0@0
//!   s1@1 → s3 vote last 0@0
//!
//! deliver s1->s2
//! ---
//! s2@0 ← s1@1 vote last 0@0
//!   s2@0 term started @1
//!   s2@1 vote granted to s1@1
//!   s2@1 writes: replace state: @1 voted for s1
//!   s2@1 → s1 vote_reply granted
//! ```
//!
//! Nothing happens that no command asks for: messages stay in flight until they are delivered or dropped, and timers
//! fire when time passes. So a script says which of many orders it is about. There is no expectation in it: [`play`]
//! returns the text with the output made anew, and a test compares the two.
//!
//! # The text
//!
//! It begins with a comment that says what it shows. Commands that stand on adjacent lines are a group; their output
//! follows between `---` and an empty line. A group without output has no `---`.
//!
//! - `cluster servers=3 clients=1 preset=etcd pre_vote=false s3.priority=0 disk=held` starts these nodes with these
//!   options; `s3.` sets an option of one server, and `spare=2` adds servers that are absent until they start. With
//!   `disk=held` a write is durable at `sync`, and at once otherwise.
//! - `deliver`, `deliver s1->s2`, `deliver *->s2 vote`: what is in flight arrives, all of it, of one link, of one kind.
//! - `drop s1->* append`: it is lost instead.
//! - `repeat s1->s2 vote`: it arrives, and a copy stays in flight.
//! - `stabilize` delivers until nothing is in flight.
//! - `fire s1 election`: time passes at this node until the timer is due, and it alone fires.
//! - `advance 50ms`, `advance 50ms s1 s2`: time passes, and timers fire as they come due.
//! - `pass 50ms s1`: time passes and no timer fires.
//! - `cut s1->s2`, `partition s1 | s2 s3`, `heal`: datagrams that are under way over a cut link, or are sent into it,
//!   are lost, which shows when they would arrive; what goes over a connection waits.
//! - `crash s1`, `crash s1 machine`: the process ends, and its peers will see their connections reset; or the machine
//!   ends with all that is not durable, and its peers hear nothing.
//! - `start s1`: the process starts again.
//! - `sync s1`: what was written becomes durable, with `disk=held`.
//! - `ask c1 propose 7`: a client is asked for an operation, in the words of the system.
//! - `order s1 step_down`: a server is given an order, as in scenarios.
//! - `status`, `status s1 s2` shows the servers, or these nodes, in the words of the system.
//! - `flight` shows what is in flight.
//! - `quietly stabilize`: any command, without its output. It is for what only sets the stage.
//!
//! Connections behave as in the world: what is delivered before its turn waits until what was sent before it has
//! arrived, and what is sent to a machine that is off waits until it starts. There is no time limit on silence, as time
//! passes at each node apart.
//!
//! # The output
//!
//! A node is named with its term or epoch, `s2@3`. What a node handles stands at the margin, what it did then is
//! indented: `s2@3 → s4 append 7@2 +1 commit 6` is a message that it sent. `↛` is a message that is lost.

mod command;
mod connection;
mod flight;
mod settings;
mod stage;

use crate::node::Node;
use crate::system::System;

use command::Command;
use stage::Stage;

/// The words of a system in scripts, beside those that all systems have.
#[derive(Debug)]
pub struct Words<S: System> {
    /// Reads what a client is asked for: `propose 7`. An error says what would have been right.
    pub operation: fn(&str) -> Result<<S::Node as Node>::Operation, String>,
    /// Shows the state of a node on one line.
    pub status: fn(&S::Node) -> String,
}

impl<S: System> Clone for Words<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: System> Copy for Words<S> {}

/// A script that cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ScriptError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Between the commands of a group and their output.
const SEPARATOR: &str = "---";

/// Before a command whose output is not shown.
const QUIETLY: &str = "quietly ";

/// Plays a script. Returns its text with the output made anew.
///
/// # Errors
/// The first line that cannot be read or carried out.
pub fn play<S: System>(text: &str, words: &Words<S>) -> Result<String, ScriptError> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).peekable();
    if !text.starts_with("# ") {
        return Err(ScriptError { line: 1, message: "a script begins with a comment that says what it shows".into() });
    }
    let mut stage = None;
    let mut played = String::new();
    let mut output = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line == SEPARATOR {
            // The output of the last time.
            while lines.next_if(|(_, line)| !line.is_empty()).is_some() {}
        } else {
            played.push_str(line);
            played.push('\n');
            if !line.is_empty() && !line.starts_with('#') {
                perform(&mut stage, line, words, &mut output)
                    .map_err(|message| ScriptError { line: number, message })?;
            }
        }
        let is_end_of_group = lines.peek().is_none_or(|(_, line)| line.is_empty());
        if is_end_of_group && !output.is_empty() {
            played.push_str(SEPARATOR);
            played.push('\n');
            output.drain(..).for_each(|line: String| {
                played.push_str(&line);
                played.push('\n');
            });
        }
    }
    match stage {
        Some(_) => Ok(played),
        None => Err(ScriptError { line: 1, message: "a script has a cluster: cluster servers=3".into() }),
    }
}

fn perform<S: System>(
    stage: &mut Option<Stage<S>>,
    line: &str,
    words: &Words<S>,
    output: &mut Vec<String>,
) -> Result<(), String> {
    let mut unshown = Vec::new();
    let (line, output) = match line.strip_prefix(QUIETLY) {
        Some(line) => (line, &mut unshown),
        None => (line, output),
    };
    match (command::read(line)?, stage.as_mut()) {
        (Command::Cluster(keys), None) => {
            *stage = Some(Stage::new(&keys, *words)?);
            Ok(())
        }
        (Command::Cluster(_), Some(_)) => Err("a script has one cluster".to_owned()),
        (_, None) => Err("the first command makes the cluster: cluster servers=3".to_owned()),
        (command, Some(stage)) => stage.perform(command, output),
    }
}

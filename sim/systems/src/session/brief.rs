//! The session system for people: a session is `1#3`, a token `t5`, an instance `i2.0`.

use std::fmt::{self, Formatter};

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::embedding::Embedding as _;
use splitbrain_kernel::node::Node as _;

use crate::raft::RaftNode;

use super::ids::Item;
use super::master::journal::{LOG, RaftInMeta};
use super::message::{CreateResult, ItemCall, ItemResult, KeepAliveResult, SessionMessage};
use super::node::SessionNode;

/// See [`splitbrain_kernel::node::Node::brief`].
pub(super) fn brief(datum: Datum<'_, SessionNode>, f: &mut Formatter<'_>) -> fmt::Result {
    if let Some(inner) = RaftInMeta.inner_datum(datum) {
        return RaftNode::brief(inner, f);
    }
    match datum {
        Datum::Message(message) => of_message(message, datum, f),
        Datum::File(LOG) => f.write_str("log"),
        Datum::File(file) => write!(f, "target {}", file.0),
        other => other.derived(f),
    }
}

/// Without the name of the kind.
fn of_message(message: &SessionMessage, datum: Datum<'_, SessionNode>, f: &mut Formatter<'_>) -> fmt::Result {
    match message {
        SessionMessage::Create(create) => {
            write!(f, "by i{}, {} items, version {}", create.instance, create.items.len(), create.version)
        }
        SessionMessage::CreateReply { result, .. } => of_created(result, f),
        SessionMessage::KeepAlive(sent) => {
            let report = sent.report;
            write!(f, "{} round {}, extents {}+{}", sent.session, sent.round, report.start, report.count)
        }
        SessionMessage::KeepAliveReply { session, round, result } => {
            write!(f, "{session} round {round}: ")?;
            of_kept_alive(result, f)
        }
        SessionMessage::Item { session, call, .. } => {
            write!(f, "{session}: ")?;
            of_call(call, f)
        }
        SessionMessage::ItemReply { session, result, .. } => {
            write!(f, "{session}: ")?;
            of_item(result, f)
        }
        SessionMessage::Close { session, .. } => write!(f, "{session}"),
        SessionMessage::Apply { resource, session, token, io, .. } => {
            write!(f, "target {resource}: {io:?} under {session}, t{token}")
        }
        _ => datum.derived(f),
    }
}

fn of_created(result: &CreateResult, f: &mut Formatter<'_>) -> fmt::Result {
    match result {
        CreateResult::Created(granted) => {
            let how = if granted.is_reused { "reused" } else { "new" };
            write!(f, "{} {how}, epoch {}, version {}", granted.session, granted.epoch, granted.version)
        }
        CreateResult::Refused(refusal) => write!(f, "refused: {refusal:?}"),
    }
}

fn of_kept_alive(result: &KeepAliveResult, f: &mut Formatter<'_>) -> fmt::Result {
    match result {
        KeepAliveResult::Extended { held, .. } if held.is_zero() => f.write_str("extended"),
        KeepAliveResult::Extended { held, .. } => write!(f, "extended, held back for {held}"),
        KeepAliveResult::NoSuchSession => f.write_str("no such session"),
        KeepAliveResult::Refused(refusal) => write!(f, "refused: {refusal:?}"),
    }
}

fn of_call(call: &ItemCall, f: &mut Formatter<'_>) -> fmt::Result {
    match call {
        ItemCall::Set { key, value } => write!(f, "set {}", ItemText((*key, *value))),
        ItemCall::Remove { key } => write!(f, "remove {key}"),
        ItemCall::Release { resource, token } => write!(f, "give back target {resource}, t{token}"),
        ItemCall::List => f.write_str("list"),
    }
}

fn of_item(result: &ItemResult, f: &mut Formatter<'_>) -> fmt::Result {
    match result {
        ItemResult::Done => f.write_str("done"),
        ItemResult::Granted(token) => write!(f, "granted, t{token}"),
        ItemResult::Taken => f.write_str("taken"),
        ItemResult::Items(items) => write!(f, "{} items", items.len()),
        ItemResult::NoSuchSession => f.write_str("no such session"),
        ItemResult::Refused(refusal) => write!(f, "refused: {refusal:?}"),
    }
}

struct ItemText(Item);

impl fmt::Display for ItemText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self((key, value)) = self;
        write!(f, "{key} = {value}")
    }
}

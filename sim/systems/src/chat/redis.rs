//! The redis of the chat service: a redis of the lock system, which tells what commands do to the data beside the
//! locks.
//!
//! What is told is seen by comparing the keys before and after a command, so that it does not depend on what the
//! command was meant to do.

use std::collections::BTreeMap;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::embedding::Scope;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Completion, Node as _, Source};

use crate::lock::LockNode;
use crate::lock::ids::Token;
use crate::lock::message::Wire;
use crate::lock::node::LockTimer;
use crate::lock::redis::Keyspace;
use crate::lock::redis::value::Value;
use crate::lock::server::unix_millis;

use super::ids::{COUNTS_KEY, LoginToken, SessionId, Uid, server_of_name};
use super::node::{ChatNode, LockInChat};
use super::observation::{ChatObservation, Presence};

/// A redis.
#[derive(Clone, Debug)]
pub struct Redis {
    node: LockNode,
    scope: Scope<LockInChat>,
}

impl Redis {
    pub(super) const fn new(node: LockNode) -> Self {
        Self { node, scope: Scope::new(LockInChat) }
    }

    /// The node of the lock system.
    pub const fn node(&self) -> &LockNode {
        &self.node
    }

    /// What is stored.
    ///
    /// # Panics
    /// If the node is no redis.
    pub fn keys(&self) -> &Keyspace {
        self.node.redis().expect("it was made of a redis").keyspace()
    }

    pub(super) fn on_start(&mut self, ctx: &mut Context<ChatNode>) {
        self.scope.enter(ctx, |ctx| self.node.on_start(ctx));
    }

    pub(super) fn on_message(&mut self, ctx: &mut Context<ChatNode>, source: Source, message: Wire) {
        let touched = if let Wire::Call { words, .. } = &message { touched(words) } else { Vec::new() };
        let before = self.look(ctx, &touched);
        self.scope.enter(ctx, |ctx| self.node.on_message(ctx, source, message));
        let after = self.look(ctx, &touched);
        for (key, before) in before {
            let now = after[&key];
            if now != before {
                self.tell(ctx, source.node, key, (before, now));
            }
        }
    }

    pub(super) fn on_timer(&mut self, ctx: &mut Context<ChatNode>, timer: LockTimer) {
        self.scope.enter(ctx, |ctx| self.node.on_timer(ctx, timer));
    }

    pub(super) fn on_durable(&mut self, ctx: &mut Context<ChatNode>, completion: Completion) {
        self.scope.enter(ctx, |ctx| self.node.on_durable(ctx, completion));
    }

    fn look(&self, ctx: &Context<ChatNode>, touched: &[Key]) -> BTreeMap<Key, State> {
        let keys = self.keys();
        let now = unix_millis(ctx);
        touched.iter().map(|key| (*key, key.state(keys, now))).collect()
    }

    fn tell(&self, ctx: &mut Context<ChatNode>, by: NodeId, key: Key, (before, after): (State, State)) {
        match (key, before, after) {
            (Key::Presence(uid), State::Presence(before), State::Presence(after)) => {
                let lock = string(self.keys(), &uid.lock().key(), unix_millis(ctx)).and_then(Token::of_text);
                ctx.observe(ChatObservation::Stored { uid, by, before, after, lock });
                if before == Presence::default() {
                    ctx.observe(ChatObservation::Appeared { uid });
                }
            }
            (Key::Token(uid), _, State::Token(Some(token))) => {
                ctx.observe(ChatObservation::TokenStored { uid, token });
            }
            (Key::Count(server), _, State::Count(count)) => {
                ctx.observe(ChatObservation::CountStored { server, count: count.unwrap_or(0) });
            }
            _ => {}
        }
    }
}

/// Something that a command may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Presence(Uid),
    Token(Uid),
    Count(NodeId),
}

/// What is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Presence(Presence),
    Token(Option<LoginToken>),
    Count(Option<i64>),
}

impl Key {
    fn state(self, keys: &Keyspace, now: i64) -> State {
        match self {
            Self::Presence(uid) => State::Presence(presence(keys, uid, now)),
            Self::Token(uid) => State::Token(string(keys, &uid.token_key(), now).and_then(LoginToken::of_text)),
            Self::Count(server) => State::Count(count(keys, server)),
        }
    }
}

/// What of the chat service a command names.
fn touched(words: &[Vec<u8>]) -> Vec<Key> {
    let user = |word: &[u8], prefix: &[u8]| {
        let number = std::str::from_utf8(word.strip_prefix(prefix)?).ok()?.parse().ok()?;
        Some(Uid(number))
    };
    let is_about_counts = words.iter().any(|word| word == COUNTS_KEY);
    let key = |word: &Vec<u8>| {
        let presence = user(word, b"uip_").or_else(|| user(word, b"usession_")).map(Key::Presence);
        let token = || user(word, b"utoken_").map(Key::Token);
        let count = || server_of_name(word).filter(|_| is_about_counts).map(Key::Count);
        presence.or_else(token).or_else(count)
    };
    words.iter().filter_map(key).collect()
}

/// The presence of a user that is alive at this time.
pub fn presence(keys: &Keyspace, uid: Uid, now: i64) -> Presence {
    Presence {
        server: string(keys, &uid.server_key(), now).and_then(server_of_name),
        session: string(keys, &uid.session_key(), now).and_then(SessionId::of_text),
    }
}

/// How many users a chat server has, as the redis has it.
pub fn count(keys: &Keyspace, server: NodeId) -> Option<i64> {
    let Value::Hash(counts) = &keys.entry(COUNTS_KEY)?.value else { return None };
    std::str::from_utf8(counts.get(&super::ids::server_name(server))?).ok()?.parse().ok()
}

fn string<'a>(keys: &'a Keyspace, key: &[u8], now: i64) -> Option<&'a [u8]> {
    match &keys.alive(key, now)?.value {
        Value::String(bytes) => Some(bytes),
        Value::Hash(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::CHAT;
    use super::super::store;
    use super::*;

    #[test]
    fn what_a_command_names_is_looked_at() {
        let session = SessionId::new(NodeId::new(CHAT, 2), 0, 1);
        let write = store::write_presence(Uid(5), Token(1), session, None);
        assert_eq!(touched(&write), [Key::Presence(Uid(5)); 2], "the name of the server is no count");
        assert_eq!(touched(&store::set_count(NodeId::new(CHAT, 2), 3)), [Key::Count(NodeId::new(CHAT, 2))]);
        assert_eq!(touched(&store::token(Uid(5))), [Key::Token(Uid(5))]);
        assert!(touched(&store::keep_info(Uid(5))).is_empty());
    }
}

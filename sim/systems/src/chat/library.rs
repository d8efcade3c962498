//! The lock library inside a chat server or the status server: locks of users, and all else that is asked of the redis.

use splitbrain_kernel::context::Context;
use splitbrain_kernel::embedding::Scope;
use splitbrain_kernel::node::Source;

use crate::lock::LockNode;
use crate::lock::client::{Client, End, HandleId};
use crate::lock::ids::{LockId, Token};
use crate::lock::message::{RequestId, Response, Wire};
use crate::lock::node::LockTimer;
use crate::lock::redis::Reply;

use super::node::{ChatNode, LockInChat};
use super::store::Words;

/// A lock client, and the room for it.
#[derive(Clone, Debug)]
pub(super) struct Library {
    node: LockNode,
    scope: Scope<LockInChat>,
}

/// What became of a lock that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is had.
    Had,
    /// It is another's.
    Busy,
    /// The redis does not answer.
    Unanswered,
}

impl Library {
    /// # Panics
    /// If the node is no client of the lock system.
    pub(super) fn new(node: LockNode) -> Self {
        assert!(node.user().is_some(), "a user of locks is a client of them");
        Self { node, scope: Scope::new(LockInChat) }
    }

    /// The node of the lock system.
    pub(super) const fn node(&self) -> &LockNode {
        &self.node
    }

    fn client(node: &mut LockNode) -> &mut Client {
        node.user_mut().expect("it was made of a client").client_mut()
    }

    /// Begins to ask for a lock.
    pub(super) fn acquire(&mut self, ctx: &mut Context<ChatNode>, lock: LockId) -> HandleId {
        self.scope.enter(ctx, |ctx| Self::client(&mut self.node).acquire(ctx, lock))
    }

    /// Gives a lock back, and does not wait for the answer.
    pub(super) fn release(&mut self, ctx: &mut Context<ChatNode>, handle: HandleId) {
        self.scope.enter(ctx, |ctx| Self::client(&mut self.node).release(ctx, handle));
    }

    /// The token under which a lock is held.
    pub(super) fn token(&mut self, handle: HandleId) -> Option<Token> {
        Self::client(&mut self.node).token(handle)
    }

    /// Asks the redis for something beside the locks.
    pub(super) fn call(&mut self, ctx: &mut Context<ChatNode>, words: Words) -> RequestId {
        self.scope.enter(ctx, |ctx| Self::client(&mut self.node).call(ctx, words))
    }

    /// A message of the redis. Returns what became of a call: `None` instead of a reply if its connection has ended
    /// with the process of the redis.
    pub(super) fn on_message(
        &mut self,
        ctx: &mut Context<ChatNode>,
        source: Source,
        message: Wire,
    ) -> Option<(RequestId, Option<Reply>)> {
        match message {
            Wire::Called { request, reply } => return Some((request, Some(reply))),
            Wire::Reset { request, process } => {
                self.scope.enter(ctx, |ctx| Self::client(&mut self.node).on_reset(ctx, source.node, request, process));
                return Some((request, None));
            }
            Wire::Answer { request, answer } => {
                self.scope.enter(ctx, |ctx| Self::client(&mut self.node).on_answer(ctx, request, &answer));
            }
            _ => {}
        }
        None
    }

    /// A timer of the library.
    pub(super) fn on_timer(&mut self, ctx: &mut Context<ChatNode>, timer: LockTimer) {
        if let LockTimer::Handle(handle, alarm) = timer {
            self.scope.enter(ctx, |ctx| Self::client(&mut self.node).on_alarm(ctx, handle, alarm));
        }
    }

    /// What became of a lock that was asked for. Ends of releases are of no interest.
    pub(super) fn poll(&mut self) -> Option<(HandleId, Asked)> {
        while let Some((handle, end)) = Self::client(&mut self.node).poll() {
            match end {
                End::Answered(Response::Acquired { .. }) => return Some((handle, Asked::Had)),
                End::Answered(Response::Unavailable) => return Some((handle, Asked::Unanswered)),
                End::Answered(Response::Busy) => return Some((handle, Asked::Busy)),
                _ => {}
            }
        }
        None
    }
}

//! A volume: what targets are stored on. What a chunk does under its session has its effect here.
//!
//! With `fencing` a volume keeps the newest token that it has seen of each target, and refuses older ones: the last
//! line of defence against a chunk that was paused, or whose write was late (Burrows, OSDI 2006, §2.4: sequencers).
//!
//! A request has its effect when the token that it came under is durable: a token that a crash can take back would let
//! an older one in after a newer one has acted.

use std::collections::BTreeMap;
use std::sync::Arc;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{Completion, FileId, Recovered, Stored, WriteId};

use super::bug::Bug;
use super::ids::{Resource, SessionId, Token};
use super::message::{ApplyResult, Io, SessionMessage};
use super::node::{Record, SessionNode};
use super::observation::SessionObservation;
use super::options::SessionOptions;

/// The numbers of the targets that a volume can store, and of their files: the first, and how many.
pub(super) const FILES: (FileId, u16) = (FileId(1), 999);

/// A volume.
#[derive(Debug)]
pub struct Volume {
    options: Arc<SessionOptions>,
    /// The newest token that it has seen of each target, and the target's value.
    targets: BTreeMap<Resource, (Token, u64)>,
    /// What has its effect once its write is durable.
    pending: BTreeMap<WriteId, Pending>,
}

/// A request that was let in.
#[derive(Clone, Copy, Debug)]
struct Pending {
    source: NodeId,
    request: u64,
    resource: Resource,
    session: SessionId,
    token: Token,
    io: Io,
    value: u64,
}

impl Volume {
    pub(super) fn new(options: Arc<SessionOptions>, recovered: &Recovered<Record>) -> Self {
        let mut targets = BTreeMap::new();
        for (file, records) in &recovered.files {
            if let Some(Stored::Intact(Record::Target { token, value })) = records.last() {
                targets.insert(Resource(file.0), (*token, *value));
            }
        }
        Self { options, targets, pending: BTreeMap::new() }
    }

    pub(super) fn on_message(&mut self, ctx: &mut Context<SessionNode>, source: NodeId, message: SessionMessage) {
        if let SessionMessage::Apply { request, resource, session, token, io } = message {
            self.apply(ctx, (source, request), resource, (session, token), io);
        }
    }

    fn apply(
        &mut self,
        ctx: &mut Context<SessionNode>,
        (source, request): (NodeId, u64),
        resource: Resource,
        (session, token): (SessionId, Token),
        io: Io,
    ) {
        let (newest, value) = self.targets.get(&resource).copied().unwrap_or_default();
        if self.options.fencing && token < newest {
            ctx.observe(SessionObservation::IoFenced { resource, token });
            ctx.send(source, SessionMessage::Applied { request, result: ApplyResult::Fenced });
            return;
        }
        let value = if let Io::Write(value) = io { value } else { value };
        let token_kept = token.max(newest);
        self.targets.insert(resource, (token_kept, value));
        let write = ctx.save(FileId(resource.0), Record::Target { token: token_kept, value });
        let pending = Pending { source, request, resource, session, token, io, value };
        if self.options.bug == Bug::FenceInMemory {
            Self::observe(ctx, &pending);
        }
        self.pending.insert(write, pending);
    }

    pub(super) fn on_durable(&mut self, ctx: &mut Context<SessionNode>, completion: Completion) {
        match completion {
            Completion::Written(_) => {}
            Completion::Durable(up_to) => {
                while let Some(first) = self.pending.first_entry().filter(|entry| *entry.key() <= up_to) {
                    let pending = first.remove();
                    self.finish(ctx, pending);
                }
            }
            // Who asked gets no answer, and may ask again. The token and the value stay in memory, and the next write
            // of this target saves them.
            Completion::Failed(write, _) => {
                self.pending.remove(&write);
            }
        }
    }

    fn finish(&self, ctx: &mut Context<SessionNode>, pending: Pending) {
        if self.options.bug != Bug::FenceInMemory {
            Self::observe(ctx, &pending);
        }
        let Pending { source, request, value, .. } = pending;
        ctx.send(source, SessionMessage::Applied { request, result: ApplyResult::Done(value) });
    }

    fn observe(ctx: &mut Context<SessionNode>, pending: &Pending) {
        let Pending { source, resource, session, token, io, .. } = *pending;
        let (chunk, is_write) = (source.number(), matches!(io, Io::Write(_)));
        ctx.observe(SessionObservation::IoApplied { resource, session, token, chunk, is_write });
    }
}

//! A volume: what targets are stored on. What a chunk does under its session has its effect here.
//!
//! With `fencing` a volume keeps the newest token that it has seen of each target, and refuses older ones: the last
//! line of defence against a chunk that was paused, or whose write was late (Burrows, OSDI 2006, §2.4: sequencers).

use std::collections::BTreeMap;
use std::sync::Arc;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{FileId, Recovered, Stored};

use super::ids::{Resource, SessionId, Token};
use super::message::{ApplyResult, Io, SessionMessage};
use super::node::{Record, SessionNode};
use super::observation::SessionObservation;
use super::options::SessionOptions;

/// A volume.
#[derive(Debug)]
pub struct Volume {
    options: Arc<SessionOptions>,
    targets: BTreeMap<Resource, (Token, u64)>,
}

impl Volume {
    pub(super) fn new(options: Arc<SessionOptions>, recovered: &Recovered<Record>) -> Self {
        let mut targets = BTreeMap::new();
        for (file, records) in &recovered.files {
            if let Some(Stored::Intact(Record::Target { token, value })) = records.last() {
                targets.insert(Resource(file.0), (*token, *value));
            }
        }
        Self { options, targets }
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
        let (chunk, is_write) = (source.number(), matches!(io, Io::Write(_)));
        // The order of effects is that of the memory; who asked hears of one that a crash cannot take back.
        ctx.observe(SessionObservation::IoApplied { resource, session, token, chunk, is_write });
        ctx.send_after(write, source, SessionMessage::Applied { request, result: ApplyResult::Done(value) });
    }
}

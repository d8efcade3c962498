//! The resource that a lock protects: a store that takes writes from the client that has the lock, and may look at
//! fencing tokens (Kleppmann, "How to do distributed locking", 2016).
//!
//! With `fencing = "tokens"` it refuses a write whose token is less than one that it has seen. Tickets are tokens that
//! it gives out itself; giving one is seeing it. A write takes effect when it is on the disk with the token that it
//! showed: a crash before that undoes both.

use std::collections::BTreeMap;
use std::sync::Arc;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{FileId, Recovered, Source, Stored, Write};

use super::bug::Bug;
use super::client::Ctx;
use super::ids::LockId;
use super::message::{Outcome, Put, RequestId, Wire};
use super::node::Record;
use super::observation::{Hold, LockObservation};
use super::options::{Fencing, LockOptions};
use super::window::Windows;

/// The one file of a resource.
pub(super) const FILE: FileId = FileId(0);

/// A store.
#[derive(Clone, Debug)]
pub struct Resource {
    options: Arc<LockOptions>,
    /// The greatest token that was seen, for each lock.
    seen: BTreeMap<LockId, u64>,
    /// The requests that were carried out.
    windows: Windows,
}

impl Resource {
    pub(super) fn new(options: Arc<LockOptions>, recovered: &Recovered<Record>) -> Self {
        let (mut seen, mut windows) = (BTreeMap::new(), Windows::default());
        for record in recovered.file(FILE).iter().filter_map(Stored::intact) {
            if let Record::Seen { lock, fence, asked: (client, request) } = record {
                windows.is_new(*client, *request);
                if options.bug != Bug::FenceForgotten {
                    raise(&mut seen, *lock, *fence);
                }
            }
        }
        Self { options, seen, windows }
    }

    pub(super) fn on_message(&mut self, ctx: &mut Ctx<'_>, source: Source, message: Wire) {
        match message {
            Wire::Claim { request, lock, token } if self.windows.is_new(source.node, request) => {
                self.claim(ctx, source.node, request, Hold { lock, token });
            }
            Wire::Put { request, put } if self.windows.is_new(source.node, request) => {
                self.put(ctx, source.node, request, put);
            }
            _ => {}
        }
    }

    /// Gives a ticket that is greater than every token that was seen.
    fn claim(&mut self, ctx: &mut Ctx<'_>, client: NodeId, request: RequestId, hold: Hold) {
        let fence = self.seen.get(&hold.lock).copied().unwrap_or(0) + 1;
        self.seen.insert(hold.lock, fence);
        let asked = (client, request);
        let write = ctx.persist(Write::Append(FILE, Record::Seen { lock: hold.lock, fence, asked }));
        ctx.observe_after(write, LockObservation::Ticket { hold, fence });
        ctx.send_after(write, client, Wire::Done { request, outcome: Outcome::Ticket(fence) });
    }

    fn put(&mut self, ctx: &mut Ctx<'_>, client: NodeId, request: RequestId, put: Put) {
        let Put { lock, token, fence, value } = put;
        let hold = Hold { lock, token };
        if self.is_too_old(lock, fence) {
            ctx.observe(LockObservation::Fenced { hold, fence });
            return ctx.send(client, Wire::Done { request, outcome: Outcome::Fenced });
        }
        let fence_seen = fence.unwrap_or(0);
        // An older write that comes meanwhile is refused already.
        self.see(lock, fence_seen);
        let asked = (client, request);
        let write = ctx.persist(Write::Append(FILE, Record::Seen { lock, fence: fence_seen, asked }));
        let applied = LockObservation::Applied { hold, fence, value };
        match self.options.bug {
            Bug::EffectBeforeSync => ctx.observe(applied),
            _ => ctx.observe_after(write, applied),
        }
        ctx.send_after(write, client, Wire::Done { request, outcome: Outcome::Written });
    }

    /// A write without a token is older than every one with a token.
    fn is_too_old(&self, lock: LockId, fence: Option<u64>) -> bool {
        let seen = self.seen.get(&lock).copied().unwrap_or(0);
        self.options.fencing == Fencing::Tokens && fence.unwrap_or(0) < seen && !self.passes_for_new(fence)
    }

    /// Known bug: any other token than the last one is taken for a newer one.
    fn passes_for_new(&self, fence: Option<u64>) -> bool {
        self.options.bug == Bug::FenceByDifference && fence.is_some()
    }

    fn see(&mut self, lock: LockId, fence: u64) {
        match self.options.bug {
            Bug::FenceByDifference => drop(self.seen.insert(lock, fence)),
            _ => raise(&mut self.seen, lock, fence),
        }
    }
}

fn raise(seen: &mut BTreeMap<LockId, u64>, lock: LockId, fence: u64) {
    let greatest = seen.entry(lock).or_default();
    *greatest = fence.max(*greatest);
}

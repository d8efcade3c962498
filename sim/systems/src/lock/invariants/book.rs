//! What servers have granted: a book that the invariants keep by themselves.
//!
//! A grant counts from the moment at which its answer leaves, and for as long as it was promised in true time, whatever
//! the server remembers. It ends early only if the client gives it back.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;

use crate::lock::ids::{LockId, Token};
use crate::lock::message::RequestId;
use crate::lock::observation::Hold;

use super::terms::Terms;

/// All grants.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    grants: BTreeMap<(LockId, Token, u16), Grant>,
    /// What was granted or renewed, and is not answered yet.
    open: BTreeMap<(NodeId, NodeId, RequestId), Open>,
    /// Whose token each is.
    clients: BTreeMap<Token, NodeId>,
    overlaps: u64,
}

/// A grant of one group of servers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    /// The server that granted it.
    pub(super) server: NodeId,
    /// When it was promised, or renewed, last.
    pub(super) at: Instant,
    /// Until when it is promised, in true time.
    pub(super) until: Instant,
    /// Whether the server has neither ended nor followed another one since.
    pub(super) is_unbroken: bool,
}

/// What an answer will promise.
#[derive(Clone, Copy, Debug)]
struct Open {
    hold: Hold,
    until: Instant,
    fence: Option<u64>,
    /// As of a grant.
    is_unbroken: bool,
}

/// What an answer has promised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    pub(super) hold: Hold,
    /// The fencing token that went with it.
    pub(super) fence: Option<u64>,
    /// Whether enough groups have promised by it, and had not before.
    pub(super) is_complete: bool,
}

/// A grant that is in force, for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InForce {
    pub(super) token: Token,
    pub(super) until: Instant,
}

impl Book {
    /// A server has carried out a grant.
    pub(super) fn granted(
        &mut self,
        now: Instant,
        server: NodeId,
        hold: Hold,
        (client, request): (NodeId, RequestId),
        fence: Option<u64>,
        terms: &Terms,
    ) {
        self.clients.insert(hold.token, client);
        let until = now.saturating_add(terms.life_min());
        self.open.insert((server, client, request), Open { hold, until, fence, is_unbroken: true });
    }

    /// A server has carried out a renewal.
    pub(super) fn renewed(
        &mut self,
        now: Instant,
        server: NodeId,
        hold: Hold,
        (client, request): (NodeId, RequestId),
        terms: &Terms,
    ) {
        let until = now.saturating_add(terms.life_min());
        self.open.insert((server, client, request), Open { hold, until, fence: None, is_unbroken: true });
    }

    /// A server has freed a lock: the promise ends if the client itself asked for it.
    pub(super) fn freed(&mut self, server: NodeId, hold: Hold, client: NodeId, terms: &Terms) {
        if self.clients.get(&hold.token) == Some(&client) {
            self.grants.remove(&(hold.lock, hold.token, terms.group(server)));
            self.open.retain(|(of, _, _), open| *of != server || open.hold != hold);
        }
    }

    /// The answer to a request leaves. Returns what it promises, if it promises anything.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        server: NodeId,
        client: NodeId,
        request: RequestId,
        terms: &Terms,
    ) -> Option<Promise> {
        let Open { hold, until, fence, is_unbroken } = self.open.remove(&(server, client, request))?;
        let before = self.groups(now, hold, terms);
        let granted = Grant { server, at: now, until, is_unbroken };
        let grant = self.grants.entry((hold.lock, hold.token, terms.group(server))).or_insert(granted);
        if grant.until <= until {
            *grant = granted;
        }
        let is_complete = before < terms.majority() && self.groups(now, hold, terms) >= terms.majority();
        Some(Promise { hold, fence, is_complete })
    }

    /// A server's process has ended: what it has not answered was never promised.
    pub(super) fn on_down(&mut self, server: NodeId) {
        self.open.retain(|(of, _, _), _| *of != server);
        self.on_broken(server);
    }

    /// A server has ended, or follows another one: it may have lost what it renewed.
    pub(super) fn on_broken(&mut self, server: NodeId) {
        for grant in self.grants.values_mut().filter(|grant| grant.server == server) {
            grant.is_unbroken = false;
        }
        // What it has carried out and not answered yet, too.
        for (_, open) in self.open.iter_mut().filter(|((of, _, _), _)| *of == server) {
            open.is_unbroken = false;
        }
    }

    /// Whose token it is; `None` if it was never granted.
    pub(super) fn client_of(&self, hold: Hold) -> Option<NodeId> {
        self.clients.get(&hold.token).copied()
    }

    /// What a group has promised to a holder.
    pub(super) fn grant(&self, server: NodeId, hold: Hold, terms: &Terms) -> Option<Grant> {
        self.grants.get(&(hold.lock, hold.token, terms.group(server))).copied()
    }

    /// The promises of a group that are in force.
    pub(super) fn promises(&self, now: Instant, group: u16) -> impl Iterator<Item = (Hold, Grant)> {
        let in_force = move |((lock, token, of), grant): (&(LockId, Token, u16), &Grant)| {
            (*of == group && grant.until > now).then_some((Hold { lock: *lock, token: *token }, *grant))
        };
        self.grants.iter().filter_map(in_force)
    }

    /// How many groups promise a lock to a holder.
    fn groups(&self, now: Instant, hold: Hold, terms: &Terms) -> usize {
        let of = self.grants.range((hold.lock, hold.token, 0)..=(hold.lock, hold.token, u16::MAX));
        of.filter(|(_, grant)| grant.until > now).count().min(terms.majority())
    }

    /// The holders that enough groups promise a lock to.
    pub(super) fn holders(&mut self, now: Instant, lock: LockId, terms: &Terms) -> Vec<InForce> {
        // What was over long ago is of no interest.
        self.grants.retain(|_, grant| grant.until.saturating_add(terms.life_max()) > now);
        let all = self.grants.range((lock, Token(0), 0)..=(lock, Token(u64::MAX), u16::MAX));
        let mut until: BTreeMap<Token, Vec<Instant>> = BTreeMap::new();
        for ((_, token, _), grant) in all.filter(|(_, grant)| grant.until > now) {
            until.entry(*token).or_default().push(grant.until);
        }
        let enough = until.into_iter().filter(|(_, groups)| groups.len() >= terms.majority());
        let in_force = |(token, mut groups): (Token, Vec<Instant>)| {
            groups.sort_unstable_by(|one, other| other.cmp(one));
            InForce { token, until: groups[terms.majority() - 1] }
        };
        enough.map(in_force).collect()
    }

    /// Two clients are promised one lock.
    pub(super) const fn count_overlap(&mut self) {
        self.overlaps += 1;
    }

    /// How often that happened.
    pub(super) const fn overlaps(&self) -> u64 {
        self.overlaps
    }
}

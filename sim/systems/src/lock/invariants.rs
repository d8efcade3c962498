//! The invariants of the lock system.
//!
//! | property | source | file | sight |
//! | --- | --- | --- | --- |
//! | one client at a time believes in a lock | Chubby §2.4; Kleppmann 2016 | `belief_exclusion` | black box |
//! | one client at a time is granted a lock | redis-doc, Redlock, "Safety arguments" | `grant_exclusion` | black box |
//! | no effect of a holder after one of a later holder | Kleppmann 2016 | `effect_exclusion` | black box |
//! | effects have rising fencing tokens | Kleppmann 2016 | `fence_order` | black box |
//! | each grant has a greater fencing token | Kleppmann 2016 | `tokens_rise` | black box |
//! | a lock is changed by its owner alone | redis-doc, "SET", patterns | `only_owner_acts` | black box |
//! | no lock ends early | redis-doc, "EXPIRE" | `no_early_expiry` | black box |
//! | no lock outlives its time | redis-doc, "EXPIRE" | `no_late_expiry` | black box |
//! | a restart keeps what was answered | redis-doc, persistence | `survives_restart` | black box |
//! | a failover keeps what was answered | redis-doc, replication | `survives_failover` | black box |
//! | nothing extends a lock after its release | etcd #17470 | `no_extension_after_release` | black box |
//! | a lock is not withheld for ever | redis-doc, Redlock, "Liveness arguments" | `lock_liveness` | black box |
//! | the history is that of a mutex | Herlihy and Wing 1990 | `mutex`, `fenced_mutex` | history |
//!
//! **Belief, grant, effect.** A client *believes* until the validity that it has computed is over, or until it gives
//! the lock back. A server *grants* for as long as it has promised to, whether or not it remembers. A resource *applies*
//! an effect. A lease without fencing promises none of the three if a process may be paused for long: a scenario leaves
//! out those that it does not promise, and the gauges count the overlaps of each layer in any case.
//!
//! All go by what is observed and sent, never by what a node's code decides: what a server has granted is kept in a
//! book of their own ([`book`]), with promises in true time.
//!
//! # Not checked
//!
//! - *Fairness*: whoever asks at the right moment gets the lock, as in the real clients.
//! - *That a holder learns of a loss in time*: a client whose validity is computed needs no word of it; one that goes
//!   by its release alone breaks `belief_exclusion` when another holder comes.

mod belief_exclusion;
mod book;
mod effect_exclusion;
mod expiry;
mod fence_order;
mod grant_exclusion;
mod lock_liveness;
mod mutex;
mod no_early_expiry;
mod no_extension_after_release;
mod no_late_expiry;
mod only_owner_acts;
mod requests;
mod survives_failover;
mod survives_restart;
mod terms;
mod tokens_rise;

#[cfg(test)]
mod testing;

use splitbrain_kernel::checker::monitor::Linearizable;
use splitbrain_kernel::context::EffectRef;
use splitbrain_kernel::fault::Fault;
use splitbrain_kernel::history::EntryRef;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{FaultChange, Findings, InvariantInfo, Invariants};
use splitbrain_kernel::system::{Gauge, Setup};
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::view::View;

use super::message::{Answer, Outcome, Wire};
use super::node::LockNode;
use super::observation::LockObservation;
use super::options::LockOptions;

use belief_exclusion::Beliefs;
use book::Book;
use effect_exclusion::Effects;
use expiry::Stored;
use fence_order::Fences;
use lock_liveness::Hunger;
use no_extension_after_release::Released;
use requests::Requests;
use survives_restart::Memory;
use terms::Terms;
use tokens_rise::Tokens;

/// The place of each invariant in [`LockInvariants::LIST`].
mod index {
    pub(super) const BELIEF_EXCLUSION: usize = 0;
    pub(super) const GRANT_EXCLUSION: usize = 1;
    pub(super) const EFFECT_EXCLUSION: usize = 2;
    pub(super) const FENCE_ORDER: usize = 3;
    pub(super) const TOKENS_RISE: usize = 4;
    pub(super) const ONLY_OWNER_ACTS: usize = 5;
    pub(super) const NO_EARLY_EXPIRY: usize = 6;
    pub(super) const NO_LATE_EXPIRY: usize = 7;
    pub(super) const SURVIVES_RESTART: usize = 8;
    pub(super) const SURVIVES_FAILOVER: usize = 9;
    pub(super) const NO_EXTENSION_AFTER_RELEASE: usize = 10;
    pub(super) const LOCK_LIVENESS: usize = 11;
    pub(super) const MUTEX: usize = 12;
    pub(super) const FENCED_MUTEX: usize = 13;
}

/// The invariants of the lock system, with all that they have seen.
#[derive(Clone, Debug)]
pub struct LockInvariants {
    terms: Terms,
    book: Book,
    beliefs: Beliefs,
    effects: Effects,
    fences: Fences,
    tokens: Tokens,
    stored: Stored,
    memory: Memory,
    released: Released,
    hunger: Hunger,
    requests: Requests,
    mutex: Linearizable<LockNode, mutex::AsMutex>,
    fenced_mutex: Linearizable<LockNode, mutex::AsFencedMutex>,
}

impl LockInvariants {
    /// What `[expect]` can bound.
    pub const GAUGES: &'static [Gauge] = &[
        Gauge { name: "belief_overlaps", doc: "Times that a client took itself for the holder while another one did." },
        Gauge { name: "grant_overlaps", doc: "Times that a lock was granted while it was promised to another client." },
        Gauge { name: "effect_overlaps", doc: "Effects of a holder that came after an effect of a later holder." },
    ];

    /// Fresh invariants over a cluster with these options.
    pub fn new(setup: &Setup<LockOptions>) -> Self {
        let terms = Terms::new(setup);
        Self {
            terms,
            book: Book::default(),
            beliefs: Beliefs::default(),
            effects: Effects::default(),
            fences: Fences::default(),
            tokens: Tokens::default(),
            stored: Stored::default(),
            memory: Memory::default(),
            released: Released::default(),
            hunger: Hunger::default(),
            requests: Requests::default(),
            mutex: Linearizable::new(mutex::AsMutex),
            fenced_mutex: Linearizable::new(mutex::AsFencedMutex),
        }
    }

    /// The values of [`LockInvariants::GAUGES`].
    pub fn gauges(&self) -> Vec<u64> {
        vec![self.beliefs.overlaps(), self.book.overlaps(), self.effects.overlaps()]
    }

    /// A client says something.
    fn on_client(
        &mut self,
        view: &impl View<LockNode>,
        node: NodeId,
        observation: &LockObservation,
        findings: &mut Findings,
    ) {
        let now = view.now();
        let until = |validity: Option<_>| {
            validity.map_or(Instant::MAX, |validity| now.saturating_add(view.true_span(node, validity)))
        };
        match *observation {
            LockObservation::Gained { hold, validity, .. } => {
                self.beliefs.begin(now, node, hold, until(validity), findings);
                self.hunger.on_gained(now, hold.lock);
            }
            LockObservation::Extended { hold, validity } => {
                self.beliefs.extend(now, node, hold, until(validity), findings);
            }
            LockObservation::Lapsed(hold) | LockObservation::LossNoticed(hold) => self.end_belief(now, node, hold),
            LockObservation::GivenBack(hold) => {
                self.end_belief(now, node, hold);
                self.released.on_given_back(hold);
            }
            _ => {}
        }
    }

    fn end_belief(&mut self, now: Instant, node: NodeId, hold: super::observation::Hold) {
        self.beliefs.end(node, hold);
        self.hunger.on_progress(now, hold.lock);
    }

    /// A server says something.
    fn on_server(&mut self, now: Instant, node: NodeId, observation: &LockObservation, findings: &mut Findings) {
        match *observation {
            LockObservation::Granted { hold, client, request, fence } => {
                self.book.granted(now, node, hold, (client, request), fence, &self.terms);
                self.stored.on_set(now, node, hold);
            }
            LockObservation::Renewed { hold, client, request } => {
                only_owner_acts::on_act(node, hold, client, self.book.client_of(hold), "renews", findings);
                self.book.renewed(now, node, hold, (client, request), &self.terms);
                self.stored.on_set(now, node, hold);
            }
            LockObservation::Freed { hold, client } => {
                only_owner_acts::on_act(node, hold, client, self.book.client_of(hold), "frees", findings);
                self.book.freed(node, hold, client, &self.terms);
                self.stored.on_gone(node, hold);
            }
            LockObservation::Expired(hold) => {
                no_early_expiry::on_expired(now, node, hold, &self.book, &self.terms, findings);
                no_late_expiry::on_expired(node, hold, &self.stored, findings);
                self.stored.on_gone(node, hold);
            }
            LockObservation::Kept(hold) => {
                self.memory.on_kept(node, hold);
                self.stored.on_kept(now, node, hold);
            }
            LockObservation::Recovered { .. } => {
                survives_restart::on_recovered(now, node, &mut self.memory, &self.book, &self.terms, findings);
            }
            LockObservation::Promoted { .. } => {
                survives_failover::on_promoted(now, node, &mut self.memory, &self.book, &self.terms, findings);
            }
            LockObservation::Follows { .. } => {
                self.memory.on_follows(node);
                self.stored.on_server_gone(node);
            }
            LockObservation::Applied { hold, fence, .. } => {
                self.effects.on_applied(now, node, hold, findings);
                self.fences.on_applied(node, hold, fence, findings);
            }
            LockObservation::GuardedWrite { hold, .. } => self.effects.on_applied(now, node, hold, findings),
            LockObservation::Ticket { hold, .. } => self.effects.on_place(hold),
            _ => {}
        }
    }

    /// A server sends an answer: what it has promised by it counts from now on.
    fn on_answer(&mut self, now: Instant, server: NodeId, client: NodeId, message: &Wire, findings: &mut Findings) {
        match message {
            Wire::Answer { request, answer } if !matches!(answer, Answer::Error(_)) => {
                let Some(promise) = self.book.answered(now, server, client, *request, &self.terms) else { return };
                if let Some(fence) = promise.fence {
                    self.tokens.on_given(server, promise.hold, fence, findings);
                }
                if promise.is_complete {
                    self.effects.on_place(promise.hold);
                }
                grant_exclusion::on_promise(now, server, promise.hold, &mut self.book, &self.terms, findings);
            }
            Wire::Done { request, outcome: Outcome::Ticket(ticket) } => {
                if let Some(hold) = self.requests.claimed(client, *request) {
                    self.tokens.on_given(server, hold, *ticket, findings);
                }
            }
            _ => {}
        }
    }
}

impl Invariants<LockNode> for LockInvariants {
    const LIST: &'static [InvariantInfo] = &[
        belief_exclusion::INFO,
        grant_exclusion::INFO,
        effect_exclusion::INFO,
        fence_order::INFO,
        tokens_rise::INFO,
        only_owner_acts::INFO,
        no_early_expiry::INFO,
        no_late_expiry::INFO,
        survives_restart::INFO,
        survives_failover::INFO,
        no_extension_after_release::INFO,
        lock_liveness::INFO,
        mutex::INFO,
        mutex::FENCED_INFO,
    ];

    fn on_start(&mut self, _: impl View<LockNode>, node: NodeId, _: &mut Findings) {
        self.memory.on_start(node);
    }

    fn on_effect(
        &mut self,
        view: impl View<LockNode>,
        node: NodeId,
        effect: EffectRef<'_, LockNode>,
        findings: &mut Findings,
    ) {
        match effect {
            EffectRef::Observe(observation) if node.is_client() => self.on_client(&view, node, observation, findings),
            EffectRef::Observe(observation) => self.on_server(view.now(), node, observation, findings),
            EffectRef::Send { message, .. } if node.is_client() => {
                self.requests.on_sent(node, message);
                self.released.on_sent(node, message, findings);
            }
            EffectRef::Send { target, message, .. } => self.on_answer(view.now(), node, target, message, findings),
            _ => {}
        }
    }

    fn on_down(&mut self, view: impl View<LockNode>, node: NodeId, _: &mut Findings) {
        for lock in self.beliefs.on_down(node) {
            self.hunger.on_progress(view.now(), lock);
        }
        self.book.on_down(node);
        self.stored.on_server_gone(node);
        self.requests.on_down(node);
    }

    fn on_fault(&mut self, _: impl View<LockNode>, fault: &Fault, change: FaultChange, _: &mut Findings) {
        self.terms.on_fault(fault, change);
    }

    fn deadline(&self) -> Instant {
        self.stored.deadline(&self.terms)
    }

    fn on_deadline(&mut self, view: impl View<LockNode>, findings: &mut Findings) {
        no_late_expiry::on_deadline(&view, &mut self.stored, &self.terms, findings);
    }

    fn on_history(&mut self, view: impl View<LockNode>, entry: EntryRef<'_, LockNode>, findings: &mut Findings) {
        self.hunger.on_history(&view, entry, &self.beliefs, &self.terms, findings);
        self.mutex.watch(index::MUTEX, &view, entry, findings);
        self.fenced_mutex.watch(index::FENCED_MUTEX, &view, entry, findings);
    }

    fn on_end(&mut self, view: impl View<LockNode>, findings: &mut Findings) {
        self.mutex.end(index::MUTEX, &view, findings);
        if self.terms.is_fenced() {
            self.fenced_mutex.end(index::FENCED_MUTEX, &view, findings);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invariant_is_in_its_place() {
        let places = [
            (index::BELIEF_EXCLUSION, "belief_exclusion"),
            (index::GRANT_EXCLUSION, "grant_exclusion"),
            (index::EFFECT_EXCLUSION, "effect_exclusion"),
            (index::FENCE_ORDER, "fence_order"),
            (index::TOKENS_RISE, "tokens_rise"),
            (index::ONLY_OWNER_ACTS, "only_owner_acts"),
            (index::NO_EARLY_EXPIRY, "no_early_expiry"),
            (index::NO_LATE_EXPIRY, "no_late_expiry"),
            (index::SURVIVES_RESTART, "survives_restart"),
            (index::SURVIVES_FAILOVER, "survives_failover"),
            (index::NO_EXTENSION_AFTER_RELEASE, "no_extension_after_release"),
            (index::LOCK_LIVENESS, "lock_liveness"),
            (index::MUTEX, "mutex"),
            (index::FENCED_MUTEX, "fenced_mutex"),
        ];
        assert_eq!(places.len(), LockInvariants::LIST.len());
        assert!(places.iter().all(|(place, name)| LockInvariants::LIST[*place].name == *name));
    }
}

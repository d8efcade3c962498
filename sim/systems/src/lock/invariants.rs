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
//! | nothing is written after a refused extension | redisson #4698 | `no_write_after_refusal` | black box |
//! | a lock is not withheld for ever | redis-doc, Redlock, "Liveness arguments" | `lock_liveness` | black box |
//! | a majority in time is a lock | redis-doc, Redlock, step 3; node-redlock #169 | `timely_majority` | black box |
//! | no client is refused its own lock | node-redlock #369 | `not_refused_own` | black box |
//! | what is given up is given back everywhere | redis-doc, Redlock, step 5 | `releases_everywhere` | black box |
//! | a restart keeps the role | valkey #1322 | `role_survives_restart` | black box |
//! | an epoch has one leader | redis-doc, Sentinel, "Configuration epochs" | `one_leader_per_epoch` | black box |
//! | a failover needs a quorum | redis-doc, Sentinel, "SDOWN and ODOWN" | `failover_by_quorum` | black box |
//! | the history is that of a mutex | Herlihy and Wing 1990 | `mutex`, `fenced_mutex` | history |
//!
//! **Belief, grant, effect.** A client *believes* until the validity that it has computed is over, or until it gives
//! the lock back. A server *grants* for as long as it has promised to, whether or not it remembers. A resource
//! *applies* an effect. A lease without fencing promises none of the three if a process may be paused for long: a
//! scenario leaves out those that it does not promise, and the gauges count the overlaps of each layer in any case.
//!
//! All go by what is observed and sent, never by what a node's code decides: what a server has granted is kept in a
//! book of their own (`book`), with promises in true time.
//!
//! # Not checked
//!
//! - *Fairness*: the client that asks at the right moment gets the lock, as in the real clients.
//! - *That a holder learns of a loss in time*: a client whose validity is computed needs no word of it; one that goes
//!   by its release alone breaks `belief_exclusion` when another holder comes. What it does once it has learned of it
//!   is judged (`no_write_after_refusal`).

mod belief_exclusion;
mod book;
mod effect_exclusion;
mod expiry;
mod failover_by_quorum;
mod fence_order;
mod grant_exclusion;
mod lock_liveness;
mod mutex;
mod no_early_expiry;
mod no_extension_after_release;
mod no_late_expiry;
mod no_write_after_refusal;
mod not_refused_own;
mod one_leader_per_epoch;
mod only_owner_acts;
mod releases_everywhere;
mod requests;
mod role_survives_restart;
mod survives_failover;
mod survives_restart;
mod terms;
mod timely_majority;
mod tokens_rise;

#[cfg(test)]
mod testing;

use splitbrain_kernel::checker::monitor::Linearizable;
use splitbrain_kernel::context::EffectRef;
use splitbrain_kernel::fault::Fault;
use splitbrain_kernel::history::{HistoryEntryRef, HistoryEvent};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{FaultChange, Findings, Input, InvariantInfo, Invariants};
use splitbrain_kernel::node::{Completion, Write};
use splitbrain_kernel::system::{Gauge, Setup};
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::view::View;

use super::message::{Answer, Outcome, Wire};
use super::node::{LockNode, Record};
use super::observation::{Hold, LockObservation};
use super::options::LockOptions;
use super::system::{REDIS, RESOURCE, SENTINEL};

use belief_exclusion::Beliefs;
use book::Book;
use effect_exclusion::Effects;
use expiry::Stored;
use failover_by_quorum::Polls;
use fence_order::Fences;
use lock_liveness::Hunger;
use no_extension_after_release::Released;
use no_write_after_refusal::Extensions;
use one_leader_per_epoch::Leaders;
use releases_everywhere::Attempts;
use requests::Requests;
use role_survives_restart::{Role, Roles};
use survives_restart::Memory;
use terms::Terms;
use timely_majority::Rounds;
use tokens_rise::Tokens;

splitbrain_kernel::invariant_list! {
    BELIEF_EXCLUSION = belief_exclusion::INFO,
    GRANT_EXCLUSION = grant_exclusion::INFO,
    EFFECT_EXCLUSION = effect_exclusion::INFO,
    FENCE_ORDER = fence_order::INFO,
    TOKENS_RISE = tokens_rise::INFO,
    ONLY_OWNER_ACTS = only_owner_acts::INFO,
    NO_EARLY_EXPIRY = no_early_expiry::INFO,
    NO_LATE_EXPIRY = no_late_expiry::INFO,
    SURVIVES_RESTART = survives_restart::INFO,
    SURVIVES_FAILOVER = survives_failover::INFO,
    NO_EXTENSION_AFTER_RELEASE = no_extension_after_release::INFO,
    LOCK_LIVENESS = lock_liveness::INFO,
    MUTEX = mutex::INFO,
    FENCED_MUTEX = mutex::FENCED_INFO,
    NOT_REFUSED_OWN = not_refused_own::INFO,
    RELEASES_EVERYWHERE = releases_everywhere::INFO,
    ROLE_SURVIVES_RESTART = role_survives_restart::INFO,
    ONE_LEADER_PER_EPOCH = one_leader_per_epoch::INFO,
    FAILOVER_BY_QUORUM = failover_by_quorum::INFO,
    NO_WRITE_AFTER_REFUSAL = no_write_after_refusal::INFO,
    TIMELY_MAJORITY = timely_majority::INFO,
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
    early: Rounds,
    extensions: Extensions,
    hunger: Hunger,
    requests: Requests,
    attempts: Attempts,
    roles: Roles,
    leaders: Leaders,
    polls: Polls,
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
        let order = terms.order();
        Self {
            terms,
            book: Book::default(),
            beliefs: Beliefs::default(),
            effects: Effects::new(order),
            fences: Fences::default(),
            tokens: Tokens::default(),
            stored: Stored::default(),
            memory: Memory::default(),
            released: Released::default(),
            early: Rounds::default(),
            extensions: Extensions::default(),
            hunger: Hunger::default(),
            requests: Requests::default(),
            attempts: Attempts::default(),
            roles: Roles::default(),
            leaders: Leaders::default(),
            polls: Polls::default(),
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
        let clocks = |client| view.monotonic(client);
        match *observation {
            LockObservation::Wanted { hold, instead_of } => self.attempts.on_wanted(node, hold, instead_of, findings),
            LockObservation::GaveUp(hold) => {
                self.attempts.on_given_up(node, hold, findings);
                self.early.on_given_up(node, hold);
            }
            LockObservation::Gained { hold, validity, .. } => {
                self.attempts.on_gained(node, hold);
                self.early.on_gained(now, node, hold, &self.terms, findings);
                self.beliefs.begin((now, &clocks), node, hold, validity, findings);
                self.hunger.on_gained(now, hold.lock, &self.terms, findings);
            }
            LockObservation::Extended { hold, validity } => {
                self.beliefs.extend(&clocks, node, hold, validity, findings);
                self.extensions.on_round_over(node, hold);
            }
            LockObservation::TooLate(hold) => {
                self.early.on_too_late(now, node, hold, &self.terms, findings);
            }
            LockObservation::ExtensionFailed(hold) => self.extensions.on_round_over(node, hold),
            LockObservation::Lapsed(hold) | LockObservation::LossNoticed(hold) => self.end_belief(now, node, hold),
            LockObservation::GivenBack(hold) | LockObservation::Abandoned(hold) => {
                self.end_belief(now, node, hold);
                self.released.on_given_back(now, node, hold, &self.terms);
                self.extensions.on_end(node, hold);
            }
            _ => {}
        }
    }

    fn end_belief(&mut self, now: Instant, node: NodeId, hold: Hold) {
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
                self.stored.on_gone(node, hold, &self.terms);
            }
            LockObservation::Expired(hold) => {
                no_early_expiry::on_expired(now, node, hold, &self.book, &self.terms, findings);
                no_late_expiry::on_expired(now, node, hold, &self.stored, &self.terms, findings);
                self.stored.on_gone(node, hold, &self.terms);
            }
            LockObservation::Kept(hold) => {
                self.memory.on_kept(node, hold);
                self.stored.on_kept(now, node, hold, &self.terms);
            }
            LockObservation::Recovered { .. } => {
                survives_restart::on_recovered(now, node, &mut self.memory, &self.book, &self.terms, findings);
            }
            LockObservation::Promoted { epoch } => {
                self.roles.on_role(node, Role { epoch, master: None }, &self.terms, findings);
                survives_failover::on_promoted(now, node, &mut self.memory, &self.book, &self.terms, findings);
            }
            LockObservation::Follows { epoch, master } => {
                self.roles.on_role(node, Role { epoch, master: Some(master) }, &self.terms, findings);
                self.memory.on_follows(node);
                self.book.on_broken(node);
                self.stored.on_server_gone(node);
            }
            LockObservation::Applied { hold, fence, .. } => {
                self.fences.on_applied(node, hold, fence, findings);
                self.effects.on_applied(now, node, hold, findings);
            }
            LockObservation::GuardedWrite { hold, .. } | LockObservation::PlainWrite { hold, .. } => {
                self.effects.on_applied(now, node, hold, findings);
            }
            LockObservation::SubjectivelyDown(master) => self.polls.on_down_for(node, master),
            LockObservation::ObjectivelyDown(master) => self.polls.on_agreed(node, master, &self.terms, findings),
            LockObservation::FailoverBegun { epoch, is_ordered: false, .. } => {
                self.leaders.on_begun(node, epoch, findings);
            }
            _ => {}
        }
    }

    /// A server sends an answer: what it has promised by it counts from now on.
    fn on_answer(&mut self, now: Instant, server: NodeId, client: NodeId, message: &Wire, findings: &mut Findings) {
        match message {
            Wire::Answer { request, answer } if !matches!(answer, Answer::Error(_)) => {
                if let (Answer::Nil, Some(hold)) = (answer, self.requests.acquired(client, *request))
                    && self.requests.is_retry(client, server, *request, hold)
                {
                    not_refused_own::on_refused(now, server, hold, &self.book, &self.terms, findings);
                }
                let Some(promise) = self.book.answered(now, server, client, *request, &self.terms) else { return };
                if let Some(fence) = promise.fence {
                    self.tokens.on_given(server, promise.hold, fence, findings);
                }
                if promise.is_complete {
                    self.effects.on_granted(promise.hold);
                }
                grant_exclusion::on_promise(now, server, promise.hold, &mut self.book, &self.terms, findings);
            }
            Wire::Done { request, outcome: Outcome::Ticket(ticket) } => {
                if let Some(hold) = self.requests.claimed(client, *request) {
                    self.effects.on_ticket(hold);
                    self.tokens.on_given(server, hold, *ticket, findings);
                }
            }
            _ => {}
        }
    }
}

/// Whether a node uses locks: a client, or, inside another system, a process of any other kind.
fn is_user(node: NodeId) -> bool {
    ![REDIS, SENTINEL, RESOURCE].contains(&node.kind())
}

impl Invariants<LockNode> for LockInvariants {
    const LIST: &'static [InvariantInfo] = LIST;

    fn on_start(&mut self, _: impl View<LockNode>, node: NodeId, _: &mut Findings) {
        self.memory.on_start(node);
        self.roles.on_start(node);
    }

    fn on_effect(
        &mut self,
        view: impl View<LockNode>,
        node: NodeId,
        effect: EffectRef<'_, LockNode>,
        findings: &mut Findings,
    ) {
        let now = view.now();
        self.hunger.look(&view);
        match effect {
            EffectRef::Observe(observation) if is_user(node) => self.on_client(&view, node, observation, findings),
            EffectRef::Observe(observation) => self.on_server(now, node, observation, findings),
            EffectRef::Send { target, message, .. } if is_user(node) => {
                self.requests.on_sent(node, target, message);
                self.attempts.on_sent(node, target, message);
                self.released.on_sent(node, message, findings);
                self.early.on_sent(now, node, message);
                self.extensions.on_sent(node, target, message, findings);
            }
            EffectRef::Send { target, message, .. } => self.on_answer(now, node, target, message, findings),
            EffectRef::Write { id, write: Write::Replace(_, Record::Role { master, epoch }), .. } => {
                self.roles.on_writing(node, Role { epoch: *epoch, master: *master }, id);
            }
            _ => {}
        }
    }

    fn on_input(&mut self, view: impl View<LockNode>, node: NodeId, input: Input<'_, LockNode>, _: &mut Findings) {
        let (source, message) = match input {
            Input::Message(source, message) => (source.node, message),
            Input::Durable(completion) if node.is(REDIS) => {
                self.roles.on_written(node, completion);
                if matches!(completion, Completion::Failed(..)) {
                    self.terms.on_write_failed(view.now(), node);
                }
                return;
            }
            _ => return,
        };
        match message {
            // With `GET` a refusal shows the lock of another.
            Wire::Answer { request, answer: Answer::Nil | Answer::Bulk(_) } => {
                if let Some(hold) = self.requests.acquired(node, *request) {
                    self.attempts.on_refused(node, source, hold);
                }
            }
            Wire::Answer { request, answer: Answer::Integer(0) } => {
                self.extensions.on_refused(node, *request, self.terms.majority());
            }
            Wire::Claim { lock, token, .. } => self.effects.on_claimed(node, Hold { lock: *lock, token: *token }),
            Wire::Polled { master, is_down, .. } => self.polls.on_polled(node, source, *master, *is_down),
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
        self.attempts.on_down(node);
        self.extensions.on_down(node);
        self.released.on_down(node);
        self.early.on_down(node);
        self.roles.on_down(node);
        self.effects.on_down(node);
        self.polls.on_down(node);
    }

    fn on_fault(&mut self, view: impl View<LockNode>, fault: &Fault, change: FaultChange, _: &mut Findings) {
        self.terms.on_fault(view.now(), fault, change);
    }

    fn deadline(&self) -> Instant {
        let withheld = self.hunger.deadline(&self.terms);
        self.stored.deadline(&self.terms).min(self.released.deadline()).min(withheld)
    }

    fn on_deadline(&mut self, view: impl View<LockNode>, findings: &mut Findings) {
        no_late_expiry::on_deadline(&view, &mut self.stored, &self.terms, findings);
        self.released.on_deadline(view.now(), findings);
        let is_held = |lock| self.beliefs.has_holder(&|client| view.monotonic(client), lock);
        self.hunger.on_deadline(view.now(), is_held, &self.terms, findings);
    }

    fn on_history(&mut self, view: impl View<LockNode>, entry: HistoryEntryRef<'_, LockNode>, findings: &mut Findings) {
        self.hunger.on_history(&view, entry, &self.beliefs, &self.terms, findings);
        if matches!(entry.change, HistoryEvent::Invoked(_)) {
            self.extensions.on_asked(entry.client);
        }
        self.mutex.watch(index::MUTEX, &view, entry, findings);
        if self.terms.is_fenced() {
            self.fenced_mutex.watch(index::FENCED_MUTEX, &view, entry, findings);
        }
    }

    fn on_end(&mut self, view: impl View<LockNode>, findings: &mut Findings) {
        self.mutex.end(index::MUTEX, &view, findings);
        if self.terms.is_fenced() {
            self.fenced_mutex.end(index::FENCED_MUTEX, &view, findings);
        }
    }
}

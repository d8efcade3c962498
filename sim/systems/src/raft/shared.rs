//! What a server has in every role: its disk, its log, its connections and its clocks; and the quorums that follow from
//! its configuration.
//!
//! The role lies beside it, in [`Server::role`]. A method of a role takes the shared part as a parameter, so what only
//! a leader does cannot be called without a [`Leader`]. Where something happens in every role and concerns a leader
//! too, the method is here and takes an `Option<&mut Leader>`: `None` if the server does not lead.
//!
//! [`Server::role`]: super::state::Server::role
//! [`Leader`]: super::state::Leader

use std::sync::Arc;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::WriteId;
use splitbrain_kernel::time::{Duration, Instant};

use super::bug::Bug;
use super::configuration::Configuration;
use super::durable::HardState;
use super::ids::{Index, ServerSet, Term};
use super::kv;
use super::log::Log;
use super::membership::Memberships;
use super::message::Payload;
use super::options::{RaftOptions, TransportKind, VoteCounting};
use super::quorum;
use super::read::Promise;
use super::registers::Registers;
use super::snapshot::Snapshots;
use super::stall::Stall;
use super::state::Votes;
use super::transport::Links;

/// What a server has in every role.
#[derive(Clone, Debug)]
pub(super) struct Shared<C = u64> {
    pub(super) id: NodeId,
    pub(super) options: Arc<RaftOptions>,
    /// The one that it goes by.
    pub(super) configuration: Arc<Configuration>,
    /// Those that its log has.
    pub(super) memberships: Memberships,

    pub(super) hard: HardState,
    /// Whether `hard` has changed since it was last written.
    pub(super) hard_dirty: bool,
    /// The write that carries `hard`, until it is durable.
    pub(super) hard_write: Option<WriteId>,
    /// Where it stands with its disk.
    pub(super) stall: Stall<C>,
    pub(super) log: Log<C>,
    pub(super) commit: Index,
    pub(super) applied: Index,
    /// The state machine, if it is this server's own and any server takes snapshots.
    pub(super) machine: Option<Registers<C>>,
    pub(super) snapshots: Snapshots<C>,

    /// What it knew of each member when it last led, by number from 1; empty unless that is kept.
    pub(super) earlier: Vec<Index>,
    pub(super) clock: ElectionClock,
    pub(super) priority: Priority,
    pub(super) isolation: Isolation,
    pub(super) lagging: Lagging,
    pub(super) links: Links<C>,
    pub(super) kv: kv::Host,
    pub(super) promise: Promise,
}

/// Time without a leader, on the server's own monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct ElectionClock {
    /// When the election timer was last restarted.
    pub(super) started_at: Instant,
    /// The timeout that was drawn for it.
    pub(super) timeout: Duration,
    /// When an append of the current leader was last accepted or counted as contact.
    pub(super) contact_at: Option<Instant>,
    /// Whether such an append has come since the last election timeout (NuRaft `hb_alive_`).
    pub(super) heartbeat_seen: bool,
    /// It resigned, and does not campaign before.
    pub(super) resigned_until: Instant,
}

/// The target priority (NuRaft).
#[derive(Clone, Copy, Debug)]
pub(super) struct Priority {
    /// What a candidate needs. Starts at 1, deliberately not at the highest.
    pub(super) target: u64,
    /// When it last changed, or an append last came.
    pub(super) changed_at: Instant,
}

/// How long the server has been on its own (NuRaft).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Isolation {
    /// Refusals by quorums since it last became a follower or entered a term.
    pub(super) rejections: u64,
    /// Rounds of pre-votes in a row to which no quorum answered.
    pub(super) silent_rounds: u64,
    /// Rounds of pre-votes since the start in which no quorum could be asked.
    pub(super) busy_rounds: u64,
    /// Election timeouts until the server goes silent; 0 where it does not leave.
    pub(super) steps_to_down: u64,
    /// One of two servers takes itself for a quorum.
    pub(super) quorum_adjusted: bool,
}

/// Grace for a state machine that lags behind the log (NuRaft).
#[derive(Clone, Copy, Debug)]
pub(super) struct Lagging {
    /// What must be applied: the log as it was at the start, then what is committed.
    pub(super) target: Index,
    /// The term that the grace period was granted for, and when it began.
    pub(super) since: (Term, Instant),
}

impl<C: Payload> Shared<C> {
    /// What a fresh process has, before it has read its disk.
    pub(super) fn new(id: NodeId, options: Arc<RaftOptions>, configuration: Arc<Configuration>) -> Self {
        let links = match options.transport.kind {
            TransportKind::Datagram => Links::new(0),
            TransportKind::Connection => Links::new(configuration.table_len()),
        };
        Self {
            id,
            options,
            memberships: Memberships::new(*configuration.parts()),
            configuration,
            hard: HardState::FRESH,
            hard_dirty: false,
            hard_write: None,
            stall: Stall::NONE,
            log: Log::recovered(Vec::new()),
            commit: Index::ZERO,
            applied: Index::ZERO,
            machine: None,
            snapshots: Snapshots::NONE,
            earlier: Vec::new(),
            clock: ElectionClock {
                started_at: Instant::ZERO,
                timeout: Duration::ZERO,
                contact_at: None,
                heartbeat_seen: false,
                resigned_until: Instant::ZERO,
            },
            priority: Priority { target: 1, changed_at: Instant::ZERO },
            isolation: Isolation::default(),
            lagging: Lagging { target: Index::ZERO, since: (Term::ZERO, Instant::ZERO) },
            links,
            kv: kv::Host::default(),
            promise: Promise { lease: Duration::ZERO, started_at: Instant::ZERO },
        }
    }

    #[inline]
    pub(super) const fn term(&self) -> Term {
        self.hard.term
    }

    /// Whether this known bug is switched on.
    #[inline]
    pub(super) fn has_bug(&self, bug: Bug) -> bool {
        self.options.bug == bug
    }

    /// Whether it votes and counts.
    #[inline]
    pub(super) fn is_voter(&self) -> bool {
        self.configuration.electors().contains(self.id)
    }

    /// The other members, which are sent the log.
    #[inline]
    pub(super) fn peers(&self) -> ServerSet {
        self.configuration.members().without(self.id)
    }

    /// The other servers that vote.
    #[inline]
    pub(super) fn other_electors(&self) -> ServerSet {
        self.configuration.electors().without(self.id)
    }

    /// Whether it is sent the log: a server that was removed answers still.
    #[inline]
    pub(super) fn is_member(&self, server: NodeId) -> bool {
        self.configuration.members().contains(server)
    }
}

// ---- Quorums ----

impl<C: Payload> Shared<C> {
    /// How many votes of the voters win an election, its own included.
    pub(super) fn election_quorum(&self) -> usize {
        self.quorum(self.options.quorum.election, self.configuration.voters())
    }

    /// How many of these voters make a quorum.
    pub(super) fn quorum(&self, custom: u64, voters: ServerSet) -> usize {
        if self.isolation.quorum_adjusted {
            return 1;
        }
        let voters = voters.len();
        if self.has_bug(Bug::QuorumOfHalf) {
            return voters.div_ceil(2);
        }
        quorum::size(voters, custom)
    }

    /// The sets of voters of which each needs a quorum: one, or in a joint configuration two.
    #[inline]
    pub(super) fn halves(&self) -> impl Iterator<Item = ServerSet> + use<C> {
        let (voters, outgoing) = (self.configuration.voters(), self.configuration.outgoing());
        let (first, second) = if outgoing.is_empty() || self.has_bug(Bug::JointByNewMajority) {
            (voters, ServerSet::EMPTY)
        } else if self.has_bug(Bug::JointByOldMajority) {
            (outgoing, ServerSet::EMPTY)
        } else {
            (voters, outgoing)
        };
        std::iter::once(first).chain((!second.is_empty()).then_some(second))
    }

    /// Whether these servers, and the leader itself where it votes, commit.
    pub(super) fn commits(&self, others: ServerSet) -> bool {
        self.halves().all(|half| {
            let own = usize::from(half.contains(self.id));
            others.without(self.id).intersection(half).len() + own >= self.quorum(self.options.quorum.commit, half)
        })
    }

    /// How it counts votes.
    pub(super) fn counting(&self) -> VoteCounting {
        if self.has_bug(Bug::VotesCountedByCounter) { VoteCounting::Counter } else { self.options.votes.counting }
    }

    /// Whether a quorum has granted, of each set of voters. Votes that a counter counts twice are for the plain case:
    /// where two sets decide, a voter is counted in its set.
    pub(super) fn is_granted(&self, tally: &Votes) -> bool {
        if !self.configuration.is_joint() {
            return tally.granted_count(self.counting()) >= self.election_quorum();
        }
        self.halves().all(|half| self.is_quorum_of(half, tally.granted))
    }

    /// How often a quorum that refuses has refused: 1 when the last refusal made it one.
    pub(super) fn refusals(&self, tally: &Votes) -> usize {
        if !self.configuration.is_joint() {
            let (denied, quorum) = (tally.denied_count(self.counting()), self.election_quorum());
            return (denied + 1).saturating_sub(quorum);
        }
        usize::from(self.halves().any(|half| self.is_quorum_of(half, tally.denied)))
    }

    fn is_quorum_of(&self, voters: ServerSet, some: ServerSet) -> bool {
        some.intersection(voters).len() >= self.quorum(self.options.quorum.election, voters)
    }
}

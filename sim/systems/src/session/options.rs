//! Options of the session system: leases and their ends, what masters remember, how chunks behave.

use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::options::{Options, OptionsError, Preset, ValueKind};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::Duration;

use crate::raft::options::{RaftOptions, ReadMethod};

use super::bug::Bug;
use super::ids::CHUNK;
use super::presets::PRESETS;

splitbrain_kernel::names! {
    /// When a master answers a keepalive.
    pub enum KeepAliveMode {
        /// At once; the follower sends them at an interval.
        Periodic = "periodic",
        /// When the lease is nearly over, as Chubby does; the follower sends the next one at once.
        Held = "held",
    }
}

splitbrain_kernel::names! {
    /// What becomes of a session that has not expired when its chunk starts again.
    pub enum Reuse {
        /// The new process takes it over, and gets an epoch of its own: the old one is fenced.
        Session = "session",
        /// It is left to expire; the new process gets another.
        Never = "never",
    }
}

splitbrain_kernel::names! {
    /// What becomes of a claim to a target that another session holds.
    pub enum Claims {
        /// It is refused; the chunk asks again after a while.
        Poll = "poll",
        /// It waits in line at the master that leads; the chunk asks again to be sure that it does.
        Queue = "queue",
    }
}

splitbrain_kernel::names! {
    /// What the end of one session means to a chunk that has others.
    pub enum ExpiryScope {
        /// The targets of the master that it was with.
        Own = "own",
        /// All targets: a chunk serves only while all its sessions live.
        Any = "any",
    }
}

splitbrain_kernel::names! {
    /// How masters belong together.
    pub enum Replication {
        /// Each stands for itself, with sessions and targets of its own.
        None = "none",
        /// They replicate one table through raft, and one of them leads.
        Raft = "raft",
    }
}

const SPAN: ValueKind = ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(3600) };
const TIMING: ValueKind = ValueKind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(3600) };

splitbrain_kernel::options! {
    /// Options of the session system.
    pub struct SessionOptions {
        /// How long a master lets a session live without a keepalive. The chunk asks for it, so it may differ by chunk.
        pub lease: Duration => TIMING,
        /// How long a follower counts on its session after it sent the last keepalive that was answered.
        pub follower_lease: Duration => TIMING,
        /// From one keepalive to the next, with keep_alive = "periodic".
        pub interval: Duration => TIMING,
        /// When a master answers a keepalive.
        pub keep_alive: KeepAliveMode => ValueKind::Name(KeepAliveMode::NAMES),
        /// With keep_alive = "held": how long before the end of a lease the master answers.
        pub held_margin: Duration => SPAN,
        /// How long a follower waits for an answer before it asks again.
        pub rpc_timeout: Duration => TIMING,
        /// The most that a follower waits between two tries; half of it at least, the rest drawn.
        pub backoff: Duration => TIMING,
        /// How long a follower tries to create a session before it gives up; 0s is for ever.
        pub create_timeout: Duration => SPAN,
        /// Jeopardy: how long a follower hopes for its session after its lease is over, and serves nothing; 0s is none.
        pub grace: Duration => SPAN,
        /// How often a master looks for leases that are over.
        pub expiry_scan: Duration => TIMING,
        /// How often a master that is replicated writes down what remains of a lease that nobody extends, so that the
        /// next one goes on with that; 0s is never: each change of leader begins all leases anew.
        pub checkpoint: Duration => SPAN,
        /// How long the targets of a session that expired are granted to no other.
        pub lock_delay: Duration => SPAN,
        /// What becomes of a session whose chunk starts again.
        pub reuse: Reuse => ValueKind::Name(Reuse::NAMES),
        /// What the end of one session means to a chunk that has others.
        pub expiry_scope: ExpiryScope => ValueKind::Name(ExpiryScope::NAMES),
        /// Whether volumes refuse writes under a token that is older than the newest that they have seen.
        pub fencing: bool => ValueKind::Bool,
        /// The most that a callback of the access manager takes.
        pub callback_max: Duration => SPAN,
        /// The most that a stage of a chunk takes: of a follower's created callback, or of a round of its keepalive
        /// loop. Other inputs come between two stages.
        pub stage_max: Duration => SPAN,
        /// The chance that a callback of the access manager fails. A creation is refused then; a part of the expired
        /// callback is run again with the next scan.
        pub callback_failure: Ppm => ValueKind::Probability,
        /// The most that a chunk works on a request before it goes to the volume.
        pub io_max: Duration => SPAN,
        /// Targets that there are.
        pub resources: u64 => ValueKind::Integer { min: 1, max: 64 },
        /// How often a chunk asks for a target that it does not serve, on average.
        pub claim_retry: Duration => TIMING,
        /// What becomes of a claim to a target that another session holds.
        pub claims: Claims => ValueKind::Name(Claims::NAMES),
        /// How long a chunk serves a target before it gives it back by itself; 0s is for ever.
        pub serve_max: Duration => SPAN,
        /// Extents of which a chunk reports the state, page by page, in its keepalives.
        pub extents: u64 => ValueKind::Integer { min: 1, max: 1_000_000 },
        /// Extents in one report.
        pub report_size: u64 => ValueKind::Integer { min: 1, max: 1_000_000 },
        /// The version of the protocol that a node speaks: both sides use the lower one.
        pub version: u64 => ValueKind::Integer { min: 1, max: 100 },
        /// Under which identity a chunk creates sessions; 0 is that of its number. Two chunks of one identity are two
        /// processes of one machine: the old one and the new one.
        pub identity: u64 => ValueKind::Integer { min: 0, max: 64 },
        /// How long a client waits for an answer.
        pub request_timeout: Duration => TIMING,
        /// How masters belong together.
        pub replication: Replication => ValueKind::Name(Replication::NAMES),
        /// The replicated log, with replication = "raft".
        pub raft: RaftOptions => nested,
        /// A known bug.
        pub bug: Bug => ValueKind::Name(Bug::NAMES),
    }
}

impl Options for SessionOptions {
    fn presets() -> &'static [Preset<Self>] {
        PRESETS
    }

    fn validate(&self, cluster: Cluster) -> Result<(), OptionsError> {
        let refuse = |option: &str, message: String| Err(OptionsError::new(option, message));
        if self.keep_alive == KeepAliveMode::Periodic && self.interval >= self.follower_lease {
            let message = format!("must be less than follower_lease, {}, or each lease ends", self.follower_lease);
            return refuse("interval", message);
        }
        if self.keep_alive == KeepAliveMode::Held && self.held_margin >= self.lease {
            return refuse("held_margin", format!("must be less than lease, {}", self.lease));
        }
        if self.claims == Claims::Poll && matches!(self.bug, Bug::WaiterNotChecked | Bug::WaiterNotTold) {
            return refuse("bug", format!("\"{}\" is of claims that wait: claims = \"queue\"", self.bug.name()));
        }
        if self.bug == Bug::CreatedGoesOn && self.stage_max.is_zero() {
            return refuse("bug", "\"created_goes_on\" is of stages that take time: stage_max".to_owned());
        }
        if self.bug == Bug::FenceInMemory && !self.fencing {
            return refuse("bug", "\"fence_in_memory\" is of volumes that refuse old tokens: fencing".to_owned());
        }
        if self.report_size > self.extents {
            return refuse("report_size", format!("there are {} extents", self.extents));
        }
        match (self.replication, self.bug) {
            (Replication::Raft, _) => self.validate_replication()?,
            (
                Replication::None,
                Bug::ExpiryOfEarlierTerm
                | Bug::ExtendsWithoutQuorum
                | Bug::TermForgetsRemainder
                | Bug::CheckpointOnce
                | Bug::SnapshotNotAtomic,
            ) => {
                let message =
                    format!("\"{}\" is of masters that are replicated: replication = \"raft\"", self.bug.name());
                return refuse("bug", message);
            }
            (Replication::None, _) if !self.checkpoint.is_zero() => {
                return refuse("checkpoint", "is of masters that are replicated: replication = \"raft\"".to_owned());
            }
            (Replication::None, _) => {}
        }
        if self.identity > u64::from(cluster.count(CHUNK) + cluster.spare_count(CHUNK)) {
            return refuse("identity", format!("no chunk has the number {}", self.identity));
        }
        Ok(())
    }
}

impl SessionOptions {
    fn validate_replication(&self) -> Result<(), OptionsError> {
        if self.raft.reads.method != ReadMethod::Lease {
            let message = "must be \"lease\" with replication = \"raft\": a master acts only while no other can lead";
            return Err(OptionsError::new("raft.reads.method", message));
        }
        if self.raft.reads.lease >= self.lease {
            let message = format!("must be less than the lease of sessions, {}", self.lease);
            return Err(OptionsError::new("raft.reads.lease", message));
        }
        if self.checkpoint.is_zero() && matches!(self.bug, Bug::TermForgetsRemainder | Bug::CheckpointOnce) {
            let message = format!("\"{}\" is of leases that are written down: checkpoint", self.bug.name());
            return Err(OptionsError::new("bug", message));
        }
        if self.bug == Bug::AnswerBeforeDurable {
            let message = "\"answer_before_durable\" is of a master with a disk of its own: not with replication";
            return Err(OptionsError::new("bug", message));
        }
        Ok(())
    }
}

//! The options of Raft that are one of several names, with what each name means.

splitbrain_kernel::names! {
    /// When a timeout is drawn anew.
    pub enum TimeoutDrawn {
        /// Each time that the timer restarts (paper, NuRaft).
        EachReset = "each_reset",
        /// When the role or the term changes; a heartbeat restarts the same timeout (etcd).
        EachTerm = "each_term",
    }
}

splitbrain_kernel::names! {
    /// How a follower notices that its leader is silent.
    pub enum ElectionTimer {
        /// The timer restarts with each contact.
        Restarted = "restarted",
        /// The timer runs through, and asks when it fires how old the last contact is (hashicorp).
        Polled = "polled",
    }
}

splitbrain_kernel::names! {
    /// Which term a pre-vote speaks of.
    pub enum PreVoteTerm {
        /// The one that the candidate would start; a refusal carries the voter's own (thesis §9.6, etcd, hashicorp).
        Next = "next",
        /// The one that the candidate is in; the answer echoes it, and terms are not compared (NuRaft).
        Current = "current",
    }
}

splitbrain_kernel::names! {
    /// When a voter refuses because it takes a leader to be alive.
    pub enum Stickiness {
        /// Never.
        Never = "never",
        /// While it knows a leader and its election timer has run for less than the least timeout, and only if
        /// check_quorum.timeout is not 0; a leader always (etcd).
        Lease = "lease",
        /// While its last contact with a leader is younger than the least timeout; a leader always (thesis §4.2.3).
        Contact = "contact",
        /// While an append has come since its own last election timeout, and its timer has run for at most the least
        /// timeout; a leader while its heartbeats go on (NuRaft).
        Heartbeat = "heartbeat",
        /// While it knows a leader other than the candidate (hashicorp).
        LeaderKnown = "leader_known",
    }
}

splitbrain_kernel::names! {
    /// What a candidate does when a quorum has refused.
    pub enum LostRound {
        /// It becomes a follower and restarts its timer (etcd).
        StepBack = "step_back",
        /// It waits for its timer (NuRaft, hashicorp, paper).
        Wait = "wait",
    }
}

splitbrain_kernel::names! {
    /// Whether a request is answered.
    pub enum ReplyWhen {
        /// Always.
        Always = "always",
        /// Never.
        Never = "never",
        /// Only if pre_vote.enabled is true or check_quorum.timeout is not 0: only then must the sender learn the later
        /// term this way (etcd).
        Guarded = "guarded",
    }
}

splitbrain_kernel::names! {
    /// What a client does when its proposal is refused.
    pub enum OnRefusal {
        /// The operation fails; it is unknown if it was sent before.
        Fail = "fail",
        /// The client asks the next server after a heartbeat, or for the store after retry_min to retry_max, until
        /// operation_timeout.
        Retry = "retry",
    }
}

splitbrain_kernel::names! {
    /// How votes and pre-votes are counted.
    pub enum VoteCounting {
        /// By the set of servers that gave them.
        Set = "set",
        /// By a counter: safe only where no reply comes twice (NuRaft).
        Counter = "counter",
    }
}

splitbrain_kernel::names! {
    /// When a leader looks whether it still has a quorum.
    pub enum CheckQuorumMethod {
        /// At the end of each window as long as the timeout: has a quorum answered within it? (etcd)
        Window = "window",
        /// At each heartbeat: is the last contact with a quorum older than the timeout? (NuRaft leadership_expiry)
        EachHeartbeat = "each_heartbeat",
        /// When the oldest of the contacts would grow older than the timeout (hashicorp LeaderLeaseTimeout).
        LeaseTimer = "lease_timer",
    }
}

splitbrain_kernel::names! {
    /// Which answers of a follower are contact with it.
    pub enum Contact {
        /// Every answer to an append.
        Any = "any",
        /// Only accepting ones (NuRaft).
        Accepted = "accepted",
    }
}

splitbrain_kernel::names! {
    /// How the target priority falls while there is no leader (NuRaft).
    pub enum PriorityDecay {
        /// By a fifth, at least 10, down to 1.
        Arithmetic = "arithmetic",
        /// To the next lower priority that a member has, down to 1.
        Tiered = "tiered",
    }
}

splitbrain_kernel::names! {
    /// What servers talk over.
    pub enum TransportKind {
        /// Datagrams.
        Datagram = "datagram",
        /// A connection to each peer for one's own requests; the answers come back over it.
        Connection = "connection",
    }
}

splitbrain_kernel::names! {
    /// What waits for a sync of the disk.
    pub enum WaitsForSync {
        /// Nothing: what is being written counts as durable at once, as with a server that runs without fsync (etcd
        /// --unsafe-no-fsync). A crash of the machine can break every promise.
        Nothing = "nothing",
        /// What promises something: acknowledgements, votes, and the leader's own copy.
        LogWrites = "log_writes",
        /// Everything: one loop ticks, takes in messages, sends and syncs (etcd). While a sync is under way the server
        /// is silent and its timers do not run.
        WholeLoop = "whole_loop",
    }
}

splitbrain_kernel::names! {
    /// What a server does when a write or a sync fails.
    pub enum OnWriteFailure {
        /// It exits: what the disk holds is no longer known.
        Exit = "exit",
        /// It keeps running and writes nothing until it restarts; it still sends what needs no write, such as
        /// heartbeats.
        Stay = "stay",
    }
}

splitbrain_kernel::names! {
    /// What a follower says of its log when it refuses an append, and how far the leader steps back then.
    pub enum ConflictHint {
        /// The term at the place that was refused: the leader steps back over all that cannot agree (etcd).
        ByTerm = "by_term",
        /// Its last place: the leader steps back to behind it, or by one place (NuRaft, hashicorp).
        Linear = "linear",
    }
}

splitbrain_kernel::names! {
    /// Which entries a leader commits by counting copies.
    pub enum CommitCounts {
        /// Those of its own term, and what comes before them (§5.4.2).
        OwnTerm = "own_term",
        /// Those of any term (NuRaft): what is committed so can be lost, as in the paper's figure 8.
        AnyTerm = "any_term",
    }
}

splitbrain_kernel::names! {
    /// What a new leader assumes of its followers' logs.
    pub enum MatchedAtElection {
        /// Nothing, until they answer (§5.3).
        Reset = "reset",
        /// What it knew when it led before, until they answer or their connection dies (NuRaft): it commits what they
        /// have lost since.
        Kept = "kept",
    }
}

splitbrain_kernel::names! {
    /// How a leader serves a read of the key-value store.
    pub enum ReadMethod {
        /// Through the log, as a command.
        Log = "log",
        /// When a quorum has confirmed that it leads still (thesis §6.4, etcd ReadIndex).
        ReadIndex = "read_index",
        /// As read_index, but without a confirmation while the lease runs: right if the clocks are (thesis §6.4.1).
        Lease = "lease",
    }
}

splitbrain_kernel::names! {
    /// What ends the transfer of a leadership.
    pub enum TransferEnd {
        /// The election of the target; if that does not come in time, the leader goes on (etcd, hashicorp).
        Election = "election",
        /// The leader steps down once the target has its log, or the time is over (NuRaft).
        StepDown = "step_down",
    }
}

splitbrain_kernel::names! {
    /// When a configuration takes effect at a server.
    pub enum ConfigurationAt {
        /// When its log has the entry (§6, hashicorp).
        Append = "append",
        /// When it knows that the entry is committed (etcd, NuRaft).
        Commit = "commit",
    }
}

splitbrain_kernel::names! {
    /// How a joint configuration ends.
    pub enum JointLeave {
        /// The leader leaves it once it is committed (etcd AutoLeave).
        Automatic = "automatic",
        /// By order.
        Ordered = "ordered",
    }
}

splitbrain_kernel::names! {
    /// Which candidates a server answers with votes.
    pub enum Candidates {
        /// All: a voter goes by the candidate's configuration, as it may not know it yet (thesis §4.1).
        Anyone = "anyone",
        /// A server refuses pre-votes to a candidate that is no member of the server's own configuration (NuRaft).
        MembersInPreVotes = "members_in_pre_votes",
        /// It refuses votes and pre-votes to such a candidate (hashicorp).
        Members = "members",
    }
}

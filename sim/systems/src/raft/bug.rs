//! Known bugs, switchable one at a time: each is a minimal slip at the place where real implementations made it.
//!
//! They prove that the invariants can see. Sources: the bug's own line below, and its place in the code.

splitbrain_kernel::names! {
    /// A known bug.
    pub enum Bug {
        /// None: the code as it should be.
        None = "none",
        /// A candidate counts a granted vote that was given in an older term (Xraft #33).
        VoteCountedFromOlderTerm = "vote_counted_from_older_term",
        /// A vote is not written to the disk, only the term is (akka-raft #62).
        VoteNotPersisted = "vote_not_persisted",
        /// The reply to a vote request leaves before the vote is durable.
        ReplyBeforeVoteDurable = "reply_before_vote_durable",
        /// A server that starts takes for durable what a process that crashed left in the page cache, and syncs nothing
        /// (Rebello et al. 2020: what is read back need not be on the disk).
        RecoveredNotSynced = "recovered_not_synced",
        /// Votes are counted by a counter, so that a duplicated reply counts twice (coyote-samples #8).
        VotesCountedByCounter = "votes_counted_by_counter",
        /// A voter does not compare its log with the candidate's (Raft §5.4.1 left out).
        NoUpToDateCheck = "no_up_to_date_check",
        /// Who becomes a follower forgets its vote of this very term (akka-raft #56).
        VoteClearedOnStepDown = "vote_cleared_on_step_down",
        /// A vote request that is refused restarts the voter's election timer.
        TimerResetByDeniedVote = "timer_reset_by_denied_vote",
        /// A pre-candidate goes on to believe in its leader, and refuses others for its sake (etcd #8334).
        PreCandidateKeepsLeader = "pre_candidate_keeps_leader",
        /// Granting a pre-vote counts as hearing from a leader (hashicorp #609).
        GrantedPreVoteRefreshesContact = "granted_pre_vote_refreshes_contact",
        /// A voter gives votes and pre-votes though it hears from a leader (thesis §4.2.3 and §9.6 left out).
        VotesDespiteLeader = "votes_despite_leader",
        /// A learner campaigns when it hears from no leader (hashicorp #483, redpanda #8495).
        LearnerCampaigns = "learner_campaigns",
        /// A leader commits entries of earlier terms by counting copies (Raft figure 8; PySyncObj #169, LogCabin #44).
        OlderTermCommitted = "older_term_committed",
        /// A leader counts its own copy before it is durable (etcd #14370).
        OwnCopyCountedBeforeDurable = "own_copy_counted_before_durable",
        /// A leader answers a client before the entry is committed.
        AnsweredBeforeCommit = "answered_before_commit",
        /// A leader that steps down answers what it has not committed as done.
        AnsweredOnStepDown = "answered_on_step_down",
        /// A client takes it for a certain failure that its leader stepped down (RedisRaft #23).
        StepDownIsFailure = "step_down_is_failure",
        /// A client takes a redirect for a certain failure, though a copy may still reach a leader.
        RedirectIsFailure = "redirect_is_failure",
        /// The store does not look at sessions: a copy of an operation is executed again (thesis §6.3).
        SessionsIgnored = "sessions_ignored",
        /// A client numbers each attempt anew, so that the store cannot know a retry.
        RetriesAreNewOperations = "retries_are_new_operations",
        /// Sessions expire by the clock of the server that applies, not by the time in the log (LogCabin #210).
        SessionsExpireByLocalClock = "sessions_expire_by_local_clock",
        /// A leader serves a read without asking whether it leads still (d-engine #381).
        ReadWithoutQuorum = "read_without_quorum",
        /// A leader serves a read before it has committed an entry of its own term (etcd #7331).
        ReadBeforeOwnCommit = "read_before_own_commit",
        /// A confirmation of an earlier round counts for the present one (etcd #20418).
        StaleConfirmationCounts = "stale_confirmation_counts",
        /// A lease is measured on the wall clock, which jumps (SOFAJRaft #25).
        LeaseOnWallClock = "lease_on_wall_clock",
        /// A lease is as long as the promise, as if all clocks ran at one rate.
        LeaseIgnoresDrift = "lease_ignores_drift",
        /// A lease begins when the confirmation arrives, not when it was asked for.
        LeaseFromReceipt = "lease_from_receipt",
        /// Voters do not keep the promise that a lease stands on (raft-rs #141).
        LeaseWithoutPromise = "lease_without_promise",
        /// A voter that restarts votes at once, though it may have promised not to.
        RestartForgetsPromise = "restart_forgets_promise",
        /// A leader counts the copies of learners (hashicorp #308).
        LearnersCounted = "learners_counted",
        /// A leader takes contact with learners for contact with a quorum (hashicorp #308).
        LearnersAreContact = "learners_are_contact",
        /// Half of the voters make a quorum (hydro #3082).
        QuorumOfHalf = "quorum_of_half",
        /// A late acknowledgement takes back what a leader knows of a follower (PySyncObj #167).
        MatchedFalls = "matched_falls",
        /// A follower drops everything behind the entry before an append, conflict or not (RaftOS #26).
        TruncatedWithoutConflict = "truncated_without_conflict",
        /// A server that installs a snapshot goes back to the term of its last entry (WRaft #118).
        TermFromSnapshot = "term_from_snapshot",
        /// A server that installs a snapshot keeps the state machine that it had.
        InstalledWithoutState = "installed_without_state",
        /// A leader whose transfer came to nothing refuses proposals for ever (hashicorp #493).
        TransferNeverEnds = "transfer_never_ends",
        /// A leader that has told another to campaign serves reads under its lease still (TiKV #4680, openraft #1747).
        LeaseKeptOnTransfer = "lease_kept_on_transfer",
        /// A snapshot has the values of the store and not its sessions (thesis §6.3).
        SnapshotWithoutSessions = "snapshot_without_sessions",
        /// A leader changes the membership before it has committed an entry of its own term (Ongaro 2015, raft-dev;
        /// jgroups-raft #38).
        ChangeBeforeOwnCommit = "change_before_own_commit",
        /// A leader changes the membership while the last change is not committed (thesis §4.1 left out).
        SecondChangeWhilePending = "second_change_while_pending",
        /// A learner is promoted however far its log is behind (thesis §4.2.1 left out).
        PromotedBeforeCaughtUp = "promoted_before_caught_up",
        /// A configuration whose entry is truncated stays in force.
        TruncatedConfigurationKept = "truncated_configuration_kept",
        /// A server that starts forgets the configurations that its log has behind the snapshot (camunda #57386).
        ConfigurationLostOnRestart = "configuration_lost_on_restart",
        /// A snapshot does not carry the configuration (dragonboat, by way of matrixone #23281).
        SnapshotWithoutConfiguration = "snapshot_without_configuration",
        /// A leader goes by a configuration once it is committed, its followers once it is appended.
        LeaderConfiguresAtCommit = "leader_configures_at_commit",
        /// A leader that is no voter any more counts its own copy.
        RemovedLeaderCountsItself = "removed_leader_counts_itself",
        /// A leader whose removal is committed goes on.
        RemovedLeaderStays = "removed_leader_stays",
        /// A leader gives up as soon as it has appended its removal, which perhaps no server commits then.
        RemovedLeaderLeavesEarly = "removed_leader_leaves_early",
        /// A server campaigns though its removal is committed.
        RemovedCampaigns = "removed_campaigns",
        /// A server that becomes a member again is taken to have what it had when it last was one.
        RejoinedKeepsMatch = "rejoined_keeps_match",
        /// In a joint configuration a quorum of the new voters is enough.
        JointByNewMajority = "joint_by_new_majority",
        /// In a joint configuration a quorum of the old voters is enough.
        JointByOldMajority = "joint_by_old_majority",
        /// A new leader leaves the joint configuration that it finds in its log at once, before that is committed
        /// (camunda #60086).
        JointLeftBeforeCommit = "joint_left_before_commit",
        /// A joint configuration is left again while its end is not committed (etcd #12582).
        JointLeftTwice = "joint_left_twice",
        /// A candidate counts a granted pre-vote that was given for an earlier term (NuRaft compares
        /// `pre_vote_.term_` with that of the answer).
        PreVoteCountedFromOlderTerm = "pre_vote_counted_from_older_term",
        /// A follower takes over the commit index of an append that was overtaken, though it knows of a later one
        /// (raft.tla #19).
        CommitTakenBack = "commit_taken_back",
        /// A leader that goes back to probing a follower counts what was in flight to it as in flight still
        /// (etcd-io/raft #54): where that was as much as may be, the follower gets no entry any more.
        InFlightLeaks = "in_flight_leaks",
        /// A leader sends no part of a snapshot twice, however long the answer does not come (etcd #10225).
        PartNotRepeated = "part_not_repeated",
    }
}

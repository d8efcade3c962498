//! Known bugs, switchable one at a time: each is a minimal slip at the place where real programs made it.
//!
//! They prove that the invariants can see. Sources: the bug's own line below.

splitbrain_kernel::names! {
    /// A known bug.
    pub enum Bug {
        /// None: the code as it should be.
        None = "none",
        /// Client: the lock is deleted even if another holds it (unsafe, as the documentation of Redis says).
        ReleaseDeletesBlindly = "release_deletes_blindly",
        /// Client: the owner is read, compared by the client, and then the lock is deleted: two commands.
        ReleaseReadsThenDeletes = "release_reads_then_deletes",
        /// Client: after a failed attempt only those servers are asked to release that had granted (redisson #1606).
        ReleaseAcknowledgedOnly = "release_acknowledged_only",
        /// Client: the lock is set by one command and its time to live by the next one (SETNX, then EXPIRE).
        AcquireInTwoCommands = "acquire_in_two_commands",
        /// Client: `SET NX GET` answers nil where the key was absent and is set now; it is read as a refusal.
        NilOfGetMisread = "nil_of_get_misread",
        /// Client: a retry that finds the token of its own first try takes it for another's (node-redlock #369).
        OwnTokenIsForeign = "own_token_is_foreign",
        /// Client: the margin for drift is added to the validity (redlock-py #3).
        DriftAdded = "drift_added",
        /// Client: a majority is enough, however long it took to reach it (node-redlock #369).
        NoValidityCheck = "no_validity_check",
        /// Client: the validity counts from the end of the attempt, not from its beginning.
        ValidityFromAnswer = "validity_from_answer",
        /// Client: the validity counts from the first of several attempts, so that one that has waited for longer than
        /// a time to live never finds itself in time (node-redlock #169, #296).
        ValidityFromFirstAttempt = "validity_from_first_attempt",
        /// Client: the validity is measured by the wall clock, which may jump back (redis-doc, Redlock).
        ValidityByWallClock = "validity_by_wall_clock",
        /// Client: half of the servers count as a majority.
        HalfIsMajority = "half_is_majority",
        /// Client: the lock is extended by setting it, even if it is another's by now (redlock-rb #36).
        ExtendSets = "extend_sets",
        /// Client: the lock is extended without a look at its owner (redbeat #127).
        ExtendWithoutOwner = "extend_without_owner",
        /// Client: the validity of an extension counts from the last one, although it failed.
        FailedExtensionCounts = "failed_extension_counts",
        /// Client: the watchdog is not scheduled again after one error (redisson #775).
        WatchdogStopsAfterError = "watchdog_stops_after_error",
        /// Client: the watchdog goes on when its user has given the lock back, or has gone without (etcd #17470).
        WatchdogOutlivesUser = "watchdog_outlives_user",
        /// Client: the holder is not told that its lock is lost (redisson #4698).
        LossNotTold = "loss_not_told",
        /// Client: a holder that did not get the lock goes on as if it had.
        RefusalIgnored = "refusal_ignored",
        /// Client: a retry that is refused asks a replica who the owner is, and goes on as the holder if that shows the
        /// token of its own first try (redis #187, #3127 for what replicas show).
        OwnerReadAtReplica = "owner_read_at_replica",
        /// Client: the lock is a moment of the client's wall clock without a time to live, and whoever finds it past
        /// takes the lock over by GETSET (the pattern of redis-doc, "SETNX", which it advises against).
        LockIsTimestamp = "lock_is_timestamp",
        /// Client: the same, and the release deletes every lock whose moment is not before its own: that of the next
        /// holder too (redis-py, before pull request #384).
        ReleaseIfNotOlder = "release_if_not_older",
        /// Redis: the append-only file holds times to live rather than moments, so that they begin anew at a restart.
        RelativeExpiryInFile = "relative_expiry_in_file",
        /// Redis: a replica shows a key whose time to live is over, until the deletion of its master comes (redis #187,
        /// #3127: before Redis 3.2). It needs `owner_check = "replica"`.
        ReplicaShowsExpired = "replica_shows_expired",
        /// Redis: a replica that was promoted takes itself for a replica again after a restart, and so does an old
        /// master for a master (valkey #1322).
        RoleNotKept = "role_not_kept",
        /// Redis: the answer leaves before the append-only file is synced, with `append_fsync = "always"`.
        AnswerBeforeSync = "answer_before_sync",
        /// Sentinel: it votes for each that asks, so that an epoch has two leaders.
        VotesTwice = "votes_twice",
        /// Sentinel: its vote leaves before it is on the disk: after a crash of the machine it votes again.
        VoteBeforeSync = "vote_before_sync",
        /// Sentinel: what it finds down itself is down: there is no quorum.
        NoQuorum = "no_quorum",
        /// Resource: after a restart it has forgotten the greatest token that it has seen.
        FenceForgotten = "fence_forgotten",
        /// Resource: a write takes effect before its token is on the disk: after a crash of the machine an older one is
        /// taken.
        EffectBeforeSync = "effect_before_sync",
        /// Resource: the token is compared with the last one by equality, so that an older one is taken for new.
        FenceByDifference = "fence_by_difference",
        /// Redis: a deadline is kept in whole seconds, so that a lock ends up to a second early (redis-doc, "EXPIRE":
        /// Redis 2.4 and before).
        ExpiryInSeconds = "expiry_in_seconds",
        /// Sentinel: it promotes the first replica that is there, without a look at how much of the stream that has.
        SuccessorByNumber = "successor_by_number",
    }
}

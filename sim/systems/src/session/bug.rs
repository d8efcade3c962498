//! Known bugs, switchable one at a time: each is a small slip at the place where a real program made it, or where the
//! design of such programs warns of it.
//!
//! They prove that the invariants can see. A line below names the report or the paper; "(of the design)" means that
//! there is no public report. Some bugs would be hidden by a second check. With them that check is off too: under
//! `JeopardyServes`, `RenewalNeverGivesUp` and `CreatedBeforeExpired` the node server does not check the lease again.

splitbrain_kernel::names! {
    /// A known bug.
    pub enum Bug {
        /// None: the code as it should be.
        None = "none",
        /// Follower: the lease counts from the receipt of an answer, not from the send of its request (Gray and
        /// Cheriton 1989, section 2).
        ExtendFromReceipt = "extend_from_receipt",
        /// Follower: an answer that comes when the lease that it gave is over extends from its receipt (Gray and
        /// Cheriton 1989, section 2).
        LateReplyExtends = "late_reply_extends",
        /// Follower: it counts on its session for as long as the master's lease, which is too long where clocks differ
        /// (Gray and Cheriton 1989, section 5).
        EqualLeases = "equal_leases",
        /// Follower: a second copy of an answer extends the lease again, from its own receipt.
        DuplicateReplyExtends = "duplicate_reply_extends",
        /// Follower: the lease is measured on the wall clock, which may step back (redis #416).
        FollowerWallClock = "follower_wall_clock",
        /// Master: leases are measured on the wall clock (etcd #13019).
        MasterWallClock = "master_wall_clock",
        /// Master: a lease counts from the time that the follower wrote into its request (client-go #448).
        LeaseFromRecordTime = "lease_from_record_time",
        /// Follower: the iSCSI sessions stay alive in jeopardy (CURATOR-206).
        JeopardyServes = "jeopardy_serves",
        /// Follower: renewals fail for longer than the lease, and it goes on as its holder (kubernetes #23731).
        RenewalNeverGivesUp = "renewal_never_gives_up",
        /// Node server: whether the lease still runs is not looked at again after a wait (consul #9788).
        NoRecheckAfterWait = "no_recheck_after_wait",
        /// Node server: a target is given back before it is no longer served (of the design).
        ReleaseBeforeStop = "release_before_stop",
        /// Master: the expired callback erases the session first, and then does not find it (of the design: the
        /// common part "must be called at last").
        ExpiredErasesFirst = "expired_erases_first",
        /// Master: a part of the expired callback that failed is not run again (of the design).
        FailedPartSkipped = "failed_part_skipped",
        /// Master: a session that waits for its expired callback is put on the list again, and expires twice (of the
        /// design).
        ExpiredTwice = "expired_twice",
        /// Master: a keepalive extends a session whose expiry is decided (redlock-rb #36).
        ExpiringExtended = "expiring_extended",
        /// Master: the decision that a session expires is not on the disk before its callbacks run (of the
        /// design).
        ExpiryNotDurable = "expiry_not_durable",
        /// Master: the expired callback calls back into the access manager, whose lock it holds (of
        /// the design).
        CallbackUnderLock = "callback_under_lock",
        /// Master: whether it leads is checked when work begins, not when it takes effect (of the design:
        /// "check leader" at the time of effect).
        CheckThenAct = "check_then_act",
        /// Master: leases are over when it starts again, where etcd makes them whole again (etcd #2660).
        RestartForgetsLeases = "restart_forgets_leases",
        /// Master: the number of the next session is not on the disk (of the design).
        NumbersFromMemory = "numbers_from_memory",
        /// Master: an answer leaves before what it says is on the disk (of the design).
        AnswerBeforeDurable = "answer_before_durable",
        /// Master: an item of a session that has expired meanwhile is set (of the design).
        ItemOfDeadSession = "item_of_dead_session",
        /// Master: a session that is erased leaves its items. In ZooKeeper ephemeral nodes outlived their session in
        /// another way: a snapshot was newer than the truncated log (ZOOKEEPER-4837).
        ItemsSurvive = "items_survive",
        /// Master: a session is reused without a look at the process that uses it already (of the design: a reuse must
        /// change the epoch of the instance).
        InstanceNotChecked = "instance_not_checked",
        /// Master: a close that came while another process takes the session over ends it for that one (of the
        /// design).
        CloseEndsAdopted = "close_ends_adopted",
        /// Master: the targets of a dead session are free at once, whatever the lock-delay says (consul #2332).
        LockDelayIgnored = "lock_delay_ignored",
        /// Master: who asks for a target judges its holder by a lease of its own length (kubernetes #47671).
        ExpiryByOwnDuration = "expiry_by_own_duration",
        /// Follower: the created callback is left out if the master reused a session (of the design).
        CreatedNotOnReuse = "created_not_on_reuse",
        /// Follower: a new session is reported before the loss of the old one (CURATOR-367).
        CreatedBeforeExpired = "created_before_expired",
        /// Replica: a master that leads no longer goes by its old leases and sends what it decides to the one that
        /// leads, which ends sessions whose leases are new (etcd #12528).
        ExpiryOfEarlierTerm = "expiry_of_earlier_term",
        /// Replica: a master that was elected extends leases without looking whether another one was elected since
        /// (etcd #15247).
        ExtendsWithoutQuorum = "extends_without_quorum",
        /// Follower: the keepalive loop does not look at the stop token (etcd #17470).
        StopTokenIgnored = "stop_token_ignored",
        /// Follower: the created callback goes on after a wait, though its session was lost meanwhile (of the kind of
        /// CURATOR-367: what a callback says is no longer so).
        CreatedGoesOn = "created_goes_on",
        /// Volume: a token counts before it is on the disk, so that after a crash an older one is let in (Kleppmann,
        /// How to do distributed locking, 2016: the storage must remember the greatest token).
        FenceInMemory = "fence_in_memory",
        /// Node server: a target that was lost with its session stays on the list of those held, so that the chunk
        /// never asks for it again (consul #4902).
        HeldLocally = "held_locally",
        /// Master: a target that an earlier session of the same chunk still holds is taken for the chunk's own
        /// (KAFKA-4229; with a node of the session before, CURATOR-604).
        OldItemIsOwn = "old_item_is_own",
        /// Master: the first in line gets a target that is free, without a look at its session (etcd #9921).
        WaiterNotChecked = "waiter_not_checked",
        /// Replica: a change of leader gives a session its whole lease, whatever was written down of what remained
        /// (etcd #9395, #13294).
        TermForgetsRemainder = "term_forgets_remainder",
        /// Replica: what remains of a lease is not written down again under the next leader (etcd #13491, #17132).
        CheckpointOnce = "checkpoint_once",
        /// Replica: a snapshot that says to be of the last command lacks what that has done to sessions
        /// (ZOOKEEPER-3144).
        SnapshotNotAtomic = "snapshot_not_atomic",
        /// Node server: who waits in line for a target hears of the one before it, and not of the end of its own
        /// session (etcd #19597).
        WaiterNotTold = "waiter_not_told",
    }
}

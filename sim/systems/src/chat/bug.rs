//! Known bugs, switchable one at a time: each is a minimal slip at the place where real programs made it.
//!
//! They prove that the invariants can see. Most were made in a chat service that is written about in a series of public
//! notes, "QT chat project", day 20 (lryc.cn/news/626493), on one Redis with a lock of SET NX EX. Some its author
//! found, others are in the code that is shown, or in the code that it follows (github.com/secondtonone1/llfcchat).

splitbrain_kernel::names! {
    /// A known bug.
    pub enum Bug {
        /// None: the code as it should be.
        None = "none",
        /// The cleanup forgets the user at its end, even if it did not get the lock or the user has another session.
        CleanInRaii = "clean_in_raii",
        /// The cleanup compares the session before it waits for the lock, and goes on when it has it.
        OldReacquires = "old_reacquires",
        /// The cleanup does not compare the session: it removes the presence of a later login.
        NoCompareSession = "no_compare_session",
        /// A login that kicks on its own server ends the old session in its own thread, which asks for the lock that
        /// the thread has.
        NonReentrant = "non_reentrant",
        /// The cleanup takes the mutex of the session first and that of the users then; a kick takes them the other way
        /// round.
        LockOrder = "lock_order",
        /// The count is read, raised by one and written, under a lock of one user alone.
        ReadModifyWriteCount = "read_modify_write_count",
        /// The count is raised by a login and never lowered.
        CountNeverFalls = "count_never_falls",
        /// A guard gives back a connection that it refers to, and which an error has set to null by then.
        NullConnectionReturned = "null_connection_returned",
        /// The last reference to a session is dropped while the guard of its mutex is held.
        DestroyedWhileLocked = "destroyed_while_locked",
        /// A client keeps the lists of its user when another one logs in.
        ClientStateKept = "client_state_kept",
        /// A kick is a word to the client alone: the session stays until the client goes.
        KickNotifiesOnly = "kick_notifies_only",
        /// A login goes on when the kick on another server has failed.
        KickFailureIgnored = "kick_failure_ignored",
        /// A login waits for the answer of a kick without a deadline.
        KickWithoutDeadline = "kick_without_deadline",
        /// A kick names the user alone: one that is late ends the session of a later login.
        KickByUser = "kick_by_user",
        /// The presence is written without a look at the lock, which may be another's by then.
        WriteAfterExpiry = "write_after_expiry",
        /// The lock is given back before the answer leaves: a kick can come before it.
        ReleaseBeforeReply = "release_before_reply",
        /// A redis that does not answer SET NX is taken for one that refuses the lock, so that the user is said to be
        /// busy; and a connection that has failed is used again.
        NoReplyIsBusy = "no_reply_is_busy",
        /// A retry that finds the lock of its own first try takes it for another's.
        LostReplyBlocksItself = "lost_reply_blocks_itself",
        /// The presence has no time to live.
        PresenceWithoutExpiry = "presence_without_expiry",
        /// The two keys of the presence are written and removed by a command each, and get their time to live with
        /// the second one: a crash between the two leaves the first for good.
        PresenceInTwoSteps = "presence_in_two_steps",
        /// A session that never logged in is cleaned up under the lock of user 0, which all of them share.
        LockOfNoUser = "lock_of_no_user",
        /// A login that did not get the lock goes on without it.
        LoginWithoutLock = "login_without_lock",
        /// Giving back a lock that was never had is reported as done.
        EmptyReleaseSucceeds = "empty_release_succeeds",
        /// A lock is asked for every millisecond.
        SpinsEveryMillisecond = "spins_every_millisecond",
        /// Each request for a login gets a new token, and the one before is void.
        TokenOverwritten = "token_overwritten",
        /// Silence is measured by the wall clock.
        WallClockHeartbeat = "wall_clock_heartbeat",
        /// One thread handles logins and heartbeats: a login that waits holds up all of them.
        OneThreadForAll = "one_thread_for_all",
        /// The test of the token is inverted: one that is there is refused, and none is let in.
        TestInverted = "test_inverted",
    }
}

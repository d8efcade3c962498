//! The slips: small, honest mistakes in the newer parts of Raft, written down before anyone looked whether they are
//! found. Each is a place in the code and what stands there instead; `SLIP` is true in the run that has this slip.

/// Where their files lie.
pub(crate) const RAFT: &str = "sim/systems/src/raft";

/// A mistake.
pub(crate) struct Slip {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What goes wrong.
    pub(crate) what: &'static str,
    /// In which file of [`RAFT`].
    pub(crate) file: &'static str,
    /// What stands there, once in the file.
    pub(crate) from: &'static str,
    /// What stands there with the slip.
    pub(crate) to: &'static str,
}

impl Slip {
    /// The text of its file with this slip behind a switch; `None` unless its place stands there exactly once.
    pub(crate) fn written_into(&self, text: &str, switch: &str) -> Option<String> {
        let stands_once = text.matches(self.from).count() == 1;
        stands_once.then(|| text.replace(self.from, &self.to.replace("SLIP", switch)))
    }
}

pub(crate) const SLIPS: &[Slip] = &[
    // ---- Replication ----
    Slip {
        name: "accept_moves_next_back",
        what: "a late acknowledgement moves the next entry to send back",
        file: "progress.rs",
        from: "self.next = self.next.max(self.matched.next());",
        to: "self.next = if SLIP { matched.next() } else { self.next.max(self.matched.next()) };",
    },
    Slip {
        name: "commit_beyond_entries",
        what: "a follower commits up to its own last entry, and not up to what the append has shown",
        file: "replication.rs",
        from: "let commit = append.commit.min(matched);",
        to: "let commit = append.commit.min(if SLIP { shared.log.last_index() } else { matched });",
    },
    Slip {
        name: "matched_is_own_last",
        what: "a follower acknowledges its own last entry",
        file: "replication.rs",
        from: "        AppendResult::Accepted { matched }\n    }",
        to: "        AppendResult::Accepted { matched: if SLIP { shared.log.last_index() } else { matched } }\n    }",
    },
    Slip {
        name: "stale_append_answer",
        what: "a leader counts an acknowledgement of an earlier term",
        file: "node.rs",
        from: ".on_answer(ctx, source, term, |leader, shared, ctx| leader.on_append_reply(",
        to: ".on_answer(ctx, source, if SLIP { term.max(self.term()) } else { term }, |leader, shared, ctx| \
             leader.on_append_reply(",
    },
    Slip {
        name: "append_acknowledged_before_durable",
        what: "a follower acknowledges entries that its disk does not have yet",
        file: "replication.rs",
        from: "shared.log.unsynced().filter(|_| accepted);",
        to: "shared.log.unsynced().filter(|_| accepted && !SLIP);",
    },
    Slip {
        name: "conflict_not_seen",
        what: "a follower keeps an entry of another term at a place that it is sent",
        file: "replication.rs",
        from: "Some(term) if term == entry.term => {}",
        to: "Some(term) if term == entry.term || SLIP => {}",
    },
    Slip {
        name: "durable_not_cut",
        what: "what was durable of a dropped tail counts as durable still",
        file: "log.rs",
        from: "        self.durable = self.durable.min(keep);\n",
        to: "        self.durable = if SLIP { self.durable } else { self.durable.min(keep) };\n",
    },
    Slip {
        name: "write_not_cut",
        what: "a write of a dropped tail that is under way makes its places durable when it ends",
        file: "log.rs",
        from: "*through = (*through).min(keep);",
        to: "*through = if SLIP { *through } else { (*through).min(keep) };",
    },
    Slip {
        name: "in_flight_leaks",
        what: "an acknowledgement does not free the place in flight of the very append that it answers",
        file: "progress.rs",
        from: "self.in_flight.front().is_some_and(|last| *last <= matched)",
        to: "self.in_flight.front().is_some_and(|last| *last < matched || (!SLIP && *last == matched))",
    },
    Slip {
        name: "batch_lacks_the_last",
        what: "a batch ends one entry before the last that may be sent",
        file: "log.rs",
        from: "batch.entries_max.min(through.0 + 1 - from.0)",
        to: "batch.entries_max.min(through.0 + u64::from(!SLIP) - from.0)",
    },
    Slip {
        name: "file_start_off_by_one",
        what: "a compacted log takes its file to begin behind its base",
        file: "log.rs",
        from: "        self.file_start = base;\n",
        to: "        self.file_start = if SLIP { base.next() } else { base };\n",
    },
    Slip {
        name: "answered_one_early",
        what: "a proposal is answered when the entry before it is committed",
        file: "replication.rs",
        from: "pop_front_if(|pending| pending.index <= commit)",
        to: "pop_front_if(|pending| pending.index <= if SLIP { commit.next() } else { commit })",
    },
    // ---- Snapshots ----
    Slip {
        name: "part_acknowledged_before_durable",
        what: "a part of a snapshot is acknowledged before it is durable",
        file: "installation.rs",
        from: "return self.answer_part(ctx, source, self.snapshots.parts_write, part.last.index, result);",
        to: "let write = self.snapshots.parts_write.filter(|_| !SLIP);\n\
             return self.answer_part(ctx, source, write, part.last.index, result);",
    },
    Slip {
        name: "snapshot_acknowledged_before_durable",
        what: "a snapshot is acknowledged before it is durable",
        file: "installation.rs",
        from: "self.answer_part(ctx, source, saving, part.last.index, PartResult::Installed);",
        to: "self.answer_part(ctx, source, saving.filter(|_| !SLIP), part.last.index, PartResult::Installed);",
    },
    Slip {
        name: "log_dropped_behind_a_snapshot",
        what: "a snapshot that is ahead of the commit index drops a log that agrees with it",
        file: "installation.rs",
        from: "last.index > self.commit && !self.log.contains(last)",
        to: "last.index > self.commit && (SLIP || !self.log.contains(last))",
    },
    Slip {
        name: "log_cut_before_the_snapshot_is_durable",
        what: "the log is compacted when a snapshot is taken, and not when it is durable",
        file: "installation.rs",
        from: "        self.save_snapshot(ctx, snapshot);\n    }",
        to: "        self.save_snapshot(ctx, snapshot);\n        if SLIP { self.compact(ctx, last.index); }\n    }",
    },
    Slip {
        name: "older_snapshot_of_a_new_leader_refused",
        what: "a part of an older snapshot is taken for late even if a new leader sends it",
        file: "snapshot.rs",
        from: "self.term >= part.term && self.last.index > part.last.index",
        to: "(SLIP || self.term >= part.term) && self.last.index > part.last.index",
    },
    Slip {
        name: "snapshots_mixed",
        what: "parts of two snapshots with as many items are put together",
        file: "snapshot.rs",
        from: "(self.last, self.total) == (part.last, part.total)",
        to: "self.total == part.total && (SLIP || self.last == part.last)",
    },
    Slip {
        name: "part_added_twice",
        what: "a part that comes twice is added twice",
        file: "snapshot.rs",
        from: "self.is_of(part) && part.offset == self.next()",
        to: "self.is_of(part) && (SLIP || part.offset == self.next())",
    },
    Slip {
        name: "restarted_without_state",
        what: "a server that starts from a snapshot has its place and not its state",
        file: "installation.rs",
        from: "        self.restore_state(&snapshot.items);\n        ctx.observe(RaftObservation::SnapshotRestored",
        to: "        if !SLIP { self.restore_state(&snapshot.items); }\n        \
             ctx.observe(RaftObservation::SnapshotRestored",
    },
    // ---- Membership ----
    Slip {
        name: "silent_learner_promoted",
        what: "a learner that has not answered for long is promoted",
        file: "membership.rs",
        from: "lacks_little(progress) && is_heard(progress);",
        to: "lacks_little(progress) && (SLIP || is_heard(progress));",
    },
    Slip {
        name: "joint_election_by_either",
        what: "in a joint configuration a quorum of either set elects",
        file: "shared.rs",
        from: "self.halves().all(|half| self.is_quorum_of(half, tally.granted))",
        to: "self.halves().all(|half| self.is_quorum_of(half, tally.granted))\n            \
             || SLIP && self.halves().any(|half| self.is_quorum_of(half, tally.granted))",
    },
    Slip {
        name: "truncation_off_by_one",
        what: "a configuration stays that stood at the very place from which the log is dropped",
        file: "membership/history.rs",
        from: "*index < from || *index == Index::ZERO",
        to: "*index < from || *index == Index::ZERO || (SLIP && *index == from)",
    },
    Slip {
        name: "certain_forgotten",
        what: "a configuration that another follows is not known to be committed",
        file: "membership/history.rs",
        from: "        self.certain = self.certain.max(last);\n",
        to: "        self.certain = if SLIP { self.certain } else { self.certain.max(last) };\n",
    },
    Slip {
        name: "snapshot_with_the_latest_members",
        what: "a snapshot carries the last configuration of the log, and not that of its place",
        file: "installation.rs",
        from: "let (index, members) = self.memberships.at(last.index);",
        to: "let (index, members) = if SLIP { self.memberships.last() } else { self.memberships.at(last.index) };",
    },
    Slip {
        name: "base_configuration_lost",
        what: "a compacted log forgets the configuration of its base where another follows",
        file: "membership/history.rs",
        from: "self.entries.retain(|(index, _)| *index >= first);",
        to: "let is_followed = self.last_index() > first;\n        \
             self.entries.retain(|(index, _)| *index > first || (*index == first && !(SLIP && is_followed)));",
    },
    Slip {
        name: "learner_votes_counted",
        what: "a candidate counts the vote of a learner",
        file: "election.rs",
        from: "if !shared.configuration.electors().contains(voter) {",
        to: "let votes = shared.configuration.electors().contains(voter)\n            \
             || SLIP && shared.configuration.members().contains(voter);\n        \
             if !votes {",
    },
    Slip {
        name: "demoted_are_removed",
        what: "a joint configuration that makes a voter a learner is left without it",
        file: "membership/change.rs",
        from: "members.learners.union(members.learners_next)",
        to: "members.learners.union(if SLIP { ServerSet::EMPTY } else { members.learners_next })",
    },
    // ---- Transfer ----
    Slip {
        name: "stale_timeout_now",
        what: "a server campaigns when it is told so by who does not lead",
        file: "transfer.rs",
        from: "let is_of_leader = term == self.term() && self.leader() == Some(source.node);",
        to: "let is_of_leader = SLIP || term == self.term() && self.leader() == Some(source.node);",
    },
    Slip {
        name: "successor_told_early",
        what: "a successor is told to campaign before it has the log",
        file: "transfer.rs",
        from: "self.progress(target).is_none_or(|progress| progress.matched < last)",
        to: "self.progress(target).is_none_or(|progress| progress.matched < last && !SLIP)",
    },
    Slip {
        name: "transfer_timer_left",
        what: "the timer of a transfer goes on when the leadership is over",
        file: "roles.rs",
        from: "if self.successor.is_some() {",
        to: "if self.successor.is_some() && !SLIP {",
    },
    Slip {
        name: "transfer_vote_without_log_check",
        what: "a vote on a leader's behalf does not compare the logs",
        file: "election.rs",
        from: "        self.answer_candidate(ctx, source, request, None);\n",
        to: "        let is_free = self.voted_for().is_none() && !self.is_leader();\n        \
             if SLIP && request.term == self.term() && is_free {\n            \
             return self.grant_vote(ctx, source);\n        }\n        \
             self.answer_candidate(ctx, source, request, None);\n",
    },
    // ---- Reads ----
    Slip {
        name: "read_joins_earlier_round",
        what: "a read waits for a round of confirmations that began before it came",
        file: "read.rs",
        from: "is_some_and(|(_, sent_at)| *sent_at == now)",
        to: "is_some_and(|(_, sent_at)| SLIP || *sent_at == now)",
    },
    Slip {
        name: "joint_reads_by_either",
        what: "in a joint configuration a quorum of either set confirms a read",
        file: "read.rs",
        from: "let reached = shared.halves().map(|half| shared.confirmed_by(reads, half)).min().unwrap_or(0);",
        to: "let confirmed = shared.halves().map(|half| shared.confirmed_by(reads, half));\n        \
             let reached = if SLIP { confirmed.max() } else { confirmed.min() }.unwrap_or(0);",
    },
    Slip {
        name: "confirmation_is_no_promise",
        what: "a voter that confirms does not take that for contact with its leader",
        file: "read.rs",
        from: "        self.hear_from(ctx, source, term, |_, shared, ctx| {\n",
        // All that `hear_leader` has noted is taken back.
        to: "        let Shared { clock, priority, isolation, .. } = &self.shared;\n        \
             let (clock, priority, isolation) = (*clock, *priority, *isolation);\n        \
             self.hear_from(ctx, source, term, |_, shared, ctx| {\n            \
             if SLIP {\n                \
             shared.clock.contact_at = clock.contact_at;\n                \
             shared.clock.heartbeat_seen = clock.heartbeat_seen;\n                \
             shared.priority = priority;\n                \
             shared.isolation.silent_rounds = isolation.silent_rounds;\n                \
             shared.isolation.steps_to_down = isolation.steps_to_down;\n            \
             }\n",
    },
    Slip {
        name: "confirmation_of_earlier_term",
        what: "a leader counts confirmations of an earlier term",
        file: "node.rs",
        from: ".on_answer(ctx, source, term, |leader, shared, ctx| leader.on_confirm_reply(",
        to: ".on_answer(ctx, source, if SLIP { term.max(self.term()) } else { term }, |leader, shared, ctx| \
             leader.on_confirm_reply(",
    },
];

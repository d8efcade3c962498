//! Raft: elections, replication, snapshots and the transfer of a leadership, as the paper and its implementations have
//! them.
//!
//! # Design
//!
//! A [`RaftNode`] is a server or a client. A server is a role and what it has in every role:
//!
//! ```text
//!   Server { role: Follower | PreCandidate | Candidate | Leader,
//!            shared: term and vote, log, disk, connections, clocks }
//! ```
//!
//! One `match` in [`node`] takes every input apart, and the first thing that an input concerns is asked of the role
//! once. What only a leader does is a method of [`Leader`](state::Leader) with the shared part as a parameter, and so
//! for the other roles: in a wrong role it does not compile. Such a method changes no role. It returns what is to
//! follow, and the server makes the transition: a leader that gives up returns the reason, and `?` ends whatever it
//! was about to do as a leader.
//!
//! Each subject has its file:
//!
//! | file | subject | source |
//! | --- | --- | --- |
//! | `roles` | transitions between roles and terms, the only writers of the role | §5.1, §5.2 |
//! | `shared` | what a server has in every role, and its quorums | |
//! | `election` | election timer, elections, votes, leases | §5.2, §5.4.1, thesis §4.2.3 |
//! | `pre_vote` | rounds of pre-votes | thesis §9.6, etcd, NuRaft |
//! | `replication` | appends, commit, proposals | §5.3, §5.4.2 |
//! | [`snapshot`], `installation` | snapshots, compaction, and how a follower is brought one | §7 |
//! | [`progress`] | how far a follower is, and when it is sent what | etcd `tracker` |
//! | `transfer` | a leadership that is handed over | thesis §3.10 |
//! | [`membership`] | changes of the configuration, one server at a time or joint | §6, thesis chapter 4 |
//! | `check_quorum` | a leader that loses its quorum | etcd, NuRaft, hashicorp |
//! | `priority` | who may campaign | NuRaft |
//! | `read` | reads beside the log: confirmations and leases | thesis §6.4 |
//! | `transport` | datagrams or connections, and what waits for the disk | NuRaft |
//! | [`client`] | a caller that proposes values | |
//! | [`kv`] | a key-value store with sessions, and its client | thesis §6.3 |
//! | [`log`], [`quorum`], [`ids`] | pure values | |
//! | [`registers`] | the state machine of the plain system | |
//! | [`durable`] | what is on the disk | §5.1, NuRaft `srv_state` |
//! | [`configuration`] | who takes part | |
//! | [`options`], [`presets`], [`bug`], `idle` | what a scenario can set, and what of it has no effect | |
//! | [`observation`] | what watchers hear | |
//! | [`state`] | the state of a server and how to read it | |
//! | [`machine`] | what a node calls that has a server inside and a state machine around it | §2 |
//! | [`facts`], [`invariants`] | what watches this Raft, or another | |
//!
//! **Implementations are options.** `paper`, `etcd`, `nuraft` and `hashicorp` are four sets of values; no code asks for
//! a preset. Where implementations differ there is one option for the difference, so they can be mixed.
//!
//! **Order of durability.** A handler changes the state in memory; the first message that it sends, or its end, writes
//! the state once. While that write is under way every message waits for it, so nothing is said in a term, and no vote
//! is given, that a crash could take back. An acknowledgement of entries also waits for their write. A candidate counts
//! its own vote, and a leader its own copy, once they are durable. A crash drops what waited, with the write.
//!
//! **In steady state** a heartbeat and its answer allocate nothing, write nothing and observe nothing.
//!
//! # Under a state machine of your own
//!
//! Everything here is generic over the command that an entry carries, any [`Payload`](message::Payload):
//! `RaftNode<Put>`, `RaftMessage<Put>`, and [`RaftOf<Put>`](RaftOf) for the cluster. [`Raft`] is the plain form,
//! over numbers. The state
//! machine stays outside, in the node that holds the server:
//!
//! ```text
//! impl Store {
//!     /// Calls the server inside, and applies what it has applied since.
//!     fn enter(
//!         &mut self,
//!         ctx: &mut Context<Self>,
//!         call: impl FnOnce(&mut RaftNode<Put>, &mut Context<RaftNode<Put>>),
//!     ) {
//!         self.scope.enter(ctx, |ctx| call(&mut self.raft, ctx));
//!         let server = self.raft.server().expect("each node holds a server");
//!         for (index, entry) in server.applied_after(self.applied) {
//!             if let Command::Set(Put { word, count }) = &entry.command {
//!                 self.words.insert(word.clone(), *count);
//!             }
//!             self.applied = index;
//!         }
//!     }
//! }
//!
//! // In a handler of the outer node:
//! self.enter(ctx, |raft, ctx| raft.on_message(ctx, source, message));
//! self.enter(ctx, |raft, ctx| place = raft.propose(ctx, put));
//! ```
//!
//! `tests/machine.rs` of this crate has the whole of it, with its embedding and an invariant of its own over the maps.
//! [`machine`] says what a place that `propose` returns is worth, and how to read.
//!
//! # Caveats
//!
//! - Entries are applied when they are committed, in no time; of what is applied, a restart keeps the last snapshot.
//! - Taking a snapshot takes no time but that of the disk. A server inside another node takes one when that node hands
//!   it the state of its machine ([`machine`]). NuRaft's mark for a server that receives a snapshot is set by order
//!   only: here the parts lie beside the log until all of them are there, so a server that has some may go on as
//!   before.
//! - One heartbeat timer serves all peers. NuRaft has one for each, and slows it down while requests fail.
//! - Randomised timeouts are continuous. etcd counts ticks of 100 ms, NuRaft whole milliseconds.
//! - NuRaft has no role of its own for a pre-candidate: its traces say `candidate` for both. A server there that is
//!   kept from campaigning by its priority is a `candidate` too; here it stays what it was and forgets its leader.
//! - NuRaft writes the new term and then the vote, with a crash possible in between; here one decision is one write.
//! - NuRaft counts a vote that arrives when it is no longer a candidate, if the election is not over; here it does not.
//! - The `nuraft` preset commits entries of older terms by counting, and keeps what a leader knew of its followers when
//!   it led before, as NuRaft does. Both lose committed entries; `log.commit_counts` and `log.matched_at_election` mend
//!   them. NuRaft forgets what it knew of a follower at each reconnection; here only what it kept from before its
//!   election.
//! - NuRaft gives up at its limit of refused pre-votes because it does not find its leader's connection, which is read
//!   from its source and not reproduced.
//! - hashicorp/raft grants a pre-vote of its own term whatever it has voted there; here etcd's rule holds for both.
//!   It sends heartbeats and entries by separate threads; here both are appends on one connection.
//! - hashicorp and etcd give clients more answers than these: a follower forwards nothing here, it redirects.
//! - hashicorp's VerifyLeader and NuRaft's reads of a leader's state machine are not modelled: `reads.method` is the
//!   same for all presets, and only its default differs.
//! - A server that is no member of the configuration (a spare one) follows, and neither campaigns nor counts.
//!   It knows the configuration of the scenario from its start, so a server that lost its disk takes itself for what it
//!   was there until a leader brings it another one.
//! - What is committed is applied at once, so etcd's time between the commit and the application of a configuration is
//!   none. A leader sends one more append to a server that it removes, as hashicorp does; NuRaft asks it to leave
//!   first.
//! - A promoted learner has caught up by the number of entries that it lacks; the thesis counts rounds of replication.

pub mod bug;
pub mod client;
pub mod configuration;
pub mod durable;
pub mod facts;
pub mod ids;
pub mod invariants;
pub mod kv;
pub mod log;
pub mod machine;
pub mod membership;
pub mod message;
pub mod node;
pub mod observation;
pub mod options;
pub mod presets;
pub mod priority;
pub mod progress;
pub mod quorum;
pub mod registers;
pub mod snapshot;
pub mod state;
pub mod system;
pub mod workload;

mod brief;
mod check_quorum;
mod election;
mod idle;
mod installation;
mod pre_vote;
mod read;
mod replication;
mod roles;
mod shared;
mod stall;
mod transfer;
mod transport;

#[cfg(test)]
mod tests;

pub use node::RaftNode;
pub use system::{Raft, RaftOf};

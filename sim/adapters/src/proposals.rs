//! Clients that propose numbers, one at a time, to the server that they believe to lead; and the workload that asks
//! them to. Both libraries leave clients to the application, so both adapters have the same ones.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::*;
use splitbrain::kernel::system::WorkloadInfo;
use splitbrain::kernel::workload::{Loop, Pace, PaceOptions, options_of};

/// How long a client waits for an answer before it gives an operation up as unknown.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it waits before it asks again, when the server that it asked knows no leader or takes no proposals.
const RETRY: Duration = Duration::from_millis(100);
/// How many operations wait at a client that is busy; it refuses further ones.
const WAITING_MAX: usize = 16;

/// What a client is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Propose {
    /// The number to propose, below 2^53.
    pub value: u64,
}

/// What a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The place of the log that the number was applied at, from 1.
    pub index: u64,
}

/// What a server answers a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The number is applied.
    Placed(Placed),
    /// This server does not lead, and has done nothing.
    NotLeader {
        /// The server that it believes to lead, if any.
        leader: Option<NodeId>,
    },
    /// This server leads, takes no proposals for now, and has done nothing.
    Busy,
}

/// A node type with such clients.
pub trait Proposes: Node<Operation = Propose, Response = Placed> {
    /// The message by which a client asks a server.
    fn request(operation: OperationId, value: u64) -> Self::Message;
    /// The timer of a client's next attempt.
    const RETRY: Self::Timer;
    /// The timer after which a client gives up.
    const PATIENCE: Self::Timer;
}

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    servers: u16,
    leader: NodeId,
    running: Option<(OperationId, u64)>,
    waiting: VecDeque<Propose>,
}

impl Client {
    /// A client of the servers with these numbers: 1 to `servers`.
    pub const fn new(servers: u16) -> Self {
        Self { servers, leader: NodeId::server(1), running: None, waiting: VecDeque::new() }
    }

    /// The workload asks for something.
    pub fn on_operation<N: Proposes>(&mut self, ctx: &mut Context<N>, operation: Propose) {
        if self.running.is_none() {
            self.begin(ctx, operation);
        } else if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(operation);
        } else {
            let refused = ctx.invoke(operation);
            ctx.complete(refused, OperationResult::Failed);
        }
    }

    /// A server has answered.
    pub fn on_answer<N: Proposes>(&mut self, ctx: &mut Context<N>, from: NodeId, to: OperationId, answer: Answer) {
        if self.running.is_none_or(|(running, _)| running != to) {
            return;
        }
        match answer {
            Answer::Placed(placed) => self.end(ctx, OperationResult::Ok(placed)),
            // Only the server that was asked last is listened to.
            Answer::NotLeader { .. } | Answer::Busy if from != self.leader => {}
            Answer::NotLeader { leader: Some(leader) } if leader != from => {
                self.leader = leader;
                self.ask(ctx);
            }
            Answer::NotLeader { .. } => {
                self.leader = self.after(from);
                ctx.set_timer(N::RETRY, RETRY);
            }
            Answer::Busy => ctx.set_timer(N::RETRY, RETRY),
        }
    }

    /// The timer of the next attempt has fired.
    pub fn on_retry<N: Proposes>(&self, ctx: &mut Context<N>) {
        self.ask(ctx);
    }

    /// No answer came in time: what was asked for may have happened, or may still.
    pub fn on_patience<N: Proposes>(&mut self, ctx: &mut Context<N>) {
        self.leader = self.after(self.leader);
        self.end(ctx, OperationResult::Unknown);
    }

    fn begin<N: Proposes>(&mut self, ctx: &mut Context<N>, operation: Propose) {
        self.running = Some((ctx.invoke(operation), operation.value));
        ctx.set_timer(N::PATIENCE, PATIENCE);
        self.ask(ctx);
    }

    fn ask<N: Proposes>(&self, ctx: &mut Context<N>) {
        if let Some((operation, value)) = self.running {
            ctx.send(self.leader, N::request(operation, value));
        }
    }

    fn end<N: Proposes>(&mut self, ctx: &mut Context<N>, result: OperationResult<Placed>) {
        let Some((operation, _)) = self.running.take() else { return };
        ctx.cancel_timer(N::PATIENCE);
        ctx.cancel_timer(N::RETRY);
        ctx.complete(operation, result);
        if let Some(next) = self.waiting.pop_front() {
            self.begin(ctx, next);
        }
    }

    const fn after(&self, server: NodeId) -> NodeId {
        NodeId::server(server.number() % self.servers + 1)
    }
}

options! {
    /// The options of the workload `propose`.
    pub struct ProposeOptions {
        /// Whether a client waits for the end of a proposal before the next.
        pub pacing: Loop => ValueKind::Name(Loop::NAMES),
        /// Closed loop: the mean time from the end of a proposal to the next one; exponential.
        pub think: Duration => ValueKind::Duration { min: Duration::from_micros(1), max: Duration::from_secs(3600) },
    }
}

impl Options for ProposeOptions {
    fn presets() -> &'static [Preset<Self>] {
        const OPEN: Preset<ProposeOptions> = Preset {
            name: "propose",
            doc: "An open loop.",
            make: || ProposeOptions { pacing: Loop::Open, think: Duration::from_millis(100) },
        };
        &[OPEN]
    }
}

/// What one client is asked for: one random number after the other.
#[derive(Clone, Debug)]
pub struct Proposals {
    pace: Pace,
    values: Rng,
}

impl Proposals {
    /// The workload of a system that has no other.
    pub const WORKLOADS: &'static [WorkloadInfo] = &[WorkloadInfo {
        name: "propose",
        doc: "Each client proposes one random number after another, to the server that it believes to lead.",
        options: options_of::<ProposeOptions>,
    }];

    /// The proposals that a scenario asks for.
    ///
    /// # Errors
    /// Settings that have no effect, or contradict one another.
    pub fn of(call: &WorkloadCall<'_>) -> Result<Self, OptionsError> {
        let ProposeOptions { pacing, think } = call.options();
        let whole = Duration::from_millis(100);
        let options = PaceOptions { pacing, think, burst_every: Duration::ZERO, burst_length: whole };
        let values = call.stream.fork("values", 0);
        Ok(Self { pace: Pace::of(call, options, call.stream.clone())?, values })
    }
}

impl Workload<Propose, Placed> for Proposals {
    fn next(&mut self, now: Instant) -> Next<Propose> {
        // Below 2^53, so that every reader of TOML and JSON gets the same number.
        self.pace.next(now, || Propose { value: self.values.below(1 << 53) })
    }
}

#[cfg(test)]
mod tests {
    use splitbrain::kernel::host::Host;

    use super::*;
    use crate::raft_rs::{Process, RaftRs, Wire};
    use crate::testing::{host, preset};

    const S1: NodeId = NodeId::server(1);
    const S2: NodeId = NodeId::server(2);
    const S3: NodeId = NodeId::server(3);

    /// A client, and what it did since the last look.
    struct Stand(Host<Process>);

    impl Stand {
        fn new() -> Self {
            let mut host = host::<RaftRs>(NodeId::client(1), preset());
            host.start();
            Self(host)
        }

        fn propose(&mut self, value: u64) {
            self.0.operation(Propose { value });
        }

        fn answer(&mut self, from: NodeId, operation: OperationId, answer: Answer) {
            self.0.message(from, Wire::Answer { operation, answer });
        }

        /// Whom it asked for what, by which name.
        fn asked(&mut self) -> Vec<(NodeId, OperationId, u64)> {
            let asked = self.0.take_sent().into_iter().filter_map(|(target, message)| match message {
                Wire::Propose { operation, value } => Some((target, operation, value)),
                _ => None,
            });
            asked.collect()
        }

        /// How operations ended.
        fn ended(&mut self) -> Vec<(OperationId, OperationResult<Placed>)> {
            let ended = self.0.take().into_iter().filter_map(|effect| match effect {
                Effect::Complete { id, result } => Some((id, result)),
                _ => None,
            });
            ended.collect()
        }
    }

    #[test]
    fn an_answer_to_what_is_over_says_nothing() {
        let mut client = Stand::new();
        client.propose(7);
        let [(S1, first, 7)] = client.asked()[..] else { panic!("it asks the first server") };
        client.0.advance(PATIENCE);
        assert_eq!(client.ended(), [(first, OperationResult::Unknown)], "it may still happen");
        client.propose(8);
        let [(S2, second, 8)] = client.asked()[..] else { panic!("it asks the next server") };
        let placed = Placed { index: 1 };
        client.answer(S1, first, Answer::Placed(placed));
        assert!(client.ended().is_empty(), "the answer is late");
        client.answer(S2, second, Answer::Placed(placed));
        assert_eq!(client.ended(), [(second, OperationResult::Ok(placed))]);
    }

    #[test]
    fn a_client_follows_the_leader_that_it_is_shown() {
        let mut client = Stand::new();
        client.propose(7);
        let (_, operation, _) = client.asked()[0];
        client.answer(S1, operation, Answer::NotLeader { leader: Some(S3) });
        assert_eq!(client.asked(), [(S3, operation, 7)]);
        client.answer(S1, operation, Answer::NotLeader { leader: Some(S2) });
        assert!(client.asked().is_empty(), "only the server that was asked last is listened to");
    }

    #[test]
    fn a_server_that_knows_no_leader_but_itself_is_left_for_the_next_one_after_a_while() {
        for leader in [None, Some(S1)] {
            let mut client = Stand::new();
            client.propose(7);
            let (_, operation, _) = client.asked()[0];
            client.answer(S1, operation, Answer::NotLeader { leader });
            assert!(client.asked().is_empty(), "it waits");
            client.0.advance(RETRY);
            assert_eq!(client.asked(), [(S2, operation, 7)]);
        }
    }

    #[test]
    fn a_leader_that_takes_no_proposals_is_asked_again_after_a_while() {
        let mut client = Stand::new();
        client.propose(7);
        let (_, operation, _) = client.asked()[0];
        client.answer(S2, operation, Answer::Busy);
        client.0.advance(RETRY);
        assert!(client.asked().is_empty(), "it was not asked last");
        client.answer(S1, operation, Answer::Busy);
        client.0.advance(RETRY);
        assert_eq!(client.asked(), [(S1, operation, 7)]);
    }

    #[test]
    fn what_is_asked_of_a_busy_client_waits_for_its_turn() {
        let mut client = Stand::new();
        let most = 1 + WAITING_MAX as u64;
        (0..=most).for_each(|value| client.propose(value));
        let refused = client.0.take().into_iter().filter_map(|effect| match effect {
            Effect::Complete { result, .. } => Some(result),
            _ => None,
        });
        assert_eq!(refused.collect::<Vec<_>>(), [OperationResult::Failed], "one is too many");
    }
}

//! Nodes that talk by themselves, with everything that a node can do: the load of the tests of determinism.

use splitbrain_kernel::context::{Context, OperationId, OperationResult};
use splitbrain_kernel::id::{KindId, NodeId};
use splitbrain_kernel::node::{ConnectionChange, ConnectionEvent, ConnectionId, Source, Write};
use splitbrain_kernel::time::Duration;

use crate::toy::{Actor, LOG, Note, Op};

/// What a talkative node keeps in mind.
#[derive(Clone, Debug)]
pub(crate) struct Chatter {
    rounds: u64,
    open: Option<(ConnectionId, NodeId)>,
    asked: Option<OperationId>,
}

/// A note with this remainder is to be answered.
const ASKS: u64 = 0;

impl Chatter {
    pub(crate) const fn new() -> Self {
        Self { rounds: 0, open: None, asked: None }
    }

    pub(crate) fn on_start(&mut self, ctx: &mut Context<Actor>) {
        self.rest(ctx);
    }

    /// The pace is the same whatever the node hears, so that its draws are the same too.
    fn rest(&self, ctx: &mut Context<Actor>) {
        let after = ctx.rng().duration(Duration::from_millis(2), Duration::from_millis(12));
        ctx.set_timer(0, after);
    }

    pub(crate) fn on_timer(&mut self, actor: &Actor, ctx: &mut Context<Actor>) {
        self.rounds += 1;
        let (id, round) = (ctx.id(), self.rounds);
        let number = ctx.rng().below(1_000);
        for peer in actor.cluster.all_servers().filter(|peer| *peer != id) {
            ctx.send(peer, Note { number: number * 3 + ASKS, loud: round % 2 == 0, size: 64 });
        }
        if round % 3 == 0 {
            let write = ctx.persist(Write::Append(LOG, number));
            ctx.send_after(write, NodeId::server(1), Note { number: number * 3 + 1, loud: true, size: 64 });
        }
        if round % 5 == 0 {
            ctx.write(Write::Replace(LOG, round));
            ctx.defer(round);
        }
        match self.open {
            None if round % 4 == 0 => {
                let peer = NodeId::server(
                    u16::try_from(number % u64::from(actor.cluster.count(KindId::SERVER))).unwrap_or(0) + 1,
                );
                let connection = ctx.connect(peer);
                self.open = Some((connection, peer));
            }
            Some((connection, _)) if round % 29 == 0 => {
                ctx.close(connection);
                self.open = None;
            }
            Some((connection, peer)) => {
                ctx.send_on(connection, peer, Note { number: number * 3 + 2, loud: false, size: 640 });
            }
            None => {}
        }
        if id.is_client() {
            self.ask(ctx, number);
        }
        self.rest(ctx);
    }

    fn ask(&mut self, ctx: &mut Context<Actor>, number: u64) {
        if let Some(id) = self.asked.take() {
            let result = if number.is_multiple_of(2) { OperationResult::Unknown } else { OperationResult::Failed };
            ctx.complete(id, result);
        }
        self.asked = Some(ctx.invoke(Op::Invoke(number)));
    }

    pub(crate) fn on_note(&mut self, ctx: &mut Context<Actor>, source: Source, note: &Note) {
        if source.connection.is_none() && note.number % 3 == ASKS {
            ctx.send(source.node, Note { number: note.number + 1, loud: false, size: 32 });
        }
    }

    pub(crate) fn on_connection(&mut self, _: &Actor, _: &mut Context<Actor>, event: ConnectionEvent) {
        let is_over = !matches!(event.change, ConnectionChange::Opened | ConnectionChange::Accepted);
        if is_over && self.open.is_some_and(|(connection, _)| connection == event.connection) {
            self.open = None;
        }
    }
}

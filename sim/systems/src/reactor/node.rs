//! The node: a server's machine or a client.

use std::fmt::{self, Formatter};

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::context::Context;
use splitbrain_kernel::node::{ConnectionEvent, Node, Source};
use splitbrain_kernel::serde::Serialize;

use super::brief;
use super::client::Client;
use super::linux::thread::Thread;
use super::message::{Answer, Order, Request, Wire};
use super::observation::ReactorObservation;
use super::server::Server;

/// A process of the reactor system.
#[derive(Clone, Debug)]
pub enum ReactorNode {
    /// A server, `s1` and on.
    Server(Box<Server>),
    /// A client, `c1` and on.
    Client(Client),
}

impl ReactorNode {
    /// The server, where it is one.
    pub fn server(&self) -> Option<&Server> {
        match self {
            Self::Server(server) => Some(server),
            Self::Client(_) => None,
        }
    }
}

/// The timers of a server and of a client. A client counts its connections from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum ReactorTimer {
    /// A thread makes its next call.
    Run(Thread),
    /// The wait of a thread has lasted for as long as it may.
    WaitOver(Thread),
    /// A signal arrives.
    Signal,
    /// A client sends the next piece over a connection.
    Piece(u8),
    /// A client reads from a connection.
    Read(u8),
    /// A client has waited long enough for the first answer that a connection owes.
    Timeout(u8),
    /// A client may try to connect again.
    Retry(u8),
}

impl Node for ReactorNode {
    type Message = Wire;
    type Timer = ReactorTimer;
    type Record = ();
    type Observation = ReactorObservation;
    type Operation = Request;
    type Response = Answer;
    type Order = Order;
    type Step = ();

    const OPERATIONS: &'static [&'static str] = &["get", "post"];

    fn operation_kind(operation: &Request) -> usize {
        match operation {
            Request::Get { .. } => 0,
            Request::Post { .. } => 1,
        }
    }

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        match self {
            Self::Server(server) => server.on_start(ctx),
            Self::Client(_) => {}
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Wire) {
        match self {
            Self::Server(server) => server.on_message(ctx, source, message),
            Self::Client(client) => client.on_message(ctx, source, message),
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: ReactorTimer) {
        match self {
            Self::Server(server) => server.on_timer(ctx, timer),
            Self::Client(client) => client.on_timer(ctx, timer),
        }
    }

    fn on_connection(&mut self, ctx: &mut Context<Self>, event: ConnectionEvent) {
        match self {
            Self::Server(server) => server.on_connection(ctx, event),
            Self::Client(client) => client.on_connection(ctx, event),
        }
    }

    fn on_operation(&mut self, ctx: &mut Context<Self>, request: Request) {
        if let Self::Client(client) = self {
            client.on_operation(ctx, request);
        }
    }

    fn on_order(&mut self, ctx: &mut Context<Self>, Order::Signal: Order) {
        if let Self::Server(server) = self {
            server.on_signal(ctx);
        }
    }

    fn brief(datum: Datum<'_, Self>, f: &mut Formatter<'_>) -> fmt::Result {
        brief::brief(datum, f)
    }
}

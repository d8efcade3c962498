//! Workloads in the world: when the next operation of a client is due, and which operations it has not ended yet.

use crate::context::OperationResult;
use crate::director::{Awaited, Director};
use crate::history::{HistoryEvent, HistoryOf};
use crate::id::{Cluster, NodeId};
use crate::node::Node;
use crate::system::System;
use crate::time::Instant;
use crate::trace::Tracer;
use crate::workload::{Cue, Load, Next, Workload};
use crate::world_state::Waiting;

use super::World;

/// The workloads of the clients, pulled one operation at a time.
#[derive(Clone, Debug)]
pub(super) struct Calls<W, O> {
    callers: Vec<Caller<W, O>>,
    /// When they begin; `None` once they have.
    from: Option<Edge>,
    until: Edge,
}

/// When the workloads begin or end.
#[derive(Clone, Copy, Debug)]
enum Edge {
    At(Instant),
    When(Awaited),
}

impl Edge {
    fn of(cue: &Cue, director: &mut Director) -> Self {
        match cue {
            Cue::At(at) => Self::At(*at),
            Cue::When(condition) => Self::When(director.wait_for(condition.clone())),
        }
    }

    /// When it is, or was; never, as long as its condition has not come.
    fn time(self, director: &Director) -> Instant {
        match self {
            Self::At(at) => at,
            Self::When(awaited) => director.came(awaited).unwrap_or(Instant::MAX),
        }
    }
}

/// One client's workload.
#[derive(Clone, Debug)]
struct Caller<W, O> {
    client: NodeId,
    workload: W,
    state: State<O>,
    /// Operations that were handed over and have not ended.
    open: u32,
    /// Whether what is due was asked for because an operation had ended.
    is_after: bool,
}

#[derive(Clone, Debug)]
enum State<O> {
    Due(Instant, O),
    /// For the end of what is open.
    Waiting,
    Done,
}

/// What the workloads of a system are asked for.
pub(super) type CallsOf<S> = Calls<<S as System>::Workload, <<S as System>::Node as Node>::Operation>;

impl<W, O> Calls<W, O> {
    pub(super) fn new(load: Option<&Load<W>>, cluster: Cluster, director: &mut Director) -> Self
    where
        W: Clone,
    {
        let Some(load) = load else {
            return Self { callers: Vec::new(), from: None, until: Edge::At(Instant::MAX) };
        };
        let present = load.clients.iter().filter(|(client, _)| cluster.contains(*client));
        let caller = |(client, workload): &(NodeId, W)| Caller {
            client: *client,
            workload: workload.clone(),
            state: State::Waiting,
            open: 0,
            is_after: false,
        };
        let callers = present.map(caller).collect();
        Self { callers, from: Some(Edge::of(&load.from, director)), until: Edge::of(&load.until, director) }
    }

    /// When the next operation is due, or the workloads begin.
    pub(super) fn due(&self, director: &Director) -> Instant {
        if self.callers.is_empty() {
            return Instant::MAX;
        }
        let times = self.callers.iter().map(|caller| match &caller.state {
            State::Due(at, _) => *at,
            State::Waiting | State::Done => Instant::MAX,
        });
        let begins = self.from.map_or(Instant::MAX, |from| from.time(director));
        times.fold(begins, Instant::min)
    }

    /// The workloads have ended: what is due never comes.
    fn stop(&mut self) {
        self.callers.iter_mut().for_each(|caller| caller.state = State::Done);
    }

    fn find(&mut self, client: NodeId) -> Option<usize> {
        self.callers.iter().position(|caller| caller.client == client)
    }

    /// Asks a workload what comes next, if that is before `until`.
    fn pull<R>(&mut self, caller: usize, (now, until): (Instant, Instant), is_after: bool)
    where
        W: Workload<O, R>,
    {
        let caller = &mut self.callers[caller];
        caller.is_after = is_after;
        caller.state = match caller.workload.next(now) {
            Next::At(at, operation) if at < until => State::Due(at.max(now), operation),
            Next::At(..) | Next::Done => State::Done,
            Next::AfterCompletion => State::Waiting,
        };
    }

    /// An operation has ended, and the workload hears of it.
    fn end<R>(&mut self, caller: usize, (now, until): (Instant, Instant), operation: &O, result: OperationResult<&R>)
    where
        W: Workload<O, R>,
    {
        let one = &mut self.callers[caller];
        one.open = one.open.saturating_sub(1);
        one.workload.on_completed(now, operation, result);
        if one.open == 0 && matches!(one.state, State::Waiting) {
            self.pull(caller, (now, until), true);
        }
    }
}

impl<S: System, T: Tracer<S::Node>> World<S, T> {
    /// Everything of the workloads that is due now: in order of time, and at one time in order of client.
    pub(super) fn act_for_clients(&mut self) {
        let (now, until) = self.load_times();
        if self.calls.from.is_some_and(|from| from.time(&self.director) <= now) {
            self.calls.from = None;
            (0..self.calls.callers.len()).for_each(|caller| self.calls.pull(caller, (now, until), false));
        }
        if until <= now {
            self.calls.stop();
        }
        while !self.is_over() {
            let due = self.calls.callers.iter().enumerate().filter_map(|(place, caller)| match &caller.state {
                State::Due(at, _) if *at <= now => Some((*at, caller.client, place)),
                _ => None,
            });
            let Some((.., place)) = due.min() else { return };
            self.hand_over(place);
        }
    }

    /// Now, and when the workloads end.
    fn load_times(&self) -> (Instant, Instant) {
        (self.state.now, self.calls.until.time(&self.director))
    }

    fn hand_over(&mut self, place: usize) {
        let times = self.load_times();
        let caller = &mut self.calls.callers[place];
        let State::Due(_, operation) = std::mem::replace(&mut caller.state, State::Waiting) else {
            unreachable!("only what is due is handed over");
        };
        let client = caller.client;
        let is_up = self.state.node(client).process.is_some();
        caller.open += 1;
        // Asked before the client answers: an open loop goes on whatever becomes of it.
        let is_after = caller.is_after;
        self.calls.pull(place, times, false);
        let lost = (!is_up).then(|| operation.clone());
        self.operate(client, operation, is_after);
        if let Some(operation) = lost {
            self.calls.end(place, times, &operation, OperationResult::Failed);
        }
    }

    /// The last entry of the history is an end: the workload of its client hears of it.
    pub(super) fn notify_workload(&mut self) {
        let times = self.load_times();
        let history: &HistoryOf<S::Node> = &self.state.history;
        let last = history.entries().last().expect("an entry was added");
        let HistoryEvent::Completed { invoked, result } = &last.change else { return };
        let client = last.client;
        let Some(place) = self.calls.find(client) else { return self.release_deferred(client, false) };
        self.calls.end(place, times, history.operation_at(*invoked), result.as_ref());
        self.act_due = self.next_act();
    }

    /// A process has ended: what it was handed and has not begun never happens.
    pub(super) fn drop_unbegun(&mut self, index: usize) {
        let times = self.load_times();
        let state = &self.state.nodes[index];
        let client = state.id;
        let Some(place) = self.calls.find(client) else { return self.release_deferred(client, true) };
        for waiting in &state.inbox {
            if let Waiting::Operation(operation) = waiting {
                self.calls.end(place, times, operation, OperationResult::Failed);
            }
        }
        // What the process kept in its own memory is gone with it, and says nothing more.
        let caller = &mut self.calls.callers[place];
        if std::mem::take(&mut caller.open) > 0 && matches!(caller.state, State::Waiting) {
            self.calls.pull(place, times, true);
        }
        self.act_due = self.next_act();
    }
}

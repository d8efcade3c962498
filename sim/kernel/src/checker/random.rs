//! Random small histories for the tests of checkers: operations that overlap, whose answers fit an order of them, and
//! in most histories one or two answers that were changed.

use super::model::{
    Cell, CellAction, FencedMutex, FencedMutexAction, Mutex, MutexAction, Queue, QueueAction, Register, RegisterAction,
    Set, SetAction,
};
use super::{Model, Operation};
use crate::rng::{Rng, Seed};

/// How actions of a model are drawn.
pub(super) trait Draws<M: Model> {
    /// An action whose answer fits this state; or, with an unknown outcome, what it may do. `number` is the number of
    /// the operation, from 1.
    fn action(&self, rng: &mut Rng, state: &M::State, number: u8, is_known: bool) -> M::Action;

    /// The same action with another answer that might fit.
    fn other(&self, rng: &mut Rng, action: &M::Action, count: u8) -> M::Action;
}

/// A history of 2 to 8 operations, of which a fifth has an unknown outcome.
pub(super) fn history<M: Model>(model: &M, draws: &impl Draws<M>, seed: u64) -> Vec<Operation<M::Action>> {
    let rng = &mut Seed(seed).stream("history", 0);
    let count = 2 + pick(rng, 7) as usize;
    let clients = 2 + pick(rng, 3) as usize;
    let times = times(rng, count, clients);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|index| times[*index].moment);
    let mut state = model.initial();
    let mut operations = Vec::new();
    for (number, index) in (1..).zip(order) {
        let time = times[index];
        let is_known = pick(rng, 5) > 0;
        let action = draws.action(rng, &state, number, is_known);
        if is_known || pick(rng, 2) > 0 {
            state = model.step(&state, &action).unwrap_or(state);
        }
        let returned = is_known.then_some(time.returned);
        operations.push(Operation { action, invoked: time.invoked, returned });
    }
    for _ in 0..pick(rng, 3) {
        let index = pick(rng, count as u64) as usize;
        operations[index].action = draws.other(rng, &operations[index].action, count as u8);
    }
    operations.sort_by_key(|operation| operation.invoked);
    operations
}

#[derive(Clone, Copy)]
struct Time {
    invoked: usize,
    /// When it happens: between the two.
    moment: u64,
    returned: usize,
}

/// Times of operations of clients that do one after the other. Places are distinct.
fn times(rng: &mut Rng, count: usize, clients: usize) -> Vec<Time> {
    let mut free = vec![0; clients];
    let mut spans = Vec::new();
    for _ in 0..count {
        let client = pick(rng, clients as u64) as usize;
        let begin = free[client] + 1 + pick(rng, 4);
        let end = begin + 1 + pick(rng, 6);
        free[client] = end;
        spans.push((begin, end));
    }
    let mut ends: Vec<(u64, u64, usize, bool)> = Vec::new();
    for (index, (begin, end)) in spans.into_iter().enumerate() {
        ends.push((begin, pick(rng, 1_000), index, false));
        ends.push((end, pick(rng, 1_000), index, true));
    }
    ends.sort_unstable();
    let mut times = vec![Time { invoked: 0, moment: 0, returned: 0 }; count];
    for (place, (_, _, index, is_end)) in ends.into_iter().enumerate() {
        if is_end { times[index].returned = place } else { times[index].invoked = place }
    }
    for time in &mut times {
        let (from, to) = (time.invoked as u64 * 1_000, time.returned as u64 * 1_000);
        time.moment = from + 1 + pick(rng, to - from - 1);
    }
    times
}

fn pick(rng: &mut Rng, below: u64) -> u64 {
    rng.below(below)
}

/// Registers whose values are distinct: each operation writes its own number.
pub(super) struct Distinct;

impl Draws<Register<u8>> for Distinct {
    fn action(&self, rng: &mut Rng, state: &u8, number: u8, is_known: bool) -> RegisterAction<u8> {
        match pick(rng, 6) {
            0 => RegisterAction::Write(number),
            1..=3 => RegisterAction::Read(*state),
            // A set that may have failed expects what it likes.
            _ if !is_known && pick(rng, 3) == 0 => {
                RegisterAction::Set { expected: pick(rng, u64::from(number)) as u8, new: number }
            }
            _ => RegisterAction::Set { expected: *state, new: number },
        }
    }

    fn other(&self, rng: &mut Rng, action: &RegisterAction<u8>, count: u8) -> RegisterAction<u8> {
        let value = pick(rng, u64::from(count) + 1) as u8;
        match *action {
            RegisterAction::Read(_) => RegisterAction::Read(value),
            RegisterAction::Set { new, .. } if value == new => RegisterAction::Set { expected: 0, new },
            RegisterAction::Set { new, .. } => RegisterAction::Set { expected: value, new },
            RegisterAction::Write(_) | RegisterAction::Differs(_) => *action,
        }
    }
}

/// Registers of three values, with failed sets that show nothing.
pub(super) struct Repeating;

impl Draws<Register<u8>> for Repeating {
    fn action(&self, rng: &mut Rng, state: &u8, _: u8, _: bool) -> RegisterAction<u8> {
        let value = pick(rng, 3) as u8;
        match pick(rng, 6) {
            0 | 1 => RegisterAction::Write(value),
            2 | 3 => RegisterAction::Read(*state),
            4 if value != *state => RegisterAction::Differs(value),
            _ => RegisterAction::Set { expected: *state, new: value },
        }
    }

    fn other(&self, rng: &mut Rng, action: &RegisterAction<u8>, _: u8) -> RegisterAction<u8> {
        let value = pick(rng, 3) as u8;
        match *action {
            RegisterAction::Read(_) => RegisterAction::Read(value),
            RegisterAction::Differs(_) => RegisterAction::Differs(value),
            RegisterAction::Set { new, .. } => RegisterAction::Set { expected: value, new },
            RegisterAction::Write(_) => *action,
        }
    }
}

/// Lists to which each operation appends its own number.
pub(super) struct Lists;

impl Draws<Cell<Vec<u8>>> for Lists {
    fn action(&self, rng: &mut Rng, state: &Vec<u8>, number: u8, _: bool) -> CellAction<Vec<u8>> {
        match pick(rng, 2) {
            0 => CellAction::Append(vec![number]),
            _ => CellAction::Register(RegisterAction::Read(state.clone())),
        }
    }

    fn other(&self, rng: &mut Rng, action: &CellAction<Vec<u8>>, count: u8) -> CellAction<Vec<u8>> {
        let CellAction::Register(RegisterAction::Read(value)) = action else { return action.clone() };
        let mut value = value.clone();
        match pick(rng, 3) {
            0 => drop(value.pop()),
            1 => value.push(1 + pick(rng, u64::from(count)) as u8),
            _ => value.reverse(),
        }
        CellAction::Register(RegisterAction::Read(value))
    }
}

/// Sets that grow by each operation's own number and are read as a whole.
pub(super) struct WholeSets;

impl Draws<Set<u8>> for WholeSets {
    fn action(&self, rng: &mut Rng, state: &<Set<u8> as Model>::State, number: u8, _: bool) -> SetAction<u8> {
        if pick(rng, 2) == 0 { SetAction::Add(number) } else { SetAction::Read(state.clone()) }
    }

    fn other(&self, rng: &mut Rng, action: &SetAction<u8>, count: u8) -> SetAction<u8> {
        let SetAction::Read(all) = action else { return action.clone() };
        let mut all = all.clone();
        let element = 1 + pick(rng, u64::from(count)) as u8;
        if !all.remove(&element) {
            all.insert(element);
        }
        SetAction::Read(all)
    }
}

/// Sets of two elements that are asked for one by one.
pub(super) struct Elements;

/// The same with one element.
pub(super) struct OneElement;

impl Draws<Set<u8>> for Elements {
    fn action(&self, rng: &mut Rng, state: &<Set<u8> as Model>::State, _: u8, _: bool) -> SetAction<u8> {
        let element = pick(rng, 2) as u8;
        about(rng, element, state.contains(&element))
    }

    fn other(&self, _: &mut Rng, action: &SetAction<u8>, _: u8) -> SetAction<u8> {
        opposite(action)
    }
}

impl Draws<Set<u8>> for OneElement {
    fn action(&self, rng: &mut Rng, state: &<Set<u8> as Model>::State, number: u8, _: bool) -> SetAction<u8> {
        match pick(rng, 4) {
            0 if number > 2 => SetAction::Add(0),
            _ => about(rng, 0, state.contains(&0)),
        }
    }

    fn other(&self, _: &mut Rng, action: &SetAction<u8>, _: u8) -> SetAction<u8> {
        opposite(action)
    }
}

fn about(rng: &mut Rng, element: u8, is_there: bool) -> SetAction<u8> {
    match (pick(rng, 4), is_there) {
        (0, true) => SetAction::Remove(element),
        (0, false) => SetAction::Add(element),
        (_, true) => SetAction::Has(element),
        (_, false) => SetAction::Lacks(element),
    }
}

fn opposite(action: &SetAction<u8>) -> SetAction<u8> {
    match action.clone() {
        SetAction::Has(element) => SetAction::Lacks(element),
        SetAction::Lacks(element) => SetAction::Has(element),
        other => other,
    }
}

/// Queues of each operation's own number.
pub(super) struct Values;

impl Draws<Queue<u8>> for Values {
    fn action(
        &self,
        rng: &mut Rng,
        state: &<Queue<u8> as Model>::State,
        number: u8,
        is_known: bool,
    ) -> QueueAction<u8> {
        match (pick(rng, 5), state.front()) {
            (0 | 1, _) => QueueAction::Enqueue(number),
            (2, _) if !is_known => QueueAction::DequeueAny,
            (_, _) if !is_known => QueueAction::Enqueue(number),
            (_, Some(first)) => QueueAction::Dequeue(*first),
            (_, None) => QueueAction::Empty,
        }
    }

    fn other(&self, rng: &mut Rng, action: &QueueAction<u8>, count: u8) -> QueueAction<u8> {
        match (action, pick(rng, 3)) {
            (QueueAction::Enqueue(_) | QueueAction::DequeueAny, _) => *action,
            (_, 0) => QueueAction::Empty,
            _ => QueueAction::Dequeue(1 + pick(rng, u64::from(count)) as u8),
        }
    }
}

/// Mutexes of three clients.
pub(super) struct Holders;

impl Draws<Mutex<u8>> for Holders {
    fn action(&self, rng: &mut Rng, state: &Option<u8>, _: u8, _: bool) -> MutexAction<u8> {
        match state {
            Some(holder) if pick(rng, 3) > 0 => MutexAction::Release(*holder),
            Some(_) => MutexAction::Busy,
            None => MutexAction::Acquire(pick(rng, 3) as u8),
        }
    }

    fn other(&self, rng: &mut Rng, action: &MutexAction<u8>, _: u8) -> MutexAction<u8> {
        let client = pick(rng, 3) as u8;
        match action {
            MutexAction::Busy => MutexAction::Acquire(client),
            MutexAction::Acquire(_) => MutexAction::Busy,
            MutexAction::Release(_) => MutexAction::Release(client),
        }
    }
}

/// Fenced mutexes of three clients.
pub(super) struct Tokens;

impl Draws<FencedMutex<u8>> for Tokens {
    fn action(
        &self,
        rng: &mut Rng,
        (holder, last): &(Option<u8>, Option<u64>),
        _: u8,
        is_known: bool,
    ) -> FencedMutexAction<u8> {
        match holder {
            Some(holder) if pick(rng, 4) > 0 => FencedMutexAction::Release(*holder),
            Some(_) => FencedMutexAction::Busy,
            None => {
                let token = last.unwrap_or(0) + 1 + pick(rng, 2);
                FencedMutexAction::Acquire(pick(rng, 3) as u8, is_known.then_some(token))
            }
        }
    }

    fn other(&self, rng: &mut Rng, action: &FencedMutexAction<u8>, _: u8) -> FencedMutexAction<u8> {
        let client = pick(rng, 3) as u8;
        match *action {
            FencedMutexAction::Busy => FencedMutexAction::Acquire(client, Some(pick(rng, 5))),
            FencedMutexAction::Acquire(client, Some(_)) => FencedMutexAction::Acquire(client, Some(pick(rng, 5))),
            FencedMutexAction::Acquire(..) => *action,
            FencedMutexAction::Release(_) => FencedMutexAction::Release(client),
        }
    }
}

//! A mutex whose holders get a token that rises: what a resource needs to refuse a holder of before (Kleppmann, "How to
//! do distributed locking", 2016).

use std::fmt::Debug;

use crate::checker::{Anomaly, Check, Model, Operation, Verdict, explain};

/// A mutex with fencing tokens, free before the first operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FencedMutex<C> {
    holder: std::marker::PhantomData<C>,
}

/// What an operation does to a fenced mutex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FencedMutexAction<C> {
    /// It was free; this client holds it from now on, with a token that is greater than every one before. `None` if
    /// the client did not learn its token.
    Acquire(C, Option<u64>),
    /// This client held it, and it is free from now on.
    Release(C),
    /// It is held: somebody was refused.
    Busy,
}

impl<C> FencedMutex<C> {
    /// A mutex that is free.
    pub const fn new() -> Self {
        Self { holder: std::marker::PhantomData }
    }
}

impl<C> Default for FencedMutex<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Clone + Ord + Debug> Model for FencedMutex<C> {
    /// Who holds it, and the greatest token that a client has got.
    type State = (Option<C>, Option<u64>);
    type Action = FencedMutexAction<C>;

    fn initial(&self) -> Self::State {
        (None, None)
    }

    fn step(&self, (holder, last): &Self::State, action: &FencedMutexAction<C>) -> Option<Self::State> {
        match action {
            FencedMutexAction::Acquire(client, token) => {
                let rises = token.is_none() || token > last;
                (holder.is_none() && rises).then(|| (Some(client.clone()), token.or(*last)))
            }
            FencedMutexAction::Release(client) => (holder.as_ref() == Some(client)).then_some((None, *last)),
            FencedMutexAction::Busy => holder.is_some().then(|| (holder.clone(), *last)),
        }
    }

    fn is_read(&self, action: &FencedMutexAction<C>) -> bool {
        matches!(action, FencedMutexAction::Busy)
    }

    fn anomaly(&self, core: &[&FencedMutexAction<C>]) -> Option<Anomaly> {
        let tokens: Vec<Option<u64>> = core
            .iter()
            .filter_map(|action| match action {
                FencedMutexAction::Acquire(_, token) => Some(*token),
                FencedMutexAction::Release(_) | FencedMutexAction::Busy => None,
            })
            .collect();
        let is_released = core.iter().any(|action| matches!(action, FencedMutexAction::Release(_)));
        Some(match tokens[..] {
            [Some(first), Some(second)] if first >= second => Anomaly::TokenNotRising,
            [_, _, ..] => Anomaly::TwoHolders,
            _ if is_released => Anomaly::ReleaseWithoutHolding,
            _ => Anomaly::NoOrder,
        })
    }
}

impl<C: Clone + Ord + Debug> Check for FencedMutex<C> {
    /// By the search, which is nearly linear here: while a client holds the mutex, only its release fits.
    fn check(&self, operations: &[Operation<FencedMutexAction<C>>], budget: u64) -> Verdict {
        explain::check(self, operations, budget)
    }
}

#[cfg(test)]
mod tests {
    use super::FencedMutexAction::{Acquire, Release};
    use super::*;
    use crate::checker::tests::{answered, invalid, unknown, valid};

    const MUTEX: FencedMutex<u8> = FencedMutex::new();

    #[test]
    fn tokens_rise_from_holder_to_holder() {
        let hold = |client, token, at| {
            [answered(Acquire(client, Some(token)), at, at + 1), answered(Release(client), at + 2, at + 3)]
        };
        valid(&MUTEX, [hold(1, 3, 0), hold(2, 8, 4)].concat());
        invalid(&MUTEX, [hold(1, 8, 0), hold(2, 8, 4)].concat(), Anomaly::TokenNotRising);
        invalid(&MUTEX, [hold(1, 8, 0), hold(2, 3, 4)].concat(), Anomaly::TokenNotRising);
    }

    #[test]
    fn an_unknown_acquire_may_have_taken_a_token() {
        valid(&MUTEX, [unknown(Acquire(1, None), 0), answered(Acquire(2, Some(5)), 1, 2)]);
        let two = [answered(Acquire(1, Some(1)), 0, 1), answered(Acquire(2, Some(2)), 2, 3)];
        invalid(&MUTEX, two, Anomaly::TwoHolders);
        let other = [answered(Acquire(1, Some(1)), 0, 1), answered(Release(2), 2, 3)];
        invalid(&MUTEX, other, Anomaly::ReleaseWithoutHolding);
    }
}

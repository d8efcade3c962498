//! A mutex.

use std::fmt::Debug;

use crate::checker::{Anomaly, Check, Model, Operation, Verdict, explain};

/// A mutex that is free before the first operation. `C` names who holds it; with `()` any client may release it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutex<C> {
    holder: std::marker::PhantomData<C>,
}

/// What an operation does to a mutex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MutexAction<C> {
    /// It was free, and this client holds it from now on.
    Acquire(C),
    /// This client held it, and it is free from now on.
    Release(C),
    /// It is held: somebody was refused.
    Busy,
}

impl<C> Mutex<C> {
    /// A mutex that is free.
    pub const fn new() -> Self {
        Self { holder: std::marker::PhantomData }
    }
}

impl<C> Default for Mutex<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Clone + Ord + Debug> Model for Mutex<C> {
    type State = Option<C>;
    type Action = MutexAction<C>;

    fn initial(&self) -> Option<C> {
        None
    }

    fn step(&self, state: &Option<C>, action: &MutexAction<C>) -> Option<Option<C>> {
        match action {
            MutexAction::Acquire(client) => state.is_none().then(|| Some(client.clone())),
            MutexAction::Release(client) => (state.as_ref() == Some(client)).then_some(None),
            MutexAction::Busy => state.is_some().then(|| state.clone()),
        }
    }

    fn is_read(&self, action: &MutexAction<C>) -> bool {
        matches!(action, MutexAction::Busy)
    }

    fn anomaly(&self, core: &[&MutexAction<C>]) -> Option<Anomaly> {
        let acquired = core.iter().filter(|action| matches!(action, MutexAction::Acquire(_))).count();
        let is_released = core.iter().any(|action| matches!(action, MutexAction::Release(_)));
        Some(match acquired {
            2.. => Anomaly::TwoHolders,
            _ if is_released => Anomaly::ReleaseWithoutHolding,
            _ => Anomaly::NoOrder,
        })
    }
}

impl<C: Clone + Ord + Debug> Check for Mutex<C> {
    /// By the search, which is nearly linear here: while a client holds the mutex, only its release fits.
    fn check(&self, operations: &[Operation<MutexAction<C>>], budget: u64) -> Verdict {
        explain::check(self, operations, budget)
    }
}

#[cfg(test)]
mod tests {
    use super::MutexAction::{Acquire, Busy, Release};
    use super::*;
    use crate::checker::tests::{answered, invalid, unknown, valid};

    const MUTEX: Mutex<u8> = Mutex::new();

    #[test]
    fn one_client_holds_it_at_a_time() {
        let all = [answered(Acquire(1), 0, 2), answered(Acquire(2), 1, 5), answered(Release(1), 3, 4)];
        valid(&MUTEX, all);
        invalid(&MUTEX, [answered(Acquire(1), 0, 2), answered(Acquire(2), 1, 3)], Anomaly::TwoHolders);
        let late = [answered(Acquire(1), 0, 1), answered(Acquire(2), 2, 3), answered(Release(1), 4, 5)];
        invalid(&MUTEX, late, Anomaly::TwoHolders);
    }

    #[test]
    fn only_the_holder_releases_it() {
        let other = [answered(Acquire(1), 0, 1), answered(Release(2), 2, 3)];
        invalid(&MUTEX, other, Anomaly::ReleaseWithoutHolding);
        let anybody = Mutex::<()>::new();
        valid(&anybody, [answered(Acquire(()), 0, 1), answered(Release(()), 2, 3), answered(Acquire(()), 4, 5)]);
        invalid(&anybody, [answered(Release(()), 2, 3)], Anomaly::ReleaseWithoutHolding);
    }

    #[test]
    fn an_unknown_acquire_explains_a_refusal_and_blocks_nobody() {
        valid(&MUTEX, [unknown(Acquire(1), 0), answered(Busy, 1, 2)]);
        valid(&MUTEX, [unknown(Acquire(1), 0), answered(Acquire(2), 1, 2)]);
        valid(&MUTEX, [answered(Acquire(1), 0, 1), unknown(Release(1), 2), answered(Acquire(2), 3, 4)]);
        invalid(&MUTEX, [answered(Busy, 1, 2)], Anomaly::NoOrder);
    }
}

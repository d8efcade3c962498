//! No monitor: the history is judged as a whole, at the end of the run.

use std::fmt::Debug;
use std::marker::PhantomData;

use super::{Monitor, Watch};
use crate::checker::Contradiction;
use crate::checker::model::{FencedMutex, FencedMutexAction, Mutex, MutexAction, Queue, QueueAction, Set, SetAction};

/// A monitor that judges nothing before the end of the run.
#[derive(Clone, Debug)]
pub struct AtEnd<A>(PhantomData<A>);

impl<A> AtEnd<A> {
    /// It has nothing to remember.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<A> Default for AtEnd<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Clone + Debug + Send + 'static> Monitor for AtEnd<A> {
    type Action = A;

    fn invoke(&mut self, _: usize, _: &A) {}

    fn complete(&mut self, _: usize, _: usize, _: &A) -> Result<(), Box<Contradiction>> {
        Ok(())
    }

    fn fail(&mut self, _: usize, _: usize, _: &A) -> Result<(), Box<Contradiction>> {
        Ok(())
    }

    fn is_exact(&self) -> bool {
        false
    }
}

/// A model whose histories are judged at the end of a run.
macro_rules! at_end {
    ($model:ident, $action:ident) => {
        impl<T: Clone + Ord + Debug + Send + 'static> Watch for $model<T> {
            type Monitor = AtEnd<$action<T>>;

            fn monitor(&self) -> Self::Monitor {
                AtEnd::new()
            }
        }
    };
}

at_end!(Mutex, MutexAction);
at_end!(FencedMutex, FencedMutexAction);
at_end!(Queue, QueueAction);
at_end!(Set, SetAction);

//! The monitors of a register, and of one for each key: chains.

use std::fmt::Debug;

use super::{Monitor, PerKeyMonitor, Watch};
use crate::checker::model::{PerKey, Register, RegisterAction};
use crate::checker::{Chains, Contradiction};

impl<V: Ord + Clone + Debug + Send + 'static> Monitor for Chains<V> {
    type Action = RegisterAction<V>;

    fn invoke(&mut self, invoked: usize, action: &RegisterAction<V>) {
        self.invoke(invoked, action);
    }

    fn complete(&mut self, invoked: usize, place: usize, action: &RegisterAction<V>) -> Result<(), Box<Contradiction>> {
        self.complete(invoked, place, action)
    }

    fn fail(&mut self, invoked: usize, _: usize, action: &RegisterAction<V>) -> Result<(), Box<Contradiction>> {
        self.fail(invoked, action)
    }

    fn is_exact(&self) -> bool {
        self.is_distinct()
    }
}

impl<V: Ord + Clone + Debug + Send + 'static> Watch for Register<V> {
    type Monitor = Chains<V>;

    fn monitor(&self) -> Chains<V> {
        Chains::new(self.initial.clone())
    }
}

impl<K: Ord + Clone + Debug + Send + 'static, M: Watch> Watch for PerKey<K, M> {
    type Monitor = PerKeyMonitor<K, M::Monitor>;

    fn monitor(&self) -> Self::Monitor {
        PerKeyMonitor::new(self.each().monitor())
    }
}

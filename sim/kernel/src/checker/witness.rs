//! An order of the operations that the system itself claims, such as that of its log, carried out once.
//!
//! ```text
//!   applied(a) applied(b) …      the state machine applies operations: the model is stepped, the answers are kept
//!   answered(a)                  a client is answered: is it what the model said at that place?
//!                                and did anything later in the order end before this one began?
//! ```
//!
//! If everything fits, the order proves that the history is linearizable, for any model, in `O(log n)` for each
//! operation. If something does not fit, the claim is wrong, not yet the history: a read that is served under a lease
//! has no place of its own in a log. So a checker of the history has the last word.

use std::collections::BTreeMap;

use super::Model;

/// The order so far. Operations are named by the places of their invocations.
#[derive(Clone, Debug)]
pub struct Witness<M: Model> {
    model: M,
    state: M::State,
    /// How many operations are in the order.
    count: usize,
    /// The places in the order of those without an answer.
    placed: BTreeMap<usize, usize>,
    /// By completion: the furthest place in the order of those that had ended by then. Both rise.
    ends: BTreeMap<usize, usize>,
}

/// Why an order explains nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The model gives another answer at this place of the order.
    #[error("operation {0} has another answer than the model gives at its place in the order")]
    Answer(usize),
    /// It was answered and is not in the order.
    #[error("operation {0} was answered and is not in the order")]
    Missing(usize),
    /// It is in the order before another one that had ended when it began.
    #[error("operation {0} began after operations had ended that come later in the order")]
    TooEarly(usize),
    /// It is in the order twice.
    #[error("operation {0} is in the order twice")]
    Twice(usize),
}

impl<M: Model> Witness<M> {
    /// The object before the first operation.
    pub fn new(model: M) -> Self {
        let state = model.initial();
        Self { model, state, count: 0, placed: BTreeMap::new(), ends: BTreeMap::new() }
    }

    /// The object after the operations so far.
    pub const fn state(&self) -> &M::State {
        &self.state
    }

    /// The next operation of the order, with the answer that it was given there.
    ///
    /// # Errors
    /// The model gives another answer, or the operation is in the order already.
    pub fn applied(&mut self, invoked: usize, action: &M::Action) -> Result<(), Mismatch> {
        self.state = self.model.step(&self.state, action).ok_or(Mismatch::Answer(invoked))?;
        self.count += 1;
        match self.placed.insert(invoked, self.count) {
            None => Ok(()),
            Some(_) => Err(Mismatch::Twice(invoked)),
        }
    }

    /// A client is answered, at this place of the history.
    ///
    /// # Errors
    /// The operation is not in the order, or it is there before one that had ended when it began.
    pub fn answered(&mut self, invoked: usize, returned: usize) -> Result<(), Mismatch> {
        let place = self.placed.remove(&invoked).ok_or(Mismatch::Missing(invoked))?;
        let before = self.ends.range(..invoked).next_back().map_or(0, |(_, furthest)| *furthest);
        if before > place {
            return Err(Mismatch::TooEarly(invoked));
        }
        if self.ends.last_key_value().is_none_or(|(_, furthest)| *furthest < place) {
            self.ends.insert(returned, place);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::model::RegisterAction::{Read, Write};
    use crate::checker::model::{Register, RegisterAction};

    fn judge(order: &[(usize, RegisterAction<u8>)], answers: &[(usize, usize)]) -> Result<(), Mismatch> {
        let mut witness = Witness::new(Register { initial: 0 });
        order.iter().try_for_each(|(invoked, action)| witness.applied(*invoked, action))?;
        answers.iter().try_for_each(|(invoked, returned)| witness.answered(*invoked, *returned))
    }

    #[test]
    fn an_order_that_explains_every_answer_passes() {
        assert_eq!(judge(&[(0, Write(1)), (2, Read(1))], &[(0, 1), (2, 3)]), Ok(()));
        // The two overlap, so the second may come first; an unknown operation is never answered.
        assert_eq!(judge(&[(1, Read(0)), (0, Write(1)), (4, Write(2))], &[(0, 2), (1, 3)]), Ok(()));
    }

    #[test]
    fn an_order_that_does_not_is_refused_with_the_operation() {
        assert_eq!(judge(&[(0, Write(1)), (2, Read(0))], &[]), Err(Mismatch::Answer(2)));
        assert_eq!(judge(&[(0, Write(1))], &[(0, 1), (2, 3)]), Err(Mismatch::Missing(2)));
        assert_eq!(judge(&[(2, Read(0)), (0, Write(1))], &[(0, 1), (2, 3)]), Err(Mismatch::TooEarly(2)));
        assert_eq!(judge(&[(0, Write(1)), (0, Write(1))], &[]), Err(Mismatch::Twice(0)));
    }
}

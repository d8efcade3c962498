//! Outwards: what an inner node does becomes what the outer node does.

use crate::context::Context;
use crate::embedding::Embedding;

/// Room for a node inside a node: keeps the inner context's buffers between calls.
///
/// The inner node draws from a stream of its own, keyed by the group and index of its embedding and by the incarnation.
/// It shares clocks, disk and counters with the outer node. Its effects become the outer node's, wrapped by the
/// embedding.
#[derive(Debug)]
pub struct Scope<E: Embedding> {
    embedding: E,
    inner: Option<Box<Context<E::Inner>>>,
}

impl<E: Embedding> Clone for Scope<E>
where
    E::Inner: Clone,
{
    fn clone(&self) -> Self {
        Self { embedding: self.embedding, inner: self.inner.clone() }
    }
}

impl<E: Embedding> Scope<E> {
    /// Room for the inner node of this embedding.
    pub const fn new(embedding: E) -> Self {
        Self { embedding, inner: None }
    }

    /// How the inner node lies in the outer one.
    pub const fn embedding(&self) -> E {
        self.embedding
    }

    /// Calls the inner node with a context of its own, and hands what it did to `outer`. Returns what the call returns.
    #[inline]
    pub fn enter<T>(&mut self, outer: &mut Context<E::Outer>, call: impl FnOnce(&mut Context<E::Inner>) -> T) -> T {
        let embedding = self.embedding;
        let inner = self.inner.get_or_insert_with(|| Box::new(outer.inner(E::GROUP, embedding.index())));
        let result = outer.lend(inner, call);
        outer.effects().extend(inner.effects().drain(..).filter_map(|effect| embedding.wrap_effect(effect)));
        if !inner.tied().is_empty() {
            let tied = inner.tied().drain(..);
            let wrapped = tied.filter_map(|(write, effect)| Some((write, embedding.wrap_effect(effect)?)));
            outer.tied().extend(wrapped);
        }
        result
    }
}

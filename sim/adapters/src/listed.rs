//! Lines for the lists of invariants.

use splitbrain::kernel::prelude::{InvariantInfo, InvariantKind, Sight};

/// An invariant that a single moment breaks.
pub(crate) const fn safety(name: &'static str, doc: &'static str, source: &'static str, sight: Sight) -> InvariantInfo {
    InvariantInfo { name, doc, source, kind: InvariantKind::Safety, sight }
}

/// An invariant that something happens in time.
pub(crate) const fn liveness(
    name: &'static str,
    doc: &'static str,
    source: &'static str,
    sight: Sight,
) -> InvariantInfo {
    InvariantInfo { name, doc, source, kind: InvariantKind::Liveness, sight }
}

//! One element of a set, which is added at most once and removed at most once.
//!
//! Such an element is absent, then present, then absent again. The longest time without it begins if it is added as
//! late as possible and removed as early as possible, and no other choice allows more. So the addition is placed at the
//! first completion of an operation that needs the element, and the removal at the last invocation of one; an answer
//! that it is absent contradicts this exactly if its operation lies strictly between the two.

use super::model::SetAction;
use super::{Anomaly, Contradiction, Operation, Verdict};

/// Judges the operations of one element; `None` if it is added or removed twice, or if the whole set is read.
pub(super) fn check<E>(operations: &[Operation<SetAction<E>>]) -> Option<Verdict> {
    let (mut add, mut remove) = (None, None);
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    for operation in operations {
        let is_known = operation.returned.is_some();
        match &operation.action {
            SetAction::Add(_) if add.is_none() => add = Some(operation),
            SetAction::Remove(_) if remove.is_none() => remove = Some(operation),
            SetAction::Has(_) if is_known => present.push(operation),
            SetAction::Lacks(_) if is_known => absent.push(operation),
            SetAction::Has(_) | SetAction::Lacks(_) => {}
            SetAction::Add(_) | SetAction::Remove(_) | SetAction::Read(_) => return None,
        }
    }
    let certain_removal = remove.filter(|remove| remove.returned.is_some());
    let needing = || present.iter().copied().chain(certain_removal);
    let Some(add) = add else {
        let first = needing().next();
        return Some(first.map_or(Verdict::Valid, |one| invalid(Anomaly::NeverWritten, [one.invoked])));
    };
    if let Some(one) = needing().find(|one| one.end() < add.invoked) {
        return Some(invalid(Anomaly::FutureRead, [one.invoked, add.invoked]));
    }
    if add.returned.is_none() && needing().next().is_none() {
        return Some(Verdict::Valid);
    }
    if let Some(remove) = certain_removal
        && let Some(one) = present.iter().find(|one| one.invoked > remove.end())
    {
        return Some(invalid(Anomaly::StaleRead, [remove.invoked, one.invoked]));
    }
    let added = needing().chain([add]).min_by_key(|one| one.end()).unwrap_or(add);
    let removed = remove.map(|remove| needing().chain([add, remove]).max_by_key(|one| one.invoked).unwrap_or(remove));
    let until = removed.map_or(usize::MAX, |removed| removed.invoked);
    let lost = absent.iter().find(|one| added.end() < one.invoked && one.end() < until);
    Some(lost.map_or(Verdict::Valid, |one| {
        let others = [Some(added), removed].into_iter().flatten().map(|other| other.invoked);
        invalid(Anomaly::StaleRead, others.chain([one.invoked, add.invoked]))
    }))
}

fn invalid(anomaly: Anomaly, operations: impl IntoIterator<Item = usize>) -> Verdict {
    Verdict::Invalid(Contradiction::new(anomaly, operations))
}

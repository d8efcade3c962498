//! Histories whose answers show the order of the changes: lists that are appended to, and sets that grow and are read
//! as a whole.
//!
//! Every read of a list is the beginning of the longest one, and every read of a growing set is contained in the
//! greatest one. So the reads, and the changes that they show, are in groups whose order is known; changes that no read
//! shows come last, and unknown ones among them are left out. Such an order explains the history exactly if no
//! operation returned before one of an earlier group was invoked.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Append, CellAction, RegisterAction, SetAction};
use super::{Anomaly, Contradiction, Operation, Verdict};

/// One operation in the order: what it is, and when.
#[derive(Clone, Copy, Debug)]
struct Step {
    invoked: usize,
    end: usize,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Read,
    /// A change that a read shows.
    Shown,
    /// A change that no read shows.
    Hidden,
}

impl Step {
    fn of<A>(operation: &Operation<A>, role: Role) -> Self {
        Self { invoked: operation.invoked, end: operation.end(), role }
    }
}

/// The groups in their order, each of operations in any order.
#[derive(Debug, Default)]
struct Groups {
    steps: Vec<(usize, Step)>,
}

impl Groups {
    fn add(&mut self, group: usize, step: Step) {
        self.steps.push((group, step));
    }

    /// Whether no operation returned before one of an earlier group was invoked.
    fn check(mut self) -> Verdict {
        self.steps.sort_by_key(|(group, _)| *group);
        // The latest invocation in the groups before this one, and so far in this one.
        let mut before: Option<Step> = None;
        let mut latest: Option<Step> = None;
        let mut current = 0;
        for (group, step) in self.steps {
            if group != current {
                (before, current) = (latest, group);
            }
            if let Some(earlier) = before
                && step.end < earlier.invoked
            {
                return invalid(anomaly(earlier.role, step.role), [step.invoked, earlier.invoked]);
            }
            if latest.is_none_or(|latest| latest.invoked < step.invoked) {
                latest = Some(step);
            }
        }
        Verdict::Valid
    }
}

/// What it is called if an operation began after one had ended that comes later in the order.
const fn anomaly(began_after: Role, ended_before: Role) -> Anomaly {
    match (began_after, ended_before) {
        (Role::Read, Role::Hidden) => Anomaly::LostUpdate,
        (Role::Read, Role::Read | Role::Shown) => Anomaly::StaleRead,
        (Role::Shown | Role::Hidden, Role::Read) => Anomaly::FutureRead,
        (Role::Shown | Role::Hidden, Role::Shown | Role::Hidden) => Anomaly::OutOfOrder,
    }
}

fn invalid(anomaly: Anomaly, operations: impl IntoIterator<Item = usize>) -> Verdict {
    Verdict::Invalid(Contradiction::new(anomaly, operations))
}

/// Judges a cell to which values are appended; `None` if it is also written to, or if it is not clear which append a
/// read shows.
pub(super) fn check_list<V: Append>(initial: &V, operations: &[Operation<CellAction<V>>]) -> Option<Verdict> {
    let mut pieces: BTreeMap<&[V::Unit], &Operation<CellAction<V>>> = BTreeMap::new();
    let mut reads = Vec::new();
    for operation in operations {
        match &operation.action {
            CellAction::Append(piece) if !piece.units().is_empty() => {
                if pieces.insert(piece.units(), operation).is_some() {
                    return None;
                }
            }
            CellAction::Register(RegisterAction::Read(value)) => {
                if operation.returned.is_some() {
                    reads.push((value.units(), operation));
                }
            }
            CellAction::Append(_) | CellAction::Register(_) => return None,
        }
    }
    let Some((longest, longest_read)) = reads.iter().copied().max_by_key(|(value, _)| value.len()) else {
        return Some(Verdict::Valid);
    };
    if let Some((_, read)) = reads.iter().find(|(value, _)| !longest.starts_with(value)) {
        return Some(invalid(Anomaly::SplitOrder, [read.invoked, longest_read.invoked]));
    }
    let Some(mut rest) = longest.strip_prefix(initial.units()) else {
        return Some(invalid(Anomaly::NeverWritten, [longest_read.invoked]));
    };
    let mut groups = Groups::default();
    // The group of the reads of this length. Between two of them is the one of the append.
    let mut group_of = BTreeMap::from([(initial.units().len(), 0)]);
    let lengths: BTreeSet<usize> = pieces.keys().map(|piece| piece.len()).collect();
    let mut group = 0;
    while !rest.is_empty() {
        let mut fitting = lengths.iter().filter_map(|length| pieces.get_key_value(rest.get(..*length)?));
        let Some((piece, append)) = fitting.next() else {
            return Some(invalid(Anomaly::NeverWritten, [longest_read.invoked]));
        };
        if fitting.next().is_some() {
            return None;
        }
        groups.add(group + 1, Step::of(append, Role::Shown));
        rest = &rest[piece.len()..];
        group += 2;
        group_of.insert(longest.len() - rest.len(), group);
        let piece = *piece;
        pieces.remove(piece);
    }
    for (value, read) in reads {
        let Some(group) = group_of.get(&value.len()) else {
            return Some(invalid(Anomaly::NeverWritten, [read.invoked]));
        };
        groups.add(*group, Step::of(read, Role::Read));
    }
    for append in pieces.into_values().filter(|append| append.returned.is_some()) {
        groups.add(group + 1, Step::of(append, Role::Hidden));
    }
    Some(groups.check())
}

/// Judges a set that grows and is read as a whole; `None` if elements are added twice, removed or asked for one by one.
pub(super) fn check_set<E: Ord>(operations: &[Operation<SetAction<E>>]) -> Option<Verdict> {
    let mut adds: BTreeMap<&E, &Operation<SetAction<E>>> = BTreeMap::new();
    let mut reads = Vec::new();
    for operation in operations {
        match &operation.action {
            SetAction::Add(element) => {
                if adds.insert(element, operation).is_some() {
                    return None;
                }
            }
            SetAction::Read(all) => {
                if operation.returned.is_some() {
                    reads.push((all, operation));
                }
            }
            SetAction::Remove(_) | SetAction::Has(_) | SetAction::Lacks(_) => return None,
        }
    }
    reads.sort_by_key(|(all, _)| all.len());
    let mut groups = Groups::default();
    let mut shown: Option<(&BTreeSet<E>, usize)> = None;
    for (place, (all, read)) in reads.iter().enumerate() {
        if let Some((before, other)) = shown
            && !before.is_subset(all)
        {
            return Some(invalid(Anomaly::SplitOrder, [other, read.invoked]));
        }
        if shown.is_none_or(|(before, _)| before.len() < all.len()) {
            for element in all.iter().filter(|element| shown.is_none_or(|(before, _)| !before.contains(*element))) {
                let Some(add) = adds.remove(element) else {
                    return Some(invalid(Anomaly::NeverWritten, [read.invoked]));
                };
                groups.add(2 * place + 1, Step::of(add, Role::Shown));
            }
            shown = Some((all, read.invoked));
            groups.add(2 * place + 2, Step::of(read, Role::Read));
        } else {
            // The same set: its group is the one of the first that shows it.
            let first = reads.partition_point(|(other, _)| other.len() < all.len());
            groups.add(2 * first + 2, Step::of(read, Role::Read));
        }
    }
    for add in adds.into_values().filter(|add| add.returned.is_some()) {
        groups.add(2 * reads.len() + 1, Step::of(add, Role::Hidden));
    }
    Some(groups.check())
}

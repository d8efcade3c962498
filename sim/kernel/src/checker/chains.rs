//! A register with compare-and-set whose values are distinct, judged while its history grows.
//!
//! If every write and every successful set leaves a value that nothing else leaves, it is known who wrote what a read
//! shows, and nothing has to be searched. This extends the zones of Gibbons and Korach (SIAM Journal on Computing 1997)
//! by sets, which glue clusters into chains:
//!
//! 1. A *cluster* is a value: the operation that wrote it, and the reads that show it. A write whose outcome is unknown
//!    counts only once a certain operation has seen its value; then it certainly happened.
//! 2. A set from one value to another puts the second cluster right behind the first: clusters become *chains*. A
//!    value has at most one set that leaves it, and no chain is a ring.
//! 3. Inside a chain no operation returns before one of an earlier cluster is invoked.
//! 4. A chain has a first completion `f` and a last invocation `s`. If `f < s` it certainly occupies the register from
//!    `f` to `s`: a *forward* zone. Forward zones do not overlap.
//! 5. If `s < f` all of it can happen at any moment between: a *backward* zone. It does not lie inside a forward one.
//!
//! These hold exactly if the history is linearizable. Later entries only add constraints, so a contradiction is found
//! at the entry that completes it. An entry costs `O(log n)`, and one more step for every operation open at its time.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use super::model::RegisterAction;
use super::{Anomaly, Contradiction, Operation, Verdict};

/// Which rules are followed: all of them, unless a test plants a slip to see that it is found.
pub trait Rules {
    /// Sets glue clusters.
    const GLUE: bool = true;
    /// Rule 3.
    const ORDER_INSIDE: bool = true;
    /// Rule 4.
    const FORWARD: bool = true;
    /// Rule 5.
    const BACKWARD: bool = true;
    /// Unknown writes count only if their value was seen.
    const DROP_UNSEEN: bool = true;
}

/// Every rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact;

impl Rules for Exact {}

/// A moment of the history: the place of an entry plus one. The register has its first value at 0.
type Moment = usize;

/// Later than every entry.
const NEVER: Moment = usize::MAX;

/// The history of one register, as far as it is known.
#[derive(Clone, Debug)]
pub struct Chains<V, R: Rules = Exact> {
    values: BTreeMap<V, usize>,
    clusters: Vec<Cluster>,
    /// Forward zones by `f`, with `s` and the chain.
    forward: BTreeMap<Moment, (Moment, usize)>,
    /// Backward zones by `f`, with `s` and the chain.
    backward: BTreeMap<Moment, (Moment, usize)>,
    is_distinct: bool,
    /// The operation whose completion is looked at.
    current: Moment,
    rules: PhantomData<R>,
}

/// A value: who wrote it and who saw it.
#[derive(Clone, Debug)]
struct Cluster {
    /// The invocation of the operation that writes it, and the cluster that a set expects.
    writer: Option<(Moment, Option<usize>)>,
    /// Whether the write certainly happened.
    is_live: bool,
    /// Whether the writer itself was answered.
    is_answered: bool,
    /// The first completion of its operations, and the invocation of that one.
    first: (Moment, Moment),
    /// The last invocation of its operations.
    last: Moment,
    /// The cluster that a set puts right behind it.
    next: Option<usize>,
    /// The way to the cluster that stands for its chain.
    parent: usize,
    /// Of the cluster that stands for a chain.
    zone: Zone,
}

/// The zone of a chain.
#[derive(Clone, Copy, Debug)]
struct Zone {
    /// `f`, and the invocation of the operation that it is the completion of.
    first: (Moment, Moment),
    /// `s`.
    last: Moment,
    /// How many clusters it has.
    size: usize,
    /// Where it is filed: `f`, and whether forward.
    filed: Option<(Moment, bool)>,
}

impl Cluster {
    const fn new(index: usize) -> Self {
        let zone = Zone { first: (NEVER, 0), last: 0, size: 1, filed: None };
        Self {
            writer: None,
            is_live: false,
            is_answered: false,
            first: (NEVER, 0),
            last: 0,
            next: None,
            parent: index,
            zone,
        }
    }
}

impl<V: Ord + Clone> Chains<V> {
    /// A register that holds this value.
    pub fn new(initial: V) -> Self {
        Self::with_rules(initial)
    }
}

impl<V: Ord + Clone, R: Rules> Chains<V, R> {
    /// The same under these rules.
    pub(super) fn with_rules(initial: V) -> Self {
        let mut first = Cluster::new(0);
        first.writer = Some((0, None));
        first.is_live = true;
        first.is_answered = true;
        first.first = (0, 0);
        first.zone.first = (0, 0);
        Self {
            values: BTreeMap::from([(initial, 0)]),
            clusters: vec![first],
            forward: BTreeMap::new(),
            backward: BTreeMap::new(),
            is_distinct: true,
            current: 0,
            rules: PhantomData,
        }
    }

    /// Whether the premise has held so far: each value was written at most once, and no answer said only that the
    /// value was another one. If it has not, nothing more is found.
    pub const fn is_distinct(&self) -> bool {
        self.is_distinct
    }

    /// The premise does not hold: something happens to the register that this cannot follow.
    pub(super) const fn give_up(&mut self) {
        self.is_distinct = false;
    }

    /// An operation begins. Its action says what it does if it happens.
    pub fn invoke(&mut self, invoked: usize, action: &RegisterAction<V>) {
        let Some(new) = action.written() else { return };
        let expected = action.seen().map(|value| self.cluster(value));
        let index = self.cluster(new);
        let cluster = &mut self.clusters[index];
        // A set to the value that it expects leaves a value that was there before.
        self.is_distinct &= cluster.writer.is_none() && expected != Some(index);
        cluster.writer.get_or_insert((invoked + 1, expected));
    }

    /// An operation ends with an answer, which its action now holds.
    ///
    /// # Errors
    /// No order explains the history up to here.
    pub fn complete(
        &mut self,
        invoked: usize,
        place: usize,
        action: &RegisterAction<V>,
    ) -> Result<(), Box<Contradiction>> {
        let (begin, end) = (invoked + 1, place + 1);
        let value = match action {
            RegisterAction::Read(value) | RegisterAction::Write(value) | RegisterAction::Set { new: value, .. } => {
                value
            }
            RegisterAction::Differs(_) => {
                self.is_distinct = false;
                return Ok(());
            }
        };
        if !self.is_distinct {
            return Ok(());
        }
        let index = self.cluster(value);
        self.current = begin;
        self.clusters[index].is_answered |= begin_of(&self.clusters[index]) == begin;
        self.make_live(index)?;
        self.see(index, begin, end)?;
        self.file(self.chain(index))
    }

    /// An operation ends: it certainly did not happen.
    ///
    /// # Errors
    /// Its effect was seen.
    pub fn fail(&mut self, invoked: usize, action: &RegisterAction<V>) -> Result<(), Box<Contradiction>> {
        let Some(index) = action.written().and_then(|value| self.values.get(value).copied()) else { return Ok(()) };
        let cluster = &mut self.clusters[index];
        match cluster.writer {
            Some((begin, _)) if begin == invoked + 1 => {}
            _ => return Ok(()),
        }
        if cluster.is_live && self.is_distinct {
            let both = [self.shown_by(index), invoked + 1];
            self.clusters[index].is_answered = true;
            return Err(self.contradiction(Anomaly::FailedTookEffect, both));
        }
        cluster.writer = None;
        Ok(())
    }

    /// The operation is left as it is: its outcome is unknown.
    ///
    /// # Errors
    /// Never, under all of the rules.
    pub(super) fn leave(&mut self, invoked: usize, action: &RegisterAction<V>) -> Result<(), Box<Contradiction>> {
        match action.written() {
            Some(value) if !R::DROP_UNSEEN && self.is_distinct => {
                let index = self.cluster(value);
                self.current = invoked + 1;
                self.make_live(index)?;
                self.file(self.chain(index))
            }
            _ => Ok(()),
        }
    }

    /// The cluster of a value.
    fn cluster(&mut self, value: &V) -> usize {
        if let Some(index) = self.values.get(value) {
            return *index;
        }
        let index = self.clusters.len();
        self.clusters.push(Cluster::new(index));
        self.values.insert(value.clone(), index);
        index
    }

    /// The write of this value certainly happened, as the current operation shows; and so did the writes that it needs.
    fn make_live(&mut self, index: usize) -> Result<(), Box<Contradiction>> {
        let mut index = index;
        let mut after: Option<usize> = None;
        loop {
            let Some((begin, expected)) = self.clusters[index].writer else {
                let needs = after.map_or(self.current, |after| begin_of(&self.clusters[after]));
                return Err(self.contradiction(Anomaly::NeverWritten, [self.current, needs]));
            };
            let was_live = std::mem::replace(&mut self.clusters[index].is_live, true);
            if !was_live {
                self.clusters[index].last = begin;
                self.clusters[index].zone.last = begin;
            }
            if let Some(after) = after {
                self.glue(index, after)?;
            }
            match expected {
                Some(expected) if !was_live => (after, index) = (Some(index), expected),
                _ => return Ok(()),
            }
        }
    }

    /// A set puts one cluster right behind another.
    fn glue(&mut self, before: usize, after: usize) -> Result<(), Box<Contradiction>> {
        if !R::GLUE {
            return Ok(());
        }
        if let Some(other) = self.clusters[before].next {
            let sets = [other, after].map(|index| begin_of(&self.clusters[index]));
            return Err(self.contradiction(Anomaly::LostUpdate, sets));
        }
        let (first, second) = (self.chain(before), self.chain(after));
        if first == second {
            let sets = [before, after].map(|index| begin_of(&self.clusters[index]));
            return Err(self.contradiction(Anomaly::CircularOrder, sets));
        }
        self.clusters[before].next = Some(after);
        let (one, two) = (self.clusters[first].zone, self.clusters[second].zone);
        if R::ORDER_INSIDE && two.first.0 < one.last {
            return Err(self.out_of_order(one.last, two.first));
        }
        for chain in [first, second] {
            self.take_out(chain);
        }
        let (root, child) = if one.size < two.size { (second, first) } else { (first, second) };
        self.clusters[child].parent = root;
        let zone = &mut self.clusters[root].zone;
        zone.first = one.first.min(two.first);
        zone.last = one.last.max(two.last);
        zone.size = one.size + two.size;
        Ok(())
    }

    /// An operation of a cluster began and ended at these moments.
    fn see(&mut self, index: usize, begin: Moment, end: Moment) -> Result<(), Box<Contradiction>> {
        let cluster = &mut self.clusters[index];
        cluster.first = cluster.first.min((end, begin));
        let grows = begin > cluster.last;
        cluster.last = cluster.last.max(begin);
        let mut next = cluster.next;
        while let Some(later) = next
            && grows
            && R::ORDER_INSIDE
        {
            let later = &self.clusters[later];
            if later.first.0 < begin {
                return Err(self.out_of_order(begin, later.first));
            }
            next = later.next;
        }
        let chain = self.chain(index);
        let zone = &mut self.clusters[chain].zone;
        zone.first = zone.first.min((end, begin));
        zone.last = zone.last.max(begin);
        Ok(())
    }

    /// Files the zone of a chain anew, and compares it with the others.
    fn file(&mut self, chain: usize) -> Result<(), Box<Contradiction>> {
        self.take_out(chain);
        let Zone { first: (first, _), last, .. } = self.clusters[chain].zone;
        let is_forward = first < last;
        let before = if is_forward { first } else { last };
        // A forward zone must not begin inside another one, a backward one must not lie inside altogether: either way
        // the other one reaches beyond `f`.
        let reaching = self.forward.range(..before).next_back().filter(|(_, (reach, _))| *reach > first);
        let rule = if is_forward { R::FORWARD } else { R::BACKWARD };
        if let Some((_, (_, other))) = reaching.filter(|_| rule) {
            return Err(self.split(chain, *other));
        }
        if is_forward {
            let overlapped = self.forward.range(first + 1..last).next().filter(|_| R::FORWARD);
            let mut covered = self.backward.range(first + 1..last).filter(|(_, (start, _))| *start > first);
            let covered = covered.next().filter(|_| R::BACKWARD);
            if let Some((_, (_, other))) = overlapped.or(covered) {
                return Err(self.split(chain, *other));
            }
        }
        let zones = if is_forward { &mut self.forward } else { &mut self.backward };
        zones.insert(first, (last, chain));
        self.clusters[chain].zone.filed = Some((first, is_forward));
        Ok(())
    }

    fn take_out(&mut self, chain: usize) {
        match self.clusters[chain].zone.filed.take() {
            Some((first, true)) => self.forward.remove(&first),
            Some((first, false)) => self.backward.remove(&first),
            None => None,
        };
    }

    /// The cluster that stands for the chain of this one.
    fn chain(&self, index: usize) -> usize {
        let mut index = index;
        while self.clusters[index].parent != index {
            index = self.clusters[index].parent;
        }
        index
    }

    /// In one chain, an operation of an earlier cluster began at `begin`, after one of a later cluster had ended.
    #[cold]
    fn out_of_order(&self, begin: Moment, (_, ended): (Moment, Moment)) -> Box<Contradiction> {
        let anomaly = if self.written_by(begin).is_some() { Anomaly::FutureRead } else { Anomaly::StaleRead };
        self.contradiction(anomaly, [begin, ended])
    }

    /// Each of two chains would have to come before the other one.
    #[cold]
    fn split(&self, one: usize, other: usize) -> Box<Contradiction> {
        let zones = [one, other].map(|chain| self.clusters[chain].zone);
        // One chain was there before the other one was written, or from the beginning: its value is old.
        let is_old = |zone: &Zone| zone.first.0 == 0 || self.written_by(zone.last).is_some();
        let anomaly = if zones.iter().any(is_old) { Anomaly::StaleRead } else { Anomaly::SplitOrder };
        self.contradiction(anomaly, zones.iter().flat_map(|zone| [zone.first.1, zone.last]))
    }

    /// The cluster that the operation wrote that began at this moment.
    fn written_by(&self, begin: Moment) -> Option<usize> {
        self.clusters.iter().position(|cluster| cluster.is_live && begin_of(cluster) == begin)
    }

    /// When the operation began that shows that a cluster is there: the first of it, or of one that is behind it.
    fn shown_by(&self, index: usize) -> Moment {
        let mut cluster = Some(&self.clusters[index]);
        while let Some(one) = cluster {
            if one.first.0 != NEVER {
                return one.first.1;
            }
            cluster = one.next.map(|next| &self.clusters[next]);
        }
        self.current
    }

    /// Between the operations that began at these moments. In the place of a writer without an answer stands the
    /// operation that shows that it happened.
    #[cold]
    fn contradiction(&self, anomaly: Anomaly, begins: impl IntoIterator<Item = Moment>) -> Box<Contradiction> {
        let (mut operations, mut writers) = (Vec::new(), Vec::new());
        for begin in begins.into_iter().filter(|begin| *begin > 0) {
            match self.written_by(begin).filter(|index| !self.clusters[*index].is_answered) {
                None => operations.push(begin - 1),
                Some(index) => {
                    operations.extend(self.shown_by(index).checked_sub(1));
                    writers.push(begin - 1);
                }
            }
        }
        Contradiction::new(anomaly, operations).with_writers(writers)
    }

    /// The place of the operation that wrote a value, if one has begun.
    pub fn writer(&self, value: &V) -> Option<usize> {
        let (begin, _) = self.clusters[*self.values.get(value)?].writer?;
        begin.checked_sub(1)
    }
}

/// When the write of a cluster began; 0 for the value that the register begins with.
fn begin_of(cluster: &Cluster) -> Moment {
    cluster.writer.map_or(0, |(begin, _)| begin)
}

/// Judges a whole history; `None` if the premise does not hold before a contradiction is found.
pub(super) fn check<V: Ord + Clone, R: Rules>(
    mut chains: Chains<V, R>,
    operations: &[Operation<RegisterAction<V>>],
) -> Option<Verdict> {
    let mut entries = Vec::with_capacity(2 * operations.len());
    for (index, operation) in operations.iter().enumerate() {
        entries.push((operation.invoked, index));
        entries.extend(operation.returned.map(|place| (place, index)));
    }
    entries.sort_unstable();
    for (place, index) in entries {
        let Operation { action, invoked, returned } = &operations[index];
        let added = match returned {
            _ if place == *invoked => {
                chains.invoke(*invoked, action);
                if returned.is_none() { chains.leave(*invoked, action) } else { Ok(()) }
            }
            _ => chains.complete(*invoked, place, action),
        };
        // What contradicts in a part of the history contradicts in the whole, whatever comes later.
        if let Err(contradiction) = added {
            return Some(Verdict::Invalid(tell(contradiction, operations)));
        }
    }
    chains.is_distinct().then_some(Verdict::Valid)
}

/// With the writers of the values that the operations saw. A value that is written after it was read was read from the
/// future: the whole history shows it, and the part of it so far could not.
fn tell<V: Ord>(
    mut contradiction: Box<Contradiction>,
    operations: &[Operation<RegisterAction<V>>],
) -> Box<Contradiction> {
    let named = |place: &usize| operations.binary_search_by_key(place, |operation| operation.invoked).ok();
    let actions = contradiction.operations.iter().filter_map(named).map(|index| &operations[index].action);
    let seen: Vec<&V> = actions.filter_map(RegisterAction::seen).collect();
    let writes = |value: &V| {
        let writer = operations.iter().find(|operation| operation.action.written() == Some(value));
        writer.map(|operation| operation.invoked)
    };
    let mut writers: Vec<usize> = seen.into_iter().filter_map(writes).collect();
    if contradiction.anomaly == Anomaly::NeverWritten && !writers.is_empty() {
        contradiction.anomaly = Anomaly::FutureRead;
    }
    writers.extend(&contradiction.writers);
    contradiction.with_writers(writers)
}

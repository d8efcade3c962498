//! A list that is appended to, judged while its history grows; and a cell, which is either such a list or a register.
//!
//! The longest read so far gives its appends their places. An operation has to come, in that order, after everything
//! that had ended before it began. So each end is kept with its place where it is further than all ends before, and an
//! operation that ends looks once at the last end before its beginning. Appends that ended and were not read yet have
//! no place yet: nothing that has one may begin after such an end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::{Monitor, Watch};
use crate::checker::model::{Append, Cell, CellAction, RegisterAction};
use crate::checker::{Anomaly, Chains, Contradiction};

/// The monitor of a list. Its premise: no piece is appended twice, and no read leaves open which pieces it shows.
#[derive(Clone, Debug)]
pub struct ListMonitor<V: Append> {
    /// What the longest read shows, and its invocation.
    longest: V,
    longest_read: Option<usize>,
    /// By length of what was read up to there: how many appends it shows.
    places: BTreeMap<usize, usize>,
    /// Appends without a place, by piece: invocation, and end where there is one.
    open: BTreeMap<Vec<V::Unit>, (usize, Option<usize>)>,
    /// Lengths of all pieces.
    lengths: BTreeSet<usize>,
    /// Appends with a place, by invocation.
    placed: BTreeMap<usize, usize>,
    /// Ends of appends without a place, with the invocations.
    hidden: BTreeMap<usize, usize>,
    /// By end: the place and the invocation of the operation. Both the end and the place rise.
    ends: BTreeMap<usize, (usize, usize)>,
    /// The latest invocation of an operation with a place.
    latest: Option<usize>,
    is_exact: bool,
}

impl<V: Append + Clone> ListMonitor<V> {
    /// A list that holds this.
    pub fn new(initial: V) -> Self {
        Self {
            places: BTreeMap::from([(initial.units().len(), 0)]),
            longest: initial,
            longest_read: None,
            open: BTreeMap::new(),
            lengths: BTreeSet::new(),
            placed: BTreeMap::new(),
            hidden: BTreeMap::new(),
            ends: BTreeMap::new(),
            latest: None,
            is_exact: true,
        }
    }

    fn begin(&mut self, invoked: usize, piece: &V) {
        let units = piece.units();
        let is_new = !units.is_empty() && self.open.insert(units.to_vec(), (invoked, None)).is_none();
        self.is_exact &= is_new;
        self.lengths.insert(units.len());
    }

    fn end_append(&mut self, invoked: usize, end: usize, piece: &V) -> Result<(), Box<Contradiction>> {
        match self.placed.get(&invoked).copied() {
            Some(place) => self.end(place, invoked, end, Anomaly::OutOfOrder),
            None => {
                self.open.insert(piece.units().to_vec(), (invoked, Some(end)));
                self.hidden.insert(end, invoked);
                Ok(())
            }
        }
    }

    fn end_read(&mut self, invoked: usize, end: usize, value: &V) -> Result<(), Box<Contradiction>> {
        let (shown, longest) = (value.units(), self.longest.units());
        let is_longer = shown.len() > longest.len();
        let (long, short) = if is_longer { (shown, longest) } else { (longest, shown) };
        if !long.starts_with(short) {
            return Err(Contradiction::new(Anomaly::SplitOrder, [invoked].into_iter().chain(self.longest_read)));
        }
        if is_longer {
            self.extend(invoked, value)?;
        }
        if !self.is_exact {
            return Ok(());
        }
        let Some(appends) = self.places.get(&value.units().len()).copied() else {
            return Err(Contradiction::new(Anomaly::NeverWritten, [invoked]));
        };
        // Whatever began last so far is before those without a place, so none of them had ended by then.
        let latest = self.latest.map_or(invoked, |latest| latest.max(invoked));
        if let Some((_, hidden)) = self.hidden.range(..latest).next() {
            return Err(Contradiction::new(Anomaly::LostUpdate, [*hidden, latest, invoked]));
        }
        self.end(2 * appends, invoked, end, Anomaly::StaleRead)
    }

    /// An operation with a place ends.
    fn end(&mut self, place: usize, invoked: usize, end: usize, anomaly: Anomaly) -> Result<(), Box<Contradiction>> {
        if let Some((_, (further, other))) = self.ends.range(..invoked).next_back()
            && *further > place
        {
            return Err(Contradiction::new(anomaly, [*other, invoked]));
        }
        self.latest = self.latest.max(Some(invoked));
        self.keep_end(end, place, invoked);
        Ok(())
    }

    /// Keeps an end if none before it is as far.
    fn keep_end(&mut self, end: usize, place: usize, invoked: usize) {
        if self.ends.range(..=end).next_back().is_some_and(|(_, (further, _))| *further >= place) {
            return;
        }
        while let Some((later, _)) = self.ends.range(end..).next().filter(|(_, (further, _))| *further <= place) {
            let later = *later;
            self.ends.remove(&later);
        }
        self.ends.insert(end, (place, invoked));
    }

    /// A read shows more than every one before: gives the appends that it shows their places.
    fn extend(&mut self, read: usize, value: &V) -> Result<(), Box<Contradiction>> {
        let units = value.units();
        let mut at = self.longest.units().len();
        let mut appends = self.places.last_key_value().map_or(0, |(_, appends)| *appends);
        while at < units.len() {
            let candidates = self.lengths.iter().filter_map(|length| units[at..].get(..*length));
            let mut fitting = candidates.filter(|piece| self.open.contains_key(*piece));
            let (found, other) = (fitting.next(), fitting.next());
            let Some(piece) = found else {
                return Err(Contradiction::new(Anomaly::NeverWritten, [read]));
            };
            if other.is_some() {
                self.is_exact = false;
                return Ok(());
            }
            appends += 1;
            at += piece.len();
            self.place(piece, 2 * appends - 1)?;
            self.places.insert(at, appends);
        }
        self.longest = value.clone();
        self.longest_read = Some(read);
        Ok(())
    }

    /// An append gets its place, after every operation that has one.
    fn place(&mut self, piece: &[V::Unit], place: usize) -> Result<(), Box<Contradiction>> {
        let (invoked, ended) = self.open.remove(piece).expect("it was found there");
        if let (Some(ended), Some(latest)) = (ended, self.latest)
            && ended < latest
        {
            return Err(Contradiction::new(Anomaly::OutOfOrder, [invoked, latest]));
        }
        self.placed.insert(invoked, place);
        self.latest = self.latest.max(Some(invoked));
        if let Some(ended) = ended {
            self.hidden.remove(&ended);
            self.keep_end(ended, place, invoked);
        }
        Ok(())
    }

    fn fail_append(&mut self, invoked: usize, piece: &V) -> Result<(), Box<Contradiction>> {
        if self.placed.contains_key(&invoked) {
            return Err(Contradiction::new(Anomaly::FailedTookEffect, [invoked].into_iter().chain(self.longest_read)));
        }
        self.open.remove(piece.units());
        Ok(())
    }
}

impl<V: Append + Clone + Debug + Send + 'static> Monitor for ListMonitor<V> {
    type Action = CellAction<V>;

    fn invoke(&mut self, invoked: usize, action: &CellAction<V>) {
        match action {
            CellAction::Append(piece) => self.begin(invoked, piece),
            CellAction::Register(action) => self.is_exact &= matches!(action, RegisterAction::Read(_)),
        }
    }

    fn complete(&mut self, invoked: usize, place: usize, action: &CellAction<V>) -> Result<(), Box<Contradiction>> {
        match action {
            CellAction::Append(piece) if self.is_exact => self.end_append(invoked, place, piece),
            CellAction::Register(RegisterAction::Read(value)) if self.is_exact => self.end_read(invoked, place, value),
            CellAction::Append(_) | CellAction::Register(RegisterAction::Read(_)) => Ok(()),
            CellAction::Register(_) => {
                self.is_exact = false;
                Ok(())
            }
        }
    }

    fn fail(&mut self, invoked: usize, _: usize, action: &CellAction<V>) -> Result<(), Box<Contradiction>> {
        match action {
            CellAction::Append(piece) if self.is_exact => self.fail_append(invoked, piece),
            CellAction::Append(_) | CellAction::Register(_) => Ok(()),
        }
    }

    fn is_exact(&self) -> bool {
        self.is_exact
    }
}

/// The monitor of a cell: of a register as long as nothing is appended, of a list as long as nothing is written.
#[derive(Clone, Debug)]
pub struct CellMonitor<V: Append> {
    chains: Chains<V>,
    list: ListMonitor<V>,
}

impl<V: Append + Ord + Clone + Debug + Send + 'static> Monitor for CellMonitor<V> {
    type Action = CellAction<V>;

    fn invoke(&mut self, invoked: usize, action: &CellAction<V>) {
        self.list.invoke(invoked, action);
        match action {
            CellAction::Register(action) => self.chains.invoke(invoked, action),
            CellAction::Append(_) => self.chains.give_up(),
        }
    }

    fn complete(&mut self, invoked: usize, place: usize, action: &CellAction<V>) -> Result<(), Box<Contradiction>> {
        self.list.complete(invoked, place, action)?;
        match action {
            CellAction::Register(action) => self.chains.complete(invoked, place, action),
            CellAction::Append(_) => Ok(()),
        }
    }

    fn fail(&mut self, invoked: usize, place: usize, action: &CellAction<V>) -> Result<(), Box<Contradiction>> {
        self.list.fail(invoked, place, action)?;
        match action {
            CellAction::Register(action) => self.chains.fail(invoked, action),
            CellAction::Append(_) => Ok(()),
        }
    }

    fn is_exact(&self) -> bool {
        self.chains.is_distinct() || self.list.is_exact()
    }
}

impl<V: Append + Ord + Clone + Debug + Send + 'static> Watch for Cell<V> {
    type Monitor = CellMonitor<V>;

    fn monitor(&self) -> CellMonitor<V> {
        CellMonitor { chains: Chains::new(self.initial.clone()), list: ListMonitor::new(self.initial.clone()) }
    }
}

//! A nemesis through a run: one random fault after another, each with a chance and a least duration.
//!
//! Each occurrence has a stream of its own, keyed by its ordinal; in it the timing, the kind, the nodes and the numbers
//! have theirs. A kind is chosen by a word keyed by its name, a node by one keyed by its own: so one more kind, server
//! or nemesis rarely changes what is chosen, and never what is drawn.

mod kinds;

use crate::director::census::Census;
use crate::director::spec::{NemesisKind, NemesisSpec, OrderKey};
use crate::director::{Directive, DirectiveSink, FaultKey};
use crate::fault::{ClockDrift, Fault};
use crate::id::NodeId;
use crate::rng::{Rng, Seed, fnv1a};
use crate::time::{Duration, Instant};

pub(crate) use kinds::ClockAccount;
use kinds::{Follow, Messages, Occasion, Strike};

/// The least time from the end of a fault to the start of the next, so that no time holds endlessly many.
const GAP_MIN: Duration = Duration::from_micros(1);

/// A stated nemesis, and how far it has come.
///
/// - At most one of its faults lasts at a time. One that follows another comes under the same name.
#[derive(Clone, Debug)]
pub(crate) struct Nemesis {
    spec: NemesisSpec<OrderKey>,
    /// What every one of its faults says that it was resolved from.
    selector: String,
    /// The kinds that this run has.
    kinds: Vec<NemesisKind>,
    /// The kinds of message that this run has, for faults that hit one of them.
    messages: Vec<String>,
    rng: Rng,
    /// What comes after the fault that lasts, before the nemesis rests.
    follow: Option<Box<Follow>>,
    /// The drift that lasts, for the account.
    drift: Option<(NodeId, i32)>,
    /// Of the fault that lasts or comes next, counted from 1.
    ordinal: u32,
    /// Whether one of its faults has started.
    acted: bool,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The next fault starts at this time: one that follows the last, or a new one.
    Idle(Instant),
    /// A fault lasts until this time.
    Active(Instant, FaultKey),
    /// It is over.
    Done,
}

impl Nemesis {
    /// A nemesis at the start of the run.
    pub(crate) fn new(seed: Seed, spec: NemesisSpec<OrderKey>, messages: &[&str]) -> Self {
        let rng = seed.stream("nemesis", fnv1a(&spec.id));
        let texts: Vec<String> = spec.on.iter().map(ToString::to_string).collect();
        let from = spec.from;
        let mut nemesis = Self {
            selector: texts.join(", "),
            kinds: enabled(&rng, &spec),
            messages: enabled_messages(&rng, &spec, messages),
            spec,
            rng,
            follow: None,
            drift: None,
            ordinal: 0,
            acted: false,
            state: State::Done,
        };
        nemesis.rest(from);
        nemesis
    }

    /// What it is called.
    pub(crate) fn id(&self) -> &str {
        &self.spec.id
    }

    /// Whether one of its faults has started.
    pub(crate) const fn was_applied(&self) -> bool {
        self.acted
    }

    /// When it has something to do.
    pub(crate) const fn due(&self) -> Instant {
        match self.state {
            State::Idle(at) | State::Active(at, _) => at,
            State::Done => Instant::MAX,
        }
    }

    /// Does everything that is due.
    pub(crate) fn act(
        &mut self,
        now: Instant,
        census: &Census,
        clocks: &mut ClockAccount,
        sink: &mut DirectiveSink<'_>,
    ) {
        self.stop(now, clocks, sink);
        if let State::Idle(start) = self.state
            && start <= now
        {
            match self.follow.take() {
                Some(follow) => self.begin(now, follow.fault, follow.duration, sink),
                None => self.strike(now, census, clocks, sink),
            }
        }
        // A fault may last no time at all.
        self.stop(now, clocks, sink);
        assert!(self.due() > now, "what was due is done");
    }

    /// Lifts the fault whose time is over.
    fn stop(&mut self, now: Instant, clocks: &mut ClockAccount, sink: &mut DirectiveSink<'_>) {
        if let State::Active(stop, key) = self.state
            && stop <= now
        {
            sink.directives.push(Directive::Stop { key });
            if let Some((node, ppm)) = self.drift.take() {
                clocks.end_drift(node, ppm);
            }
            match &self.follow {
                Some(follow) => self.state = State::Idle(now.saturating_add(follow.after)),
                None => self.rest(now),
            }
        }
    }

    /// Starts a fault, if any of the kinds finds a node to hit.
    fn strike(&mut self, now: Instant, census: &Census, clocks: &mut ClockAccount, sink: &mut DirectiveSink<'_>) {
        let rng = self.occurrence();
        let duration = self.spec.duration.draw(&mut rng.fork("duration", 0));
        let late = self.spec.messages.late.unwrap_or(self.spec.duration);
        let messages = Messages { kinds: &self.messages, late };
        let mut occasion = Occasion::new(census, &rng, &self.spec, duration, messages);
        let kinds = shuffled(&rng, &self.kinds);
        let strike = kinds.into_iter().find_map(|kind| occasion.strike(kind, clocks));
        let (fault, duration, follow) = match strike {
            None => return self.rest(now),
            Some(Strike::Order(node, order)) => return self.order(now, node, order, sink),
            Some(Strike::Fault { fault, duration, follow }) => (fault, duration, follow),
        };
        if let Fault::ClockDrift(ClockDrift { nodes, ppm }) = &fault {
            self.drift = nodes.first().map(|node| (*node, *ppm));
        }
        self.follow = follow;
        self.begin(now, fault, duration, sink);
    }

    /// Gives an order, which happens once.
    fn order(&mut self, now: Instant, node: NodeId, order: OrderKey, sink: &mut DirectiveSink<'_>) {
        self.acted = true;
        let id = format!("{}.{}", self.spec.id, self.ordinal);
        sink.directives.push(Directive::Order { id, line: self.spec.line, node, order });
        self.rest(now);
    }

    fn begin(&mut self, now: Instant, fault: Fault, duration: Duration, sink: &mut DirectiveSink<'_>) {
        self.acted = true;
        let id = format!("{}.{}", self.spec.id, self.ordinal);
        let key = sink.start(&id, &self.selector, self.spec.line, fault);
        self.state = State::Active(now.saturating_add(duration), key);
    }

    /// Nothing lasts: the next fault comes after a while.
    fn rest(&mut self, now: Instant) {
        self.ordinal += 1;
        let gap = self.spec.every.draw(&mut self.occurrence().fork("timing", 0));
        let start = now.saturating_add(gap.max(GAP_MIN));
        let end = self.spec.until.unwrap_or(Instant::MAX);
        let goes_on = start < end && !self.kinds.is_empty();
        self.state = if goes_on { State::Idle(start) } else { State::Done };
    }

    fn occurrence(&self) -> Rng {
        self.rng.fork("occurrence", u64::from(self.ordinal))
    }
}

/// The kinds that this run has.
fn enabled(rng: &Rng, spec: &NemesisSpec<OrderKey>) -> Vec<NemesisKind> {
    let word = |kind: &NemesisKind| rng.fork("swarm", fnv1a(kind.name())).word();
    if spec.swarm { some_of(&spec.kinds, word) } else { spec.kinds.clone() }
}

/// The kinds of message that this run has.
fn enabled_messages(rng: &Rng, spec: &NemesisSpec<OrderKey>, all: &[&str]) -> Vec<String> {
    let word = |kind: &String| rng.fork("messages", fnv1a(kind)).word();
    let stated = match spec.messages.kinds.as_slice() {
        [] => all.iter().map(|kind| (*kind).to_owned()).collect(),
        stated => stated.to_vec(),
    };
    if spec.swarm { some_of(&stated, word) } else { stated }
}

/// Swarm switches each off with even odds, by a word keyed by its name; never all: the one with the smallest word
/// stays.
fn some_of<K: Clone>(all: &[K], word: impl Fn(&K) -> u64) -> Vec<K> {
    let mut some = all.to_vec();
    some.retain(|one| word(one) >> 63 == 0);
    if some.is_empty() {
        some.extend(all.iter().min_by_key(|one| word(one)).cloned());
    }
    some
}

/// The kinds in an order that is drawn: the first that finds a node to hit is taken.
fn shuffled(rng: &Rng, kinds: &[NemesisKind]) -> Vec<NemesisKind> {
    let mut shuffled = kinds.to_vec();
    shuffled.sort_by_key(|kind| (rng.fork("kind", fnv1a(kind.name())).word(), *kind));
    shuffled.dedup();
    shuffled
}

//! A stated fault through a run: each time that its trigger comes is an occurrence, which starts, lasts and is lifted.
//!
//! ```text
//! trigger ─▶ Pending ─delay─▶ Waiting ─resolved─▶ Active ─duration, until─▶ Over
//!                                └──── waits_until, until ────────────────▶ Over
//! ```
//!
//! Occurrences of one fault may overlap: `when = "leader elected"`, three times, cuts off each new leader although the
//! last is still cut off. Everything that an occurrence draws comes from its own stream, keyed by its ordinal.

use crate::director::census::Census;
use crate::director::resolve::Resolver;
use crate::director::spec::{FaultSpec, OrderChoice, OrderKey, OrderSpec, What};
use crate::director::trigger::{Happened, Shift, Watch};
use crate::director::{Directive, DirectiveSink, FaultKey};
use crate::id::NodeId;
use crate::rng::{Rng, Seed, fnv1a};
use crate::selector::{Condition, Trigger};
use crate::time::{Duration, Instant};

/// The least time from the end of an occurrence to the start of the next, so that no time holds endlessly many.
const GAP_MIN: Duration = Duration::from_micros(1);

/// A stated fault, and how far it has come.
#[derive(Clone, Debug)]
pub(crate) struct StatedFault {
    spec: FaultSpec<OrderKey>,
    rng: Rng,
    when: Option<Watch>,
    until: Option<Watch>,
    occurrences: Vec<Occurrence>,
    /// Occurrences so far; the last one's ordinal.
    raised: u32,
    /// When those that wait are to try again.
    retry_at: Instant,
    applied: bool,
    due: Instant,
}

#[derive(Clone, Debug)]
struct Occurrence {
    /// Counted from 1.
    ordinal: u32,
    /// The node that its trigger was about.
    about: Option<NodeId>,
    rng: Rng,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// The trigger came; it starts at this time.
    Pending(Instant),
    /// A selector matches no node; it gives up at this time.
    Waiting(Instant),
    /// It lasts until this time.
    Active(Instant, Ending),
    /// It lasts and nothing will lift it.
    Endless,
    /// It is over since this time.
    Over(Instant),
}

/// What is done when an occurrence is lifted.
#[derive(Clone, Debug, Default)]
struct Ending {
    /// These faults are lifted.
    keys: Vec<FaultKey>,
    /// These nodes get orders.
    orders: Vec<(NodeId, OrderKey)>,
}

impl StatedFault {
    /// A fault at the start of the run.
    pub(crate) fn new(seed: Seed, spec: FaultSpec<OrderKey>) -> Self {
        let mut fault = Self {
            rng: seed.stream("fault", fnv1a(&spec.id)),
            when: None,
            until: spec.until.clone().map(Watch::new),
            occurrences: Vec::new(),
            raised: 0,
            retry_at: Instant::MAX,
            applied: false,
            due: Instant::MAX,
            spec,
        };
        match &fault.spec.trigger {
            Trigger::When { condition, .. } => fault.when = Some(Watch::new(condition.clone())),
            Trigger::At(_) | Trigger::Every(_) => fault.raise(Instant::ZERO, None),
        }
        fault.refresh();
        fault
    }

    /// What it is called.
    pub(crate) fn id(&self) -> &str {
        &self.spec.id
    }

    /// Whether it ever started.
    pub(crate) const fn was_applied(&self) -> bool {
        self.applied
    }

    /// What it waits for: to start, and to end.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let when = match &self.spec.trigger {
            Trigger::When { condition, .. } => Some(condition),
            Trigger::At(_) | Trigger::Every(_) => None,
        };
        when.into_iter().chain(&self.spec.until)
    }

    /// When it has something to do.
    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    /// Whether it waits for observations.
    pub(crate) fn listens(&self) -> bool {
        let mut watches = self.when.iter().chain(&self.until);
        watches.any(Watch::is_for_names)
    }

    /// Something with a name happened.
    pub(crate) fn on_name(&mut self, now: Instant, happened: Happened<'_>, census: &Census) {
        let lifted = self.until.as_mut().is_some_and(|it| it.on_name(now, happened, census));
        let came = self.when.as_mut().is_some_and(|it| it.on_name(now, happened, census));
        if lifted {
            self.lift(now);
        }
        if came {
            self.raise(now, Some(happened.node));
        }
        if lifted || came {
            self.refresh();
        }
    }

    /// A node's role changed.
    pub(crate) fn on_shift(&mut self, now: Instant, shift: Shift, census: &Census) {
        for watch in self.when.iter_mut().chain(&mut self.until) {
            watch.on_shift(now, shift, census);
        }
        self.refresh();
    }

    /// A name was bound to a node: a condition may speak of it, and those that wait may find it now.
    pub(crate) fn on_bound(&mut self, now: Instant) {
        for watch in self.when.iter_mut().chain(&mut self.until) {
            watch.on_bound(now);
        }
        self.on_census(now);
        self.refresh();
    }

    /// The census changed: those that wait may find a node now. Returns whether there are any.
    pub(crate) fn on_census(&mut self, now: Instant) -> bool {
        let waits = |occurrence: &Occurrence| matches!(occurrence.state, State::Waiting(_));
        let any = self.occurrences.iter().any(waits);
        if any {
            self.retry_at = self.retry_at.min(now);
            self.refresh();
        }
        any
    }

    /// Does everything that is due: what is lifted comes first, then the occurrences in order. Returns whether names
    /// were bound to other nodes than before.
    pub(crate) fn act(&mut self, now: Instant, census: &mut Census, sink: &mut DirectiveSink<'_>) -> bool {
        if self.until.as_mut().is_some_and(|it| !it.take(now, census).is_empty()) {
            self.lift(now);
        }
        let came = self.when.as_mut().map_or_else(Vec::new, |it| it.take(now, census));
        for about in came {
            self.raise(now, about);
        }
        let retry = self.retry_at <= now;
        self.retry_at = Instant::MAX;
        let mut occurrences = std::mem::take(&mut self.occurrences);
        let mut binds = false;
        for occurrence in &mut occurrences {
            binds |= self.advance(occurrence, now, retry, census, sink);
        }
        let over = |occurrence: &Occurrence| matches!(occurrence.state, State::Over(_));
        let ended = occurrences.iter().any(over);
        let done = |it: &Occurrence| matches!(it.state, State::Over(_) | State::Endless);
        occurrences.retain(|occurrence| !done(occurrence));
        self.occurrences = occurrences;
        if ended && matches!(self.spec.trigger, Trigger::Every(_)) {
            self.raise(now, None);
        }
        self.refresh();
        assert!(self.due > now, "what was due is done");
        binds
    }

    /// The trigger came: one more occurrence, unless there were enough.
    fn raise(&mut self, now: Instant, about: Option<NodeId>) {
        let ordinal = self.raised + 1;
        let rng = self.rng.fork("occurrence", u64::from(ordinal));
        let mut timing = rng.fork("timing", 0);
        let start = match &self.spec.trigger {
            Trigger::At(span) => span.draw(&mut timing),
            Trigger::Every(span) => now.saturating_add(span.draw(&mut timing).max(GAP_MIN)),
            Trigger::When { times, .. } if self.raised >= *times => return,
            Trigger::When { delay, .. } => now.saturating_add(delay.draw(&mut timing)),
        };
        self.raised = ordinal;
        self.occurrences.push(Occurrence { ordinal, about, rng, state: State::Pending(start) });
        if matches!(self.spec.trigger, Trigger::When { times, .. } if ordinal >= times) {
            self.when = None;
        }
    }

    /// `until` came: what lasts ends, and what waits gives up.
    fn lift(&mut self, now: Instant) {
        for occurrence in &mut self.occurrences {
            match &mut occurrence.state {
                State::Active(stop, _) => *stop = now.min(*stop),
                State::Waiting(_) => occurrence.state = State::Over(now),
                State::Pending(_) | State::Endless | State::Over(_) => {}
            }
        }
    }

    /// Takes one occurrence as far as it comes now. Returns whether it bound a name to another node than before.
    fn advance(
        &mut self,
        occurrence: &mut Occurrence,
        now: Instant,
        retry: bool,
        census: &mut Census,
        sink: &mut DirectiveSink<'_>,
    ) -> bool {
        let mut attempt = retry;
        if let State::Pending(at) = occurrence.state
            && at <= now
        {
            if self.has_ended(now) {
                occurrence.state = State::Over(now);
                return false;
            }
            let limit = self.spec.waits_until.unwrap_or(Instant::MAX);
            occurrence.state = State::Waiting(limit);
            attempt = true;
        }
        let tries = attempt && matches!(occurrence.state, State::Waiting(_));
        let binds = tries && self.start(occurrence, now, census, sink);
        match &occurrence.state {
            State::Waiting(limit) if *limit <= now => occurrence.state = State::Over(now),
            State::Active(stop, Ending { keys, orders }) if *stop <= now => {
                sink.directives.extend(keys.iter().map(|key| Directive::Stop { key: *key }));
                let (id, line) = (self.name(occurrence.ordinal), self.spec.line);
                let order =
                    |(node, order): &(_, _)| Directive::Order { id: id.clone(), line, node: *node, order: *order };
                sink.directives.extend(orders.iter().map(order));
                occurrence.state = State::Over(now);
            }
            _ => {}
        }
        binds
    }

    /// Whether the time has come after which it does not last: it does not start either.
    fn has_ended(&self, now: Instant) -> bool {
        matches!(self.spec.until, Some(Condition::Time(end)) if end <= now)
    }

    /// Starts an occurrence if its selectors match, and binds its names. Returns whether one stood for another node, or
    /// for none, before.
    fn start(
        &mut self,
        occurrence: &mut Occurrence,
        now: Instant,
        census: &mut Census,
        sink: &mut DirectiveSink<'_>,
    ) -> bool {
        let mut resolver = Resolver::new(census, &occurrence.rng).about(occurrence.about);
        if resolver.bind(&self.spec.names).is_none() {
            return false;
        }
        let (id, line) = (self.name(occurrence.ordinal), self.spec.line);
        let mut ending = Ending::default();
        let names = match &self.spec.what {
            What::Fault(fault) => {
                let Some(faults) = fault.choose(&mut resolver) else { return false };
                let names = resolver.names().to_vec();
                sink.bind(&names);
                ending.keys.extend(faults.into_iter().map(|fault| sink.start(&id, &self.spec.selector, line, fault)));
                names
            }
            What::Order(spec) => {
                let Some(Orders { nodes, order, end }) = orders(spec, &mut resolver) else { return false };
                let names = resolver.names().to_vec();
                sink.bind(&names);
                ending.orders.extend(end.into_iter().flat_map(|end| nodes.iter().map(move |node| (*node, end))));
                let order = |node| Directive::Order { id: id.clone(), line, node, order };
                sink.directives.extend(nodes.into_iter().map(order));
                names
            }
        };
        self.applied = true;
        occurrence.state = self.course(occurrence, now, ending);
        names.iter().fold(false, |binds, (name, node)| census.bind(name, *node) || binds)
    }

    /// How an occurrence goes on that has just started.
    fn course(&self, occurrence: &Occurrence, now: Instant, ending: Ending) -> State {
        if !self.spec.what.lasts() {
            return State::Over(now);
        }
        match self.spec.duration {
            Some(span) => {
                let duration = span.draw(&mut occurrence.rng.fork("duration", 0));
                State::Active(now.saturating_add(duration), ending)
            }
            None if self.until.is_some() => State::Active(Instant::MAX, ending),
            None => State::Endless,
        }
    }

    /// The name of an occurrence: with its ordinal, where there may be more than one.
    fn name(&self, ordinal: u32) -> String {
        match self.spec.trigger {
            Trigger::At(_) | Trigger::When { times: 0 | 1, .. } => self.spec.id.clone(),
            Trigger::Every(_) | Trigger::When { .. } => format!("{}.{ordinal}", self.spec.id),
        }
    }

    fn refresh(&mut self) {
        let watches = self.when.iter().chain(&self.until).map(Watch::due);
        let occurrences = self.occurrences.iter().map(|it| match it.state {
            State::Pending(at) | State::Waiting(at) | State::Active(at, _) | State::Over(at) => at,
            State::Endless => Instant::MAX,
        });
        let due = watches.chain(occurrences).min().unwrap_or(Instant::MAX);
        self.due = due.min(self.retry_at);
    }
}

/// An order with the nodes that get it.
struct Orders {
    nodes: Vec<NodeId>,
    order: OrderKey,
    end: Option<OrderKey>,
}

/// Who is ordered what. `None` if a selector matches no node, or there is no order about the one that it matches.
fn orders(spec: &OrderSpec<OrderKey>, resolver: &mut Resolver<'_>) -> Option<Orders> {
    let nodes = resolver.nodes(&spec.nodes)?;
    let (order, about) = chosen(&spec.order, resolver)?;
    let end = match (&spec.end, &spec.order, about) {
        (None, ..) => None,
        // The order that ends another is about the same node, if the two say it by the same selector.
        (Some(OrderChoice::About { node, orders }), OrderChoice::About { node: first, .. }, Some(about))
            if node == first =>
        {
            Some(*orders.get(&about)?)
        }
        (Some(end), ..) => Some(chosen(end, resolver)?.0),
    };
    Some(Orders { nodes, order, end })
}

/// The order, and the node that it is about.
fn chosen(choice: &OrderChoice<OrderKey>, resolver: &mut Resolver<'_>) -> Option<(OrderKey, Option<NodeId>)> {
    match choice {
        OrderChoice::One(order) => Some((*order, None)),
        OrderChoice::About { node, orders } => {
            let about = *resolver.nodes(std::slice::from_ref(node))?.first()?;
            Some((*orders.get(&about)?, Some(about)))
        }
    }
}

//! A system of three levels: a service has a store inside, and the store a counter. Each has its own messages, timers,
//! files, roles, options and invariants, and a slip that one of its invariants must see.

use serde::{Deserialize, Serialize};
use splitbrain_kernel::history::{HistoryEntryRef, HistoryEvent};
use splitbrain_kernel::prelude::*;
use splitbrain_kernel::view::Projected;

/// A file of each node's own; an embedding moves those of the inner node.
const FILE: FileId = FileId(0);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const PERIOD: ValueKind = ValueKind::Duration { min: ms(1), max: ms(1_000) };

// The counter.

options! {
    /// Options of a counter.
    pub struct CounterOptions {
        /// How often it counts.
        pub period: Duration => PERIOD,
        /// Whether it tells a count before it is durable.
        pub forgets: bool => ValueKind::Bool,
    }
}

impl Options for CounterOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[
            Preset { name: "calm", doc: "Every 10 ms.", make: || Self { period: ms(10), forgets: false } },
            Preset { name: "hasty", doc: "Every 4 ms.", make: || Self { period: ms(4), forgets: false } },
        ]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        if self.forgets && self.period < ms(2) {
            return Err(OptionsError::new("period", "must be at least 2ms for one that forgets"));
        }
        Ok(())
    }
}

/// What a counter tells its peers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tell(u64);

impl Message for Tell {
    const KINDS: &'static [&'static str] = &["tell"];
    fn kind(&self) -> usize {
        0
    }
}

/// What a counter observes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CounterSays {
    /// It is the first server.
    Leads,
    /// It is another.
    Follows,
    /// It is the second server.
    HasToken,
    /// It has started.
    Recovered {
        /// The last count on its disk.
        count: u64,
        /// A word that it drew.
        word: u64,
    },
    /// This count is durable.
    Counted(u64),
    /// A peer has told this count.
    Heard(u64),
}

impl Observation for CounterSays {
    const NAMES: &'static [&'static str] =
        &["counter leads", "counter follows", "token gained", "recovered", "counted", "heard"];
    fn face(&self) -> Face {
        match self {
            Self::Leads => Face::new("counter leads", Change::Role { role: "leader", rank: 1 }),
            Self::Follows => Face::new("counter follows", Change::Role { role: "follower", rank: 1 }),
            Self::HasToken => Face::new("token gained", Change::Gained { kind: "token", resource: 7 }),
            Self::Recovered { .. } => Face::new("recovered", Change::None),
            Self::Counted(_) => Face::new("counted", Change::None),
            Self::Heard(_) => Face::new("heard", Change::None),
        }
    }
}

/// Counts durably, and tells the count to the other servers. The first server leads, the second has the token.
#[derive(Clone, Debug)]
pub struct Counter {
    options: CounterOptions,
    cluster: Cluster,
    count: u64,
}

impl Node for Counter {
    type Message = Tell;
    type Timer = ();
    type Record = u64;
    type Observation = CounterSays;
    type Operation = ();
    type Response = ();
    type Order = Never;
    type Step = u64;

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        ctx.observe(if ctx.id().number() == 1 { CounterSays::Leads } else { CounterSays::Follows });
        if ctx.id().number() == 2 {
            ctx.observe(CounterSays::HasToken);
        }
        let word = ctx.rng().word();
        ctx.observe(CounterSays::Recovered { count: self.count, word });
        // An operation of its own, for the history that every level sees.
        let operation = ctx.invoke(());
        ctx.complete(operation, OperationResult::Ok(()));
        ctx.set_timer((), self.options.period);
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, _: Source, Tell(count): Tell) {
        ctx.observe(CounterSays::Heard(count));
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, (): ()) {
        ctx.defer(self.count + 1);
        ctx.set_timer((), self.options.period);
    }

    fn on_step(&mut self, ctx: &mut Context<Self>, count: u64) {
        self.count = count;
        let write = ctx.save(FILE, count);
        ctx.observe_after(write, CounterSays::Counted(count));
        let id = ctx.id();
        for peer in self.cluster.servers().filter(|peer| *peer != id) {
            if self.options.forgets {
                ctx.send(peer, Tell(count));
            } else {
                ctx.send_after(write, peer, Tell(count));
            }
        }
    }
}

// The store.

options! {
    /// Options of a store.
    pub struct StoreOptions {
        /// Whether its stock grows by one where it should by two.
        pub slips: bool => ValueKind::Bool,
        /// The counter inside.
        pub counter: CounterOptions => nested,
    }
}

impl Options for StoreOptions {
    fn presets() -> &'static [Preset<Self>] {
        fn store(slips: bool) -> StoreOptions {
            StoreOptions { slips, counter: CounterOptions::preset("calm").expect("it is listed") }
        }
        &[
            Preset { name: "right", doc: "With a calm counter.", make: || store(false) },
            Preset { name: "wrong", doc: "It slips.", make: || store(true) },
        ]
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum StoreMessage {
    Counter(Tell),
    Stock(u64),
}

impl Message for StoreMessage {
    const KINDS: &'static [&'static str] = joined!(Tell::KINDS, &["stock"]);
    fn kind(&self) -> usize {
        usize::from(matches!(self, Self::Stock(_)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum StoreTimer {
    Counter(()),
    Stock,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum StoreRecord {
    Counter(u64),
    Stock(u64),
}

/// What a store observes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum StoreSays {
    /// The counter inside does.
    Counter(CounterSays),
    /// It is the third server.
    Leads,
    /// It has told itself of this stock.
    Stock(u64),
}

impl Observation for StoreSays {
    const NAMES: &'static [&'static str] = joined!(CounterSays::NAMES, &["store leads", "stock"]);
    fn face(&self) -> Face {
        match self {
            Self::Counter(says) => says.face().in_group(CounterInStore::GROUP),
            Self::Leads => Face::new("store leads", Change::Role { role: "leader", rank: 1 }),
            Self::Stock(_) => Face::new("stock", Change::None),
        }
    }
}

/// Has a stock that is always even. The third server leads.
#[derive(Clone, Debug)]
pub struct Store {
    options: StoreOptions,
    scope: Scope<CounterInStore>,
    counter: Counter,
    stock: u64,
}

embed! {
    /// The counter of a store.
    pub struct CounterInStore: Counter, in Store, as "counter" {
        files: 1,
        hosts: |node| node.is_server(),
        node: |store| Some(&store.counter),
        message: StoreMessage::Counter,
        timer: StoreTimer::Counter,
        record: StoreRecord::Counter,
        observation: StoreSays::Counter,
        operation: same,
        response: same,
        order: same,
        step: same,
    }
}

impl Node for Store {
    type Message = StoreMessage;
    type Timer = StoreTimer;
    type Record = StoreRecord;
    type Observation = StoreSays;
    type Operation = ();
    type Response = ();
    type Order = Never;
    type Step = u64;

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        self.scope.enter(ctx, |ctx| self.counter.on_start(ctx));
        if ctx.id().number() == 3 {
            ctx.observe(StoreSays::Leads);
        }
        ctx.set_timer(StoreTimer::Stock, ms(20));
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: StoreMessage) {
        match message {
            StoreMessage::Counter(tell) => self.scope.enter(ctx, |ctx| self.counter.on_message(ctx, source, tell)),
            StoreMessage::Stock(stock) => ctx.observe(StoreSays::Stock(stock)),
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: StoreTimer) {
        match timer {
            StoreTimer::Counter(()) => self.scope.enter(ctx, |ctx| self.counter.on_timer(ctx, ())),
            StoreTimer::Stock => {
                self.stock += if self.options.slips { 1 } else { 2 };
                ctx.save(FILE, StoreRecord::Stock(self.stock));
                ctx.send(ctx.id(), StoreMessage::Stock(self.stock));
                ctx.set_timer(StoreTimer::Stock, ms(20));
            }
        }
    }

    fn on_step(&mut self, ctx: &mut Context<Self>, step: u64) {
        self.scope.enter(ctx, |ctx| self.counter.on_step(ctx, step));
    }
}

// The service.

options! {
    /// Options of a service.
    pub struct ServiceOptions {
        /// How often it greets.
        pub period: Duration => PERIOD,
        /// Whether its greetings stand still.
        pub repeats: bool => ValueKind::Bool,
        /// The store inside.
        pub store: StoreOptions => nested,
    }
}

impl Options for ServiceOptions {
    fn presets() -> &'static [Preset<Self>] {
        fn plain() -> ServiceOptions {
            let store = StoreOptions::preset("right").expect("it is listed");
            ServiceOptions { period: ms(30), repeats: false, store }
        }
        &[Preset { name: "plain", doc: "Nothing wrong.", make: plain }]
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ServiceMessage {
    Store(StoreMessage),
    Greet(u64),
}

impl Message for ServiceMessage {
    const KINDS: &'static [&'static str] = joined!(StoreMessage::KINDS, &["greet"]);
    fn kind(&self) -> usize {
        match self {
            Self::Store(message) => message.kind(),
            Self::Greet(_) => StoreMessage::KINDS.len(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ServiceTimer {
    Store(StoreTimer),
    Greet,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ServiceSays {
    Store(StoreSays),
    Serves,
}

impl Observation for ServiceSays {
    const NAMES: &'static [&'static str] = joined!(StoreSays::NAMES, &["service serves"]);
    fn face(&self) -> Face {
        match self {
            Self::Store(says) => says.face().in_group(StoreInService::GROUP),
            Self::Serves => Face::new("service serves", Change::Role { role: "master", rank: 1 }),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ServiceStep {
    Store(u64),
}

/// Greets its peers with growing numbers. The second server is the master.
#[derive(Clone, Debug)]
pub struct Service {
    options: ServiceOptions,
    cluster: Cluster,
    scope: Scope<StoreInService>,
    store: Store,
    greetings: u64,
}

embed! {
    /// The store of a service. A service keeps nothing itself.
    pub struct StoreInService: Store, in Service, as "store" {
        files: 0,
        hosts: |node| node.is_server(),
        node: |service| Some(&service.store),
        message: ServiceMessage::Store,
        timer: ServiceTimer::Store,
        record: same,
        observation: ServiceSays::Store,
        operation: same,
        response: same,
        order: none,
        step: ServiceStep::Store,
    }
}

impl Node for Service {
    type Message = ServiceMessage;
    type Timer = ServiceTimer;
    type Record = StoreRecord;
    type Observation = ServiceSays;
    type Operation = ();
    type Response = ();
    type Order = Never;
    type Step = ServiceStep;

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        self.scope.enter(ctx, |ctx| self.store.on_start(ctx));
        if ctx.id().number() == 2 {
            ctx.observe(ServiceSays::Serves);
        }
        ctx.set_timer(ServiceTimer::Greet, self.options.period);
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: ServiceMessage) {
        if let ServiceMessage::Store(message) = message {
            self.scope.enter(ctx, |ctx| self.store.on_message(ctx, source, message));
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: ServiceTimer) {
        match timer {
            ServiceTimer::Store(timer) => self.scope.enter(ctx, |ctx| self.store.on_timer(ctx, timer)),
            ServiceTimer::Greet => {
                self.greetings += u64::from(!self.options.repeats);
                for peer in self.cluster.servers() {
                    ctx.send(peer, ServiceMessage::Greet(self.greetings));
                }
                ctx.set_timer(ServiceTimer::Greet, self.options.period);
            }
        }
    }

    fn on_step(&mut self, ctx: &mut Context<Self>, ServiceStep::Store(step): ServiceStep) {
        self.scope.enter(ctx, |ctx| self.store.on_step(ctx, step));
    }
}

// What must hold, level by level.

const fn info(name: &'static str, doc: &'static str, sight: Sight) -> InvariantInfo {
    InvariantInfo { name, doc, source: "a test", kind: InvariantKind::Safety, sight }
}

const SEES_ALL: InvariantInfo = info("sees_all", "Every kind of call has come by the end of the run.", Sight::BlackBox);

/// What one level holds of an effect of its node.
pub trait Rule<N: Node>: Clone + std::fmt::Debug + Default + Send + 'static {
    /// [`SEES_ALL`] first.
    const LIST: &'static [InvariantInfo];

    fn check(&mut self, view: impl View<N>, node: NodeId, effect: EffectRef<'_, N>, findings: &mut Findings);
}

/// A rule, and whether every kind of call comes.
#[derive(Clone, Debug, Default)]
pub struct Watch<R> {
    rule: R,
    deadline: Instant,
    /// Starts, ends of processes, faults begun, faults ended, settle phases, deadlines, inputs, effects, steps, begins
    /// of operations, ends of operations.
    calls: [u64; 11],
}

impl<N: Node, R: Rule<N>> Invariants<N> for Watch<R> {
    const LIST: &'static [InvariantInfo] = R::LIST;

    fn on_start(&mut self, _: impl View<N>, _: NodeId, _: &mut Findings) {
        self.calls[0] += 1;
    }
    fn on_down(&mut self, view: impl View<N>, node: NodeId, _: &mut Findings) {
        assert!(view.node(node).is_none(), "a node that is down has no state");
        self.calls[1] += 1;
    }
    fn on_fault(&mut self, _: impl View<N>, _: &Fault, change: FaultChange, _: &mut Findings) {
        self.calls[if change == FaultChange::Start { 2 } else { 3 }] += 1;
    }
    fn on_settle(&mut self, view: impl View<N>, _: &mut Findings) {
        assert!(!view.core().is_empty(), "there is a core");
        self.calls[4] += 1;
    }
    fn deadline(&self) -> Instant {
        self.deadline
    }
    fn on_deadline(&mut self, view: impl View<N>, _: &mut Findings) {
        self.deadline = view.now().saturating_add(ms(100));
        self.calls[5] += 1;
    }
    fn on_input(&mut self, _: impl View<N>, _: NodeId, _: Input<'_, N>, _: &mut Findings) {
        self.calls[6] += 1;
    }
    fn on_effect(&mut self, view: impl View<N>, node: NodeId, effect: EffectRef<'_, N>, findings: &mut Findings) {
        self.calls[7] += 1;
        self.rule.check(view, node, effect, findings);
    }
    fn on_step(&mut self, _: impl View<N>, _: NodeId, _: &mut Findings) {
        self.calls[8] += 1;
    }
    fn on_history(&mut self, _: impl View<N>, entry: HistoryEntryRef<'_, N>, _: &mut Findings) {
        self.calls[if matches!(entry.change, HistoryEvent::Invoked(_)) { 9 } else { 10 }] += 1;
    }
    fn on_end(&mut self, _: impl View<N>, findings: &mut Findings) {
        let calls = self.calls;
        findings.check(0, None, !calls.contains(&0), || format!("calls by kind: {calls:?}"));
    }
}

/// What a counter tells is on its disk.
#[derive(Clone, Debug, Default)]
pub struct CountsAreKept;

impl Rule<Counter> for CountsAreKept {
    const LIST: &'static [InvariantInfo] =
        &[SEES_ALL, info("counts_are_kept", "A count is durable before it leaves.", Sight::WhiteBox)];

    fn check(
        &mut self,
        view: impl View<Counter>,
        node: NodeId,
        effect: EffectRef<'_, Counter>,
        findings: &mut Findings,
    ) {
        if let EffectRef::Send { message: Tell(count), .. } = effect {
            let kept = view.disk(node).durable_last(FILE).copied().unwrap_or_default();
            let known = view.node(node).map_or(0, |counter| counter.count);
            let holds = kept >= *count && known >= *count;
            findings.check(1, Some(node), holds, || format!("tells {count}, kept {kept}, counted {known}"));
        }
    }
}

/// A stock is even.
#[derive(Clone, Debug, Default)]
pub struct StockIsEven;

impl Rule<Store> for StockIsEven {
    const LIST: &'static [InvariantInfo] = &[SEES_ALL, info("stock_is_even", "A stock is even.", Sight::BlackBox)];

    fn check(&mut self, _: impl View<Store>, node: NodeId, effect: EffectRef<'_, Store>, findings: &mut Findings) {
        if let EffectRef::Send { message: StoreMessage::Stock(stock), .. } = effect {
            findings.check(1, Some(node), stock % 2 == 0, || format!("a stock of {stock}"));
        }
    }
}

/// Greetings grow.
#[derive(Clone, Debug, Default)]
pub struct GreetingsGrow(std::collections::BTreeMap<(NodeId, NodeId), u64>);

impl Rule<Service> for GreetingsGrow {
    const LIST: &'static [InvariantInfo] = &[SEES_ALL, info("greetings_grow", "Greetings grow.", Sight::BlackBox)];

    fn check(
        &mut self,
        view: impl View<Service>,
        node: NodeId,
        effect: EffectRef<'_, Service>,
        findings: &mut Findings,
    ) {
        if let EffectRef::Send { target, message: ServiceMessage::Greet(number), .. } = effect {
            let last = self.0.insert((node, target), *number);
            let is_new = view.node(node).is_some_and(|service| service.greetings == 1);
            let grows = is_new || last.is_none_or(|last| last < *number);
            findings.check(1, Some(node), grows, || format!("{number} after {last:?}"));
        }
    }
}

// The systems.

/// Counters by themselves.
#[derive(Clone, Debug)]
pub struct Counters(Setup<CounterOptions>);

impl System for Counters {
    const NAME: &'static str = "counters";
    const DOC: &'static str = "Servers that count.";
    const ROLES: &'static [Role] = &[Role::ranked("leader"), Role::plain("follower")];
    const RESOURCES: &'static [&'static str] = &["token"];
    type Options = CounterOptions;
    type Node = Counter;
    type Invariants = Watch<CountsAreKept>;
    type Workload = Idle;

    fn new(setup: Setup<CounterOptions>) -> Result<Self, OptionsError> {
        Ok(Self(setup))
    }
    fn node(&self, id: NodeId, recovered: Recovered<u64>) -> Counter {
        let count = recovered.last(FILE).and_then(Stored::intact).copied().unwrap_or_default();
        Counter { options: self.0.options.get(id).clone(), cluster: self.0.cluster, count }
    }
    fn invariants(&self) -> Self::Invariants {
        Watch::default()
    }
    fn core(&self, _: impl View<Counter>, candidates: &[NodeId]) -> Vec<NodeId> {
        candidates.iter().copied().take(2).collect()
    }
}

/// Stores with counters inside.
#[derive(Clone, Debug)]
pub struct Stores(Setup<StoreOptions>, Counters);

impl System for Stores {
    const NAME: &'static str = "stores";
    const DOC: &'static str = "Servers with counters inside.";
    const ROLES: &'static [Role] = &[Role::ranked("leader")];
    const PARTS: &'static [Part] = &[Part::of::<Counters>(CounterInStore::GROUP)];
    type Options = StoreOptions;
    type Node = Store;
    type Invariants = Both<Watch<StockIsEven>, Inside<CounterInStore, Watch<CountsAreKept>>>;
    type Workload = Idle;

    fn new(setup: Setup<StoreOptions>) -> Result<Self, OptionsError> {
        let options = setup.options.map(|options| options.counter.clone());
        let counters = Counters::new(Setup::new(setup.cluster, options, setup.bounds))?;
        Ok(Self(setup, counters))
    }
    fn node(&self, id: NodeId, recovered: Recovered<StoreRecord>) -> Store {
        let counter = self.1.node(id, CounterInStore.recovered(&recovered));
        let options = self.0.options.get(id).clone();
        Store { options, scope: Scope::new(CounterInStore), counter, stock: 0 }
    }
    fn invariants(&self) -> Self::Invariants {
        Both(Watch::default(), Inside::new(CounterInStore, self.1.invariants()))
    }
    fn core(&self, view: impl View<Store>, candidates: &[NodeId]) -> Vec<NodeId> {
        self.1.core(Projected::new(view, CounterInStore), candidates)
    }
}

/// Services with stores inside.
#[derive(Clone, Debug)]
pub struct Services(Setup<ServiceOptions>, Stores);

impl System for Services {
    const NAME: &'static str = "service";
    const DOC: &'static str = "Servers with stores inside, and counters in these.";
    const ROLES: &'static [Role] = &[Role::ranked("master")];
    const PARTS: &'static [Part] = &[Part::of::<Stores>(StoreInService::GROUP)];
    type Options = ServiceOptions;
    type Node = Service;
    type Invariants = Both<Watch<GreetingsGrow>, Inside<StoreInService, <Stores as System>::Invariants>>;
    type Workload = Idle;

    fn new(setup: Setup<ServiceOptions>) -> Result<Self, OptionsError> {
        let options = setup.options.map(|options| options.store.clone());
        let stores = Stores::new(Setup::new(setup.cluster, options, setup.bounds))?;
        Ok(Self(setup, stores))
    }
    fn node(&self, id: NodeId, recovered: Recovered<StoreRecord>) -> Service {
        let store = self.1.node(id, recovered);
        let options = self.0.options.get(id).clone();
        Service { options, cluster: self.0.cluster, scope: Scope::new(StoreInService), store, greetings: 0 }
    }
    fn invariants(&self) -> Self::Invariants {
        Both(Watch::default(), Inside::new(StoreInService, self.1.invariants()))
    }
    fn core(&self, view: impl View<Service>, candidates: &[NodeId]) -> Vec<NodeId> {
        self.1.core(Projected::new(view, StoreInService), candidates)
    }
}

//! Goal: what belongs to an inner system works in the outer one. Method: a system of three levels, and a node with two
//! inner nodes of one type.

use splitbrain_kernel::fault::CrashScope;
use splitbrain_kernel::plan::{Plan, Timing};
use splitbrain_kernel::prelude::*;
use splitbrain_kernel::run::{Outcome, RunOptions, RunReport};
use splitbrain_kernel::world::World;
use splitbrain_toy::{ServiceOptions, Services};

use crate::stage::{at, crash, ms, planned, s};

const CLUSTER: Cluster = Cluster::plain(3, 0);

fn plain() -> ServiceOptions {
    ServiceOptions::preset("plain").expect("it is listed")
}

/// Half a second in which the first server's process crashes and starts again, and which ends with a settle phase.
fn run(options: ServiceOptions) -> RunReport<(), Never> {
    let fault = planned(at(55), Some(at(90)), crash(s(1), CrashScope::Process));
    let run = RunOptions {
        settle: ms(200),
        replay: Some(Plan { timing: Timing::Time, faults: vec![fault], ..Plan::empty() }),
        ..RunOptions::ordinary(CLUSTER, ms(500))
    };
    let setup = Setup::new(CLUSTER, PerServer::same(options), run.bounds);
    let system = Services::new(setup).expect("options that stand together");
    World::new(&system, &run, Seed(1)).run()
}

fn broken(options: ServiceOptions) -> String {
    match run(options).outcome {
        Outcome::Violated(violation) => violation.invariant,
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_have_the_group_of_their_level() {
    let named = <Services as System>::Invariants::GROUPS.named(Services::NAME);
    let names: Vec<&str> = named.iter().map(|invariant| invariant.name.as_ref()).collect();
    assert_eq!(
        names,
        [
            "service.sees_all",
            "service.greetings_grow",
            "store.sees_all",
            "store.stock_is_even",
            "counter.sees_all",
            "counter.counts_are_kept",
        ]
    );
}

#[test]
fn the_right_variant_passes_and_every_level_sees_every_kind_of_call() {
    let report = run(plain());
    assert_eq!(report.outcome, Outcome::Passed);
    assert!(report.evaluated.iter().all(|count| *count > 0), "{:?}", report.evaluated);
}

#[test]
fn each_slip_breaks_the_invariant_of_its_level() {
    let mut of_counter = plain();
    of_counter.store.counter.forgets = true;
    assert_eq!(broken(of_counter), "counter.counts_are_kept");
    let mut of_store = plain();
    of_store.store.slips = true;
    assert_eq!(broken(of_store), "store.stock_is_even");
    assert_eq!(broken(ServiceOptions { repeats: true, ..plain() }), "service.greetings_grow");
}

#[test]
fn options_are_set_by_path() {
    let mut options = plain();
    assert!(options.set("store.counter.period", &Value::Duration(ms(3))));
    assert_eq!(options.get("store.counter.period"), Some(Value::Duration(ms(3))));
    assert!(options.set("store.counter.preset", &Value::Name("hasty".to_owned())));
    assert_eq!(options.get("store.counter.period"), Some(Value::Duration(ms(4))));
    for (path, value) in [
        ("store.counter.perod", Value::Duration(ms(3))),
        ("store.counter.period", Value::Bool(true)),
        ("store.counter", Value::Bool(true)),
        ("store.counter.preset", Value::Name("hast".to_owned())),
        ("counter.period", Value::Duration(ms(3))),
    ] {
        assert!(!options.set(path, &value), "{path} = {value}");
    }
    assert_eq!(options.get("store"), None);
    let error = ServiceOptions::validate_all(
        &{
            options.store.counter.forgets = true;
            options.store.counter.period = ms(1);
            options
        },
        CLUSTER,
    );
    assert_eq!(error.expect_err("1ms is too short").option, "store.counter.period");
}

/// Two counters of one type in one node, each with its own embedding.
mod twice {
    use serde::{Deserialize, Serialize};
    use splitbrain_kernel::prelude::*;
    use splitbrain_kernel::run::{Outcome, RunOptions, RunReport};
    use splitbrain_kernel::world::World;
    use splitbrain_toy::{Counter, CounterOptions, CounterSays, Counters, CountsAreKept, Tell, Watch};

    use super::CLUSTER;
    use crate::stage::ms;

    /// Whose of two.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    enum Side<T> {
        Left(T),
        Right(T),
    }

    impl Message for Side<Tell> {
        const KINDS: &'static [&'static str] = &["left", "right"];
        fn kind(&self) -> usize {
            usize::from(matches!(self, Self::Right(_)))
        }
    }

    impl Observation for Side<CounterSays> {
        const NAMES: &'static [&'static str] = CounterSays::NAMES;
        fn face(&self) -> Face {
            match self {
                Self::Left(says) => says.face().in_group("left"),
                Self::Right(says) => says.face().in_group("right"),
            }
        }
    }

    #[derive(Debug)]
    struct Pair {
        left: (Scope<OnSide<false>>, Counter),
        right: (Scope<OnSide<true>>, Counter),
    }

    /// An embedding by hand: one type for both sides, told apart by a constant.
    #[derive(Clone, Copy, Debug)]
    struct OnSide<const IS_RIGHT: bool>;

    impl<const IS_RIGHT: bool> OnSide<IS_RIGHT> {
        const fn wrap<T>(inner: T) -> Side<T> {
            if IS_RIGHT { Side::Right(inner) } else { Side::Left(inner) }
        }

        const fn look<T>(outer: &Side<T>) -> Option<&T> {
            match outer {
                Side::Left(inner) if !IS_RIGHT => Some(inner),
                Side::Right(inner) if IS_RIGHT => Some(inner),
                _ => None,
            }
        }
    }

    impl<const IS_RIGHT: bool> Embedding for OnSide<IS_RIGHT> {
        type Outer = Pair;
        type Inner = Counter;
        const GROUP: &'static str = if IS_RIGHT { "right" } else { "left" };

        fn node<'a>(&self, pair: &'a Pair) -> Option<&'a Counter> {
            Some(if IS_RIGHT { &pair.right.1 } else { &pair.left.1 })
        }
        fn hosts(&self, node: NodeId) -> bool {
            node.is_server()
        }
        fn wrap_file(&self, inner: FileId) -> FileId {
            FileId(2 * inner.0 + u16::from(IS_RIGHT))
        }
        fn inner_file(&self, outer: FileId) -> Option<FileId> {
            (outer.0 % 2 == u16::from(IS_RIGHT)).then_some(FileId(outer.0 / 2))
        }
        fn wrap_message(&self, inner: Tell) -> Side<Tell> {
            Self::wrap(inner)
        }
        fn inner_message<'a>(&self, outer: &'a Side<Tell>) -> Option<&'a Tell> {
            Self::look(outer)
        }
        fn wrap_timer(&self, (): ()) -> Side<()> {
            Self::wrap(())
        }
        fn inner_timer(&self, outer: Side<()>) -> Option<()> {
            Self::look(&outer).copied()
        }
        fn wrap_record(&self, inner: u64) -> u64 {
            inner
        }
        fn inner_record<'a>(&self, outer: &'a u64) -> Option<&'a u64> {
            Some(outer)
        }
        fn wrap_observation(&self, inner: CounterSays) -> Option<Side<CounterSays>> {
            Some(Self::wrap(inner))
        }
        fn inner_observation<'a>(&self, outer: &'a Side<CounterSays>) -> Option<&'a CounterSays> {
            Self::look(outer)
        }
        fn wrap_operation(&self, (): ()) {}
        fn inner_operation<'a>(&self, outer: &'a ()) -> Option<&'a ()> {
            Some(outer)
        }
        fn wrap_response(&self, (): ()) {}
        fn inner_response<'a>(&self, outer: &'a ()) -> Option<&'a ()> {
            Some(outer)
        }
        fn inner_order<'a>(&self, outer: &'a Never) -> Option<&'a Never> {
            Some(outer)
        }
        fn wrap_step(&self, inner: u64) -> Side<u64> {
            Self::wrap(inner)
        }
        fn inner_step<'a>(&self, outer: &'a Side<u64>) -> Option<&'a u64> {
            Self::look(outer)
        }
    }

    impl Node for Pair {
        type Message = Side<Tell>;
        type Timer = Side<()>;
        type Record = u64;
        type Observation = Side<CounterSays>;
        type Operation = ();
        type Response = ();
        type Order = Never;
        type Step = Side<u64>;

        fn on_start(&mut self, ctx: &mut Context<Self>) {
            self.left.0.enter(ctx, |ctx| self.left.1.on_start(ctx));
            self.right.0.enter(ctx, |ctx| self.right.1.on_start(ctx));
        }

        fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Side<Tell>) {
            match message {
                Side::Left(tell) => self.left.0.enter(ctx, |ctx| self.left.1.on_message(ctx, source, tell)),
                Side::Right(tell) => self.right.0.enter(ctx, |ctx| self.right.1.on_message(ctx, source, tell)),
            }
        }

        fn on_timer(&mut self, ctx: &mut Context<Self>, timer: Side<()>) {
            match timer {
                Side::Left(()) => self.left.0.enter(ctx, |ctx| self.left.1.on_timer(ctx, ())),
                Side::Right(()) => self.right.0.enter(ctx, |ctx| self.right.1.on_timer(ctx, ())),
            }
        }

        fn on_step(&mut self, ctx: &mut Context<Self>, step: Side<u64>) {
            match step {
                Side::Left(count) => self.left.0.enter(ctx, |ctx| self.left.1.on_step(ctx, count)),
                Side::Right(count) => self.right.0.enter(ctx, |ctx| self.right.1.on_step(ctx, count)),
            }
        }
    }

    options! {
        /// Options of a pair.
        pub struct PairOptions {
            /// The left one.
            pub left: CounterOptions => nested,
            /// The right one.
            pub right: CounterOptions => nested,
        }
    }

    impl Options for PairOptions {
        fn presets() -> &'static [Preset<Self>] {
            fn calm() -> PairOptions {
                let calm = CounterOptions::preset("calm").expect("it is listed");
                PairOptions { left: calm.clone(), right: calm }
            }
            &[Preset { name: "calm", doc: "Both are calm.", make: calm }]
        }
    }

    #[derive(Clone, Debug)]
    struct Pairs {
        left: Counters,
        right: Counters,
    }

    type OfSide<const IS_RIGHT: bool> = Inside<OnSide<IS_RIGHT>, Watch<CountsAreKept>>;

    impl System for Pairs {
        const NAME: &'static str = "pairs";
        const DOC: &'static str = "Two counters a node.";
        const PARTS: &'static [Part] = &[Part::of::<Counters>("left"), Part::of::<Counters>("right")];
        type Options = PairOptions;
        type Node = Pair;
        type Invariants = Both<OfSide<false>, OfSide<true>>;
        type Workload = Idle;

        fn new(setup: Setup<PairOptions>) -> Result<Self, OptionsError> {
            let Setup { cluster, options, bounds, .. } = setup;
            let of = |options| Counters::new(Setup::new(cluster, options, bounds));
            let left = of(options.map(|options| options.left.clone()))?;
            Ok(Self { left, right: of(options.map(|options| options.right.clone()))? })
        }
        fn node(&self, id: NodeId, recovered: Recovered<u64>) -> Pair {
            let left = self.left.node(id, OnSide::<false>.recovered(&recovered));
            let right = self.right.node(id, OnSide::<true>.recovered(&recovered));
            Pair { left: (Scope::new(OnSide), left), right: (Scope::new(OnSide), right) }
        }
        fn invariants(&self) -> Self::Invariants {
            Both(Inside::new(OnSide, self.left.invariants()), Inside::new(OnSide, self.right.invariants()))
        }
        fn core(&self, _: impl View<Pair>, candidates: &[NodeId]) -> Vec<NodeId> {
            candidates.to_vec()
        }
    }

    fn run(options: PairOptions) -> RunReport<(), Never> {
        let run = RunOptions::ordinary(CLUSTER, ms(300));
        let setup = Setup::new(CLUSTER, PerServer::same(options), run.bounds);
        World::new(&Pairs::new(setup).expect("they stand together"), &run, Seed(3)).run()
    }

    #[test]
    fn two_inner_nodes_of_one_type_are_watched_apart() {
        let calm = PairOptions::preset("calm").expect("it is listed");
        let mut hasty = calm.clone();
        assert!(hasty.set("right.preset", &Value::Name("hasty".to_owned())));
        let evaluated = |report: RunReport<(), Never>| (report.evaluated[1], report.evaluated[3]);
        let (left, right) = evaluated(run(calm.clone()));
        assert!(left > 0 && left == right);
        let (again, more) = evaluated(run(hasty));
        assert!(again == left && more > right, "only the right one is hasty");
        let mut forgetful = calm;
        assert!(forgetful.set("right.forgets", &Value::Bool(true)));
        match run(forgetful).outcome {
            Outcome::Violated(violation) => assert_eq!(violation.invariant, "right.counts_are_kept"),
            other => panic!("{other:?}"),
        }
    }
}

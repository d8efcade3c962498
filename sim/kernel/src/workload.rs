//! What clients are asked to do: a small state machine for each client, which the world pulls one operation at a time.
//!
//! ```text
//!   next ──At(time, operation)──▶ handed to the client at that time ──▶ next
//!        ──AfterCompletion──────▶ the client answers ──on_completed──▶ next
//!        ──Done
//! ```
//!
//! An open loop answers `At` again at once and never waits; a closed loop answers `AfterCompletion`, and so never has
//! two operations open. A workload is the user and not the process: it survives a crash of its client. The parts that
//! most workloads are made of are here: [`Pace`] for when, [`Mix`] and [`Keys`] for what.

use std::fmt::Debug;

use crate::context::OperationResult;
use crate::id::NodeId;
use crate::options::{Options, OptionsError, Value, ValueKind};
use crate::rng::Rng;
use crate::selector::Condition;
use crate::time::{Duration, Instant};

/// What comes next for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<O> {
    /// This operation, at this time, which is now or later.
    At(Instant, O),
    /// Nothing until all that the client was asked for has ended: then the workload is asked again.
    AfterCompletion,
    /// Nothing more.
    Done,
}

/// The workload of one client.
///
/// It draws from streams of its own alone, so adding a client moves no draw of another.
pub trait Workload<O, R>: Clone + Debug + Send + Sync + 'static {
    /// What comes next. Asked when the workload begins, after each operation that was handed over, and after a
    /// completion that it waits for.
    fn next(&mut self, now: Instant) -> Next<O>;

    /// An operation of the client has ended, as far as the client knows. One that was handed to a client whose process
    /// was down, or ended before it took it, ends as `Failed`: nothing happened.
    fn on_completed(&mut self, now: Instant, operation: &O, result: OperationResult<&R>) {
        let _ = (now, operation, result);
    }
}

/// The workload of a system that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle;

impl<O, R> Workload<O, R> for Idle {
    fn next(&mut self, _: Instant) -> Next<O> {
        Next::Done
    }
}

/// The workloads of all clients, and when they are on.
#[derive(Clone, Debug)]
pub struct Load<W> {
    /// One for each client that is asked for something.
    pub clients: Vec<(NodeId, W)>,
    /// They begin then.
    pub from: Cue,
    /// No operation comes at this time or later.
    pub until: Cue,
}

/// What the workloads of a run wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cue {
    /// This time.
    At(Instant),
    /// That this condition comes for the first time.
    When(Condition),
}

/// How often operations come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Operations.
    pub count: u64,
    /// In this time.
    pub per: Duration,
    /// Of each client, rather than of all together.
    pub each: bool,
}

/// What a scenario says of a workload, for one client.
#[derive(Clone, Debug)]
pub struct WorkloadCall<'a> {
    /// Which of the system's workloads.
    pub name: &'a str,
    /// How often, if it says so.
    pub rate: Option<Rate>,
    /// The options that it sets, by name, each of the kind that the system states.
    pub settings: &'a [(String, Value)],
    /// How many clients there are.
    pub client_count: u16,
    /// The stream of this client: each kind of draw takes a fork of it.
    pub stream: Rng,
}

impl WorkloadCall<'_> {
    /// Whether the scenario sets this option.
    pub fn sets(&self, option: &str) -> bool {
        self.settings.iter().any(|(name, _)| name == option)
    }

    /// The options with what the scenario sets.
    ///
    /// # Panics
    /// If a setting is none of the workload's: they are checked when the scenario is read.
    pub fn options<P: Options>(&self) -> P {
        let mut options = (P::presets().first().expect("a workload has default options").make)();
        for (name, value) in self.settings {
            assert!(options.set(name, value), "the value of {name} was read by its kind");
        }
        options
    }
}

/// An option of a workload, without the type of the struct that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadOption {
    /// Its key in `[workload]`.
    pub name: &'static str,
    /// Meaning and unit.
    pub doc: &'static str,
    /// Which values it takes.
    pub kind: ValueKind,
    /// What it is by default.
    pub default: Value,
}

/// The options of a workload, for [`WorkloadInfo::options`](crate::system::WorkloadInfo).
pub fn options_of<P: Options>() -> Vec<WorkloadOption> {
    let default = (P::presets().first().expect("a workload has default options").make)();
    let one = |spec: &crate::options::OptionSpec| WorkloadOption {
        name: spec.name,
        doc: spec.doc.trim(),
        kind: spec.kind,
        default: default.get(spec.name).expect("an option has a value"),
    };
    P::SPECS.iter().map(one).collect()
}

crate::names! {
    /// Whether a client waits for the end of an operation before the next.
    pub enum Loop {
        /// It does not: operations come at the rate of the workload, whatever becomes of them.
        Open = "open",
        /// It does, and then thinks for a while.
        Closed = "closed",
    }
}

/// When the operations of a client come. The gaps are exponential, from a stream of its own.
#[derive(Clone, Debug)]
pub struct Pace {
    gaps: Rng,
    kind: Loop,
    mean: Duration,
    bursts: Option<(Duration, Duration)>,
    begun: Option<Instant>,
    /// A closed loop has handed over an operation and was not asked since.
    is_out: bool,
}

/// The options of a [`Pace`], as a workload's options hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaceOptions {
    /// Open or closed loop: the option `pacing`.
    pub pacing: Loop,
    /// The mean time from the end of an operation to the next one, in a closed loop: the option `think`.
    pub think: Duration,
    /// From the beginning of one burst to that of the next; zero for an even flow: the option `burst_every`.
    pub burst_every: Duration,
    /// How long a burst lasts: the option `burst_length`.
    pub burst_length: Duration,
}

impl Pace {
    /// Operations with this mean gap between them, whatever becomes of them.
    pub const fn open(mean: Duration, gaps: Rng) -> Self {
        Self { gaps, kind: Loop::Open, mean, bursts: None, begun: None, is_out: false }
    }

    /// One operation after the other, with this mean time between them.
    pub const fn closed(think: Duration, gaps: Rng) -> Self {
        Self { gaps, kind: Loop::Closed, mean: think, bursts: None, begun: None, is_out: false }
    }

    /// The same in bursts: in each period of `every` operations come during the first `length` alone.
    ///
    /// # Panics
    /// If `length` is zero or more than `every`.
    #[must_use]
    pub fn in_bursts(self, every: Duration, length: Duration) -> Self {
        assert!(!length.is_zero() && length <= every, "a burst is a part of its period");
        Self { bursts: Some((every, length)), ..self }
    }

    /// The pace that a scenario asks for. A key that would have no effect is an error.
    ///
    /// # Errors
    /// The option to blame, and what would be right.
    pub fn of(call: &WorkloadCall<'_>, options: PaceOptions, gaps: Rng) -> Result<Self, OptionsError> {
        let PaceOptions { pacing, think, burst_every, burst_length } = options;
        let pace = match pacing {
            Loop::Open if call.sets("think") => {
                return Err(OptionsError::new("think", "has an effect only with pacing = \"closed\""));
            }
            Loop::Open => {
                let rate = call.rate.unwrap_or(Rate { count: 10, per: Duration::from_secs(1), each: false });
                let share = if rate.each { 1 } else { u64::from(call.client_count.max(1)) };
                Self::open(rate.per.saturating_mul(share).div(rate.count), gaps)
            }
            Loop::Closed if call.rate.is_some() => {
                let message = "has an effect only with pacing = \"open\": a closed loop goes by \"think\"";
                return Err(OptionsError::new("rate", message));
            }
            Loop::Closed => Self::closed(think, gaps),
        };
        if burst_every.is_zero() {
            return match call.sets("burst_length") {
                true => Err(OptionsError::new("burst_length", "has an effect only with \"burst_every\"")),
                false => Ok(pace),
            };
        }
        if burst_length.is_zero() || burst_length > burst_every {
            let message = format!("a burst of {burst_length} does not fit into a period of {burst_every}");
            return Err(OptionsError::new("burst_length", message));
        }
        Ok(pace.in_bursts(burst_every, burst_length))
    }

    /// What comes next, with the operation that `make` makes where one comes.
    pub fn next<O>(&mut self, now: Instant, make: impl FnOnce() -> O) -> Next<O> {
        let begun = *self.begun.get_or_insert(now);
        if self.kind == Loop::Closed && std::mem::take(&mut self.is_out) {
            return Next::AfterCompletion;
        }
        self.is_out = true;
        let gap = self.gaps.exponential(self.mean);
        let at = match self.bursts {
            None => now.saturating_add(gap),
            Some(bursts) => begun.saturating_add(after(now.since(begun), gap, bursts)),
        };
        Next::At(at, make())
    }
}

/// The time, since the first burst, at which this much of the time of bursts has passed from `now` on.
fn after(now: Duration, gap: Duration, (every, length): (Duration, Duration)) -> Duration {
    let (now, gap, every, length) = (now.as_nanos(), gap.as_nanos(), every.as_nanos(), length.as_nanos());
    let passed = (now / every).saturating_mul(length).saturating_add((now % every).min(length));
    let passed = passed.saturating_add(gap);
    Duration::from_nanos((passed / length).saturating_mul(every).saturating_add(passed % length))
}

crate::names! {
    /// How the keys of operations are distributed.
    pub enum Skew {
        /// All with the same odds.
        Uniform = "uniform",
        /// The nth key with odds in proportion to 1/n.
        Zipf = "zipf",
    }
}

/// Keys from 0, drawn with some skew. One word for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The sums of the weights up to each key.
    sums: Vec<u64>,
}

impl Keys {
    /// The most keys that there can be.
    pub const COUNT_MAX: u64 = 100_000;

    /// This many keys.
    ///
    /// # Panics
    /// If there is no key, or more than [`Keys::COUNT_MAX`].
    pub fn new(count: u64, skew: Skew) -> Self {
        assert!((1..=Self::COUNT_MAX).contains(&count), "from 1 to {} keys", Self::COUNT_MAX);
        let weight = |nth: u64| match skew {
            Skew::Uniform => 1,
            Skew::Zipf => (1 << 40) / nth,
        };
        let sums = (1..=count).scan(0, |sum, nth| {
            *sum += weight(nth);
            Some(*sum)
        });
        Self { sums: sums.collect() }
    }

    /// The next key.
    pub fn pick(&self, rng: &mut Rng) -> u64 {
        place(&self.sums, rng) as u64
    }
}

/// Kinds of operation, each drawn with odds in proportion to its weight. One word for each.
///
/// ```
/// # use splitbrain_kernel::{rng::Seed, workload::Mix};
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Kind { Read, Write }
/// // As the options `reads = 3` and `writes = 1` of a workload say.
/// let mix = Mix::of(&[("reads", 3, Kind::Read), ("writes", 1, Kind::Write)]).expect("a weight is more than 0");
/// let kind = mix.pick(&mut Seed(1).stream("kinds", 0));
/// assert!(kind == Kind::Read || kind == Kind::Write);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix<K> {
    /// The sums of the weights up to each kind.
    sums: Vec<u64>,
    kinds: Vec<K>,
}

impl<K: Copy> Mix<K> {
    /// The most that a weight can be.
    pub const WEIGHT_MAX: u64 = 1_000_000;

    /// Kinds with the names of the options that hold their weights. A kind of weight 0 never comes.
    ///
    /// # Errors
    /// If no weight is more than 0, or one is more than [`Mix::WEIGHT_MAX`].
    pub fn of(weights: &[(&'static str, u64, K)]) -> Result<Self, OptionsError> {
        let names = || weights.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
        if let Some((name, weight, _)) = weights.iter().find(|(_, weight, _)| *weight > Self::WEIGHT_MAX) {
            let message = format!("a weight of {weight} is more than {}", Self::WEIGHT_MAX);
            return Err(OptionsError::new(*name, message));
        }
        if weights.iter().all(|(_, weight, _)| *weight == 0) {
            let first = weights.first().map_or("kind", |(name, ..)| *name);
            return Err(OptionsError::new(
                first,
                format!("no operation can come: one of {} must be more than 0", names()),
            ));
        }
        let sums = weights.iter().scan(0, |sum, (_, weight, _)| {
            *sum += weight;
            Some(*sum)
        });
        Ok(Self { sums: sums.collect(), kinds: weights.iter().map(|(.., kind)| *kind).collect() })
    }

    /// The next kind.
    pub fn pick(&self, rng: &mut Rng) -> K {
        self.kinds[place(&self.sums, rng)]
    }
}

/// A place, drawn with odds in proportion to what it adds to the sum.
fn place(sums: &[u64], rng: &mut Rng) -> usize {
    let drawn = rng.below(*sums.last().expect("there is a place"));
    sums.partition_point(|sum| *sum <= drawn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    fn rng() -> Rng {
        Seed(1).stream("workload", 1)
    }

    fn times(pace: &mut Pace, count: usize) -> Vec<Instant> {
        let mut now = Instant::ZERO;
        let mut times = Vec::new();
        while times.len() < count {
            if let Next::At(at, ()) = pace.next(now, || ()) {
                now = at;
                times.push(at);
            }
        }
        times
    }

    #[test]
    fn an_open_loop_never_waits_and_has_its_rate() {
        let mut pace = Pace::open(Duration::from_millis(100), rng());
        let times = times(&mut pace, 10_000);
        assert!(times.is_sorted());
        let mean = times[9_999].since(Instant::ZERO).as_millis() / 10_000;
        assert!((97..=103).contains(&mean), "{mean} ms");
    }

    #[test]
    fn a_closed_loop_waits_after_each_operation() {
        let mut pace = Pace::closed(Duration::from_millis(10), rng());
        let mut now = Instant::ZERO;
        for _ in 0..100 {
            let Next::At(at, ()) = pace.next(now, || ()) else { panic!("it has thought") };
            assert_eq!(pace.next(at, || ()), Next::AfterCompletion);
            now = at.saturating_add(Duration::from_millis(5));
        }
    }

    #[test]
    fn operations_of_bursts_come_in_bursts_and_as_many_as_their_time_allows() {
        let (every, length) = (Duration::from_secs(1), Duration::from_millis(100));
        let mut pace = Pace::open(Duration::from_millis(1), rng()).in_bursts(every, length);
        let times = times(&mut pace, 5_000);
        assert!(times.iter().all(|at| at.as_nanos() % every.as_nanos() < length.as_nanos()));
        let seconds = times[4_999].as_nanos() / every.as_nanos();
        assert!((45..=55).contains(&seconds), "{seconds} bursts of about 100 operations");
    }

    fn call<'a>(rate: Option<Rate>, settings: &'a [(String, Value)]) -> WorkloadCall<'a> {
        WorkloadCall { name: "any", rate, settings, client_count: 2, stream: rng() }
    }

    const OPTIONS: PaceOptions = PaceOptions {
        pacing: Loop::Open,
        think: Duration::from_millis(100),
        burst_every: Duration::ZERO,
        burst_length: Duration::from_millis(100),
    };

    #[test]
    fn a_key_without_effect_is_an_error() {
        let blamed = |rate, set: &[&str], options| {
            let settings: Vec<_> = set.iter().map(|name| ((*name).to_owned(), Value::Bool(true))).collect();
            Pace::of(&call(rate, &settings), options, rng()).map_err(|error| error.option).err()
        };
        let rate = Some(Rate { count: 1, per: Duration::from_secs(1), each: true });
        let closed = PaceOptions { pacing: Loop::Closed, ..OPTIONS };
        let bursts = PaceOptions { burst_every: Duration::from_secs(1), ..OPTIONS };
        assert_eq!(blamed(rate, &["pacing"], OPTIONS), None);
        assert_eq!(blamed(rate, &["think"], OPTIONS).as_deref(), Some("think"));
        assert_eq!(blamed(None, &["think"], closed), None);
        assert_eq!(blamed(rate, &[], closed).as_deref(), Some("rate"));
        assert_eq!(blamed(None, &["burst_length"], OPTIONS).as_deref(), Some("burst_length"));
        assert_eq!(blamed(None, &["burst_length"], bursts), None);
        let long = PaceOptions { burst_length: Duration::from_secs(2), ..bursts };
        assert_eq!(blamed(None, &[], long).as_deref(), Some("burst_length"));
    }

    #[test]
    fn keys_have_their_skew() {
        let count = |skew| {
            let (keys, mut rng) = (Keys::new(10, skew), rng());
            let mut counts = [0_u64; 10];
            (0..29_290).for_each(|_| counts[keys.pick(&mut rng) as usize] += 1);
            counts
        };
        assert!(count(Skew::Uniform).iter().all(|count| count.abs_diff(2_929) < 200));
        let zipf = count(Skew::Zipf);
        // 1 + 1/2 + … + 1/10 = 2.929
        assert!(zipf[0].abs_diff(10_000) < 300 && zipf[1].abs_diff(5_000) < 300 && zipf[9].abs_diff(1_000) < 150);
        assert_eq!(Keys::new(1, Skew::Zipf).pick(&mut rng()), 0);
    }

    #[test]
    fn kinds_come_by_their_weights_and_one_without_a_weight_never() {
        let mix = Mix::of(&[("reads", 3, 'r'), ("lists", 0, 'l'), ("writes", 1, 'w')]).expect("it has weights");
        let mut rng = rng();
        let drawn: Vec<char> = (0..4_000).map(|_| mix.pick(&mut rng)).collect();
        let count = |kind| drawn.iter().filter(|drawn| **drawn == kind).count();
        assert_eq!((count('r') + count('w'), count('l')), (4_000, 0));
        assert!(count('r').abs_diff(3_000) < 120, "{}", count('r'));
    }

    #[test]
    fn a_mix_of_nothing_is_an_error() {
        let none = Mix::of(&[("reads", 0, 'r'), ("writes", 0, 'w')]).expect_err("nothing can come");
        assert_eq!(none.option, "reads");
        assert_eq!(none.message, "no operation can come: one of reads, writes must be more than 0");
        let much = Mix::of(&[("reads", 1, 'r'), ("writes", u64::MAX, 'w')]).expect_err("a weight is too much");
        assert_eq!(much.option, "writes");
    }
}

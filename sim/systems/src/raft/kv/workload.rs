//! The workload `kv`: reads and writes of a few keys.

use std::collections::BTreeMap;

use splitbrain_kernel::context::OperationResult;
use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::options::{Options, OptionsError, Preset, ValueKind};
use splitbrain_kernel::rng::{Ppm, Rng};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::workload::{Keys, Loop, Mix, Next, Pace, PaceOptions, Skew, WorkloadCall};

use crate::raft::message::{Operation as Asked, Response};

use super::{Answer, Operation, Value};

splitbrain_kernel::options! {
    /// The options of the workload `kv`.
    pub struct KvOptions {
        /// Whether a client waits for the end of an operation before the next.
        pub pacing: Loop => ValueKind::Name(Loop::NAMES),
        /// Closed loop: the mean time from the end of an operation to the next one; exponential.
        pub think: Duration => ValueKind::Duration { min: Duration::from_micros(1), max: Duration::from_secs(3600) },
        /// From the beginning of one burst to that of the next; 0s is an even flow.
        pub burst_every: Duration => ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(3600) },
        /// How long a burst lasts. Between bursts no operation begins.
        pub burst_length: Duration => ValueKind::Duration {
            min: Duration::from_micros(1),
            max: Duration::from_secs(3600)
        },
        /// How many keys there are.
        pub keys: u64 => ValueKind::Integer { min: 1, max: Keys::COUNT_MAX },
        /// How the operations are distributed over the keys.
        pub key_skew: Skew => ValueKind::Name(Skew::NAMES),
        /// How many of the operations read.
        pub reads: Ppm => ValueKind::Probability,
        /// How many of the operations that do not read set a value if it is the one that the client saw last. The
        /// three shares come to at most 100 %; the rest puts a value.
        pub compare_and_sets: Ppm => ValueKind::Probability,
        /// How many of the operations that do not read append to a value.
        pub appends: Ppm => ValueKind::Probability,
        /// How many of the operations that do not read delete a key.
        pub deletes: Ppm => ValueKind::Probability,
    }
}

impl Options for KvOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset {
            name: "kv",
            doc: "An open loop in an even flow over four keys: half reads, a quarter puts, a quarter compare-and-sets.",
            make: || Self {
                pacing: Loop::Open,
                think: Duration::from_millis(100),
                burst_every: Duration::ZERO,
                burst_length: Duration::from_millis(100),
                keys: 4,
                key_skew: Skew::Uniform,
                reads: HALF,
                compare_and_sets: HALF,
                appends: Ppm::new(0),
                deletes: Ppm::new(0),
            },
        }]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        if self.writes() > ALL {
            let message = "compare_and_sets, appends and deletes come to more than 100% together \
                           (compare_and_sets is 50% unless it is set)";
            return Err(OptionsError::new("compare_and_sets", message));
        }
        Ok(())
    }
}

/// The options that say which operations come among those that do not read.
const WRITES: [&str; 3] = ["compare_and_sets", "appends", "deletes"];
const ALL: u32 = 1_000_000;
const HALF: Ppm = Ppm::new(ALL / 2);

impl KvOptions {
    /// The share of all kinds of write but puts.
    const fn writes(&self) -> u32 {
        self.compare_and_sets.parts().saturating_add(self.appends.parts()).saturating_add(self.deletes.parts())
    }

    fn mix(&self) -> Result<Mix<Change>, OptionsError> {
        let part = |share: Ppm| u64::from(share.parts());
        Mix::of(&[
            ("compare_and_sets", part(self.compare_and_sets), Change::CompareAndSet),
            ("appends", part(self.appends), Change::Append),
            ("deletes", part(self.deletes), Change::Delete),
            ("puts", u64::from(ALL.saturating_sub(self.writes())), Change::Put),
        ])
    }
}

/// What an operation that does not read does to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    CompareAndSet,
    Append,
    Delete,
    Put,
}

/// The operations of one client.
#[derive(Clone, Debug)]
pub struct KvWorkload {
    reads: Ppm,
    changes: Mix<Change>,
    pace: Pace,
    keys: Keys,
    contents: Rng,
    /// What the client saw last, by key: what it expects when it compares and sets.
    seen: BTreeMap<u64, Value>,
}

impl KvWorkload {
    /// The operations that a scenario asks for.
    ///
    /// # Errors
    /// Settings that have no effect, or contradict one another.
    pub fn of(call: &WorkloadCall<'_>) -> Result<Self, OptionsError> {
        let options: KvOptions = call.options();
        options.validate(Cluster::plain(1, 1))?;
        if call.sets("key_skew") && options.keys == 1 {
            return Err(OptionsError::new("key_skew", "has an effect only with more than one key"));
        }
        if let Some(name) = WRITES.into_iter().find(|name| call.sets(name))
            && options.reads.parts() == ALL
        {
            return Err(OptionsError::new(name, "has an effect only if some operations do not read"));
        }
        let KvOptions { pacing, think, burst_every, burst_length, .. } = options;
        let pace = PaceOptions { pacing, think, burst_every, burst_length };
        Ok(Self {
            pace: Pace::of(call, pace, call.stream.clone())?,
            keys: Keys::new(options.keys, options.key_skew),
            contents: call.stream.fork("operation", 0),
            seen: BTreeMap::new(),
            reads: options.reads,
            changes: options.mix()?,
        })
    }

    /// What comes next for the client.
    pub(in crate::raft) fn next<C>(&mut self, now: Instant) -> Next<Asked<C>> {
        let Self { reads, changes, pace, keys, contents, seen } = self;
        pace.next(now, || {
            // Each operation takes four words, whatever comes of them: two for its kind, one for the key, one for a
            // value. Below 2^53, so that every reader of TOML and JSON gets the same number; and hardly ever the same
            // twice.
            let (is_read, change) = (contents.chance(*reads), changes.pick(contents));
            let (key, value) = (keys.pick(contents), contents.below(1 << 53));
            Asked::Kv(match change {
                _ if is_read => Operation::Get { key },
                Change::CompareAndSet => {
                    Operation::CompareAndSet { key, expected: seen.get(&key).cloned().unwrap_or_default(), value }
                }
                Change::Append => Operation::Append { key, value },
                Change::Delete => Operation::Delete { key },
                Change::Put => Operation::Put { key, value },
            })
        })
    }

    /// The client has learnt something of a key.
    pub(in crate::raft) fn on_completed(&mut self, operation: &Operation, result: OperationResult<&Response>) {
        let OperationResult::Ok(Response::Answered { answer, .. }) = result else { return };
        let seen = match (operation, answer) {
            (_, Answer::Value(value) | Answer::Mismatch(value)) => value.clone(),
            (Operation::Put { value, .. } | Operation::CompareAndSet { value, .. }, Answer::Done) => vec![*value],
            (Operation::Delete { .. }, Answer::Done) => Value::new(),
            _ => return,
        };
        self.seen.insert(operation.key(), seen);
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::options::Value as Setting;
    use splitbrain_kernel::rng::Seed;
    use splitbrain_kernel::workload::Rate;

    use crate::raft::ids::Index;

    use super::*;

    fn call<'a>(settings: &'a [(String, Setting)]) -> WorkloadCall<'a> {
        let rate = Some(Rate { count: 10, per: Duration::from_secs(1), each: true });
        WorkloadCall { name: "kv", rate, settings, client_count: 1, stream: Seed(1).stream("workload", 1) }
    }

    fn share(percent: u32) -> Setting {
        Setting::Probability(Ppm::new(percent * 10_000))
    }

    fn operations(settings: &[(&str, Setting)], count: usize) -> Vec<Operation> {
        let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut workload = KvWorkload::of(&call(&settings)).expect("the settings stand together");
        let mut now = Instant::ZERO;
        let mut next = || match workload.next::<u64>(now) {
            Next::At(at, Asked::Kv(operation)) => {
                now = at;
                operation
            }
            other => panic!("an open loop goes on: {other:?}"),
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn operations_come_in_their_shares() {
        let shares =
            [("reads", share(40)), ("compare_and_sets", share(50)), ("appends", share(30)), ("deletes", share(10))];
        let drawn = operations(&shares, 10_000);
        let count = |is: fn(&Operation) -> bool| drawn.iter().filter(|operation| is(operation)).count();
        assert!(count(|o| matches!(o, Operation::Get { .. })).abs_diff(4_000) < 200);
        assert!(count(|o| matches!(o, Operation::CompareAndSet { .. })).abs_diff(3_000) < 200);
        assert!(count(|o| matches!(o, Operation::Append { .. })).abs_diff(1_800) < 200);
        assert!(count(|o| matches!(o, Operation::Delete { .. })).abs_diff(600) < 100);
        assert!(count(|o| matches!(o, Operation::Put { .. })).abs_diff(600) < 100);
    }

    #[test]
    fn keys_go_by_their_number_and_skew() {
        let of = |settings: &[(&str, Setting)]| {
            let mut counts = [0; 8];
            operations(settings, 2_000).iter().for_each(|operation| counts[operation.key() as usize] += 1);
            counts
        };
        assert_eq!(of(&[("keys", Setting::Integer(1))])[1..], [0; 7]);
        let skewed = of(&[("keys", Setting::Integer(8)), ("key_skew", Setting::Name("zipf".to_owned()))]);
        assert!(skewed[0] > 2 * skewed[3] && skewed[7] > 0, "{skewed:?}");
    }

    #[test]
    fn a_client_expects_what_it_saw_last() {
        let settings = [("keys", Setting::Integer(1)), ("reads", share(0)), ("compare_and_sets", share(100))];
        let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut workload = KvWorkload::of(&call(&settings)).expect("the settings stand together");
        let mut expected = || match workload.next::<u64>(Instant::ZERO) {
            Next::At(_, Asked::Kv(operation @ Operation::CompareAndSet { .. })) => operation,
            other => panic!("all compare and set: {other:?}"),
        };
        let first = expected();
        let Operation::CompareAndSet { expected: nothing, value, .. } = &first else { unreachable!("see above") };
        assert!(nothing.is_empty());
        let done = Response::Answered { index: Index(4), answer: Answer::Done };
        workload.on_completed(&first, OperationResult::Ok(&done));
        let mut expected = || match workload.next::<u64>(Instant::ZERO) {
            Next::At(_, Asked::Kv(Operation::CompareAndSet { expected, .. })) => expected,
            other => panic!("all compare and set: {other:?}"),
        };
        assert_eq!(expected(), [*value]);
        let mismatch = Response::Answered { index: Index(5), answer: Answer::Mismatch(vec![3]) };
        workload.on_completed(&first, OperationResult::Ok(&mismatch));
        let mut expected = || match workload.next::<u64>(Instant::ZERO) {
            Next::At(_, Asked::Kv(Operation::CompareAndSet { expected, .. })) => expected,
            other => panic!("all compare and set: {other:?}"),
        };
        assert_eq!(expected(), [3]);
    }

    #[test]
    fn shares_beyond_the_whole_are_refused() {
        let settings = vec![("compare_and_sets".to_owned(), share(60)), ("appends".to_owned(), share(60))];
        assert_eq!(KvWorkload::of(&call(&settings)).expect_err("120 %").option, "compare_and_sets");
        let one_key =
            vec![("keys".to_owned(), Setting::Integer(1)), ("key_skew".to_owned(), Setting::Name("zipf".into()))];
        assert_eq!(KvWorkload::of(&call(&one_key)).expect_err("one key").option, "key_skew");
    }
}

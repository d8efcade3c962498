//! What is measured in every run, whatever the system: how long a ranked role was vacant or doubly held, how long
//! clients waited without progress, and how long operations took.
//!
//! ```text
//!   role      A leads ──▶ lost ......................... B leads        vacancy: from the loss to the next one
//!             A believes to lead ────────────▶                          overlap: at least two at one moment
//!                        B believes to lead ─────────────▶
//!   place     entry 7 ........ client waits ........ entry 8            pause: while a client waits
//!   operation begins ──▶ ok                                             latency, for each kind of operation
//! ```
//!
//! A plain fold over what nodes say of themselves, over starts and ends of processes, and over the history of clients:
//! no node is asked how it does. It changes nothing, and the digest does not see it.

use crate::context::OperationResult;
use crate::director::Census;
use crate::history::{HistoryEntry, HistoryEvent};
use crate::id::NodeId;
use crate::node::{Node, Observation};
use crate::system::System;
use crate::time::{Duration, Instant};
use crate::vocabulary::{RoleId, Vocabulary};

/// A span of time in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Span {
    /// When it began.
    pub from: Instant,
    /// When it ended.
    pub until: Instant,
}

impl Span {
    /// How long it is.
    pub const fn length(self) -> Duration {
        self.until.since(self.from)
    }
}

/// The name of a measure and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasureInfo {
    /// Its name, as `[expect]` has it: letters, digits and underscores.
    pub name: String,
    /// What it measures, with its unit.
    pub doc: String,
}

/// What a measure came to in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Its value; `None` if what it measures did not happen in the run.
    pub value: Option<u64>,
    /// When it was, if the value is the length of one span of time.
    pub span: Option<Span>,
}

impl Measured {
    fn of_span(span: Option<Span>, unit: fn(Duration) -> u64) -> Self {
        Self { value: span.map(|span| unit(span.length())), span }
    }
}

/// The measures of runs of `S`, in the order of [`Measures::values`].
pub fn list<S: System>() -> Vec<MeasureInfo> {
    let words = Vocabulary::of::<S>();
    let roles = words.ranked().flat_map(|role| {
        let word = words.role_name(role);
        [
            MeasureInfo {
                name: named(&word, "vacancy_max_ms"),
                doc: format!(
                    "The longest time, in milliseconds, from the loss of the newest {word} to the next {word}; one \
                     that the end of the run cuts off counts as far as it goes. A run that loses none has no such \
                     figure."
                ),
            },
            MeasureInfo {
                name: named(&word, "overlap_ms"),
                doc: format!("Time, in milliseconds, in which two nodes or more believed at once to be {word}."),
            },
        ]
    });
    let pauses = <S::Node as Node>::Observation::PLACED.iter().map(|word| MeasureInfo {
        name: named(word, "pause_max_ms"),
        doc: format!(
            "The longest time, in milliseconds, in which a client waited for an operation and nothing more was {word}. \
             A run without operations has no such figure."
        ),
    });
    let latencies = S::Node::OPERATIONS.iter().flat_map(|kind| {
        let one = |which: &str, doc: &str| MeasureInfo {
            name: named(kind, which),
            doc: format!(
                "{doc} time, in microseconds, from the beginning of an operation of the kind {kind} to its answer, \
                 over those of the run that were answered with ok."
            ),
        };
        [
            one("latency_p50_us", "The median"),
            one("latency_p99_us", "The 99th percentile of the"),
            one("latency_max_us", "The longest"),
        ]
    });
    roles.chain(pauses).chain(latencies).collect()
}

/// `raft.leader` and `overlap_ms` make `raft_leader_overlap_ms`.
fn named(word: &str, what: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    format!("{}_{what}", word.chars().map(plain).collect::<String>())
}

const fn micros(duration: Duration) -> u64 {
    duration.as_nanos() / 1_000
}

/// The measures of one run, so far.
#[derive(Clone, Debug)]
pub struct Measures {
    reigns: Vec<Reign>,
    pauses: Vec<Pause>,
    /// How many operations of clients are open.
    waiting: u64,
    /// When one was last open that is not open now.
    waited: Instant,
    /// By kind of operation.
    latencies: Vec<Latencies>,
}

impl Measures {
    /// Nothing has happened yet.
    pub fn new<S: System>() -> Self {
        let pause = |word: &&'static str| Pause { word, place: 0, since: None, longest: None };
        Self {
            reigns: Vocabulary::of::<S>().ranked().map(Reign::new).collect(),
            pauses: <S::Node as Node>::Observation::PLACED.iter().map(pause).collect(),
            waiting: 0,
            waited: Instant::ZERO,
            latencies: vec![Latencies::default(); S::Node::OPERATIONS.len()],
        }
    }

    /// A node has said what its role is, or its process has ended: the census knows already.
    pub fn on_roles(&mut self, now: Instant, census: &Census) {
        for reign in &mut self.reigns {
            reign.review(now, census);
        }
    }

    /// A node has said that the log has come to this place.
    #[inline]
    pub fn on_place(&mut self, now: Instant, word: &str, place: u64) {
        let until = if self.waiting > 0 { now } else { self.waited };
        if let Some(pause) = self.pauses.iter_mut().find(|pause| pause.word == word && place > pause.place) {
            pause.place = place;
            pause.end(until);
            pause.since = (self.waiting > 0).then_some(now);
        }
    }

    /// The history of clients has grown by this entry; of a completion, the kind of the operation and when it began.
    pub fn on_history<O, R>(&mut self, entry: &HistoryEntry<O, R>, (kind, began): (usize, Instant)) {
        match &entry.change {
            HistoryEvent::Invoked(_) => {
                self.waiting += 1;
                for pause in &mut self.pauses {
                    pause.since.get_or_insert(entry.at);
                }
            }
            HistoryEvent::Completed { result, .. } => {
                self.waiting -= 1;
                self.waited = entry.at;
                if matches!(result, OperationResult::Ok(_)) {
                    self.latencies[kind].add(Span { from: began, until: entry.at });
                }
            }
        }
    }

    /// What the measures come to if the run ends now, in the order of [`list`].
    pub fn values(&self, now: Instant) -> Vec<Measured> {
        let until = if self.waiting > 0 { now } else { self.waited };
        let roles = self.reigns.iter().flat_map(|reign| reign.values(now));
        let pauses = self.pauses.iter().map(|pause| {
            let mut pause = pause.clone();
            pause.end(until);
            Measured::of_span(pause.longest, Duration::as_millis)
        });
        roles.chain(pauses).chain(self.latencies.iter().flat_map(Latencies::values)).collect()
    }
}

/// Keeps the longer one; of two that are equally long the first.
fn keep_longest(longest: &mut Option<Span>, span: Span) {
    if longest.is_none_or(|longest| longest.length() < span.length()) {
        *longest = Some(span);
    }
}

/// Who counts in a ranked role.
///
/// - `lost` is set only after `newest`.
#[derive(Clone, Debug)]
struct Reign {
    role: RoleId,
    /// The node of the highest rank so far, its rank, and when it took the role.
    newest: Option<(NodeId, u64, Instant)>,
    /// When the newest lost the role, until the next one has it.
    lost: Option<Instant>,
    vacancy: Option<Span>,
    /// Since when two nodes or more have the role.
    shared: Option<Instant>,
    overlap: Duration,
}

impl Reign {
    const fn new(role: RoleId) -> Self {
        Self { role, newest: None, lost: None, vacancy: None, shared: None, overlap: Duration::ZERO }
    }

    fn review(&mut self, now: Instant, census: &Census) {
        let tenure = |node| census.tenure(node, self.role).filter(|tenure| tenure.role == self.role);
        let chief = census.chief(self.role);
        let chief = chief.and_then(|node| tenure(node).map(|tenure| (node, tenure.rank, tenure.since)));
        let is_gone = |(node, _, since): (NodeId, u64, Instant)| tenure(node).is_none_or(|it| it.since != since);
        if self.lost.is_none() && self.newest.is_some_and(is_gone) {
            self.lost = Some(now);
        }
        let rank = self.newest.map(|(_, rank, _)| rank);
        let takes_over = |of: u64| if self.lost.is_some() { Some(of) >= rank } else { Some(of) > rank };
        if let Some(chief) = chief.filter(|(_, rank, _)| takes_over(*rank)) {
            if let Some(from) = self.lost.take() {
                keep_longest(&mut self.vacancy, Span { from, until: now });
            }
            self.newest = Some(chief);
        }
        match (self.shared, census.in_role(self.role).count() > 1) {
            (None, true) => self.shared = Some(now),
            (Some(since), false) => {
                self.overlap = self.overlap.saturating_add(now.since(since));
                self.shared = None;
            }
            _ => {}
        }
    }

    fn values(&self, now: Instant) -> [Measured; 2] {
        let mut vacancy = self.vacancy;
        if let Some(from) = self.lost {
            keep_longest(&mut vacancy, Span { from, until: now });
        }
        let open = self.shared.map_or(Duration::ZERO, |since| now.since(since));
        let overlap = self.overlap.saturating_add(open);
        [Measured::of_span(vacancy, Duration::as_millis), Measured { value: Some(overlap.as_millis()), span: None }]
    }
}

/// How long clients wait between two places of the log.
#[derive(Clone, Debug)]
struct Pause {
    word: &'static str,
    /// The highest place so far.
    place: u64,
    /// The first moment after it at which a client waited.
    since: Option<Instant>,
    longest: Option<Span>,
}

impl Pause {
    fn end(&mut self, until: Instant) {
        if let Some(from) = self.since.take() {
            keep_longest(&mut self.longest, Span { from, until: until.max(from) });
        }
    }
}

/// How long the operations of one kind took.
#[derive(Clone, Debug, Default)]
struct Latencies {
    all: Vec<Duration>,
    longest: Option<Span>,
}

impl Latencies {
    fn add(&mut self, span: Span) {
        self.all.push(span.length());
        keep_longest(&mut self.longest, span);
    }

    fn values(&self) -> [Measured; 3] {
        let mut sorted = self.all.clone();
        sorted.sort_unstable();
        // The nearest rank: the least value that so many percent do not exceed.
        let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).wrapping_sub(1));
        let of = |percent| Measured { value: rank(percent).map(|latency| micros(*latency)), span: None };
        [of(50), of(99), Measured::of_span(self.longest, micros)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::OperationId;
    use crate::id::Cluster;
    use crate::vocabulary::{Part, Role};

    const WORDS: Part =
        Part { group: "toy", roles: &[Role::ranked("chief"), Role::plain("other")], resources: &[], parts: &[] };

    const fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    const fn s(number: u16) -> NodeId {
        NodeId::server(number)
    }

    fn span(from: u64, until: u64) -> Option<Span> {
        Some(Span { from: at(from), until: at(until) })
    }

    /// Three servers, of which some become chief.
    struct Stage {
        census: Census,
        reign: Reign,
    }

    impl Stage {
        fn new() -> Self {
            let cluster = Cluster::plain(3, 0);
            let mut census = Census::new(cluster, Vocabulary::new(WORDS));
            cluster.starting().for_each(|node| census.set_up(node));
            Self { census, reign: Reign::new(RoleId(0)) }
        }

        fn role(&mut self, millis: u64, node: u16, role: usize, rank: u64) {
            self.census.set_role(at(millis), s(node), RoleId(role), rank);
            self.reign.review(at(millis), &self.census);
        }

        fn chief(&mut self, millis: u64, node: u16, rank: u64) {
            self.role(millis, node, 0, rank);
        }

        fn crash(&mut self, millis: u64, node: u16) {
            self.census.set_down(s(node));
            self.census.set_up(s(node));
            self.reign.review(at(millis), &self.census);
        }

        /// The longest vacancy, and the milliseconds with two.
        fn values(&self, millis: u64) -> (Option<Span>, Option<u64>) {
            let [vacancy, overlap] = self.reign.values(at(millis));
            assert_eq!(vacancy.value, vacancy.span.map(|span| span.length().as_millis()));
            (vacancy.span, overlap.value)
        }
    }

    #[test]
    fn a_role_is_vacant_from_the_loss_to_the_next_one_and_not_before_the_first() {
        let mut stage = Stage::new();
        stage.role(50, 2, 1, 1);
        stage.chief(100, 1, 1);
        assert_eq!(stage.values(900), (None, Some(0)), "nothing was lost");
        stage.crash(200, 1);
        assert_eq!(stage.values(450), (span(200, 450), Some(0)), "the end cuts it off");
        stage.chief(500, 2, 2);
        stage.role(600, 2, 1, 3);
        stage.chief(650, 3, 4);
        assert_eq!(stage.values(900), (span(200, 500), Some(0)), "the longest counts");
    }

    #[test]
    fn one_that_an_older_one_survives_is_lost_all_the_same() {
        let mut stage = Stage::new();
        stage.chief(100, 1, 1);
        stage.chief(200, 2, 2);
        stage.crash(300, 2);
        assert_eq!(stage.values(400), (span(300, 400), Some(100)), "s1 still believes to be chief");
        stage.role(450, 1, 1, 3);
        stage.chief(500, 3, 3);
        assert_eq!(stage.values(900), (span(300, 500), Some(100)));
    }

    #[test]
    fn one_that_is_replaced_while_it_lives_leaves_no_vacancy_but_an_overlap() {
        let mut stage = Stage::new();
        stage.chief(100, 1, 1);
        stage.chief(200, 2, 2);
        assert_eq!(stage.values(250), (None, Some(50)), "the end cuts it off");
        stage.role(260, 1, 1, 2);
        stage.chief(400, 3, 3);
        stage.crash(440, 2);
        assert_eq!(stage.values(900), (None, Some(100)), "60 and 40");
    }

    #[test]
    fn a_chief_that_restarts_in_its_rank_was_lost() {
        let mut stage = Stage::new();
        stage.chief(100, 1, 1);
        stage.crash(200, 1);
        stage.chief(230, 1, 1);
        assert_eq!(stage.values(900).0, span(200, 230));
        stage.chief(300, 1, 2);
        assert_eq!(stage.values(900).0, span(200, 230), "a new rank in the role is no loss");
    }

    /// A client that begins (`true`) and ends operations, and places of the log.
    fn pauses(steps: &[(u64, Step)]) -> Measures {
        let pause = Pause { word: "placed", place: 0, since: None, longest: None };
        let mut measures = Measures {
            reigns: Vec::new(),
            pauses: vec![pause],
            waiting: 0,
            waited: Instant::ZERO,
            latencies: vec![Latencies::default(); 2],
        };
        for (millis, step) in steps {
            let entry = |change| HistoryEntry {
                at: at(*millis),
                event: 0,
                client: NodeId::client(1),
                process: 0,
                id: OperationId(0),
                change,
            };
            match step {
                Step::Begin => measures.on_history(&entry(HistoryEvent::Invoked(())), (0, at(*millis))),
                Step::End(kind, began, result) => {
                    let ended = HistoryEvent::Completed { invoked: 0, result: *result };
                    measures.on_history(&entry(ended), (*kind, at(*began)));
                }
                Step::Place(place) => measures.on_place(at(*millis), "placed", *place),
            }
        }
        measures
    }

    enum Step {
        Begin,
        End(usize, u64, OperationResult<()>),
        Place(u64),
    }

    const OK: OperationResult<()> = OperationResult::Ok(());

    fn longest(steps: &[(u64, Step)], end: u64) -> Option<Span> {
        pauses(steps).values(at(end))[0].span
    }

    #[test]
    fn a_pause_lasts_while_a_client_waits_and_nothing_comes() {
        use Step::{Begin, End, Place};
        assert_eq!(longest(&[(10, Place(1)), (500, Place(2))], 900), None, "no client waits");
        let quiet = [(10, Place(1)), (300, Begin), (320, Place(2)), (330, End(0, 300, OK))];
        assert_eq!(longest(&quiet, 900), span(300, 320), "before and after, no client waits");
        let repeated = [(100, Begin), (200, Place(1)), (300, Place(1)), (450, Place(2))];
        assert_eq!(longest(&repeated, 500), span(200, 450), "a place that is known already is nothing new");
        assert_eq!(longest(&[(100, Begin)], 500), span(100, 500), "the end cuts it off");
        let given_up = [(100, Begin), (300, End(0, 100, OperationResult::Unknown)), (800, Place(1))];
        assert_eq!(longest(&given_up, 900), span(100, 300), "nobody waits for what comes later");
    }

    #[test]
    fn latencies_are_of_what_was_answered_and_by_kind() {
        use Step::{Begin, End};
        let mut steps: Vec<(u64, Step)> = Vec::new();
        for took in 1..=100 {
            steps.extend([(1_000, Begin), (1_000 + took, End(1, 1_000, OK))]);
        }
        steps.extend([(0, Begin), (5_000, End(1, 0, OperationResult::Unknown))]);
        steps.extend([(0, Begin), (6_000, End(1, 0, OperationResult::Failed))]);
        let values = pauses(&steps).values(at(9_000));
        let shown: Vec<Option<u64>> = values[1..].iter().map(|one| one.value).collect();
        assert_eq!(shown, [None, None, None, Some(50_000), Some(99_000), Some(100_000)]);
        assert_eq!(values[6].span, span(1_000, 1_100));
    }

    #[test]
    fn names_are_keys() {
        assert_eq!(named("raft.leader", "overlap_ms"), "raft_leader_overlap_ms");
        assert_eq!(named("compare and set", "latency_max_us"), "compare_and_set_latency_max_us");
    }
}

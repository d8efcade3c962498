//! A node's two clocks, monotonic and wall: offset, drift, steps, slew and freeze.
//!
//! Timers run on the monotonic clock; the wall clock never fires one. Local time rounds down and deadlines round up, so
//! no timer fires early on its own clock.
//!
//! ```text
//!   monotonic = base + (true time since the base) * (1 + drift)      stands still while frozen
//!   wall      = its origin + (monotonic - its origin) + offset + what is slewed so far
//! ```
//!
//! The origin of a clock is what it shows at the start of a run: 0 and [`WALL_EPOCH`], unless the options say
//! otherwise. A monotonic clock counts from the start of its machine, so that a node may meet a counter that is about
//! to wrap.
//!
//! ```
//! use splitbrain_kernel::clock::{Clock, WALL_EPOCH};
//! use splitbrain_kernel::run::ClockOptions;
//! use splitbrain_kernel::time::{Duration, Instant, Offset};
//!
//! // A clock that runs a tenth fast, on a node whose wall clock jumps.
//! let monotonic = Instant::ZERO;
//! let mut clock = Clock::new(ClockOptions { offset: Offset(0), drift_ppm: 100_000, monotonic, wall: WALL_EPOCH });
//! let now = Instant::ZERO.saturating_add(Duration::from_secs(10));
//! let local = clock.monotonic(now);
//! assert_eq!(local.since(monotonic), Duration::from_secs(11));
//!
//! let before = clock.wall(now, local);
//! clock.step(Offset(1_000_000_000));
//! assert_eq!(clock.wall(now, local).since(before), Duration::from_secs(1));
//! assert_eq!(clock.monotonic(now), local, "a step moves the wall clock alone");
//! ```

use crate::run::ClockOptions;
use crate::time::{Duration, Instant, Offset};

/// What a perfect wall clock shows at the start of a run: far from zero, so that a clock behind is no underflow.
pub const WALL_EPOCH: Instant = Instant::from_nanos(1_700_000_000_000_000_000);

/// The fastest and slowest that a clock may run, in parts per million. Half speed to one and a half.
pub const DRIFT_PPM_MAX: i32 = 500_000;

/// The most that a clock may show at the start of a run: 146 years after its zero, so that no sum of the two origins,
/// an offset and the length of a run overflows. Counters of 32 bits wrap before that, if they count seconds or less.
pub const ORIGIN_MAX: Instant = Instant::from_nanos(i64::MAX.unsigned_abs() / 2);

const MILLION: i64 = 1_000_000;

/// The clocks of one node. A plain value: every engine can use it.
///
/// - `base_local` is what the monotonic clock showed at the true time `base_true`, when its rate last changed.
/// - The drift is that of the node plus that of each fault, kept within [`DRIFT_PPM_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    base_true: Instant,
    base_local: Instant,
    drift_ppm: i32,
    /// The drift before it is kept within the bound.
    drift_sum: i64,
    /// Why they stand still: each freeze, and each suspension.
    stops: u32,
    suspensions: u32,
    /// When the first of the suspensions that last began.
    suspended_at: Instant,
    offset: i64,
    slews: Vec<Slew>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Slew {
    from: Instant,
    over: Duration,
    by: i64,
}

impl Clock {
    /// Clocks as they are at the start of a run.
    ///
    /// # Panics
    /// If an origin is later than [`ORIGIN_MAX`].
    pub fn new(options: ClockOptions) -> Self {
        let origins = [options.monotonic, options.wall];
        assert!(origins.iter().all(|origin| *origin <= ORIGIN_MAX), "a clock starts at most at ORIGIN_MAX");
        Self {
            base_true: Instant::ZERO,
            base_local: options.monotonic,
            drift_ppm: options.drift_ppm.clamp(-DRIFT_PPM_MAX, DRIFT_PPM_MAX),
            drift_sum: i64::from(options.drift_ppm),
            stops: 0,
            suspensions: 0,
            suspended_at: Instant::ZERO,
            // The wall clock is counted from WALL_EPOCH and the monotonic clock: the difference between the origins is
            // an offset.
            offset: options.wall_lead(WALL_EPOCH).0 - nanos(options.monotonic),
            slews: Vec::new(),
        }
    }

    /// What the monotonic clock shows at the true time `now`.
    #[inline]
    pub fn monotonic(&self, now: Instant) -> Instant {
        let elapsed = now.since(self.base_true);
        if self.stops > 0 {
            self.base_local
        } else if self.drift_ppm == 0 {
            self.base_local.saturating_add(elapsed)
        } else {
            self.base_local.saturating_add(self.local_span(elapsed))
        }
    }

    /// What the wall clock shows at the true time `now`.
    #[inline]
    pub fn wall(&self, now: Instant, monotonic: Instant) -> Instant {
        let straight = WALL_EPOCH.saturating_add(Duration::from_nanos(monotonic.as_nanos()));
        let offset = if self.slews.is_empty() { self.offset } else { self.offset.saturating_add(self.slewed(now)) };
        let moved = straight.as_nanos().checked_add_signed(offset);
        Instant::from_nanos(moved.unwrap_or(if offset < 0 { 0 } else { u64::MAX }))
    }

    fn slewed(&self, now: Instant) -> i64 {
        self.slews.iter().map(|slew| slew.at(now)).fold(0, i64::saturating_add)
    }

    /// The first true time at which the monotonic clock shows `local` or more; the end of time while it is frozen.
    #[inline]
    pub fn true_time(&self, local: Instant) -> Instant {
        let ahead = local.since(self.base_local);
        if ahead.is_zero() {
            return self.base_true;
        }
        if self.stops > 0 {
            return Instant::MAX;
        }
        self.base_true.saturating_add(self.true_span(ahead))
    }

    /// How much true time passes until the monotonic clock, at its present drift, has counted `local`. Rounded up.
    #[inline]
    pub fn true_span(&self, local: Duration) -> Duration {
        if self.drift_ppm == 0 {
            return local;
        }
        let rate = u128::from(self.rate());
        let span = (u128::from(local.as_nanos()) * MILLION as u128).div_ceil(rate);
        Duration::from_nanos(u64::try_from(span).unwrap_or(u64::MAX))
    }

    fn local_span(&self, elapsed: Duration) -> Duration {
        let span = u128::from(elapsed.as_nanos()) * u128::from(self.rate()) / MILLION as u128;
        Duration::from_nanos(u64::try_from(span).unwrap_or(u64::MAX))
    }

    fn rate(&self) -> u64 {
        MILLION.unsigned_abs().checked_add_signed(i64::from(self.drift_ppm)).expect("drift is at most half")
    }

    /// How much the clocks run fast, in parts per million.
    pub const fn drift_ppm(&self) -> i32 {
        self.drift_ppm
    }

    /// Whether the clocks stand still.
    pub const fn is_frozen(&self) -> bool {
        self.stops > 0
    }

    /// Adds to the drift from `now` on. Timers must be keyed anew.
    pub fn add_drift(&mut self, now: Instant, ppm: i32) {
        self.drift_to(now, self.drift_sum.saturating_add(i64::from(ppm)));
    }

    /// Takes back what [`Clock::add_drift`] added. Timers must be keyed anew.
    pub fn remove_drift(&mut self, now: Instant, ppm: i32) {
        self.drift_to(now, self.drift_sum.saturating_sub(i64::from(ppm)));
    }

    /// Sets the drift from `now` on. Timers must be keyed anew.
    pub fn set_drift(&mut self, now: Instant, ppm: i32) {
        self.drift_to(now, i64::from(ppm));
    }

    fn drift_to(&mut self, now: Instant, sum: i64) {
        self.rebase(now);
        self.drift_sum = sum;
        let bound = i64::from(DRIFT_PPM_MAX);
        self.drift_ppm = i32::try_from(sum.clamp(-bound, bound)).expect("the bound is an i32");
    }

    /// Stops both clocks; each freeze needs a thaw of its own. Timers must be keyed anew.
    pub fn freeze(&mut self, now: Instant) {
        self.rebase(now);
        self.stops += 1;
    }

    /// Lets the clocks go on where they stood. Timers must be keyed anew.
    pub fn thaw(&mut self, now: Instant) {
        self.rebase(now);
        self.stops = self.stops.saturating_sub(1).max(self.suspensions);
    }

    /// Ends every freeze. Timers must be keyed anew.
    pub fn thaw_all(&mut self, now: Instant) {
        self.rebase(now);
        self.stops = self.suspensions;
    }

    /// The machine is suspended: the monotonic clock stands still, while the wall clock goes on unseen. Each suspension
    /// needs a resumption of its own. Timers must be keyed anew.
    pub fn suspend(&mut self, now: Instant) {
        self.rebase(now);
        if self.suspensions == 0 {
            self.suspended_at = now;
        }
        self.suspensions += 1;
        self.stops += 1;
    }

    /// The machine goes on: the monotonic clock where it stood, the wall clock with the time that has passed. Timers
    /// must be keyed anew.
    pub fn resume(&mut self, now: Instant) {
        self.rebase(now);
        self.suspensions = self.suspensions.saturating_sub(1);
        self.stops = self.stops.saturating_sub(1);
        if self.suspensions == 0 {
            let missed = self.local_span(now.since(self.suspended_at));
            self.offset = self.offset.saturating_add(i64::try_from(missed.as_nanos()).unwrap_or(i64::MAX));
        }
    }

    /// Ends every suspension.
    pub fn resume_all(&mut self, now: Instant) {
        while self.suspensions > 0 {
            self.resume(now);
        }
    }

    /// Whether the machine is suspended.
    pub const fn is_suspended(&self) -> bool {
        self.suspensions > 0
    }

    fn rebase(&mut self, now: Instant) {
        self.base_local = self.monotonic(now);
        self.base_true = now;
    }

    /// Jumps the wall clock.
    pub const fn step(&mut self, by: Offset) {
        self.offset = self.offset.saturating_add(by.0);
    }

    /// Leads the wall clock to a new offset, evenly over a while.
    pub fn slew(&mut self, now: Instant, by: Offset, over: Duration) {
        let (done, going): (Vec<Slew>, Vec<Slew>) = self.slews.drain(..).partition(|slew| slew.is_over(now));
        self.offset = done.iter().fold(self.offset, |offset, slew| offset.saturating_add(slew.by));
        self.slews = going;
        self.slews.push(Slew { from: now, over, by: by.0 });
    }
}

fn nanos(at: Instant) -> i64 {
    i64::try_from(at.as_nanos()).expect("no origin is later than ORIGIN_MAX")
}

impl ClockOptions {
    /// How far the wall clock is ahead, at the start, of one that starts at `origin` and has no offset.
    ///
    /// # Panics
    /// If an origin is later than [`ORIGIN_MAX`].
    pub fn wall_lead(&self, origin: Instant) -> Offset {
        Offset(self.offset.0.saturating_add(nanos(self.wall) - nanos(origin)))
    }
}

impl Default for ClockOptions {
    fn default() -> Self {
        Self { offset: Offset(0), drift_ppm: 0, monotonic: Instant::ZERO, wall: WALL_EPOCH }
    }
}

impl Slew {
    fn is_over(&self, now: Instant) -> bool {
        now.since(self.from) >= self.over
    }

    fn at(&self, now: Instant) -> i64 {
        if self.is_over(now) {
            return self.by;
        }
        let part = i128::from(self.by) * i128::from(now.since(self.from).as_nanos());
        i64::try_from(part / i128::from(self.over.as_nanos())).expect("a part of an i64 is an i64")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drifting(ppm: i32) -> Clock {
        Clock::new(ClockOptions { drift_ppm: ppm, ..ClockOptions::default() })
    }

    const fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn a_fast_clock_counts_more_than_passes() {
        assert_eq!(drifting(100_000).monotonic(at(1_000)), at(1_100));
        assert_eq!(drifting(-100_000).monotonic(at(1_000)), at(900));
    }

    #[test]
    fn a_frozen_clock_fires_no_timer_and_goes_on_where_it_stood() {
        let mut clock = drifting(0);
        clock.freeze(at(500));
        assert_eq!(clock.monotonic(at(900)), at(500));
        assert_eq!(clock.true_time(at(501)), Instant::MAX);
        clock.thaw(at(900));
        assert_eq!(clock.monotonic(at(1_000)), at(600));
    }

    #[test]
    fn the_wall_clock_steps_and_slews_and_the_monotonic_does_not() {
        let mut clock = drifting(0);
        clock.step(Offset(-300));
        clock.slew(at(1_000), Offset(100), Duration::from_nanos(1_000));
        let wall = |clock: &Clock, now| clock.wall(now, clock.monotonic(now)).since(WALL_EPOCH).as_nanos();
        assert_eq!(wall(&clock, at(1_000)), 700);
        assert_eq!(wall(&clock, at(1_500)), 1_250);
        assert_eq!(wall(&clock, at(5_000)), 4_800);
        clock.slew(at(6_000), Offset(1), Duration::from_nanos(1));
        assert_eq!(wall(&clock, at(6_001)), 5_802);
        assert_eq!(clock.monotonic(at(6_001)), at(6_001));
    }

    #[test]
    fn a_suspended_machine_resumes_with_a_monotonic_clock_that_stood_and_a_wall_clock_that_is_right() {
        let mut clock = drifting(0);
        let wall = |clock: &Clock, now| clock.wall(now, clock.monotonic(now)).since(WALL_EPOCH).as_nanos();
        clock.suspend(at(500));
        clock.suspend(at(600));
        assert_eq!(clock.monotonic(at(900)), at(500));
        assert_eq!(clock.true_time(at(501)), Instant::MAX);
        clock.resume(at(900));
        assert!(clock.is_suspended());
        clock.resume(at(1_000));
        assert!(!clock.is_suspended() && !clock.is_frozen());
        assert_eq!((clock.monotonic(at(1_100)), wall(&clock, at(1_100))), (at(600), 1_100));
    }

    #[test]
    fn a_thaw_ends_no_suspension() {
        let mut clock = drifting(0);
        clock.freeze(at(100));
        clock.suspend(at(200));
        clock.thaw(at(300));
        assert_eq!(clock.monotonic(at(400)), at(100));
        clock.thaw_all(at(400));
        assert!(clock.is_frozen());
        clock.resume_all(at(500));
        assert_eq!(clock.monotonic(at(600)), at(200));
    }

    #[test]
    fn clocks_start_at_their_origins_and_count_on_from_there() {
        let (monotonic, wall) = (at(4_294_967_295_000_000), at(2_147_483_647_000_000_000));
        let options = ClockOptions { monotonic, wall, offset: Offset(-7), ..ClockOptions::default() };
        let mut clock = Clock::new(options);
        let shown = |clock: &Clock, now| (clock.monotonic(now), clock.wall(now, clock.monotonic(now)));
        let after = |span| Duration::from_nanos(span);
        assert_eq!(shown(&clock, at(0)), (monotonic, wall.saturating_sub(after(7))));
        assert_eq!(shown(&clock, at(500)), (monotonic + after(500), wall + after(493)));
        assert_eq!(clock.true_time(monotonic + after(900)), at(900));
        clock.suspend(at(1_000));
        clock.resume(at(3_000));
        clock.add_drift(at(3_000), 500_000);
        assert_eq!(shown(&clock, at(4_000)), (monotonic + after(2_500), wall + after(4_493)));
        assert_eq!(options.wall_lead(WALL_EPOCH), Offset(447_483_647_000_000_000 - 7));
        let latest = ClockOptions { monotonic: ORIGIN_MAX, wall: at(0), ..ClockOptions::default() };
        assert_eq!(shown(&Clock::new(latest), at(9)), (ORIGIN_MAX + after(9), at(9)));
    }

    proptest! {
        #[test]
        fn no_timer_fires_early_nor_a_nanosecond_later_than_it_must(
            ppm in -DRIFT_PPM_MAX..=DRIFT_PPM_MAX, change in -DRIFT_PPM_MAX..=DRIFT_PPM_MAX,
            changed_at in 0u64..10_000_000_000, ahead in 0u64..10_000_000_000,
        ) {
            let mut clock = drifting(ppm);
            clock.set_drift(at(changed_at), change);
            let local = clock.monotonic(at(changed_at)).saturating_add(Duration::from_nanos(ahead));
            let due = clock.true_time(local);
            prop_assert!(clock.monotonic(due) >= local);
            prop_assert!(due <= at(changed_at) || clock.monotonic(due.saturating_sub(Duration::from_nanos(1))) < local);
        }
    }
}

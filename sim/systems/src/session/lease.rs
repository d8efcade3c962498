//! The arithmetic of leases, as plain functions.
//!
//! A follower may count on its lease for as long as it is inside the master's. The follower counts `T_f` from the send
//! of the request that was answered, the master `T_m` from its receipt or later. With clocks whose rates lie within
//! `1 ± d`, the follower's lease lasts at most `T_f / (1 - d)` of true time, the master's at least `T_m / (1 + d)`:
//!
//! ```text
//!   contained  <=>  T_f * (1 + d) <= T_m * (1 - d)
//! ```
//!
//! Source: Gray and Cheriton, Leases: an efficient fault-tolerant mechanism for distributed file cache consistency
//! (SOSP 1989), section 2 and 5.

use splitbrain_kernel::time::Duration;

const MILLION: u128 = 1_000_000;

/// Whether a follower's lease lies within the master's, whatever clocks do within this bound on drift.
pub const fn is_contained(follower: Duration, master: Duration, drift_ppm: u32) -> bool {
    let drift = drift_ppm as u128;
    follower.as_nanos() as u128 * (MILLION + drift) <= master.as_nanos() as u128 * (MILLION - drift)
}

/// The longest lease of a follower that lies within the master's.
///
/// # Panics
/// If clocks may stand still: the bound on drift is a million.
pub fn longest_within(master: Duration, drift_ppm: u32) -> Duration {
    let drift = u128::from(drift_ppm);
    assert!(drift < MILLION, "a clock that may stand still bounds nothing");
    let nanos = u128::from(master.as_nanos()) * (MILLION - drift) / (MILLION + drift);
    Duration::from_nanos(u64::try_from(nanos).expect("it is shorter than the master's"))
}

/// The greatest drift for which the follower's lease lies within the master's, in parts per million.
pub fn greatest_drift(follower: Duration, master: Duration) -> u32 {
    let (follower, master) = (u128::from(follower.as_nanos()), u128::from(master.as_nanos()));
    let ppm = master.saturating_sub(follower) * MILLION / (master + follower).max(1);
    u32::try_from(ppm).expect("it is at most a million")
}

/// The least that one clock counts while another counts `span`: what a follower may add for the time that a master says
/// it has held a request back.
pub fn least_elsewhere(span: Duration, drift_ppm: Option<u32>) -> Duration {
    longest_within(span, drift_ppm.unwrap_or(0))
}

/// The least true time that passes while a clock within this bound counts `span`.
pub fn least_true(span: Duration, drift_ppm: u32) -> Duration {
    let nanos = u128::from(span.as_nanos()) * MILLION / (MILLION + u128::from(drift_ppm));
    Duration::from_nanos(u64::try_from(nanos).expect("it is shorter than the span"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn perfect_clocks_allow_equal_leases() {
        assert!(is_contained(secs(7), secs(7), 0));
        assert!(!is_contained(secs(7) + Duration::from_nanos(1), secs(7), 0));
        assert_eq!(longest_within(secs(7), 0), secs(7));
    }

    #[test]
    fn drift_counts_on_both_sides() {
        // A tenth each way: 9 / 11 of the master's lease.
        assert_eq!(longest_within(secs(11), 100_000), secs(9));
        assert!(is_contained(secs(9), secs(11), 100_000));
        assert!(!is_contained(secs(9) + Duration::from_nanos(2), secs(11), 100_000));
        assert_eq!(greatest_drift(secs(9), secs(11)), 100_000);
    }

    #[test]
    fn the_three_forms_agree() {
        for drift in [0, 50, 10_000, 176_470, 400_000] {
            let longest = longest_within(secs(7), drift);
            assert!(is_contained(longest, secs(7), drift));
            assert!(greatest_drift(longest, secs(7)) >= drift);
            assert_eq!(least_elsewhere(secs(7), Some(drift)), longest);
            assert!(least_true(secs(7), drift) >= longest);
        }
        assert_eq!(least_elsewhere(secs(3), None), secs(3));
    }
}

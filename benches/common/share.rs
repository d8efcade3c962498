//! Shares of seeds with their intervals, as the tables of the gallery print them.

/// The 95 % interval of Wilson for this many hits, in hundredths of a percent, rounded down and up.
pub(crate) fn interval(hits: u64, seeds: u64) -> (u64, u64) {
    /// The square of 1.96, in parts of ten thousand.
    const Z2: u128 = 38_416;
    const SCALE: u128 = 10_000;
    let (hits, seeds) = (u128::from(hits), u128::from(seeds));
    let middle = (SCALE * hits + Z2 / 2) * SCALE;
    let half = (Z2 * (4 * SCALE * hits * (seeds - hits) + Z2 * seeds) / (4 * seeds)).isqrt() * SCALE;
    let all = SCALE * seeds + Z2;
    let low = if hits == 0 { 0 } else { middle.saturating_sub(half) / all };
    let high = if hits == seeds { SCALE } else { (middle + half).div_ceil(all) };
    (low as u64, high as u64)
}

/// `3 = 0.15 % [0.05, 0.44]`.
pub(crate) fn cell(hits: u64, seeds: u64) -> String {
    let (low, high) = interval(hits, seeds);
    format!("{hits} = {} % [{}, {}]", percent(hits * 10_000 / seeds), percent(low), percent(high))
}

fn percent(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

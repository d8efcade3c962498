//! The arithmetic of leases: a sweep over drift and the ratio of leases beside the closed form.

use std::fmt::Write as _;

use splitbrain::scenario::{self, Scenario, SystemDescription};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{Outcome, ReportOf};
use splitbrain_kernel::time::Duration;
use splitbrain_kernel::world::World;
use splitbrain_systems::session::lease::is_contained;
use splitbrain_systems::session::{SessionNode, Sessions};

fn run(scenario: &Scenario) -> ReportOf<SessionNode> {
    let resolved = scenario::resolve::<Sessions>(scenario, Seed(0)).expect("options that stand together");
    World::new(&resolved.system, &resolved.options, Seed(0)).run()
}

/// The master's lease in milliseconds.
const LEASE_MS: u64 = 7_000;
/// The follower's lease in percent of it.
const RATIOS: std::ops::RangeInclusive<u64> = 6..=20;
const RATIO_STEP: u64 = 5;
/// Drift in percent, one way at the follower and the other at the master.
const DRIFTS: std::ops::RangeInclusive<u64> = 0..=10;
const DRIFT_STEP: u64 = 5;

/// A chunk whose clock is slow is cut off from a master whose clock is fast, at this moment.
fn sweep_scenario(drift: u64, ratio: u64, cut_at: u64) -> Scenario {
    let follower = LEASE_MS * ratio / 100;
    let text = format!(
        "# A cell of the table.\nformat = 1\nsystem = \"session\"\ncluster = {{ meta = 1, chunk = 1, volume = 1 }}\n\
         [session]\npreset = \"zbs\"\nlease = \"{LEASE_MS}ms\"\nfollower_lease = \"{follower}ms\"\ninterval = \
         \"1s\"\nexpiry_scan = \"5ms\"\nresources = 1\nclaim_retry = \"200ms\"\ncallback_max = \"0s\"\n[network]\n\
         latency = \"10us\"\n[clocks.nodes]\nmeta1 = {{ drift = \"{drift}%\" }}\nchunk1 = {{ drift = \"-{drift}%\" \
         }}\n[[fault]]\nat = \"{cut_at}ms\"\ncut = \"meta1 <-> chunk1\"\n[run]\nduration = \"35s\"\n[check]\n\
         invariants = [\"session.lease_contained\"]\n"
    );
    scenario::load("sweep.toml", text.as_bytes(), &[SystemDescription::of::<Sessions>()])
        .unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// Whether the follower's lease leaves the master's, for some of a few moments of the cut.
fn leaves(drift: u64, ratio: u64) -> bool {
    let cuts = (0..5).map(|at| 10_000 + at * 230);
    let mut is_judged = false;
    for cut_at in cuts {
        let report = run(&sweep_scenario(drift, ratio, cut_at));
        is_judged |= report.counts.get("session expired").is_some_and(|count| *count > 0);
        match report.outcome {
            Outcome::Passed => {}
            Outcome::Violated(_) => return true,
            other => panic!("drift {drift} %, ratio {ratio} %: {other:?}"),
        }
    }
    assert!(is_judged, "drift {drift} %, ratio {ratio} %: no session expired");
    false
}

/// The table, and whether it agrees with the closed form to one step of the grid.
pub(crate) fn section() -> (String, bool) {
    let mut table = format!(
        "## The arithmetic of leases\n\nA chunk is cut off from its master. Its clock is slow by the drift of the row, \
         the master's fast by as much; the master's lease is {} s, the follower's a percentage of it. `·`: the \
         follower stopped serving before its session expired. `x`: it served when it expired (`lease_contained`).\n\
         The closed form is `(1 - d) / (1 + d)`.\n\n```text\ndrift ",
        LEASE_MS / 1_000
    );
    let ratios = || RATIOS.map(|step| step * RATIO_STEP);
    ratios().for_each(|ratio| write!(table, "{ratio:>5}").expect("a string takes it"));
    table += "   held up to   closed form\n";
    let mut agrees = true;
    for drift in DRIFTS.map(|step| step * DRIFT_STEP) {
        let broken: Vec<bool> = ratios().map(|ratio| leaves(drift, ratio)).collect();
        let drift_ppm = u32::try_from(drift * 10_000).expect("it is small");
        let limit = 100_000 * (100 - drift) / (100 + drift);
        write!(table, "{drift:>4}%").expect("a string takes it");
        for (ratio, broken) in ratios().zip(&broken) {
            let follower = Duration::from_millis(LEASE_MS * ratio / 100);
            let is_near = (ratio * 1_000).abs_diff(limit) <= RATIO_STEP * 1_000;
            let expected = !is_contained(follower, Duration::from_millis(LEASE_MS), drift_ppm);
            agrees &= expected == *broken || is_near;
            write!(table, "{:>5}", if *broken { "x" } else { "·" }).expect("a string takes it");
        }
        agrees &= broken.is_sorted();
        let held = ratios().zip(&broken).filter(|(_, broken)| !**broken).map(|(ratio, _)| ratio).max();
        let held = held.map_or("none".to_owned(), |ratio| format!("{ratio} %"));
        writeln!(table, "   {held:>10}   {:>9}.{} %", limit / 1_000, limit % 1_000 / 100).expect("a string takes it");
    }
    table += "```\n";
    (table, agrees)
}

//! A share of the seeds runs twice: two executions of one seed must be one run.

use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::run::Outcome;

use crate::campaign::pool::GuardedWorker;
use crate::engine::{Diverging, Run};

/// A run, and whether it was carried out twice.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) run: Run,
    pub(super) twice: bool,
}

/// Whether the seed belongs to the share. By arithmetic on the seed: the same seeds wherever a campaign is cut.
const fn is_chosen(seed: Seed, share: Ppm) -> bool {
    let step = seed.0 as u128 * share.parts() as u128;
    (step % 1_000_000) < share.parts() as u128
}

/// The run with this seed; where the seed is chosen, a second execution must agree with the first.
pub(super) fn run(worker: &mut GuardedWorker<'_>, seed: Seed, share: Ppm) -> Checked {
    let mut run = worker.run(seed.into(), None);
    let twice = is_chosen(seed, share);
    if twice {
        let again = worker.run(seed.into(), None);
        if !is_same(&run, &again) {
            let Diverging { divergence, surroundings } = worker.first_difference(&run, &again);
            run.outcome = Outcome::Diverged(divergence);
            run.surroundings = surroundings;
        }
    }
    Checked { run, twice }
}

fn is_same(run: &Run, again: &Run) -> bool {
    run.digest == again.digest && run.events == again.events && run.outcome == again.outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_spread_evenly_over_the_seeds() {
        let chosen: Vec<u64> = (0..100).filter(|seed| is_chosen(Seed(*seed), Ppm::new(50_000))).collect();
        assert_eq!(chosen, [0, 20, 40, 60, 80]);
        assert_eq!((0..100).filter(|seed| is_chosen(Seed(*seed), Ppm::new(1_000_000))).count(), 100);
        assert_eq!((0..100).filter(|seed| is_chosen(Seed(*seed), Ppm::new(0))).count(), 0);
        assert_eq!((0..1000).filter(|seed| is_chosen(Seed(*seed), Ppm::new(250_000))).count(), 250);
    }
}

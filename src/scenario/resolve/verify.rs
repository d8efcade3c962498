//! What only the system itself can tell, before any run.

use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::System;

use crate::scenario::combination::{common, describe_chosen, spread};
use crate::scenario::draw::Decider;
use crate::scenario::{Diagnostics, Drawn, Scenario};

use super::choices::{Choices, Decide, DrawBetween, alternatives};
use super::{Chosen, build, faults_of, nemeses_of, operations};

/// More combinations of choices than this are not all tried; then they are sampled evenly.
const COMBINATIONS_MAX: u64 = 1024;

/// Checks what only the system itself can tell: every combination that the choices can come to is tried, up to a
/// bound, and every order. What `check` runs after [`load`](crate::scenario::load), so that a bad file is refused
/// before any run. Of a range both ends are tried. The twin, where there is one, is checked likewise.
///
/// # Errors
/// As [`resolve`](super::resolve).
///
/// # Panics
/// Where the scenario was loaded for another system.
pub fn verify<S: System>(scenario: &Scenario) -> Result<(), Diagnostics> {
    let mut checked: Option<u64> = None;
    each_combination(scenario, |place, drawn, choices| {
        let (system, ..) = build::<S>(drawn, choices)?;
        if checked != Some(place) {
            faults_of(drawn, &system)?;
            nemeses_of(drawn, &system)?;
            operations::load(drawn, &system, Seed(0))?;
            checked = Some(place);
        }
        Ok(())
    })?;
    scenario.twin().map_or(Ok(()), |twin| verify::<S>(&twin))
}

/// Calls `one` with each combination that the choices can come to, up to a bound: the place of what is drawn outside of
/// the options, the scenario with that decided, and its options. Returns whether these were all.
pub(super) fn each_combination(
    scenario: &Scenario,
    mut one: impl FnMut(u64, &Scenario, &Choices) -> Result<(), Diagnostics>,
) -> Result<bool, Diagnostics> {
    let outer = scenario.combinations();
    let tried = outer.min(COMBINATIONS_MAX);
    let mut are_all = tried == outer;
    for place in 0..tried {
        let drawn = scenario.decided(Decider::Number(spread(place, outer, tried)))?;
        let each =
            each_option(&drawn.scenario, COMBINATIONS_MAX / tried, |choices| one(place, &drawn.scenario, choices));
        are_all &= each.map_err(|errors| match drawn.chosen.as_slice() {
            [] => errors,
            chosen => errors.with(&format!("if {}", describe_chosen(chosen))),
        })?;
    }
    Ok(are_all)
}

/// The same for the options alone, up to so many combinations.
fn each_option(
    scenario: &Scenario,
    tried_max: u64,
    mut one: impl FnMut(&Choices) -> Result<(), Diagnostics>,
) -> Result<bool, Diagnostics> {
    let all = combinations(scenario);
    let tried = all.min(tried_max.max(1));
    for index in 0..tried {
        let (choices, _) = numbered(scenario, spread(index, all, tried));
        if let Err(errors) = one(&choices) {
            let numbers = (0..tried).map(|index| spread(index, all, tried));
            return Err(in_which(scenario, numbers, errors, one));
        }
    }
    Ok(tried == all)
}

/// The combination with this number, and what it chooses.
fn numbered(scenario: &Scenario, number: u64) -> (Choices, Vec<Chosen>) {
    let mut by = ByNumber { rest: number, chosen: Vec::new() };
    let choices = Choices::decide(scenario, &mut by);
    // Chances of the network have no part in what a system refuses.
    by.chosen.retain(|one| !one.key.starts_with("network."));
    (choices, by.chosen)
}

/// What is wrong, with what is chosen where it is wrong, unless it is so in each of the combinations.
fn in_which(
    scenario: &Scenario,
    numbers: impl Iterator<Item = u64>,
    errors: Diagnostics,
    mut one: impl FnMut(&Choices) -> Result<(), Diagnostics>,
) -> Diagnostics {
    let (mut wrong, mut is_always) = (Vec::new(), true);
    for number in numbers {
        let (choices, chosen) = numbered(scenario, number);
        match one(&choices) {
            Err(other) if other == errors => wrong.push(chosen),
            _ => is_always = false,
        }
    }
    if is_always {
        return errors;
    }
    let wrong: Vec<&[Chosen]> = wrong.iter().map(Vec::as_slice).collect();
    errors.with(&format!("if {}", common(&wrong)))
}

/// How many combinations there are; chances of the network make no difference to a system.
fn combinations(scenario: &Scenario) -> u64 {
    let options = &scenario.options;
    let settings = options.base.iter().chain(options.nodes.values().flatten());
    let factors = settings.map(|one| alternatives(&one.value));
    factors.fold(alternatives(&options.preset), u64::saturating_mul)
}

/// Decides by the digits of a number.
struct ByNumber {
    rest: u64,
    chosen: Vec<Chosen>,
}

impl Decide for ByNumber {
    fn decide_by<T: Clone + DrawBetween>(&mut self, path: &str, _: &str, drawn: &Drawn<T>) -> T {
        let digit = self.rest % alternatives(drawn);
        self.rest /= alternatives(drawn);
        let value = match drawn {
            Drawn::Constant(value) => return value.clone(),
            Drawn::Range { low, high } => (if digit == 0 { low } else { high }).clone(),
            Drawn::Choose(values) => {
                let index = usize::try_from(digit).expect("an index of this list");
                values[index].clone()
            }
        };
        self.chosen.push(Chosen { key: path.to_owned(), value: value.to_string() });
        value
    }
}

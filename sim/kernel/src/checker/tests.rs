//! What tests of checkers share, and each fast check compared with brute force over random small histories.

use std::collections::BTreeSet;

use super::chains::{self, Chains, Rules};
use super::model::{Cell, CellAction, FencedMutex, Mutex, Queue, Register, RegisterAction, Set};
use super::monitor::{Monitor, Watch};
use super::random::{self, Draws};
use super::{Anomaly, BUDGET, Check, Model, Operation, Verdict, search};

/// An operation whose outcome is known.
pub(super) const fn answered<A>(action: A, invoked: usize, returned: usize) -> Operation<A> {
    Operation { action, invoked, returned: Some(returned) }
}

/// One whose outcome is unknown.
pub(super) const fn unknown<A>(action: A, invoked: usize) -> Operation<A> {
    Operation { action, invoked, returned: None }
}

/// The history is linearizable, by its check and by the search.
#[track_caller]
pub(super) fn valid<M: Check>(model: &M, operations: impl IntoIterator<Item = Operation<M::Action>>) {
    let operations: Vec<_> = operations.into_iter().collect();
    assert_eq!(model.check(&operations, BUDGET), Verdict::Valid, "by its check");
    assert_eq!(search(model, &operations, BUDGET).found, Some(true), "by the search");
}

/// The history is not linearizable, by its check and by the search, and the check names the anomaly.
#[track_caller]
pub(super) fn invalid<M: Check>(
    model: &M,
    operations: impl IntoIterator<Item = Operation<M::Action>>,
    anomaly: Anomaly,
) {
    let operations: Vec<_> = operations.into_iter().collect();
    assert_eq!(search(model, &operations, BUDGET).found, Some(false), "by the search");
    match model.check(&operations, BUDGET) {
        Verdict::Invalid(found) => {
            assert_eq!(found.anomaly, anomaly, "{found:?}");
            assert!((1..=4).contains(&found.operations.len()), "{found:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// Whether some order explains a history, by trying all of them: what every checker is compared with.
fn brute<M: Model>(model: &M, operations: &[Operation<M::Action>]) -> bool {
    let certain = (0..operations.len()).filter(|index| operations[*index].returned.is_some());
    let certain = certain.fold(0u32, |all, index| all | 1 << index);
    let mut seen = BTreeSet::new();
    let mut open = vec![(0u32, model.initial())];
    while let Some((taken, state)) = open.pop() {
        if taken & certain == certain {
            return true;
        }
        for (index, operation) in operations.iter().enumerate() {
            let is_next = taken >> index & 1 == 0
                && operations.iter().enumerate().all(|(other, before)| {
                    taken >> other & 1 == 1 || before.returned.is_none_or(|end| end > operation.invoked)
                });
            let after = model.step(&state, &operation.action).filter(|_| is_next);
            open.extend(after.map(|after| (taken | 1 << index, after)).filter(|next| seen.insert(next.clone())));
        }
    }
    false
}

/// What a comparison with brute force came to.
#[derive(Debug, Default)]
struct Compared {
    valid: u64,
    invalid: u64,
    /// Histories outside of the premise of a fast check.
    left_out: u64,
}

/// The seed of a history that a check judges otherwise than brute force, and the history.
type Difference<A> = (u64, Vec<Operation<A>>);

/// Compares a check with brute force over random histories of these seeds, up to the first difference.
fn compare<M: Model>(
    model: &M,
    draws: &impl Draws<M>,
    seeds: std::ops::Range<u64>,
    check: impl Fn(&[Operation<M::Action>]) -> Option<Verdict>,
) -> Result<Compared, Difference<M::Action>> {
    let mut compared = Compared::default();
    for seed in seeds {
        let operations = random::history(model, draws, seed);
        let expected = brute(model, &operations);
        match check(&operations) {
            None => compared.left_out += 1,
            Some(Verdict::Valid) if expected => compared.valid += 1,
            Some(Verdict::Invalid(_)) if !expected => compared.invalid += 1,
            Some(_) => return Err((seed, operations)),
        }
    }
    Ok(compared)
}

/// The check agrees, and both verdicts come often enough to say something.
#[track_caller]
fn agrees<M: Model>(
    model: &M,
    draws: &impl Draws<M>,
    count: u64,
    check: impl Fn(&[Operation<M::Action>]) -> Option<Verdict>,
) {
    let compared = compare(model, draws, 0..count, check);
    let compared = compared.unwrap_or_else(|(seed, operations)| panic!("seed {seed}: {operations:#?}"));
    for part in [compared.valid, compared.invalid] {
        assert!(part * 10 > count, "{compared:?}");
    }
    assert!(compared.left_out * 10 < count * 9, "{compared:?}");
}

fn by_search<M: Model>(model: &M) -> impl Fn(&[Operation<M::Action>]) -> Option<Verdict> {
    |operations| Some(super::explain::check(model, operations, BUDGET))
}

const REGISTER: Register<u8> = Register { initial: 0 };

fn by_chains<R: Rules>(operations: &[Operation<RegisterAction<u8>>]) -> Option<Verdict> {
    chains::check(Chains::<u8, R>::with_rules(0), operations)
}

#[test]
fn chains_agree_with_brute_force_on_a_hundred_thousand_histories() {
    agrees(&REGISTER, &random::Distinct, 100_000, by_chains::<chains::Exact>);
}

/// Each slip is one rule that is not followed; the comparison has to find it.
#[test]
fn five_slips_planted_in_the_chains_are_found() {
    #[derive(Clone, Debug)]
    struct NoGlue;
    impl Rules for NoGlue {
        const GLUE: bool = false;
    }
    #[derive(Clone, Debug)]
    struct AnyOrderInside;
    impl Rules for AnyOrderInside {
        const ORDER_INSIDE: bool = false;
    }
    #[derive(Clone, Debug)]
    struct ForwardMayOverlap;
    impl Rules for ForwardMayOverlap {
        const FORWARD: bool = false;
    }
    #[derive(Clone, Debug)]
    struct BackwardMayBeInside;
    impl Rules for BackwardMayBeInside {
        const BACKWARD: bool = false;
    }
    #[derive(Clone, Debug)]
    struct UnseenCounts;
    impl Rules for UnseenCounts {
        const DROP_UNSEEN: bool = false;
    }
    fn found<R: Rules>() -> bool {
        compare(&REGISTER, &random::Distinct, 0..100_000, by_chains::<R>).is_err()
    }
    assert!(found::<NoGlue>());
    assert!(found::<AnyOrderInside>());
    assert!(found::<ForwardMayOverlap>());
    assert!(found::<BackwardMayBeInside>());
    assert!(found::<UnseenCounts>());
}

#[test]
fn the_search_agrees_with_brute_force_where_values_repeat() {
    agrees(&REGISTER, &random::Repeating, 20_000, by_search(&REGISTER));
}

#[test]
fn lists_agree_with_brute_force() {
    let lists = Cell::<Vec<u8>> { initial: Vec::new() };
    let fast = |operations: &[Operation<CellAction<Vec<u8>>>]| super::sequence::check_list(&Vec::new(), operations);
    agrees(&lists, &random::Lists, 20_000, fast);
    agrees(&lists, &random::Lists, 5_000, by_search(&lists));
}

#[test]
fn sets_agree_with_brute_force() {
    let set = Set::<u8>::new();
    let whole = |operations: &[Operation<_>]| super::sequence::check_set(operations);
    agrees(&set, &random::WholeSets, 20_000, whole);
    agrees(&set, &random::Elements, 20_000, |operations| Some(set.check(operations, BUDGET)));
    agrees(&set, &random::OneElement, 20_000, super::presence::check);
    agrees(&set, &random::Elements, 5_000, by_search(&set));
}

#[test]
fn queues_agree_with_brute_force() {
    let queue = Queue::<u8>::new();
    agrees(&queue, &random::Values, 50_000, super::fifo::check);
    agrees(&queue, &random::Values, 5_000, by_search(&queue));
}

#[test]
fn mutexes_agree_with_brute_force() {
    agrees(&Mutex::<u8>::new(), &random::Holders, 10_000, by_search(&Mutex::new()));
    agrees(&FencedMutex::<u8>::new(), &random::Tokens, 10_000, by_search(&FencedMutex::new()));
}

/// What is told contradicts: with every other answer forgotten, no order explains the history.
#[test]
fn the_operations_that_are_told_contradict_by_themselves() {
    let mut told = 0;
    for seed in 0..5_000 {
        let operations = random::history(&REGISTER, &random::Distinct, seed);
        for verdict in [by_chains::<chains::Exact>(&operations), by_search(&REGISTER)(&operations)] {
            let Some(Verdict::Invalid(found)) = verdict else { continue };
            told += 1;
            assert!(found.operations.len() <= 4, "seed {seed}: {found:?}");
            let weaker = |operation: &Operation<_>| Operation {
                returned: operation.returned.filter(|_| found.operations.contains(&operation.invoked)),
                ..*operation
            };
            let weaker: Vec<_> = operations.iter().map(weaker).collect();
            assert!(!brute(&REGISTER, &weaker), "seed {seed}: {found:?} in {operations:#?}");
        }
    }
    assert!(told > 1_000, "{told}");
}

/// Feeds a monitor the entries of a history one by one, up to the first contradiction; the place of it.
fn watched<M: Watch>(model: &M, operations: &[Operation<M::Action>]) -> (M::Monitor, Option<usize>) {
    let mut monitor = model.monitor();
    let mut entries: Vec<(usize, &Operation<M::Action>)> = Vec::new();
    for operation in operations {
        entries.push((operation.invoked, operation));
        entries.extend(operation.returned.map(|place| (place, operation)));
    }
    entries.sort_by_key(|(place, _)| *place);
    for (place, operation) in entries {
        let added = match place == operation.invoked {
            true => {
                monitor.invoke(place, &operation.action);
                Ok(())
            }
            false => monitor.complete(operation.invoked, place, &operation.action),
        };
        if added.is_err() {
            return (monitor, Some(place));
        }
    }
    (monitor, None)
}

/// Compares a monitor with brute force: it stops at the first entry with which no order explains the history.
#[track_caller]
fn stops_in_time<M: Watch>(model: &M, draws: &impl Draws<M>, seeds: u64) {
    let (mut stopped, mut silent) = (0, 0);
    for seed in 0..seeds {
        let operations = random::history(model, draws, seed);
        let (monitor, place) = watched(model, &operations);
        if !monitor.is_exact() {
            continue;
        }
        let until = |place: usize| -> Vec<Operation<M::Action>> {
            let begun = operations.iter().filter(|operation| operation.invoked <= place);
            let known = |end: &usize| *end <= place;
            begun.map(|one| Operation { returned: one.returned.filter(known), ..one.clone() }).collect()
        };
        match place {
            None => assert!(brute(model, &operations), "seed {seed}: {operations:#?}"),
            Some(place) => {
                assert!(!brute(model, &until(place)), "seed {seed}, too early at {place}: {operations:#?}");
                assert!(brute(model, &until(place - 1)), "seed {seed}, too late at {place}: {operations:#?}");
            }
        }
        *if place.is_some() { &mut stopped } else { &mut silent } += 1;
    }
    assert!(stopped > seeds / 10 && silent > seeds / 10, "{stopped} {silent}");
}

#[test]
fn monitors_stop_at_the_operation_that_completes_a_contradiction() {
    stops_in_time(&REGISTER, &random::Distinct, 20_000);
    stops_in_time(&Cell::<Vec<u8>> { initial: Vec::new() }, &random::Lists, 20_000);
}

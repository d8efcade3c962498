//! A resource: which writes it takes.

use splitbrain_kernel::node::FileId;

use super::*;
use crate::lock::bug::Bug;
use crate::lock::message::{Outcome, Put};
use crate::lock::options::Fencing;
use crate::lock::presets;

fn resource(fencing: Fencing, bug: Bug) -> Stand {
    Stand::new(E1, (1, 0), LockOptions { fencing, bug, ..presets::distlock() })
}

fn put(stand: &mut Stand, request: u64, fence: Option<u64>) -> Vec<Outcome> {
    let put = Put { lock: LOCK, token: Token(1), fence, value: 1 };
    stand.hear(C1, Wire::Put { request, put });
    outcomes(stand)
}

fn outcomes(stand: &mut Stand) -> Vec<Outcome> {
    stand.sync();
    let sent = stand.take_sent().into_iter();
    sent.filter_map(|(_, wire)| if let Wire::Done { outcome, .. } = wire { Some(outcome) } else { None }).collect()
}

#[test]
fn an_older_token_is_refused_and_without_fencing_nothing_is() {
    let mut fenced = resource(Fencing::Tokens, Bug::None);
    assert_eq!(put(&mut fenced, 1, Some(34)), [Outcome::Written]);
    assert_eq!(put(&mut fenced, 2, Some(33)), [Outcome::Fenced]);
    assert_eq!(put(&mut fenced, 3, None), [Outcome::Fenced]);
    assert_eq!(put(&mut fenced, 4, Some(34)), [Outcome::Written]);
    let mut open = resource(Fencing::Off, Bug::None);
    assert_eq!(put(&mut open, 1, Some(34)), [Outcome::Written]);
    assert_eq!(put(&mut open, 2, Some(33)), [Outcome::Written]);
}

#[test]
fn a_ticket_is_greater_than_every_token_before() {
    let mut fenced = resource(Fencing::Tokens, Bug::None);
    fenced.hear(C1, Wire::Claim { request: 1, lock: LOCK, token: Token(1) });
    assert_eq!(outcomes(&mut fenced), [Outcome::Ticket(1)]);
    fenced.hear(C1, Wire::Claim { request: 2, lock: LOCK, token: Token(2) });
    assert_eq!(outcomes(&mut fenced), [Outcome::Ticket(2)]);
    assert_eq!(put(&mut fenced, 3, Some(1)), [Outcome::Fenced], "the second ticket was given");
    assert_eq!(put(&mut fenced, 4, Some(2)), [Outcome::Written]);
}

#[test]
fn a_restart_remembers_the_greatest_token() {
    for (bug, expected) in [(Bug::None, Outcome::Fenced), (Bug::FenceForgotten, Outcome::Written)] {
        let mut fenced = resource(Fencing::Tokens, bug);
        put(&mut fenced, 1, Some(34));
        assert_eq!(fenced.host.files().get(FileId(0)).len(), 1);
        fenced.host.crash_machine(0);
        fenced.host.start();
        assert_eq!(put(&mut fenced, 2, Some(33)), [expected], "{}", bug.name());
    }
}

/// What is applied: a write of token 34 that the machine loses before it is synced, and one of token 33 afterwards.
fn applied_around_a_crash(bug: Bug) -> Vec<Option<u64>> {
    let mut fenced = resource(Fencing::Tokens, bug);
    for (request, fence) in [(1, 34), (2, 33)] {
        let put = Put { lock: LOCK, token: Token(fence), fence: Some(fence), value: 1 };
        fenced.hear(C1, Wire::Put { request, put });
        if fence == 34 {
            fenced.host.crash_machine(0);
            fenced.host.start();
        }
    }
    fenced.sync();
    let observed = fenced.take_observed().into_iter();
    observed
        .filter_map(|one| if let LockObservation::Applied { fence, .. } = one { Some(fence) } else { None })
        .collect()
}

#[test]
fn a_write_takes_effect_when_it_is_on_the_disk() {
    assert_eq!(applied_around_a_crash(Bug::None), [Some(33)]);
    assert_eq!(applied_around_a_crash(Bug::EffectBeforeSync), [Some(34), Some(33)]);
}

#[test]
fn an_older_write_is_refused_although_the_newer_one_is_not_yet_on_the_disk() {
    let mut fenced = resource(Fencing::Tokens, Bug::None);
    for (request, fence) in [(1, 34), (2, 33)] {
        let put = Put { lock: LOCK, token: Token(fence), fence: Some(fence), value: 1 };
        fenced.hear(C1, Wire::Put { request, put });
    }
    assert_eq!(outcomes(&mut fenced), [Outcome::Fenced, Outcome::Written]);
}

#[test]
fn a_request_that_comes_again_after_a_restart_is_not_carried_out_again() {
    let mut open = resource(Fencing::Off, Bug::None);
    assert_eq!(put(&mut open, 1, None), [Outcome::Written]);
    open.host.crash_machine(0);
    open.host.start();
    assert!(put(&mut open, 1, None).is_empty());
    assert_eq!(put(&mut open, 2, None), [Outcome::Written]);
}

#[test]
fn a_token_compared_by_difference_passes_if_it_is_another_one() {
    let mut fenced = resource(Fencing::Tokens, Bug::FenceByDifference);
    assert_eq!(put(&mut fenced, 1, Some(34)), [Outcome::Written]);
    assert_eq!(put(&mut fenced, 2, Some(33)), [Outcome::Written]);
}

#[test]
fn what_is_applied_is_told_once() {
    let mut open = resource(Fencing::Off, Bug::None);
    put(&mut open, 1, None);
    put(&mut open, 1, None);
    let applied = LockObservation::Applied { hold: hold(1), fence: None, value: 1 };
    assert_eq!(open.take_observed(), [applied]);
}

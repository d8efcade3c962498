//! Refusals that refuse something, and those that do not: what is never refused was never tested.

use splitbrain_kernel::fault::{Refuse, Selectors};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::selector::{LinkForm, LinkSelector, Selector, Span, Trigger};

use crate::stage::{Played, Stage, at, fault, names, s};
use crate::toy::Op;

/// s1 asks s2 loudly, in the midst of a refusal of these kinds on the link from one to the other.
fn played(from: u16, to: u16, kinds: &[&str]) -> Played {
    let mut stage = Stage::new(3, 0).at(10, s(1), Op::Shout(s(2), 1));
    stage.options.operations = std::mem::take(&mut stage.plan.operations);
    let [source, target] = [from, to].map(|number| Selector::Node(s(number).into()));
    let links = LinkForm::Between(vec![LinkSelector { source, target, both: false }]);
    let refuse: Refuse<Selectors> = Refuse { links, kinds: names(kinds) };
    stage.options.faults = vec![fault("refuse", Trigger::At(Span::constant(at(5))), refuse, 15)];
    Played::of(&stage.toy, &stage.options, Seed(1))
}

#[test]
fn a_refusal_has_been_applied_once_it_refused_a_request() {
    for kinds in [&[][..], &["loud"]] {
        let played = played(1, 2, kinds);
        assert_eq!(played.count("request refused"), 1);
        assert!(played.report.never_applied.is_empty());
    }
}

#[test]
fn a_refusal_on_links_or_of_kinds_that_nothing_comes_by_was_never_applied() {
    for (from, to, kinds) in [(1, 2, &["quiet"][..]), (2, 1, &["loud"]), (1, 3, &[])] {
        let played = played(from, to, kinds);
        assert_eq!(played.report.plan.faults.len(), 1, "it was in force");
        assert_eq!(
            (played.count("request refused"), &played.report.never_applied[..]),
            (0, &["refuse".to_owned()][..])
        );
    }
}

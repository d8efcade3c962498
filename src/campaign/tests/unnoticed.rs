//! Keys that no run could notice: inconclusive, with their line and what was not there.

use super::*;
use crate::scenario::{Assignment, Picks, load_all};

/// What a run could notice.
type Noticed = Vec<(&'static str, bool)>;

/// A file that states such keys. The first is in line 8.
fn scenario(set: &[&str]) -> Scenario {
    let text = "# A script.\nformat = 1\nsystem = \"scripted\"\ncluster = { servers = 2 }\n\
                run = { duration = \"1s\", seeds = 4 }\n\n[network]\nloss = \"0%..5%\"\nconnection_timeout = \"5s\"\n\
                [[network.link]]\nlinks = \"s1 -> s2\"\ncapacity = 3\n\n[clocks]\noffset = \"-5s..5s\"\n";
    let set = set.iter().map(|set| set.parse::<Assignment>().expect("a key and a value")).collect();
    let picks = Picks { variant: None, set };
    let read = load_all("scenarios/test/scripted.toml", text.as_bytes(), &picks, &[system()]);
    read.unwrap_or_else(|diagnostics| panic!("{diagnostics}")).swap_remove(0)
}

fn judged(scenario: &Scenario, options: &CampaignOptions, noticed: fn(Seed) -> Noticed) -> ScenarioResult {
    conduct(scenario, options, move |seed| {
        let noticed = noticed(seed).into_iter().map(|(key, noticed)| (key.into(), noticed)).collect();
        Run { noticed, ..passed(seed) }
    })
}

#[test]
fn a_key_that_no_run_could_notice_is_inconclusive() {
    let nothing = |_: Seed| {
        let keys = ["network.loss", "network.connection_timeout", "network.link[0].capacity", "clocks.offset"];
        keys.map(|key| (key, false)).to_vec()
    };
    let result = judged(&scenario(&[]), &options(1), nothing);
    assert_eq!((result.judgement, result.exit_code()), (Judgement::Inconclusive, ExitCode::Inconclusive));
    let told: Vec<_> = result.reasons.iter().map(|reason| (reason.line, reason.message.as_str())).collect();
    assert_eq!(
        told,
        [
            (Some(15), "clocks.offset has no effect: no node read its wall clock in any run"),
            (Some(9), "network.connection_timeout has no effect: no connection was opened in any run"),
            (Some(12), "network.link[0].capacity has no effect: no datagram went over its links in any run"),
            (Some(8), "network.loss has no effect: no datagram was sent in any run"),
        ]
    );
    // With fewer seeds than the file asks for it is a remark.
    let few = CampaignOptions { seeds: Some(Seeds::first(2)), ..options(1) };
    let result = judged(&scenario(&[]), &few, nothing);
    assert_eq!((result.judgement, result.reasons.len()), (Judgement::AsExpected, 4));
    // What a command line says has no line in the file.
    let result = judged(&scenario(&["clocks.origin.wall=\"2038-01-19T03:14:00Z\""]), &options(1), |_| {
        vec![("clocks.origin.wall", false)]
    });
    assert_eq!((result.judgement, result.reasons[0].line), (Judgement::Inconclusive, None));
}

/// Where nothing is lost in a run, because what was drawn is 0, it is not asked for; and one run that could notice it
/// is enough.
#[test]
fn a_key_that_a_run_could_notice_says_nothing() {
    let some = |seed: Seed| if seed == Seed(2) { vec![("network.loss", true)] } else { vec![("network.loss", false)] };
    let cases: [fn(Seed) -> Noticed; 3] = [some, |_| Vec::new(), |_| vec![("network.duplication", false)]];
    for noticed in cases {
        let result = judged(&scenario(&[]), &options(1), noticed);
        assert_eq!((result.judgement, messages(&result)), (Judgement::AsExpected, vec![]));
    }
}

/// What acted is not said to have never come. One run in which it changed something is enough.
#[test]
fn a_fault_that_changed_nothing_in_any_run_is_inconclusive() {
    let judged = |applied: Option<Seed>| {
        conduct(&with_seeds(4, PLAIN), &options(1), move |seed| {
            let vain = if Some(seed) == applied { Vec::new() } else { vec!["cut".to_owned()] };
            // In one run it does not come at all.
            let in_vain = if seed == Seed(1) { Vec::new() } else { vain.clone() };
            Run { never_applied: vain, in_vain, ..passed(seed) }
        })
    };
    let result = judged(None);
    assert_eq!(
        (result.judgement, messages(&result)),
        (Judgement::Inconclusive, vec!["cut changed nothing in any run"])
    );
    assert_eq!(result.never_applied, BTreeMap::new(), "a reason says so");
    let result = judged(Some(Seed(2)));
    assert_eq!((result.judgement, messages(&result)), (Judgement::AsExpected, vec![]));
    assert_eq!(result.never_applied, BTreeMap::from([("cut".to_owned(), 3)]));
}

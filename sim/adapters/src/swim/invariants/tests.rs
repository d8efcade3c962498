//! The invariants on states that are made by hand: which break, and which do not.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn server(number: u16) -> NodeId {
    NodeId::server(number)
}

/// The identity of the first process at this address, after so many renewals.
fn identity(number: u16, renewal: u32) -> Identity {
    Identity { node: server(number), life: 1, renewal }
}

fn preset(name: &str) -> SwimOptions {
    let preset = SwimOptions::presets().iter().find(|preset| preset.name == name);
    (preset.expect("there is such a preset").make)()
}

/// Three members, each of which has the identity that it was made with.
fn invariants() -> SwimInvariants {
    let promised = splitbrain::kernel::system::Bounds { skew: None, drift_ppm: None, latency: SECOND };
    let cluster = Cluster::new(&[Kind::SERVER]).with(KindId::SERVER, 3);
    let mut invariants = SwimInvariants::new(&Setup::new(cluster, PerServer::same(preset("lan")), promised));
    for number in 1..=3 {
        invariants.processes.insert(server(number), 1);
        invariants.current.insert(server(number), identity(number, 0));
    }
    invariants
}

fn findings() -> Findings {
    Findings::new(u64::MAX)
}

fn broken(findings: &Findings) -> Option<usize> {
    findings.first().map(|(index, ..)| index)
}

/// These members run, and each takes these identities for active; `None` is one that has not joined.
fn beliefs(of: &[(u16, Option<&[Identity]>)]) -> Beliefs {
    let of = of.iter().map(|(number, active)| (server(*number), active.map(|active| active.iter().copied().collect())));
    Beliefs { of: of.collect() }
}

/// Everybody has as long as the slowest member needs.
#[test]
fn bounds_are_those_of_the_slowest_member() {
    let quick = preset("lan");
    let slow = SwimOptions { probe_period: SECOND.saturating_mul(10), ..quick.clone() };
    let of_slow = Bounds::of(&[&slow], 5);
    for options in [[&quick, &slow], [&slow, &quick]] {
        let bounds = Bounds::of(&options, 5);
        assert_eq!((bounds.detected, bounds.known, bounds.again), (of_slow.detected, of_slow.known, of_slow.again));
    }
    assert!(Bounds::of(&[&quick], 5).detected < of_slow.detected);
    // Two rounds of probes over five members, the period in which one fails, and the suspicion; and as long again.
    assert_eq!(Bounds::of(&[&quick], 5).detected, SECOND.saturating_mul(2 * (2 * 5 + 1 + 4)));
    // What makes the way back longer may be another member than the one that detects slowly.
    let asks_late = SwimOptions { announce_to_down_every: SECOND.saturating_mul(300), ..quick.clone() };
    assert!(Bounds::of(&[&asks_late, &slow], 5).known > of_slow.known);
}

/// A member without a way back, whoever it is, may stay away for good.
#[test]
fn there_is_no_bound_on_being_known_if_one_member_has_no_way_back() {
    let lan = preset("lan");
    assert!(Bounds::of(&[&lan, &lan], 5).known.is_some());
    let silent = SwimOptions { notify_down: false, ..lan.clone() };
    let idle = SwimOptions { periodic: false, ..lan.clone() };
    let forgetful = SwimOptions { remove_down: SECOND, join: Join::Alone, ..lan.clone() };
    for other in [&silent, &idle, &forgetful, &preset("simple")] {
        assert_eq!(Bounds::of(&[&lan, other], 5).known, None);
        assert_eq!(Bounds::of(&[other, &lan], 5).known, None);
    }
    assert!(Bounds::of(&[&SwimOptions { join: Join::Missing, ..forgetful }], 5).known.is_some());
}

/// More is demanded of members only where each that runs is lively and reaches all others that run.
#[test]
fn one_hampered_member_or_link_disturbs_the_cluster() {
    let up = || vec![server(1), server(2), server(4)];
    assert_eq!(undisturbed(up(), |_| true, |_, _| true), Some(up()));
    assert_eq!(undisturbed(up(), |node| node != server(2), |_, _| true), None);
    let cut = |node, peer| (node, peer) != (server(4), server(1));
    assert_eq!(undisturbed(up(), |_| true, cut), None);
    // Nobody runs at the end of this link.
    assert_eq!(undisturbed(up(), |_| true, |_, peer| peer != server(3)), Some(up()));
}

#[test]
fn whoever_runs_is_to_be_known_by_all_under_its_present_identity() {
    let all = [identity(1, 0), identity(2, 0), identity(3, 0)];
    let judge = |of: &[(u16, Option<&[Identity]>)]| {
        let mut findings = findings();
        invariants().judge_known(&beliefs(of), Instant::ZERO, &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(&[(1, Some(&all[1..])), (2, Some(&all)), (3, Some(&all[..2]))]), None);
    // One that is down need not be known.
    assert_eq!(judge(&[(1, Some(&all[1..2])), (2, Some(&all[..1]))]), None);
    assert_eq!(judge(&[(1, Some(&all[1..2])), (2, Some(&all)), (3, Some(&all))]), Some(index::RUNNING_IS_KNOWN));
    // Under an identity that it had or will have it is not known.
    assert_eq!(judge(&[(1, Some(&[identity(2, 1)])), (2, Some(&all))]), Some(index::RUNNING_IS_KNOWN));
    assert_eq!(judge(&[(1, None), (2, Some(&all))]), Some(index::RUNNING_IS_KNOWN));
}

/// The others have the time of a detection to hear of a new identity.
#[test]
fn a_new_identity_is_judged_a_while_after_it_was_taken() {
    let mut invariants = invariants();
    let start = Instant::ZERO.saturating_add(SECOND);
    invariants.on_identity(server(2), identity(2, 1), start);
    let old = beliefs(&[(1, Some(&[identity(2, 0)])), (2, Some(&[identity(1, 0)]))]);
    let judge = |at| {
        let mut findings = findings();
        invariants.judge_known(&old, at, &mut findings);
        broken(&findings)
    };
    assert_eq!(judge(start), None);
    assert_eq!(judge(start.saturating_add(invariants.bounds.again)), Some(index::RUNNING_IS_KNOWN));
}

#[test]
fn whoever_is_down_is_to_be_known_by_nobody() {
    let judge = |of: &[(u16, Option<&[Identity]>)]| {
        let mut findings = findings();
        invariants().judge_detected(&beliefs(of), &mut findings);
        broken(&findings)
    };
    let all = [identity(1, 0), identity(2, 0), identity(3, 0)];
    assert_eq!(judge(&[(1, Some(&all[1..2])), (2, Some(&all[..1]))]), None);
    assert_eq!(judge(&[(1, Some(&all[1..])), (2, Some(&all[..1]))]), Some(index::FAILED_IS_DETECTED));
    // One that has not joined takes nobody for active.
    assert_eq!(judge(&[(1, None), (2, None)]), None);
}

/// What a member sends, as this identity of this incarnation.
fn packet(src: Identity, src_incarnation: u16) -> Packet {
    let header = foca::Header { src, src_incarnation, dst: identity(2, 0), message: foca::Message::Gossip };
    Packet { header, updates: Some(Vec::new()) }
}

/// The invariant that breaks when `s1` sends these one after the other, where `told` is an identity that was told that
/// it is down.
fn sends(packets: &[Packet], told: Option<Identity>) -> Option<usize> {
    let (mut invariants, mut findings) = (invariants(), findings());
    invariants.told.extend(told);
    for packet in packets {
        invariants.on_sent(server(1), packet, &mut findings);
    }
    broken(&findings)
}

#[test]
fn an_identity_is_one_process_at_its_own_address() {
    assert_eq!(sends(&[packet(identity(1, 0), 0), packet(identity(1, 1), 0)], None), None);
    assert_eq!(sends(&[packet(identity(3, 0), 0)], None), Some(index::ONE_PROCESS_PER_IDENTITY));
    let (mut invariants, mut findings) = (invariants(), findings());
    invariants.on_sent(server(1), &packet(identity(1, 0), 0), &mut findings);
    invariants.processes.insert(server(1), 2);
    assert_eq!(broken(&findings), None);
    invariants.on_sent(server(1), &packet(identity(1, 0), 0), &mut findings);
    assert_eq!(broken(&findings), Some(index::ONE_PROCESS_PER_IDENTITY));
}

#[test]
fn the_incarnation_of_an_identity_never_falls() {
    assert_eq!(sends(&[packet(identity(1, 0), 4), packet(identity(1, 0), 5), packet(identity(1, 1), 0)], None), None);
    assert_eq!(
        sends(&[packet(identity(1, 0), 4), packet(identity(1, 0), 3)], None),
        Some(index::INCARNATION_NEVER_FALLS)
    );
}

#[test]
fn whoever_was_told_that_it_is_down_speaks_as_somebody_else() {
    assert_eq!(sends(&[packet(identity(1, 1), 0)], Some(identity(1, 0))), None);
    assert_eq!(sends(&[packet(identity(1, 0), 0)], Some(identity(1, 0))), Some(index::RENEWS_ONCE_TOLD));
}

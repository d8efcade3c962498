//! Random faults: within their bounds, the same for the same seed, and unmoved by an edit elsewhere.

use proptest::prelude::*;

use super::*;
use crate::director::spec::{MessageSpec, NemesisKind};
use crate::fault::{ClockDrift, ClockStep, Crash, CrashScope, Cut, Keep, Latency, LinkConditions, Offset, Weather};
use crate::id::{KindId, Link};
use crate::rng::Ppm;

const SEVEN: Cluster = Cluster::plain(5, 2);

pub(super) fn nemesis(id: &str, kinds: &[NemesisKind]) -> NemesisSpec<OrderKey> {
    NemesisSpec {
        id: id.to_owned(),
        line: 1,
        kinds: kinds.to_vec(),
        on: selectors(&["any server", "any client"]),
        every: Span { low: ms(100), high: ms(900) },
        duration: Span { low: ms(200), high: ms(1_000) },
        swarm: false,
        from: Instant::ZERO,
        until: None,
        messages: MessageSpec::default(),
        orders: Vec::new(),
    }
}

fn play(seed: u64, cluster: Cluster, nemeses: Vec<NemesisSpec<OrderKey>>) -> Play {
    let mut play = Play::new(DirectorSetup { nemeses, ..setup(seed, cluster) });
    play.to(60_000);
    play
}

fn faults(seed: u64, kind: NemesisKind) -> Vec<Fault> {
    let faults = play(seed, SEVEN, vec![nemesis("n", &[kind])]).faults();
    assert!(faults.len() > 20, "{kind:?} came {} times", faults.len());
    faults
}

fn cuts(seed: u64, kind: NemesisKind) -> Vec<Vec<Link>> {
    let links = |fault| match fault {
        Fault::Cut(Cut { links, .. }) => links,
        other => panic!("expected a cut, got {other:?}"),
    };
    faults(seed, kind).into_iter().map(links).collect()
}

#[test]
fn every_kind_comes_as_what_it_is_called() {
    for (kind, expected) in [
        (NemesisKind::Clog, "clog"),
        (NemesisKind::Loss, "weather"),
        (NemesisKind::Delay, "weather"),
        (NemesisKind::Duplicate, "weather"),
        (NemesisKind::Reorder, "weather"),
        (NemesisKind::Crash, "crash"),
        (NemesisKind::MachineCrash, "crash"),
        (NemesisKind::Pause, "pause"),
        (NemesisKind::Slow, "slow"),
        (NemesisKind::ClockStep, "clock_step"),
        (NemesisKind::ClockDrift, "clock_drift"),
        (NemesisKind::ClockFreeze, "clock_freeze"),
        (NemesisKind::DiskSlow, "disk"),
        (NemesisKind::DiskFull, "disk"),
        (NemesisKind::DiskLies, "disk"),
    ] {
        assert!(faults(1, kind).iter().all(|fault| fault.kind() == expected));
    }
}

/// What random faults of messages come to: kinds of message, links, conditions.
fn of_messages(seed: u64, spec: NemesisSpec<OrderKey>) -> Vec<Weather> {
    let weather = |fault| match fault {
        Fault::Weather(weather) => weather,
        other => panic!("expected weather, got {other:?}"),
    };
    play(seed, SEVEN, vec![spec]).faults().into_iter().map(weather).collect()
}

#[test]
fn one_kind_of_message_is_late_on_all_links_or_on_those_of_a_node() {
    let spec = |late| NemesisSpec {
        messages: MessageSpec { late, ..MessageSpec::default() },
        ..nemesis("n", &[NemesisKind::Late])
    };
    let mut kinds = std::collections::BTreeMap::<String, u64>::new();
    let mut links = std::collections::BTreeMap::<usize, u64>::new();
    for seed in 0..20 {
        for Weather { links: hit, conditions, kinds: of } in of_messages(seed, spec(Some(Span::constant(ms(4_000))))) {
            let latency = Some(Latency::Uniform { min: ms(1), max: ms(4_000) });
            assert_eq!(conditions, LinkConditions { latency, ..LinkConditions::default() });
            let [kind] = of.as_slice() else { panic!("one kind of message, not {of:?}") };
            *kinds.entry(kind.clone()).or_default() += 1;
            *links.entry(hit.len()).or_default() += 1;
        }
    }
    assert_eq!(kinds.keys().collect::<Vec<_>>(), ["ping", "reply", "vote"]);
    assert_eq!(links.keys().copied().collect::<Vec<_>>(), [12, 42], "the links of one node of seven, and all");
    let total: u64 = kinds.values().sum();
    assert!(kinds.values().all(|count| count.abs_diff(total / 3) < total / 10), "{kinds:?}");
    assert!(links.values().all(|count| count.abs_diff(total / 2) < total / 8), "{links:?}");
    // By default as late as faults are long.
    for Weather { conditions, .. } in of_messages(1, spec(None)) {
        let Some(Latency::Uniform { max, .. }) = conditions.latency else { panic!("{conditions:?}") };
        assert!(max >= ms(200) && max <= ms(1_000), "{max}");
    }
}

#[test]
fn one_kind_of_message_is_lost_or_doubled() {
    let mut lost = std::collections::BTreeSet::new();
    for Weather { conditions, kinds, .. } in of_messages(1, nemesis("n", &[NemesisKind::LoseMessages])) {
        lost.insert(conditions.loss.expect("it is lost").parts());
        assert_eq!((conditions.latency, kinds.len()), (None, 1));
    }
    assert_eq!(lost.into_iter().collect::<Vec<_>>(), [200_000, 500_000, 1_000_000]);
    for Weather { conditions, .. } in of_messages(1, nemesis("n", &[NemesisKind::RepeatMessages])) {
        assert_eq!(conditions.duplication, Some(Ppm::new(500_000)));
    }
}

#[test]
fn swarm_switches_kinds_of_message_off_and_stated_ones_are_the_only_ones() {
    let spec = |kinds: &[&str], swarm| NemesisSpec {
        swarm,
        messages: MessageSpec { kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(), late: None },
        ..nemesis("n", &[NemesisKind::Late])
    };
    let seen = |seed, spec| -> std::collections::BTreeSet<String> {
        of_messages(seed, spec).into_iter().flat_map(|weather| weather.kinds).collect()
    };
    assert!(seen(1, spec(&["vote"], false)).iter().eq(["vote"]));
    let counts: std::collections::BTreeSet<usize> = (0..40).map(|seed| seen(seed, spec(&[], true)).len()).collect();
    assert!(counts.into_iter().eq([1, 2, 3]), "a run has some of them, and never none");
    // A system without kinds of message has nothing to be late.
    let setup = DirectorSetup { messages: &[], nemeses: vec![spec(&[], true)], ..setup(1, SEVEN) };
    let mut play = Play::new(setup);
    play.to(60_000);
    assert!(play.faults().is_empty());
}

#[test]
fn cuts_have_their_shape() {
    let mut ways = [0, 0];
    for links in cuts(1, NemesisKind::OneWay) {
        assert_eq!(links.len(), 1);
        ways[usize::from(links[0].source.is_client())] += 1;
        assert!(links[0].source.is_server() || links[0].target.is_server());
    }
    assert!(ways.iter().all(|count| *count > 3), "{ways:?}");
    for links in cuts(1, NemesisKind::PairCut) {
        assert_eq!(links.len(), 2);
        assert_eq!(links[0], links[1].reverse());
    }
    for links in cuts(1, NemesisKind::Isolate) {
        assert_eq!(links.len(), 12, "six others, both ways");
    }
    for links in cuts(1, NemesisKind::Deaf) {
        assert_eq!(links.len(), 6);
        assert!(links.iter().all(|link| link.target == links[0].target));
    }
    for links in cuts(1, NemesisKind::Mute) {
        assert_eq!(links.len(), 6);
        assert!(links.iter().all(|link| link.source == links[0].source));
    }
    for links in cuts(1, NemesisKind::Ring) {
        assert_eq!(links.len(), 10, "five servers lose two each");
        assert!(links.iter().all(|link| link.source.is_server()));
    }
}

#[test]
fn halves_and_bridges_split_servers_evenly_and_take_clients_along() {
    for (kind, servers) in [(NemesisKind::Halves, 12), (NemesisKind::Bridge, 8)] {
        for links in cuts(1, kind) {
            let among = |link: &&Link| link.source.is_server() && link.target.is_server();
            assert_eq!(links.iter().filter(among).count(), servers);
            for client in SEVEN.clients() {
                let lost = links.iter().filter(|link| link.source == client);
                let lost = lost.filter(|link| link.target.is_server()).count();
                assert!(lost == 2 || (lost == 3 && kind == NemesisKind::Halves));
            }
        }
    }
}

#[test]
fn a_random_graph_is_symmetric_and_differs() {
    let graphs = cuts(1, NemesisKind::Partial);
    for links in &graphs {
        assert!(links.iter().all(|link| links.contains(&link.reverse())));
    }
    assert!(graphs.windows(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn at_most_one_fault_lasts_and_each_has_its_least_duration() {
    // The first crash of the two is shorter: it has a test of its own.
    let single: Vec<NemesisKind> =
        NemesisKind::ALL.iter().copied().filter(|kind| *kind != NemesisKind::CrashTwice).collect();
    let play = play(3, SEVEN, vec![nemesis("n", &single)]);
    let mut since = None;
    for (now, directive) in &play.directives {
        match (directive, since) {
            (Directive::Start { .. }, None) => since = Some(*now),
            (Directive::Stop { .. }, Some(start)) => {
                let lasted = now.since(start);
                assert!(ms(200) <= lasted && lasted <= ms(1_000));
                since = None;
            }
            other => panic!("two faults at a time: {other:?}"),
        }
    }
    assert!(play.directives.len() > 60);
}

#[test]
fn ids_are_counted() {
    let play = play(3, SEVEN, vec![nemesis("weather", &[NemesisKind::Pause])]);
    let ids: Vec<&String> = play
        .directives
        .iter()
        .filter_map(|(_, directive)| match directive {
            Directive::Start { id, .. } => Some(id),
            _ => None,
        })
        .collect();
    assert_eq!(ids[..3], ["weather.1", "weather.2", "weather.3"]);
}

#[test]
fn it_begins_and_ends_at_its_times() {
    let mut spec = nemesis("n", &[NemesisKind::Pause]);
    spec.from = at(5_000);
    spec.until = Some(at(10_000));
    let play = play(1, SEVEN, vec![spec]);
    let is_start = |directive: &Directive| matches!(directive, Directive::Start { .. });
    let starts = play.directives.iter().filter(|(_, directive)| is_start(directive));
    assert!(starts.clone().count() >= 3);
    assert!(starts.map(|(now, _)| now).all(|it| (at(5_100)..at(10_000)).contains(it)));
    let last = play.directives.last().map(|(_, directive)| directive.clone());
    assert!(matches!(last, Some(Directive::Stop { .. })), "what lasts is lifted");
}

#[test]
fn only_processes_that_run_are_hit() {
    let cluster = Cluster::plain(2, 0).with_spare(KindId::SERVER, 3);
    let mut play = Play::new(DirectorSetup { nemeses: vec![nemesis("n", &[NemesisKind::Crash])], ..setup(1, cluster) });
    play.falls(0, 1);
    play.to(30_000);
    let only_s2 = |fault: &Fault| matches!(fault, Fault::Crash(Crash { nodes, .. }) if nodes == &[s(2)]);
    assert!(play.faults().iter().all(only_s2));
    let before = play.directives.len();
    play.falls(30_000, 2);
    play.to(40_000);
    assert!(play.directives.len() <= before + 1, "nobody is left");
    play.director.on_up(at(40_000), s(4));
    play.to(59_000);
    let last = play.faults().pop();
    assert!(matches!(last, Some(Fault::Crash(Crash { nodes, .. })) if nodes == [s(4)]));
}

#[test]
fn a_kind_that_hits_nobody_gives_way_to_the_next() {
    let three = FIVE.with(KindId::SERVER, 3);
    let kinds = [NemesisKind::Ring, NemesisKind::Pause];
    let faults = play(1, three, vec![nemesis("n", &kinds)]).faults();
    assert!(faults.len() > 20);
    assert!(faults.iter().all(|fault| fault.kind() == "pause"));
}

#[test]
fn only_whom_it_may_choose() {
    let mut spec = nemesis("n", &[NemesisKind::Pause]);
    spec.on = selectors(&["s2", "any client"]);
    let play = play(1, SEVEN, vec![spec]);
    let mut hit: Vec<String> = play.faults().iter().map(short).collect();
    hit.sort();
    hit.dedup();
    assert_eq!(hit, ["pause c1", "pause c2", "pause s2"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn steps_lead_no_two_clocks_apart_by_more_than_half_the_bound(seed: u64, bound in 4u64..99, offset in -9i64..9) {
        let mut setup = DirectorSetup {
            nemeses: vec![nemesis("a", &[NemesisKind::ClockStep]), nemesis("b", &[NemesisKind::ClockStep])],
            ..setup(seed, SEVEN)
        };
        setup.bounds.skew = Some(ms(bound));
        let mut play = Play::new(setup);
        let offset = offset * 1_000_000;
        play.director = play.director.with_clocks(s(1), Offset(offset), 0);
        play.to(60_000);
        let mut clocks = std::collections::BTreeMap::from([(s(1), offset)]);
        let mut led = std::collections::BTreeSet::new();
        for fault in play.faults() {
            let Fault::ClockStep(ClockStep { nodes, by: Offset(by) }) = fault else { panic!("not a step") };
            *clocks.entry(nodes[0]).or_insert(0) += by;
            led.insert(nodes[0]);
            let places = led.iter().map(|node| clocks[node]);
            let (most, least) = (places.clone().max().expect("one was led"), places.min().expect("one was led"));
            prop_assert!((most - least) as u64 <= ms(bound).as_nanos() / 2);
        }
    }

    #[test]
    fn drifts_together_stay_within_the_bound(seed: u64, bound in 1u32..10_000) {
        let kinds = [NemesisKind::ClockDrift, NemesisKind::Pause];
        let mut setup = DirectorSetup {
            nemeses: vec![nemesis("a", &kinds), nemesis("b", &kinds), nemesis("c", &kinds)],
            ..setup(seed, SEVEN)
        };
        setup.bounds.drift_ppm = Some(bound);
        let own = bound as i32;
        let mut play = Play::new(setup);
        play.director = play.director.with_clocks(s(1), Offset(0), own).with_clocks(s(2), Offset(0), -own);
        play.to(60_000);
        let mut clocks = std::collections::BTreeMap::from([(s(1), own), (s(2), -own)]);
        let mut lasting = std::collections::BTreeMap::new();
        for (_, directive) in &play.directives {
            let change = match directive {
                Directive::Start { key, fault: Fault::ClockDrift(ClockDrift { nodes, ppm }), .. } => {
                    lasting.insert(*key, (nodes[0], *ppm));
                    Some((nodes[0], *ppm))
                }
                Directive::Stop { key } => lasting.remove(key).map(|(node, ppm)| (node, -ppm)),
                _ => None,
            };
            if let Some((node, ppm)) = change {
                let clock = clocks.entry(node).or_insert(0);
                *clock += ppm;
                prop_assert!(clock.unsigned_abs() <= bound, "{node} drifts by {clock}");
            }
        }
    }

    #[test]
    fn drifts_lead_no_wall_clock_beyond_its_share(seed: u64, bound in 1u64..100) {
        let mut setup = DirectorSetup { nemeses: vec![nemesis("a", &[NemesisKind::ClockDrift])], ..setup(seed, SEVEN) };
        setup.bounds.skew = Some(Duration::from_micros(bound));
        let mut play = Play::new(setup);
        play.to(60_000);
        let mut clocks = std::collections::BTreeMap::new();
        for pair in play.directives.windows(2) {
            let [(start, Directive::Start { fault: Fault::ClockDrift(drift), .. }), (stop, _)] = pair else {
                continue;
            };
            let ClockDrift { nodes, ppm } = drift;
            let way = i64::from(*ppm) * stop.since(*start).as_nanos() as i64 / 1_000_000;
            let clock = clocks.entry(nodes[0]).or_insert(0);
            *clock += way;
            prop_assert!(clock.unsigned_abs() <= bound * 1_000 / 4 + 1);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_faults(seed: u64) {
        let specs = || vec![nemesis("a", NemesisKind::ALL), nemesis("b", NemesisKind::ALL)];
        prop_assert_eq!(play(seed, SEVEN, specs()).directives, play(seed, SEVEN, specs()).directives);
    }

    #[test]
    fn a_stated_fault_more_changes_nothing_of_a_nemesis(seed: u64) {
        let specs = || vec![nemesis("n", NemesisKind::ALL)];
        let alone = timeline(&play(seed, SEVEN, specs()), "n");
        let mut both = Play::new(DirectorSetup {
            nemeses: specs(),
            faults: vec![fault("n")],
            ..setup(seed, SEVEN)
        });
        both.to(60_000);
        prop_assert_eq!(alone, timeline(&both, "n."));
    }

    #[test]
    fn a_nemesis_more_changes_nothing_of_the_others(seed: u64) {
        let links = [NemesisKind::OneWay, NemesisKind::Crash, NemesisKind::Halves, NemesisKind::Partial];
        let alone = timeline(&play(seed, SEVEN, vec![nemesis("b", &links)]), "b");
        let both = play(seed, SEVEN, vec![nemesis("a", NemesisKind::ALL), nemesis("b", &links)]);
        prop_assert_eq!(alone, timeline(&both, "b"));
    }

    #[test]
    fn a_server_more_moves_no_time_and_few_choices(seed: u64) {
        let crash = || vec![nemesis("a", &[NemesisKind::Crash])];
        let before = timeline(&play(seed, SEVEN, crash()), "a");
        let after = timeline(&play(seed, SEVEN.with(KindId::SERVER, 6), crash()), "a");
        prop_assert_eq!(before.len(), after.len());
        for ((then, was), (now, is)) in before.iter().zip(&after) {
            prop_assert_eq!(then, now);
            prop_assert!(was == is || short(is) == "crash s6");
        }
    }

    #[test]
    fn a_kind_more_moves_no_time_and_is_chosen_or_changes_nothing(seed: u64) {
        let few = [NemesisKind::Pause, NemesisKind::Isolate, NemesisKind::Ring];
        let more = [NemesisKind::Slow, NemesisKind::Pause, NemesisKind::Isolate, NemesisKind::Ring];
        let before = timeline(&play(seed, SEVEN, vec![nemesis("a", &few)]), "a");
        let after = timeline(&play(seed, SEVEN, vec![nemesis("a", &more)]), "a");
        prop_assert_eq!(before.len(), after.len());
        for ((then, was), (now, is)) in before.iter().zip(&after) {
            prop_assert_eq!(then, now);
            prop_assert!(was == is || is.kind() == "slow");
        }
    }

    #[test]
    fn swarm_leaves_a_kind_and_is_fixed_for_a_run(seed: u64) {
        let mut spec = nemesis("a", &[NemesisKind::Pause, NemesisKind::Clog, NemesisKind::Slow]);
        spec.swarm = true;
        prop_assert!(!kinds(seed, &spec).is_empty());
        // A kind more switches none of the others on or off, unless it keeps the last of them from staying.
        let before = kinds(seed, &spec);
        spec.kinds.push(NemesisKind::Crash);
        let mut after = kinds(seed, &spec);
        after.retain(|kind| kind != "crash");
        prop_assert!(after == before || (after.is_empty() && before.len() == 1));
    }
}

/// The kinds that come in a run.
fn kinds(seed: u64, spec: &NemesisSpec<OrderKey>) -> Vec<String> {
    let faults = play(seed, SEVEN, vec![spec.clone()]).faults();
    let mut kinds: Vec<String> = faults.iter().map(|it| it.kind().to_owned()).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

/// The starts of one nemesis.
fn timeline(play: &Play, of: &str) -> Vec<(Instant, Fault)> {
    let start = |(now, directive): &(Instant, Directive)| match directive {
        Directive::Start { id, fault, .. } if id.starts_with(of) => Some((*now, fault.clone())),
        _ => None,
    };
    play.directives.iter().filter_map(start).collect()
}

#[test]
fn swarm_switches_each_kind_off_in_about_half_of_the_runs() {
    let mut spec = nemesis("a", &[NemesisKind::Pause, NemesisKind::Clog, NemesisKind::Slow]);
    spec.swarm = true;
    let mut counts = std::collections::BTreeMap::new();
    for seed in 0..200 {
        for kind in kinds(seed, &spec) {
            *counts.entry(kind).or_insert(0) += 1;
        }
    }
    assert_eq!(counts.len(), 3);
    // Even odds, and a little more for the one that stays where all would be off.
    assert!(counts.values().all(|count| (80..140).contains(count)), "{counts:?}");
}

/// Pins the streams: where this changes, every seed means another run, and the change is seed-breaking.
#[test]
fn the_first_faults_of_seed_1() {
    // The kinds that there were when these lines were written: a later kind has draws of its own.
    let first: Vec<NemesisKind> =
        NemesisKind::ALL.iter().copied().filter(|kind| *kind < NemesisKind::HarshCrash).collect();
    let mut spec = nemesis("weather", &first);
    spec.swarm = true;
    let told = play(1, SEVEN, vec![spec]).told();
    assert_eq!(
        told[..6],
        [
            "883.966509ms +weather.1 weather",
            "1.26332104s -1",
            "1.598391242s +weather.2 weather",
            "2.412413779s -2",
            "3.230090415s +weather.3 cut",
            "3.665918631s -3"
        ]
    );
}

fn crashes(seed: u64, kind: NemesisKind) -> Vec<Crash> {
    let crash = |fault| match fault {
        Fault::Crash(crash) => crash,
        other => panic!("expected a crash, got {other:?}"),
    };
    faults(seed, kind).into_iter().map(crash).collect()
}

#[test]
fn a_harsh_crash_keeps_now_this_and_now_that_and_a_machine_crash_always_a_prefix() {
    let harsh = crashes(1, NemesisKind::HarshCrash);
    assert!(harsh.iter().all(|crash| crash.scope == CrashScope::Machine && crash.nodes.len() == 1));
    for keep in [Keep::Prefix, Keep::Subset, Keep::Nothing, Keep::Torn] {
        assert!(harsh.iter().any(|crash| crash.keep == keep), "{keep:?} never came");
    }
    let ordinary = crashes(1, NemesisKind::MachineCrash);
    assert!(ordinary.iter().all(|crash| crash.keep == Keep::Prefix));
}

#[test]
fn a_loss_of_power_hits_at_least_two_machines_and_at_times_more() {
    let losses = crashes(1, NemesisKind::PowerLoss);
    assert!(losses.iter().all(|crash| crash.scope == CrashScope::Machine && crash.nodes.len() >= 2));
    assert!(losses.iter().all(|crash| crash.nodes.is_sorted()));
    let sizes: std::collections::BTreeSet<usize> = losses.iter().map(|crash| crash.nodes.len()).collect();
    assert!(sizes.len() > 2, "{sizes:?}");
    let alone = Cluster::plain(1, 0);
    assert!(play(1, alone, vec![nemesis("n", &[NemesisKind::PowerLoss])]).faults().is_empty());
}

#[test]
fn a_process_that_crashed_starts_and_then_its_machine_crashes_within_milliseconds() {
    let play = play(1, SEVEN, vec![nemesis("n", &[NemesisKind::CrashTwice])]);
    let mut pairs = 0;
    for directives in play.directives.windows(3) {
        let [
            (first, Directive::Start { id, fault: Fault::Crash(process), .. }),
            (start, Directive::Stop { .. }),
            third,
        ] = directives
        else {
            continue;
        };
        if process.scope == CrashScope::Machine {
            continue;
        }
        let (second, Directive::Start { id: again, fault: Fault::Crash(machine), .. }) = third else {
            panic!("expected a second crash, got {third:?}");
        };
        assert_eq!((id, &process.nodes, machine.scope), (again, &machine.nodes, CrashScope::Machine));
        let (down, up) = (start.since(*first), second.since(*start));
        assert!(down <= ms(5) && up <= ms(5) && !down.is_zero() && !up.is_zero(), "{down} {up}");
        pairs += 1;
    }
    assert!(pairs > 20, "{pairs}");
}

#[test]
fn one_more_kind_of_crash_moves_no_draw_of_the_others() {
    let shown = |kinds: &[NemesisKind]| play(5, SEVEN, vec![nemesis("n", kinds)]).told();
    let few = shown(&[NemesisKind::MachineCrash]);
    assert_eq!(few, shown(&[NemesisKind::MachineCrash]));
    let times = |lines: &[String]| -> Vec<String> { lines.iter().take(1).cloned().collect() };
    let harsh = shown(&[NemesisKind::HarshCrash]);
    assert_eq!(times(&few), times(&harsh), "when, and which node, has streams of its own");
}

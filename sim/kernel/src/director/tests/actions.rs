//! What each action comes to on five nodes.

use super::*;
use crate::fault::{
    ClockDrift, ClockFreeze, ClockStep, Clog, Crash, CrashScope, Cut, Disk, DiskFault, InFlight, Keep, LinkConditions,
    Offset, Selectors, Slow, Start, Weather,
};
use crate::id::{KindId, Link};
use crate::node::FileId;
use crate::rng::Ppm;
use crate::selector::{LinkForm, LinkSelector};

/// Three servers of which s2 leads, and two clients.
const MIXED: Cluster = Cluster::plain(3, 2);

fn faults_of(cluster: Cluster, seed: u64, action: Fault<Selectors>) -> Vec<Fault> {
    let mut spec = fault("a");
    spec.what = What::Fault(action);
    let mut play = Play::new(DirectorSetup { faults: vec![spec], ..setup(seed, cluster) });
    for server in cluster.servers() {
        let role = if server == s(2) { "leader" } else { "follower" };
        play.takes(100, server.number(), role, 1);
    }
    play.to(9_000);
    play.faults()
}

/// The links of the only fault: `1>2 c1>1`.
fn links_of(cluster: Cluster, action: Fault<Selectors>) -> String {
    match faults_of(cluster, 1, action).as_slice() {
        [Fault::Cut(Cut { links, .. }) | Fault::Clog(Clog { links, .. }) | Fault::Weather(Weather { links, .. })] => {
            text(links)
        }
        other => panic!("expected one fault of links, got {other:?}"),
    }
}

fn text(links: &[Link]) -> String {
    let words: Vec<String> =
        links.iter().map(|link| format!("{}>{}", link.source, link.target).replace('s', "")).collect();
    words.join(" ")
}

fn link(text: &str) -> LinkSelector {
    let (source, target) = text.split_once('>').expect("an arrow");
    let both = source.ends_with("<-");
    LinkSelector { source: selector(source.trim_end_matches(['<', '-'])), target: selector(target), both }
}

fn cut(texts: &[&str]) -> Fault<Selectors> {
    Fault::Cut(Cut {
        links: LinkForm::Between(texts.iter().map(|text| link(text)).collect()),
        in_flight: InFlight::Drop,
        kinds: Vec::new(),
    })
}

#[test]
fn a_cut_is_one_way_or_both() {
    for (links, expected) in [
        (vec!["s1->s2"], "1>2"),
        (vec!["s1<->s2"], "1>2 2>1"),
        (vec!["leader->*"], "2>1 2>3 2>c1 2>c2"),
        (vec!["*->leader"], "1>2 3>2 c1>2 c2>2"),
        (vec!["c1<->every server"], "1>c1 2>c1 3>c1 c1>1 c1>2 c1>3"),
        (vec!["s1->s2", "c1->s2", "s1->s2"], "1>2 c1>2"),
        (vec!["not leader->leader"], "1>2 3>2"),
    ] {
        assert_eq!(links_of(MIXED, cut(&links)), expected, "{links:?}");
    }
}

#[test]
fn a_cut_keeps_what_it_says_of_packets() {
    let action = Fault::Cut(Cut {
        links: LinkForm::Between(vec![link("s1->s2")]),
        in_flight: InFlight::Keep,
        kinds: vec!["heartbeat".to_owned()],
    });
    let expected = Fault::Cut(Cut {
        links: vec![Link::new(s(1), s(2))],
        in_flight: InFlight::Keep,
        kinds: vec!["heartbeat".to_owned()],
    });
    assert_eq!(faults_of(MIXED, 1, action), [expected]);
}

#[test]
fn a_partition_cuts_who_shares_no_group() {
    let partition = |groups: &[&[&str]]| {
        Fault::Cut(Cut {
            links: LinkForm::Partition(groups.iter().map(|group| selectors(group)).collect()),
            in_flight: InFlight::Drop,
            kinds: Vec::new(),
        })
    };
    let overlapping = partition(&[&["s1", "s2", "s3", "s4"], &["s2", "s3", "s4", "s5"]]);
    assert_eq!(links_of(FIVE, overlapping), "1>5 5>1");
    let alone = partition(&[&["leader"], &["not leader"]]);
    assert_eq!(links_of(FIVE, alone), "1>2 2>1 2>3 2>4 2>5 3>2 4>2 5>2");
    let clients = partition(&[&["leader", "c1"], &["not leader", "c2"]]);
    assert_eq!(links_of(MIXED, clients), "1>2 1>c1 2>1 2>3 2>c2 3>2 3>c1 c1>1 c1>3 c1>c2 c2>2 c2>c1");
}

#[test]
fn a_partition_of_the_tour_binds_names() {
    let mut spec = fault("overlap");
    spec.names = ["a", "b", "c", "d"].map(|name| (name.to_owned(), selector("follower"))).into();
    spec.names.push(("x".to_owned(), selector("leader")));
    let groups: [&[&str]; 4] = [&["x", "a", "b"], &["a", "b", "d"], &["c", "d"], &["x", "c"]];
    let groups = groups.map(selectors).into();
    spec.what = What::Fault(Fault::Cut(Cut {
        links: LinkForm::Partition(groups),
        in_flight: InFlight::Drop,
        kinds: Vec::new(),
    }));
    for seed in 0..20 {
        let mut play = Play::new(DirectorSetup { faults: vec![spec.clone()], ..setup(seed, FIVE) });
        for number in 1..=5 {
            let role = if number == 2 { "leader" } else { "follower" };
            play.takes(100, number, role, 1);
        }
        play.to(2_000);
        let faults = play.faults();
        let [Fault::Cut(Cut { links, .. })] = faults.as_slice() else {
            panic!("expected a cut, got {faults:?}");
        };
        // Cut are a - c, b - c and x - d: the leader loses one server of five, and that one sees a and b and c.
        assert_eq!(links.len(), 6);
        assert_eq!(links.iter().filter(|link| link.source == s(2)).count(), 1);
    }
}

#[test]
fn isolation_leaves_nothing_spares_and_clients_included() {
    let isolate = |texts: &[&str]| Fault::Cut(Cut::of(LinkForm::Isolate(selectors(texts))));
    assert_eq!(links_of(FIVE, isolate(&["s1"])), "1>2 1>3 1>4 1>5 2>1 3>1 4>1 5>1");
    assert_eq!(links_of(MIXED, isolate(&["leader"])), "1>2 2>1 2>3 2>c1 2>c2 3>2 c1>2 c2>2");
    let cluster = Cluster::plain(3, 0).with_spare(KindId::SERVER, 1);
    assert_eq!(links_of(cluster, isolate(&["s1", "s2"])), "1>2 1>3 1>4 2>1 2>3 2>4 3>1 3>2 4>1 4>2");
}

#[test]
fn a_ring_goes_by_number_and_leaves_clients_alone() {
    assert_eq!(links_of(FIVE, Fault::Cut(Cut::of(LinkForm::Ring))), "1>3 1>4 2>4 2>5 3>1 3>5 4>1 4>2 5>2 5>3");
    let cluster = Cluster::plain(4, 1);
    assert_eq!(links_of(cluster, Fault::Cut(Cut::of(LinkForm::Ring))), "1>3 2>4 3>1 4>2");
}

#[test]
fn a_bridge_joins_two_halves() {
    for seed in 0..20 {
        let faults = faults_of(FIVE, seed, Fault::Cut(Cut::of(LinkForm::Bridge(selector("leader")))));
        let [Fault::Cut(Cut { links, .. })] = faults.as_slice() else {
            panic!("expected a cut, got {faults:?}");
        };
        assert_eq!(links.len(), 8, "two servers lose two each, both ways");
        assert!(links.iter().all(|it| it.source != s(2) && it.target != s(2)));
        for server in [s(1), s(3), s(4), s(5)] {
            let lost = links.iter().filter(|link| link.source == server);
            assert_eq!(lost.count(), 2);
        }
    }
}

#[test]
fn each_client_goes_with_a_half_of_a_bridge() {
    for seed in 0..20 {
        let faults = faults_of(MIXED, seed, Fault::Cut(Cut::of(LinkForm::Bridge(selector("leader")))));
        let [Fault::Cut(Cut { links, .. })] = faults.as_slice() else {
            panic!("expected a cut, got {faults:?}");
        };
        for client in MIXED.clients() {
            let servers = |link: &&Link| link.source == client && link.target.is_server();
            assert_eq!(links.iter().filter(servers).count(), 1);
        }
    }
}

#[test]
fn clog_and_weather_take_links() {
    let clog = Fault::Clog(Clog { links: LinkForm::Between(vec![link("s1<->s2")]), kinds: Vec::new() });
    assert_eq!(links_of(FIVE, clog), "1>2 2>1");
    let conditions = LinkConditions { loss: Some(Ppm::new(10)), ..LinkConditions::default() };
    let weather =
        Fault::Weather(Weather { links: LinkForm::Between(vec![link("s1->*")]), conditions, kinds: Vec::new() });
    assert_eq!(links_of(FIVE, weather), "1>2 1>3 1>4 1>5");
}

#[test]
fn faults_of_nodes_name_all_of_them() {
    let nodes = selectors(&["s3", "leader"]);
    let both = vec![s(2), s(3)];
    for (action, expected) in [
        (
            Fault::Crash(Crash { nodes: nodes.clone(), scope: CrashScope::Machine, keep: Keep::Torn }),
            Fault::Crash(Crash { nodes: both.clone(), scope: CrashScope::Machine, keep: Keep::Torn }),
        ),
        (
            Fault::Start(Start { nodes: nodes.clone(), free_only: false }),
            Fault::Start(Start { nodes: both.clone(), free_only: false }),
        ),
        (
            Fault::ClockFreeze(ClockFreeze { nodes: nodes.clone() }),
            Fault::ClockFreeze(ClockFreeze { nodes: both.clone() }),
        ),
        (
            Fault::Disk(Disk { nodes: nodes.clone(), fault: DiskFault::Full }),
            Fault::Disk(Disk { nodes: both.clone(), fault: DiskFault::Full }),
        ),
        (
            Fault::Slow(Slow { nodes, service_time: Span::constant(ms(3)) }),
            Fault::Slow(Slow { nodes: both, service_time: ms(3) }),
        ),
    ] {
        assert_eq!(faults_of(FIVE, 1, action), [expected]);
    }
}

#[test]
fn what_is_drawn_for_each_node_is_a_fault_for_each() {
    let by = Span { low: Offset(-1_000_000), high: Offset(1_000_000) };
    let nodes = selectors(&["every server"]);
    let faults = faults_of(FIVE, 1, Fault::ClockStep(ClockStep { nodes, by }));
    let steps: Vec<(NodeId, Offset)> = faults
        .iter()
        .map(|fault| match fault {
            Fault::ClockStep(ClockStep { nodes, by }) if nodes.len() == 1 => (nodes[0], *by),
            other => panic!("expected a step of one node, got {other:?}"),
        })
        .collect();
    let hit: Vec<NodeId> = steps.iter().map(|(node, _)| *node).collect();
    assert_eq!(hit, FIVE.servers().collect::<Vec<_>>());
    assert!(steps.iter().all(|(_, it)| by.low <= *it && *it <= by.high));
    assert!(steps.windows(2).any(|pair| pair[0].1 != pair[1].1));
}

#[test]
fn a_server_more_changes_no_draw_of_the_others() {
    let ppm = Span { low: -200, high: 200 };
    let drift = |cluster| {
        let nodes = selectors(&["every server"]);
        faults_of(cluster, 1, Fault::ClockDrift(ClockDrift { nodes, ppm }))
    };
    let six = FIVE.with(KindId::SERVER, 6);
    assert_eq!(drift(FIVE)[..], drift(six)[..5]);
}

#[test]
fn damage_to_a_record_happens_once() {
    let mut spec = fault("a");
    spec.what = What::Fault(Fault::Disk(Disk {
        nodes: selectors(&["s1"]),
        fault: DiskFault::Lose { file: FileId(0), from_end: 0 },
    }));
    let mut play = Play::of(vec![spec]);
    play.to(9_000);
    assert_eq!(play.told(), ["2s +a disk"]);
}

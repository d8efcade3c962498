//! Edits move no draw elsewhere: a server, a client or a nemesis added, duplication switched on, a link cut.

use std::collections::BTreeMap;

use splitbrain_kernel::director::spec::{NemesisKind, NemesisSpec};
use splitbrain_kernel::id::{KindId, Link, NodeId};
use splitbrain_kernel::plan::{Moment, Plan, PlannedFault, Timing};
use splitbrain_kernel::rng::{Ppm, Seed};
use splitbrain_kernel::run::{OptionsOf, RunOptions};
use splitbrain_kernel::time::{Duration, Instant};

use crate::determinism::{calm, every_nemesis};
use crate::kinds::FOUR;
use crate::stage::{Played, Stage, at, c, cut, ms, s};
use crate::toy::{Heard, Op, Toy};

fn play(toy: &Toy, options: &OptionsOf<Toy>) -> Played {
    Played::of(toy, options, Seed(3))
}

/// Talkative nodes on links where a packet is lost or takes a while, and no more.
fn quiet() -> (Toy, OptionsOf<Toy>) {
    let (toy, mut options) = calm();
    options.network.duplication = Ppm::NEVER;
    options.network.reordering = Ppm::NEVER;
    (toy, options)
}

const fn any(_: Link) -> bool {
    true
}

/// What was drawn for each datagram, by its address: `None` if it is lost, and how long it takes. Within a
/// connection a segment waits for those before it, so that its time is not the draw alone.
fn by_ordinal(played: &Played, keep: impl Fn(Link) -> bool) -> BTreeMap<(Link, u64), Option<Duration>> {
    let sent = played.log.sent.iter().filter(|sent| keep(sent.link) && !sent.over_connection);
    sent.map(|sent| ((sent.link, sent.ordinal), sent.arrives.map(|arrives| arrives.since(sent.at)))).collect()
}

fn agree_by_ordinal(a: &Played, b: &Played, keep: impl Fn(Link) -> bool + Copy) {
    let (a, b) = (by_ordinal(a, keep), by_ordinal(b, keep));
    let common: Vec<_> = a.iter().filter(|(key, _)| b.contains_key(key)).collect();
    assert!(common.len() > 500, "{} packets in common", common.len());
    for (key, fate) in common {
        assert_eq!(*fate, b[key], "{key:?}");
    }
}

#[test]
fn another_server_or_client_moves_no_draw_of_a_link() {
    let (toy, options) = quiet();
    let base = play(&toy, &options);
    assert!(base.log.sent.iter().any(|sent| sent.over_connection));
    let old = options.cluster;
    for cluster in [
        old.with(KindId::SERVER, old.count(KindId::SERVER) + 1),
        old.with_spare(KindId::SERVER, old.spare_count(KindId::SERVER) + 3),
        old.with(KindId::CLIENT, old.count(KindId::CLIENT) + 2),
    ] {
        let edited = play(&Toy { cluster, ..toy.clone() }, &RunOptions { cluster, ..options.clone() });
        agree_by_ordinal(&base, &edited, |link| old.has_link(link));
    }
}

#[test]
fn another_node_of_a_kind_moves_no_draw_of_another_kind() {
    let (_, options) = quiet();
    let old = FOUR;
    let play_with =
        |cluster| play(&Toy { chatters: true, ..Toy::of(cluster) }, &RunOptions { cluster, ..options.clone() });
    let base = play_with(old);
    for kind in old.kinds() {
        let edited = play_with(old.with(kind.id, old.count(kind.id) + 1));
        agree_by_ordinal(&base, &edited, |link| old.has_link(link));
        let edited = play_with(old.with_spare(kind.id, old.spare_count(kind.id) + 1));
        agree_by_ordinal(&base, &edited, |link| old.has_link(link));
    }
}

#[test]
fn duplication_and_reordering_move_no_draw_of_a_link() {
    let (toy, options) = quiet();
    let base = play(&toy, &options);
    let mut doubled = options.clone();
    doubled.network.duplication = Ppm::new(300_000);
    let edited = play(&toy, &doubled);
    assert!(edited.count("packet duplicated") > 100);
    agree_by_ordinal(&base, &edited, any);
    let mut lossy = options.clone();
    lossy.network.loss = Ppm::new(300_000);
    let edited = play(&toy, &lossy);
    let (a, b) = (by_ordinal(&base, any), by_ordinal(&edited, any));
    let arrived = b.iter().filter(|(key, fate)| fate.is_some() && a.get(*key).is_some_and(Option::is_some));
    assert!(arrived.clone().count() > 500 && arrived.clone().all(|(key, fate)| a[key] == *fate));
    let mut reordered = options;
    reordered.network.reordering = Ppm::new(300_000);
    let edited = by_ordinal(&play(&toy, &reordered), any);
    let same = a.iter().filter(|(key, fate)| edited.get(*key) == Some(*fate)).count();
    let common = a.iter().filter(|(key, _)| edited.contains_key(*key)).count();
    assert!(common > 500 && same * 10 > common * 6 && same < common, "{same} of {common} are as they were");
}

#[test]
fn a_cut_moves_no_draw_of_its_link_nor_of_any_other() {
    let (toy, options) = quiet();
    let base = play(&toy, &options);
    let start = Moment { at: at(100), after_events: 0, order: 0 };
    let stop = Some(Moment { at: at(600), ..start });
    let (id, fault) = ("cut".to_owned(), cut([(s(1), s(2)), (s(3), s(1))]));
    let cut = PlannedFault { id, start, stop, selector: String::new(), line: 0, fault };
    let plan = Plan { timing: Timing::Time, faults: vec![cut], ..Plan::empty() };
    let edited = play(&toy, &RunOptions { replay: Some(plan), ..options });
    assert!(edited.count("packet cut") > 50);
    let is_cut = |link| [Link::new(s(1), s(2)), Link::new(s(3), s(1))].contains(&link);
    agree_by_ordinal(&base, &edited, |link| !is_cut(link));
    let (a, b) = (by_ordinal(&base, is_cut), by_ordinal(&edited, is_cut));
    let passed = b.iter().filter(|(key, fate)| fate.is_some() && a.get(*key).is_some_and(Option::is_some));
    assert!(
        passed.clone().count() > 40 && passed.clone().all(|(key, fate)| a[key] == *fate),
        "draws do not stop at a cut"
    );
}

#[test]
fn a_nemesis_moves_no_draw_of_a_link_of_a_disk_or_of_another_nemesis() {
    let (toy, mut options) = quiet();
    let gentle = |id: &str, kinds: &[NemesisKind]| NemesisSpec {
        id: id.to_owned(),
        kinds: kinds.to_vec(),
        ..every_nemesis()[0].clone()
    };
    options.nemeses = vec![gentle("m", &[NemesisKind::OneWay, NemesisKind::ClockStep])];
    let base = play(&toy, &options);
    for id in ["a", "z"] {
        let mut edited = options.clone();
        edited.nemeses.insert(0, gentle(id, &[NemesisKind::Pause, NemesisKind::Slow]));
        let edited = play(&toy, &edited);
        let faults = |played: &Played| -> Vec<_> {
            let mine = played.log.faults.iter().filter(|(_, name, _)| name.starts_with("m."));
            mine.map(|(when, name, change)| (*when, name.clone(), *change)).collect()
        };
        assert!(faults(&base).len() > 10 && faults(&base) == faults(&edited));
        let (a, b) = (by_ordinal(&base, any), by_ordinal(&edited, any));
        let passed = b.iter().filter(|(key, fate)| fate.is_some() && a.get(*key).is_some_and(Option::is_some));
        assert!(passed.clone().count() > 500 && passed.clone().all(|(key, fate)| a[key] == *fate));
    }
}

#[test]
fn what_a_node_draws_depends_on_nobody_else() {
    let words = |stage: Stage| -> Vec<u64> {
        let stage = [5, 15, 25]
            .into_iter()
            .fold(stage, |stage, millis| stage.at(millis, s(2), Op::Draw).at(millis, c(1), Op::Draw));
        let heard = stage.pass().log.observed.into_iter().filter(|(_, who, _)| *who != s(1));
        heard.filter_map(|(.., heard)| if let Heard::Word(word) = heard { Some(word) } else { None }).collect()
    };
    let base = words(Stage::new(3, 1));
    assert_eq!(base.len(), 6);
    assert_eq!(base, words(Stage::new(9, 5)));
    assert_eq!(base, words(Stage::new(3, 1).at(1, s(1), Op::Draw).fault(2, 20, cut([(s(2), s(1))]))));
    let mut other = Stage::new(3, 1);
    other.seed = Seed(8);
    assert_ne!(base, words(other));
}

#[test]
fn the_latencies_of_a_disk_depend_on_nobody_else() {
    let times = |stage: Stage| -> Vec<Instant> {
        let mut stage = stage.with(|options| options.disk.sync_max = ms(9));
        for millis in 1..20 {
            stage = stage.at(millis * 20, s(2), Op::Persist(millis));
        }
        stage.pass().log.observed.into_iter().filter(|(_, who, _)| *who == s(2)).map(|(when, ..)| when).collect()
    };
    let base = times(Stage::new(2, 0));
    assert_eq!(base.len(), 20);
    let busy = (1..20).fold(Stage::new(4, 2), |stage, millis| stage.at(millis * 20, s(1), Op::Persist(1)));
    assert_eq!(base, times(busy.fault(30, 60, cut(all(4)))));
}

fn all(servers: u16) -> Vec<(NodeId, NodeId)> {
    (1..=servers).flat_map(|a| (1..=servers).map(move |b| (s(a), s(b)))).collect()
}

//! Disks in the world: completions, faults, and effects that are tied to a write.

use splitbrain_kernel::fault::{Crash, CrashScope, Disk, DiskFault, Fault, Keep, Pause};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::DiskOptions;

use crate::stage::{NONE, Stage, crash, cut, ms, s};
use crate::toy::{Cue, LOG, Op};

fn disk(fault: DiskFault) -> Fault {
    Fault::Disk(Disk { nodes: vec![s(1)], fault })
}

#[test]
fn a_write_and_a_sync_take_their_time_one_after_another() {
    let stage = Stage::new(1, 0).at(0, s(1), Op::All(vec![Op::Append(1), Op::Append(2), Op::Sync]));
    assert_eq!(stage.pass().lines(s(1)), ["1ms written 1", "2ms written 2", "4ms durable 2"]);
}

#[test]
fn a_single_node_may_have_a_disk_of_its_own() {
    let ops = || Op::All(vec![Op::Append(1), Op::Append(2), Op::Sync]);
    let stage = Stage::new(2, 0).at(0, s(1), ops()).at(0, s(2), ops());
    let stage = stage.with(|options| {
        let slow = DiskOptions { sync_min: ms(50), sync_max: ms(50), ..options.disk };
        options.disks.insert(s(2), slow);
    });
    let played = stage.pass();
    assert_eq!(played.lines(s(1)), ["1ms written 1", "2ms written 2", "4ms durable 2"]);
    assert_eq!(played.lines(s(2)), ["1ms written 1", "2ms written 2", "52ms durable 2"]);
}

#[test]
fn a_tied_effect_leaves_when_its_write_is_durable_and_others_at_once() {
    let stage = Stage::new(2, 0).at(0, s(1), Op::All(vec![Op::PersistThenSend(1, s(2)), Op::Send(s(2), 2)]));
    let played = stage.pass();
    assert_eq!(played.lines(s(2)), ["1ms 2 from s1", "4ms 1 from s1"]);
    let late = Stage::new(2, 0).at(0, s(1), Op::Persist(1)).at(20, s(1), Op::SendAfter(1, s(2), 5)).pass();
    assert_eq!(late.lines(s(2)), ["21ms 5 from s1"], "a write that is durable already holds nothing back");
}

#[test]
fn tied_effects_leave_in_the_order_in_which_they_were_tied() {
    let ops = (1..=5).map(|number| Op::PersistThenSend(number, s(2))).collect();
    let played = Stage::new(2, 0).at(0, s(1), Op::All(ops)).pass();
    assert_eq!(played.numbers(s(2)), [1, 2, 3, 4, 5]);
}

#[test]
fn a_tied_effect_waits_for_a_write_that_no_sync_covers() {
    let stage = Stage::new(2, 0).at(0, s(1), Op::All(vec![Op::Append(1), Op::SendAfter(1, s(2), 1)]));
    assert_eq!(stage.pass().numbers(s(2)), NONE);
    assert_eq!(stage.at(50, s(1), Op::Sync).pass().lines(s(2)), ["53ms 1 from s1"]);
}

#[test]
fn a_sync_before_any_write_lets_nothing_go_early() {
    let stage = Stage::new(2, 0).at(0, s(1), Op::Sync).at(10, s(1), Op::PersistThenSend(1, s(2)));
    let played = stage.pass();
    assert_eq!(
        (played.lines(s(1)), played.lines(s(2))),
        (vec!["2ms durable 0".to_owned(), "13ms durable 1".to_owned()], vec!["14ms 1 from s1".to_owned()])
    );
}

#[test]
fn a_crash_drops_what_is_tied() {
    for scope in [CrashScope::Process, CrashScope::Machine] {
        let stage = Stage::new(2, 0).at(0, s(1), Op::PersistThenSend(1, s(2))).fault(2, 5, crash(s(1), scope));
        let played = stage.at(10, s(1), Op::Persist(2)).pass();
        assert_eq!(played.numbers(s(2)), NONE, "{scope:?}");
    }
}

#[test]
fn a_write_that_fails_drops_what_is_tied_to_it_and_is_never_told_as_durable() {
    let stage = Stage::new(2, 0).at(0, s(1), Op::PersistThenSend(1, s(2))).fault(5, 15, disk(DiskFault::Full));
    let stage = stage.at(10, s(1), Op::PersistThenSend(2, s(2))).at(20, s(1), Op::PersistThenSend(3, s(2)));
    let played = stage.fault(50, 60, crash(s(1), CrashScope::Machine)).pass();
    assert_eq!(played.numbers(s(2)), [1, 3]);
    assert_eq!(
        played.lines(s(1)),
        ["3ms durable 1", "11ms failed 2 Full", "13ms durable 1", "23ms durable 3", "60ms started [1 3]",]
    );
    assert_eq!(played.count("write failed"), 1);
}

#[test]
fn a_sync_that_fails_drops_what_is_tied_to_its_last_write() {
    let stage = Stage::new(2, 0).at(0, s(1), Op::Append(1)).fault(5, 15, disk(DiskFault::Io));
    let stage = stage.at(4, s(1), Op::SendAfter(1, s(2), 1)).at(10, s(1), Op::Sync).at(20, s(1), Op::Sync);
    let played = stage.pass();
    assert_eq!(played.lines(s(1)), ["1ms written 1", "12ms failed 1 Io", "22ms durable 1"]);
    assert_eq!(played.numbers(s(2)), NONE);
}

#[test]
fn a_lying_sync_lets_tied_effects_go_and_keeps_nothing() {
    let stage = Stage::new(2, 0).fault_from(0, disk(DiskFault::LyingSync)).at(1, s(1), Op::PersistThenSend(1, s(2)));
    let played = stage.fault(50, 60, crash(s(1), CrashScope::Machine)).pass();
    assert_eq!((played.numbers(s(2)), played.count("unsynced write lost")), (vec![1], 1));
    assert_eq!(played.lines(s(1)), ["4ms durable 1"]);
}

#[test]
fn a_slow_disk_takes_longer_while_it_lasts() {
    let stage = Stage::new(1, 0).fault(5, 50, disk(DiskFault::Slow { by: ms(10) }));
    let stage = stage.at(10, s(1), Op::Persist(1)).at(60, s(1), Op::Persist(2));
    assert_eq!(stage.pass().lines(s(1)), ["33ms durable 1", "63ms durable 2"]);
}

#[test]
fn a_completion_waits_for_a_paused_node_while_the_disk_goes_on() {
    let stage = Stage::new(2, 0).at(0, s(1), Op::PersistThenSend(1, s(2)));
    let stage = stage.fault(2, 30, Fault::Pause(Pause { nodes: vec![s(1)] }));
    assert_eq!(stage.pass().lines(s(2)), ["31ms 1 from s1"]);
    let crashed = stage.fault(10, 20, crash(s(1), CrashScope::Machine)).pass();
    assert_eq!(crashed.lines(s(1)), ["30ms started [1]"]);
}

#[test]
fn a_crash_of_the_machine_keeps_a_prefix_a_subset_or_a_torn_one_of_what_was_not_synced() {
    let kept = |keep, seed| {
        let mut stage = Stage::new(1, 0).at(0, s(1), Op::All((1..=6).map(Op::Append).collect()));
        stage.seed = Seed(seed);
        let fault = Fault::Crash(Crash { nodes: vec![s(1)], scope: CrashScope::Machine, keep });
        let played = stage.fault(50, 60, fault).pass();
        played.lines(s(1)).pop().expect("it wrote").split_once(' ').expect("a time").1.to_owned()
    };
    let all = |keep| (0..60).map(|seed| kept(keep, seed)).collect::<std::collections::BTreeSet<_>>();
    let prefix: Vec<String> = (1..=6)
        .map(|count| {
            let numbers: Vec<String> = (1..=count).map(|number: u64| number.to_string()).collect();
            format!("started [{}]", numbers.join(" "))
        })
        .collect();
    let found = all(Keep::Prefix);
    assert!(prefix.iter().all(|line| found.contains(line)) && found.len() == 7, "each length comes: {found:?}");
    assert!(all(Keep::Subset).iter().any(|line| line.contains("6]") && !line.contains('5')), "a subset has holes");
    let torn = all(Keep::Torn);
    assert!(torn.contains("started [1 2 torn]") && torn.contains("started [torn]"), "{torn:?}");
    assert_eq!(all(Keep::Nothing).into_iter().collect::<Vec<_>>(), ["written 6"]);
}

#[test]
fn single_records_are_lost_and_spoilt_at_the_next_start() {
    let stage = Stage::new(1, 0).at(0, s(1), Op::All((1..=4).map(Op::Persist).collect()));
    let stage = stage.fault_from(50, disk(DiskFault::Lose { file: LOG, from_end: 3 }));
    let stage = stage.fault_from(50, disk(DiskFault::Corrupt { file: LOG, from_end: 0 }));
    let stage = stage.fault_from(50, disk(DiskFault::Unreadable { file: LOG, from_end: 1 }));
    let played = stage.fault(60, 70, crash(s(1), CrashScope::Process)).pass();
    assert_eq!(played.lines(s(1)).last().expect("it started"), "70ms started [2 unreadable corrupt]");
}

#[test]
fn a_message_that_is_tied_meets_the_network_as_it_is_when_it_leaves() {
    let stage = Stage::new(2, 0).at(0, s(1), Op::PersistThenSend(1, s(2))).fault(2, 10, cut([(s(1), s(2))]));
    assert_eq!(stage.pass().numbers(s(2)), NONE);
}

#[test]
fn latencies_of_any_size_saturate_and_never_complete() {
    let stage = Stage::new(1, 0).at(0, s(1), Op::All(vec![Op::Persist(1), Op::Persist(2)]));
    let endless = splitbrain_kernel::time::Duration::MAX;
    let never = stage.clone().with(|options| (options.disk.write_max, options.disk.write_min) = (endless, endless));
    assert_eq!(never.pass().lines(s(1)).len(), 0);
    let slow = stage.clone().fault_from(0, disk(DiskFault::Slow { by: endless }));
    assert_eq!(slow.pass().lines(s(1)).len(), 0);
    let backwards = stage.with(|options| (options.disk.write_min, options.disk.write_max) = (ms(5), ms(1)));
    assert_eq!(backwards.pass().lines(s(1)), ["7ms durable 1", "14ms durable 2"]);
}

#[test]
fn a_full_disk_counts_what_is_on_its_way() {
    let stage = Stage::new(1, 0).with(|options| options.disk.capacity = 2);
    let played = stage.at(0, s(1), Op::All((1..=3).map(Op::Append).collect())).pass();
    assert_eq!(played.lines(s(1)), ["1ms written 1", "2ms written 2", "3ms failed 3 Full"]);
    let reacts = Stage::new(1, 0).start(s(1), [Op::When(Cue::Durable, vec![Op::Look])]).at(0, s(1), Op::Append(1));
    assert_eq!(reacts.pass().lines(s(1)), ["1ms written 1", "1ms clocks 1ms 1000us"]);
}

#[test]
fn a_disk_that_hangs_ends_nothing_until_it_is_lifted_and_then_in_order() {
    let stage = Stage::new(2, 0).at(0, s(1), Op::PersistThenSend(1, s(2))).at(5, s(1), Op::Persist(2));
    assert_eq!(stage.pass().lines(s(1)), ["3ms durable 1", "8ms durable 2"]);
    let hung = stage.clone().fault(2, 50, disk(DiskFault::Hang)).pass();
    assert_eq!(hung.lines(s(1)), ["50ms durable 1", "50ms durable 2"]);
    assert_eq!(hung.lines(s(2)), ["51ms 1 from s1"], "what is tied waits with it");
    let never = stage.fault_from(2, disk(DiskFault::Hang)).pass();
    assert_eq!((never.lines(s(1)).len(), never.numbers(s(2))), (0, NONE.to_vec()));
    assert_eq!(never.count("write failed"), 0);
}

#[test]
fn what_hangs_in_a_crash_is_lost_and_what_was_written_before_is_kept() {
    let stage = Stage::new(1, 0).at(0, s(1), Op::Append(1)).at(10, s(1), Op::Append(2));
    let stage = stage.fault(5, 90, disk(DiskFault::Hang));
    let played = stage.fault(40, 60, crash(s(1), CrashScope::Process)).pass();
    assert_eq!(played.lines(s(1)), ["1ms written 1", "60ms started [1]"], "nothing of the old process ends later");
}

#[test]
fn two_faults_that_hang_one_disk_must_both_be_lifted() {
    let stage = Stage::new(1, 0).at(10, s(1), Op::Persist(1));
    let stage = stage.fault(5, 30, disk(DiskFault::Hang)).fault(6, 70, disk(DiskFault::Hang));
    assert_eq!(stage.pass().lines(s(1)), ["70ms durable 1"]);
}

#[test]
fn a_disk_that_is_wiped_keeps_only_what_lands_on_it_later() {
    let stage = Stage::new(1, 0).at(0, s(1), Op::All(vec![Op::Persist(1), Op::Append(2)])).at(20, s(1), Op::Append(3));
    let restart = |stage: Stage, millis| stage.fault(millis, millis + 10, crash(s(1), CrashScope::Process)).pass();
    let last = |stage: Stage| restart(stage, 60).lines(s(1)).pop().expect("it started");
    assert_eq!(last(stage.clone()), "70ms started [1 2 3]");
    assert_eq!(last(stage.clone().fault_from(10, disk(DiskFault::Wipe))), "70ms started [3]");
    let both = stage.clone().fault_from(10, disk(DiskFault::Wipe)).fault_from(50, disk(DiskFault::Wipe));
    assert_eq!(restart(both, 60).lines(s(1)), ["3ms durable 1", "4ms written 2", "21ms written 3"], "nothing is left");
    let under_way = stage.fault_from(0, disk(DiskFault::Wipe));
    assert_eq!(last(under_way), "70ms started [1 2 3]", "what was under way lands on the empty disk");
}

#[test]
fn a_wipe_while_the_disk_hangs_spares_what_hangs() {
    let stage = Stage::new(1, 0).at(0, s(1), Op::Append(1)).at(10, s(1), Op::Append(2));
    let stage = stage.fault(5, 30, disk(DiskFault::Hang)).fault_from(20, disk(DiskFault::Wipe));
    let played = stage.fault(60, 70, crash(s(1), CrashScope::Process)).pass();
    assert_eq!(played.lines(s(1)).last().expect("it started"), "70ms started [2]");
}

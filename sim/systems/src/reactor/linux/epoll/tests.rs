//! The interest list and the ready list by themselves, over files whose readiness the test states.

use super::*;

const DATA: u64 = 7;
const A: ItemKey = key(1, 1);
const B: ItemKey = key(2, 2);
const C: ItemKey = key(3, 3);

const fn key(description: u32, fd: u32) -> ItemKey {
    ItemKey { description: DescriptionId(description), fd: Fd(fd) }
}

/// An instance with `A`, `B` and `C`, nothing of them ready.
fn three(events: Events, bug: EpollBug) -> Epoll {
    let mut epoll = Epoll::new(bug);
    for (sequence, key) in [A, B, C].into_iter().enumerate() {
        assert_eq!(epoll.add(key, events, DATA, sequence as u64, Events::NONE), Ok(None));
    }
    epoll
}

/// What a wait returns while every file has this to report.
fn wait(epoll: &mut Epoll, max: usize, now: Events) -> Vec<(u32, Events)> {
    epoll.wait(max, |_| now).0.iter().map(|event| (event.item.fd.0, event.events)).collect()
}

#[test]
fn level_reports_for_as_long_as_it_is_so_and_edge_once() {
    for (how, again) in [(Events::NONE, vec![(1, Events::IN)]), (Events::ET, Vec::new())] {
        let mut epoll = three(Events::IN | how, EpollBug::None);
        epoll.callback(A, Some(Events::IN));
        assert_eq!(wait(&mut epoll, 8, Events::IN), [(1, Events::IN)]);
        assert_eq!(wait(&mut epoll, 8, Events::IN), again);
        assert_eq!(wait(&mut epoll, 8, Events::NONE), [], "nothing is left");
        assert_eq!(epoll.ready_count(), 0);
    }
}

#[test]
fn an_edge_comes_with_new_data_although_the_old_is_unread() {
    let mut epoll = three(Events::IN | Events::ET, EpollBug::None);
    for _ in 0..2 {
        epoll.callback(A, Some(Events::IN));
        assert_eq!(wait(&mut epoll, 8, Events::IN), [(1, Events::IN)]);
    }
}

#[test]
fn a_change_that_is_undone_before_the_wait_is_not_reported() {
    let mut epoll = three(Events::IN | Events::ET, EpollBug::None);
    epoll.callback(A, Some(Events::IN));
    assert_eq!(wait(&mut epoll, 8, Events::NONE), []);
    assert!(!epoll.item(A).expect("it is registered").is_queued);
}

#[test]
fn a_change_of_what_was_not_asked_for_does_not_queue() {
    let mut epoll = three(Events::IN, EpollBug::None);
    epoll.callback(A, Some(Events::OUT));
    assert_eq!(epoll.ready_count(), 0);
    epoll.callback(A, Some(Events::ERR));
    assert_eq!(wait(&mut epoll, 8, Events::ERR | Events::OUT), [(1, Events::ERR)], "an error cannot be masked");
}

#[test]
fn one_shot_disables_every_direction_until_it_is_modified() {
    let mut epoll = three(Events::IN | Events::OUT | Events::ONESHOT, EpollBug::None);
    epoll.callback(A, Some(Events::IN));
    assert_eq!(wait(&mut epoll, 8, Events::IN), [(1, Events::IN)]);
    assert!(!epoll.item(A).expect("it is registered").is_armed());
    for change in [Some(Events::OUT), Some(Events::ERR), None] {
        epoll.callback(A, change);
    }
    assert_eq!(wait(&mut epoll, 8, Events::OUT | Events::HUP), [], "not even an error is reported");
    assert_eq!(epoll.modify(A, Events::OUT | Events::ONESHOT, DATA, Events::OUT), Ok(None));
    assert_eq!(wait(&mut epoll, 8, Events::OUT), [(1, Events::OUT)], "the modification looked");
}

#[test]
fn a_modification_that_does_not_look_loses_what_came_before_it() {
    let mut epoll = three(Events::IN | Events::ONESHOT, EpollBug::ModifyWithoutCheck);
    epoll.callback(A, Some(Events::IN));
    wait(&mut epoll, 8, Events::IN);
    assert_eq!(epoll.modify(A, Events::IN | Events::ONESHOT, DATA, Events::IN), Ok(None));
    assert_eq!(wait(&mut epoll, 8, Events::IN), []);
}

#[test]
fn what_was_reported_goes_to_the_tail_so_that_short_waits_reach_every_item() {
    let rounds = |bug| {
        let mut epoll = three(Events::IN, bug);
        for key in [A, B, C] {
            epoll.callback(key, Some(Events::IN));
        }
        let reported: Vec<u32> = (0..6).flat_map(|_| wait(&mut epoll, 1, Events::IN)).map(|(fd, _)| fd).collect();
        reported
    };
    assert_eq!(rounds(EpollBug::None), [1, 2, 3, 1, 2, 3]);
    assert_eq!(rounds(EpollBug::NoRotation), [1; 6]);
}

#[test]
fn an_edge_between_two_waits_is_missed_if_only_waits_look() {
    let seen = |bug| {
        let mut epoll = three(Events::IN | Events::ET, bug);
        epoll.callback(A, Some(Events::IN));
        wait(&mut epoll, 8, Events::IN);
        // Drained, and something new came, before the next wait.
        epoll.callback(A, Some(Events::IN));
        wait(&mut epoll, 8, Events::IN).len()
    };
    assert_eq!(seen(EpollBug::None), 1);
    assert_eq!(seen(EpollBug::EdgeSampledInWait), 0);
}

#[test]
fn each_wake_takes_the_newest_waiter_and_what_is_left_after_a_wait_takes_the_next() {
    let mut epoll = three(Events::IN, EpollBug::None);
    [0, 1, 2].map(Thread).into_iter().for_each(|thread| epoll.begin_wait(thread));
    assert_eq!(epoll.callback(A, Some(Events::IN)), Some(Thread(2)));
    assert!(epoll.end_wait(Thread(0)) && !epoll.end_wait(Thread(0)));
    let (events, woken) = epoll.wait(8, |_| Events::IN);
    assert_eq!((events.len(), woken), (1, Some(Thread(1))), "level: the item is in the list again");
    assert_eq!(epoll.callback(B, Some(Events::IN)), None, "no thread waits any more");
}

#[test]
fn an_addition_of_what_is_ready_wakes() {
    let mut epoll = Epoll::new(EpollBug::None);
    epoll.begin_wait(Thread(4));
    assert_eq!(epoll.add(A, Events::IN, DATA, 0, Events::IN), Ok(Some(Thread(4))));
}

#[test]
fn errors_are_those_of_epoll_ctl() {
    let mut epoll = three(Events::IN, EpollBug::None);
    let exclusive = Events::IN | Events::EXCLUSIVE;
    let add = |epoll: &mut Epoll, events| epoll.add(key(9, 9), events, DATA, 9, Events::NONE);
    assert_eq!(epoll.add(A, Events::IN, DATA, 9, Events::NONE), Err(Errno::Exists));
    assert_eq!(epoll.modify(key(1, 2), Events::IN, DATA, Events::NONE), Err(Errno::NoEntry), "a second number");
    assert_eq!(epoll.delete(key(9, 9)), Err(Errno::NoEntry));
    assert_eq!(add(&mut epoll, exclusive | Events::ONESHOT), Err(Errno::Invalid));
    assert_eq!(add(&mut epoll, exclusive | Events::RDHUP), Err(Errno::Invalid));
    assert_eq!(add(&mut epoll, exclusive | Events::ET), Ok(None));
    assert_eq!(epoll.modify(key(9, 9), Events::IN, DATA, Events::NONE), Err(Errno::Invalid), "it was exclusive");
    assert_eq!(epoll.modify(A, exclusive, DATA, Events::NONE), Err(Errno::Invalid));
}

#[test]
fn a_description_that_is_gone_leaves_neither_item_nor_event() {
    let mut epoll = three(Events::IN, EpollBug::None);
    epoll.callback(A, None);
    epoll.forget(A.description);
    assert_eq!(wait(&mut epoll, 8, Events::IN), []);
    assert_eq!(epoll.items().count(), 2);
}

#[test]
fn an_item_that_is_armed_again_in_the_ready_list_wakes_no_second_thread() {
    let mut epoll = three(Events::IN, EpollBug::None);
    (0..3).for_each(|thread| epoll.begin_wait(Thread(thread)));
    assert_eq!(epoll.callback(A, Some(Events::IN)), Some(Thread(2)));
    assert_eq!(epoll.modify(A, Events::IN, DATA, Events::IN), Ok(None));
    assert_eq!(epoll.modify(B, Events::IN, DATA, Events::IN), Ok(Some(Thread(1))), "that one is new in the list");
    assert_eq!(epoll.callback(A, Some(Events::IN)), Some(Thread(0)), "a change wakes one all the same");
}

//! What the comparison with the real kernel leaves out, and sequences that are worth reading by themselves.

use super::*;

const BOTH: Events = Events(Events::IN.0 | Events::OUT.0 | Events::RDHUP.0 | Events::ET.0);
const SMALL: Limits = Limits { unix_buffer: 4_096, tcp_buffer: 100, descriptors: 12 };

fn linux() -> Linux {
    Linux::new(SMALL, EpollBug::None)
}

/// A listener, a client and the server's end of its connection.
fn connection(linux: &mut Linux) -> [Fd; 3] {
    let listener = linux.listen(4).expect("there is room");
    let client = linux.connect(listener).expect("the queue has room");
    let server = linux.accept(listener).expect("a connection waits");
    [listener, client, server]
}

fn watch(linux: &mut Linux, fds: &[Fd], events: Events) -> Fd {
    let epoll = linux.epoll_create().expect("there is room");
    for fd in fds {
        linux.control(epoll, Control::Add, *fd, events, u64::from(fd.0)).expect("it is not registered yet");
    }
    epoll
}

fn wait(linux: &mut Linux, epoll: Fd) -> Vec<(u64, Events)> {
    linux.wait(epoll, 8).expect("it is an epoll instance").iter().map(|event| (event.data, event.events)).collect()
}

fn ready(linux: &Linux, fd: Fd) -> Events {
    linux.readiness(linux.description(fd).expect("it is open"))
}

#[test]
fn the_listening_socket_is_one_item_and_each_connection_another() {
    let mut linux = linux();
    let listener = linux.listen(4).expect("there is room");
    let epoll = watch(&mut linux, &[listener], Events::IN);
    let clients = [(); 2].map(|()| linux.connect(listener).expect("the queue has room"));
    assert_eq!(wait(&mut linux, epoll), [(u64::from(listener.0), Events::IN)], "two connections, one event");
    let servers = [(); 2].map(|()| linux.accept(listener).expect("a connection waits"));
    for server in servers {
        linux.control(epoll, Control::Add, server, Events::IN, u64::from(server.0)).expect("it is new");
    }
    assert_eq!(wait(&mut linux, epoll), []);
    linux.write(clients[1], b"GET").expect("there is room");
    assert_eq!(wait(&mut linux, epoll), [(u64::from(servers[1].0), Events::IN)]);
}

#[test]
fn a_full_accept_queue_takes_no_connection() {
    let mut linux = linux();
    let listener = linux.listen(1).expect("there is room");
    let id = linux.description(listener).expect("it is open");
    assert!(linux.connection_arrives(id).is_some() && linux.connection_arrives(id).is_some());
    assert_eq!(linux.connection_arrives(id), None, "a backlog of one holds two");
    assert_eq!(linux.connect(listener), Err(Errno::TimedOut));
    linux.accept(listener).expect("a connection waits");
    assert!(linux.connection_arrives(id).is_some());
}

#[test]
fn an_accept_without_a_free_number_leaves_the_connection_in_the_queue() {
    let mut linux = Linux::new(Limits { descriptors: 2, ..SMALL }, EpollBug::None);
    let listener = linux.listen(4).expect("there is room");
    let id = linux.description(listener).expect("it is open");
    linux.connection_arrives(id).expect("the queue has room");
    let other = linux.dup(listener).expect("there is room");
    assert_eq!(linux.accept(listener), Err(Errno::TooManyDescriptors));
    assert_eq!(linux.pipe(), Err(Errno::TooManyDescriptors));
    assert_eq!(linux.accept_queue(id), 1);
    linux.close(other).expect("it is open");
    assert_eq!(linux.accept(listener), Ok(other), "the number that was just freed");
}

#[test]
fn a_partial_write_takes_what_fits_and_the_rest_after_an_edge() {
    let mut linux = linux();
    let [_, client, server] = connection(&mut linux);
    let epoll = watch(&mut linux, &[server], BOTH);
    assert_eq!(wait(&mut linux, epoll), [(u64::from(server.0), Events::OUT)]);
    assert_eq!(linux.write_vectored(server, &[&[1; 60], &[2; 60]]), Ok(100));
    assert_eq!(linux.write(server, &[2; 20]), Err(Errno::Again));
    assert_eq!(ready(&linux, server), Events::NONE);
    assert_eq!(linux.read(client, 30).map(|bytes| bytes.len()), Ok(30));
    assert_eq!(wait(&mut linux, epoll), [], "a third must be free");
    assert_eq!(linux.read_vectored(client, &[30, 10]), Ok(vec![vec![1; 30], vec![2; 10]]));
    assert_eq!(wait(&mut linux, epoll), [(u64::from(server.0), Events::OUT)]);
    assert_eq!(linux.write(server, &[2; 20]), Ok(20));
}

#[test]
fn room_is_an_edge_if_a_write_or_a_poll_found_none_and_else_not() {
    for (asks, edges) in [(true, 1), (false, 0)] {
        let mut linux = linux();
        let [_, client, server] = connection(&mut linux);
        let epoll = watch(&mut linux, &[server], BOTH);
        wait(&mut linux, epoll);
        assert_eq!(linux.write(server, &[1; 80]), Ok(80), "all of it, but two thirds are full");
        if asks {
            linux.control(epoll, Control::Modify, server, BOTH, 0).expect("it is registered");
        }
        linux.read(client, 80).expect("it is there");
        assert_eq!(wait(&mut linux, epoll).len(), edges, "a program must write until EAGAIN, or ask");
    }
}

#[test]
fn a_write_to_a_remote_end_has_room_again_when_the_other_side_has_read() {
    let mut linux = linux();
    let listener = linux.listen(4).expect("there is room");
    let id = linux.connection_arrives(linux.description(listener).expect("it is open")).expect("there is room");
    let fd = linux.accept(listener).expect("a connection waits");
    let epoll = watch(&mut linux, &[fd], BOTH);
    wait(&mut linux, epoll);
    assert_eq!(linux.write(fd, &[7; 150]), Ok(100));
    assert_eq!(linux.take_wire(), [(id, Segment::Data { bytes: vec![7; 100], is_urgent: false })]);
    linux.receive(id, Segment::Taken(100));
    assert_eq!(wait(&mut linux, epoll), [(u64::from(fd.0), Events::OUT)]);
    linux.receive(id, Segment::Data { bytes: b"bye".to_vec(), is_urgent: false });
    linux.close(fd).expect("it is open");
    assert_eq!(linux.take_wire(), [(id, Segment::Reset)], "what was not read is lost, and the peer learns of it");
}

#[test]
fn a_half_close_lets_the_answer_through() {
    let mut linux = linux();
    let [_, client, server] = connection(&mut linux);
    linux.write(client, b"GET").expect("there is room");
    linux.shutdown(client, Shut { read: false, write: true }).expect("it is connected");
    assert_eq!(ready(&linux, server), Events::IN | Events::OUT | Events::RDHUP);
    assert_eq!(linux.read(server, 10), Ok(b"GET".to_vec()));
    assert_eq!(linux.read(server, 10), Ok(Vec::new()), "the end");
    assert_eq!(linux.write(server, b"OK"), Ok(2));
    assert_eq!(linux.read(client, 10), Ok(b"OK".to_vec()));
}

#[test]
fn a_reset_is_reported_once_after_what_was_received() {
    let mut linux = linux();
    let [_, client, server] = connection(&mut linux);
    linux.write(client, b"GET").expect("there is room");
    linux.reset_on_close(client).expect("it is a socket");
    linux.close(client).expect("it is open");
    let all = Events::IN | Events::OUT | Events::RDHUP | Events::HUP | Events::ERR;
    assert_eq!(ready(&linux, server), all);
    assert_eq!(linux.read(server, 10), Ok(b"GET".to_vec()));
    assert_eq!(linux.read(server, 10), Err(Errno::ConnectionReset));
    assert_eq!(linux.read(server, 10), Ok(Vec::new()));
    assert_eq!(linux.write(server, b"OK"), Err(Errno::BrokenPipe));
}

#[test]
fn urgent_data_has_a_flag_of_its_own_and_is_no_part_of_the_stream() {
    let mut linux = linux();
    let [_, client, server] = connection(&mut linux);
    let epoll = watch(&mut linux, &[server], Events::IN | Events::PRI);
    linux.write_urgent(client, b'!').expect("there is room");
    assert_eq!(wait(&mut linux, epoll), [(u64::from(server.0), Events::PRI)]);
    linux.write(client, b"ab").expect("there is room");
    assert_eq!(linux.read_urgent(server), Ok(b'!'));
    assert_eq!(linux.read_urgent(server), Err(Errno::Invalid));
    assert_eq!(linux.read(server, 10), Ok(b"ab".to_vec()));
}

#[test]
fn a_duplicate_keeps_the_registration_alive_after_its_number_is_closed() {
    let mut linux = linux();
    let [reader, writer] = linux.pipe().expect("there is room");
    let epoll = watch(&mut linux, &[reader], Events::IN);
    let copy = linux.dup(reader).expect("there is room");
    linux.close(reader).expect("it is open");
    linux.write(writer, b"x").expect("there is room");
    assert_eq!(wait(&mut linux, epoll), [(u64::from(reader.0), Events::IN)], "of a number that is closed");
    assert_eq!(linux.control(epoll, Control::Delete, reader, Events::NONE, 0), Err(Errno::BadDescriptor));
    linux.close(copy).expect("it is open");
    assert_eq!(wait(&mut linux, epoll), []);
}

#[test]
fn a_number_that_is_reused_is_another_item() {
    let mut linux = linux();
    let one = linux.event_fd(1).expect("there is room");
    let epoll = watch(&mut linux, &[one], Events::IN);
    let old = linux.wait(epoll, 8).expect("it is an epoll instance")[0];
    linux.close(one).expect("it is open");
    assert_eq!(linux.event_fd(1), Ok(one), "the same number");
    assert_eq!(linux.control(epoll, Control::Modify, one, Events::IN, 0), Err(Errno::NoEntry));
    assert_ne!(linux.description(one), Ok(old.item.description), "an event in hand is of the other description");
}

#[test]
fn an_exclusive_item_wakes_one_thread_and_plain_ones_wake_all() {
    for (how, count) in [(Events::EXCLUSIVE, 1), (Events::NONE, 3)] {
        let mut linux = linux();
        let listener = linux.listen(4).expect("there is room");
        for thread in 0..3 {
            let epoll = watch(&mut linux, &[listener], Events::IN | how);
            linux.begin_wait(epoll, Thread(thread)).expect("it is an epoll instance");
        }
        linux.connect(listener).expect("the queue has room");
        assert_eq!(linux.take_woken().len(), count, "{how}");
    }
}

#[test]
fn a_signal_interrupts_a_wait_and_waits_itself_in_a_signalfd() {
    let mut linux = linux();
    let signals = linux.signal_fd().expect("there is room");
    let epoll = watch(&mut linux, &[signals], Events::IN | Events::ET);
    linux.begin_wait(epoll, Thread(1)).expect("it is an epoll instance");
    let wake = Wake { is_signalled: true, ..Wake::default() };
    assert_eq!(linux.resume_wait(epoll, Thread(1), 8, wake), Err(Errno::Interrupted));
    linux.raise(signals, 15);
    linux.raise(signals, 1);
    linux.raise(signals, 10);
    assert_eq!(wait(&mut linux, epoll).len(), 1);
    assert_eq!([linux.read(signals, 1), linux.read(signals, 8)], [Ok(vec![1]), Ok(vec![10, 15])], "by their numbers");
    assert_eq!([linux.read(signals, 8), linux.read(signals, 0)], [Err(Errno::Again), Err(Errno::Invalid)]);
}

#[test]
fn a_signal_that_is_pending_is_neither_pending_twice_nor_an_edge() {
    let mut linux = linux();
    let signals = linux.signal_fd().expect("there is room");
    let epoll = watch(&mut linux, &[signals], Events::IN | Events::ET);
    linux.raise(signals, 10);
    assert_eq!(wait(&mut linux, epoll).len(), 1);
    linux.raise(signals, 10);
    assert_eq!(wait(&mut linux, epoll), []);
    assert_eq!(linux.read(signals, 8), Ok(vec![10]));
    linux.raise(signals, 10);
    assert_eq!((wait(&mut linux, epoll).len(), linux.read(signals, 8)), (1, Ok(vec![10])));
}

#[test]
fn calls_on_the_wrong_object_say_so() {
    let mut linux = linux();
    let [reader, writer] = linux.pipe().expect("there is room");
    let listener = linux.listen(0).expect("there is room");
    let epoll = linux.epoll_create().expect("there is room");
    assert_eq!(linux.read(writer, 1), Err(Errno::BadDescriptor));
    assert_eq!(linux.write(reader, b"x"), Err(Errno::BadDescriptor));
    assert_eq!(linux.accept(reader), Err(Errno::NotSocket));
    assert_eq!(linux.read(listener, 1), Err(Errno::NotConnected));
    assert_eq!(linux.accept(listener), Err(Errno::Again));
    assert_eq!(linux.wait(reader, 1), Err(Errno::Invalid));
    assert_eq!(linux.wait(epoll, 0), Err(Errno::Invalid));
    assert_eq!(linux.control(epoll, Control::Add, epoll, Events::IN, 0), Err(Errno::Invalid));
    assert_eq!(linux.control(epoll, Control::Add, Fd(99), Events::IN, 0), Err(Errno::BadDescriptor));
}

#[test]
fn an_end_that_will_send_no_more_hears_of_it_again_when_the_other_end_knows() {
    let mut linux = linux();
    let [_, client, server] = connection(&mut linux);
    let epoll = watch(&mut linux, &[client], Events::RDHUP | Events::ET);
    let id = linux.description(client).expect("it is open");
    linux.shutdown(client, Shut { read: false, write: true }).expect("it is connected");
    assert_eq!(wait(&mut linux, epoll), [], "nothing of that was asked for");
    linux.control(epoll, Control::Modify, client, BOTH, 7).expect("it is registered");
    assert_eq!(wait(&mut linux, epoll), [(7, Events::OUT)]);
    linux.receive(id, Segment::FinAcknowledged);
    assert_eq!(wait(&mut linux, epoll), [(7, Events::OUT)], "an edge with nothing new");
    linux.close(server).expect("it is open");
}

#[test]
fn of_two_urgent_bytes_the_second_is_urgent_and_the_first_is_passed_or_data() {
    for (before, expected) in [(&b""[..], &b"cd"[..]), (b"ab", b"ab!cd")] {
        let mut linux = linux();
        let [_, client, server] = connection(&mut linux);
        if !before.is_empty() {
            linux.write(client, before).expect("there is room");
        }
        linux.write_urgent(client, b'!').expect("there is room");
        linux.write(client, b"cd").expect("there is room");
        linux.write_urgent(client, b'?').expect("there is room");
        assert_eq!(linux.read_urgent(server), Ok(b'?'));
        assert_eq!(linux.read(server, 10).as_deref(), Ok(expected));
    }
}

#[test]
fn an_urgent_byte_that_is_passed_makes_room_for_its_sender() {
    let mut linux = linux();
    let [_, client, server] = connection(&mut linux);
    let id = linux.description(client).expect("it is open");
    linux.write_urgent(client, b'!').expect("there is room");
    assert_eq!(linux.read(server, 10), Err(Errno::Again), "it is no part of the stream");
    assert!(!linux.stream(id).expect("it is a stream").has_unacknowledged());
}

#[test]
fn a_vectored_write_to_an_eventfd_is_one_write_for_each_buffer() {
    let mut linux = linux();
    let counter = linux.event_fd(0).expect("there is room");
    let [one, most] = [1_u64, u64::MAX - 1].map(u64::to_ne_bytes);
    assert_eq!(linux.write_vectored(counter, &[&one, &one]), Ok(16));
    assert_eq!(linux.write_vectored(counter, &[&one, &most]), Ok(8), "the second would have to wait");
    assert_eq!(linux.write_vectored(counter, &[&one[..4], &one[4..]]), Err(Errno::Invalid));
    assert_eq!(linux.read(counter, 8), Ok(3_u64.to_ne_bytes().to_vec()));
}

#[test]
fn a_callback_that_does_not_wake_leaves_a_thread_asleep_beside_a_full_ready_list() {
    for (bug, woken) in [(EpollBug::None, 1), (EpollBug::CallbackWithoutWake, 0)] {
        let mut linux = Linux::new(SMALL, bug);
        let [reader, writer] = linux.pipe().expect("there is room");
        let epoll = watch(&mut linux, &[reader], Events::IN);
        linux.begin_wait(epoll, Thread(0)).expect("it is an epoll instance");
        linux.write(writer, b"x").expect("there is room");
        assert_eq!((linux.take_woken().len(), wait(&mut linux, epoll).len()), (woken, 1));
    }
}

#[test]
fn a_thread_that_goes_on_returns_what_is_there_then_that_its_time_is_over_then_that_a_signal_came() {
    let (over, signalled) = (Wake { is_over: true, is_signalled: true }, Wake { is_over: false, is_signalled: true });
    for (has_event, wake, expected) in [
        (true, over, Ok(Some(1))),
        (true, signalled, Ok(Some(1))),
        (false, over, Ok(Some(0))),
        (false, signalled, Err(Errno::Interrupted)),
        (false, Wake::default(), Ok(None)),
    ] {
        let mut linux = linux();
        let [reader, writer] = linux.pipe().expect("there is room");
        let epoll = watch(&mut linux, &[reader], Events::IN);
        linux.begin_wait(epoll, Thread(0)).expect("it is an epoll instance");
        if has_event {
            linux.write(writer, b"x").expect("there is room");
        }
        let resumed = linux.resume_wait(epoll, Thread(0), 8, wake);
        assert_eq!(resumed.map(|events| events.map(|it| it.len())), expected, "{wake:?}");
        let waits = linux.epoll(epoll).expect("it is an epoll instance").waiters().len();
        assert_eq!(waits, usize::from(expected == Ok(None)), "who sleeps on waits on");
    }
}

#[test]
fn a_read_or_accept_that_leaves_nothing_has_drained_whatever_comes_later() {
    let mut linux = linux();
    let [listener, client, server] = connection(&mut linux);
    let drained = |linux: &Linux, fd| linux.is_drained(linux.description(fd).expect("it is open"));
    assert!(drained(&linux, listener) && !drained(&linux, server), "nothing was read yet");
    linux.write(client, b"ab").expect("there is room");
    linux.read(server, 1).expect("there is something");
    assert!(!drained(&linux, server));
    assert_eq!(linux.read(server, 0), Ok(Vec::new()));
    linux.read(server, 1).expect("there is something");
    assert!(drained(&linux, server));
    linux.write(client, b"c").expect("there is room");
    assert!(drained(&linux, server), "it came later");
    linux.read(server, 1).expect("there is something");
    linux.shutdown(client, Shut { read: false, write: true }).expect("it is connected");
    let given = |linux: &Linux| linux.has_given_end(linux.description(server).expect("it is open"));
    assert!(!given(&linux));
    assert_eq!(linux.read(server, 1), Ok(Vec::new()));
    assert!(drained(&linux, server) && given(&linux), "the end stays ready to be read");
}

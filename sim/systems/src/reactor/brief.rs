//! The reactor for people: what threads asked of epoll and what they got, and what goes over the wire.
//!
//! ```text
//! s1 · wait returned        thread 0: listener IN, descriptor 7 IN|RDHUP
//! s1 · descriptor modified  7 in epoll 4: IN|OUT|ONESHOT
//! s1 → c2 data              23 bytes, OK 4294967296 12
//! ```

use std::fmt::{self, Formatter};

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::id::NodeId;

use super::linux::descriptor::Fd;
use super::linux::events::Events;
use super::message::{Answer, Order, Request, Wire};
use super::node::{ReactorNode, ReactorTimer};
use super::observation::{ReactorObservation, Reported};
use super::worker::Target;

/// See [`splitbrain_kernel::node::Node::brief`].
pub(super) fn brief(datum: Datum<'_, ReactorNode>, f: &mut Formatter<'_>) -> fmt::Result {
    match datum {
        Datum::Message(Wire::Data { bytes, is_urgent }) => of_data(bytes, *is_urgent, f),
        Datum::Message(Wire::Taken { count }) => write!(f, "{}", counted(*count as usize)),
        Datum::Message(Wire::Fin | Wire::Reset) => Ok(()),
        Datum::Observation(observation) => of_observation(datum, observation, f),
        Datum::Timer(timer) => of_timer(timer, f),
        Datum::Operation(Request::Get { size }) => write!(f, "GET {}", counted(*size as usize)),
        Datum::Operation(Request::Post { size }) => write!(f, "POST {}", counted(*size as usize)),
        Datum::Response(Answer { size }) => write!(f, "OK {}", counted(*size as usize)),
        Datum::Order(Order::Signal) => f.write_str("signal"),
        other => other.derived(f),
    }
}

fn counted(count: usize) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}

/// How much it is, and the line that it begins with, if it is one.
fn of_data(bytes: &[u8], is_urgent: bool, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{}", counted(bytes.len()))?;
    if is_urgent {
        f.write_str(", urgent")?;
    }
    let line = bytes.split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
    match line.filter(|line| ["GET ", "POST ", "OK "].iter().any(|word| line.starts_with(word))) {
        Some(line) => write!(f, ", {line}"),
        None => Ok(()),
    }
}

fn of_observation(
    datum: Datum<'_, ReactorNode>,
    observation: &ReactorObservation,
    f: &mut Formatter<'_>,
) -> fmt::Result {
    match observation {
        ReactorObservation::Added { epoll, fd, events } => of_control(*epoll, *fd, *events, f),
        ReactorObservation::Modified { epoll, fd, events } => of_control(*epoll, *fd, *events, f),
        ReactorObservation::Deleted { epoll, fd } => write!(f, "{fd} from epoll {epoll}"),
        ReactorObservation::WaitReturned { thread, events } => {
            write!(f, "thread {}:", thread.0)?;
            if events.is_empty() {
                f.write_str(" nothing, but something was put off")?;
            }
            let mut separator = " ";
            for Reported { target, events } in events {
                write!(f, "{separator}{} {events}", target_words(*target))?;
                separator = ", ";
            }
            Ok(())
        }
        ReactorObservation::Sent { connection, id, .. }
        | ReactorObservation::Answered { connection, id, .. }
        | ReactorObservation::Unanswered { connection, id } => {
            write!(f, "{} over {}#{}", request_words(*id), connection.opener, connection.number)
        }
        ReactorObservation::Served { id } => f.write_str(&request_words(*id)),
        ReactorObservation::Accepted { fd, generation } => {
            write!(f, "descriptor {fd}, connection {generation} of the process")
        }
        ReactorObservation::Closed { fd } | ReactorObservation::Evicted { fd } => write!(f, "descriptor {fd}"),
        _ => datum.derived(f),
    }
}

/// What was asked for, without what is always reported.
fn of_control(epoll: Fd, fd: Fd, events: Events, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{fd} in epoll {epoll}: {}", events & !Events::ALWAYS)
}

/// The operation that its client knows it by.
fn request_words(id: u64) -> String {
    format!("#{} of {}", id & u64::from(u32::MAX), NodeId::client((id >> 32) as u16))
}

fn target_words(target: Target) -> String {
    match target {
        Target::Listener => "listener".to_owned(),
        Target::Signals => "signals".to_owned(),
        Target::Connection(token) => format!("descriptor {}", token.fd),
    }
}

fn of_timer(timer: ReactorTimer, f: &mut Formatter<'_>) -> fmt::Result {
    match timer {
        ReactorTimer::Run(thread) => write!(f, "thread {} goes on", thread.0),
        ReactorTimer::WaitOver(thread) => write!(f, "the wait of thread {} is over", thread.0),
        ReactorTimer::Signal => f.write_str("signal"),
        ReactorTimer::Piece(at) => write!(f, "next piece over connection {at}"),
        ReactorTimer::Read(at) => write!(f, "read from connection {at}"),
        ReactorTimer::Timeout(at) => write!(f, "no answer over connection {at}"),
        ReactorTimer::Retry(at) => write!(f, "connect again, connection {at}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::linux::thread::Thread;
    use crate::reactor::worker::Token;

    fn words(observation: &ReactorObservation) -> String {
        Datum::<ReactorNode>::Observation(observation).to_string()
    }

    #[test]
    fn a_wait_says_what_it_returned() {
        let token = Token { fd: Fd(7), generation: 3 };
        let events = vec![
            Reported { target: Target::Listener, events: Events::IN },
            Reported { target: Target::Connection(token), events: Events::IN | Events::RDHUP },
        ];
        let returned = ReactorObservation::WaitReturned { thread: Thread(2), events };
        assert_eq!(words(&returned), "thread 2: listener IN, descriptor 7 IN|RDHUP");
    }

    #[test]
    fn what_is_asked_of_epoll_is_shown_with_its_flags() {
        let events = Events::IN | Events::ONESHOT | Events::ALWAYS;
        let added = ReactorObservation::Added { epoll: Fd(4), fd: Fd(7), events };
        assert_eq!(words(&added), "7 in epoll 4: IN|ONESHOT");
        assert_eq!(words(&ReactorObservation::Deleted { epoll: Fd(4), fd: Fd(7) }), "7 from epoll 4");
    }

    #[test]
    fn a_request_is_named_by_its_client_and_its_operation() {
        assert_eq!(words(&ReactorObservation::Served { id: 2 << 32 | 7 }), "#7 of c2");
    }

    #[test]
    fn data_shows_the_line_that_it_begins_with() {
        let words = |bytes: &[u8], is_urgent| {
            Datum::<ReactorNode>::Message(&Wire::Data { bytes: bytes.to_vec(), is_urgent }).to_string()
        };
        assert_eq!(words(b"GET 17 120\n", false), "11 bytes, GET 17 120");
        assert_eq!(words(&[7, 200, 1], false), "3 bytes");
        assert_eq!(words(b"!", true), "1 byte, urgent");
    }
}

//! Vectored transfers on a pipe that is nearly full, and a process that has no free descriptor.

use std::os::fd::OwnedFd;

use splitbrain_systems::reactor::linux::epoll::EpollBug;
use splitbrain_systems::reactor::linux::errno::Errno;
use splitbrain_systems::reactor::linux::{Limits, Linux};

use super::real;

/// A call on the pipe: buffers of these sizes.
#[derive(Clone, Copy, Debug)]
enum Call {
    Write(&'static [usize]),
    Read(&'static [usize]),
}

/// What a call gives back: the sizes of the buffers as far as they were moved, and the bytes that were read.
type Moved = Result<(usize, Vec<Vec<u8>>), Errno>;

const PAGE: usize = 4096;

/// Sixteen pages. A write joins the last page only if the part of it that fills no whole page fits there; and a page
/// with one byte left of it is not free.
const CALLS: &[(Call, Result<usize, Errno>)] = &[
    (Call::Write(&[15 * PAGE, 4000]), Ok(15 * PAGE + 4000)),
    (Call::Write(&[60, 60]), Err(Errno::Again)),
    (Call::Write(&[40, 40]), Ok(80)),
    (Call::Read(&[100, PAGE]), Ok(100 + PAGE)),
    (Call::Write(&[3000, 3000]), Ok(PAGE)),
    (Call::Write(&[1]), Err(Errno::Again)),
    (Call::Read(&[3 * PAGE]), Ok(3 * PAGE)),
    (Call::Write(&[5000, 0, 5000, 5000]), Ok(3 * PAGE)),
    (Call::Read(&[7, 20 * PAGE, 9]), Ok(0)),
    (Call::Read(&[7, 9]), Err(Errno::Again)),
];

/// A vectored write that finds too little room is short, and a vectored read fills one buffer after the other.
pub(super) fn a_nearly_full_pipe() {
    let mut linux = Linux::new(Limits::LINUX, EpollBug::None);
    let [reader, writer] = linux.pipe().expect("there are free numbers");
    let [out, into] = real::pipe();
    let mut left = 0;
    for (at, (call, expected)) in CALLS.iter().enumerate() {
        let (by_model, by_linux): (Moved, Moved) = match call {
            Call::Write(sizes) => {
                let parts = parts(sizes, at);
                let buffers: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                let written = |result: Result<usize, Errno>| result.map(|count| (count, Vec::new()));
                (written(linux.write_vectored(writer, &buffers)), written(real::write_vectored(&into, &buffers)))
            }
            Call::Read(sizes) => {
                let read = |result: Result<Vec<Vec<u8>>, Errno>| result.map(|parts| (parts.concat().len(), parts));
                (read(linux.read_vectored(reader, sizes)), read(real::read_vectored(&out, sizes)))
            }
        };
        assert_eq!(by_model, by_linux, "call {at}, {call:?}");
        let count = by_model.map(|(count, _)| count);
        match call {
            Call::Write(_) => left += count.unwrap_or(0),
            Call::Read(_) => left -= count.unwrap_or(0),
        }
        // The last read but one takes all that is left, whatever it is.
        let expected = if *expected == Ok(0) { Ok(count.unwrap_or(0).max(1)) } else { *expected };
        assert_eq!(count, expected, "call {at}, {call:?}");
    }
    assert_eq!(left, 0, "what was written was read");
}

/// Buffers of these sizes, with bytes that differ from call to call.
fn parts(sizes: &[usize], call: usize) -> Vec<Vec<u8>> {
    let bytes = |size: usize, part: usize| (0..size).map(|at| ((at + 31 * part + 7 * call) % 251) as u8).collect();
    sizes.iter().enumerate().map(|(part, size)| bytes(*size, part)).collect()
}

/// With one number left a pipe cannot be made; with none an accepted connection stays in the queue until one is free.
pub(super) fn no_free_number() {
    let mut linux = Linux::new(Limits { descriptors: 4, ..Limits::LINUX }, EpollBug::None);
    let listener = linux.listen(4).expect("the first number is free");
    let client = linux.connect(listener).expect("the queue has room");
    let second = linux.connect(listener).expect("the queue has room");
    let pipe = linux.pipe().map(|_| ());
    let copy = linux.dup(client);
    let refused = linux.dup(client).map(|_| ());
    let accepted = linux.accept(listener).map(|_| ());
    linux.close(copy.expect("the last number is free")).expect("it is open");
    let then = linux.accept(listener);
    let again = linux.accept(listener).map(|_| ());
    linux.close(then.expect("a number is free")).expect("it is open");
    let last = linux.accept(listener).map(|_| ());
    linux.close(second).expect("it is open");
    let empty = linux.accept(listener).map(|_| ());
    let by_model = [pipe, refused, accepted, again, last, empty];

    let (socket, address) = real::listen(4, 3);
    let (client, second) = (real::connect(address), real::connect(address));
    let free = real::free_numbers(1)[0];
    let limit = real::limit_numbers(u64::try_from(free).expect("a number is not negative") + 1);
    let pipe = real::try_pipe().map(|_| ());
    let copy = real::try_dup(&client);
    let refused = real::try_dup(&client).map(|_| ());
    let accepted = real::accept(&socket).map(|_| ());
    drop(copy);
    let then = real::accept(&socket);
    let again = real::accept(&socket).map(|_| ());
    let first = then.expect("a number is free");
    real::reset_on_close(&first);
    drop(first);
    let last: Result<OwnedFd, Errno> = real::accept(&socket);
    last.iter().for_each(real::reset_on_close);
    let last = last.map(drop);
    real::reset_on_close(&second);
    drop(second);
    let empty = real::accept(&socket).map(|_| ());
    real::limit_numbers(limit);
    real::reset_on_close(&client);
    assert_eq!(by_model, [pipe, refused, accepted, again, last, empty]);
    let full = Err(Errno::TooManyDescriptors);
    assert_eq!(by_model, [full, full, full, full, Ok(()), Err(Errno::Again)]);
}

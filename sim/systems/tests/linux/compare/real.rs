//! The real kernel's side: the same calls through rustix, with the model's words for what comes back.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, ipproto, sockopt};
use rustix::process::{Resource, Rlimit, Signal};
use splitbrain_systems::reactor::linux::errno::Errno;
use splitbrain_systems::reactor::linux::events::Events;

use super::operation::How;

/// The model's name for an error.
pub(crate) fn errno(error: rustix::io::Errno) -> Errno {
    use rustix::io::Errno as Real;
    const NAMES: [(Real, Errno); 12] = [
        (Real::AGAIN, Errno::Again),
        (Real::BADF, Errno::BadDescriptor),
        (Real::CONNREFUSED, Errno::ConnectionRefused),
        (Real::CONNRESET, Errno::ConnectionReset),
        (Real::EXIST, Errno::Exists),
        (Real::INTR, Errno::Interrupted),
        (Real::INVAL, Errno::Invalid),
        (Real::MFILE, Errno::TooManyDescriptors),
        (Real::NOENT, Errno::NoEntry),
        (Real::NOTCONN, Errno::NotConnected),
        (Real::NOTSOCK, Errno::NotSocket),
        (Real::PIPE, Errno::BrokenPipe),
    ];
    let name = NAMES.iter().find(|(real, _)| *real == error);
    name.unwrap_or_else(|| panic!("the model has no name for {error:?}")).1
}

pub(crate) fn pipe() -> [OwnedFd; 2] {
    try_pipe().expect("a pipe")
}

pub(crate) fn try_pipe() -> Result<[OwnedFd; 2], Errno> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).map(Into::into).map_err(errno)
}

pub(crate) fn socket_pair() -> [OwnedFd; 2] {
    let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None);
    pair.expect("a pair of sockets").into()
}

pub(crate) fn event_fd(count: u32) -> OwnedFd {
    rustix::event::eventfd(count, rustix::event::EventfdFlags::NONBLOCK).expect("an eventfd")
}

pub(crate) fn epoll_create() -> OwnedFd {
    epoll::create(epoll::CreateFlags::empty()).expect("an epoll instance")
}

/// A listener on an address of its own, so that connections that end do not use up the ports of one.
pub(crate) fn listen(backlog: i32, turn: u64) -> (OwnedFd, SocketAddrV4) {
    let (socket, address) = bound(turn);
    rustix::net::listen(&socket, backlog).expect("it listens");
    (socket, address)
}

fn bound(turn: u64) -> (OwnedFd, SocketAddrV4) {
    let socket = tcp(SocketFlags::NONBLOCK);
    let [.., third, fourth] = turn.to_be_bytes();
    let address = Ipv4Addr::new(127, 1, third, fourth.max(1));
    rustix::net::bind(&socket, &SocketAddrV4::new(address, 0)).expect("a free port");
    let name = rustix::net::getsockname(&socket).expect("a name");
    (socket, name.try_into().expect("an address of IPv4"))
}

fn tcp(flags: SocketFlags) -> OwnedFd {
    rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, Some(ipproto::TCP)).expect("a socket")
}

/// A connection to this address, without Nagle's algorithm, which would put small writes off.
pub(crate) fn connect(address: SocketAddrV4) -> OwnedFd {
    try_connect(address).expect("the accept queue has room")
}

pub(crate) fn try_connect(address: SocketAddrV4) -> Result<OwnedFd, Errno> {
    finish_connect(tcp(SocketFlags::empty()), address)
}

fn finish_connect(socket: OwnedFd, address: SocketAddrV4) -> Result<OwnedFd, Errno> {
    rustix::net::connect(&socket, &address).map_err(errno)?;
    rustix::io::ioctl_fionbio(&socket, true).expect("it does not block");
    sockopt::set_tcp_nodelay(&socket, true).expect("it is TCP");
    Ok(socket)
}

/// The ends of a TCP connection whose first end sends from, and whose second receives into, buffers of a fixed size.
pub(crate) fn tcp_pair(buffer: usize, turn: u64) -> [OwnedFd; 2] {
    let (listener, address) = bound(turn);
    // Connections inherit it, and their windows are made for it only if it is set before.
    sockopt::set_socket_recv_buffer_size(&listener, buffer).expect("it is a socket");
    rustix::net::listen(&listener, 1).expect("it listens");
    let socket = tcp(SocketFlags::empty());
    sockopt::set_socket_send_buffer_size(&socket, buffer).expect("it is a socket");
    let sender = finish_connect(socket, address).expect("the accept queue has room");
    let receiver = accept(&listener).expect("a connection waits");
    [&sender, &receiver].into_iter().for_each(reset_on_close);
    [sender, receiver]
}

/// A connection that is not waited for.
pub(crate) fn begin_to_connect(address: SocketAddrV4) -> OwnedFd {
    let socket = tcp(SocketFlags::NONBLOCK);
    let begun = rustix::net::connect(&socket, &address);
    assert!(begun.is_ok() || begun == Err(rustix::io::Errno::INPROGRESS), "it is on its way: {begun:?}");
    socket
}

pub(crate) fn accept(listener: &OwnedFd) -> Result<OwnedFd, Errno> {
    let socket = rustix::net::accept_with(listener, SocketFlags::NONBLOCK).map_err(errno)?;
    sockopt::set_tcp_nodelay(&socket, true).expect("it is TCP");
    Ok(socket)
}

/// Closing it will reset the connection.
pub(crate) fn reset_on_close(socket: &OwnedFd) {
    try_reset_on_close(socket).expect("it is a socket");
}

pub(crate) fn try_reset_on_close(socket: &OwnedFd) -> Result<(), Errno> {
    sockopt::set_socket_linger(socket, Some(Duration::ZERO)).map_err(errno)
}

/// A signal to this process; its first thread takes it, if that one does not block it.
pub(crate) fn signal_this_process(signal: Signal) {
    rustix::process::kill_process(rustix::process::getpid(), signal).expect("a process may signal itself");
}

pub(crate) fn dup(fd: &OwnedFd) -> OwnedFd {
    try_dup(fd).expect("a free number")
}

pub(crate) fn try_dup(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    rustix::io::dup(fd).map_err(errno)
}

/// Numbers from this one on cannot be given out (`RLIMIT_NOFILE`). Returns the limit before.
pub(crate) fn limit_numbers(from: u64) -> u64 {
    let before = rustix::process::getrlimit(Resource::Nofile);
    let limit = Rlimit { current: Some(from), maximum: before.maximum };
    rustix::process::setrlimit(Resource::Nofile, limit).expect("it is not above the hard limit");
    before.current.expect("the number of descriptors is limited")
}

pub(crate) fn write(fd: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    rustix::io::write(fd, bytes).map_err(errno)
}

pub(crate) fn read(fd: &OwnedFd, max: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; max];
    let count = rustix::io::read(fd, &mut bytes[..]).map_err(errno)?;
    bytes.truncate(count);
    Ok(bytes)
}

pub(crate) fn write_vectored(fd: &OwnedFd, buffers: &[&[u8]]) -> Result<usize, Errno> {
    let buffers: Vec<IoSlice<'_>> = buffers.iter().map(|buffer| IoSlice::new(buffer)).collect();
    rustix::io::writev(fd, &buffers).map_err(errno)
}

/// Each buffer as far as it was filled.
pub(crate) fn read_vectored(fd: &OwnedFd, sizes: &[usize]) -> Result<Vec<Vec<u8>>, Errno> {
    let mut parts: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0; *size]).collect();
    let mut buffers: Vec<IoSliceMut<'_>> = parts.iter_mut().map(|part| IoSliceMut::new(part)).collect();
    let mut left = rustix::io::readv(fd, &mut buffers).map_err(errno)?;
    for part in &mut parts {
        part.truncate(left);
        left -= part.len();
    }
    Ok(parts)
}

pub(crate) fn write_urgent(fd: &OwnedFd, byte: u8) -> Result<usize, Errno> {
    rustix::net::send(fd, &[byte], SendFlags::OOB).map_err(errno)
}

pub(crate) fn read_urgent(fd: &OwnedFd) -> Result<u8, Errno> {
    let mut byte = [0];
    rustix::net::recv(fd, &mut byte[..], RecvFlags::OOB).map(|_| byte[0]).map_err(errno)
}

pub(crate) fn shutdown(fd: &OwnedFd, how: How) -> Result<(), Errno> {
    let how = match how {
        How::Read => Shutdown::Read,
        How::Write => Shutdown::Write,
        How::Both => Shutdown::Both,
    };
    rustix::net::shutdown(fd, how).map_err(errno)
}

pub(crate) fn control(
    instance: &OwnedFd,
    fd: &OwnedFd,
    action: splitbrain_systems::reactor::linux::Control,
    events: Events,
    data: u64,
) -> Result<(), Errno> {
    use splitbrain_systems::reactor::linux::Control;
    let flags = epoll::EventFlags::from_bits_retain(events.0);
    let data = epoll::EventData::new_u64(data);
    match action {
        Control::Add => epoll::add(instance, fd, data, flags),
        Control::Modify => epoll::modify(instance, fd, data, flags),
        Control::Delete => epoll::delete(instance, fd),
    }
    .map_err(errno)
}

/// The events of a wait of at most this long.
pub(crate) fn wait(instance: &OwnedFd, max: usize, at_most: Duration) -> Result<Vec<(u64, Events)>, Errno> {
    let empty = epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) };
    let mut events = vec![empty; max];
    let time = Timespec::try_from(at_most).expect("a short time");
    let count = epoll::wait(instance, &mut events[..], Some(&time)).map_err(errno)?;
    // A packed struct: its fields are copied out.
    Ok(events[..count].iter().map(|event| ({ event.data }.u64(), Events({ event.flags }.bits()))).collect())
}

/// What poll(2) says of each of these, at this moment.
pub(crate) fn readiness<'a>(fds: impl Iterator<Item = &'a OwnedFd>) -> Vec<Events> {
    let asked = PollFlags::IN | PollFlags::PRI | PollFlags::OUT | PollFlags::RDHUP;
    let mut polled: Vec<PollFd<'_>> = fds.map(|fd| PollFd::new(fd, asked)).collect();
    poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).expect("a poll");
    polled.iter().map(|fd| Events(u32::from(fd.revents().bits()))).collect()
}

/// The numbers that this process gives out next, in order, if it closes none.
pub(crate) fn free_numbers(count: usize) -> Vec<RawFd> {
    let open: Vec<OwnedFd> = (0..count).map(|_| event_fd(0)).collect();
    open.iter().map(|fd| fd.as_raw_fd()).collect()
}

/// This end of a TCP connection acknowledges at once what it has received, and what it receives from now on.
pub(crate) fn acknowledge_soon(socket: &OwnedFd) {
    sockopt::set_tcp_quickack(socket, true).expect("it is TCP");
}

/// Whether this end of a TCP connection has sent a FIN that is not acknowledged: the states FIN_WAIT1, CLOSING and
/// LAST_ACK.
#[expect(clippy::disallowed_methods, reason = "a test asks the kernel; a run has no files")]
pub(crate) fn waits_for_acknowledgement(socket: &OwnedFd) -> bool {
    let name = |name: rustix::net::SocketAddrAny| SocketAddrV4::try_from(name).map(as_shown).unwrap_or_default();
    let (Ok(own), Ok(Some(other))) = (rustix::net::getsockname(socket), rustix::net::getpeername(socket)) else {
        return false;
    };
    let (own, other) = (name(own), name(other));
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel shows its connections");
    table.lines().any(|line| {
        let columns: Vec<&str> = line.split_whitespace().take(4).collect();
        columns.len() == 4 && columns[1] == own && columns[2] == other && ["04", "09", "0B"].contains(&columns[3])
    })
}

/// An address as `/proc/net/tcp` shows it.
fn as_shown(address: SocketAddrV4) -> String {
    format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
}

/// Lets a millisecond pass in the kernel, which may have put the delivery of a packet off.
pub(crate) fn give_time() {
    poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 })).expect("a poll of nothing");
}

//! Named sets of options. They set options and do nothing else.
//!
//! | preset | threads | trigger | as in |
//! | --- | --- | --- | --- |
//! | `one_loop` | one | level | Redis, libevent by default |
//! | `one_loop_edge` | one | edge | mio |
//! | `many_loops` | an acceptor and four loops | level | Netty, muduo |
//! | `many_loops_edge` | an acceptor and four loops | edge | Netty's native transport |
//! | `exclusive` | four loops that all accept | edge | nearly nginx since 1.11.3 |
//! | `herd` | four loops that all accept | edge | nearly nginx before 1.11.3, with `accept_mutex off` |
//! | `shared` | four threads, one epoll, one-shot | level | thread pools over one epoll instance |
//! | `shared_edge` | four threads, one epoll, one-shot | edge | nearly TinyWebServer, where one thread waits |
//!
//! The workers of nginx are processes, and it registers connections with `EPOLLET` but listening sockets without it
//! (`ngx_event_process_init` asks for `NGX_EXCLUSIVE_EVENT` or for no flag): `trigger` here is for both.

use splitbrain_kernel::options::Preset;
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::Duration;

use super::bug::Bug;
use super::options::{Accept, Mode, ReactorOptions, Signals, Trigger};

/// All of them; `one_loop` is the default.
pub const PRESETS: &[Preset<ReactorOptions>] = &[
    Preset { name: "one_loop", doc: "One thread, level-triggered.", make: one_loop },
    Preset { name: "one_loop_edge", doc: "One thread, edge-triggered.", make: one_loop_edge },
    Preset { name: "many_loops", doc: "An acceptor and four loops, level-triggered.", make: many_loops },
    Preset { name: "many_loops_edge", doc: "An acceptor and four loops, edge-triggered.", make: many_loops_edge },
    Preset {
        name: "exclusive",
        doc: "Four loops that all accept, edge-triggered, with EPOLLEXCLUSIVE.",
        make: exclusive,
    },
    Preset {
        name: "herd",
        doc: "Four loops that all accept, edge-triggered, without EPOLLEXCLUSIVE: all wake for one connection.",
        make: herd,
    },
    Preset { name: "shared", doc: "Four threads on one epoll instance, one-shot, level-triggered.", make: shared },
    Preset {
        name: "shared_edge",
        doc: "Four threads on one epoll instance, one-shot, edge-triggered.",
        make: shared_edge,
    },
];

/// One thread and level triggering; clients that are quick and well-behaved.
pub fn one_loop() -> ReactorOptions {
    ReactorOptions {
        mode: Mode::OneLoop,
        trigger: Trigger::Level,
        accept: Accept::Acceptor,
        signals: Signals::SelfPipe,
        workers: 1,
        events_max: 16,
        wait_timeout: Duration::ZERO,
        backlog: 8,
        connections_max: 64,
        calls_per_turn: 8,
        read_size: 64,
        socket_buffer: 512,
        call_min: Duration::from_micros(1),
        call_max: Duration::from_micros(20),
        stall: Ppm::NEVER,
        stall_max: Duration::ZERO,
        shuffle: false,
        signal_every: Duration::ZERO,
        connections: 2,
        pipeline: 2,
        piece: 64,
        piece_gap: Duration::from_micros(200),
        read_gap: Duration::from_micros(200),
        abandon: Ppm::NEVER,
        half_close: Ppm::NEVER,
        urgent: Ppm::NEVER,
        request_timeout: Duration::from_secs(5),
        bug: Bug::None,
    }
}

/// The same, edge-triggered.
pub fn one_loop_edge() -> ReactorOptions {
    ReactorOptions { trigger: Trigger::Edge, ..one_loop() }
}

/// An acceptor that gives connections to four loops in turn.
pub fn many_loops() -> ReactorOptions {
    ReactorOptions { mode: Mode::ManyLoops, workers: 4, ..one_loop() }
}

/// The same, edge-triggered.
pub fn many_loops_edge() -> ReactorOptions {
    ReactorOptions { trigger: Trigger::Edge, ..many_loops() }
}

/// Four loops that all have the listening socket in their instance.
pub fn exclusive() -> ReactorOptions {
    ReactorOptions { accept: Accept::Exclusive, ..many_loops_edge() }
}

/// The same without EPOLLEXCLUSIVE.
pub fn herd() -> ReactorOptions {
    ReactorOptions { accept: Accept::Every, ..many_loops_edge() }
}

/// Four threads that take what comes from one instance.
pub fn shared() -> ReactorOptions {
    ReactorOptions { mode: Mode::Shared, workers: 4, ..one_loop() }
}

/// The same, edge-triggered.
pub fn shared_edge() -> ReactorOptions {
    ReactorOptions { trigger: Trigger::Edge, ..shared() }
}

//! Options of the reactor: how the server is built, how fast its threads are, and how its clients behave.

use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::options::{Options, OptionsError, Preset, ValueKind};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::Duration;

use super::bug::Bug;
use super::presets::PRESETS;

splitbrain_kernel::names! {
    /// How threads share the connections.
    pub enum Mode {
        /// One thread does everything over one epoll instance.
        OneLoop = "one_loop",
        /// Each worker has an epoll instance and connections of its own.
        ManyLoops = "many_loops",
        /// All workers wait on one epoll instance, and each event disarms its descriptor (EPOLLONESHOT).
        Shared = "shared",
    }
}

splitbrain_kernel::names! {
    /// When epoll reports a descriptor.
    pub enum Trigger {
        /// For as long as it is ready.
        Level = "level",
        /// When something changes (EPOLLET).
        Edge = "edge",
    }
}

splitbrain_kernel::names! {
    /// Who accepts connections for many loops.
    pub enum Accept {
        /// A thread of its own, which gives them to the workers in turn.
        Acceptor = "acceptor",
        /// Every worker, with EPOLLEXCLUSIVE on the listening socket.
        Exclusive = "exclusive",
        /// Every worker, without EPOLLEXCLUSIVE: one connection wakes all that sleep (the thundering herd).
        Every = "every",
    }
}

splitbrain_kernel::names! {
    /// How a signal reaches the loop.
    pub enum Signals {
        /// A handler interrupts a thread and writes a byte into a pipe that the loop reads.
        SelfPipe = "self_pipe",
        /// The signal is blocked and read from a signalfd; no thread is interrupted.
        SignalFd = "signalfd",
    }
}

const TIMING: ValueKind = ValueKind::Duration { min: Duration::from_nanos(100), max: Duration::from_secs(60) };
const SPAN: ValueKind = ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(60) };

splitbrain_kernel::options! {
    /// Options of the reactor.
    pub struct ReactorOptions {
        /// How threads share the connections.
        pub mode: Mode => ValueKind::Name(Mode::NAMES),
        /// When epoll reports a connection, and the listening socket.
        pub trigger: Trigger => ValueKind::Name(Trigger::NAMES),
        /// Who accepts, with mode = "many_loops".
        pub accept: Accept => ValueKind::Name(Accept::NAMES),
        /// How a signal reaches the loop.
        pub signals: Signals => ValueKind::Name(Signals::NAMES),
        /// Threads that serve connections; one_loop has one.
        pub workers: u64 => ValueKind::Integer { min: 1, max: 16 },
        /// The most events that one wait returns.
        pub events_max: u64 => ValueKind::Integer { min: 1, max: 256 },
        /// How long a wait lasts at most, with nothing to return. 0s is no limit, unlike in epoll_wait(2), where -1 is
        /// none and 0 returns at once.
        pub wait_timeout: Duration => SPAN,
        /// The backlog of listen(2): the accept queue holds one more.
        pub backlog: u64 => ValueKind::Integer { min: 0, max: 1024 },
        /// Connections that the server keeps: one more evicts the one that was idle for longest.
        pub connections_max: u64 => ValueKind::Integer { min: 1, max: 1000 },
        /// Reads and writes on one connection before the others get their turn.
        pub calls_per_turn: u64 => ValueKind::Integer { min: 1, max: 1000 },
        /// Bytes that one read takes at most.
        pub read_size: u64 => ValueKind::Integer { min: 1, max: 65_536 },
        /// Bytes under way in one direction of a connection, sent and not read.
        pub socket_buffer: u64 => ValueKind::Integer { min: 16, max: 1_048_576 },
        /// The least time from one system call of a thread to its next one.
        pub call_min: Duration => TIMING,
        /// The most.
        pub call_max: Duration => TIMING,
        /// The chance that a thread is delayed between two calls.
        pub stall: Ppm => ValueKind::Probability,
        /// How long such a delay lasts at most.
        pub stall_max: Duration => SPAN,
        /// Whether the events of one wait come in an order that is drawn, rather than in that of Linux.
        pub shuffle: bool => ValueKind::Bool,
        /// The mean time from one signal to the next; 0s for none.
        pub signal_every: Duration => SPAN,
        /// Connections that a client keeps open.
        pub connections: u64 => ValueKind::Integer { min: 1, max: 16 },
        /// Requests that a client sends over one connection before it has the answers.
        pub pipeline: u64 => ValueKind::Integer { min: 1, max: 16 },
        /// Bytes that a client sends at a time, at most.
        pub piece: u64 => ValueKind::Integer { min: 1, max: 65_536 },
        /// The most time from one piece to the next.
        pub piece_gap: Duration => SPAN,
        /// The most time from one read of a client to the next.
        pub read_gap: Duration => SPAN,
        /// The chance that a client resets a connection instead of sending a piece.
        pub abandon: Ppm => ValueKind::Probability,
        /// The chance that a client says after a request that it will send no more (half-close).
        pub half_close: Ppm => ValueKind::Probability,
        /// The chance that a client sends an urgent byte before a request, if the server has passed the one before.
        pub urgent: Ppm => ValueKind::Probability,
        /// How long a client waits for an answer before it gives the connection up.
        pub request_timeout: Duration => TIMING,
        /// A known bug.
        pub bug: Bug => ValueKind::Name(Bug::NAMES),
    }
}

impl Options for ReactorOptions {
    fn presets() -> &'static [Preset<Self>] {
        PRESETS
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        let refuse = |option: &str, message: String| Err(OptionsError::new(option, message));
        if self.call_max < self.call_min {
            return refuse("call_max", format!("{} is less than call_min, {}", self.call_max, self.call_min));
        }
        if self.mode == Mode::OneLoop && self.workers != 1 {
            return refuse("workers", format!("one_loop has one thread, not {}", self.workers));
        }
        if let Some(needed) = self.bug.needed().filter(|needed| !needed.is_met(self)) {
            let message = format!("\"{}\" has an effect only with {}", self.bug.name(), needed.words());
            return refuse("bug", message);
        }
        if self.accept != Accept::Acceptor && self.mode != Mode::ManyLoops {
            return refuse(
                "accept",
                format!("\"{}\" has an effect only with mode = \"many_loops\"", self.accept.name()),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::presets;
    use super::*;

    fn refused(options: &ReactorOptions) -> Option<String> {
        options.validate(Cluster::plain(1, 1)).err().map(|error| error.to_string())
    }

    #[test]
    fn a_bug_where_it_has_no_effect_is_refused() {
        for (preset, bug, word) in [
            (presets::one_loop(), Bug::NoRearm, "shared"),
            (presets::shared(), Bug::NoDrainUnderEdge, "edge"),
            (presets::one_loop_edge(), Bug::NoRotation, "level"),
            (ReactorOptions { signals: Signals::SignalFd, ..presets::one_loop() }, Bug::HandlerTakesLock, "self_pipe"),
        ] {
            let message = refused(&ReactorOptions { bug, ..preset }).expect("it is refused");
            assert!(message.contains(bug.name()) && message.contains(word), "{message}");
        }
        assert_eq!(refused(&ReactorOptions { bug: Bug::NoRearm, ..presets::shared() }), None);
    }
}

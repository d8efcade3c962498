//! What a scenario can set in `[omnipaxos]`.

use splitbrain::kernel::prelude::*;

names! {
    /// A known bug of the adapter, to be switched on.
    pub enum Bug {
        /// None.
        None = "none",
        /// Messages leave before what they promise is durable.
        EarlyMessages = "early_messages",
        /// A client is answered when a leader has taken its number in, before it is decided.
        EarlyAnswers = "early_answers",
        /// A server that has started again never calls the library's tick: it takes part in no election.
        NoTickAfterRestart = "no_tick_after_restart",
    }
}

const TICKS: ValueKind = ValueKind::Integer { min: 1, max: 1_000 };

options! {
    /// The options of `[omnipaxos]`.
    pub struct OmniOptions {
        /// How often the library's `tick` is called, on the node's clock.
        pub tick: Duration => ValueKind::Duration { min: Duration::from_millis(1), max: Duration::from_secs(10) },
        /// `election_tick_timeout`: ticks of one round of heartbeats.
        pub election_ticks: u64 => TICKS,
        /// `resend_message_tick_timeout`: ticks after which a message without an answer is sent again.
        pub resend_ticks: u64 => TICKS,
        /// Whether servers speak by datagrams, which get lost, doubled and overtaken, rather than over connections.
        pub datagrams: bool => ValueKind::Bool,
        /// A known bug.
        pub bug: Bug => ValueKind::Name(Bug::NAMES),
    }
}

impl Options for OmniOptions {
    fn presets() -> &'static [Preset<Self>] {
        const PLAIN: Preset<OmniOptions> = Preset {
            name: "plain",
            doc: "Rounds of heartbeats of 100 ms, resends after 500 ms, over connections.",
            make: || OmniOptions {
                tick: Duration::from_millis(10),
                election_ticks: 10,
                resend_ticks: 50,
                datagrams: false,
                bug: Bug::None,
            },
        };
        &[PLAIN]
    }
}

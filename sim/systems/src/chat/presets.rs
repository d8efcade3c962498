//! Named sets of options.
//!
//! | preset | the lock | presence | threads |
//! | --- | --- | --- | --- |
//! | `careful` | 10 s, asked for every 20 to 80 ms for 5 s, computed validity | 6 s, renewed every 1.5 s | 4 and 4 |
//! | `quick` | 3 s, asked for every 20 to 80 ms for 2 s, computed validity | 3 s, renewed every 0.8 s | 4 and 4 |
//! | `qt_chat` | 10 s, asked for every 1 ms for 5 s, computed validity | 6 s, renewed every 1.5 s | 4 and 4 |
//!
//! All are the service with all mends. `quick` is for short runs. `qt_chat` has the times of the "QT chat project", and
//! what comes of them: a lock that is asked for without patience, and sessions that are silent for up to 80 s.

use splitbrain_kernel::options::Preset;
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::Duration;

use crate::lock::options::{AppendFsync, LockOptions, Validity};
use crate::lock::presets::distlock;

use super::bug::Bug;
use super::options::ChatOptions;

/// All of them; `careful` is the one taken by default.
pub const PRESETS: &[Preset<ChatOptions>] = &[
    Preset { name: "careful", doc: "Locks of 10 s, presence of 6 s, heartbeats of 10 s.", make: careful },
    Preset { name: "quick", doc: "The same, about three times as fast.", make: quick },
    Preset { name: "qt_chat", doc: "The times of the QT chat project: a lock is asked for every 1 ms.", make: qt_chat },
];

/// The lock of the service: SET NX EX with a deadline, a draw between two tries, a file that is synced.
fn lock() -> LockOptions {
    LockOptions {
        retry_min: Duration::from_millis(20),
        retry_max: Duration::from_millis(80),
        request_timeout: Duration::from_millis(500),
        validity: Validity::Computed,
        drift: Ppm::new(10_000),
        drift_fixed: Duration::from_millis(2),
        append_fsync: AppendFsync::Always,
        ..distlock()
    }
}

/// Locks that live as long as those of the service that it follows, shorter times for all else, and what is missing in
/// it.
pub fn careful() -> ChatOptions {
    ChatOptions {
        logic_threads: 4,
        io_threads: 4,
        pool_size: 10,
        gap_max: Duration::from_micros(200),
        call_timeout: Duration::from_millis(500),
        database_max: Duration::from_millis(20),
        database_stall: Ppm::NEVER,
        database_stall_max: Duration::ZERO,
        kick_deadline: Duration::from_secs(1),
        presence_life: Duration::from_secs(6),
        presence_margin: Duration::from_millis(100),
        renew_every: Duration::from_millis(1_500),
        heartbeat_every: Duration::from_secs(3),
        heartbeat_timeout: Duration::from_secs(10),
        scan_every: Duration::from_secs(1),
        token_life: Duration::from_secs(60),
        request_timeout: Duration::from_secs(12),
        forward_timeout: Duration::from_secs(2),
        overlap_max: Duration::ZERO,
        lock: lock(),
        bug: Bug::None,
    }
}

/// Shorter times.
pub fn quick() -> ChatOptions {
    ChatOptions {
        presence_life: Duration::from_secs(3),
        renew_every: Duration::from_millis(800),
        heartbeat_every: Duration::from_secs(1),
        heartbeat_timeout: Duration::from_secs(4),
        request_timeout: Duration::from_secs(6),
        kick_deadline: Duration::from_millis(500),
        lock: LockOptions {
            time_to_live: Duration::from_secs(3),
            acquire_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_millis(300),
            ..lock()
        },
        ..careful()
    }
}

/// The times of the service that it follows: a lock of 10 s that is asked for every millisecond for 5 s, sessions that
/// end after 20 s of silence, and a look for them once a minute. A client shows itself twice in these 20 s.
pub fn qt_chat() -> ChatOptions {
    ChatOptions {
        heartbeat_every: Duration::from_secs(10),
        heartbeat_timeout: Duration::from_secs(20),
        scan_every: Duration::from_secs(60),
        lock: LockOptions { retry_min: Duration::from_millis(1), retry_max: Duration::from_millis(1), ..lock() },
        ..careful()
    }
}

//! What clients are asked for: users who log in, talk and go, on few enough accounts that they meet.
//!
//! ```text
//!   rest ─▶ log in ─▶ say … show … ─▶ stay ─▶ log out ─▶ rest …
//!     └─▶ intrude                       └─▶ log in as another user, or the same
//! ```

use splitbrain_kernel::context::OperationResult;
use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::options::{Options, OptionsError, Preset, ValueKind};
use splitbrain_kernel::rng::{Ppm, Rng};
use splitbrain_kernel::time::{Duration, Instant};
use splitbrain_kernel::workload::{Next, Workload, WorkloadCall};

use super::ids::Uid;
use super::message::{Operation, Response};

const SPAN: ValueKind = ValueKind::Duration { min: Duration::ZERO, max: Duration::from_secs(3600) };

splitbrain_kernel::options! {
    /// The options of the workload `users`.
    pub struct UserOptions {
        /// How many users there are. Each client logs in as any of them.
        pub users: u64 => ValueKind::Integer { min: 1, max: 10_000 },
        /// The most operations in a session; how many is drawn, from 0.
        pub says_max: u64 => ValueKind::Integer { min: 0, max: 1_000 },
        /// The mean time from one operation of a session to the next; exponential.
        pub think: Duration => SPAN,
        /// The mean time from the last operation of a session to its end; exponential.
        pub stay: Duration => SPAN,
        /// The mean time from the end of a session to the next login; exponential.
        pub rest: Duration => SPAN,
        /// The chance that a client logs out at the end of a session, rather than log in as another user at once.
        pub logout: Ppm => ValueKind::Probability,
        /// The chance that a login is one with a made-up token.
        pub intrude: Ppm => ValueKind::Probability,
    }
}

impl Options for UserOptions {
    fn presets() -> &'static [Preset<Self>] {
        &[Preset {
            name: "users",
            doc: "Two users, up to 4 operations with a second between them, stays and rests of 2 s.",
            make: || Self {
                users: 2,
                says_max: 4,
                think: Duration::from_secs(1),
                stay: Duration::from_secs(2),
                rest: Duration::from_secs(2),
                logout: Ppm::new(500_000),
                intrude: Ppm::NEVER,
            },
        }]
    }

    fn validate(&self, _: Cluster) -> Result<(), OptionsError> {
        Ok(())
    }
}

/// One client's users.
#[derive(Clone, Debug)]
pub struct Users {
    options: UserOptions,
    servers: u16,
    gaps: Rng,
    contents: Rng,
    place: Place,
    /// It was handed an operation that has not ended.
    is_out: bool,
}

/// Where in a session a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    /// It is logged in, and does this much more.
    Inside {
        left: u64,
    },
}

impl Users {
    /// The users that a scenario asks for, on this many chat servers.
    ///
    /// # Errors
    /// A rate: a closed loop goes by `think`, `stay` and `rest`.
    pub fn of(call: &WorkloadCall<'_>, servers: u16) -> Result<Self, OptionsError> {
        if call.rate.is_some() {
            let message = "has no effect: operations follow one another, see \"think\", \"stay\" and \"rest\"";
            return Err(OptionsError::new("rate", message));
        }
        let (gaps, contents) = (call.stream.fork("gaps", 0), call.stream.fork("operation", 0));
        Ok(Self { options: call.options(), servers, gaps, contents, place: Place::Outside, is_out: false })
    }

    fn operation(&mut self) -> Operation {
        let uid = Uid(self.contents.between(1, self.options.users));
        match self.place {
            Place::Outside if self.contents.chance(self.options.intrude) => {
                let server = self.contents.between(1, u64::from(self.servers));
                // One user more than there are has never been given a token.
                let uid = Uid(self.contents.between(1, self.options.users + 1));
                Operation::Intrude { uid, server: u16::try_from(server).expect("nodes are few") }
            }
            Place::Outside => Operation::Login { uid },
            Place::Inside { left: 0 } if self.contents.chance(self.options.logout) => Operation::Logout,
            Place::Inside { left: 0 } => Operation::Login { uid },
            Place::Inside { .. } if self.contents.below(4) == 0 => Operation::Show,
            Place::Inside { .. } => Operation::Say { text: self.contents.word() >> 32 },
        }
    }

    fn after(&mut self, operation: Operation, result: OperationResult<&Response>) -> Place {
        match (operation, result, self.place) {
            (
                Operation::Login { .. } | Operation::Intrude { .. },
                OperationResult::Ok(Response::LoggedIn { .. }),
                _,
            ) => Place::Inside { left: self.contents.between(0, self.options.says_max) },
            (_, OperationResult::Ok(Response::Said | Response::Shown { .. }), Place::Inside { left }) => {
                Place::Inside { left: left.saturating_sub(1) }
            }
            _ => Place::Outside,
        }
    }
}

impl Workload<Operation, Response> for Users {
    fn next(&mut self, now: Instant) -> Next<Operation> {
        if std::mem::replace(&mut self.is_out, true) {
            return Next::AfterCompletion;
        }
        let mean = match self.place {
            Place::Outside => self.options.rest,
            Place::Inside { left: 0 } => self.options.stay,
            Place::Inside { .. } => self.options.think,
        };
        let at = now.saturating_add(self.gaps.exponential(mean));
        Next::At(at, self.operation())
    }

    fn on_completed(&mut self, _: Instant, operation: &Operation, result: OperationResult<&Response>) {
        self.is_out = false;
        self.place = self.after(*operation, result);
    }
}

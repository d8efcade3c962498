//! The systems that tests run instead of a protocol. A test takes the one that has what it is about:
//!
//! - [`Ring`] breaks, panics, hangs and aborts by option, and leaves nothing to chance: what the commands say of it.
//! - [`Town`] has four kinds of process, a workload, and options of single nodes.
//! - [`Toy`] has one of each kind of word that a scenario can say, and nodes that do nothing: for the language alone.
//! - [`Services`] is a system of three levels; [`Stores`] and [`Counters`] are the inner ones.
//!
//! A system of a test's own can have [`NoOptions`], be [`Unwatched`], and be
//! [`Idle`](splitbrain_kernel::workload::Idle). [`asked`] lists what the clients of a workload are asked for.

mod levels;
mod plain;
mod ring;
mod town;
mod words;

pub use levels::{
    Counter, CounterOptions, CounterSays, Counters, CountsAreKept, ServiceOptions, Services, StoreSays, Stores, Tell,
    Watch,
};
pub use plain::{NoOptions, Unwatched, asked};
pub use ring::{HOSTILE, Ring};
pub use town::{REDIS, Town};
pub use words::{Deed, Toy};

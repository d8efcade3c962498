//! The sequential objects that histories are compared with, as plain values. Each says beside it what it is.

mod fenced_mutex;
mod key_value;
mod mutex;
mod queue;
mod register;
mod set;

pub use fenced_mutex::{FencedMutex, FencedMutexAction};
pub use key_value::{Append, Cell, CellAction, KeyValue, Keyed, PerKey};
pub use mutex::{Mutex, MutexAction};
pub use queue::{Queue, QueueAction};
pub use register::{Register, RegisterAction};
pub use set::{Set, SetAction};

//! What goes over the wire between a client and a server's machine, and what clients are asked for.

use splitbrain_kernel::node::Message;
use splitbrain_kernel::serde::{Deserialize, Serialize};

/// What the transport of one machine says to that of the other, over a connection of the simulator. It is in order and
/// is not lost while that connection lives, as TCP would have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Wire {
    /// Bytes of the stream; urgent data is one byte.
    Data {
        /// The bytes.
        bytes: Vec<u8>,
        /// Whether they are urgent.
        is_urgent: bool,
    },
    /// The other side has read this many bytes: the window opens.
    Taken {
        /// How many.
        count: u32,
    },
    /// Nothing more will be sent.
    Fin,
    /// The connection is no more.
    Reset,
}

impl Message for Wire {
    const KINDS: &'static [&'static str] = &["data", "taken", "fin", "reset"];

    fn kind(&self) -> usize {
        match self {
            Self::Data { .. } => 0,
            Self::Taken { .. } => 1,
            Self::Fin => 2,
            Self::Reset => 3,
        }
    }

    fn wire_size(&self) -> u32 {
        match self {
            Self::Data { bytes, .. } => 40 + u32::try_from(bytes.len()).expect("a segment is short"),
            _ => 40,
        }
    }
}

/// What a client is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Request {
    /// Ask for this many bytes.
    Get {
        /// Bytes of the answer.
        size: u32,
    },
    /// Send this many bytes.
    Post {
        /// Bytes of the body.
        size: u32,
    },
}

impl Request {
    /// Bytes of the body of its answer.
    pub const fn answer_size(self) -> u32 {
        match self {
            Self::Get { size } => size,
            Self::Post { .. } => 0,
        }
    }
}

/// What a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Answer {
    /// Bytes of the answer.
    pub size: u32,
}

/// What a scenario commands a server to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub enum Order {
    /// A signal arrives at the process.
    Signal,
}

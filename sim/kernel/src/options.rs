//! Options of a system, described once: the description gives the decoding, the place in the JSON Schema, the
//! documentation and the line in `list`.

use std::fmt::Debug;

use serde::Serialize;

use crate::id::{Cluster, NodeId};
use crate::rng::Ppm;
use crate::time::Duration;

/// A value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(u64),
    /// A span of time, as `"150ms"`.
    Duration(Duration),
    /// A probability, as `"0.5%"`.
    Probability(Ppm),
    /// One of a list of names.
    Name(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Duration(value) => write!(f, "{value}"),
            Self::Probability(value) => write!(f, "{value}"),
            Self::Name(value) => f.write_str(value),
        }
    }
}

/// Which values an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `true` or `false`.
    Bool,
    /// A whole number between two bounds, both included.
    Integer {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A span of time between two bounds, both included.
    Duration {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
    /// From 0 % to 100 %.
    Probability,
    /// One of these names, each with what it means.
    Name(&'static [(&'static str, &'static str)]),
}

/// One option of a system.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec<O> {
    /// Its key in the scenario file.
    pub name: &'static str,
    /// Meaning and unit.
    pub doc: &'static str,
    /// Which values it takes.
    pub kind: ValueKind,
    /// Reads it.
    pub get: fn(&O) -> Value,
    /// Sets it. Returns false where the value is of another kind; bounds are the caller's to check, by `kind`.
    pub set: fn(&mut O, &Value) -> bool,
}

/// A named set of options.
#[derive(Clone, Copy, Debug)]
pub struct Preset<O> {
    /// Its name.
    pub name: &'static str,
    /// What it stands for.
    pub doc: &'static str,
    /// Makes it.
    pub make: fn() -> O,
}

/// The options of a system: a plain struct, made by [`options!`](crate::options!).
pub trait Options: Clone + Debug + PartialEq + Serialize + Send + Sync + Sized + 'static {
    /// What can be set.
    fn specs() -> &'static [OptionSpec<Self>];

    /// The named sets; the first is the one taken where a scenario names none.
    fn presets() -> &'static [Preset<Self>];

    /// Checks the relations between options of one server.
    ///
    /// # Errors
    /// The option to blame, and what would be right.
    fn validate(&self, cluster: Cluster) -> Result<(), OptionsError> {
        let _ = cluster;
        Ok(())
    }
}

/// Options that cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {message}")]
pub struct OptionsError {
    /// The option to blame.
    pub option: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl OptionsError {
    /// Blames `option`.
    pub fn new(option: &'static str, message: impl Into<String>) -> Self {
        Self { option, message: message.into() }
    }
}

/// The options of each server: the same for all, but for those that a scenario sets apart (`[raft.servers.s3]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PerServer<O> {
    /// Those of all other servers, and of clients.
    pub base: O,
    /// Those of single servers.
    pub of: std::collections::BTreeMap<NodeId, O>,
}

impl<O> PerServer<O> {
    /// The same for all.
    pub const fn same(base: O) -> Self {
        Self { base, of: std::collections::BTreeMap::new() }
    }

    /// The options of this node.
    pub fn get(&self, node: NodeId) -> &O {
        self.of.get(&node).unwrap_or(&self.base)
    }

    /// All sets of options, each once.
    pub fn all(&self) -> impl Iterator<Item = &O> {
        std::iter::once(&self.base).chain(self.of.values())
    }
}

/// A Rust type that an option can have.
pub trait OptionType: Sized {
    /// As a value.
    fn to_value(&self) -> Value;
    /// From a value, where it is of the right kind.
    fn from_value(value: &Value) -> Option<Self>;
}

impl OptionType for bool {
    fn to_value(&self) -> Value {
        Value::Bool(*self)
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }
}

impl OptionType for u64 {
    fn to_value(&self) -> Value {
        Value::Integer(*self)
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(value) => Some(*value),
            _ => None,
        }
    }
}

impl OptionType for Duration {
    fn to_value(&self) -> Value {
        Value::Duration(*self)
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Duration(value) => Some(*value),
            _ => None,
        }
    }
}

impl OptionType for Ppm {
    fn to_value(&self) -> Value {
        Value::Probability(*self)
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Probability(value) => Some(*value),
            _ => None,
        }
    }
}

/// A fieldless enum whose values have names in scenario files; its docs are what `list` prints.
///
/// ```
/// splitbrain_kernel::names! {
///     /// When a vote is refused.
///     pub enum Refusal {
///         /// Never.
///         Never = "never",
///         /// While a leader lives.
///         LeaderAlive = "leader_alive",
///     }
/// }
/// assert_eq!(Refusal::LeaderAlive.name(), "leader_alive");
/// ```
#[macro_export]
macro_rules! names {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[doc = $doc:expr])+ $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[doc = $doc])+ $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// Every name with what it means.
            pub const NAMES: &'static [(&'static str, &'static str)] = &[$(($text, concat!($($doc),+))),+];

            /// The name in scenario files.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }

        impl $crate::options::OptionType for $name {
            fn to_value(&self) -> $crate::options::Value {
                $crate::options::Value::Name(self.name().to_owned())
            }
            fn from_value(value: &$crate::options::Value) -> Option<Self> {
                match value {
                    $crate::options::Value::Name(name) => Self::from_name(name),
                    _ => None,
                }
            }
        }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}

/// A struct of options, described once. After `=>` stands the [`ValueKind`] of the field.
///
/// ```
/// use splitbrain_kernel::options::ValueKind;
/// use splitbrain_kernel::time::Duration;
/// splitbrain_kernel::options! {
///     /// Options of a lease.
///     pub struct LeaseOptions {
///         /// How long a lease lasts.
///         pub time_to_live: Duration => ValueKind::Duration { min: Duration::from_millis(1), max:
/// Duration::from_secs(60) },
///         /// Whether a holder renews before the end.
///         pub renew: bool => ValueKind::Bool,
///     }
/// }
/// assert_eq!(LeaseOptions::SPECS[0].name, "time_to_live");
/// ```
#[macro_export]
macro_rules! options {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[doc = $doc:expr])+ pub $field:ident: $type:ty => $kind:expr),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[doc = $doc])+ pub $field: $type),+ }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use $crate::serde::ser::SerializeStruct;
                let mut fields = serializer.serialize_struct(stringify!($name), Self::SPECS.len())?;
                $(fields.serialize_field(stringify!($field), &self.$field)?;)+
                fields.end()
            }
        }

        impl $name {
            /// What can be set.
            pub const SPECS: &'static [$crate::options::OptionSpec<Self>] = &[$(
                $crate::options::OptionSpec {
                    name: stringify!($field),
                    doc: concat!($($doc),+),
                    kind: $kind,
                    get: |options| $crate::options::OptionType::to_value(&options.$field),
                    set: |options, value| match $crate::options::OptionType::from_value(value) {
                        Some(value) => { options.$field = value; true }
                        None => false,
                    },
                }
            ),+];
        }
    };
}

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
pub struct OptionSpec {
    /// Its key in the scenario file.
    pub name: &'static str,
    /// Meaning and unit.
    pub doc: &'static str,
    /// Which values it takes.
    pub kind: ValueKind,
}

/// Options inside others, under a key of their own: a group of the same system, or those of an inner system.
#[derive(Clone, Copy, Debug)]
pub struct OptionGroup {
    /// Its key in the scenario file: a table.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// What can be set in it.
    pub shape: fn() -> OptionShape,
}

/// What can be set in a struct of options, without its type.
#[derive(Clone, Debug)]
pub struct OptionShape {
    /// Its own options.
    pub specs: &'static [OptionSpec],
    /// The options inside.
    pub groups: &'static [OptionGroup],
    /// The names of its presets, each with what it stands for; none of a group of the same system.
    pub presets: Vec<(&'static str, &'static str)>,
    /// The old paths of its options, each beside the one that it has now: [`Options::RENAMED`].
    pub renamed: &'static [(&'static str, &'static str)],
}

impl OptionShape {
    /// The shape of `O`.
    pub fn of<O: Options>() -> Self {
        let presets = O::presets().iter().map(|preset| (preset.name, preset.doc)).collect();
        Self { specs: O::SPECS, groups: O::GROUPS, presets, renamed: O::RENAMED }
    }

    /// The shape of a group of options of the same system: it has no presets.
    pub fn of_group<P: OptionFields>() -> Self {
        Self { specs: P::SPECS, groups: P::GROUPS, presets: Vec::new(), renamed: &[] }
    }

    /// Every option by its path, those inside after the own ones.
    pub fn options(&self) -> Vec<(String, OptionSpec)> {
        let own = self.specs.iter().map(|spec| (spec.name.to_owned(), *spec));
        let inside = |group: &OptionGroup| {
            let options = (group.shape)().options().into_iter();
            options.map(|(path, spec)| (format!("{}.{path}", group.name), spec)).collect::<Vec<_>>()
        };
        own.chain(self.groups.iter().flat_map(inside)).collect()
    }

    /// The old paths of options beside those that they have now, those of the options inside too.
    pub fn renamed(&self) -> Vec<(String, String)> {
        let own = self.renamed.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned()));
        let inside = |group: &OptionGroup| {
            let within = |path: String| format!("{}.{path}", group.name);
            let renamed = (group.shape)().renamed().into_iter();
            renamed.map(|(old, new)| (within(old), within(new))).collect::<Vec<_>>()
        };
        own.chain(self.groups.iter().flat_map(inside)).collect()
    }
}

/// The key under which a group of options takes the name of a preset: `[session.raft] preset = "nuraft"`.
pub const PRESET: &str = "preset";

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

/// Access to the fields of options by path: `lease`, `raft.timing.heartbeat`. Made by [`options!`](crate::options!); a
/// struct that takes what is provided here has nothing that a scenario could set.
pub trait OptionFields: Sized {
    /// What can be set.
    const SPECS: &'static [OptionSpec] = &[];
    /// The options inside.
    const GROUPS: &'static [OptionGroup] = &[];

    /// The value of an option; `None` if there is no such option.
    fn get(&self, path: &str) -> Option<Value> {
        let _ = path;
        None
    }

    /// Sets an option; the path of a group with `.preset` takes the name of a preset and sets all options of the group.
    /// Returns whether there is such an option and the value is of its kind; bounds are the caller's to check.
    fn set(&mut self, path: &str, value: &Value) -> bool {
        let _ = (path, value);
        false
    }

    /// Checks the options inside, with the path of the one to blame.
    ///
    /// # Errors
    /// Those of [`Options::validate`].
    fn validate_groups(&self, cluster: Cluster) -> Result<(), OptionsError> {
        let _ = cluster;
        Ok(())
    }
}

/// Something that can have no effect under the options of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// An option, by its path.
    Option(&'static str),
    /// A key outside of the system's table, by its path in the file: `network.redial`.
    Key(&'static str),
    /// A kind of message: none is ever sent.
    Message(&'static str),
}

/// What decides, beside the options, whether one of them has an effect.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// How many nodes.
    pub cluster: Cluster,
    /// The names of the orders that the scenario gives.
    pub orders: &'a [String],
}

/// The options of a system: a plain struct, made by [`options!`](crate::options!).
pub trait Options: OptionFields + Clone + Debug + PartialEq + Serialize + Send + Sync + 'static {
    /// The paths that options had in earlier versions, each with the one that it has now. An old path is refused by an
    /// error that names the new one. What is drawn for an option is keyed by the first old path that leads to it, so
    /// that a new name moves no draw.
    const RENAMED: &'static [(&'static str, &'static str)] = &[];

    /// The named sets; the first is the one that is taken by default.
    fn presets() -> &'static [Preset<Self>];

    /// The preset with this name.
    fn preset(name: &str) -> Option<Self> {
        Self::presets().iter().find(|preset| preset.name == name).map(|preset| (preset.make)())
    }

    /// Checks the relations between options of one server. Those of groups inside are checked by themselves, before.
    ///
    /// # Errors
    /// The option to blame, and what would be right.
    fn validate(&self, cluster: Cluster) -> Result<(), OptionsError> {
        let _ = cluster;
        Ok(())
    }

    /// What can have no effect in a run with these options, each with the reason. What is said here must be so whatever
    /// happens in the run; what may have an effect is left out.
    fn idle(all: &PerServer<Self>, scene: Scene<'_>) -> Vec<(Idle, &'static str)> {
        let _ = (all, scene);
        Vec::new()
    }

    /// Checks these options and those inside.
    ///
    /// # Errors
    /// Those of [`Options::validate`].
    fn validate_all(&self, cluster: Cluster) -> Result<(), OptionsError> {
        self.validate_groups(cluster)?;
        self.validate(cluster)
    }
}

/// What follows the name of a group in a path.
#[doc(hidden)]
pub fn below<'p>(path: &'p str, group: &str) -> Option<&'p str> {
    path.strip_prefix(group)?.strip_prefix('.')
}

/// Sets an option of a group, or the whole group to a preset.
#[doc(hidden)]
pub fn set_below<O: Options>(group: &mut O, rest: &str, value: &Value) -> bool {
    match value {
        Value::Name(name) if rest == PRESET => match O::preset(name) {
            Some(preset) => {
                *group = preset;
                true
            }
            None => false,
        },
        _ => group.set(rest, value),
    }
}

/// Options that cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {message}")]
pub struct OptionsError {
    /// The option to blame, by its path: `lease`, `raft.timing.heartbeat`.
    pub option: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl OptionsError {
    /// Blames `option`.
    pub fn new(option: impl Into<String>, message: impl Into<String>) -> Self {
        Self { option: option.into(), message: message.into() }
    }

    /// The same error of options inside others, under this key.
    #[must_use]
    pub fn within(self, group: &str) -> Self {
        Self { option: format!("{group}.{}", self.option), ..self }
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

    /// The options of an inner system, for each server.
    pub fn map<P>(&self, part: impl Fn(&O) -> P) -> PerServer<P> {
        PerServer { base: part(&self.base), of: self.of.iter().map(|(node, options)| (*node, part(options))).collect() }
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

/// A struct of options, described once. After `=>` stands the [`ValueKind`] of the field. If the field is a struct of
/// options itself, there stands `nested` for those of an inner system, which have presets and are checked by
/// themselves, and `group` for some of the same system, which share a key.
///
/// ```
/// use splitbrain_kernel::options::{OptionFields as _, Options, Preset, Value, ValueKind};
/// use splitbrain_kernel::time::Duration;
/// splitbrain_kernel::options! {
///     /// Options of a lease.
///     pub struct LeaseOptions {
///         /// How long a lease lasts.
///         pub time_to_live: Duration => ValueKind::Duration {
///             min: Duration::from_millis(1),
///             max: Duration::from_secs(60),
///         },
///         /// Whether a holder renews before the end.
///         pub renew: bool => ValueKind::Bool,
///     }
/// }
/// impl Options for LeaseOptions {
///     fn presets() -> &'static [Preset<Self>] {
///         const PLAIN: Preset<LeaseOptions> = Preset {
///             name: "plain",
///             doc: "Leases of a second.",
///             make: || LeaseOptions { time_to_live: Duration::from_secs(1), renew: false },
///         };
///         &[PLAIN]
///     }
/// }
/// splitbrain_kernel::options! {
///     /// What a service bounds.
///     pub struct LimitOptions {
///         /// The most clients.
///         pub clients: u64 => ValueKind::Integer { min: 1, max: 64 },
///     }
/// }
/// splitbrain_kernel::options! {
///     /// Options of a service that stands on leases.
///     pub struct ServiceOptions {
///         /// The leases: `[service.lease]`.
///         pub lease: LeaseOptions => nested,
///         /// What is bounded: `limits.clients = 5` in `[service]`.
///         pub limits: LimitOptions => group,
///     }
/// }
/// assert_eq!(LeaseOptions::SPECS[0].name, "time_to_live");
/// let lease = LeaseOptions::preset("plain").expect("it is listed");
/// let mut service = ServiceOptions { lease, limits: LimitOptions { clients: 3 } };
/// assert!(service.set("lease.renew", &Value::Bool(true)));
/// assert_eq!(service.get("lease.renew"), Some(Value::Bool(true)));
/// assert_eq!(service.get("limits.clients"), Some(Value::Integer(3)));
/// ```
#[macro_export]
macro_rules! options {
    ($(#[$meta:meta])* pub struct $name:ident { $($fields:tt)* }) => {
        $crate::options_of!([$(#[$meta])* $name] [] [] [] $($fields)*);
    };
}

/// Takes one field after the other, for [`options!`](crate::options!): all fields, those with a value, and those that
/// are options themselves, with how.
#[doc(hidden)]
#[macro_export]
macro_rules! options_of {
    ($head:tt [$($all:tt)*] $specs:tt [$($groups:tt)*]
        $(#[doc = $doc:literal])+ pub $field:ident: $type:ty => nested $(, $($rest:tt)*)?) => {
        $crate::options_of!($head [$($all)* { [$($doc)+] $field $type }] $specs
            [$($groups)* { [$($doc)+] nested $field $type }] $($($rest)*)?);
    };
    ($head:tt [$($all:tt)*] $specs:tt [$($groups:tt)*]
        $(#[doc = $doc:literal])+ pub $field:ident: $type:ty => group $(, $($rest:tt)*)?) => {
        $crate::options_of!($head [$($all)* { [$($doc)+] $field $type }] $specs
            [$($groups)* { [$($doc)+] group $field $type }] $($($rest)*)?);
    };
    ($head:tt [$($all:tt)*] [$($specs:tt)*] $groups:tt
        $(#[doc = $doc:literal])+ pub $field:ident: $type:ty => $kind:expr $(, $($rest:tt)*)?) => {
        $crate::options_of!($head [$($all)* { [$($doc)+] $field $type }] [$($specs)* { [$($doc)+] $field $kind }]
            $groups $($($rest)*)?);
    };
    (
        [$(#[$meta:meta])* $name:ident]
        [$({ [$($doc:literal)+] $field:ident $type:ty })*]
        [$({ [$($spec_doc:literal)+] $spec:ident $kind:expr })*]
        [$({ [$($group_doc:literal)+] $form:ident $group:ident $inner:ty })*]
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[doc = $doc])+ pub $field: $type),* }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use $crate::serde::ser::SerializeStruct;
                const FIELDS: &[&str] = &[$(stringify!($field)),*];
                let mut fields = serializer.serialize_struct(stringify!($name), FIELDS.len())?;
                $(fields.serialize_field(stringify!($field), &self.$field)?;)*
                fields.end()
            }
        }

        impl $crate::options::OptionFields for $name {
            const SPECS: &'static [$crate::options::OptionSpec] = &[$(
                $crate::options::OptionSpec { name: stringify!($spec), doc: concat!($($spec_doc),+), kind: $kind }
            ),*];
            const GROUPS: &'static [$crate::options::OptionGroup] = &[$(
                $crate::options::OptionGroup {
                    name: stringify!($group),
                    doc: concat!($($group_doc),+),
                    shape: $crate::options_of!(@shape $form $inner),
                }
            ),*];

            fn get(&self, path: &str) -> Option<$crate::options::Value> {
                $(if path == stringify!($spec) {
                    return Some($crate::options::OptionType::to_value(&self.$spec));
                })*
                $(if let Some(rest) = $crate::options::below(path, stringify!($group)) {
                    return $crate::options::OptionFields::get(&self.$group, rest);
                })*
                let _ = path;
                None
            }

            fn set(&mut self, path: &str, value: &$crate::options::Value) -> bool {
                $(if path == stringify!($spec) {
                    return $crate::options::OptionType::from_value(value).map(|value| self.$spec = value).is_some();
                })*
                $(if let Some(rest) = $crate::options::below(path, stringify!($group)) {
                    return $crate::options_of!(@set $form)(&mut self.$group, rest, value);
                })*
                let _ = (path, value);
                false
            }

            fn validate_groups(&self, cluster: $crate::id::Cluster) -> Result<(), $crate::options::OptionsError> {
                $($crate::options_of!(@validate $form)(&self.$group, cluster)
                    .map_err(|error| error.within(stringify!($group)))?;)*
                let _ = cluster;
                Ok(())
            }
        }

        impl $name {
            /// What can be set, beside the options inside.
            pub const SPECS: &'static [$crate::options::OptionSpec] =
                <Self as $crate::options::OptionFields>::SPECS;
        }
    };

    (@shape nested $inner:ty) => { $crate::options::OptionShape::of::<$inner> };
    (@shape group $inner:ty) => { $crate::options::OptionShape::of_group::<$inner> };
    (@set nested) => { $crate::options::set_below };
    (@set group) => { $crate::options::OptionFields::set };
    (@validate nested) => { $crate::options::Options::validate_all };
    (@validate group) => { $crate::options::OptionFields::validate_groups };
}

//! The words of a system as plain data, so that files are decoded without knowing its types.

use splitbrain_kernel::id::Kind;
use splitbrain_kernel::invariant::{Invariants as _, NamedInvariant};
use splitbrain_kernel::node::{Message as _, Node, Observation as _};
use splitbrain_kernel::options::{Options as _, Value, ValueKind};
use splitbrain_kernel::system::{Gauge, OrderInfo, System, WorkloadInfo};

/// Everything that a scenario can say about a system.
#[derive(Clone, Debug)]
pub struct SystemDescription {
    /// Its name, and the name of its table.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Which kinds of process it has.
    pub kinds: &'static [Kind],
    /// What nodes report to be.
    pub roles: &'static [&'static str],
    /// What nodes report to hold.
    pub resources: &'static [&'static str],
    /// What clients can do.
    pub workloads: &'static [WorkloadInfo],
    /// What a scenario can order.
    pub orders: &'static [OrderInfo],
    /// Figures beside the counts of observations.
    pub gauges: &'static [Gauge],
    /// What nodes say.
    pub observations: &'static [&'static str],
    /// Kinds of message.
    pub messages: &'static [&'static str],
    /// What must hold.
    pub invariants: Vec<NamedInvariant>,
    /// Named sets of options; the first is the default.
    pub presets: Vec<PresetDescription>,
    /// What can be set.
    pub options: Vec<OptionDescription>,
}

/// A named set of options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresetDescription {
    /// Its name.
    pub name: &'static str,
    /// What it stands for.
    pub doc: &'static str,
}

/// One option, its type erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionDescription {
    /// Its key.
    pub name: &'static str,
    /// Meaning and unit.
    pub doc: &'static str,
    /// Which values it takes.
    pub kind: ValueKind,
    /// Its value in each preset, in the order of the presets.
    pub defaults: Vec<Value>,
}

impl SystemDescription {
    /// The words of `S`.
    pub fn of<S: System>() -> Self {
        Self {
            name: S::NAME,
            doc: S::DOC,
            kinds: checked_kinds::<S>(),
            roles: S::ROLES,
            resources: S::RESOURCES,
            workloads: S::WORKLOADS,
            orders: S::ORDERS,
            gauges: S::GAUGES,
            observations: <S::Node as Node>::Observation::NAMES,
            messages: <S::Node as Node>::Message::KINDS,
            invariants: S::Invariants::GROUPS.named(S::NAME),
            presets: S::Options::presets()
                .iter()
                .map(|preset| PresetDescription { name: preset.name, doc: preset.doc.trim() })
                .collect(),
            options: options_of::<S>(),
        }
    }

    /// No system, for what is read before the system is known.
    pub(super) const fn nobody() -> Self {
        Self {
            name: "",
            doc: "",
            kinds: Kind::PLAIN,
            roles: &[],
            resources: &[],
            workloads: &[],
            orders: &[],
            gauges: &[],
            observations: &[],
            messages: &[],
            invariants: Vec::new(),
            presets: Vec::new(),
            options: Vec::new(),
        }
    }

    /// The option with this name.
    pub fn option(&self, name: &str) -> Option<&OptionDescription> {
        self.options.iter().find(|option| option.name == name)
    }
}

/// Kinds that cannot be told apart do not compile.
const fn checked_kinds<S: System>() -> &'static [Kind] {
    const { Kind::check(S::KINDS) };
    S::KINDS
}

fn options_of<S: System>() -> Vec<OptionDescription> {
    let presets: Vec<S::Options> = S::Options::presets().iter().map(|preset| (preset.make)()).collect();
    S::Options::specs()
        .iter()
        .map(|spec| OptionDescription {
            name: spec.name,
            doc: spec.doc.trim(),
            kind: spec.kind,
            defaults: presets.iter().map(|preset| (spec.get)(preset)).collect(),
        })
        .collect()
}

//! The words of a system as plain data, so that files are decoded without knowing its types.

use splitbrain_kernel::id::Kind;
use splitbrain_kernel::invariant::{Invariants as _, NamedInvariant};
use splitbrain_kernel::measure::{self, MeasureInfo};
use splitbrain_kernel::node::{Message as _, Node, Observation as _};
use splitbrain_kernel::options::{OptionShape, Options, PRESET, Value, ValueKind};
use splitbrain_kernel::system::{FileInfo, Gauge, OrderInfo, System, WorkloadInfo};
use splitbrain_kernel::vocabulary::Vocabulary;

/// Everything that a scenario can say about a system.
#[derive(Clone, Debug)]
pub struct SystemDescription {
    /// Its name, and the name of its table.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Which kinds of process it has.
    pub kinds: &'static [Kind],
    /// What nodes report to be and to hold.
    pub words: Vocabulary,
    /// What clients can do.
    pub workloads: &'static [WorkloadInfo],
    /// What a scenario can order.
    pub orders: &'static [OrderInfo],
    /// What is on the disks; `None` if the system does not say.
    pub files: Option<&'static [FileInfo]>,
    /// Figures beside the counts of observations.
    pub gauges: &'static [Gauge],
    /// What is measured in every run.
    pub measures: Vec<MeasureInfo>,
    /// What nodes say.
    pub observations: &'static [&'static str],
    /// Those that are about a place in a log: `committed >= 100` waits for the place.
    pub placed: &'static [&'static str],
    /// Kinds of message.
    pub messages: &'static [&'static str],
    /// Those that can be refused.
    pub refusable: &'static [&'static str],
    /// What must hold.
    pub invariants: Vec<NamedInvariant>,
    /// Named sets of options; the first is the default.
    pub presets: Vec<PresetDescription>,
    /// What can be set, by path: own options, then those of each group inside, its preset first.
    pub options: Vec<OptionDescription>,
    /// The groups of options inside, by path, those around before those inside.
    pub groups: Vec<GroupDescription>,
    /// Options that had another path in earlier versions.
    pub renamed: Vec<RenamedOption>,
}

/// An option that had another path in earlier versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenamedOption {
    /// The path that it had: `pre_vote`.
    pub old: String,
    /// The path that it has: `pre_vote.enabled`.
    pub new: String,
}

/// Options inside others: a table of its own, `[session.raft]`, or keys of one, `timing.heartbeat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its path below the system's table: `raft`.
    pub path: String,
    /// What it is for.
    pub doc: &'static str,
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
    /// Its path below the system's table: `bug`, `raft.pre_vote.enabled`.
    pub path: String,
    /// Meaning and unit.
    pub doc: &'static str,
    /// Which values it takes.
    pub kind: OptionKind,
    /// Its value in each preset, in the order of the presets; none for the preset of a group.
    pub defaults: Vec<Value>,
}

/// Which values an option takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// A value.
    Value(ValueKind),
    /// The name of a preset of the group that it belongs to, each with what it stands for.
    Preset(Vec<(&'static str, &'static str)>),
}

impl OptionDescription {
    /// The path of the group that it belongs to; empty if it is the system's own.
    pub fn group(&self) -> &str {
        split(&self.path).0
    }

    /// The key in its table.
    pub fn key(&self) -> &str {
        split(&self.path).1
    }
}

impl GroupDescription {
    /// The key in the table around it.
    pub fn key(&self) -> &str {
        split(&self.path).1
    }
}

/// The path of the table that something lies in, and its key there.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

impl SystemDescription {
    /// The words of `S`.
    pub fn of<S: System>() -> Self {
        Self {
            name: S::NAME,
            doc: S::DOC,
            kinds: checked_kinds::<S>(),
            words: Vocabulary::of::<S>(),
            workloads: S::WORKLOADS,
            orders: S::ORDERS,
            files: S::FILES,
            gauges: S::GAUGES,
            measures: measure::list::<S>(),
            observations: <S::Node as Node>::Observation::NAMES,
            placed: <S::Node as Node>::Observation::PLACED,
            messages: <S::Node as Node>::Message::KINDS,
            refusable: <S::Node as Node>::Message::REFUSABLE,
            invariants: S::Invariants::GROUPS.named(S::NAME),
            presets: S::Options::presets()
                .iter()
                .map(|preset| PresetDescription { name: preset.name, doc: preset.doc.trim() })
                .collect(),
            options: options_of::<S>(),
            groups: groups_of::<S>(),
            renamed: renamed_of::<S>(),
        }
    }

    /// The words of no system, for what is read before the system is known.
    pub(super) const fn empty() -> Self {
        Self {
            name: "",
            doc: "",
            kinds: Kind::PLAIN,
            words: Vocabulary::empty(),
            workloads: &[],
            orders: &[],
            files: None,
            gauges: &[],
            measures: Vec::new(),
            observations: &[],
            placed: &[],
            messages: &[],
            refusable: &[],
            invariants: Vec::new(),
            presets: Vec::new(),
            options: Vec::new(),
            groups: Vec::new(),
            renamed: Vec::new(),
        }
    }

    /// The option with this path.
    pub fn option(&self, path: &str) -> Option<&OptionDescription> {
        self.options.iter().find(|option| option.path == path)
    }

    /// The path that the option with this old path has now.
    pub fn renamed(&self, old: &str) -> Option<&str> {
        self.renamed.iter().find(|one| one.old == old).map(|one| &*one.new)
    }

    /// The same within a longer path, such as `raft.servers.s3.priority`: the whole path as it is now.
    pub(super) fn renamed_within(&self, path: &str) -> Option<String> {
        if let Some(new) = self.renamed(path) {
            return Some(new.to_owned());
        }
        let below = path.strip_prefix(self.name)?;
        let ends = below.match_indices('.').map(|(dot, _)| &below[dot + 1..]);
        let mut found = ends.filter_map(|old| Some((old, self.renamed(old)?)));
        found.next().map(|(old, new)| format!("{}{new}", &path[..path.len() - old.len()]))
    }

    /// The path by which draws for the option with this path are keyed: the first that it had.
    pub(super) fn first_path<'a>(&'a self, path: &'a str) -> &'a str {
        self.renamed.iter().find(|one| one.new == path).map_or(path, |one| &one.old)
    }

    /// The options of a group, without those of the groups inside it; of the system itself where the path is empty.
    pub fn options_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a OptionDescription> {
        self.options.iter().filter(move |option| split(&option.path).0 == group)
    }

    /// The groups directly inside a group, or inside the system's own table where the path is empty.
    pub fn groups_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a GroupDescription> {
        self.groups.iter().filter(move |inner| split(&inner.path).0 == group)
    }
}

/// The path of a key in the table of a group.
pub(super) fn joined(group: &str, key: &str) -> String {
    if group.is_empty() { key.to_owned() } else { format!("{group}.{key}") }
}

/// Kinds that cannot be told apart do not compile.
const fn checked_kinds<S: System>() -> &'static [Kind] {
    const { Kind::check(S::KINDS) };
    S::KINDS
}

fn options_of<S: System>() -> Vec<OptionDescription> {
    let presets: Vec<S::Options> = S::Options::presets().iter().map(|preset| (preset.make)()).collect();
    let mut options = Vec::new();
    add_options(&mut options, "", &OptionShape::of::<S::Options>(), &presets);
    options
}

fn add_options<O: Options>(options: &mut Vec<OptionDescription>, group: &str, shape: &OptionShape, presets: &[O]) {
    if !shape.presets.is_empty() && !group.is_empty() {
        let presets = shape.presets.iter().map(|(name, doc)| (*name, doc.trim())).collect();
        options.push(OptionDescription {
            path: joined(group, PRESET),
            doc: "A preset that replaces all options of this table; what else the table says comes on top.",
            kind: OptionKind::Preset(presets),
            defaults: Vec::new(),
        });
    }
    for spec in shape.specs {
        let path = joined(group, spec.name);
        let default = |preset: &O| preset.get(&path).expect("an option has a value");
        let defaults = presets.iter().map(default).collect();
        options.push(OptionDescription { path, doc: spec.doc.trim(), kind: OptionKind::Value(spec.kind), defaults });
    }
    for inner in shape.groups {
        add_options(options, &joined(group, inner.name), &(inner.shape)(), presets);
    }
}

fn groups_of<S: System>() -> Vec<GroupDescription> {
    let mut groups = Vec::new();
    add_groups(&mut groups, "", &OptionShape::of::<S::Options>());
    groups
}

fn add_groups(groups: &mut Vec<GroupDescription>, around: &str, shape: &OptionShape) {
    for group in shape.groups {
        let path = joined(around, group.name);
        groups.push(GroupDescription { path: path.clone(), doc: group.doc.trim() });
        add_groups(groups, &path, &(group.shape)());
    }
}

fn renamed_of<S: System>() -> Vec<RenamedOption> {
    let renamed = OptionShape::of::<S::Options>().renamed().into_iter();
    renamed.map(|(old, new)| RenamedOption { old, new }).collect()
}

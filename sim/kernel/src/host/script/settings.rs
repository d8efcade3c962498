//! The keys of `cluster` in a script: how many nodes there are, and the options of the system.

use std::collections::BTreeMap;

use crate::id::{Cluster, Kind, KindId, NodeId};
use crate::options::{OptionFields as _, OptionShape, Options, PRESET, PerServer, Value, ValueKind};
use crate::rng::Ppm;
use crate::system::{Bounds, Setup, System};
use crate::time::Duration;

/// When a write becomes durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disk {
    AtOnce,
    /// When the script says `sync`.
    Held,
}

/// What `cluster` asks for.
pub(super) struct Settings<S: System> {
    pub(super) setup: Setup<S::Options>,
    pub(super) disk: Disk,
}

/// What a system may rely on in a script: packets come when the script says so, and clocks run alike.
const BOUNDS: Bounds = Bounds { skew: None, drift_ppm: Some(0), latency: Duration::from_millis(10) };

/// Reads the keys: first how many nodes and which preset, then the options, those of single nodes last.
pub(super) fn read<S: System>(keys: &[(&str, &str)]) -> Result<Settings<S>, String> {
    let mut cluster = Cluster::new(S::KINDS);
    let mut disk = Disk::AtOnce;
    let mut base = (S::Options::presets().first().ok_or("the system has no preset")?.make)();
    let mut changes = Vec::new();
    for (key, value) in keys {
        if let Some(kind) = S::KINDS.iter().find(|kind| kind.key() == *key) {
            cluster = cluster.with(kind.id, count(key, value)?);
        } else if *key == "spare" {
            cluster = cluster.with_spare(KindId::SERVER, count(key, value)?);
        } else if *key == PRESET {
            base = preset::<S>(value)?;
        } else if *key == "disk" {
            disk = (*value == "held").then_some(Disk::Held).ok_or("disk is \"held\", or left out")?;
        } else {
            changes.push((*key, *value));
        }
    }
    if cluster.node_count() == 0 || cluster.node_count() > Cluster::NODE_COUNT_MAX {
        return Err(format!("a cluster has from 1 to {} nodes", Cluster::NODE_COUNT_MAX));
    }
    let options = options::<S>(cluster, base, &changes)?;
    for options in options.all() {
        options.validate_all(cluster).map_err(|error| error.to_string())?;
    }
    Ok(Settings { setup: Setup::new(cluster, options, BOUNDS), disk })
}

fn count(key: &str, value: &str) -> Result<u16, String> {
    let count = value.parse().ok().filter(|count| *count <= NodeId::COUNT_MAX);
    count.ok_or_else(|| format!("{key} is a number up to {}, not {value:?}", NodeId::COUNT_MAX))
}

fn preset<S: System>(name: &str) -> Result<S::Options, String> {
    S::Options::preset(name).ok_or_else(|| {
        let known: Vec<&str> = S::Options::presets().iter().map(|preset| preset.name).collect();
        format!("unknown preset {name:?} (known: {})", known.join(", "))
    })
}

fn options<S: System>(
    cluster: Cluster,
    mut base: S::Options,
    changes: &[(&str, &str)],
) -> Result<PerServer<S::Options>, String> {
    let node_of =
        |key: &str| key.split_once('.').and_then(|(name, _)| Kind::read(S::KINDS, name)).map(|name| name.id());
    let (of_all, of_one): (Vec<_>, Vec<_>) = changes.iter().partition(|(key, _)| node_of(key).is_none());
    for (path, value) in of_all {
        set::<S>(&mut base, path, value)?;
    }
    let mut of: BTreeMap<NodeId, S::Options> = BTreeMap::new();
    for (key, value) in of_one {
        let (name, path) = key.split_once('.').expect("the key names a node");
        let node = node_of(key).filter(|node| cluster.contains(*node));
        let node = node.ok_or_else(|| format!("there is no {name} in this cluster"))?;
        set::<S>(of.entry(node).or_insert_with(|| base.clone()), path, value)?;
    }
    Ok(PerServer { base, of })
}

fn set<S: System>(options: &mut S::Options, path: &str, text: &str) -> Result<(), String> {
    let shape = OptionShape::of::<S::Options>();
    if let Some((_, new)) = shape.renamed().into_iter().find(|(old, _)| old == path) {
        return Err(format!("`{path}` is now `{new}`"));
    }
    let found = shape.options().into_iter().find(|(known, _)| known == path);
    let (_, spec) = found.ok_or_else(|| format!("{} has no option {path}", S::NAME))?;
    let value = value(&spec.kind, text).map_err(|right| format!("{path} is {right}, not {text:?}"))?;
    assert!(options.set(path, &value), "an option takes a value of its kind");
    Ok(())
}

/// A value of this kind. An error says what would be right.
fn value(kind: &ValueKind, text: &str) -> Result<Value, String> {
    match *kind {
        ValueKind::Bool => text.parse().map(Value::Bool).map_err(|_| "true or false".to_owned()),
        ValueKind::Integer { min, max } => {
            let number = text.parse().ok().filter(|number| (min..=max).contains(number));
            number.map(Value::Integer).ok_or_else(|| format!("a number from {min} to {max}"))
        }
        ValueKind::Duration { min, max } => {
            let span = Duration::parse(text).ok().filter(|span| (min..=max).contains(span));
            span.map(Value::Duration).ok_or_else(|| format!("a time from {min} to {max}"))
        }
        ValueKind::Probability => {
            Ppm::parse(text).map(Value::Probability).map_err(|_| "a probability such as 2%".to_owned())
        }
        ValueKind::Name(names) => {
            let known = names.iter().any(|(name, _)| *name == text);
            known.then(|| Value::Name(text.to_owned())).ok_or_else(|| {
                let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
                format!("one of {}", names.join(", "))
            })
        }
    }
}

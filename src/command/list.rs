//! `splitbrain list`: what scenarios can say.

use std::io::{self, Write};

use clap::ValueEnum as _;

use splitbrain_kernel::director::spec::NemesisKind;
use splitbrain_kernel::id::Kind;
use splitbrain_kernel::invariant::{InvariantKind, NamedInvariant};
use splitbrain_kernel::options::{Value, ValueKind};
use splitbrain_kernel::system::{FileInfo, WorkloadInfo};
use splitbrain_kernel::vocabulary::{Role, Vocabulary};
use splitbrain_kernel::world::CONDITIONS;

use crate::command::{CommandError, Session};
use crate::exit_code::ExitCode;
use crate::report::style::{DIM, NAME, paint};
use crate::scenario::{OptionDescription, OptionKind, SystemDescription, fault_actions};

/// What `list` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = topics())]
pub(crate) struct Arguments {
    /// A topic (below), or a system for all its words
    #[arg(value_name = "TOPIC|SYSTEM", default_value = "systems")]
    what: String,

    /// Of this system only
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Topic {
    /// The systems
    Systems,
    /// Options, with the values they take and what each preset sets
    Options,
    /// Named sets of options
    Presets,
    /// Kinds of process, for [cluster] and selectors
    Kinds,
    /// What nodes can be, for selectors
    Roles,
    /// What nodes can hold, for selectors
    Resources,
    /// What clients can do
    Workloads,
    /// What a scenario can order a server to do
    Orders,
    /// Files on the disks of nodes, for disk faults that hit one
    Files,
    /// Figures of a run beside its counts, for [expect]
    Gauges,
    /// What is measured in every run, for [expect]
    Measures,
    /// What nodes say: for `when`, `reach` and [expect]
    Observations,
    /// Kinds of message, for faults that are narrowed to some
    Messages,
    /// What must hold
    Invariants,
    /// What a directed fault can do
    Faults,
    /// What a nemesis can do
    Nemeses,
    /// Conditions of the world, for `when`, `until` and `reach`
    Conditions,
}

/// Does it.
pub(crate) fn run(session: &Session<'_>, arguments: &Arguments) -> Result<ExitCode, CommandError> {
    let what = &arguments.what;
    let mut out = anstream::stdout();
    let Ok(topic) = Topic::from_str(what, false) else {
        return everything(session, what, arguments.system.as_deref(), &mut out);
    };
    let systems = chosen(session, arguments.system.as_deref())?;
    match topic {
        Topic::Faults => table(&mut out, &fault_actions()),
        Topic::Nemeses => table(&mut out, NemesisKind::NAMES),
        Topic::Conditions => conditions(&mut out, &systems),
        Topic::Systems => systems.iter().try_for_each(|system| overview(&mut out, system)),
        topic => systems.iter().try_for_each(|system| {
            writeln!(out, "{}", paint(NAME, system.name))?;
            list(&mut out, topic, system)
        }),
    }
    .map_err(CommandError::stdout)?;
    Ok(ExitCode::AsExpected)
}

/// All words of a system, topic by topic.
fn everything(
    session: &Session<'_>,
    name: &str,
    of: Option<&str>,
    out: &mut dyn Write,
) -> Result<ExitCode, CommandError> {
    let Some(system) = session.descriptions.iter().find(|system| system.name == name) else {
        let systems: Vec<&str> = session.descriptions.iter().map(|system| system.name).collect();
        let (topics, systems) = (names_of_topics(), systems.join(", "));
        return Err(CommandError::usage(format!(
            "no topic and no system {name:?} (topics: {topics}; systems: {systems})"
        )));
    };
    if of.is_some() {
        return Err(CommandError::usage(format!("{name} is a system already: leave out --system")));
    }
    overview(out, system).map_err(CommandError::stdout)?;
    for topic in Topic::value_variants().iter().filter(|topic| topic.is_of_a_system(system)) {
        let heading = topic.to_possible_value().expect("every topic is shown").get_name().to_owned();
        writeln!(out, "\n{}", paint(NAME, &heading)).map_err(CommandError::stdout)?;
        list(out, *topic, system).map_err(CommandError::stdout)?;
    }
    Ok(ExitCode::AsExpected)
}

fn names_of_topics() -> String {
    let names = Topic::value_variants().iter().filter_map(Topic::to_possible_value);
    names.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ")
}

/// The topics, each with what it lists, for help.
fn topics() -> String {
    let values = Topic::value_variants().iter().filter_map(Topic::to_possible_value);
    let rows = values.map(|value| {
        let doc = value.get_help().map(ToString::to_string).unwrap_or_default();
        format!("\n  {:<12}  {doc}", value.get_name())
    });
    format!("Topics:{}", rows.collect::<String>())
}

impl Topic {
    /// Whether this system has words of this topic.
    fn is_of_a_system(self, system: &SystemDescription) -> bool {
        match self {
            // Its overview, and what is the same in every system.
            Self::Systems | Self::Faults | Self::Nemeses | Self::Conditions => false,
            Self::Resources => !resources(&system.words).is_empty(),
            Self::Roles => !roles(&system.words).is_empty(),
            Self::Workloads => !system.workloads.is_empty(),
            Self::Orders => !system.orders.is_empty(),
            Self::Files => system.files.is_some_and(|files| !files.is_empty()),
            Self::Gauges => !system.gauges.is_empty(),
            Self::Measures => !system.measures.is_empty(),
            Self::Messages => !system.messages.is_empty(),
            Self::Observations => !system.observations.is_empty(),
            Self::Options | Self::Presets | Self::Kinds | Self::Invariants => true,
        }
    }
}

/// What is counted in every world, and in those of these systems.
fn conditions(out: &mut dyn Write, systems: &[&SystemDescription]) -> io::Result<()> {
    let mut rows: Vec<(String, &str)> = CONDITIONS.iter().map(|(name, doc)| ((*name).to_owned(), *doc)).collect();
    for (name, doc) in systems.iter().flat_map(|system| system.words.incidents()) {
        if !rows.iter().any(|(known, _)| *known == name) {
            rows.push((name, doc));
        }
    }
    table(out, &rows)
}

fn chosen<'a>(session: &'a Session<'_>, name: Option<&str>) -> Result<Vec<&'a SystemDescription>, CommandError> {
    let all = &session.descriptions;
    let chosen: Vec<&SystemDescription> = all.iter().filter(|one| name.is_none_or(|name| name == one.name)).collect();
    if chosen.is_empty() && name.is_some() {
        let known: Vec<&str> = all.iter().map(|one| one.name).collect();
        let name = name.unwrap_or_default();
        return Err(CommandError::usage(format!("no system {name:?} (known: {})", known.join(", "))));
    }
    Ok(chosen)
}

fn list(out: &mut dyn Write, topic: Topic, system: &SystemDescription) -> io::Result<()> {
    let words = |words: &[&'static str]| -> Vec<(&'static str, &'static str)> {
        words.iter().map(|word| (*word, "")).collect()
    };
    match topic {
        Topic::Options => {
            options(out, system)?;
            drawn(out)
        }
        Topic::Presets => {
            table(out, &system.presets.iter().map(|preset| (preset.name, preset.doc)).collect::<Vec<_>>())
        }
        Topic::Kinds => {
            let with_letter = |kind: &Kind| (format!("{} ({})", kind.name, kind.id.letter()), kind.doc);
            table(out, &system.kinds.iter().map(with_letter).collect::<Vec<_>>())
        }
        Topic::Roles => table(out, &roles(&system.words)),
        Topic::Resources => table(out, &resources(&system.words)),
        Topic::Workloads if system.workloads.is_empty() => table::<&str>(out, &[]),
        Topic::Workloads => {
            system.workloads.iter().try_for_each(|one| one_workload(out, one))?;
            drawn(out)
        }
        Topic::Orders => table(out, &system.orders.iter().map(|one| (one.name, one.doc)).collect::<Vec<_>>()),
        Topic::Files => files(out, system),
        Topic::Gauges => table(out, &system.gauges.iter().map(|one| (one.name, one.doc)).collect::<Vec<_>>()),
        Topic::Measures => {
            table(out, &system.measures.iter().map(|one| (one.name.as_str(), one.doc.as_str())).collect::<Vec<_>>())
        }
        Topic::Observations => {
            let doc = |name: &str| if system.placed.contains(&name) { "At a place in the log." } else { "" };
            table(out, &system.observations.iter().map(|name| (*name, doc(name))).collect::<Vec<_>>())
        }
        Topic::Messages => table(out, &words(system.messages)),
        Topic::Invariants => invariants(out, system),
        Topic::Systems | Topic::Faults | Topic::Nemeses | Topic::Conditions => Ok(()),
    }
}

fn overview(out: &mut dyn Write, system: &SystemDescription) -> io::Result<()> {
    writeln!(out, "{}  {}", paint(NAME, system.name), system.doc.trim())?;
    let presets: Vec<&str> = system.presets.iter().map(|preset| preset.name).collect();
    let workloads: Vec<&str> = system.workloads.iter().map(|workload| workload.name).collect();
    let is_value = |option: &&OptionDescription| matches!(option.kind, OptionKind::Value(_));
    let options = system.options.iter().filter(is_value).count();
    let orders: Vec<&str> = system.orders.iter().map(|order| order.name).collect();
    let kinds: Vec<&str> = system.kinds.iter().map(|kind| kind.name).collect();
    let rows = [
        ("kinds", kinds.join(", ")),
        ("presets", presets.join(", ")),
        ("roles", names(&roles(&system.words))),
        ("resources", names(&resources(&system.words))),
        ("workloads", workloads.join(", ")),
        ("orders", orders.join(", ")),
        ("options", options.to_string()),
        ("invariants", system.invariants.len().to_string()),
    ];
    for (label, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "  {label:<11} {value}")?;
    }
    Ok(())
}

/// What the value of an option can be beside a constant.
fn drawn(out: &mut dyn Write) -> io::Result<()> {
    const DRAWN: &str =
        "drawn once a run: { choose = [a, b] } for each option, \"a..b\" for numbers, durations, probabilities";
    writeln!(out, "  {}", paint(DIM, DRAWN))
}

/// A workload with the options that it has in `[workload]`.
fn one_workload(out: &mut dyn Write, workload: &WorkloadInfo) -> io::Result<()> {
    table(out, &[(workload.name, workload.doc)])?;
    for option in (workload.options)() {
        writeln!(out, "    {} = {}  {}", paint(NAME, option.name), option.default, option.doc)?;
    }
    Ok(())
}

/// Roles under the names that people see; of a ranked one that it is.
fn roles(words: &Vocabulary) -> Vec<(String, &'static str)> {
    let doc =
        |role: Role| if role.is_ranked { "ranked: of several nodes the one with the highest rank counts" } else { "" };
    words.roles().map(|role| (words.role_name(role), doc(words.role(role)))).collect()
}

fn resources(words: &Vocabulary) -> Vec<(String, &'static str)> {
    words.resources().map(|resource| (words.resource_name(resource), "")).collect()
}

fn names(rows: &[(String, &'static str)]) -> String {
    rows.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
}

fn table<N: AsRef<str>>(out: &mut dyn Write, rows: &[(N, &str)]) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "  {}", paint(DIM, "none"));
    }
    let width = rows.iter().map(|(name, _)| name.as_ref().chars().count()).max().unwrap_or(0);
    for (name, doc) in rows {
        let line = format!("  {:<width$}  {}", name.as_ref(), doc.trim());
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Files by name, each with its number and the kinds of process that have it.
fn files(out: &mut dyn Write, system: &SystemDescription) -> io::Result<()> {
    let Some(files) = system.files else { return writeln!(out, "  {}", paint(DIM, "not named: say their numbers")) };
    let name = |file: &FileInfo| match file.count {
        Some(count) => format!("{} {}..{}", file.name, file.first.0, u32::from(file.first.0) + u32::from(count) - 1),
        None => file.name.to_owned(),
    };
    let kinds = |file: &FileInfo| {
        let kinds = system.kinds.iter().filter(|kind| file.of.contains(&kind.id)).map(|kind| kind.name);
        kinds.collect::<Vec<_>>().join(", ")
    };
    let number = |file: &FileInfo| file.count.map_or_else(|| file.first.0.to_string(), |_| "its number".to_owned());
    let doc = |file: &FileInfo| format!("{} ({}, of {})", file.doc, number(file), kinds(file));
    let rows: Vec<(String, String)> = files.iter().map(|file| (name(file), doc(file))).collect();
    table(out, &rows.iter().map(|(name, doc)| (name, doc.as_str())).collect::<Vec<_>>())
}

/// The options, those of a group behind its name.
fn options(out: &mut dyn Write, system: &SystemDescription) -> io::Result<()> {
    let mut group = "";
    for option in &system.options {
        if option.group() != group {
            group = option.group();
            let doc = system.groups.iter().find(|one| one.path == group).map_or("", |one| one.doc);
            writeln!(out, "  {}  {doc}", paint(NAME, group))?;
        }
        one_option(out, system, option)?;
    }
    Ok(())
}

/// An option with its values, and its value in each preset; presets that agree share a line.
fn one_option(out: &mut dyn Write, system: &SystemDescription, option: &OptionDescription) -> io::Result<()> {
    writeln!(out, "  {}  {}", paint(NAME, &option.path), paint(DIM, &kind(&option.kind)))?;
    writeln!(out, "      {}", option.doc)?;
    let names: &[(&str, &str)] = match &option.kind {
        OptionKind::Value(ValueKind::Name(names)) => names,
        OptionKind::Preset(names) => names,
        OptionKind::Value(_) => &[],
    };
    for (name, doc) in names {
        writeln!(out, "        {name}: {}", doc.trim())?;
    }
    if option.defaults.is_empty() {
        return writeln!(out, "      default: as in the preset of the system");
    }
    let mut values: Vec<(&Value, Vec<&str>)> = Vec::new();
    for (preset, value) in system.presets.iter().zip(&option.defaults) {
        match values.iter_mut().find(|(known, _)| *known == value) {
            Some((_, presets)) => presets.push(preset.name),
            None => values.push((value, vec![preset.name])),
        }
    }
    let line: Vec<String> = match values.as_slice() {
        [(value, _)] => vec![format!("{value} in every preset")],
        several => several.iter().map(|(value, presets)| format!("{value} in {}", presets.join(", "))).collect(),
    };
    writeln!(out, "      default: {}", line.join("; "))
}

fn kind(kind: &OptionKind) -> String {
    let one_of = |names: &[(&str, &str)]| names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | ");
    match kind {
        OptionKind::Value(ValueKind::Bool) => "true or false".to_owned(),
        OptionKind::Value(ValueKind::Integer { min, max: u64::MAX }) => format!("a whole number from {min}"),
        OptionKind::Value(ValueKind::Integer { min, max }) => format!("a whole number from {min} to {max}"),
        OptionKind::Value(ValueKind::Duration { min, max }) => format!("a duration from {min} to {max}"),
        OptionKind::Value(ValueKind::Probability) => "a probability".to_owned(),
        OptionKind::Value(ValueKind::Name(names)) => one_of(names),
        OptionKind::Preset(names) => one_of(names),
    }
}

fn invariants(out: &mut dyn Write, system: &SystemDescription) -> io::Result<()> {
    for NamedInvariant { name, info } in &system.invariants {
        let kind = match info.kind {
            InvariantKind::Safety => "safety",
            InvariantKind::Liveness => "liveness",
        };
        let sight = info.sight.name();
        writeln!(out, "  {}  {}", paint(NAME, name), paint(DIM, &format!("{kind}, {sight}")))?;
        writeln!(out, "      {}", info.doc.trim())?;
        writeln!(out, "      source: {}", info.source.trim())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use splitbrain_systems::raft::system::Raft;

    use super::*;
    use crate::engine::{AnySystem as _, Simulated};

    #[test]
    fn the_options_of_a_group_stand_under_its_name_with_the_keys_that_a_file_has() {
        let system = Simulated::<Raft>::new();
        let mut out = Vec::new();
        options(&mut out, &system.description()).expect("a vector takes everything");
        let text = anstream::adapter::strip_str(&String::from_utf8(out).expect("it is text")).to_string();
        let lines: Vec<&str> = text.lines().collect();
        let at = lines
            .iter()
            .position(|line| *line == "  timing  Heartbeats and timeouts, and what restarts the election timer.");
        let at = at.unwrap_or_else(|| panic!("there is a heading:\n{text}"));
        assert!(lines[at + 1].starts_with("  timing.heartbeat  a duration from "), "{}", lines[at + 1]);
    }
}

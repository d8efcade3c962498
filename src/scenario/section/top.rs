//! The file as a whole: its keys, the order in which they are read, and what must hold between them.

use std::collections::BTreeMap;

use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::time::Instant;

use crate::scenario::description::SystemDescription;
use crate::scenario::key::{Key, Need, Table};
use crate::scenario::reader::{Problem, Reader};
use crate::scenario::shape::who::meant_node;
use crate::scenario::shape::{Id, Integer, List, Text};
use crate::scenario::{Draws, Expect, FORMAT, RunChoices, Scenario, SourceFile};

use super::bounds::{StatedClocks, check_bounds};
use super::check::CheckFields;
use super::clocks::ClockFields;
use super::cluster::ClusterFields;
use super::disk::DiskFields;
use super::expect::ExpectFields;
use super::fault::FaultFields;
use super::nemesis::NemesisFields;
use super::network::NetworkFields;
use super::options::{OptionFields, header_of};
use super::run::RunFields;
use super::variant::{PICKED, VARIANT};
use super::workload::WorkloadFields;
use super::{SubTable, TableList, fault, nemesis};

keys! {
    /// The file as a whole. The options of the system stand in a table under its name.
    pub(crate) TOP = "" {
        /// The version of the language that the file is written in.
        FORMAT_KEY = "format": Integer = Integer { min: FORMAT, max: FORMAT }, required;
        /// The system that is simulated; `splitbrain list` names them.
        SYSTEM = "system": Text = Text("the name of a system such as \"raft\""), required;
        /// Words by which scenarios are selected: test -E 'tag(slow)' runs those with the tag slow.
        pub(crate) TAGS = "tags": List<Id> = List(Id), optional;
        /// How many nodes there are.
        pub(crate) CLUSTER = "cluster": SubTable<ClusterFields> = SubTable(ClusterFields), required;
        /// The conditions of every link when nothing is wrong.
        pub(crate) NETWORK = "network": SubTable<NetworkFields> = SubTable(NetworkFields), default "{}";
        /// The clocks of every node, and the bounds that the system may rely on.
        pub(crate) CLOCKS = "clocks": SubTable<ClockFields> = SubTable(ClockFields), default "{}";
        /// The disk of every node.
        pub(crate) DISK = "disk": SubTable<DiskFields> = SubTable(DiskFields), default "{}";
        /// What the clients do.
        pub(crate) WORKLOAD = "workload": SubTable<WorkloadFields> = SubTable(WorkloadFields), optional;
        /// [[fault]]: directed faults.
        pub(crate) FAULT = "fault": TableList<FaultFields> = TableList(SubTable(FaultFields)), default "[]";
        /// [[nemesis]]: random faults.
        pub(crate) NEMESIS = "nemesis": TableList<NemesisFields> = TableList(SubTable(NemesisFields)), default "[]";
        /// How long a run is, and how many there are.
        pub(crate) RUN = "run": SubTable<RunFields> = SubTable(RunFields), default "{}";
        /// What is watched.
        pub(crate) CHECK = "check": SubTable<CheckFields> = SubTable(CheckFields), default "{}";
        /// How the runs are judged.
        pub(crate) EXPECT = "expect": SubTable<ExpectFields> = SubTable(ExpectFields), default "{}";
        use VARIANT;
        use PICKED;
    }
}

/// `[<system>]`, whose name is the system's.
const fn options_key(system: &SystemDescription) -> Key<SubTable<OptionFields>> {
    Key {
        name: system.name,
        shape: SubTable(OptionFields),
        need: Need::Default("{}"),
        doc: "The options of the system.",
    }
}

/// Which system the file is about. Where it does not say so, the reader knows.
pub(crate) fn system_of<'s>(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    systems: &'s [SystemDescription],
) -> Option<&'s SystemDescription> {
    let name = table.get(reader, &SYSTEM);
    if name.is_none() {
        // Without a system little more can be said of the file; its format can.
        read_format(reader, table);
    }
    let name = name?;
    let found = systems.iter().find(|system| system.name == name);
    if found.is_none() {
        let at = table.at(SYSTEM.name)?;
        let known = systems.iter().map(|system| system.name);
        reader.refuse(&at, Problem::unknown("system", &name, known));
    }
    found
}

/// The version of the language. A later one is that of a newer splitbrain.
fn read_format(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<u64> {
    let at = table.at(FORMAT_KEY.name);
    let number = at.as_ref().and_then(|at| at.value.as_integer()?.as_str().parse::<u64>().ok());
    match (at, number) {
        (Some(at), Some(number)) if number > FORMAT => {
            let message = format!("this file is for a newer splitbrain: of format {number}, this one reads {FORMAT}");
            reader.refuse(&at, Problem::new(message));
            None
        }
        _ => table.get(reader, &FORMAT_KEY),
    }
}

/// Reads the file, whose system is the reader's. Its first comment is the goal, unless a variant has one of its own.
pub(crate) fn read(reader: &mut Reader<'_>, table: &Table<'_>, own_goal: Option<String>) -> Option<Scenario> {
    let system = reader.system;
    let names: Vec<&str> = TOP.names().chain([system.name]).collect();
    table.refuse_unknown_as(reader, &names, |reader, key, _, unknown| match meant_node(reader.system.kinds, key) {
        Some(node) => unknown.with_nearest(header_of(reader.system.name, node.id(), &node.to_string())),
        None => unknown,
    });
    let format = read_format(reader, table);
    let tags = table.get(reader, &TAGS);
    // The nodes and the times first: selectors and faults are checked against them.
    let cluster = table.get(reader, &CLUSTER);
    let run = table.get(reader, &RUN);
    let (cluster, restart) = cluster.map_or((None, None), |(cluster, restart)| (Some(cluster), restart));
    remember_run(reader, cluster, run);
    reader.bound = fault::bound_names(table.at(FAULT.name));
    reader.draws.nemeses = nemesis::ids(table.at(NEMESIS.name));
    let options = table.get(reader, &options_key(system));
    let network = table.get(reader, &NETWORK);
    let clocks = table.get(reader, &CLOCKS);
    let disk = table.get(reader, &DISK);
    let workload = table.get(reader, &WORKLOAD);
    let faults = table.get(reader, &FAULT);
    let nemeses = table.get(reader, &NEMESIS);
    let invariants = table.get(reader, &CHECK);
    let expect = table.get(reader, &EXPECT);
    let (mut faults, mut nemeses) = (faults?, nemeses?);
    fault::assign_default_ids(&mut faults);
    nemesis::assign_default_ids(&mut nemeses);
    let ids = faults.iter().map(|one| (one.id.clone(), one.line));
    let ids = ids.chain(nemeses.iter().map(|one| (one.id.clone(), one.line))).collect();
    check_ids(reader, table, ids);
    let (invariants, expect) = (invariants?, expect?);
    check_watched(reader, table, &invariants, &expect);
    let (clocks, bounds) = clocks?.resolved();
    if let Some(cluster) = cluster {
        let clocks = StatedClocks { cluster, choices: &clocks, bounds, faults: &faults };
        check_bounds(reader, table, &clocks, &expect);
    }
    format?;
    let (disk, disks) = disk?.resolved();
    Some(Scenario {
        name: reader.source.stem().to_owned(),
        goal: own_goal.unwrap_or_else(|| goal(reader.source)),
        source: reader.source.clone(),
        system: system.name.to_owned(),
        tags: tags.unwrap_or_default(),
        cluster: cluster?,
        restart,
        options: options?,
        network: network?,
        clocks,
        bounds,
        disk,
        disks,
        workload,
        faults,
        nemeses,
        run: run?,
        invariants,
        expect,
        draws: Draws::default(),
    })
}

fn remember_run(reader: &mut Reader<'_>, cluster: Option<Cluster>, run: Option<RunChoices>) {
    reader.cluster = cluster;
    let end = |run: RunChoices| Instant::ZERO.saturating_add(run.duration);
    reader.end = run.map(end);
    reader.settle_start = run.map(|run| end(run).saturating_sub(run.settle));
}

/// Two faults with one id would draw the same numbers.
fn check_ids(reader: &mut Reader<'_>, table: &Table<'_>, ids: Vec<(String, u32)>) {
    let mut seen: BTreeMap<String, (u32, bool)> = BTreeMap::new();
    let spans = fault_spans(table);
    for ((id, line), (span, path, is_stated)) in ids.into_iter().zip(spans) {
        let Some((first, was_stated)) = seen.get(&id) else {
            seen.insert(id, (line, is_stated));
            continue;
        };
        let other = format!("the fault or nemesis on line {first}");
        // By default an id is the action and its ordinal: nobody wrote it.
        let message = match (is_stated, was_stated) {
            (true, true) => format!("the id \"{id}\" is taken by {other}"),
            (true, false) => format!("{other} has no id and is called \"{id}\" by default: give one of them another"),
            (false, _) => format!("it has no id and would be called \"{id}\", as {other} is: give it an id"),
        };
        reader.report(&span, &path, Problem::new(message));
    }
}

/// Where the ids of faults and nemeses stand, or where they would, and whether they do.
fn fault_spans(table: &Table<'_>) -> Vec<(std::ops::Range<usize>, String, bool)> {
    let lists = [FAULT.name, NEMESIS.name].into_iter().filter_map(|name| table.at(name)?.items());
    let id_of = |at: crate::scenario::reader::At<'_>| {
        let id = at.value.as_table().and_then(|fault| fault.get("id"));
        let is_stated = id.is_some();
        let span = id.map_or(at.span, |id| id.span());
        (span, format!("{}.id", at.path), is_stated)
    };
    lists.flatten().map(id_of).collect()
}

/// An invariant that is off is never broken.
fn check_watched(reader: &mut Reader<'_>, table: &Table<'_>, on: &[String], expect: &Expect) {
    let Some(violates) = &expect.violates else { return };
    for invariant in &violates.invariants {
        if on.contains(invariant) {
            continue;
        }
        let at = table.at(EXPECT.name).and_then(|at| {
            let (key, _) = at.value.as_table()?.get_key_value("violates")?;
            Some(key.span())
        });
        let message = format!("{invariant} is off: check.invariants leaves it out");
        reader.report(&at.unwrap_or(0..0), "expect.violates", Problem::new(message));
    }
}

/// The first comment of the file, without the line that names the schema.
fn goal(source: &SourceFile) -> String {
    let lines = source.text.lines().map(str::trim);
    let comment = lines
        .skip_while(|line| line.is_empty() || line.starts_with("#:"))
        .take_while(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim());
    comment.collect::<Vec<_>>().join(" ")
}

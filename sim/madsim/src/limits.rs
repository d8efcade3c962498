//! What a scenario may ask for and madsim cannot do to an async service: told by line before anything runs.

use splitbrain::engine::{AnyPlan, Unsupported};
use splitbrain::scenario::{ClockSpans, Drawn, Scenario};
use splitbrain_kernel::director::spec::{NemesisKind, What};
use splitbrain_kernel::fault::{Ability, Fault, Latency, Leaf, Offset};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::run::RunOptions;

const ONE_CLOCK: &str = "every node of madsim has the same clock";
const ONE_WEATHER: &str = "madsim has one latency and one chance of loss for all links";
const NO_KINDS: &str = "what a service says has no kinds";
const NO_DISK: &str = "the files of a service are not simulated";

/// Everything that an async service cannot be given, in the order of the file.
pub(crate) fn of_services(scenario: &Scenario) -> Vec<Unsupported> {
    let mut found = Vec::new();
    let mut refuse = |line: Option<u32>, what: &str, why: &str| {
        found.push(Unsupported { line, message: format!("{what}: {why}") });
    };
    let (network, line) = (&scenario.network, |start: &str| line_of(scenario, start));
    let ordinary = RunOptions::<(), ()>::ordinary(scenario.cluster, scenario.run.duration);
    if matches!(network.latency, Latency::Exponential { .. }) {
        refuse(line("latency"), "[network] latency", "madsim draws it evenly between two bounds");
    }
    if may_be(&network.duplication) {
        refuse(line("duplication"), "[network] duplication", "madsim delivers nothing twice");
    }
    if may_be(&network.reordering) {
        refuse(line("reordering"), "[network] reordering", "madsim reorders by its range of latencies alone");
    }
    if network.bandwidth > 0 {
        refuse(line("bandwidth"), "[network] bandwidth", "madsim's links carry any amount");
    }
    if network.connection_timeout != ordinary.network.connection_timeout {
        refuse(line("connection_timeout"), "[network] connection_timeout", "madsim's connections never time out");
    }
    if !network.links.is_empty() {
        refuse(line("[[network.link"), "[[network.link]]", ONE_WEATHER);
    }
    let mut spans = scenario.clocks.nodes.values().chain([&scenario.clocks.base]);
    if spans.any(|clocks| !is_perfect(clocks)) {
        refuse(line("[clocks"), "[clocks] drift and offset", ONE_CLOCK);
    }
    if line("[disk").is_some() {
        refuse(line("[disk"), "[disk]", NO_DISK);
    }
    for fault in &scenario.faults {
        if let What::Fault(stated) = &fault.what
            && let Some((what, why)) = unable(stated)
        {
            refuse(Some(fault.line), &format!("fault {}: {what}", fault.id), why);
        }
    }
    for nemesis in &scenario.nemeses {
        for kind in &nemesis.kinds {
            if let Some(why) = unable_at_random(*kind) {
                refuse(Some(nemesis.line), &format!("nemesis {}: {}", nemesis.id, kind.name()), why);
            }
        }
    }
    found.sort_by_key(|one| one.line);
    found
}

/// The first line that begins so: a key of `[network]`, or the head of a table.
fn line_of(scenario: &Scenario, start: &str) -> Option<u32> {
    let lines = (1..).zip(scenario.source.text.lines());
    lines.into_iter().find(|(_, line)| line.trim_start().starts_with(start)).map(|(number, _)| number)
}

/// The same of a plan, whose entries are concrete.
pub(crate) fn of_plans(plan: &AnyPlan) -> Vec<Unsupported> {
    let refuse = |message: String| Unsupported { line: None, message };
    let faults = plan.faults().iter().filter_map(|planned| {
        let (what, why) = unable(&planned.fault)?;
        Some(refuse(format!("plan, fault {}: {what}: {why}", planned.id)))
    });
    let overrides = plan.overrides().first();
    let overrides = overrides.map(|_| refuse("plan, override: what madsim draws cannot be replaced".to_owned()));
    faults.chain(overrides).collect()
}

fn is_perfect(clocks: &ClockSpans) -> bool {
    let ClockSpans { drift_ppm, offset } = clocks;
    (drift_ppm.low, drift_ppm.high) == (0, 0) && [offset.low, offset.high] == [Offset::default(); 2]
}

fn may_be(chance: &Drawn<Ppm>) -> bool {
    match chance {
        Drawn::Constant(chance) => *chance != Ppm::NEVER,
        Drawn::Range { high, .. } => *high != Ppm::NEVER,
        Drawn::Choose(chances) => chances.iter().any(|chance| *chance != Ppm::NEVER),
    }
}

/// What of a fault cannot be done, and why: what it needs and madsim does not have.
fn unable<L: Leaf>(fault: &Fault<L>) -> Option<(String, &'static str)> {
    fault.needs().map(|ability| match ability {
        Ability::Kinds => ("kinds".to_owned(), lack(ability)),
        _ => (fault.title(), lack(ability)),
    })
}

const fn lack(ability: Ability) -> &'static str {
    match ability {
        Ability::Kinds => NO_KINDS,
        Ability::Conditions => ONE_WEATHER,
        Ability::Scheduling => "madsim runs every task at once",
        Ability::Clocks => ONE_CLOCK,
        Ability::Disks => NO_DISK,
        Ability::Packets => "madsim keeps no packet that it has delivered",
    }
}

fn unable_at_random(kind: NemesisKind) -> Option<&'static str> {
    match kind {
        NemesisKind::OneWay
        | NemesisKind::PairCut
        | NemesisKind::Isolate
        | NemesisKind::Deaf
        | NemesisKind::Mute
        | NemesisKind::Bridge
        | NemesisKind::Halves
        | NemesisKind::Ring
        | NemesisKind::Partial
        | NemesisKind::Clog
        | NemesisKind::Crash
        | NemesisKind::Pause => None,
        NemesisKind::Loss | NemesisKind::Delay | NemesisKind::Duplicate | NemesisKind::Reorder => Some(ONE_WEATHER),
        NemesisKind::MachineCrash | NemesisKind::HarshCrash | NemesisKind::PowerLoss | NemesisKind::CrashTwice => {
            Some(NO_DISK)
        }
        NemesisKind::Slow => Some(lack(Ability::Scheduling)),
        NemesisKind::Late | NemesisKind::LoseMessages | NemesisKind::RepeatMessages => Some(NO_KINDS),
        NemesisKind::ClockStep | NemesisKind::ClockDrift | NemesisKind::ClockFreeze => Some(ONE_CLOCK),
        NemesisKind::DiskSlow | NemesisKind::DiskFull | NemesisKind::DiskLies => Some(NO_DISK),
    }
}

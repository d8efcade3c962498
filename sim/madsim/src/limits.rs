//! What a scenario may ask for and madsim cannot do to an async service: refused with its line before anything runs.

use splitbrain::engine::{AnyPlan, Unsupported};
use splitbrain::scenario::Scenario;
use splitbrain_kernel::director::spec::{NemesisKind, What};
use splitbrain_kernel::fault::{Ability, Fault, Latency, Leaf};
use splitbrain_kernel::network::InFlight;

use crate::settings::{ABSENT, Absent, NO_DISK, ONE_CLOCK, ONE_WEATHER};

const NO_KINDS: &str = "what a service says has no kinds";

/// Everything that an async service cannot be given, in the order of the file.
pub(crate) fn of_services(scenario: &Scenario) -> Vec<Unsupported> {
    let mut found = Vec::new();
    let mut refuse = |line: Option<u32>, what: &str, why: &str| {
        found.push(Unsupported { line, message: format!("{what}: {why}") });
    };
    let source = &scenario.source;
    for Absent { key, why, .. } in ABSENT {
        if let Some(line) = source.line_of(key) {
            refuse(Some(line), &shown(key), why);
        }
    }
    if matches!(scenario.network.latency, Latency::Exponential { .. }) {
        let why = "madsim draws it evenly between two bounds";
        refuse(source.line_of("network.latency"), "[network] latency", why);
    }
    for (index, fault) in scenario.faults.iter().enumerate() {
        let What::Fault(stated) = &fault.what else { continue };
        let in_flight = source.line_of(&format!("fault[{index}].in_flight"));
        if let (Fault::Cut(cut), Some(line)) = (stated, in_flight)
            && cut.in_flight == InFlight::Drop
        {
            let why = "madsim decides at sending: what is under way arrives";
            refuse(Some(line), &format!("fault {}: in_flight", fault.id), why);
        }
        if let Some((what, why)) = unable(stated) {
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

/// A key as a reader of the file looks for it: `[network] loss`.
fn shown(key: &str) -> String {
    match key.split_once('.') {
        None => format!("[{key}]"),
        Some(("network", "link")) => "[[network.link]]".to_owned(),
        Some((table, key)) => format!("[{table}] {key}"),
    }
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
        | NemesisKind::Pause
        | NemesisKind::Order => None,
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

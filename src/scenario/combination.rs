//! A file whose keys are drawn once a run is a scenario of its own for each combination of what can be drawn. It is
//! read for each of them: when it is loaded, for those that are tried, and again for a run, with what its seed draws.
//!
//! So whatever is checked of a scenario is checked of every combination, and nothing behind knows of draws.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use splitbrain_kernel::id::Cluster;
use splitbrain_kernel::rng::Seed;

use super::description::SystemDescription;
use super::diagnostic::{Diagnostic, Diagnostics};
use super::draw::{Decider, Site};
use super::key::Table;
use super::reader::Reader;
use super::resolve::Chosen;
use super::section::top;
use super::source::SourceFile;
use super::{Scenario, syntax, variant};

/// More combinations than this are not all tried when a file is loaded; then each value is tried by itself, and some
/// combinations. What only another one shows is reported by the run that draws it.
const TRIED_MAX: u64 = 128;

/// The keys that are drawn once a run. Two are equal if they draw the same keys from the same.
#[derive(Clone, Default)]
pub struct Draws {
    sites: Vec<Site>,
    /// The words of the system, to read the file again; `None` if nothing is read again.
    again: Option<Arc<SystemDescription>>,
    /// Every node that a combination has.
    widest: Option<Cluster>,
}

impl PartialEq for Draws {
    fn eq(&self, other: &Self) -> bool {
        self.sites == other.sites
    }
}

impl Eq for Draws {}

impl fmt::Debug for Draws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.sites).finish()
    }
}

/// One reading of a file.
struct Reading {
    /// What was decided, by key.
    decided: Vec<Chosen>,
    sites: Vec<Site>,
    result: Result<Scenario, Diagnostics>,
}

/// Reads the text as `decider` decides.
fn read(source: &SourceFile, system: &SystemDescription, decider: Decider) -> Reading {
    let mut reader = Reader::deciding(source, system, decider);
    let tree = syntax::parse(&mut reader, &source.text);
    let laid = tree.and_then(|tree| variant::lay(&mut reader, tree.into_inner()));
    let scenario = laid.and_then(|laid| top::read(&mut reader, &Table::root(&laid.tree), laid.goal));
    let sites = std::mem::take(&mut reader.draws.sites);
    let chosen = |site: &Site| Some(Chosen { key: site.key.clone(), value: site.value()? });
    Reading { decided: sites.iter().filter_map(chosen).collect(), sites, result: reader.finish(scenario) }
}

/// Reads the text for every combination of what it draws, up to a bound.
///
/// # Errors
/// Everything that is wrong with it in any of them. What is wrong in some alone says in which.
pub(super) fn load(source: &SourceFile, system: &SystemDescription) -> Result<Scenario, Diagnostics> {
    let first = read(source, system, Decider::Number(0));
    let counts: Vec<u64> = first.sites.iter().map(Site::alternatives).collect();
    let others = numbers(&counts).into_iter().skip(1);
    let readings: Vec<Reading> = others.map(|number| read(source, system, Decider::Number(number))).collect();
    let again = (!first.decided.is_empty()).then(|| Arc::new(system.clone()));
    let sites = first.sites.clone();
    let readings: Vec<Reading> = std::iter::once(first).chain(readings).collect();
    if readings.iter().any(|reading| reading.result.is_err()) {
        return Err(merged(source, &readings));
    }
    let mut clusters = readings.iter().filter_map(|reading| reading.result.as_ref().ok()).map(|one| one.cluster);
    let widest = clusters.next().map(|first| clusters.fold(first, wider));
    let first = readings.into_iter().next().expect("there is the first").result?;
    Ok(Scenario { draws: Draws { sites, again, widest }, ..first })
}

/// The numbers of the combinations that are tried, 0 first: all of them, or each value by itself and some evenly.
fn numbers(counts: &[u64]) -> Vec<u64> {
    let all = counts.iter().fold(1, |all: u64, count| all.saturating_mul(*count));
    if all <= TRIED_MAX {
        return (0..all).collect();
    }
    let mut numbers = vec![0];
    let mut weight: u64 = 1;
    for count in counts {
        numbers.extend((1..*count).map(|digit| digit.saturating_mul(weight)));
        weight = weight.saturating_mul(*count);
    }
    numbers.truncate(usize::try_from(TRIED_MAX).expect("it is small"));
    numbers.extend((1..TRIED_MAX).map(|index| spread(index, all, TRIED_MAX)));
    numbers
}

/// The number of a combination, where `index` of `tried` are spread evenly over all.
pub(super) fn spread(index: u64, all: u64, tried: u64) -> u64 {
    let number = u128::from(index) * u128::from(all) / u128::from(tried);
    u64::try_from(number).expect("below the number of combinations")
}

/// A cluster with the nodes of both.
fn wider(one: Cluster, other: Cluster) -> Cluster {
    one.kinds().iter().fold(one, |wider, kind| {
        let count = |cluster: &Cluster| cluster.count(kind.id) + cluster.spare_count(kind.id);
        let spare = count(&one).max(count(&other)) - one.count(kind.id);
        wider.with_spare(kind.id, spare)
    })
}

/// What is wrong in any of the readings. What is not wrong in all of them has the values with which it is.
fn merged(source: &SourceFile, readings: &[Reading]) -> Diagnostics {
    let same = |a: &Diagnostic, b: &Diagnostic| (&a.span, &a.path, &a.message) == (&b.span, &b.path, &b.message);
    let lists: Vec<&[Diagnostic]> =
        readings.iter().map(|one| one.result.as_ref().err().map_or(&[][..], |errors| &errors.list)).collect();
    let mut found: Vec<Diagnostic> = Vec::new();
    for one in lists.iter().copied().flatten() {
        if !found.iter().any(|known| same(known, one)) {
            found.push(one.clone());
        }
    }
    let more = readings.iter().filter_map(|one| one.result.as_ref().err().map(|errors| errors.more)).max();
    for one in &mut found {
        let has = |list: &[Diagnostic]| list.iter().any(|other| same(other, one));
        let wrong: Vec<&Reading> =
            readings.iter().zip(&lists).filter(|(_, list)| has(list)).map(|(reading, _)| reading).collect();
        if wrong.len() < readings.len() {
            one.message = format!("{} (if {})", one.message, conditions(&wrong));
        }
    }
    Diagnostics::new(source.clone(), found, more.unwrap_or_default())
}

/// What was decided alike in all of these; if nothing was, everything that was decided in the first.
fn conditions(readings: &[&Reading]) -> String {
    common(&readings.iter().map(|reading| reading.decided.as_slice()).collect::<Vec<_>>())
}

/// What was chosen alike in all of these; if nothing was, everything that was chosen in the first.
pub(super) fn common(all: &[&[Chosen]]) -> String {
    let first = all.first().copied().unwrap_or_default();
    let is_common = |chosen: &&Chosen| all.iter().all(|one| one.contains(chosen));
    let common: Vec<Chosen> = first.iter().filter(is_common).cloned().collect();
    describe_chosen(if common.is_empty() { first } else { &common })
}

/// What was chosen, in words.
pub(super) fn describe_chosen(chosen: &[Chosen]) -> String {
    let words: Vec<String> = chosen.iter().map(|one| format!("{} is {}", one.key, one.value)).collect();
    words.join(" and ")
}

/// The scenario of one combination.
pub(super) struct Drawn<'a> {
    pub(super) scenario: Cow<'a, Scenario>,
    /// What was drawn, in the order of the file's sections.
    pub(super) chosen: Vec<Chosen>,
}

impl Scenario {
    /// How many combinations of what is drawn here are worth trying.
    pub(super) fn combinations(&self) -> u64 {
        self.draws.sites.iter().fold(1, |all, site| all.saturating_mul(site.alternatives()))
    }

    /// The scenario as `decider` decides. Nothing is left to draw but what `resolve` draws.
    ///
    /// # Errors
    /// What cannot stand together.
    pub(super) fn decided(&self, decider: Decider) -> Result<Drawn<'_>, Diagnostics> {
        let Some(system) = &self.draws.again else {
            return Ok(Drawn { scenario: Cow::Borrowed(self), chosen: Vec::new() });
        };
        let Reading { decided: chosen, result, .. } = read(&self.source, system, decider);
        let read = result.map_err(|errors| match decider {
            Decider::Number(_) => errors.with(&format!("if {}", describe_chosen(&chosen))),
            Decider::Seed(seed) => errors.with(&format!("seed {seed}: {}", describe_chosen(&chosen))),
        })?;
        // What is not drawn stays as it is here: a twin has other options, and a campaign other seeds.
        let scenario = Self {
            cluster: read.cluster,
            restart: read.restart,
            network: read.network,
            clocks: read.clocks,
            bounds: read.bounds,
            disk: read.disk,
            disks: read.disks,
            workload: read.workload,
            nemeses: read.nemeses,
            draws: Draws::default(),
            ..self.clone()
        };
        Ok(Drawn { scenario: Cow::Owned(scenario), chosen })
    }

    /// The nodes that the run of this seed has. If its draws cannot stand together, those of the first combination.
    pub fn cluster_of(&self, seed: Seed) -> Cluster {
        self.decided(Decider::Seed(seed)).map_or(self.cluster, |drawn| drawn.scenario.cluster)
    }

    /// Every node that some run has.
    pub fn widest_cluster(&self) -> Cluster {
        self.draws.widest.unwrap_or(self.cluster)
    }

    /// The keys that are drawn once a run, in the order of the file's sections.
    pub fn drawn_keys(&self) -> impl Iterator<Item = &str> {
        self.draws.sites.iter().map(|site| site.key.as_str())
    }
}

impl Draws {
    pub(super) fn sites(&self) -> &[Site] {
        &self.sites
    }
}

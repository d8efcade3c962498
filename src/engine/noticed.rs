//! What a scenario says of the network and of clocks, and whether a run has used what it speaks of: a system that has
//! all its messages in connections loses none, whatever `network.loss` says.

use std::borrow::Cow;

use splitbrain_kernel::director::spec::NemesisKind;
use splitbrain_kernel::fault::Offset;
use splitbrain_kernel::network::Carried;
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::run::{ClockOptions, NetworkOptions, RunOptions, Uses};
use splitbrain_kernel::time::Duration;

use crate::scenario::Scenario;

/// The path of a key, and whether something in the run could notice what it says.
pub(super) type Noticed = (Cow<'static, str>, bool);

/// What `connection_timeout` is by default.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);

/// The keys that say something else than by default in this run, in the order of the sections.
pub(super) fn of<O, Q, W>(scenario: &Scenario, options: &RunOptions<O, Q, W>, uses: &Uses) -> Vec<Noticed> {
    let mut all = network(&options.network, uses);
    all.extend(links(scenario, &options.network, uses));
    all.extend(clocks(scenario, options, uses));
    all
}

fn network(network: &NetworkOptions, uses: &Uses) -> Vec<Noticed> {
    let (datagrams, connections) = (uses.datagrams, uses.connections);
    let keys = [
        ("network.loss", network.loss != Ppm::NEVER, datagrams),
        ("network.duplication", network.duplication != Ppm::NEVER, datagrams),
        ("network.reordering", network.reordering != Ppm::NEVER, datagrams),
        ("network.connection_timeout", network.connection_timeout != CONNECTION_TIMEOUT, connections),
        ("network.redial", network.redial.is_some(), connections),
    ];
    said(keys).map(|(key, noticed)| (key.into(), noticed)).collect()
}

/// Those that say something.
fn said<const N: usize>(keys: [(&'static str, bool, bool); N]) -> impl Iterator<Item = (&'static str, bool)> {
    keys.into_iter().filter(|(_, says, _)| *says).map(|(key, _, noticed)| (key, noticed))
}

/// `[[network.link]]`. Nothing is known if a choice of this run has changed which links there are.
fn links(scenario: &Scenario, network: &NetworkOptions, uses: &Uses) -> Vec<Noticed> {
    let stated = &scenario.network.links;
    let count = stated.iter().map(|(links, _)| links.len()).sum::<usize>();
    if count != network.links.len() || count != uses.links.len() {
        return Vec::new();
    }
    let mut all = Vec::new();
    let mut each = network.links.iter().zip(&uses.links);
    for (index, (links, _)) in stated.iter().enumerate() {
        let of_entry: Vec<_> = each.by_ref().take(links.len()).collect();
        let Some(((_, conditions), _)) = of_entry.first() else { continue };
        let went = |what: fn(&Carried) -> bool| of_entry.iter().any(|(_, carried)| what(carried));
        let (packets, datagrams) = (went(|carried| carried.packets), went(|carried| carried.datagrams));
        let is_some = |chance: Option<Ppm>| chance.is_some_and(|chance| chance != Ppm::NEVER);
        let keys = [
            ("latency", conditions.latency.is_some(), packets),
            ("loss", is_some(conditions.loss), datagrams),
            ("duplication", is_some(conditions.duplication), datagrams),
            ("reordering", is_some(conditions.reordering), datagrams),
            ("bandwidth", conditions.bandwidth.is_some_and(|bytes| bytes > 0), packets),
            ("capacity", conditions.capacity.is_some_and(|count| count > 0), datagrams),
        ];
        all.extend(said(keys).map(|(key, noticed)| (format!("network.link[{index}].{key}").into(), noticed)));
    }
    all
}

/// What `[clocks]` says of wall clocks. Timers run on the others, so every system notices those.
fn clocks<O, Q, W>(scenario: &Scenario, options: &RunOptions<O, Q, W>, uses: &Uses) -> Vec<Noticed> {
    let drifts = options.nemeses.iter().any(|nemesis| nemesis.kinds.contains(&NemesisKind::ClockDrift));
    if drifts && options.bounds.skew.is_some() {
        // The nemesis lets no clock drift beyond the bound, wherever it starts and whoever reads it.
        return Vec::new();
    }
    let of_base = |key: &'static str| (Cow::Borrowed(key), !uses.wall_clocks.is_empty());
    let mut all: Vec<Noticed> = options.bounds.skew.iter().map(|_| of_base("clocks.skew_bound")).collect();
    let base = scenario.clocks.base;
    let (mut offset, mut origin) = (false, false);
    for (node, clock) in &options.clocks {
        let own = scenario.clocks.nodes.get(node);
        let has_offset = clock.offset != Offset(0);
        let has_origin = clock.wall != ClockOptions::default().wall;
        let of_node = |key: &str| {
            let path = format!("clocks.nodes.{}.{key}", scenario.cluster.name(*node));
            (Cow::Owned(path), uses.wall_clocks.contains(node))
        };
        if own.is_some_and(|own| own.offset != base.offset) {
            all.extend(has_offset.then(|| of_node("offset")));
        } else {
            offset |= has_offset;
        }
        if own.is_some_and(|own| own.wall != base.wall) {
            all.extend(has_origin.then(|| of_node("origin.wall")));
        } else {
            origin |= has_origin;
        }
    }
    all.extend(offset.then(|| of_base("clocks.offset")));
    all.extend(origin.then(|| of_base("clocks.origin.wall")));
    all
}

#[cfg(test)]
mod tests;

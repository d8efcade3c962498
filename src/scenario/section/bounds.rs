//! The declared bounds on clocks against what the file does to clocks: inside them every invariant is promised, so that
//! a scenario which leaves them expects the violation.

use splitbrain_kernel::director::spec::{FaultSpec, What};
use splitbrain_kernel::fault::Reach;
use splitbrain_kernel::id::{Cluster, NodeId};
use splitbrain_kernel::selector::Span;

use crate::scenario::expect::{Expect, OutcomeName};
use crate::scenario::key::Table;
use crate::scenario::reader::{At, Problem, Reader};
use crate::scenario::{ClockBounds, ClockChoices, ClockSpans, OrderCall};

/// What is done to clocks in a file.
pub(super) struct StatedClocks<'a> {
    pub(super) cluster: Cluster,
    pub(super) choices: &'a ClockChoices,
    pub(super) bounds: ClockBounds,
    pub(super) faults: &'a [FaultSpec<OrderCall>],
}

/// Reports every range and directed fault that leaves a declared bound, unless the file expects something to break.
pub(super) fn check_bounds(reader: &mut Reader<'_>, table: &Table<'_>, clocks: &StatedClocks<'_>, expect: &Expect) {
    let breaks = |outcome| matches!(outcome, OutcomeName::Violated | OutcomeName::Stalled);
    if expect.violates.is_some() || expect.outcomes.iter().any(|expected| breaks(expected.outcome)) {
        return;
    }
    let Some(at) = table.at("clocks") else { return };
    if let Some(bound) = clocks.bounds.drift_ppm {
        check_drift(reader, table, &at, clocks, u64::from(bound));
    }
    if let Some(bound) = clocks.bounds.skew {
        check_skew(reader, table, &at, clocks, bound.as_nanos());
    }
}

fn check_drift(reader: &mut Reader<'_>, table: &Table<'_>, at: &At<'_>, clocks: &StatedClocks<'_>, bound: u64) {
    let mut refuse = |at: Option<At<'_>>, ppm: u64| {
        if let (true, Some(at)) = (ppm > bound, at) {
            reader.refuse(&at, beyond(&format!("{ppm}ppm"), "drift_bound", &format!("{bound}ppm")));
        }
    };
    refuse(at.below(&["drift"]), farthest_ppm(clocks.choices.base.drift_ppm));
    for (node, spans) in &clocks.choices.nodes {
        refuse(at.below(&["nodes", &node.to_string(), "drift"]), farthest_ppm(spans.drift_ppm));
    }
    let own = spans(clocks).map(|(_, spans)| farthest_ppm(spans.drift_ppm)).max().unwrap_or(0);
    for (fault, spec) in fault_items(table).iter().zip(clocks.faults) {
        if let What::Fault(stated) = &spec.what
            && let Some(Reach::Rate(ppm)) = stated.reach()
        {
            refuse(fault.below(&[stated.kind()]), own + ppm);
        }
    }
}

fn check_skew(reader: &mut Reader<'_>, table: &Table<'_>, at: &At<'_>, clocks: &StatedClocks<'_>, bound: u64) {
    let mut refuse = |at: Option<At<'_>>, nanos: u64| {
        if let (true, Some(at)) = (nanos > bound, at) {
            let time = |nanos| splitbrain_kernel::time::Duration::from_nanos(nanos).to_string();
            reader.refuse(&at, beyond(&time(nanos), "skew_bound", &time(bound)));
        }
    };
    let own = widest_skew(clocks);
    let place = at.below(&["offset"]).or_else(|| at.below(&["origin"])).or_else(|| at.below(&["nodes"]));
    refuse(place, own);
    for (fault, spec) in fault_items(table).iter().zip(clocks.faults) {
        if let What::Fault(stated) = &spec.what
            && let Some(Reach::Wall(by)) = stated.reach()
        {
            refuse(fault.below(&[stated.kind()]), own + by.as_nanos());
        }
    }
}

fn beyond(reach: &str, key: &str, bound: &str) -> Problem {
    Problem::new(format!(
        "reaches {reach}, beyond clocks.{key} = {bound}: stay within it, declare a wider one, or expect the violation \
         in [expect]"
    ))
}

/// Each node with what its clocks are drawn from.
fn spans<'a>(clocks: &'a StatedClocks<'_>) -> impl Iterator<Item = (NodeId, ClockSpans)> + 'a {
    let of = |node| clocks.choices.nodes.get(&node).copied().unwrap_or(clocks.choices.base);
    clocks.cluster.nodes().map(move |node| (node, of(node)))
}

/// The most by which the wall clocks of two nodes can differ at the start.
fn widest_skew(clocks: &StatedClocks<'_>) -> u64 {
    let all: Vec<(NodeId, ClockSpans)> = spans(clocks).collect();
    let latest = |spans: &ClockSpans| i128::from(spans.wall.high.as_nanos()) + i128::from(spans.offset.high.0);
    let earliest = |spans: &ClockSpans| i128::from(spans.wall.low.as_nanos()) + i128::from(spans.offset.low.0);
    let apart = |(one, low): &(NodeId, ClockSpans), (other, high): &(NodeId, ClockSpans)| match one == other {
        true => 0,
        false => u64::try_from(latest(high) - earliest(low)).unwrap_or(0),
    };
    all.iter().flat_map(|low| all.iter().map(move |high| apart(low, high))).max().unwrap_or(0)
}

fn farthest_ppm(span: Span<i32>) -> u64 {
    u64::from(span.low.unsigned_abs().max(span.high.unsigned_abs()))
}

fn fault_items<'t>(table: &Table<'t>) -> Vec<At<'t>> {
    table.at("fault").and_then(|at| at.items()).unwrap_or_default()
}

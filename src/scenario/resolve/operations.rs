//! The operations of the clients. Each client draws from streams of its own, one for the gaps and one for what it
//! does: adding a client moves no draw of another, and a change of rate moves times but not contents.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::Node;
use splitbrain_kernel::plan::{Moment, PlannedOperation};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::system::System;
use splitbrain_kernel::time::{Duration, Instant};

use super::super::{Scenario, WorkloadChoice};

/// What clients of a system are asked to do.
type Operation<S> = <<S as System>::Node as Node>::Operation;

/// Twice what a scenario may expect; chance never comes near it.
const OPERATIONS_MAX: usize = 2_000_000;

/// All operations of a run, in order of time, and at one time in order of client.
pub(super) fn draw<S: System>(scenario: &Scenario, system: &S, seed: Seed) -> Vec<PlannedOperation<Operation<S>>> {
    let Some(workload) = &scenario.workload else { return Vec::new() };
    let end = workload.until.unwrap_or(Instant::ZERO.saturating_add(scenario.run.duration));
    let mean = mean_gap(workload, scenario.cluster.client_count());
    let mut operations = Vec::new();
    for client in scenario.cluster.clients() {
        let times = Times { workload, mean, end };
        of_client(system, seed, client, &times, &mut operations);
    }
    operations.sort_by_key(|operation| (operation.start.at, operation.node));
    for (order, operation) in (0..).zip(&mut operations) {
        operation.start.order = order;
    }
    operations
}

/// When operations come.
struct Times<'w> {
    workload: &'w WorkloadChoice,
    mean: Duration,
    end: Instant,
}

fn of_client<S: System>(
    system: &S,
    seed: Seed,
    client: NodeId,
    times: &Times<'_>,
    operations: &mut Vec<PlannedOperation<Operation<S>>>,
) {
    let mut gaps = seed.stream("workload", client.key());
    let mut contents = gaps.fork("operation", 0);
    let mut at = times.workload.from;
    while operations.len() < OPERATIONS_MAX {
        at = at.saturating_add(gaps.exponential(times.mean));
        if at >= times.end {
            return;
        }
        let reads = contents.chance(times.workload.reads);
        let operation = system.operation(&times.workload.kind, reads, &mut contents);
        let start = Moment { at, after_events: 0, order: 0 };
        operations.push(PlannedOperation { start, node: client, operation });
    }
}

/// The mean time between two operations of one client.
fn mean_gap(workload: &WorkloadChoice, clients: u16) -> Duration {
    let share = if workload.rate.each { 1 } else { u64::from(clients.max(1)) };
    workload.rate.per.saturating_mul(share).div(workload.rate.count)
}

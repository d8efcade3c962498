//! From what a fault does to somebody, to what is done to these nodes and links.

use crate::director::resolve::Resolver;
use crate::director::spec::Action;
use crate::director::{draw, topology};
use crate::fault::{DiskFault, Fault, InFlight, Offset};
use crate::id::{Link, NodeId};
use crate::rng::Rng;
use crate::selector::{Selector, Span};
use crate::time::Duration;

/// Whether the action has a state that lasts until it is lifted. The others happen once and are over.
pub(crate) const fn lasts(action: &Action) -> bool {
    match action {
        Action::Partition { .. }
        | Action::Cut { .. }
        | Action::Isolate(_)
        | Action::Bridge(_)
        | Action::Ring
        | Action::Clog { .. }
        | Action::Weather { .. }
        | Action::Crash { .. }
        | Action::Pause(_)
        | Action::Slow { .. }
        | Action::ClockDrift { .. }
        | Action::ClockFreeze(_) => true,
        Action::Disk { fault, .. } => match fault {
            DiskFault::Slow { .. } | DiskFault::Full | DiskFault::Io | DiskFault::LyingSync => true,
            DiskFault::Lose { .. } | DiskFault::Corrupt { .. } | DiskFault::Unreadable { .. } => false,
        },
        Action::Start(_) | Action::ClockStep { .. } | Action::ClockSlew { .. } => false,
    }
}

/// What the action comes to now, in order of node. Nothing where a selector matches nobody, or no link is cut.
pub(crate) fn resolve(action: &Action, resolver: &mut Resolver<'_>) -> Option<Vec<Fault>> {
    Some(match action {
        Action::Partition { groups, in_flight, kinds } => {
            vec![cut(groups_apart(groups, resolver)?, *in_flight, kinds)?]
        }
        Action::Cut { links, in_flight, kinds } => vec![cut(resolver.links(links)?, *in_flight, kinds)?],
        Action::Isolate(nodes) => vec![cut_all(isolation(nodes, resolver)?)?],
        Action::Bridge(middle) => vec![cut_all(bridge(middle, resolver)?)?],
        Action::Ring => vec![cut_all(ring(resolver))?],
        Action::Clog { links, kinds } => vec![Fault::Clog { links: resolver.links(links)?, kinds: kinds.clone() }],
        Action::Weather { links, conditions, kinds } => {
            vec![Fault::Weather { links: resolver.links(links)?, conditions: *conditions, kinds: kinds.clone() }]
        }
        Action::Crash { nodes, scope, keep } => {
            vec![Fault::Crash { nodes: resolver.nodes(nodes)?, scope: *scope, keep: *keep }]
        }
        Action::Disk { nodes, fault } => vec![Fault::Disk { nodes: resolver.nodes(nodes)?, fault: *fault }],
        Action::Start(nodes) => vec![Fault::Start { nodes: resolver.nodes(nodes)? }],
        Action::Pause(nodes) => vec![Fault::Pause { nodes: resolver.nodes(nodes)? }],
        Action::ClockFreeze(nodes) => vec![Fault::ClockFreeze { nodes: resolver.nodes(nodes)? }],
        Action::Slow { nodes, service_time } => slow(resolver, nodes, *service_time)?,
        Action::ClockStep { nodes, by } => clock_step(resolver, nodes, *by)?,
        Action::ClockDrift { nodes, ppm } => clock_drift(resolver, nodes, *ppm)?,
        Action::ClockSlew { nodes, by, over } => clock_slew(resolver, nodes, *by, *over)?,
    })
}

/// A cut of these links; nothing where there are none.
fn cut(links: Vec<Link>, in_flight: InFlight, kinds: &[String]) -> Option<Fault> {
    (!links.is_empty()).then(|| Fault::Cut { links, in_flight, kinds: kinds.to_vec() })
}

/// A cut of these links for every packet, those under way included; nothing where there are none.
pub(crate) fn cut_all(links: Vec<Link>) -> Option<Fault> {
    cut(links, InFlight::Drop, &[])
}

fn ring(resolver: &Resolver<'_>) -> Vec<Link> {
    let servers: Vec<NodeId> = resolver.census().servers().collect();
    topology::ring(&servers)
}

fn groups_apart(groups: &[Vec<Selector>], resolver: &mut Resolver<'_>) -> Option<Vec<Link>> {
    let groups: Option<Vec<Vec<NodeId>>> = groups.iter().map(|group| resolver.nodes(group)).collect();
    Some(topology::partition(&groups?))
}

/// Absent servers are cut off too, should they join.
fn isolation(nodes: &[Selector], resolver: &mut Resolver<'_>) -> Option<Vec<Link>> {
    let all: Vec<NodeId> = resolver.census().cluster().nodes().collect();
    Some(topology::apart(&resolver.nodes(nodes)?, &all))
}

fn bridge(selector: &Selector, resolver: &mut Resolver<'_>) -> Option<Vec<Link>> {
    let middle = resolver.nodes(std::slice::from_ref(selector))?;
    let (left, right) = halves(resolver.rng(), resolver.census().present(), &middle);
    Some(topology::apart(&left, &right))
}

/// All nodes but those of `middle` in two halves. The servers are split evenly, in an order that is drawn (of an odd
/// number the second half has one more); each client goes with one of them, by a word of its own.
pub(crate) fn halves(rng: &Rng, nodes: impl Iterator<Item = NodeId>, middle: &[NodeId]) -> (Vec<NodeId>, Vec<NodeId>) {
    let rng = rng.fork("halves", 0);
    let (servers, clients): (Vec<NodeId>, Vec<NodeId>) =
        nodes.filter(|node| !middle.contains(node)).partition(|node| node.is_server());
    let order = draw::shuffled(&rng, servers);
    let (left, right) = order.split_at(order.len() / 2);
    let (mut left, mut right) = (left.to_vec(), right.to_vec());
    for client in clients {
        let goes_left = rng.fork("client", client.key()).word() >> 63 == 0;
        if goes_left { &mut left } else { &mut right }.push(client);
    }
    (left, right)
}

fn slow(resolver: &mut Resolver<'_>, nodes: &[Selector], span: Span<Duration>) -> Option<Vec<Fault>> {
    drawn(resolver, nodes, span, |nodes, rng| Fault::Slow { nodes, service_time: draw::duration(rng, span) })
}

fn clock_step(resolver: &mut Resolver<'_>, nodes: &[Selector], span: Span<Offset>) -> Option<Vec<Fault>> {
    drawn(resolver, nodes, span, |nodes, rng| Fault::ClockStep { nodes, by: draw::offset(rng, span) })
}

fn clock_drift(resolver: &mut Resolver<'_>, nodes: &[Selector], span: Span<i32>) -> Option<Vec<Fault>> {
    drawn(resolver, nodes, span, |nodes, rng| Fault::ClockDrift { nodes, ppm: draw::ppm(rng, span) })
}

fn clock_slew(
    resolver: &mut Resolver<'_>,
    nodes: &[Selector],
    span: Span<Offset>,
    over: Duration,
) -> Option<Vec<Fault>> {
    drawn(resolver, nodes, span, |nodes, rng| Fault::ClockSlew { nodes, by: draw::offset(rng, span), over })
}

/// One fault for all nodes where the value is a constant; one for each node, with its own draw, where it is a range.
fn drawn<T: PartialEq>(
    resolver: &mut Resolver<'_>,
    nodes: &[Selector],
    span: Span<T>,
    fault: impl Fn(Vec<NodeId>, &mut Rng) -> Fault,
) -> Option<Vec<Fault>> {
    let nodes = resolver.nodes(nodes)?;
    let rng = resolver.rng();
    if span.low == span.high {
        return Some(vec![fault(nodes, &mut rng.fork("parameter", 0))]);
    }
    let each = |node: NodeId| fault(vec![node], &mut rng.fork("parameter", node.key()));
    Some(nodes.into_iter().map(each).collect())
}

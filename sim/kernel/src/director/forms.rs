//! From the ways to say which links are meant to the links.

use crate::director::census::Census;
use crate::director::resolve::Resolver;
use crate::director::{draw, topology};
use crate::fault::{Choice, Cut, Fault};
use crate::id::{Link, NodeId};
use crate::rng::Rng;
use crate::selector::{LinkForm, Selector};

impl Choice for Resolver<'_> {
    fn nodes(&mut self, selectors: &[Selector]) -> Option<Vec<NodeId>> {
        self.nodes(selectors)
    }

    fn links(&mut self, form: &LinkForm) -> Option<Vec<Link>> {
        let links = match form {
            LinkForm::Between(links) => self.links(links)?,
            LinkForm::Partition(groups) => groups_apart(groups, self)?,
            LinkForm::Isolate(nodes) => isolation(nodes, self)?,
            LinkForm::Bridge(middle) => bridge(middle, self)?,
            LinkForm::Ring => ring(self),
        };
        (!links.is_empty()).then_some(links)
    }

    fn rng(&self) -> &Rng {
        self.rng()
    }
}

/// A cut of these links for every packet, those under way included; `None` if there are none.
pub(crate) fn cut_all(links: Vec<Link>) -> Option<Fault> {
    let is_some = !links.is_empty();
    is_some.then(|| Cut::of(links).into())
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
    let (left, right) = halves(resolver.rng(), resolver.census(), &middle);
    Some(topology::apart(&left, &right))
}

/// All nodes but those of `middle` in two halves. Each kind on the server's side is split evenly, in an order that is
/// drawn (of an odd number the second half has one more); each client goes with one of them, by a word of its own.
pub(crate) fn halves(rng: &Rng, census: &Census, middle: &[NodeId]) -> (Vec<NodeId>, Vec<NodeId>) {
    let rng = rng.fork("halves", 0);
    let cluster = census.cluster();
    let (servers, clients): (Vec<NodeId>, Vec<NodeId>) =
        census.present().filter(|node| !middle.contains(node)).partition(|node| cluster.is_server(*node));
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for kind in cluster.kinds() {
        let order = draw::shuffled(&rng, servers.iter().copied().filter(|node| node.is(kind.id)));
        let (first, second) = order.split_at(order.len() / 2);
        left.extend_from_slice(first);
        right.extend_from_slice(second);
    }
    for client in clients {
        let goes_left = rng.fork("client", client.key()).word() >> 63 == 0;
        if goes_left { &mut left } else { &mut right }.push(client);
    }
    (left, right)
}

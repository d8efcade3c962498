//! What people are told when something did not happen in time: what each server is and does, whatever the system.

use crate::director::Census;
use crate::id::NodeId;
use crate::node::Node;
use crate::view::{View, Whole};

/// A table, its columns apart by tabs, of the servers that should have made progress: those of the core, or all before
/// the settle phase.
pub(super) fn of<N: Node>(view: &Whole<'_, N>, census: &Census) -> Vec<String> {
    let servers = match view.core() {
        [] => census.servers().collect(),
        core => core.to_vec(),
    };
    let rows = servers.iter().map(|server| {
        let linked: Vec<String> = servers
            .iter()
            .filter(|other| *other != server && view.is_paired(*server, **other))
            .map(NodeId::to_string)
            .collect();
        let linked = if linked.is_empty() { "none of these".to_owned() } else { linked.join(" ") };
        [server.to_string(), state_of(view, *server), roles_of(census, *server), linked].join("\t")
    });
    let heads = ["server", "is", "reports to be", "hears and reaches"].join("\t");
    std::iter::once(heads).chain(rows).collect()
}

fn state_of<N: Node>(view: &Whole<'_, N>, server: NodeId) -> String {
    let process = match () {
        () if !view.is_up(server) => "down",
        () if view.is_paused(server) => "paused",
        () if !view.is_lively(server) => "slow",
        () => "up",
    };
    let disk = if view.disk(server).is_healthy() { "" } else { ", its disk is faulty" };
    format!("{process}{disk}")
}

/// `chief 4 since 1.200000s`: roles with their ranks, those of inner systems too.
fn roles_of(census: &Census, server: NodeId) -> String {
    let words = census.words();
    let roles = words.roles().filter_map(|role| {
        let tenure = census.tenure(server, role).filter(|tenure| tenure.role == role)?;
        let rank = if tenure.rank > 0 { format!(" {}", tenure.rank) } else { String::new() };
        Some(format!("{}{rank} since {}", words.role_name(role), tenure.since))
    });
    let roles: Vec<String> = roles.collect();
    if roles.is_empty() { "nothing".to_owned() } else { roles.join(", ") }
}

//! Options that can have no effect beside others, keys of the network likewise, and messages that are never sent.
//!
//! Only what no run can show is listed: an option that waits for a rare event is not idle.

use splitbrain_kernel::options::{Idle, PerServer, Scene};

use super::options::{RaftOptions, Reads, Transport, VotesFor};

const NO_SNAPSHOTS: &str = "no server takes a snapshot, as snapshot_distance is 0";
const NO_PRE_VOTE: &str = "there are no rounds of pre-votes, as pre_vote is off";
const NO_CHECK: &str = "no leader checks its quorum, as check_quorum is 0s";

/// What is idle under these options of all servers.
pub(super) fn of(all: &PerServer<RaftOptions>, scene: Scene<'_>) -> Vec<(Idle, &'static str)> {
    let none = |is_so: &dyn Fn(&RaftOptions) -> bool| !all.all().any(is_so);
    let orders = |names: &[&str]| scene.orders.iter().any(|order| names.contains(&order.as_str()));
    let mut idle = Vec::new();
    let mut add = |is_idle: bool, what: &[Idle], why| {
        if is_idle {
            idle.extend(what.iter().map(|one| (*one, why)));
        }
    };
    add(
        none(&|options| options.snapshot_distance > 0),
        &[
            Idle::Option("snapshot_trailing"),
            Idle::Option("snapshot_part_bytes"),
            Idle::Message("snapshot_part"),
            Idle::Message("part_reply"),
        ],
        NO_SNAPSHOTS,
    );
    let pre_votes = [
        Idle::Option("pre_vote_term"),
        Idle::Option("pre_vote_log_check"),
        Idle::Option("pre_vote_stickiness"),
        Idle::Option("reconnect_on_pre_vote"),
        Idle::Message("pre_vote"),
        Idle::Message("pre_vote_reply"),
    ];
    let has_none = none(&|options| options.pre_vote);
    add(has_none, &pre_votes, NO_PRE_VOTE);
    // A limit of 0 is off already, and says so.
    add(has_none && !none(&|options| options.starved_exit > 0), &[Idle::Option("starved_exit")], NO_PRE_VOTE);
    add(has_none && !none(&|options| options.busy_exit > 0), &[Idle::Option("busy_exit")], NO_PRE_VOTE);
    let adjusts = !none(&|options| options.auto_adjust_quorum);
    add(adjusts && has_none, &[Idle::Option("auto_adjust_rounds")], NO_PRE_VOTE);
    let limits = [Idle::Option("auto_adjust_rounds"), Idle::Option("auto_adjust_heartbeats")];
    add(!adjusts, &limits, "no server takes itself for a quorum, as auto_adjust_quorum is off");
    // Voters that know a candidate for no member tell it so in their answers to pre-votes.
    let sends_away = !has_none && !none(&|options| options.votes_for != VotesFor::Anyone);
    add(!sends_away && !orders(&["leave"]), &[Idle::Option("leave_timeouts")], "no server is asked to leave");
    let checks = [Idle::Option("check_quorum_method"), Idle::Option("check_quorum_spares_full")];
    add(none(&|options| !options.check_quorum.is_zero()), &checks, NO_CHECK);
    add(
        none(&|options| options.priority > 1),
        &[Idle::Option("priority_decay")],
        "the target is at its least already, as no server has a priority above 1",
    );
    add(
        none(&|options| options.priority == 0),
        &[Idle::Option("zero_priority_leader")],
        "no server has the priority 0",
    );
    add(
        none(&|options| options.reads == Reads::Lease),
        &[Idle::Option("read_lease")],
        "no server serves reads by a lease, as reads is another",
    );
    add(
        !orders(&["promote", "change_members", "any_change"]),
        &[Idle::Option("promotion_gap")],
        "no order promotes a learner",
    );
    add(
        none(&|options| options.transport == Transport::Connection),
        &[Idle::Key("network.redial")],
        "no connection is opened, as transport is \"datagram\"",
    );
    idle
}

//! Options that can have no effect beside others, keys of the network likewise, and messages that are never sent.
//!
//! Only what no run can show is listed: an option that waits for a rare event is not idle.

use splitbrain_kernel::options::{Idle, PerServer, Scene};

use super::options::{Candidates, RaftOptions, ReadMethod, TransportKind};

const NO_SNAPSHOTS: &str = "no server takes a snapshot, as snapshot.distance is 0";
const NO_PRE_VOTE: &str = "there are no rounds of pre-votes, as pre_vote.enabled is false";

/// What can have no effect unless some server has what it takes.
struct Need {
    is_met: fn(&RaftOptions) -> bool,
    idle: &'static [Idle],
    why: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        is_met: |options| options.snapshot.distance > 0,
        idle: &[
            Idle::Option("snapshot.trailing"),
            Idle::Option("snapshot.part_bytes"),
            Idle::Message("snapshot_part"),
            Idle::Message("part_reply"),
        ],
        why: NO_SNAPSHOTS,
    },
    Need {
        is_met: |options| options.pre_vote.enabled,
        idle: &[
            Idle::Option("pre_vote.term"),
            Idle::Option("pre_vote.log_check"),
            Idle::Option("pre_vote.stickiness"),
            Idle::Option("transport.reconnect_on_pre_vote"),
            Idle::Message("pre_vote"),
            Idle::Message("pre_vote_reply"),
        ],
        why: NO_PRE_VOTE,
    },
    Need {
        is_met: |options| options.quorum.auto_adjust,
        idle: &[Idle::Option("quorum.auto_adjust_rounds"), Idle::Option("quorum.auto_adjust_heartbeats")],
        why: "no server takes itself for a quorum, as quorum.auto_adjust is false",
    },
    Need {
        is_met: |options| !options.check_quorum.timeout.is_zero(),
        idle: &[Idle::Option("check_quorum.method"), Idle::Option("check_quorum.spares_full")],
        why: "no leader checks its quorum, as check_quorum.timeout is 0s",
    },
    Need {
        is_met: |options| options.priority.value > 1,
        idle: &[Idle::Option("priority.decay")],
        why: "the target is at its least already, as no server has a priority above 1",
    },
    Need {
        is_met: |options| options.priority.value == 0,
        idle: &[Idle::Option("priority.zero_leader")],
        why: "no server has the priority 0",
    },
    Need {
        is_met: |options| options.reads.method == ReadMethod::Lease,
        idle: &[Idle::Option("reads.lease")],
        why: "no server serves reads by a lease, as reads.method is another",
    },
    Need {
        is_met: |options| options.transport.kind == TransportKind::Connection,
        idle: &[
            Idle::Key("network.redial"),
            Idle::Option("transport.reconnect_after"),
            Idle::Option("transport.reconnect_on_pre_vote"),
        ],
        why: "no connection is opened, as transport.kind is \"datagram\"",
    },
];

/// What is idle under these options of all servers.
pub(super) fn of(all: &PerServer<RaftOptions>, scene: Scene<'_>) -> Vec<(Idle, &'static str)> {
    let some = |has: fn(&RaftOptions) -> bool| all.all().any(has);
    let orders = |names: &[&str]| scene.orders.iter().any(|order| names.contains(&order.as_str()));
    let mut idle = Vec::new();
    for need in NEEDS.iter().filter(|need| !some(need.is_met)) {
        idle.extend(need.idle.iter().map(|one| (*one, need.why)));
    }
    let mut add = |is_idle: bool, option, why| idle.extend(is_idle.then_some((Idle::Option(option), why)));
    let pre_votes = some(|options| options.pre_vote.enabled);
    // A limit of 0 is off already, and says so.
    let rejections = some(|options| options.pre_vote.exit_after_rejections > 0);
    add(!pre_votes && rejections, "pre_vote.exit_after_rejections", NO_PRE_VOTE);
    let busy_rounds = some(|options| options.pre_vote.exit_after_busy_rounds > 0);
    add(!pre_votes && busy_rounds, "pre_vote.exit_after_busy_rounds", NO_PRE_VOTE);
    let adjusts = some(|options| options.quorum.auto_adjust);
    add(!pre_votes && adjusts, "quorum.auto_adjust_rounds", NO_PRE_VOTE);
    // Voters that know a candidate for no member tell it so in their answers to pre-votes.
    let sends_away = pre_votes && some(|options| options.votes.candidates != Candidates::Anyone);
    add(!sends_away && !orders(&["leave"]), "membership.leave_timeouts", "no server is asked to leave");
    let transfers = orders(&["transfer"]);
    add(!transfers, "transfer.timeout", "no order hands a leadership over");
    add(!transfers, "transfer.end", "no order hands a leadership over");
    let joins = orders(&["change_members", "any_change"]);
    add(!joins, "membership.joint_leave", "no order makes a joint configuration");
    let promotes = orders(&["promote", "change_members", "any_change"]);
    add(!promotes, "membership.promotion_gap", "no order promotes a learner");
    idle
}

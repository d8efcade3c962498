//! Goal: each invariant of Raft, of the sessions, of the locks and of the chat is fired by a known bug, and not without
//! it.
//!
//! Method: a scenario of `scenarios/SYSTEM/bugs` for each, run with no other invariant on, so that none can end the run
//! before. Seeds are tried until it fires. On these seeds the twin must pass, with all invariants of the scenario. An
//! invariant without a row here fails the test.
//!
//! And none leaves a trace: a run of a swarm has the same digest with all of them and with none.

use std::collections::BTreeSet;
use std::path::Path;

use splitbrain::scenario::{self, Picks, Scenario, SystemDescription};
use splitbrain_kernel::invariant::{InvariantSet, Invariants as _};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::Outcome;
use splitbrain_kernel::system::System;
use splitbrain_kernel::world::World;
use splitbrain_systems::chat::Chat;
use splitbrain_systems::lock::Lock;
use splitbrain_systems::raft::Raft;
use splitbrain_systems::reactor::Reactor;
use splitbrain_systems::session::Sessions;

/// The most seeds that are tried, unless the scenario allows itself more.
const SEEDS: u64 = 20;

/// Each invariant of Raft, and the scenario of a known bug that fires it.
const RAFT: &[(&str, &str)] = &[
    ("election_safety", "quorum_of_half"),
    ("one_vote_per_term", "vote_not_persisted"),
    ("term_monotone", "term_from_snapshot"),
    ("elected_by_quorum", "quorum_of_half"),
    ("learners_never_lead", "learner_campaigns"),
    ("state_machine_safety", "older_term_committed"),
    ("leader_completeness", "no_up_to_date_check"),
    ("log_matching", "quorum_of_half"),
    ("vote_soundness", "no_up_to_date_check"),
    ("persist_before_reply", "vote_not_persisted"),
    ("denied_vote_keeps_timer", "timer_reset_by_denied_vote"),
    ("candidates_know_no_leader", "pre_candidate_keeps_leader"),
    ("pre_vote_purity", "granted_pre_vote_refreshes_contact"),
    ("commit_in_term", "older_term_committed"),
    ("committed_is_durable", "own_copy_counted_before_durable"),
    ("acknowledged_is_applied", "answered_before_commit"),
    ("answers_follow_order", "answered_before_commit"),
    ("linearizable", "answered_before_commit"),
    ("no_stale_answer", "read_without_quorum"),
    ("failed_stays_out", "step_down_is_failure"),
    ("redirect_is_no_result", "redirect_is_failure"),
    ("exactly_once", "sessions_ignored"),
    ("matched_is_true", "matched_falls"),
    ("snapshot_soundness", "installed_without_state"),
    ("transfer_ends", "transfer_never_ends"),
    ("change_follows_own_commit", "change_before_own_commit"),
    ("one_change_at_a_time", "second_change_while_pending"),
    ("promoted_when_caught_up", "promoted_before_caught_up"),
    ("configuration_in_force", "configuration_lost_on_restart"),
    ("configurations_overlap", "configuration_lost_on_restart"),
    ("removed_leader_retires", "removed_leader_stays"),
    ("leader_within_bound", "configuration_lost_on_restart"),
    ("leader_stability", "votes_despite_leader"),
    ("quorum_contact", "learners_are_contact"),
    ("commit_never_falls", "commit_taken_back"),
    ("committed_not_truncated", "truncated_without_conflict"),
    ("proposals_answered", "in_flight_leaks"),
    ("followers_catch_up", "part_not_repeated"),
    ("pre_vote_by_quorum", "pre_vote_counted_from_older_term"),
];

/// Each invariant of the sessions. Those of the Raft inside them are the business of Raft.
const SESSION: &[(&str, &str)] = &[
    ("session.one_owner", "lock_delay_ignored"),
    ("session.lease_contained", "release_before_stop"),
    ("session.never_revived", "expiring_extended"),
    ("session.jeopardy_is_idle", "no_recheck_after_wait"),
    ("session.unique_ids", "numbers_from_memory"),
    ("session.items_die_with_session", "item_of_dead_session"),
    ("session.callbacks_in_order", "expired_twice"),
    ("session.leader_acts", "check_then_act"),
    ("session.no_early_expiry", "restart_forgets_leases"),
    ("session.session_restored", "callback_under_lock"),
    ("session.nothing_immortal", "stop_token_ignored"),
    ("session.target_served", "waiter_not_told"),
    ("session.counted_over_terms", "checkpoint_once"),
];

/// Each invariant of the lock system, and the scenario of a known bug that fires it.
const LOCK: &[(&str, &str)] = &[
    ("belief_exclusion", "drift_added"),
    ("grant_exclusion", "release_deletes_blindly"),
    ("effect_exclusion", "fence_by_difference"),
    ("fence_order", "fence_by_difference"),
    ("tokens_rise", "answer_before_sync"),
    ("only_owner_acts", "extend_sets"),
    ("no_early_expiry", "expiry_in_seconds"),
    ("no_late_expiry", "acquire_in_two_commands"),
    ("survives_restart", "answer_before_sync"),
    ("survives_failover", "successor_by_number"),
    ("no_extension_after_release", "watchdog_outlives_user_after_a_release"),
    ("lock_liveness", "nil_of_get_misread"),
    ("mutex", "refusal_ignored"),
    ("fenced_mutex", "refusal_ignored"),
    ("not_refused_own", "own_token_is_foreign"),
    ("releases_everywhere", "release_acknowledged_only"),
    ("role_survives_restart", "role_not_kept"),
    ("one_leader_per_epoch", "votes_twice"),
    ("failover_by_quorum", "no_quorum"),
    ("no_write_after_refusal", "loss_not_told"),
    ("timely_majority", "validity_from_first_attempt"),
];

/// Each invariant of the chat service. Those of the locks inside it are the business of the lock system.
const CHAT: &[(&str, &str)] = &[
    ("chat.one_session", "kick_notifies_only"),
    ("chat.presence_kept", "no_compare_session"),
    ("chat.presence_pairs", "presence_in_two_steps"),
    ("chat.presence_under_lock", "login_without_lock"),
    ("chat.presence_at_rest", "presence_without_expiry"),
    ("chat.count_at_rest", "count_never_falls"),
    ("chat.kick_by_later_login", "kick_by_user"),
    ("chat.kicked_closes", "kick_failure_ignored_for_long"),
    ("chat.reply_before_offline", "release_before_reply"),
    ("chat.login_with_last_token", "test_inverted"),
    ("chat.issued_token_works", "token_overwritten"),
    ("chat.own_items_alone", "client_state_kept"),
    ("chat.pool_conserved", "null_connection_returned"),
    ("chat.destroyed_unguarded", "destroyed_while_locked"),
    ("chat.no_wait_cycle", "non_reentrant"),
    ("chat.heard_is_kept", "wall_clock_heartbeat"),
    ("chat.nothing_immortal", "presence_without_expiry"),
    ("chat.login_ends", "kick_without_deadline"),
    ("chat.login_succeeds", "null_connection_returned"),
    ("chat.release_is_true", "empty_release_succeeds"),
    ("chat.locks_of_users", "lock_of_no_user"),
    ("chat.patient_retries", "spins_every_millisecond"),
    ("chat.busy_is_true", "no_reply_is_busy_at_the_lock"),
];

/// A shipped scenario of a system.
fn load<S: System>(file: &str) -> Scenario {
    let path = format!("scenarios/{}/{file}.toml", S::NAME);
    let text = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)).expect("it is shipped");
    let loaded = scenario::load_all(&path, &text, &Picks::default(), &[SystemDescription::of::<S>()]);
    loaded.unwrap_or_else(|wrong| panic!("{wrong}")).swap_remove(0)
}

/// What this seed breaks.
fn broken<S: System>(scenario: &Scenario, seed: u64) -> Option<String> {
    let resolved = scenario::resolve::<S>(scenario, Seed(seed)).expect("options that stand together");
    match World::new(&resolved.system, &resolved.options, Seed(seed)).run().outcome {
        Outcome::Passed => None,
        Outcome::Violated(violation) | Outcome::Stalled(violation) => Some(violation.invariant),
        other => Some(other.name().to_owned()),
    }
}

/// What is wrong with a row: the bug does not fire the invariant, or something fires without the bug.
fn wrong<S: System>(invariant: &str, file: &str) -> Option<String> {
    let scenario = load::<S>(&format!("bugs/{file}"));
    let alone = Scenario { invariants: vec![invariant.to_owned()], ..scenario.clone() };
    let seeds = scenario.seed_count().max(SEEDS);
    let Some(found) = (0..seeds).find(|seed| broken::<S>(&alone, *seed).as_deref() == Some(invariant)) else {
        return Some(format!("{file}: {invariant} does not fire in {seeds} seeds"));
    };
    let twin = scenario.twin().expect("a known bug has a twin");
    let told = (0..=found).find_map(|seed| broken::<S>(&twin, seed))?;
    Some(format!("{file}: its twin breaks {told}"))
}

fn check<S: System>(rows: &[(&str, &str)], is_own: impl Fn(&str) -> bool) {
    let listed: BTreeSet<String> = rows.iter().map(|(invariant, _)| (*invariant).to_owned()).collect();
    let all = S::Invariants::GROUPS.named(S::NAME).into_iter().map(|one| one.name.into_owned());
    let own: BTreeSet<String> = all.filter(|name| is_own(name)).collect();
    assert_eq!(listed, own, "each invariant of {} has a row", S::NAME);
    let wrong: Vec<String> = rows.iter().filter_map(|(invariant, file)| wrong::<S>(invariant, file)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_invariant_of_raft_is_fired_by_a_known_bug_alone() {
    check::<Raft>(RAFT, |_| true);
}

#[test]
fn each_invariant_of_the_sessions_is_fired_by_a_known_bug_alone() {
    check::<Sessions>(SESSION, |name| name.starts_with("session."));
}

#[test]
fn each_invariant_of_the_locks_is_fired_by_a_known_bug_alone() {
    check::<Lock>(LOCK, |_| true);
}

#[test]
fn each_invariant_of_the_chat_is_fired_by_a_known_bug_alone() {
    check::<Chat>(CHAT, |name| name.starts_with("chat."));
}

/// Whether a run of this swarm has one digest with all invariants and with none.
fn leaves_no_trace<S: System>(swarm: &str) {
    let scenario = load::<S>(swarm);
    let resolved = scenario::resolve::<S>(&scenario, Seed(7)).expect("options that stand together");
    let mut unwatched = resolved.options.clone();
    unwatched.invariants = InvariantSet::NONE;
    let watched = World::new(&resolved.system, &resolved.options, Seed(7)).run();
    assert_eq!(watched.outcome, Outcome::Passed, "{swarm}");
    assert!(watched.evaluated.iter().any(|times| *times > 0), "{swarm} is watched");
    assert_eq!(watched.digest, World::new(&resolved.system, &unwatched, Seed(7)).run().digest, "{swarm}");
}

#[test]
fn invariants_leave_no_trace_in_a_run() {
    leaves_no_trace::<Raft>("swarm_kv_membership");
    leaves_no_trace::<Sessions>("swarm_replicated_zbs");
    leaves_no_trace::<Lock>("swarm_failover");
    leaves_no_trace::<Chat>("swarm_chat");
    leaves_no_trace::<Reactor>("swarm");
}

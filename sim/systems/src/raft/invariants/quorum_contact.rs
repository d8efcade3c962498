//! Quorum contact (Raft thesis §6.2; etcd `CheckQuorum`, NuRaft `leadership_expiry`, hashicorp `LeaderLeaseTimeout`):
//! no server leads for longer than its bound without an answer from a quorum.
//!
//! Contact is an answer to an append that reached the leader, and its election. The bound is in the leader's own time;
//! deadlines are in true time, at the rate of its clock. While a server is paused, slow or its clock is disturbed it
//! promises nothing: the bound starts over with each fault. Options without a check of the quorum promise nothing.

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::raft::facts::{ConfigurationFacts, Fact};
use crate::raft::ids::{ServerSet, Term};

use super::frame::{Frame, Membership, slot};
use super::index::QUORUM_CONTACT;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "quorum_contact",
    doc: "No server leads for longer than check_quorum.timeout allows without an answer from a quorum.",
    source: "Raft thesis §6.2; etcd CheckQuorum, NuRaft leadership_expiry",
    kind: InvariantKind::Safety,
    sight: Sight::BlackBox,
};

/// For the order of events at one instant: a leader that steps down just when its bound is over is in time.
const SLACK: Duration = Duration::from_millis(1);

/// When each leader last heard from each follower, and until when it may go on.
///
/// - `next` is the least of `due`.
/// - `due` is a lower bound: contact moves it only when it has come.
#[derive(Clone, Debug)]
pub(super) struct Contacts {
    servers: usize,
    /// By slot of the leader, then of the follower.
    heard_at: Vec<Instant>,
    leaders: Vec<Leader>,
    next: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Leader {
    term: Term,
    /// Since when it has led undisturbed.
    since: Instant,
    due: Instant,
    /// Those that it needs a quorum of.
    configuration: ConfigurationFacts,
    /// Whether it leads, and how long it may without contact is bounded.
    leads: bool,
}

/// How a leader's world looks at a deadline.
pub(super) trait Clocks {
    /// How much true time this much of the server's own takes.
    fn true_span(&self, server: NodeId, local: Duration) -> Duration;
    /// Whether the server runs at full speed, by clocks that go.
    fn is_lively(&self, server: NodeId) -> bool;
}

impl Contacts {
    pub(super) fn new(servers: usize) -> Self {
        let configuration = ConfigurationFacts::default();
        let (term, since, due) = (Term::ZERO, Instant::ZERO, Instant::MAX);
        let nobody = Leader { term, since, due, configuration, leads: false };
        Self {
            servers,
            heard_at: vec![Instant::ZERO; servers * servers],
            leaders: vec![nobody; servers],
            next: Instant::MAX,
        }
    }

    /// When [`Contacts::on_deadline`] wants to be called.
    #[inline]
    pub(super) const fn deadline(&self) -> Instant {
        self.next
    }

    /// An answer to an append reaches a server.
    #[inline(always)]
    pub(super) fn hear(&mut self, frame: &Frame, leader: NodeId, follower: NodeId, accepted: bool, now: Instant) {
        let counts = accepted || !frame.rules(leader).accepted_only;
        if counts && frame.watches(follower) {
            self.heard_at[slot(leader) * self.servers + slot(follower)] = now;
        }
    }

    /// A server is elected, by the voters of this configuration: that is contact with everybody.
    pub(super) fn elect(
        &mut self,
        frame: &Frame,
        leader: NodeId,
        (term, configuration): (Term, Fact<ConfigurationFacts>),
        now: Instant,
        clocks: &impl Clocks,
    ) {
        let is_promised = frame.membership != Membership::Changing && frame.rules(leader).contact_bound.is_some();
        let Some(configuration) = configuration.filter(|_| is_promised) else { return };
        let start = slot(leader) * self.servers;
        self.heard_at[start..start + self.servers].fill(now);
        let due = Self::due_unless_spared(frame, leader, configuration, now, clocks);
        self.leaders[slot(leader)] = Leader { term, since: now, due, configuration, leads: true };
        self.update_deadline();
    }

    /// A server goes by another configuration. Its quorum was that of the one before until now, so the bound starts
    /// over, as at its election.
    pub(super) fn reconfigure(
        &mut self,
        frame: &Frame,
        leader: NodeId,
        configuration: ConfigurationFacts,
        now: Instant,
        clocks: &impl Clocks,
    ) {
        let entry = &mut self.leaders[slot(leader)];
        let before = std::mem::replace(&mut entry.configuration, configuration);
        if !entry.leads || before == configuration {
            return;
        }
        entry.since = now;
        entry.due = Self::due_unless_spared(frame, leader, configuration, now, clocks);
        self.update_deadline();
    }

    /// A server no longer leads: it stepped down or its process ended.
    pub(super) fn on_leadership_lost(&mut self, leader: NodeId) {
        self.leaders[slot(leader)].leads = false;
        self.leaders[slot(leader)].due = Instant::MAX;
        self.update_deadline();
    }

    /// A fault began or ended: what it did to a leader's process or clock is forgiven.
    pub(super) fn on_world_changed(&mut self, frame: &Frame, now: Instant, clocks: &impl Clocks) {
        for server in frame.servers() {
            if self.leaders[slot(server)].due != Instant::MAX {
                self.leaders[slot(server)].since = now;
                self.leaders[slot(server)].due = Self::due(frame, server, now, clocks);
            }
        }
        self.update_deadline();
    }

    /// Some leader's time may be over.
    pub(super) fn on_deadline(&mut self, frame: &Frame, now: Instant, clocks: &impl Clocks, findings: &mut Findings) {
        for server in frame.servers() {
            if self.leaders[slot(server)].due <= now {
                self.judge(frame, server, now, clocks, findings);
            }
        }
        self.update_deadline();
    }

    fn judge(&mut self, frame: &Frame, leader: NodeId, now: Instant, clocks: &impl Clocks, findings: &mut Findings) {
        let contact = self.quorum_heard_at(frame, leader, now);
        let entry = &mut self.leaders[slot(leader)];
        if !clocks.is_lively(leader) {
            entry.since = now;
        }
        let due = Self::due(frame, leader, contact.max(entry.since), clocks);
        let (term, holds) = (entry.term, due > now);
        entry.due = if holds { due } else { Instant::MAX };
        findings.check(QUORUM_CONTACT, Some(leader), holds, || {
            let bound = frame.rules(leader).contact_bound.unwrap_or(Duration::MAX);
            format!(
                "a quorum last answered {leader} at {contact}; it still leads term {term} at {now}, \
                 more than {bound} of its time later"
            )
        });
    }

    fn due(frame: &Frame, leader: NodeId, contact: Instant, clocks: &impl Clocks) -> Instant {
        let bound = frame.rules(leader).contact_bound.unwrap_or(Duration::MAX);
        contact.saturating_add(clocks.true_span(leader, bound)).saturating_add(SLACK)
    }

    fn due_unless_spared(
        frame: &Frame,
        leader: NodeId,
        configuration: ConfigurationFacts,
        contact: Instant,
        clocks: &impl Clocks,
    ) -> Instant {
        let is_spared = Self::is_spared(frame, leader, configuration);
        if is_spared { Instant::MAX } else { Self::due(frame, leader, contact, clocks) }
    }

    /// Whether it needs no contact: it is a quorum by itself, or stays because a quorum is all voters.
    fn is_spared(frame: &Frame, leader: NodeId, configuration: ConfigurationFacts) -> bool {
        let rules = frame.rules(leader);
        let is_all = |half: ServerSet| rules.spares_full && rules.commit_quorum.of(half.len()) >= half.len();
        configuration.halves().all(|half| Self::others_needed(frame, leader, half) == 0)
            || configuration.halves().all(is_all)
    }

    /// How many of these voters beside the leader make a quorum.
    fn others_needed(frame: &Frame, leader: NodeId, voters: ServerSet) -> usize {
        let own = usize::from(voters.contains(leader));
        frame.rules(leader).commit_quorum.of(voters.len()).saturating_sub(own)
    }

    /// When the leader last had contact with a quorum of each set of voters; for ever now if it needs none.
    fn quorum_heard_at(&self, frame: &Frame, leader: NodeId, now: Instant) -> Instant {
        let configuration = self.leaders[slot(leader)].configuration;
        if Self::is_spared(frame, leader, configuration) {
            return now;
        }
        configuration.halves().map(|half| self.heard_of(frame, leader, half, now)).min().unwrap_or(now)
    }

    fn heard_of(&self, frame: &Frame, leader: NodeId, voters: ServerSet, now: Instant) -> Instant {
        let needed = Self::others_needed(frame, leader, voters);
        let voters: ServerSet = voters.without(leader);
        let heard = &self.heard_at[slot(leader) * self.servers..];
        let mut times = [Instant::ZERO; NodeId::COUNT_MAX as usize];
        for (time, voter) in times.iter_mut().zip(voters.iter()) {
            *time = heard[slot(voter)];
        }
        let times = &mut times[..voters.len()];
        times.sort_unstable_by(|a, b| b.cmp(a));
        needed.checked_sub(1).map_or(now, |at| times.get(at).copied().unwrap_or(Instant::ZERO))
    }

    fn update_deadline(&mut self) {
        self.next = self.leaders.iter().map(|leader| leader.due).min().unwrap_or(Instant::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all_on, broken, frame, millis, s};
    use super::*;
    use crate::raft::presets;

    struct Perfect;

    impl Clocks for Perfect {
        fn true_span(&self, _server: NodeId, local: Duration) -> Duration {
            local
        }

        fn is_lively(&self, _server: NodeId) -> bool {
            true
        }
    }

    struct Paused;

    impl Clocks for Paused {
        fn true_span(&self, _server: NodeId, local: Duration) -> Duration {
            local
        }

        fn is_lively(&self, _server: NodeId) -> bool {
            false
        }
    }

    struct Slow;

    impl Clocks for Slow {
        fn true_span(&self, _server: NodeId, local: Duration) -> Duration {
            local.saturating_mul(2)
        }

        fn is_lively(&self, _server: NodeId) -> bool {
            true
        }
    }

    /// `s1` is elected in term 3 by the voters of the scenario.
    fn elect(contacts: &mut Contacts, frame: &Frame, now: Instant, clocks: &impl Clocks) {
        contacts.elect(frame, s(1), (Term(3), frame.configuration_at(None)), now, clocks);
    }

    fn configuration(voters: &[u16], outgoing: &[u16]) -> ConfigurationFacts {
        let set = |servers: &[u16]| servers.iter().map(|server| s(*server)).collect();
        ConfigurationFacts { voters: set(voters), outgoing: set(outgoing), learners: ServerSet::EMPTY }
    }

    /// etcd: two windows of a second.
    fn elected() -> (Frame, Contacts, Findings) {
        let frame = frame(5, presets::etcd());
        let mut contacts = Contacts::new(5);
        elect(&mut contacts, &frame, millis(100), &Perfect);
        (frame, contacts, all_on())
    }

    #[test]
    fn a_leader_in_contact_goes_on() {
        let (frame, mut contacts, mut findings) = elected();
        assert_eq!(contacts.deadline(), millis(2_101));
        contacts.hear(&frame, s(1), s(2), true, millis(1_500));
        contacts.hear(&frame, s(1), s(5), true, millis(1_900));
        contacts.on_deadline(&frame, millis(2_101), &Perfect, &mut findings);
        assert!(!findings.is_broken());
        assert_eq!(contacts.deadline(), millis(3_501), "the older of the two contacts decides");
    }

    #[test]
    fn a_leader_that_only_a_minority_answers_is_found() {
        let (frame, mut contacts, mut findings) = elected();
        contacts.hear(&frame, s(1), s(2), true, millis(2_000));
        contacts.on_deadline(&frame, millis(2_101), &Perfect, &mut findings);
        let facts = "a quorum last answered s1 at 0.100000s; it still leads term 3 at 2.101000s, \
                     more than 2s of its time later";
        assert_eq!(broken(&findings), (QUORUM_CONTACT, facts));
    }

    #[test]
    fn a_leader_that_stepped_down_in_time_is_not_asked() {
        let (_, mut contacts, _) = elected();
        contacts.on_leadership_lost(s(1));
        assert_eq!(contacts.deadline(), Instant::MAX);
    }

    #[test]
    fn rejections_are_no_contact_where_only_acceptance_is() {
        let mut findings = all_on();
        let frame = frame(3, presets::nuraft());
        let mut contacts = Contacts::new(3);
        elect(&mut contacts, &frame, millis(0), &Perfect);
        contacts.hear(&frame, s(1), s(2), false, millis(2_000));
        contacts.on_deadline(&frame, contacts.deadline(), &Perfect, &mut findings);
        assert!(findings.is_broken());
    }

    #[test]
    fn a_pause_starts_the_bound_over_and_a_slow_clock_stretches_it() {
        let (frame, mut contacts, mut findings) = elected();
        contacts.on_world_changed(&frame, millis(1_000), &Perfect);
        assert_eq!(contacts.deadline(), millis(3_001));
        contacts.on_deadline(&frame, millis(3_001), &Paused, &mut findings);
        assert!(!findings.is_broken(), "a paused leader cannot step down");
        contacts.on_world_changed(&frame, millis(4_000), &Slow);
        assert_eq!(contacts.deadline(), millis(8_001));
    }

    #[test]
    fn without_a_check_nothing_is_promised() {
        let mut contacts = Contacts::new(5);
        elect(&mut contacts, &frame(5, presets::paper()), millis(100), &Perfect);
        assert_eq!(contacts.deadline(), Instant::MAX);
        // NuRaft spares a leader whose quorum is everybody, and one server needs nobody else.
        let mut contacts = Contacts::new(2);
        elect(&mut contacts, &frame(2, presets::nuraft()), millis(100), &Perfect);
        assert_eq!(contacts.deadline(), Instant::MAX);
        let alone = presets::nuraft().with(|o| o.check_quorum.spares_full = false);
        elect(&mut contacts, &frame(1, alone), millis(100), &Perfect);
        assert_eq!(contacts.deadline(), Instant::MAX);
        let changing = Frame { membership: Membership::Changing, ..frame(5, presets::etcd()) };
        elect(&mut contacts, &changing, millis(100), &Perfect);
        assert_eq!(contacts.deadline(), Instant::MAX);
    }

    #[test]
    fn after_a_change_a_quorum_of_the_new_voters_is_needed() {
        let frame = frame(5, presets::etcd());
        let judged = |heard: &[u16], voters: &[u16], outgoing: &[u16]| {
            let (mut contacts, mut findings) = (Contacts::new(5), all_on());
            contacts.elect(&frame, s(1), (Term(3), Some(configuration(&[1, 2, 3], &[]))), millis(100), &Perfect);
            contacts.reconfigure(&frame, s(1), configuration(voters, outgoing), millis(200), &Perfect);
            heard.iter().for_each(|follower| contacts.hear(&frame, s(1), s(*follower), true, millis(2_000)));
            contacts.on_deadline(&frame, millis(2_101), &Perfect, &mut findings);
            assert!(!findings.is_broken(), "the bound started over");
            contacts.on_deadline(&frame, millis(2_201), &Perfect, &mut findings);
            findings.is_broken()
        };
        assert!(!judged(&[4, 5], &[1, 4, 5], &[]));
        assert!(judged(&[2, 3], &[1, 4, 5], &[]));
        assert!(!judged(&[2, 4], &[1, 4, 5], &[1, 2, 3]));
        assert!(judged(&[2, 3], &[1, 4, 5], &[1, 2, 3]), "a joint change needs both");
        assert!(judged(&[4, 5], &[1, 4, 5], &[1, 2, 3]));
    }

    #[test]
    fn a_leader_that_was_alone_needs_the_others_once_they_vote() {
        let frame = frame(3, presets::etcd());
        let (mut contacts, mut findings) = (Contacts::new(3), all_on());
        contacts.elect(&frame, s(1), (Term(3), Some(configuration(&[1], &[]))), millis(100), &Perfect);
        assert_eq!(contacts.deadline(), Instant::MAX);
        contacts.reconfigure(&frame, s(1), configuration(&[1, 2], &[]), millis(500), &Perfect);
        assert_eq!(contacts.deadline(), millis(2_501));
        contacts.on_deadline(&frame, millis(2_501), &Perfect, &mut findings);
        assert!(findings.is_broken());
    }
}

//! What must hold.
//!
//! SWIM promises that a failed process is found out by every other one (completeness), within a time that is known
//! in advance. It does not promise that whoever is declared down has failed (accuracy): what it has for that is a
//! suspicion that can be refuted. So no member has to be right about another one while something is done to the
//! cluster; once nothing is, everyone must come to know who runs and who does not.
//!
//! Who runs, under which identity, and which links are cut is taken from the world and from the packets. What members
//! believe is never the measure, but what is measured.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain::kernel::prelude::*;

use super::member::Member;
use super::options::{Join, SwimOptions};
use super::system::addresses;
use super::wire::{Identity, Observed, Packet};
use crate::listed::{liveness, safety};

invariant_list! {
    ONE_PROCESS_PER_IDENTITY = safety(
        "one_process_per_identity",
        "No two processes ever speak as one identity.",
        "foca, `Identity`: members must not share one",
        Sight::BlackBox,
    ),
    INCARNATION_NEVER_FALLS = safety(
        "incarnation_never_falls",
        "The incarnation that an identity speaks with never falls.",
        "SWIM (DSN 2002) 4.2",
        Sight::BlackBox,
    ),
    RENEWS_ONCE_TOLD = safety(
        "renews_once_told",
        "An identity that has received word that it is down says nothing any more.",
        "SWIM 4.2: confirmed is final",
        Sight::BlackBox,
    ),
    NO_INTERNAL_ERROR = safety(
        "no_internal_error",
        "The library returns none of the errors that must not happen.",
        "foca, `Error`",
        Sight::WhiteBox,
    ),
    TELLS_THE_DOWN_ALONE = safety(
        "tells_the_down_alone",
        "A member that sends another one word that it is down does not take it for active.",
        "foca, `Message::TurnUndead`",
        Sight::WhiteBox,
    ),
    FAILED_IS_DETECTED = liveness(
        "failed_is_detected",
        "Once nothing interferes, no member takes a process that is down for active.",
        "SWIM 3.1 and 4.3, time-bounded completeness",
        Sight::WhiteBox,
    ),
    RUNNING_IS_KNOWN = liveness(
        "running_is_known",
        "Once nothing interferes, each member takes each process that runs for active.",
        "foca, `Config::periodic_announce_to_down_members`",
        Sight::WhiteBox,
    ),
}

/// The invariants, with all that they have seen.
#[derive(Clone, Debug)]
pub struct SwimInvariants {
    bounds: Bounds,
    members: u16,
    /// Processes that have started at each address.
    processes: BTreeMap<NodeId, u32>,
    /// The identity that each address has: the one that it took or spoke as last.
    current: BTreeMap<NodeId, Identity>,
    /// When each address took its identity.
    taken: BTreeMap<NodeId, Instant>,
    /// The process that speaks as an identity, and the incarnation that it has reached.
    identities: BTreeMap<Identity, (u32, u16)>,
    /// Identities that have received word that they are down.
    told: BTreeSet<Identity>,
    /// When it is judged next whether the failed are found out, and whether those that run are known.
    due: Due,
    false_downs: u64,
    renewals: u64,
}

/// How long members have after the last thing that was done to the cluster.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    detected: Duration,
    /// `None` if whoever was declared down has no way back.
    known: Option<Duration>,
    /// How often it is judged after that.
    again: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    detected: Instant,
    known: Instant,
}

impl SwimInvariants {
    pub(super) fn new(setup: &Setup<SwimOptions>) -> Self {
        let members = addresses(setup);
        let options: Vec<&SwimOptions> = setup.options.all().collect();
        Self {
            bounds: Bounds::of(&options, members),
            members,
            processes: BTreeMap::new(),
            current: BTreeMap::new(),
            taken: BTreeMap::new(),
            identities: BTreeMap::new(),
            told: BTreeSet::new(),
            due: Due { detected: Instant::MAX, known: Instant::MAX },
            false_downs: 0,
            renewals: 0,
        }
    }

    pub(super) fn gauges(&self) -> Vec<u64> {
        vec![self.false_downs, self.renewals]
    }

    fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.members).map(NodeId::server)
    }

    /// Something was done to the cluster: members have their time from now on.
    fn disturbed(&mut self, now: Instant) {
        self.due.detected = now.saturating_add(self.bounds.detected);
        self.due.known = self.bounds.known.map_or(Instant::MAX, |known| now.saturating_add(known));
    }

    fn on_sent(&mut self, node: NodeId, packet: &Packet, findings: &mut Findings) {
        let (source, incarnation) = (packet.header.src, packet.header.src_incarnation);
        let process = self.processes.get(&node).copied().unwrap_or_default();
        self.current.insert(node, source);
        let (of, reached) = *self.identities.entry(source).or_insert((process, incarnation));
        findings.check(index::ONE_PROCESS_PER_IDENTITY, Some(node), source.node == node && of == process, || {
            format!("process {process} of {node} speaks as {source}, which is process {of}")
        });
        findings.check(index::INCARNATION_NEVER_FALLS, Some(node), incarnation >= reached, || {
            format!("{source} is at incarnation {incarnation}, and was at {reached} before")
        });
        self.identities.insert(source, (of, reached.max(incarnation)));
        findings.check(index::RENEWS_ONCE_TOLD, Some(node), !self.told.contains(&source), || {
            format!("{node} sends as {source}, and has received word that {source} is down")
        });
    }

    fn on_packet(&mut self, view: impl View<Member>, node: NodeId, packet: &Packet, findings: &mut Findings) {
        self.on_sent(node, packet, findings);
        if packet.tells_down() {
            let target = packet.header.dst;
            let mut active = view.node(node).and_then(Member::active).into_iter().flatten();
            findings.check(index::TELLS_THE_DOWN_ALONE, Some(node), active.all(|member| member != target), || {
                format!("{node} tells {target} that it is down, and takes it for active")
            });
        }
    }

    /// A member notes this one as down. That is false if both run unhampered and can speak with a majority.
    fn on_noted(&mut self, view: impl View<Member>, node: NodeId, member: Identity) {
        let reached = |node| self.nodes().filter(|peer| *peer == node || view.is_paired(*peer, node)).count();
        let is_well = |node| view.is_lively(node) && 2 * reached(node) > usize::from(self.members);
        let is_current = self.current.get(&member.node) == Some(&member);
        self.false_downs += u64::from(is_current && is_well(node) && is_well(member.node));
    }

    /// No member takes one that is down for active.
    fn judge_detected(&self, beliefs: &Beliefs, findings: &mut Findings) {
        for (node, active) in beliefs.of.iter().filter_map(|(node, active)| Some((node, active.as_ref()?))) {
            for member in active {
                findings.check(index::FAILED_IS_DETECTED, Some(*node), beliefs.of.contains_key(&member.node), || {
                    let within = self.bounds.detected;
                    format!("{node} takes {member} for active, which has been down for {within} at least")
                });
            }
        }
    }

    fn on_identity(&mut self, node: NodeId, identity: Identity, now: Instant) {
        self.current.insert(node, identity);
        self.taken.insert(node, now);
    }

    /// Whoever runs is known by everybody, under the identity that it has. The library renews identities in a cluster
    /// with which nothing is wrong too (a probe is lost): the others have a while to hear of one.
    fn judge_known(&self, beliefs: &Beliefs, now: Instant, findings: &mut Findings) {
        let is_new = |peer| self.taken.get(peer).is_some_and(|at| at.saturating_add(self.bounds.again) > now);
        for (node, active) in &beliefs.of {
            for peer in beliefs.of.keys().filter(|peer| *peer != node && !is_new(*peer)) {
                let identity = self.current.get(peer);
                let knows = |identity| active.as_ref().is_some_and(|active| active.contains(identity));
                findings.check(index::RUNNING_IS_KNOWN, Some(*node), identity.is_some_and(knows), || {
                    let name = identity.map_or_else(|| peer.to_string(), Identity::to_string);
                    let active: Vec<String> = active.iter().flatten().map(Identity::to_string).collect();
                    format!("{node} does not take {name} for active, but: {}", active.join(", "))
                });
            }
        }
    }
}

/// What the members that run take for active; `None` for one that has not joined.
#[derive(Clone, Debug)]
struct Beliefs {
    of: BTreeMap<NodeId, Option<BTreeSet<Identity>>>,
}

impl Beliefs {
    fn of(view: impl View<Member>, up: &[NodeId]) -> Self {
        let active = |node| view.node(node).and_then(Member::active).map(Iterator::collect);
        Self { of: up.iter().map(|node| (*node, active(*node))).collect() }
    }
}

/// The members of which more can be demanded than that they survive: they run unhampered, and no link between two that
/// run is disturbed. `None` if that is not so for each one that runs.
fn undisturbed(
    up: Vec<NodeId>,
    is_lively: impl Fn(NodeId) -> bool,
    is_paired: impl Fn(NodeId, NodeId) -> bool,
) -> Option<Vec<NodeId>> {
    let is_free = |node: NodeId| is_lively(node) && up.iter().all(|peer| *peer == node || is_paired(node, *peer));
    up.iter().all(|node| is_free(*node)).then_some(up)
}

impl Bounds {
    /// For members with these options: each bound is that of the slowest one.
    fn of(options: &[&SwimOptions], members: u16) -> Self {
        let most = |of: fn(&SwimOptions) -> Duration| options.iter().map(|it| of(it)).max().unwrap_or_default();
        let detected = options.iter().map(|it| it.detection_within(members)).max().unwrap_or_default();
        // What was under way first comes to its end. Then each side of what was a partition asks two of those that it
        // takes for down; these ask back, renew themselves and spread, and whoever still misses one asks another for
        // all. Members that announce themselves to those whom they miss are faster.
        let known = detected
            .saturating_mul(2)
            .saturating_add(most(|it| it.announce_to_down_every).saturating_mul(2))
            .saturating_add(most(|it| it.announce_every));
        // A member that is forgotten by one and remembered by another has a way back only if it announces itself.
        let has_way_back =
            |it: &&SwimOptions| it.periodic && it.notify_down && (it.remove_down > known || it.join == Join::Missing);
        Self {
            detected: detected.saturating_mul(2),
            known: options.iter().all(has_way_back).then_some(known),
            again: detected,
        }
    }
}

impl Invariants<Member> for SwimInvariants {
    const LIST: &'static [InvariantInfo] = LIST;

    fn on_start(&mut self, view: impl View<Member>, node: NodeId, _: &mut Findings) {
        *self.processes.entry(node).or_default() += 1;
        self.disturbed(view.now());
    }

    fn on_down(&mut self, view: impl View<Member>, _: NodeId, _: &mut Findings) {
        self.disturbed(view.now());
    }

    fn on_fault(&mut self, view: impl View<Member>, _: &Fault, _: FaultChange, _: &mut Findings) {
        self.disturbed(view.now());
    }

    fn on_settle(&mut self, view: impl View<Member>, _: &mut Findings) {
        self.disturbed(view.now());
    }

    fn on_input(&mut self, _: impl View<Member>, _: NodeId, input: Input<'_, Member>, _: &mut Findings) {
        if let Input::Message(_, packet) = input
            && packet.tells_down()
        {
            self.told.insert(packet.header.dst);
        }
    }

    fn on_effect(
        &mut self,
        view: impl View<Member>,
        node: NodeId,
        effect: EffectRef<'_, Member>,
        findings: &mut Findings,
    ) {
        match effect {
            EffectRef::Send { message, .. } => self.on_packet(view, node, message, findings),
            EffectRef::Observe(Observed::Down { member }) => self.on_noted(view, node, *member),
            EffectRef::Observe(Observed::Made { identity }) => self.on_identity(node, *identity, view.now()),
            EffectRef::Observe(Observed::Renewed { identity }) => {
                self.on_identity(node, *identity, view.now());
                self.renewals += 1;
            }
            _ => {}
        }
    }

    fn on_step(&mut self, view: impl View<Member>, node: NodeId, findings: &mut Findings) {
        let failure = view.node(node).and_then(Member::failure);
        findings
            .check(index::NO_INTERNAL_ERROR, Some(node), failure.is_none(), || failure.unwrap_or_default().to_owned());
    }

    fn deadline(&self) -> Instant {
        self.due.detected.min(self.due.known)
    }

    fn on_deadline(&mut self, view: impl View<Member>, findings: &mut Findings) {
        let (now, again) = (view.now(), view.now().saturating_add(self.bounds.again));
        let up: Vec<NodeId> = self.nodes().filter(|node| view.is_up(*node)).collect();
        let up = undisturbed(up, |node| view.is_lively(node), |node, peer| view.is_paired(node, peer));
        let beliefs = up.map(|up| Beliefs::of(view, &up));
        if self.due.detected <= now {
            self.due.detected = again;
            beliefs.iter().for_each(|beliefs| self.judge_detected(beliefs, findings));
        }
        if self.due.known <= now {
            self.due.known = again;
            beliefs.iter().for_each(|beliefs| self.judge_known(beliefs, now, findings));
        }
    }
}

#[cfg(test)]
mod tests;

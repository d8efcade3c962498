//! Which configuration each server ought to go by: worked out from what its log has, never from what it goes by.
//!
//! Every configuration that was ever written to a log is remembered by the name of its entry. A server's own are those
//! whose entries its log has; where a snapshot covers the place, the one that was applied there. The last of them is in
//! force, or with `membership.configuration_at = "commit"` the last that is committed: by what the server has
//! committed, or because another one follows it in the log. A server that goes by what it has applied goes by the last
//! of those.

use std::collections::BTreeMap;

use splitbrain_kernel::id::NodeId;

use crate::raft::facts::{ConfigurationFacts, Held, RaftFacts};
use crate::raft::ids::{Index, Position, ServerSet, Term};

use super::frame::{InForce, slot};

/// All configurations of the run, and how far each server has come.
#[derive(Clone, Debug)]
pub(super) struct Configurations {
    initial: ConfigurationFacts,
    written: BTreeMap<(Index, Term), ConfigurationFacts>,
    applied: BTreeMap<Index, ConfigurationFacts>,
    /// The last place of which any server has applied the entry: what was written up to there and was not applied is in
    /// no log that counts.
    applied_to: Index,
    /// By slot: the one that was last in force.
    current: Vec<ConfigurationFacts>,
    /// By slot: the last place that the server has committed since its start.
    committed: Vec<Index>,
    /// By slot: the last place since its start of which a configuration that followed showed that it is committed.
    certain: Vec<Index>,
    /// By slot: the last configuration that the server has applied since its start, or the end of a snapshot.
    applied_by: Vec<Index>,
}

/// A configuration, and the place of its entry; [`Index::ZERO`] for the one of the scenario.
pub(super) type Placed = (Index, ConfigurationFacts);

impl Configurations {
    pub(super) fn new(initial: ConfigurationFacts, servers: usize) -> Self {
        Self {
            initial,
            written: BTreeMap::new(),
            applied: BTreeMap::new(),
            applied_to: Index::ZERO,
            current: vec![initial; servers],
            committed: vec![Index::ZERO; servers],
            certain: vec![Index::ZERO; servers],
            applied_by: vec![Index::ZERO; servers],
        }
    }

    /// Whether no configuration was ever written: all go by that of the scenario.
    #[inline]
    pub(super) fn are_initial(&self) -> bool {
        self.written.is_empty()
    }

    /// A server's process starts.
    pub(super) fn restart(&mut self, server: NodeId) {
        self.committed[slot(server)] = Index::ZERO;
        self.certain[slot(server)] = Index::ZERO;
        self.applied_by[slot(server)] = Index::ZERO;
    }

    /// A server knows that everything up to here is committed.
    #[inline]
    pub(super) fn commit(&mut self, server: NodeId, index: Index) {
        let known = &mut self.committed[slot(server)];
        *known = index.max(*known);
    }

    /// This one is in force for a server now. Returns the members that were none before.
    pub(super) fn enter(&mut self, server: NodeId, configuration: ConfigurationFacts) -> ServerSet {
        let before = std::mem::replace(&mut self.current[slot(server)], configuration);
        configuration.members().minus(before.members())
    }

    /// The last place that a server has committed since its start.
    pub(super) fn committed(&self, server: NodeId) -> Index {
        self.committed[slot(server)]
    }

    /// A server applies an entry that brings a configuration.
    pub(super) fn apply(&mut self, server: NodeId, index: Index, configuration: ConfigurationFacts) {
        self.applied.entry(index).or_insert(configuration);
        self.reach(index);
        self.apply_up_to(server, index);
    }

    /// Some server applies the entry of this place, whatever it brings.
    #[inline]
    pub(super) fn reach(&mut self, index: Index) {
        self.applied_to = self.applied_to.max(index);
    }

    /// A server has applied everything up to here, or has a snapshot of it.
    pub(super) fn apply_up_to(&mut self, server: NodeId, index: Index) {
        let known = &mut self.applied_by[slot(server)];
        *known = index.max(*known);
    }

    /// A server writes an entry that brings a configuration to its log. Returns the one before it there.
    pub(super) fn write<N: RaftFacts>(
        &mut self,
        server: NodeId,
        node: Option<&N>,
        at: Position,
        configuration: ConfigurationFacts,
    ) -> Placed {
        let before = self.last_before(node, at.index);
        self.written.insert((at.index, at.term), configuration);
        let certain = &mut self.certain[slot(server)];
        *certain = before.0.max(*certain);
        before
    }

    /// The last one of a server's log before this place.
    pub(super) fn last_before<N: RaftFacts>(&self, node: Option<&N>, index: Index) -> Placed {
        self.of_log(node).find(|(at, _)| *at < index).unwrap_or((Index::ZERO, self.initial))
    }

    /// A server has handled something: what its log shows to be committed stays so, if it is truncated later.
    pub(super) fn note_certain<N: RaftFacts>(&mut self, server: NodeId, node: Option<&N>) {
        let (_, before) = self.last_two(node);
        if let Some((index, _)) = before {
            let certain = &mut self.certain[slot(server)];
            *certain = index.max(*certain);
        }
    }

    /// The one that a server ought to go by.
    pub(super) fn in_force<N: RaftFacts>(&self, server: NodeId, node: Option<&N>, at: InForce) -> Placed {
        let initial = (Index::ZERO, self.initial);
        let (last, before) = self.last_two(node);
        match at {
            InForce::Append => last.unwrap_or(initial),
            InForce::Apply => {
                let applied = self.applied_by[slot(server)];
                self.of_log(node).find(|(index, _)| *index <= applied).unwrap_or(initial)
            }
            InForce::Commit => {
                let known = self.committed[slot(server)].max(self.certain[slot(server)]);
                let is_committed = |placed: &Placed| placed.0 <= known;
                last.filter(is_committed).or(before).unwrap_or(initial)
            }
        }
    }

    /// Who may campaign as this server: the voters of its last configuration, and of the one before while that may
    /// still be taken back (thesis §4.2.2). One that goes by what it has applied: the voters of that.
    pub(super) fn standing<N: RaftFacts>(&self, server: NodeId, node: Option<&N>, at: InForce) -> ServerSet {
        if at == InForce::Apply {
            return self.in_force(server, node, at).1.electors();
        }
        let (last, before) = self.last_two(node);
        let last = last.unwrap_or((Index::ZERO, self.initial));
        let known = self.committed[slot(server)].max(self.certain[slot(server)]);
        if last.0 <= known {
            return last.1.electors();
        }
        let before = before.unwrap_or((Index::ZERO, self.initial));
        last.1.electors().union(before.1.electors())
    }

    /// The last one that any server has applied, and whether no other can come into force: of those that were written
    /// and not applied, none is behind everything that was applied.
    pub(super) fn latest(&self) -> (Placed, bool) {
        let applied = self.applied.last_key_value().map(|(index, configuration)| (*index, *configuration));
        let placed = applied.unwrap_or((Index::ZERO, self.initial));
        let newest = self.written.last_key_value().map_or(Index::ZERO, |((index, _), _)| *index);
        (placed, newest <= self.applied_to)
    }

    fn last_two<N: RaftFacts>(&self, node: Option<&N>) -> (Option<Placed>, Option<Placed>) {
        let mut own = self.of_log(node);
        let last = own.next();
        let before = own.find(|(index, _)| last.is_some_and(|(at, _)| *index < at));
        (last, before)
    }

    /// Those of a server's log, from the last one back. Nobody knows what a process has that is down.
    fn of_log<'a, N: RaftFacts>(&'a self, node: Option<&'a N>) -> impl Iterator<Item = Placed> + 'a {
        let is_there = move |index: &Index, term: &Term, configuration: &ConfigurationFacts| match node
            .and_then(|node| node.has(*index))
            .unwrap_or(Held::Nothing)
        {
            Held::Entry(held) => held == *term,
            Held::Snapshot => self.applied.get(index) == Some(configuration),
            Held::Nothing => false,
        };
        self.written.iter().rev().filter_map(move |((index, term), configuration)| {
            is_there(index, term, configuration).then_some((*index, *configuration))
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use splitbrain_kernel::host::Host;
    use splitbrain_kernel::id::Cluster;
    use splitbrain_kernel::options::PerServer;
    use splitbrain_kernel::rng::Seed;
    use splitbrain_kernel::system::{Bounds, Setup, System};
    use splitbrain_kernel::time::Duration;

    use super::*;
    use crate::raft::configuration::Members;
    use crate::raft::message::{Append, Command, Entry, RaftMessage};
    use crate::raft::presets::paper;
    use crate::raft::{Raft, RaftNode};

    const S1: NodeId = NodeId::server(1);

    pub(in crate::raft::invariants) fn set(servers: &[u16]) -> ServerSet {
        servers.iter().map(|server| NodeId::server(*server)).collect()
    }

    pub(in crate::raft::invariants) fn voters(servers: &[u16]) -> ConfigurationFacts {
        ConfigurationFacts { voters: set(servers), ..ConfigurationFacts::default() }
    }

    const fn at(term: u64, index: u64) -> Position {
        Position { term: Term(term), index: Index(index) }
    }

    /// `s1`, a follower with this log: a term for each entry, with the voters that it brings.
    fn follower(log: &[(u64, &[u16])]) -> Host<RaftNode> {
        let bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(10) };
        let setup = Setup::new(Cluster::plain(3, 0), PerServer::same(paper()), bounds);
        let mut host = Host::of(&Raft::new(setup).expect("the options stand together"), S1, Seed(1));
        host.start();
        let entry = |(term, voters): &(u64, &[u16])| {
            let members = Members::of_voters(set(voters));
            let command = if voters.is_empty() { Command::Noop } else { Command::Members(Arc::new(members)) };
            Entry { term: Term(*term), command }
        };
        let entries = log.iter().map(entry).collect();
        let (term, previous, commit) = (Term(9), Position::ZERO, Index::ZERO);
        host.message(NodeId::server(2), RaftMessage::Append(Append { term, previous, commit, entries }));
        host
    }

    /// What was written by anyone: 2@1 brings four voters, 4@1 brings five, 4@2 brings three others.
    fn written() -> Configurations {
        let mut all = Configurations::new(voters(&[1, 2, 3]), 5);
        let s5 = NodeId::server(5);
        for (place, voted) in [(at(1, 2), &[1, 2, 3, 4][..]), (at(1, 4), &[1, 2, 3, 4, 5]), (at(2, 4), &[2, 3, 4])] {
            all.write::<RaftNode>(s5, None, place, voters(voted));
        }
        all
    }

    fn in_force(all: &Configurations, host: &Host<RaftNode>, when: InForce) -> u64 {
        all.in_force(S1, host.node(), when).0.0
    }

    const NONE: &[u16] = &[];

    #[test]
    fn the_last_configuration_of_the_log_counts_and_those_of_other_logs_do_not() {
        let all = written();
        let long = follower(&[(1, NONE), (1, &[1, 2, 3, 4]), (1, NONE), (2, &[2, 3, 4])]);
        assert_eq!(all.in_force(S1, long.node(), InForce::Append), (Index(4), voters(&[2, 3, 4])));
        let short = follower(&[(1, NONE), (1, &[1, 2, 3, 4]), (1, NONE)]);
        assert_eq!(in_force(&all, &short, InForce::Append), 2);
        assert_eq!(in_force(&all, &follower(&[(1, NONE)]), InForce::Append), 0);
        assert_eq!(all.last_before(long.node(), Index(4)).0, Index(2));
    }

    #[test]
    fn at_commit_the_last_one_waits_until_it_is_committed() {
        let mut all = written();
        let host = follower(&[(1, NONE), (1, &[1, 2, 3, 4]), (1, NONE), (2, &[2, 3, 4])]);
        assert_eq!(in_force(&all, &host, InForce::Commit), 2, "another one follows it");
        all.commit(S1, Index(4));
        assert_eq!(in_force(&all, &host, InForce::Commit), 4);
        all.restart(S1);
        assert_eq!(in_force(&all, &host, InForce::Commit), 2);
        all.note_certain(S1, host.node());
        let short = follower(&[(1, NONE), (1, &[1, 2, 3, 4])]);
        assert_eq!(in_force(&all, &short, InForce::Commit), 2, "what was certain stays so");
        all.restart(S1);
        assert_eq!(in_force(&all, &short, InForce::Commit), 0);
        all.write(S1, short.node(), at(1, 4), voters(&[1, 2, 3, 4, 5]));
        assert_eq!(in_force(&all, &short, InForce::Commit), 2, "certain, though the entry is truncated again");
    }

    #[test]
    fn at_apply_what_is_committed_counts_once_it_is_applied() {
        let mut all = written();
        let host = follower(&[(1, NONE), (1, &[1, 2, 3, 4]), (1, NONE), (2, &[2, 3, 4])]);
        all.commit(S1, Index(4));
        assert_eq!(in_force(&all, &host, InForce::Apply), 0, "it has applied none");
        all.apply(S1, Index(2), voters(&[1, 2, 3, 4]));
        all.apply(NodeId::server(2), Index(4), voters(&[2, 3, 4]));
        assert_eq!(in_force(&all, &host, InForce::Apply), 2, "another server has applied the next one");
        all.apply_up_to(S1, Index(4));
        assert_eq!(in_force(&all, &host, InForce::Apply), 4);
        all.restart(S1);
        assert_eq!(in_force(&all, &host, InForce::Apply), 0);
    }

    #[test]
    fn who_is_removed_may_stand_until_that_is_committed() {
        let mut all = written();
        let host = follower(&[(1, NONE), (1, &[1, 2, 3, 4]), (1, NONE), (2, &[2, 3, 4])]);
        assert_eq!(all.standing(S1, host.node(), InForce::Append), set(&[1, 2, 3, 4]));
        all.commit(S1, Index(4));
        assert_eq!(all.standing(S1, host.node(), InForce::Append), set(&[2, 3, 4]));
        assert_eq!(all.standing(S1, host.node(), InForce::Apply), set(&[1, 2, 3]), "it has applied none of them");
    }

    #[test]
    fn the_latest_is_settled_when_nothing_newer_was_written() {
        let mut all = written();
        assert_eq!(all.latest(), ((Index::ZERO, voters(&[1, 2, 3])), false));
        all.apply(S1, Index(2), voters(&[1, 2, 3, 4]));
        assert!(!all.latest().1);
        all.apply(S1, Index(4), voters(&[2, 3, 4]));
        assert_eq!(all.latest(), ((Index(4), voters(&[2, 3, 4])), true));
    }

    #[test]
    fn what_was_written_and_truncated_does_not_keep_the_latest_unsettled() {
        let mut all = written();
        all.apply(S1, Index(2), voters(&[1, 2, 3, 4]));
        all.reach(Index(3));
        assert!(!all.latest().1, "one of place 4 may be committed yet");
        all.reach(Index(4));
        assert_eq!(all.latest(), ((Index(2), voters(&[1, 2, 3, 4])), true), "another entry has taken its place");
        all.write::<RaftNode>(NodeId::server(5), None, at(3, 6), voters(&[2, 3, 4]));
        assert!(!all.latest().1, "a later one may be committed yet");
    }
}

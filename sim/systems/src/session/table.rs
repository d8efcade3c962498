//! The table of sessions: a state machine over [`Command`]s. It knows no time: leases are the master's own.
//!
//! - A number is given to one session, a token to one grant.
//! - A target is an item of one session at most.
//! - A session that expires never becomes active again.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::time::Duration;

use super::bug::Bug;
use super::command::{Applied, Command, Piece};
use super::ids::{Epoch, Identity, Instance, Item, ItemKey, Resource, SessionId, Term, Token};

/// A session, as its master knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub identity: Identity,
    /// The process that uses it.
    pub instance: Instance,
    /// Which wish of the process that it was created for it fulfils.
    pub wish: u64,
    /// How long it lives without a keepalive.
    pub lease: Duration,
    /// What remains of its lease, if that was written down since it was extended.
    pub remaining: Option<Duration>,
    /// Whether its expiry is decided.
    pub is_expiring: bool,
    /// What the chunk has said of itself.
    pub items: BTreeMap<ItemKey, u64>,
}

/// The processes of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The process that counts.
    pub current: Instance,
    /// Which one it is.
    pub epoch: Epoch,
    /// Those before it: none of them may come back.
    pub past: BTreeSet<Instance>,
}

impl Lineage {
    /// Whether a process came before the one that counts. Its request may be late: of processes of one chunk that is
    /// known from their numbers, though no master has heard of it before.
    pub fn is_past(&self, instance: Instance) -> bool {
        let is_newer = |other: &Instance| other.chunk() == instance.chunk() && instance < *other;
        self.past.contains(&instance) || self.past.iter().chain([&self.current]).any(is_newer)
    }
}

/// The table of a master.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    sessions: BTreeMap<SessionId, Session>,
    targets: BTreeMap<Resource, (SessionId, Token)>,
    lineages: BTreeMap<Identity, Lineage>,
    /// Items of sessions that are erased: none, but for a known bug.
    leftovers: BTreeSet<(SessionId, ItemKey)>,
    last_number: u32,
    last_token: Token,
    term: Term,
}

impl Table {
    /// The sessions, by name.
    pub const fn sessions(&self) -> &BTreeMap<SessionId, Session> {
        &self.sessions
    }

    /// A session.
    pub fn session(&self, session: SessionId) -> Option<&Session> {
        self.sessions.get(&session)
    }

    /// A session whose expiry is not decided.
    pub fn active(&self, session: SessionId) -> Option<&Session> {
        self.session(session).filter(|found| !found.is_expiring)
    }

    /// Who holds a target, and under which token.
    pub fn holder(&self, resource: Resource) -> Option<(SessionId, Token)> {
        self.targets.get(&resource).copied()
    }

    /// Whether two sessions that are there are of one identity.
    pub fn are_of_one(&self, one: SessionId, other: SessionId) -> bool {
        let identity = |session: SessionId| self.session(session).map(|found| found.identity);
        identity(one).is_some_and(|found| identity(other) == Some(found))
    }

    /// The processes of an identity.
    pub fn lineage(&self, identity: Identity) -> Option<&Lineage> {
        self.lineages.get(&identity)
    }

    /// The number of the last session.
    pub const fn last_number(&self) -> u32 {
        self.last_number
    }

    /// The last term in which a master began to lead.
    pub const fn term(&self) -> Term {
        self.term
    }

    /// The items of all sessions that are there, by session and name.
    pub fn items(&self) -> Vec<(SessionId, ItemKey)> {
        let of =
            |(id, session): (&SessionId, &Session)| session.items.keys().map(|key| (*id, *key)).collect::<Vec<_>>();
        self.sessions.iter().flat_map(of).chain(self.leftovers.iter().copied()).collect()
    }

    /// Applies a command. `bug` leaves out a check that the table should make.
    pub fn apply(&mut self, command: &Command, bug: Bug) -> Applied {
        match command {
            Command::Lead { term } => {
                self.term = self.term.max(*term);
                Applied::Done
            }
            Command::Create { session, identity, instance, wish, lease, items } => {
                self.create(*session, (*identity, *instance, *wish), *lease, items)
            }
            Command::Adopt { session, instance, items } => self.adopt(*session, *instance, items, bug),
            Command::SetItem { session, instance, key, value } => self.set(*session, *instance, *key, *value, bug),
            Command::RemoveItem { session, instance, key } => self.remove(*session, *instance, *key),
            Command::Release { session, instance, resource, token } => {
                self.release(*session, *instance, *resource, *token)
            }
            Command::TakeOver { session, instance, resource } => self.take_over(*session, *instance, *resource, bug),
            Command::Checkpoint { session, remaining } => self.checkpoint(*session, *remaining),
            Command::Expire { session, term } => self.expire(*session, *term, bug),
            Command::Erase { session } => self.erase(*session, bug),
            Command::Restore(piece) => {
                self.restore(piece);
                Applied::Done
            }
        }
    }

    /// All of it, piece by piece.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        let (session, token, term) = (self.last_number, self.last_token, self.term);
        let sessions = self.sessions.iter().map(|(id, found)| Piece::Session {
            session: *id,
            identity: found.identity,
            instance: found.instance,
            wish: found.wish,
            lease: found.lease,
            remaining: found.remaining,
            is_expiring: found.is_expiring,
            items: found.items.iter().map(|(key, value)| (*key, *value)).collect(),
        });
        let lineages = self.lineages.iter().map(|(identity, lineage)| Piece::Lineage {
            identity: *identity,
            current: lineage.current,
            epoch: lineage.epoch,
            past: lineage.past.iter().copied().collect(),
        });
        let held = |(resource, (session, token)): (&Resource, &(SessionId, Token))| Piece::Target {
            resource: *resource,
            session: *session,
            token: *token,
        };
        let targets = self.targets.iter().map(held);
        let leftovers = self.leftovers.iter().map(|(session, key)| Piece::Leftover { session: *session, key: *key });
        let numbers = Piece::Numbers { session, token, term };
        std::iter::once(numbers).chain(sessions).chain(lineages).chain(targets).chain(leftovers)
    }

    /// The table that these commands of a snapshot make.
    pub fn of<'a>(state: impl Iterator<Item = &'a Command>) -> Self {
        let mut table = Self::default();
        state.for_each(|command| {
            table.apply(command, Bug::None);
        });
        table
    }

    fn restore(&mut self, piece: &Piece) {
        match piece {
            Piece::Numbers { session, token, term } => {
                (self.last_number, self.last_token, self.term) = (*session, *token, *term);
            }
            Piece::Session { session, identity, instance, wish, lease, remaining, is_expiring, items } => {
                let restored = Session {
                    identity: *identity,
                    instance: *instance,
                    wish: *wish,
                    lease: *lease,
                    remaining: *remaining,
                    is_expiring: *is_expiring,
                    items: items.iter().copied().collect(),
                };
                self.sessions.insert(*session, restored);
            }
            Piece::Lineage { identity, current, epoch, past } => {
                let (current, epoch, past) = (*current, *epoch, past.iter().copied().collect());
                self.lineages.insert(*identity, Lineage { current, epoch, past });
            }
            Piece::Target { resource, session, token } => {
                self.targets.insert(*resource, (*session, *token));
            }
            Piece::Leftover { session, key } => {
                self.leftovers.insert((*session, *key));
            }
        }
    }

    fn create(
        &mut self,
        id: SessionId,
        (identity, instance, wish): (Identity, Instance, u64),
        lease: Duration,
        items: &[Item],
    ) -> Applied {
        self.last_number = self.last_number.max(id.number);
        self.begin_instance(identity, instance);
        let items = items.iter().copied().collect();
        let session = Session { identity, instance, wish, lease, remaining: None, is_expiring: false, items };
        self.sessions.insert(id, session);
        Applied::Done
    }

    /// Another process takes the session over: what the old one held it holds no longer.
    fn adopt(&mut self, id: SessionId, instance: Instance, items: &[Item], bug: Bug) -> Applied {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.is_expiring) else {
            return Applied::NoSuchSession;
        };
        let (identity, is_another) = (session.identity, session.instance != instance);
        if is_another && bug != Bug::InstanceNotChecked {
            session.items.clear();
        }
        (session.instance, session.remaining) = (instance, None);
        session.items.extend(items.iter().copied());
        if is_another && bug != Bug::InstanceNotChecked {
            self.targets.retain(|_, (holder, _)| *holder != id);
        }
        self.begin_instance(identity, instance);
        Applied::Done
    }

    fn begin_instance(&mut self, identity: Identity, instance: Instance) {
        match self.lineages.get_mut(&identity) {
            Some(lineage) if lineage.current != instance => {
                lineage.past.insert(std::mem::replace(&mut lineage.current, instance));
                lineage.epoch.0 += 1;
            }
            Some(_) => {}
            None => {
                let first = Lineage { current: instance, epoch: Epoch(1), past: BTreeSet::new() };
                self.lineages.insert(identity, first);
            }
        }
    }

    /// A session that lives and is this process's.
    fn own(&mut self, id: SessionId, instance: Instance, bug: Bug) -> Option<&mut Session> {
        let is_right = |session: &&mut Session| session.instance == instance || bug == Bug::InstanceNotChecked;
        let lives = |session: &&mut Session| !session.is_expiring || bug == Bug::ItemOfDeadSession;
        self.sessions.get_mut(&id).filter(lives).filter(is_right)
    }

    fn set(&mut self, id: SessionId, instance: Instance, key: ItemKey, value: u64, bug: Bug) -> Applied {
        if self.own(id, instance, bug).is_none() {
            return match key {
                ItemKey::Target(resource) if bug == Bug::WaiterNotChecked && self.holder(resource).is_none() => {
                    Applied::Granted(self.grant(resource, id))
                }
                ItemKey::Target(_) => Applied::NoSuchSession,
                _ if bug == Bug::ItemOfDeadSession => {
                    self.leftovers.insert((id, key));
                    Applied::Done
                }
                _ => Applied::NoSuchSession,
            };
        }
        let granted = match key {
            ItemKey::Target(resource) => match self.holder(resource) {
                Some((holder, token)) if holder == id => Applied::Granted(token),
                Some((holder, token)) if bug == Bug::OldItemIsOwn && self.are_of_one(holder, id) => {
                    Applied::Granted(token)
                }
                Some(_) => return Applied::Taken,
                None => Applied::Granted(self.grant(resource, id)),
            },
            _ => Applied::Done,
        };
        let session = self.own(id, instance, bug).expect("it was just found");
        session.items.insert(key, value);
        granted
    }

    fn grant(&mut self, resource: Resource, id: SessionId) -> Token {
        self.last_token.0 += 1;
        self.targets.insert(resource, (id, self.last_token));
        self.last_token
    }

    fn remove(&mut self, id: SessionId, instance: Instance, key: ItemKey) -> Applied {
        let Some(session) = self.own(id, instance, Bug::None) else { return Applied::NoSuchSession };
        session.items.remove(&key);
        Applied::Done
    }

    fn release(&mut self, id: SessionId, instance: Instance, resource: Resource, token: Token) -> Applied {
        let is_held = self.holder(resource) == Some((id, token));
        let Some(session) = self.own(id, instance, Bug::None) else { return Applied::NoSuchSession };
        if is_held {
            session.items.remove(&ItemKey::Target(resource));
            self.targets.remove(&resource);
        }
        Applied::Done
    }

    fn take_over(&mut self, id: SessionId, instance: Instance, resource: Resource, bug: Bug) -> Applied {
        if self.own(id, instance, bug).is_none() {
            return Applied::NoSuchSession;
        }
        let key = ItemKey::Target(resource);
        if let Some(holder) = self.holder(resource).and_then(|(holder, _)| self.sessions.get_mut(&holder)) {
            holder.items.remove(&key);
        }
        let token = self.grant(resource, id);
        let session = self.own(id, instance, bug).expect("it was just found");
        session.items.insert(key, 0);
        Applied::Granted(token)
    }

    fn checkpoint(&mut self, id: SessionId, remaining: Option<Duration>) -> Applied {
        match self.sessions.get_mut(&id).filter(|session| !session.is_expiring) {
            Some(session) => {
                session.remaining = remaining;
                Applied::Done
            }
            None => Applied::NoSuchSession,
        }
    }

    /// One bug: what a snapshot has of sessions is as it was before the last command.
    pub(super) fn with_sessions_of(&self, before: &Self) -> Self {
        Self { sessions: before.sessions.clone(), ..self.clone() }
    }

    /// The decision of a term is void in a later one: the leases that it went by are not those of the master that leads
    /// now.
    fn expire(&mut self, id: SessionId, term: Term, bug: Bug) -> Applied {
        let counts = term >= self.term || bug == Bug::ExpiryOfEarlierTerm;
        match self.sessions.get_mut(&id) {
            Some(_) if !counts => Applied::Outdated,
            Some(session) => {
                session.is_expiring = true;
                Applied::Done
            }
            None => Applied::NoSuchSession,
        }
    }

    fn erase(&mut self, id: SessionId, bug: Bug) -> Applied {
        let Some(session) = self.sessions.remove(&id) else { return Applied::NoSuchSession };
        self.targets.retain(|_, (holder, _)| *holder != id);
        if bug == Bug::ItemsSurvive {
            let plain = session.items.keys().filter(|key| !matches!(key, ItemKey::Target(_)));
            self.leftovers.extend(plain.map(|key| (id, *key)));
        }
        Applied::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SessionId = SessionId { master: 1, number: 1 };
    const TWO: SessionId = SessionId { master: 1, number: 2 };
    const TARGET: ItemKey = ItemKey::Target(Resource(1));

    fn create(session: SessionId, identity: u16, instance: u32) -> Command {
        let items = vec![(ItemKey::MachineUuid, 7)];
        let (identity, instance) = (Identity(identity), Instance::of(1, instance));
        Command::Create { session, identity, instance, wish: 1, lease: Duration::from_secs(7), items }
    }

    fn set(session: SessionId, instance: u32, key: ItemKey) -> Command {
        Command::SetItem { session, instance: Instance::of(1, instance), key, value: 1 }
    }

    const fn expire(term: u64) -> Command {
        Command::Expire { session: ONE, term: Term(term) }
    }

    fn table(commands: &[Command]) -> Table {
        let mut table = Table::default();
        for command in commands {
            table.apply(command, Bug::None);
        }
        table
    }

    #[test]
    fn a_target_is_one_sessions_and_asking_again_gives_the_same_token() {
        let mut table = table(&[create(ONE, 1, 10), create(TWO, 2, 20)]);
        assert_eq!(table.apply(&set(ONE, 10, TARGET), Bug::None), Applied::Granted(Token(1)));
        assert_eq!(table.apply(&set(ONE, 10, TARGET), Bug::None), Applied::Granted(Token(1)));
        assert_eq!(table.apply(&set(TWO, 20, TARGET), Bug::None), Applied::Taken);
        let instance = Instance::of(1, 10);
        let release = |token| Command::Release { session: ONE, instance, resource: Resource(1), token: Token(token) };
        assert_eq!(table.apply(&release(7), Bug::None), Applied::Done);
        assert!(table.holder(Resource(1)).is_some(), "a release of another grant changes nothing");
        table.apply(&release(1), Bug::None);
        assert_eq!(table.apply(&set(TWO, 20, TARGET), Bug::None), Applied::Granted(Token(2)));
    }

    #[test]
    fn a_session_that_expires_takes_no_item_and_loses_all_when_it_is_erased() {
        let mut table = table(&[create(ONE, 1, 10), set(ONE, 10, TARGET), expire(1)]);
        assert_eq!(table.apply(&set(ONE, 10, ItemKey::DataIp), Bug::None), Applied::NoSuchSession);
        assert_eq!(table.holder(Resource(1)), Some((ONE, Token(1))), "it is held until the callbacks have run");
        table.apply(&Command::Erase { session: ONE }, Bug::None);
        assert!(table.items().is_empty() && table.holder(Resource(1)).is_none() && table.session(ONE).is_none());
    }

    #[test]
    fn an_instance_that_takes_over_has_a_new_epoch_and_none_of_the_targets() {
        let mut table = table(&[create(ONE, 1, 10), set(ONE, 10, TARGET)]);
        let adopt = |instance| Command::Adopt { session: ONE, instance: Instance::of(1, instance), items: Vec::new() };
        table.apply(&adopt(10), Bug::None);
        assert_eq!(table.lineage(Identity(1)).map(|lineage| lineage.epoch), Some(Epoch(1)));
        assert!(table.holder(Resource(1)).is_some(), "the same process after a lost answer keeps what it has");
        table.apply(&adopt(11), Bug::None);
        let lineage = table.lineage(Identity(1)).expect("it has processes");
        assert_eq!((lineage.epoch, lineage.current), (Epoch(2), Instance::of(1, 11)));
        assert!(lineage.past.contains(&Instance::of(1, 10)));
        assert_eq!(table.holder(Resource(1)), None);
        assert_eq!(table.apply(&set(ONE, 10, TARGET), Bug::None), Applied::NoSuchSession, "the old one is fenced");
    }

    #[test]
    fn the_decision_of_an_earlier_term_is_void() {
        let lead = |term| Command::Lead { term: Term(term) };
        let mut table = table(&[lead(3), create(ONE, 1, 10)]);
        assert_eq!(table.apply(&expire(2), Bug::None), Applied::Outdated);
        assert!(table.active(ONE).is_some(), "its lease is new");
        assert_eq!(table.apply(&expire(3), Bug::None), Applied::Done);
        assert!(table.active(ONE).is_none());
        table.apply(&lead(4), Bug::None);
        assert!(table.active(ONE).is_none(), "what was decided in time stands");
    }

    #[test]
    fn the_pieces_are_the_whole_table() {
        let adopt = Command::Adopt { session: TWO, instance: Instance::of(1, 21), items: vec![(ItemKey::DataIp, 1)] };
        let commands = [Command::Lead { term: Term(3) }, create(ONE, 1, 10), create(TWO, 2, 20), adopt];
        let mut whole = table(&[&commands[..], &[set(ONE, 10, TARGET), expire(3)]].concat());
        whole.leftovers.insert((TWO, ItemKey::NfsAccessPoint));
        let pieces: Vec<Command> = whole.pieces().map(Command::Restore).collect();
        assert_eq!(pieces.len(), 1 + 2 + 2 + 1 + 1, "numbers, sessions, lineages, a target, an item that is left");
        assert_eq!(Table::of(pieces.iter()), whole);
        assert_ne!(Table::of(pieces[1..].iter()), whole);
        assert_eq!(
            Table::of(Table::default().pieces().map(Command::Restore).collect::<Vec<_>>().iter()),
            Table::default()
        );
    }

    #[test]
    fn what_remains_of_a_lease_is_kept_until_the_session_is_extended_or_taken_over() {
        let remaining = Some(Duration::from_secs(3));
        let noted = |remaining| Command::Checkpoint { session: ONE, remaining };
        let mut table = table(&[create(ONE, 1, 10), noted(remaining)]);
        let kept = |table: &Table| table.session(ONE).expect("it is there").remaining;
        assert_eq!(kept(&table), remaining);
        assert_eq!(kept(&Table::of(table.pieces().map(Command::Restore).collect::<Vec<_>>().iter())), remaining);
        table.apply(&noted(None), Bug::None);
        assert_eq!(kept(&table), None);
        table.apply(&noted(remaining), Bug::None);
        table.apply(&Command::Adopt { session: ONE, instance: Instance::of(1, 11), items: Vec::new() }, Bug::None);
        assert_eq!(kept(&table), None, "its lease is new");
        table.apply(&expire(1), Bug::None);
        assert_eq!(table.apply(&noted(remaining), Bug::None), Applied::NoSuchSession);
    }

    #[test]
    fn numbers_and_terms_only_grow() {
        let mut table = table(&[create(TWO, 1, 10), Command::Erase { session: TWO }, Command::Lead { term: Term(3) }]);
        assert_eq!((table.last_number(), table.term()), (2, Term(3)));
        table.apply(&Command::Lead { term: Term(2) }, Bug::None);
        assert_eq!(table.term(), Term(3));
    }
}

//! What has become of each session, by what chat servers have said, with times in true time.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Instant;

use crate::chat::ids::{SessionId, Uid};
use crate::lock::ids::Token;

/// A place in the order of all that happened.
pub(super) type Place = u64;

/// A session.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// As which user it logs in, or has logged in.
    uid: Option<Uid>,
    /// A thread is at its login.
    is_in_login: bool,
    entered: Option<Place>,
    /// The token of the lock under which it logs in.
    lock: Option<Token>,
    /// When its login was done.
    logged_in: Option<(Place, Instant)>,
    /// Until when it is served, unless its lease is renewed.
    until: Option<Instant>,
    is_over: bool,
}

/// All sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    sessions: BTreeMap<SessionId, Entry>,
    of: BTreeMap<Uid, BTreeSet<SessionId>>,
    place: Place,
}

impl Book {
    fn next(&mut self) -> Place {
        self.place += 1;
        self.place
    }

    fn entry(&mut self, session: SessionId) -> &mut Entry {
        self.sessions.entry(session).or_default()
    }

    pub(super) fn begun(&mut self, session: SessionId, uid: Uid) {
        let entry = self.entry(session);
        (entry.uid, entry.is_in_login) = (Some(uid), true);
        self.of.entry(uid).or_default().insert(session);
    }

    pub(super) fn entered(&mut self, session: SessionId, lock: Option<Token>) {
        let place = self.next();
        let entry = self.entry(session);
        (entry.entered, entry.lock) = (Some(place), lock);
    }

    pub(super) fn logged_in(&mut self, now: Instant, session: SessionId, until: Option<Instant>) {
        let place = self.next();
        let entry = self.entry(session);
        (entry.logged_in, entry.until) = (Some((place, now)), until);
    }

    pub(super) fn renewed(&mut self, session: SessionId, until: Instant) {
        self.entry(session).until = Some(until);
    }

    pub(super) fn login_over(&mut self, session: SessionId) {
        self.entry(session).is_in_login = false;
    }

    pub(super) fn ended(&mut self, session: SessionId) {
        self.entry(session).is_over = true;
    }

    /// The process of a chat server has ended, and its sessions with it. Returns those that were logged in.
    pub(super) fn down(&mut self, server: NodeId) -> Vec<(SessionId, Uid)> {
        let mut ended = Vec::new();
        for (session, entry) in self.sessions.iter_mut().filter(|(session, _)| session.server() == server) {
            if let (Some(uid), Some(_), false) = (entry.uid, entry.logged_in, entry.is_over) {
                ended.push((*session, uid));
            }
            (entry.is_over, entry.is_in_login) = (true, false);
        }
        ended
    }

    /// Whether the user of a session is served in it at this time.
    pub(super) fn is_live(&self, now: Instant, session: SessionId) -> bool {
        let Some(entry) = self.sessions.get(&session) else { return false };
        entry.logged_in.is_some() && !entry.is_over && entry.until.is_none_or(|until| now < until)
    }

    /// The sessions in which a user is served at this time.
    pub(super) fn live_of(&self, now: Instant, uid: Uid) -> impl Iterator<Item = SessionId> {
        self.of_user(uid).filter(move |session| self.is_live(now, *session))
    }

    /// How many users are served by a chat server at this time.
    pub(super) fn live_at(&self, now: Instant, server: NodeId) -> usize {
        self.sessions.keys().filter(|session| session.server() == server && self.is_live(now, **session)).count()
    }

    fn of_user(&self, uid: Uid) -> impl Iterator<Item = SessionId> {
        self.of.get(&uid).into_iter().flatten().copied()
    }

    /// Whether a thread is at a login of the user.
    pub(super) fn has_login(&self, uid: Uid) -> bool {
        self.of_user(uid).any(|session| self.sessions[&session].is_in_login)
    }

    /// Whether a thread is at a login on this server.
    pub(super) fn has_login_at(&self, server: NodeId) -> bool {
        self.sessions.iter().any(|(session, entry)| session.server() == server && entry.is_in_login)
    }

    /// The token of the lock under which a session has logged in, or does so.
    pub(super) fn lock_of(&self, session: SessionId) -> Option<Token> {
        self.sessions.get(&session)?.lock
    }

    /// The user of a session.
    pub(super) fn user_of(&self, session: SessionId) -> Option<Uid> {
        self.sessions.get(&session)?.uid
    }

    /// When the first other login of the user was done that was done after that of this session.
    pub(super) fn superseded(&self, session: SessionId) -> Option<Instant> {
        let entry = self.sessions.get(&session)?;
        let (own, _) = entry.logged_in?;
        let others = self.of_user(entry.uid?).filter(|other| *other != session);
        let later = others.filter_map(|other| self.sessions[&other].logged_in).filter(|(place, _)| *place > own);
        later.min().map(|(_, at)| at)
    }

    /// Whether another login of the user went under the lock after that of this session did.
    pub(super) fn has_later_login(&self, session: SessionId) -> bool {
        let Some(entry) = self.sessions.get(&session) else { return false };
        let (Some(uid), Some(own)) = (entry.uid, entry.entered) else { return false };
        let others = self.of_user(uid).filter(|other| *other != session);
        others.filter_map(|other| self.sessions[&other].entered).any(|place| place > own)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{H1, U1, log_in, s1, s2, seconds};
    use super::*;

    #[test]
    fn a_session_lives_from_its_login_to_its_end_or_the_end_of_its_lease() {
        let mut book = Book::default();
        log_in(&mut book, seconds(1), s1(1), U1);
        assert!(book.is_live(seconds(2), s1(1)) && !book.is_live(seconds(7), s1(1)));
        book.renewed(s1(1), seconds(9));
        assert!(book.is_live(seconds(7), s1(1)));
        assert_eq!((book.live_of(seconds(7), U1).count(), book.live_at(seconds(7), H1)), (1, 1));
        assert_eq!(book.down(H1), [(s1(1), U1)]);
        assert!(!book.is_live(seconds(7), s1(1)));
    }

    #[test]
    fn later_logins_are_known_by_their_order() {
        let mut book = Book::default();
        log_in(&mut book, seconds(1), s1(1), U1);
        assert!(!book.has_later_login(s1(1)) && book.superseded(s1(1)).is_none());
        book.begun(s2(1), U1);
        assert!(book.has_login(U1) && !book.has_later_login(s1(1)));
        book.entered(s2(1), None);
        assert!(book.has_later_login(s1(1)) && !book.has_later_login(s2(1)));
        book.logged_in(seconds(3), s2(1), None);
        book.login_over(s2(1));
        assert_eq!(book.superseded(s1(1)), Some(seconds(3)));
        assert!(!book.has_login(U1) && book.superseded(s2(1)).is_none());
    }
}

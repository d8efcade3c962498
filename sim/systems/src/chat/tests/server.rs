//! A chat server: how logins are refused, what a cleanup removes, and how sessions end.

use super::*;
use crate::chat::ids::LoginToken;
use crate::chat::message::Refusal;
use crate::chat::observation::{Cleanup, EndReason};
use crate::chat::store;
use crate::lock::ids::Token;

const TOKEN: LoginToken = LoginToken(7);
/// The connection of the client.
const LINK: ConnectionId = ConnectionId { opener: C1, number: 1 };
/// The session that it is.
const OWN: SessionId = session(H1, 1);

/// The first chat server with its redis, which has given user 1 a token.
struct Scene {
    chat: Stand,
    store: Store,
}

impl Scene {
    fn new() -> Self {
        let (chat, mut store) = (Stand::new(H1, quick()), Store::new(quick()));
        assert_eq!(store.ask(store::set_token(U1, TOKEN, Duration::from_secs(60))), Reply::OK);
        Self { chat, store }
    }

    /// A client connects and asks to log in as user 1.
    fn ask_login(&mut self, token: LoginToken) {
        self.chat.connection(LINK, C1, ConnectionChange::Accepted);
        self.chat.hear_over(LINK, C1, ChatMessage::Login { uid: U1, token });
        self.serve();
    }

    fn serve(&mut self) {
        self.store.serve(&mut self.chat);
    }

    fn pass(&mut self, span: Duration) {
        self.store.serve_for(&mut self.chat, span);
    }

    /// What the client is answered: nothing yet, or that it is in, or why not.
    fn answer(&self) -> Option<Result<(), Refusal>> {
        self.chat.sent.iter().find_map(|(target, message)| match message {
            ChatMessage::LoginReply { result, .. } if *target == C1 => Some(result.clone().map(drop)),
            _ => None,
        })
    }

    /// The request of a kick that another chat server is asked for.
    fn kick(&self) -> Option<(NodeId, u64, SessionId)> {
        self.chat.sent.iter().find_map(|(target, message)| match message {
            ChatMessage::Kick { request, victim, .. } => Some((*target, *request, *victim)),
            _ => None,
        })
    }

    /// The session that the redis has for user 1.
    fn present(&mut self) -> Option<SessionId> {
        store::presence_of(&self.store.ask(store::presence(U1))).session
    }

    /// Another session is the user's, as far as the redis knows.
    fn put(&mut self, session: SessionId) {
        let life = Duration::from_secs(60);
        assert_eq!(self.store.ask(store::set_presence(U1, session, life)), Reply::Integer(1));
    }

    /// Another client has the lock of user 1, whoever had it before.
    fn take_lock(&mut self) {
        let words = vec![b"SET".to_vec(), U1.lock().key(), Token(99).text()];
        assert_eq!(self.store.ask(words), Reply::OK);
    }

    fn is_locked(&mut self) -> bool {
        self.store.ask(vec![b"GET".to_vec(), U1.lock().key()]) != Reply::Null
    }

    fn has_ended(&self, reason: EndReason) -> bool {
        self.chat.has_said(|one| matches!(one, ChatObservation::Ended { why, .. } if *why == reason))
    }

    fn has_cleaned_up(&self, end: Cleanup) -> bool {
        self.chat.has_said(|one| matches!(one, ChatObservation::CleanedUp { how, .. } if *how == end))
    }
}

#[test]
fn a_login_with_the_token_is_in_and_gives_the_lock_back() {
    let mut scene = Scene::new();
    scene.ask_login(TOKEN);
    assert_eq!(scene.answer(), Some(Ok(())));
    assert_eq!((scene.present(), scene.is_locked()), (Some(OWN), false));
}

#[test]
fn a_login_with_another_token_or_of_a_user_without_one_is_refused() {
    let mut scene = Scene::new();
    scene.ask_login(LoginToken(8));
    assert_eq!(scene.answer(), Some(Err(Refusal::TokenInvalid)));
    assert!(scene.has_ended(EndReason::Refused));
    assert_eq!((scene.present(), scene.is_locked()), (None, false));
    let mut scene = Scene::new();
    let _ = scene.store.ask(vec![b"DEL".to_vec(), U1.token_key()]);
    scene.ask_login(TOKEN);
    assert_eq!(scene.answer(), Some(Err(Refusal::UidInvalid)));
}

#[test]
fn a_login_whose_lock_is_another_s_is_refused_when_its_time_is_over() {
    let mut scene = Scene::new();
    scene.take_lock();
    scene.ask_login(TOKEN);
    assert_eq!(scene.answer(), None);
    scene.pass(quick().lock.acquire_timeout.saturating_add(Duration::from_millis(100)));
    assert_eq!(scene.answer(), Some(Err(Refusal::UserExists)));
    assert!(scene.is_locked(), "it is not its own");
}

#[test]
fn a_login_whose_kick_is_not_answered_is_refused_and_leaves_the_presence() {
    let mut scene = Scene::new();
    let victim = session(H2, 1);
    scene.put(victim);
    scene.ask_login(TOKEN);
    let (server, request, kicked) = scene.kick().expect("the other server is asked");
    assert_eq!((server, kicked, scene.answer()), (H2, victim, None));
    scene.pass(quick().kick_deadline);
    assert_eq!(scene.answer(), Some(Err(Refusal::KickFailed)));
    scene.chat.hear(H2, ChatMessage::KickDone { request });
    scene.serve();
    assert_eq!((scene.present(), scene.is_locked()), (Some(victim), false), "a late answer changes nothing");
}

#[test]
fn a_login_that_has_lost_its_lock_before_it_writes_is_refused() {
    let mut scene = Scene::new();
    let victim = session(H2, 1);
    scene.put(victim);
    scene.ask_login(TOKEN);
    let (_, request, _) = scene.kick().expect("the other server is asked");
    scene.take_lock();
    scene.chat.hear(H2, ChatMessage::KickDone { request });
    scene.serve();
    assert_eq!(scene.answer(), Some(Err(Refusal::LockLost)));
    assert_eq!(scene.present(), Some(victim));
    assert!(scene.is_locked(), "the release compares the token");
}

#[test]
fn a_redis_that_is_silent_from_the_start_refuses_a_login_as_unavailable() {
    let mut scene = Scene::new();
    scene.store.is_silent = true;
    scene.ask_login(TOKEN);
    scene.pass(quick().lock.acquire_timeout.saturating_add(Duration::from_millis(500)));
    assert_eq!(scene.answer(), Some(Err(Refusal::Unavailable)), "nobody has said that the lock is another's");
}

#[test]
fn a_redis_that_falls_silent_refuses_the_login_and_its_connection_is_replaced() {
    let mut scene = Scene::new();
    scene.put(session(H2, 1));
    scene.ask_login(TOKEN);
    let (_, request, _) = scene.kick().expect("the other server is asked");
    scene.store.is_silent = true;
    scene.chat.hear(H2, ChatMessage::KickDone { request });
    scene.serve();
    assert_eq!(scene.answer(), None);
    scene.pass(quick().call_timeout);
    assert_eq!(scene.answer(), Some(Err(Refusal::Unavailable)));
    assert!(scene.chat.has_said(|one| matches!(one, ChatObservation::PoolClosed(_))));
}

#[test]
fn a_kick_ends_the_session_that_it_names_and_no_later_one() {
    for (victim, ends) in [(OWN, true), (session(H1, 9), false)] {
        let mut scene = Scene::new();
        scene.ask_login(TOKEN);
        scene.chat.sent.clear();
        scene.chat.hear(H2, ChatMessage::Kick { request: 1, uid: U1, victim, by: session(H2, 1) });
        assert_eq!(scene.has_ended(EndReason::Kicked), ends, "{victim}");
        let offline = (C1, ChatMessage::Offline { session: OWN });
        assert_eq!(scene.chat.sent.contains(&offline), ends, "{victim}");
        let done = (H2, ChatMessage::KickDone { request: 1 });
        assert!(scene.chat.sent.contains(&done), "the session is not there any more: {victim}");
    }
}

#[test]
fn a_cleanup_removes_its_own_presence_and_leaves_that_of_a_later_session() {
    let later = session(H2, 4);
    for (there, end, left) in [(None, Cleanup::Removed, None), (Some(later), Cleanup::NotOwn, Some(later))] {
        let mut scene = Scene::new();
        scene.ask_login(TOKEN);
        if let Some(later) = there {
            scene.put(later);
        }
        scene.chat.connection(LINK, C1, ConnectionChange::Reset);
        scene.serve();
        assert!(scene.has_ended(EndReason::Gone) && scene.has_cleaned_up(end), "{end:?}");
        assert_eq!((scene.present(), scene.is_locked()), (left, false), "{end:?}");
    }
}

#[test]
fn a_cleanup_without_the_lock_or_without_the_redis_removes_nothing() {
    for (is_silent, end) in [(false, Cleanup::WithoutLock), (true, Cleanup::Unknown)] {
        let mut scene = Scene::new();
        scene.ask_login(TOKEN);
        scene.put(OWN);
        scene.take_lock();
        scene.store.is_silent = is_silent;
        scene.chat.connection(LINK, C1, ConnectionChange::Reset);
        scene.pass(quick().lock.acquire_timeout.saturating_add(Duration::from_millis(500)));
        assert!(scene.has_cleaned_up(end), "{end:?}");
        assert_eq!(scene.present(), Some(OWN), "{end:?}");
    }
}

#[test]
fn a_session_ends_when_its_presence_cannot_be_renewed_and_when_it_is_silent() {
    let mut scene = Scene::new();
    scene.ask_login(TOKEN);
    scene.store.is_silent = true;
    scene.pass(quick().presence_life);
    assert!(scene.has_ended(EndReason::LeaseOver) && scene.chat.closed.contains(&LINK));
    let mut scene = Scene::new();
    scene.ask_login(TOKEN);
    scene.pass(quick().heartbeat_timeout.saturating_add(quick().scan_every));
    assert!(scene.has_ended(EndReason::Silent));
}

//! The chat service for people: a session is `session 1.0.1`, as in facts, and a token its first four digits.
//!
//! ```text
//! chat2 → redis1 call #4 EVAL (GET MGET) lock:1 uip_1 usession_1, 6fdd
//!   redis1 → chat2 called #4 1) "chat1" 2) "1.0.1"
//! chat2 → chat1 kick #1 session 1.0.1 of user 1, for session 2.0.1
//! ```
//!
//! What is said between a redis and those that use it is shown as in the lock system. In a key a session is 16 digits,
//! as a token is; a number that can be a session is shown as one.

use std::fmt::{self, Formatter};

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::embedding::Embedding as _;
use splitbrain_kernel::id::NodeId;

use crate::lock::brief::{Number, Style, brief_with, token_text};

use super::ids::{Item, SessionId, Uid};
use super::message::{Assigned, ChatMessage, Operation, Refusal, Response};
use super::node::{ChatNode, ChatTimer, LockInChat};
use super::observation::{ChatObservation, Guard, Mutex, Presence, Thread};
use super::system::KINDS;

const STYLE: Style = Style { kinds: KINDS, text: word_text };

/// Processes of a server and sessions of a process that a number in a key is taken for: a token is hardly ever within.
const PROCESSES_MAX: u64 = 1 << 8;
const SESSIONS_MAX: u64 = 1 << 20;

/// See [`splitbrain_kernel::node::Node::brief`].
pub(super) fn brief(datum: Datum<'_, ChatNode>, f: &mut Formatter<'_>) -> fmt::Result {
    if let Some(inner) = LockInChat.inner_datum(datum) {
        return brief_with(STYLE, inner, f);
    }
    match datum {
        Datum::Message(message) => of_message(message, f),
        Datum::Observation(observation) => of_observation(observation, f),
        Datum::Timer(ChatTimer::Lease(session)) => write!(f, "lease of {session}"),
        Datum::Timer(ChatTimer::Call(request)) => write!(f, "call {}", Number(request)),
        Datum::Operation(operation) => of_operation(operation, f),
        Datum::Response(response) => of_response(response, f),
        other => other.derived(f),
    }
}

/// Without the name of the kind.
fn of_message(message: &ChatMessage, f: &mut Formatter<'_>) -> fmt::Result {
    match message {
        ChatMessage::Enter { request, uid } | ChatMessage::Assign { request, uid } => {
            write!(f, "{} {uid}", Number(*request))
        }
        ChatMessage::Entered { request, assigned } | ChatMessage::Assignment { request, assigned } => match assigned {
            Some(Assigned { server, token }) => {
                write!(f, "{} {} with token {token}", Number(*request), STYLE.name(*server))
            }
            None => write!(f, "{} to no server", Number(*request)),
        },
        ChatMessage::Login { uid, token } => write!(f, "{uid} with token {token}"),
        ChatMessage::LoginReply { session, result: Ok(items) } => write!(f, "{session}: shows {}", Items(items)),
        ChatMessage::LoginReply { session, result: Err(why) } => {
            write!(f, "{session}: refused, {}", refusal_words(*why))
        }
        ChatMessage::Offline { session } => write!(f, "{session}"),
        ChatMessage::Say { text } => write!(f, "{text}"),
        ChatMessage::Heard { text, accepted } => write!(f, "{text}, {}taken", if *accepted { "" } else { "not " }),
        ChatMessage::Kick { request, uid, victim, by } => {
            write!(f, "{} {victim} of {uid}, for {by}", Number(*request))
        }
        ChatMessage::KickDone { request } => write!(f, "{}", Number(*request)),
        ChatMessage::Heartbeat => Ok(()),
        ChatMessage::Lock(_) => unreachable!("it is shown as in the lock system"),
    }
}

/// Without the name of the face.
fn of_observation(observation: &ChatObservation, f: &mut Formatter<'_>) -> fmt::Result {
    use ChatObservation as Told;
    match *observation {
        Told::Lock(_) => unreachable!("it is shown as in the lock system"),
        Told::Stored { uid, by, before, after, lock } => {
            let (before, after) = (PresenceText(before), PresenceText(after));
            write!(f, "{uid}, by {}: {before} before, {after} now, ", STYLE.name(by))?;
            match lock {
                Some(token) => write!(f, "its lock is held under token {token}"),
                None => f.write_str("its lock is free"),
            }
        }
        Told::Appeared { uid } => write!(f, "{uid}"),
        Told::TokenStored { uid, token } => write!(f, "{uid}, token {token}"),
        Told::CountStored { server, count } => write!(f, "{}: {count}", STYLE.name(server)),
        Told::Assigned { uid, server, token } => write!(f, "{uid} to {} with token {token}", STYLE.name(server)),
        Told::Accepted { session, client } => write!(f, "{session} from {}", STYLE.name(client)),
        Told::LoginBegun { session, uid } => write!(f, "{session} as {uid}"),
        Told::Entered { session, uid, lock: Some(token) } => write!(f, "{session} as {uid}, token {token}"),
        Told::Entered { session, uid, lock: None } => write!(f, "{session} as {uid}, without a lock"),
        Told::Queried { session, .. } => write!(f, "for {session}"),
        Told::GivenBack { session, uid } => write!(f, "{uid}, by {session}"),
        Told::LoggedIn { session, uid, token, lease } => {
            write!(f, "{uid} with {session}, token {token}")?;
            lease.map_or(Ok(()), |lease| write!(f, ", lease of {lease}"))
        }
        Told::LoginRefused { session, uid, why } => write!(f, "{session} as {uid}: {}", refusal_words(why)),
        Told::KickAsked { victim, uid, by, .. } => write!(f, "{victim} of {uid}, for {by}"),
        Told::Kicked { victim, uid: Some(uid) } | Told::Ended { session: victim, uid: Some(uid), .. } => {
            write!(f, "{victim} of {uid}")
        }
        Told::Renewed { session, lease } => write!(f, "{session}, lease of {lease}"),
        Told::Heard { session, uid } => write!(f, "from {uid} in {session}"),
        Told::CleanupBegun { session, uid } => write!(f, "after {session} of {uid}"),
        Told::CleanedUp { session, .. } => write!(f, "after {session}"),
        Told::Kicked { victim: session, uid: None }
        | Told::Ended { session, uid: None, .. }
        | Told::LoginOver(session)
        | Told::Destroyed(session)
        | Told::LoginSeen(session)
        | Told::OfflineSeen(session) => write!(f, "{session}"),
        Told::Waits { thread, guard } => write!(f, "{}: for {}", ThreadText(thread), GuardText(guard)),
        Told::Has { thread, guard } | Told::Frees { thread, guard } => {
            write!(f, "{}: {}", ThreadText(thread), GuardText(guard))
        }
        Told::PoolOpened(number)
        | Told::PoolTaken(number)
        | Told::PoolBroken(number)
        | Told::PoolClosed(number)
        | Told::PoolReturned(Some(number)) => write!(f, "{number}"),
        Told::PoolReturned(None) => f.write_str("a null pointer"),
    }
}

fn of_operation(operation: &Operation, f: &mut Formatter<'_>) -> fmt::Result {
    match operation {
        Operation::Login { uid } => write!(f, "log in as {uid}"),
        Operation::Intrude { uid, server } => write!(f, "log in as {uid} at chat{server} with a made-up token"),
        Operation::Say { text } => write!(f, "say {text}"),
        Operation::Show => f.write_str("show the lists"),
        Operation::Logout => f.write_str("log out"),
    }
}

fn of_response(response: &Response, f: &mut Formatter<'_>) -> fmt::Result {
    match response {
        Response::LoggedIn { session } => write!(f, "logged in with {session}"),
        Response::Refused { why } => write!(f, "refused: {}", refusal_words(*why)),
        Response::Said => f.write_str("said"),
        Response::Offline => f.write_str("offline"),
        Response::Shown { uid, items } => write!(f, "{uid} is shown {}", Items(items)),
        Response::LoggedOut => f.write_str("logged out"),
    }
}

const fn refusal_words(why: Refusal) -> &'static str {
    match why {
        Refusal::UserExists => "the user logs in elsewhere",
        Refusal::UidInvalid => "the user has no token",
        Refusal::TokenInvalid => "the token is another one",
        Refusal::Unavailable => "no answer in time",
        Refusal::KickFailed => "the old session could not be ended",
        Refusal::LockLost => "the lock was lost",
        Refusal::SessionEnded => "the session has ended",
    }
}

/// A word of a command or of a reply that is a session or a token.
fn word_text(word: &str) -> Option<String> {
    let token = token_text(word)?;
    let session = SessionId::of_text(word.as_bytes()).filter(|session| {
        let SessionId(number) = *session;
        (1..=u64::from(NodeId::COUNT_MAX)).contains(&(number >> 48))
            && number >> 32 & 0xffff < PROCESSES_MAX
            && number & 0xffff_ffff < SESSIONS_MAX
    });
    Some(session.map_or(token, |session| session.to_string().trim_start_matches("session ").to_owned()))
}

struct PresenceText(Presence);

impl fmt::Display for PresenceText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Presence { server: None, session: None } => f.write_str("nothing"),
            Presence { server: Some(server), session: None } => write!(f, "{} and no session", STYLE.name(server)),
            Presence { server: None, session: Some(session) } => write!(f, "{session} and no server"),
            Presence { server: Some(server), session: Some(session) } => {
                write!(f, "{session} at {}", STYLE.name(server))
            }
        }
    }
}

struct ThreadText(Thread);

impl fmt::Display for ThreadText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Thread::Logic(number) => write!(f, "logic thread {number}"),
            Thread::Io(number) => write!(f, "cleanup thread {number}"),
        }
    }
}

struct GuardText(Guard);

impl fmt::Display for GuardText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Guard::Mutex(Mutex::Users) => f.write_str("mutex of the users"),
            Guard::Mutex(Mutex::Session(session)) => write!(f, "mutex of {session}"),
            Guard::Lock(Uid(uid)) => write!(f, "lock of user {uid}"),
        }
    }
}

/// What a client shows, by number.
struct Items<'a>(&'a [Item]);

impl fmt::Display for Items<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(|item| item.0.to_string()).collect();
        f.write_str(if numbers.is_empty() { "nothing" } else { "" })?;
        f.write_str(&numbers.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::time::Duration;

    use super::super::ids::{CHAT, LoginToken};
    use super::super::observation::EndReason;
    use super::super::store;
    use super::*;
    use crate::lock::ids::Token;
    use crate::lock::message::Wire;
    use crate::lock::redis::Reply;

    const U1: Uid = Uid(1);
    const TOKEN: LoginToken = LoginToken(0x9763_0000_0000_0001);

    fn session(server: u16) -> SessionId {
        SessionId::new(NodeId::new(CHAT, server), 0, 1)
    }

    fn message(message: &ChatMessage) -> String {
        Datum::<ChatNode>::Message(message).to_string()
    }

    fn observed(observation: ChatObservation) -> String {
        Datum::<ChatNode>::Observation(&observation).to_string()
    }

    #[test]
    fn what_goes_to_the_redis_names_keys_tokens_and_sessions() {
        let called = |words| message(&ChatMessage::Lock(Wire::Call { process: 0, request: 4, words }));
        let lock = Token(0x6ffd_ace9_0000_0001);
        assert_eq!(called(store::token(U1)), "#4 GET utoken_1");
        assert_eq!(called(store::presence_under(U1, lock)), "#4 EVAL (GET MGET) lock:1 uip_1 usession_1, 6ffd");
        let write = store::write_presence(U1, lock, session(2), Some(Duration::from_secs(6)));
        assert_eq!(called(write), "#4 EVAL (GET SET) lock:1 uip_1 usession_1, 6ffd chat2 2.0.1 6000");
        let reply = Reply::Array(vec![Reply::text("chat1"), Reply::Bulk(session(1).text())]);
        let answered = ChatMessage::Lock(Wire::Called { request: 4, reply });
        assert_eq!(message(&answered), "#4 1) \"chat1\" 2) \"1.0.1\"");
    }

    #[test]
    fn sessions_and_tokens_have_the_words_of_facts() {
        let kick = ChatMessage::Kick { request: 1, uid: U1, victim: session(1), by: session(2) };
        assert_eq!(message(&kick), "#1 session 1.0.1 of user 1, for session 2.0.1");
        let assigned = Some(Assigned { server: NodeId::new(CHAT, 2), token: TOKEN });
        assert_eq!(message(&ChatMessage::Entered { request: 1, assigned }), "#1 chat2 with token 9763");
        assert_eq!(message(&ChatMessage::Entered { request: 1, assigned: None }), "#1 to no server");
        let refused = ChatMessage::LoginReply { session: session(1), result: Err(Refusal::UserExists) };
        assert_eq!(message(&refused), "session 1.0.1: refused, the user logs in elsewhere");
        let lease = Datum::<ChatNode>::Timer(ChatTimer::Lease(session(1)));
        assert_eq!(lease.to_string(), "lease of session 1.0.1");
    }

    #[test]
    fn observations_do_not_repeat_their_names() {
        let there = Presence { server: Some(NodeId::new(CHAT, 1)), session: Some(session(1)) };
        let (uid, by) = (U1, NodeId::new(CHAT, 1));
        let stored = ChatObservation::Stored { uid, by, before: Presence::default(), after: there, lock: None };
        assert_eq!(observed(stored), "user 1, by chat1: nothing before, session 1.0.1 at chat1 now, its lock is free");
        let ended = ChatObservation::Ended { session: session(1), uid: Some(U1), why: EndReason::Kicked };
        assert_eq!(observed(ended), "session 1.0.1 of user 1");
        let waits = ChatObservation::Waits { thread: Thread::Logic(1), guard: Guard::Lock(U1) };
        assert_eq!(observed(waits), "logic thread 1: for lock of user 1");
    }
}

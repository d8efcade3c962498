//! Raft for people: a term stands after `@`, an entry is `index@term`, and `+n` counts entries.
//!
//! ```text
//! s2@3 leader     → s4 append 7@2 +1 commit 6
//! s4@3 follower   ← s2@3 append 7@2 +1 commit 6
//! s4@3 follower   write 9: append to log: 8@3 set 17
//! ```
//!
//! The term of the sender is not said again in a message, nor the node's own in an observation, unless it is new.

use std::fmt::{self, Formatter};

use splitbrain_kernel::brief::{Datum, Derived};

use super::durable::{HardState, LOG_FILE, PARTS_FILE, Record, SNAPSHOT_FILE, STATE_FILE};
use super::ids::{Index, Position};
use super::kv::{self, Answer, Call, CallResult};
use super::membership::{Change, Parts};
use super::message::{
    AppendResult, Command, Entry, Operation, Order, Payload, ProposeResult, RaftMessage, Response, Verdict,
};
use super::node::RaftNode;
use super::observation::{ChangeRefusal, RaftObservation, Refusal, Skip, StepDownReason};
use super::snapshot::{PartResult, SnapshotPart};

/// See [`splitbrain_kernel::node::Node::brief`].
pub(super) fn brief<C: Payload>(datum: Datum<'_, RaftNode<C>>, f: &mut Formatter<'_>) -> fmt::Result {
    match datum {
        Datum::Message(message) => of_message(message, f),
        Datum::Observation(observation) => of_observation(observation, f),
        Datum::Record(Record::State(state)) => of_state(state, f),
        Datum::Record(Record::Entry { index, entry, .. }) => of_entry(*index, entry, f),
        Datum::Record(Record::Snapshot(snapshot)) => {
            write!(f, "up to {}, {} items", snapshot.last, snapshot.items.len())
        }
        Datum::Record(Record::Part(part)) => of_part(part, f),
        Datum::Operation(Operation::Propose { value }) => write!(f, "propose {}", Derived(value)),
        Datum::Operation(Operation::Kv(operation)) => of_store_operation(operation, f),
        Datum::Response(Response::Committed { index }) => write!(f, "committed {index}"),
        Datum::Response(Response::Answered { index, answer }) => of_answer(*index, answer, f),
        Datum::Order(order) => of_order(order, f),
        Datum::File(STATE_FILE) => f.write_str("state"),
        Datum::File(LOG_FILE) => f.write_str("log"),
        Datum::File(SNAPSHOT_FILE) => f.write_str("snapshot"),
        Datum::File(PARTS_FILE) => f.write_str("parts"),
        other => other.derived(f),
    }
}

/// Without the name of the kind and without the term that is the sender's own.
fn of_message<C: Payload>(message: &RaftMessage<C>, f: &mut Formatter<'_>) -> fmt::Result {
    match message {
        RaftMessage::PreVote(request) => write!(f, "for @{} last {}", request.term, request.last),
        RaftMessage::PreVoteReply { term, verdict } => write!(f, "{} @{term}", verdict_words(*verdict)),
        RaftMessage::Vote(request) | RaftMessage::TransferVote(request) => write!(f, "last {}", request.last),
        RaftMessage::TimeoutNow { .. } => Ok(()),
        RaftMessage::VoteReply { granted, .. } => f.write_str(if *granted { "granted" } else { "denied" }),
        RaftMessage::Append(append) => {
            write!(f, "{}", append.previous)?;
            match append.entries.len() {
                0 => {}
                count => write!(f, " +{count}")?,
            }
            write!(f, " commit {}", append.commit)
        }
        RaftMessage::AppendReply { result, .. } => match result {
            AppendResult::Accepted { matched } => write!(f, "matched {matched}"),
            AppendResult::Rejected { previous, hint } => write!(f, "rejected {previous}, has {hint}"),
            AppendResult::Stale => f.write_str("stale"),
        },
        RaftMessage::SnapshotPart(part) => of_part(part, f),
        RaftMessage::PartReply { last, result, .. } => match result {
            PartResult::Received { at, next } => write!(f, "up to {last}: after {at} next {next}"),
            PartResult::Installed => write!(f, "up to {last}: installed"),
            PartResult::Stale => write!(f, "up to {last}: stale"),
        },
        RaftMessage::Propose { operation, value } => write!(f, "#{} {}", operation.0, Derived(value)),
        RaftMessage::ProposeReply { operation, result } => {
            write!(f, "#{} ", operation.0)?;
            match result {
                ProposeResult::Committed { index } => write!(f, "committed {index}"),
                ProposeResult::NotLeader { leader: Some(leader) } => write!(f, "not leader, {leader} is"),
                ProposeResult::NotLeader { leader: None } => f.write_str("not leader"),
                ProposeResult::Unknown => f.write_str("unknown"),
                ProposeResult::Refused => f.write_str("refused"),
            }
        }
        RaftMessage::Confirm { round, .. } | RaftMessage::ConfirmReply { round, .. } => write!(f, "round {round}"),
        RaftMessage::Request { operation, call } => {
            write!(f, "#{} ", operation.0)?;
            write!(f, "{}", CallWords(call))
        }
        RaftMessage::Reply { operation, result } => {
            write!(f, "#{} ", operation.0)?;
            match result {
                CallResult::Answered { index, answer } => of_answer(*index, answer, f),
                CallResult::NotLeader { leader: Some(leader) } => write!(f, "not leader, {leader} is"),
                CallResult::NotLeader { leader: None } => f.write_str("not leader"),
                CallResult::Unknown => f.write_str("unknown"),
                CallResult::Refused => f.write_str("refused"),
            }
        }
    }
}

/// `put k3 17`, as users write it.
fn of_store_operation(operation: &kv::Operation, f: &mut Formatter<'_>) -> fmt::Result {
    match operation {
        kv::Operation::Get { key } => write!(f, "get k{key}"),
        kv::Operation::Put { key, value } => write!(f, "put k{key} {value}"),
        kv::Operation::Append { key, value } => write!(f, "append k{key} {value}"),
        kv::Operation::CompareAndSet { key, expected, value } => write!(f, "set k{key} {expected:?} to {value}"),
        kv::Operation::Delete { key } => write!(f, "delete k{key}"),
    }
}

/// A call in words.
pub(super) struct CallWords<'a>(pub(super) &'a Call);

impl fmt::Display for CallWords<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Call::Open => f.write_str("open a session"),
            Call::Run { session, sequence, operation } => {
                write!(f, "{}.{sequence} ", session.0)?;
                of_store_operation(operation, f)
            }
            Call::Read { key } => write!(f, "get k{key}"),
        }
    }
}

fn of_answer(index: Index, answer: &Answer, f: &mut Formatter<'_>) -> fmt::Result {
    match answer {
        Answer::Done => write!(f, "done at {index}"),
        Answer::Value(value) => write!(f, "{value:?} at {index}"),
        Answer::Mismatch(value) => write!(f, "{value:?} was there at {index}"),
        Answer::Opened(session) => write!(f, "session {} at {index}", session.0),
        Answer::Expired => write!(f, "session expired at {index}"),
        Answer::Superseded => write!(f, "session has gone on at {index}"),
    }
}

fn of_part<C: Payload>(part: &SnapshotPart<C>, f: &mut Formatter<'_>) -> fmt::Result {
    let end = part.offset + part.items.len() as u64;
    write!(f, "up to {}: {}..{end} of {}", part.last, part.offset, part.total)
}

const fn verdict_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Granted => "granted",
        Verdict::Denied => "denied",
        Verdict::Abandoned => "abandoned",
    }
}

/// Without the name of the face.
fn of_observation<C: Payload>(observation: &RaftObservation<C>, f: &mut Formatter<'_>) -> fmt::Result {
    use RaftObservation as Told;
    match observation {
        Told::BecameFollower { term }
        | Told::BecamePreCandidate { term }
        | Told::BecameCandidate { term }
        | Told::TermStarted { term } => write!(f, "@{term}"),
        Told::LeaderElected { term, last } => write!(f, "@{term} last {last}"),
        Told::SteppedDown { term, reason } => write!(f, "@{term}: {}", step_down_words(*reason)),
        Told::LeaderFollowed { term, leader } => write!(f, "{leader}@{term}"),
        Told::RivalLeader { term, rival } => write!(f, "{rival}@{term}"),
        Told::VoteGranted { term, candidate } => write!(f, "to {candidate}@{term}"),
        Told::VoteDenied { term, candidate, reason } => {
            write!(f, "to {candidate}@{term}: {}", refusal_words(*reason))
        }
        Told::PreVoteGranted { term, candidate } => write!(f, "to {candidate} for @{term}"),
        Told::PreVoteDenied { term, candidate, reason } => {
            write!(f, "to {candidate} for @{term}: {}", refusal_words(*reason))
        }
        Told::ElectionSkipped { reason } => write!(f, "as it {}", skip_words(*reason)),
        Told::PriorityDecayed { target } => write!(f, "to {target}"),
        Told::LogTruncated { from } => write!(f, "from {from}"),
        Told::Committed { index, term } => write!(f, "{}", Position { term: *term, index: *index }),
        Told::Applied { index, entry } => of_entry(*index, entry, f),
        Told::ReadByIndex { index } | Told::ReadByLease { index } => write!(f, "at {index}"),
        Told::Executed { index, answer, .. } => of_answer(*index, answer, f),
        Told::SnapshotTaken { last, .. }
        | Told::SnapshotInstalled { last, .. }
        | Told::SnapshotRestored { last, .. } => write!(f, "up to {last}"),
        Told::SnapshotResumed { last, next } => write!(f, "up to {last} at item {next}"),
        Told::LogCompacted { base } => write!(f, "up to {base}"),
        Told::TransferStarted { target } | Told::TransferAborted { target } => write!(f, "to {target}"),
        Told::ConfigurationAppended { members } => write!(f, "{members}"),
        Told::ConfigurationEntered { index, members }
        | Told::ConfigurationReverted { index, members }
        | Told::ConfigurationCommitted { index, members } => write!(f, "{index}: {members}"),
        Told::ChangeRefused { reason } => write!(f, "as it {}", change_refusal_words(*reason)),
        Told::PreVoteWon { .. }
        | Told::PreVoteLost { .. }
        | Told::ElectionLost { .. }
        | Told::ElectionTimedOut { .. }
        | Told::QuorumLost { .. }
        | Told::LeadershipExpired { .. }
        | Told::QuorumAdjusted
        | Told::QuorumRestored
        | Told::StarvedExit
        | Told::Promoted
        | Told::Removed
        | Told::Left => Ok(()),
    }
}

pub(super) const fn refusal_words(reason: Refusal) -> &'static str {
    match reason {
        Refusal::LeaderAlive => "leader alive",
        Refusal::StaleTerm => "stale term",
        Refusal::Voted => "already voted",
        Refusal::LogBehind => "log behind",
        Refusal::LowPriority => "low priority",
        Refusal::NotMember => "not a member",
    }
}

pub(super) const fn step_down_words(reason: StepDownReason) -> &'static str {
    match reason {
        StepDownReason::LaterTerm => "later term",
        StepDownReason::NoQuorum => "no quorum",
        StepDownReason::Ordered => "ordered",
        StepDownReason::ZeroPriority => "zero priority",
        StepDownReason::Transferred => "handed over",
        StepDownReason::Removed => "no voter",
    }
}

const fn change_refusal_words(reason: ChangeRefusal) -> &'static str {
    match reason {
        ChangeRefusal::NotLeader => "does not lead",
        ChangeRefusal::Transferring => "hands its leadership over",
        ChangeRefusal::Pending => "has a change that is not committed",
        ChangeRefusal::NothingCommitted => "has committed nothing of its term",
        ChangeRefusal::Behind => "has a learner that is behind",
        ChangeRefusal::NoVoters => "would have no voters",
        ChangeRefusal::ChangesNothing => "would change nothing",
    }
}

const fn skip_words(reason: Skip) -> &'static str {
    match reason {
        Skip::NotVoter => "is no voter",
        Skip::CatchingUp => "catches up",
        Skip::ReceivingSnapshot => "receives a snapshot",
        Skip::LowPriority => "has a low priority",
        Skip::LaggingStateMachine => "has yet to apply its log",
        Skip::Leaving => "is about to leave",
        Skip::Resigned => "has resigned",
    }
}

fn of_state(state: &HardState, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "@{}", state.term)?;
    if let Some(candidate) = state.voted_for {
        write!(f, " voted for {candidate}")?;
    }
    for (is_on, words) in [
        (!state.timer_allowed, "no election timer"),
        (state.catching_up, "catching up"),
        (state.receiving_snapshot, "receiving a snapshot"),
    ] {
        if is_on {
            write!(f, ", {words}")?;
        }
    }
    Ok(())
}

fn of_entry<C: Payload>(index: Index, entry: &Entry<C>, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{} ", Position { term: entry.term, index })?;
    match &entry.command {
        Command::Noop => f.write_str("no-op"),
        Command::Set(value) => write!(f, "set {}", Derived(value)),
        Command::Kv(command) => write!(f, "{}", CallWords(&command.call)),
        Command::Members(members) => write!(f, "{members}"),
    }
}

fn of_change(change: &Change, f: &mut Formatter<'_>) -> fmt::Result {
    match change {
        Change::AddVoter(server) => write!(f, "add {server}"),
        Change::AddLearner(server) => write!(f, "add learner {server}"),
        Change::Promote(server) => write!(f, "promote {server}"),
        Change::Remove(server) => write!(f, "remove {server}"),
        Change::Joint(Parts { voters, learners, removed }) => {
            f.write_str("change")?;
            let signed = [('+', voters), ('~', learners), ('-', removed)];
            signed.iter().try_for_each(|(sign, servers)| servers.iter().try_for_each(|it| write!(f, " {sign}{it}")))
        }
        Change::LeaveJoint => f.write_str("leave joint"),
    }
}

fn of_order(order: &Order, f: &mut Formatter<'_>) -> fmt::Result {
    let switch = |is_on: &bool| if *is_on { "on" } else { "off" };
    match order {
        Order::CatchingUp(is_on) => write!(f, "catching up {}", switch(is_on)),
        Order::ReceivingSnapshot(is_on) => write!(f, "receiving snapshot {}", switch(is_on)),
        Order::StepDown => f.write_str("step down"),
        Order::Campaign => f.write_str("campaign"),
        Order::Leave => f.write_str("leave"),
        Order::Append(count) => write!(f, "append {count} empty entries"),
        Order::Snapshot => f.write_str("snapshot"),
        Order::Transfer(Some(target)) => write!(f, "transfer to {target}"),
        Order::Transfer(None) => f.write_str("transfer"),
        Order::Change(change) => of_change(change, f),
        Order::AnyChange => f.write_str("any change"),
        Order::Resign => f.write_str("resign"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use splitbrain_kernel::brief::Written;
    use splitbrain_kernel::context::OperationId;
    use splitbrain_kernel::id::NodeId;
    use splitbrain_kernel::node::{Message, Observation, Write};
    use splitbrain_kernel::time::Duration;

    use super::super::ids::Term;
    use super::super::message::{Append, VoteRequest};
    use super::super::node::RaftTimer;
    use super::*;

    type Shown<'a> = Datum<'a, RaftNode>;

    const AT: Position = Position { term: Term(2), index: Index(7) };
    const ENTRY: Entry = Entry { term: Term(3), command: Command::Set(17) };

    #[test]
    fn messages_are_short_and_say_the_term_of_their_sender_once() {
        let append = |entries: &[Entry]| {
            let (term, commit) = (Term(3), Index(6));
            RaftMessage::Append(Append { term, previous: AT, commit, entries: entries.into() })
        };
        let (operation, term) = (OperationId(5), Term(3));
        let reply = |result| RaftMessage::AppendReply { term, result };
        let answer = |result| RaftMessage::ProposeReply { operation, result };
        let request = VoteRequest { term, last: AT };
        let cases: [(RaftMessage, Option<u64>, &str); 16] = [
            (RaftMessage::PreVote(request), None, "for @3 last 7@2"),
            (RaftMessage::PreVoteReply { term, verdict: Verdict::Granted }, None, "granted @3"),
            (RaftMessage::PreVoteReply { term, verdict: Verdict::Denied }, None, "denied @3"),
            (RaftMessage::PreVoteReply { term, verdict: Verdict::Abandoned }, None, "abandoned @3"),
            (RaftMessage::Vote(request), Some(3), "last 7@2"),
            (RaftMessage::VoteReply { term, granted: true }, Some(3), "granted"),
            (RaftMessage::VoteReply { term, granted: false }, Some(3), "denied"),
            (append(&[]), Some(3), "7@2 commit 6"),
            (append(&[ENTRY, ENTRY]), Some(3), "7@2 +2 commit 6"),
            (reply(AppendResult::Accepted { matched: Index(8) }), Some(3), "matched 8"),
            (reply(AppendResult::Rejected { previous: Index(9), hint: AT }), Some(3), "rejected 9, has 7@2"),
            (reply(AppendResult::Stale), Some(3), "stale"),
            (RaftMessage::Propose { operation, value: 17 }, None, "#5 17"),
            (answer(ProposeResult::Committed { index: Index(8) }), None, "#5 committed 8"),
            (answer(ProposeResult::NotLeader { leader: Some(NodeId::server(2)) }), None, "#5 not leader, s2 is"),
            (answer(ProposeResult::Unknown), None, "#5 unknown"),
        ];
        for (message, epoch, brief) in cases {
            assert_eq!(Shown::Message(&message).to_string(), brief, "{message:?}");
            assert_eq!(message.epoch(), epoch, "{message:?}");
        }
    }

    #[test]
    fn observations_say_what_their_name_does_not() {
        let (term, candidate) = (Term(3), NodeId::server(4));
        let cases: [(RaftObservation, Option<u64>, &str); 10] = [
            (RaftObservation::TermStarted { term }, Some(3), "@3"),
            (RaftObservation::LeaderElected { term, last: AT }, Some(3), "@3 last 7@2"),
            (RaftObservation::SteppedDown { term, reason: StepDownReason::LaterTerm }, None, "@3: later term"),
            (RaftObservation::VoteGranted { term, candidate }, None, "to s4@3"),
            (RaftObservation::VoteDenied { term, candidate, reason: Refusal::Voted }, None, "to s4@3: already voted"),
            (
                RaftObservation::PreVoteDenied { term, candidate, reason: Refusal::LogBehind },
                None,
                "to s4 for @3: log behind",
            ),
            (RaftObservation::ElectionSkipped { reason: Skip::Leaving }, None, "as it is about to leave"),
            (RaftObservation::Committed { index: Index(8), term }, None, "8@3"),
            (RaftObservation::Applied { index: Index(8), entry: ENTRY }, None, "8@3 set 17"),
            (RaftObservation::ElectionTimedOut { term }, None, ""),
        ];
        for (observation, epoch, brief) in cases {
            assert_eq!(Shown::Observation(&observation).to_string(), brief, "{observation:?}");
            assert_eq!(observation.epoch(), epoch, "{observation:?}");
        }
    }

    #[test]
    fn disk_timers_and_operations_have_names() {
        let state = HardState { term: Term(3), voted_for: Some(NodeId::server(2)), ..HardState::FRESH };
        let written = |write| Written::<RaftNode>(&write).to_string();
        assert_eq!(written(Write::Replace(STATE_FILE, Record::State(state))), "replace state: @3 voted for s2");
        assert_eq!(
            written(Write::Append(LOG_FILE, Record::Entry { index: Index(8), before: Term(3), entry: ENTRY })),
            "append to log: 8@3 set 17"
        );
        assert_eq!(written(Write::Truncate(LOG_FILE, 4)), "truncate log to 4");
        let catching_up = HardState { catching_up: true, timer_allowed: false, ..HardState::FRESH };
        let shown = Shown::Record(&Record::State(catching_up)).to_string();
        assert_eq!(shown, "@0, no election timer, catching up");
        assert_eq!(Shown::Timer(RaftTimer::CheckQuorum).to_string(), "check quorum");
        assert_eq!(Shown::Operation(&Operation::Propose { value: 9 }).to_string(), "propose 9");
        let put = kv::Operation::Put { key: 3, value: 9 };
        assert_eq!(Shown::Operation(&Operation::Kv(put.clone())).to_string(), "put k3 9");
        let call = Call::Run { session: kv::SessionId(7), sequence: 2, operation: put };
        let request = RaftMessage::Request { operation: OperationId(5), call: Box::new(call.clone()) };
        assert_eq!(Shown::Message(&request).to_string(), "#5 7.2 put k3 9");
        let command = kv::Command { time: Duration::ZERO, call };
        let entry = Entry { term: Term(3), command: Command::Kv(Arc::new(command)) };
        assert_eq!(
            Shown::Record(&Record::Entry { index: Index(8), before: Term(3), entry }).to_string(),
            "8@3 7.2 put k3 9"
        );
        let answered = Response::Answered { index: Index(8), answer: Answer::Value(vec![4, 5]) };
        assert_eq!(Shown::Response(&answered).to_string(), "[4, 5] at 8");
        assert_eq!(Shown::Response(&Response::Committed { index: Index(4) }).to_string(), "committed 4");
        assert_eq!(Shown::Order(&Order::CatchingUp(false)).to_string(), "catching up off");
        assert_eq!(Shown::Order(&Order::Append(3)).to_string(), "append 3 empty entries");
    }
}

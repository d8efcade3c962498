//! A Raft that shares nothing with the one of this repository: bytes as messages, numbers as records, no `Clone`.
//!
//! It is small and right: pre-votes, elections, a log that is written before it is acknowledged, commits. A leader
//! gives up after a while, so that there is always another election to watch. A [`Slip`] makes it wrong in one place.

use std::cmp::Reverse;

use splitbrain_kernel::context::Context;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::node::{
    Change, Face, FileId, Message, Never, Node, Observation, Recovered, Source, Stored, Write, WriteId,
};
use splitbrain_kernel::serde::{Deserialize, Serialize};
use splitbrain_kernel::time::{Duration, Instant};

pub(crate) const STATE: FileId = FileId(0);
pub(crate) const LOG: FileId = FileId(1);

pub(crate) const BEAT: Duration = Duration::from_millis(50);
pub(crate) const PATIENCE: (Duration, Duration) = (Duration::from_millis(150), Duration::from_millis(300));
/// So many heartbeats long a leader leads.
const REIGN: u64 = 40;

/// What the implementation gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub(crate) enum Slip {
    /// Nothing.
    None,
    /// It votes for everyone who asks.
    VotesTwice,
    /// A candidate leads with its own vote.
    NeedsNoVotes,
    /// A leader that gives up goes back to the term before.
    TermFalls,
    /// `s3` campaigns though it does not vote.
    LearnerStands,
    /// `s2` applies something else.
    AppliesOther,
    /// A candidate drops its log, and nobody compares logs.
    EmptyHanded,
    /// A leader commits entries of earlier terms by counting.
    CommitsOldTerms,
    /// Followers do not answer what the leader sends.
    Mute,
    /// It speaks before its disk has it.
    SpeaksAtOnce,
    /// A candidate says that its log is longer than it is.
    BoastsOfItsLog,
    /// It votes in a term in which it was not asked.
    VotesUnasked,
    /// A question for a pre-vote makes it forget its leader.
    PreVoteMoves,
    /// It does not campaign.
    NeverStands,
    /// A leader gives up after each heartbeat.
    Restless,
    /// A refused vote restarts the election timer.
    RefusalRestarts,
    /// A candidate still believes in its leader.
    KeepsLeader,
}

/// A packet: words, little-endian.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub(crate) struct Bytes(Vec<u8>);

pub(crate) const PRE_VOTE: u64 = 0;
pub(crate) const PRE_VOTE_REPLY: u64 = 1;
pub(crate) const VOTE: u64 = 2;
pub(crate) const VOTE_REPLY: u64 = 3;
pub(crate) const APPEND: u64 = 4;
pub(crate) const APPEND_REPLY: u64 = 5;

impl Bytes {
    fn of(words: &[u64]) -> Self {
        Self(words.iter().flat_map(|word| word.to_le_bytes()).collect())
    }

    pub(crate) fn word(&self, at: usize) -> u64 {
        let bytes = self.0[8 * at..8 * at + 8].try_into().expect("a word has eight bytes");
        u64::from_le_bytes(bytes)
    }

    fn words(&self) -> Vec<u64> {
        (0..self.0.len() / 8).map(|at| self.word(at)).collect()
    }
}

impl Message for Bytes {
    const KINDS: &'static [&'static str] = &["bytes"];

    fn kind(&self) -> usize {
        0
    }
}

/// A record: term and vote, or term and value of an entry.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub(crate) struct Pair(pub(crate) u64, pub(crate) u64);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub(crate) enum Note {
    Term(u64),
    Asks(u64),
    Stands(u64),
    Leads(u64, (u64, u64)),
    GivesUp,
    Votes(u64, u64),
    Refuses(u64),
    Commits(u64, u64),
    Applies(u64, (u64, u64)),
}

impl Observation for Note {
    const NAMES: &'static [&'static str] =
        &["term", "asks", "stands", "leads", "gives up", "votes", "refuses", "commits", "applies"];

    fn face(&self) -> Face {
        let name = match self {
            Self::Term(_) => 0,
            Self::Asks(_) => 1,
            Self::Stands(_) => 2,
            Self::Leads(..) => 3,
            Self::GivesUp => 4,
            Self::Votes(..) => 5,
            Self::Refuses(_) => 6,
            Self::Commits(..) => 7,
            Self::Applies(..) => 8,
        };
        Face::new(Self::NAMES[name], Change::None)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub(crate) enum Alarm {
    Patience,
    Beat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Follows,
    Asks,
    Stands,
    Leads,
}

/// A server. `OPEN` decides only what it says of itself to those who watch, not what it does.
#[derive(Debug)]
pub(crate) struct Foreign<const OPEN: bool> {
    slip: Slip,
    me: u64,
    servers: u64,
    /// The highest number of a voter.
    voters: u64,
    pub(crate) runs: bool,
    pub(crate) term: u64,
    pub(crate) vote: u64,
    /// Term and value of each entry.
    log: Vec<(u64, u64)>,
    pub(crate) part: Part,
    pub(crate) leader: u64,
    /// One bit for each server.
    votes: u64,
    pub(crate) commit: u64,
    applied: u64,
    /// By number of the server.
    next: Vec<u64>,
    pub(crate) matched: Vec<u64>,
    beats: u64,
    pub(crate) timer_at: Instant,
    pub(crate) contact_at: Option<Instant>,
    /// The last write: what is said waits for it.
    write: Option<WriteId>,
}

type Ctx<const OPEN: bool> = Context<Foreign<OPEN>>;

impl<const OPEN: bool> Foreign<OPEN> {
    pub(crate) fn new(id: NodeId, servers: u16, voters: u16, slip: Slip, recovered: &Recovered<Pair>) -> Self {
        let (term, vote) = match recovered.last(STATE) {
            Some(Stored::Intact(Pair(term, vote))) => (*term, *vote),
            _ => (0, 0),
        };
        let entries = recovered.file(LOG).iter().map_while(|record| match record {
            Stored::Intact(Pair(term, value)) => Some((*term, *value)),
            _ => None,
        });
        let log = entries.collect();
        Self {
            slip,
            me: u64::from(id.number()),
            servers: u64::from(servers),
            voters: u64::from(voters),
            runs: false,
            term,
            vote,
            log,
            part: Part::Follows,
            leader: 0,
            votes: 0,
            commit: 0,
            applied: 0,
            next: vec![1; usize::from(servers) + 1],
            matched: vec![0; usize::from(servers) + 1],
            beats: 0,
            timer_at: Instant::ZERO,
            contact_at: None,
            write: None,
        }
    }

    pub(crate) const fn voters(&self) -> u16 {
        self.voters as u16
    }

    /// Term and place of the last entry.
    pub(crate) fn last(&self) -> (u64, u64) {
        (self.term_at(self.log.len() as u64), self.log.len() as u64)
    }

    pub(crate) fn term_at(&self, place: u64) -> u64 {
        place.checked_sub(1).and_then(|at| self.log.get(at as usize)).map_or(0, |entry| entry.0)
    }

    fn send(&self, ctx: &mut Ctx<OPEN>, to: u64, words: &[u64]) {
        let target = NodeId::server(to as u16);
        match self.write.filter(|_| self.slip != Slip::SpeaksAtOnce) {
            Some(write) => ctx.send_after(write, target, Bytes::of(words)),
            None => ctx.send(target, Bytes::of(words)),
        }
    }

    fn send_others(&self, ctx: &mut Ctx<OPEN>, words: &[u64]) {
        (1..=self.servers).filter(|to| *to != self.me).for_each(|to| self.send(ctx, to, words));
    }

    fn keep_state(&mut self, ctx: &mut Ctx<OPEN>) {
        self.write = Some(ctx.save(STATE, Pair(self.term, self.vote)));
    }

    fn keep_entry(&mut self, ctx: &mut Ctx<OPEN>, entry: (u64, u64)) {
        self.log.push(entry);
        self.write = Some(ctx.persist(Write::Append(LOG, Pair(entry.0, entry.1))));
    }

    fn cut(&mut self, ctx: &mut Ctx<OPEN>, keep: u64) {
        self.log.truncate(keep as usize);
        self.write = Some(ctx.persist(Write::Truncate(LOG, keep)));
    }

    fn wind(&mut self, ctx: &mut Ctx<OPEN>) {
        let patience = ctx.rng().duration(PATIENCE.0, PATIENCE.1);
        ctx.set_timer(Alarm::Patience, patience);
        self.timer_at = ctx.now();
    }

    fn enter(&mut self, ctx: &mut Ctx<OPEN>, term: u64, vote: u64) {
        (self.term, self.vote) = (term, vote);
        ctx.observe(Note::Term(term));
        self.keep_state(ctx);
    }

    fn follow(&mut self, ctx: &mut Ctx<OPEN>, term: u64, leader: u64) {
        let led = self.part == Part::Leads;
        self.part = Part::Follows;
        self.leader = leader;
        if term > self.term {
            self.enter(ctx, term, 0);
        }
        if led {
            ctx.observe(Note::GivesUp);
            ctx.cancel_timer(Alarm::Beat);
            self.wind(ctx);
        }
    }

    fn has_quorum(&self) -> bool {
        u64::from((self.votes & ((1 << (self.voters + 1)) - 1)).count_ones()) > self.voters / 2
    }

    fn is_as_good(&self, last: (u64, u64)) -> bool {
        self.slip == Slip::EmptyHanded || last >= self.last()
    }

    // ---- Elections ----

    fn ask(&mut self, ctx: &mut Ctx<OPEN>) {
        self.wind(ctx);
        let is_learner = self.me > self.voters && self.slip != Slip::LearnerStands;
        if is_learner || self.slip == Slip::NeverStands {
            return;
        }
        self.part = Part::Asks;
        self.votes = 1 << self.me;
        if self.slip != Slip::KeepsLeader {
            self.leader = 0;
        }
        ctx.observe(Note::Asks(self.term));
        let last = self.last();
        self.send_others(ctx, &[PRE_VOTE, self.term + 1, last.0, last.1]);
    }

    fn stand(&mut self, ctx: &mut Ctx<OPEN>) {
        self.enter(ctx, self.term + 1, self.me);
        self.part = Part::Stands;
        self.leader = 0;
        self.votes = 1 << self.me;
        ctx.observe(Note::Stands(self.term));
        self.wind(ctx);
        if self.slip == Slip::EmptyHanded {
            self.cut(ctx, 0);
        }
        if self.slip == Slip::NeedsNoVotes {
            return self.lead(ctx);
        }
        let last = self.last();
        let boast = if self.slip == Slip::BoastsOfItsLog { 5 } else { 0 };
        self.send_others(ctx, &[VOTE, self.term, last.0, last.1 + boast]);
    }

    fn lead(&mut self, ctx: &mut Ctx<OPEN>) {
        self.part = Part::Leads;
        self.leader = self.me;
        self.beats = 0;
        self.next.fill(self.log.len() as u64 + 1);
        self.matched.fill(0);
        ctx.cancel_timer(Alarm::Patience);
        ctx.observe(Note::Leads(self.term, self.last()));
        self.broadcast(ctx);
        ctx.set_timer(Alarm::Beat, BEAT);
    }

    fn on_vote(&mut self, ctx: &mut Ctx<OPEN>, from: u64, term: u64, last: (u64, u64)) {
        if term > self.term {
            self.follow(ctx, term, 0);
        }
        let is_free = self.vote == 0 || self.vote == from || self.slip == Slip::VotesTwice;
        let is_granted = term == self.term && self.part == Part::Follows && is_free && self.is_as_good(last);
        if is_granted {
            self.vote = from;
            self.keep_state(ctx);
            let unasked = u64::from(self.slip == Slip::VotesUnasked);
            ctx.observe(Note::Votes(term + unasked, from));
            self.wind(ctx);
        } else {
            if self.slip == Slip::RefusalRestarts {
                self.wind(ctx);
            }
            ctx.observe(Note::Refuses(from));
        }
        self.send(ctx, from, &[VOTE_REPLY, self.term, u64::from(is_granted)]);
    }

    fn on_pre_vote(&mut self, ctx: &mut Ctx<OPEN>, from: u64, term: u64, last: (u64, u64)) {
        if self.slip == Slip::PreVoteMoves {
            self.leader = 0;
        }
        let is_led = self.contact_at.is_some_and(|at| ctx.now().since(at) < PATIENCE.0) || self.part == Part::Leads;
        let is_granted = !is_led && term > self.term && self.is_as_good(last);
        self.send(ctx, from, &[PRE_VOTE_REPLY, term, u64::from(is_granted)]);
    }

    // ---- The log ----

    fn beat(&mut self, ctx: &mut Ctx<OPEN>) {
        self.beats += 1;
        if self.beats >= if self.slip == Slip::Restless { 1 } else { REIGN } {
            self.follow(ctx, self.term, 0);
            if self.slip == Slip::TermFalls {
                self.enter(ctx, self.term - 1, 0);
            }
            return;
        }
        let value = 1_000 * self.term + self.beats;
        self.keep_entry(ctx, (self.term, value));
        self.broadcast(ctx);
        ctx.set_timer(Alarm::Beat, BEAT);
    }

    fn broadcast(&mut self, ctx: &mut Ctx<OPEN>) {
        (1..=self.servers).filter(|to| *to != self.me).for_each(|to| self.append_to(ctx, to));
    }

    fn append_to(&self, ctx: &mut Ctx<OPEN>, to: u64) {
        let previous = self.next[to as usize] - 1;
        let mut words = vec![APPEND, self.term, previous, self.term_at(previous), self.commit];
        let entries = self.log.iter().skip(previous as usize).take(8);
        words.extend(entries.flat_map(|entry| [entry.0, entry.1]));
        self.send(ctx, to, &words);
    }

    fn on_append(&mut self, ctx: &mut Ctx<OPEN>, from: u64, words: &[u64]) {
        let [_, term, previous, previous_term, commit, ..] = *words else { panic!("an append has five words") };
        if term < self.term {
            return self.send(ctx, from, &[APPEND_REPLY, self.term, 0, 0]);
        }
        self.follow(ctx, term, from);
        self.wind(ctx);
        self.contact_at = Some(ctx.now());
        if previous > self.log.len() as u64 || self.term_at(previous) != previous_term {
            return self.send(ctx, from, &[APPEND_REPLY, self.term, 0, 0]);
        }
        let mut place = previous;
        for entry in words[5..].chunks(2) {
            place += 1;
            if place <= self.log.len() as u64 && self.term_at(place) != entry[0] {
                self.cut(ctx, place - 1);
            }
            if place > self.log.len() as u64 {
                self.keep_entry(ctx, (entry[0], entry[1]));
            }
        }
        self.commit_to(ctx, commit.min(place));
        if self.slip != Slip::Mute {
            self.send(ctx, from, &[APPEND_REPLY, self.term, 1, place]);
        }
    }

    fn on_append_reply(&mut self, ctx: &mut Ctx<OPEN>, from: u64, term: u64, is_right: bool, place: u64) {
        if term > self.term {
            return self.follow(ctx, term, 0);
        }
        if self.part != Part::Leads || term < self.term {
            return;
        }
        let at = from as usize;
        if !is_right {
            self.next[at] = (self.next[at] - 1).max(self.matched[at] + 1);
            return self.append_to(ctx, from);
        }
        self.matched[at] = self.matched[at].max(place);
        self.next[at] = self.next[at].max(self.matched[at] + 1);
        self.matched[self.me as usize] = self.log.len() as u64;
        let mut reached: Vec<u64> = self.matched[1..=self.voters as usize].to_vec();
        reached.sort_unstable_by_key(|place| Reverse(*place));
        let place = reached[self.voters as usize / 2];
        if self.term_at(place) == self.term || self.slip == Slip::CommitsOldTerms {
            self.commit_to(ctx, place);
        }
    }

    fn commit_to(&mut self, ctx: &mut Ctx<OPEN>, place: u64) {
        if place <= self.commit {
            return;
        }
        self.commit = place;
        ctx.observe(Note::Commits(self.term_at(place), place));
        while self.applied < self.commit {
            let (term, value) = self.log[self.applied as usize];
            self.applied += 1;
            let other = u64::from(self.slip == Slip::AppliesOther && self.me == 2);
            ctx.observe(Note::Applies(self.applied, (term, value + other)));
        }
    }
}

impl<const OPEN: bool> Node for Foreign<OPEN> {
    type Message = Bytes;
    type Timer = Alarm;
    type Record = Pair;
    type Observation = Note;
    type Operation = Never;
    type Response = Never;
    type Order = Never;
    type Step = ();

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        self.runs = true;
        ctx.observe(Note::Term(self.term));
        // What was read may be in the page cache only, and a torn end must go.
        let keep = self.log.len() as u64;
        self.cut(ctx, keep);
        self.keep_state(ctx);
        self.wind(ctx);
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, source: Source, message: Bytes) {
        let from = u64::from(source.node.number());
        let words = message.words();
        match words[..] {
            [PRE_VOTE, term, last_term, last] => self.on_pre_vote(ctx, from, term, (last_term, last)),
            [PRE_VOTE_REPLY, term, granted] if self.part == Part::Asks && term == self.term + 1 => {
                self.votes |= granted << from;
                if self.has_quorum() {
                    self.stand(ctx);
                }
            }
            [VOTE, term, last_term, last] => self.on_vote(ctx, from, term, (last_term, last)),
            [VOTE_REPLY, term, _] if term > self.term => self.follow(ctx, term, 0),
            [VOTE_REPLY, term, granted] if self.part == Part::Stands && term == self.term => {
                self.votes |= granted << from;
                if self.has_quorum() {
                    self.lead(ctx);
                }
            }
            [APPEND, ..] => self.on_append(ctx, from, &words),
            [APPEND_REPLY, term, is_right, place] => self.on_append_reply(ctx, from, term, is_right == 1, place),
            _ => {}
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: Alarm) {
        match timer {
            Alarm::Patience => self.ask(ctx),
            Alarm::Beat => self.beat(ctx),
        }
    }
}

//! The node: what comes in is handed to the library, which carries out by itself what it wants to happen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use foca::{Foca, NoCustomBroadcast, PostcardCodec, Runtime};
use serde::{Deserialize, Serialize};
use splitbrain::kernel::prelude::*;

use super::options::{Bug, Join, SwimOptions};
use super::wire::{self, Identity, Observed, Packet};

/// The one file of a disk, which holds one record.
const LIFE: FileId = FileId(0);

/// The files of a member, for faults that hit one.
pub(super) const FILES: &[FileInfo] =
    &[FileInfo::new("life", LIFE, &[KindId::SERVER], "The number of this life of the process, in one record.")];

/// The number of a process at its address, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life(pub u32);

/// The timers of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// One of the library's, by its number.
    Library(u64),
    /// The member looks whether it should announce itself again.
    Join,
}

type Library = Foca<Identity, PostcardCodec, Rng, NoCustomBroadcast>;
type LibraryTimer = foca::Timer<Identity>;

/// A member, from the start of its process on.
pub struct Member {
    id: NodeId,
    options: SwimOptions,
    members: u16,
    /// The number of this life; what is wrong with the disk that should say it.
    life: Result<u32, &'static str>,
    /// The write of it, until it is durable.
    joining: Option<WriteId>,
    /// The library, once the member has an identity.
    foca: Option<Library>,
    /// Whether a packet was addressed to its present identity.
    is_heard: bool,
    timers: Timers,
    /// The first error of the library that must not happen.
    failure: Option<String>,
}

/// The library's timers by their numbers: they are no values that could be compared.
#[derive(Debug, Default)]
struct Timers {
    set: BTreeMap<u64, LibraryTimer>,
    count: u64,
}

impl Node for Member {
    type Message = Packet;
    type Timer = Timer;
    type Record = Life;
    type Observation = Observed;
    type Operation = Never;
    type Response = Never;
    type Order = Never;
    type Step = ();

    const OPERATIONS: &'static [&'static str] = &[];

    fn on_start(&mut self, ctx: &mut Context<Self>) {
        match self.life {
            Ok(life) => {
                self.joining = Some(ctx.save(LIFE, Life(life)));
                if self.options.bug == Bug::EarlyIdentity {
                    self.join(ctx, life);
                }
            }
            Err(damaged) => ctx.exit(damaged),
        }
    }

    fn on_durable(&mut self, ctx: &mut Context<Self>, completion: Completion) {
        match completion {
            Completion::Durable(write) if self.joining.take_if(|joining| *joining <= write).is_some() => {
                if let (Ok(life), None) = (self.life, &self.foca) {
                    self.join(ctx, life);
                }
            }
            Completion::Failed(_, error) => ctx.exit(format!("the disk failed: {error}")),
            _ => {}
        }
    }

    fn on_message(&mut self, ctx: &mut Context<Self>, _: Source, packet: Packet) {
        let is_kept_back = self.options.bug == Bug::NeverTold && packet.tells_down();
        if !is_kept_back {
            self.call(ctx, |foca, outside| foca.handle_data(&packet.encode(), outside));
        }
    }

    fn on_timer(&mut self, ctx: &mut Context<Self>, timer: Timer) {
        match timer {
            Timer::Library(number) => {
                let Some(timer) = self.timers.set.remove(&number) else { return };
                let is_lost = match self.options.bug {
                    Bug::LostSuspicion => matches!(timer, LibraryTimer::ChangeSuspectToDown { .. }),
                    Bug::LostProbe => matches!(timer, LibraryTimer::SendIndirectProbe { .. }),
                    _ => false,
                };
                if !is_lost {
                    self.call(ctx, |foca, outside| foca.handle_timer(timer, outside));
                }
            }
            Timer::Join => self.on_join(ctx),
        }
    }

    fn brief(datum: Datum<'_, Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        wire::brief(datum, f)
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("foca", &self.foca).finish_non_exhaustive()
    }
}

impl Member {
    /// A member at this address of that many, with what its disk kept.
    pub(super) fn new(id: NodeId, options: SwimOptions, members: u16, recovered: &Recovered<Life>) -> Self {
        let life = match recovered.last(LIFE) {
            None => Ok(1),
            Some(Stored::Intact(Life(before))) => Ok(before + 1),
            Some(_) => Err("the number of the life before cannot be read"),
        };
        Self {
            id,
            options,
            members,
            life,
            joining: None,
            foca: None,
            is_heard: false,
            timers: Timers::default(),
            failure: None,
        }
    }

    /// The identities that it takes for active, if it has joined.
    pub(super) fn active(&self) -> Option<impl Iterator<Item = Identity>> {
        self.foca.as_ref().map(|foca| foca.iter_members().map(|member| *member.id()))
    }

    /// The first error of the library that must not happen.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn join(&mut self, ctx: &mut Context<Self>, life: u32) {
        self.make(ctx, Identity { node: self.id, life, renewal: 0 });
        self.announce(ctx, &BTreeSet::new());
        let phase = ctx.rng().duration(Duration::from_nanos(1), self.options.join_every);
        ctx.set_timer(Timer::Join, phase);
    }

    fn make(&mut self, ctx: &mut Context<Self>, identity: Identity) {
        let process = u64::from(ctx.incarnation());
        let rng = ctx.rng().fork("foca", process);
        for number in std::mem::take(&mut self.timers.set).into_keys() {
            ctx.cancel_timer(Timer::Library(number));
        }
        self.foca = Some(Foca::new(identity, self.options.config(), rng, PostcardCodec));
        ctx.observe(Observed::Made { identity });
    }

    /// The library sends nothing by itself while it knows no active member, or has a new identity that nobody has
    /// spoken to yet; and two groups that have not heard of one another never will.
    fn on_join(&mut self, ctx: &mut Context<Self>) {
        ctx.set_timer(Timer::Join, self.options.join_every);
        let Some(foca) = &self.foca else { return };
        let identity = *foca.identity();
        let active: BTreeSet<NodeId> = foca.iter_members().map(|member| member.id().node).collect();
        if active.is_empty() && self.options.bug == Bug::AnewWhenIdle {
            self.make(ctx, identity);
        }
        match self.options.join {
            Join::Missing if self.is_heard => self.announce(ctx, &active),
            Join::Missing => self.announce(ctx, &BTreeSet::new()),
            Join::Alone if active.is_empty() => self.announce(ctx, &active),
            Join::Alone | Join::Once => {}
        }
    }

    /// Announces this member to all addresses but these; who is there does not matter.
    fn announce(&mut self, ctx: &mut Context<Self>, except: &BTreeSet<NodeId>) {
        let own = self.id;
        let addresses = (1..=self.members).map(NodeId::server);
        for node in addresses.filter(|node| *node != own && !except.contains(node)) {
            let whoever = Identity { node, life: 0, renewal: 0 };
            self.call(ctx, |foca, outside| foca.announce(whoever, outside));
        }
    }

    /// Calls the library, if there is one yet.
    fn call(
        &mut self,
        ctx: &mut Context<Self>,
        call: impl FnOnce(&mut Library, Outside<'_>) -> Result<(), foca::Error>,
    ) {
        let Some(foca) = &mut self.foca else { return };
        let outside = Outside { ctx, timers: &mut self.timers, is_heard: &mut self.is_heard };
        let Err(error) = call(foca, outside) else { return };
        // The library announces to members that are down, and takes its own former identity for one of them.
        if error != foca::Error::DataFromOurselves {
            self.failure.get_or_insert_with(|| error.to_string());
        }
        ctx.observe(Observed::Failed { error: error.to_string() });
    }
}

impl Packet {
    /// Whether it tells its target that it was declared down.
    pub(super) fn tells_down(&self) -> bool {
        self.header.message == foca::Message::TurnUndead
    }
}

/// The library's way out: all that it wants happens at once.
struct Outside<'a> {
    ctx: &'a mut Context<Member>,
    timers: &'a mut Timers,
    is_heard: &'a mut bool,
}

impl Runtime<Identity> for Outside<'_> {
    fn notify(&mut self, notification: foca::Notification<'_, Identity>) {
        match notification {
            foca::Notification::Active => *self.is_heard = true,
            foca::Notification::Idle | foca::Notification::Rejoin(_) => *self.is_heard = false,
            _ => {}
        }
        self.ctx.observe(notification.into());
    }

    fn send_to(&mut self, target: Identity, data: &[u8]) {
        self.ctx.send(target.node, Packet::decode(data));
    }

    fn submit_after(&mut self, timer: LibraryTimer, after: std::time::Duration) {
        self.timers.count += 1;
        self.timers.set.insert(self.timers.count, timer);
        let after = u64::try_from(after.as_nanos()).expect("the library waits for a day at most");
        self.ctx.set_timer(Timer::Library(self.timers.count), Duration::from_nanos(after));
    }
}

#[cfg(test)]
mod tests {
    use splitbrain::kernel::host::Host;

    use super::super::Swim;
    use super::*;
    use crate::testing::{host, preset};

    fn member(bug: Bug) -> Host<Member> {
        host::<Swim>(NodeId::server(1), SwimOptions { bug, ..preset() })
    }

    /// The lives that speak in what was sent since the last look.
    fn lives(host: &mut Host<Member>) -> Vec<u32> {
        host.take_sent().into_iter().map(|(_, packet)| packet.header.src.life).collect()
    }

    #[test]
    fn a_member_says_nothing_before_its_life_is_durable() {
        let mut host = member(Bug::None);
        host.start();
        host.complete_writes();
        assert!(lives(&mut host).is_empty(), "a crash of the machine could take the number");
        host.sync();
        assert_eq!(lives(&mut host), [1, 1], "it announces itself to both others");

        let mut host = member(Bug::EarlyIdentity);
        host.start();
        assert_eq!(lives(&mut host), [1, 1], "the mistake is one");
    }

    #[test]
    fn a_restart_is_the_next_life_of_those_that_spoke() {
        let mut host = member(Bug::None);
        host.start();
        host.crash_machine(0);
        host.start();
        host.sync();
        assert_eq!(lives(&mut host), [1, 1], "the one before has said nothing");
        host.crash_process();
        host.start();
        assert!(lives(&mut host).is_empty());
        host.sync();
        assert_eq!(lives(&mut host), [2, 2]);
    }
}

//! Requests about session items: set, remove, list, and the targets, of which each is one session's.

use std::collections::VecDeque;

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::time::Duration;

use crate::session::bug::Bug;
use crate::session::command::{Applied, Command};
use crate::session::ids::{Instance, ItemKey, Resource, SessionId};
use crate::session::message::{ItemCall, ItemResult, Refusal, SessionMessage};
use crate::session::observation::SessionObservation;
use crate::session::options::Claims;

use super::{Ctx, Master, Then};

/// A request about items.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) source: NodeId,
    pub(super) request: u64,
    pub(super) session: SessionId,
    pub(super) instance: Instance,
    pub(super) lease: Duration,
    pub(super) call: ItemCall,
}

impl Asked {
    /// The target that it claims, if it does.
    const fn claimed(&self) -> Option<Resource> {
        if let ItemCall::Set { key: ItemKey::Target(resource), .. } = self.call { Some(resource) } else { None }
    }
}

/// Whether a claim is for a target that is another's, or is free.
const fn waits(checked: &Result<Command, ItemResult>) -> bool {
    matches!(checked, Ok(_) | Err(ItemResult::Taken))
}

impl Master {
    pub(super) fn on_item(&mut self, ctx: &mut Ctx<'_>, asked: Asked) {
        let checked = self.check_item(ctx, asked);
        match asked.claimed().filter(|_| self.options.claims == Claims::Queue) {
            // Who has it already, or is refused, does not wait; all others do, and the first of them comes first.
            Some(resource) if waits(&checked) && !self.holds(asked.session, resource) => {
                self.join_line(asked, resource);
                self.serve_line(ctx, resource);
            }
            _ => self.act_on(ctx, asked, checked),
        }
    }

    fn act_on(&mut self, ctx: &mut Ctx<'_>, asked: Asked, checked: Result<Command, ItemResult>) {
        match checked {
            Ok(command) => {
                self.propose(ctx, command, Then::Answer { source: asked.source, request: asked.request });
            }
            Err(result) => {
                if result == ItemResult::NoSuchSession {
                    ctx.observe(SessionObservation::ItemRefused { session: asked.session });
                }
                let (request, session) = (asked.request, asked.session);
                ctx.send(asked.source, SessionMessage::ItemReply { request, session, result });
            }
        }
    }

    // Lines.

    fn holds(&self, session: SessionId, resource: Resource) -> bool {
        self.table.holder(resource).is_some_and(|(holder, _)| holder == session)
    }

    /// A claim waits for its target. One that is sent again keeps its place.
    fn join_line(&mut self, asked: Asked, resource: Resource) {
        let line = self.in_line.entry(resource).or_default();
        match line.iter_mut().find(|waiting| waiting.session == asked.session) {
            Some(waiting) => *waiting = asked,
            None => line.push_back(asked),
        }
    }

    /// Looks at each line: a target may be free.
    pub(super) fn serve_lines(&mut self, ctx: &mut Ctx<'_>) {
        let resources: Vec<Resource> = self.in_line.keys().copied().collect();
        resources.into_iter().for_each(|resource| self.serve_line(ctx, resource));
    }

    /// Goes along the line of a target until somebody waits on: who has lost its session is told so.
    fn serve_line(&mut self, ctx: &mut Ctx<'_>, resource: Resource) {
        while let Some(first) = self.in_line.get(&resource).and_then(|line| line.front().copied()) {
            let checked = match self.check_item(ctx, first) {
                Err(ItemResult::NoSuchSession) if self.has(Bug::WaiterNotChecked) => {
                    let value = u64::from(first.source.number());
                    self.check_claim(ctx, first, resource, value)
                }
                checked => checked,
            };
            if checked == Err(ItemResult::Taken) || self.is_about_to_be_granted(resource) {
                return;
            }
            self.in_line.get_mut(&resource).and_then(VecDeque::pop_front);
            self.act_on(ctx, first, checked);
        }
        self.in_line.remove(&resource);
    }

    fn is_about_to_be_granted(&self, resource: Resource) -> bool {
        let grants =
            |command: &Command| matches!(command, Command::SetItem { key: ItemKey::Target(of), .. } if *of == resource);
        self.journal.pending().any(|(command, _)| grants(command))
    }

    /// The command that a request asks for, or what it is answered at once.
    fn check_item(&self, ctx: &Ctx<'_>, asked: Asked) -> Result<Command, ItemResult> {
        let Asked { session, instance, call, .. } = asked;
        if !self.leads_now(ctx) {
            return Err(ItemResult::Refused(self.not_leader(ctx)));
        }
        if self.table.active(session).is_none() && !self.has(Bug::ItemOfDeadSession) {
            return Err(ItemResult::NoSuchSession);
        }
        let is_other = self.table.session(session).is_some_and(|found| found.instance != instance);
        if is_other && !self.has(Bug::InstanceNotChecked) {
            return Err(ItemResult::Refused(Refusal::Superseded));
        }
        Ok(match call {
            ItemCall::List => return Err(ItemResult::Items(self.table.items())),
            ItemCall::Set { key: ItemKey::Target(resource), value } => {
                return self.check_claim(ctx, asked, resource, value);
            }
            ItemCall::Set { key, value } => Command::SetItem { session, instance, key, value },
            ItemCall::Remove { key } => Command::RemoveItem { session, instance, key },
            ItemCall::Release { resource, token } => Command::Release { session, instance, resource, token },
        })
    }

    /// A target is granted if no session has it, and its delay is over.
    fn check_claim(&self, ctx: &Ctx<'_>, asked: Asked, resource: Resource, value: u64) -> Result<Command, ItemResult> {
        let Asked { session, instance, .. } = asked;
        let set = Command::SetItem { session, instance, key: ItemKey::Target(resource), value };
        match self.table.holder(resource) {
            Some((holder, _)) if holder == session => Ok(set),
            Some((holder, _)) if self.has(Bug::OldItemIsOwn) && self.table.are_of_one(holder, session) => Ok(set),
            Some((holder, _)) if self.has(Bug::ExpiryByOwnDuration) => {
                let silent = self.leases.get(&holder).map_or(Duration::ZERO, |lease| ctx.now().since(lease.from));
                let take = Command::TakeOver { session, instance, resource };
                if silent > asked.lease { Ok(take) } else { Err(ItemResult::Taken) }
            }
            Some(_) => Err(ItemResult::Taken),
            None => {
                let free_at = self.free_at.get(&resource).copied().unwrap_or_default().max(self.all_free_at);
                if ctx.now() < free_at { Err(ItemResult::Taken) } else { Ok(set) }
            }
        }
    }

    /// A command about items is durable and applied.
    pub(super) fn answer_item(
        &self,
        ctx: &mut Ctx<'_>,
        source: NodeId,
        request: u64,
        command: &Command,
        applied: Applied,
    ) {
        let session = match command {
            Command::SetItem { session, .. }
            | Command::RemoveItem { session, .. }
            | Command::Release { session, .. }
            | Command::TakeOver { session, .. } => *session,
            _ => unreachable!("it is no command about items"),
        };
        if !self.leads_now(ctx) {
            // It is durable, and a master that leads says so when it is asked again.
            let result = ItemResult::Refused(self.not_leader(ctx));
            return ctx.send(source, SessionMessage::ItemReply { request, session, result });
        }
        if let Some(observation) = observed(session, command, applied) {
            ctx.observe(observation);
        }
        let result = match applied {
            Applied::Done => ItemResult::Done,
            Applied::Granted(token) => ItemResult::Granted(token),
            Applied::Taken => ItemResult::Taken,
            Applied::NoSuchSession | Applied::Outdated => ItemResult::NoSuchSession,
        };
        ctx.send(source, SessionMessage::ItemReply { request, session, result });
    }
}

/// What those who watch hear of it.
fn observed(session: SessionId, command: &Command, applied: Applied) -> Option<SessionObservation> {
    match (command, applied) {
        (Command::SetItem { key: ItemKey::Target(resource), .. }, Applied::Granted(token))
        | (Command::TakeOver { resource, .. }, Applied::Granted(token)) => {
            Some(SessionObservation::TargetGranted { resource: *resource, session, token })
        }
        (Command::SetItem { key, .. }, Applied::Done) => Some(SessionObservation::ItemSet { session, key: *key }),
        (Command::RemoveItem { key, .. }, Applied::Done) => {
            Some(SessionObservation::ItemRemoved { session, key: *key })
        }
        (Command::Release { resource, .. }, Applied::Done) => {
            Some(SessionObservation::ItemRemoved { session, key: ItemKey::Target(*resource) })
        }
        (_, Applied::NoSuchSession) => Some(SessionObservation::ItemRefused { session }),
        _ => None,
    }
}

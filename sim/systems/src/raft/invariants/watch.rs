//! The list of the invariants, with a line for each, and what one of them may hear of that keeps its state to itself.
//!
//! ```text
//!   TRANSFER_ENDS = transfer_ends::Transfers,
//!   │               │              └ its state, a [`Watch`]: it is kept, and called with all that it hears of
//!   │               └ its file, with `INFO`
//!   └ what findings take: its name in capitals
//! ```
//!
//! Without a state, the line makes the module and its place in the list, and whoever knows the occasion calls it. That
//! is for those that share what they remember with others, and for those on the way of each heartbeat.
//!
//! Every event of a watch does nothing unless the watch says otherwise. The calls are static and inlined, so an event
//! that no watch looks at leaves no code where it happens.

use splitbrain_kernel::context::OperationId;
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::Findings;
use splitbrain_kernel::node::Write;
use splitbrain_kernel::time::Instant;
use splitbrain_kernel::view::View;

use crate::raft::facts::{ConfigurationFacts, Fact, RaftFacts, Said, Told};
use crate::raft::ids::{ServerSet, Term};

use super::configurations::Configurations;
use super::frame::{Frame, Membership, slot};
use super::leadership::server as server_of;
use super::persist_before_reply::DurableStates;

/// Why it is asked anew what the world allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// A fault has begun or ended, or the settle phase begins.
    Fault,
    /// A process has started or ended, a server was given an order, or a disk is healthy again.
    Process,
    /// A server has written or committed something that may change which servers vote.
    Membership,
}

/// What the invariants know together, beside what happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    /// The cluster and its promises.
    pub(super) frame: &'a Frame,
    /// The term that each server leads, by slot.
    pub(super) leads: &'a [Option<Term>],
    /// Which configuration each server ought to go by.
    pub(super) configurations: &'a Configurations,
    /// Whose disk broke a promise of its own.
    pub(super) durable_states: &'a DurableStates,
    /// Those of whose writes one may have failed since they started.
    pub(super) failing: ServerSet,
}

impl Scene<'_> {
    /// The leader of the latest term of those that lead, with that term.
    pub(super) fn latest_leader(&self) -> Option<(Term, NodeId)> {
        let leading = self.frame.servers().filter_map(|server| Some((self.leads[slot(server)]?, server)));
        leading.max_by_key(|(term, _)| *term)
    }

    /// The configuration in force at a server. `None` if it can change and nothing says how.
    pub(super) fn configuration_at<N: RaftFacts>(
        &self,
        view: impl View<N>,
        server: NodeId,
    ) -> Fact<ConfigurationFacts> {
        match self.frame.membership {
            Membership::Logged if !self.configurations.are_initial() => {
                let at = self.frame.rules(server).in_force;
                Some(self.configurations.in_force(server, view.node(server), at).1)
            }
            _ => self.frame.configuration_at(server_of(&view, server)),
        }
    }

    /// Whether nothing has happened to the server's disk that keeps it from doing what it should.
    pub(super) fn is_fit(&self, server: NodeId) -> bool {
        !self.durable_states.is_waived(server) && !self.failing.contains(server)
    }
}

/// An invariant with a state of its own.
///
/// Only servers are told of: [`Frame::watches`] holds for `server`. Each event comes after what [`Scene`] knows of it.
pub(super) trait Watch<N: RaftFacts>: Clone {
    /// Before the run.
    fn new(frame: &Frame) -> Self;

    /// A server's process starts, for the first time or again.
    #[inline(always)]
    fn on_start(&mut self, scene: Scene<'_>, view: impl View<N>, server: NodeId, findings: &mut Findings) {
        let _ = (scene, view, server, findings);
    }

    /// A server is about to handle a message of another server. It comes with each heartbeat, and may set no deadline.
    #[inline(always)]
    fn on_receive(
        &mut self,
        scene: Scene<'_>,
        view: impl View<N>,
        (server, source): (NodeId, NodeId),
        said: Said,
        findings: &mut Findings,
    ) {
        let _ = (scene, view, server, source, said, findings);
    }

    /// A message leaves a server for another server. It comes with each heartbeat, and may set no deadline.
    #[inline(always)]
    fn on_send(
        &mut self,
        scene: Scene<'_>,
        view: impl View<N>,
        (server, target): (NodeId, NodeId),
        said: Said,
        findings: &mut Findings,
    ) {
        let _ = (scene, view, server, target, said, findings);
    }

    /// A request reaches a server for which something must come into a log.
    #[inline(always)]
    fn on_asked(
        &mut self,
        scene: Scene<'_>,
        view: impl View<N>,
        (server, client): (NodeId, NodeId),
        operation: OperationId,
        findings: &mut Findings,
    ) {
        let _ = (scene, view, server, client, operation, findings);
    }

    /// A server answers a request, whatever it says.
    #[inline(always)]
    fn on_answered(
        &mut self,
        scene: Scene<'_>,
        view: impl View<N>,
        (server, client): (NodeId, NodeId),
        operation: OperationId,
        findings: &mut Findings,
    ) {
        let _ = (scene, view, server, client, operation, findings);
    }

    /// A server says something of itself.
    #[inline(always)]
    fn on_told(
        &mut self,
        scene: Scene<'_>,
        view: impl View<N>,
        server: NodeId,
        told: &Told<'_, N::Entry>,
        findings: &mut Findings,
    ) {
        let _ = (scene, view, server, told, findings);
    }

    /// A server writes. It may set no deadline.
    #[inline(always)]
    fn on_write(
        &mut self,
        scene: Scene<'_>,
        view: impl View<N>,
        server: NodeId,
        write: Write<&N::Record>,
        findings: &mut Findings,
    ) {
        let _ = (scene, view, server, write, findings);
    }

    /// A server has handled an input with which something happened: it said or wrote something, or was asked for a
    /// vote or told of an acknowledgement. Its facts are those after that.
    #[inline(always)]
    fn on_step(&mut self, scene: Scene<'_>, view: impl View<N>, server: NodeId, findings: &mut Findings) {
        let _ = (scene, view, server, findings);
    }

    /// A server's process has ended.
    #[inline(always)]
    fn on_down(&mut self, scene: Scene<'_>, view: impl View<N>, server: NodeId, findings: &mut Findings) {
        let _ = (scene, view, server, findings);
    }

    /// What the world allows may be something else now.
    #[inline(always)]
    fn on_world(&mut self, scene: Scene<'_>, view: impl View<N>, cause: Cause, findings: &mut Findings) {
        let _ = (scene, view, cause, findings);
    }

    /// When [`Watch::on_deadline`] wants to be called; [`Instant::MAX`] for never.
    #[inline(always)]
    fn deadline(&self) -> Instant {
        Instant::MAX
    }

    /// A deadline has come, perhaps that of another watch. The next one must be later.
    #[inline(always)]
    fn on_deadline(&mut self, scene: Scene<'_>, view: impl View<N>, findings: &mut Findings) {
        let _ = (scene, view, findings);
    }

    /// The run has ended.
    #[inline(always)]
    fn on_end(&mut self, scene: Scene<'_>, view: impl View<N>, findings: &mut Findings) {
        let _ = (scene, view, findings);
    }
}

/// What the invariants know together, in a method of theirs.
macro_rules! scene {
    ($self:ident) => {
        Scene {
            frame: &$self.frame,
            leads: &$self.leads,
            configurations: &$self.configurations,
            durable_states: &$self.durable_states,
            failing: $self.failing,
        }
    };
}

/// Calls all watches with this event, in a method of the invariants.
macro_rules! tell {
    ($self:ident.$event:ident($($what:expr),* $(,)?)) => {
        Watch::<N>::$event(&mut $self.watched, scene!($self), $($what),*)
    };
}

/// The list: see the head of this file. Each event goes to the watches in the order of the list.
macro_rules! invariants {
    ($($place:ident = $module:ident $(:: $state:ident)?,)+) => {
        $(mod $module;)+

        splitbrain_kernel::invariant_list! { $($place = $module::INFO,)+ }

        /// The state of each watch, by the name of its file.
        #[derive(Clone, Debug)]
        struct Watched {
            $($($module: $module::$state,)?)+
        }

        impl<N: RaftFacts> Watch<N> for Watched {
            fn new(frame: &Frame) -> Self {
                Self { $($($module: <$module::$state as Watch<N>>::new(frame),)?)+ }
            }

            #[inline(always)]
            fn on_start(&mut self, scene: Scene<'_>, view: impl View<N>, server: NodeId, findings: &mut Findings) {
                $($(<$module::$state as Watch<N>>::on_start(&mut self.$module, scene, view, server, findings);)?)+
            }

            #[inline(always)]
            fn on_receive(
                &mut self,
                scene: Scene<'_>,
                view: impl View<N>,
                nodes: (NodeId, NodeId),
                said: Said,
                findings: &mut Findings,
            ) {
                $($(
                    <$module::$state as Watch<N>>::on_receive(&mut self.$module, scene, view, nodes, said, findings);
                )?)+
            }

            #[inline(always)]
            fn on_send(
                &mut self,
                scene: Scene<'_>,
                view: impl View<N>,
                nodes: (NodeId, NodeId),
                said: Said,
                findings: &mut Findings,
            ) {
                $($(<$module::$state as Watch<N>>::on_send(&mut self.$module, scene, view, nodes, said, findings);)?)+
            }

            #[inline(always)]
            fn on_asked(
                &mut self,
                scene: Scene<'_>,
                view: impl View<N>,
                nodes: (NodeId, NodeId),
                id: OperationId,
                findings: &mut Findings,
            ) {
                $($(
                    <$module::$state as Watch<N>>::on_asked(&mut self.$module, scene, view, nodes, id, findings);
                )?)+
            }

            #[inline(always)]
            fn on_answered(
                &mut self,
                scene: Scene<'_>,
                view: impl View<N>,
                nodes: (NodeId, NodeId),
                id: OperationId,
                findings: &mut Findings,
            ) {
                $($(
                    <$module::$state as Watch<N>>::on_answered(&mut self.$module, scene, view, nodes, id, findings);
                )?)+
            }

            #[inline(always)]
            fn on_told(
                &mut self,
                scene: Scene<'_>,
                view: impl View<N>,
                server: NodeId,
                told: &Told<'_, N::Entry>,
                findings: &mut Findings,
            ) {
                $($(<$module::$state as Watch<N>>::on_told(&mut self.$module, scene, view, server, told, findings);)?)+
            }

            #[inline(always)]
            fn on_write(
                &mut self,
                scene: Scene<'_>,
                view: impl View<N>,
                server: NodeId,
                write: Write<&N::Record>,
                findings: &mut Findings,
            ) {
                $($(
                    <$module::$state as Watch<N>>::on_write(&mut self.$module, scene, view, server, write, findings);
                )?)+
            }

            #[inline(always)]
            fn on_step(&mut self, scene: Scene<'_>, view: impl View<N>, server: NodeId, findings: &mut Findings) {
                $($(<$module::$state as Watch<N>>::on_step(&mut self.$module, scene, view, server, findings);)?)+
            }

            #[inline(always)]
            fn on_down(&mut self, scene: Scene<'_>, view: impl View<N>, server: NodeId, findings: &mut Findings) {
                $($(<$module::$state as Watch<N>>::on_down(&mut self.$module, scene, view, server, findings);)?)+
            }

            #[inline(always)]
            fn on_world(&mut self, scene: Scene<'_>, view: impl View<N>, cause: Cause, findings: &mut Findings) {
                $($(<$module::$state as Watch<N>>::on_world(&mut self.$module, scene, view, cause, findings);)?)+
            }

            #[inline(always)]
            fn deadline(&self) -> Instant {
                Instant::MAX $($(.min(<$module::$state as Watch<N>>::deadline(&self.$module)))?)+
            }

            #[inline(always)]
            fn on_deadline(&mut self, scene: Scene<'_>, view: impl View<N>, findings: &mut Findings) {
                $($(<$module::$state as Watch<N>>::on_deadline(&mut self.$module, scene, view, findings);)?)+
            }

            #[inline(always)]
            fn on_end(&mut self, scene: Scene<'_>, view: impl View<N>, findings: &mut Findings) {
                $($(<$module::$state as Watch<N>>::on_end(&mut self.$module, scene, view, findings);)?)+
            }
        }
    };
}

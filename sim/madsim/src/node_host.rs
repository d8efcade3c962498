//! Kernel nodes on madsim: each is a madsim node, and the handlers run in its tasks.
//!
//! A process that ends takes its madsim node with it: its tasks are killed, and what they waited for never comes up.

use madsim::Config;
use madsim::runtime::{Handle, NodeHandle};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::OptionsOf;
use splitbrain_kernel::system::System;
use splitbrain_kernel::trace::Tracer;
use splitbrain_kernel::view::View as _;
use splitbrain_kernel::world::Hosted;

use crate::host::{self, Ended, Host, Processes};
use crate::tokio_seed::TokioSeeding;

/// One run. To be called once a thread.
pub(crate) fn run<S, T>(system: &S, options: &OptionsOf<S>, seed: Seed, tracer: T) -> Ended<S>
where
    S: System,
    T: Tracer<S::Node> + Send + 'static,
{
    host::run((seed, TokioSeeding::OfRun), Config::default(), || {
        let world = Hosted::traced(system, options, seed, tracer);
        let assemble = |world: &Hosted<S, T>, madsim: &Handle| {
            let build = |id: NodeId| Process {
                id,
                handle: madsim.create_node().name(id.to_string()).build(),
                incarnation: world.incarnation(id),
            };
            KernelProcesses(world.view().cluster().nodes().map(build).collect())
        };
        (world, assemble)
    })
}

/// Kernel nodes as madsim has them.
struct KernelProcesses(Vec<Process>);

struct Process {
    id: NodeId,
    handle: NodeHandle,
    incarnation: u32,
}

impl<S: System> Processes<S> for KernelProcesses {
    fn follow<T: Tracer<S::Node> + Send + 'static>(&mut self, world: &Hosted<S, T>, _: &Host<S, T, Self>) {
        for process in &mut self.0 {
            let incarnation = world.incarnation(process.id);
            if std::mem::replace(&mut process.incarnation, incarnation) != incarnation {
                let madsim = Handle::current();
                let id = process.handle.id();
                madsim.restart(id);
                process.handle = madsim.get_node(id).expect("a restart keeps the node");
            }
        }
    }

    fn node_of(&self, node: NodeId) -> Option<&NodeHandle> {
        self.0.iter().find(|process| process.id == node).map(|process| &process.handle)
    }

    fn shut_down(self) -> Vec<NodeHandle> {
        self.0.into_iter().map(|process| process.handle).collect()
    }
}

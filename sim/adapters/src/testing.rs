//! One node of a system on a host, for unit tests: the test is every peer.

use splitbrain::kernel::host::Host;
use splitbrain::kernel::prelude::*;

/// The node with this id, of a cluster with three servers and, if the system has clients, one of these. It is down.
pub(crate) fn host<S: System>(id: NodeId, options: S::Options) -> Host<S::Node> {
    let mut cluster = Cluster::new(S::KINDS).with(KindId::SERVER, 3);
    if S::KINDS.iter().any(|kind| kind.id == KindId::CLIENT) {
        cluster = cluster.with(KindId::CLIENT, 1);
    }
    let bounds = Bounds { skew: None, drift_ppm: None, latency: Duration::from_millis(1) };
    let setup = Setup::new(cluster, PerServer::same(options), bounds);
    Host::of(&S::new(setup).expect("the options stand together"), id, Seed(1))
}

/// The options of the first preset.
pub(crate) fn preset<O: Options>() -> O {
    (O::presets()[0].make)()
}

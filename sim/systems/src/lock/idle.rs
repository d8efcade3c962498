//! Options that can have no effect beside others. Only what no run can show is listed: an option that waits for a rare
//! event is not idle.

use splitbrain_kernel::options::{Idle, PerServer, Scene};

use super::options::{LockOptions, Topology, Writes};
use super::system::{RESOURCE, SENTINEL};

/// What is idle under these options of all nodes.
pub(super) fn of(all: &PerServer<LockOptions>, scene: Scene<'_>) -> Vec<(Idle, &'static str)> {
    let none = |is_so: &dyn Fn(&LockOptions) -> bool| !all.all().any(is_so);
    let mut idle = Vec::new();
    let mut add = |is_idle: bool, options: &[&'static str], why| {
        if is_idle {
            idle.extend(options.iter().map(|option| (Idle::Option(option), why)));
        }
    };
    let watches = ["ping_every", "down_after", "quorum", "failover_timeout"];
    add(scene.cluster.count(SENTINEL) == 0, &watches, "there is no sentinel");
    let is_replicated = !none(&|options| options.topology == Topology::Replicated);
    add(!is_replicated, &["stream_deadlines", "min_replicas", "wait_replicas"], "independent servers have no replicas");
    add(none(&|options| options.min_replicas > 0), &["max_lag"], "no master counts its replicas, as min_replicas is 0");
    add(none(&LockOptions::has_watchdog), &["rejoin"], "no lock is extended, as extend_every is 0s");
    add(none(&|options| options.stall.parts() > 0), &["stall_max"], "no client is held up, as stall is 0%");
    let writes_there = scene.cluster.count(RESOURCE) > 0 && !none(&|options| options.writes == Writes::Resource);
    add(!writes_there, &["fencing"], "nobody writes to a resource");
    idle
}

#[cfg(test)]
mod tests {
    use splitbrain_kernel::id::Cluster;
    use splitbrain_kernel::rng::Ppm;
    use splitbrain_kernel::time::Duration;

    use super::super::presets;
    use super::super::system::{KINDS, REDIS};
    use super::*;

    fn idle(options: LockOptions, cluster: Cluster) -> Vec<&'static str> {
        let name = |(idle, _)| match idle {
            Idle::Option(name) => name,
            other => panic!("{other:?} is no option"),
        };
        of(&PerServer::same(options), Scene { cluster, orders: &[] }).into_iter().map(name).collect()
    }

    #[test]
    fn what_needs_sentinels_replicas_a_watchdog_or_a_resource_is_idle_without() {
        let alone = Cluster::new(KINDS).with(REDIS, 1);
        let mut all = idle(presets::distlock(), alone);
        all.sort_unstable();
        let needs = [
            "down_after",
            "failover_timeout",
            "fencing",
            "max_lag",
            "min_replicas",
            "ping_every",
            "quorum",
            "rejoin",
            "stall_max",
            "stream_deadlines",
            "wait_replicas",
        ];
        assert_eq!(all, needs);
    }

    #[test]
    fn where_everything_is_there_nothing_is_idle() {
        let cluster = Cluster::new(KINDS).with(REDIS, 3).with(SENTINEL, 3).with(RESOURCE, 1);
        let options = LockOptions {
            topology: Topology::Replicated,
            min_replicas: 1,
            extend_every: Duration::from_secs(1),
            stall: Ppm::new(1),
            ..presets::distlock()
        };
        assert_eq!(idle(options.clone(), cluster), Vec::<&str>::new());
        let guarded = LockOptions { writes: Writes::Guarded, ..options };
        assert_eq!(idle(guarded, cluster), ["fencing"]);
    }
}

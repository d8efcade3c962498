//! No target is left alone: some time after the cluster was healed, a chunk serves each target that one may have.

use std::collections::{BTreeMap, BTreeSet};

use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{Findings, InvariantInfo, InvariantKind, Sight};
use splitbrain_kernel::time::{Duration, Instant};

use crate::session::ids::Resource;
use crate::session::observation::SessionObservation;

use super::index::TARGET_SERVED;

pub(super) const INFO: InvariantInfo = InvariantInfo {
    name: "target_served",
    doc: "After the cluster is healed, each target that a chunk asks for is served by one, within a bound.",
    source: "consul #4902; Burrows, The Chubby lock service (OSDI 2006), section 2.4",
    kind: InvariantKind::Liveness,
    sight: Sight::BlackBox,
};

/// Who serves what, as chunks say, and until when each target was served.
#[derive(Clone, Debug, Default)]
pub(super) struct Service {
    serving: BTreeSet<(Resource, NodeId)>,
    last: BTreeMap<Resource, Instant>,
}

impl Service {
    /// A chunk has said something.
    pub(super) fn on_observation(&mut self, chunk: NodeId, said: &SessionObservation, now: Instant) {
        match said {
            SessionObservation::ServeStarted { resource, .. } => {
                self.serving.insert((*resource, chunk));
            }
            SessionObservation::ServeStopped { resource } => self.stop(*resource, chunk, now),
            _ => {}
        }
    }

    /// A process has ended.
    pub(super) fn on_down(&mut self, chunk: NodeId, now: Instant) {
        let of: Vec<Resource> = self.serving.iter().filter(|(_, by)| *by == chunk).map(|(of, _)| *of).collect();
        of.into_iter().for_each(|resource| self.stop(resource, chunk, now));
    }

    fn stop(&mut self, resource: Resource, chunk: NodeId, now: Instant) {
        if self.serving.remove(&(resource, chunk)) {
            self.last.insert(resource, now);
        }
    }

    /// The time is over: this target is served, or was a moment ago. It may be on its way to another chunk.
    pub(super) fn judge(&self, now: Instant, moment: Duration, resource: Resource, findings: &mut Findings) {
        let is_served = self.serving.iter().any(|(of, _)| *of == resource);
        let last = self.last.get(&resource).copied();
        let was_served = last.is_some_and(|last| now.since(last) < moment);
        findings.check(TARGET_SERVED, None, is_served || was_served, || match last {
            Some(last) => {
                format!("no chunk has served target {resource} since {last}, long after the cluster was healed")
            }
            None => format!("no chunk has ever served target {resource}, long after the cluster was healed"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{K1, K2, ONE, all_on, broken};
    use super::*;
    use crate::session::ids::Token;

    const TARGET: Resource = Resource(1);
    const MOMENT: Duration = Duration::from_secs(5);

    fn at(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    fn serving(chunks: &[NodeId], resource: Resource) -> Service {
        let mut service = Service::default();
        for chunk in chunks {
            let said = SessionObservation::ServeStarted { resource, session: ONE, token: Token(1) };
            service.on_observation(*chunk, &said, at(1));
        }
        service
    }

    fn judge(service: &Service, secs: u64) -> Option<usize> {
        let mut findings = all_on();
        service.judge(at(secs), MOMENT, TARGET, &mut findings);
        assert_eq!(findings.evaluated()[TARGET_SERVED], 1);
        broken(&findings)
    }

    #[test]
    fn a_target_that_is_served_or_is_on_its_way_is_right() {
        assert_eq!(judge(&serving(&[K1], TARGET), 20), None);
        let mut service = serving(&[K1, K2], TARGET);
        service.on_observation(K1, &SessionObservation::ServeStopped { resource: TARGET }, at(10));
        assert_eq!(judge(&service, 20), None, "the other one serves it");
        service.on_down(K2, at(16));
        assert_eq!(judge(&service, 20), None, "it was served until a moment ago");
    }

    #[test]
    fn a_target_that_nobody_serves_is_found() {
        assert_eq!(judge(&Service::default(), 20), Some(TARGET_SERVED));
        assert_eq!(judge(&serving(&[K1], Resource(2)), 20), Some(TARGET_SERVED), "that one is another");
        let mut service = serving(&[K1], TARGET);
        service.on_down(K1, at(15));
        assert_eq!(judge(&service, 20), Some(TARGET_SERVED));
    }
}

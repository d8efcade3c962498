//! What each kind of nemesis does to whom: from an occasion to a concrete fault, with the numbers.
//!
//! A nemesis hits only who is there: links of nodes that are not absent, processes that run.

use crate::director::action::{cut_all, halves};
use crate::director::census::Census;
use crate::director::resolve::Resolver;
use crate::director::spec::NemesisKind;
use crate::director::{draw, topology};
use crate::fault::{CrashScope, DiskFault, Fault, Keep, Latency, Offset, Weather};
use crate::id::{Cluster, Link, NodeId};
use crate::rng::{Ppm, Rng};
use crate::selector::{Selector, Span};
use crate::system::Bounds;
use crate::time::Duration;

/// Of packets on a lossy link.
const LOSS: Ppm = Ppm::new(200_000);
/// Of packets on a link that duplicates.
const DUPLICATION: Ppm = Ppm::new(200_000);
/// Of packets on a link that reorders.
const REORDERING: Ppm = Ppm::new(200_000);
/// The least that a packet takes on a slow link.
const DELAY_MIN: Duration = Duration::from_millis(1);
/// The most that a packet takes on a slow link.
const DELAY_MAX: Duration = Duration::from_millis(500);
/// What a slow node takes for each input.
const SERVICE_TIME: Duration = Duration::from_millis(1);
/// What a slow disk takes more for each write and each sync.
const DISK_SLOW_BY: Duration = Duration::from_millis(20);
/// How far a wall clock is led either way, where no bound on skew is declared.
const STEP_MAX: Duration = Duration::from_millis(250);
/// The part of a declared bound on skew that a wall clock is led either way. Two clocks led apart use up half of the
/// bound; the other half is left to the offsets and drifts that the clocks have of themselves.
const STEP_SHARE: u64 = 4;
/// How much a clock runs fast or slow, where no bound on drift is declared.
const DRIFT_PPM_MAX: u32 = 500;

/// How far nemeses have led each wall clock, so that one step after the other stays within the bound.
#[derive(Clone, Debug)]
pub(crate) struct ClockAccount {
    cluster: Cluster,
    bounds: Bounds,
    /// Nanoseconds, by node.
    led: Vec<i64>,
}

impl ClockAccount {
    /// No clock was led anywhere.
    pub(crate) fn new(cluster: Cluster, bounds: Bounds) -> Self {
        Self { cluster, bounds, led: vec![0; cluster.node_count()] }
    }

    /// The most that a clock may be led either way.
    fn limit(&self) -> i64 {
        let limit = self.bounds.skew.map_or(STEP_MAX, |skew| skew.div(STEP_SHARE));
        // Half of the signed range, so that a difference of two fits.
        i64::try_from(limit.as_nanos()).map_or(i64::MAX / 2, |nanos| nanos.min(i64::MAX / 2))
    }

    /// A step to a place within the limit, drawn; nothing where it would be no step.
    fn step(&mut self, node: NodeId, rng: &mut Rng) -> Option<Offset> {
        let limit = self.limit();
        let place = draw::signed(rng, -limit, limit);
        let led = &mut self.led[self.cluster.index(node)];
        let by = place - *led;
        *led = place;
        (by != 0).then_some(Offset(by))
    }

    /// A drift within the declared bounds for so long, drawn; nothing where it would be none. Where a bound on skew is
    /// declared, the way that the wall clock goes meanwhile counts as a step.
    fn drift(&mut self, node: NodeId, duration: Duration, rng: &mut Rng) -> Option<i32> {
        let most = self.bounds.drift_ppm.unwrap_or(DRIFT_PPM_MAX);
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        let mut ppm = i128::from(draw::ppm(rng, Span { low: -most, high: most }));
        if self.bounds.skew.is_some() && !duration.is_zero() {
            let limit = i128::from(self.limit());
            let led = &mut self.led[self.cluster.index(node)];
            let (before, nanos) = (i128::from(*led), i128::from(duration.as_nanos()));
            let (low, high) = (-limit - before, limit - before);
            ppm = ppm.clamp(low * 1_000_000 / nanos, high * 1_000_000 / nanos);
            let after = before + ppm * nanos / 1_000_000;
            *led = i64::try_from(after).expect("it is within the limit");
        }
        let ppm = i32::try_from(ppm).expect("it was drawn as one, and clamped towards zero");
        (ppm != 0).then_some(ppm)
    }
}

/// A moment at which a nemesis strikes.
pub(crate) struct Occasion<'a> {
    census: &'a Census,
    rng: &'a Rng,
    /// Whom the nemesis may choose, the first choice first.
    pool: Vec<NodeId>,
    duration: Duration,
}

impl<'a> Occasion<'a> {
    /// An occasion for a fault of this duration, with the stream of its occurrence.
    pub(crate) fn new(census: &'a Census, rng: &'a Rng, on: &[Selector], duration: Duration) -> Self {
        let pool = Resolver::new(census, rng).pool(on);
        Self { census, rng, pool: draw::shuffled(rng, pool), duration }
    }

    /// What the kind comes to; nothing where it would hit nobody.
    pub(crate) fn fault(&mut self, kind: NemesisKind, clocks: &mut ClockAccount) -> Option<Fault> {
        match kind {
            NemesisKind::OneWay => self.one_way(),
            NemesisKind::PairCut => self.pair().and_then(|link| cut_all(vec![link, link.reverse()])),
            NemesisKind::Isolate => cut_all(self.links()?),
            NemesisKind::Deaf => cut_all(topology::between(&self.all(), &self.one()?)),
            NemesisKind::Mute => cut_all(topology::between(&self.one()?, &self.all())),
            NemesisKind::Bridge => self.bridge(),
            NemesisKind::Halves => self.split(&[]),
            NemesisKind::Ring => cut_all(topology::ring(&self.shuffled_servers())),
            NemesisKind::Partial => cut_all(self.random_graph()),
            NemesisKind::Clog => Some(Fault::Clog { links: self.links()?, kinds: Vec::new() }),
            NemesisKind::Loss | NemesisKind::Delay | NemesisKind::Duplicate | NemesisKind::Reorder => {
                self.weather(kind)
            }
            NemesisKind::Crash => self.crash(CrashScope::Process),
            NemesisKind::MachineCrash => self.crash(CrashScope::Machine),
            NemesisKind::Pause => Some(Fault::Pause { nodes: self.live()? }),
            NemesisKind::Slow => Some(Fault::Slow { nodes: self.live()?, service_time: SERVICE_TIME }),
            NemesisKind::ClockStep => {
                let nodes = self.live()?;
                let by = clocks.step(nodes[0], &mut self.parameter())?;
                Some(Fault::ClockStep { nodes, by })
            }
            NemesisKind::ClockDrift => {
                let nodes = self.live()?;
                let ppm = clocks.drift(nodes[0], self.duration, &mut self.parameter())?;
                Some(Fault::ClockDrift { nodes, ppm })
            }
            NemesisKind::ClockFreeze => Some(Fault::ClockFreeze { nodes: self.live()? }),
            NemesisKind::DiskSlow => self.disk(DiskFault::Slow { by: DISK_SLOW_BY }),
            NemesisKind::DiskFull => self.disk(DiskFault::Full),
            NemesisKind::DiskLies => self.disk(DiskFault::LyingSync),
        }
    }

    /// The chosen node, whether it runs or not: its links are there.
    fn one(&self) -> Option<[NodeId; 1]> {
        self.pool.first().map(|node| [*node])
    }

    /// The chosen one of those whose processes run.
    fn live(&self) -> Option<Vec<NodeId>> {
        let live = self.pool.iter().find(|node| self.census.is_up(**node))?;
        Some(vec![*live])
    }

    /// All nodes: absent ones too, should they join meanwhile.
    fn all(&self) -> Vec<NodeId> {
        self.census.cluster().nodes().collect()
    }

    /// All links to and from the chosen node.
    fn links(&self) -> Option<Vec<Link>> {
        Some(topology::apart(&self.one()?, &self.all()))
    }

    /// One direction between the chosen node and another, drawn.
    fn one_way(&self) -> Option<Fault> {
        let link = self.pair()?;
        let there = self.rng.fork("direction", 0).word() >> 63 == 0;
        cut_all(vec![if there { link } else { link.reverse() }])
    }

    /// The link from the chosen node to another: a server, or one whom the nemesis may choose. Clients do not talk to
    /// one another.
    fn pair(&self) -> Option<Link> {
        let [node] = self.one()?;
        let fits =
            |other: &NodeId| *other != node && (other.is_server() || (node.is_server() && self.pool.contains(other)));
        let others = self.census.present().filter(fits);
        let target = *draw::shuffled(&self.rng.fork("other", 0), others).first()?;
        Some(Link::new(node, target))
    }

    fn bridge(&self) -> Option<Fault> {
        let middle = self.pool.iter().find(|node| node.is_server())?;
        self.split(&[*middle])
    }

    /// Two halves of all but `middle`.
    fn split(&self, middle: &[NodeId]) -> Option<Fault> {
        let (left, right) = halves(self.rng, self.census.present(), middle);
        cut_all(topology::apart(&left, &right))
    }

    fn shuffled_servers(&self) -> Vec<NodeId> {
        draw::shuffled(&self.rng.fork("ring", 0), self.census.servers())
    }

    /// Each pair of servers with even odds, by a word keyed by the pair.
    fn random_graph(&self) -> Vec<Link> {
        let rng = self.rng.fork("pair", 0);
        let is_cut = |link: &Link| {
            let (low, high) = (link.source.min(link.target), link.source.max(link.target));
            rng.fork("cut", low.key() << 16 | high.key()).word() >> 63 == 0
        };
        let servers: Vec<NodeId> = self.census.servers().collect();
        let links = topology::between(&servers, &servers).into_iter();
        links.filter(is_cut).collect()
    }

    fn weather(&self, kind: NemesisKind) -> Option<Fault> {
        let mut conditions = Weather::default();
        match kind {
            NemesisKind::Loss => conditions.loss = Some(LOSS),
            NemesisKind::Duplicate => conditions.duplication = Some(DUPLICATION),
            NemesisKind::Reorder => conditions.reordering = Some(REORDERING),
            _ => {
                conditions.latency = Some(Latency::Uniform { min: DELAY_MIN, max: DELAY_MAX });
            }
        }
        Some(Fault::Weather { links: self.links()?, conditions, kinds: Vec::new() })
    }

    fn crash(&self, scope: CrashScope) -> Option<Fault> {
        Some(Fault::Crash { nodes: self.live()?, scope, keep: Keep::Prefix })
    }

    fn disk(&self, fault: DiskFault) -> Option<Fault> {
        Some(Fault::Disk { nodes: self.live()?, fault })
    }

    fn parameter(&self) -> Rng {
        self.rng.fork("parameter", 0)
    }
}

//! `[network]`: the conditions when nothing is wrong, and the links that have others. The same five conditions make
//! up the fault `weather`.

use serde_json::Value as Json;
use splitbrain_kernel::fault::{Latency, LinkConditions};
use splitbrain_kernel::id::{Cluster, Link, NodeId, NodeName};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::run::Redial;
use splitbrain_kernel::selector::{LinkSelector, Selector};

use crate::scenario::description::SystemDescription;
use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::{At, Problem, Reader};
use crate::scenario::shape::drawn::DrawnShape;
use crate::scenario::shape::quantity::{ANY_TIME, Bandwidth, Chance, LatencyShape, SOME_TIME, Scalar};
use crate::scenario::shape::who::Path;
use crate::scenario::shape::{Integer, OneOrMore};
use crate::scenario::{Drawn, NetworkChoices};

use super::{Fields, Pairs, SubTable, TableList};

type DrawnChance = DrawnShape<Scalar<Chance>>;
const DRAWN_CHANCE: DrawnChance = DrawnShape(Scalar(Chance));

const LATENCY: Key<LatencyShape> = Key {
    name: "latency",
    shape: LatencyShape,
    need: Need::Default("\"1ms..5ms\""),
    doc: "How long a packet takes; drawn for each packet.",
};
/// Its path keys the draw.
pub(crate) const LOSS: Key<DrawnChance> = Key {
    name: "loss",
    shape: DRAWN_CHANCE,
    need: Need::Default("\"0%\""),
    doc: "Chance that a datagram is lost. A range or choice is drawn once a run.",
};
/// Its path keys the draw.
pub(crate) const DUPLICATION: Key<DrawnChance> = Key {
    name: "duplication",
    shape: DRAWN_CHANCE,
    need: Need::Default("\"0%\""),
    doc: "Chance that a datagram arrives twice. A range or choice is drawn once a run.",
};
/// Its path keys the draw.
pub(crate) const REORDERING: Key<DrawnChance> = Key {
    name: "reordering",
    shape: DRAWN_CHANCE,
    need: Need::Default("\"0%\""),
    doc: "Chance that a datagram takes an extra delay, so that others overtake it. A range or choice is drawn once a \
          run.",
};
const BANDWIDTH: Key<Scalar<Bandwidth>> = Key {
    name: "bandwidth",
    shape: Scalar(Bandwidth),
    need: Need::Default("\"unlimited\""),
    doc: "What each link carries; packets queue behind one another.",
};

section! {
    /// The conditions of every link when nothing is wrong.
    pub(crate) NETWORK = "network", NetworkFields -> NetworkChoices {
        use LATENCY as latency, default;
        use LOSS as loss, default;
        use DUPLICATION as duplication, default;
        use REORDERING as reordering, default;
        /// The most that the extra delay of a reordered datagram, or of the second copy of one, can be.
        reordering_delay: Scalar(ANY_TIME), default "\"10ms\"";
        use BANDWIDTH as bandwidth, default;
        /// A connection whose packets get no answer for this long is closed.
        connection_timeout: Scalar(SOME_TIME), default "\"1s\"";
        /// The back-off of a node that opens connections: to one that it did not reach it opens the next after a wait,
        /// which doubles with each failure in a row. Without it each is opened at once.
        redial: SubTable(RedialFields), optional;
        /// [[network.link]]: links with other conditions; later ones win.
        links as "link": TableList(SubTable(LinkFields)), apart "[]";
    }
}

/// Which links.
pub(crate) const LINKS: Key<OneOrMore<Path>> = Key {
    name: "links",
    shape: OneOrMore(Path),
    need: Need::Required,
    doc: "Which links: \"s1 -> s2\" is one way, \"s1 <-> s2\" both.",
};

section! {
    /// How long a node waits until it opens a connection again. A connection that opens resets the wait, and so does
    /// the end of the process. The loss of a connection that was open does not count as a failure.
    pub(crate) REDIAL_TABLE = "network.redial", RedialFields -> Redial, |reader, table| {
        /// The wait after the first failure.
        min: Scalar(SOME_TIME), required;
        /// The longest wait.
        max: Scalar(SOME_TIME), required;
    }
    noun r#"a table such as { min = "10ms", max = "10s" }"#;
    check {
        let least = min.value?;
        if least > max.value? {
            table.refuse_key(reader, max.name, format!("must be at least min ({least})"));
        }
    }
}

section! {
    /// Links with other conditions. What is not named is as on the others. In [[network.link]] the links are between
    /// named nodes or all of them; in the fault weather they may be any.
    pub(crate) WEATHER = "network.link[]", WeatherFields -> WeatherTable, |reader, table| {
        use LINKS as links, required;
        in conditions: LinkConditions {
            use LATENCY as latency, optional;
            /// Chance that a datagram is lost.
            loss: Scalar(Chance), optional;
            /// Chance that a datagram arrives twice.
            duplication: Scalar(Chance), optional;
            /// Chance that a datagram takes an extra delay.
            reordering: Scalar(Chance), optional;
            use BANDWIDTH as bandwidth, optional;
            /// Datagrams that a link holds at a time, those that wait for bandwidth included; one more is lost (tail
            /// drop). 0 is no limit.
            capacity: Integer { min: 0, max: 1_000_000_000 }, optional;
        }
    }
    noun r#"a table such as { links = "leader -> *", loss = "20%" }"#;
    impl {
        fn schema(&self, system: &SystemDescription) -> Json {
            self.section().constant_schema(system)
        }
    }
    check {
        refuse_idle(reader, table);
    }
}

/// Links and their conditions, as the fault `weather` says them.
pub(crate) struct WeatherTable {
    /// The links.
    pub(crate) links: Vec<LinkSelector>,
    /// What is otherwise on them.
    pub(crate) conditions: LinkConditions,
}

fn refuse_idle(reader: &mut Reader<'_>, table: &Table<'_>) {
    let conditions: Vec<&str> = WEATHER.names().filter(|name| *name != LINKS.name).collect();
    let is_idle = conditions.iter().all(|name| table.at(name).is_none());
    if is_idle && !reader.proposes(&table.path, &conditions) {
        let message = format!("changes nothing: name at least one of {}", conditions.join(", "));
        reader.report(&table.span, &table.path, Problem::new(message));
    }
}

/// `[[network.link]]`: links between nodes that are known before the run.
#[derive(Debug)]
pub(crate) struct LinkFields;

impl Fields for LinkFields {
    type Value = (Vec<Link>, LinkConditions);

    fn section(&self) -> &'static Section {
        &WEATHER
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Self::Value> {
        let weather = WeatherFields.read(reader, table)?;
        let at = table.at(LINKS.name)?;
        let cluster = reader.cluster?;
        let links: Option<Vec<Vec<Link>>> =
            weather.links.iter().map(|selector| fixed_links(reader, &at, cluster, selector)).collect();
        let mut links: Vec<Link> = links?.into_iter().flatten().collect();
        links.sort_unstable();
        links.dedup();
        Some((links, weather.conditions))
    }

    fn pairs(&self, value: &Self::Value) -> Pairs {
        link_pairs(value, NodeName::from)
    }
}

/// The pairs of `[[network.link]]`, with the nodes by these names.
pub(crate) fn link_pairs(
    (links, conditions): &(Vec<Link>, LinkConditions),
    name: impl Fn(NodeId) -> NodeName,
) -> Pairs {
    let links = links.iter().map(|link| LinkSelector {
        source: Selector::Node(name(link.source)),
        target: Selector::Node(name(link.target)),
        both: false,
    });
    WeatherFields.pairs(&WeatherTable { links: links.collect(), conditions: *conditions })
}

/// The links that a selector of fixed nodes stands for.
fn fixed_links(reader: &mut Reader<'_>, at: &At<'_>, cluster: Cluster, selector: &LinkSelector) -> Option<Vec<Link>> {
    let nodes = (fixed_nodes(cluster, &selector.source), fixed_nodes(cluster, &selector.target));
    let (Some(sources), Some(targets)) = nodes else {
        let message = format!(
            "\"{selector}\" is not fixed: here stand nodes such as {}, {} or * alone",
            cluster.kinds()[0].name_of(1),
            every_kind(cluster),
        );
        reader.refuse(at, Problem::new(message));
        return None;
    };
    let pairs = sources.iter().flat_map(|a| targets.iter().map(|b| Link::new(*a, *b)));
    let one_way = pairs.filter(|link| link.source != link.target);
    Some(one_way.flat_map(|link| [Some(link), selector.both.then(|| link.reverse())]).flatten().collect())
}

/// `"every server", "every client"`.
pub(super) fn every_kind(cluster: Cluster) -> String {
    let words: Vec<String> = cluster.kinds().iter().map(|kind| format!("\"every {}\"", kind.name)).collect();
    words.join(", ")
}

/// The nodes that a selector of fixed nodes stands for.
pub(super) fn fixed_nodes(cluster: Cluster, selector: &Selector) -> Option<Vec<NodeId>> {
    match selector {
        Selector::Node(node) => Some(vec![node.id()]),
        Selector::Every(among) => Some(cluster.nodes().filter(|node| among.has(&cluster, *node)).collect()),
        _ => None,
    }
}

/// The most that an undisturbed packet takes under these conditions.
pub(crate) fn latency_max(latency: Latency) -> splitbrain_kernel::time::Duration {
    match latency {
        Latency::Uniform { max, .. } => max,
        // The kernel's table ends below 17 times the mean.
        Latency::Exponential { min, mean } => min.saturating_add(mean.saturating_mul(17)),
    }
}

/// The most that a chance can come to.
pub(crate) fn chance_max(chance: &Drawn<Ppm>) -> Ppm {
    match chance {
        Drawn::Constant(value) => *value,
        Drawn::Range { high, .. } => *high,
        Drawn::Choose(values) => values.iter().copied().max().unwrap_or_default(),
    }
}

//! `[network]`: the conditions when nothing is wrong, and the links that have others. The same five conditions make
//! up the fault `weather`.

use serde_json::Value as Json;
use splitbrain_kernel::fault::{Latency, LinkConditions};
use splitbrain_kernel::id::{Cluster, Link, NodeId, NodeName};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::run::Redial;
use splitbrain_kernel::selector::{LinkSelector, Selector};

use crate::scenario::NetworkChoices;
use crate::scenario::description::SystemDescription;
use crate::scenario::key::{Key, Need, Section, Table};
use crate::scenario::reader::{At, Problem, Reader};
use crate::scenario::shape::drawn::DrawnShape;
use crate::scenario::shape::quantity::{ANY_TIME, Bandwidth, Chance, LatencyShape, One, SOME_TIME, Time};
use crate::scenario::shape::who::Path;
use crate::scenario::shape::{OneOrMore, Whole};

use super::{Fields, Pairs, SubTable, TableList};

type DrawnChance = DrawnShape<One<Chance>>;
const DRAWN_CHANCE: DrawnChance = DrawnShape(One(Chance));

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
const REORDERING_DELAY: Key<One<Time>> = Key {
    name: "reordering_delay",
    shape: One(ANY_TIME),
    need: Need::Default("\"10ms\""),
    doc: "The most that the extra delay of a reordered datagram, or of the second copy of one, can be.",
};
const BANDWIDTH: Key<One<Bandwidth>> = Key {
    name: "bandwidth",
    shape: One(Bandwidth),
    need: Need::Default("\"unlimited\""),
    doc: "What each link carries; packets queue behind one another.",
};
const CONNECTION_TIMEOUT: Key<One<Time>> = Key {
    name: "connection_timeout",
    shape: One(SOME_TIME),
    need: Need::Default("\"1s\""),
    doc: "A connection whose packets get no answer for this long is closed.",
};
const REDIAL: Key<SubTable<RedialFields>> = Key {
    name: "redial",
    shape: SubTable(RedialFields),
    need: Need::Optional,
    doc: "The back-off of a node that opens connections: to one that it did not reach it opens the next after a wait, \
          which doubles with each failure in a row. Without it each is opened at once.",
};
const LINK: Key<TableList<LinkFields>> = Key {
    name: "link",
    shape: TableList(SubTable(LinkFields)),
    need: Need::Default("[]"),
    doc: "[[network.link]]: links with other conditions; later ones win.",
};

/// The keys of `[network]`.
pub(crate) static NETWORK: Section = Section {
    name: "network",
    doc: "The conditions of every link when nothing is wrong.",
    keys: &[
        &LATENCY,
        &LOSS,
        &DUPLICATION,
        &REORDERING,
        &REORDERING_DELAY,
        &BANDWIDTH,
        &CONNECTION_TIMEOUT,
        &REDIAL,
        &LINK,
    ],
};

/// `[network]`.
#[derive(Debug)]
pub(crate) struct NetworkFields;

impl Fields for NetworkFields {
    type Value = NetworkChoices;

    fn section(&self) -> &'static Section {
        &NETWORK
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<NetworkChoices> {
        let latency = table.get(reader, &LATENCY);
        let loss = table.get(reader, &LOSS);
        let duplication = table.get(reader, &DUPLICATION);
        let reordering = table.get(reader, &REORDERING);
        let reordering_delay = table.get(reader, &REORDERING_DELAY);
        let bandwidth = table.get(reader, &BANDWIDTH);
        let connection_timeout = table.get(reader, &CONNECTION_TIMEOUT);
        let redial = table.get(reader, &REDIAL);
        let links = table.get(reader, &LINK);
        Some(NetworkChoices {
            latency: latency?,
            loss: loss?,
            duplication: duplication?,
            reordering: reordering?,
            reordering_delay: reordering_delay?,
            bandwidth: bandwidth?,
            connection_timeout: connection_timeout?,
            redial,
            links: links?,
        })
    }

    fn pairs(&self, value: &NetworkChoices) -> Pairs {
        Pairs::default()
            .put(&LATENCY, &value.latency)
            .put(&LOSS, &value.loss)
            .put(&DUPLICATION, &value.duplication)
            .put(&REORDERING, &value.reordering)
            .put(&REORDERING_DELAY, &value.reordering_delay)
            .put(&BANDWIDTH, &value.bandwidth)
            .put(&CONNECTION_TIMEOUT, &value.connection_timeout)
            .put_some(&REDIAL, value.redial.as_ref())
    }
}

/// Which links.
pub(crate) const LINKS: Key<OneOrMore<Path>> = Key {
    name: "links",
    shape: OneOrMore(Path),
    need: Need::Required,
    doc: "Which links: \"s1 -> s2\" is one way, \"s1 <-> s2\" both.",
};

const CHANCE: One<Chance> = One(Chance);
const LINK_LOSS: Key<One<Chance>> =
    Key { name: LOSS.name, shape: CHANCE, need: Need::Optional, doc: "Chance that a datagram is lost." };
const LINK_DUPLICATION: Key<One<Chance>> =
    Key { name: DUPLICATION.name, shape: CHANCE, need: Need::Optional, doc: "Chance that a datagram arrives twice." };
const LINK_REORDERING: Key<One<Chance>> = Key {
    name: REORDERING.name,
    shape: CHANCE,
    need: Need::Optional,
    doc: "Chance that a datagram takes an extra delay.",
};
const LINK_LATENCY: Key<LatencyShape> = Key { need: Need::Optional, ..LATENCY };
const LINK_BANDWIDTH: Key<One<Bandwidth>> = Key { need: Need::Optional, ..BANDWIDTH };
const LINK_CAPACITY: Key<Whole> = Key {
    name: "capacity",
    shape: Whole { min: 0, max: 1_000_000_000 },
    need: Need::Optional,
    doc: "Datagrams that a link holds at a time, those that wait for bandwidth included; one more is lost (tail drop). \
          0 is no limit.",
};

const REDIAL_MIN: Key<One<Time>> =
    Key { name: "min", shape: One(SOME_TIME), need: Need::Required, doc: "The wait after the first failure." };
const REDIAL_MAX: Key<One<Time>> =
    Key { name: "max", shape: One(SOME_TIME), need: Need::Required, doc: "The longest wait." };

/// The keys of `[network.redial]`.
pub(crate) static REDIAL_TABLE: Section = Section {
    name: "network.redial",
    doc: "How long a node waits until it opens a connection again. A connection that opens resets the wait, and so \
          does the end of the process. The loss of a connection that was open does not count as a failure.",
    keys: &[&REDIAL_MIN, &REDIAL_MAX],
};

/// `[network.redial]`.
#[derive(Debug)]
struct RedialFields;

impl Fields for RedialFields {
    type Value = Redial;

    fn section(&self) -> &'static Section {
        &REDIAL_TABLE
    }

    fn noun(&self) -> String {
        r#"a table such as { min = "10ms", max = "10s" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Redial> {
        let (min, max) = (table.get(reader, &REDIAL_MIN), table.get(reader, &REDIAL_MAX));
        let (min, max) = (min?, max?);
        if min > max {
            let message = format!("must be at least min ({min})");
            reader.report(&table.key_span(REDIAL_MAX.name), &table.path_of(REDIAL_MAX.name), Problem::new(message));
            return None;
        }
        Some(Redial { min, max })
    }

    fn pairs(&self, value: &Redial) -> Pairs {
        Pairs::default().put(&REDIAL_MIN, &value.min).put(&REDIAL_MAX, &value.max)
    }
}

/// The keys of `[[network.link]]` and of the fault `weather`.
pub(crate) static WEATHER: Section = Section {
    name: "network.link[]",
    doc: "Links with other conditions. What is not named is as on the others. In [[network.link]] the links are \
          between named nodes or all of them; in the fault weather they may be any.",
    keys: &[&LINKS, &LINK_LATENCY, &LINK_LOSS, &LINK_DUPLICATION, &LINK_REORDERING, &LINK_BANDWIDTH, &LINK_CAPACITY],
};

/// Links and their conditions, as the fault `weather` says them.
#[derive(Debug)]
pub(crate) struct WeatherFields;

impl Fields for WeatherFields {
    type Value = (Vec<LinkSelector>, LinkConditions);

    fn section(&self) -> &'static Section {
        &WEATHER
    }

    fn noun(&self) -> String {
        r#"a table such as { links = "leader -> *", loss = "20%" }"#.to_owned()
    }

    fn read(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Self::Value> {
        let links = table.get(reader, &LINKS);
        let conditions: Vec<&str> = WEATHER.names().filter(|name| *name != LINKS.name).collect();
        let is_idle = conditions.iter().all(|name| table.at(name).is_none());
        if is_idle && !reader.proposes(&table.path, &conditions) {
            let message = format!("changes nothing: name at least one of {}", conditions.join(", "));
            reader.report(&table.span, &table.path, Problem::new(message));
        }
        let weather = LinkConditions {
            latency: table.get(reader, &LINK_LATENCY),
            loss: table.get(reader, &LINK_LOSS),
            duplication: table.get(reader, &LINK_DUPLICATION),
            reordering: table.get(reader, &LINK_REORDERING),
            bandwidth: table.get(reader, &LINK_BANDWIDTH),
            capacity: table.get(reader, &LINK_CAPACITY),
        };
        Some((links?, weather))
    }

    fn pairs(&self, (links, weather): &Self::Value) -> Pairs {
        weather_pairs(Pairs::default().put(&LINKS, links), weather)
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        self.section().constant_schema(system)
    }
}

fn weather_pairs(pairs: Pairs, weather: &LinkConditions) -> Pairs {
    pairs
        .put_some(&LINK_LATENCY, weather.latency.as_ref())
        .put_some(&LINK_LOSS, weather.loss.as_ref())
        .put_some(&LINK_DUPLICATION, weather.duplication.as_ref())
        .put_some(&LINK_REORDERING, weather.reordering.as_ref())
        .put_some(&LINK_BANDWIDTH, weather.bandwidth.as_ref())
        .put_some(&LINK_CAPACITY, weather.capacity.as_ref())
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
        let (selectors, weather) = WeatherFields.read(reader, table)?;
        let at = table.at(LINKS.name)?;
        let cluster = reader.cluster?;
        let links: Option<Vec<Vec<Link>>> =
            selectors.iter().map(|selector| fixed_links(reader, &at, cluster, selector)).collect();
        let mut links: Vec<Link> = links?.into_iter().flatten().collect();
        links.sort_unstable();
        links.dedup();
        Some((links, weather))
    }

    fn pairs(&self, value: &Self::Value) -> Pairs {
        link_pairs(value, NodeName::from)
    }
}

/// The pairs of `[[network.link]]`, with the nodes by these names.
pub(crate) fn link_pairs((links, weather): &(Vec<Link>, LinkConditions), name: impl Fn(NodeId) -> NodeName) -> Pairs {
    let links = links.iter().map(|link| LinkSelector {
        source: Selector::Node(name(link.source)),
        target: Selector::Node(name(link.target)),
        both: false,
    });
    weather_pairs(Pairs::default().put(&LINKS, &links.collect()), weather)
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
pub(crate) fn chance_max(chance: &crate::scenario::Drawn<Ppm>) -> Ppm {
    match chance {
        crate::scenario::Drawn::Constant(value) => *value,
        crate::scenario::Drawn::Range { high, .. } => *high,
        crate::scenario::Drawn::Choose(values) => values.iter().copied().max().unwrap_or_default(),
    }
}

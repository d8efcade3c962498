//! A scenario for one seed: every choice drawn, the system built, the kernel's options filled in.

mod choices;
mod idle;
mod operations;
mod verify;

use std::collections::BTreeMap;

use splitbrain_kernel::director::spec::{FaultSpec, NemesisSpec, OrderChoice};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::invariant::{InvariantSet, Invariants as _};
use splitbrain_kernel::node::Node;
use splitbrain_kernel::options::{OptionShape, Options, OptionsError, PRESET, PerServer, Value};
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::run::{NetworkOptions, OptionsOf, RunOptions};
use splitbrain_kernel::system::{Bounds, Setup, System};

use super::combination::describe_chosen;
use super::draw::Decider;
use super::section::network::{chance_max, latency_max};
use super::section::restart;
use super::shape::quote;
use super::{Diagnostics, OrderArgument, OrderCall, Scenario};
use choices::Choices;
pub use idle::notes;
pub use verify::verify;

/// Everything that a run is made from.
#[derive(Clone, Debug)]
pub struct Resolved<S: System> {
    /// The system, with its options.
    pub system: S,
    /// The rest.
    pub options: OptionsOf<S>,
    /// What was drawn once for this run: options and chances of the network, then other keys as they are read.
    pub chosen: Vec<Chosen>,
    /// The value of every option of the system, `preset`, and what was drawn: for `where`, for reports, to be printed.
    pub facts: Facts,
    /// The options of single nodes that differ from those of all others, by name of the node and path, as text.
    pub own: Vec<(String, String)>,
}

/// Whether this is the id of a fault that a supervisor does (`[cluster.restart]`): it need not come about.
pub fn is_restart(id: &str) -> bool {
    restart::is_restart(id)
}

/// What servers of a system can be ordered.
type Order<S> = <<S as System>::Node as Node>::Order;

/// Something that was drawn once for a run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Chosen {
    /// The path of its key: `raft.pre_vote.enabled`.
    pub key: String,
    /// What it came to, as text.
    pub value: String,
}

/// What is known of a run before it begins, by name and as text: the system's base options and `preset`, and
/// whatever was drawn once for it, by the path of its key.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    options: BTreeMap<String, String>,
    drawn: BTreeMap<String, String>,
}

impl Facts {
    /// The value of an option, or of a key that was drawn.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.options.get(key).or_else(|| self.drawn.get(key)).map(String::as_str)
    }

    /// The options, in order of name.
    pub const fn options(&self) -> &BTreeMap<String, String> {
        &self.options
    }
}

/// Options by name, for tests of what is judged by them.
impl<const N: usize> From<[(&str, &str); N]> for Facts {
    fn from(facts: [(&str, &str); N]) -> Self {
        let options = facts.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { options, drawn: BTreeMap::new() }
    }
}

/// Draws every choice of the scenario for this seed and builds the system.
///
/// # Errors
/// What cannot stand together once drawn, with the seed and what it draws, and orders that the system refuses, at their
/// place in the file.
///
/// # Panics
/// Where the scenario was loaded for another system.
pub fn resolve<S: System>(scenario: &Scenario, seed: Seed) -> Result<Resolved<S>, Diagnostics> {
    let drawn = scenario.decided(Decider::Seed(seed))?;
    let choices = Choices::draw(&drawn.scenario, seed);
    let chosen = [choices.chosen.as_slice(), &drawn.chosen].concat();
    resolve_drawn(&drawn.scenario, seed, &choices, chosen.clone()).map_err(|errors| match chosen.as_slice() {
        [] => errors,
        chosen => errors.with(&format!("seed {seed}: {}", describe_chosen(chosen))),
    })
}

/// The same where everything is drawn.
fn resolve_drawn<S: System>(
    scenario: &Scenario,
    seed: Seed,
    choices: &Choices,
    chosen: Vec<Chosen>,
) -> Result<Resolved<S>, Diagnostics> {
    let (system, base, own) = build::<S>(scenario, choices)?;
    let mut faults = faults_of(scenario, &system)?;
    faults.extend(scenario.restart.iter().flat_map(|policy| restart::faults(policy, scenario.cluster)));
    let workload = operations::load(scenario, &system, seed)?;
    let options = RunOptions {
        cluster: scenario.cluster,
        network: network_of(scenario, choices),
        clocks: choices::clocks(scenario, seed),
        disk: scenario.disk,
        disks: scenario.disks.clone(),
        faults,
        nemeses: nemeses_of(scenario, &system)?,
        workload,
        operations: Vec::new(),
        orders: Vec::new(),
        counted: scenario.expect.counted.clone(),
        duration: scenario.run.duration,
        settle: scenario.run.settle,
        budget: scenario.run.budget,
        invariants: invariants_of::<S>(scenario),
        bounds: bounds_of(scenario),
        ties: scenario.run.ties,
        replay: None,
    };
    let facts = facts_of::<S>(choices, &base, &chosen);
    Ok(Resolved { system, options, chosen, facts, own })
}

impl Scenario {
    /// The scenario with every choice made as for this seed: what is left to chance is what happens in the run.
    ///
    /// # Errors
    /// What cannot stand together once it is drawn.
    pub fn pinned(&self, seed: Seed) -> Result<Self, Diagnostics> {
        Ok(choices::pin(&self.decided(Decider::Seed(seed))?.scenario, seed))
    }
}

/// The system, its base options, and what differs from them at single nodes.
fn build<S: System>(scenario: &Scenario, choices: &Choices) -> Result<Built<S>, Diagnostics> {
    let refuse = |error: &OptionsError| blame(scenario, error);
    let (options, base) = options_of::<S>(scenario, choices)?;
    let own = own_options::<S>(scenario, &options);
    let setup = Setup::new(scenario.cluster, options, bounds_of(scenario));
    S::new(setup).map(|system| (system, base, own)).map_err(|error| refuse(&error))
}

/// What [`build`] makes.
type Built<S> = (S, <S as System>::Options, Vec<(String, String)>);

/// The options of all nodes, and those of the base.
fn options_of<S: System>(
    scenario: &Scenario,
    choices: &Choices,
) -> Result<(PerServer<S::Options>, S::Options), Diagnostics> {
    assert_eq!(scenario.system, S::NAME, "a scenario is resolved for the system it was loaded for");
    let refuse = |error: &OptionsError| blame(scenario, error);
    let base = base_options::<S>(choices);
    base.validate_all(scenario.cluster).map_err(|error| refuse(&error))?;
    let mut options = PerServer::same(base.clone());
    for (node, settings) in &choices.nodes {
        let mut own = base.clone();
        apply(&mut own, settings);
        own.validate_all(scenario.cluster).map_err(|error| refuse(&error))?;
        options.of.insert(*node, own);
    }
    Ok((options, base))
}

fn base_options<S: System>(choices: &Choices) -> S::Options {
    let preset = S::Options::preset(&choices.preset);
    let mut options = preset.expect("a preset was checked when the file was read");
    apply(&mut options, &choices.base);
    options
}

/// Presets of groups first, those around before those inside: what else is set comes on top of them.
fn apply<O: Options>(options: &mut O, settings: &[(String, Value)]) {
    let mut presets: Vec<&(String, Value)> = settings.iter().filter(|(path, _)| is_preset(path)).collect();
    presets.sort_by_key(|(path, _)| path.split('.').count());
    for (path, value) in presets.into_iter().chain(settings.iter().filter(|(path, _)| !is_preset(path))) {
        assert!(options.set(path, value), "{path} was checked when the file was read");
    }
}

/// Whether this is the path of the preset of a group.
fn is_preset(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, key)| key == PRESET)
}

/// Options that cannot stand together, at the place in the file that sets the one to blame.
fn blame(scenario: &Scenario, error: &OptionsError) -> Diagnostics {
    let nodes = scenario.options.nodes.values().flatten();
    let setting = scenario.options.base.iter().chain(nodes).find(|one| one.name == error.option);
    let path = format!("{}.{}", scenario.system, error.option);
    let header = format!("[{}]", scenario.system);
    let span = match setting {
        Some(setting) => setting.span.clone(),
        None => scenario.source.text.find(&header).map_or(0..0, |at| at..at + header.len()),
    };
    Diagnostics::one(&scenario.source, span, &path, &error.message)
}

/// The same faults; only an order changes its type, from the words of the file to the system's own.
fn faults_of<S: System>(scenario: &Scenario, system: &S) -> Result<Vec<FaultSpec<Order<S>>>, Diagnostics> {
    let one = |(index, fault): (usize, &FaultSpec<OrderCall>)| {
        let path = format!("fault[{index}].order");
        fault.clone().try_map_order(|choice| order_of(scenario, system, choice, &path))
    };
    scenario.faults.iter().enumerate().map(one).collect()
}

/// The same nemeses; likewise.
fn nemeses_of<S: System>(scenario: &Scenario, system: &S) -> Result<Vec<NemesisSpec<Order<S>>>, Diagnostics> {
    let one = |(index, nemesis): (usize, &NemesisSpec<OrderCall>)| {
        let path = format!("nemesis[{index}].orders");
        nemesis.clone().try_map_order(|choice| order_of(scenario, system, choice, &path))
    };
    scenario.nemeses.iter().enumerate().map(one).collect()
}

/// The order of a call; of one about a node that a selector chooses, one for each node that the system takes.
fn order_of<S: System>(
    scenario: &Scenario,
    system: &S,
    choice: OrderChoice<OrderCall>,
    path: &str,
) -> Result<OrderChoice<Order<S>>, Diagnostics> {
    let OrderChoice::One(OrderCall { name, argument, span }) = choice else {
        panic!("a file says an order by its words");
    };
    let refuse = |message: String| Diagnostics::one(&scenario.source, span, path, &message);
    let node = match argument {
        OrderArgument::Text(text) => {
            let refuse_text = |message| refuse(with_selector::<S>(message, &text));
            return system.order(&name, &text).map(OrderChoice::One).map_err(refuse_text);
        }
        OrderArgument::Node(node) => node,
    };
    let cluster = scenario.cluster;
    let read = |about: NodeId| system.order(&name, &cluster.name(about).to_string()).map(|order| (about, order));
    let (orders, errors): (Vec<_>, Vec<_>) = cluster.nodes().map(read).partition(Result::is_ok);
    let orders: BTreeMap<NodeId, Order<S>> = orders.into_iter().flatten().collect();
    match errors.into_iter().find_map(Result::err).filter(|_| orders.is_empty()) {
        Some(message) => Err(refuse(message)),
        None => Ok(OrderChoice::About { node, orders }),
    }
}

/// What is wrong with an argument; one that looks like a selector was meant as one.
fn with_selector<S: System>(message: String, text: &str) -> String {
    let word = text.rsplit(' ').next().unwrap_or_default();
    let is_role = S::ROLES.iter().any(|role| role.name == word);
    let is_set = ["any ", "every "].iter().any(|article| text.starts_with(article));
    if !is_role && !is_set {
        return message;
    }
    format!("{message}; the node that a selector chooses is argument = {{ node = {} }}", quote(text))
}

fn network_of(scenario: &Scenario, choices: &Choices) -> NetworkOptions {
    let network = &scenario.network;
    let links = network.links.iter();
    NetworkOptions {
        latency: network.latency,
        loss: choices.loss,
        duplication: choices.duplication,
        reordering: choices.reordering,
        reordering_delay: network.reordering_delay,
        bandwidth: network.bandwidth,
        connection_timeout: network.connection_timeout,
        redial: network.redial,
        links: links.flat_map(|(links, weather)| links.iter().map(|link| (*link, *weather))).collect(),
    }
}

fn bounds_of(scenario: &Scenario) -> Bounds {
    let network = &scenario.network;
    let links = network.links.iter().filter_map(|(_, weather)| weather.latency);
    let latencies = links.chain([network.latency]).map(latency_max);
    let longest = latencies.max().expect("there is the base latency");
    let links = network.links.iter().filter_map(|(_, weather)| weather.reordering);
    let reordering = links.chain([chance_max(&network.reordering)]).max().unwrap_or_default();
    let overtaken = if reordering.parts() > 0 { network.reordering_delay } else { Default::default() };
    Bounds {
        skew: scenario.bounds.skew,
        drift_ppm: scenario.bounds.drift_ppm,
        latency: longest.saturating_add(overtaken),
    }
}

fn invariants_of<S: System>(scenario: &Scenario) -> InvariantSet {
    let list = S::Invariants::GROUPS.named(S::NAME);
    InvariantSet::All.filter(list.len(), |index| scenario.invariants.iter().any(|name| *name == list[index].name))
}

/// Every option by its path, the preset, the presets of groups where the scenario states them, and what was drawn.
fn facts_of<S: System>(choices: &Choices, base: &S::Options, chosen: &[Chosen]) -> Facts {
    let mut facts = BTreeMap::from([(PRESET.to_owned(), choices.preset.clone())]);
    add_facts(&mut facts, "", &OptionShape::of::<S::Options>(), base);
    let presets = choices.base.iter().filter(|(path, _)| is_preset(path));
    facts.extend(presets.map(|(path, value)| (path.clone(), value.to_string())));
    let drawn = chosen.iter().map(|one| (one.key.clone(), one.value.clone())).collect();
    Facts { options: facts, drawn }
}

/// The options of single nodes that differ from those of all others: `s1.timing.heartbeat`.
fn own_options<S: System>(scenario: &Scenario, options: &PerServer<S::Options>) -> Vec<(String, String)> {
    // Nearly every run ends here, and texts of all options are dear.
    if options.of.is_empty() {
        return Vec::new();
    }
    let facts = |of: &S::Options| {
        let mut facts = BTreeMap::new();
        add_facts(&mut facts, "", &OptionShape::of::<S::Options>(), of);
        facts
    };
    let base = facts(&options.base);
    let of_node = |(node, own): (&NodeId, &S::Options)| {
        let name = scenario.cluster.name(*node);
        let own = facts(own).into_iter().filter(|(key, value)| base.get(key) != Some(value));
        own.map(|(key, value)| (format!("{name}.{key}"), value)).collect::<Vec<_>>()
    };
    options.of.iter().flat_map(of_node).collect()
}

fn add_facts<O: Options>(facts: &mut BTreeMap<String, String>, group: &str, shape: &OptionShape, options: &O) {
    let path = |key: &str| if group.is_empty() { key.to_owned() } else { format!("{group}.{key}") };
    for spec in shape.specs {
        let value = options.get(&path(spec.name)).expect("an option has a value");
        facts.insert(path(spec.name), value.to_string());
    }
    for inner in shape.groups {
        add_facts(facts, &path(inner.name), &(inner.shape)(), options);
    }
}

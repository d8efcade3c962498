//! `weather`: the conditions of links change.

use serde::{Deserialize, Serialize};

use super::{
    Ability, Choice, Concrete, Done, Fault, Kind, Latency, Leaf, LinkConditions, Nodes, Range, Selectors, Stated,
    on_chosen_links, words,
};
use crate::brief::Derived;
use crate::id::Link;
use crate::network::Network;
use crate::time::Duration;

/// The conditions of these links change. What is not named stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct Weather<L: Leaf = Nodes> {
    /// Which directed links.
    pub links: L::Links,
    /// What changes.
    pub conditions: LinkConditions,
    /// The kinds of message that it applies to; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
}

impl<L: Leaf> Kind<L> for Weather<L> {
    const NAME: &'static str = "weather";
    super::on_links!();

    fn needs(&self) -> Option<Ability> {
        Some(Ability::Conditions)
    }
}

impl Stated for Weather<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        let Self { conditions, kinds, .. } = self;
        on_chosen_links(choice, &self.links, |links| Weather { links, conditions: *conditions, kinds: kinds.clone() })
    }
}

impl Done for Weather {
    fn words(&self) -> String {
        let on = (words::links(&self.links), words::only(&self.kinds));
        format!("weather on {}{}: {}", on.0, on.1, Derived(&self.conditions))
    }

    fn ranges(&self) -> Vec<Range> {
        let (low, high) = match self.conditions.latency {
            None => return Vec::new(),
            Some(Latency::Uniform { min, max }) => (min, max),
            Some(Latency::Exponential { min, mean }) => (Duration::ZERO, min.max(mean)),
        };
        vec![Range { path: &["conditions", "latency"], low, high }]
    }

    /// The network knows whether a packet met the conditions.
    fn changes_links(&self) -> bool {
        false
    }

    fn start_link(&self, key: u32, network: &mut Network, link: Link, mask: u64) {
        network.set_weather(key, link, mask, self.conditions);
    }
}

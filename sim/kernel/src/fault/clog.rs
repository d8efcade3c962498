//! `clog`: packets on links are held.

use serde::{Deserialize, Serialize};

use super::{Choice, Concrete, Done, Fault, Kind, Leaf, Nodes, Selectors, Stated, on_chosen_links, words};
use crate::id::Link;
use crate::network::Network;

/// Packets on these links are held, and go on when the clog is lifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct Clog<L: Leaf = Nodes> {
    /// Which directed links.
    pub links: L::Links,
    /// The kinds of message that it applies to; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
}

impl<L: Leaf> Kind<L> for Clog<L> {
    const NAME: &'static str = "clog";
    super::on_links!();
}

impl Stated for Clog<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        on_chosen_links(choice, &self.links, |links| Clog { links, kinds: self.kinds.clone() })
    }
}

impl Done for Clog {
    fn words(&self) -> String {
        format!("clog {}{}", words::links(&self.links), words::only(&self.kinds))
    }

    fn start_link(&self, key: u32, network: &mut Network, link: Link, mask: u64) {
        network.clog(key, link, mask);
    }
}

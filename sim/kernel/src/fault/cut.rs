//! `cut`: packets on links are lost.

use serde::{Deserialize, Serialize};

use super::{Choice, Concrete, Done, Fault, InFlight, Kind, Leaf, Nodes, Selectors, Stated, on_chosen_links, words};
use crate::id::Link;
use crate::network::Network;
use crate::vocabulary::Incident;

/// Packets on these links are lost, both those sent while the cut lasts and, with [`InFlight::Drop`], those already
/// under way. Connections over a cut link fall silent and time out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct Cut<L: Leaf = Nodes> {
    /// Which directed links.
    pub links: L::Links,
    /// What happens to packets under way.
    #[serde(default)]
    pub in_flight: InFlight,
    /// The kinds of message that it applies to; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
}

impl<L: Leaf> Cut<L> {
    /// A cut of these links for every packet, those under way included.
    pub const fn of(links: L::Links) -> Self {
        Self { links, in_flight: InFlight::Drop, kinds: Vec::new() }
    }
}

impl<L: Leaf> Kind<L> for Cut<L> {
    const NAME: &'static str = "cut";
    super::on_links!();
}

impl Stated for Cut<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        let Self { in_flight, kinds, .. } = self;
        on_chosen_links(choice, &self.links, |links| Cut { links, in_flight: *in_flight, kinds: kinds.clone() })
    }
}

impl Done for Cut {
    fn words(&self) -> String {
        format!("cut {}{}", words::links(&self.links), words::only(&self.kinds))
    }

    fn incident(&self) -> Option<Incident> {
        Some(Incident::CutOff)
    }

    fn start_link(&self, key: u32, network: &mut Network, link: Link, mask: u64) {
        network.cut(key, link, mask, self.in_flight);
    }
}
